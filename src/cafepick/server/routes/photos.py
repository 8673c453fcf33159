"""``/photos``."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response
from fastapi.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse

from cafepick.server.routes.answers import FILE_BODY, FOREVER, JPEG, download, received
from cafepick.server.schemas import BeansOut, DigestPath, FoundBean, Limit, Line, Offset, PhotoOut, PhotoPage
from cafepick.server.station import Here
from cafepick.server.vault import MEDIA_TYPE

router = APIRouter(prefix="/photos", tags=["photos"])

AS_IT_CAME: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {kind: {} for kind in MEDIA_TYPE.values()}, "description": "the file"}
}


@router.post("", status_code=201, responses={200: {"model": PhotoOut}}, openapi_extra=FILE_BODY)
async def upload(request: Request, response: Response, here: Here, name: Line = "") -> PhotoOut:
    """Keep a photo; the body is the file itself. 200 if it was there already."""
    file = await received(request, here, most=here.settings.limits.upload_bytes)
    try:
        photo, is_new = await here.bench.run(here.photos.take_in, file, name)
    finally:
        file.path.unlink(missing_ok=True)  # where the bench had no place for it
    response.status_code = 201 if is_new else 200
    return photo


@router.get("")
def list_photos(here: Here, limit: Limit = 50, offset: Offset = 0) -> PhotoPage:
    """List photos, newest first."""
    total, photos = here.photos.page(limit, offset)
    return PhotoPage(total=total, photos=photos)


@router.get("/{photo}")
def get_photo(photo: DigestPath, here: Here) -> PhotoOut:
    """Say what is known of a photo."""
    return here.photos.get(photo)


@router.get("/{photo}/file", response_class=Response, responses=AS_IT_CAME)
def get_file(photo: DigestPath, here: Here) -> Response:
    """Return the file as it came."""
    found = here.photos.get(photo)
    return download(here.photos.path(found), found.name, MEDIA_TYPE[found.format])


@router.get("/{photo}/image", response_class=Response, responses=JPEG)
async def get_image(photo: DigestPath, here: Here, side: Annotated[int, Query(ge=64, le=4096)] = 1600) -> Response:
    """Return the photo upright, at most ``side`` pixels wide and high."""
    return Response(await here.bench.run(here.photos.image, photo, side), media_type="image/jpeg", headers=FOREVER)


@router.get("/{photo}/thumbnail", response_class=FileResponse, responses=JPEG)
async def get_thumbnail(photo: DigestPath, here: Here) -> Response:
    """Return the photo small."""
    await run_in_threadpool(here.photos.get, photo)
    path = await here.bench.run(here.photos.thumbnail, photo)
    return FileResponse(path, media_type="image/jpeg", headers=dict(FOREVER))


@router.get("/{photo}/beans")
async def get_beans(photo: DigestPath, here: Here) -> BeansOut:
    """Find the beans: what would be learnt from."""
    found = await run_in_threadpool(here.photos.get, photo)
    beans = await here.bench.run(here.photos.beans, photo)
    return BeansOut(
        photo=photo, width=found.width, height=found.height, beans=[FoundBean.model_validate(bean) for bean in beans]
    )


@router.delete("/{photo}", status_code=204)
def delete_photo(photo: DigestPath, here: Here) -> None:
    """Forget a photo that nothing refers to."""
    here.photos.delete(photo)

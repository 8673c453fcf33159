"""``/models``."""

from __future__ import annotations

from typing import Any, Final, Literal

from fastapi import APIRouter, Response
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse

from cafepick.server.routes.answers import FILE, FILE_BODY, download, received
from cafepick.server.schemas import KeyPath, Line, ModelOut, ModelPage, ModelPatch
from cafepick.server.station import Here

router = APIRouter(prefix="/models", tags=["models"])

HTML: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"text/html": {}}, "description": "HTML"}}
REPORT_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox"
)
"""The report carries its own style and loads nothing."""


@router.get("")
def list_models(here: Here) -> ModelPage:
    """List all models, newest first."""
    return ModelPage(models=here.models.all())


@router.post("", status_code=201, responses={200: {"model": ModelOut}}, openapi_extra=FILE_BODY)
async def upload(request: Request, response: Response, here: Here, name: Line = "") -> ModelOut:
    """Take in a model that was trained elsewhere; the body is the ``*.cafepick`` file."""
    file = await received(request, here, most=here.settings.limits.model_bytes)
    try:
        model, is_new = await here.bench.run(here.models.take_in, file, name)
    finally:
        file.path.unlink(missing_ok=True)
    response.status_code = 201 if is_new else 200
    return model


@router.get("/{model}")
def get_model(model: KeyPath, here: Here) -> ModelOut:
    """Say what is known of a model."""
    return here.models.get(model)


@router.patch("/{model}")
def rename(model: KeyPath, patch: ModelPatch, here: Here) -> ModelOut:
    """Give a model another name."""
    return here.models.rename(model, patch.name)


@router.delete("/{model}", status_code=204)
def delete_model(model: KeyPath, here: Here) -> None:
    """Forget a model; its checks stay."""
    here.models.delete(model)


@router.get("/{model}/file", response_class=FileResponse, responses=FILE)
def get_file(model: KeyPath, here: Here) -> Response:
    """Return the model file."""
    return download(here.models.path(model), f"{here.models.get(model).name}.cafepick")


@router.get("/{model}/report.html", response_class=Response, responses=HTML)
def get_report(model: KeyPath, here: Here, lang: Literal["en", "ja"] = "en") -> Response:
    """Return the report of the model's training."""
    headers = {"Content-Security-Policy": REPORT_POLICY, "X-Frame-Options": "SAMEORIGIN", "Cache-Control": "no-store"}
    return HTMLResponse(here.models.report(model, lang), headers=headers)

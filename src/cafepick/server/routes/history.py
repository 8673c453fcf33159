"""Lots, and what operators said."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from starlette.background import BackgroundTask
from starlette.responses import FileResponse

from cafepick.server.checks import Filter
from cafepick.server.routes.answers import NO_STORE
from cafepick.server.schemas import Line, LotPage
from cafepick.server.station import Here

router = APIRouter(tags=["history"])

ModelKey = Annotated[str | None, Query(pattern="^[0-9a-f]{32}$")]


@router.get("/lots")
def list_lots(
    here: Here, q: Line | None = None, model: ModelKey = None, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> LotPage:
    """List lots by their first check: the trend."""
    return LotPage(lots=here.exports.lots(q, model, limit))


@router.get("/corrections.zip", response_class=FileResponse, responses={200: {"content": {"application/zip": {}}}})
def get_corrections(
    here: Here,
    scope: Literal["reviewed", "corrected"] = "reviewed",
    model: ModelKey = None,
    lot: Line | None = None,
) -> Response:
    """Return photos with labels, for ``cafepick calibrate`` and ``cafepick evaluate``."""
    path = here.vault.temporary(".zip")
    try:
        here.exports.corrections(Filter(model=model, lot=lot), scope, path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    remove = BackgroundTask(path.unlink, missing_ok=True)
    headers = dict(NO_STORE)
    return FileResponse(
        path, media_type="application/zip", filename="corrections.zip", headers=headers, background=remove
    )

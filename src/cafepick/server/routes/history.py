"""Lots, and what operators said."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Annotated, Final, Literal

from fastapi import APIRouter, Query, Response
from starlette.responses import StreamingResponse

from cafepick.server.checks import Filter
from cafepick.server.routes.answers import NO_STORE
from cafepick.server.schemas import Line, LotPage
from cafepick.server.station import Here

router = APIRouter(tags=["history"])

PIECE: Final = 1 << 16

ModelKey = Annotated[str | None, Query(pattern="^[0-9a-f]{32}$")]


@router.get("/lots")
def list_lots(
    here: Here, q: Line | None = None, model: ModelKey = None, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> LotPage:
    """List lots by their first check: the trend."""
    return LotPage(lots=here.exports.lots(q, model, limit))


@router.get("/corrections.zip", response_class=StreamingResponse, responses={200: {"content": {"application/zip": {}}}})
def get_corrections(
    here: Here,
    scope: Literal["reviewed", "corrected"] = "reviewed",
    model: ModelKey = None,
    lot: Line | None = None,
) -> Response:
    """Return photos with labels, for ``cafepick calibrate`` and ``cafepick evaluate``."""
    stream = here.vault.nameless()
    try:
        here.exports.corrections(Filter(model=model, lot=lot), scope, stream)
    except BaseException:
        stream.close()
        raise
    headers = {"Content-Disposition": 'attachment; filename="corrections.zip"', "Content-Length": str(stream.tell())}
    stream.seek(0)
    return StreamingResponse(_pieces(stream), media_type="application/zip", headers={**headers, **NO_STORE})


def _pieces(stream: IO[bytes]) -> Iterator[bytes]:
    with stream:
        while piece := stream.read(PIECE):
            yield piece

"""What several routes share: uploads, files and pictures as answers, what errors look like in OpenAPI."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response

from cafepick.server.drain import drain
from cafepick.server.problems import ApiError
from cafepick.server.schemas import ProblemBody
from cafepick.server.station import Station
from cafepick.server.vault import Received

ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": ProblemBody, "description": words}
    for status, words in {
        400: "bad_host, invalid",
        401: "token_needed",
        403: "foreign_origin",
        404: "not_found, no_such_…, elsewhere",
        408: "too_slow",
        409: "in_use, not_ready, already_over",
        411: "length_needed",
        413: "too_large, too_many_pixels",
        415: "wrong_type",
        422: "invalid, unreadable, rate_too_low",
        429: "too_many_requests",
        500: "failed",
        503: "busy",
        507: "disk_full",
    }.items()
}
"""Any route may answer so."""

FILE_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
"""The body is the file itself."""

PICTURE: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"image/png": {}}, "description": "PNG"}}
JPEG: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"image/jpeg": {}}, "description": "JPEG"}}
FILE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"application/octet-stream": {}}, "description": "the file"}
}
CSV: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"text/csv": {}}, "description": "CSV, UTF-8"}}

FOREVER: Final = {"Cache-Control": "private, max-age=31536000, immutable"}
"""What a content hash or a finished check names never changes."""
NO_STORE: Final = {"Cache-Control": "no-store"}


async def received(request: Request, station: Station, *, most: int) -> Received:
    """Take the body as a file.

    Raises:
        ApiError: it is a form, too large or empty, there is no room, or the client went away.
    """
    if request.headers.get("content-type", "").startswith("multipart/"):  # curl names raw bodies urlencoded
        await drain(request.receive, most=2 * most)
        raise ApiError(415, "wrong_type", "send the file itself as the body of the request, not a form")
    announced = request.headers.get("content-length")
    size = int(announced) if announced is not None and announced.isdecimal() else None
    body = _Body(request)
    try:
        return await station.vault.receive(
            body.chunks(), most=most, keep_free=station.settings.limits.free_bytes, announced=size
        )
    except ClientDisconnect as error:
        raise ApiError(408, "too_slow", "the upload broke off: send it again") from error
    except (ApiError, OSError):
        if not body.whole:
            await drain(request.receive, most=2 * most)
        raise


class _Body:
    """A body that knows whether it was read to its end."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self.whole = False

    async def chunks(self) -> AsyncIterator[bytes]:
        async for chunk in self._request.stream():
            yield chunk
        self.whole = True


def png(content: bytes, *, forever: bool = False) -> Response:
    """Answer with a PNG."""
    return Response(content, media_type="image/png", headers=FOREVER if forever else NO_STORE)


def download(path: Path, name: str, media_type: str = "application/octet-stream") -> Response:
    """Answer with a file to be saved, never shown: what was uploaded is not trusted to be harmless."""
    return FileResponse(path, filename=name, media_type=media_type, headers=dict(FOREVER))

"""Hearing a client out: an answer that comes before the body was read is lost when the connection is reset under it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from starlette.types import Receive

SECONDS: Final = 5.0


async def drain(receive: Receive, *, most: int) -> None:
    """Throw away what is left of a body that was not read to its end; at most ``most`` bytes, and not for long."""
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(_drain(receive, most), SECONDS)


async def _drain(receive: Receive, left: int) -> None:
    while left > 0:
        message = await receive()
        if message["type"] != "http.request" or not message.get("more_body", False):
            return
        left -= len(message.get("body", b""))

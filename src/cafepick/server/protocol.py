"""HTTP/1.1 with patience that ends: clients that send or take bytes too slowly are dropped (slowloris).

uvicorn has a timeout between requests only. Here the head of a request, its body, the pauses within the body and the
pauses of a client that does not read its answer each have one.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, ClassVar, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from cafepick.server.settings import Limits

TOO_SLOW: Final = (
    b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 96\r\n\r\n"
    b'{"error": {"code": "too_slow", "message": "the request came too slowly: send it again at once"}}'
)


class Patient(H11Protocol):
    """One connection."""

    limits = Limits()
    open: ClassVar[Counter[str]] = Counter()
    """Connections by address."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the head of a request."""
        super().connection_made(transport)
        self._address = str((transport.get_extra_info("peername") or ("",))[0])
        self.open[self._address] += 1
        if self.open[self._address] > self.limits.connections_each:
            transport.abort()  # room is kept for others
            return
        self._set("head", self.limits.header_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget all timers."""
        for name in list(self._timers):
            self._clear(name)
        self.open[self._address] -= 1
        if not self.open[self._address]:
            del self.open[self._address]
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes of a request."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Go on with what the client sent meanwhile."""
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        """Wait for the client to take its answer."""
        super().pause_writing()
        self._set("taking", self.limits.idle_seconds)

    def resume_writing(self) -> None:
        """Stop waiting: the client takes its answer again."""
        self._clear("taking")
        super().resume_writing()

    def _watch(self) -> None:
        """Set the timers that fit what the client is in the middle of."""
        state = self.conn.their_state
        part = bool(self.conn.trailing_data[0])
        if state is h11.IDLE and part:
            self._set("head", self.limits.header_seconds, keep=True)
        else:
            self._clear("head")
        if state is h11.SEND_BODY:
            self._set("body", self.limits.body_seconds, keep=True)
            self._set("idle", self.limits.idle_seconds)
        else:
            self._clear("body")
            self._clear("idle")

    def _set(self, name: str, seconds: float, *, keep: bool = False) -> None:
        if keep and name in self._timers:
            return
        self._clear(name)
        self._timers[name] = self.loop.call_later(seconds, self._drop, name)

    def _clear(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def _drop(self, name: str) -> None:
        self._timers.pop(name, None)
        if name == "idle" and self.flow.read_paused:  # it is we who are slow
            self._set("idle", self.limits.idle_seconds)
            return
        if name != "taking" and self.conn.our_state is h11.IDLE:
            self.transport.write(TOO_SLOW)
            self.transport.close()
        else:
            self.transport.abort()


def patient(limits: Limits) -> type[H11Protocol]:
    """Return a protocol for uvicorn with these limits."""
    return type("Patient", (Patient,), {"limits": limits, "open": Counter()})

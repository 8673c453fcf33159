"""The door: everything that can be refused before any work, and the headers that every answer carries."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Final
from urllib.parse import quote, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cafepick.server.drain import drain
from cafepick.server.monitor import Monitor
from cafepick.server.problems import ApiError
from cafepick.server.session import Gate
from cafepick.server.settings import Limits, Settings, is_loopback

API: Final = "/api/v1"
UPLOADS: Final = frozenset({f"{API}/photos", f"{API}/models", f"{API}/inspect"})
"""Paths whose POST bodies are files, bounded where they are read."""
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "font-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; frame-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with none, browsers send forms with "Origin: null"
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "X-Frame-Options": "DENY",
}
"""Set where the answer itself sets no other; the page is never framed, a report is, by the page."""

_ADDRESSES: Final = 10_000


class Buckets:
    """A bucket of tokens for each address (Turner 1986): ``burst`` at once, then ``rate`` a second."""

    def __init__(self, *, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str) -> float:
        """Take one; return 0, or the seconds until there is one."""
        left = self._left_of(address)
        enough = left >= 1
        self._left[address] = (left - 1 if enough else left, time.monotonic())
        return 0.0 if enough else (1 - left) / self._rate

    def look(self, address: str) -> float:
        """As ``take``, but leave it there."""
        return max((1 - self._left_of(address)) / self._rate, 0.0)

    def _left_of(self, address: str) -> float:
        moment = time.monotonic()
        left, seen = self._left.pop(address, (self._burst, moment))
        left = min(left + (moment - seen) * self._rate, self._burst)
        self._left[address] = (left, moment)
        while len(self._left) > _ADDRESSES:
            self._left.popitem(last=False)
        return left


class Guard:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, *, settings: Settings, gate: Gate, monitor: Monitor) -> None:
        self._app, self._settings, self._gate, self._monitor = app, settings, gate, monitor
        limits = settings.limits
        self._requests = Buckets(rate=limits.rate, burst=limits.burst) if limits.rate else None
        self._tries = Buckets(rate=limits.logins / 60, burst=limits.logins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or let in and watch what comes back."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request, began, told = Request(scope), time.monotonic(), False

        async def answer(message: Message) -> None:
            nonlocal told
            if message["type"] == "http.response.start" and not told:
                told = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if request.url.path.startswith("/api/"):
                    headers.setdefault("Cache-Control", "no-store")
                route = getattr(scope.get("route"), "path", "other")
                self._monitor.answered(request.method, route, message["status"], time.monotonic() - began)
                if message["status"] == 401 and _knocks(request):
                    self._tries.take(_address(request))
            await send(message)

        try:
            refusal = self._refusal(request)
        except ApiError as error:
            self._monitor.refused(error.code)
            refusal = JSONResponse(error.body, error.status, headers=error.headers)
        if refusal is not None:
            if request.method not in SAFE:
                await drain(receive, most=2 * self._settings.limits.upload_bytes)
            await refusal(scope, receive, answer)
        else:
            await self._app(scope, receive, answer)

    def _refusal(self, request: Request) -> Response | None:
        """Return the answer to a request that gets no further, or None.

        Raises:
            ApiError: it is refused.
        """
        self._check_host(request)
        self._check_rate(request)
        if request.method not in SAFE:
            _check_origin(request)
            _check_length(request, self._settings.limits)
        if self._gate.needed and _is_guarded(request.url.path) and not self._gate.admits(request):
            if request.url.path in ("/", "/index.html"):
                return RedirectResponse(f"/login?next={quote(request.url.path)}", status_code=303)
            raise ApiError(
                401, "token_needed", "this server needs a token: sign in, or send Authorization: Bearer TOKEN"
            )
        return None

    def _check_host(self, request: Request) -> None:
        """A page of another site may have its name point here (DNS rebinding); its Host header gives it away."""
        if not self._settings.loopback:
            return
        name = _host_name(request.headers.get("host", ""))
        allowed = {one.casefold() for one in self._settings.allow_hosts}
        if not (is_loopback(name) or name.casefold() in allowed):
            raise ApiError(
                400,
                "bad_host",
                "this server answers to localhost only: open http://localhost, or start it with --allow-host",
            )

    def _check_rate(self, request: Request) -> None:
        address, wait = _address(request), 0.0
        if self._gate.needed and _knocks(request):
            wait = self._tries.look(address)  # each wrong token takes one, see ``answer``
        if not wait and self._requests is not None and not is_loopback(address):
            wait = self._requests.take(address)
        if wait:
            seconds = max(round(wait), 1)
            said = f"too many requests from {address}: try again in {seconds} s"
            raise ApiError(429, "too_many_requests", said, retry_after=seconds)


def _knocks(request: Request) -> bool:
    """Tell whether a request shows a token, right or wrong."""
    return request.url.path == "/login" or "authorization" in request.headers


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def _host_name(host: str) -> str:
    """Return the name in a Host header without its port; nothing for one that is no name."""
    if set(host) & set("/@\\ ?#"):
        return ""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_guarded(path: str) -> bool:
    """The page's own files tell nothing; what it shows comes over the API."""
    return (path.startswith("/api") and path != f"{API}/health") or path in ("/", "/index.html")


def _check_origin(request: Request) -> None:
    """Refuse writes that a page of another origin sent with this user's cookie, or to this user's loopback."""
    origin = request.headers.get("origin")
    if origin is not None:
        same = origin.casefold() == f"{request.url.scheme}://{request.headers.get('host', '')}".casefold()
        behind = origin.partition("://")[2].casefold() == request.headers.get("host", "").casefold()
        foreign = not (same or behind)  # a proxy may speak https where we speak http
    else:
        foreign = request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
    if foreign:
        raise ApiError(403, "foreign_origin", "this was sent by a page of another site: use the page of this server")


def _check_length(request: Request, limits: Limits) -> None:
    if request.method == "POST" and request.url.path in UPLOADS:
        return
    announced = request.headers.get("content-length")
    if announced is None and "transfer-encoding" in request.headers:
        raise ApiError(411, "length_needed", "send a Content-Length: bodies in chunks are taken for files only")
    if announced is not None and announced.isdecimal() and int(announced) > limits.body_bytes:
        said = f"the body has {int(announced):,} bytes, {limits.body_bytes:,} are allowed: send less at once"
        raise ApiError(413, "too_large", said)

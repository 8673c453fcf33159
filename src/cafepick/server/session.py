"""Who may ask: a token, shown as a header or turned into a cookie by a form without script."""

from __future__ import annotations

import hashlib
import hmac
import html
import secrets
import time
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from cafepick.server.problems import ApiError

PAGE: Final = Path(__file__).parent / "login.html"
COOKIE: Final = "cafepick_session"
SECONDS: Final = 30 * 24 * 3600
FORM_BYTES: Final = 4096

WORDS: Final = {
    "en": {
        "title": "cafepick: sign in",
        "token": "Token",
        "enter": "Sign in",
        "help": "The token was printed where cafepick serve was started.",
        "wrong": "This is not the token. Look where cafepick serve was started, and try again.",
    },
    "ja": {
        "title": "cafepick: サインイン",
        "token": "トークン",
        "enter": "サインイン",
        "help": "トークンは cafepick serve を起動した画面に表示されています。",
        "wrong": "トークンが違います。cafepick serve を起動した画面を確かめて、もう一度入力してください。",
    },
}


class Gate:
    """Knows the token. Cookies are signed with it, so they need no table and end when it changes."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    @property
    def needed(self) -> bool:
        """Whether anything must be shown."""
        return self._token is not None

    def admits(self, request: Request) -> bool:
        """Tell whether a request may pass."""
        if self._token is None:
            return True
        kind, _, shown = request.headers.get("authorization", "").partition(" ")
        if kind.casefold() == "bearer" and self.is_token(shown.strip()):
            return True
        return self._is_signed(request.cookies.get(COOKIE, ""))

    def is_token(self, shown: str) -> bool:
        """Compare in a time that tells nothing."""
        return self._token is not None and hmac.compare_digest(shown.encode(), self._token.encode())

    def cookie(self) -> str:
        """Return a cookie's value."""
        return self._signed(int(time.time()) + SECONDS, secrets.token_hex(8))

    def _signed(self, until: int, salt: str) -> str:
        key = (self._token or "").encode()
        mac = hmac.new(key, f"session.{until}.{salt}".encode(), hashlib.sha256).hexdigest()
        return f"{until}.{salt}.{mac}"

    def _is_signed(self, value: str) -> bool:
        until, _, rest = value.partition(".")
        salt, _, _ = rest.partition(".")
        if not (until.isascii() and until.isdecimal() and len(until) < 12):
            return False
        return hmac.compare_digest(value.encode(), self._signed(int(until), salt).encode()) and int(until) > time.time()


def form(request: Request, *, wrong: bool = False) -> Response:
    """Show the form."""
    language = "ja" if request.query_params.get("lang") == "ja" else "en"
    words = WORDS[language]
    page = PAGE.read_text(encoding="utf-8")
    said = f'<p class="wrong" role="alert">{html.escape(words["wrong"])}</p>' if wrong else ""
    fill = {**{key: html.escape(text) for key, text in words.items()}, "lang": language, "said": said}
    fill["next"] = html.escape(path_within(request.query_params.get("next", "/")), quote=True)
    for key, text in fill.items():
        page = page.replace("{{" + key + "}}", text)
    return HTMLResponse(page, status_code=401 if wrong else 200)


async def enter(request: Request, gate: Gate) -> Response:
    """Take the form: the right token gets a cookie.

    Raises:
        ApiError: the body is no such form.
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_BYTES:
            raise ApiError(413, "too_large", "the form is too large: fill in the token only")
    fields = parse_qs(body.decode("utf-8", errors="replace"), max_num_fields=5)
    if gate.needed and not gate.is_token(fields.get("token", [""])[0].strip()):
        return form(request, wrong=True)
    answer = RedirectResponse(path_within(fields.get("next", ["/"])[0]), status_code=303)
    if gate.needed:
        origin = request.headers.get("origin", "")  # behind a proxy it alone tells what the browser speaks
        secure = request.url.scheme == "https" or origin.startswith("https://")
        answer.set_cookie(COOKIE, gate.cookie(), max_age=SECONDS, httponly=True, samesite="strict", secure=secure)
    return answer


def path_within(wanted: str) -> str:
    """Return a path of this server; anything that could lead elsewhere becomes ``/``."""
    plain = wanted.isascii() and wanted.isprintable() and "\\" not in wanted
    return wanted if plain and wanted.startswith("/") and not wanted.startswith("//") else "/"

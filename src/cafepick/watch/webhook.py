"""Results to a web address: one POST of ``{"beans": [...]}`` for all that wait."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from base64 import b64encode
from contextlib import suppress
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from cafepick import __version__
from cafepick.errors import ConfigError
from cafepick.watch.outlets import DeliveryError, RefusedError
from cafepick.watch.video import without_password

if TYPE_CHECKING:
    from collections.abc import Sequence

TIMEOUT: Final = 5.0
"""Seconds for one try."""
WORTH_ANOTHER_TRY: Final = (408, 425, 429)
"""Refusals by the client's fault (4xx) that may pass by themselves."""
HANDLERS: Final = (
    urllib.request.ProxyHandler,
    urllib.request.HTTPHandler,
    urllib.request.HTTPSHandler,
    urllib.request.HTTPDefaultErrorHandler,
    urllib.request.HTTPErrorProcessor,
)
"""What makes a request. None follows a redirect: a POST that is sent on becomes a GET, and the results are lost."""
REDIRECTS: Final = (301, 302, 303, 307, 308)
"""Answers that send to another address."""


class Webhook:
    """POSTs results as JSON."""

    name = "webhook"

    def __init__(self, url: str) -> None:
        """Prepare to POST.

        Raises:
            ConfigError: the address is none that can be used.
        """
        parts = _parts_of(url)
        login, _, server = parts.netloc.rpartition("@")
        self._url = parts._replace(netloc=server).geturl()
        self._headers = {"Content-Type": "application/json", "User-Agent": f"cafepick/{__version__}"}
        if login:  # urllib would take it for a part of the host's name
            user, _, password = (unquote(part) for part in login.partition(":"))
            self._headers["Authorization"] = f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"
        self._opener = urllib.request.OpenerDirector()
        for handler in HANDLERS:
            self._opener.add_handler(handler())

    def send(self, results: Sequence[dict[str, Any]]) -> None:
        """POST some results; any answer from 200 to 299 counts as taken, whatever else it says."""
        request = urllib.request.Request(  # noqa: S310 - http or https, checked above
            self._url,
            data=json.dumps({"beans": list(results)}, allow_nan=False).encode(),
            headers=self._headers,
            method="POST",
        )
        try:
            self._opener.open(request, timeout=TIMEOUT).close()
        except urllib.error.HTTPError as error:
            error.close()
            refused = 300 <= error.code < 500 and error.code not in WORTH_ANOTHER_TRY
            told = f"the server answers {error.code}{self._elsewhere(error)}"
            raise (RefusedError if refused else DeliveryError)(told) from error
        except (OSError, HTTPException) as error:
            raise DeliveryError(f"no answer ({getattr(error, 'reason', None) or error})") from error

    def _elsewhere(self, error: urllib.error.HTTPError) -> str:
        """Return where a redirect leads, and what to do about it."""
        place = error.headers.get("Location") if error.code in REDIRECTS else None
        if place is None:
            return ""
        with suppress(ValueError):  # no address; shown as it came
            place = urljoin(self._url, place)
        return f" to {without_password(place)!r}: give that address"

    def close(self) -> None:
        """Nothing is held open."""


def _parts_of(url: str) -> SplitResult:
    """Take a web address apart.

    Raises:
        ConfigError: it is none that can be used.
    """
    shown = repr(re.sub(r"^(\w+://)?.*@", r"\1", url, flags=re.DOTALL))  # a password may hold anything
    if not all("!" <= sign <= "~" for sign in url):
        raise ConfigError(
            f"--webhook takes an address in ASCII without spaces, got {shown}: write other signs like %20 or %C3%A9"
        )
    try:
        parts = urlsplit(url)
        (parts.hostname or "").encode("idna")  # a name that no server can have
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, usable = urlsplit(""), False
    if not usable:
        raise ConfigError(
            f"--webhook takes an address that begins with http:// or https://, a host's name and perhaps a port from 1 "
            f"to 65535, like http://host:8000/beans, got {shown}"
        )
    return parts

"""Results to a web address: one POST of ``{"beans": [...]}`` for all that wait."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from cafepick import __version__
from cafepick.errors import ConfigError
from cafepick.watch.outlets import DeliveryError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

TIMEOUT: Final = 5.0
"""Seconds for one try."""
WORTH_ANOTHER_TRY: Final = (408, 425, 429)
"""Refusals by the client's fault (4xx) that may pass by themselves."""


class Webhook:
    """POSTs results as JSON."""

    name = "webhook"

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"--webhook takes an address that begins with http:// or https://, got {url!r}")
        self._url = url

    def send(self, results: Sequence[dict[str, Any]]) -> None:
        """POST some results; any answer from 200 to 299 counts as taken."""
        request = urllib.request.Request(  # noqa: S310 - http or https, checked above
            self._url,
            data=json.dumps({"beans": list(results)}, allow_nan=False).encode(),
            headers={"Content-Type": "application/json", "User-Agent": f"cafepick/{__version__}"},
            method="POST",
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
                answer.read()
        except urllib.error.HTTPError as error:
            error.close()
            refused = 400 <= error.code < 500 and error.code not in WORTH_ANOTHER_TRY
            raise (RefusedError if refused else DeliveryError)(f"the server answers {error.code}") from error
        except (OSError, HTTPException) as error:
            raise DeliveryError(f"no answer ({getattr(error, 'reason', None) or error})") from error

    def close(self) -> None:
        """Nothing is held open."""

"""From whatever goes wrong to one status, one code and one sentence that says what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from cafepick.errors import (
    ArtefactError,
    CafepickError,
    CalibrationError,
    ConfigError,
    MissingExtraError,
    PhotoError,
    SourceError,
)

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What the system says when there is no more room: disk, quota, or the largest file allowed."""

AWAY: Final = (OperationalError, InterfaceError, PoolTimeoutError)
"""Errors of a database that is not there or has no time."""

_KNOWN: Final = (  # the first that fits
    ((PhotoError, ArtefactError), 422, "unreadable"),
    ((CalibrationError,), 422, "rate_too_low"),
    ((ConfigError, SourceError, MissingExtraError), 422, "invalid"),
)


class ApiError(CafepickError):
    """A request that cannot be answered as wished."""

    def __init__(self, status: int, code: str, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after = retry_after

    @property
    def body(self) -> dict[str, object]:
        """What the client gets."""
        return {"error": {"code": self.code, "message": str(self)}}

    @property
    def headers(self) -> dict[str, str]:
        """What goes with it."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return headers | ({"WWW-Authenticate": "Bearer"} if self.status == 401 else {})


@contextmanager
def called(name: str, path: Path) -> Iterator[None]:
    """Have errors about a file call it by a name that clients know; where it lies is nobody's business."""
    try:
        yield
    except (ArtefactError, PhotoError) as error:
        raise type(error)(str(error).replace(str(path), name)) from error


def busy(what: str, *, seconds: int) -> ApiError:
    """Say that a queue is full."""
    return ApiError(503, "busy", f"{what}: try again in {seconds} s", retry_after=seconds)


def disk_full() -> ApiError:
    """Say that there is no room."""
    return ApiError(507, "disk_full", "the server's disk is full, nothing was saved: free some space, then try again")


def problem_of(error: BaseException) -> ApiError:
    """Translate any exception; what no client can mend becomes 500 without details."""
    if isinstance(error, ApiError):
        return error
    if is_full(error):
        return disk_full()
    if isinstance(error, AWAY):
        return busy("the database does not answer", seconds=5)
    for kinds, status, code in _KNOWN:
        if isinstance(error, kinds):
            return ApiError(status, code, str(error))
    return ApiError(500, "failed", "the server met a fault: its log says more")


def is_full(error: BaseException | None) -> bool:
    """Tell whether an error, or what caused it, means that the disk is full."""
    seen = 0
    while error is not None and seen < 10:
        if isinstance(error, OSError) and error.errno in FULL:
            return True
        if isinstance(error, OperationalError | DBAPIError) and any(
            words in str(error.orig) for words in ("disk is full", "No space left", "disk I/O error")
        ):
            return True
        error = error.__cause__ or error.__context__
        seen += 1
    return False

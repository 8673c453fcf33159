"""Fetch one file whole and verified, going on where an earlier attempt stopped.

What has come so far lies in ``NAME.part``; the final name appears only when the file is complete and its checksum
right. Beside it, ``NAME.part.json`` keeps where the part came from and the server's mark of that version, so that parts
of two versions are never joined (RFC 9110, sections 13.1.5 If-Range and 14.2 Range).
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING, Final
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from cafepick.errors import DownloadError, OutputError
from cafepick.files import make_folder, write_json

if TYPE_CHECKING:
    from pathlib import Path

Report = Callable[[str, int, "int | None"], None]
"""Called with a file's name, the bytes that are here and the bytes that there are (None: the server does not say)."""

_CHUNK: Final = 2**18
_TIMEOUT: Final = 30.0  # seconds without a byte
_PAUSE: Final = 1.0  # seconds before a broken connection is taken up again
_SPARE: Final = 2**24  # bytes to leave free on the disk


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A file to fetch."""

    name: str
    urls: tuple[str, ...]
    """Mirrors, tried in this order."""
    size: int | None
    """Bytes; None where no source gives it."""
    sha256: str | None
    """None where the publisher gives no checksum: then only the length that the server announces is checked."""


class _CutOffError(DownloadError):
    """The connection broke; what came so far is sound and kept."""


def fetch(remote: RemoteFile, folder: Path, *, report: Report) -> Path:
    """Fetch a file into ``folder``, or find it there, verified.

    A broken connection is taken up again for as long as that brings bytes, then the next mirror is tried.

    Raises:
        DownloadError: no mirror gave the whole, right file; the message says what each one did.
        OutputError: the disk is full or cannot be written.
    """
    target = folder / remote.name
    if is_verified(remote, target):
        return target
    make_folder(folder)
    part = _Part(folder / f"{remote.name}.part", remote)
    failures: list[str] = []
    for url in remote.urls:
        try:
            _fetch_from(url, part, report)
        except DownloadError as error:
            failures.append(f"{url}: {error}")
            continue
        part.path.replace(target)
        part.note.unlink(missing_ok=True)
        return target
    kept = f"; {part.size} bytes are kept and the next attempt goes on from there" if part.size else ""
    raise DownloadError(
        f"could not download {remote.name}{kept}. "
        + "; ".join(failures)
        + f". Check the network and run the command again, or put the file into {folder} by hand"
    )


def is_verified(remote: RemoteFile, path: Path) -> bool:
    """Tell whether ``path`` is the file: size and checksum are right as far as they are known."""
    if not path.is_file() or (remote.size is not None and path.stat().st_size != remote.size):
        return False
    return remote.sha256 is None or _sha256(path) == remote.sha256


class _Part:
    """What has come of a file so far."""

    def __init__(self, path: Path, remote: RemoteFile) -> None:
        self.path = path
        self.note = path.with_name(f"{path.name}.json")
        self.remote = remote

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0

    def drop(self) -> None:
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def remember(self, url: str, version: str | None) -> None:
        write_json(self.note, {"url": url, "version": version})

    def request(self, url: str) -> Request:
        """Ask for the rest where it can be joined safely, else for the whole file."""
        headers = {"User-Agent": "cafepick", "Accept-Encoding": "identity"}
        version = self._version_from(url)
        if self.size and (version or self.remote.sha256):  # a checksum tells a wrong joint
            headers["Range"] = f"bytes={self.size}-"
            if version:
                headers["If-Range"] = version
        return Request(url, headers=headers)  # noqa: S310 - the addresses stand in a table of ours

    def _version_from(self, url: str) -> str | None:
        try:
            note = json.loads(self.note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return note.get("version") if note.get("url") == url else None


def _fetch_from(url: str, part: _Part, report: Report) -> None:
    """Complete and verify the part from one mirror; a part that turns out wrong is dropped and fetched anew once."""
    resumed = part.size > 0
    _complete(url, part, report)
    try:
        _verify(part)
    except DownloadError:
        if not resumed:
            raise
        _complete(url, part, report)
        _verify(part)


def _complete(url: str, part: _Part, report: Report) -> None:
    """Receive the rest, taking up broken connections while that brings bytes."""
    while part.size != part.remote.size:
        before = part.size
        try:
            return _receive(url, part, report)
        except _CutOffError:
            if part.size <= before:
                raise
            time.sleep(_PAUSE)
    return None


def _verify(part: _Part) -> None:
    """Drop a part that is not the file."""
    if is_verified(part.remote, part.path):
        return
    size, found = part.size, _sha256(part.path)
    part.drop()
    raise DownloadError(
        f"what came is not the expected file ({size} bytes with SHA-256 {found} instead of"
        f" {part.remote.size} with {part.remote.sha256}); it was deleted"
    )


def _receive(url: str, part: _Part, report: Report) -> None:
    request = part.request(url)
    try:
        with urlopen(request, timeout=_TIMEOUT) as response:  # noqa: S310 - see _Part.request
            _store(url, response, part, report)
    except HTTPError as error:
        error.close()
        if error.code == 416 and request.has_header("Range"):  # the part is longer than the file
            part.drop()
            return _receive(url, part, report)
        raise DownloadError(f"the server answered {error.code} {error.reason}") from error
    except URLError as error:
        raise DownloadError(f"no connection ({error.reason})") from error
    except (HTTPException, TimeoutError, ConnectionError) as error:
        raise _CutOffError(f"the connection broke ({error or type(error).__name__})") from error
    return None


def _store(url: str, response: HTTPResponse, part: _Part, report: Report) -> None:
    """Append the body to the part, or start it anew where the server sends the whole file."""
    start = _start_of(response)
    if start not in (0, part.size):
        raise DownloadError(f"the server sent the bytes from {start} on, asked for were those from {part.size} on")
    length = response.length
    total = None if length is None else start + length
    size = part.remote.size
    if total is not None and size is not None and total != size:
        raise DownloadError(f"the server offers {total} bytes, the file has {size}")
    if total is None and part.remote.sha256 is None:
        raise DownloadError("the server does not say how long the file is, so that a part could pass for the whole")
    _check_space(part.path.parent, length or 0)
    _remember_version(url, response, part)
    try:
        with part.path.open("ab" if start else "wb") as stream:
            for chunk in _chunks(response):
                stream.write(chunk)
                report(part.remote.name, stream.tell(), total or size)
                if total is None and size is not None and stream.tell() > size:
                    break  # it will not verify
    except OSError as error:
        raise OutputError(f"cannot write {part.path}: {error.strerror or error}; free some space") from error
    if total is not None and part.size < total:
        raise _CutOffError(f"the connection broke after {part.size} of {total} bytes")


def _chunks(response: HTTPResponse) -> Iterator[bytes]:
    try:
        while chunk := response.read(_CHUNK):
            yield chunk
    except (HTTPException, OSError) as error:
        raise _CutOffError(f"the connection broke ({error or type(error).__name__})") from error


def _start_of(response: HTTPResponse) -> int:
    """Return where in the file the body begins: ``Content-Range: bytes START-END/TOTAL``."""
    if response.status != 206:
        return 0
    start = (response.headers["Content-Range"] or "").removeprefix("bytes ").partition("-")[0]
    if not start.isdecimal():
        raise DownloadError("the server sent a part of the file without saying which")
    return int(start)


def _remember_version(url: str, response: HTTPResponse, part: _Part) -> None:
    etag = response.headers["ETag"]
    strong = etag if etag and not etag.startswith("W/") else None  # weak ones do not promise equal bytes
    part.remember(url, strong or response.headers["Last-Modified"])


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed + _SPARE:
        raise OutputError(
            f"{folder} has {free / 2**30:.1f} GiB free, {needed / 2**30:.1f} GiB are needed: free some space or name"
            f" another place with --data-dir"
        )


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()

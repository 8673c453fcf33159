"""The data folder: photos by content hash, models, runs, what verdicts rest on. No client names a file.

photos/ab/ab12….jpg   thumbnails/ab/ab12….jpg   models/ID.cafepick   checks/ab/ID.npz
trainings/ID/…        tmp/ (emptied at each start)   station   server.lock   cafepick.db
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import IO, BinaryIO, Final, NamedTuple

from fastapi.concurrency import run_in_threadpool

from cafepick.errors import ConfigError
from cafepick.files import make_folder, write_text
from cafepick.server.lock import Held, hold
from cafepick.server.problems import ApiError, disk_full

SUFFIX: Final = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "TIFF": ".tif", "BMP": ".bmp"}
"""Format -> suffix of the stored file."""
MEDIA_TYPE: Final = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "TIFF": "image/tiff",
    "BMP": "image/bmp",
}
_ID: Final = re.compile(r"[0-9a-f]{32}|[0-9a-f]{64}")


class Received(NamedTuple):
    """An upload that came whole and lies in ``tmp``."""

    path: Path
    digest: str
    """SHA-256 of the content."""
    size: int


class Vault:
    """Where every file of the server lies."""

    def __init__(self, folder: Path) -> None:
        """Make the folder where it is missing.

        Raises:
            OutputError: it cannot be made.
            ConfigError: another server uses it.
        """
        self.folder = folder.resolve()
        make_folder(self.folder)
        held = hold(self.folder / "server.lock")
        if held is None:
            raise ConfigError(f"another cafepick serve uses {folder}: stop it, or give this one its own --data")
        self._held: Held = held
        shutil.rmtree(self.folder / "tmp", ignore_errors=True)  # what a killed server left
        make_folder(self.folder / "tmp")
        self.station = self._station()

    def close(self) -> None:
        """Let another server use the folder."""
        self._held.release()

    def photo(self, digest: str, kind: str) -> Path:
        """Return where the photo of this hash and format lies."""
        return self._sharded("photos", digest, SUFFIX[kind])

    def thumbnail(self, digest: str) -> Path:
        """Return where its thumbnail lies."""
        return self._sharded("thumbnails", digest, ".jpg")

    def model(self, model: str) -> Path:
        """Return where a model lies."""
        return self.folder / "models" / f"{_checked(model)}.cafepick"

    def evidence(self, check: str) -> Path:
        """Return where the pictures that a check's verdicts rest on lie."""
        return self._sharded("checks", check, ".npz")

    def training(self, training: str) -> Path:
        """Return the folder of a training."""
        return self.folder / "trainings" / _checked(training)

    def temporary(self, suffix: str = "") -> Path:
        """Return a new path in ``tmp``."""
        return self.folder / "tmp" / f"{secrets.token_hex(8)}{suffix}"

    def nameless(self) -> IO[bytes]:
        """Open a file in ``tmp`` that vanishes when it is closed, or when this process ends."""
        return tempfile.TemporaryFile(dir=self.folder / "tmp")

    def free_bytes(self) -> int:
        """Return the room on the disk."""
        return shutil.disk_usage(self.folder).free

    async def receive(
        self, chunks: AsyncIterator[bytes], *, most: int, keep_free: int, announced: int | None
    ) -> Received:
        """Write an upload to ``tmp``, hashing it on the way; whatever goes wrong leaves nothing behind.

        Args:
            chunks: the body.
            most: bytes allowed.
            keep_free: bytes that must stay free on the disk.
            announced: what the client says of the size, if it does.

        Raises:
            ApiError: too large, empty, or no room.
            OSError: it cannot be written.
        """
        if announced is not None and announced > most:
            raise _too_large(announced, most)
        if self.free_bytes() - (announced or 0) < keep_free:
            raise disk_full()
        path, digest, size = self.temporary(), hashlib.sha256(), 0
        try:
            with path.open("xb") as stream:
                async for chunk in chunks:
                    size += len(chunk)
                    if size > most:
                        raise _too_large(size, most)
                    digest.update(chunk)
                    stream.write(chunk)
                await run_in_threadpool(_flush, stream)  # a slow disk holds up nobody else
            if size == 0:
                raise ApiError(422, "unreadable", "the body is empty: send the file itself as the body of the request")
        except BaseException:  # a client that vanishes cancels the task
            path.unlink(missing_ok=True)
            raise
        return Received(path, digest.hexdigest(), size)

    def keep(self, temporary: Path, target: Path) -> None:
        """Move a finished file from ``tmp`` to its place, whole or not at all."""
        make_folder(target.parent)
        temporary.replace(target)

    def remove(self, path: Path) -> None:
        """Remove a file or folder, if it is there."""
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        with suppress(FileNotFoundError, IsADirectoryError, PermissionError):
            path.unlink()

    def _sharded(self, kind: str, key: str, suffix: str) -> Path:
        return self.folder / kind / _checked(key)[:2] / f"{key}{suffix}"

    def _station(self) -> str:
        """Return who this is among the stations that share a database: made once for each folder."""
        path = self.folder / "station"
        if not path.exists():
            write_text(path, secrets.token_hex(16))
        return _checked(path.read_text(encoding="utf-8").strip())


def _checked(key: str) -> str:
    """Return an id that can be part of a path; routes let no other through, this is the second wall."""
    if not _ID.fullmatch(key):
        raise ValueError(f"no id: {key!r}")
    return key


def _too_large(size: int, most: int) -> ApiError:
    megabytes = f"{most / 1e6:.3g} MB"
    return ApiError(
        413, "too_large", f"the file has {size / 1e6:.3g} MB or more, {megabytes} are allowed: make it smaller"
    )


def _flush(stream: BinaryIO) -> None:
    stream.flush()
    os.fsync(stream.fileno())

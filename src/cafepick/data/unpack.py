"""Unpack the pictures of a zip archive that may have been made with ill intent."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
import zlib
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from cafepick.errors import DownloadError, OutputError
from cafepick.files import make_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def unpack_pictures(archive: Path, folder: Path, *, most_bytes: int, report: Callable[[int, int], None]) -> int:
    """Unpack all ``.jpg`` members side by side into ``folder``.

    Of a member's path only the last part counts, so that no member can leave the folder. The pictures are unpacked
    into a temporary folder first and moved when all are there and their checksums right.

    Args:
        archive: the zip file.
        folder: where the pictures go; it may exist.
        most_bytes: an archive that announces more is refused before anything is unpacked. (What is read of a member
            never exceeds what it announces.)
        report: called with the unpacked bytes and all bytes to unpack.

    Returns:
        The number of pictures.

    Raises:
        DownloadError: the archive is damaged, too large, empty or ambiguous.
        OutputError: the disk is full or cannot be written.
    """
    make_folder(folder.parent)
    try:
        with (
            zipfile.ZipFile(archive) as opened,
            tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary,
        ):
            members = _pictures(opened, most_bytes)
            _check_space(folder.parent, members)
            total, done = _bytes(members), 0
            for member in members:
                with opened.open(member) as source, Path(temporary, _name(member)).open("wb") as target:
                    shutil.copyfileobj(source, target)
                done += member.file_size
                report(done, total)
            folder.mkdir(exist_ok=True)
            for member in members:
                Path(temporary, _name(member)).replace(folder / _name(member))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DownloadError(f"{archive} is damaged ({error}): delete it and run the command again") from error
    except OSError as error:
        raise OutputError(f"cannot unpack into {folder}: {error.strerror or error}; free some space") from error
    return len(members)


def _pictures(archive: zipfile.ZipFile, most_bytes: int) -> list[zipfile.ZipInfo]:
    members = [member for member in archive.infolist() if _name(member).lower().endswith(".jpg")]
    total = _bytes(members)
    if not members:
        raise DownloadError(f"{archive.filename} holds no .jpg pictures: delete it and run the command again")
    if total > most_bytes:
        raise DownloadError(f"{archive.filename} would unpack to {total} bytes, expected are at most {most_bytes}")
    name, count = Counter(map(_name, members)).most_common(1)[0]
    if count > 1:
        raise DownloadError(f"{archive.filename} holds {count} pictures called {name}, so it is not what was expected")
    return members


def _name(member: zipfile.ZipInfo) -> str:
    """Return the last part of the member's path, whichever slashes it was written with."""
    return PurePosixPath(member.filename.replace("\\", "/")).name


def _bytes(members: Sequence[zipfile.ZipInfo]) -> int:
    return sum(member.file_size for member in members)


def _check_space(folder: Path, members: Sequence[zipfile.ZipInfo]) -> None:
    needed, free = _bytes(members), shutil.disk_usage(folder).free
    if free < needed:
        raise OutputError(
            f"{folder} has {free / 2**30:.1f} GiB free, {needed / 2**30:.1f} GiB are needed: free some space"
        )

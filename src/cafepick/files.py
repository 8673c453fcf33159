"""Writing files whole or not at all: a temporary file beside the target, then an atomic rename."""

from __future__ import annotations

import csv
import errno
import json
import os
import secrets
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from cafepick.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write; it becomes ``path`` when the block ends, and vanishes when the block fails.

    Whoever looks at ``path`` sees the old file or the new one, never a part of one, even after a power cut. The
    temporary file lies in the same folder, is hidden, and keeps the suffix, because some writers go by it. Missing
    parent folders are made. The block must create the temporary file, and should do nothing but write it.

    Raises:
        OutputError: the file cannot be written (no space, no permission, the parent is a file).
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}-{secrets.token_hex(4)}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _flush(temporary)
        temporary.replace(path)
        _flush_folder(path.parent)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        with suppress(OSError):  # gone already, or its folder never was
            temporary.unlink()


def check_writable(path: Path) -> None:
    """Find out whether ``replacing`` can write ``path``, before the work whose result goes there; leave nothing behind.

    Raises:
        OutputError: it cannot: no permission, or a folder has the name, or a file that of a folder above.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        folder = next(above for above in path.absolute().parents if above.exists())
        TemporaryFile(dir=folder).close()
    except OSError as error:
        raise _cannot_write(path, error) from error


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, where they are missing.

    Raises:
        OutputError: it cannot be made: no permission, or a file has its name or that of a folder above it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot make the folder {folder}: {error.strerror or error}; choose another place"
        ) from error


@contextmanager
def made_folder(folder: Path) -> Iterator[None]:
    """Make a folder as ``make_folder`` does; where the block fails, it goes if it was made here and holds nothing.

    Raises:
        OutputError: it cannot be made.
    """
    there = folder.exists()
    make_folder(folder)
    try:
        yield
    except BaseException:
        if not there:
            with suppress(OSError):  # something lies in it
                folder.rmdir()
        raise


def write_text(path: Path, text: str) -> None:
    r"""Write ``text`` as UTF-8 with ``\n`` line ends, whole or not at all.

    File names need not be text on Linux: bytes of a name that are not UTF-8 are written like ``\udc83``.

    Raises:
        OutputError: the file cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


def copy_file(source: Path, path: Path) -> None:
    """Copy a file's content, whole or not at all.

    Raises:
        OutputError: the file cannot be read or written.
    """
    try:
        content = source.open("rb")
    except OSError as error:
        raise OutputError(f"cannot read {source}: {error.strerror or error}; is it still there?") from error
    with content, replacing(path) as temporary, temporary.open("xb") as copy:
        shutil.copyfileobj(content, copy)


def write_json(path: Path, content: object) -> None:
    """Write ``content`` as indented JSON, whole or not at all.

    Raises:
        OutputError: the file cannot be written.
        ValueError: ``content`` holds NaN or an infinity, which JSON does not have.
        TypeError: ``content`` holds something that JSON does not have.
    """
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table as CSV (comma, UTF-8, quotes where needed), whole or not at all; None becomes an empty field.

    Names that are not UTF-8 are written as in ``write_text``.

    Args:
        path: the file.
        header: names of the columns.
        rows: one sequence a row, as long as ``header``.

    Raises:
        OutputError: the file cannot be written.
        ValueError: a row has another length than ``header``.
    """
    with (
        replacing(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as stream,
    ):
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        for row in rows:
            if len(row) != len(header):
                raise ValueError(f"a row of {path.name} needs {len(header)} fields, got {len(row)}: {row}")
            writer.writerow(row)


def _cannot_write(path: Path, error: OSError) -> OutputError:
    return OutputError(f"cannot write {path}: {error.strerror or error}; free some space or choose another place")


def _flush(path: Path) -> None:
    """Wait until the content is on the disk: a rename may overtake it otherwise."""
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def _flush_folder(folder: Path) -> None:
    """Wait until the rename is on the disk; Windows cannot open folders, and needs no such thing."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

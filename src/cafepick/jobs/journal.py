"""Keeps the rows of each judged photo on disk at once, so that a killed run can be taken up again.

``scores.partial.jsonl`` has a first line that says what run it belongs to, then one line a photo, each flushed to the
disk before the next photo counts as done. A last line cut short by a crash is dropped: that photo is judged again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from cafepick.errors import ConfigError, OutputError
from cafepick.files import make_folder

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

Row = list[Any]


class Kept(Mapping[str, Any]):
    """What the journal has of each photo in one field; read from the disk when it is asked for."""

    def __init__(self, path: Path, name: str) -> None:
        self._path, self._name = path, name
        self._places: dict[str, int] = {}  # where in the file the line of each photo begins

    def __getitem__(self, image: str) -> Any:
        with self._path.open("rb") as lines:
            return self._at(lines, self._places[image])

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, image: object) -> bool:
        return image in self._places

    def pairs(self, images: Collection[str] | None = None) -> Iterator[tuple[str, Any]]:
        """Yield each photo, or those of ``images``, and what is kept of it, one at a time."""
        with self._path.open("rb") as lines:
            for image in self if images is None else images:
                yield image, self._at(lines, self._places[image])

    def _at(self, lines: BinaryIO, place: int) -> Any:
        lines.seek(place)
        return json.loads(lines.readline())[self._name]

    def enter(self, image: str, place: int) -> None:
        """Remember that the line of a photo begins at this byte."""
        self._places[image] = place

    def keep_only(self, images: Collection[str]) -> None:
        """Forget the photos that are not among ``images``."""
        self._places = {image: place for image, place in self._places.items() if image in images}


@dataclass
class Journal:
    """The photos judged so far and their rows, on disk; memory holds only where."""

    path: Path
    _file: BinaryIO
    rows: Kept = field(init=False)
    """Rows of ``scores.csv``, of each judged photo by name: list[Row]."""
    notes: Kept = field(init=False)
    """What is odd about a photo, where something is: list[str]."""
    more: Kept = field(init=False)
    """What else the job keeps of a photo, plain JSON values, where it keeps something: dict[str, Any]."""

    def __post_init__(self) -> None:
        self.rows, self.notes, self.more = (Kept(self.path, name) for name in ("rows", "notes", "more"))
        self._end = 0

    @classmethod
    def start(cls, path: Path, run: dict[str, Any]) -> Journal:
        """Begin anew; an earlier journal at ``path`` is replaced.

        Args:
            path: where the journal lies.
            run: what makes two runs the same, e.g. model, rate and source.

        Raises:
            OutputError: it cannot be written.
        """
        make_folder(path.parent)
        journal = cls(path, _opened(path, "wb"))
        journal._append(run)
        return journal

    @classmethod
    def resume(cls, path: Path, run: dict[str, Any]) -> Journal:
        """Take up the journal at ``path``, or begin one where there is none.

        Raises:
            ConfigError: it belongs to another run, or is damaged.
            OutputError: it cannot be written.
        """
        if not path.exists() or not _cut_to_whole_lines(path):
            return cls.start(path, run)
        _check_same_run(path, run)
        journal = cls(path, _opened(path, "ab"))
        try:
            journal._read()
        except (ValueError, KeyError, TypeError) as error:
            journal._file.close()
            raise ConfigError(f"{path} is damaged ({error}): go without --resume to begin anew") from error
        return journal

    def add(self, image: str, rows: list[Row], notes: Sequence[str] = (), more: dict[str, Any] | None = None) -> None:
        """Record the rows of one photo, what is odd about it and what else is kept; on return they are on the disk.

        Raises:
            OutputError: they cannot be written; ``resume`` then begins with the photo before.
        """
        record: dict[str, Any] = {"image": image, "rows": rows, "notes": list(notes)}
        if more is not None:
            record["more"] = more
        place = self._append(record)
        self._enter(record, place)

    def keep_only(self, images: Collection[str]) -> None:
        """Forget the photos that are not among ``images``; the file still has them."""
        for kept in (self.rows, self.notes, self.more):
            kept.keep_only(images)

    def remove(self) -> None:
        """Delete the journal, once its rows are in ``scores.csv``."""
        self._file.close()
        self.path.unlink(missing_ok=True)

    def _append(self, record: dict[str, Any]) -> int:
        """Write a line, and return where it begins."""
        place, line = self._end, (json.dumps(record) + "\n").encode()
        try:
            self._file.write(line)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            with suppress(OSError):  # it tries once more to write what did not fit
                self._file.close()
            raise _cannot_write(self.path, error) from error
        self._end += len(line)
        return place

    def _enter(self, record: dict[str, Any], place: int) -> None:
        """Remember where the line of a photo begins."""
        image = record["image"]
        self.rows.enter(image, place)
        if record["notes"]:
            self.notes.enter(image, place)
        if "more" in record:
            self.more.enter(image, place)

    def _read(self) -> None:
        """Find the photos of an earlier run."""
        with self.path.open("rb") as lines:
            self._end = len(lines.readline())  # what run it is
            for line in lines:
                self._enter(json.loads(line), self._end)
                self._end += len(line)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._file.close()


def _cut_to_whole_lines(path: Path) -> bool:
    """Cut off a line that a crash left unfinished; return whether any line is left."""
    try:
        with path.open("rb+") as file:
            end = file.seek(0, os.SEEK_END)
            tail = b""
            while end and b"\n" not in tail:
                start = max(end - 2**16, 0)
                file.seek(start)
                tail = file.read(end - start)
                end = start
            length = end + tail.rfind(b"\n") + 1
            file.truncate(length)
        return length > 0
    except OSError as error:
        raise _cannot_write(path, error) from error


def _check_same_run(path: Path, run: dict[str, Any]) -> None:
    """Refuse a journal of another run."""
    with path.open("rb") as lines:
        try:
            before = json.loads(lines.readline())
            changed = [key for key in run if before.get(key) != run[key]]
        except (ValueError, AttributeError) as error:
            raise ConfigError(f"{path} is damaged ({error}): go without --resume to begin anew") from error
    if changed:
        said = "; ".join(f"{key} was {before.get(key)!r} and is {run[key]!r}" for key in changed)
        raise ConfigError(f"cannot take up the run in {path.parent}: {said}; go without --resume to begin anew")


def _opened(path: Path, mode: Literal["wb", "ab"]) -> BinaryIO:
    try:
        return path.open(mode)
    except OSError as error:
        raise _cannot_write(path, error) from error


def _cannot_write(path: Path, error: OSError) -> OutputError:
    return OutputError(f"cannot write {path}: {error.strerror or error}; free some space or choose another place")

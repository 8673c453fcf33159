"""Keeps the rows of each judged photo on disk at once, so that a killed run can be taken up again.

``scores.partial.jsonl`` has a first line that says what run it belongs to, then one line a photo, each flushed to the
disk before the next photo counts as done. A last line cut short by a crash is dropped: that photo is judged again.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TextIO

from cafepick.errors import ConfigError, OutputError
from cafepick.files import make_folder

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path
    from types import TracebackType

Row = list[Any]


@dataclass
class Journal:
    """The photos judged so far and their rows, in memory and on disk."""

    path: Path
    _file: TextIO
    rows: dict[str, list[Row]] = field(default_factory=dict)
    """Name of each judged photo and its rows of ``scores.csv``."""
    notes: dict[str, list[str]] = field(default_factory=dict)
    """What is odd about a photo, where something is."""
    more: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What else the job keeps of a photo, plain JSON values, where it keeps something."""

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
        journal = cls(path, _opened(path, "w"))
        journal._append(run)
        return journal

    @classmethod
    def resume(cls, path: Path, run: dict[str, Any]) -> Journal:
        """Take up the journal at ``path``, or begin one where there is none.

        Raises:
            ConfigError: it belongs to another run, or is damaged.
            OutputError: it cannot be written.
        """
        before, *photos = _whole_lines(path) if path.exists() else [{}]
        if not before:
            return cls.start(path, run)
        changed = [key for key in run if before.get(key) != run[key]]
        if changed:
            said = "; ".join(f"{key} was {before.get(key)!r} and is {run[key]!r}" for key in changed)
            raise ConfigError(f"cannot take up the run in {path.parent}: {said}; go without --resume to begin anew")
        rows = {photo["image"]: photo["rows"] for photo in photos}
        notes = {photo["image"]: photo["notes"] for photo in photos if photo["notes"]}
        more = {photo["image"]: photo["more"] for photo in photos if "more" in photo}
        return cls(path, _opened(path, "a"), rows, notes, more)

    def add(self, image: str, rows: list[Row], notes: Sequence[str] = (), more: dict[str, Any] | None = None) -> None:
        """Record the rows of one photo, what is odd about it and what else is kept; on return they are on the disk.

        Raises:
            OutputError: they cannot be written; ``resume`` then begins with the photo before.
        """
        self.rows[image] = rows
        if notes:
            self.notes[image] = list(notes)
        record: dict[str, Any] = {"image": image, "rows": rows, "notes": list(notes)}
        if more is not None:
            self.more[image] = more
            record["more"] = more
        self._append(record)

    def keep_only(self, images: Collection[str]) -> None:
        """Forget the photos that are not among ``images``; the file still has them."""
        for photos in (self.rows, self.notes, self.more):
            for image in photos.keys() - set(images):
                del photos[image]

    def remove(self) -> None:
        """Delete the journal, once its rows are in ``scores.csv``."""
        self._file.close()
        self.path.unlink(missing_ok=True)

    def _append(self, record: dict[str, Any]) -> None:
        try:
            self._file.write(json.dumps(record) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            with suppress(OSError):  # it tries once more to write what did not fit
                self._file.close()
            raise _cannot_write(self.path, error) from error

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._file.close()


def _whole_lines(path: Path) -> list[dict[str, Any]]:
    """Cut off a line that a crash left unfinished; return the records of the others, at least one."""
    whole = path.read_bytes().rpartition(b"\n")[0]
    try:
        os.truncate(path, len(whole) + 1 if whole else 0)
        return [json.loads(line) for line in whole.splitlines()] or [{}]
    except OSError as error:
        raise _cannot_write(path, error) from error
    except ValueError as error:
        raise ConfigError(f"{path} is damaged ({error}): go without --resume to begin anew") from error


def _opened(path: Path, mode: Literal["w", "a"]) -> TextIO:
    try:
        return path.open(mode, encoding="utf-8")
    except OSError as error:
        raise _cannot_write(path, error) from error


def _cannot_write(path: Path, error: OSError) -> OutputError:
    return OutputError(f"cannot write {path}: {error.strerror or error}; free some space or choose another place")

"""Photos of a folder that fills up, each read once it is whole."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cafepick.errors import PhotoError, SourceError
from cafepick.images import SUFFIXES, read_photo
from cafepick.watch.records import Frame

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

POLL: Final = 0.1
"""Seconds between looks at the folder; more for a full one, which takes long to look through."""
LOOKING: Final = 0.1
"""Share of the time that may go into looking."""
SETTLED: Final = 0.3
"""A file that has not changed for so many seconds is taken for whole, unless it cannot be read..."""
HOPELESS: Final = 5.0
"""...and one that cannot be read and has not changed for so long is given up."""


@dataclass
class _Newcomer:
    """A file that has not been read yet."""

    state: tuple[int, int]
    """Size and time of change."""
    since: float
    """Since when it has been so."""


@dataclass
class FolderFrames:
    """The photos of a folder, in the order in which they came; those that lie there at first, by name."""

    folder: Path
    stop: threading.Event
    fps: float | None = None
    """The photos are frames of a belt, filmed at this rate; None: each stands alone."""
    idle: float | None = None
    """End after so many seconds without a new photo; None goes on until ``stop``."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Photos that could not be read, and why."""

    def __iter__(self) -> Iterator[Frame]:
        """Yield each photo once."""
        waiting: dict[str, _Newcomer] = {}
        done: set[str] = set()
        number, last_news = 0, time.monotonic()
        while not self.stop.is_set():
            began = time.monotonic()
            settled = self._changed(waiting, done)
            took = time.monotonic() - began
            for name in settled:
                last_news = time.monotonic()
                photo = self._read(name, waiting, done)
                if photo is not None:
                    yield Frame(number, number / self.fps if self.fps else last_news, last_news, photo, name)
                    number += 1
                if self.stop.is_set():
                    return
            if waiting:
                last_news = time.monotonic()
            if self.idle is not None and time.monotonic() - last_news > self.idle:
                return
            self.stop.wait(max(POLL, took / LOOKING))

    def _changed(self, waiting: dict[str, _Newcomer], done: set[str]) -> list[str]:
        """Note what is new in the folder and what is gone; return the files that have settled, in order of arrival."""
        now, listed = time.monotonic(), self._listed()
        for name in waiting.keys() - {path.name for path in listed}:
            del waiting[name]
        for path in listed:
            if path.name in done or path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
                continue
            try:
                status = path.stat()
            except OSError:  # gone again
                continue
            state = (status.st_size, status.st_mtime_ns)
            if path.name not in waiting or waiting[path.name].state != state:
                waiting[path.name] = _Newcomer(state, now)
        return [name for name, file in waiting.items() if now - file.since >= (SETTLED if file.state[0] else HOPELESS)]

    def _listed(self) -> list[Path]:
        try:
            return sorted(self.folder.iterdir())
        except OSError as error:
            raise SourceError(f"the folder {self.folder} cannot be read any more: {error.strerror or error}") from error

    def _read(self, name: str, waiting: dict[str, _Newcomer], done: set[str]) -> NDArray[np.uint8] | None:
        """Read a file that seems whole; None if it is not, or not yet."""
        try:
            photo = read_photo(self.folder / name)
        except PhotoError as error:
            if time.monotonic() - waiting[name].since < HOPELESS or not (self.folder / name).exists():
                return None
            self.unreadable[name] = str(error)
            photo = None
        del waiting[name]
        done.add(name)
        return photo

"""What a SOURCE of ``cafepick watch`` is: a camera's number, a stream's address, a video file or a folder."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cafepick.errors import ConfigError, SourceError
from cafepick.watch.folder import FolderFrames
from cafepick.watch.video import file_frames, is_url, live_frames

if TYPE_CHECKING:
    import threading

    from cafepick.watch.records import Frame

FeedKind = Literal["camera", "stream", "file", "folder"]


@dataclass(frozen=True, kw_only=True)
class FeedOptions:
    """How a source is read."""

    fps: float | None = None
    """Frames a second when it was filmed, where the source does not know."""
    realtime: bool = False
    """Play a file as fast as it was filmed, and drop frames like a camera."""
    idle: float | None = None
    """End a folder after so many seconds without a new photo."""
    give_up: float | None = None
    """End after so many seconds without the camera."""


@dataclass(frozen=True, eq=False)
class Feed:
    """A source, opened."""

    kind: FeedKind
    frames: Iterable[Frame]
    live: bool
    """Frames that cannot be judged in time are dropped."""
    stills: bool
    """Each photo stands alone; nothing is followed from one to the next."""


def open_feed(source: str, options: FeedOptions, *, stop: threading.Event, notice: Callable[[str], None]) -> Feed:
    """Find out what a source is and make its frames ready to be taken.

    Raises:
        SourceError: there is no such file or folder.
        ConfigError: an option does not go with this source, or is out of range.
    """
    if options.fps is not None and not 0 < options.fps < math.inf:
        raise ConfigError(f"--fps is a number of frames a second above 0, got {options.fps}")
    if source.isdecimal() or is_url(source):
        if options.fps is not None or options.realtime:
            raise ConfigError("--fps and --realtime are for files: a camera or stream keeps its own time")
        where: int | str = int(source) if source.isdecimal() else source
        frames = live_frames(where, stop=stop, notice=notice, give_up=options.give_up)
        return Feed("camera" if source.isdecimal() else "stream", frames, live=True, stills=False)
    if source == "":  # as a path, the folder that one is in
        raise SourceError("the source is an empty name: give a file, a folder, a camera's number (0) or an address")
    path = Path(source)
    if path.is_dir():
        folder = FolderFrames(path, stop, options.fps, options.idle)
        return Feed("folder", folder, live=False, stills=options.fps is None)
    if path.is_file():
        frames = file_frames(path, fps=options.fps, realtime=options.realtime, stop=stop)
        return Feed("file", frames, live=options.realtime, stills=False)
    raise SourceError(f"there is no file or folder {source}: give one, or a camera's number (0) or a stream's address")

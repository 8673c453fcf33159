"""Frames of a video file, a camera or a network stream, by OpenCV."""

from __future__ import annotations

import math
import os
import re
import time
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from cafepick.errors import SourceError
from cafepick.watch.clock import CameraClock, stamp_of
from cafepick.watch.records import Frame

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

FIRST_PAUSE: Final = 0.5
"""Seconds until a lost camera is tried again; twice as long each time..."""
LONGEST_PAUSE: Final = 10.0
"""...up to this."""
TIMEOUT_MS: Final = 5000
"""A network stream that sends nothing for so long is lost."""
FASTEST: Final = 2000.0
"""A file that says it has more frames a second than this does not know."""
AT_ONCE: Final = 0.5
"""Frames that come in less than this share of the time that lies between them have been waiting."""
QUIET: Final = "-8"
"""``AV_LOG_QUIET`` of FFmpeg, which would tell of every try to find a lost camera, password included."""


def is_url(source: str) -> bool:
    """Whether the source is a network stream."""
    return re.match(r"(rtsps?|rtmp|https?|udp|tcp)://", source, re.IGNORECASE) is not None


def without_password(source: str) -> str:
    """Return a source as it may be shown: an address without the user's name and password."""
    return re.sub(r"//[^/@]*@", "//", source)


def file_frames(path: Path, *, fps: float | None, realtime: bool, stop: threading.Event) -> Iterator[Frame]:
    """Yield the frames of a video file.

    Args:
        path: the file.
        fps: frames a second when it was filmed; None takes what the file says.
        realtime: give each frame when it would have come from the camera, not as fast as it can be read.
        stop: end early.

    Raises:
        SourceError: the file is no video that can be read, or does not say how fast it was filmed.
    """
    video = cv2.VideoCapture(str(path))
    try:
        if not video.isOpened():
            raise SourceError(f"{path} is no video that can be read: give a video file, a camera's number or a stream")
        said = float(video.get(cv2.CAP_PROP_FPS))
        rate = fps or (said if math.isfinite(said) and 0 < said <= FASTEST else 0.0)
        if not rate:
            raise SourceError(f"{path} does not say how many frames a second it has: say it with --fps")
        began, last = time.monotonic(), -1.0
        for number, photo in enumerate(_photos(video)):
            stamp = video.get(cv2.CAP_PROP_POS_MSEC) / 1000
            seconds = stamp if fps is None and last < stamp <= last + 1 else number / rate  # a phone's rate varies
            last = seconds
            if realtime and stop.wait(max(0.0, began + seconds - time.monotonic())):
                return
            yield Frame(number, seconds, began + seconds if realtime else time.monotonic(), photo)
        if last < 0:
            raise SourceError(f"{path} holds no frame that can be read: it may be cut short or of an unknown codec")
    finally:
        video.release()


def _photos(video: cv2.VideoCapture) -> Iterator[NDArray[np.uint8]]:
    while True:
        there, picture = video.read()
        if not there:
            return
        yield _rgb(picture)


def live_frames(
    source: int | str,
    *,
    stop: threading.Event,
    notice: Callable[[str], None],
    give_up: float | None = None,
) -> Iterator[Frame]:
    """Yield the frames of a camera or a stream for as long as it is wanted; a lost one is looked for again.

    Args:
        source: number of a camera, or address of a stream.
        stop: end.
        notice: is told when the camera is lost and when it is back.
        give_up: end after so many seconds without it; None tries for ever.

    Raises:
        SourceError: it cannot be opened at the beginning.
    """
    name = f"camera {source}" if isinstance(source, int) else without_password(source)
    video = _opened(source)
    if video is None:
        ask = "does nothing else use it" if isinstance(source, int) else "are address, user and password right"
        raise SourceError(f"{name} cannot be opened: is it connected and switched on, and {ask}?")
    began, number, clock = time.monotonic(), 0, CameraClock()
    while video is not None:
        for stamp, captured, photo in _live_photos(video, stop):
            yield Frame(number, clock.seconds(stamp, captured - began), captured, photo)
            number += 1
        video.release()
        if stop.is_set():
            return
        notice(f"{name} is lost after {number} frames; trying again")
        video = _found_again(source, stop, give_up)
        if video is not None:
            notice(f"{name} is back")
        elif not stop.is_set():
            notice(f"{name} has been away for {give_up:.0f} s; giving up")


def _live_photos(
    video: cv2.VideoCapture, stop: threading.Event
) -> Iterator[tuple[float | None, float, NDArray[np.uint8]]]:
    """Yield frames with their time stamps and the times at which they came, until there is none."""
    came, stamp, is_old = time.monotonic(), None, True
    while not stop.is_set() and video.grab():
        before, came = (came, stamp), time.monotonic()
        stamp = stamp_of(video)
        is_old = is_old and stamp is not None and not _keeps_time(before, (came, stamp))
        if is_old:  # came in a heap while the stream was being opened; the beans have passed long ago
            continue
        there, picture = video.retrieve()
        if not there:
            return
        yield stamp, came, _rgb(picture)


def _keeps_time(before: tuple[float, float | None], now: tuple[float, float]) -> bool:
    """Whether two frames came about as far apart as their stamps are, by arrival and stamp of each."""
    return before[1] is not None and now[0] - before[0] >= AT_ONCE * (now[1] - before[1])


def _found_again(source: int | str, stop: threading.Event, give_up: float | None) -> cv2.VideoCapture | None:
    pause, since = FIRST_PAUSE, time.monotonic()
    while not stop.wait(pause):
        video = _opened(source)
        if video is not None:
            return video
        if give_up is not None and time.monotonic() - since > give_up:
            return None
        pause = min(2 * pause, LONGEST_PAUSE)
    return None


def _opened(source: int | str) -> cv2.VideoCapture | None:
    """Open a camera or stream; None if that fails, for which our own messages have to do."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", QUIET)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    if isinstance(source, int):
        video = cv2.VideoCapture(source)
        video.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # old frames are of no use
    else:
        timeouts = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, TIMEOUT_MS]
        video = cv2.VideoCapture(source, cv2.CAP_FFMPEG, timeouts)
    if video.isOpened():
        return video
    video.release()
    return None


def _rgb(picture: object) -> NDArray[np.uint8]:
    """(H, W, 3) RGB of what OpenCV gives: BGR, or grey from some machine cameras."""
    array = np.asarray(picture, np.uint8)
    code = cv2.COLOR_GRAY2RGB if array.ndim == 2 or array.shape[2] == 1 else cv2.COLOR_BGR2RGB
    return np.asarray(cv2.cvtColor(array, code), np.uint8)

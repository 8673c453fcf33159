"""Frames are taken in a thread of their own, so that a slow judgement never makes the camera wait.

Between the camera and the work stands a queue of two frames. Of a live source the oldest frame is dropped, and counted,
when a new one comes and the queue is full; the reader of a file waits instead, so that no frame is lost.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from cafepick.watch.records import Frame

QUEUE: Final = 2
"""Frames that wait at most."""
LOOK_UP: Final = 0.1
"""Seconds after which a wait looks whether it is to stop."""


class Capture:
    """Takes the frames of a source in the background; iterate over it to get them."""

    def __init__(self, frames: Iterator[Frame], *, live: bool, stop: threading.Event) -> None:
        """Begin to take frames.

        Args:
            frames: the source; it ends when ``stop`` is set.
            live: drop frames rather than wait.
            stop: is set when enough has been seen.
        """
        self.live = live
        self.stop = stop
        self.taken = 0
        """Frames that the source has given."""
        self.dropped = 0
        """Frames of these that were thrown away because the work could not keep up."""
        self._queue: deque[Frame] = deque()
        self._change = threading.Condition()
        self._ended = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(frames,), name="cafepick-capture", daemon=True)
        self._thread.start()

    def frames(self, stopping: Callable[[], bool] = lambda: False) -> Iterator[Frame]:
        """Yield the frames until the source ends or ``stopping``.

        Raises:
            CafepickError: what the source raised, after the frames before it.
        """
        while not stopping():
            with self._change:
                if not self._queue and not self._ended:
                    self._change.wait(LOOK_UP)
                frame = self._queue.popleft() if self._queue else None
                self._change.notify_all()
                if frame is None and self._ended:
                    break
            if frame is not None:
                yield frame
        self.stop.set()
        if self._failure is not None:
            raise self._failure

    def __enter__(self) -> Capture:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Stop the source; a camera that hangs in its driver is left behind."""
        self.stop.set()
        with self._change:
            self._change.notify_all()
        self._thread.join(timeout=2)

    def _run(self, frames: Iterator[Frame]) -> None:
        try:
            for frame in frames:
                if not self._put(frame):
                    break
        except BaseException as error:  # noqa: BLE001 - handed to the thread that asks for frames
            self._failure = error
        finally:
            with self._change:
                self._ended = True
                self._change.notify_all()

    def _put(self, frame: Frame) -> bool:
        """Queue a frame; False once nobody wants any more."""
        with self._change:
            self.taken += 1
            while len(self._queue) >= QUEUE:
                if self.stop.is_set():
                    return False
                if self.live:
                    self._queue.popleft()
                    self.dropped += 1
                else:
                    self._change.wait(LOOK_UP)
            self._queue.append(frame)
            self._change.notify_all()
        return not self.stop.is_set()

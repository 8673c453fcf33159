"""Where results go: into a file of JSON lines at once, or somewhere slow in the background, without a wait for it."""

from __future__ import annotations

import json
import logging
import threading
from collections import deque
from os import SEEK_END
from typing import TYPE_CHECKING, Any, Final, Protocol, TextIO

from cafepick.errors import CafepickError, OutputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    from cafepick.watch.records import Result

LOGGER: Final = logging.getLogger(__name__)

MOST_QUEUED: Final = 2000
"""Results that wait for a slow receiver at most; the oldest is discarded when another comes."""
MOST_AT_ONCE: Final = 100
"""Results that are sent together at most."""
PAUSES: Final = (0.5, 1.0, 2.0, 4.0)
"""Seconds before each new try."""
PATIENCE: Final = 10.0
"""Seconds that the end waits for results that are still on their way."""


class DeliveryError(CafepickError):
    """A receiver did not take some results; another try may help."""


class RefusedError(CafepickError):
    """A receiver will never take these results."""


class Receiver(Protocol):
    """Something slow that takes results, and may fail."""

    name: str

    def send(self, results: Sequence[dict[str, Any]]) -> None:
        """Deliver some results.

        Raises:
            DeliveryError: it did not work; another try may help.
            RefusedError: it will never work.
        """
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...


class JsonLines:
    """A file with one line a bean, each written whole as soon as it is known; a file that is there is continued."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = path.open("a+b", buffering=0)
            self._end_last_line()
        except OSError as error:
            raise self._failed(error) from error

    def write(self, result: Result) -> None:
        """Append a line.

        Raises:
            OutputError: it cannot be written; the file then ends with the line before.
        """
        line = json_line(result).encode() + b"\n"
        end = self._stream.seek(0, SEEK_END)
        try:
            while line:  # a disk that is nearly full takes a part, and refuses the rest
                line = line[self._stream.write(line) or 0 :]
        except OSError as error:
            self._stream.truncate(end)
            raise self._failed(error) from error

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def _end_last_line(self) -> None:
        """A run that was killed may have left half a line behind; ours begins on a line of its own."""
        if self._stream.seek(0, SEEK_END):
            self._stream.seek(-1, SEEK_END)
            if self._stream.read(1) != b"\n":
                self._stream.write(b"\n")

    def _failed(self, error: OSError) -> OutputError:
        return OutputError(
            f"cannot write {self._path}: {error.strerror or error}; free some space or choose another place"
        )


def json_line(result: Result) -> str:
    """Return a result as one line of JSON, without its end."""
    return json.dumps(result.to_json(), ensure_ascii=False, allow_nan=False)


def write_to(stream: TextIO, line: str) -> None:
    """Write a line to a stream that others read as it comes.

    Raises:
        OutputError: nobody reads any more, or the disk is full.
    """
    try:
        stream.write(f"{line}\n")
        stream.flush()
    except OSError as error:
        raise OutputError(f"cannot write to {stream.name} any more: {error.strerror or error}") from error


class Background:
    """Hands results to a receiver in a thread of its own, with retries; ``put`` never waits."""

    def __init__(self, receiver: Receiver, *, pauses: Sequence[float] = PAUSES, most: int = MOST_QUEUED) -> None:
        self.receiver = receiver
        self.delivered = 0
        self.failed = 0
        """Results given up after all tries."""
        self.discarded = 0
        """Results thrown away because too many were waiting."""
        self._taken_in = 0
        self._trouble = ""
        """What was said last of a receiver that does not take results; empty while it does."""
        self._pauses = pauses
        self._most = most
        self._queue: deque[dict[str, Any]] = deque()
        self._change = threading.Condition()
        self._closed = threading.Event()
        self._hurry = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"cafepick-{receiver.name}", daemon=True)
        self._thread.start()

    def put(self, result: Result) -> None:
        """Queue a result; the oldest one is discarded if too many wait."""
        with self._change:
            if len(self._queue) >= self._most:
                self._queue.popleft()
                self.discarded += 1
            self._queue.append(result.to_json())
            self._taken_in += 1
            self._change.notify()

    def counts(self) -> dict[str, int]:
        """Return how many results were delivered, failed, were discarded or are still waiting."""
        return {
            "delivered": self.delivered,
            "failed": self.failed,
            "discarded": self.discarded,
            "waiting": self._waiting,
        }

    @property
    def _waiting(self) -> int:
        """Results that wait or are on their way."""
        return self._taken_in - self.delivered - self.failed - self.discarded

    def close(self, patience: float = PATIENCE) -> None:
        """Wait for what is on its way, but not for ever."""
        self._closed.set()
        with self._change:
            self._change.notify()
        self._thread.join(min(patience, 1.0))
        if self._thread.is_alive() and patience > 1:
            name, wait = self.receiver.name, patience - 1
            LOGGER.warning("%s: %d results on their way; waiting up to %.0f s more", name, self._waiting, wait)
            self._thread.join(wait)
        self._hurry.set()  # no more pauses between tries
        self._thread.join(1)

    def __enter__(self) -> Background:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        while batch := self._next():
            if self._sent(batch):
                self.delivered += len(batch)
            else:
                self.failed += len(batch)
        try:
            self.receiver.close()
        except Exception as error:  # noqa: BLE001 - the work is done all the same
            LOGGER.warning("%s: cannot be closed: %s", self.receiver.name, error)

    def _next(self) -> list[dict[str, Any]]:
        with self._change:
            while not self._queue and not self._closed.is_set():
                self._change.wait()
            return [self._queue.popleft() for _ in range(min(len(self._queue), MOST_AT_ONCE))]

    def _sent(self, batch: list[dict[str, Any]]) -> bool:
        """Try to deliver, several times."""
        for pause in (*self._pauses, None):
            taken = self._taken(batch)
            if taken is not None:
                return taken
            if pause is None or self._hurry.wait(pause):
                break
        LOGGER.warning("%s: %d results are lost", self.receiver.name, len(batch))
        return False

    def _taken(self, batch: list[dict[str, Any]]) -> bool | None:
        """Try once to deliver; None if it did not work but may."""
        try:
            self.receiver.send(batch)
        except RefusedError as error:
            LOGGER.warning("%s: %s; it will not take these %d results", self.receiver.name, error, len(batch))
            return False
        except DeliveryError as error:
            if str(error) != self._trouble:  # an absent server is told of once, not at every try
                self._trouble = str(error)
                LOGGER.warning("%s: %s; trying again", self.receiver.name, error)
            return None
        except Exception as error:  # noqa: BLE001 - whatever it is, the next results are still sent
            name, kind = self.receiver.name, type(error).__name__
            LOGGER.warning("%s: %s: %s; these %d results are lost", name, kind, error, len(batch))
            return False
        if self._trouble:
            self._trouble = ""
            LOGGER.warning("%s: takes results again", self.receiver.name)
        return True

"""The bounded worker: takes checks from its queue, judges, records. The database is what survives; the queue does not.

record (queued) -> submit -> running -> evidence on disk -> done or failed, in one commit
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from cafepick.detector import Detector
from cafepick.server import evidence
from cafepick.server.checks import Checks, count
from cafepick.server.clock import now
from cafepick.server.marks import Promises
from cafepick.server.models import Models
from cafepick.server.monitor import Monitor
from cafepick.server.photos import Photos
from cafepick.server.problems import AWAY, ApiError, busy, called, problem_of
from cafepick.server.schemas import CheckModel, CheckOut
from cafepick.server.store.engine import Store
from cafepick.server.store.tables import Check
from cafepick.server.vault import Vault
from cafepick.types import Verdict

LOGGER: Final = logging.getLogger(__name__)

MODELS: Final = 2
"""Detectors that a thread keeps open."""
ATTEMPTS: Final = 3
"""A photo at which the whole process died so often is given up."""
AGAIN_SECONDS: Final = 2.0
"""Between two tries to reach the database."""

T = TypeVar("T")


class Judge:
    """Threads that judge photos; each has its own detectors, because networks are not shared between threads."""

    def __init__(
        self,
        *,
        store: Store,
        vault: Vault,
        photos: Photos,
        models: Models,
        checks: Checks,
        monitor: Monitor,
        workers: int,
        most: int,
        device: str,
    ) -> None:
        self._store, self._vault, self._photos, self._models, self._checks = store, vault, photos, models, checks
        self._monitor, self._most, self._device = monitor, most, device
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._pending: set[str] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._work, name=f"judge-{n}", daemon=True) for n in range(workers)]

    @property
    def waiting(self) -> int:
        """Checks in the queue, those being judged included."""
        return len(self._pending)

    @property
    def workers(self) -> int:
        """Threads."""
        return len(self._threads)

    def start(self) -> None:
        """Take up what an earlier server left, then wait for more."""
        left = self._checks.unfinished()
        if left:
            LOGGER.info("taking up %d unfinished checks", len(left))
        self.submit(left)
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float) -> None:
        """Finish the photo at hand, at most for so long; the rest stays recorded for the next start."""
        self._stopping.set()
        for _ in self._threads:
            self._queue.put(None)
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0))

    def reserve(self, photos: int) -> None:
        """Refuse work that the queue has no room for; asked before anything is recorded.

        Raises:
            ApiError: the queue is full.
        """
        if self.waiting + photos > self._most:
            raise busy(f"{self.waiting} photos wait to be judged, {self._most} may", seconds=10)

    def submit(self, checks: Iterable[str]) -> None:
        """Queue recorded checks."""
        for check in checks:
            with self._lock:
                if check in self._pending:
                    continue
                self._pending.add(check)
            self._queue.put(check)

    def is_pending(self, check: str) -> bool:
        """Tell whether a check is queued or being judged here."""
        return check in self._pending

    def _work(self) -> None:
        detectors: OrderedDict[str, Detector] = OrderedDict()
        while (check := self._queue.get()) is not None and not self._stopping.is_set():
            self._survive(check, detectors)

    def _survive(self, check: str, detectors: OrderedDict[str, Detector]) -> None:
        try:
            self._process(check, detectors)
        except Exception:
            LOGGER.exception("check %s could not be recorded; it is tried again after a restart", check)
        finally:
            with self._lock:
                self._pending.discard(check)

    def _process(self, check: str, detectors: OrderedDict[str, Detector]) -> None:
        try:
            asked = self._insisting(lambda: self._begin(check))
        except ApiError:  # deleted while it waited
            return
        began = time.monotonic()
        try:
            if asked is None:
                raise ApiError(
                    500, "failed", f"the server ended {ATTEMPTS} times while judging this photo: take it again"
                )
            beans, warnings = self._insisting(lambda: self._judge(asked, detectors))
            self._insisting(lambda: self._finish(check, beans, warnings, None))
        except AWAY:  # the server stops: the next one judges it
            raise
        except Exception as error:
            problem = problem_of(error)
            if problem.status == 500 and not isinstance(error, ApiError):
                LOGGER.exception("check %s failed", check)
            told = {"code": problem.code, "message": str(problem)}
            self._insisting(lambda: self._finish(check, None, [], told))
            return
        self._monitor.judged(time.monotonic() - began)

    def _insisting(self, work: Callable[[], T]) -> T:
        """Do what needs the database, again and again while it is away or has no room; not when the server stops."""
        while True:
            try:
                return work()
            except AWAY as error:  # noqa: PERF203 - the loop is for it
                LOGGER.warning("the database does not take the record: %s", str(error).splitlines()[0])
                if self._stopping.wait(AGAIN_SECONDS):
                    raise

    def _begin(self, check: str) -> CheckOut | None:
        """Mark a check as running; None if it was tried too often."""
        with self._store.writing() as session:
            row = session.get(Check, check, with_for_update=True)
            if row is None or row.state not in ("queued", "running"):
                raise ApiError(404, "no_such_check", "it is gone")
            row.state, row.attempts = "running", row.attempts + 1
            attempts = row.attempts
        return self._checks.get(check) if attempts <= ATTEMPTS else None

    def _judge(self, check: CheckOut, detectors: OrderedDict[str, Detector]) -> tuple[list[dict], list[str]]:
        detector = self._detector(check.model, detectors).using(check.method)
        pixels = self._photos.pixels(self._photos.get(check.photo.id))
        prepared = detector.prepare(pixels)
        # At the highest rate there is, every bean that any rate could reject comes with its reason; ``marks`` decides.
        highest = Promises(check.calibration_subjects).highest
        verdicts: list[Verdict] = detector.judge([prepared], false_reject=highest)[0]
        evidence.save(self._vault.evidence(check.id), verdicts)
        return evidence.beans_of(verdicts, prepared.shape), [*detector.oddities(prepared), *detector.reservations()]

    def _detector(self, model: CheckModel, detectors: OrderedDict[str, Detector]) -> Detector:
        """Return a model's detector; the least recently used one is closed when there are too many."""
        if model.id not in detectors:
            while len(detectors) >= MODELS:
                detectors.popitem(last=False)
            path = self._models.path(model.id)
            with called(model.name, path):
                detectors[model.id] = Detector.load(path, device=self._device)
        detectors.move_to_end(model.id)
        return detectors[model.id]

    def _finish(self, check: str, beans: list[dict] | None, warnings: list[str], error: dict[str, str] | None) -> None:
        with self._store.writing() as session:
            row = session.get(Check, check, with_for_update=True)
            if row is None:
                return
            row.state, row.finished, row.error = ("done" if error is None else "failed"), now(), error
            row.beans, row.warnings = beans, warnings
            count(row, {})
        self._monitor.checked(error is None, beans or (), row.false_reject)

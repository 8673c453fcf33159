"""How long verdicts take, and what came of it all."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from cafepick.watch.records import Result

REMEMBERED: Final = 100_000
"""Latencies are those of so many beans, the latest."""


class Latency(NamedTuple):
    """From the moment a frame came out of the camera to the verdict that it completed, milliseconds."""

    p50_ms: float
    p99_ms: float
    jitter_ms: float
    """Mean difference between one bean's latency and the next one's (as in RFC 3550, without its smoothing)."""

    @classmethod
    def of(cls, seconds: list[float]) -> Latency | None:
        """Summarise latencies in the order in which they came; None if there is none."""
        if not seconds:
            return None
        values = 1000 * np.array(seconds)
        jitter = float(np.abs(np.diff(values)).mean()) if len(values) > 1 else 0.0
        return cls(*(round(float(value), 3) for value in (*np.percentile(values, [50, 99]), jitter)))


class Tally:
    """Counts results; may be used from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._latencies: deque[float] = deque(maxlen=REMEMBERED)
        self._counts: Counter[str] = Counter()
        self._late = 0

    def add(self, result: Result) -> None:
        """Count one result."""
        with self._lock:
            self._latencies.append(result.latency)
            self._counts[result.judgement.value] += 1
            self._late += result.in_time is False

    def read(self) -> tuple[dict[str, int], int, Latency | None]:
        """Return beans per verdict, beans whose verdict came too late for the ejector, and the latencies."""
        with self._lock:
            return (
                {name: self._counts[name] for name in ("OK", "NG", "CUT")},
                self._late,
                Latency.of([*self._latencies]),
            )


@dataclass(frozen=True, kw_only=True)
class Summary:
    """How watching went, so far or in all."""

    seconds: float
    """Since it began."""
    frames: int
    """Frames that were looked at."""
    dropped: int
    """Frames that came and were not, because the work could not keep up."""
    beans: int
    verdicts: dict[str, int]
    late: int
    """Beans whose verdict came after they had crossed the line of the ejector."""
    ghosts: int
    """Outlines that were no bean of their own."""
    latency: Latency | None
    velocity: tuple[float, float] | None = None
    """Of the belt, pixels a second along x and y; None where there is no belt or it is not known."""
    stopped: bool = False
    """The user ended it."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Photos that could not be read, and why."""
    outlets: dict[str, dict[str, int]] = field(default_factory=dict)
    """Of each outlet in the background: results delivered, failed and discarded."""

    def to_json(self) -> dict[str, Any]:
        """Return it for a JSON file."""
        latency = None if self.latency is None else self.latency._asdict()
        return {**asdict(self), "seconds": round(self.seconds, 2), "latency": latency}

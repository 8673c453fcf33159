"""What Prometheus may ask."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from sqlalchemy.exc import SQLAlchemyError

from cafepick import __version__
from cafepick.server.marks import mark


class Monitor:
    """Counters of one server; each has a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._requests = Counter(
            "cafepick_requests", "Requests by route and status.", ["method", "route", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "cafepick_request_seconds", "Time to the first byte of the answer.", ["route"], registry=self.registry
        )
        self._judging = Histogram(
            "cafepick_judging_seconds", "Time to judge a photo.", registry=self.registry, buckets=_BUCKETS
        )
        self._checks = Counter("cafepick_checks", "Finished checks.", ["state"], registry=self.registry)
        self._beans = Counter("cafepick_beans", "Judged beans.", ["verdict"], registry=self.registry)
        self._refused = Counter("cafepick_refused", "Requests refused at the door.", ["code"], registry=self.registry)
        Gauge("cafepick_info", "Version.", ["version"], registry=self.registry).labels(__version__).set(1)

    def watch(self, name: str, help_: str, value: Callable[[], float]) -> None:
        """Add a number that is asked for when Prometheus asks; NaN where it cannot be told just then."""

        def told() -> float:
            try:
                return value()
            except (SQLAlchemyError, OSError):
                return math.nan

        Gauge(f"cafepick_{name}", help_, registry=self.registry).set_function(told)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def refused(self, code: str) -> None:
        """Count a refusal."""
        self._refused.labels(code).inc()

    def judged(self, seconds: float) -> None:
        """Note how long a photo took."""
        self._judging.observe(seconds)

    def checked(self, well: bool, beans: Iterable[dict[str, Any]], rate: float) -> None:
        """Count a finished check and its beans."""
        self._checks.labels("done" if well else "failed").inc()
        for bean in beans:
            self._beans.labels(mark(bean, rate)).inc()

    def text(self) -> bytes:
        """Return everything in Prometheus's text format."""
        return generate_latest(self.registry)


_BUCKETS = (0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300)

"""What the tests of outlets share: a result, a free port, and waiting without guessing how long."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from cafepick.types import Box, Judgement
from cafepick.watch.records import Exit, Result


def result(bean: int) -> Result:
    leaves = Exit(seconds=1.25, seconds_sd=0.0002, x=639.5, y=120.0, place_sd=0.4)
    return Result(
        bean=bean,
        judgement=Judgement.NG,
        p_value=0.004,
        score=12.5,
        view_p_values=(0.001, 0.004),
        box=Box(10, 20, 30, 40),
        frame=7,
        sightings=9,
        seconds=1.2,
        velocity=(4000.0, -1.5),
        leaves=leaves,
        latency=0.0123,
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    limit = time.monotonic() + seconds
    while not condition() and time.monotonic() < limit:
        time.sleep(0.01)
    return condition()

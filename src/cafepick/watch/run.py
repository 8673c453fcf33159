"""The whole of watching: frames in, one result a bean out.

camera --queue of 2, drops--> spot --> tracker --queue of 256--> judge --> results
(thread)                      (the caller's thread)              (thread)
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from cafepick.detector import Prepared
from cafepick.errors import ConfigError
from cafepick.watch.capture import Capture
from cafepick.watch.folder import FolderFrames
from cafepick.watch.judge import JudgeSettings, Judging, judge_beans, judge_still
from cafepick.watch.latency import Summary, Tally
from cafepick.watch.records import Frame
from cafepick.watch.spot import spot
from cafepick.watch.tracker import Tracker, TrackSettings

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from cafepick.detector import Detector
    from cafepick.watch.judge import Judge
    from cafepick.watch.records import Result, Spotted
    from cafepick.watch.sources import Feed

REPORT_EVERY: Final = 2.0
"""Seconds between reports."""
ENOUGH: Final = 5
"""Whole beans that tell how large they are."""


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What to watch for."""

    tracking: TrackSettings = field(default_factory=TrackSettings)
    judging: JudgeSettings = field(default_factory=JudgeSettings)


@dataclass(frozen=True)
class Reports:
    """Who is told what."""

    result: Callable[[Result], None]
    """Every result, from another thread than the caller's."""
    progress: Callable[[Summary], None] = lambda _: None
    """How it goes, every two seconds."""
    oddity: Callable[[str], None] = lambda _: None
    """How the belt differs from the photos that set the threshold, once."""


def check_promise(detector: Detector, watch: Watch) -> None:
    """Refuse what the model cannot do, before any work.

    Raises:
        ConfigError: the model judges whole photos, or measures on a sheet of paper; a belt has neither.
        CalibrationError: it cannot promise the false-reject rate.
    """
    if detector.crop.subject != "beans":
        raise ConfigError("watch follows beans on a belt, and this model judges whole photos: train one for beans")
    if detector.crop.sheet != "none":
        raise ConfigError(
            "watch follows beans on a belt, and this model measures them on a sheet of paper, which no belt shows: "
            "train one with  --sheet none  on photos of the belt"
        )
    strictness = watch.tracking.views if watch.judging.agreement == "any" else 1
    detector.threshold(watch.judging.false_reject / strictness)


def watch_belt(
    feed: Feed,
    judge: Judge,
    watch: Watch,
    reports: Reports,
    *,
    stop: threading.Event,
    stopping: Callable[[], bool] = lambda: False,
) -> Summary:
    """Follow the beans of a belt and judge each once.

    Args:
        feed: where frames come from.
        judge: a ``Detector``.
        watch: what to watch for.
        reports: who is told.
        stop: ends the feed; set when the work ends.
        stopping: whether the user wants to end; beans in view are then judged on what was seen of them.

    Raises:
        SourceError: the source cannot be read.
        OutputError: a result cannot be written.
    """
    began, tracker, tally, looked_at = time.monotonic(), Tracker(watch.tracking), Tally(), 0

    def deliver(result: Result) -> None:
        tally.add(result)
        reports.result(result)

    def summary() -> Summary:
        velocity = None if tracker.belt is None else (float(tracker.belt.velocity[0]), float(tracker.belt.velocity[1]))
        return replace(
            _summary(began, looked_at, capture, tally), velocity=velocity, ghosts=tracker.ghosts, stopped=stopping()
        )

    settings = replace(watch.judging, live=feed.live)
    if feed.live:
        _warm_up(judge, watch)
    with Capture(iter(feed.frames), live=feed.live, stop=stop) as capture:
        clock = _Clock()
        with Judging(judge, settings, deliver) as judging:
            looked = False
            for frame in capture.frames(stopping):
                spotted = spot(frame, look=not looked)
                if not looked and sum(sighting.view is not None for sighting in spotted.sightings) >= ENOUGH:
                    looked = True
                    _tell_oddities(judge, spotted, reports)
                judging.put(tracker.add(spotted))
                looked_at += 1
                if clock.is_due():
                    reports.progress(summary())
            judging.put(tracker.finish())
        return summary()


def _tell_oddities(judge: Judge, spotted: Spotted, reports: Reports) -> None:
    prepared = Prepared(spotted.shape, (), (), spotted.conditions)
    for oddity in judge.oddities(prepared):
        reports.oddity(oddity)


def _warm_up(judge: Judge, watch: Watch) -> None:
    """Do all that only the first frame has to wait for, on a drawn one, before the camera runs."""
    photo = np.full((120, 160, 3), 230, np.uint8)
    photo[40:80, 60:100] = 90
    tracker = Tracker(watch.tracking)
    for number in range(2):
        tracker.add(spot(Frame(number, number / 60, 0.0, photo)))
    judge_beans(judge, tracker.finish(), watch.judging)


def watch_stills(
    feed: Feed,
    detector: Detector,
    watch: Watch,
    reports: Reports,
    *,
    stop: threading.Event,
    stopping: Callable[[], bool] = lambda: False,
) -> Summary:
    """Judge the photos of a folder that fills up, each by itself; arguments as for ``watch_belt``."""
    began, tally, looked_at, beans = time.monotonic(), Tally(), 0, 0
    with Capture(iter(feed.frames), live=False, stop=stop) as capture:
        clock = _Clock()
        for frame in capture.frames(stopping):
            for result in judge_still(detector, frame, watch.judging.false_reject, beans + 1):
                beans += 1
                tally.add(result)
                reports.result(result)
            looked_at += 1
            if clock.is_due():
                reports.progress(_summary(began, looked_at, capture, tally))
        unreadable = dict(feed.frames.unreadable) if isinstance(feed.frames, FolderFrames) else {}
        return replace(_summary(began, looked_at, capture, tally), unreadable=unreadable, stopped=stopping())


def _summary(began: float, looked_at: int, capture: Capture, tally: Tally) -> Summary:
    verdicts, late, latency = tally.read()
    return Summary(
        seconds=time.monotonic() - began,
        frames=looked_at,
        dropped=capture.dropped,
        beans=sum(verdicts.values()),
        verdicts=verdicts,
        late=late,
        ghosts=0,
        latency=latency,
    )


class _Clock:
    """Says when the next report is due."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def is_due(self) -> bool:
        if time.monotonic() - self._last < REPORT_EVERY:
            return False
        self._last = time.monotonic()
        return True

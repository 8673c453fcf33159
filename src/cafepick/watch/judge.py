"""Beans -> results, in a thread of its own: all that wait are judged together."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from cafepick.beans.crop import crop_beans
from cafepick.detector import Prepared
from cafepick.types import Judgement, Outline, Scene
from cafepick.watch.records import Result
from cafepick.watch.views import combine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from cafepick.config import CropConfig
    from cafepick.detector import Detector
    from cafepick.types import Crop, Verdict
    from cafepick.watch.records import Bean, Frame, View
    from cafepick.watch.views import Agreement

MOST_WAITING: Final = 256
"""Beans that wait to be judged at most; then the frames have to wait, and of a live source some are dropped."""
AT_ONCE: Final = 32
"""Beans that are judged together at most, so that the first need not wait for long."""


class Judge(Protocol):
    """What is needed of a ``Detector``."""

    crop: CropConfig

    def judge(self, photos: Sequence[Prepared], *, false_reject: float | None = None) -> list[list[Verdict]]:
        """Judge the subjects of some photos."""
        ...

    def oddities(self, photo: Prepared) -> list[str]:
        """Say how a photo differs from those that set the threshold."""
        ...


@dataclass(frozen=True, kw_only=True)
class JudgeSettings:
    """How a bean's views become one answer."""

    false_reject: float = 0.01
    agreement: Agreement = "all"
    live: bool = False
    """The source gives frames when they are taken, so that the exit can be told by the machine's clock."""


def judge_beans(judge: Judge, beans: Sequence[Bean], settings: JudgeSettings) -> list[Result]:
    """Judge some beans, each on its views."""
    photos = [
        Prepared(view.patch.shape[:2], (Outline(view.contour),), (_crop(view, bean.unit, judge.crop),))
        for bean in beans
        for view in bean.views
    ]
    found = iter(judge.judge(photos, false_reject=settings.false_reject) if photos else [])
    return [_result(bean, [next(found)[0] for _ in bean.views], settings) for bean in beans]


def _crop(view: View, unit: float, config: CropConfig) -> Crop | None:
    """Cut a bean as from a photo of its belt: at the scale of all beans, not of this one alone."""
    if config.scale == "relative":
        config = replace(config, scale="fixed", zoom=config.zoom / unit)
    scene = Scene((Outline(view.contour),), view.surface[None, None].astype(np.float32), 0.0)
    return crop_beans(view.patch, scene, config)[0]


def _result(bean: Bean, verdicts: Sequence[Verdict], settings: JudgeSettings) -> Result:
    now = time.monotonic()
    known = [(index, one.p_value) for index, one in enumerate(verdicts) if one.p_value is not None]
    result = Result(
        bean=bean.bean,
        judgement=Judgement.CUT,
        p_value=None,
        score=None,
        view_p_values=tuple(p_value for _, p_value in known),
        box=bean.box,
        frame=None,
        sightings=bean.sightings,
        seconds=bean.seconds,
        velocity=bean.velocity,
        leaves=bean.leaves,
        latency=now - bean.captured,
    )
    if settings.live and bean.leaves:
        left = bean.captured + bean.leaves.seconds - bean.seconds - now
        result = replace(result, leaves_unix=time.time() + left, in_time=left > 0)
    if not known:
        return result
    answer = combine(result.view_p_values, settings.agreement)
    index = known[answer.deciding][0]
    scores = verdicts[index].scores
    return replace(
        result,
        judgement=Judgement.NG if answer.p_value <= settings.false_reject else Judgement.OK,
        p_value=answer.p_value,
        score=None if scores is None else scores.score,
        box=bean.views[index].box,
        frame=bean.views[index].frame,
    )


def judge_still(detector: Detector, frame: Frame, false_reject: float, first: int) -> list[Result]:
    """Judge every bean of a photo that stands alone; they are numbered from ``first``."""
    found = detector.inspect(frame.photo, false_reject=false_reject)
    return [
        Result(
            bean=number,
            judgement=one.judgement,
            p_value=one.p_value,
            score=None if one.scores is None else one.scores.score,
            view_p_values=() if one.p_value is None else (one.p_value,),
            box=one.box,
            frame=frame.number,
            sightings=1,
            seconds=frame.seconds,
            velocity=(0.0, 0.0),
            leaves=None,
            latency=time.monotonic() - frame.captured,
            name=frame.name,
        )
        for number, one in enumerate((one for one in found if one.judgement is not Judgement.EMPTY), start=first)
    ]


class Judging:
    """Judges beans in the background and hands on each result."""

    def __init__(self, judge: Judge, settings: JudgeSettings, deliver: Callable[[Result], None]) -> None:
        self._judge = judge
        self._settings = settings
        self._deliver = deliver
        self._beans: deque[Bean] = deque()
        self._change = threading.Condition()
        self._closed = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="cafepick-judge", daemon=True)
        self._thread.start()

    def __enter__(self) -> Judging:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Wait until all beans are judged; not if the user wants to stop at once."""
        if kind is None or not issubclass(kind, KeyboardInterrupt):
            self.close()

    def put(self, beans: Sequence[Bean]) -> None:
        """Hand over beans; waits while too many are waiting.

        Raises:
            CafepickError: what judging or delivering raised.
        """
        with self._change:
            while len(self._beans) >= MOST_WAITING and self._failure is None:
                self._change.wait()
            self._raise_failure()
            self._beans.extend(beans)
            self._change.notify_all()

    def close(self) -> None:
        """Wait until all beans are judged.

        Raises:
            CafepickError: what judging or delivering raised.
        """
        with self._change:
            self._closed = True
            self._change.notify_all()
        while self._thread.is_alive():
            self._thread.join(0.1)  # a wait without end would not notice Ctrl-C
        self._raise_failure()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            while beans := self._next():
                for result in judge_beans(self._judge, beans, self._settings):
                    self._deliver(result)
        except BaseException as error:  # noqa: BLE001 - handed to the thread that brings beans
            with self._change:
                self._failure = error
                self._change.notify_all()

    def _next(self) -> list[Bean]:
        """Return the beans that wait; none once there will be no more."""
        with self._change:
            while not self._beans and not self._closed:
                self._change.wait()
            beans = [self._beans.popleft() for _ in range(min(len(self._beans), AT_ONCE))]
            self._change.notify_all()
            return beans

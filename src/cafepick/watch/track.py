"""One bean followed from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from cafepick.watch.motion import Motion, Sums
from cafepick.watch.views import keep_best

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cafepick.watch.motion import Belt
    from cafepick.watch.records import Sighting, View

LEAST_SEEN: Final = 0.5
"""A bean is found in at least this share of the frames that ought to show it; what is not is a slip of the outlines."""


@dataclass(eq=False)
class Track:
    """What has been seen of one bean."""

    last: float
    """When it was last seen."""
    place: NDArray[np.float64]
    """(2,) where it was last seen."""
    half: NDArray[np.float64]
    """(2,) half the width and height of its box."""
    area: float
    looks: NDArray[np.float64]
    origin: NDArray[np.float64]
    """(2,) where it was when the belt had run no way: it lies there on the belt."""
    path: Sums = field(default_factory=Sums)
    """The places in which it was whole."""
    views: list[View] = field(default_factory=list)
    """The best ones so far."""
    sightings: int = 0
    whole: int = 0
    """Frames that showed it whole."""
    chances: int = 0
    """Frames that ought to have shown it whole."""
    missed: int = 0
    """Frames in a row that ought to have shown it and did not."""
    decided: bool = False
    """It has been handed on to be judged, or found to be no bean of its own."""
    real: bool = False
    """It has been handed on to be judged."""
    motion: Motion | None = None

    @classmethod
    def begin(cls, sighting: Sighting, seconds: float, travel: NDArray[np.float64]) -> Track:
        """Begin with the first sighting, when the belt had run (2,) ``travel``."""
        origin = sighting.centre - travel
        return cls(seconds, sighting.centre, sighting.half, sighting.area, sighting.looks, origin)

    def see(self, sighting: Sighting, seconds: float, travel: NDArray[np.float64], belt: Belt, *, keep: int) -> None:
        """Take in a sighting; of the views, so many of the best are kept."""
        self.sightings += 1
        self.missed = 0
        self.last, self.place = seconds, sighting.centre
        if sighting.view is None and self.whole:
            return
        self.half, self.area, self.looks = sighting.half, sighting.area, sighting.looks
        self.origin = sighting.centre - travel
        if sighting.view is not None:
            self.whole += 1
            self.path.add(seconds, sighting.centre)
            self.motion = Motion.fit(self.path, belt)
            if not self.decided:
                self.views = keep_best([*self.views, sighting.view], keep)

    def rebase(self, belt: Belt, late: float) -> None:
        """Forget the path so far: the belt has changed its speed, and the clock, corrected by ``late``, was right."""
        self.last += late
        if self.path.count:
            self.path = Sums()
            self.path.add(self.last, self.place)
            self.motion = Motion.fit(self.path, belt)

    def at(self, travel: NDArray[np.float64]) -> NDArray[np.float64]:
        """(2,) where it ought to be when the belt has run so far; if never whole, the middle of what was seen."""
        return self.origin + travel

    def shows_whole(self, travel: NDArray[np.float64], shape: tuple[int, int]) -> bool:
        """Whether all of it ought to be inside the frame, and not even touch its edge."""
        place, extent = self.at(travel), np.array([shape[1], shape[0]])
        return bool((place - self.half >= 1).all() and (place + self.half <= extent - 2).all())

    def is_gone(self, travel: NDArray[np.float64], shape: tuple[int, int]) -> bool:
        """Whether all of it ought to have left the frame."""
        place, extent = self.at(travel), np.array([shape[1], shape[0]])
        return bool((place + self.half < 0).any() or (place - self.half > extent - 1).any())

    def is_steady(self) -> bool:
        """Whether it was found in enough of the frames that ought to show it."""
        return self.whole >= LEAST_SEEN * self.chances

    def is_known(self) -> bool:
        """Whether it has been found again where the belt ought to have carried it, and so can be missed."""
        return self.path.count > 1 and self.is_steady() and (self.real or not self.decided)

    def covers(self, other: Track) -> bool:
        """Whether the middle of one of the two lies well inside the other, so that they are not two beans."""
        apart = np.abs(self.origin - other.origin)
        return bool((apart < 0.6 * np.maximum(self.half, other.half)).all())

"""Sightings -> beans: which sighting is which bean, and when a bean is ready to be judged.

    sightings --speed vote--> belt's velocity --odometer--> places --assign (Hungarian)--> tracks --leaving--> beans

All beans move with the belt, so a bean is looked for where the belt has carried it. Where it is, is a matter of the way
that the belt has run, which needs no clock; when it leaves, of the line through its places and their times. Trackers
that compare boxes of neighbouring frames (IoU) find nothing to compare: at 1 m/s and 60 frames a second a bean moves by
twice its length.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cafepick.errors import ConfigError
from cafepick.types import Box
from cafepick.watch.motion import Belt
from cafepick.watch.odometer import JOLT, Odometer, Reading, way
from cafepick.watch.records import Bean
from cafepick.watch.speed import SpeedVote
from cafepick.watch.track import Track
from cafepick.watch.views import best_views

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cafepick.watch.motion import Line
    from cafepick.watch.records import Sighting, Spotted

PATIENCE: Final = 12
"""So many frames are kept back until the belt's velocity is sure; then the likeliest has to do."""
GATE: Final = 0.5
"""A bean lies within this share of a typical bean's size from where it is expected..."""
CUT_GATE: Final = 1.0
"""...or this one, where the frame cuts it and the middle of it is not in view."""
UNLIKE: Final = 0.05
"""Cost of looking different by one unit, in units of the gate."""
PARTIAL: Final = 0.3
"""How alike a bean and a part of one are."""
LOST: Final = 0.4
"""If a smaller share of the expected beans is found, the belt has changed its speed."""
FIXED: Final = 2.0
"""What moves by fewer pixels while the belt runs does not lie on it."""
MOST_MISSED: Final = 8
"""A bean that stays away for more frames than that has been taken off."""
REMEMBERED: Final = 200
"""Beans whose size tells what is typical."""


@dataclass(frozen=True, kw_only=True)
class TrackSettings:
    """What a bean's judgement waits for."""

    views: int = 3
    """How many views of a bean are judged at most."""
    lead: float = 0.0
    """A bean is judged at the latest so many seconds before it crosses the line of the ejector."""
    beyond: float = 0.0
    """The ejector is so many pixels behind the edge of the frame."""

    def __post_init__(self) -> None:
        if not 0 <= self.lead < math.inf:
            raise ConfigError(f"--lead is a number of seconds, 0 or more, got {self.lead}")
        if not math.isfinite(self.beyond):
            raise ConfigError(f"--beyond is a number of pixels, below 0 for before the edge, got {self.beyond}")


class Tracker:
    """Follows the beans of one belt."""

    def __init__(self, settings: TrackSettings | None = None) -> None:
        self.settings = settings or TrackSettings()
        self.belt: Belt | None = None
        """How the belt moves; None until that is known."""
        self.ghosts = 0
        """Outlines that were no bean of their own: two beans taken for one, or one for two."""
        self._vote = SpeedVote()
        self._tracks: list[Track] = []
        self._waiting: list[Spotted] = []
        self._before: Spotted | None = None
        self._interval = 0.0
        self._size = 1.0
        """Diameter of a disc as large as a typical bean, pixels."""
        self._has_moved = False
        """Beans on a belt that stands still for a while are judged when it goes on, those on a table at once."""
        self._stepped: float | None = None
        self._odometer = Odometer()
        self._beans = 0
        self._areas: deque[float] = deque(maxlen=REMEMBERED)
        self._strange: list[Sighting] = []
        """What the last frame showed and no bean explained."""
        self._lines: deque[Line] = deque(maxlen=REMEMBERED)

    def add(self, spotted: Spotted) -> list[Bean]:
        """Take in the next frame; return the beans that are ready to be judged."""
        self._size = self._typical_size(spotted)
        if self._before is not None:
            self._vote.add(self._before, spotted, self._size)
        self._before = spotted
        if self.belt is None or self._waiting:
            return self._wait(spotted)
        return self._step(spotted)

    def finish(self) -> list[Bean]:
        """Return the beans that are still in view when the source ends."""
        beans = self._go_on(self._likeliest()) if self._waiting else []
        if self._before is not None and self.belt is not None:
            now = self._before
            beans += [bean for track in self._tracks for bean in self._decided(track, now)]
        self._tracks = []
        return beans

    def _wait(self, spotted: Spotted) -> list[Bean]:
        """Keep the frame back until the belt's velocity is known."""
        if self.belt is None and not self._waiting and not spotted.sightings:
            return []  # an empty belt tells nothing
        self._waiting.append(spotted)
        velocity = self._vote.best()
        if velocity is None and len(self._waiting) >= PATIENCE:
            velocity = self._likeliest()
        return [] if velocity is None else self._go_on(velocity)

    def _likeliest(self) -> NDArray[np.float64]:
        best = self._vote.best(sure=False)
        if best is not None:
            return best
        return np.zeros(2) if self.belt is None else self.belt.velocity

    def _go_on(self, velocity: NDArray[np.float64]) -> list[Bean]:
        """Follow the beans through the frames that were kept back."""
        self.belt = Belt.of(velocity)
        self._lines.clear()
        for track in self._tracks:
            track.rebase(self.belt, self._odometer.late)
        self._odometer.forget()
        waiting, self._waiting = self._waiting, []
        return [bean for spotted in waiting for bean in self._step(spotted, sure=True)]

    def _step(self, spotted: Spotted, *, sure: bool = False) -> list[Bean]:
        """Find the beans again; ``sure`` goes on even if hardly any is where it ought to be."""
        if self.belt is None:
            return []
        belt, reading = self.belt, self._read(spotted)
        travel = self._odometer.travel + reading.run
        found = self._assign(spotted, travel)
        expected = [t for t in self._tracks if t.is_known() and t.shows_whole(travel, spotted.shape)]
        seen = sum(id(track) in found for track in expected)
        strangers = len(spotted.sightings) - len(found)
        if not sure and ((expected and strangers and seen < LOST * len(expected)) or self._odometer.runs_otherwise()):
            self._waiting = [spotted]
            self._vote.clear()
            return []
        self._odometer.accept(reading)
        now = spotted.seconds - self._odometer.late
        for track in self._tracks:
            self._update(track, found.get(id(track)), spotted, now)
        taken = set(found.values())
        self._interval = max(reading.passed - reading.slip, 0.0) if abs(reading.slip) > JOLT else reading.passed
        self._stepped = spotted.seconds
        strange = [sighting for index, sighting in enumerate(spotted.sightings) if index not in taken]
        for sighting in strange:
            if not self._is_fixed(sighting):
                track = Track.begin(sighting, now, travel)
                track.chances = int(sighting.view is not None)
                track.see(sighting, now, travel, belt, keep=self.settings.views)
                self._tracks.append(track)
        self._strange = strange
        lines = [*self._lines, *(track.path.line() for track in self._tracks if track.path.is_line)]
        self.belt = belt.refined(lines).timed_by(self._odometer.clock_error)
        return self._ready(spotted)

    def _read(self, spotted: Spotted) -> Reading:
        """Return how far the belt has run since the frame before."""
        if self.belt is None or self._stepped is None:
            return Reading(np.zeros(2), 0.0, 0.0)
        seconds = spotted.seconds - self._stepped
        step = self.belt.velocity * seconds
        speed = float(np.linalg.norm(self.belt.velocity))
        if not self._tracks or not spotted.sightings or self._stands_still():
            return Reading(step, seconds, 0.0)
        expected = np.array([track.at(self._odometer.travel + step) for track in self._tracks])
        found = np.array([sighting.centre for sighting in spotted.sightings])
        partial, unlike = self._unlike(spotted)
        alike = np.where(partial, PARTIAL, np.exp(-np.square(unlike) / 2))
        run = way(expected, found, alike, step=step, speed=speed, reach=GATE * self._size)
        return Reading(run, seconds, float(np.linalg.norm(step) - np.linalg.norm(run)) / speed)

    def _is_fixed(self, sighting: Sighting) -> bool:
        """Whether it was in the same place one frame before, though the belt runs: dirt on the lens, a screw."""
        if self.belt is None or float(np.linalg.norm(self.belt.velocity)) * self._interval < GATE * self._size:
            return False
        return any(
            np.linalg.norm(sighting.centre - other.centre) < FIXED and np.linalg.norm(sighting.looks - other.looks) < 1
            for other in self._strange
        )

    def _assign(self, spotted: Spotted, travel: NDArray[np.float64]) -> dict[int, int]:
        """Return the index of the sighting of each track that was found again, by the track's ``id``."""
        from scipy.optimize import linear_sum_assignment  # noqa: PLC0415 - slow to import

        if not self._tracks or not spotted.sightings:
            return {}
        expected = np.array([track.at(travel) for track in self._tracks])
        centres = np.array([sighting.centre for sighting in spotted.sightings])
        partial, unlike = self._unlike(spotted)
        away = np.linalg.norm(expected[:, None] - centres[None], axis=2) / (
            self._size * np.where(partial, CUT_GATE, GATE)
        )
        cost = np.where(away < 1, away**2 + UNLIKE * np.where(partial, 0, np.minimum(unlike, 1 / UNLIKE)), 1e6)
        rows, columns = linear_sum_assignment(cost)
        return {
            id(self._tracks[row]): int(column)
            for row, column in zip(rows, columns, strict=True)
            if away[row, column] < 1
        }

    def _unlike(self, spotted: Spotted) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """(tracks, sightings) whether one of the two was never whole, and how differently they look."""
        partial = np.array([not track.whole for track in self._tracks])[:, None] | np.array(
            [sighting.view is None for sighting in spotted.sightings]
        )
        looks = [np.array([one.looks for one in group]) for group in (self._tracks, spotted.sightings)]
        return partial, np.linalg.norm(looks[0][:, None] - looks[1][None], axis=2)

    def _update(self, track: Track, index: int | None, spotted: Spotted, now: float) -> None:
        if self.belt is None:
            return
        due = track.shows_whole(self._odometer.travel, spotted.shape)
        sighting = None if index is None else spotted.sightings[index]
        track.chances += due or (sighting is not None and sighting.view is not None)
        if sighting is None:
            track.missed += due
        else:
            track.see(sighting, now, self._odometer.travel, self.belt, keep=self.settings.views)

    def _ready(self, spotted: Spotted) -> list[Bean]:
        """Hand on the beans that will not be seen better; forget those that are gone."""
        beans, staying = [], []
        for track in self._tracks:
            if self.belt is None:
                break
            gone = track.is_gone(self._odometer.travel, spotted.shape) or track.missed > MOST_MISSED
            if not track.decided and (gone or self._is_due(track, spotted)):
                beans += self._decided(track, spotted)
            elif self._is_early(track, spotted) and self._is_bean(track):
                beans.append(self._handed_on(track, spotted))
            if not gone:
                staying.append(track)
            elif track.real and track.path.is_line:
                self._lines.append(track.path.line())
        self._tracks = staying
        return beans

    def _is_due(self, track: Track, spotted: Spotted) -> bool:
        """Whether a bean that was seen whole will not be seen better."""
        if self.belt is None or not track.whole or track.motion is None:
            return False
        if self._stands_still():
            return not self._has_moved and track.whole >= 2 * self.settings.views
        self._has_moved = True
        return not track.shows_whole(self._odometer.travel + self.belt.velocity * self._interval, spotted.shape)

    def _is_early(self, track: Track, spotted: Spotted) -> bool:
        """Whether a bean that was seen whole has to be judged now because the ejector needs the lead."""
        if self.settings.lead <= 0 or track.decided or track.motion is None:
            return False
        if self.belt is None or self._stands_still():
            return False
        leaves = track.motion.leaves(spotted.shape, self.belt.velocity, self.settings.beyond)
        return leaves is not None and leaves.seconds - spotted.seconds - self._interval < self.settings.lead

    def _stands_still(self) -> bool:
        return self.belt is None or self.belt.stands_still(self._size, self._interval)

    def _decided(self, track: Track, spotted: Spotted) -> list[Bean]:
        """Hand on an undecided track if it is a bean of its own; if not, it is decided to be none."""
        if self._is_bean(track):
            return [self._handed_on(track, spotted)]
        self.ghosts += not track.decided
        track.decided = True
        return []

    def _is_bean(self, track: Track) -> bool:
        """Whether an undecided track is a bean of its own, as far as can be told by now."""
        if track.decided or not track.is_steady():
            return False
        rivals = [other for other in self._tracks if other is not track and track.covers(other)]
        better = any(other.real or (not other.decided and other.whole > track.whole) for other in rivals)
        return not better and self._has_come(track)

    def _has_come(self, track: Track) -> bool:
        """Whether a bean that was never whole was seen more than once: a sliver at the edge may be anything."""
        return bool(track.whole) or track.sightings > 1

    def _handed_on(self, track: Track, spotted: Spotted) -> Bean:
        track.decided = track.real = True
        self._beans += 1
        if track.whole:
            self._areas.append(float(np.median([view.area for view in track.views])))
        belt = self.belt or Belt.of(np.zeros(2))
        leaves = None
        if track.motion is not None and not self._stands_still():
            leaves = track.motion.leaves(spotted.shape, belt.velocity, self.settings.beyond)
        velocity = belt.velocity if track.motion is None else track.motion.velocity
        left, top = track.place - track.half
        return Bean(
            bean=self._beans,
            views=best_views(track.views, self.settings.views),
            unit=float(np.sqrt(np.median(self._known_areas(spotted.sightings)))),
            box=Box(float(left), float(top), *(float(side) for side in 2 * track.half)),
            sightings=track.sightings,
            seconds=spotted.seconds,
            captured=spotted.captured,
            velocity=(float(velocity[0]), float(velocity[1])),
            leaves=leaves,
        )

    def _known_areas(self, sightings: Sequence[Sighting]) -> list[float]:
        """Areas of the beans seen so far; of few, those in view count too."""
        areas = list(self._areas)
        if len(areas) < REMEMBERED:
            areas += [track.area for track in self._tracks if track.whole and not track.decided]
        return areas or [sighting.area for sighting in sightings] or [1.0]

    def _typical_size(self, spotted: Spotted) -> float:
        """Diameter of a disc as large as a typical bean, pixels."""
        return float(np.sqrt(4 / np.pi * np.median(self._known_areas(spotted.sightings))))

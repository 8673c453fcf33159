"""The records that pass between the stages of watching."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cafepick.beans.conditions import Conditions
    from cafepick.types import Box, Judgement


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a source."""

    number: int
    """Counts from 0; numbers of dropped frames are missing."""
    seconds: float
    """When it was taken, counted from the source's first frame."""
    captured: float
    """``time.monotonic()`` when it came out of the camera."""
    photo: NDArray[np.uint8]
    """(H, W, 3) RGB."""
    name: str = ""
    """File name, for a folder."""


@dataclass(frozen=True, eq=False)
class View:
    """All that is needed to judge a bean as one frame showed it; the frame itself is no longer needed."""

    patch: NDArray[np.uint8]
    """(h, w, 3) RGB, the part of the frame around the bean."""
    contour: NDArray[np.float32]
    """(n, 2) x, y of the outline in pixels of the patch."""
    surface: NDArray[np.float32]
    """(3,) colour of the bare belt at the bean, 0..255; zero on a dark belt, whose light is not balanced."""
    box: Box
    """The bean's box in the frame."""
    frame: int
    seconds: float
    area: float
    """Pixels."""
    sharpness: float
    """Standard deviation of the Laplacian inside the outline, grey levels."""


@dataclass(frozen=True, eq=False)
class Sighting:
    """A bean as found in one frame."""

    centre: NDArray[np.float64]
    """(2,) x, y of the centre of area, pixels of the frame."""
    half: NDArray[np.float64]
    """(2,) half the width and height of its box, pixels."""
    area: float
    """Pixels."""
    looks: NDArray[np.float64]
    """(4,) size, shape and lightness, each in units of what it changes by from frame to frame."""
    view: View | None
    """None for a bean that the frame cuts."""


@dataclass(frozen=True, eq=False)
class Spotted:
    """What one frame shows."""

    seconds: float
    captured: float
    number: int
    shape: tuple[int, int]
    """Height and width of the frame, pixels."""
    sightings: tuple[Sighting, ...]
    conditions: Conditions | None = None
    """Surface and size of the beans; None if they were not looked at."""


@dataclass(frozen=True)
class Exit:
    """When and where a bean's centre crosses the line at which it is ejected, as foreseen."""

    seconds: float
    """As ``Frame.seconds``."""
    seconds_sd: float
    """Standard deviation."""
    x: float
    """Pixels of the frame."""
    y: float
    place_sd: float
    """Standard deviation along the line, pixels."""


@dataclass(frozen=True, eq=False)
class Bean:
    """A bean that is ready to be judged."""

    bean: int
    """Counts from 1."""
    views: tuple[View, ...]
    """The best ones, best first; none for a bean that was never whole in a frame."""
    unit: float
    """Side of the square that has the median area of the beans on the belt, pixels."""
    box: Box
    """Where it was seen last, pixels of the frame."""
    sightings: int
    """Frames that showed it."""
    seconds: float
    """When the frame was taken that completed its views."""
    captured: float
    """``Frame.captured`` of that frame."""
    velocity: tuple[float, float]
    """Pixels a second along x and y."""
    leaves: Exit | None
    """None on a belt that stands still."""


@dataclass(frozen=True)
class Result:
    """The one answer for a bean."""

    bean: int
    judgement: Judgement
    """CUT for a bean that was never whole in a frame."""
    p_value: float | None
    """Of all views together."""
    score: float | None
    """Of the view that decided."""
    view_p_values: tuple[float, ...]
    """Of each view that was judged."""
    box: Box
    """In the frame whose view decided."""
    frame: int | None
    """Number of that frame."""
    sightings: int
    seconds: float
    """When the last frame that counted was taken, as ``Frame.seconds``."""
    velocity: tuple[float, float]
    leaves: Exit | None
    latency: float
    """Seconds from the moment that frame came out of the camera to the verdict."""
    leaves_unix: float | None = None
    """``Exit.seconds`` by the machine's clock, seconds since 1970; None where the source is not live."""
    in_time: bool | None = None
    """Whether the verdict came before the bean crosses the line; None where there is no line or no live source."""
    name: str = ""
    """The photo, for a folder of stills."""

    def to_json(self) -> dict[str, Any]:
        """Return one line of the results, numbers rounded to what they are worth."""
        leaves = self.leaves
        return {
            "bean": self.bean,
            "verdict": self.judgement.value,
            "p_value": _rounded(self.p_value, 6),
            "score": _rounded(self.score, 4),
            "view_p_values": [round(value, 6) for value in self.view_p_values],
            "box": [round(float(value), 1) for value in self.box],
            "frame": self.frame,
            "sightings": self.sightings,
            "seconds": round(self.seconds, 4),
            "velocity": [round(value, 1) for value in self.velocity],
            "exit": None
            if leaves is None
            else {
                "seconds": round(leaves.seconds, 5),
                "seconds_sd": round(leaves.seconds_sd, 6),
                "x": round(leaves.x, 1),
                "y": round(leaves.y, 1),
                "place_sd": round(leaves.place_sd, 2),
                "unix": _rounded(self.leaves_unix, 4),
            },
            "latency_ms": round(1000 * self.latency, 2),
            "in_time": self.in_time,
            **({"image": self.name} if self.name else {}),
        }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)

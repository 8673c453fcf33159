"""What a photo shows besides the quality of its beans: surface, light, and how large the beans are.

A promise holds for photos taken like those that set the threshold. What can be seen of "like" is compared here, so that
a changed lamp, table or distance is noticed before its beans are blamed.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np

from cafepick.beans.pose import pose_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cafepick.types import Scene

LIGHTNESS_MARGIN: Final = 15.0
COLOUR_MARGIN: Final = 8.0
"""How far, in CIE Lab, a surface may lie outside what the good photos showed."""
LENGTH_MARGIN: Final = 1.25
"""Factor by which the median bean may be longer or shorter, in photo pixels, where size counts."""
DETAIL_MARGIN: Final = 2.0
"""Factor by which it may be shorter where only relative size counts: below, the photo lacks detail."""

_SEEN: Final = re.compile(r"(?<=the beans are )\d+(?= pixels long)|(?<=the photo shows )\d+(?= pixels a side)")
"""The number that differs from photo to photo in what ``Range.oddities`` and ``too_few_pixels`` say."""


@dataclass(frozen=True)
class Conditions:
    """Of one photo."""

    surface: tuple[float, float, float]
    """``surface_colour``."""
    length: float
    """Median length of the beans that the frame left whole, photo pixels; 0 if there is none."""


@dataclass(frozen=True)
class Range:
    """What the good photos showed: the lowest and the highest of each."""

    surface_low: tuple[float, float, float]
    surface_high: tuple[float, float, float]
    length_low: float
    length_high: float

    @classmethod
    def of(cls, photos: Sequence[Conditions]) -> Range | None:
        """Return the range of the photos that show beans; None if there is none."""
        shown = [photo for photo in photos if photo.length > 0]
        if not shown:
            return None
        surfaces = np.array([photo.surface for photo in shown])
        lengths = [photo.length for photo in shown]
        low, high = (tuple(map(float, edge)) for edge in (surfaces.min(axis=0), surfaces.max(axis=0)))
        return cls(low, high, min(lengths), max(lengths))  # type: ignore[arg-type]

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Range:
        """Read what ``dataclasses.asdict`` made, after a way through JSON."""
        low, high = (tuple(values[name]) for name in ("surface_low", "surface_high"))
        return cls(low, high, values["length_low"], values["length_high"])

    def holds(self, surface: Sequence[float], margins: Sequence[float]) -> bool:
        """Return whether a surface's colour lies within these, each widened by its margin."""
        edges = zip(self.surface_low, surface, self.surface_high, margins, strict=True)
        return all(low - margin <= value <= high + margin for low, value, high, margin in edges)

    def like(self, surface: Sequence[float]) -> bool:
        """Return whether a surface is one of these as far as ``oddities`` tells."""
        return self.holds(surface, (LIGHTNESS_MARGIN, COLOUR_MARGIN, COLOUR_MARGIN))

    def oddities(self, photo: Conditions, *, size_counts: bool) -> list[str]:
        """Say in words how a photo differs from the good ones, and what to do; nothing if it does not.

        Args:
            photo: the photo.
            size_counts: whether the crops keep absolute size (``--scale fixed``).
        """
        found = []
        lightness, *_ = photo.surface
        if not self.holds(photo.surface, (LIGHTNESS_MARGIN, np.inf, np.inf)):
            darker = lightness < self.surface_low[0]
            found.append(f"the surface is much {'darker' if darker else 'lighter'} than in the good photos")
        if not self.holds(photo.surface, (np.inf, COLOUR_MARGIN, COLOUR_MARGIN)):
            found.append("the surface has another colour than in the good photos")
        if photo.length > 0:
            found += self._oddity_of_size(photo.length, size_counts)
        return found

    def _oddity_of_size(self, length: float, size_counts: bool) -> list[str]:
        known = f"{self.length_low:.0f} to {self.length_high:.0f}"
        seen = f"the beans are {length:.0f} pixels long, in the good photos {known}"
        margin = LENGTH_MARGIN if size_counts else DETAIL_MARGIN
        if length * margin < self.length_low:
            return [f"{seen}: go nearer"]
        if size_counts and length > self.length_high * margin:
            return [f"{seen}: go farther away"]
        return []


def too_few_pixels(shown: int, side: int) -> str:
    """Say that a photo shows fewer pixels a side than the closer look that good ones were seen with."""
    return f"the photo shows {shown} pixels a side, good ones were seen with {side}: take larger photos"


def gathered(oddities: Iterable[tuple[str, Sequence[str]]]) -> list[tuple[str, int, str]]:
    """Gather what is odd about many photos (``Detector.oddities``): a line of each kind, with the range of it.

    Args:
        oddities: of each photo by name.

    Returns:
        Of each kind its words, the number of photos and the name of the first.
    """
    counts: Counter[str] = Counter()
    first: dict[str, str] = {}
    lengths: dict[str, list[int]] = {}
    for name, said in oddities:
        for words in said:
            kind = _SEEN.sub("{}", words)
            counts[kind] += 1
            first.setdefault(kind, name)
            lengths.setdefault(kind, []).extend(map(int, _SEEN.findall(words)))
    return [(kind.replace("{}", _span(lengths[kind])), count, first[kind]) for kind, count in counts.items()]


def _span(values: Sequence[int]) -> str:
    """Say between what whole numbers some lie; nothing of none."""
    low, high = min(values, default=""), max(values, default="")
    return f"{low}" if low == high else f"{low} to {high}"


def surface_colour(scene: Scene) -> tuple[float, float, float]:
    """Return the median colour of the empty surface, CIE Lab: lightness 0..100, green-red, blue-yellow."""
    colour = np.median(scene.background.reshape(-1, 3), axis=0).clip(0, 255).astype(np.float32) / np.float32(255)
    lightness, green_red, blue_yellow = cv2.cvtColor(colour.reshape(1, 1, 3), cv2.COLOR_RGB2LAB).ravel().tolist()
    return lightness, green_red, blue_yellow


def conditions_of(scene: Scene) -> Conditions:
    """Return surface and bean size of a photo."""
    lengths = [pose_of(outline.contour).length for outline in scene.outlines if not outline.cut]
    return Conditions(surface_colour(scene), float(np.median(lengths)) if lengths else 0.0)

"""Hard photographs, drawn simply: ellipses on a surface, each difficulty alone and known exactly."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from cafepick.beans.coarse import Coarse, working_image
from cafepick.beans.island import Island, find_island

GREEN, PALE, BLACK = (118, 112, 78), (214, 190, 138), (34, 30, 28)
"""Colours of a green bean, of one in parchment and of a black one."""
PAPER, VELVET, TABLE = (232, 231, 228), (38, 40, 44), (96, 66, 42)


@dataclass
class Scenery:
    """A photo in the making; everything is drawn at once, in grey levels as floats."""

    pixels: np.ndarray
    masks: list[np.ndarray]

    @classmethod
    def plain(cls, colour=PAPER, width=480, height=360) -> Scenery:
        return cls(np.full((height, width, 3), colour, np.float32), [])

    def bean(self, x, y, colour=GREEN, *, axes=(22, 15), angle=30, shadow=0.0) -> Scenery:
        """Lay down a bean; ``shadow`` is the share of light that is missing beside it."""
        if shadow:
            cast = cv2.GaussianBlur(self._ellipse(x + 7, y + 5, axes, angle), (0, 0), 4)
            self.pixels *= 1 - shadow * cast[..., None]
        cover = self._ellipse(x, y, axes, angle)
        crease = self._ellipse(x, y, (axes[0] * 0.7, 1.0), angle)
        tone = np.array(colour) * (1 - 0.25 * crease[..., None])
        self.pixels = self.pixels * (1 - cover[..., None]) + tone * cover[..., None]
        self.masks.append(cover > 0.5)
        return self

    def lit(self, left=1.0, right=1.0) -> Scenery:
        """Let the light change evenly from one side to the other."""
        self.pixels *= np.linspace(left, right, self.pixels.shape[1], dtype=np.float32)[None, :, None]
        return self

    def polygon(self, corners, colour) -> Scenery:
        """Paint something flat: a sheet, a card, a strip of wood."""
        cover = np.zeros(self.pixels.shape[:2], np.uint8)
        cv2.fillPoly(cover, [np.array(corners, np.int32)], 1)
        self.pixels[cover > 0] = colour
        return self

    def wood(self) -> Scenery:
        """Grain along the rows, in streaks."""
        rng = np.random.default_rng(3)
        streaks = cv2.GaussianBlur(rng.normal(0, 1, self.pixels.shape[:2]).astype(np.float32), (0, 0), 25, sigmaY=1)
        self.pixels *= 1 + 4 * streaks[..., None]
        return self

    def photo(self, noise=1.5) -> np.ndarray:
        rng = np.random.default_rng(0)
        blurred = cv2.GaussianBlur(self.pixels, (0, 0), 0.8)
        return np.clip(blurred + rng.normal(0, noise, blurred.shape), 0, 255).astype(np.uint8)

    def _ellipse(self, x, y, axes, angle) -> np.ndarray:
        canvas = np.zeros(self.pixels.shape[:2], np.uint8)
        centre, axes = (round(16 * x), round(16 * y)), (round(16 * axes[0]), round(16 * axes[1]))
        cv2.ellipse(canvas, centre, axes, angle, 0, 360, 255, -1, cv2.LINE_AA, 4)
        return canvas.astype(np.float32) / 255


def drawn(contour, shape) -> np.ndarray:
    """(H, W) mask inside an outline."""
    canvas = np.zeros(shape[:2], np.uint8)
    cv2.fillPoly(canvas, [np.rint(contour).astype(np.int32)], 1)
    return canvas.astype(bool)


def overlap(one, other) -> float:
    """Intersection over union of two masks."""
    return float((one & other).sum() / max((one | other).sum(), 1))


def missed_and_extra(outlines, masks, shape, least=0.5) -> tuple[int, int]:
    """How many masks no outline matches, and how many outlines match no mask, at an overlap of ``least``."""
    found = [drawn(outline.contour, shape) for outline in outlines]
    pairs = sorted(((overlap(a, b), i, k) for i, a in enumerate(masks) for k, b in enumerate(found)), reverse=True)
    matched_masks, matched_found = set(), set()
    for value, i, k in pairs:
        if value >= least and i not in matched_masks and k not in matched_found:
            matched_masks.add(i)
            matched_found.add(k)
    return len(masks) - len(matched_masks), len(found) - len(matched_found)


def island_of(photo: np.ndarray) -> Island | None:
    """Find the paper in a photo as the search for beans does."""
    return find_island(photo, Coarse.of(working_image(photo)))

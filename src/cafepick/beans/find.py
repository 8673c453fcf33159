"""Photo -> outlines: where the beans lie.

photo --shrink--> working image --background--> distance from the empty surface --threshold--> mask --split--> beans
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from cafepick.beans.background import estimate_background
from cafepick.beans.split import split_touching
from cafepick.types import Outline, Scene

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

WORKING_PIXELS: Final = 600_000
"""Beans are looked for in a photo shrunk to at most so many pixels."""


def find_beans(photo: NDArray[np.uint8]) -> Scene:
    """Find every bean on the plain surface that a photo shows.

    Args:
        photo: (H, W, 3) RGB.

    Returns:
        The outlines in reading order, none for an empty surface; those that reach the frame are marked ``cut``.
    """
    scale = min(1.0, float(np.sqrt(WORKING_PIXELS / (photo.shape[0] * photo.shape[1]))))
    small = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else photo
    background, noise = estimate_background(small, np.zeros(small.shape[:2], bool))  # type: ignore[arg-type]
    surface = cv2.resize(background, (small.shape[1], small.shape[0]))
    distance = np.abs(small.astype(np.float32) - surface).max(axis=2)
    level, _ = cv2.threshold(np.clip(distance, 0, 255).astype(np.uint8), 0, 255, cv2.THRESH_OTSU)
    labels = split_touching(distance > max(level, 15.0))
    contours = [contour for label in range(1, labels.max() + 1) if (contour := _contour(labels == label)) is not None]
    factor = np.array([photo.shape[1] / small.shape[1], photo.shape[0] / small.shape[0]])
    in_photo = [((contour + 0.5) * factor - 0.5).astype(np.float32) for contour in contours]
    return Scene(_outlines(in_photo, photo.shape[:2], margin=1.5 * factor.max()), background, noise)


def scene_from_outlines(photo: NDArray[np.uint8], contours: Sequence[NDArray[np.float32]]) -> Scene:
    """Make a scene of outlines that are known; the background is estimated from what lies outside them.

    Args:
        photo: (H, W, 3) RGB.
        contours: each (n, 2) x, y in photo pixels.

    Returns:
        The outlines in the order given; those that reach the frame are marked ``cut``.
    """
    scale = min(1.0, float(np.sqrt(WORKING_PIXELS / (photo.shape[0] * photo.shape[1]))))
    small = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else photo
    beans = np.zeros(small.shape[:2], np.uint8)
    for contour in contours:
        cv2.fillPoly(beans, [np.rint(contour * scale).astype(np.int32)], 1)
    background, noise = estimate_background(small, beans.astype(bool))  # type: ignore[arg-type]
    outlines = tuple(Outline(contour, _touches(contour, photo.shape[:2], 1.0)) for contour in contours)
    return Scene(outlines, background, noise)


def _contour(mask: NDArray[np.bool_]) -> NDArray[np.float32] | None:
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    largest = max(found, key=cv2.contourArea, default=np.zeros((1, 2), np.int32)).reshape(-1, 2)
    return largest.astype(np.float32) if cv2.contourArea(largest) >= 20 else None


def _outlines(contours: Sequence[NDArray[np.float32]], shape: tuple[int, ...], margin: float) -> tuple[Outline, ...]:
    if not contours:
        return ()
    row = float(np.median([np.ptp(contour[:, 1]) for contour in contours])) + 1
    ordered = sorted(contours, key=lambda c: (c[:, 1].mean() // row, c[:, 0].mean()))
    return tuple(Outline(contour, _touches(contour, shape, margin)) for contour in ordered)


def _touches(contour: NDArray[np.float32], shape: tuple[int, ...], margin: float) -> bool:
    height, width = shape
    low, high = contour.min(axis=0), contour.max(axis=0)
    return bool(low.min() < margin or high[0] > width - 1 - margin or high[1] > height - 1 - margin)

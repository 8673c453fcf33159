"""Frame -> sightings: every bean that one frame shows, and what is needed to follow and to judge it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from cafepick.beans.conditions import conditions_of
from cafepick.beans.crop import DARKEST_WHITE, LUMA, box_of
from cafepick.beans.find import find_beans
from cafepick.watch.records import Sighting, Spotted, View

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cafepick.types import Outline, Scene
    from cafepick.watch.records import Frame

MARGIN: Final = 4
"""Pixels of the frame that are kept around a bean."""
LOOKS_CHANGE: Final = (0.1, 0.1, 0.1, 8.0)
"""By how much a bean's looks change from frame to frame: logarithm of area, two of elongation, grey levels."""


def spot(frame: Frame, *, look: bool = False) -> Spotted:
    """Find the beans of a frame; ``look`` at the surface and the beans' size too."""
    scene = find_beans(frame.photo)
    grey = np.asarray(cv2.cvtColor(frame.photo, cv2.COLOR_RGB2GRAY), np.uint8)
    dark = float(np.median(scene.background @ LUMA)) < DARKEST_WHITE
    sightings = tuple(
        _sighting(frame, grey, outline, _surface(scene, outline, frame, dark)) for outline in scene.outlines
    )
    shape, conditions = frame.photo.shape[:2], conditions_of(scene) if look else None
    return Spotted(frame.seconds, frame.captured, frame.number, shape, sightings, conditions)


def _surface(scene: Scene, outline: Outline, frame: Frame, dark: bool) -> NDArray[np.float32]:
    """(3,) colour of the belt next to a bean, as the crops of a whole photo take it; zero where that is too dark."""
    if dark:
        return np.zeros(3, np.float32)
    height, width = scene.background.shape[:2]
    middle = (outline.contour.min(axis=0) + outline.contour.max(axis=0)) / 2
    share = (middle + 0.5) / frame.photo.shape[1::-1]
    column, row = np.clip((share * (width, height)).astype(int), 0, (width - 1, height - 1))
    return scene.background[row, column]


def _sighting(frame: Frame, grey: NDArray[np.uint8], outline: Outline, surface: NDArray[np.float32]) -> Sighting:
    box = box_of(outline.contour)
    height, width = grey.shape
    left, top = max(int(box.x) - MARGIN, 0), max(int(box.y) - MARGIN, 0)
    right = min(int(box.x + box.width) + 1 + MARGIN, width)
    bottom = min(int(box.y + box.height) + 1 + MARGIN, height)
    place = (slice(top, bottom), slice(left, right))
    contour = outline.contour - np.array([left, top], np.float32)
    mask = np.zeros((bottom - top, right - left), np.uint8)
    cv2.fillPoly(mask, [np.rint(contour).astype(np.int32)], 1)
    moments = cv2.moments(mask, binaryImage=True)
    pixels = max(moments["m00"], 1.0)
    centre = np.array([moments["m10"] / pixels + left, moments["m01"] / pixels + top])
    area = max(float(cv2.contourArea(contour)), 1.0)  # as the crops of a whole photo measure it
    view = None
    if not outline.cut:
        sharpness = cv2.meanStdDev(cv2.Laplacian(grey[place], cv2.CV_32F), mask=mask)[1].item()
        patch = frame.photo[place].copy()
        view = View(patch, contour, surface, box, frame.number, frame.seconds, area, sharpness)
    lightness = float(cv2.mean(grey[place], mask=mask)[0])
    half = np.array([box.width + 1, box.height + 1]) / 2
    return Sighting(centre, half, area, _looks(moments, lightness), view)


def _looks(moments: dict[str, float], lightness: float) -> NDArray[np.float64]:
    """(4,) size, elongation along x and along the diagonal, and lightness, in units of ``LOOKS_CHANGE``."""
    total = max(moments["mu20"] + moments["mu02"], 1e-6)
    elongation = ((moments["mu20"] - moments["mu02"]) / total, 2 * moments["mu11"] / total)
    return np.array([np.log(max(moments["m00"], 1.0)), *elongation, lightness]) / LOOKS_CHANGE

"""Drawn photos of sheets of paper for several tests; each is drawn once."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from cafepick.data.drawing.sheet import SheetPhoto, Shot, draw_sheet_photo


@lru_cache(maxsize=40)
def taken(seed: int = 0, **shot) -> SheetPhoto:
    """A photo of some 1000 x 750 pixels, in which a millimetre is about three."""
    return draw_sheet_photo(np.random.default_rng(seed), Shot(**{"width": 1000, "height": 750, "beans": 12, **shot}))


def masks_of(photo: SheetPhoto) -> list[np.ndarray]:
    """(H, W) of each bean on the sheet."""
    return [filled(bean.outline, photo.photo.shape) for bean in photo.beans if bean.where == "sheet"]


def filled(contour: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(H, W) mask inside an outline."""
    canvas = np.zeros(shape[:2], np.uint8)
    return cv2.fillPoly(canvas, [np.rint(contour).astype(np.int32)], 1).astype(bool)

"""How people see colour: CIE L*a*b*, and how far a pixel is from a surface whatever shadow lies on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FROM_BYTES: Final = ((np.arange(256)[:, None] - [0, 128, 128]) * [100 / 255, 1, 1]).astype(np.float32)[None]
"""OpenCV's bytes -> L*, a*, b*."""


def to_lab(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Convert (h, w, 3) RGB to CIE L*a*b*: L* 0..100, a* and b* in the same unit about 0."""
    # the 8-bit conversion is ten times as fast as the exact one, and its steps are as fine as the camera's
    return np.asarray(cv2.LUT(cv2.cvtColor(image, cv2.COLOR_RGB2LAB), _FROM_BYTES), np.float32)


def distance(lab: NDArray[np.float32], surface: NDArray[np.float32], shadow: float) -> NDArray[np.float32]:
    r"""Colour difference from the surface that no shadow explains.

    CIE76, $\sqrt{\Delta L^2 + \Delta a^2 + \Delta b^2}$, where a pixel darker than the surface is first lightened by up
    to ``shadow``: a shadow lowers lightness and all but keeps the chroma.

    Args:
        lab: (h, w, 3) of the photo.
        surface: (h, w, 3) of the bare surface at the same places.
        shadow: share of the surface's lightness that a shadow may take, 0..1.

    Returns:
        (h, w), 0 or more.
    """
    difference = cv2.subtract(surface, lab)
    darker, a, b = (cv2.extractChannel(difference, channel) for channel in range(3))  # faster than cv2.split
    beyond_shadow = cv2.scaleAdd(cv2.extractChannel(surface, 0), -shadow, darker)
    lightness = np.maximum(cv2.max(beyond_shadow, -darker), 0)
    return np.asarray(cv2.magnitude(cv2.magnitude(lightness, a), b), np.float32)

"""What the bare surface looks like under every bean, and how far a pixel is from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import cv2
import numpy as np

from cafepick.beans.surface import fill_between, find_surface

if TYPE_CHECKING:
    from numpy.typing import NDArray

COARSE_SIDE: Final = 192
"""The background is estimated on the photo shrunk to this longer side, pixels."""
SHADOW_SHARE: Final = 0.3
"""Share of the surface's lightness L* that a shadow may take: 0.3 is about 60 % of the light."""
GREY_SHADOW_SHARE: Final = 0.1
"""The same in a photo without colour, where nothing but lightness tells a green bean from its shadow."""
NEAR: Final = 6.0
"""Colour difference within which a pixel may belong to the surface."""
ROUNDS: Final = 2
"""How often the bare surface grows by what is near."""

_FROM_BYTES: Final = ((np.arange(256)[:, None] - [0, 128, 128]) * [100 / 255, 1, 1]).astype(np.float32)[None]
"""OpenCV's bytes -> L*, a*, b*."""


class Background(NamedTuple):
    """The bare surface, at a coarse size."""

    colour: NDArray[np.float32]
    """(h, w, 3) RGB, 0..255."""
    lab: NDArray[np.float32]
    """(h, w, 3) CIE L*a*b*."""
    extent: NDArray[np.bool_]
    """(h, w), True where beans may lie."""
    noise: float
    """Robust spread of bare pixels about ``colour``, grey levels."""
    spread: float
    """Robust spread of bare pixels' ``distance`` from it."""
    shadow: float
    """Share of lightness that a shadow may take in this photo."""


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


def estimate_background(
    image: NDArray[np.uint8], beans: NDArray[np.bool_] | None = None, *, filled: bool = False
) -> Background:
    """Estimate the colour of the bare surface everywhere, under soft shadows and uneven light too.

    Args:
        image: (h, w, 3) RGB.
        beans: (h, w), True where a bean is known to lie; None where nothing is known yet.
        filled: whether the surface is known to fill the image.
    """
    factor = max(1.0, max(image.shape[:2]) / COARSE_SIDE)
    size = (max(1, round(image.shape[1] / factor)), max(1, round(image.shape[0] / factor)))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    lab = to_lab(small)
    shadow = SHADOW_SHARE if lab[..., 1:].any() else GREY_SHADOW_SHARE
    flat, plain, extent = find_surface(lab)
    extent = np.ones_like(extent) if filled else extent
    free = np.ones(plain.shape, bool)
    if beans is not None:
        free = cv2.resize(beans.astype(np.float32), size, interpolation=cv2.INTER_AREA) == 0
    bare = _grown(lab, plain & free, flat, extent & free, shadow)
    if not bare.any():
        bare = free if free.any() else ~free
    surface, colour = fill_between(lab, bare), fill_between(small.astype(np.float32), bare)
    noise = 1.4826 * np.median(np.abs(cv2.subtract(small, colour, dtype=cv2.CV_32F)[bare]))
    spread = np.median(distance(lab, surface, shadow)[bare])
    return Background(colour, surface, extent, float(noise), float(spread), shadow)


def _grown(
    lab: NDArray[np.float32], bare: NDArray[np.bool_], flat: NDArray[np.bool_], free: NDArray[np.bool_], shadow: float
) -> NDArray[np.bool_]:
    """Add what is flat and differs by light only, then what has nearly the colour expected there.

    These are the gaps that beans cut off from the rest, and places in other light.
    """
    for _ in range(ROUNDS):
        if not bare.any():
            break
        expected = fill_between(lab, bare)
        near = (distance(lab, expected, shadow) < NEAR) & free
        bare |= cv2.erode(near.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
        lighter = np.clip(lab[..., 0] - expected[..., 0], 0, shadow * lab[..., 0])
        expected[..., 0] += lighter
        bare |= (distance(lab, expected, shadow) < NEAR) & flat & free
    return bare

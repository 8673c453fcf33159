"""What the bare surface looks like under every bean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import cv2
import numpy as np

from cafepick.beans.colour import distance
from cafepick.beans.surface import fill_between, find_surface

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cafepick.beans.coarse import Coarse

SHADOW_SHARE: Final = 0.3
"""Share of the surface's lightness L* that a shadow may take: 0.3 is about 60 % of the light."""
GREY_SHADOW_SHARE: Final = 0.1
"""The same in a photo without colour, where nothing but lightness tells a green bean from its shadow."""
NEAR: Final = 6.0
"""Colour difference within which a pixel may belong to the surface."""
ROUNDS: Final = 2
"""How often the bare surface grows by what is near."""


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
    bare: NDArray[np.bool_]
    """(h, w), True where it is seen for sure; somewhere it is."""
    shadow: float
    """Share of lightness that a shadow may take in this photo."""


def estimate_background(photo: Coarse, beans: NDArray[np.bool_] | None = None, *, filled: bool = False) -> Background:
    """Estimate the colour of the bare surface everywhere, under soft shadows and uneven light too.

    Args:
        photo: the photo at a coarse size.
        beans: (H, W) of any size, True where a bean is known to lie; None where nothing is known yet.
        filled: whether the surface is known to fill the photo.
    """
    lab, flat = photo.lab, photo.flat
    shadow = SHADOW_SHARE if lab[..., 1:].any() else GREY_SHADOW_SHARE
    plain, extent = find_surface(photo)
    extent = np.ones_like(extent) if filled else extent
    free = np.ones(plain.shape, bool)
    if beans is not None:
        free = cv2.resize(beans.astype(np.float32), flat.shape[::-1], interpolation=cv2.INTER_AREA) == 0
    bare = _grown(lab, plain & free, flat, extent & free, shadow)
    if not bare.any():
        bare = free if free.any() else ~free
    surface, colour = fill_between(lab, bare), fill_between(photo.image.astype(np.float32), bare)
    noise = 1.4826 * np.median(np.abs(cv2.subtract(photo.image, colour, dtype=cv2.CV_32F)[bare]))
    return Background(colour, surface, extent, float(noise), bare, shadow)


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

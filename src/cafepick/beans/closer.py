r"""A closer look at a photo that is itself the subject -> descriptors of each of its places.

A crop of 64 pixels shows what a photo shows, not what is fine on it: a scratch, faded print, a knot in cloth.
So the photo is looked at once more with up to 256 pixels a side, in places that stand in rows and columns.
Of each place are taken: the edges by their direction, as on the grid of the crop (``grid``), at two scales; the
mean colour; and how strong its texture is in three bands. A place's numbers weigh its surroundings by a Gaussian, so
that what lies between two places is seen by both.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from cafepick.beans.grid import DIRECTIONS, FINEST_EDGE, by_direction
from cafepick.images import to_channels

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE: Final = 256
"""Most pixels a side."""
PLACE: Final = 16
"""Pixels a side of a place."""
LEAST: Final = 2
"""The closer look has so many times the pixels a side of the crop at least, or there is none."""
BANDS: Final = (1, 2, 4)
"""Widths of the Gaussians in pixels between which the bands of texture lie; the first begins at the picture itself."""
REACH: Final = 0.5
"""Width of the Gaussian by which a place weighs its surroundings, as a share of its side."""
_FAINTEST_EDGE: Final = 1e-6
_FAINTEST_TEXTURE: Final = 1e-4


def side_for(shown: int, size: int) -> int | None:
    """Return the side in pixels of a closer look at photos whose shorter side shows so many, beside crops of ``size``.

    None: it would show hardly more than the crop.
    """
    side = min(SIDE, shown // PLACE * PLACE)
    return side if side >= LEAST * size else None


def numbers_of(channels: int) -> int:
    """Return how many numbers are taken of a place, of a picture with so many channels."""
    return 2 * DIRECTIONS + channels + len(BANDS)


def describe_closer(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Measure one closer look.

    Args:
        image: (side, side, C), C = 1 or 3, side a multiple of ``PLACE``.

    Returns:
        ((side / PLACE)^2 * numbers_of(C),), place by place in reading order.
    """
    side, channels = image.shape[0], image.shape[2]
    places = side // PLACE
    lab = cv2.cvtColor(to_channels(image, 3).astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB)
    colours = np.stack([np.asarray(plane, np.float32) / np.float32(100) for plane in cv2.split(lab)[:channels]])
    light = colours[0]
    half = np.asarray(cv2.resize(light, (side // 2, side // 2), interpolation=cv2.INTER_AREA), np.float32)
    levels = np.stack([light, *(cv2.GaussianBlur(light, (0, 0), width) for width in BANDS)])
    found = (
        *(np.sqrt(_by_place(by_direction(one, FINEST_EDGE), places) + _FAINTEST_EDGE) for one in (light, half)),
        _by_place(colours, places),
        np.sqrt(_by_place(np.square(np.diff(levels, axis=0)), places) + _FAINTEST_TEXTURE),
    )
    return np.concatenate(found).reshape(numbers_of(channels), -1).T.astype(np.float64).ravel()


def _by_place(pictures: NDArray[np.float32], places: int) -> NDArray[np.float32]:
    """(n, side, side) -> (n, places, places): the mean around each place."""
    weights = _weights(pictures.shape[-1], places)
    return np.asarray(weights @ pictures @ weights.T, np.float32)


@lru_cache(maxsize=8)
def _weights(side: int, places: int) -> NDArray[np.float32]:
    """(places, side) how much a row of places weighs each pixel, in all 1."""
    middles = (np.arange(places) + 0.5) * (side / places) - 0.5
    apart = (np.arange(side) - middles[:, None]) / (REACH * side / places)
    weights = np.exp(-0.5 * np.square(apart))
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)

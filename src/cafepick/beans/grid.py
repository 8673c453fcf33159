r"""A photo that is itself the subject -> descriptors: which way edges run, and which colour there is, on a grid.

A digit, a face, a tile or a screw has no outline to measure. What tells a good one from another thing is which edges
lie where. Each cell of a coarse grid counts the gradients of lightness by their direction (histograms of oriented
gradients, Dalal and Triggs, CVPR 2005), unnormalised, for a faint edge is not a strong one; the square root keeps a few
strong edges from drowning the rest. Beside them stands the cell's mean colour. Cells overlap by a Gaussian, so that a
shift by a pixel or two changes little.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from cafepick.images import to_channels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cafepick.types import Crop

MOST_CELLS: Final = 8
"""Cells a side at most."""
FINEST_CELL: Final = 4
"""Pixels a side of a cell at least: 28 pixels make 7 cells a side."""
DIRECTIONS: Final = 8
"""Bins of direction around the full circle: dark beside bright is not bright beside dark."""
OVERLAP: Final = 0.375
"""Width of the Gaussian by which cells overlap, as a share of a cell's side."""
FINEST_EDGE: Final = 0.7
"""Least width in pixels of the Gaussian before gradients are taken; 1/64 of the side where that is more."""
_FAINTEST: Final = 1e-6


def describe_grid(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Measure one subject.

    Args:
        image: (size, size, C), C = 1 or 3.

    Returns:
        (cells * cells * (DIRECTIONS + C),), cell by cell; see ``cells_of``.
    """
    size, channels = image.shape[0], image.shape[2]
    cells = cells_of(size)
    lab = cv2.cvtColor(to_channels(image, 3).astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB)
    colour = np.asarray(lab, np.float32) / np.float32(100)
    light = np.ascontiguousarray(colour[..., 0])
    gradients = [_on_grid(part, cells) for part in by_direction(light, max(FINEST_EDGE, size / 64))]
    colours = [_on_grid(np.ascontiguousarray(colour[..., channel]), cells) for channel in range(channels)]
    return np.stack([*np.sqrt(np.array(gradients) + _FAINTEST), *colours], axis=-1).astype(np.float64).ravel()


def describe_grids(crops: Sequence[Crop]) -> NDArray[np.float64]:
    """Measure many subjects of one size: (n, d)."""
    return np.array([describe_grid(crop.image) for crop in crops], np.float64)


def cells_of(size: int) -> int:
    """Return the cells a side of the grid on an image of this side."""
    return max(1, min(MOST_CELLS, size // FINEST_CELL))


def by_direction(light: NDArray[np.float32], width: float) -> NDArray[np.float32]:
    """Return (DIRECTIONS, h, w) gradients of a picture (h, w), blurred by a Gaussian of some width in pixels.

    Each pixel's gradient is shared between the two directions nearest to its own.
    """
    smooth = cv2.GaussianBlur(light, (0, 0), width)
    across, down = (cv2.Sobel(smooth, cv2.CV_32F, *axes, ksize=1) for axes in ((1, 0), (0, 1)))
    strength = np.sqrt(across * across + down * down)
    turn = np.arctan2(down, across) / np.float32(2 * np.pi) % 1 * DIRECTIONS  # 0 .. DIRECTIONS
    found = np.empty((DIRECTIONS, *light.shape), np.float32)
    for direction in range(DIRECTIONS):  # one at a time: they stay in the cache
        distance = np.abs(turn - np.float32(direction))
        nearness = 1 - np.minimum(distance, DIRECTIONS - distance)  # around the circle
        found[direction] = strength * np.maximum(nearness, 0)
    return found


def _on_grid(picture: NDArray[np.float32], cells: int) -> NDArray[np.float32]:
    """(cells, cells) means of overlapping cells."""
    blurred = cv2.GaussianBlur(picture, (0, 0), OVERLAP * len(picture) / cells)
    return np.asarray(cv2.resize(blurred, (cells, cells), interpolation=cv2.INTER_AREA), np.float32)

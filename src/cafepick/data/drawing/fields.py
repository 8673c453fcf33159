"""Random fields and small helpers that all drawing shares."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

if TYPE_CHECKING:
    from typing import TypeAlias

    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.floating]
    """All fields and colours are float32; NumPy's type hints lose that where a Python number joins in."""

GAMMA: Final = 2.2
"""Display colours are linear light to the power of 1 / 2.2, near enough to sRGB."""


def child(rng: np.random.Generator) -> np.random.Generator:
    """Return a generator of its own; however much it is used, ``rng`` has advanced by one number."""
    return np.random.default_rng(int(rng.integers(2**62)))


def noise(
    rng: np.random.Generator, shape: tuple[int, int], cell: float | tuple[float, float], *, octaves: int = 1
) -> Floats:
    """Draw a smooth random field: cubic interpolation between random values on a grid (value noise).

    Args:
        rng: source of the values.
        shape: (h, w) of the field.
        cell: distance between grid values in pixels, or (down, across) for a grain with a direction.
        octaves: so many fields are summed, each with half the cell and half the size of the one before.

    Returns:
        (h, w) float32, mean about 0, most values in [-1, 1].
    """
    down, across = cell if isinstance(cell, tuple) else (cell, cell)
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        total += _octave(rng, shape, down / 2**octave, across / 2**octave) * np.float32(0.5**octave)
    return total


def _octave(rng: np.random.Generator, shape: tuple[int, int], down: float, across: float) -> Floats:
    """Interpolate between random values; the grid begins anywhere, or fields of few cells would look alike."""
    rows, columns = (max(2, math.ceil(extent / step) + 1) for extent, step in zip(shape, (down, across), strict=True))
    grid = rng.uniform(-1, 1, (rows, columns)).astype(np.float32)
    tall, wide = max(shape[0], round(rows * down)), max(shape[1], round(columns * across))
    top, left = int(rng.integers(tall - shape[0] + 1)), int(rng.integers(wide - shape[1] + 1))
    whole = np.asarray(cv2.resize(grid, (wide, tall), interpolation=cv2.INTER_CUBIC), np.float32)
    return whole[top : top + shape[0], left : left + shape[1]]


def smoothstep(field: Floats, low: float, high: float) -> Floats:
    """Rise from 0 where ``field`` is at most ``low`` to 1 where it is at least ``high``, without a kink."""
    t = np.clip((field - np.float32(low)) / np.float32(high - low), 0, 1)
    return t * t * (3 - 2 * t)


def blend(below: Floats, above: Floats, weight: Floats) -> Floats:
    """Lay colours ``above`` over ``below``, (h, w, 3) or (3,) each, with ``weight`` (h, w) in [0, 1]."""
    return below + (above - below) * weight[..., np.newaxis]


def colour(red: float, green: float, blue: float) -> Floats:
    """Return a display colour of 0..255 as linear light, (3,) in [0, 1]."""
    return (np.array([red, green, blue], np.float32) / 255) ** np.float32(GAMMA)


def developed(linear: Floats) -> NDArray[np.uint8]:
    """Turn linear light, 0..1, into display colours, 0..255."""
    return np.rint(cv2.pow(np.clip(linear, 0, 1), 1 / GAMMA) * 255).astype(np.uint8)

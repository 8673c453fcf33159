"""The forms of beans, stones and sticks: radii around a centre, and the canvas that a form is drawn on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from cafepick.data.drawing.fields import Floats

DIRECTIONS: Final = 360
"""Radii of a form, one a degree, clockwise from the x axis (y points down)."""

SUPERSAMPLING: Final = 2
"""Canvas pixels per photo pixel."""

THETA: Final = np.deg2rad(np.arange(DIRECTIONS, dtype=np.float32))


@dataclass(frozen=True, eq=False)
class Form:
    """The outline of one object, its long axis along y."""

    radii: Floats
    """(360,) distance from the centre to the outline, in photo pixels."""
    length: float
    """Length of the average bean of its tray, in photo pixels: the measure of holes, grain and creases."""

    def reach(self, directions: Floats) -> Floats:
        """Return the radius in any directions (radians), linear between the degrees."""
        degrees = np.rad2deg(directions) % DIRECTIONS
        return np.interp(degrees, np.arange(DIRECTIONS + 1), np.append(self.radii, self.radii[0])).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Canvas:
    """Where a form is drawn upright, at twice the photo's resolution; all fields are (h, w)."""

    x: Floats
    """Canvas pixels from the centre."""
    y: Floats
    rho: Floats
    """Distance from the centre as a share of the radius: 1 on the outline."""
    cover: Floats
    """1 inside the outline, 0 outside, smooth over one pixel."""
    unit: float
    """Length of the average bean, in canvas pixels."""

    def along(self, direction: float) -> Floats:
        """Return how far (h, w) each pixel lies from the centre in a direction, canvas pixels."""
        return self.x * math.cos(direction) + self.y * math.sin(direction)

    @property
    def shape(self) -> tuple[int, int]:
        """(h, w)."""
        return self.x.shape[0], self.x.shape[1]


def bean_form(rng: np.random.Generator, length: float, *, size: float = 1.0, aspect: float = 1.0) -> Form:
    """Draw the outline of a bean: a superellipse about 1.3 times as long as wide, a little egg-shaped and uneven.

    Args:
        rng: source of the variation.
        length: of the average bean in photo pixels.
        size: factor on all lengths.
        aspect: factor on length / width.
    """
    ratio = float(np.clip(rng.normal(1.36, 0.1), 1.12, 1.65)) * aspect
    long = length / 2 * size * float(np.clip(rng.normal(1, 0.07), 0.84, 1.18)) * (ratio / 1.3) ** 0.35
    power = rng.uniform(2.05, 2.45)
    radii = (np.abs(np.sin(THETA) / long) ** power + np.abs(np.cos(THETA) / (long / ratio)) ** power) ** (-1 / power)
    wobble = np.zeros(DIRECTIONS)
    for order, strength in ((1, 0.05), (2, 0.028), (3, 0.028), (4, 0.013), (5, 0.01), (7, 0.006), (9, 0.004)):
        wobble += rng.normal(0, strength) * np.cos(order * THETA + rng.uniform(0, 2 * np.pi))
    return Form((radii * (1 + np.clip(wobble, -0.14, 0.14))).astype(np.float32), length)


def stone_form(rng: np.random.Generator, length: float) -> Form:
    """Draw the outline of a pebble: what 6 to 8 straight cuts leave of a disc, corners a little worn."""
    cuts = int(rng.integers(6, 9))
    facing = (np.arange(cuts) + rng.uniform(-0.3, 0.3, cuts)) * 2 * np.pi / cuts
    distance = length * rng.uniform(0.3, 0.42, cuts)
    nearness = np.maximum(np.cos(THETA[:, np.newaxis] - facing), 1e-3) / distance
    return Form((np.sum(nearness**12, axis=1) ** (-1 / 12)).astype(np.float32), length)


def stick_form(rng: np.random.Generator, length: float) -> Form:
    """Draw the outline of a piece of twig: a slender bar, slightly thicker at one end."""
    long, wide = length * rng.uniform(0.6, 0.85), length * rng.uniform(0.075, 0.11)
    radii = (np.abs(np.sin(THETA) / long) ** 6 + np.abs(np.cos(THETA) / wide) ** 6) ** (-1 / 6)
    return Form((radii * (1 + rng.uniform(0.04, 0.12) * np.sin(THETA))).astype(np.float32), length)


def canvas_of(form: Form) -> Canvas:
    """Lay out the canvas of a form, with a margin of three pixels."""
    radii = form.radii * SUPERSAMPLING
    half_width = int(np.max(np.abs(radii * np.cos(THETA)))) + 4
    half_height = int(np.max(np.abs(radii * np.sin(THETA)))) + 4
    y, x = np.meshgrid(
        np.arange(-half_height, half_height + 1, dtype=np.float32),
        np.arange(-half_width, half_width + 1, dtype=np.float32),
        indexing="ij",
    )
    distance = np.hypot(x, y)
    edge = form.reach(np.arctan2(y, x)) * SUPERSAMPLING
    cover = np.clip(edge - distance + 0.5, 0, 1)
    return Canvas(x, y, distance / edge, cover, form.length * SUPERSAMPLING)

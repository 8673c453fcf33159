"""What does not belong on the tray: stones and sticks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cafepick.data.drawing.fields import blend, colour, noise, smoothstep
from cafepick.data.drawing.skin import Sketch

if TYPE_CHECKING:
    from cafepick.data.drawing.form import Canvas


def draw_stone(canvas: Canvas, rng: np.random.Generator) -> Sketch:
    """Draw a pebble: facets that slope from a flat top, grey to tan, with dark and light mineral grains."""
    height = np.full(canvas.shape, canvas.unit * rng.uniform(0.22, 0.3), np.float32)
    for facing in rng.uniform(0, 2 * np.pi) + np.arange(6) * np.pi / 3 + rng.uniform(-0.3, 0.3, 6):
        height = np.minimum(
            height, canvas.unit * rng.uniform(0.3, 0.42) - canvas.along(float(facing)) * rng.uniform(0.5, 1.1)
        )
    height = np.minimum(height, canvas.unit * 0.5 * np.maximum(1 - canvas.rho, 0) ** 0.5)
    height += noise(rng, canvas.shape, canvas.unit * 0.06, octaves=3) * np.float32(canvas.unit * 0.008)
    tone = blend(colour(128, 126, 124), colour(156, 138, 112), np.array(rng.random(), np.float32))
    grains = noise(rng, canvas.shape, 4, octaves=2)
    clouds = noise(rng, canvas.shape, canvas.unit * 0.2, octaves=2)
    albedo = tone * (1 + 0.25 * grains + 0.12 * clouds)[..., np.newaxis] * rng.uniform(0.75, 1.2)
    return _all_foreign(canvas, albedo, height)


def draw_stick(canvas: Canvas, rng: np.random.Generator) -> Sketch:
    """Draw a piece of twig: a cylinder with bark that splits lengthwise and pale, cut ends."""
    radius = float(np.max(np.abs(canvas.x[canvas.cover > 0.5])))
    round_height = np.sqrt(np.maximum(radius**2 - canvas.x**2, 0))
    bark = noise(rng, canvas.shape, (canvas.unit * 0.35, canvas.unit * 0.018), octaves=2)
    knots = noise(rng, canvas.shape, canvas.unit * 0.15)
    albedo = colour(112, 84, 56) * (1 + 0.3 * bark + 0.15 * knots)[..., np.newaxis]
    ends = smoothstep(np.abs(canvas.y), float(np.max(canvas.y)) * 0.93, float(np.max(canvas.y)) * 0.97)
    albedo = blend(albedo, colour(188, 160, 116) * (1 + 0.1 * bark[..., np.newaxis]), ends * 0.8)
    return _all_foreign(canvas, albedo, round_height * 1.2 + bark * np.float32(1.2))


def _all_foreign(canvas: Canvas, albedo: np.ndarray, height: np.ndarray) -> Sketch:
    return Sketch(
        canvas, albedo.astype(np.float32), height.astype(np.float32), canvas.cover, canvas.cover > 0, gloss=0.02
    )

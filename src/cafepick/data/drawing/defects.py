"""The defects of green coffee, each laid over a good bean, as the defect handbooks of the trade show them.

A defect of the whole bean (black, sour, immature, parchment) marks all its pixels; a local one marks exactly the pixels
that it changes, and leaves all others as they were.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from cafepick.data.drawing.fields import blend, colour, noise, smoothstep
from cafepick.data.drawing.skin import BROWN_SKIN, Sketch

if TYPE_CHECKING:
    from collections.abc import Callable

    from cafepick.data.drawing.fields import Floats


CHAR: Final = colour(54, 45, 38)
SOUR_RED: Final = colour(140, 88, 52)
PULP: Final = colour(206, 194, 150)
FUZZ: Final = colour(208, 208, 184)
STRAW: Final = colour(214, 184, 128)
UNRIPE: Final = colour(164, 156, 106)

_FAINTEST: Final = 0.04
"""A veil thinner than this is left out, so that marks end where the eye no longer sees the defect."""


def black(sketch: Sketch, rng: np.random.Generator) -> Sketch:
    """Dead all through: brown-black, matt and shrivelled."""
    shade = _clouds(sketch, rng, 0.32)
    albedo = blend(sketch.albedo * 0.08, CHAR * shade, np.full(sketch.canvas.shape, 0.9, np.float32))
    return _whole(replace(sketch, albedo=albedo, height=sketch.height + _wrinkles(sketch, rng, 0.02), gloss=0.015))


def partly_black(sketch: Sketch, rng: np.random.Generator) -> Sketch:
    """A third to a half of the bean is black, with a soft, uneven border."""
    canvas, direction = sketch.canvas, rng.uniform(0, 2 * np.pi)
    side = canvas.along(direction) / canvas.unit
    field = side + 0.12 * noise(rng, canvas.shape, canvas.unit * 0.25, octaves=3)
    dead = _veil(sketch, field, share=rng.uniform(0.35, 0.55), softness=0.2)
    albedo = blend(sketch.albedo, CHAR * _clouds(sketch, rng, 0.25), dead * 0.93)
    return _local(sketch, dead, albedo, sketch.height)


def sour(sketch: Sketch, rng: np.random.Generator) -> Sketch:
    """Over-fermented: yellowish to reddish brown all over, silver skin stained too, waxy."""
    tint = SOUR_RED * np.array([1, rng.uniform(0.92, 1.25), rng.uniform(0.9, 1.4)]) * rng.uniform(0.6, 1.25)
    luma = sketch.albedo.mean(axis=2)
    texture = (luma / luma[sketch.cover > 0.5].mean()) ** 0.75
    stained = tint * texture[..., np.newaxis] * _clouds(sketch, rng, 0.14)
    albedo = (0.8 * stained + 0.2 * sketch.albedo).astype(np.float32)
    return _whole(replace(sketch, albedo=albedo, gloss=0.05))


def insect(sketch: Sketch, rng: np.random.Generator) -> Sketch:
    """One to four bore holes of the coffee berry borer: dark, round, about a millimetre, in a stained ring."""
    canvas = sketch.canvas
    stain = np.zeros(canvas.shape, np.float32)
    hole = np.zeros(canvas.shape, np.float32)
    for _ in range(int(rng.integers(1, 5))):
        x, y = _inside(sketch, rng, most=0.72)
        radius = canvas.unit * rng.uniform(0.032, 0.056)
        uneven = 1 + 0.12 * noise(rng, canvas.shape, radius)
        away = np.hypot(canvas.x - x, canvas.y - y) * uneven / np.float32(radius)
        hole = np.maximum(hole, smoothstep(-away, -1.15, -0.8))
        stain = np.maximum(stain, smoothstep(-away, -2.1, -1.0) * np.float32(rng.uniform(0.3, 0.6)))
    stain = np.where(np.maximum(stain, hole) < _FAINTEST, 0, stain)
    albedo = blend(sketch.albedo, sketch.albedo * np.array([0.6, 0.42, 0.3], np.float32), stain)
    albedo = blend(albedo, colour(20, 15, 12), hole * 0.96)
    return _local(sketch, np.maximum(stain, hole), albedo, sketch.height - hole * canvas.unit * np.float32(0.05))


def broken(sketch: Sketch, rng: np.random.Generator) -> Sketch:
    """A quarter to a half is missing, beyond a rough, nearly straight fracture that shows the pale inside."""
    canvas, direction = sketch.canvas, float(rng.choice((-0.5, 0.5)) * np.pi + rng.normal(0, 0.5))
    side = canvas.along(direction)
    field = side + canvas.unit * 0.03 * noise(rng, canvas.shape, canvas.unit * 0.2, octaves=3)
    limit = float(np.quantile(field[canvas.cover > 0.5], 1 - rng.uniform(0.25, 0.5)))
    return _without(sketch, field - limit, canvas.unit * rng.uniform(0.08, 0.13), rng)


def chipped(sketch: Sketch, rng: np.random.Generator) -> Sketch:
    """A nick at the edge, its ground pale."""
    canvas, direction = sketch.canvas, rng.uniform(0, 2 * np.pi)
    from_edge = np.cos(np.arctan2(canvas.y, canvas.x) - direction)
    edge = (canvas.rho > 0.93) & (canvas.rho < 1) & (from_edge > 0.999)
    x, y = float(canvas.x[edge].mean()), float(canvas.y[edge].mean())
    uneven = canvas.unit * 0.03 * noise(rng, canvas.shape, canvas.unit * 0.1, octaves=2)
    field = canvas.unit * rng.uniform(0.1, 0.15) - np.hypot(canvas.x - x, canvas.y - y) + uneven
    return _without(sketch, field, canvas.unit * rng.uniform(0.05, 0.08), rng)


def mould(sketch: Sketch, rng: np.random.Generator) -> Sketch:
    """Fuzzy, pale greyish-green patches on an eighth to a third of the bean."""
    canvas = sketch.canvas
    spread = noise(rng, canvas.shape, canvas.unit * 0.22, octaves=3) + 0.25 * noise(rng, canvas.shape, 3, octaves=1)
    patches = _veil(sketch, spread, share=rng.uniform(0.13, 0.33), softness=0.3)
    fuzz = noise(rng, canvas.shape, 3, octaves=2)
    albedo = blend(
        sketch.albedo, FUZZ * (1 + 0.22 * fuzz[..., np.newaxis]), patches * np.float32(rng.uniform(0.75, 0.9))
    )
    return _local(sketch, patches, albedo, sketch.height + patches * (1.2 + 0.9 * fuzz))


def immature(sketch: Sketch, rng: np.random.Generator) -> Sketch:
    """Picked unripe: pale yellow-green, wrinkled, silver skin still on most of it."""
    canvas = sketch.canvas
    texture = sketch.albedo.mean(axis=2, keepdims=True) / sketch.albedo[sketch.cover > 0.5].mean()
    albedo = (UNRIPE * np.sqrt(texture) * _clouds(sketch, rng, 0.12)).astype(np.float32)
    field = noise(rng, canvas.shape, canvas.unit * 0.3, octaves=3)
    skin = _veil(sketch, field, share=rng.uniform(0.35, 0.65), softness=0.3)
    fibres = noise(rng, canvas.shape, (canvas.unit * 0.2, canvas.unit * 0.03), octaves=2)
    paper = blend(colour(196, 190, 148), BROWN_SKIN, smoothstep(fibres, 0.1, 1.2) * 0.4)
    wrinkles = _wrinkles(sketch, rng, 0.022)
    return _whole(replace(sketch, albedo=blend(albedo, paper, skin * 0.6), height=sketch.height + wrinkles, gloss=0.0))


def parchment(sketch: Sketch, rng: np.random.Generator) -> Sketch:
    """Still in its hull: straw-coloured, smooth and papery, with fine ridges lengthwise and at times a tear."""
    canvas = sketch.canvas
    ridges = noise(rng, canvas.shape, (canvas.unit * 0.5, canvas.unit * 0.03), octaves=2)
    stains = smoothstep(noise(rng, canvas.shape, canvas.unit * 0.2, octaves=3), 0.45, 1.1) * 0.5
    hull = blend(STRAW * _clouds(sketch, rng, 0.1) * (1 + 0.06 * ridges[..., np.newaxis]), BROWN_SKIN, stains)
    smooth = cv2.GaussianBlur(sketch.height, (0, 0), canvas.unit * 0.025) + canvas.unit * 0.003 * ridges
    field = noise(rng, canvas.shape, canvas.unit * 0.6) + 0.25 * noise(rng, canvas.shape, canvas.unit * 0.12)
    tear = _veil(sketch, field, share=rng.uniform(0.06, 0.2), softness=0.06) * np.float32(rng.random() < 0.4)
    return _whole(
        replace(sketch, albedo=blend(hull, sketch.albedo, tear), height=smooth - tear * canvas.unit * 0.02, gloss=0.02)
    )


OVERLAYS: Final[dict[str, Callable[[Sketch, np.random.Generator], Sketch]]] = {
    "black": black,
    "partly_black": partly_black,
    "sour": sour,
    "insect": insect,
    "broken": broken,
    "chipped": chipped,
    "mould": mould,
    "immature": immature,
    "parchment": parchment,
}
"""The defects of beans: what each does to a good bean."""


def _whole(sketch: Sketch) -> Sketch:
    return replace(sketch, mark=sketch.canvas.cover > 0)


def _local(sketch: Sketch, veil: Floats, albedo: Floats, height: Floats) -> Sketch:
    return replace(sketch, albedo=albedo, height=height, mark=(veil > 0) & (sketch.canvas.cover > 0))


def _without(sketch: Sketch, field: Floats, depth: float, rng: np.random.Generator) -> Sketch:
    """Take away where ``field`` (canvas pixels) is above 0; its last ``depth`` pixels below 0 are the fracture."""
    canvas = sketch.canvas
    rough = noise(rng, canvas.shape, 4, octaves=2)
    face = smoothstep(field, -depth, -depth + 2)
    fall = np.clip(1 + field / np.float32(depth), 0, 1)
    inside = blend(PULP * (1 + 0.12 * rough[..., np.newaxis]), BROWN_SKIN, smoothstep(fall, 0.75, 1.0) * 0.35)
    height = sketch.height * (1 - 0.55 * fall) + face * rough * np.float32(0.5)
    return replace(
        sketch,
        albedo=blend(sketch.albedo, inside, face * 0.92),
        height=np.where(field > 0, 0, height),
        cover=sketch.cover * np.clip(0.5 - field, 0, 1),
        mark=(field > -depth) & (canvas.cover > 0),
    )


def _veil(sketch: Sketch, field: Floats, *, share: float, softness: float) -> Floats:
    """Return a weight (h, w) that is above 0 on about ``share`` of the object, where ``field`` is highest."""
    limit = float(np.quantile(field[sketch.cover > 0.5], 1 - share))
    veil = smoothstep(field, limit, limit + softness)
    return np.where(veil < _FAINTEST, np.float32(0), veil)


def _clouds(sketch: Sketch, rng: np.random.Generator, strength: float) -> Floats:
    """Return factors (h, w, 1) about 1 that make a colour uneven."""
    return (
        1 + np.float32(strength) * noise(rng, sketch.canvas.shape, sketch.canvas.unit * 0.2, octaves=4)[..., np.newaxis]
    )


def _wrinkles(sketch: Sketch, rng: np.random.Generator, depth: float) -> Floats:
    """Return furrows (h, w) that run lengthwise, so many bean lengths deep; they fade towards the outline."""
    unit = sketch.canvas.unit
    furrows = noise(rng, sketch.canvas.shape, (unit * 0.3, unit * 0.08), octaves=2)
    return furrows * np.float32(unit * depth) * smoothstep(1 - sketch.canvas.rho, 0.0, 0.25)


def _inside(sketch: Sketch, rng: np.random.Generator, *, most: float) -> tuple[float, float]:
    """Return x, y (canvas pixels from the centre) of a random point, so far out at most as a share of the radius."""
    rows, columns = np.nonzero(sketch.canvas.rho < most)
    pick = int(rng.integers(len(rows)))
    return float(sketch.canvas.x[rows[pick], columns[pick]]), float(sketch.canvas.y[rows[pick], columns[pick]])

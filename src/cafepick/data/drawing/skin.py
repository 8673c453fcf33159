"""Good green beans: the dome of one side, the creased face of the other, their colour and silver skin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cafepick.data.drawing.fields import blend, colour, noise, smoothstep

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cafepick.data.drawing.fields import Floats
    from cafepick.data.drawing.form import Canvas

SILVER_SKIN: Final = colour(214, 194, 148)
BROWN_SKIN: Final = colour(158, 124, 72)


@dataclass(frozen=True, eq=False)
class Sketch:
    """One object as drawn upright on its canvas, before light falls on it."""

    canvas: Canvas
    albedo: Floats
    """(h, w, 3) share of light that is reflected, linear RGB in [0, 1]; goes on beyond the outline."""
    height: Floats
    """(h, w) above the paper, canvas pixels."""
    cover: Floats
    """(h, w) in [0, 1]: where the object is; less than ``canvas.cover`` where a part is missing."""
    mark: NDArray[np.bool_]
    """(h, w): the pixels of the defect."""
    gloss: float
    """Strength of the highlight, 0 for a matt surface."""


def draw_good(canvas: Canvas, tone: Floats, rng: np.random.Generator) -> Sketch:
    """Draw a good bean, lying on its face or on its back.

    Args:
        canvas: its form.
        tone: (3,) linear RGB of the lot that the bean belongs to.
        rng: source of the variation.
    """
    shows_face = rng.random() < 0.5
    albedo = _mottled(canvas, _own_tone(tone, rng), rng)
    height = _face(canvas) if shows_face else _dome(canvas)
    height += _grain(canvas, rng)
    if shows_face:
        albedo, height = _crease(canvas, albedo, height, rng)
    if rng.random() < (0.35 if shows_face else 0.5):
        albedo, height = _clinging_skin(canvas, albedo, height, rng)
    nothing = np.zeros(canvas.shape, np.bool_)
    return Sketch(canvas, albedo, height, canvas.cover, nothing, gloss=rng.uniform(0.01, 0.07))


def _own_tone(tone: Floats, rng: np.random.Generator) -> Floats:
    """Vary the lot's colour: brightness by 16 %, and along green-to-yellow."""
    yellowness = rng.normal(0, 0.075)
    hue = np.array([1 + yellowness, 1 + 0.25 * yellowness, 1 - yellowness], np.float32)
    return (tone * hue * np.exp(rng.normal(0, 0.16))).astype(np.float32)


def _mottled(canvas: Canvas, tone: Floats, rng: np.random.Generator) -> Floats:
    """Return (h, w, 3): the tone with cloudy patches, fine speckle and a slightly browner rim."""
    clouds = noise(rng, canvas.shape, canvas.unit * 0.3, octaves=2)
    speckle = noise(rng, canvas.shape, 4, octaves=2)
    warmth = noise(rng, canvas.shape, canvas.unit * 0.4)
    brightness = 1 + 0.1 * clouds + 0.1 * speckle
    tint = np.stack([1 + 0.05 * warmth, np.ones_like(warmth), 1 - 0.09 * warmth], axis=-1)
    albedo = tone * tint * brightness[..., np.newaxis]
    return blend(albedo, albedo * np.array([1.0, 0.9, 0.7], np.float32), smoothstep(canvas.rho, 0.8, 1.0) * 0.6)


def _dome(canvas: Canvas) -> Floats:
    return canvas.unit * 0.36 * np.maximum(1 - canvas.rho**2.3, 0) ** 0.6


def _face(canvas: Canvas) -> Floats:
    return canvas.unit * 0.29 * np.maximum(1 - canvas.rho**3.6, 0) ** 0.6


def _grain(canvas: Canvas, rng: np.random.Generator) -> Floats:
    """Return the unevenness of the surface: shallow dents and a fine roughness that differs from bean to bean."""
    dents = noise(rng, canvas.shape, canvas.unit * 0.16, octaves=2) * canvas.unit * 0.009
    roughness = rng.uniform(0.08, 0.42)
    return dents + noise(rng, canvas.shape, 3.5, octaves=2) * np.float32(roughness)


def _crease(canvas: Canvas, albedo: Floats, height: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Cut the centre crease, its lips rolling in on both sides, and leave silver skin in it."""
    unit = canvas.unit
    wander = noise(rng, (canvas.shape[0], 2), (unit * 0.3, 2))[:, :1] * unit * 0.035
    swing = rng.normal(0, 0.03) * unit * np.sin(canvas.y[:, :1] / unit * 2 * np.pi + rng.uniform(0, 6))
    aside = canvas.x - (wander + swing + rng.normal(0, 0.025) * unit)
    ends = smoothstep(1.02 - np.abs(canvas.y) / (np.max(canvas.y) - 3), 0.0, 0.22)
    half_width = unit * rng.uniform(0.022, 0.042) * (0.35 + 0.65 * ends)
    groove = np.exp(-((aside / half_width) ** 2)) * ends
    valley = np.exp(-((aside / (unit * 0.12)) ** 2)) * ends
    height = height - unit * (rng.uniform(0.05, 0.11) * groove + rng.uniform(0.02, 0.06) * valley)
    albedo = blend(albedo, albedo * np.array([0.62, 0.52, 0.4], np.float32), groove * 0.8)
    return _skin_in_crease(canvas, albedo, height, np.abs(aside) / half_width, rng)


def _skin_in_crease(
    canvas: Canvas,
    albedo: Floats,
    height: Floats,
    aside: Floats,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Lay ragged, papery silver skin along the crease; ``aside`` is the distance from its middle in half widths."""
    amount, breadth = rng.uniform(-0.5, 1.2), rng.uniform(0.5, 2.0)
    along = noise(rng, canvas.shape, (canvas.unit * 0.12, canvas.unit * 0.3), octaves=2)
    ragged = noise(rng, canvas.shape, canvas.unit * 0.06, octaves=2)
    skin = smoothstep(breadth * (0.75 + 0.55 * ragged) - aside, 0.0, 0.35) * smoothstep(along + amount, -0.3, 0.1)
    skin = skin * smoothstep(0.97 - canvas.rho, 0.0, 0.08)
    flakes = noise(rng, canvas.shape, canvas.unit * 0.035, octaves=2)
    return _papered(albedo, skin, flakes), height + skin * canvas.unit * (0.045 + 0.02 * flakes)


def _clinging_skin(canvas: Canvas, albedo: Floats, height: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Leave patches of silver skin, thin enough for the green to show through."""
    field = noise(rng, canvas.shape, canvas.unit * 0.35, octaves=4)
    limit = float(np.quantile(field[canvas.cover > 0.5], 1 - rng.uniform(0.04, 0.4)))
    skin = smoothstep(field, limit, limit + 0.12) * np.float32(rng.uniform(0.3, 0.75))
    fibres = noise(rng, canvas.shape, (canvas.unit * 0.09, canvas.unit * 0.03), octaves=2)
    return _papered(albedo, skin, fibres), height + skin * (0.6 + 0.5 * fibres)


def _papered(albedo: Floats, skin: Floats, flakes: Floats) -> Floats:
    """Cover with silver skin where ``skin`` says so, browner where the flakes lie low."""
    paper = blend(SILVER_SKIN, BROWN_SKIN, smoothstep(-flakes, -0.2, 0.9))
    return blend(albedo, paper, skin * 0.9)

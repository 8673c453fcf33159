"""The paper under the beans, what lies around the paper, shadows, uneven light, and the camera."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Literal

import cv2
import numpy as np

from cafepick.data.drawing.fields import blend, colour, developed, noise, smoothstep
from cafepick.types import Box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cafepick.data.drawing.fields import Floats
    from cafepick.data.drawing.light import Light, Sprite

Surround = Literal["paper", "table", "tray"]
"""Paper to the edge of the photo; a sheet on a dark wooden table; paper in a tray whose wall is in view."""

SURROUNDS: Final[tuple[Surround, ...]] = ("paper", "table", "tray")

_BORDER: Final = {"paper": 0.0, "table": 0.085, "tray": 0.06}
"""Width of what is seen around the paper, as a share of the photo's shorter side."""


def paper_area(width: int, height: int, surround: Surround) -> Box:
    """Return the part of the photo that beans may lie on."""
    border = round(min(width, height) * _BORDER[surround] * 1.45) + 8
    return Box(border, border, width - 2 * border, height - 2 * border)


def draw_ground(rng: np.random.Generator, width: int, height: int, surround: Surround, light: Light) -> Floats:
    """Draw the empty paper and its surround: (height, width, 3) linear RGB under even light."""
    tint = np.array([1 + rng.normal(0, 0.015), 1, 1 - rng.normal(0.01, 0.02)], np.float32)
    grain = 1 + 0.012 * noise(rng, (height, width), 2.2) + 0.008 * noise(rng, (height, width), 9)
    ground = (colour(233, 232, 230) * tint) * grain[..., np.newaxis]
    _strew_dust(ground, rng)
    if surround == "paper":
        return ground
    sheet = _sheet(rng, width, height, _BORDER[surround])
    return (_on_table if surround == "table" else _in_tray)(ground, sheet, light, rng)


def _strew_dust(ground: Floats, rng: np.random.Generator) -> None:
    """Leave a few specks of chaff, one or two pixels wide."""
    height, width = ground.shape[:2]
    for _ in range(int(rng.integers(0, 9))):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        axes = (int(rng.integers(1, 3)), 1)
        brown = tuple(float(value) for value in colour(150, 120, 84) * rng.uniform(0.5, 1.4))
        cv2.ellipse(ground, centre, axes, float(rng.uniform(0, 180)), 0, 360, brown, -1, cv2.LINE_AA)


def _sheet(rng: np.random.Generator, width: int, height: int, border: float) -> Floats:
    """Return (height, width): about how far inside the sheet's edge each pixel lies, as a share of the shorter side."""
    short = min(width, height)
    y, x = np.arange(height, dtype=np.float32)[:, np.newaxis], np.arange(width, dtype=np.float32)
    inside = np.full((height, width), np.inf, np.float32)
    for distance, across, extent in ((x, y, height), (width - x, y, height), (y, x, width), (height - y, x, width)):
        lean = rng.uniform(-0.3, 0.3) * border * short * (across / extent - 0.5)
        inside = np.minimum(inside, distance + lean - border * short * rng.uniform(0.9, 1.1))
    return inside / np.float32(short)


def _on_table(ground: Floats, sheet: Floats, light: Light, rng: np.random.Generator) -> Floats:
    """Lay the sheet on wood; it casts a thin shadow."""
    shape = (ground.shape[0], ground.shape[1])
    fibres = noise(rng, shape, (5, shape[1] * 0.3), octaves=2) + noise(rng, shape, (40, shape[1] * 0.5), octaves=2)
    wood = colour(104, 72, 46) * (1 + 0.16 * fibres[..., np.newaxis]) * np.float32(rng.uniform(0.6, 1.2))
    short = min(shape)
    over = smoothstep(sheet, -0.7 / short, 0.7 / short)
    shadow = cv2.GaussianBlur(_moved(over, light, 0.008 * short), (0, 0), 3)
    return blend(wood * (1 - 0.55 * shadow[..., np.newaxis]), ground, over)


def _in_tray(ground: Floats, sheet: Floats, light: Light, rng: np.random.Generator) -> Floats:
    """Raise a plastic wall around the paper; it is lit by its slope and shades the paper at its foot."""
    per_pixel = min(sheet.shape) / 8  # Sobel's kernel sums to 8
    slope_x = cv2.Sobel(sheet, cv2.CV_32F, 1, 0, ksize=3) * per_pixel
    slope_y = cv2.Sobel(sheet, cv2.CV_32F, 0, 1, ksize=3) * per_pixel
    facing = slope_x * light.towards[0] + slope_y * light.towards[1]
    plastic = colour(176, 186, 196) if rng.random() < 0.5 else colour(120, 124, 120)
    wall = plastic * np.clip(0.75 + 0.4 * facing + 2.5 * -sheet, 0.35, 1.25)[..., np.newaxis]
    foot = np.exp(-np.maximum(sheet, 0) / 0.012) * np.clip(0.3 - 0.2 * facing, 0, 0.6)
    over = smoothstep(sheet, -0.0008, 0.0008)
    return blend(wall, ground * (1 - foot[..., np.newaxis]), over)


def shadows(cover: Floats, length: float, light: Light) -> Floats:
    """Return the light that is left on the ground, (h, w) in [0, 1].

    Args:
        cover: (h, w) share of each pixel that objects cover.
        length: of the average bean, photo pixels; beans are a third as high.
        light: its direction; the cast shadow is the cover swept away from the lamp, softer the farther.
    """
    small = np.asarray(cv2.resize(cover, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA), np.float32)
    reach = length * 0.3 / math.tan(light.elevation) / 4
    cast = np.zeros_like(small)
    for share in (0.25, 0.5, 0.75, 1.0):
        moved = _moved(small, light, reach * share)
        softened = cv2.GaussianBlur(moved, (0, 0), length / 4 * (0.035 + 0.05 * share))
        cast = np.maximum(cast, softened * (1.12 - 0.3 * share))
    around = cv2.GaussianBlur(small, (0, 0), length * 0.16 / 4)
    soft = cv2.resize((1 - light.ambient) * np.minimum(cast, 1) + 0.3 * light.ambient * around, cover.shape[::-1])
    contact = cv2.GaussianBlur(cover, (0, 0), length * 0.03)
    return (1 - 0.95 * soft) * (1 - 0.35 * contact)


def _moved(layer: Floats, light: Light, distance: float) -> Floats:
    """Move a layer away from the lamp."""
    across, down = light.towards
    move = np.array([[1, 0, -across * distance], [0, 1, -down * distance]])
    moved = cv2.warpAffine(layer, move, layer.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float32)


def compose(ground: Floats, sprites: Sequence[Sprite]) -> Floats:
    """Lay the sprites on the ground: (h, w, 3) linear RGB."""
    image = ground.copy()
    for sprite in sprites:
        image[sprite.window] = image[sprite.window] * (1 - sprite.cover[..., np.newaxis]) + sprite.colour
    return image


def uneven_light(rng: np.random.Generator, width: int, height: int) -> Floats:
    """Return (height, width, 1) factors about 1: brighter on one side, darker in the corners."""
    y, x = (np.linspace(-1, 1, 64, dtype=np.float32)[place] for place in ((slice(None), None), (None, slice(None))))
    lean, vignette = rng.normal(0, 0.05, 2), rng.uniform(0.04, 0.1)
    coarse = 1 + lean[0] * x + lean[1] * y - vignette * (x**2 + y**2) / 2 + 0.02 * noise(rng, (64, 64), 40)
    return np.asarray(cv2.resize(coarse, (width, height)), np.float32)[..., np.newaxis]


def photograph(image: Floats, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Take the photo: white balance, exposure, a lens, a sensor, the sRGB curve and a JPEG's coarse colours.

    Args:
        image: (h, w, 3) linear RGB.
        rng: source of the camera's settings and its noise.
    """
    balance = np.exp(rng.normal(0, (0.02, 0.004, 0.02))).astype(np.float32)
    exposed = image * (balance * np.float32(rng.uniform(0.88, 1.0)))
    sharp = cv2.GaussianBlur(exposed, (0, 0), float(rng.uniform(0.4, 0.6)))
    grains = cv2.GaussianBlur(rng.standard_normal(image.shape, np.float32), (0, 0), 0.6)
    noisy = sharp + grains * np.sqrt(np.maximum(sharp, 0) * 2.6e-4 + 4e-6).astype(np.float32)
    luma, *chroma = cv2.split(cv2.cvtColor(developed(noisy), cv2.COLOR_RGB2YCrCb))
    coarse = [cv2.GaussianBlur(part, (0, 0), 1.2) for part in chroma]
    return np.asarray(cv2.cvtColor(cv2.merge([luma, *coarse]), cv2.COLOR_YCrCb2RGB), np.uint8)

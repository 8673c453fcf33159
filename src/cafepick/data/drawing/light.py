"""Light on the objects: each sketch is turned into place, lit from one side, and shrunk to photo pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from cafepick.data.drawing.form import SUPERSAMPLING

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cafepick.data.drawing.fields import Floats
    from cafepick.data.drawing.placing import Placed
    from cafepick.data.drawing.skin import Sketch


@dataclass(frozen=True)
class Light:
    """A lamp or window at one side, and light from all around; flat paper in the open gets 1 in all."""

    azimuth: float
    """Direction in the photo that the light comes from, radians clockwise from the x axis."""
    elevation: float
    """Radians above the paper."""
    ambient: float
    """Share of the light that comes from all around."""

    @property
    def towards(self) -> tuple[float, float]:
        """x, y of the unit vector along the paper towards the lamp."""
        return math.cos(self.azimuth), math.sin(self.azimuth)


@dataclass(frozen=True, eq=False)
class Sprite:
    """One lit object in photo pixels, and where it goes."""

    left: int
    top: int
    colour: Floats
    """(h, w, 3) linear RGB times ``cover``."""
    cover: Floats
    """(h, w) share of each pixel that the object covers."""
    mark: Floats
    """(h, w) share of each pixel that is defect."""

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the photo that it covers."""
        height, width = self.cover.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


def render(sketch: Sketch, placed: Placed, light: Light) -> Sprite:
    """Turn a sketch into place and light it.

    Args:
        sketch: the object, upright.
        placed: where it lies.
        light: what falls on it.
    """
    reach = int(np.ceil(placed.form.radii.max())) + 3
    left, top, side = int(placed.x) - reach, int(placed.y) - reach, 2 * reach + 1
    turn = _canvas_to_window(sketch, placed, left, top)
    fine = (side * SUPERSAMPLING, side * SUPERSAMPLING)
    albedo = cv2.warpAffine(sketch.albedo, turn, fine, borderMode=cv2.BORDER_REPLICATE)
    upright = (np.maximum(sketch.height, 0), sketch.cover, (sketch.mark * sketch.canvas.cover).astype(np.float32))
    height, cover, mark = (np.asarray(cv2.warpAffine(layer, turn, fine), np.float32) for layer in upright)
    lit = _shade(np.asarray(albedo, np.float32), height, sketch, light) * cover[..., np.newaxis]
    return Sprite(left, top, *(_shrunk(layer, side) for layer in (lit, cover, mark)))


def _shrunk(layer: Floats, side: int) -> Floats:
    """Average the fine pixels of each photo pixel."""
    return np.asarray(cv2.resize(layer, (side, side), interpolation=cv2.INTER_AREA), np.float32)


def _canvas_to_window(sketch: Sketch, placed: Placed, left: int, top: int) -> NDArray[np.float64]:
    """Return the (2, 3) map from canvas pixels to the window's fine pixels, pixel centres at whole numbers."""
    rows, columns = sketch.canvas.shape
    cosine, sine = math.cos(placed.angle), math.sin(placed.angle)
    turn = np.array([[cosine, -sine], [sine, cosine]])
    centre = SUPERSAMPLING * (np.array([placed.x - left, placed.y - top]) + 0.5) - 0.5
    shift = centre - turn @ np.array([(columns - 1) / 2, (rows - 1) / 2])
    return np.column_stack([turn, shift])


def _shade(albedo: Floats, height: Floats, sketch: Sketch, light: Light) -> Floats:
    """Return (h, w, 3): Lambert's law for the lamp, a half sphere of sky dimmed in hollows, and a soft highlight."""
    unit = sketch.canvas.unit
    slope_x = cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3) / 8
    slope_y = cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3) / 8
    up = 1 / np.sqrt(1 + slope_x**2 + slope_y**2)
    flat, rise = math.cos(light.elevation), math.sin(light.elevation)
    across, down = light.towards
    facing = -flat * (slope_x * across + slope_y * down)
    direct = np.maximum((facing + rise) * up, 0) / rise
    sky = (0.45 + 0.55 * up) / (1 + _hollows(height, unit * 0.035) * (22 / unit))
    half_way = (facing + rise + 1) / 2 * up / math.sqrt((1 + rise) / 2)
    highlight = sketch.gloss * np.clip(half_way, 0, 1) ** 30
    return albedo * (light.ambient * sky + (1 - light.ambient) * direct)[..., np.newaxis] + highlight[..., np.newaxis]


def _hollows(height: Floats, size: float) -> Floats:
    """Return how far (h, w) each point lies below its surroundings of that size, in canvas pixels; 0 on bulges."""
    return np.maximum(cv2.GaussianBlur(height, (0, 0), size) - height, 0)

"""Beans on a belt that a camera films: frames, and the truth about every bean's path.

The belt runs to the right. Every bean moves with it, and some turn a little as they go. Within the exposure time a bean
moves on, so it is smeared along its path; its shadow is softer than that smear and stays as it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from cafepick.data.drawing.fields import blend, child, colour, developed, noise
from cafepick.data.drawing.form import THETA
from cafepick.data.drawing.light import Light, Sprite, render
from cafepick.data.drawing.objects import draw_form, draw_surface
from cafepick.data.drawing.placing import Placed, place
from cafepick.data.drawing.scene import shadows, uneven_light
from cafepick.data.sources import GOOD
from cafepick.errors import ConfigError
from cafepick.types import Box

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from cafepick.data.drawing.fields import Floats

BEAN_MM: Final = 9.0
"""Length of the average green bean, millimetres."""
_CHUNK: Final = 16
"""So many beans are placed at a time; room is looked for among them only."""
_MARGIN: Final = 6
"""Pixels kept free around sprites for smear and shift."""


@dataclass(frozen=True, kw_only=True)
class BeltCamera:
    """What the camera sees, and how fast the belt runs."""

    width: int = 640
    """Of a frame, pixels; the belt runs along it."""
    height: int = 480
    per_mm: float = 4.0
    """Pixels a millimetre: the default sees 160 mm x 120 mm."""
    speed: float = 1.0
    """Metres a second."""
    fps: float = 60.0
    exposure: float = 0.0005
    """Seconds."""
    slant: float = 0.0
    """How far a bean wanders down while it goes one pixel to the right: the camera is not quite straight."""
    pause: tuple[float, float] | None = None
    """The belt stands still from the first to the second of these times, seconds."""

    @property
    def velocity(self) -> float:
        """Pixels a second along the belt."""
        return self.speed * 1000 * self.per_mm

    def travel(self, seconds: float) -> float:
        """Return how far the belt has run, pixels."""
        begin, end = self.pause or (math.inf, math.inf)
        standing = max(0.0, min(seconds, end) - begin) if seconds > begin else 0.0
        return self.velocity * (seconds - standing)

    def arrival(self, pixels: float) -> float:
        """Return when the belt has run so far, seconds."""
        begin, end = self.pause or (math.inf, math.inf)
        seconds = pixels / self.velocity
        return seconds if seconds <= begin else seconds + end - begin


@dataclass(frozen=True, eq=False)
class BeanPath:
    """One bean and where it goes."""

    label: str
    """``good``, a defect, or ``foreign``."""
    placed: Placed
    """Where it lies at time 0, pixels of the frame; to the left of it."""
    spin: float
    """Clockwise turn, radians a second."""
    seed: int
    camera: BeltCamera

    def origin(self, seconds: float) -> tuple[float, float]:
        """Return x, y of the point about which it turns, in pixels of the frame, pixel centres at whole numbers."""
        x = self.placed.x + self.camera.travel(seconds)
        return x, self.placed.y + self.camera.slant * (x - self.camera.width / 2)

    def at(self, seconds: float) -> tuple[float, float]:
        """Return x, y of its centre of area; of a broken bean, of what it was when whole."""
        x, y = self.origin(seconds)
        radii, turned = self.placed.form.radii, THETA + self.placed.angle + self.spin * seconds
        mass = 1.5 * float(np.sum(radii**2))
        return x + float(radii**3 @ np.cos(turned)) / mass, y + float(radii**3 @ np.sin(turned)) / mass

    def leaves(self) -> tuple[float, float, float]:
        """Return the time at which its centre of area leaves the frame, seconds, and x, y of that place."""
        edge = self.camera.width - 0.5
        seconds = self.camera.arrival(edge - self.placed.x)
        for _ in range(4):  # a bean that turns shifts its centre about the origin, slowly
            seconds = self.camera.arrival(edge - self.placed.x + self.origin(seconds)[0] - self.at(seconds)[0])
        return seconds, *self.at(seconds)


@dataclass(frozen=True, eq=False)
class DrawnBelt:
    """A belt with beans on it, filmed from before the first one comes until the last one has gone."""

    camera: BeltCamera
    beans: tuple[BeanPath, ...]
    frames: int
    seed: int
    tone: Floats
    """(3,) linear RGB of the lot."""
    light: Light

    def film(self) -> Iterator[NDArray[np.uint8]]:
        """Yield the frames, (height, width, 3) RGB; frame i is taken at i / fps seconds."""
        painter = _Painter(self)
        for number in range(self.frames):
            yield painter.frame(number)


def draw_belt(
    seed: int,
    camera: BeltCamera | None = None,
    *,
    beans: int = 100,
    defects: Sequence[str] = (),
    touching: float = 0.15,
    spinning: float = 0.2,
    density: float = 0.12,
) -> DrawnBelt:
    """Lay beans on a belt.

    Args:
        seed: of all variation; the same seed draws the same film.
        camera: what films it; None takes the default, 1 m/s at 60 frames a second.
        beans: how many objects pass, good and defective.
        defects: one name of ``DEFECTS`` for each object that is not a good bean.
        touching: share in [0, 1] of objects that touch another, where there is room.
        spinning: share in [0, 1] of objects that turn as they go, by up to 3 radians a second.
        density: share of the belt that beans cover, in (0, 0.25].

    Raises:
        ConfigError: there are more defects than beans, the density is out of range or the belt is too narrow.
    """
    camera = camera or BeltCamera()
    if not 0 < beans >= len(defects):
        raise ConfigError(f"a belt needs at least one bean and one for each of {len(defects)} defects, got {beans}")
    if not 0 < density <= 0.25:
        raise ConfigError(f"density is the share of the belt that beans cover and lies in (0, 0.25], got {density}")
    rng = np.random.default_rng((seed, 0))
    names, forms, positions, spins, lot, lamp = (child(rng) for _ in range(6))
    labels = [GOOD] * beans
    for name, bean in zip(defects, names.permutation(beans), strict=False):
        labels[bean] = name
    placed, strip = _laid(labels, camera, touching, density, (forms, positions))
    paths = tuple(
        BeanPath(label, one, float(spins.uniform(-3, 3)) if spins.random() < spinning else 0.0, bean, camera)
        for bean, (label, one) in enumerate(zip(labels, placed, strict=True))
    )
    pause = 0.0 if camera.pause is None else camera.pause[1] - camera.pause[0]
    frames = math.ceil(((strip + camera.width) / camera.velocity + pause) * camera.fps) + 1
    fresh, aged = colour(140, 140, 104), colour(162, 150, 104)
    light = Light(lamp.uniform(0, 2 * np.pi), float(np.deg2rad(lamp.uniform(50, 66))), lamp.uniform(0.4, 0.55))
    return DrawnBelt(camera, paths, frames, seed, fresh + (aged - fresh) * np.float32(lot.random()), light)


def _laid(
    labels: Sequence[str],
    camera: BeltCamera,
    touching: float,
    density: float,
    rngs: tuple[np.random.Generator, np.random.Generator],
) -> tuple[list[Placed], float]:
    """Place the objects to the left of the frame; return them and how far the strip reaches, pixels."""
    forms, positions = rngs
    length = BEAN_MM * camera.per_mm
    margin = length * 0.25 + abs(camera.slant) * camera.width / 2
    across = camera.height - 2 * margin
    placed: list[Placed] = []
    end = -length
    for first in range(0, len(labels), _CHUNK):
        some = [draw_form(label, length, forms) for label in labels[first : first + _CHUNK]]
        area = sum(float(np.pi * np.mean(form.radii**2)) for form in some)
        along = max(area / density / across, 2.4 * length)
        placed += place(some, Box(end - along, margin, along, across), touching, positions)
        end -= along
    return placed, -end + length


class _Painter:
    """Draws frame after frame; a bean is drawn when it comes into view and forgotten when it has gone."""

    def __init__(self, belt: DrawnBelt) -> None:
        self.belt = belt
        camera = belt.camera
        self._sprites: dict[int, Sprite] = {}
        rng = np.random.default_rng((belt.seed, 1))
        self._ground = _belt_ground(rng, camera)
        self._uneven = uneven_light(rng, camera.width, camera.height) * np.float32(rng.uniform(0.9, 1.0))
        self._smear = _smear(camera.velocity * camera.exposure)

    def frame(self, number: int) -> NDArray[np.uint8]:
        camera = self.belt.camera
        seconds = number / camera.fps
        size = (camera.height, camera.width)
        layers = np.zeros((*size, 4), np.float32)
        reach = BEAN_MM * camera.per_mm
        for bean, path in enumerate(self.belt.beans):
            x, y = path.origin(seconds)
            if -reach < x < camera.width + reach:
                _lay(layers, self._moved(bean, path, seconds, x, y), x, y)
            elif x >= camera.width + reach:
                self._sprites.pop(bean, None)
        cover = np.minimum(layers[..., 3], 1)
        ground = np.roll(self._ground, round(camera.travel(seconds)), axis=1)[:, : camera.width]
        lit = ground * shadows(cover, reach, self.belt.light)[..., np.newaxis]
        image = lit * (1 - cover[..., np.newaxis]) + layers[..., :3]
        return _taken(image * self._uneven, np.random.default_rng((self.belt.seed, 2, number)))

    def _moved(self, bean: int, path: BeanPath, seconds: float, x: float, y: float) -> Floats:
        """(h, w, 4) colour and cover of a bean, turned, shifted by a part of a pixel and smeared."""
        if bean not in self._sprites:
            self._sprites[bean] = self._drawn(path)
        sprite = self._sprites[bean]
        side = len(sprite.cover)
        stack = np.dstack([sprite.colour, sprite.cover])
        middle = (side - 1) / 2
        turn = cv2.getRotationMatrix2D((middle, middle), -math.degrees(path.spin * seconds), 1)
        turn[:, 2] += [_MARGIN + x - math.floor(x), _MARGIN + y - math.floor(y)]
        room = side + 2 * _MARGIN
        turned = cv2.warpAffine(stack, turn, (room, room), flags=cv2.INTER_LINEAR)
        return np.asarray(cv2.filter2D(turned, -1, self._smear, borderType=cv2.BORDER_CONSTANT), np.float32)

    def _drawn(self, path: BeanPath) -> Sprite:
        rng = np.random.default_rng((self.belt.seed, 3, path.seed))
        sketch = draw_surface(path.label, path.placed.form, self.belt.tone, rng)
        return render(sketch, Placed(path.placed.form, 0.0, 0.0, path.placed.angle), self.belt.light)


def _lay(layers: Floats, sprite: Floats, x: float, y: float) -> None:
    """Lay a bean over the others, in place; what lies outside the frame is left out."""
    side = len(sprite)
    left, top = math.floor(x) - side // 2, math.floor(y) - side // 2
    height, width = layers.shape[:2]
    rows = slice(max(top, 0), min(top + side, height))
    columns = slice(max(left, 0), min(left + side, width))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    part = sprite[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    window = layers[rows, columns]
    layers[rows, columns] = window * (1 - part[..., 3:]) + part


def _smear(length: float) -> Floats:
    """(1, n) kernel that averages over ``length`` pixels along the belt."""
    half = max(1, math.ceil(length / 2))
    edges = np.abs(np.arange(-half, half + 1)) - 0.5
    weight = np.clip(length / 2 - edges, 0, 1) if length > 1 else (np.arange(-half, half + 1) == 0)
    return (weight / weight.sum()).astype(np.float32)[np.newaxis]


def _belt_ground(rng: np.random.Generator, camera: BeltCamera) -> Floats:
    """(height, >= width, 3) linear RGB of a pale belt with faint grain, which is repeated."""
    shape = (camera.height, camera.width + round(0.37 * camera.width))
    grain = 1 + 0.015 * noise(rng, shape, 3, octaves=2) + 0.01 * noise(rng, shape, 40)
    pale = blend(colour(226, 228, 230), colour(216, 216, 210), np.array(rng.random(), np.float32))
    length = round(camera.velocity * camera.exposure) | 1
    return np.asarray(cv2.blur(pale * grain[..., np.newaxis], (length, 1)), np.float32)


def _taken(image: Floats, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A machine camera: fixed exposure and white balance, a lens, the noise of the sensor."""
    sharp = cv2.GaussianBlur(image, (0, 0), 0.5)
    grains = rng.standard_normal(image.shape, np.float32)
    return developed(sharp + grains * np.sqrt(np.maximum(sharp, 0) * 1.5e-4 + 4e-6).astype(np.float32))

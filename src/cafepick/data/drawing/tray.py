"""One tray: objects placed, drawn, lit and photographed, and the truth about every pixel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from cafepick.data.drawing.defects import OVERLAYS
from cafepick.data.drawing.fields import child, colour
from cafepick.data.drawing.light import Light, Sprite, render
from cafepick.data.drawing.objects import FOREIGN, draw_form, draw_surface
from cafepick.data.drawing.placing import place
from cafepick.data.drawing.scene import (
    SURROUNDS,
    Surround,
    compose,
    draw_ground,
    paper_area,
    photograph,
    shadows,
    uneven_light,
)
from cafepick.data.sources import GOOD
from cafepick.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cafepick.data.drawing.fields import Floats

DEFECTS: Final[tuple[str, ...]] = (*OVERLAYS, FOREIGN)
"""Names of what can be wrong with a bean; the last is no bean at all, but a stone or a stick."""

_SHORTEST: Final = 16
"""Beans of fewer pixels could not show a crease or a hole."""


@dataclass(frozen=True, eq=False)
class DrawnTray:
    """A drawn photo and the truth about it."""

    photo: NDArray[np.uint8]
    """(H, W, 3) RGB."""
    instances: NDArray[np.int32]
    """(H, W): 0 on the background, k where bean k = 1, 2, ... covers at least half of the pixel."""
    defect_mask: NDArray[np.bool_]
    """(H, W): the defects. All of a bean that is black, sour, immature or in parchment, and all of a foreign object;
    the changed part of one that is partly black, bored or mouldy; of a broken or chipped one, the fracture and what is
    missing, which is the only part of this mask that lies on the background."""
    labels: tuple[str, ...]
    """``good`` or the defect of bean 1, 2, ..."""
    outlines: tuple[NDArray[np.float32], ...]
    """(n, 2) x, y of the closed contour of bean 1, 2, ... in photo pixels."""


def draw_tray(
    rng: np.random.Generator,
    *,
    width: int = 1200,
    height: int = 900,
    beans: int = 40,
    defects: Sequence[str] = (),
    touching: float = 0.15,
    surround: Surround = "paper",
) -> DrawnTray:
    """Draw a tray of beans.

    The average bean is about half as long as the spacing of an even grid over the photo, whatever surrounds the paper.
    Two trays drawn from equal generators, one with defects that leave outlines as they are, differ in these beans only.

    Args:
        rng: source of all variation; the same state draws the same tray.
        width: of the photo in pixels.
        height: of the photo in pixels.
        beans: how many objects lie on the tray, good and defective.
        defects: one name of ``DEFECTS`` for each object that is not a good bean.
        touching: share in [0, 1] of objects that touch another, where there is room.
        surround: what the photo shows around the beans: ``paper`` alone, a ``table`` or the wall of a ``tray``.

    Raises:
        ConfigError: a name is unknown, there are more defects than beans, or the beans do not fit or would be tiny.
    """
    _check(beans, defects, touching, surround)
    names, forms, surfaces, positions, lot, ground, lamp, camera = (child(rng) for _ in range(8))
    area, length = paper_area(width, height, surround), _length(width, height, beans)
    light = Light(lamp.uniform(0, 2 * np.pi), float(np.deg2rad(lamp.uniform(48, 66))), lamp.uniform(0.32, 0.5))
    labels = _labels(beans, defects, names)
    placed = place([draw_form(label, length, forms) for label in labels], area, touching, positions)
    tone = _tone_of_lot(lot)
    sprites = [
        render(draw_surface(label, one.form, tone, surfaces), one, light)
        for label, one in zip(labels, placed, strict=True)
    ]
    cover = _cover(sprites, (height, width))
    paper = draw_ground(ground, width, height, surround, light) * shadows(cover, length, light)[..., np.newaxis]
    photo = photograph(compose(paper, sprites) * uneven_light(camera, width, height), camera)
    instances = _instances(sprites, (height, width))
    mask = _defect_mask(sprites, instances)
    return DrawnTray(photo, instances, mask, tuple(labels), _outlines(sprites, instances))


def _check(beans: int, defects: Sequence[str], touching: float, surround: str) -> None:
    unknown = [name for name in defects if name not in DEFECTS]
    if unknown:
        raise ConfigError(f"there is no defect {unknown[0]!r}: choose from {', '.join(DEFECTS)}")
    if not 0 < beans >= len(defects):
        raise ConfigError(f"a tray needs at least one bean and one for each of {len(defects)} defects, got {beans}")
    if not 0 <= touching <= 1:
        raise ConfigError(f"touching is a share and must lie in [0, 1], got {touching}")
    if surround not in SURROUNDS:
        raise ConfigError(f"surround must be one of {', '.join(SURROUNDS)}, got {surround!r}")


def _length(width: int, height: int, beans: int) -> float:
    """Return the length of the average bean in photo pixels."""
    length = 0.48 * math.sqrt(width * height / beans)
    if length < _SHORTEST:
        raise ConfigError(
            f"{beans} beans in {width} x {height} pixels would be {length:.0f} pixels long, at least {_SHORTEST} are"
            f" needed: draw fewer beans or a larger photo"
        )
    return length


def _labels(beans: int, defects: Sequence[str], rng: np.random.Generator) -> list[str]:
    """Hand the defects to beans at random; which beans these are does not depend on the defects."""
    labels = [GOOD] * beans
    for name, bean in zip(defects, rng.permutation(beans), strict=False):
        labels[bean] = name
    return labels


def _tone_of_lot(rng: np.random.Generator) -> Floats:
    """Return the mean colour of a lot, (3,) linear RGB: greyish green, a little more bluish or yellowish."""
    fresh, aged = colour(140, 140, 104), colour(162, 150, 104)
    return fresh + (aged - fresh) * np.float32(rng.random())


def _cover(sprites: Sequence[Sprite], shape: tuple[int, int]) -> Floats:
    total = np.zeros(shape, np.float32)
    for sprite in sprites:
        total[sprite.window] += sprite.cover
    return np.minimum(total, 1)


def _instances(sprites: Sequence[Sprite], shape: tuple[int, int]) -> NDArray[np.int32]:
    """Number the pixels that objects cover by half or more; where two touch, the one that covers more has the pixel."""
    instances, most = np.zeros(shape, np.int32), np.full(shape, 0.5, np.float32)
    for number, sprite in enumerate(sprites, start=1):
        wins = sprite.cover >= most[sprite.window]
        instances[sprite.window][wins] = number
        most[sprite.window][wins] = sprite.cover[wins]
    return instances


def _defect_mask(sprites: Sequence[Sprite], instances: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Mark the pixels that are defect by half or more, never on another bean."""
    mask = np.zeros(instances.shape, np.bool_)
    for number, sprite in enumerate(sprites, start=1):
        own = np.isin(instances[sprite.window], (0, number))
        mask[sprite.window] |= own & (sprite.mark >= 0.5)
    return mask


def _outlines(sprites: Sequence[Sprite], instances: NDArray[np.int32]) -> tuple[NDArray[np.float32], ...]:
    """Trace each object along the centres of its outermost pixels; of one in two parts, the larger."""
    outlines = []
    for number, sprite in enumerate(sprites, start=1):
        own = (instances[sprite.window] == number).astype(np.uint8)
        parts, _ = cv2.findContours(own, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=(sprite.left, sprite.top))
        outlines.append(max(parts, key=cv2.contourArea)[:, 0].astype(np.float32))
    return tuple(outlines)

"""Where the objects lie: apart from each other, or just touching, never one over another."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from cafepick.data.drawing.form import THETA
from cafepick.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cafepick.data.drawing.form import Form
    from cafepick.types import Box

_TRIES: Final = 400
_CONTACT: Final = 0.5
"""Gap of touching objects in photo pixels: closed by the softness of the photo."""


@dataclass(frozen=True, eq=False)
class Placed:
    """A form on the tray."""

    form: Form
    x: float
    """Centre, photo pixels."""
    y: float
    angle: float
    """Clockwise turn in radians."""


def place(forms: Sequence[Form], area: Box, touching: float, rng: np.random.Generator) -> list[Placed]:
    """Strew the forms over an area.

    Args:
        forms: what to place.
        area: part of the photo, in pixels, that they must not leave.
        touching: probability in [0, 1] that an object is pushed against one that lies there already.
        rng: source of positions and turns.

    Raises:
        ConfigError: the area is too small for so many.
    """
    placed: list[Placed] = []
    for form in forms:
        next_one = _push_against(form, placed, area, rng) if placed and rng.random() < touching else None
        next_one = next_one or _drop(form, placed, area, rng)
        if next_one is None:
            raise ConfigError(
                f"{len(forms)} beans of {form.length:.0f} pixels do not fit into {area.width:.0f} x {area.height:.0f}"
                f" pixels, {len(placed)} do: draw fewer beans or a larger photo"
            )
        placed.append(next_one)
    return placed


def _drop(form: Form, placed: Sequence[Placed], area: Box, rng: np.random.Generator) -> Placed | None:
    """Find a free place with clear paper all around; after many tries, a narrower gap will do."""
    for attempt in range(_TRIES):
        tried = Placed(
            form,
            area.x + rng.random() * area.width,
            area.y + rng.random() * area.height,
            rng.uniform(0, 2 * np.pi),
        )
        apart = form.length * (0.12 if attempt < _TRIES // 2 else 0.05)
        if _lies_inside(tried, area) and _room(tried, placed) > apart:
            return tried
    return None


def _push_against(form: Form, placed: Sequence[Placed], area: Box, rng: np.random.Generator) -> Placed | None:
    """Slide the form towards one that lies there until they touch; None where no try ends well."""
    for _ in range(8):
        target = placed[int(rng.integers(len(placed)))]
        direction, angle = rng.uniform(0, 2 * np.pi, 2)
        near, far = 0.0, float(form.radii.max() + target.form.radii.max()) + 4
        while far - near > 0.1:
            middle = (near + far) / 2
            tried = _beside(target, form, direction, middle, angle)
            near, far = (near, middle) if gap(tried, target) > _CONTACT else (middle, far)
        tried = _beside(target, form, direction, far, angle)
        others = [other for other in placed if other is not target]
        if _lies_inside(tried, area) and _room(tried, others) > form.length * 0.05:
            return tried
    return None


def _beside(target: Placed, form: Form, direction: float, distance: float, angle: float) -> Placed:
    x, y = target.x + distance * np.cos(direction), target.y + distance * np.sin(direction)
    return replace(target, form=form, x=float(x), y=float(y), angle=angle)


def _lies_inside(tried: Placed, area: Box) -> bool:
    reach = float(tried.form.radii.max())
    along_x = area.x + reach <= tried.x <= area.x + area.width - reach
    return along_x and area.y + reach <= tried.y <= area.y + area.height - reach


def _room(tried: Placed, others: Sequence[Placed]) -> float:
    """Return the smallest gap to any of the others, photo pixels; far ones count by their circles."""
    smallest = np.inf
    for other in others:
        reach = float(tried.form.radii.max() + other.form.radii.max())
        apart = float(np.hypot(tried.x - other.x, tried.y - other.y)) - reach
        smallest = min(smallest, apart if apart > tried.form.length else gap(tried, other))
    return smallest


def gap(first: Placed, second: Placed) -> float:
    """Return about how far two objects are apart, photo pixels along a radius; below 0 where they overlap."""
    return min(_depth(first, second), _depth(second, first))


def _depth(first: Placed, second: Placed) -> float:
    """Return how far the outline of ``first`` stays outside of ``second``."""
    turned = THETA + first.angle
    x = first.x + first.form.radii * np.cos(turned) - second.x
    y = first.y + first.form.radii * np.sin(turned) - second.y
    return float(np.min(np.hypot(x, y) - second.form.reach(np.arctan2(y, x) - second.angle)))

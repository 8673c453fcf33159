"""Tables of wood, dark cloth, patterned cloth and stone, and the things that lie about on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import cv2
import numpy as np

from cafepick.data.drawing.fields import blend, colour, noise

if TYPE_CHECKING:
    from collections.abc import Callable

    from cafepick.data.drawing.fields import Floats

TableKind = Literal["wood", "dark", "checked", "striped", "stone"]


def draw_table(rng: np.random.Generator, kind: TableKind, *, side: float, per_mm: float, clutter: int = 0) -> Floats:
    """Draw a square piece of a table as seen from above, under even light.

    Args:
        rng: source of all variation.
        kind: a key of ``TABLES``.
        side: mm.
        per_mm: pixels a millimetre.
        clutter: things that lie about: pens, cards, a cup, a phone.

    Returns:
        (h, w, 3) linear RGB.
    """
    pixels = round(side * per_mm)
    table = TABLES[kind](rng, pixels, per_mm)
    for _ in range(clutter):
        _lay_down(table, rng, per_mm)
    return table


def _wood(rng: np.random.Generator, pixels: int, per_mm: float) -> Floats:
    shape = (pixels, pixels)
    fibres = noise(rng, shape, (1.2 * per_mm, pixels * 0.2), octaves=2) + noise(rng, shape, (9 * per_mm, pixels * 0.4))
    base = (colour(104, 72, 46), colour(150, 112, 74), colour(72, 50, 36))[int(rng.integers(3))]
    wood = base * (1 + 0.17 * fibres[..., np.newaxis])
    plank = round(rng.uniform(70, 140) * per_mm)
    for edge in range(int(rng.integers(plank)), pixels, plank):
        wood[edge : edge + max(1, round(per_mm))] *= 0.35
        wood[edge : edge + plank] *= np.float32(rng.uniform(0.85, 1.15))
    return wood if rng.random() < 0.5 else np.ascontiguousarray(wood.swapaxes(0, 1))


def _dark(rng: np.random.Generator, pixels: int, per_mm: float) -> Floats:
    base = colour(*rng.uniform(28, 66, 3))
    return base * (1 + 0.1 * noise(rng, (pixels, pixels), 1.5 * per_mm)[..., np.newaxis])


def _checked(rng: np.random.Generator, pixels: int, per_mm: float) -> Floats:
    """Gingham: threads of two colours, which mix where they cross."""
    down, across = _stripes(rng, pixels, per_mm), _stripes(rng, pixels, per_mm)
    return _cloth(rng, (down[:, np.newaxis] + across) / 2)


def _striped(rng: np.random.Generator, pixels: int, per_mm: float) -> Floats:
    bars = np.tile(_stripes(rng, pixels, per_mm), (pixels, 1))
    return _cloth(rng, bars)


def _stripes(rng: np.random.Generator, pixels: int, per_mm: float) -> Floats:
    period = rng.uniform(16, 50) * per_mm
    return ((np.arange(pixels) + rng.uniform(0, period)) % period < period / 2).astype(np.float32)


def _cloth(rng: np.random.Generator, share: Floats) -> Floats:
    shades = (colour(150, 34, 38), colour(38, 66, 124), colour(52, 96, 60), colour(90, 80, 70))
    light = colour(*(rng.uniform(170, 215) + rng.uniform(-12, 4, 3)))
    cloth = blend(light, shades[int(rng.integers(len(shades)))], share.astype(np.float32))
    return cloth * (1 + 0.06 * noise(rng, share.shape, 3)[..., np.newaxis])


def _stone(rng: np.random.Generator, pixels: int, per_mm: float) -> Floats:
    shape = (pixels, pixels)
    grain = 0.5 * noise(rng, shape, 1.6 * per_mm, octaves=2) + 0.25 * noise(rng, shape, 12 * per_mm, octaves=2)
    grey = rng.uniform(70, 150)
    return colour(grey, grey * 0.99, grey * 0.96) * np.exp(grain)[..., np.newaxis]


TABLES: Final[dict[str, Callable[[np.random.Generator, int, float], Floats]]] = {
    "wood": _wood,
    "dark": _dark,
    "checked": _checked,
    "striped": _striped,
    "stone": _stone,
}


def _lay_down(table: Floats, rng: np.random.Generator, per_mm: float) -> None:
    """Lay down one thing, somewhere around the middle, where the sheet will cover some of them."""
    things = (  # width and height in mm, colours 0..255
        ((140, 9), (30, 40, 110)),
        ((85.6, 54), (236, 236, 232)),
        ((150, 72), (18, 18, 20)),
        ((105, 148), (196, 60, 40)),
        ((82, 82), (205, 200, 190)),
    )
    (long, short), paint = things[int(rng.integers(len(things)))]
    middle, spread = len(table) / 2, 230 * per_mm
    centre = (
        float(rng.uniform(middle - spread, middle + spread)),
        float(rng.uniform(middle - spread, middle + spread)),
    )
    shown = tuple(float(value) for value in colour(*paint))
    if long == short:
        cv2.circle(table, (round(centre[0]), round(centre[1])), round(long / 2 * per_mm), shown, -1, cv2.LINE_AA)
        return
    corners = cv2.boxPoints((centre, (long * per_mm, short * per_mm), float(rng.uniform(0, 180))))
    cv2.fillPoly(table, [np.rint(corners).astype(np.int32)], shown, cv2.LINE_AA)

"""A phone's photo of a sheet of paper with beans, on a table, and the truth about it in pixels and millimetres."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import cv2
import numpy as np

from cafepick.data.drawing.camera import PAPERS, Camera, aimed_camera, mapped
from cafepick.data.drawing.fields import blend, child, colour, noise, smoothstep
from cafepick.data.drawing.form import THETA
from cafepick.data.drawing.light import Light, render
from cafepick.data.drawing.objects import draw_form, draw_surface
from cafepick.data.drawing.placing import Placed, place
from cafepick.data.drawing.scene import photograph, shadows
from cafepick.data.drawing.tabletop import TableKind, draw_table
from cafepick.data.sources import GOOD
from cafepick.types import Box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cafepick.data.drawing.fields import Floats

PER_MM: Final = 5.0
"""Pixels a millimetre of the drawn sheet, before it is photographed."""
_TABLE_PER_MM: Final = 2.5
_TABLE_SIDE: Final = 900.0
_AROUND: Final = 45.0
"""Width of the strip around the sheet, mm, in which beans may lie on the table."""
_FINE: Final = 2
"""Samples a side of which a pixel of the photo is made."""
_HEIGHT: Final = 0.36
"""Height of a bean as a share of its length."""
_LAYERS: Final = 4
"""Slices of which a bean is built up, so that a slanting look shows its side."""


@dataclass(frozen=True, kw_only=True)
class Shot:
    """What is photographed, and how."""

    paper: Literal["a4", "letter"] = "a4"
    table: TableKind = "wood"
    width: int = 1200
    height: int = 900
    focal: float = 0.65
    """Focal length as a share of the photo's diagonal: 0.6 for a phone, 1.2 for its zoom."""
    tilt: float = 10.0
    """See ``aimed_camera`` for these."""
    azimuth: float = 0.0
    roll: float = 0.0
    fill: float = 0.85
    shift: tuple[float, float] = (0.0, 0.0)
    bend: float = 0.0
    beans: int = 24
    """On the sheet."""
    edge_beans: int = 0
    """Lying across the sheet's edge."""
    table_beans: int = 0
    """On the table beside it."""
    clutter: int = 0
    """Other things on the table."""
    gradient: float = 0.1
    """Share of the light that is lost from one side of the photo to the other, twice that in a corner."""
    shadow: float = 0.0
    """Share of the light that a hand or phone takes from a part of the photo, with a soft edge."""
    folds: int = 0
    """Straight lines across the sheet; the paper beside them catches the light differently."""
    dog_ear: float = 0.0
    """Legs of the corner that is folded away or hidden, mm; above 0 the sheet is not whole."""
    second: float | None = None
    """Gap to another sheet beside the first, mm; None: there is none."""
    sheet: bool = True
    """False: the table alone, with what lies about on it."""


@dataclass(frozen=True, eq=False)
class DrawnBean:
    """One bean and where it truly is."""

    where: Literal["sheet", "edge", "table"]
    footprint: NDArray[np.float64]
    """(n, 2) outline on the sheet, mm from its centre."""
    outline: NDArray[np.float32]
    """(n, 2) outline in the photo, pixels; a bean's height shows."""


@dataclass(frozen=True, eq=False)
class SheetPhoto:
    """A drawn photo and the truth about it."""

    photo: NDArray[np.uint8]
    """(H, W, 3) RGB."""
    shot: Shot
    camera: Camera
    sheets: tuple[NDArray[np.float64], ...]
    """(4, 2) corners of each sheet of which all is in view, photo pixels, clockwise, the first side a long one."""
    beans: tuple[DrawnBean, ...]


class _Setting(NamedTuple):
    """What all that lies on the table has in common."""

    shot: Shot
    camera: Camera
    light: Light


def paper_corners(paper: str) -> NDArray[np.float64]:
    """(4, 2) corners of a sheet about its centre, mm, clockwise as seen, the first side a long one."""
    long, short = PAPERS[paper]
    return np.array([[-long, -short], [long, -short], [long, short], [-long, short]]) / 2


def draw_sheet_photo(rng: np.random.Generator, shot: Shot) -> SheetPhoto:
    """Draw a photo of a sheet of paper with beans.

    Args:
        rng: source of all variation that ``shot`` does not name; the same state draws the same photo.
        shot: what is photographed, and how.

    Raises:
        ConfigError: the beans do not fit on the sheet.
    """
    table, surfaces, positions, lot, ground, lamp, sensor = (child(rng) for _ in range(7))
    corners = paper_corners(shot.paper)
    focal = shot.focal * math.hypot(shot.width, shot.height)
    aim = {"tilt": shot.tilt, "azimuth": shot.azimuth, "roll": shot.roll, "fill": shot.fill, "shift": shot.shift}
    camera = aimed_camera(corners, width=shot.width, height=shot.height, focal=focal, bend=shot.bend, **aim)
    light = Light(lamp.uniform(0, 2 * np.pi), float(np.deg2rad(lamp.uniform(45, 66))), lamp.uniform(0.35, 0.55))
    setting, places = _Setting(shot, camera, light), _sheets(shot, corners)
    top = draw_table(table, shot.table, side=_TABLE_SIDE, per_mm=_TABLE_PER_MM, clutter=shot.clutter)
    image = _warped(top, _flat_map(_TABLE_SIDE, _TABLE_SIDE, _TABLE_PER_MM), camera, border=cv2.BORDER_REFLECT_101)
    for middle in places:
        image = _lay_sheet(image, setting, middle, ground)
    placed, where = _strew(shot, positions, lot)
    image = _lay_beans(image, setting, placed, (lot, surfaces))
    small = cv2.resize(image, (shot.width, shot.height), interpolation=cv2.INTER_AREA)
    bent = cv2.remap(small, *camera.unbent(), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) if shot.bend else small
    photo = photograph(np.asarray(bent, np.float32) * _uneven(lamp, shot), sensor)
    whole = [camera.project(corners + middle) for middle in places] if shot.dog_ear == 0 else []
    beans = tuple(_truth(one, kind, camera, shot) for one, kind in zip(placed, where, strict=True))
    return SheetPhoto(photo, shot, camera, tuple(c for c in whole if _in_view(c, shot)), beans)


def _sheets(shot: Shot, corners: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Where the middles of the sheets lie, mm."""
    if not shot.sheet:
        return []
    first = np.zeros(2)
    if shot.second is None:
        return [first]
    return [first, np.array([0.0, float(np.ptp(corners[:, 1])) + shot.second])]


def _in_view(corners: NDArray[np.float64], shot: Shot) -> bool:
    return bool((corners > 0).all() and (corners < [shot.width - 1, shot.height - 1]).all())


def _flat_map(width: float, height: float, per_mm: float) -> NDArray[np.float64]:
    """(3, 3) from pixels of a drawing about the sheet's centre to mm."""
    return np.array([[1 / per_mm, 0, 0.5 / per_mm - width / 2], [0, 1 / per_mm, 0.5 / per_mm - height / 2], [0, 0, 1]])


def _warped(
    layer: Floats, to_mm: NDArray[np.float64], camera: Camera, *, height: float = 0.0, border: int = cv2.BORDER_CONSTANT
) -> Floats:
    """What the camera sees of a drawing that lies ``height`` mm above the sheet, at ``_FINE`` samples a pixel."""
    to_fine = np.array([[_FINE, 0, (_FINE - 1) / 2], [0, _FINE, (_FINE - 1) / 2], [0, 0, 1]])
    size = (camera.width * _FINE, camera.height * _FINE)
    matrix = to_fine @ camera.plane(height) @ to_mm
    return np.asarray(cv2.warpPerspective(layer, matrix, size, flags=cv2.INTER_LINEAR, borderMode=border), np.float32)


def _lay_sheet(image: Floats, setting: _Setting, middle: NDArray[np.float64], rng: np.random.Generator) -> Floats:
    """Lay a sheet on what is there; its thin shadow shows on the side away from the lamp."""
    shot, camera, light = setting
    long, short = PAPERS[shot.paper]
    margin = 6.0
    to_mm = _flat_map(long + 2 * margin, short + 2 * margin, PER_MM)
    shape = (round((short + 2 * margin) * PER_MM), round((long + 2 * margin) * PER_MM))
    tint = np.array([1 + rng.normal(0, 0.02), 1, 1 - rng.normal(0.01, 0.03)], np.float32)
    grain = 1 + 0.012 * noise(rng, shape, 2.2) + 0.008 * noise(rng, shape, 9)
    paper = (colour(233, 232, 230) * tint) * grain[..., np.newaxis] * _folded(rng, shape, shot.folds)
    x, y = np.meshgrid(*(((np.arange(n) + 0.5) / PER_MM - margin) for n in shape[::-1]))
    inside = np.minimum(np.minimum(x, long - x), np.minimum(y, short - y))
    if shot.dog_ear:
        inside = np.minimum(inside, (x + y - shot.dog_ear) / math.sqrt(2))
    cover = np.clip(inside * PER_MM + 0.5, 0, 1).astype(np.float32)
    shade = cv2.GaussianBlur(cover, (0, 0), 0.8 * PER_MM)
    away = np.array(light.towards) * -0.6
    moved, thrown = to_mm.copy(), to_mm.copy()
    moved[:2, 2] += middle
    thrown[:2, 2] += middle + away
    dim = 1 - 0.5 * _warped(np.asarray(shade, np.float32), thrown, camera)
    colours = _warped(paper, moved, camera, border=cv2.BORDER_REPLICATE)
    return blend(image * dim[..., np.newaxis], colours, _warped(cover, moved, camera))


def _folded(rng: np.random.Generator, shape: tuple[int, int], folds: int) -> Floats:
    """(h, w, 1) factor of the light on a sheet that was folded in two, four, ... and laid flat again."""
    factor = np.ones(shape, np.float32)
    for number in range(folds):
        size = shape[1 - number % 2]
        beyond = np.arange(size, dtype=np.float32) - size * (0.5 + rng.uniform(-0.02, 0.02))
        step = 1 - rng.uniform(0.02, 0.09) * smoothstep(beyond, -1.0, 1.0)
        line = 1 - rng.uniform(0.05, 0.25) * np.exp(-np.square(beyond / (0.35 * PER_MM)))
        factor *= (step * line)[np.newaxis] if number % 2 == 0 else (step * line)[:, np.newaxis]
    return factor[..., np.newaxis]


def _strew(shot: Shot, positions: np.random.Generator, lot: np.random.Generator) -> tuple[list[Placed], list[str]]:
    """Place the beans in the drawing of sheet and strip around it, of which a corner is the origin, in pixels."""
    long, short = PAPERS[shot.paper]
    length = 9.5 * PER_MM
    inset = 5.0
    corner = (_AROUND + inset) * PER_MM
    area = Box(corner, corner, (long - 2 * inset) * PER_MM, (short - 2 * inset) * PER_MM)
    placed = place([draw_form(GOOD, length, lot) for _ in range(shot.beans)], area, 0.15, positions)
    where = ["sheet"] * shot.beans
    outside = [("edge", index) for index in range(shot.edge_beans)]
    outside += [("table", index) for index in range(shot.table_beans)]
    for kind, index in outside:
        form = draw_form(GOOD, length, lot)
        beyond = positions.uniform(-1.5, 2.0) if kind == "edge" else positions.uniform(12, _AROUND - 9)
        along = positions.uniform(0.1, 0.9)
        x, y = {
            0: (along * long, -beyond),
            1: (long + beyond, along * short),
            2: (along * long, short + beyond),
            3: (-beyond, along * short),
        }[index % 4]
        centre = ((x + _AROUND) * PER_MM, (y + _AROUND) * PER_MM)
        placed.append(Placed(form, *centre, positions.uniform(0, 2 * np.pi)))
        where.append(kind)
    return placed, where


def _lay_beans(
    image: Floats, setting: _Setting, placed: Sequence[Placed], rngs: tuple[np.random.Generator, np.random.Generator]
) -> Floats:
    """Lay the beans on sheet and table, slice by slice, with their shadows."""
    if not placed:
        return image
    (shot, camera, light), (lot, surfaces) = setting, rngs
    long, short = (side + 2 * _AROUND for side in PAPERS[shot.paper])
    to_mm = _flat_map(long, short, PER_MM)
    shape = (round(short * PER_MM), round(long * PER_MM))
    tone = colour(*(np.array([150, 145, 104]) + lot.uniform(-12, 12)))
    cover, colours, rise = np.zeros(shape, np.float32), np.zeros((*shape, 3), np.float32), np.zeros(shape, np.float32)
    for one in placed:
        sprite = render(draw_surface(GOOD, one.form, tone, surfaces), one, light)
        cover[sprite.window] = np.maximum(cover[sprite.window], sprite.cover)
        colours[sprite.window] = colours[sprite.window] * (1 - sprite.cover[..., np.newaxis]) + sprite.colour
        depth = cv2.distanceTransform((sprite.cover >= 0.5).astype(np.uint8), cv2.DIST_L2, 5)
        dome = np.sqrt(1 - np.square(1 - depth / max(float(depth.max()), 1.0)))
        rise[sprite.window] = np.maximum(rise[sprite.window], dome * (sprite.cover >= 0.5))
    image = (
        image
        * _warped(shadows(cover, placed[0].form.length, light), to_mm, camera, border=cv2.BORDER_REPLICATE)[
            ..., np.newaxis
        ]
    )
    for layer in range(_LAYERS):
        level = layer / _LAYERS
        part = cover if layer == 0 else smoothstep(rise, level - 0.03, level + 0.03)
        flat = colours / np.maximum(cover, 1e-3)[..., np.newaxis] * part[..., np.newaxis]
        above = _HEIGHT * level * placed[0].form.length / PER_MM
        seen = _warped(np.dstack([flat, part]).astype(np.float32), to_mm, camera, height=above)
        image = image * (1 - seen[..., 3:]) + seen[..., :3]
    return image


def _truth(one: Placed, where: str, camera: Camera, shot: Shot) -> DrawnBean:
    """Project the slices of a bean, as ``_lay_beans`` draws them, and take what surrounds them."""
    long, short = (side + 2 * _AROUND for side in PAPERS[shot.paper])
    turned = THETA + one.angle
    form = np.stack([np.cos(turned), np.sin(turned)], axis=1) * one.form.radii[:, np.newaxis]
    centre = np.array([one.x, one.y])
    slices = []
    for layer in range(_LAYERS):
        level = layer / _LAYERS
        footprint = mapped(centre + form * math.sqrt(1 - level**2), _flat_map(long, short, PER_MM))
        slices.append(camera.project(footprint, _HEIGHT * level * one.form.length / PER_MM))
    footprint = mapped(centre + form, _flat_map(long, short, PER_MM))
    outline = cv2.convexHull(np.concatenate(slices).astype(np.float32)).reshape(-1, 2)
    return DrawnBean(where, footprint, np.asarray(outline, np.float32))  # type: ignore[arg-type]


def _uneven(rng: np.random.Generator, shot: Shot) -> Floats:
    """(H, W, 1) factor of the light: a slope to one side, and the soft-edged shadow of a hand or a phone."""
    y, x = np.mgrid[-1:1:64j, -1:1:64j].astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    slope = 1 - shot.gradient * (1 + x * math.cos(angle) + y * math.sin(angle)) / 2
    factor = np.asarray(cv2.resize(slope, (shot.width, shot.height)), np.float32)
    turn, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.5)
    if shot.shadow:
        y, x = np.mgrid[-1 : 1 : shot.height * 1j, -1 : 1 : shot.width * 1j].astype(np.float32)
        inside = smoothstep(x * math.cos(turn) + y * math.sin(turn) - np.float32(reach), -0.02, 0.02)
        factor = factor * (1 - np.float32(shot.shadow) * inside)
    return factor[..., np.newaxis]

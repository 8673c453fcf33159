"""A whole photo with its verdicts: which beans to pick out, to be seen at a glance from across the table.

NG shows by shape as well as by colour: a thick vermilion line with a white halo, corner brackets, a filled plate with a
cross and the number, red paint on the defect. OK is a thin blue line and a small number; CUT is dashed and grey.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from cafepick.beans.crop import Patch, map_to_photo
from cafepick.cores import shared
from cafepick.draw import ink
from cafepick.draw.labels import Ground
from cafepick.types import Judgement, Outline, Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cafepick.draw.ink import Area

SMALLEST_BEAN: Final = 88
"""Side in pixels of a median bean in the overlay: small photos are enlarged until a number can be read on it."""
SMALLEST_SIDE: Final = 560
"""A photo's short side in the overlay, at least."""
MOST_PIXELS: Final = 16_000_000
"""No photo is enlarged beyond this."""
LONGEST_SIDE: Final = 8000
"""Nor until a side is longer than this."""
LEGEND: Final = 26
"""How many times as wide as high the legend is."""
WIDEST_WORDS: Final = 20_000
"""Letters below a photo grow with its width up to here, and no photo has a legend higher than itself."""
MOST_LINES: Final = 60
"""Reasons in the list below a photo; of more NG beans, equal reasons are counted instead of listed."""

COLOURS: Final[dict[Judgement, ink.Colour]] = {
    Judgement.OK: ink.BLUE,
    Judgement.NG: ink.VERMILION,
    Judgement.CUT: ink.GREY,
    Judgement.EMPTY: ink.GREY,
}


def overlay(photo: NDArray[np.uint8], verdicts: Sequence[Verdict]) -> NDArray[np.uint8]:
    """Draw the verdicts over their photo, enlarged if it is small; a bar below counts them and says why each is NG.

    Args:
        photo: (H, W, 3) RGB.
        verdicts: of this photo; ``whole`` subjects and photos without beans have no outline, and get a frame.

    Returns:
        (H', W', 3) RGB: the photo at some factor of at least 1, with a bar below; a ``whole`` photo inside a frame.
    """
    factor = _factor(photo, verdicts)
    beans = [_Bean(verdict, _scaled(verdict.outline, factor)) for verdict in verdicts if verdict.outline is not None]
    height, width = (round(side * factor) for side in photo.shape[:2])
    edge = 0 if beans else _frame_width((height, width))
    measure = min(width + 2 * edge, LEGEND * height, WIDEST_WORDS)
    bars = [bar(width + 2 * edge, measure, verdicts) for bar in (_legend, _reasons)]
    canvas = np.empty((height + 2 * edge + sum(map(len, bars)), width + 2 * edge, 3), np.uint8)
    np.concatenate(bars, out=canvas[height + 2 * edge :])
    picture = canvas[edge : height + edge, edge : width + edge]
    picture[:] = _resized(photo, (width, height))
    ink.paint(picture, _resized(masks(photo.shape[:2], verdicts), (width, height)) > 127, ink.RED)
    if beans:
        _draw_beans(picture, beans)
    else:
        _draw_frame(canvas[: height + 2 * edge], edge, verdicts)
    return canvas


def masks(shape: tuple[int, int], verdicts: Sequence[Verdict]) -> NDArray[np.uint8]:
    """Return where the defects of NG subjects lie in a photo of this height and width: 255 there, else 0.

    A defect may reach beyond its bean, where a part is missing, but never onto another bean.
    """
    found = np.zeros(shape, np.uint8)
    defects = _defects(shape, verdicts)
    owner = owners(shape, verdicts, [patch.place for patch in defects.values()])
    for position, patch in defects.items():
        beans = owner[patch.place]
        found[patch.place][patch.values & ((beans == 0) | (beans == position))] = 255
    return found


@dataclass(frozen=True, eq=False)
class _Bean:
    verdict: Verdict
    contour: NDArray[np.float32]
    """(n, 2), pixels of the overlay."""


def _defects(shape: tuple[int, int], verdicts: Sequence[Verdict]) -> dict[int, Patch]:
    """Where in the photo each NG subject shows a defect, by position, counted from 1."""
    return {
        position: map_to_photo(verdict.evidence.segmentation, verdict.evidence.crop, shape)
        for position, verdict in enumerate(verdicts, start=1)
        if verdict.judgement is Judgement.NG and verdict.evidence is not None
    }


def owners(
    shape: tuple[int, int], verdicts: Sequence[Verdict], places: Sequence[tuple[slice, slice]]
) -> NDArray[np.int32]:
    """(H, W) position of the bean that covers each pixel of some places, counted from 1; 0 for none."""
    owner = np.zeros(shape, np.int32)
    boxes = np.array([(x.start, y.start, x.stop, y.stop) for y, x in places]).reshape(-1, 4)
    for position, verdict in enumerate(verdicts, start=1):
        if verdict.outline is None:
            continue
        points = np.rint(verdict.outline.contour).astype(np.int32)
        left, top, width, height = cv2.boundingRect(points)
        near = (boxes[:, :2] <= [left + width, top + height]).all(axis=1) & (boxes[:, 2:] >= [left, top]).all(axis=1)
        if near.any():
            cv2.fillPoly(owner, [points], position)
    return owner


def _side(contour: NDArray[np.float32]) -> float:
    """Side of the square as large as the bean."""
    return float(np.sqrt(cv2.contourArea(contour)))


def _factor(photo: NDArray[np.uint8], verdicts: Sequence[Verdict]) -> float:
    """How much the photo is enlarged."""
    sides = [_side(verdict.outline.contour) for verdict in verdicts if verdict.outline is not None]
    wanted = SMALLEST_SIDE / min(photo.shape[:2])
    if sides:
        wanted = max(wanted, SMALLEST_BEAN / max(float(np.median(sides)), 1.0))
    most = min(np.sqrt(MOST_PIXELS / photo[..., 0].size), LONGEST_SIDE / max(photo.shape[:2]))
    return max(min(wanted, most), 1.0)


def _resized(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Enlarge to a width and height; the image itself where it has them."""
    if size == image.shape[1::-1]:
        return image
    smooth = cv2.INTER_LINEAR if image.ndim == 2 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, size, interpolation=smooth), np.uint8)


def _scaled(line: Outline, factor: float) -> NDArray[np.float32]:
    return ((line.contour + 0.5) * factor - 0.5).astype(np.float32)  # pixel centres lie at whole numbers


def _draw_beans(picture: NDArray[np.uint8], beans: Sequence[_Bean]) -> None:
    """Draw quiet things first: nothing may cover an NG bean or its plate."""
    unit = float(np.median([_side(bean.contour) for bean in beans])) / SMALLEST_BEAN
    beans = sorted(beans, key=lambda bean: bean.verdict.judgement is Judgement.NG)

    def draw_outlines() -> list[Area]:
        for bean in beans:
            _draw_outline(picture, bean, unit)
        return []

    def place_labels() -> list[Area]:
        ground = Ground(picture.shape[:2], [bean.contour for bean in beans])
        numbered = reversed(list(enumerate(beans, start=1)))  # NG plates choose their places first
        return [_place_label(bean, own, ground, unit) for own, bean in numbered]

    _, areas = shared(lambda part: part(), (draw_outlines, place_labels))
    for bean, area in zip(reversed(beans), areas, strict=True):
        _draw_label(picture, bean, area, unit)


def _draw_outline(picture: NDArray[np.uint8], bean: _Bean, unit: float) -> None:
    judgement = bean.verdict.judgement
    thin = max(round(2 * unit), 1)
    if judgement is Judgement.NG:
        for colour, width in ((ink.WHITE, 9), (ink.VERMILION, 5)):
            pixels = max(round(width * unit), 2)
            ink.outline(picture, bean.contour, colour, width=pixels)
            ink.brackets(picture, bean.contour, colour, width=pixels, distance=9 * unit)
    elif judgement is Judgement.CUT:
        ink.dashes(picture, bean.contour, ink.WHITE, width=2 * thin, length=8 * unit)
        ink.dashes(picture, bean.contour, ink.GREY, width=thin, length=8 * unit)
    else:
        ink.outline(picture, bean.contour, ink.BLUE, width=thin)


def _place_label(bean: _Bean, own: int, ground: Ground, unit: float) -> Area:
    """Find a place for the number of a bean; an NG has a plate with a cross and the number."""
    height = _letters(bean, unit)
    width, tall = ink.text_size(str(bean.verdict.bean), height)
    if bean.verdict.judgement is not Judgement.NG:
        return ground.place(width + 2, tall + 2, own=own, gap=3 * unit)
    pad = round(height * 0.3)
    return ground.place(tall + width + 3 * pad, tall + 2 * pad, own=own, gap=0.4 * height)


def _letters(bean: _Bean, unit: float) -> int:
    """Height of a bean's number in pixels."""
    return max(round(26 * unit), 14) if bean.verdict.judgement is Judgement.NG else max(round(19 * unit), 11)


def _draw_label(picture: NDArray[np.uint8], bean: _Bean, area: Area, unit: float) -> None:
    words, height = str(bean.verdict.bean), _letters(bean, unit)
    if bean.verdict.judgement is Judgement.NG:
        _draw_plate(picture, words, area, height)
        return
    colour = COLOURS[bean.verdict.judgement]
    ink.text(picture, words, area.middle, height=height, colour=colour, halo=ink.WHITE)


def _draw_plate(picture: NDArray[np.uint8], words: str, area: Area, height: int) -> None:
    """A filled plate with a cross and the number."""
    width, tall = ink.text_size(words, height)
    pad = round(height * 0.3)
    y = area.middle[1]
    ink.plate(picture, area, ink.VERMILION, rim=max(round(height / 13), 1), radius=pad)
    mark = (area.x + pad + tall / 2, y)
    ink.cross(picture, mark, ink.WHITE, size=0.72 * tall, width=max(round(height / 8), 2))
    ink.text(picture, words, (area.x + 2 * pad + tall + width / 2, y), height=height, colour=ink.WHITE)


def _frame_width(size: tuple[int, int]) -> int:
    """Width of the frame around a photo, drawn in this height and width, that is itself the subject."""
    return max(round(min(size) / 40), 4)


def _draw_frame(framed: NDArray[np.uint8], width: int, verdicts: Sequence[Verdict]) -> None:
    """Frame a photo that is itself the subject in its verdict's style: thick, thin or dashed."""
    judgement = verdicts[0].judgement if verdicts else Judgement.EMPTY
    thick = width if judgement is Judgement.NG else width // 2
    for edges in (framed[:width], framed[-width:], framed[:, :width], framed[:, -width:]):
        edges[:] = 255
    right, bottom = framed.shape[1] - 1 - width / 2, framed.shape[0] - 1 - width / 2
    edge = np.array([[width / 2, width / 2], [right, width / 2], [right, bottom], [width / 2, bottom]], np.float32)
    if judgement in (Judgement.OK, Judgement.NG):
        ink.outline(framed, edge, COLOURS[judgement], width=thick)
    else:
        ink.dashes(framed, edge, ink.GREY, width=thick, length=2 * width)


def _legend(width: int, measure: int, verdicts: Sequence[Verdict]) -> NDArray[np.uint8]:
    """(h, width, 3) bar with a swatch and a count for each verdict that occurs, and always for OK and NG.

    Letters are as large as in a bar that is ``measure`` wide; the same holds for ``_reasons``.
    """
    counts = Counter(verdict.judgement for verdict in verdicts)
    height = max(round(measure / LEGEND), 32)
    bar = np.full((height, width, 3), 255, np.uint8)
    size = round(height * 0.5)
    if not set(counts) - {Judgement.EMPTY}:
        words = "no bean found"
        ink.text(bar, words, (height / 2 + ink.text_size(words, size)[0] / 2, height / 2), height=size, colour=ink.INK)
        return bar
    x = height * 0.5
    for judgement in (Judgement.OK, Judgement.NG, Judgement.CUT):
        if counts[judgement] or judgement is not Judgement.CUT:
            _draw_swatch(bar, judgement, x, size)
            words = f"{judgement.value} {counts[judgement]}"
            wide = ink.text_size(words, size)[0]
            ink.text(bar, words, (x + 2 * size + wide / 2, height / 2), height=size, colour=ink.INK)
            x += 2 * size + wide + 1.6 * size
    return bar


def _reasons(width: int, measure: int, verdicts: Sequence[Verdict]) -> NDArray[np.uint8]:
    """(h, width, 3) list of the NG beans, each with its leading reason, in as many columns as fit; many are counted."""
    lines = [f"{v.bean}  {v.reason}" for v in verdicts if v.judgement is Judgement.NG and v.reason]
    if len(lines) > MOST_LINES:
        counts = Counter(v.reason for v in verdicts if v.judgement is Judgement.NG and v.reason)
        lines = [f"{count} x  {reason}" for reason, count in counts.most_common(MOST_LINES)]
    if not lines:
        return np.empty((0, width, 3), np.uint8)
    size = max(round(measure / 70), 14)
    wide = max(ink.text_size(line, size)[0] for line in lines) + 2 * size
    rows = ceil(len(lines) / max(width // wide, 1))
    bar = np.full((round(1.7 * size * (rows + 0.5)), width, 3), 255, np.uint8)
    for number, line in enumerate(lines):
        left, y = number // rows * wide + size, 1.7 * size * (number % rows + 0.5)
        ink.text(bar, line, (left + ink.text_size(line, size)[0] / 2, y), height=size, colour=ink.INK)
    return bar


def _draw_swatch(bar: NDArray[np.uint8], judgement: Judgement, x: float, size: int) -> None:
    """A small bean in the style of a verdict."""
    turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    bean = np.stack([x + size * (0.75 + 0.6 * np.cos(turn)), bar.shape[0] / 2 + size * 0.42 * np.sin(turn)], axis=1)
    if judgement is Judgement.NG:
        ink.outline(bar, bean, ink.VERMILION, width=max(round(size / 5), 3))
    elif judgement is Judgement.CUT:
        ink.dashes(bar, bean, ink.GREY, width=max(round(size / 12), 1), length=size / 4)
    else:
        ink.outline(bar, bean, ink.BLUE, width=max(round(size / 12), 1))

"""The palette, and the strokes that all pictures share. All draw in place on uint8 RGB (H, W, 3)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

Colour = tuple[int, int, int]
Pixel = TypeVar("Pixel", bound=np.generic)

# Okabe and Ito, "Color Universal Design" (2008): told apart with any colour vision.
VERMILION: Final[Colour] = (213, 94, 0)
BLUE: Final[Colour] = (0, 114, 178)
GREEN: Final[Colour] = (0, 158, 115)
# Not of that palette, and never told apart by hue alone:
RED: Final[Colour] = (230, 0, 38)
GREY: Final[Colour] = (120, 120, 120)
WHITE: Final[Colour] = (255, 255, 255)
INK: Final[Colour] = (38, 38, 38)

_SUBPIXEL_BITS: Final = 4
SLACK: Final = 0.5
"""Pixels by which an outline may run beside the points that it is drawn through."""
PAINT_OPACITY: Final = 0.55
MARGIN: Final = 3
"""Pixels around a painted region that its edge's line may cover, and one more."""


class Area(NamedTuple):
    """A rectangle of whole pixels."""

    x: int
    y: int
    width: int
    height: int

    @property
    def middle(self) -> tuple[float, float]:
        """Centre as x, y."""
        return self.x + self.width / 2, self.y + self.height / 2

    def inside(self, width: int, height: int) -> Area:
        """Move into a picture of this size, as far as it fits."""
        x = max(min(self.x, width - self.width), 0)
        y = max(min(self.y, height - self.height), 0)
        return self._replace(x=x, y=y)

    def of(self, image: NDArray[Pixel]) -> NDArray[Pixel]:
        """Return the pixels of ``image`` in this rectangle."""
        return image[max(self.y, 0) : self.y + self.height, max(self.x, 0) : self.x + self.width]


def outline(image: NDArray[np.uint8], contour: NDArray[np.floating], colour: Colour, *, width: int) -> None:
    """Draw a closed line along ``contour`` (n, 2), pixel centres at whole numbers."""
    corners = cv2.approxPolyDP(np.asarray(contour, np.float32), SLACK, True)  # a quarter of the points, as good a line
    _polyline(image, np.asarray(corners, np.float32).reshape(-1, 2), colour, width, closed=True)


def dashes(
    image: NDArray[np.uint8], contour: NDArray[np.floating], colour: Colour, *, width: int, length: float
) -> None:
    """Draw a closed dashed line; dashes and gaps are about ``length`` pixels long."""
    closed = np.vstack([contour, contour[:1]]).astype(np.float64)
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
    pieces = 2 * max(round(along[-1] / (2 * length)), 2)
    edges = np.linspace(0, along[-1], pieces + 1)
    for start, end in zip(edges[:-1:2], edges[1::2], strict=True):
        at = np.concatenate([[start], along[(along > start) & (along < end)], [end]])
        dash = np.stack([np.interp(at, along, closed[:, axis]) for axis in (0, 1)], axis=1)
        _polyline(image, dash, colour, width, closed=False)


def brackets(
    image: NDArray[np.uint8], contour: NDArray[np.floating], colour: Colour, *, width: int, distance: float
) -> None:
    """Draw the four corners of the box around ``contour`` (n, 2), ``distance`` pixels outside it."""
    low, high = contour.min(axis=0) - distance, contour.max(axis=0) + distance
    arm = 0.22 * float(np.min(high - low))
    for x, inward_x in ((low[0], arm), (high[0], -arm)):
        for y, inward_y in ((low[1], arm), (high[1], -arm)):
            _polyline(image, np.array([[x + inward_x, y], [x, y], [x, y + inward_y]]), colour, width, closed=False)


def paint(image: NDArray[np.uint8], region: NDArray[np.bool_], colour: Colour) -> None:
    """Tint a region (H, W), and line its edge in white, so that it shows on any ground and without colour vision."""
    for piece in _pieces(region):
        _paint(piece.of(image), piece.of(region), colour)


def _paint(image: NDArray[np.uint8], region: NDArray[np.bool_], colour: Colour) -> None:
    cv2.copyTo(cv2.LUT(image, _tint(colour)), region.view(np.uint8), image)
    edges, _ = cv2.findContours(region.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(image, edges, -1, WHITE, 1, cv2.LINE_AA)


@lru_cache(maxsize=8)
def _tint(colour: Colour) -> NDArray[np.uint8]:
    """(1, 256, 3) what becomes of each level of each channel."""
    levels = np.arange(256)[None, :, None]
    return np.rint((1 - PAINT_OPACITY) * levels + PAINT_OPACITY * np.array(colour)).astype(np.uint8)


def _pieces(region: NDArray[np.bool_]) -> Iterator[Area]:
    """Rectangles, apart from each other, that hold all of a region (H, W) and what a line along its edge covers."""
    for top, bottom in _runs(np.asarray(region.any(axis=1))):
        for left, right in _runs(np.asarray(region[top:bottom].any(axis=0))):
            yield Area(left, top, right - left, bottom - top)


def _runs(marked: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Beginnings and ends of the runs of marked places, with ``MARGIN`` places more on either side."""
    places = np.flatnonzero(marked)
    if not len(places):
        return []
    breaks = np.flatnonzero(np.diff(places) > 2 * MARGIN)
    starts, ends = places[[0, *(breaks + 1)]] - MARGIN, places[[*breaks, -1]] + MARGIN + 1
    return list(zip(np.maximum(starts, 0).tolist(), np.minimum(ends, len(marked)).tolist(), strict=True))


def cross(image: NDArray[np.uint8], place: tuple[float, float], colour: Colour, *, size: float, width: int) -> None:
    """Draw a diagonal cross, ``size`` pixels high, centred on ``place`` (x, y)."""
    middle, arm = np.array(place), size / 2
    for slope in (1, -1):
        reach = np.array([arm, slope * arm])
        _polyline(image, np.stack([middle - reach, middle + reach]), colour, width, closed=False)


@lru_cache(maxsize=2048)
def text_size(text: str, height: int) -> tuple[int, int]:
    """Return width and height in pixels of ``text`` set in a font of this height."""
    left, top, right, bottom = _font(height).getbbox(text, anchor="ls")
    return int(np.ceil(right - min(left, 0))), int(np.ceil(bottom - top))


@lru_cache(maxsize=2048)
def _reach(text: str, height: int) -> int:
    """Return how far ``text`` reaches up or down from the middle of its line, in pixels, whichever is more."""
    _, top, _, bottom = _font(height).getbbox(text, anchor="mm")
    return int(np.ceil(max(-top, bottom)))


def text(
    image: NDArray[np.uint8],
    words: str,
    place: tuple[float, float],
    *,
    height: int,
    colour: Colour,
    halo: Colour | None = None,
) -> None:
    """Write ``words`` centred on ``place`` (x, y), if wanted with a rim of another colour around the letters."""
    rim = max(round(height / 7), 1) if halo is not None else 0
    width, tall = (side + 2 * (rim + 2) for side in (text_size(words, height)[0], 2 * _reach(words, height)))
    area = Area(round(place[0] - width / 2), round(place[1] - tall / 2), width, tall)
    target = area.inside(image.shape[1], image.shape[0]).of(image)
    canvas = Image.fromarray(target)
    middle = (canvas.width / 2, canvas.height / 2)
    font = _font(height)
    ImageDraw.Draw(canvas).text(middle, words, colour, font, anchor="mm", stroke_width=rim, stroke_fill=halo)
    target[:] = np.asarray(canvas)


def plate(image: NDArray[np.uint8], area: Area, colour: Colour, *, rim: int, radius: int) -> None:
    """Draw a filled rectangle with round corners and a white rim inside its edge."""
    target = area.of(image)
    canvas = Image.fromarray(target)
    box = (0, 0, canvas.width - 1, canvas.height - 1)
    ImageDraw.Draw(canvas).rounded_rectangle(box, radius, fill=colour, outline=WHITE, width=rim)
    target[:] = np.asarray(canvas)


def _polyline(
    image: NDArray[np.uint8], points: NDArray[np.floating], colour: Colour, width: int, *, closed: bool
) -> None:
    fine = np.rint(points * 2**_SUBPIXEL_BITS).astype(np.int32)
    cv2.polylines(image, [fine], closed, colour, width, cv2.LINE_AA, _SUBPIXEL_BITS)


@lru_cache(maxsize=32)
def _font(height: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(height)

"""Pictures of single subjects: the panel that shows what a verdict rests on, and grids of samples."""

from __future__ import annotations

from math import ceil, sqrt
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from cafepick.draw import ink
from cafepick.images import to_channels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cafepick.draw.ink import Pixel
    from cafepick.types import Evidence

TILE: Final = 256
"""Side of a panel's pictures in pixels, at least."""
GAP: Final = 12
CAPTION: Final = 34
SCALE: Final = 22
"""Heights in pixels of the line of words above a picture and of the colour scale below."""

MAP_TOP: Final = 0.8
"""Error (0..2) that gets the last colour of the anomaly map. Fixed, so that the maps of different subjects compare."""

SAMPLE_SIDE: Final = 64
"""Side of a sample in a grid, at least."""

SHOWN_SIDE: Final = 128
COLUMN: Final = 170
COLUMNS: Final = 8
"""Side of a picture in a grid with words and width of its column, at least, in pixels; pictures in a row."""
LINE: Final = 17
LETTERS: Final = 13
"""Heights in pixels of such a line of words, and of its letters."""


def panel(evidence: Evidence, truth: NDArray[np.bool_] | None = None) -> NDArray[np.uint8]:
    """Show side by side: input, reconstruction, anomaly map, segmentation and, if there is one, the ground truth.

    Args:
        evidence: of one verdict.
        truth: (size, size), True on the defect, in crop coordinates.

    Returns:
        (H, W, 3) RGB; each picture is the crop enlarged by a whole factor to at least ``TILE``.
    """
    tiles = pictures(evidence)
    if truth is not None:
        tiles["ground truth"] = _painted(tiles["input"], truth, ink.GREEN)
    side = tiles["input"].shape[0]
    height = CAPTION + side + SCALE + GAP
    sheet = np.full((height, GAP + len(tiles) * (side + GAP), 3), 255, np.uint8)
    for column, (caption, tile) in enumerate(tiles.items()):
        x = GAP + column * (side + GAP)
        sheet[CAPTION : CAPTION + side, x : x + side] = tile
        ink.text(sheet, caption, (x + side / 2, CAPTION / 2), height=18, colour=ink.INK)
        if caption == "anomaly map":
            _draw_scale(sheet, x, CAPTION + side, side)
    return sheet


def pictures(evidence: Evidence) -> dict[str, NDArray[np.uint8]]:
    """Return the pictures of a panel by name, each (side, side, 3) RGB, for pages that have captions of their own."""
    crop = _tile(evidence.crop.image)
    return {
        "input": crop,
        "reconstruction": _tile(evidence.reconstruction),
        "anomaly map": _heat(evidence.anomaly_map),
        "segmentation": _painted(crop, evidence.segmentation, ink.RED),
    }


def sample_grid(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lay images (n, size, size, c), n > 0, out in a square, small ones enlarged by a whole factor; (H, W, 3) RGB."""
    factor = ceil(SAMPLE_SIDE / images.shape[1])
    columns = ceil(sqrt(len(images)))
    step = images.shape[1] * factor + 2
    grid = np.full((ceil(len(images) / columns) * step + 2, columns * step + 2, 3), 255, np.uint8)
    for index, image in enumerate(images):
        y, x = (2 + place * step for place in divmod(index, columns))
        large = to_channels(image, 3).repeat(factor, axis=0).repeat(factor, axis=1)
        grid[y : y + step - 2, x : x + step - 2] = large
    return grid


def captioned_grid(images: NDArray[np.uint8], captions: Sequence[tuple[str, str]]) -> NDArray[np.uint8]:
    """Lay images (n, size, size, c), n > 0, out in rows, each above two lines of words; (H, W, 3) RGB.

    Words too long for their column lose their middle; what cannot be drawn in one line is a question mark.
    """
    factor = ceil(SHOWN_SIDE / images.shape[1])
    side = images.shape[1] * factor
    width, height = max(side, COLUMN) + GAP, side + 2 * LINE + GAP
    grid = np.full(
        (ceil(len(images) / COLUMNS) * height + GAP, min(len(images), COLUMNS) * width + GAP, 3), 255, np.uint8
    )
    for index, (image, lines) in enumerate(zip(images, captions, strict=True)):
        row, column = divmod(index, COLUMNS)
        y, middle = GAP + row * height, GAP / 2 + (column + 0.5) * width
        x = round(middle - side / 2)
        grid[y : y + side, x : x + side] = to_channels(image, 3).repeat(factor, axis=0).repeat(factor, axis=1)
        for number, (words, colour) in enumerate(zip(lines, (ink.INK, ink.GREY), strict=True)):
            place = (middle, y + side + (number + 0.5) * LINE)
            ink.text(grid, _fitting(words, width - GAP), place, height=LETTERS, colour=colour)
    return grid


def _fitting(words: str, width: int) -> str:
    """Leave out of the middle what makes words wider than this, in pixels."""
    words = "".join(letter if letter.isprintable() else "?" for letter in words)
    kept, shown = len(words), words
    while kept > 2 and ink.text_size(shown, LETTERS)[0] > width:
        kept -= 1
        shown = f"{words[: ceil(kept / 2)]}…{words[len(words) - kept // 2 :]}"
    return shown


def _tile(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return _enlarged(to_channels(image, 3), cv2.INTER_CUBIC)


def _enlarged(image: NDArray[Pixel], interpolation: int) -> NDArray[Pixel]:
    side = image.shape[0] * ceil(TILE / image.shape[0])
    enlarged = cv2.resize(image, (side, side), interpolation=interpolation)  # type: ignore[call-overload]
    return np.asarray(enlarged, image.dtype)


def _heat(anomaly_map: NDArray[np.float32]) -> NDArray[np.uint8]:
    return _inferno(_enlarged(anomaly_map, cv2.INTER_LINEAR) / MAP_TOP)


def _inferno(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Colour values 0..1 (H, W): black, purple, orange, yellow, in steps that look even and print well in grey."""
    levels = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    return np.asarray(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO), np.uint8)[..., ::-1]


def _painted(tile: NDArray[np.uint8], region: NDArray[np.bool_], colour: ink.Colour) -> NDArray[np.uint8]:
    painted = tile.copy()
    ink.paint(painted, _enlarged(region.astype(np.float32), cv2.INTER_LINEAR) >= 0.5, colour)
    return painted


def _draw_scale(sheet: NDArray[np.uint8], x: int, y: int, width: int) -> None:
    """Show which colour stands for which error, from 0 to ``MAP_TOP``."""
    ends = ("0", f"{MAP_TOP:g}")
    reach = 22  # pixels kept for each number
    bar = np.tile(np.linspace(0, 1, width - 2 * reach), (8, 1))
    sheet[y + 10 : y + 18, x + reach : x + width - reach] = _inferno(bar)
    for end, middle in zip(ends, (x + reach / 2, x + width - reach / 2), strict=True):
        ink.text(sheet, end, (middle, y + 14), height=14, colour=ink.INK)

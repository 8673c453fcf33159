"""The outline of each bean, at the full resolution of the photo."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import cv2
import numpy as np

from cafepick.beans.colour import distance, to_lab
from cafepick.cores import shared

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cafepick.beans.background import Background
    from cafepick.beans.split import Piece

LEVEL: Final = 0.6
"""Where the outline runs between the surface (0) and the bean's own colour near by (1). People outline what is surely
bean; half-way up a blurred edge would lie about half a pixel further out."""
SURE: Final = 25.0
"""A pixel that differs more than that is bean in any case: a pale patch on a black bean."""
REACH: Final = 3
"""How far from the rough outline the fine one may run, working pixels."""
FEWEST_POINTS: Final = 5
"""An outline of fewer points is no shape."""


class _Patch(NamedTuple):
    """A piece of the photo around one bean."""

    difference: NDArray[np.float32]
    """(h, w) colour difference from the bare surface."""
    labels: NDArray[np.int32]
    """(h, w) as found at the working size."""
    x: int
    """Column of the photo where the piece begins."""
    y: int
    """Row of the photo where the piece begins."""


def draw_outlines(
    photo: NDArray[np.uint8],
    labels: NDArray[np.int32],
    beans: Mapping[int, Piece],
    difference: NDArray[np.float32],
    background: Background,
) -> list[NDArray[np.float32]]:
    """Draw the outlines of labelled beans in the photo itself.

    The outline runs where the colour is half-way between the surface and this bean, pale or black.

    Args:
        photo: (H, W, 3) RGB.
        labels: (h, w) at the working size, 0 on the ground.
        beans: the beans to draw, by label.
        difference: (h, w) colour difference from the surface at the working size.
        background: the bare surface.

    Returns:
        For each bean (n, 2) x, y in photo pixels; one that dissolves when looked at closely is left out.
    """
    reduced = photo.shape[:2] != labels.shape
    reach = round(REACH * photo.shape[1] / labels.shape[1])
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2)

    def drawn(bean: tuple[int, Piece]) -> NDArray[np.float32] | None:
        label, piece = bean
        left, top, width, height = cv2.boundingRect(piece.hull)
        rows = slice(max(top - REACH - 1, 0), top + height + REACH + 1)
        columns = slice(max(left - REACH - 1, 0), left + width + REACH + 1)
        if reduced:
            patch = _full_patch(photo, labels, (rows, columns), background)
        else:
            patch = _Patch(difference[rows, columns], labels[rows, columns], columns.start, rows.start)
        return _outline(patch, label, disc)

    pieces = list(beans.items())
    drawings = shared(drawn, pieces) if reduced else map(drawn, pieces)  # small patches are not worth a second thread
    return [outline for outline in drawings if outline is not None]


def _full_patch(
    photo: NDArray[np.uint8], labels: NDArray[np.int32], box: tuple[slice, slice], background: Background
) -> _Patch:
    """The piece of the photo under a box at the working size, at full resolution."""
    step = np.array(photo.shape[1::-1]) / labels.shape[1::-1]  # photo pixels a working pixel, x and y
    left, top = (int(v) for v in np.floor((box[1].start, box[0].start) * step))
    right, bottom = (int(v) for v in np.ceil((box[1].stop, box[0].stop) * step))
    pixels = photo[top:bottom, left:right]
    size = (pixels.shape[1], pixels.shape[0])
    surface = cv2.warpAffine(
        background.lab,
        _from_patch(photo, background.lab, left, top),
        size,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    near = cv2.resize(labels[box].astype(np.float32), size, interpolation=cv2.INTER_NEAREST).astype(np.int32)
    width = 2 * int(step[0]) + 1
    difference = distance(to_lab(pixels), np.asarray(surface, np.float32), background.shadow)
    smooth = cv2.blur(difference, (width, width))
    return _Patch(np.asarray(smooth, np.float32), near, left, top)


def _from_patch(photo: NDArray[np.uint8], small: NDArray[np.float32], left: int, top: int) -> NDArray[np.float64]:
    """(2, 3) map from pixels of a patch of the photo to pixels of the whole photo made small."""
    scale = np.array(small.shape[1::-1]) / photo.shape[1::-1]
    offset = (np.array([left, top]) + 0.5) * scale - 0.5  # pixel centres lie at whole numbers
    return np.array([[scale[0], 0, offset[0]], [0, scale[1], offset[1]]])


def _outline(patch: _Patch, label: int, reach: Any) -> NDArray[np.float32] | None:
    """(n, 2) x, y in photo pixels: through the centres of the outermost pixels that are more bean than surface.

    ``reach`` is the disc by which it may run outside the label.
    """
    inside = patch.labels == label
    own = inside.view(np.uint8)
    level = np.minimum(LEVEL * _typical_inside(patch.difference, own), SURE)
    mask = (patch.difference > level) & ((patch.labels == 0) | inside)
    mask &= _zone(mask, own, reach)
    found, _ = cv2.findContours(mask.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    largest = max(found, key=len, default=np.empty((0, 2), np.int32)).reshape(-1, 2)
    return (largest + np.array([patch.x, patch.y])).astype(np.float32) if len(largest) >= FEWEST_POINTS else None


def _zone(mask: NDArray[np.bool_], own: NDArray[np.uint8], disc: Any) -> NDArray[np.bool_]:
    """(h, w) what lies within a disc of the label; outside the mask, the answer may be wrong.

    Squares are many times as quick as a disc. One that the disc holds mostly reaches all that the disc would.
    """
    radius = disc.shape[0] // 2
    inner, outer = (cv2.dilate(own, _square(side)).view(bool) for side in (int(0.7 * radius), radius))
    return cv2.dilate(own, disc).view(bool) if ((mask & outer) > inner).any() else inner


@cache
def _square(side: int) -> Any:
    """Ones around a pixel, ``side`` to each side."""
    return np.ones((2 * side + 1,) * 2, np.uint8)


def _typical_inside(difference: NDArray[np.float32], own: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(h, w) mean difference of the bean's pixels around each place: a bean may be half pale and half black."""
    side = (max(own.shape) // 2 | 1,) * 2
    total = cv2.boxFilter(cv2.copyTo(difference, own), -1, side, normalize=False)
    count = cv2.boxFilter(own, cv2.CV_32F, side, normalize=False)
    return np.asarray(total / np.maximum(count, 1), np.float32)

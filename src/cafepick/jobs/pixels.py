"""Anomaly maps and masks laid over their photo and made small, so that many photos can be compared pixel by pixel.

maps of the beans --weigh, map_to_photo--> one map a photo --largest of each block--> at most 512 pixels a side
"""

from __future__ import annotations

from math import ceil, isqrt
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cafepick.beans.crop import map_to_photo
from cafepick.draw import masks
from cafepick.draw.tray import owners
from cafepick.scoring.evaluation import PixelTruth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cafepick.types import Evidence, Verdict

LARGEST_SIDE: Final = 512
"""Longer side at which a photo is compared, in pixels."""
MOST_PIXELS: Final = 16_000_000
"""Of all photos together; with more photos than 61 they are compared smaller."""
WHOLE: Final = 0.1
"""Added to a subject's map inside its outline: an odd bean is odd all over, even where no place of it stands out."""


def side_for(photos: int) -> int:
    """Return the longer side, in pixels, at which so many photos are compared."""
    return min(LARGEST_SIDE, isqrt(MOST_PIXELS // max(photos, 1)))


def photo_map(shape: tuple[int, int], verdicts: Sequence[Verdict]) -> NDArray[np.float32]:
    r"""Return the anomaly map of a photo, (H, W): 0 where nothing was judged, without an upper bound.

    Where a subject is, the map is $-\log_{10} p\,(m + 0.1 s)$: $p$ is its p-value, $m$ its anomaly map, and $s$ is 1
    inside its outline. The map of a subject says where it is odd, and its p-value how odd it is, so that places in
    different subjects compare. It may reach beyond the outline, where a part is missing, but never onto another bean.
    """
    whole = np.zeros(shape, np.float32)
    patches = {
        position: map_to_photo(_weighed(verdict.evidence, verdict.p_value), verdict.evidence.crop, shape)
        for position, verdict in enumerate(verdicts, start=1)
        if verdict.evidence is not None and verdict.p_value is not None
    }
    owner = owners(shape, verdicts, [patch.place for patch in patches.values()])
    for position, patch in patches.items():
        beans, there = owner[patch.place], whole[patch.place]
        np.maximum(there, patch.values, out=there, where=(beans == 0) | (beans == position))
    return whole


def _weighed(evidence: Evidence, p_value: float) -> NDArray[np.float32]:
    """(size, size)."""
    return (evidence.anomaly_map + np.float32(WHOLE) * evidence.crop.mask) * np.float32(-np.log10(p_value))


def pixel_truth(mask: NDArray[np.bool_], verdicts: Sequence[Verdict], *, side: int) -> PixelTruth:
    """Lay what the verdicts of a photo rest on over it, beside its mask.

    The map is that of ``photo_map``; painted are the segmentations of NG subjects, as in ``masks/``. Blocks of k x k
    pixels, k whole, become one: it is defective, or painted, if one of its pixels is, and its map value is the largest
    of theirs.

    Args:
        mask: (H, W) True on defects.
        verdicts: of the photo's subjects.
        side: of the result, at most, in pixels.
    """
    height, width = mask.shape
    anomaly = photo_map((height, width), verdicts)
    painted = masks((height, width), verdicts) > 0
    factor = ceil(max(mask.shape) / side)
    return PixelTruth(*(_largest_of_blocks(one, factor) for one in (mask, anomaly, painted)), block=factor)


def _largest_of_blocks(values: NDArray[Any], factor: int) -> NDArray[Any]:
    """(ceil(H / factor), ceil(W / factor)) largest value of each block, none of them below 0."""
    if factor == 1:
        return values
    height, width = values.shape
    padded = np.pad(values, ((0, -height % factor), (0, -width % factor)))
    rows, columns = padded.shape[0] // factor, padded.shape[1] // factor
    return padded.reshape(rows, factor, columns, factor).max(axis=(1, 3))

"""Anomaly maps and masks laid over their photo and made small, so that many photos can be compared pixel by pixel.

maps of the beans --map_to_photo--> one map a photo --largest of each block--> at most 512 pixels a side
"""

from __future__ import annotations

from math import ceil, isqrt
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cafepick.beans.crop import map_to_photo
from cafepick.scoring.evaluation import PixelTruth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cafepick.types import Verdict

LARGEST_SIDE: Final = 512
"""Longer side at which a photo is compared, in pixels."""
MOST_PIXELS: Final = 16_000_000
"""Of all photos together; with more photos than 61 they are compared smaller."""


def side_for(photos: int) -> int:
    """Return the longer side, in pixels, at which so many photos are compared."""
    return min(LARGEST_SIDE, isqrt(MOST_PIXELS // max(photos, 1)))


def pixel_truth(mask: NDArray[np.bool_], verdicts: Sequence[Verdict], *, side: int) -> PixelTruth:
    """Lay what the verdicts of a photo rest on over it, beside its mask.

    Blocks of k x k pixels, k whole, become one: it is defective, or painted, if one of its pixels is, and its map value
    is the largest of theirs. Where no subject was judged, the map is 0.

    Args:
        mask: (H, W) True on defects.
        verdicts: of the photo's subjects.
        side: of the result, at most, in pixels.
    """
    anomaly = np.zeros(mask.shape, np.float32)
    painted = np.zeros(mask.shape, bool)
    for verdict in verdicts:
        if verdict.evidence is None:
            continue
        for values, whole in ((verdict.evidence.anomaly_map, anomaly), (verdict.evidence.segmentation, painted)):
            patch = map_to_photo(values, verdict.evidence.crop, mask.shape)
            whole[patch.place] = np.maximum(whole[patch.place], patch.values)
    factor = ceil(max(mask.shape) / side)
    return PixelTruth(*(_largest_of_blocks(one, factor) for one in (mask, anomaly, painted)))


def _largest_of_blocks(values: NDArray[Any], factor: int) -> NDArray[Any]:
    """(ceil(H / factor), ceil(W / factor)) largest value of each block, none of them below 0."""
    if factor == 1:
        return values
    height, width = values.shape
    padded = np.pad(values, ((0, -height % factor), (0, -width % factor)))
    rows, columns = padded.shape[0] // factor, padded.shape[1] // factor
    return padded.reshape(rows, factor, columns, factor).max(axis=(1, 3))

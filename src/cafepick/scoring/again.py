"""Knows subjects that several photos show: however often one is shown, it tells only once what is usual.

A threshold promises what it does for subjects that are independent of each other. Copies of a photo, a tray that was
photographed twice and the frames of a film are not: a subject would be judged by what it itself told in another photo.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

ALIKE: Final = 0.3
"""Two beans are one if their distance is below this part of the median distance to others. Of 1,190 different beans
(USK), 6 of 708,000 pairs are as near; of trays photographed again, turned by 180 degrees, 8 of 10 beans."""
NEARER: Final = 0.75
"""... and below this part of the distance to the nearest in the same photo, which is another one: lots that look
different are far from each other, and all of one lot near by comparison."""
MOSTLY: Final = 0.5
"""A photo of which earlier ones show so many subjects shows none that is new."""
COMPARED: Final = 512
"""Subjects that give the median distance, at most."""


def shown_first(
    images: NDArray[np.uint8], photos: NDArray[np.int64], looks: NDArray[np.float64] | None = None
) -> NDArray[np.bool_]:
    """Tell which subjects no earlier photo shows, (n,).

    Args:
        images: (n, size, size, C) crops; equal ones show the same.
        photos: (n,) number of the photo that each comes from.
        looks: (n, d) how each looks, in standard deviations of good ones, where that tells beans apart.
    """
    seen = [blake2b(np.ascontiguousarray(image).data, digest_size=16).digest() for image in images]
    first_in: dict[bytes, int] = {}
    for photo, image in sorted(zip(photos.tolist(), seen, strict=True)):
        first_in.setdefault(image, photo)
    again = np.array([first_in[image] < photo for photo, image in zip(photos.tolist(), seen, strict=True)], bool)
    if looks is not None and len(looks):
        _mark_alike(again, photos, looks.astype(np.float32))
    return ~again


def _mark_alike(again: NDArray[np.bool_], photos: NDArray[np.int64], looks: NDArray[np.float32]) -> None:
    """Mark the beans that look like one of an earlier photo."""
    some = np.random.default_rng(0).permutation(len(looks))[:COMPARED]
    for photo in np.unique(photos):
        mine, others, earlier = photos == photo, some[photos[some] != photo], ~again & (photos < photo)
        if not (len(others) and earlier.any()):
            continue
        far = np.median(_distances(looks[mine], looks[others]), axis=1)
        beside = _distances(looks[mine], looks[mine])
        np.fill_diagonal(beside, np.inf)
        limit = np.minimum(ALIKE * far, NEARER * beside.min(axis=1))
        alike = _distances(looks[mine], looks[earlier]).min(axis=1) < limit
        again[mine] |= alike | (np.mean(alike | again[mine]) >= MOSTLY)


def _distances(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Between each of (n, d) and each of (m, d): (n, m)."""
    squares = np.square(a).sum(axis=1)[:, None] - 2 * (a @ b.T) + np.square(b).sum(axis=1)
    return np.sqrt(np.maximum(squares, 0))

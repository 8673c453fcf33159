"""A photo made small: as large as beans must be to be found, and so small that only what they lie on is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import cv2
import numpy as np

from cafepick.beans.colour import to_lab

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORKING_PIXELS: Final = 800_000
"""Beans are looked for in a photo shrunk to at most so many pixels."""
COARSE_SIDE: Final = 192
"""Longer side, pixels, at which a bean is a few of them wide."""
FLAT_STEP: Final = 4.0
"""Largest colour difference (CIE76) between neighbours of a flat pixel, unless the photo is noisier than that."""
NOISE_STEPS: Final = 3.0
"""In a noisy photo: so many times the step that a quarter of the pixels stay below."""
ROUGHEST: Final = 8.0
"""A surface rougher than that is not plain; edges would drown in its texture."""


class Coarse(NamedTuple):
    """A small photo, and the pieces of it that are flat: any plain thing, a bean's smooth side too."""

    image: NDArray[np.uint8]
    """(h, w, 3) RGB."""
    lab: NDArray[np.float32]
    """(h, w, 3) CIE L*a*b*."""
    flat: NDArray[np.bool_]
    """(h, w), True where the colour changes slowly."""
    labels: NDArray[np.int32]
    """(h, w), 0 where it does not; each connected piece that is flat has a number."""
    areas: NDArray[np.float64]
    """(pieces + 1,) pixels of each label."""
    colours: NDArray[np.float64]
    """(pieces + 1, 3) mean L*, a*, b* of each label; 0 for label 0."""

    @classmethod
    def of(cls, photo: NDArray[np.uint8], side: int = COARSE_SIDE) -> Coarse:
        """Shrink a photo (H, W, 3) to this longer side and part what is flat."""
        image = shrunk(photo, max(photo.shape[:2]) / side)
        lab = to_lab(image)
        flat = find_flat(lab)
        _, labels, stats, _ = cv2.connectedComponentsWithStats(flat.view(np.uint8), connectivity=4)
        areas = stats[:, cv2.CC_STAT_AREA].astype(np.float64)
        flat_labels = labels[flat]
        sums = np.stack([np.bincount(flat_labels, lab[..., i][flat], len(areas)) for i in range(3)], axis=1)
        colours = sums / np.maximum(areas, 1)[:, None]  # a photo that is flat all over has nothing in label 0
        return cls(image, lab, flat, np.asarray(labels, np.int32), areas, colours)


def working_image(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the photo (H, W, 3) at the size at which beans are looked for; a small one as it is."""
    factor = float(np.sqrt(photo.shape[0] * photo.shape[1] / WORKING_PIXELS))
    if factor <= 1:
        return photo
    if factor >= 2 and photo.shape[0] % 2 == photo.shape[1] % 2 == 0:  # one exact step is many times as fast
        return shrunk(shrunk(photo, 2), factor / 2)
    return shrunk(photo, factor)


def shrunk(photo: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    """Return a photo (H, W, 3) so many times as small, each pixel the mean of those it stands for; never enlarged."""
    factor = max(factor, 1.0)
    size = (max(1, round(photo.shape[1] / factor)), max(1, round(photo.shape[0] / factor)))
    return np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), np.uint8)


def find_flat(lab: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return (h, w), True where the colour differs little from that of the neighbours."""
    smooth, near = cv2.blur(lab, (3, 3)), np.ones((3, 3), np.uint8)
    spread = cv2.subtract(cv2.dilate(smooth, near), cv2.erode(smooth, near))
    lightness, a, b = (cv2.extractChannel(spread, channel) for channel in range(3))
    step = np.asarray(cv2.magnitude(cv2.magnitude(lightness, a), b), np.float32)
    level = np.clip(NOISE_STEPS * np.percentile(step, 25), FLAT_STEP, ROUGHEST)
    return step < level

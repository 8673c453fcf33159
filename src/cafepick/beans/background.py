"""What the empty surface looks like under every bean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def estimate_background(image: NDArray[np.uint8], beans: NDArray[np.bool_]) -> tuple[NDArray[np.float32], float]:
    """Estimate the colour of the empty surface, and its noise.

    Args:
        image: (h, w, 3) RGB.
        beans: (h, w), True where a bean is known to lie.

    Returns:
        (h', w', 3) colours 0..255 at a reduced size, and the robust spread about them in grey levels.
    """
    factor = max(1, max(image.shape[:2]) // 128)
    size = (max(1, image.shape[1] // factor), max(1, image.shape[0] // factor))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    known = cv2.resize(beans.astype(np.float32), size, interpolation=cv2.INTER_AREA) == 0
    side = max(3, min(255, max(size) // 2 | 1))
    centre = np.median(small[known] if known.any() else small.reshape(-1, 3), axis=0)
    filled = np.where(known[..., None], small, centre).astype(np.uint8)
    background = cv2.GaussianBlur(cv2.medianBlur(filled, side), (0, 0), side / 8).astype(np.float32)
    spread = np.abs(small[known].astype(np.float32) - background[known]) if known.any() else np.zeros(1)
    return background, float(1.4826 * np.median(spread))

"""Where a subject differs from the closest good one: anomaly maps, and the parts of them that stand out.

Nothing is masked. Outside the subject both pictures are blank and the error is near 0, so the ground costs nothing; but
where a broken bean lacks a part, the closest good bean has bean and the photo has blank: that error is the defect, and
it lies outside the subject's mask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from cafepick.errors import CalibrationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMOOTHING: Final = 1 / 64
"""Sigma of the Gaussian over a map, as a share of its side: blurs edges that a generator puts one pixel off, while an
insect hole of two pixels still stands out."""

SMALLEST_REGION: Final = 0.001
"""Segmented regions of a smaller share of the crop are specks (4 pixels at 64 x 64)."""


def anomaly_maps(images: NDArray[np.float32], reconstructions: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the absolute error of each pixel, averaged over colours and smoothed.

    Args:
        images: (n, size, size, c), pixels in [-1, 1].
        reconstructions: the closest good images, alike.

    Returns:
        (n, size, size), 0..2.
    """
    errors = np.abs(images - reconstructions).mean(axis=3, dtype=np.float32)
    smoothed = np.empty_like(errors)
    sigma = SMOOTHING * errors.shape[1]
    for error, target in zip(errors, smoothed, strict=True):
        cv2.GaussianBlur(error, (0, 0), sigma, dst=target, borderType=cv2.BORDER_REFLECT_101)
    return smoothed


def pixel_threshold(maps: NDArray[np.float32], *, quantile: float) -> float:
    """Return the error that this share of the pixels of good subjects stays at or below.

    Args:
        maps: anomaly maps (n, size, size) of good subjects, n > 0.
        quantile: in (0, 1).

    Raises:
        CalibrationError: there is no map.
    """
    if not maps.size:
        raise CalibrationError("a segmentation needs at least one good subject to tell what is normal, got none")
    return float(np.quantile(maps, quantile))


def segmentations(maps: NDArray[np.float32], threshold: float) -> NDArray[np.bool_]:
    """Mark where maps (n, size, size) exceed ``threshold``, leaving out regions too small to see."""
    count, height, width = maps.shape
    if not count:
        return np.empty(maps.shape, np.bool_)
    above = np.zeros((count, height + 1, width), np.uint8)  # one below the other, with a line between: one call for all
    np.greater(maps, threshold, out=above[:, :height].view(np.bool_))
    labels = np.asarray(cv2.connectedComponents(above.reshape(-1, width), connectivity=8)[1], np.int32)
    large = np.bincount(labels.ravel()) >= SMALLEST_REGION * height * width
    large[0] = False  # what is not above the threshold
    return np.take(large, labels).reshape(above.shape)[:, :height]

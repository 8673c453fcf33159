"""How well scores, maps and masks agree with the truth; ``docs/metrics.md`` states each definition.

Labels are True for what should be found (defective) and a higher score means more anomalous. Image and pixel metrics
are the same functions: for pixels, pass the masks and the maps of all images, flattened into one array each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from cafepick.errors import ConfigError, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray


class RocCurve(NamedTuple):
    """One point for each threshold, highest first, after the point (0, 0) of an infinite one."""

    false_positive_rate: NDArray[np.float64]
    true_positive_rate: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    """A subject is called defective if its score is at least this."""


class PrecisionRecallCurve(NamedTuple):
    """One point for each threshold, highest first."""

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    """A subject is called defective if its score is at least this."""


class BestF1(NamedTuple):
    """The largest F1 over all thresholds, and the highest threshold that reaches it."""

    f1: float
    threshold: float


def auroc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Chance that a defective subject scores higher than a good one, ties counting one half (Mann and Whitney).

    Args:
        labels: (n,) True for defective.
        scores: (n,) finite.

    Raises:
        InputError: only one class is there, lengths differ or a score is not finite.
    """
    truth, values = _two_classes(labels, scores)
    distinct, of_value, ties = np.unique(values, return_inverse=True, return_counts=True)
    bad = np.bincount(of_value, truth, minlength=len(distinct))  # defective subjects at each distinct score
    good = ties - bad
    good_below = np.cumsum(good) - good
    return float(bad @ (good_below + good / 2) / (bad.sum() * good.sum()))


def average_precision(labels: ArrayLike, scores: ArrayLike) -> float:
    """Mean of the precision over the defective subjects: sum of precision times the step in recall.

    Takes and refuses what ``auroc`` does.
    """
    curve = precision_recall_curve(labels, scores)
    return float(np.diff(curve.recall, prepend=0.0) @ curve.precision)


def roc_curve(labels: ArrayLike, scores: ArrayLike) -> RocCurve:
    """Share of good subjects called defective against share of defective ones found.

    Takes and refuses what ``auroc`` does.
    """
    found, false, thresholds = _counts_by_threshold(*_two_classes(labels, scores))
    return RocCurve(
        np.concatenate([[0.0], false / false[-1]]),
        np.concatenate([[0.0], found / found[-1]]),
        np.concatenate([[np.inf], thresholds]),
    )


def precision_recall_curve(labels: ArrayLike, scores: ArrayLike) -> PrecisionRecallCurve:
    """Share of the subjects called defective that are, against share of defective ones found.

    Takes and refuses what ``auroc`` does.
    """
    found, false, thresholds = _counts_by_threshold(*_two_classes(labels, scores))
    return PrecisionRecallCurve(found / (found + false), found / found[-1], thresholds)


def f1_max(labels: ArrayLike, scores: ArrayLike) -> BestF1:
    """Largest harmonic mean of precision and recall, were the threshold chosen with the labels known.

    Takes and refuses what ``auroc`` does.
    """
    found, false, thresholds = _counts_by_threshold(*_two_classes(labels, scores))
    f1 = 2 * found / (found + false + found[-1])
    best = int(np.argmax(f1))
    return BestF1(float(f1[best]), float(thresholds[best]))


def aupro(masks: Sequence[NDArray[np.bool_]], maps: Sequence[NDArray[np.floating]], limit: float = 0.3) -> float:
    """Area under the per-region overlap curve, up to a false-positive rate of ``limit``, divided by ``limit``.

    The overlap at a threshold is the share of a region's pixels at or above it, averaged over all regions (connected
    pixels, corners included) of all images, so that a small defect counts as much as a large one. The rate counts the
    defect-free pixels of all images. 1 is perfect; a map of noise reaches ``limit / 2``. Bergmann et al., The MVTec
    Anomaly Detection Dataset, IJCV 129 (2021).

    Args:
        masks: (H, W) each, True on defects; images without any included.
        maps: (H, W) each, finite, higher on defects.
        limit: in (0, 1].

    Raises:
        ConfigError: the limit is out of range.
        InputError: there is no defect or nothing but defects, shapes differ or a map is not finite.
    """
    if not 0 < limit <= 1:
        raise ConfigError(f"the limit of the false-positive rate must lie in (0, 1], got {limit}: use 0.3")
    weights = _region_weights(masks, maps)
    values = _finite(np.concatenate([np.ravel(one) for one in maps]))
    inside = weights > 0
    if inside.all() or not inside.any():
        raise InputError(f"AUPRO needs pixels with and without defects, got {'only' if inside.any() else 'no'} defects")
    order, last = _by_threshold(values)
    overlap = np.cumsum(weights[order])[last]
    rate = np.cumsum(~inside[order])[last] / np.sum(~inside)
    return _area_up_to(limit, np.concatenate([[0.0], rate]), np.concatenate([[0.0], overlap / overlap[-1]])) / limit


def iou(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Intersection over union of two masks of one shape; 1 if both are empty.

    Raises:
        InputError: the shapes differ.
    """
    if first.shape != second.shape:
        raise InputError(f"masks to compare must have one size, got {first.shape} and {second.shape}: resize one")
    union = np.sum(first | second)
    return float(np.sum(first & second) / union) if union else 1.0


def _two_classes(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    truth = np.asarray(labels).astype(bool)
    values = _finite(scores)
    if truth.shape != values.shape or truth.ndim != 1:
        raise InputError(f"labels and scores must be two lists of one length, got shapes {truth.shape}, {values.shape}")
    if truth.all() or not truth.any():
        there = "none at all" if not truth.size else f"only {'defective' if truth.all() else 'good'} ones"
        raise InputError(f"this metric needs good and defective subjects, got {there}: add the other class")
    return truth, values


def _finite(scores: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(scores, dtype=np.float64)
    if bad := int(np.sum(~np.isfinite(values))):
        raise InputError(f"scores must be finite numbers, got NaN or infinity for {bad} of {values.size}: train anew")
    return values


def _by_threshold(values: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Order of descending values, and the positions in it where each distinct value ends."""
    order = np.argsort(-values, kind="stable")
    return order, np.append(np.flatnonzero(np.diff(values[order])), len(order) - 1)


def _counts_by_threshold(
    truth: NDArray[np.bool_], values: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Defective and good subjects at or above each distinct score, and these scores, highest first."""
    order, last = _by_threshold(values)
    found = np.cumsum(truth[order], dtype=np.int64)[last]
    return found, last + 1 - found, values[order][last]


def _region_weights(masks: Sequence[NDArray[np.bool_]], maps: Sequence[NDArray[np.floating]]) -> NDArray[np.float64]:
    """1 / (its region's size) for each defective pixel of all images, 0 for others, flattened."""
    shapes = [one.shape for one in masks], [one.shape for one in maps]
    if not shapes[0] or shapes[0] != shapes[1]:
        raise InputError(f"AUPRO needs a map for each mask, of its size, got {shapes[0][:3]}, {shapes[1][:3]}")
    weights = []
    for mask in masks:
        regions = np.asarray(cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[1], np.intp)
        sizes = np.bincount(regions.ravel())
        weights.append(np.where(mask, 1 / sizes[regions], 0.0).ravel())
    return np.concatenate(weights)


def _area_up_to(limit: float, x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Area under a curve from its start to ``limit``, by trapezoids, the last one cut at the limit."""
    within = np.searchsorted(x, limit, side="right")
    x_cut, y_cut = np.append(x[:within], limit), np.append(y[:within], np.interp(limit, x, y))
    return float(np.sum(np.diff(x_cut) * (y_cut[1:] + y_cut[:-1]) / 2))

"""What the scores of labelled subjects say of a model: the numbers of ``metrics.json``, defined in ``docs/metrics.md``.

A number of which nothing can be said is None, and the reason stands in ``Findings.omitted``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from cafepick.errors import InputError
from cafepick.scoring import metrics
from cafepick.scoring.bootstrap import Resampling, weighted_auroc, weighted_average_precision
from cafepick.scoring.omissions import Omission

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from cafepick.scoring.bootstrap import Interval

CURVE_POINTS: Final = 200
"""A curve is told by at most so many points."""

Record = dict[str, Any]
"""Plain JSON values by name."""

RANKING: Final = ("auroc", "average_precision", "f1_max", "parts", "roc", "precision_recall")
"""What needs both classes and no threshold."""


class Promise(NamedTuple):
    """What a calibration promises at one false-reject rate."""

    rate: float
    upper_bound: float
    """The realised rate stays below with 95 % confidence."""
    threshold: float
    """A subject is NG if its score is above."""


@dataclass(frozen=True, eq=False)
class Judged:
    """Labelled subjects and their scores."""

    labels: NDArray[np.str_]
    """(n,) class of each."""
    defective: NDArray[np.bool_]
    """(n,)."""
    photos: NDArray[np.int64]
    """(n,) number of the photo that each lies in."""
    score: NDArray[np.float64]
    """(n,)."""
    residual: NDArray[np.float64]
    """(n,)."""
    discrimination: NDArray[np.float64]
    """(n,)."""
    parts: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    """(n,) of each further part of the score, by name."""

    def __post_init__(self) -> None:
        for name in ("score", "residual", "discrimination"):
            if bad := int(np.sum(~np.isfinite(getattr(self, name)))):
                raise InputError(
                    f"each {name} must be a finite number, got NaN or infinity for {bad} of {len(self)} subjects: "
                    f"the model is broken, train it anew"
                )

    def __len__(self) -> int:
        return len(self.labels)

    def only(self, kept: NDArray[np.bool_]) -> Judged:
        """Return the subjects with a flag (n,)."""
        return Judged(
            labels=self.labels[kept],
            defective=self.defective[kept],
            photos=self.photos[kept],
            score=self.score[kept],
            residual=self.residual[kept],
            discrimination=self.discrimination[kept],
            parts={name: values[kept] for name, values in self.parts.items()},
        )


class Findings(NamedTuple):
    """Numbers by name, and why some of them are missing."""

    numbers: Record
    omitted: tuple[Omission, ...]


def evaluate_subjects(judged: Judged, chosen: Promise, promises: Sequence[Promise]) -> Findings:
    """Measure how well scores tell good from defective, and whether the promises are kept.

    Args:
        judged: the subjects; one class may be missing.
        chosen: at the false-reject rate that the user chose.
        promises: at other rates.

    Returns:
        ``auroc`` to ``precision_recall`` of ``metrics.json``, plain JSON values.
    """
    good, bad = judged.only(~judged.defective), judged.only(judged.defective)
    ranking, omitted = _ranking(judged) if len(good) and len(bad) else Findings(dict.fromkeys(RANKING), ())
    impossible = _impossible(len(good), len(bad))
    return Findings(
        {
            **ranking,
            "threshold": chosen.threshold,
            "false_reject": {
                "promised": chosen.rate,
                "upper_bound": chosen.upper_bound,
                "realised": _rejected(good, chosen.threshold),
            },
            "miss_rate": _missed(bad, chosen.threshold),
            "promise": [
                {
                    "rate": one.rate,
                    "upper_bound": one.upper_bound,
                    "realised": _rejected(good, one.threshold),
                    "missed": _missed(bad, one.threshold),
                }
                for one in promises
            ],
            "classes": {
                str(name): _class(judged.only(~judged.defective | (judged.labels == name)), chosen.threshold)
                for name in np.unique(bad.labels)
            },
        },
        (*impossible, *omitted),
    )


def _impossible(good: int, bad: int) -> list[Omission]:
    """Name each number that a class without subjects makes impossible."""
    needs = {
        "no_good": (good, (*RANKING, "false_reject.realised", "promise.realised", "classes.auroc")),
        "no_defective": (bad, (*RANKING, "miss_rate", "promise.missed", "classes")),
    }
    return [Omission(name, reason) for reason, (count, names) in needs.items() if not count for name in names]


def _ranking(judged: Judged) -> Findings:
    """What needs both classes and no threshold."""
    truth, score = judged.defective, judged.score
    draws = Resampling.by_photo(judged.photos, truth)
    best = metrics.f1_max(truth, score)
    numbers = {
        "auroc": _json(draws.interval(weighted_auroc(truth, score))),
        "average_precision": _json(draws.interval(weighted_average_precision(truth, score))),
        "f1_max": {"value": best.f1, "threshold": best.threshold},
        "parts": {
            "residual": metrics.auroc(truth, judged.residual),
            "discrimination": metrics.auroc(truth, judged.discrimination),
            **{name: metrics.auroc(truth, values) for name, values in judged.parts.items()},
        },
        **_curves(truth, score),
    }
    return Findings(numbers, (Omission("intervals", "lone_photo"),) if draws.lone else ())


def _curves(truth: NDArray[np.bool_], score: NDArray[np.float64]) -> Record:
    roc, curve = metrics.roc_curve(truth, score), metrics.precision_recall_curve(truth, score)
    kept = _along(roc.false_positive_rate, roc.true_positive_rate)
    also = _along(curve.recall, curve.precision)
    return {
        "roc": {
            "false_reject": roc.false_positive_rate[kept].tolist(),
            "found": roc.true_positive_rate[kept].tolist(),
        },
        "precision_recall": {"recall": curve.recall[also].tolist(), "precision": curve.precision[also].tolist()},
    }


def _class(judged: Judged, threshold: float) -> Record:
    """One class of defect against all good subjects."""
    bad = judged.only(judged.defective)
    auroc = None
    if len(bad) < len(judged):
        draws = Resampling.by_photo(judged.photos, judged.defective)
        auroc = _json(draws.interval(weighted_auroc(judged.defective, judged.score)))
    return {
        "subjects": len(bad),
        "photos": len(np.unique(bad.photos)),
        "auroc": auroc,
        "missed": _missed(bad, threshold),
    }


def _rejected(judged: Judged, threshold: float) -> Record | None:
    return _share(judged, judged.score > threshold)


def _missed(judged: Judged, threshold: float) -> Record | None:
    return _share(judged, judged.score <= threshold)


def _share(judged: Judged, flags: NDArray[np.bool_]) -> Record | None:
    if not len(judged):
        return None
    return _json(Resampling.by_photo(judged.photos, judged.defective).share(flags))


def _json(interval: Interval) -> Record:
    return interval._asdict()


def _along(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.intp]:
    """Positions of at most ``CURVE_POINTS`` points of a curve, both ends among them, evenly spaced along it."""
    if len(x) <= CURVE_POINTS:
        return np.arange(len(x))
    way = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    places = np.searchsorted(way, np.linspace(0, way[-1], CURVE_POINTS))
    places[0], places[-1] = 0, len(x) - 1
    return np.unique(places)


class PixelTruth(NamedTuple):
    """One photo, at a reduced size, pixel by pixel."""

    mask: NDArray[np.bool_]
    """(h, w) where the defects are."""
    anomaly: NDArray[np.float32]
    """(h, w) anomaly map, weighed by how odd each subject is; 0 where no subject was judged."""
    segmentation: NDArray[np.bool_]
    """(h, w) what the model paints as defect on NG subjects."""
    block: int = 1
    """Side, in pixels of the photo, of what became one pixel here."""


def evaluate_pixels(photos: Sequence[PixelTruth]) -> Findings:
    """Measure, over the pixels of all photos together, how well maps and segmentations agree with the masks.

    Args:
        photos: those with a mask, and good ones with an empty mask.

    Returns:
        ``pixel`` of ``metrics.json``.
    """
    marked = sum(int(one.mask.sum()) for one in photos)
    total = sum(one.mask.size for one in photos)
    if not 0 < marked < total:
        reason = "masks_mark_all" if marked else "masks_mark_nothing"
        return Findings({"pixel": None}, (Omission("pixel", reason, {"photos": len(photos)}),))
    truth = np.concatenate([one.mask.ravel() for one in photos])
    values = np.concatenate([one.anomaly.ravel() for one in photos])
    painted = np.concatenate([one.segmentation.ravel() for one in photos])
    numbers = {
        "auroc": metrics.auroc(truth, values),
        "average_precision": metrics.average_precision(truth, values),
        "aupro": metrics.aupro([one.mask for one in photos], [one.anomaly for one in photos]),
        "iou": metrics.iou(truth, painted),
        "images": len(photos),
        "block": max(one.block for one in photos),
    }
    return Findings({"pixel": numbers}, ())


class Found(NamedTuple):
    """Annotated and found outlines of one photo, compared."""

    annotated: int
    found: int
    overlaps: tuple[float, ...]
    """Intersection over union of each matched pair."""
    not_found: tuple[str, ...]
    """Class of each annotated outline without a partner."""


def evaluate_finding(photos: Sequence[Found]) -> Findings:
    """Measure how well the beans are found.

    Returns:
        ``finding`` of ``metrics.json``.
    """
    annotated, found = sum(one.annotated for one in photos), sum(one.found for one in photos)
    overlaps = [overlap for one in photos for overlap in one.overlaps]
    classes, counts = np.unique([label for one in photos for label in one.not_found], return_counts=True)
    omitted = [
        Omission(f"finding.{name}", reason)
        for name, reason, count in (
            ("recall", "none_annotated", annotated),
            ("precision", "none_found", found),
            ("median_iou", "none_matched", len(overlaps)),
        )
        if not count
    ]
    numbers = {
        "recall": len(overlaps) / annotated if annotated else None,
        "precision": len(overlaps) / found if found else None,
        "median_iou": float(np.median(overlaps)) if overlaps else None,
        "annotated": annotated,
        "found": found,
        "not_found": dict(zip(classes.tolist(), counts.tolist(), strict=True)),
    }
    return Findings({"finding": numbers}, tuple(omitted))

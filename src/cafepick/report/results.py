"""Reading ``metrics.json`` once, so that the rest of the report deals with plain records; anything may be missing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from cafepick.data.sources import GOOD
from cafepick.detector import reservations
from cafepick.report.remarks import Remark, read_remark


class Measured(NamedTuple):
    """A number with its 95 % interval, where there is one."""

    value: float
    low: float | None = None
    high: float | None = None


class Promise(NamedTuple):
    """What was promised at one false-reject rate, and what came."""

    rate: float
    upper_bound: float | None
    """The rate in the long run lies below this in 95 of 100 calibrations."""
    realised: Measured | None
    missed: Measured | None = None
    """Share of bad subjects that pass at this rate."""


class ClassResult(NamedTuple):
    """How one class of bad subjects fared."""

    name: str
    subjects: int | None
    auroc: Measured | None
    missed: Measured | None


@dataclass(frozen=True, kw_only=True)
class Results:
    """What the report says in numbers; ``docs/metrics.md`` defines each. None: not measured."""

    good_labels: frozenset[str]
    """Classes that count as good, in lower case."""
    good: int | None
    """Good subjects that were judged."""
    good_photos: int | None
    """Photos that they lie in."""
    good_photos_seen: int | None
    """Those of them that the model learnt from."""
    bad: int | None
    """Bad subjects that were judged."""
    left_out: Mapping[str, int]
    """How many were ``cut``, ``empty_photos`` or ``unmatched``."""
    unreadable: tuple[tuple[str, str], ...]
    """Photo and reason."""
    calibrated_with: int | None
    calibrated_alone: bool
    """Whether the threshold was set in a light that no other good photo showed."""
    """Good subjects that set the threshold."""
    threshold: float | None
    promised: Promise | None
    """At the threshold in use."""
    promises: tuple[Promise, ...]
    """At other rates."""
    miss_rate: Measured | None
    scores: Mapping[str, Measured]
    """AUROC of ``total``, ``residual`` and ``discrimination``."""
    average_precision: Measured | None
    f1: float | None
    f1_threshold: float | None
    classes: tuple[ClassResult, ...]
    """Most missed first."""
    roc: tuple[tuple[float, float], ...]
    """Share of good subjects rejected, share of bad ones found."""
    precision_recall: tuple[tuple[float, float], ...]
    """Recall, precision."""
    pixel: Mapping[str, Measured]
    finding: Mapping[str, Measured]
    not_found: Mapping[str, int]
    """Annotated beans that were not found, by class."""
    omitted: tuple[Remark, ...]
    """Why something was not measured."""

    def is_good(self, label: str) -> bool:
        """Tell whether a class counts as good."""
        return label.casefold() in self.good_labels

    @property
    def auroc(self) -> Measured | None:
        """AUROC of the total score."""
        return self.scores.get("total")

    @property
    def false_rejects(self) -> Measured | None:
        """Share of good subjects rejected at the threshold in use."""
        return self.promised.realised if self.promised else None


def read_results(metrics: Mapping[str, Any]) -> Results:
    """Read the content of ``metrics.json``; what is absent, null, NaN or of another type counts as not measured."""
    subjects = _table(metrics.get("subjects"))
    f1, finding = _table(metrics.get("f1_max")), _table(metrics.get("finding"))
    curve, relevance = _table(metrics.get("roc")), _table(metrics.get("precision_recall"))
    return Results(
        good_labels=frozenset(str(name).casefold() for name in _list(metrics.get("good")) or (GOOD,)),
        good=_count(subjects.get("good")),
        good_photos=_count(subjects.get("good_photos")),
        good_photos_seen=_count(subjects.get("good_photos_seen")),
        bad=_count(subjects.get("defect")),
        left_out={key: n for key in ("cut", "empty_photos", "unmatched") if (n := _count(subjects.get(key)))},
        unreadable=tuple(
            (str(_table(entry).get("image", entry)), str(_table(entry).get("reason", "")))
            for entry in _list(subjects.get("unreadable"))
        ),
        calibrated_with=_count(_table(metrics.get("calibration")).get("subjects")),
        calibrated_alone=bool(reservations({key: _table(metrics.get(key)) for key in ("training", "calibration")})),
        threshold=_number(metrics.get("threshold")),
        promised=_promise(_table(metrics.get("false_reject")), "promised"),
        promises=tuple(p for entry in _list(metrics.get("promise")) if (p := _promise(_table(entry), "rate"))),
        miss_rate=_measured(metrics.get("miss_rate")),
        scores=_all_measured({"total": metrics.get("auroc")} | _table(metrics.get("parts"))),
        average_precision=_measured(metrics.get("average_precision")),
        f1=_number(f1.get("value")),
        f1_threshold=_number(f1.get("threshold")),
        classes=_classes(_table(metrics.get("classes"))),
        roc=_pairs(curve.get("false_reject"), curve.get("found")),
        precision_recall=_pairs(relevance.get("recall"), relevance.get("precision")),
        pixel=_all_measured(_table(metrics.get("pixel"))),
        finding=_all_measured(finding),
        not_found={str(name): n for name, raw in _table(finding.get("not_found")).items() if (n := _count(raw))},
        omitted=tuple(read_remark(entry) for entry in _list(metrics.get("omitted"))),
    )


def _classes(raw: Mapping[str, Any]) -> tuple[ClassResult, ...]:
    read = [
        ClassResult(
            str(name),
            _count(_table(entry).get("subjects")),
            _measured(_table(entry).get("auroc")),
            _measured(_table(entry).get("missed")),
        )
        for name, entry in raw.items()
    ]
    return tuple(sorted(read, key=lambda c: (-c.missed.value if c.missed else 1.0, c.name)))


def _promise(raw: Mapping[str, Any], rate: str) -> Promise | None:
    value = _number(raw.get(rate))
    if value is None:
        return None
    return Promise(value, _number(raw.get("upper_bound")), _measured(raw.get("realised")), _measured(raw.get("missed")))


def _measured(raw: object) -> Measured | None:
    """Read a measure; an interval without width is left out, for it claims too much."""
    entry = raw if isinstance(raw, Mapping) else {"value": raw}
    value, low, high = (_number(entry.get(key)) for key in ("value", "low", "high"))
    if value is None:
        return None
    return Measured(value) if low is None or high is None or low == high else Measured(value, low, high)


def _all_measured(raw: Mapping[str, Any]) -> dict[str, Measured]:
    return {str(key): m for key, value in raw.items() if (m := _measured(value))}


def _pairs(xs: object, ys: object) -> tuple[tuple[float, float], ...]:
    numbers = ((_number(x), _number(y)) for x, y in zip(_list(xs), _list(ys), strict=False))
    return tuple((x, y) for x, y in numbers if x is not None and y is not None)


def _number(raw: object) -> float | None:
    usable = isinstance(raw, int | float) and not isinstance(raw, bool) and math.isfinite(raw)
    return float(raw) if usable else None  # type: ignore[arg-type]


def _count(raw: object) -> int | None:
    """Read a count, which may come as the list of what was counted."""
    value = len(raw) if isinstance(raw, list | tuple) else _number(raw)
    return None if value is None else round(value)


def _table(raw: object) -> dict[str, Any]:
    return dict(raw) if isinstance(raw, Mapping) else {}


def _list(raw: object) -> Sequence[Any]:
    return raw if isinstance(raw, list | tuple) else ()

"""Whether to rely on a model, in a few checks that a newcomer can follow; each is a sentence and a grade."""

from __future__ import annotations

import math
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

from cafepick.report.remarks import in_words
from cafepick.report.words import nearest
from cafepick.scoring.omissions import SEEN_BEFORE

if TYPE_CHECKING:
    from cafepick.report.results import ClassResult, Results
    from cafepick.report.words import Words

ENOUGH_CALIBRATION: Final = 100
"""Good subjects from which on a promise of 1 % can be given at all (99), and others stop wandering."""
ENOUGH_TESTED: Final = 50
"""Of either kind: the 95 % interval of a share of 10 % is then about 3 % to 22 %. Beans in fewer photos are no more."""
BROKEN_TIMES: Final = 5
"""A rate so many times its bound is a problem, however few photos ``ENOUGH_TESTED`` good subjects lie in."""
SOUND_AUROC: Final = 0.9
SOUND_MISSES: Final = 0.1
SOUND_CLASS_MISSES: Final = 0.25
BROKEN_MISSES: Final = 0.5
"""A model that misses every second defect is no help."""
NAMED_CLASSES: Final = 3
MOST_UNKNOWN: Final = 2
"""Of the five checks that are measured; with more unknown, nothing can be said of the model."""


class Grade(Enum):
    """How a check came out; ``page.css`` and the texts know the values."""

    SOUND = "sound"
    CARE = "care"
    BROKEN = "broken"
    UNKNOWN = "unknown"


class Check(NamedTuple):
    """One point for or against the model."""

    grade: Grade
    sentence: str
    language: str | None = None
    """Of the sentence, where it is not the report's."""


def checks(results: Results, words: Words) -> list[Check]:
    """Look at the promise, the misses, the ranking, the calibration and the size of the test.

    Photos that the model learnt from, if there are any, make one more check.
    """
    return [
        _promise(results, words),
        _misses(results, words),
        _order(results, words),
        _calibration(results, words),
        _size(results, words),
        *_known(results, words),
    ]


def overall(of: list[Check]) -> Grade:
    """Return the worst grade; where one is unknown care is due, and where most are, nothing can be said."""
    grades = [check.grade for check in of]
    if Grade.BROKEN in grades:
        return Grade.BROKEN
    if grades.count(Grade.UNKNOWN) > MOST_UNKNOWN:
        return Grade.UNKNOWN
    return Grade.SOUND if set(grades) == {Grade.SOUND} else Grade.CARE


def _promise(results: Results, words: Words) -> Check:
    promise = results.promised
    if promise is None or promise.realised is None or promise.upper_bound is None:
        return Check(Grade.UNKNOWN, words("promise.unknown"))
    if results.good_photos and results.good_photos_seen == results.good_photos:
        return Check(Grade.UNKNOWN, words("promise.seen"))
    low = promise.realised.value if promise.realised.low is None else promise.realised.low
    grade, key = Grade.SOUND, "promise.kept"
    fields = {
        "promised": words.rate(promise.rate),
        "bound": words.percent(promise.upper_bound),
        "realised": words.percent(promise.realised.value),
    }
    if promise.realised.value > promise.upper_bound:
        good, photos = results.good or 0, results.good_photos
        many_times = good >= ENOUGH_TESTED and promise.realised.value > BROKEN_TIMES * promise.upper_bound
        chance = low <= promise.upper_bound and not many_times
        grade, key = (Grade.CARE, "promise.unclear") if chance else (Grade.BROKEN, "promise.broken")
        if chance and photos is not None and photos < ENOUGH_TESTED <= good:
            key = "promise.unclear_photos"
            fields |= {"good_n": f"{good:,}", "photos": str(photos)}
    return Check(grade, words(key, **fields))


def _misses(results: Results, words: Words) -> Check:
    if results.miss_rate is None:
        return Check(Grade.UNKNOWN, words("misses.unknown"))
    share = results.miss_rate.value
    worst = [c for c in results.classes if c.missed and c.missed.value > 0][:NAMED_CLASSES]
    if share == 0:
        return Check(Grade.SOUND, words("misses.none"))
    grade = Grade.SOUND if share <= SOUND_MISSES else Grade.CARE if share <= BROKEN_MISSES else Grade.BROKEN
    if not worst:
        return Check(grade, words("misses.overall", share=words.percent(share)))
    if grade is Grade.SOUND and any(c.missed and c.missed.value > SOUND_CLASS_MISSES for c in worst):
        grade = Grade.CARE
    if len(results.classes) == 1:
        return Check(grade, words("misses.one_class", share=words.percent(share), name=worst[0].name))
    named = words.joined(_named(c, words) for c in worst)
    return Check(grade, words("misses.by_class", share=words.percent(share), classes=named))


def _named(result: ClassResult, words: Words) -> str:
    count = nearest(100 * result.missed.value) if result.missed else 0
    few = result.subjects is not None and result.subjects < ENOUGH_TESTED / 2
    key = "misses.class_few" if few else "misses.class"
    fields = {"subjects": result.subjects} if few else {}
    return words(key, name=result.name, n=max(count, 1), **fields)


def _order(results: Results, words: Words) -> Check:
    if results.auroc is None:
        return Check(Grade.UNKNOWN, words("order.unknown"))
    low = results.auroc.value if results.auroc.low is None else results.auroc.low
    grade = Grade.SOUND if low >= SOUND_AUROC else Grade.CARE if low > 0.5 else Grade.BROKEN
    count = math.floor(100 * results.auroc.value)  # 100 only where every pair is in order
    return Check(grade, words(f"order.{grade.value}", n=count, auroc=words.with_spread(results.auroc)))


def _calibration(results: Results, words: Words) -> Check:
    count = results.calibrated_with
    if count is None:
        return Check(Grade.UNKNOWN, words("calibration.unknown"))
    if results.calibrated_alone:
        return Check(Grade.CARE, words("calibration.alone"))
    few = count < ENOUGH_CALIBRATION
    return Check(
        Grade.CARE if few else Grade.SOUND, words("calibration.few" if few else "calibration.some", n=f"{count:,}")
    )


def _size(results: Results, words: Words) -> Check:
    if results.good is None or results.bad is None:
        return Check(Grade.UNKNOWN, words("size.none"))
    good, bad = results.good, results.bad
    smaller = min(good, bad)
    grade = Grade.UNKNOWN if not smaller else Grade.CARE if smaller < ENOUGH_TESTED else Grade.SOUND
    return Check(grade, words(f"size.{grade.value}", good_n=f"{good:,}", bad_n=f"{bad:,}"))


def _known(results: Results, words: Words) -> list[Check]:
    """Tell of photos that the model learnt from: on these it looks better than it is."""
    seen = [remark for remark in results.omitted if remark.about == SEEN_BEFORE]
    told = in_words(seen, words)
    return [Check(Grade.CARE, reason + words("omitted.end"), language) for _, reason, language in told]

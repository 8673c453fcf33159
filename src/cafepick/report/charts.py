"""The curves of the report: ROC, precision and recall, promised and realised false rejects, 100 beans."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from cafepick.report.markup import Html, element, join
from cafepick.report.plotting import WIDTH, Scale, bars, curve, dots, drawing, label, line, x_axis, y_axis
from cafepick.report.words import nearest

if TYPE_CHECKING:
    from cafepick.report.results import Measured, Promise, Results
    from cafepick.report.words import Words

_LEFT, _TOP, _RIGHT, _BOTTOM = 50.0, 34.0, WIDTH - 8.0, 306.0
_SQUARE_HEIGHT = 344
_X, _Y = Scale(0, 1, _LEFT, _RIGHT), Scale(0, 1, _BOTTOM, _TOP)


def roc(results: Results, words: Words) -> Html:
    """Draw the ROC curve with the threshold in use."""
    text, mark = words("no_point"), Html("")
    if (rejected := results.false_rejects) and (missed := results.miss_rate):
        found = 1 - missed.value
        text = words("roc.point", rejected=words.percent(rejected.value), found=words.percent(found))
        mark = _operating_point(rejected.value, found, words, left=rejected.value > 0.6)
    description = words("roc.description", auroc=words.with_spread(results.auroc), point=text)
    return _square(
        "roc",
        words,
        description,
        line(_X.at(0), _Y.at(0), _X.at(1), _Y.at(1), "chance"),
        curve(results.roc, _X, _Y),
        mark,
    )


def precision_recall(results: Results, words: Words) -> Html:
    """Draw precision against recall, in the steps that average precision sums, with the threshold in use."""
    text, mark, chance = words("no_point"), Html(""), Html("")
    good, bad = results.good or 0, results.bad or 0
    if good + bad:
        level = _Y.at(bad / (good + bad))
        chance = line(_LEFT, level, _RIGHT, level, "chance")
    if (precision := precision_in_use(results)) is not None and (missed := results.miss_rate):
        found = 1 - missed.value
        text = words("pr.point", found=words.percent(found), precision=words.percent(precision))
        mark = _operating_point(found, precision, words, left=found > 0.2)
    points = results.precision_recall
    steps: list[tuple[float, float]] = []
    for (before, _), (recall, precision) in pairwise([(0.0, 1.0), *points]):
        steps += [(before, precision), (recall, precision)]
    description = words("pr.description", ap=words.with_spread(results.average_precision), point=text)
    return _square("pr", words, description, chance, curve(steps, _X, _Y), mark)


def precision_in_use(results: Results) -> float | None:
    """Return the share of truly bad subjects among those called NG, None where none is or it was not measured."""
    if results.false_rejects is None or results.miss_rate is None or not results.good or not results.bad:
        return None
    found = (1 - results.miss_rate.value) * results.bad
    called = found + results.false_rejects.value * results.good
    return found / called if called else None


def promises(rows: tuple[Promise, ...], words: Words) -> Html:
    """Draw, for each rate, what was promised, its bound, and what came with its interval."""
    reach = [
        v for p in rows for v in (p.rate, p.upper_bound, p.realised and (p.realised.high or p.realised.value)) if v
    ]
    scale = Scale(0, min(max([*reach, 1e-3]) * 1.05, 1.0), 48, WIDTH - 12)
    top, height = 10, 30
    bottom = top + height * len(rows)
    drawn = [_promise(p, scale, top + height * (n + 0.5), words) for n, p in enumerate(rows)]
    return drawing(
        "promises",
        bottom + 38,
        words("promises"),
        " ".join(_promise_in_words(p, words) for p in rows),
        x_axis(scale, top, bottom, words.rate, words("promises.x")),
        *drawn,
    )


def hundred(identity: str, share: Measured, picture: str, words: Words) -> Html:
    """Draw 100 beans, as many of them crossed out as the share says.

    Args:
        identity: unique in the page.
        share: crossed out, 0..1.
        picture: key of what it shows.
        words: of the language.
    """
    count = nearest(100 * share.value)
    beans, crosses = [], []
    for n in range(100):
        x, y = 9 + n % 20 * 18, 10 + n // 20 * 19
        beans.append(
            element(
                "ellipse",
                cx=x,
                cy=y,
                rx=7,
                ry=5,
                transform=f"rotate(-35 {x} {y})",
                class_="struck" if n < count else "bean",
            )
        )
        if n < count:
            crosses.append(f"M{x - 4} {y - 4}l8 8m0-8l-8 8")
    text = words(picture, n=count)
    return drawing(identity, 97, text, text, *beans, element("path", d="".join(crosses), class_="cross"))


def _square(identity: str, words: Words, description: str, *parts: Html) -> Html:
    """Draw a plot of two shares from 0 to 1."""
    return drawing(
        identity,
        _SQUARE_HEIGHT,
        words(f"{identity}.title"),
        description,
        x_axis(_X, _TOP, _BOTTOM, words.rate, words(f"{identity}.x")),
        y_axis(_Y, _LEFT, _RIGHT, words.rate, words(f"{identity}.y")),
        *parts,
    )


def _operating_point(x: float, y: float, words: Words, *, left: bool) -> Html:
    """Ring a point and name it, on the ``left`` or the right of it, away from the curve."""
    px, py = _X.at(x), _Y.at(y)
    name_x, name_y = px + (-9 if left else 9), py + (18 if y > 0.2 else -10)
    name = label(words("point"), name_x, name_y, anchor="end" if left else "start", class_="strong")
    return join([element("circle", cx=px, cy=py, r=5, class_="ring"), name])


def _promise(promise: Promise, scale: Scale, y: float, words: Words) -> Html:
    parts = [label(words.rate(promise.rate), 40, y + 4, anchor="end")]
    if promise.upper_bound is not None:
        parts.append(
            bars([(scale.start, y - 7, scale.at(min(promise.upper_bound, scale.high)) - scale.start, 14)], "bound")
        )
    parts.append(line(scale.at(promise.rate), y - 9, scale.at(promise.rate), y + 9, "promise"))
    if came := promise.realised:
        if came.low is not None and came.high is not None:
            parts.append(line(scale.at(came.low), y, scale.at(min(came.high, scale.high)), y, "whisker"))
        x = scale.at(came.value)
        above = promise.upper_bound is not None and came.value > promise.upper_bound
        diamond = element("path", d=f"M{x - 6:.1f} {y:.1f}l6-6 6 6-6 6z", class_="broken")
        parts.append(diamond if above else dots([(x, y)], 4.5, "kept"))
    return join(parts)


def _promise_in_words(promise: Promise, words: Words) -> str:
    realised = words.with_spread(promise.realised, percent=True)
    bound = words("missing") if promise.upper_bound is None else words.percent(promise.upper_bound)
    return (
        f"{words('promises.rate')} {words.rate(promise.rate)}, {words('promises.bound')} {bound}, "
        f"{words('promises.realised')} {realised}."
    )

"""The sections of the report that show what was measured, in reading order."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cafepick.report import charts
from cafepick.report.distribution import ClassScores, distribution, is_wide, largest, scores_by_class
from cafepick.report.markup import Html, element, join
from cafepick.report.remarks import in_words
from cafepick.report.tables import bullets, figure, measure, section, table
from cafepick.report.trust import Grade, checks, overall
from cafepick.report.words import score
from cafepick.scoring.omissions import SEEN_BEFORE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cafepick.report.results import Measured, Results
    from cafepick.report.words import Words
    from cafepick.types import SubjectRow


def headline(results: Results, words: Words) -> str:
    """Say in one sentence how many of 100 are judged wrongly."""
    rejected, missed = results.false_rejects, results.miss_rate
    fields: dict[str, str] = {}
    if rejected:
        fields["rejected"] = words.per_hundred(rejected.value)
    if missed:
        fields["missed"] = words.per_hundred(missed.value)
    key = "both" if len(fields) == 2 else next(iter(fields), "none")
    return words(f"headline.{key}", **fields)


def shares(results: Results, words: Words) -> Html:
    """Show both shares of mistakes as pictures of 100 beans, with their intervals in words."""
    tiles = [
        _share("rejected", results.false_rejects, results.good, words),
        _share("missed", results.miss_rate, results.bad, words),
    ]
    return element("div", *tiles, class_="columns")


def trust(results: Results, words: Words) -> Html:
    """Say whether to rely on the model, and why."""
    found = checks(results, words)
    grade = overall(found)
    items = [
        element(
            "li",
            _badge(check.grade, words),
            element("span", check.sentence, lang=check.language),
            class_=check.grade.value,
        )
        for check in found
    ]
    left_out = [words(f"left_out.{key}", n=n) for key, n in results.left_out.items() if n]
    if results.unreadable:
        left_out.append(words("left_out.unreadable", n=len(results.unreadable)))
    note = element("p", words("left_out", items=words.joined(left_out)), class_="note")
    return section(
        "trust",
        words("trust"),
        element("p", words(f"trust.{grade.value}"), class_=f"answer {grade.value}"),
        element("ul", *items, class_="checks"),
        element("p", words("trust.note"), class_="note"),
        *([note] if left_out else []),
    )


def classes(results: Results, rows: Sequence[SubjectRow], words: Words) -> Html:
    """Show the scores of each class beside a table of how each fared."""
    by_class = scores_by_class(rows, results)
    parts = [_scores(by_class, results, words)] if by_class else []
    if results.classes:
        header = [words(f"classes.{key}") for key in ("class", "missed", "auroc")]
        lines = [
            [
                join([c.name] if c.subjects is None else [c.name, " ", element("small", f"n = {c.subjects:,}")]),
                measure(c.missed, words, percent=True),
                measure(c.auroc, words),
            ]
            for c in results.classes
        ]
        parts.append(table(words("classes.title"), header, lines, words("classes.note")))
    return section("classes", words("classes"), _columns(parts, words))


def curves(results: Results, words: Words) -> Html:
    """Show what other thresholds would give."""
    parts: list[Html] = []
    if results.roc:
        caption = words("roc.caption", auroc=words.with_spread(results.auroc))
        parts.append(figure(words("roc.title"), charts.roc(results, words), caption))
    if results.precision_recall:
        caption = words("pr.caption", ap=words.with_spread(results.average_precision))
        parts.append(figure(words("pr.title"), charts.precision_recall(results, words), caption))
    if results.scores:
        lines = [
            [words(f"parts.{key}") if f"parts.{key}" in words else key, measure(m, words)]
            for key, m in results.scores.items()
        ]
        best = results.f1 is not None and results.f1_threshold is not None
        note = words("parts.note", f1=f"{results.f1:.3f}", threshold=score(results.f1_threshold or 0)) if best else ""
        header = [words("parts.score"), words("classes.auroc")]
        parts.append(table(words("parts.title"), header, lines, note))
    return section("curves", words("curves"), element("p", words("curves.note")), _columns(parts, words))


def promises(results: Results, words: Words) -> Html:
    """Set what was promised against what came."""
    rows = results.promises or tuple(filter(None, [results.promised]))
    if not rows:
        return section("promises", words("promises"), element("p", words("missing"), class_="missing"))
    header = [words(f"promises.{key}") for key in ("rate", "bound", "realised", "kept", "missed")]
    lines = [
        [
            words.rate(p.rate),
            words("missing") if p.upper_bound is None else words.percent(p.upper_bound),
            measure(p.realised, words, percent=True),
            _kept(p.upper_bound, p.realised, words),
            measure(p.missed, words, percent=True),
        ]
        for p in rows
    ]
    return section(
        "promises",
        words("promises"),
        _columns(
            [
                figure(words("promises.title"), charts.promises(rows, words), words("promises.caption")),
                table(words("promises.table"), header, lines, words("promises.note")),
            ],
            words,
        ),
    )


def places(results: Results, words: Words) -> Html:
    """Show how well beans and the places of their defects are found; nothing where neither was measured."""
    parts = []
    for kind, measured in (("finding", results.finding), ("pixel", results.pixel)):
        lines = [
            [words(f"{kind}.{key}"), _count_or_share(key, m, words)]
            for key, m in measured.items()
            if f"{kind}.{key}" in words
        ]
        if lines:
            lost = words.joined(f"{name} {n}" for name, n in results.not_found.items())
            block = measured.get("block")
            note = words("finding.not_found", classes=lost) if lost and kind == "finding" else ""
            if kind == "pixel" and block is not None and block.value > 1:
                note = words("pixel.in_blocks", side=f"{block.value:.0f}")
            parts.append(table(words(f"{kind}.title"), [words("measure"), words("value")], lines, note))
    return section("where", words("where"), _columns(parts, words)) if parts else Html("")


def omissions(results: Results, words: Words) -> Html:
    """List what was not measured and what could not be read; nothing where there is nothing to say."""
    most = 20
    parts: list[Html] = []
    omitted = [remark for remark in results.omitted if remark.about != SEEN_BEFORE]  # stands among the checks
    if omitted:
        said = [_omission(*entry, words) for entry in in_words(omitted, words)]
        parts += [element("h2", words("omitted")), bullets(said)]
    if results.unreadable:
        listed = [join([element("code", image), " ", reason]) for image, reason in results.unreadable[:most]]
        if (more := len(results.unreadable) - most) > 0:
            listed.append(join([words("unreadable.more", n=more)]))
        parts += [element("h2", words("unreadable")), bullets(listed)]
    return element("section", *parts, id="omitted") if parts else Html("")


def _omission(about: str, reason: str, language: str | None, words: Words) -> Html:
    told = element("span", reason, lang=language)
    return join([words("omitted.about", about=about), told, words("omitted.end")]) if about else told


def _share(which: str, share: Measured | None, tested: int | None, words: Words) -> Html:
    """Show one share: number, picture, interval in words."""
    if share is None:
        number = element("p", words("missing"), class_="missing")
        return element("div", number, element("p", words(f"hundred.{which}")), class_="tile")
    about = [words("hundred.tested", n=f"{tested:,}")] if tested else []
    about.append(_interval_in_words(share, words))
    return element(
        "div",
        element("p", element("strong", words.percent(share.value)), " ", words(f"hundred.{which}"), class_="share"),
        charts.hundred(f"hundred-{which}", share, f"hundred.{which}.picture", words),
        element("p", words("sentence.separator").join(about), class_="note"),
        class_="tile",
    )


def _interval_in_words(share: Measured, words: Words) -> str:
    """Say what other subjects would probably give."""
    if share.low is None or share.high is None:
        return ""
    interval = words("interval", spread=words.spread(share, percent=True))
    low, high = math.floor(100 * share.low), math.ceil(100 * share.high)
    return words("hundred.between", low=low, high=high, interval=interval)


def _badge(grade: Grade, words: Words) -> Html:
    """Mark a grade by colour, shape and word."""
    shapes = {
        Grade.SOUND: "M5.5 10.5l3 3 6-7",
        Grade.CARE: "M10 5v6m0 3v1",
        Grade.BROKEN: "M6 6l8 8m0-8l-8 8",
        Grade.UNKNOWN: "M6 10h8",
    }
    mark = element(
        "svg",
        element("circle", cx=10, cy=10, r=9),
        element("path", d=shapes[grade]),
        viewBox="0 0 20 20",
        aria_hidden="true",
    )
    return element("span", mark, element("b", words(f"grade.{grade.value}")), class_="badge")


def _scores(by_class: list[ClassScores], results: Results, words: Words) -> Html:
    shown = largest(by_class)
    notes = [words("scores.caption")]
    if is_wide(shown, results.threshold):
        notes.append(words("scores.caption_log"))
    if len(shown) < len(by_class):
        notes.append(words("scores.cut_short", shown=len(shown), n=len(by_class)))
    return figure(words("scores.title"), distribution(shown, results.threshold, words), *notes)


def _kept(bound: float | None, realised: Measured | None, words: Words) -> Html:
    if bound is None or realised is None:
        return element("span", words("missing"), class_="missing")
    kept = realised.value <= bound
    return element("span", words("promises.yes" if kept else "promises.no"), class_="yes" if kept else "no")


def _count_or_share(key: str, measured: Measured, words: Words) -> Html:
    return join([f"{measured.value:,.0f}"]) if key in ("annotated", "found", "images") else measure(measured, words)


def _columns(parts: Sequence[Html], words: Words) -> Html:
    """Set parts side by side where there is room; say so where there are none."""
    return element("div", *parts, class_="columns") if parts else element("p", words("missing"), class_="missing")

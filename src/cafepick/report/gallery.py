"""The worst mistakes in both directions, with pictures of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cafepick.report.markup import Html, element, picture
from cafepick.report.reasons import reason_in_words
from cafepick.report.tables import section
from cafepick.report.words import score
from cafepick.types import Judgement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cafepick.report.results import Results
    from cafepick.report.words import Words
    from cafepick.types import Mistake, SubjectRow

MOST_SHOWN: Final = 12
"""Of either direction; with ``markup.MOST_SIDE`` it bounds the size of the page."""


def mistakes(rows: Sequence[SubjectRow], pictured: Sequence[Mistake], results: Results, words: Words) -> Html:
    """Show what was judged wrongly, farthest from the threshold first."""
    rejected = [m for m in pictured if is_mistake(m.row, results) and m.row.verdict is Judgement.NG]
    missed = [m for m in pictured if is_mistake(m.row, results) and m.row.verdict is Judgement.OK]
    rejected.sort(key=lambda m: -(m.row.score or 0))
    missed.sort(key=lambda m: m.row.score or 0)
    groups = [
        _group("rejected", rejected, _count(rows, results, good=True), results.threshold, words),
        _group("missed", missed, _count(rows, results, good=False), results.threshold, words),
    ]
    note = [element("p", words("mistakes.note"))] if rejected or missed else []
    return section("mistakes", words("mistakes"), *note, *groups)


def is_mistake(row: SubjectRow, results: Results) -> bool:
    """Tell whether a good subject was called NG, or a bad one OK."""
    return row.label is not None and row.verdict is (Judgement.NG if results.is_good(row.label) else Judgement.OK)


def _count(rows: Sequence[SubjectRow], results: Results, *, good: bool) -> int | None:
    """Count the mistakes among good or bad subjects; None where no such subject was judged."""
    judged = [row for row in rows if row.score is not None and row.label is not None]
    kind = [row for row in judged if results.is_good(str(row.label)) is good]
    return sum(is_mistake(row, results) for row in kind) if kind else None


def _group(which: str, shown: list[Mistake], count: int | None, threshold: float | None, words: Words) -> Html:
    """Show the mistakes of one direction, or say why there are none to show."""
    title = element("h3", words(f"mistakes.{which}"))
    if not shown:
        key = "no_pictures" if count else "unknown" if count is None else f"no_{which}"
        return element("div", title, element("p", words(f"mistakes.{key}", n=count)))
    kept = shown[:MOST_SHOWN]
    number = element("p", words("mistakes.shown", shown=len(kept), n=max(count or 0, len(shown))), class_="note")
    pictures = element("div", *(_picture(mistake, threshold, words) for mistake in kept), class_="gallery")
    return element("div", title, number, pictures)


def _picture(mistake: Mistake, threshold: float | None, words: Words) -> Html:
    row = mistake.row
    facts = [words("mistakes.bean", n=row.bean)] if words.subject == "beans" else []
    facts.append(words("mistakes.label", label=row.label))
    if row.score is not None:
        limit = {} if threshold is None else {"threshold": score(threshold)}
        facts.append(words("mistakes.score_of" if limit else "mistakes.score", score=score(row.score), **limit))
    if row.p_value is not None:
        facts.append(words("mistakes.p_value", p=f"{row.p_value:.3g}"))
    lines = [element("b", row.image), element("span", " · ".join(facts))]
    if mistake.why is not None:
        lines.append(element("span", words("mistakes.why", reason=reason_in_words(mistake.why, words))))
    caption = element("figcaption", *lines)
    return element("figure", picture(mistake.panel, words("mistakes.alt", name=row.image)), caption)

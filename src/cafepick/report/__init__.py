"""The quality of a model on one page: ``report.html``, for the table, the phone and the printer.

    metrics.json -> results -> sections (charts, trust, tables, gallery, provenance) -> one HTML file

The page carries its style, its plots (SVG) and its pictures (WebP). It loads nothing and runs no script, and says so
to the browser, which then enforces it. Names and labels from data pass through ``markup.element``, which escapes them.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any

from cafepick.files import write_text
from cafepick.report import sections
from cafepick.report.gallery import mistakes as gallery
from cafepick.report.markup import Html, element
from cafepick.report.provenance import made, training
from cafepick.report.results import Results, read_results
from cafepick.report.words import Words, moment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cafepick.report.words import Language
    from cafepick.types import Mistake, SubjectRow

__all__ = ["write_report"]

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def write_report(
    path: Path,
    metrics: dict[str, Any],
    subjects: Sequence[SubjectRow],
    mistakes: Sequence[Mistake],
    *,
    language: Language = "en",
    training_curves: Path | None = None,
) -> None:
    """Write the report of an evaluation as one HTML file.

    What was not measured (absent or null in ``metrics``) is said to be so, with the reasons in ``omitted``.

    Args:
        path: the file, whole or not at all.
        metrics: content of ``metrics.json``, see ``docs/metrics.md``; ``"subject": "whole"`` makes the page speak of
            images rather than of beans.
        subjects: all subjects that were judged, for the plot of scores and the number of mistakes.
        mistakes: some or all of those judged wrongly; the 12 worst of either direction are shown.
        language: ``en`` or ``ja``.
        training_curves: picture of losses and accuracies; a picture that cannot be read is said to be so.

    Raises:
        OutputError: the file cannot be written.
    """
    words = Words(language, "whole" if metrics.get("subject") == "whole" else "beans")
    results = read_results(metrics)
    parts = [
        sections.trust(results, words),
        sections.classes(results, subjects, words),
        gallery(subjects, mistakes, results, words),
        sections.promises(results, words),
        sections.curves(results, words),
        sections.places(results, words),
        training(training_curves, words),
        made(metrics, words),
        sections.omissions(results, words),
    ]
    write_text(path, "<!DOCTYPE html>\n" + _page(results, parts, metrics, words) + "\n")


def _page(results: Results, parts: list[Html], metrics: dict[str, Any], words: Words) -> Html:
    return element(
        "html",
        _head(words),
        element("body", _top(results, metrics, words), element("main", *parts), element("footer", words("foot"))),
        lang=words.language,
    )


def _head(words: Words) -> Html:
    style = files(__name__).joinpath("page.css").read_text(encoding="utf-8")
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name_="color-scheme", content="light dark"),
        element("title", f"{words('title')} · cafepick"),
        element("link", rel="icon", href="data:,"),
        element("style", Html(style)),
    )


def _top(results: Results, metrics: dict[str, Any], words: Words) -> Html:
    """Build what is seen first: what this is, the headline and the two shares, and the contents."""
    about = [moment(str(metrics[key])) for key in ("source", "date") if metrics.get(key)]
    links = [
        element("a", words(key), href=f"#{key}")
        for key in ("trust", "classes", "mistakes", "promises", "curves", "training", "made")
    ]
    return element(
        "header",
        element("p", element("b", "cafepick"), " ", words("title"), class_="kicker"),
        element("h1", sections.headline(results, words)),
        element("p", " · ".join(about), class_="note"),
        sections.shares(results, words),
        element("nav", *links, aria_label=words("contents")),
    )

"""Tables, figures and the parts of a page around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cafepick.report.markup import Html, element, join

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cafepick.report.results import Measured
    from cafepick.report.words import Words


def section(identity: str, title: str, *parts: str) -> Html:
    """Build a section with a heading, that the contents can point to."""
    heading = element("h2", title, id=f"{identity}-heading")
    return element("section", heading, *parts, id=identity, aria_labelledby=f"{identity}-heading")


def figure(title: str, drawn: str, *caption: str) -> Html:
    """Build a figure: title above, caption below."""
    return element(
        "figure", element("h3", title), drawn, element("figcaption", *(element("p", text) for text in caption if text))
    )


def table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]], *notes: str) -> Html:
    """Build a card with a table; the first cell of a row names it.

    Args:
        title: above the table.
        header: names of the columns.
        rows: cells as text or markup.
        notes: sentences below the table.
    """
    head = element("tr", *(element("th", name, scope="col") for name in header))
    body = [
        element("tr", element("th", first, scope="row"), *(element("td", cell) for cell in others))
        for first, *others in rows
    ]
    return element(
        "div",
        element("table", element("caption", title), element("thead", head), element("tbody", *body)),
        *(element("p", note, class_="note") for note in notes if note),
        class_="tile",
    )


def measure(value: Measured | None, words: Words, *, percent: bool = False) -> Html:
    """Build a cell with a measure, and its interval in small print."""
    if value is None:
        return element("span", words("missing"), class_="missing")
    spread = words.spread(value, percent=percent)
    plain = words.with_spread(value._replace(low=None), percent=percent)
    return join([plain, " ", element("small", spread)]) if spread else join([plain])


def bullets(items: Iterable[str]) -> Html:
    """Build a list."""
    return element("ul", *(element("li", item) for item in items))

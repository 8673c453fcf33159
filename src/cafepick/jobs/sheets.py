"""Whether the photos of a source show the beans on whole sheets of paper, and of which kind."""

from __future__ import annotations

from math import exp, log
from typing import TYPE_CHECKING, Final, NamedTuple

from cafepick.beans.sheet import SURE, find_sheet
from cafepick.beans.view import NAMES
from cafepick.errors import PhotoError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cafepick.beans.sheet import Sheet
    from cafepick.config import SheetKind
    from cafepick.data.sources import Source

LOOKED_AT: Final = 20
"""Photos of a source, spread evenly over it, that are looked at."""
MOST: Final = 0.8
"""Share of them that must show a whole sheet, for sizes to be measured on it; photos without one are then left out."""
DOUBT: Final = 1e-6
"""Least probability that one photo leaves to either kind of paper."""


class Choice(NamedTuple):
    """What the photos lie on, and what a user should know about how that was told."""

    sheet: SheetKind
    note: str = ""


def choose_sheet(source: Source, progress: Callable[[int, int], None]) -> Choice:
    """Look at some photos of a source and say whether its beans lie on A4 or Letter sheets, all of one kind.

    Args:
        source: where the photos come from; those that cannot be read do not count.
        progress: called after each photo with how many are done and how many there are.
    """
    items = source.some(LOOKED_AT)
    seen: list[Sheet | None] = []
    for done, item in enumerate(items, start=1):
        try:
            seen.append(find_sheet(source.read(item)))
        except PhotoError:
            continue
        finally:
            progress(done, len(items))
        if len(items) - seen.count(None) < MOST * len(items):  # whatever the others show
            break
    return _choice(seen)


def _choice(seen: Sequence[Sheet | None]) -> Choice:
    sheets = [sheet for sheet in seen if sheet is not None]
    if not sheets:
        return Choice("none")
    if len(sheets) < MOST * len(seen):
        return Choice(
            "none",
            f"a whole sheet of paper was found in {len(sheets)} of {len(seen)} photos, too few to measure on, so sizes "
            f"stay in pixels: --sheet a4 or letter measures on it, and leaves out photos without one",
        )
    chance = a4_chance([(sheet.paper, sheet.certainty) for sheet in sheets])
    kind: SheetKind = "a4" if chance >= 0.5 else "letter"
    certainty = max(chance, 1 - chance)
    doubt = f", {certainty:.0%} sure: say --sheet a4 or letter if it is the other" if certainty < SURE else ""
    return Choice(kind, f"the beans lie on whole {NAMES[kind]} sheets{doubt}")


def a4_chance(papers: Sequence[tuple[str, float]]) -> float:
    """Return the probability that the sheets of several photos, all of one kind, are A4.

    Args:
        papers: of each photo the likelier kind, and its probability against the other.
    """
    odds = 0.0
    for paper, certainty in papers:
        p = min(max(certainty if paper == "a4" else 1 - certainty, DOUBT), 1 - DOUBT)
        odds += log(p / (1 - p))
    return 1 / (1 + exp(-min(max(odds, -600.0), 600.0)))

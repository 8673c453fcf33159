"""Show which good subjects are least like the others: a defective one among them had better be left out.

``oddest.png`` shows the oddest with their names and what is odd, most of all first; ``oddest.csv`` lists all. Each is
judged by what the others taught, so one that is alone of its kind stands out; many alike do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from cafepick.beans.descriptors import names_of
from cafepick.draw import captioned_grid
from cafepick.files import write_csv
from cafepick.images import write_image
from cafepick.scoring.fusion import APPEARANCE
from cafepick.scoring.reasons import in_short, in_words, reason_of
from cafepick.types import Reason

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from cafepick.config import SubjectKind
    from cafepick.jobs.gather import Place, Subjects
    from cafepick.scoring.appearance import Appearance

PICTURE: Final = "oddest.png"
TABLE: Final = "oddest.csv"
COLUMNS: Final = ("image", "bean", "x", "y", "width", "height", "score", "reason")
SHARE: Final = 0.1
LEAST: Final = 12
MOST: Final = 96
"""The picture shows this share of the good subjects, but so many of them at least and at most."""


class Odd(NamedTuple):
    """A good subject that is unlike the others."""

    image: str
    """Name of its photo."""
    place: Place
    score: float
    why: Reason


def write_oddest(
    folder: Path, subjects: Subjects, scores: NDArray[np.float64], appearance: Appearance
) -> tuple[Odd, ...]:
    """Write the picture and the table; return those that the picture shows, the oddest first.

    Args:
        folder: of the run.
        subjects: the n good ones.
        scores: (n,) how unusual each looks, by what the others taught.
        appearance: of all of them, which says what is unusual.

    Raises:
        OutputError: a file cannot be written.
    """
    order = np.argsort(-scores, kind="stable").tolist()
    names = names_of(subjects.config)
    oddest = tuple(
        Odd(
            subjects.names[subjects.groups[one]],
            subjects.places[one],
            float(scores[one]),
            reason_of({APPEARANCE: 0.0}, names, subjects.descriptors[one], appearance, _no_area),
        )
        for one in order
    )
    shown = min(max(round(SHARE * len(order)), LEAST), MOST, len(order))
    captions = [_caption(rank, odd, subjects.config.subject) for rank, odd in enumerate(oddest[:shown], start=1)]
    write_image(folder / PICTURE, captioned_grid(subjects.crops[order[:shown]], captions))
    write_csv(folder / TABLE, COLUMNS, map(_row, oddest))
    return oddest[:shown]


def _no_area() -> Reason:
    return Reason("combination")


def _caption(rank: int, odd: Odd, subject: SubjectKind) -> tuple[str, str]:
    return f"{rank}: {odd.image}{f', {odd.place.bean}' if subject == 'beans' else ''}", in_short(odd.why)


def _row(odd: Odd) -> tuple[object, ...]:
    box = (round(side, 1) for side in odd.place.box)
    return (odd.image, odd.place.bean, *box, round(odd.score, 4), in_words(odd.why))

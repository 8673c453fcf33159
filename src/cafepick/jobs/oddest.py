"""Show which good subjects are least like the others: a defective one among them had better be left out.

``oddest.png`` shows the oddest with their names and what is odd, most of all first; ``oddest.csv`` lists all. Each is
judged by what the others taught, so one that is alone of its kind stands out; many alike do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

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

    from cafepick.jobs.gather import Subjects
    from cafepick.scoring.appearance import Appearance

PICTURE: Final = "oddest.png"
TABLE: Final = "oddest.csv"
COLUMNS: Final = ("image", "bean", "x", "y", "width", "height", "score", "reason")
SHARE: Final = 0.1
LEAST: Final = 12
MOST: Final = 96
"""The picture shows this share of the good subjects, but so many of them at least and at most."""


def write_oddest(folder: Path, subjects: Subjects, scores: NDArray[np.float64], appearance: Appearance) -> None:
    """Write the picture and the table.

    Args:
        folder: of the run.
        subjects: the n good ones.
        scores: (n,) how unusual each looks, by what the others taught.
        appearance: of all of them, which says what is unusual.

    Raises:
        OutputError: a file cannot be written.
    """
    order = np.argsort(-scores, kind="stable").tolist()
    names, beans = names_of(subjects.config), subjects.config.subject == "beans"
    rows, captions = [], []
    for rank, one in enumerate(order, start=1):
        image, (bean, box) = subjects.names[subjects.groups[one]], subjects.places[one]
        why = reason_of({APPEARANCE: 0.0}, names, subjects.descriptors[one], appearance, Reason("combination"))
        place = tuple(round(side, 1) for side in box)
        rows.append((image, bean, *place, round(float(scores[one]), 4), in_words(why)))
        captions.append((f"{rank}: {image}{f', {bean}' if beans else ''}", in_short(why)))
    shown = min(max(round(SHARE * len(order)), LEAST), MOST, len(order))
    write_image(folder / PICTURE, captioned_grid(subjects.crops[order[:shown]], captions[:shown]))
    write_csv(folder / TABLE, COLUMNS, rows)

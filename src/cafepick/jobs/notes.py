"""What is kept of each photo while a labelled source is judged: small, so that a large source fits into memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from cafepick.beans.crop import mask_in_crop
from cafepick.draw import panel
from cafepick.jobs.inspect import table_row
from cafepick.jobs.pixels import pixel_truth
from cafepick.scoring.evaluation import Found, Judged, PixelTruth
from cafepick.types import Judgement, Mistake, SubjectRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cafepick.jobs.inspect import Photo
    from cafepick.jobs.journal import Row
    from cafepick.jobs.truth import Labelling, Truth
    from cafepick.types import Evidence, Verdict

MOST_MISTAKES: Final = 12
"""So many mistakes of each kind are kept, the worst ones."""


@dataclass(eq=False)
class Notes:
    """Collects rows, maps and mistakes, photo by photo."""

    labelling: Labelling
    side: int | None
    """Longer side at which maps and masks are compared, in pixels; None: the source has no masks."""
    subjects: list[SubjectRow] = field(default_factory=list)
    table: list[Row] = field(default_factory=list)
    """The lines of ``scores.csv``."""
    found: list[Found] = field(default_factory=list)
    pixels: list[PixelTruth] = field(default_factory=list)
    without_mask: int = 0
    """Photos with defects, but without a mask."""
    rejected: list[Mistake] = field(default_factory=list)
    """Good subjects judged NG, the highest score first."""
    missed: list[Mistake] = field(default_factory=list)
    """Defective subjects judged OK, the lowest score first."""

    def add(self, photo: Photo, verdicts: Sequence[Verdict], truth: Truth) -> None:
        """Note the verdicts of one photo, and what is true."""
        name = photo.item.name
        labels = truth.labels or (None,)  # an empty photo has one verdict, and no subject
        for verdict, label in zip(verdicts, labels, strict=True):
            row = _subject(name, verdict, label)
            self.subjects.append(row)
            self.table.append([*table_row(name, verdict), label or ""])
            self._keep_mistake(row, verdict.evidence, truth.mask)
        if truth.found is not None:
            self.found.append(truth.found)
        if self.side is not None:
            self._keep_pixels(photo, verdicts, truth, self.side)

    def judged(self) -> Judged:
        """Return the subjects that have a label and a score."""
        rows = [row for row in self.subjects if row.label is not None and row.score is not None]
        labels = [str(row.label) for row in rows]
        photos = np.unique([row.image for row in rows], return_inverse=True)[1]
        return Judged(
            labels=np.array(labels, np.str_),
            defective=np.array([not self.labelling.is_good(label) for label in labels], bool),
            photos=np.asarray(photos, np.int64),
            score=np.array([row.score for row in rows], np.float64),
            residual=np.array([row.residual for row in rows], np.float64),
            discrimination=np.array([row.discrimination for row in rows], np.float64),
        )

    def _keep_mistake(self, row: SubjectRow, evidence: Evidence | None, mask: NDArray[np.bool_] | None) -> None:
        """Draw a wrong verdict if it is among the worst so far."""
        if row.label is None or evidence is None:
            return
        good = self.labelling.is_good(row.label)
        kept, wrong = (self.rejected, Judgement.NG) if good else (self.missed, Judgement.OK)
        badness = _highest_first if good else _lowest_first
        if row.verdict is wrong and (len(kept) < MOST_MISTAKES or badness(row) < badness(kept[-1].row)):
            truth = None if mask is None else mask_in_crop(mask, evidence.crop)
            kept.append(Mistake(row, panel(evidence, truth)))
            kept.sort(key=lambda mistake: badness(mistake.row))
            del kept[MOST_MISTAKES:]

    def _keep_pixels(self, photo: Photo, verdicts: Sequence[Verdict], truth: Truth, side: int) -> None:
        """Keep map and mask; a photo without a mask counts as free of defects only if all of it is good."""
        labels = set(truth.labels) or {photo.item.label}
        mask = truth.mask
        if mask is None and all(label is not None and self.labelling.is_good(label) for label in labels):
            mask = np.zeros(photo.prepared.shape, bool)
        if mask is None:
            self.without_mask += 1
        else:
            self.pixels.append(pixel_truth(mask, verdicts, side=side))


def _highest_first(row: SubjectRow) -> float:
    return -(row.score or 0.0)


def _lowest_first(row: SubjectRow) -> float:
    return row.score or 0.0


def _subject(image: str, verdict: Verdict, label: str | None) -> SubjectRow:
    scores = verdict.scores
    return SubjectRow(
        image=image,
        bean=verdict.bean,
        label=label,
        score=None if scores is None else scores.score,
        residual=None if scores is None else scores.residual,
        discrimination=None if scores is None else scores.discrimination,
        p_value=verdict.p_value,
        verdict=verdict.judgement,
    )

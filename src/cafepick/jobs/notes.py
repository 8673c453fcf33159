"""What is kept of each photo while a labelled source is judged: small, so that a large source fits into memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from cafepick.beans.crop import mask_in_crop
from cafepick.draw import panel
from cafepick.jobs.inspect import table_row
from cafepick.jobs.pixels import pixel_truth
from cafepick.jobs.seen import print_of
from cafepick.scoring.evaluation import Found, Judged, PixelTruth
from cafepick.types import Judgement, Mistake, SubjectRow

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from numpy.typing import NDArray

    from cafepick.jobs.inspect import Photo
    from cafepick.jobs.journal import Row
    from cafepick.jobs.truth import Labelling, Truth
    from cafepick.types import Verdict

MOST_MISTAKES: Final = 12
"""So many mistakes of each kind are kept, the worst ones."""


@dataclass(frozen=True, eq=False, kw_only=True)
class PhotoNotes:
    """What is kept of one judged photo."""

    subjects: tuple[SubjectRow, ...]
    table: tuple[Row, ...]
    """Its lines of ``scores.csv``."""
    found: Found | None = None
    pixels: PixelTruth | None = None
    without_mask: bool = False
    """It has defects, but no mask."""
    unmarked: bool = False
    """It has defects, but its mask marks none."""
    learnt: bool = False
    """The model learnt from it."""
    mistakes: tuple[Mistake, ...] = ()
    """Its wrong verdicts that were among the worst when it was judged."""


@dataclass(eq=False)
class Notes:
    """Collects rows, maps and mistakes, photo by photo."""

    labelling: Labelling
    learnt_prints: Collection[str]
    """Of the photos that the model learnt from (``seen``)."""
    side: int | None
    """Longer side at which maps and masks are compared, in pixels; None: the source has no masks."""
    subjects: list[SubjectRow] = field(default_factory=list)
    table: list[Row] = field(default_factory=list)
    """The lines of ``scores.csv``."""
    found: list[Found] = field(default_factory=list)
    pixels: list[PixelTruth] = field(default_factory=list)
    without_mask: int = 0
    """Photos with defects, but without a mask."""
    unmarked: list[str] = field(default_factory=list)
    """Photos with defects whose mask marks none."""
    learnt: set[str] = field(default_factory=set)
    """Photos that the model learnt from."""
    rejected: list[Mistake] = field(default_factory=list)
    """Good subjects judged NG, the highest score first."""
    missed: list[Mistake] = field(default_factory=list)
    """Defective subjects judged OK, the lowest score first."""

    def of(self, photo: Photo, verdicts: Sequence[Verdict], truth: Truth) -> PhotoNotes:
        """Return what to keep of one photo; only mistakes that are among the worst so far are drawn."""
        name = photo.item.name
        labels = truth.labels or (None,)  # an empty photo has one verdict, and no subject
        rows = tuple(_subject(name, verdict, label) for verdict, label in zip(verdicts, labels, strict=True))
        mask = None if self.side is None else self._mask(photo, truth)
        unmarked = mask is not None and not mask.any() and self._shows_defects(photo, truth)
        used = None if unmarked else mask
        return PhotoNotes(
            subjects=rows,
            table=tuple([*table_row(name, one), row.label or ""] for one, row in zip(verdicts, rows, strict=True)),
            found=truth.found,
            pixels=None if used is None or self.side is None else pixel_truth(used, verdicts, side=self.side),
            without_mask=mask is None and self.side is not None,
            unmarked=unmarked,
            learnt=bool(self.learnt_prints) and print_of(photo.pixels) in self.learnt_prints,
            mistakes=tuple(self._mistakes(rows, verdicts, truth.mask)),
        )

    def add(self, photo: PhotoNotes) -> None:
        """Take in what was kept of one photo, judged now or in a run before."""
        self.subjects.extend(photo.subjects)
        self.table.extend(photo.table)
        if photo.found is not None:
            self.found.append(photo.found)
        if photo.pixels is not None:
            self.pixels.append(photo.pixels)
        self.without_mask += photo.without_mask
        if photo.unmarked:
            self.unmarked.append(photo.subjects[0].image)
        if photo.learnt:
            self.learnt.add(photo.subjects[0].image)
        for mistake in photo.mistakes:
            kept = self._mistakes_like(mistake.row)
            if kept is not None:
                kept.append(mistake)
                kept.sort(key=_rank)
                del kept[MOST_MISTAKES:]

    def good_photos(self) -> set[str]:
        """Return the photos with good subjects that have a score."""
        known = [row for row in self.subjects if row.label is not None and row.score is not None]
        return {row.image for row in known if self.labelling.is_good(str(row.label))}

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
            parts={
                name: np.array([row.parts[name] for row in rows], np.float64)
                for name in (rows[0].parts if rows else ())
            },
        )

    def _mistakes(
        self, rows: Sequence[SubjectRow], verdicts: Sequence[Verdict], mask: NDArray[np.bool_] | None
    ) -> Iterator[Mistake]:
        """Draw the wrong verdicts of a photo that are among the worst so far."""
        for row, verdict in zip(rows, verdicts, strict=True):
            kept = self._mistakes_like(row)
            if kept is None or verdict.evidence is None:
                continue
            if len(kept) < MOST_MISTAKES or _badness(row) < _rank(kept[-1]):
                truth = None if mask is None else mask_in_crop(mask, verdict.evidence.crop)
                yield Mistake(row, panel(verdict.evidence, truth), verdict.why)

    def _mistakes_like(self, row: SubjectRow) -> list[Mistake] | None:
        """Return the list that a wrong verdict belongs to; None for a right one and for a subject without a label."""
        if row.label is None:
            return None
        good = self.labelling.is_good(row.label)
        if good and row.verdict is Judgement.NG:
            return self.rejected
        return self.missed if not good and row.verdict is Judgement.OK else None

    def _mask(self, photo: Photo, truth: Truth) -> NDArray[np.bool_] | None:
        """Return the defects (H, W); without a mask, a photo counts as free of them only if all of it is good."""
        labels = set(truth.labels) or {photo.item.label}
        if truth.mask is None and all(label is not None and self.labelling.is_good(label) for label in labels):
            return np.zeros(photo.prepared.shape, bool)
        return truth.mask

    def _shows_defects(self, photo: Photo, truth: Truth) -> bool:
        """Tell whether a class of defect is named for the photo or a subject in it, whatever its mask marks."""
        named = {*truth.labels}
        if self.labelling.labels is None and photo.item.outlines is None:
            named.add(photo.item.label)
        return any(label is not None and not self.labelling.is_good(label) for label in named)


def _badness(row: SubjectRow) -> float:
    """Rank mistakes, the worst lowest: a high score of what was rejected, a low one of what was missed."""
    return (row.score or 0.0) * (-1 if row.verdict is Judgement.NG else 1)


def _rank(mistake: Mistake) -> float:
    return _badness(mistake.row)


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
        parts={} if scores is None else dict(scores.parts),
    )

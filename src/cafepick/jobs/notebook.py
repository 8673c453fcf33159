"""Keeps on disk what an evaluation notes of each photo, so that a killed one can be taken up again.

``evaluate.partial.jsonl`` is a journal as ``detect`` has one, with a line for each photo. What is no text, maps beside
their masks and pictures of mistakes, lies in a file for each photo in ``evaluate.partial/``, written before its line.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from cafepick.errors import ConfigError
from cafepick.files import replacing
from cafepick.jobs.journal import Journal
from cafepick.jobs.notes import PhotoNotes
from cafepick.scoring.evaluation import Found, PixelTruth
from cafepick.types import Judgement, Mistake, Reason, SubjectRow

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

Arrays = dict[str, "NDArray[Any]"]

NAME: Final = "evaluate.partial"
MAPS: Final = ("mask", "anomaly", "segmentation")
"""Arrays of ``PixelTruth``."""


class Notebook:
    """The notes of the photos judged so far, on disk."""

    def __init__(self, out: Path, run: dict[str, Any], *, resume: bool) -> None:
        """Begin anew, or take up the notes in ``out``.

        Args:
            out: folder of the results.
            run: what makes two runs the same, e.g. model, rate and source.
            resume: False removes the notes of an earlier run.

        Raises:
            ConfigError: the notes belong to another run, or are damaged.
            OutputError: they cannot be written.
        """
        self._folder = out / NAME
        if not resume:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._journal = (Journal.resume if resume else Journal.start)(out / f"{NAME}.jsonl", run)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the photos noted, in the order in which they were judged."""
        return tuple(self._journal.rows)

    def add(self, image: str, notes: PhotoNotes) -> None:
        """Write down what is kept of a photo; on return it is on the disk.

        Raises:
            OutputError: it cannot be written; the photo then counts as not judged.
        """
        arrays = _arrays_of(notes)
        file = f"{len(self._journal.rows):06d}.safetensors" if arrays else None
        if file is not None:
            with replacing(self._folder / file) as temporary:
                temporary.write_bytes(save(arrays))
        more = {
            "subjects": [_known(row) for row in notes.subjects],
            "found": notes.found,
            "block": None if notes.pixels is None else notes.pixels.block,
            "without_mask": notes.without_mask,
            "unmarked": notes.unmarked,
            "learnt": notes.learnt,
            "mistakes": _positions(notes),
            "why": [None if one.why is None else asdict(one.why) for one in notes.mistakes],
            "arrays": file,
        }
        self._journal.add(image, list(notes.table), more=more)

    def read(self, image: str) -> PhotoNotes:
        """Return what was kept of a photo among ``names``.

        Raises:
            ConfigError: it is damaged.
        """
        rows, more = self._journal.rows[image], self._journal.more.get(image, {})
        try:
            arrays = load((self._folder / more["arrays"]).read_bytes()) if more["arrays"] else {}
            subjects = tuple(SubjectRow(image=image, **_as_known(known)) for known in more["subjects"])
            found = None if more["found"] is None else _as_found(*more["found"])
            maps = {name: arrays[name] for name in MAPS if name in arrays}
            pixels = PixelTruth(**maps, block=int(more["block"])) if maps else None
            whys = [None if why is None else Reason(**why) for why in more["why"]]
            mistakes = [
                Mistake(subjects[number], arrays[f"panel.{number}"], why)
                for number, why in zip(more["mistakes"], whys, strict=True)
            ]
            flags = {name: bool(more[name]) for name in ("without_mask", "unmarked", "learnt")}
        except (OSError, SafetensorError, KeyError, IndexError, TypeError, ValueError) as error:
            raise ConfigError(
                f"the notes on {image} in {self._journal.path.parent} are damaged ({error!r}): "
                f"go without --resume to begin anew"
            ) from error
        return PhotoNotes(
            subjects=subjects,
            table=tuple(rows),
            found=found,
            pixels=pixels,
            mistakes=tuple(mistakes),
            **flags,
        )

    def remove(self) -> None:
        """Delete the notes, once the results are written."""
        self._journal.remove()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Notebook:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._journal.__exit__(kind, error, trace)


def _known(row: SubjectRow) -> dict[str, Any]:
    """Return a row as JSON values, in full precision, without the name of its photo."""
    return {name: value for name, value in asdict(row).items() if name != "image"} | {"verdict": row.verdict.value}


def _as_known(known: dict[str, Any]) -> dict[str, Any]:
    return {**known, "verdict": Judgement(known["verdict"])}


def _as_found(annotated: int, found: int, overlaps: list[float], not_found: list[str]) -> Found:
    return Found(annotated, found, tuple(overlaps), tuple(not_found))


def _positions(notes: PhotoNotes) -> list[int]:
    """Return which of the subjects each mistake is, counted from 0."""
    position = {id(row): number for number, row in enumerate(notes.subjects)}
    return [position[id(mistake.row)] for mistake in notes.mistakes]


def _arrays_of(notes: PhotoNotes) -> Arrays:
    arrays: Arrays = {} if notes.pixels is None else {name: getattr(notes.pixels, name) for name in MAPS}
    arrays |= {f"panel.{n}": one.panel for n, one in zip(_positions(notes), notes.mistakes, strict=True)}
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}

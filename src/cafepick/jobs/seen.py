"""Knows the photos that a model learnt from again, so that none of them is taken for new.

A model knows its own photos better than new ones, so a threshold set by them would reject far more good subjects than
it promises. Photos are told apart by their pixels: a copy under another name is the same photo.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cafepick.errors import CalibrationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from cafepick.jobs.gather import Subjects

FIELD: Final = "learnt_from"
"""Of the artefact's records of ``training`` and ``calibration``."""
KEPT: Final = "kept_aside"
"""Of its record of ``training``: photos that only set scales and threshold, and may do so again."""

BYTES: Final = 6
"""Of a print: two of 200,000 photos learnt from and 200 new ones are alike with a chance of 1e-7."""
LETTERS: Final = BYTES * 4 // 3


def print_of(photo: NDArray[np.uint8]) -> str:
    """Return eight letters that tell a photo (H, W, 3) from others, a short hash of size and pixels."""
    digest = blake2b(repr(photo.shape).encode(), digest_size=BYTES)
    digest.update(np.ascontiguousarray(photo).data)
    return b64encode(digest.digest()).decode()


def record_of(prints: Iterable[str]) -> str:
    """Return the prints as the artefact keeps them: in one text, ascending, each once."""
    return "".join(sorted(set(prints)))


def without_prints(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record of an artefact for people, to whom prints say nothing."""
    return {key: value for key, value in record.items() if key not in (FIELD, KEPT)}


def learnt_prints(facts: Mapping[str, Any], *records: str) -> set[str]:
    """Return the prints of the photos that a model learnt from; none if unknown.

    Args:
        facts: ``Detector.facts``.
        records: where: ``training``, ``calibration``; none given: in either.
    """
    texts = [facts.get(record, {}).get(FIELD, "") for record in records or ("training", "calibration")]
    return {text[begin : begin + LETTERS] for text in texts for begin in range(0, len(text), LETTERS)}


def refuse_learnt(facts: Mapping[str, Any], subjects: Subjects, where: str) -> None:
    """Refuse subjects to calibrate with of which the model was trained on some.

    Args:
        facts: ``Detector.facts``.
        subjects: what was gathered.
        where: their source, for the message.

    Raises:
        CalibrationError: a photo is one that the model learnt from.
    """
    learnt = learnt_prints(facts, "training")
    seen = [name for name, print_ in zip(subjects.names, subjects.prints, strict=True) if print_ in learnt]
    if seen:
        raise CalibrationError(
            f"{len(seen)} of the {len(subjects.names)} photos in {where} are among those that the model learnt from, "
            f"first {seen[0]}: it knows them too well to set a threshold that holds for new ones: take photos that it "
            f"was not trained on"
        )

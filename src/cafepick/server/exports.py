"""The record as files: tables, pictures, lots, and what operators said as a folder to learn and measure with."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import IO, Any, Final, Literal

import numpy as np
from sqlalchemy import func, select

from cafepick.data.labels import COLUMNS as LABEL_COLUMNS
from cafepick.data.sources import GOOD
from cafepick.draw import overlay, panel, pictures
from cafepick.images import to_png
from cafepick.jobs.inspect import COLUMNS
from cafepick.server import evidence
from cafepick.server.checks import OF_CHECK, Checks, Filter, corrected_out
from cafepick.server.marks import Promises, Tally, corrected
from cafepick.server.photos import Photos
from cafepick.server.problems import ApiError
from cafepick.server.schemas import CheckOut, Counts, LotOut, VerdictOut
from cafepick.server.store.engine import Store
from cafepick.server.store.tables import Check, Photo
from cafepick.server.vault import SUFFIX, Vault

Scope = Literal["reviewed", "corrected"]
Part = Literal["input", "reconstruction", "anomaly_map", "segmentation"]

BAD: Final = "bad"
HISTORY: Final = ("check", "created", "lot", "model", "note", "correction")
"""Columns before those of ``scores.csv``."""
TABLE: Final = (*COLUMNS, "reason")
"""As ``cafepick detect`` writes it up to the verdict, and then why an NG is one."""
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


class Exports:
    """Reads the record; writes only into a file that it is given."""

    def __init__(self, store: Store, vault: Vault, photos: Photos, checks: Checks) -> None:
        self._store, self._vault, self._photos, self._checks = store, vault, photos, checks

    def panel(self, check: str, bean: int, part: Part | None = None) -> bytes:
        """Return the PNG of what the verdict on a bean rests on, or one picture of it without words.

        Raises:
            ApiError: there is no such check, bean or picture, or no verdict yet.
        """
        found = self._done(check)
        shown = self._evidence(found).get(bean)
        if shown is None:
            raise ApiError(
                404, "no_such_bean", f"there is no picture of bean {bean}: it is cut by the frame, or not there"
            )
        return to_png(panel(shown) if part is None else pictures(shown)[part.replace("_", " ")])

    def overlay(self, check: str, rate: float | None) -> bytes:
        """Return the PNG of the photo with its verdicts, at the recorded or another rate.

        Raises:
            ApiError: there is no such check, or no verdict yet.
            CalibrationError: its model cannot promise the rate.
        """
        found = self._done(check)
        if rate is not None:
            Promises(found.calibration_subjects).check(rate)
        beans = self._beans(check)
        shown = {} if found.empty else self._evidence(found)
        verdicts = evidence.verdicts_of(beans, shown, found.false_reject if rate is None else rate)
        return to_png(overlay(self._photos.pixels(self._photos.get(found.photo.id)), verdicts))

    def scores(self, check: str) -> Iterator[str]:
        """Return ``scores.csv`` of one check, line by line.

        Raises:
            ApiError: there is no such check, or no verdict yet.
        """
        found = self._done(check)
        return _csv(TABLE, _rows(found))

    def history(self, wanted: Filter) -> Iterator[str]:
        """Return the beans of all checks that fit, line by line."""

        def rows() -> Iterator[list[object]]:
            for key in self._checks.ids(wanted):
                try:
                    check = self._checks.get(key)
                except ApiError:  # deleted meanwhile
                    continue
                said = [verdict.correction or "" for verdict in check.verdicts] or [""]
                head = [check.id, check.created, *map(_harmless, (check.lot, check.model.name, check.note))]
                for row, one in zip(_rows(check), said, strict=True):
                    yield [*head, one, *row]

        return _csv((*HISTORY, *TABLE), rows())

    def lots(self, q: str | None, model: str | None, limit: int) -> list[LotOut]:
        """Return the newest lots, in the order of their first checks."""
        numbers = ("ok", "ng", "cut", "fixed_ok", "fixed_ng", "ok_area", "ng_area", "fixed_ok_area", "fixed_ng_area")
        sums = [func.sum(getattr(Check, name)).label(name) for name in numbers]
        first = func.min(Check.created).label("first")
        query = select(Check.lot, func.count().label("checks"), first, func.max(Check.created).label("last"), *sums)
        query = query.where(*Filter(state="done", model=model).conditions()).group_by(Check.lot)
        if q:
            query = query.where(Check.lot.icontains(q, autoescape=True))
        with self._store.reading() as session:
            rows = session.execute(query.order_by(first.desc()).limit(limit)).mappings().all()
        return [_lot(row) for row in reversed(rows)]

    def corrections(self, wanted: Filter, scope: Scope, target: IO[bytes]) -> None:
        """Write the zip of what operators said.

        Raises:
            ApiError: nobody said anything yet.
            OSError: it cannot be written.
        """
        judged = [pair for check in self._said(wanted, scope) if (pair := (check, _labels(check, scope)))[1]]
        if not judged:
            hint = "mark a check as reviewed" if scope == "reviewed" else "correct a verdict"
            raise ApiError(409, "not_ready", f"there is nothing to export yet: {hint} first")
        newest = {check.photo.id: (check, labels) for check, labels in judged}  # of one photo the last check counts
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
            names = {}
            for digest in newest:
                photo = self._photos.get(digest)
                names[digest] = f"{digest}{SUFFIX[photo.format]}"
                archive.write(self._photos.path(photo), f"photos/{names[digest]}")
            table = [
                (names[digest], verdict.bean, label)
                for digest, (_, labels) in newest.items()
                for verdict, label in labels
            ]
            archive.writestr("labels.csv", "".join(_csv(LABEL_COLUMNS, table)), zipfile.ZIP_DEFLATED)
            coco = json.dumps(_coco(list(newest.values()), names))
            archive.writestr("annotations.json", coco, zipfile.ZIP_DEFLATED)

    def _said(self, wanted: Filter, scope: Scope) -> Iterator[CheckOut]:
        """Yield the checks that the scope means, oldest first."""
        conditions = [*wanted.conditions(), Check.state == "done"]
        conditions.append(Check.reviewed.is_(True) if scope == "reviewed" else Check.said_fine + Check.said_bad > 0)
        query = select(Check.id).join(Photo, OF_CHECK).where(*conditions).order_by(Check.created)
        with self._store.reading() as session:
            keys = list(session.scalars(query))
        for key in keys:
            check = self._checks.get(key)
            if self._vault.photo(check.photo.id, self._photos.get(check.photo.id).format).is_file():
                yield check

    def _done(self, check: str) -> CheckOut:
        found = self._checks.get(check)
        if found.state != "done":
            raise ApiError(409, "not_ready", f"the check is {found.state}: there is no verdict to show")
        return found

    def _beans(self, check: str) -> list[dict[str, Any]]:
        with self._store.reading() as session:
            return session.scalar(select(Check.beans).where(Check.id == check)) or []

    def _evidence(self, check: CheckOut) -> dict[int, Any]:
        path = self._vault.evidence(check.id)
        if check.counts.OK + check.counts.NG and not path.is_file():
            raise ApiError(404, "elsewhere", "the pictures of this check lie at another station: open it there")
        return evidence.load(path, self._beans(check.id))


def _rows(check: CheckOut) -> list[list[object]]:
    """Return the lines of ``scores.csv``, as ``jobs.inspect.table_row`` writes them."""
    name = _harmless(check.photo.name)
    if not check.verdicts:
        box = [f"{side:.1f}" for side in (0, 0, check.photo.width, check.photo.height, 0)]
        return [[name, 0, *box, "", "", "", "", "EMPTY" if check.empty else "", ""]]
    return [[name, *_row(verdict)] for verdict in check.verdicts]


def _row(verdict: VerdictOut) -> list[object]:
    box = verdict.box
    place = [f"{value:.1f}" for value in (box.x, box.y, box.width, box.height, verdict.angle)]
    numbers = (verdict.score, verdict.residual, verdict.discrimination, verdict.p_value)
    reason = verdict.reason if verdict.verdict == "NG" else ""
    return [verdict.bean, *place, *("" if one is None else f"{one:.6g}" for one in numbers), verdict.verdict, reason]


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    for row in chain((header,), rows):
        writer.writerow(row)
        yield stream.getvalue()
        stream.seek(0)
        stream.truncate()


def _harmless(text: str) -> str:
    """Keep spreadsheets from taking a name for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _labels(check: CheckOut, scope: Scope) -> list[tuple[VerdictOut, str]]:
    """Return what each judged bean truly is, as far as the operator said so."""
    judged = [one for one in check.verdicts if one.verdict != "CUT" and (scope == "reviewed" or one.correction)]
    return [(one, GOOD if corrected(one.verdict, one.correction) == "OK" else BAD) for one in judged]


def _coco(checks: Sequence[tuple[CheckOut, list[tuple[VerdictOut, str]]]], names: dict[str, str]) -> dict[str, Any]:
    """Return outlines and classes as COCO (https://cocodataset.org/#format-data)."""
    images = [
        {
            "id": number,
            "file_name": f"photos/{names[check.photo.id]}",
            "width": check.photo.width,
            "height": check.photo.height,
        }
        for number, (check, _) in enumerate(checks, start=1)
    ]
    beans = [
        (number, verdict, label, check)
        for number, (check, labels) in enumerate(checks, start=1)
        for verdict, label in labels
    ]
    annotations = [
        {
            "id": key,
            "image_id": number,
            "category_id": 1 if label == GOOD else 2,
            "iscrowd": 0,
            "segmentation": [np.ravel(verdict.outline or _frame(check)).tolist()],
            "bbox": list(verdict.box.model_dump().values()),
            "area": verdict.area,
        }
        for key, (number, verdict, label, check) in enumerate(beans, start=1)
    ]
    categories = [{"id": 1, "name": GOOD}, {"id": 2, "name": BAD}]
    return {"images": images, "annotations": annotations, "categories": categories}


def _frame(check: CheckOut) -> list[tuple[float, float]]:
    """Return the outline of a photo that is itself the subject."""
    right, bottom = check.photo.width - 1.0, check.photo.height - 1.0
    return [(0.0, 0.0), (right, 0.0), (right, bottom), (0.0, bottom)]


def _lot(row: Any) -> LotOut:
    before = Tally(row["ok"], row["ng"], row["ok_area"], row["ng_area"])
    after = Tally(row["fixed_ok"], row["fixed_ng"], row["fixed_ok_area"], row["fixed_ng_area"])
    return LotOut(
        **{name: row[name] for name in ("lot", "checks", "first", "last")},
        counts=Counts(OK=before.ok, NG=before.ng, CUT=row["cut"]),
        ng_share=before.share,
        ng_area_share=before.area_share,
        corrected=corrected_out(after),
    )

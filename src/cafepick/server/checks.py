"""Checks: recorded before they are judged, looked up, marked anew, corrected."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, delete, func, or_, select
from sqlalchemy.orm import Session, undefer

from cafepick.server.clock import now
from cafepick.server.marks import Mark, Promises, Said, Tally, corrected, mark, tally
from cafepick.server.models import Models
from cafepick.server.problems import ApiError
from cafepick.server.schemas import (
    BoxOut,
    CheckModel,
    CheckOut,
    CheckPatch,
    CheckPhoto,
    CheckSummary,
    CheckWish,
    CorrectedOut,
    CorrectionCounts,
    Counts,
    Problem,
    VerdictOut,
)
from cafepick.server.store.engine import Store
from cafepick.server.store.tables import Check, Correction, Photo

UNFINISHED: Final = ("queued", "running")
OF_CHECK: Final = Photo.id == Check.photo_id


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which checks of the history are meant; None: any."""

    q: str | None = None
    lot: str | None = None
    model: str | None = None
    batch: str | None = None
    state: str | None = None
    photo: str | None = None
    reviewed: bool | None = None
    since: str | None = None
    until: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return what a row of ``checks`` joined with ``photos`` must fulfil."""
        equal = {
            Check.lot: self.lot,
            Check.model_id: self.model,
            Check.batch: self.batch,
            Check.state: self.state,
            Check.photo_id: self.photo,
            Check.reviewed: self.reviewed,
        }
        found = [column == value for column, value in equal.items() if value is not None]
        if self.q:
            columns = (Check.lot, Check.note, Check.model_name, Photo.name)
            found.append(or_(*(column.icontains(self.q, autoescape=True) for column in columns)))
        if self.since:
            found.append(Check.created >= self.since)
        if self.until:
            found.append(Check.created <= self.until)
        return found


class Checks:
    """The history."""

    def __init__(self, store: Store, models: Models, station: str) -> None:
        self._store, self._models, self._station = store, models, station

    def record(self, wish: CheckWish) -> tuple[str, list[CheckSummary], list[tuple[str, Problem]]]:
        """Enter a check for each photo; return the batch, the checks, and the photos that cannot be checked.

        Raises:
            ApiError: there is no such model, not here, or it does not know the method.
            CalibrationError: it cannot promise the rate.
        """
        self._models.path(wish.model)
        model = self._models.get(wish.model)
        method, subjects = self._models.method(wish.model, wish.method)
        promises = Promises(subjects)
        rate = promises.usual if wish.false_reject is None else wish.false_reject
        promises.check(rate)
        batch, entered, failures = secrets.token_hex(16), [], []
        facts = {
            "name": model.name,
            "subject": model.subject,
            "checksum": model.checksum,
            "calibration_subjects": subjects,
        }
        with self._store.writing() as session:
            for digest in wish.photos:
                photo = session.get(Photo, digest)
                if photo is None:
                    missing = f"there is no photo {digest[:12]}…: upload it first"
                    failures.append((digest, Problem(code="no_such_photo", message=missing)))
                    continue
                check = _new(wish, rate, batch=batch, photo=digest, station=self._station, facts=facts, method=method)
                session.add(check)
                entered.append(summary(check, photo))
        return batch, entered, failures

    def get(self, check: str) -> CheckOut:
        """Return a check with its beans.

        Raises:
            ApiError: there is none.
        """
        with self._store.reading() as session:
            return self._full(session, *self._load(session, check))

    def page(self, wanted: Filter, limit: int, offset: int) -> tuple[int, list[CheckSummary]]:
        """Return the number of checks that fit and some of them, newest first."""
        with self._store.reading() as session:
            number = select(func.count()).select_from(Check).join(Photo, OF_CHECK).where(*wanted.conditions())
            query = select(Check, Photo).join(Photo, OF_CHECK).where(*wanted.conditions())
            newest = query.order_by(Check.created.desc(), Check.id).limit(limit).offset(offset)
            found = [summary(check, photo) for check, photo in session.execute(newest)]
            return session.scalar(number) or 0, found

    def ids(self, wanted: Filter) -> list[str]:
        """Return the ids of all checks that fit, oldest first."""
        with self._store.reading() as session:
            query = select(Check.id).join(Photo, OF_CHECK).where(*wanted.conditions())
            return list(session.scalars(query.order_by(Check.created, Check.id)))

    def change(self, check: str, patch: CheckPatch) -> CheckOut:
        """Change lot, note, rate, or whether the operator has seen all.

        Raises:
            ApiError: there is no such check.
            CalibrationError: its model cannot promise the rate.
        """
        with self._store.writing() as session:
            row, photo = self._load(session, check, lock=True)
            if patch.false_reject is not None:
                Promises(row.model["calibration_subjects"]).check(patch.false_reject)
                row.false_reject = patch.false_reject
            for name in ("lot", "note", "reviewed"):
                if getattr(patch, name) is not None:
                    setattr(row, name, getattr(patch, name))
            count(row, self._said(session, check))
            session.flush()
            return self._full(session, row, photo)

    def correct(self, check: str, bean: int, said: Said | None) -> CheckOut:
        """Keep what the operator says of a bean; None takes it back.

        Raises:
            ApiError: there is no such check or bean, or it is not judged yet.
        """
        with self._store.writing() as session:
            row, photo = self._load(session, check, lock=True)
            if row.state != "done":
                raise ApiError(409, "not_ready", "the photo is not judged yet: wait, then correct")
            judged = {one["bean"] for one in row.beans or () if one["p_value"] is not None}
            if bean not in judged:
                raise ApiError(404, "no_such_bean", f"this check has no verdict on a bean {bean} to correct")
            session.execute(delete(Correction).where(Correction.check_id == check, Correction.bean == bean))
            if said is not None:
                session.add(Correction(check_id=check, bean=bean, correction=said, created=now()))
            session.flush()
            count(row, self._said(session, check))
            session.flush()
            return self._full(session, row, photo)

    def delete(self, check: str) -> None:
        """Forget a check.

        Raises:
            ApiError: there is none, or it is being judged.
        """
        with self._store.writing() as session:
            row, _ = self._load(session, check, lock=True)
            if row.state == "running":
                raise ApiError(409, "in_use", "the photo is being judged: delete the check when it is over")
            session.execute(delete(Correction).where(Correction.check_id == check))
            session.delete(row)

    def unfinished(self) -> list[str]:
        """Return this station's checks that are not over, oldest first."""
        mine = select(Check.id).where(Check.station == self._station, Check.state.in_(UNFINISHED))
        with self._store.reading() as session:
            return list(session.scalars(mine.order_by(Check.created, Check.id)))

    def _load(self, session: Session, check: str, *, lock: bool = False) -> tuple[Check, Photo]:
        query = select(Check, Photo).join(Photo, OF_CHECK).where(Check.id == check)
        query = query.options(undefer(Check.beans))
        found = session.execute(query.with_for_update(of=Check) if lock else query).first()
        if found is None:
            raise ApiError(404, "no_such_check", "there is no such check: it may have been deleted")
        return found[0], found[1]

    def _said(self, session: Session, check: str) -> dict[int, str]:
        rows = session.execute(select(Correction.bean, Correction.correction).where(Correction.check_id == check))
        return {bean: said for bean, said in rows}  # noqa: C416 - a Result is no sequence of pairs to pyright

    def _full(self, session: Session, check: Check, photo: Photo) -> CheckOut:
        promises, said = Promises(check.model["calibration_subjects"]), self._said(session, check.id)
        return CheckOut(
            **summary(check, photo).model_dump(),
            warnings=check.warnings,
            calibration_subjects=promises.subjects,
            least_rate=promises.least,
            upper_bound=promises.upper_bound(check.false_reject),
            rates=promises.rates(),  # type: ignore[arg-type]
            verdicts=[_verdict(bean, check.false_reject, said.get(bean["bean"])) for bean in check.beans or ()],
        )


def count(check: Check, said: dict[int, str]) -> None:
    """Bring the numbers of a check up to date with its beans, rate and corrections."""
    beans = check.beans or []
    marks: list[Mark] = [mark(bean, check.false_reject) for bean in beans]
    before = tally(beans, marks)
    fixed: list[Mark] = [corrected(one, said.get(bean["bean"])) for bean, one in zip(beans, marks, strict=True)]
    after = tally(beans, fixed)
    check.ok, check.ng, check.ok_area, check.ng_area = before.ok, before.ng, before.ok_area, before.ng_area
    check.cut = marks.count("CUT")
    check.fixed_ok, check.fixed_ng = after.ok, after.ng
    check.fixed_ok_area, check.fixed_ng_area = after.ok_area, after.ng_area
    check.said_fine = sum(one == "fine" for one in said.values())
    check.said_bad = sum(one == "bad" for one in said.values())
    check.empty = check.state == "done" and not beans


def summary(check: Check, photo: Photo) -> CheckSummary:
    """Return the shape that lists show."""
    before = Tally(check.ok, check.ng, check.ok_area, check.ng_area)
    after = Tally(check.fixed_ok, check.fixed_ng, check.fixed_ok_area, check.fixed_ng_area)
    plain = (
        "id",
        "batch",
        "state",
        "created",
        "finished",
        "method",
        "lot",
        "note",
        "reviewed",
        "false_reject",
        "empty",
        "station",
    )
    return CheckSummary(
        **{name: getattr(check, name) for name in plain},
        photo=CheckPhoto(id=photo.id, name=photo.name, width=photo.width, height=photo.height),
        model=CheckModel(
            id=check.model_id, name=check.model_name, subject=check.model["subject"], checksum=check.model["checksum"]
        ),
        counts=Counts(OK=check.ok, NG=check.ng, CUT=check.cut),
        ng_share=before.share,
        ng_area_share=before.area_share,
        corrections=CorrectionCounts(fine=check.said_fine, bad=check.said_bad),
        corrected=corrected_out(after),
        error=None if check.error is None else Problem(**check.error),
    )


def corrected_out(after: Tally) -> CorrectedOut:
    """Return numbers and shares after the corrections."""
    return CorrectedOut(OK=after.ok, NG=after.ng, ng_share=after.share, ng_area_share=after.area_share)


def _verdict(bean: dict[str, Any], rate: float, said: str | None) -> VerdictOut:
    box = BoxOut(**bean["box"])
    return VerdictOut(**{**bean, "box": box}, verdict=mark(bean, rate), correction=said)  # type: ignore[arg-type]


def _new(
    wish: CheckWish, rate: float, *, batch: str, photo: str, station: str, facts: dict[str, Any], method: str
) -> Check:
    zero: dict[str, Any] = dict.fromkeys(("ok", "ng", "cut", "fixed_ok", "fixed_ng", "said_fine", "said_bad"), 0)
    zero |= dict.fromkeys(("ok_area", "ng_area", "fixed_ok_area", "fixed_ng_area"), 0.0)
    return Check(
        id=secrets.token_hex(16),
        batch=batch,
        state="queued",
        created=now(),
        finished=None,
        station=station,
        attempts=0,
        photo_id=photo,
        model_id=wish.model,
        model=facts,
        model_name=facts["name"],
        method=method,
        lot=wish.lot,
        note=wish.note,
        reviewed=False,
        false_reject=rate,
        error=None,
        warnings=[],
        beans=None,
        empty=False,
        **zero,
    )

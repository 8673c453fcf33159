"""``/checks`` and ``/inspect``."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response
from fastapi.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import StreamingResponse

from cafepick.config import Method
from cafepick.server.checks import Filter
from cafepick.server.clock import text_of
from cafepick.server.exports import Part
from cafepick.server.problems import ApiError
from cafepick.server.routes.answers import CSV, FILE_BODY, NO_STORE, PICTURE, png, received
from cafepick.server.schemas import (
    BatchOut,
    BeanPath,
    CheckOut,
    CheckPage,
    CheckPatch,
    CheckWish,
    CorrectionIn,
    FailedPhoto,
    KeyPath,
    Limit,
    Line,
    Moment,
    Offset,
    Rate,
)
from cafepick.server.station import Here, Station

router = APIRouter(tags=["checks"])

LOOK_EVERY = 0.05


def wanted(
    *,
    q: Line | None = None,
    lot: Line | None = None,
    model: Annotated[str | None, Query(pattern="^[0-9a-f]{32}$")] = None,
    batch: Annotated[str | None, Query(pattern="^[0-9a-f]{32}$")] = None,
    state: Literal["queued", "running", "done", "failed"] | None = None,
    photo: Annotated[str | None, Query(pattern="^[0-9a-f]{64}$")] = None,
    reviewed: bool | None = None,
    since: Moment | None = None,
    until: Moment | None = None,
) -> Filter:
    """Read the filters of the history."""
    try:
        after, before = (None if one is None else text_of(one) for one in (since, until))
    except (OverflowError, ValueError) as error:
        raise ApiError(422, "invalid", f"since and until must be moments of this age: {error}") from error
    return Filter(
        q=q, lot=lot, model=model, batch=batch, state=state, photo=photo, reviewed=reviewed, since=after, until=before
    )


Wanted = Annotated[Filter, Depends(wanted)]


@router.post("/checks", status_code=202)
def record(wish: CheckWish, here: Here) -> BatchOut:
    """Record photos to be judged; one that cannot be is named, the others go on."""
    if len(wish.photos) > (most := here.settings.limits.batch):
        raise ApiError(
            422, "invalid", f"{len(wish.photos)} photos are too many at once, {most} are allowed: send fewer"
        )
    here.judge.reserve(len(wish.photos))
    batch, checks, failures = here.checks.record(wish)
    here.judge.submit(check.id for check in checks)
    return BatchOut(
        batch=batch, checks=checks, failures=[FailedPhoto(photo=photo, error=error) for photo, error in failures]
    )


@router.post("/inspect", responses={202: {"model": CheckOut}}, openapi_extra=FILE_BODY)
async def inspect(
    *,
    request: Request,
    response: Response,
    here: Here,
    model: Annotated[str, Query(pattern="^[0-9a-f]{32}$")],
    method: Literal["auto"] | Method = "auto",
    name: Line = "",
    lot: Line = "",
    note: Annotated[Line, Query()] = "",
    false_reject: Rate | None = None,
    wait: Annotated[float, Query(ge=0, le=60)] = 30.0,
) -> CheckOut:
    """Upload, check and wait in one call; the body is the photo itself."""
    file = await received(request, here, most=here.settings.limits.upload_bytes)
    try:
        here.judge.reserve(1)
        photo, _ = await here.bench.run(here.photos.take_in, file, name)
    finally:
        file.path.unlink(missing_ok=True)
    wish = CheckWish(model=model, photos=[photo.id], method=method, lot=lot, note=note, false_reject=false_reject)
    batch = await run_in_threadpool(record, wish, here)
    if batch.failures:
        raise ApiError(404, "no_such_photo", batch.failures[0].error.message)
    check = await _over(here, batch.checks[0].id, wait)
    response.status_code = 202 if check.state in ("queued", "running") else 200
    return check


@router.get("/checks")
def list_checks(here: Here, wanted: Wanted, limit: Limit = 50, offset: Offset = 0) -> CheckPage:
    """List checks, newest first."""
    total, checks = here.checks.page(wanted, limit, offset)
    return CheckPage(total=total, checks=checks)


@router.get("/checks.csv", response_class=StreamingResponse, responses=CSV)
def get_history(here: Here, wanted: Wanted) -> Response:
    """Return one line for each bean of the checks that fit."""
    headers = {"Content-Disposition": 'attachment; filename="checks.csv"', **NO_STORE}
    return StreamingResponse(here.exports.history(wanted), media_type="text/csv", headers=headers)


@router.get("/checks/{check}")
async def get_check(check: KeyPath, here: Here, wait: Annotated[float, Query(ge=0, le=30)] = 0.0) -> CheckOut:
    """Return a check with its beans; ``wait`` holds the answer until it is over."""
    return await _over(here, check, wait)


@router.patch("/checks/{check}")
def change(check: KeyPath, patch: CheckPatch, here: Here) -> CheckOut:
    """Change lot, note or rate, or say that every bean was looked at."""
    return here.checks.change(check, patch)


@router.delete("/checks/{check}", status_code=204)
def delete_check(check: KeyPath, here: Here) -> None:
    """Forget a check."""
    here.checks.delete(check)
    here.vault.remove(here.vault.evidence(check))


@router.put("/checks/{check}/beans/{bean}/correction")
def correct(check: KeyPath, bean: BeanPath, correction: CorrectionIn, here: Here) -> CheckOut:
    """Keep what the operator says of a bean."""
    return here.checks.correct(check, bean, correction.correction)


@router.delete("/checks/{check}/beans/{bean}/correction")
def take_back(check: KeyPath, bean: BeanPath, here: Here) -> CheckOut:
    """Take a correction back."""
    return here.checks.correct(check, bean, None)


@router.get("/checks/{check}/beans/{bean}/panel", response_class=Response, responses=PICTURE)
async def get_panel(check: KeyPath, bean: BeanPath, here: Here, part: Part | None = None) -> Response:
    """Show what the verdict on a bean rests on, or one picture of it."""
    return png(await here.bench.run(here.exports.panel, check, bean, part), forever=True)


@router.get("/checks/{check}/overlay", response_class=Response, responses=PICTURE)
async def get_overlay(check: KeyPath, here: Here, false_reject: Rate | None = None) -> Response:
    """Show the photo with its verdicts."""
    return png(await here.bench.run(here.exports.overlay, check, false_reject))


@router.get("/checks/{check}/scores.csv", response_class=StreamingResponse, responses=CSV)
def get_scores(check: KeyPath, here: Here) -> Response:
    """Return the table that ``cafepick detect`` writes."""
    headers = {"Content-Disposition": f'attachment; filename="scores-{check[:8]}.csv"', **NO_STORE}
    return StreamingResponse(here.exports.scores(check), media_type="text/csv", headers=headers)


async def _over(here: Station, check: str, wait: float) -> CheckOut:
    """Return a check, at the latest after ``wait`` seconds; the database is asked twice at most."""
    found = await run_in_threadpool(here.checks.get, check)
    until = time.monotonic() + wait
    while found.state in ("queued", "running") and time.monotonic() < until:
        while here.judge.is_pending(check) and time.monotonic() < until:
            await asyncio.sleep(LOOK_EVERY)
        found = await run_in_threadpool(here.checks.get, check)
        if not here.judge.is_pending(check):  # another station's, or one that could not be recorded
            await asyncio.sleep(LOOK_EVERY)
            break
    return found

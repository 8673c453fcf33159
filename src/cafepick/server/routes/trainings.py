"""``/trainings``, and their progress as server-sent events."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import APIRouter, Path, Response
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import FileResponse, StreamingResponse

from cafepick.server.problems import ApiError
from cafepick.server.routes.answers import FOREVER, PICTURE
from cafepick.server.schemas import KeyPath, Limit, OddestOut, Offset, State, TrainingOut, TrainingPage, TrainingWish
from cafepick.server.station import Here, Station
from cafepick.server.trainer import OVER

router = APIRouter(prefix="/trainings", tags=["trainings"])

LOOK_EVERY: Final = 0.5
AWAKE_EVERY: Final = 15.0


@router.post("", status_code=202)
def wish(wish: TrainingWish, here: Here) -> TrainingOut:
    """Record a training; it begins when no other runs."""
    if len(wish.photos) > (most := here.settings.limits.photos_per_training):
        raise ApiError(422, "invalid", f"{len(wish.photos)} photos are too many, {most} are allowed: choose fewer")
    return here.trainer.wish(wish)


@router.get("")
def list_trainings(here: Here, state: State | None = None, limit: Limit = 50, offset: Offset = 0) -> TrainingPage:
    """List trainings, newest first."""
    total, trainings = here.trainer.page(state, limit, offset)
    return TrainingPage(total=total, trainings=trainings)


@router.get("/{training}")
def get_training(training: KeyPath, here: Here) -> TrainingOut:
    """Say how far a training is."""
    return here.trainer.get(training)


@router.get(
    "/{training}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "events progress and end"}},
)
async def get_events(training: KeyPath, here: Here) -> Response:
    """Tell how far a training is, until it is over."""
    first = await run_in_threadpool(here.trainer.get, training)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_events(here, first), media_type="text/event-stream", headers=headers)


@router.post("/{training}/cancel", status_code=202)
def cancel(training: KeyPath, here: Here) -> TrainingOut:
    """Ask a training to stop for good."""
    return here.trainer.cancel(training)


@router.get("/{training}/samples/{step}", response_class=FileResponse, responses=PICTURE)
def get_sample(training: KeyPath, step: Annotated[int, Path(ge=0, le=10**9)], here: Here) -> Response:
    """Return the beans that the generator drew at a step."""
    return FileResponse(here.trainer.sample(training, step), media_type="image/png", headers=dict(FOREVER))


@router.get("/{training}/curves", response_class=FileResponse, responses=PICTURE)
def get_curves(training: KeyPath, here: Here) -> Response:
    """Return the curves of losses and accuracies."""
    return FileResponse(here.trainer.curves(training), media_type="image/png", headers={"Cache-Control": "no-store"})


@router.get("/{training}/oddest")
def get_oddest(training: KeyPath, here: Here) -> OddestOut:
    """Return the good beans that are least like the others: is one of them defective?"""
    return OddestOut(oddest=here.trainer.oddest(training))


@router.get("/{training}/wish", response_model_exclude_unset=True)
def get_wish(training: KeyPath, here: Here) -> TrainingWish:
    """Return what the training was asked for with, to ask for another like it."""
    return here.trainer.wished(training)


@router.delete("/{training}", status_code=204)
def delete_training(training: KeyPath, here: Here) -> None:
    """Forget a training; its model stays."""
    here.trainer.delete(training)


async def _events(here: Station, current: TrainingOut) -> AsyncIterator[str]:
    yield "retry: 2000\n\n"
    told, spoke = "", time.monotonic()
    while current.state not in OVER:
        content = current.model_dump_json()
        if content != told:
            yield f"event: progress\ndata: {content}\n\n"
            told, spoke = content, time.monotonic()
        elif time.monotonic() - spoke > AWAKE_EVERY:
            yield ": still here\n\n"
            spoke = time.monotonic()
        await asyncio.sleep(LOOK_EVERY)
        try:
            current = await run_in_threadpool(here.trainer.get, current.id)
        except ApiError:  # deleted meanwhile
            return
        except SQLAlchemyError:  # the database is away; the stream outlasts it
            continue
    yield f"event: end\ndata: {current.model_dump_json()}\n\n"

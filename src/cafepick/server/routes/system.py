"""Health, settings, metrics."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request

from cafepick import __version__
from cafepick.config import RECIPES
from cafepick.server.schemas import ConfigOut, HealthOut, QueueOut, TrainingsOut
from cafepick.server.station import Here
from cafepick.server.vault import MEDIA_TYPE

router = APIRouter(tags=["system"])


@router.get(
    "/health", responses={503: {"model": HealthOut, "description": "degraded"}}, response_model_exclude_none=True
)
def get_health(request: Request, response: Response, here: Here) -> HealthOut:
    """Say whether the server can work."""
    answers, free = here.store.answers(), here.vault.free_bytes()
    well = answers and free >= here.settings.limits.free_bytes
    response.status_code = 200 if well else 503
    response.headers["Cache-Control"] = "no-store"
    status = "ok" if well else "degraded"
    if not here.gate.admits(request):
        return HealthOut(status=status, version=__version__)
    limit = here.settings.limits.queue
    return HealthOut(
        status=status,
        version=__version__,
        database=here.store.kind,
        database_ok=answers,
        free_bytes=free,
        queue=QueueOut(waiting=here.judge.waiting, limit=limit, workers=here.judge.workers),
        trainings=TrainingsOut(**here.trainer.numbers()) if answers else None,
    )


@router.get("/config")
def get_config(here: Here) -> ConfigOut:
    """Say what the page needs to know."""
    return ConfigOut(
        version=__version__,
        station=here.vault.station,
        limits=asdict(here.settings.limits),
        accepts=list(MEDIA_TYPE.values()),
        recipes=list(RECIPES),
        token_needed=here.gate.needed,
    )


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def get_metrics(here: Here) -> Response:
    """Answer Prometheus."""
    return Response(here.monitor.text(), media_type=CONTENT_TYPE_LATEST)

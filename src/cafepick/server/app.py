"""The application: routes, the door before them, the page behind them, one shape for all errors."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Match, Mount, compile_path
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from cafepick import __version__
from cafepick.errors import CafepickError
from cafepick.server import session
from cafepick.server.guard import API, Guard
from cafepick.server.problems import ApiError, problem_of
from cafepick.server.routes import checks, history, models, photos, system, trainings
from cafepick.server.routes.answers import ERRORS
from cafepick.server.station import Station

LOGGER: Final = logging.getLogger(__name__)

HERE: Final = Path(__file__).parent
PAGE: Final = HERE / "page"
"""``index.html`` and what belongs to it."""
_CODES: Final = {404: "not_found", 405: "wrong_method"}


def create_app(station: Station) -> FastAPI:
    """Return the application of a station, which starts and stops with it."""

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        station.start()
        yield
        await run_in_threadpool(station.stop)

    app = FastAPI(
        title="cafepick",
        version=__version__,
        description="One-class inspection of coffee beans: teach, check, correct. See docs/api.md.",
        openapi_url=f"{API}/openapi.json",
        docs_url=None,  # these load scripts from elsewhere
        redoc_url=None,
        lifespan=life,
        responses=ERRORS,
    )
    app.state.station = station
    for part in (system, photos, trainings, models, checks, history):
        app.include_router(part.router, prefix=API)
    _add_session(app, station)
    for kind in (CafepickError, OSError, SQLAlchemyError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, _on_error)  # after the last one the connection is closed
    if PAGE.is_dir():
        app.router.routes.append(_Rest("/", app=_Page(directory=PAGE, html=True)))
    _describe_token(app, needed=station.gate.needed)
    app.state.methods = _methods(app)
    app.add_middleware(Guard, settings=station.settings, gate=station.gate, monitor=station.monitor)
    return app


class _Rest(Mount):
    """Every path but those of the API, which has its own words for what is not there."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        path = scope.get("path", "")
        return (Match.NONE, {}) if f"{path}/".startswith("/api/") else super().matches(scope)


class _Page(StaticFiles):
    """The page's own files; asked for anew each time, answered with 304 where they are the same."""

    async def get_response(self, path: str, scope: Any) -> Response:
        response = await super().get_response(path, scope)
        response.headers.setdefault("Cache-Control", "no-cache")
        return response


def _add_session(app: FastAPI, station: Station) -> None:
    """Add signing in and out, which are no part of the API."""

    @app.get("/login", include_in_schema=False)
    def show(request: Request) -> Response:
        return session.form(request) if station.gate.needed else RedirectResponse("/", status_code=303)

    @app.post("/login", include_in_schema=False)
    async def enter(request: Request) -> Response:
        return await session.enter(request, station.gate)

    @app.get("/login.css", include_in_schema=False)
    def style() -> Response:
        return FileResponse(HERE / "login.css", media_type="text/css")

    @app.post("/logout", include_in_schema=False)
    def leave() -> Response:
        answer = RedirectResponse("/login", status_code=303)
        answer.delete_cookie(session.COOKIE)
        return answer


def _describe_token(app: FastAPI, *, needed: bool) -> None:
    """Say in the OpenAPI description who may ask; ``app.openapi`` keeps what it made."""
    schema = app.openapi()
    schema["components"]["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "What --token says, or what serve printed."}
    }
    schema["security"] = [{"token": []}] if needed else [{}, {"token": []}]
    schema["paths"][f"{API}/health"]["get"]["security"] = [{}, {"token": []}]


def _methods(app: FastAPI) -> list[tuple[re.Pattern[str], str]]:
    """Return the pattern of each path of the API and the methods that it takes, for the header ``Allow``."""
    words = {"get", "head", "post", "put", "patch", "delete"}
    return [
        (compile_path(path)[0], ", ".join(sorted(method.upper() for method in words & set(item))))
        for path, item in app.openapi()["paths"].items()
    ]


async def _on_error(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        headers = dict(error.headers or {})
        if error.status_code == 405:  # the router names the methods of the first function only
            takes = [methods for pattern, methods in request.app.state.methods if pattern.match(request.url.path)]
            headers |= {"Allow": takes[0]} if takes else {}
        code = _CODES.get(error.status_code, "invalid")
        said = f"{error.detail}: {request.method} {request.url.path}; docs/api.md lists what there is"
        return JSONResponse(ApiError(error.status_code, code, said).body, error.status_code, headers=headers)
    if isinstance(error, RequestValidationError):
        problem = ApiError(422, "invalid", _in_words(error.errors()))
    else:
        problem = problem_of(error)
        if problem.status == 500:
            LOGGER.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return JSONResponse(problem.body, problem.status, headers=problem.headers)


def _in_words(errors: Sequence[Any]) -> str:
    """Say which fields are wrong, and why."""
    said = []
    for error in errors[:5]:
        place = ".".join(str(step) for step in error["loc"] if step not in ("body", "query", "path"))
        said.append(f"{place or 'the body'}: {str(error['msg']).removeprefix('Value error, ')}")
    return "; ".join(said)

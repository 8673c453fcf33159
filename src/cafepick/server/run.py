"""Running the server until it is stopped."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from typing import Final

import uvicorn

from cafepick.errors import ConfigError
from cafepick.server.app import create_app
from cafepick.server.protocol import patient
from cafepick.server.settings import Limits, Settings
from cafepick.server.station import Station

HEAD_BYTES: Final = 32_768
"""Of the head of a request."""


def serve(settings: Settings, *, listening: Callable[[int], None]) -> None:
    """Answer until Ctrl-C or ``kill``.

    Args:
        settings: how to run.
        listening: called with the port once it is this server's.

    Raises:
        ConfigError: address or port cannot be had, the data folder is in use, or the database cannot be opened.
        OutputError: the data folder cannot be made.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    limits = settings.limits
    with _bound(settings) as door:
        station = Station(settings)
        listening(door.getsockname()[1])
        uvicorn.Server(_config(station, limits)).run(sockets=[door])


def _config(station: Station, limits: Limits) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(station),
        http=patient(limits),
        ws="none",
        loop="asyncio",
        lifespan="on",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nobody but the connection itself says where a request comes from
        limit_concurrency=limits.connections,
        h11_max_incomplete_event_size=HEAD_BYTES,
        timeout_keep_alive=limits.header_seconds,
        timeout_graceful_shutdown=5,
        log_config=None,
    )


def _bound(settings: Settings) -> socket.socket:
    """Take address and port; nothing is answered yet.

    Raises:
        ConfigError: they cannot be had.
    """
    host = "127.0.0.1" if settings.host == "localhost" else settings.host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        both = family is socket.AF_INET6 and host == "::" and socket.has_dualstack_ipv6()
        return socket.create_server((host, settings.port), family=family, backlog=2048, dualstack_ipv6=both)
    except OSError as error:
        raise ConfigError(
            f"cannot answer on {settings.host}, port {settings.port}: {error.strerror or error}; "
            f"stop what uses it, or choose another with --port"
        ) from error

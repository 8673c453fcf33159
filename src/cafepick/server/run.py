"""Running the server until it is stopped."""

from __future__ import annotations

import logging
from typing import Final

import uvicorn

from cafepick.server.app import create_app
from cafepick.server.protocol import patient
from cafepick.server.settings import Settings
from cafepick.server.station import Station

HEAD_BYTES: Final = 32_768
"""Of the head of a request."""


def serve(settings: Settings) -> None:
    """Answer until Ctrl-C or ``kill``.

    Raises:
        ConfigError: the data folder is in use, or the database cannot be opened.
        OutputError: the data folder cannot be made.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    limits = settings.limits
    station = Station(settings)
    config = uvicorn.Config(
        create_app(station),
        host=settings.host,
        port=settings.port,
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
    uvicorn.Server(config).run()

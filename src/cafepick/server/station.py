"""Everything that a running server consists of, put together in one place."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from cafepick.server.bench import Bench
from cafepick.server.checks import Checks
from cafepick.server.exports import Exports
from cafepick.server.judge import Judge
from cafepick.server.models import Models
from cafepick.server.monitor import Monitor
from cafepick.server.photos import Photos
from cafepick.server.session import Gate
from cafepick.server.settings import Settings
from cafepick.server.store.engine import Store
from cafepick.server.trainer import Trainer
from cafepick.server.vault import Vault

STOP_SECONDS = 8.0
"""That a photo being judged and a training have to come to an end when the server stops."""


class Station:
    """One server with its data folder."""

    def __init__(self, settings: Settings) -> None:
        """Open folder and database; nothing runs yet.

        Raises:
            ConfigError: the folder is in use, or the database cannot be opened.
            OutputError: the folder cannot be made.
        """
        self.settings = settings
        self.vault = Vault(settings.data)
        self.store = Store(settings.database_url)
        self.monitor = Monitor()
        self.gate = Gate(settings.token)
        self.bench = Bench(settings.limits.drawing)
        self.photos = Photos(self.store, self.vault, most_pixels=settings.limits.pixels)
        self.models = Models(self.store, self.vault)
        self.checks = Checks(self.store, self.models, self.vault.station)
        self.exports = Exports(self.store, self.vault, self.photos, self.checks)
        self.judge = Judge(
            store=self.store,
            vault=self.vault,
            photos=self.photos,
            models=self.models,
            checks=self.checks,
            monitor=self.monitor,
            workers=settings.workers,
            most=settings.limits.queue,
            device=settings.device,
        )
        self.trainer = Trainer(self.store, self.vault, self.photos, self.models, device=settings.device)
        self.monitor.watch("queue", "Checks that wait or are judged.", lambda: self.judge.waiting)
        self.monitor.watch("free_bytes", "Room on the disk of the data folder.", self.vault.free_bytes)
        self.monitor.watch("trainings_running", "Trainings that run.", lambda: self.trainer.numbers()["running"])

    def start(self) -> None:
        """Take up what an earlier server left, and begin to work."""
        self.judge.start()
        self.trainer.start()

    def stop(self) -> None:
        """End what can end; the rest is recorded."""
        self.trainer.stop(STOP_SECONDS)
        self.judge.stop(STOP_SECONDS)
        self.bench.close()
        self.store.close()
        self.vault.close()


def _station(connection: HTTPConnection) -> Station:
    return connection.app.state.station


Here = Annotated[Station, Depends(_station)]
"""What routes ask for."""

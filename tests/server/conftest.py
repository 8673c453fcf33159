"""Real servers: ``cafepick serve`` as a process, on SQLite and on a PostgreSQL that is started for the tests."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from postgres_server import Postgres, postgres_binaries
from serve_process import Client, Served, photographed, serving, taken_in

from cafepick.data.demo import DrawnTray


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server of the tests' own; without its binaries the test is skipped, in CI it fails."""
    binaries = postgres_binaries()
    if binaries is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(
            "PostgreSQL is not installed: apt-get install postgresql"
        )
    server = Postgres(binaries)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def trays(drawn_trays: list[DrawnTray], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three photos of trays, 800 x 600, 40 beans each."""
    return photographed(drawn_trays, tmp_path_factory.mktemp("trays"))


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Start servers of a test's own; all end with it."""
    with serving(tmp_path / "data") as start:
        yield start


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that many tests ask, on either database."""
    words: list[object] = []
    if request.param == "postgresql":
        words = ["--database", request.getfixturevalue("postgres").database("shared")]
    server = Served(tmp_path_factory.mktemp(request.param), *words)
    yield server
    server.end()


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    """Asks ``served``."""
    with served.client() as asking:
        yield asking


@pytest.fixture
def model(client: Client, tiny_model: Path) -> str:
    """A model that ``served`` has taken in."""
    return taken_in(client, tiny_model)

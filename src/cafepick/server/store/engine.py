"""Opening the database, bringing it up to date, and the two ways to use it: reading and writing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Lock
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import Session

from cafepick.errors import ConfigError

MIGRATIONS: Final = Path(__file__).parent / "migrations"
BUSY_SECONDS: Final = 30
_MIGRATION_LOCK: Final = 0x63616665  # any number that all stations agree on


class Store:
    """The database. Sessions are short: read, or write and commit, then let go."""

    def __init__(self, url: str) -> None:
        """Open the database and bring its tables up to date.

        Raises:
            ConfigError: the URL is unusable, the database cannot be reached, or a newer cafepick made its tables.
        """
        try:
            self.engine = _engine(url)
            self.kind = self.engine.dialect.name
            migrate(self.engine)
        except (ArgumentError, NoSuchModuleError) as error:
            raise ConfigError(
                f"--database {url!r} is no database URL: use postgresql://USER@HOST/NAME or leave it out"
            ) from error
        except CommandError as error:
            raise ConfigError(
                f"the database {_shown(url)} belongs to a newer cafepick: upgrade cafepick, or use another --data"
            ) from error
        except SQLAlchemyError as error:
            reason = str(getattr(error, "orig", None) or error).splitlines()[0]
            raise ConfigError(f"cannot open the database {_shown(url)}: {reason}; check that it runs") from error
        # SQLite has one writer at a time; queueing here is fair, its own waiting is not.
        self._turn: Any = Lock() if self.kind == "sqlite" else nullcontext()
        self._writer = self.engine.execution_options(immediate=True)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Yield a session whose changes are thrown away."""
        with Session(self.engine) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Yield a session that commits when the block ends, and takes everything back when it fails."""
        with self._turn, Session(self._writer, expire_on_commit=False) as session, session.begin():
            yield session

    def answers(self) -> bool:
        """Tell whether the database can be asked."""
        try:
            with self.reading() as session:
                session.execute(text("SELECT 1"))
        except SQLAlchemyError:
            return False
        return True

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def migrate(engine: Engine) -> None:
    """Bring the tables up to date; several stations may start at once."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _engine(url: str) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(url, pool_size=10, max_overflow=40, pool_pre_ping=True)
    engine = create_engine(url, pool_size=10, max_overflow=90, connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # BEGIN is ours, see below
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    """Take the lock at once where something will be written: it cannot be had later if others wrote meanwhile."""
    immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _shown(url: str) -> str:
    """Return the URL without its password."""
    head, at, tail = url.rpartition("@")
    return f"{head.split('://')[0]}://…@{tail}" if at else url

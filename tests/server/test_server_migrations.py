"""The tables come up to date step by step, with what is in them, on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from postgres_server import Postgres
from sqlalchemy import Engine, inspect, text

from cafepick.errors import ConfigError
from cafepick.server.store.engine import MIGRATIONS, Store
from cafepick.server.store.tables import Base


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty database, up to date."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'cafepick.db'}"
    else:
        postgres: Postgres = request.getfixturevalue("postgres")
        name = request.node.name.partition("[")[0]
        url = postgres.database(name[:60]).replace("postgresql://", "postgresql+psycopg://")
    opened = Store(url)
    yield opened
    opened.close()


def moved(engine: Engine, to: str) -> None:
    """Bring the tables to a revision, up or down."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    now = revision_of(engine)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        (command.downgrade if to == "base" or (now is not None and to < now) else command.upgrade)(config, to)


def revision_of(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def revisions() -> list[str]:
    """Return all revisions, the oldest first."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    return [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()][::-1]


def test_the_migrations_lead_to_the_tables_that_the_code_uses(store: Store) -> None:
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    assert revision_of(store.engine) == revisions()[-1]


def test_every_step_down_and_up_works(store: Store) -> None:
    for revision in [*revisions()[::-1][1:], "base", *revisions()]:
        moved(store.engine, revision)
    assert set(inspect(store.engine).get_table_names()) == {*Base.metadata.tables, "alembic_version"}


def test_records_of_the_first_tables_are_kept(store: Store) -> None:
    moved(store.engine, "0001")
    with store.engine.begin() as connection:
        for statement in FIRST_RECORDS:
            connection.execute(text(statement))
    moved(store.engine, "head")
    with store.engine.connect() as connection:
        corrections = connection.execute(text("SELECT check_id, bean, correction FROM corrections")).all()
        assert [tuple(row) for row in corrections] == [("c" * 32, 7, "bad")]
        assert connection.execute(text("SELECT method, lot FROM checks")).all() == [("exact", "A12")]
        methods = connection.execute(text("SELECT methods FROM models")).scalar_one()
        assert methods in ('{"exact": 118}', {"exact": 118})


def test_tables_of_a_newer_version_are_left_alone(store: Store) -> None:
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigError, match="belongs to a newer cafepick"):
        Store(store.engine.url.render_as_string(hide_password=False))


def test_what_is_no_database_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "cafepick.db").write_bytes(b"this is no database, but a letter of some length" * 100)
    with pytest.raises(ConfigError, match=r"cannot open the database .*not a database"):
        Store(f"sqlite:///{tmp_path / 'cafepick.db'}")
    with pytest.raises(ConfigError, match="no database URL"):
        Store("oracle:thing")
    with pytest.raises(ConfigError, match=r"cannot open the database postgresql.psycopg://…@127.0.0.1:1/x"):
        Store("postgresql+psycopg://user:secret@127.0.0.1:1/x")


P, M, C, DAY = "f" * 64, "e" * 32, "c" * 32, "2026-03-14T15:09:26.535897Z"
FIRST_CHECK = (
    "INSERT INTO checks (id, batch, state, created, station, attempts, photo_id, model_id, model, model_name, lot, "
    "note, reviewed, false_reject, warnings, empty, ok, ng, cut, fixed_ok, fixed_ng, said_fine, said_bad, ok_area, "
    f"ng_area, fixed_ok_area, fixed_ng_area) VALUES ('{C}', '{M}', 'done', '{DAY}', '{M}', 1, '{P}', '{M}', '{{}}', "
    f"'m', 'A12', '', FALSE, 0.01, '[]', FALSE, {', '.join('0' for _ in range(11))})"
)
FIRST_RECORDS = (
    f"INSERT INTO photos VALUES ('{P}', 'a.jpg', 'JPEG', 8, 6, 99, '{DAY}', NULL, NULL)",
    f"INSERT INTO models VALUES ('{M}', 'm', '{DAY}', 9, '{P}', 'beans', 64, 3, 118, '{{}}', NULL, '{M}')",
    FIRST_CHECK,
    f"INSERT INTO corrections VALUES ('{C}', 7, 'bad', '{DAY}')",
)

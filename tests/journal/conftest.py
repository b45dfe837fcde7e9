"""An empty journal per test, on SQLite and on PostgreSQL."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import sql

from tests.journal.values import MIGRATIONS
from tests.servers.postgres import PostgresServer
from triage.journal.opening import Journal, open_journal
from triage.journal.schema import upgrade
from triage.journal.tables import metadata

_BEGIN_AGAIN = "SELECT setval(pg_get_serial_sequence({}, {}), {}, false)"
# Faster than TRUNCATE on tables that are nearly empty.
_EMPTYING = sql.SQL("; ").join(
    [sql.SQL("DELETE FROM {}").format(sql.Identifier(table.name)) for table in reversed(metadata.sorted_tables)]
    + [
        sql.SQL(_BEGIN_AGAIN).format(table.name, column.name, column.identity.start)
        for table in metadata.sorted_tables
        for column in table.columns
        if column.identity
    ]
)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_database(postgres: PostgresServer) -> str:
    """Name of the database that all tests use in turn: to make one takes a third of a second."""
    name = postgres.new_database()
    upgrade(postgres.url(name), MIGRATIONS)
    return name


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the tables, to be copied."""
    path = tmp_path_factory.mktemp("template") / "triage.db"
    upgrade(f"sqlite:///{path}", MIGRATIONS)
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def empty_url(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of the test's own, without tables."""
    if backend == "sqlite":
        return f"sqlite:///{tmp_path}/triage.db"
    server = request.getfixturevalue("postgres")
    return server.url(server.new_database())


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A SQLite file with empty tables."""
    shutil.copy(sqlite_template, tmp_path / "triage.db")
    return f"sqlite:///{tmp_path}/triage.db"


@pytest.fixture
def postgres_url(postgres: PostgresServer, postgres_database: str) -> str:
    """A PostgreSQL database with empty tables."""
    postgres.end_sessions(postgres_database)
    with postgres.connect(postgres_database) as connection:
        connection.execute(_EMPTYING)
    return postgres.url(postgres_database)


@pytest.fixture
def url(backend: str, request: pytest.FixtureRequest) -> str:
    """A database with empty tables, on either."""
    return str(request.getfixturevalue("sqlite_url" if backend == "sqlite" else "postgres_url"))


@pytest.fixture
def own_url(empty_url: str) -> str:
    """A database of the test's own with empty tables, to change them."""
    upgrade(empty_url, MIGRATIONS)
    return empty_url


@pytest.fixture
def journal(url: str) -> Iterator[Journal]:
    opened = open_journal(url)
    yield opened
    opened.close()

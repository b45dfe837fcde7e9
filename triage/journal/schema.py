"""The journal's tables, brought up to date and back. The migrations lie beside the package: their folder is given."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from triage.journal.database import Database, JournalError
from triage.journal.tables import SCHEMA

_UPGRADE_LOCK = 7_415_232_661  # an arbitrary number, the same in every process


def upgrade(url: str, migrations: Path) -> None:
    """Make the tables, or bring them up to date; all of it or nothing. Several processes may do so at once."""
    with _migrating(url, migrations) as config:
        command.upgrade(config, "head")


def downgrade(url: str, migrations: Path, revision: str) -> None:
    """Back to an earlier revision; ``base`` drops the tables and all they hold."""
    with _migrating(url, migrations) as config:
        command.downgrade(config, revision)


def schema_is_current(url: str) -> bool:
    database = Database(url)
    try:
        return revision(database) == SCHEMA
    finally:
        database.close()


def revision(database: Database) -> str | None:
    """The newest migration that was applied; None where there was none."""
    with database.reading() as connection:
        return MigrationContext.configure(connection).get_current_revision()


@contextmanager
def _migrating(url: str, migrations: Path) -> Iterator[Config]:
    if not (migrations / "env.py").is_file():
        raise JournalError(f"{migrations} has no migrations: give the folder that holds env.py and versions/")
    # SQLite changes a column by making the table anew; with foreign keys enforced that would empty its children.
    database = Database(url, foreign_keys=False)
    try:
        with database.writing() as connection:
            _prepare(connection, database.where)
            yield _config(connection, migrations)
            _check_references(connection, database.where)
    finally:
        database.close()


def _config(connection: Connection, migrations: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.attributes["connection"] = connection  # env.py takes it from here
    return config


def _prepare(connection: Connection, where: str) -> None:
    if connection.dialect.name != "postgresql":
        return
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_UPGRADE_LOCK})")
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
    if encoding != "UTF8":
        raise JournalError(f"The journal ({where}) has encoding {encoding}: make it with createdb --encoding=UTF8")


def _check_references(connection: Connection, where: str) -> None:
    if connection.dialect.name != "sqlite":
        return
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        raise JournalError(
            f"The migration would break a reference of table {broken[0]} in {where}: nothing was changed"
        )

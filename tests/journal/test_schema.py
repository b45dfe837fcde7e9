import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from tests.journal.values import KIND, MIGRATIONS, ROOT, claim, live, owed, take_in
from triage.journal.database import Database, JournalError
from triage.journal.opening import open_journal
from triage.journal.schema import downgrade, revision, schema_is_current, upgrade
from triage.journal.tables import SCHEMA, metadata


def tables_of(url: str) -> set[str]:
    database = Database(url)
    with database.reading() as connection:
        names = set(inspect(connection).get_table_names())
    database.close()
    return names


def migrations_with(folder: Path, body: str) -> Path:
    """Our migrations and one more, in a folder of their own."""
    shutil.copytree(MIGRATIONS, folder)
    head = f'import sqlalchemy as sa\nfrom alembic import op\nrevision = "9999"\ndown_revision = "{SCHEMA}"\n'
    upgrading = "".join(f"    {line}\n" for line in body.splitlines())
    (folder / "versions" / "9999_more.py").write_text(f"{head}\ndef upgrade():\n{upgrading}\ndef downgrade(): ...\n")
    return folder


def test_the_migrations_make_exactly_the_tables_that_the_code_knows(url):
    database = Database(url)
    with database.reading() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    database.close()
    assert differences == []


def test_the_code_names_the_newest_migration():
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == SCHEMA


def test_a_journal_is_current_once_it_is_upgraded_and_a_second_time_changes_nothing(empty_url):
    assert not schema_is_current(empty_url)
    upgrade(empty_url, MIGRATIONS)
    upgrade(empty_url, MIGRATIONS)
    assert schema_is_current(empty_url)


def test_a_journal_with_data_goes_down_to_nothing_and_up_again(own_url):
    journal = open_journal(own_url)
    live(journal)
    take_in(journal, 1, [owed("a"), owed("b", KIND.HAND_OVER)])
    claim(journal)
    journal.close()

    downgrade(own_url, MIGRATIONS, "base")
    assert tables_of(own_url) == {"alembic_version"}

    upgrade(own_url, MIGRATIONS)
    journal = open_journal(own_url)
    live(journal)
    take_in(journal, 1)
    assert [row.ticket for row in journal.history.log()] == [1001]
    journal.close()


def test_several_processes_may_upgrade_at_once(empty_url):
    # Each waits for the others before it begins; threads would not do, Alembic has one context per process.
    work = f"""
import sys
from tests.journal.values import MIGRATIONS
from triage.journal.schema import upgrade
print("ready", flush=True)
sys.stdin.readline()
upgrade({empty_url!r}, MIGRATIONS)
"""
    command = [sys.executable, "-c", work]
    processes = [subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(3)]
    for process in processes:
        process.stdout.readline()
    for process in processes:
        process.stdin.write(b"go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=60)
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert schema_is_current(empty_url)


def test_a_migration_that_fails_halfway_leaves_nothing_behind(own_url, tmp_path):
    half = 'op.create_table("half", sa.Column("id", sa.Integer()))\nraise RuntimeError("power cut")'
    with pytest.raises(RuntimeError, match="power cut"):
        upgrade(own_url, migrations_with(tmp_path / "migrations", half))
    assert "half" not in tables_of(own_url)
    assert schema_is_current(own_url)


def test_a_migration_that_makes_a_table_anew_keeps_what_refers_to_it(sqlite_url, tmp_path):
    journal = open_journal(sqlite_url)
    live(journal)
    email_id = take_in(journal, 1, [owed("a")])
    journal.close()
    anew = """with op.batch_alter_table("email", recreate="always") as batch:
    batch.alter_column("quoted", new_column_name="earlier")"""
    upgrade(sqlite_url, migrations_with(tmp_path / "migrations", anew))

    database = Database(sqlite_url)
    assert revision(database) == "9999"
    with database.reading() as connection:
        assert connection.exec_driver_sql("SELECT email_id FROM outbox").scalar() == email_id
    database.close()


def test_a_folder_without_migrations_is_named(empty_url, tmp_path):
    with pytest.raises(JournalError, match="has no migrations: give the folder"):
        upgrade(empty_url, tmp_path)


def test_a_folder_with_a_percent_sign_in_its_name_works(empty_url, tmp_path):
    shutil.copytree(MIGRATIONS, tmp_path / "50% off")
    upgrade(empty_url, tmp_path / "50% off")
    assert schema_is_current(empty_url)


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("DELETE FROM alembic_version", "is empty: run `triage db upgrade`"),
        ("UPDATE alembic_version SET version_num = '0000'", "has tables of version 0000, this program needs"),
        ("UPDATE alembic_version SET version_num = '9999'", "newer than this program, which knows"),
    ],
)
def test_a_journal_of_another_version_is_not_opened(own_url, statement, says):
    database = Database(own_url)
    with database.writing() as connection:
        connection.exec_driver_sql(statement)
    database.close()
    with pytest.raises(JournalError, match=says):
        open_journal(own_url)


def test_a_postgresql_database_that_cannot_hold_every_text_is_refused(postgres):
    url = postgres.url(postgres.new_database(encoding="LATIN1"))
    with pytest.raises(JournalError, match="has encoding LATIN1: make it with createdb --encoding=UTF8"):
        upgrade(url, MIGRATIONS)

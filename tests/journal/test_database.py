import sqlite3
import threading
import traceback
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import psycopg
import pytest
from sqlalchemy import func, make_url, select
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from tests.journal.values import BOX, CLAIM, NOW, claim, live, mail, owed, record, take_in
from tests.servers.ground import free_port
from triage.core.policy import Mode
from triage.journal.database import Database, JournalError, sentence
from triage.journal.opening import open_journal
from triage.journal.tables import email


def failure(cause: BaseException) -> DBAPIError:
    return OperationalError("INSERT INTO email", {"text": "private"}, cause)


def sqlite_error(name: str, words: str = "") -> sqlite3.Error:
    error = sqlite3.OperationalError(words)
    error.sqlite_errorname = name
    return error


@pytest.mark.parametrize(
    ("cause", "says"),
    [
        (sqlite_error("SQLITE_BUSY"), "is locked by another process: it is tried again"),
        (sqlite_error("SQLITE_BUSY_SNAPSHOT"), "is locked by another process"),
        (sqlite_error("SQLITE_FULL"), "the disk is full: free some space; nothing that was recorded is lost"),
        (sqlite_error("SQLITE_READONLY_DBMOVED"), "is read-only: give the service's user the right to write"),
        (sqlite_error("SQLITE_CANTOPEN"), "cannot be opened: check that its folder exists"),
        (sqlite_error("SQLITE_IOERR_WRITE"), "the disk fails"),
        (sqlite_error("SQLITE_CORRUPT"), "is damaged: stop the service and restore the last backup"),
        (sqlite_error("SQLITE_NOTADB"), "is not a SQLite database"),
        (sqlite_error("SQLITE_ERROR", "no such table: email"), "is not up to date: run `triage db upgrade`"),
        (sqlite_error("SQLITE_ERROR", 'near "x": syntax error'), "refused a statement"),
        (psycopg.errors.DiskFull(), "the disk is full"),
        (psycopg.errors.TooManyConnections(), "is short of a resource"),
        (psycopg.errors.LockNotAvailable(), "is locked by another session"),
        (psycopg.errors.DeadlockDetected(), "collided with another: it is tried again"),
        (psycopg.errors.SerializationFailure(), "collided with another"),
        (psycopg.errors.AdminShutdown(), "is being shut down"),
        (psycopg.errors.QueryCanceled(), "cancelled the statement"),
        (psycopg.errors.IdleInTransactionSessionTimeout(), "stood still for a minute"),
        (psycopg.errors.UndefinedTable(), "is not up to date: run `triage db upgrade`"),
        (psycopg.errors.InsufficientPrivilege(), "denies a right"),
        (psycopg.errors.ReadOnlySqlTransaction(), "is read-only"),
        (psycopg.errors.InvalidPassword(), "refuses the login: check user and password"),
        (psycopg.errors.ConnectionFailure(), "cannot be reached"),
        (psycopg.OperationalError("server closed the connection unexpectedly"), "cannot be reached"),
        (psycopg.OperationalError('FATAL: password authentication failed for user "x"'), "refuses the login"),
        (psycopg.OperationalError('FATAL: database "x" does not exist'), "does not exist: make it with createdb"),
        (psycopg.errors.InvalidTextRepresentation(), "refused a statement (22P02)"),
    ],
)
def test_a_failure_of_the_database_is_a_sentence_without_the_email(cause, says):
    words = sentence(failure(cause), "the place")
    assert says in words
    assert words.startswith("The journal (the place) ")
    assert "private" not in words


def test_too_many_threads_are_a_sentence():
    assert "no free connection" in sentence(PoolTimeoutError("QueuePool limit"), "the place")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "is no database URL; write sqlite:///var/triage.db or"),
        ("no url at all", "is no database URL"),
        ("postgresql://user:sesame@host:port/x", "is no database URL"),
        ("mysql://root:sesame@host/x", "asks for 'mysql'; the journal can use"),
        ("sqlite://", "names no database"),
        ("sqlite:///:memory:", "names no database"),
        ("postgresql+psycopg://user:sesame@host", "names no database"),
    ],
)
def test_a_wrong_url_is_a_sentence_without_its_password(url, says):
    with pytest.raises(JournalError, match="TRIAGE_DATABASE_URL") as caught:
        Database(url)
    assert says in str(caught.value)
    assert "sesame" not in "".join(traceback.format_exception(caught.value))


def test_a_server_that_is_not_there_is_a_sentence_without_the_password():
    url = f"postgresql+psycopg://triage:sesame@127.0.0.1:{free_port()}/triage?connect_timeout=5"
    with pytest.raises(JournalError, match=r"PostgreSQL database triage at 127.* cannot be reached") as caught:
        open_journal(url)
    assert "sesame" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"database": "nowhere"}, "does not exist: make it with createdb"), ({"username": "who"}, "refuses the login")],
)
def test_a_postgresql_that_refuses_says_why(postgres, changes, says):
    url = make_url(postgres.url("postgres")).set(**changes).render_as_string()
    with pytest.raises(JournalError, match=says):
        open_journal(url)


def test_a_sqlite_file_and_its_folder_are_made_for_us_alone(tmp_path):
    file = tmp_path / "var" / "deep" / "triage.db"
    with pytest.raises(JournalError, match="is empty: run `triage db upgrade`"):
        open_journal(f"sqlite:///{file}")
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_a_file_that_cannot_be_made_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(JournalError, match="cannot be made"):
        Database(f"sqlite:///{tmp_path}/file/triage.db")


def test_a_file_that_is_no_database_is_a_sentence(tmp_path):
    (tmp_path / "triage.db").write_text("something else " * 100)
    with pytest.raises(JournalError, match="is not a SQLite database"):
        open_journal(f"sqlite:///{tmp_path}/triage.db")


def test_sqlite_writes_through_to_the_disk_and_lets_readers_read_meanwhile(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/triage.db")
    with database.reading() as connection:
        settings = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    database.close()
    assert settings == ["wal", 2, 1, 10_000]  # 2 is FULL


def test_a_locked_journal_is_a_sentence_and_nothing_is_lost(url, backend, postgres):
    journal = open_journal(url, lock_timeout_s=0.05)
    live(journal)
    if backend == "sqlite":
        other = sqlite3.connect(str(make_url(url).database), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
    else:
        other = psycopg.connect(url.replace("+psycopg", ""))
        other.execute("LOCK TABLE email")
    with pytest.raises(JournalError, match="is locked by another"):
        take_in(journal, 1)
    other.close()
    take_in(journal, 1)
    assert len(journal.history.log()) == 1
    journal.close()


def test_a_transaction_within_a_transaction_is_a_sentence_not_a_standstill(sqlite_url):
    journal = open_journal(sqlite_url, lock_timeout_s=0.05)
    live(journal)
    with pytest.raises(JournalError, match="by another thread"), journal.intake(BOX):
        journal.service.set_mode(Mode.OFF, NOW, "lead", "by mistake")
    journal.close()


def take_in_many(journal, uids):
    for uid in uids:
        take_in(journal, uid)


def test_a_full_disk_is_a_sentence_and_what_was_recorded_stays(sqlite_url):
    journal = open_journal(sqlite_url)
    live(journal)
    take_in(journal, 1)
    with journal.database.reading() as connection:  # the one connection of this thread keeps the limit
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(JournalError, match="the disk is full"):
        take_in_many(journal, range(2, 100))
    kept = len(journal.history.log())
    with journal.database.reading() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    take_in(journal, 100)
    assert len(journal.history.log()) == kept + 1 >= 2
    journal.close()


def test_after_the_server_ended_all_sessions_the_journal_goes_on(postgres, postgres_database, postgres_url):
    journal = open_journal(postgres_url)
    live(journal)
    postgres.end_sessions(postgres_database)
    take_in(journal, 1)
    journal.close()


def test_a_session_that_ends_undoes_its_transaction_with_a_sentence(postgres, postgres_database, postgres_url):
    def take_in_until_the_session_ends():
        with journal.intake(BOX) as intake:
            intake.record(record(1), now=NOW)
            postgres.end_sessions(postgres_database)
            intake.scanned(2)

    journal = open_journal(postgres_url)
    live(journal)
    with pytest.raises(JournalError, match="is being shut down"):
        take_in_until_the_session_ends()
    assert journal.history.log() == []
    journal.close()


def test_an_error_shows_nothing_of_the_email_that_caused_it(journal):
    live(journal)
    take_in(journal, 1, [owed("same")])
    secret = "sesame@client.example"
    private = replace(mail(2), subject=f"My {secret}")
    reply = owed("same", to=secret)
    with pytest.raises(JournalError, match="refused a statement") as caught:
        take_in(journal, 2, [reply], mail=private)
    assert secret not in "".join(traceback.format_exception(caught.value))


def test_values_do_not_show_what_an_email_says(journal):
    live(journal)
    email_id = take_in(journal, 1, [owed("a")])
    shown = repr(claim(journal)) + repr(journal.history.email(email_id)) + repr(journal.history.log())
    assert "How do I reset" not in shown
    assert "You can do it yourself" not in shown


def test_a_time_without_a_zone_is_refused(journal):
    live(journal)
    with pytest.raises(ValueError, match=r"2026-11-25T15:0\d:\d0 has no time zone; the journal takes aware times"):
        claim(journal, NOW.replace(tzinfo=None))
    with pytest.raises(ValueError, match="has no time zone"):
        take_in(journal, 1, received_at=NOW.replace(tzinfo=None))
    assert journal.history.log() == []


def test_times_come_back_as_utc_whatever_zone_they_were_in(journal):
    live(journal)
    chicago = timezone(timedelta(hours=-6))
    take_in(journal, 1, received_at=datetime(2026, 11, 25, 9, 0, 0, 123456, tzinfo=chicago))
    received_at = journal.history.log()[0].received_at
    assert received_at.isoformat() == "2026-11-25T15:00:00.123456+00:00"


def test_what_no_database_can_store_is_replaced_and_the_rest_stays(journal):
    live(journal)
    broken = replace(mail(1), subject="zero\x00half\ud800done", defects=("a \x00 in the subject",))
    email_id = take_in(journal, 1, mail=broken)
    kept = journal.history.email(email_id)
    assert kept.summary.subject == "zero\N{REPLACEMENT CHARACTER}half\N{REPLACEMENT CHARACTER}done"
    assert kept.defects == ("a \x00 in the subject",)


def test_ids_and_addresses_of_any_length_are_taken(journal):
    live(journal)
    long_id = f"<{'x' * 20_000}@client.example>"
    take_in(journal, 1, mail=replace(mail(1, sender=f"{'y' * 5_000}@client.example"), message_id=long_id))
    found = journal.conversations.find(replace(mail(2), in_reply_to=(long_id,)))
    assert found.ticket == 1001


def test_a_reader_sees_one_state_while_others_write(journal):
    live(journal)
    with journal.database.reading() as connection:
        before = connection.execute(select(func.count()).select_from(email)).scalar()
        take_in(journal, 1)
        after = connection.execute(select(func.count()).select_from(email)).scalar()
    assert (before, after) == (0, 0)
    assert len(journal.history.log()) == 1


def test_one_journal_serves_many_threads(journal):
    live(journal)
    failures = []

    def work(first: int) -> None:
        try:
            for uid in range(first, first + 10):
                take_in(journal, uid, [owed(f"reply-{uid}")])
                for row in journal.outbox.claim(3, f"worker-{first}", NOW, CLAIM):
                    journal.outbox.accepted(row, "250 ok", NOW)
                journal.history.counts()
        except Exception as error:  # noqa: BLE001 - whatever it is, the test has to see it
            failures.append(error)

    threads = [threading.Thread(target=work, args=(first,)) for first in range(100, 900, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    for row in claim(journal):
        journal.outbox.accepted(row, "250 ok", NOW)
    assert failures == []
    assert journal.history.counts() == {"answered": 80}

"""The database under the journal: connections, transactions, and its failures as sentences."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

LOCK_TIMEOUT_S = 10.0


class JournalError(Exception):
    """The journal cannot be read or written. The text says what, where and what to do; it names no password and
    nothing of any email."""


class Database:
    """One per process, for any number of threads: every transaction has a connection of its own."""

    def __init__(self, url: str, *, lock_timeout_s: float = LOCK_TIMEOUT_S, foreign_keys: bool = True) -> None:
        parsed = _parse(url)
        self.where = describe(parsed)
        self._lock_timeout_s = lock_timeout_s
        one_writer = parsed.get_backend_name() == "sqlite"
        self._writer = threading.Lock() if one_writer else None
        self._engine = (
            _sqlite_engine(parsed, lock_timeout_s, foreign_keys)
            if one_writer
            else _postgresql_engine(parsed, lock_timeout_s)
        )
        # On PostgreSQL every statement of a transaction sees a newer state, unless told otherwise.
        self._reader = self._engine if one_writer else self._engine.execution_options(isolation_level="REPEATABLE READ")

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the journal and changes nothing."""
        with self.failures_as_sentences(), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is durable when the block ends, and undone when it raises."""
        with self._turn(), self.failures_as_sentences(), self._engine.connect() as connection:
            connection = connection.execution_options(begins_writing=True)
            with connection.begin():
                yield connection

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Threads of this process wait here: SQLite's own way of waiting is to sleep up to 100 ms at a time."""
        if self._writer is None:
            yield
            return
        if not self._writer.acquire(timeout=self._lock_timeout_s):
            raise JournalError(f"The journal ({self.where}) is being written by another thread: it is tried again.")
        try:
            yield
        finally:
            self._writer.release()

    @contextmanager
    def failures_as_sentences(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            _raise_own_mistakes(error)
            # "from None": the driver's text may quote the values of the statement, that is, an email.
            raise JournalError(sentence(error, self.where)) from None

    def close(self) -> None:
        self._engine.dispose()


def insert_unless_there(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that does nothing where the row's key exists. SQLAlchemy has it per dialect only."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return postgresql.insert(table).on_conflict_do_nothing()


def describe(url: URL) -> str:
    """The database as a person knows it, without user and password."""
    if url.get_backend_name() == "sqlite":
        return f"SQLite file {url.database}"
    host = url.host or url.query.get("host", "the local socket")
    return f"PostgreSQL database {url.database} at {host}"


def sentence(error: SQLAlchemyError, where: str) -> str:
    """What happened to the database at ``where``, and what to do."""
    if isinstance(error, PoolTimeoutError):
        return f"The journal ({where}) has no free connection: too many threads use it at once. It is tried again."
    cause = error.orig if isinstance(error, DBAPIError) else None
    if isinstance(cause, sqlite3.Error):
        return _sqlite_sentence(cause, where)
    if isinstance(cause, psycopg.Error):
        return _postgresql_sentence(cause, where)
    return f"The journal ({where}) failed with {type(error).__name__}: this is a defect of the service."


def _parse(url: str) -> URL:
    forms = "sqlite:///var/triage.db or postgresql+psycopg://user@host/database"
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # a port that is no number; their text could show the password
        raise JournalError(f"TRIAGE_DATABASE_URL is no database URL; write {forms}") from None
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg"):
        raise JournalError(f"TRIAGE_DATABASE_URL asks for {parsed.drivername!r}; the journal can use {forms}")
    if not parsed.database or parsed.database == ":memory:":
        raise JournalError(f"TRIAGE_DATABASE_URL names no database; write {forms}")
    return parsed


def _sqlite_engine(url: URL, lock_timeout_s: float, foreign_keys: bool) -> Engine:
    _make_file(Path(str(url.database)))
    engine = create_engine(
        url, connect_args={"timeout": lock_timeout_s}, pool_size=10, max_overflow=20, hide_parameters=True
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # sqlite3 opens no transactions by itself: begin() below does
        _use_wal(connection, lock_timeout_s)
        connection.execute("PRAGMA synchronous=FULL")  # in WAL mode, NORMAL may lose the last commits in a power cut
        connection.execute(f"PRAGMA foreign_keys={'ON' if foreign_keys else 'OFF'}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # Two that read first and write later would fail with "database is locked" at once, whatever the timeout.
        writes = connection.get_execution_options().get("begins_writing", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _use_wal(connection: sqlite3.Connection, timeout_s: float) -> None:
    """Of two processes that do so to a new file at once, SQLite tells one that it is busy, without any waiting."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _make_file(path: Path) -> None:
    """An empty file, which SQLite takes for an empty database: customers' emails are nobody else's to read."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            path.touch(mode=0o600)
    except OSError as error:
        raise JournalError(
            f"The journal's file {path} cannot be made ({error.strerror}): make its folder and give the service's "
            "user the right to write there, or set TRIAGE_DATABASE_URL"
        ) from None


def _postgresql_engine(url: URL, lock_timeout_s: float) -> Engine:
    options = {
        "default_transaction_isolation": "read\\ committed",  # the statements here are written for it
        "synchronous_commit": "on",
        "timezone": "UTC",
        "lock_timeout": f"{lock_timeout_s * 1000:.0f}",  # ms
        # A worker whose machine is gone must not keep the others from its mailbox.
        "idle_in_transaction_session_timeout": "60000",  # ms
    }
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args={
            "connect_timeout": 10,  # s
            # A server that is gone without a word is noticed within a minute.
            "keepalives_idle": 30,  # s
            "keepalives_interval": 10,  # s
            "keepalives_count": 3,
            "tcp_user_timeout": 60_000,  # ms
            "options": " ".join(f"-c {name}={value}" for name, value in options.items()),
        },
        pool_pre_ping=True,  # the server may have been restarted since
        pool_size=10,
        max_overflow=20,
        hide_parameters=True,
    )


def _raise_own_mistakes(error: SQLAlchemyError) -> None:
    """A value that may not be stored (a time without zone) is the caller's mistake, not the database's."""
    if isinstance(error, StatementError) and isinstance(error.orig, ValueError):
        raise error.orig from None


_SQLITE = {
    "SQLITE_BUSY": "is locked by another process: it is tried again; if this stays, end the program that holds it",
    "SQLITE_LOCKED": "is locked by another process: it is tried again; if this stays, end the program that holds it",
    "SQLITE_FULL": "cannot grow, the disk is full: free some space; nothing that was recorded is lost",
    "SQLITE_READONLY": "is read-only: give the service's user the right to write the file and its folder",
    "SQLITE_CANTOPEN": "cannot be opened: check that its folder exists and belongs to the service's user",
    "SQLITE_PERM": "cannot be opened: check that the file belongs to the service's user",
    "SQLITE_IOERR": "cannot be read or written, the disk fails: look at the system's log and check the disk",
    "SQLITE_CORRUPT": "is damaged: stop the service and restore the last backup",
    "SQLITE_NOTADB": "is not a SQLite database: set TRIAGE_DATABASE_URL to the right file",
}

# By class (two characters) or code of PostgreSQL's appendix A.
_POSTGRESQL = {
    "08": "cannot be reached: check that the server runs and that the address is right; it is tried again",
    "28": "refuses the login: check user and password in TRIAGE_DATABASE_URL",
    "3D": "does not exist: make it with createdb, or set TRIAGE_DATABASE_URL to the right one",
    "40": "undid a transaction that collided with another: it is tried again",
    "42501": "denies a right: give the service's user all rights on the tables of the journal",
    "42P01": "is not up to date: run `triage db upgrade`",
    "42703": "is not up to date: run `triage db upgrade`",
    "53100": "cannot grow, the disk is full: free some space; nothing that was recorded is lost",
    "53": "is short of a resource, connections or memory: it is tried again; if this stays, look at the server's log",
    "55P03": "is locked by another session: it is tried again; if this stays, end the session that holds it",
    "57": "is being shut down or cancelled the statement: it is tried again",
    "25P03": "ended a transaction that stood still for a minute: it is tried again",
    "25006": "is read-only, a standby perhaps: set TRIAGE_DATABASE_URL to the primary server",
}


def _sqlite_sentence(cause: sqlite3.Error, where: str) -> str:
    name = getattr(cause, "sqlite_errorname", type(cause).__name__)
    for prefix, text in _SQLITE.items():
        if name.startswith(prefix):
            return f"The journal ({where}) {text} ({name})."
    if "no such table" in str(cause) or "no such column" in str(cause):
        return f"The journal ({where}) is not up to date: run `triage db upgrade`."
    return _defect(where, name, str(cause))  # SQLite's words name tables and columns, never values


def _postgresql_sentence(cause: psycopg.Error, where: str) -> str:
    code = cause.sqlstate or ""
    text = _POSTGRESQL.get(code) or _POSTGRESQL.get(code[:2])
    if text is None and not code and isinstance(cause, psycopg.OperationalError):
        # No answer of a server: libpq could not connect, or lost the connection.
        text = _unanswered(str(cause))
    if text is None:
        # Of these two classes, the first line names tables and columns; elsewhere it may quote a value.
        words = cause.diag.message_primary if code[:2] in ("23", "42") else None
        return _defect(where, code or type(cause).__name__, words)
    return f"The journal ({where}) {text}{f' ({code})' if code else ''}."


def _defect(where: str, name: str, words: str | None) -> str:
    said = f"{name}: {words}" if words else name
    return f"The journal ({where}) refused a statement ({said}): this is a defect of the service, please report it."


def _unanswered(words: str) -> str:
    """libpq passes the server's refusal on as text only."""
    if "authentication failed" in words or "no password supplied" in words or "role" in words:
        return _POSTGRESQL["28"]
    if "database" in words and "does not exist" in words:
        return _POSTGRESQL["3D"]
    return _POSTGRESQL["08"]

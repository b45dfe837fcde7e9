"""A real PostgreSQL on a Unix socket: unprivileged, in a folder of its own, without a network."""

import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import psycopg
from psycopg import sql

from tests.servers.ground import account, unprivileged, wait_until

_DEBIAN = Path("/usr/lib/postgresql")
_USER = "triage"
# Tests kill clients, never the server: nothing has to survive it.
_CONFIG = """
listen_addresses = ''
fsync = off
full_page_writes = off
max_connections = 100
"""


class PostgresServer:
    """``start()`` and ``stop()``, or a with-block. Needs Debian's postgresql."""

    def __init__(self) -> None:
        self._dir = Path()
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0

    def start(self) -> None:
        binaries = newest_binaries()
        self._dir = Path(tempfile.mkdtemp(prefix="postgres-"))  # a short path: a socket's may have 107 bytes
        shutil.chown(self._dir, account().pw_uid, account().pw_gid)
        options = ["--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", f"--username={_USER}"]
        self._run([str(binaries / "initdb"), *options, f"--pgdata={self._data}"])
        config = self._data / "postgresql.conf"
        config.write_text(config.read_text() + _CONFIG + f"unix_socket_directories = '{self._dir}'\n")
        with (self._dir / "log").open("wb") as log:
            command = unprivileged([str(binaries / "postgres"), "-D", str(self._data)])
            self._process = subprocess.Popen(command, cwd=self._dir, stderr=log)
        wait_until(self._answers, "PostgreSQL answers on its socket")

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)  # a fast shutdown: sessions are ended
            self._process.wait(timeout=30)
            self._process = None
        shutil.rmtree(self._dir, ignore_errors=True)

    def __enter__(self) -> "PostgresServer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://{_USER}@/{database}?host={self._dir}"

    def new_database(self, encoding: str = "UTF8") -> str:
        """Name of a fresh database."""
        self._databases += 1
        name = f"test_{self._databases}"
        locale = "C.UTF-8" if encoding == "UTF8" else "C"
        create = "CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}"
        values = [sql.Identifier(name), *map(sql.Literal, (encoding, locale, locale))]
        with self.connect("postgres") as connection:
            connection.execute(sql.SQL(create).format(*values))
        return name

    def end_sessions(self, database: str) -> None:
        """Cut every session of the database, as a restarting server does."""
        query = (
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s"  # waits up to 5,000 ms
        )
        with self.connect("postgres") as connection:
            connection.execute(query, [database])

    def connect(self, database: str) -> psycopg.Connection:
        """A session of its own, to look behind the scenes."""
        return psycopg.connect(host=str(self._dir), user=_USER, dbname=database, autocommit=True)

    @property
    def _data(self) -> Path:
        return self._dir / "data"

    def _run(self, command: list[str]) -> None:
        done = subprocess.run(unprivileged(command), cwd=self._dir, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]} failed: {done.stderr}")

    def _answers(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            log = (self._dir / "log").read_text(errors="replace")
            raise RuntimeError(f"PostgreSQL stopped with status {self._process.returncode}: {log}")
        try:
            self.connect("postgres").close()
        except psycopg.OperationalError:
            return False
        return True


def newest_binaries() -> Path:
    """Debian keeps a folder per major version."""
    versions = [folder for folder in _DEBIAN.glob("*/bin") if (folder / "postgres").exists()]
    if not versions:
        raise RuntimeError("These tests need PostgreSQL, which is missing: apt-get install postgresql")
    return max(versions, key=lambda folder: float(folder.parent.name))

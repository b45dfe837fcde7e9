"""``python -m tests.crash --kills 300 --emails 1000 --seed 1``: one line of JSON; status 1 if the promise is broken."""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.crash.campaign import Outcome, Size, run
from tests.servers.dovecot import DovecotServer
from tests.servers.postgres import PostgresServer


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--emails", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, help="more than one: on PostgreSQL")
    parser.add_argument("--sent-copies", action="store_true", help="the server files what it takes in Sent")
    parser.add_argument("--keep", type=Path, help="keep the journal and the lives' logs here")
    given = parser.parse_args(arguments)
    size = Size(given.emails, given.kills, given.seed, given.workers, given.sent_copies)
    outcome = on_own_servers(size, given.keep)
    sys.stdout.write(outcome.line() + "\n")
    return 0 if outcome.holds else 1


def on_own_servers(size: Size, keep: Path | None = None) -> Outcome:
    """A run with a Dovecot, and for several workers a PostgreSQL, of its own."""
    with tempfile.TemporaryDirectory(prefix="crash-") as made, DovecotServer() as dovecot:
        folder = keep or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        with _database(size.workers, folder) as url:
            return run(size, dovecot, url, folder)


@contextmanager
def _database(workers: int, folder: Path) -> Iterator[str]:
    if workers == 1:
        yield f"sqlite:///{folder}/triage.db"
        return
    with PostgresServer() as server:
        yield server.url(server.new_database())


if __name__ == "__main__":
    sys.exit(main())

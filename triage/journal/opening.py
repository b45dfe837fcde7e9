"""Opening the journal: the truth about what was handled."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from triage.journal import mailboxes, schema
from triage.journal.conversations import Conversations
from triage.journal.database import LOCK_TIMEOUT_S, Database, JournalError
from triage.journal.history import History
from triage.journal.mailboxes import Mailboxes
from triage.journal.outbox import Outbox
from triage.journal.record import Intake
from triage.journal.service import Service
from triage.journal.tables import SCHEMA


@dataclass(frozen=True, slots=True)
class Journal:
    """One per process, for any number of threads. Everything raises JournalError where the database fails; what was
    not finished then is undone."""

    database: Database
    service: Service  # how far it may go
    mailboxes: Mailboxes  # how far each was read
    outbox: Outbox  # what we owe
    conversations: Conversations  # who wrote to whom before
    history: History  # what happened

    @contextmanager
    def intake(self, address: str) -> Iterator[Intake]:
        """Take in many emails of one mailbox with one commit: all of it is durable when the block ends, or none.

        The mailbox is ours alone until then: fetch and predict before, decide and record within.
        """
        with self.database.writing() as connection:
            mailbox = mailboxes.find(connection, address, lock=True)
            if mailbox is None:
                raise LookupError(f"The journal does not know the mailbox {address}: call first_connection before")
            yield Intake(self.database, connection, mailbox)

    def close(self) -> None:
        self.database.close()


def open_journal(url: str, *, lock_timeout_s: float = LOCK_TIMEOUT_S) -> Journal:
    """Open a journal whose tables are up to date. The folder of a SQLite file is made where it is missing."""
    database = Database(url, lock_timeout_s=lock_timeout_s)
    try:
        _require_current(schema.revision(database), database.where)
    except JournalError:
        database.close()
        raise
    return Journal(
        database=database,
        service=Service(database),
        mailboxes=Mailboxes(database),
        outbox=Outbox(database),
        conversations=Conversations(database),
        history=History(database),
    )


def _require_current(revision: str | None, where: str) -> None:
    if revision is None:
        raise JournalError(f"The journal ({where}) is empty: run `triage db upgrade`")
    if revision < SCHEMA:
        raise JournalError(
            f"The journal ({where}) has tables of version {revision}, this program needs {SCHEMA}: "
            "run `triage db upgrade`"
        )
    if revision > SCHEMA:
        raise JournalError(
            f"The journal ({where}) has tables of version {revision}, newer than this program, which knows {SCHEMA}: "
            "run the newer program"
        )

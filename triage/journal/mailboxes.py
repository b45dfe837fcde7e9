"""What is known of each mailbox: how far it was read, whether it is live, how it fares."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, func, select, update

from triage.core.policy import Mode
from triage.journal.database import Database, insert_unless_there
from triage.journal.tables import email, failure, mailbox


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A mailbox as the journal knows it."""

    address: str
    uidvalidity: int
    watermark: int  # first UID that is ours to handle; older mail is never touched
    scanned_to: int  # all UIDs below were taken in
    first_connected_at: datetime
    went_live_at: datetime | None  # None: in shadow mode, whatever the service is in; older mail is never answered
    last_ok_at: datetime | None
    last_error_at: datetime | None
    last_error: str | None  # a sentence; kept after it is over
    errors_in_a_row: int  # polls that failed since the last good one
    sent_uidvalidity: int | None  # of the Sent folder; None where there was none yet
    sent_scanned_to: int | None  # UIDs of Sent below were looked at; None: Sent was never looked for

    def mode(self, service: Mode) -> Mode:
        """How far the service may go in this mailbox."""
        return service if self.went_live_at else min(service, Mode.SHADOW, key=lambda mode: mode.rank)


@dataclass(frozen=True, slots=True)
class Failure:
    """An email that could not be taken in yet, through a fault of ours."""

    uid: int
    tries: int
    sentence: str  # what went wrong last
    next_try_at: datetime


class Mailboxes:
    """How the mailboxes stand."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, address: str) -> Mailbox | None:
        with self._database.reading() as connection:
            return find(connection, address)

    def all(self) -> list[Mailbox]:
        with self._database.reading() as connection:
            return [Mailbox(**row) for row in connection.execute(select(mailbox).order_by("address")).mappings()]

    def first_connection(self, address: str, uidvalidity: int, uidnext: int, now: datetime) -> Mailbox:
        """Start a mailbox in shadow mode; mail that it has already is never answered. A known one stays as it is."""
        with self._database.writing() as connection:
            connection.execute(
                insert_unless_there(connection, mailbox).values(
                    address=address, first_connected_at=now, **_beginning(uidvalidity, uidnext)
                )
            )
            return _existing(connection, address)

    def reset(self, address: str, uidvalidity: int, uidnext: int) -> Mailbox:
        """Start again in shadow mode after the server numbered its mail anew (RFC 9051 section 2.3.1.1).

        What was taken in stays. Mail that came meanwhile is below the new watermark: a person has to look at it.
        """
        with self._database.writing() as connection:
            connection.execute(
                update(mailbox).where(mailbox.c.address == address).values(_beginning(uidvalidity, uidnext))
            )
            return _existing(connection, address)

    def works(self, address: str, now: datetime) -> None:
        """A poll went well."""
        self._update(address, last_ok_at=now, errors_in_a_row=0)

    def fails(self, address: str, sentence: str, now: datetime) -> int:
        """A poll failed. Returns how many in a row did."""
        errors = mailbox.c.errors_in_a_row + 1
        self._update(address, last_error=sentence, last_error_at=now, errors_in_a_row=errors)
        known = self.get(address)
        return known.errors_in_a_row if known else 0

    def due_retries(self, address: str, now: datetime, limit: int = 100) -> list[Failure]:
        """Emails below ``scanned_to`` that are to be tried again now, the most overdue first."""
        with self._database.reading() as connection:
            rows = connection.execute(
                select(failure.c.uid, failure.c.tries, failure.c.sentence, failure.c.next_try_at)
                .where(_here(failure, address), failure.c.next_try_at <= now)
                .order_by(failure.c.next_try_at, failure.c.uid)
                .limit(limit)
            )
            return [Failure(*row) for row in rows]

    def taken_in(self, address: str, first: int, last: int) -> set[int]:
        """UIDs from first to last that the journal knows, handled or noted as a failure."""
        with self._database.reading() as connection:
            return {
                uid
                for table in (email, failure)
                for uid in connection.scalars(
                    select(table.c.uid).where(_here(table, address), table.c.uid.between(first, last))
                )
            }

    def _update(self, address: str, **values: Any) -> None:
        with self._database.writing() as connection:
            connection.execute(update(mailbox).where(mailbox.c.address == address).values(**values))


def find(connection: Connection, address: str, *, lock: bool = False) -> Mailbox | None:
    """With ``lock``, another transaction that asks for the same lock waits for the end of this one."""
    query = select(mailbox).where(mailbox.c.address == address)
    if lock:
        query = query.with_for_update(key_share=True)  # SQLite has none and needs none: BEGIN IMMEDIATE locks all
    row = connection.execute(query).mappings().first()
    return Mailbox(**row) if row else None


def scanned(connection: Connection, address: str, below: int) -> None:
    connection.execute(
        update(mailbox).where(mailbox.c.address == address, mailbox.c.scanned_to < below).values(scanned_to=below)
    )


def sent_read(connection: Connection, address: str, uidvalidity: int | None, below: int) -> None:
    connection.execute(
        update(mailbox).where(mailbox.c.address == address).values(sent_uidvalidity=uidvalidity, sent_scanned_to=below)
    )


def go_live(connection: Connection, now: datetime, addresses: list[str]) -> None:
    connection.execute(update(mailbox).where(mailbox.c.address.in_(addresses)).values(went_live_at=now))


def tries(connection: Connection, of: Mailbox) -> dict[int, int]:
    """How often each email was tried that could not be taken in yet, by UID."""
    query = select(failure.c.uid, failure.c.tries).where(
        failure.c.mailbox == of.address, failure.c.uidvalidity == of.uidvalidity
    )
    return {row.uid: row.tries for row in connection.execute(query)}


def count_failures(connection: Connection, address: str) -> int:
    return connection.execute(
        select(func.count()).select_from(failure).where(failure.c.mailbox == address)
    ).scalar_one()


def _beginning(uidvalidity: int, uidnext: int) -> dict[str, Any]:
    return {
        "uidvalidity": uidvalidity,
        "watermark": uidnext,
        "scanned_to": uidnext,
        "went_live_at": None,
        "errors_in_a_row": 0,
    }


def _existing(connection: Connection, address: str) -> Mailbox:
    found = find(connection, address)
    if found is None:
        raise LookupError(f"The journal does not know the mailbox {address}: call first_connection before")
    return found


def _here(table: Table, address: str) -> ColumnElement[bool]:
    """Rows of the mailbox and of its present numbering: the same UID meant another email before."""
    numbering = select(mailbox.c.uidvalidity).where(mailbox.c.address == address).scalar_subquery()
    return and_(table.c.mailbox == address, table.c.uidvalidity == numbering)

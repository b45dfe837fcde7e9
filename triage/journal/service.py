"""How far the service may go: its mode, who set it, and why."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select

from triage.core.policy import Mode
from triage.journal import mailboxes, outbox
from triage.journal.database import Database
from triage.journal.tables import mailbox, mode_change


@dataclass(frozen=True, slots=True)
class ModeChange:
    """A step that somebody took."""

    mode: Mode
    at: datetime
    who: str
    why: str


class Service:
    """The mode in the journal. Policy and a STOP file may set a lower one; the lowest wins."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def mode(self) -> Mode:
        with self._database.reading() as connection:
            return mode(connection)

    def changes(self, limit: int = 20) -> list[ModeChange]:
        """Newest first; empty where nobody has changed anything: the service is in shadow mode."""
        query = select(mode_change).order_by(mode_change.c.id.desc()).limit(limit)
        with self._database.reading() as connection:
            return [ModeChange(Mode(row.mode), row.at, row.who, row.why) for row in connection.execute(query)]

    def set_mode(
        self, to: Mode, now: datetime, who: str, why: str, *, only: Collection[str] | None = None
    ) -> list[str]:
        """Change the mode. Returns the mailboxes that go live with it; mail that they got before is never answered.

        Down below draft is a stop: nothing more leaves from this moment, and what is queued is frozen, to be released
        or replaced. Up from there does not let it go: that takes ``outbox.release``. Down to draft holds replies that
        nobody has approved. ``only``: the mailboxes to go live, where it is not all of them.
        """
        with self._database.writing() as connection:
            before = mode(connection)
            connection.execute(insert(mode_change).values(mode=to, at=now, who=who, why=why))
            if to.rank < Mode.DRAFT.rank or before.rank < Mode.DRAFT.rank:
                outbox.freeze(connection, who, now)
            elif to is Mode.DRAFT:
                outbox.hold_replies(connection, who, now)
            if to.rank < Mode.DRAFT.rank:
                return []
            going = _going_live(connection, again=before.rank < Mode.DRAFT.rank, only=only)
            mailboxes.go_live(connection, now, going)
            return going


def mode(connection: Connection) -> Mode:
    """The journal's mode; shadow until somebody says otherwise."""
    last = connection.execute(select(mode_change.c.mode).order_by(mode_change.c.id.desc()).limit(1)).scalar()
    return Mode(last) if last else Mode.SHADOW


def _going_live(connection: Connection, *, again: bool, only: Collection[str] | None) -> list[str]:
    """Mailboxes in shadow mode; after a stop (``again``) the others too, counted from now on."""
    query = select(mailbox.c.address).order_by(mailbox.c.address)
    if not again:
        query = query.where(mailbox.c.went_live_at.is_(None))
    if only is not None:
        query = query.where(mailbox.c.address.in_(only))
    return list(connection.scalars(query))

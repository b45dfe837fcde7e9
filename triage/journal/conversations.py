"""Which ticket an email belongs to, and what went out automatically of late."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, ScalarSelect, Select, bindparam, func, insert, select, update

from triage.core import ticket as tickets
from triage.core.decision import DraftKind
from triage.core.mail import Conversation, Mail, SenderHistory
from triage.journal import timeline
from triage.journal.database import Database, insert_unless_there
from triage.journal.states import RowState
from triage.journal.tables import email as emails
from triage.journal.tables import email_intent, indexable, message, outbox, participant, storable, suppression, ticket
from triage.journal.timeline import Event

_REFERENCES_READ = 50  # newest first; nobody's thread needs more, and an email may name thousands
_LAST_READ = 20  # emails of one sender that are compared with the present one

# What counts as written to somebody: everything that went out or is about to.
_LIVE = outbox.c.state.not_in([RowState.CANCELLED, RowState.GIVEN_UP])
_TO_CUSTOMERS = outbox.c.kind.in_([DraftKind.REPLY, DraftKind.ACKNOWLEDGEMENT])


def _answered_intents(*conditions: ColumnElement[bool]) -> Select[tuple[str]]:
    """Intents of the emails that replies were written for."""
    return (
        select(email_intent.c.intent)
        .distinct()
        .join(outbox, outbox.c.email_id == email_intent.c.email_id)
        .where(outbox.c.kind == DraftKind.REPLY, _LIVE, *conditions)
    )


def _how_many(*conditions: ColumnElement[bool]) -> ScalarSelect[int]:
    return select(func.count()).select_from(outbox).where(_LIVE, _TO_CUSTOMERS, *conditions).scalar_subquery()


# Asked for every email, so built once: SQLAlchemy takes longer to build a statement than the databases to answer it.
_TO_ADDRESS = outbox.c.recipient_key == bindparam("address")
_SENT_OF_LATE = select(
    _how_many(_TO_ADDRESS, outbox.c.created_at > bindparam("day_ago")),
    _how_many(outbox.c.created_at > bindparam("hour_ago")),
)
_INTENTS_OF_LATE = _answered_intents(_TO_ADDRESS, outbox.c.created_at > bindparam("since"))


class Origin(StrEnum):
    """Where a message id of a conversation comes from."""

    RECEIVED = "received"
    SENT = "sent"  # by us
    TEAM = "team"  # by a person of a team, seen in the mailbox or in Sent


@dataclass(frozen=True, slots=True)
class Message:
    """A message id of a conversation."""

    id: str  # with its angle brackets
    origin: Origin
    email_id: int | None = None  # the email received, or the one that ours is about
    outbox_id: int | None = None  # ours


class Conversations:
    """Tickets as conversations. Inside an intake, ask the intake instead: it sees what it has recorded itself."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, mail: Mail, *, signed: int | None = None, tagged: int | None = None) -> Conversation:
        with self._database.reading() as connection:
            return find(connection, mail, signed=signed, tagged=tagged)

    def sender_history(
        self, address: str, window_hours: int, now: datetime, hashes: Collection[str] = ()
    ) -> SenderHistory:
        with self._database.reading() as connection:
            return sender_history(connection, address, window_hours, now, hashes)

    def person_wrote(self, number: int, message_id: str | None, who: str, now: datetime) -> None:
        """A person of a team wrote into the conversation: automation is silent there from now on, for good."""
        with self._database.writing() as connection:
            person_wrote(connection, number, message_id, who, now)

    def close(self, number: int, now: datetime) -> None:
        """The customer thanked, or a person is done."""
        with self._database.writing() as connection:
            close(connection, number, now)

    def suppress(self, keyed_hash: str, who: str, why: str, now: datetime) -> None:
        """Never write to the address or domain with this keyed hash. The journal does not learn which it is."""
        with self._database.writing() as connection:
            connection.execute(
                insert_unless_there(connection, suppression).values(hash=keyed_hash, at=now, who=who, why=why)
            )

    def unsuppress(self, keyed_hash: str) -> bool:
        """Take it off the list again. False: it was not on it."""
        with self._database.writing() as connection:
            return connection.execute(suppression.delete().where(suppression.c.hash == keyed_hash)).rowcount == 1


def find(connection: Connection, mail: Mail, *, signed: int | None = None, tagged: int | None = None) -> Conversation:
    """The conversation that an email continues, by the ids it names.

    ``signed``: a ticket number whose signature in a Message-ID of ours the caller has checked. ``tagged``: one from a
    signed subject tag; it counts only where the sender takes part in that conversation already, because a tag can be
    forwarded to anybody.
    """
    number, reason = _by_ids(connection, mail)
    if number is None and signed is not None and _exists(connection, signed):
        number, reason = signed, f"It answers an email of ours that names ticket {tickets.name(signed)}."
    if number is None and tagged is not None and _takes_part(connection, mail, tagged):
        number, reason = tagged, f"Its subject names ticket {tickets.name(tagged)}, and the sender takes part in it."
    if number is None:
        return Conversation()
    return _described(connection, number, reason)


def sender_history(
    connection: Connection, address: str, window_hours: int, now: datetime, hashes: Collection[str] = ()
) -> SenderHistory:
    """Automatic mail of late, what is still on its way included. ``hashes``: keyed, of the address and its domain."""
    to = address.lower()
    moments = {"day_ago": now - timedelta(hours=24), "hour_ago": now - timedelta(hours=1)}
    to_sender, by_service = connection.execute(_SENT_OF_LATE, {"address": to, **moments}).one()
    since = now - timedelta(hours=window_hours)
    return SenderHistory(
        to_sender_24h=to_sender,
        intents_24h=frozenset(connection.scalars(_INTENTS_OF_LATE, {"address": to, "since": since})),
        service_last_hour=by_service,
        suppressed=_is_suppressed(connection, hashes),
    )


def person_wrote(connection: Connection, number: int, message_id: str | None, who: str, now: datetime) -> None:
    connection.execute(
        update(ticket)
        .where(ticket.c.number == number)
        .values(person_since=func.coalesce(ticket.c.person_since, now), closed_at=None)
    )
    if message_id:
        extend(connection, number, [Message(message_id, Origin.TEAM)], [], now)
    timeline.add(connection, Event(now, who, "person-wrote", "A person wrote into the conversation.", ticket=number))


def close(connection: Connection, number: int, now: datetime) -> None:
    connection.execute(update(ticket).where(ticket.c.number == number).values(closed_at=now))


def same_text(connection: Connection, sender: str, text: str, since: datetime) -> bool:
    """Whether one of the last emails of a sender said exactly the same."""
    last = (
        select(emails.c.text, emails.c.recorded_at)
        .where(emails.c.sender == sender.lower())
        .order_by(emails.c.id.desc())
        .limit(_LAST_READ)
    )
    said = storable(text)
    return any(row.text == said and row.recorded_at > since for row in connection.execute(last))


def has_team_message(connection: Connection, number: int, message_id: str) -> bool:
    """Whether a person's email was seen in a ticket before."""
    query = select(message.c.id).where(
        message.c.message_id == message_id, message.c.ticket == number, message.c.origin == Origin.TEAM
    )
    return connection.execute(query.limit(1)).first() is not None


def open_ticket(connection: Connection, mailbox: str, now: datetime) -> int:
    """The number of a new ticket. Numbers rise; some are never used."""
    opening = insert(ticket).returning(ticket.c.number)
    number: int = connection.execute(opening, {"mailbox": mailbox, "created_at": now}).scalar_one()
    return number


def drop_unused(connection: Connection, number: int) -> None:
    """Forget a ticket that no email has."""
    used = select(emails.c.id).where(emails.c.ticket == number).exists()
    connection.execute(ticket.delete().where(ticket.c.number == number, ~used))


def extend(
    connection: Connection, number: int, messages: Sequence[Message], addresses: Iterable[str], now: datetime
) -> None:
    """Let replies to these messages find the ticket, and note who takes part in it."""
    if messages:
        rows = [
            {
                "message_id": one.id,
                "ticket": number,
                "origin": one.origin,
                "at": now,
                "email_id": one.email_id,
                "outbox_id": one.outbox_id,
            }
            for one in messages
        ]
        connection.execute(insert(message), rows)
    people = sorted({address.lower() for address in addresses})
    if people:
        rows = [{"ticket": number, "address": address} for address in people]
        connection.execute(insert_unless_there(connection, participant), rows)


def _by_ids(connection: Connection, mail: Mail) -> tuple[int | None, str]:
    """What it answers comes first, then its references from the newest to the oldest."""
    ids = [indexable(one) for one in (*mail.in_reply_to, *reversed(mail.references))][:_REFERENCES_READ]
    if not ids:
        return None, ""
    rows = connection.execute(
        select(message.c.message_id, message.c.ticket, message.c.origin)
        .where(message.c.message_id.in_(ids))
        .order_by(message.c.id)
    )
    known = {row.message_id: row for row in rows}
    first = next((known[one] for one in ids if one in known), None)
    if first is None:
        return None, ""
    whose = {Origin.RECEIVED: "an email", Origin.SENT: "an email of ours", Origin.TEAM: "an email of a person"}
    return first.ticket, f"It answers {whose[Origin(first.origin)]} in ticket {tickets.name(first.ticket)}."


def _exists(connection: Connection, number: int) -> bool:
    return connection.execute(select(ticket.c.number).where(ticket.c.number == number)).first() is not None


def _takes_part(connection: Connection, mail: Mail, number: int) -> bool:
    if mail.sender is None:
        return False
    query = select(participant.c.ticket).where(
        participant.c.ticket == number, participant.c.address == mail.sender.email.lower()
    )
    return connection.execute(query).first() is not None


def _described(connection: Connection, number: int, reason: str) -> Conversation:
    about = connection.execute(select(ticket.c.person_since, ticket.c.team).where(ticket.c.number == number)).one()
    sent = select(outbox.c.kind).distinct().where(outbox.c.ticket == number, _TO_CUSTOMERS, _LIVE)
    kinds = set(connection.scalars(sent))
    people = select(participant.c.address).where(participant.c.ticket == number)
    return Conversation(
        ticket=number,
        answered_before=DraftKind.REPLY in kinds,
        answered_intents=frozenset(connection.scalars(_answered_intents(outbox.c.ticket == number))),
        person_involved=about.person_since is not None,
        acknowledged=DraftKind.ACKNOWLEDGEMENT in kinds,
        team=about.team or "",
        participants=frozenset(connection.scalars(people)),
        reason=reason,
    )


def _is_suppressed(connection: Connection, hashes: Collection[str]) -> bool:
    if not hashes:
        return False
    return connection.execute(select(suppression.c.hash).where(suppression.c.hash.in_(hashes))).first() is not None

"""What we owe: outbox rows as values, how they are written, and what they make of their email."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, case, func, insert, select, update

from triage.core.decision import Draft, DraftKind, Sentence
from triage.journal import stored
from triage.journal.conversations import Message, Origin
from triage.journal.states import RowState, State
from triage.journal.tables import email, outbox

# A customer waits for an answer; an acknowledgement or a ticket for a team may come a little later.
_PRIORITY = {DraftKind.REPLY: 0, DraftKind.ACKNOWLEDGEMENT: 1, DraftKind.HAND_OVER: 2, DraftKind.DIGEST: 3}

UNSENT = (RowState.HELD, RowState.QUEUED, RowState.FROZEN, RowState.GIVEN_UP)
_PER_STATEMENT = 5_000  # values in an IN list; SQLite takes 32,766, PostgreSQL 65,535


@dataclass(frozen=True, slots=True)
class Owed:
    """An email to be sent, and when."""

    draft: Draft
    held: bool = False  # waits for a person's approval
    not_before: datetime | None = None  # None: at once


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One outgoing email as the journal has it."""

    id: int
    mailbox: str
    email_id: int | None  # the email that it is about; None for a digest
    ticket: int | None
    kind: DraftKind
    recipient: str
    envelope_sender: str  # "" is the null reverse-path
    message_id: str  # fixed before the first attempt, like the bytes
    key: str  # of the X-Triage-Key header
    subject: str | None = field(repr=False)  # None: purged, like raw
    raw: bytes | None = field(repr=False)  # what an email says has no place in logs and tracebacks
    sentences: tuple[Sentence, ...] = field(repr=False)
    state: RowState
    priority: int  # the lowest goes first
    attempts: int  # claims so far; says which claim an outcome belongs to
    next_attempt_at: datetime  # of a claimed row: when the claim ends
    last_answer: str | None  # of the server, or what went wrong
    created_at: datetime
    approved_at: datetime | None
    approved_by: str | None
    sent_at: datetime | None
    sent_copy_id: str | None  # Message-ID of the copy in Sent, where the server replaced ours
    bounced_at: datetime | None
    bounce: str | None  # the report in a sentence
    tries: int = 0  # of a claimed row: attempts that reached for a server, this one included
    in_doubt: bool = False  # of a claimed row: an earlier attempt has no known outcome; look in Sent first


def row(stored_row: RowMapping, **more: Any) -> OutboxRow:
    """From a row of the table; ``more``: what only a claim knows."""
    values = {name: value for name, value in stored_row.items() if name != "recipient_key"}
    values["kind"] = DraftKind(values["kind"])
    values["state"] = RowState(values["state"])
    values["sentences"] = stored.sentences(values["sentences"])
    return OutboxRow(**values, **more)


def write(
    connection: Connection,
    owed: Sequence[Owed],
    now: datetime,
    *,
    mailbox: str,
    email_id: int | None = None,
    ticket: int | None = None,
) -> list[int]:
    """Add outbox rows; gives their ids."""
    if not owed:
        return []
    about = {"mailbox": mailbox, "email_id": email_id, "ticket": ticket}
    adding = insert(outbox).returning(outbox.c.id, sort_by_parameter_order=True)
    return list(connection.scalars(adding, [_values(one, now) | about for one in owed]))


def messages(owed: Sequence[Owed], ids: Sequence[int], email_id: int | None) -> list[Message]:
    """Their message ids, for the conversation."""
    return [
        Message(one.draft.message_id, Origin.SENT, email_id, outbox_id)
        for one, outbox_id in zip(owed, ids, strict=True)
    ]


def _values(owed: Owed, now: datetime) -> dict[str, Any]:
    draft = owed.draft
    return {
        "kind": draft.kind,
        "recipient": draft.recipient,
        "recipient_key": draft.recipient.lower(),
        "envelope_sender": draft.envelope_sender,
        "message_id": draft.message_id,
        "key": draft.key,
        "subject": draft.subject,
        "raw": draft.raw,
        "sentences": stored.plain_list(draft.sentences),
        "state": RowState.HELD if owed.held else RowState.QUEUED,
        "priority": _PRIORITY[draft.kind],
        "attempts": 0,
        "next_attempt_at": owed.not_before or now,
        "created_at": now,
    }


def lock_emails(connection: Connection, ids: Iterable[int | None]) -> list[int]:
    """Keep the state of these emails to this transaction. Always in the same order, and before their outbox rows:
    two that record the last two deliveries of one email would otherwise each find the other's undone, or deadlock.
    Rows that refer to an email can be added meanwhile (that is what ``key_share`` allows)."""
    known = sorted({one for one in ids if one is not None})
    for some in _in_parts(known):
        connection.execute(
            select(email.c.id).where(email.c.id.in_(some)).order_by(email.c.id).with_for_update(key_share=True)
        ).all()
    return known


def refresh_states(connection: Connection, email_ids: Sequence[int], now: datetime) -> None:
    """Bring emails to the state that their outbox rows make; the final one when nothing more is owed."""
    on_its_way = case(
        (_has(RowState.GIVEN_UP), State.DELIVERY_FAILED),
        (_has(RowState.HELD), State.WAITING_FOR_APPROVAL),
        (_has(RowState.FROZEN), State.STOPPED),
        (_has(RowState.QUEUED), State.WAITING_FOR_DELIVERY),
    )
    finished_at = case((_has(*UNSENT), None), else_=func.coalesce(email.c.finished_at, now))
    for some in _in_parts(email_ids):
        connection.execute(
            update(email)
            .where(email.c.id.in_(some))
            .values(state=func.coalesce(on_its_way, email.c.final_state), finished_at=finished_at)
        )


def _has(*states: RowState) -> ColumnElement[bool]:
    return select(outbox.c.id).where(and_(outbox.c.email_id == email.c.id, outbox.c.state.in_(states))).exists()


def _in_parts(ids: Sequence[int]) -> list[Sequence[int]]:
    return [ids[start : start + _PER_STATEMENT] for start in range(0, len(ids), _PER_STATEMENT)]

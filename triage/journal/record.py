"""Taking emails in: one transaction for many of them, each with its decision and what we owe for it."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, union, update

from triage.core.decision import Decision, DraftKind
from triage.core.mail import Conversation, Mail, Objection, SenderHistory, Trimmed
from triage.core.policy import Action, Mode
from triage.core.prediction import Prediction
from triage.journal import conversations, mailboxes, outbox, owed, service, stored
from triage.journal.conversations import Message, Origin
from triage.journal.database import Database, insert_unless_there
from triage.journal.mailboxes import Mailbox
from triage.journal.owed import OutboxRow, Owed
from triage.journal.retry import INTAKE
from triage.journal.states import Place, State
from triage.journal.tables import email, email_intent, failure, ticket

_FINAL_BY_ACTION = {
    Action.ANSWER: State.ANSWERED,
    Action.ANSWER_AND_ROUTE: State.ANSWERED_AND_ROUTED,
    Action.ROUTE: State.ROUTED,
    Action.IGNORE: State.IGNORED,
}

# Asked for every email, so built once: SQLAlchemy takes longer to build a statement than the databases to answer it.
_KNOWN = select(email.c.id).where(
    email.c.mailbox == bindparam("address"),
    email.c.uidvalidity == bindparam("uidvalidity"),
    email.c.uid == bindparam("uid"),
    email.c.sha256 == bindparam("sha256"),
)
# A union, not an OR: SQLite would read all emails of the mailbox for that.
_HERE = email.c.mailbox == bindparam("address")
_SAME = union(
    select(email.c.id).where(_HERE, email.c.sha256 == bindparam("sha256")),
    select(email.c.id).where(_HERE, email.c.fingerprint == bindparam("fingerprint")),
)
_EARLIER = (
    select(email.c.id, email.c.uidvalidity, email.c.uid, email.c.state, email.c.ticket)
    .where(email.c.id.in_(_SAME))
    .order_by(email.c.id)
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class EmailRecord:
    """Everything that is kept of an email besides what we owe for it."""

    uid: int
    mail: Mail  # redacted
    decision: Decision
    mode: Mode  # the one it was decided in: the lowest of policy, journal, mailbox and STOP file
    received_at: datetime  # INTERNALDATE
    fetched_at: datetime
    decided_at: datetime
    milliseconds: float = 0.0  # from fetched to decided, by a clock that does not jump
    ticket: int | None = None
    trimmed: Trimmed = field(default_factory=lambda: Trimmed(""))
    objections: tuple[Objection, ...] = ()
    prediction: Prediction = field(default_factory=Prediction)
    faq: str = ""  # version of the FAQ: a hash
    policy: str = ""  # version of the policy: a hash
    parked: str = ""  # why it is parked and where it lies; "" where it is not
    same_as: int | None = None  # id of the email that came back: handled before, left where it lies now


@dataclass(frozen=True, slots=True)
class Earlier:
    """An email that the journal has already, met again under another UID."""

    id: int
    uidvalidity: int
    uid: int
    state: State
    ticket: int | None


class Intake:
    """An open transaction on one mailbox; ``Journal.intake`` makes it and ends it.

    Two workers on one mailbox take turns: what the other one has taken in meanwhile is seen here.
    """

    def __init__(self, database: Database, connection: Connection, mailbox: Mailbox) -> None:
        self._database = database
        self._connection = connection
        self.mailbox = mailbox  # as it is now
        self.mode = mailbox.mode(service.mode(connection))  # policy and STOP file may set a lower one
        self._failing = mailboxes.tries(connection, mailbox)

    def is_new(self, uid: int, sha256: str) -> bool:
        """False: this very email was taken in already."""
        numbering = {"address": self.mailbox.address, "uidvalidity": self.mailbox.uidvalidity}
        return self._connection.execute(_KNOWN, {**numbering, "uid": uid, "sha256": sha256}).first() is None

    def earlier(self, mail: Mail) -> Earlier | None:
        """The first time that this email was seen in this mailbox: the same bytes, or the same id, sender, date and
        text. Somebody dragged it back, or it was delivered twice."""
        marks = {"address": self.mailbox.address, "sha256": mail.sha256, "fingerprint": fingerprint(mail)}
        row = self._connection.execute(_EARLIER, marks).first()
        return Earlier(row.id, row.uidvalidity, row.uid, State(row.state), row.ticket) if row else None

    def conversation(self, mail: Mail, *, signed: int | None = None, tagged: int | None = None) -> Conversation:
        """See ``conversations.find``."""
        return conversations.find(self._connection, mail, signed=signed, tagged=tagged)

    def sender_history(
        self, address: str, window_hours: int, now: datetime, hashes: Collection[str] = ()
    ) -> SenderHistory:
        """See ``conversations.sender_history``; what this intake has recorded counts too."""
        return conversations.sender_history(self._connection, address, window_hours, now, hashes)

    def new_ticket(self, now: datetime) -> int:
        """The number for a conversation that begins; give it to ``record``."""
        return conversations.open_ticket(self._connection, self.mailbox.address, now)

    def person_wrote(self, number: int, message_id: str | None, who: str, now: datetime) -> None:
        """See ``Conversations.person_wrote``. Automatic mail to the customer that has not left is cancelled."""
        conversations.person_wrote(self._connection, number, message_id, who, now)
        outbox.cancel_for_person(self._connection, number, now)

    def wrote_alike(self, sender: str, text: str, since: datetime) -> bool:
        """Whether the sender said exactly the same a short time ago, as an auto-responder does."""
        return conversations.same_text(self._connection, sender, text, since)

    def close_ticket(self, number: int, now: datetime) -> None:
        """The customer thanked. A later email for a team opens it again."""
        conversations.close(self._connection, number, now)

    def ours(self, message_ids: Sequence[str], keys: Sequence[str]) -> OutboxRow | None:
        """The mail of ours that one of these ids or keys names; None where none does."""
        return outbox.find(self._connection, message_ids, keys)

    def bounced(self, row: OutboxRow, sentence: str, now: datetime) -> None:
        """A mail of ours came back."""
        outbox.bounced(self._connection, row, sentence, now)

    def learn_copies(self, copies: Mapping[str, str], now: datetime) -> set[str]:
        """See ``outbox.learn_copies``."""
        return outbox.learn_copies(self._connection, copies, now)

    def found_in_sent(self, number: int, message_id: str | None, who: str, now: datetime) -> bool:
        """A person answered as the mailbox. False: that email was seen before."""
        if message_id and conversations.has_team_message(self._connection, number, message_id):
            return False
        self.person_wrote(number, message_id, who, now)
        return True

    def sent_read(self, uidvalidity: int | None, below: int) -> None:
        """All emails in Sent with lower UIDs were looked at, now that this transaction ends."""
        mailboxes.sent_read(self._connection, self.mailbox.address, uidvalidity, below)

    def record(self, record: EmailRecord, drafts: Sequence[Owed] = (), *, now: datetime) -> int | None:
        """Write an email, its decision and what we owe for it. Returns its id; None: it was taken in already.

        When it raises, the rest of the intake stands: the caller notes a failure and goes on.
        """
        _refuse_contradictions(record, drafts)
        drafts = [_as_mode_demands(one, record.mode) for one in drafts]
        with self._database.failures_as_sentences(), self._connection.begin_nested():
            email_id = self._insert(record, drafts, now)
            if email_id is None:
                if record.ticket is not None:
                    conversations.drop_unused(self._connection, record.ticket)
                return None
            self._insert_intents(email_id, record.decision)
            ids = owed.write(
                self._connection, drafts, now, mailbox=self.mailbox.address, email_id=email_id, ticket=record.ticket
            )
            if record.ticket is not None:
                messages = [*_received(record.mail, email_id), *owed.messages(drafts, ids, email_id)]
                people = [*_senders(record.mail), *(one.draft.recipient for one in drafts)]
                conversations.extend(self._connection, record.ticket, messages, people, now)
                self._assign(record.ticket, record.decision.team)
            self.gone(record.uid)
        return email_id

    def note_failure(self, uid: int, sentence: str, now: datetime) -> int:
        """An email could not be taken in through a fault of ours; it is tried again later. Returns the tries so far."""
        tries = self._failing.get(uid, 0) + 1
        wait = INTAKE.after(min(tries, len(INTAKE.waits)), f"{self.mailbox.address} {uid}") or timedelta(0)
        values = {"tries": tries, "sentence": sentence, "last_at": now, "next_try_at": now + wait}
        if tries > 1:
            self._connection.execute(update(failure).where(*self._failure_of(uid)).values(values))
        else:
            numbering = {"mailbox": self.mailbox.address, "uidvalidity": self.mailbox.uidvalidity, "uid": uid}
            self._connection.execute(insert(failure).values(**numbering, **values, first_at=now))
        self._failing[uid] = tries
        return tries

    def gone(self, uid: int) -> None:
        """An email is no failure any more: it was recorded, or somebody took it out of the mailbox."""
        if uid in self._failing:
            self._connection.execute(delete(failure).where(*self._failure_of(uid)))
            del self._failing[uid]

    def scanned(self, below: int) -> None:
        """All UIDs below are taken in or noted as failures, now that this transaction ends."""
        mailboxes.scanned(self._connection, self.mailbox.address, below)

    def _insert(self, record: EmailRecord, drafts: Sequence[Owed], now: datetime) -> int | None:
        state, final_state = first_state(record, drafts)
        values = {
            **_identity(record, self.mailbox),
            **_content(record),
            **_thought(record),
            "mode": record.mode,
            "state": state,
            "final_state": final_state,
            "parked": record.parked or None,
            "ticket": record.ticket,
            "received_at": record.received_at,
            "fetched_at": record.fetched_at,
            "decided_at": record.decided_at,
            "recorded_at": now,
            "finished_at": now if state.final else None,
            "milliseconds": record.milliseconds,
        }
        statement = insert_unless_there(self._connection, email).returning(email.c.id)
        return self._connection.execute(statement, values).scalar()

    def _insert_intents(self, email_id: int, decision: Decision) -> None:
        rows = [{"email_id": email_id, "intent": intent} for intent in dict.fromkeys(decision.intents)]
        if rows:
            self._connection.execute(insert(email_intent), rows)

    def _assign(self, number: int, team: str | None) -> None:
        """The ticket is the team's (again)."""
        if team is not None:
            self._connection.execute(update(ticket).where(ticket.c.number == number).values(team=team, closed_at=None))

    def _failure_of(self, uid: int) -> tuple[Any, ...]:
        return (
            failure.c.mailbox == self.mailbox.address,
            failure.c.uidvalidity == self.mailbox.uidvalidity,
            failure.c.uid == uid,
        )


def first_state(record: EmailRecord, drafts: Sequence[Owed]) -> tuple[State, State]:
    """The state of an email when it is recorded, and the one it ends in when all that is owed was delivered."""
    if record.parked:
        return State.PARKED, State.PARKED
    if record.mode.rank < Mode.DRAFT.rank:
        return State.SHADOWED, State.SHADOWED
    final = _FINAL_BY_ACTION[record.decision.action]
    if not drafts:
        return final, final
    return State.WAITING_FOR_APPROVAL if any(one.held for one in drafts) else State.WAITING_FOR_DELIVERY, final


def fingerprint(mail: Mail) -> str:
    """What an email is known by when its UID or some of its headers have changed: id, sender, date and text.

    Without an id, only the same bytes are the same email: two people may well write the same line.
    """
    if not mail.message_id:
        return mail.sha256
    sender = mail.sender.email.lower() if mail.sender else ""
    parts = (mail.message_id, sender, mail.date.isoformat() if mail.date else "", mail.text)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()


def _refuse_contradictions(record: EmailRecord, drafts: Sequence[Owed]) -> None:
    if not drafts:
        return
    if record.parked or record.same_as is not None:
        raise ValueError("Nothing is owed for an email that is parked or was handled before")
    if record.mode.rank < Mode.DRAFT.rank:
        raise ValueError(f"Nothing is owed for an email that was decided in {record.mode.value} mode")
    if record.decision.action is Action.IGNORE:
        raise ValueError("Nothing is owed for an email that is ignored")


def _as_mode_demands(one: Owed, mode: Mode) -> Owed:
    """In draft mode no reply goes without approval."""
    if mode is Mode.DRAFT and one.draft.kind is DraftKind.REPLY:
        return Owed(one.draft, held=True, not_before=one.not_before)
    return one


def _received(mail: Mail, email_id: int) -> list[Message]:
    return [Message(mail.message_id, Origin.RECEIVED, email_id)] if mail.message_id else []


def _senders(mail: Mail) -> list[str]:
    return [mail.sender.email] if mail.sender else []


def _identity(record: EmailRecord, mailbox: Mailbox) -> dict[str, Any]:
    ours = record.mode.rank >= Mode.DRAFT.rank and record.same_as is None
    return {
        "mailbox": mailbox.address,
        "uidvalidity": mailbox.uidvalidity,
        "uid": record.uid,
        "sha256": record.mail.sha256,
        "fingerprint": fingerprint(record.mail),
        "same_as": record.same_as,
        "place": Place.INBOX if ours else Place.LEFT,
    }


def _content(record: EmailRecord) -> dict[str, Any]:
    mail = record.mail
    return {
        "size": mail.size,
        "message_id": mail.message_id,
        "in_reply_to": list(mail.in_reply_to),
        "reference_ids": list(mail.references),
        "sender": mail.sender.email.lower() if mail.sender else None,
        "sender_name": mail.sender.name if mail.sender else None,
        "subject": mail.subject,
        "text": record.trimmed.text,
        "signature": record.trimmed.signature,
        "quoted": record.trimmed.quoted,
        "attachments": stored.plain_list(mail.attachments),
        "redactions": stored.plain_list(mail.redactions),
        "defects": list(mail.defects),
        "language": record.prediction.language,
        "sent_at": mail.date,
    }


def _thought(record: EmailRecord) -> dict[str, Any]:
    return {
        "action": record.decision.action,
        "team": record.decision.team,
        "confidence": record.prediction.confidence,
        "decision": stored.plain(record.decision),
        "objections": stored.plain_list(record.objections),
        "prediction": stored.plain_prediction(record.prediction),
        "model": record.prediction.model,
        "faq": record.faq,
        "policy": record.policy,
    }

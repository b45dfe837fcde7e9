"""What happened: the log, one email in full, counts, the ledger; and emails that are ready to be put away."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, RowMapping, Text, cast, func, or_, select, update

from triage.core.decision import Decision
from triage.core.mail import Attachment, Objection, Redaction
from triage.core.policy import Action, Mode
from triage.core.prediction import Prediction
from triage.journal import mailboxes, owed, stored, timeline
from triage.journal.database import Database
from triage.journal.owed import OutboxRow
from triage.journal.states import FINAL, Place, State, Verdict
from triage.journal.tables import attempt, email, email_intent, outbox
from triage.journal.timeline import Event


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which emails; None: any."""

    since: datetime | None = None  # recorded at or after
    until: datetime | None = None  # recorded before
    action: Action | None = None
    intent: str | None = None  # one of those that the reply carries
    team: str | None = None
    sender: str | None = None  # an address, in any case
    state: State | None = None
    mailbox: str | None = None
    ticket: int | None = None
    reason: str | None = None  # code of one of the decision's reasons
    undelivered: bool | None = None  # whether a mail of ours about it came back


@dataclass(frozen=True, slots=True)
class LogRow:
    """One email in the log."""

    id: int  # ascending in the order of recording; pages go by it
    ticket: int | None
    mailbox: str
    uid: int
    sender: str | None
    sender_name: str | None
    subject: str | None = field(repr=False)  # None: purged
    decision: Decision
    confidence: float  # probability that a reply with these intents is right
    mode: Mode  # in which it was decided
    state: State
    received_at: datetime
    recorded_at: datetime
    finished_at: datetime | None  # when its state became final; None: on its way
    milliseconds: float  # from fetched to decided
    undelivered: bool  # a mail of ours about it came back, as a delivery report says


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to deliver an outbox row."""

    outbox_id: int
    number: int  # 1 is the first
    worker: str
    claimed_at: datetime
    ended_at: datetime | None  # None: cut short, or still going on
    verdict: Verdict | None
    answer: str | None


@dataclass(frozen=True, slots=True)
class EmailDetail:
    """All that is known of one email."""

    summary: LogRow
    uidvalidity: int
    sha256: str
    same_as: int | None  # id of the email that came back
    place: Place
    size: int  # bytes
    message_id: str | None
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]
    text: str | None = field(repr=False)  # the newest part, redacted; None: purged, like the next two
    signature: str | None = field(repr=False)
    quoted: str | None = field(repr=False)
    attachments: tuple[Attachment, ...]
    redactions: tuple[Redaction, ...]
    defects: tuple[str, ...]
    language: str  # ISO 639-1; "" where it cannot be told
    sent_at: datetime | None  # the sender's claim
    objections: tuple[Objection, ...]
    prediction: Prediction
    model: str  # fingerprint; "" where there was none
    faq: str  # version
    policy: str  # version
    final_state: State  # what it becomes when all that is owed was delivered
    parked: str | None  # why, and where it lies
    fetched_at: datetime
    decided_at: datetime
    put_away_at: datetime | None
    outbox: tuple[OutboxRow, ...]
    attempts: tuple[Attempt, ...]  # of all outbox rows, in order
    events: tuple[Event, ...]  # of the email and its ticket, oldest first


@dataclass(frozen=True, slots=True)
class Ledger:
    """The equation of a mailbox: what was seen is in exactly one state, or is being tried again."""

    mailbox: str
    seen: int
    states: dict[State, int]  # without those that have none
    failing: int  # seen, but not taken in yet through a fault of ours

    @property
    def difference(self) -> int:
        """0 where the equation holds."""
        return self.seen - sum(self.states.values()) - self.failing


@dataclass(frozen=True, slots=True)
class Finished:
    """An email that is done and still lies in the inbox."""

    id: int
    uidvalidity: int
    uid: int
    state: State  # names the folder


_CAME_BACK = select(outbox.c.id).where(outbox.c.email_id == email.c.id, outbox.c.bounced_at.is_not(None)).exists()
_WITH_MARK = select(email, _CAME_BACK.label("undelivered"))


class History:
    """Reads, and the one write that follows from them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def log(self, which: LogFilter = LogFilter(), limit: int = 100, before_id: int | None = None) -> list[LogRow]:
        """Newest first. The next page begins before the last row's id."""
        query = _WITH_MARK.where(*_conditions(which)).order_by(email.c.id.desc()).limit(limit)
        if before_id is not None:
            query = query.where(email.c.id < before_id)
        with self._database.reading() as connection:
            return [_log_row(row) for row in connection.execute(query).mappings()]

    def email(self, email_id: int) -> EmailDetail | None:
        with self._database.reading() as connection:
            row = connection.execute(_WITH_MARK.where(email.c.id == email_id)).mappings().first()
            return _detail(connection, row) if row else None

    def counts(self, mailbox: str | None = None) -> dict[State, int]:
        """How many emails are in each state; those with none are left out."""
        with self._database.reading() as connection:
            return _counts(connection, [email.c.mailbox == mailbox] if mailbox else [])

    def ledger(self, mailbox: str, since: datetime | None = None, until: datetime | None = None) -> Ledger:
        """The equation of a mailbox for emails recorded in a time; failing ones count whenever they came."""
        conditions = _conditions(LogFilter(since=since, until=until, mailbox=mailbox))
        with self._database.reading() as connection:
            recorded = connection.execute(select(func.count()).select_from(email).where(*conditions)).scalar_one()
            failing = mailboxes.count_failures(connection, mailbox)
            return Ledger(mailbox, recorded + failing, _counts(connection, conditions), failing)

    def to_put_away(self, mailbox: str, limit: int = 100) -> list[Finished]:
        """Emails that are done and still in the inbox, oldest first; never those that shadow mode took in."""
        query = (
            select(email.c.id, email.c.uidvalidity, email.c.uid, email.c.state)
            .where(email.c.mailbox == mailbox, email.c.place == Place.INBOX, email.c.state.in_(FINAL))
            .order_by(email.c.id)
            .limit(limit)
        )
        with self._database.reading() as connection:
            return [Finished(row.id, row.uidvalidity, row.uid, State(row.state)) for row in connection.execute(query)]

    def claim_to_put_away(self, mailbox: str, now: datetime, claim_for: timedelta, limit: int = 100) -> list[Finished]:
        """The same, for one worker alone until ``now + claim_for``: of an email that two move at once, the server may
        keep two (Dovecot 2.3 did so with 30 of 150). ``put_away_at`` keeps when it was last tried."""
        free = or_(email.c.put_away_at.is_(None), email.c.put_away_at <= now - claim_for)
        picked = (
            select(email.c.id)
            .where(email.c.mailbox == mailbox, email.c.place == Place.INBOX, email.c.state.in_(FINAL), free)
            .order_by(email.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .cte("picked")
        )
        claiming = (
            update(email)
            .where(email.c.id.in_(select(picked.c.id)))
            .values(put_away_at=now)
            .returning(email.c.id, email.c.uidvalidity, email.c.uid, email.c.state)
        )
        with self._database.writing() as connection:
            claimed = [
                Finished(row.id, row.uidvalidity, row.uid, State(row.state)) for row in connection.execute(claiming)
            ]
        return sorted(claimed, key=lambda one: one.id)  # RETURNING has no order

    def put_away(self, ids: Sequence[int], now: datetime) -> None:
        """They were moved, or are gone from the inbox."""
        with self._database.writing() as connection:
            connection.execute(update(email).where(email.c.id.in_(ids)).values(place=Place.AWAY, put_away_at=now))


def _conditions(which: LogFilter) -> list[ColumnElement[bool]]:
    equal = (
        (email.c.action, which.action),
        (email.c.team, which.team),
        (email.c.sender, which.sender.lower() if which.sender else None),
        (email.c.state, which.state),
        (email.c.mailbox, which.mailbox),
        (email.c.ticket, which.ticket),
    )
    conditions: list[ColumnElement[bool]] = [column == value for column, value in equal if value is not None]
    if which.since is not None:
        conditions.append(email.c.recorded_at >= which.since)
    if which.until is not None:
        conditions.append(email.c.recorded_at < which.until)
    if which.intent is not None:
        with_intent = select(email_intent.c.email_id).where(email_intent.c.intent == which.intent)
        conditions.append(email.c.id.in_(with_intent))
    if which.reason is not None:
        # Both databases keep JSON as the text that json.dumps wrote; quotes within sentences are escaped there.
        conditions.append(cast(email.c.decision, Text).contains(f'"code": {json.dumps(which.reason)}', autoescape=True))
    if which.undelivered is not None:
        conditions.append(_CAME_BACK if which.undelivered else ~_CAME_BACK)
    return conditions


def _counts(connection: Connection, conditions: list[ColumnElement[bool]]) -> dict[State, int]:
    query = select(email.c.state, func.count()).where(*conditions).group_by(email.c.state)
    return {State(state): count for state, count in connection.execute(query)}


def _log_row(row: RowMapping) -> LogRow:
    return LogRow(
        id=row["id"],
        ticket=row["ticket"],
        mailbox=row["mailbox"],
        uid=row["uid"],
        sender=row["sender"],
        sender_name=row["sender_name"],
        subject=row["subject"],
        decision=stored.decision(row["decision"]),
        confidence=row["confidence"],
        mode=Mode(row["mode"]),
        state=State(row["state"]),
        received_at=row["received_at"],
        recorded_at=row["recorded_at"],
        finished_at=row["finished_at"],
        milliseconds=row["milliseconds"],
        undelivered=bool(row["undelivered"]),
    )


def _detail(connection: Connection, row: RowMapping) -> EmailDetail:
    return EmailDetail(
        summary=_log_row(row),
        uidvalidity=row["uidvalidity"],
        sha256=row["sha256"],
        same_as=row["same_as"],
        place=Place(row["place"]),
        size=row["size"],
        message_id=row["message_id"],
        in_reply_to=tuple(row["in_reply_to"]),
        references=tuple(row["reference_ids"]),
        text=row["text"],
        signature=row["signature"],
        quoted=row["quoted"],
        attachments=stored.attachments(row["attachments"]),
        redactions=stored.redactions(row["redactions"]),
        defects=tuple(row["defects"]),
        language=row["language"],
        sent_at=row["sent_at"],
        objections=stored.objections(row["objections"]),
        prediction=stored.prediction(row["prediction"]),
        model=row["model"],
        faq=row["faq"],
        policy=row["policy"],
        final_state=State(row["final_state"]),
        parked=row["parked"],
        fetched_at=row["fetched_at"],
        decided_at=row["decided_at"],
        put_away_at=row["put_away_at"],
        outbox=_outbox_of(connection, row["id"]),
        attempts=_attempts_of(connection, row["id"]),
        events=timeline.of_email(connection, row["id"], row["ticket"]),
    )


def _outbox_of(connection: Connection, email_id: int) -> tuple[OutboxRow, ...]:
    query = select(outbox).where(outbox.c.email_id == email_id).order_by(outbox.c.id)
    return tuple(owed.row(row) for row in connection.execute(query).mappings())


def _attempts_of(connection: Connection, email_id: int) -> tuple[Attempt, ...]:
    query = (
        select(attempt)
        .join(outbox, outbox.c.id == attempt.c.outbox_id)
        .where(outbox.c.email_id == email_id)
        .order_by(attempt.c.claimed_at, attempt.c.outbox_id, attempt.c.number)
    )
    return tuple(
        Attempt(**{**row, "verdict": Verdict(row["verdict"]) if row["verdict"] else None})
        for row in connection.execute(query).mappings()
    )

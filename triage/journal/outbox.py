"""Delivering what we owe: claims and their outcomes, and what people do to the queue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Update, and_, bindparam, case, false, insert, or_, select, update

from triage.core.decision import DraftKind
from triage.core.policy import Mode
from triage.journal import conversations, owed, timeline
from triage.journal.conversations import Message, Origin
from triage.journal.database import Database
from triage.journal.owed import OutboxRow, Owed
from triage.journal.states import FINAL, RowState, State, Verdict
from triage.journal.tables import attempt, email, message, mode_change, outbox, ticket
from triage.journal.timeline import Event

_PENDING = (RowState.HELD, RowState.QUEUED, RowState.FROZEN)
_TO_CUSTOMERS = (DraftKind.REPLY, DraftKind.ACKNOWLEDGEMENT)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a claimed row."""

    row: OutboxRow  # as ``claim`` gave it
    verdict: Verdict
    answer: str  # the server's words, or what went wrong
    retry_at: datetime | None = None  # of a deferred, unknown or released one; None: give up (released: now)


class Outbox:
    """Rows that are owed. A row is claimed by one worker at a time, for a limited time: nothing to repair after a
    crash."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(
        self,
        limit: int,
        worker: str,
        now: datetime,
        claim_for: timedelta,
        *,
        mailbox: str | None = None,
        ceiling: Mode = Mode.AUTOMATIC,
        created_since: datetime | None = None,
    ) -> list[OutboxRow]:
        """Take rows that are due, the most urgent first, and write down that they are about to be tried.

        Nobody else gets them until ``now + claim_for``, which has to be longer than an attempt can take. ``ceiling``:
        the lowest of policy and STOP file; the journal's own mode is looked up in the same statement.
        ``created_since``: older replies and acknowledgements stay where they are, for a person (see ``unsent``).
        """
        if ceiling.rank < Mode.DRAFT.rank:
            return []
        due = and_(outbox.c.state == RowState.QUEUED, outbox.c.next_attempt_at <= now, _allowed(ceiling))
        if mailbox is not None:
            due = and_(due, outbox.c.mailbox == mailbox)
        if created_since is not None:
            due = and_(due, or_(outbox.c.created_at >= created_since, outbox.c.kind.not_in(_TO_CUSTOMERS)))
        with self._database.writing() as connection:
            rows = connection.execute(_claiming(due, limit, now + claim_for)).mappings().all()
            if not rows:
                return []
            earlier = _earlier_attempts(connection, [row["id"] for row in rows])
            _begin_attempts(connection, [(row["id"], row["attempts"]) for row in rows], worker, now)
        claimed = [owed.row(row, **_experience(earlier.get(row["id"], []))) for row in rows]
        return sorted(claimed, key=lambda one: (one.priority, one.id))  # RETURNING has no order

    def record(self, results: Sequence[Result], now: datetime) -> None:
        """Write down what became of claimed rows, in one transaction; emails that are owed nothing more become final.

        An acceptance always counts. Any other outcome counts only while its claim is the row's last one: a worker
        that was too slow does not undo what another has done since.
        """
        with self._database.writing() as connection:
            emails = owed.lock_emails(connection, [result.row.email_id for result in results])
            _end_attempts(connection, results, now)
            for result in results:
                connection.execute(_outcome(result, now))
            owed.refresh_states(connection, emails, now)

    def accepted(self, row: OutboxRow, answer: str, now: datetime) -> None:
        """The server took it over, or it was found in Sent."""
        self.record([Result(row, Verdict.ACCEPTED, answer)], now)

    def deferred(self, row: OutboxRow, answer: str, retry_at: datetime | None, now: datetime) -> None:
        """Not now. ``retry_at`` None: no more tries, it is given up."""
        self.record([Result(row, Verdict.DEFERRED, answer, retry_at)], now)

    def refused(self, row: OutboxRow, answer: str, now: datetime) -> None:
        """Never. The row is given up, visibly."""
        self.record([Result(row, Verdict.REFUSED, answer)], now)

    def unknown(self, row: OutboxRow, answer: str, retry_at: datetime | None, now: datetime) -> None:
        """Handed over, but the answer was lost: the next claim says ``in_doubt``."""
        self.record([Result(row, Verdict.UNKNOWN, answer, retry_at)], now)

    def release_claim(self, rows: Sequence[OutboxRow], sentence: str, retry_at: datetime, now: datetime) -> None:
        """Give claimed rows back: nothing was handed over (no connection). It does not count as a try."""
        self.record([Result(row, Verdict.RELEASED, sentence, retry_at) for row in rows], now)

    def add(self, one: Owed, mailbox: str, now: datetime) -> int:
        """Owe an email that is about no single email of a customer: a digest, an alert."""
        with self._database.writing() as connection:
            return owed.write(connection, [one], now, mailbox=mailbox)[0]

    def unsent(
        self,
        *states: RowState,
        kind: DraftKind | None = None,
        created_before: datetime | None = None,
        limit: int = 100,
    ) -> list[OutboxRow]:
        """Rows in these states, oldest first; also those that a worker has claimed (``next_attempt_at`` is ahead)."""
        query = select(outbox).where(outbox.c.state.in_(states)).order_by(outbox.c.id).limit(limit)
        if kind is not None:
            query = query.where(outbox.c.kind == kind)
        if created_before is not None:
            query = query.where(outbox.c.created_at < created_before)
        with self._database.reading() as connection:
            return [owed.row(row) for row in connection.execute(query).mappings()]

    def approve(self, row_id: int, who: str, now: datetime, *, not_before: datetime | None = None) -> bool:
        """Let a held row go. False: it is not waiting for approval (any more)."""
        waiting = or_(
            outbox.c.state == RowState.HELD,
            and_(outbox.c.state == RowState.QUEUED, outbox.c.approved_at.is_(None)),  # the mode was lowered since
        )
        earliest = not_before or now
        values = {
            "state": RowState.QUEUED,
            "approved_at": now,
            "approved_by": who,
            # Not before a claim ends that was made before the row was held.
            "next_attempt_at": case((outbox.c.next_attempt_at > earliest, outbox.c.next_attempt_at), else_=earliest),
        }
        return self._change(row_id, update(outbox).where(waiting).values(values), who, "approved", now)

    def freeze(self, who: str, now: datetime) -> int:
        """Stop everything that is queued; it waits for ``release`` or ``replace``. Returns how many rows that are."""
        with self._database.writing() as connection:
            return freeze(connection, who, now)

    def release(self, who: str, now: datetime, row_ids: Sequence[int] | None = None) -> int:
        """Queue frozen rows again; all of them where none are named. Returns how many."""
        frozen = outbox.c.state == RowState.FROZEN
        if row_ids is not None:
            frozen = and_(frozen, outbox.c.id.in_(row_ids))
        with self._database.writing() as connection:
            return _move(connection, frozen, RowState.QUEUED, who, "released", now)

    def requeue(self, row_id: int, who: str, now: datetime) -> bool:
        """Try a given-up row again, at once, with the same bytes. False: it is not given up."""
        change = update(outbox).where(outbox.c.state == RowState.GIVEN_UP)
        values = {"state": RowState.QUEUED, "next_attempt_at": now}
        return self._change(row_id, change.values(values), who, "queued again", now)

    def replace(self, email_id: int, instead: Sequence[Owed], final: State, who: str, why: str, now: datetime) -> None:
        """Cancel whatever is unsent for an email and owe something else, or nothing.

        For a refused or edited draft, an answer that came too late, a frozen queue that is handed over. ``final``:
        what the email becomes when that is delivered. A row that is being sent right now may still be accepted: it
        then counts as sent. New drafts need keys and Message-IDs of their own.
        """
        if final not in FINAL:
            raise ValueError(f"{final.value} is no final state; an email ends as one of {sorted(FINAL)}")
        with self._database.writing() as connection:
            emails = owed.lock_emails(connection, [email_id])
            about = connection.execute(select(email.c.mailbox, email.c.ticket).where(email.c.id == email_id)).one()
            connection.execute(
                update(outbox)
                .where(outbox.c.email_id == email_id, outbox.c.state.in_(owed.UNSENT))
                .values(state=RowState.CANCELLED)
            )
            ids = owed.write(connection, instead, now, mailbox=about.mailbox, email_id=email_id, ticket=about.ticket)
            if about.ticket is not None:
                recipients = [one.draft.recipient for one in instead]
                conversations.extend(connection, about.ticket, owed.messages(instead, ids, email_id), recipients, now)
            connection.execute(update(email).where(email.c.id == email_id).values(final_state=final))
            owed.refresh_states(connection, emails, now)
            timeline.add(connection, Event(now, who, "replaced", why, email_id=email_id, ticket=about.ticket))

    def bounced(self, message_id: str, sentence: str, now: datetime) -> OutboxRow | None:
        """One of our mails came back: mark it and its ticket. None: the message id is none of ours."""
        with self._database.writing() as connection:
            found = find(connection, [message_id])
            if found is not None:
                bounced(connection, found, sentence, now)
            return found

    def learn_sent_copy(self, row: OutboxRow, message_id: str, now: datetime) -> None:
        """The copy in Sent has another Message-ID than ours: replies and bounces will name that one."""
        with self._database.writing() as connection:
            learn_copies(connection, {row.key: message_id}, now)

    def _change(self, row_id: int, change: Update, who: str, what: str, now: datetime) -> bool:
        """Carry out a conditional change of one row, and what follows for its email."""
        with self._database.writing() as connection:
            about = connection.execute(select(outbox.c.email_id, outbox.c.ticket).where(outbox.c.id == row_id)).first()
            if about is None:
                return False
            emails = owed.lock_emails(connection, [about.email_id])
            if connection.execute(change.where(outbox.c.id == row_id)).rowcount == 0:
                return False
            owed.refresh_states(connection, emails, now)
            sentence = f"The outgoing email {row_id} was {what}."
            timeline.add(
                connection, Event(now, who, what.replace(" ", "-"), sentence, about.email_id, row_id, about.ticket)
            )
            return True


def find(connection: Connection, message_ids: Sequence[str], keys: Sequence[str] = ()) -> OutboxRow | None:
    """One of our mails: by the value of its X-Triage-Key, by the Message-ID that we gave it, or by the one that its
    copy in Sent has. What is named first counts."""
    wanted = [outbox.c.key == key for key in keys]
    for one in message_ids:
        learned = select(message.c.outbox_id).where(message.c.message_id == one, message.c.outbox_id.is_not(None))
        wanted += [outbox.c.message_id == one, outbox.c.id.in_(learned)]
    for condition in wanted:
        found = connection.execute(select(outbox).where(condition).limit(1)).mappings().first()
        if found:
            return owed.row(found)
    return None


def bounced(connection: Connection, row: OutboxRow, sentence: str, now: datetime) -> None:
    """Mark a row of ours and its ticket as not delivered. Anybody may claim that: nothing else hangs on the mark."""
    connection.execute(update(outbox).where(outbox.c.id == row.id).values(bounced_at=now, bounce=sentence))
    connection.execute(update(ticket).where(ticket.c.number == row.ticket).values(undelivered_at=now))
    timeline.add(
        connection, Event(now, "service", "bounced", sentence, row.email_id, outbox_id=row.id, ticket=row.ticket)
    )


def learn_copies(connection: Connection, copies: Mapping[str, str], now: datetime) -> set[str]:
    """Copies in Sent, as X-Triage-Key and Message-ID: where the server replaced our Message-ID (Exchange Online does),
    replies and bounces will name that one. Returns the keys that are ours; what is known is not written again."""
    columns = (
        outbox.c.id,
        outbox.c.email_id,
        outbox.c.ticket,
        outbox.c.key,
        outbox.c.message_id,
        outbox.c.sent_copy_id,
    )
    ours = connection.execute(select(*columns).where(outbox.c.key.in_(copies))).all()
    for row in ours:
        copy = copies[row.key]
        if not copy or copy in (row.message_id, row.sent_copy_id):
            continue
        connection.execute(update(outbox).where(outbox.c.id == row.id).values(sent_copy_id=copy))
        if row.ticket is not None:
            learned = Message(copy, Origin.SENT, row.email_id, row.id)
            conversations.extend(connection, row.ticket, [learned], [], now)
    return {row.key for row in ours}


def cancel_for_person(connection: Connection, number: int, now: datetime) -> None:
    """A person has written into the conversation: automatic mail to the customer that has not left yet never will.

    What a worker is sending at this very moment may still arrive; it then counts as sent.
    """
    waiting = and_(outbox.c.ticket == number, outbox.c.kind.in_(_TO_CUSTOMERS), outbox.c.state.in_(_PENDING))
    emails = owed.lock_emails(connection, connection.scalars(select(outbox.c.email_id).where(waiting)))
    if not emails:
        return
    connection.execute(update(outbox).where(waiting).values(state=RowState.CANCELLED))
    connection.execute(update(email).where(email.c.id.in_(emails)).values(final_state=State.ROUTED))
    owed.refresh_states(connection, emails, now)
    sentence = "Automatic mail that had not left was cancelled: a person has written."
    timeline.add(connection, *(Event(now, "service", "cancelled", sentence, one, ticket=number) for one in emails))


def freeze(connection: Connection, who: str, now: datetime) -> int:
    return _move(connection, outbox.c.state == RowState.QUEUED, RowState.FROZEN, who, "frozen", now)


def hold_replies(connection: Connection, who: str, now: datetime) -> int:
    """Let replies that nobody has approved wait for it."""
    unapproved = and_(
        outbox.c.state == RowState.QUEUED, outbox.c.kind == DraftKind.REPLY, outbox.c.approved_at.is_(None)
    )
    return _move(connection, unapproved, RowState.HELD, who, "held", now)


def _move(
    connection: Connection, condition: ColumnElement[bool], to: RowState, who: str, what: str, now: datetime
) -> int:
    """Bring all rows of a condition to another state, and their emails with them."""
    owed.lock_emails(connection, connection.scalars(select(outbox.c.email_id).where(condition)))
    moving = update(outbox).where(condition).values(state=to).returning(outbox.c.email_id)
    moved = list(connection.scalars(moving))
    # Those that moved, not those that were locked: more may have been queued meanwhile.
    owed.refresh_states(connection, sorted({one for one in moved if one is not None}), now)
    if moved:
        timeline.add(connection, Event(now, who, what, f"{len(moved)} outgoing emails were {what}."))
    return len(moved)


def _allowed(ceiling: Mode) -> ColumnElement[bool]:
    """What the journal's mode lets go at this very moment, and ``ceiling`` too."""
    mode = select(mode_change.c.mode).order_by(mode_change.c.id.desc()).limit(1).scalar_subquery()
    no_bare_reply = or_(outbox.c.kind != DraftKind.REPLY, outbox.c.approved_at.is_not(None))
    automatic = mode == Mode.AUTOMATIC if ceiling is Mode.AUTOMATIC else false()
    return or_(automatic, and_(mode.in_([Mode.DRAFT, Mode.AUTOMATIC]), no_bare_reply))


def _claiming(due: ColumnElement[bool], limit: int, until: datetime) -> Update:
    """One statement: pick and mark. PostgreSQL skips what another worker is picking; SQLite lets one in at a time."""
    # A CTE with a lock is evaluated once; a subquery might be again and again, beyond the limit.
    picked = (
        select(outbox.c.id)
        .where(due)
        .order_by(outbox.c.priority, outbox.c.next_attempt_at, outbox.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("picked")
    )
    return (
        update(outbox)
        .where(outbox.c.id.in_(select(picked.c.id)))
        .values(attempts=outbox.c.attempts + 1, next_attempt_at=until)
        .returning(*outbox.c)
    )


def _earlier_attempts(connection: Connection, ids: Sequence[int]) -> dict[int, list[Verdict | None]]:
    """Verdicts of what was tried before, by row; None where an attempt was cut short."""
    verdicts: dict[int, list[Verdict | None]] = {}
    rows = connection.execute(select(attempt.c.outbox_id, attempt.c.verdict).where(attempt.c.outbox_id.in_(ids)))
    for outbox_id, verdict in rows:
        verdicts.setdefault(outbox_id, []).append(Verdict(verdict) if verdict else None)
    return verdicts


def _experience(verdicts: list[Verdict | None]) -> dict[str, int | bool]:
    return {
        "tries": 1 + sum(verdict is not Verdict.RELEASED for verdict in verdicts),
        "in_doubt": any(verdict in (None, Verdict.UNKNOWN) for verdict in verdicts),
    }


def _begin_attempts(connection: Connection, claims: list[tuple[int, int]], worker: str, now: datetime) -> None:
    rows = [
        {"outbox_id": outbox_id, "number": number, "worker": worker, "claimed_at": now} for outbox_id, number in claims
    ]
    connection.execute(insert(attempt), rows)


def _end_attempts(connection: Connection, results: Sequence[Result], now: datetime) -> None:
    """One statement for all; the names of its parameters must not be those of columns."""
    ending = (
        update(attempt)
        .where(attempt.c.outbox_id == bindparam("row_id"), attempt.c.number == bindparam("claim"))
        .values(ended_at=now, verdict=bindparam("became"), answer=bindparam("words"))
    )
    rows = [
        {"row_id": one.row.id, "claim": one.row.attempts, "became": one.verdict, "words": one.answer} for one in results
    ]
    if rows:
        connection.execute(ending, rows)


def _outcome(result: Result, now: datetime) -> Update:
    """What a result does to its row."""
    mine = outbox.c.id == result.row.id
    if result.verdict is Verdict.ACCEPTED:
        return (
            update(outbox)
            .where(mine, outbox.c.state != RowState.SENT)
            .values(state=RowState.SENT, sent_at=now, last_answer=result.answer)
        )
    latest = and_(mine, outbox.c.state.in_(_PENDING), outbox.c.attempts == result.row.attempts)
    change = update(outbox).where(latest).values(last_answer=result.answer)
    if result.verdict is Verdict.RELEASED:
        return change.values(next_attempt_at=result.retry_at or now)
    if result.verdict is Verdict.REFUSED or result.retry_at is None:
        return change.values(state=RowState.GIVEN_UP)
    return change.values(next_attempt_at=result.retry_at)

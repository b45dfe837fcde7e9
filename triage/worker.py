"""Receive, deliver, settle: each on its own, each surviving the others' failures.

The order within: what is owed is written down before anything is sent, and an attempt before it is made. So a process
may die at any moment and the next one goes on from the journal.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Protocol

from triage.core.compose import Case, House, compose
from triage.core.decision import Decision, Reason
from triage.core.mail import Conversation, Mail, SenderHistory, Trimmed
from triage.core.policy import Action, Mode
from triage.core.ticket import read_message_id, read_tag
from triage.desk import Considered, Desk, Read, as_entries_allow
from triage.journal.mailboxes import Mailbox as Standing
from triage.journal.opening import Journal
from triage.journal.outbox import Result
from triage.journal.owed import OutboxRow, Owed
from triage.journal.record import EmailRecord, Intake
from triage.journal.retry import DELIVERY
from triage.journal.states import State, Verdict
from triage.mailroom.ports import Delivery, Fetched, Mailbox, MailError, Outcome, Outgoing, Sender

log = logging.getLogger("triage")

SCAN = 1_000  # UIDs asked for at once: imaplib's lines are bounded
BATCH = 25  # emails fetched, decided and committed together
DELIVERIES = 20  # outbox rows claimed together
STOP_FILE = "STOP"


def utc_now() -> datetime:
    return datetime.now(UTC)


class Bell(Protocol):
    """A hint that the inbox may have changed."""

    def wait(self, timeout_s: float) -> bool:
        """True: something changed, or may have."""
        ...

    def interrupt(self) -> None:
        """End a wait from another thread."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Worker:
    """One mailbox and what it takes to serve it.

    ``receive``, ``deliver`` and ``settle`` may each run in a thread of their own: ``inbox`` belongs to the first,
    ``sender`` and ``sent`` to the second, ``cabinet`` to the third.
    """

    address: str
    journal: Journal
    desk: Desk
    house: House
    inbox: Mailbox
    sent: Mailbox
    cabinet: Mailbox
    sender: Sender
    data_dir: Path
    bell: Bell | None = None  # None: polling alone
    policy_hash: str = ""
    faq_hash: str = ""
    name: str = "worker"  # tells workers on one journal apart
    claim_for: timedelta = timedelta(seconds=90)  # longer than an SMTP attempt can take
    now: Callable[[], datetime] = utc_now
    stopping: Event = field(default_factory=Event)
    watch: Callable[[Considered, str], None] = lambda considered, state: None  # told of every email, for the demo

    # --- receive ------------------------------------------------------------------------------------------------------

    def receive(self) -> int:
        """Take in what is new in the inbox. Returns how many emails. Raises MailError, JournalError."""
        if self.ceiling() is Mode.OFF or self.journal.service.mode() is Mode.OFF:
            return 0
        status = self.inbox.status()
        standing = self._standing(status.uidvalidity, status.uidnext)
        taken = 0
        for uids, below in self._new_uids(standing, status.uidnext):
            taken += self._take_in(uids, below)
            if self.stopping.is_set():
                return taken
        retries = [failure.uid for failure in self.journal.mailboxes.due_retries(self.address, self.now())]
        for batch in _batches(retries, BATCH):
            taken += self._take_in(batch, None)
        self.journal.mailboxes.works(self.address, self.now())
        return taken

    def ceiling(self) -> Mode:
        """What policy and the STOP file allow; the journal may allow less."""
        if (self.data_dir / STOP_FILE).exists():
            return min(Mode.SHADOW, self.house.policy.highest_mode, key=lambda mode: mode.rank)
        return self.house.policy.highest_mode

    def _standing(self, uidvalidity: int, uidnext: int) -> Standing:
        standing = self.journal.mailboxes.get(self.address)
        if standing is None:
            log.info("first connection to %s: shadow mode, mail before UID %s is left alone", self.address, uidnext)
            return self.journal.mailboxes.first_connection(self.address, uidvalidity, uidnext, self.now())
        if standing.uidvalidity != uidvalidity:
            log.error(
                "%s: the server numbered its mail anew (UIDVALIDITY %s, was %s): back to shadow mode; a person has to "
                "look at mail that came meanwhile, then run `triage go-live`",
                self.address,
                uidvalidity,
                standing.uidvalidity,
            )
            return self.journal.mailboxes.reset(self.address, uidvalidity, uidnext)
        return standing

    def _new_uids(self, standing: Standing, uidnext: int) -> Iterator[tuple[Sequence[int], int]]:
        """Batches of UIDs that the journal does not know, each with the UID below which all is then known."""
        for first in range(standing.scanned_to, uidnext, SCAN):
            last = min(first + SCAN, uidnext) - 1
            known = self.journal.mailboxes.taken_in(self.address, first, last)
            new = [uid for uid in self.inbox.uids(first, last) if uid not in known]
            batches = list(_batches(new, BATCH))
            for place, batch in enumerate(batches, 1):
                yield batch, last + 1 if place == len(batches) else batch[-1] + 1
            if not batches:
                yield [], last + 1

    def _take_in(self, uids: Sequence[int], below: int | None) -> int:
        """Fetch and understand outside the transaction, decide and record inside: one commit for the batch."""
        limits = self.house.policy.limits
        fetched = self.inbox.fetch(uids, limits.read_bytes) if uids else []
        fetched_at = self.now()
        understood = [(one, *self._understand(one)) for one in fetched]
        taken = 0
        with self.journal.intake(self.address) as intake:
            for one, read, trouble, milliseconds in understood:
                taken += self._record(intake, one, read, trouble, fetched_at, milliseconds)
            for uid in set(uids) - {one.uid for one in fetched}:
                intake.gone(uid)
            if below is not None:
                intake.scanned(below)
        return taken

    def _understand(self, one: Fetched) -> tuple[Read | None, str, float]:
        """The email as read, or why it could not be, and the milliseconds it took."""
        started = time.perf_counter()
        limits = self.house.policy.limits
        if one.size > limits.max_bytes:
            return None, f"its {one.size:,} bytes are more than the {limits.max_bytes:,} of policy.toml", 0.0
        try:
            read = self.desk.read(one.raw, complete=one.complete)
        except Exception as error:  # one bad email never stops the next one
            log.exception("UID %s of %s could not be read", one.uid, self.address)
            return None, f"our own error while reading it: {type(error).__name__}", 0.0
        return read, "", (time.perf_counter() - started) * 1000

    def _record(
        self, intake: Intake, one: Fetched, read: Read | None, trouble: str, fetched_at: datetime, milliseconds: float
    ) -> int:
        if read is None:
            return self._fail(intake, one, trouble, fetched_at)
        try:
            return self._decide(intake, one, read, fetched_at, milliseconds)
        except Exception as error:  # one bad email never stops the next one
            log.exception("UID %s of %s could not be recorded", one.uid, self.address)
            return self._fail(intake, one, f"our own error while deciding: {type(error).__name__}", fetched_at)

    def _decide(self, intake: Intake, one: Fetched, read: Read, fetched_at: datetime, milliseconds: float) -> int:
        started, now = time.perf_counter(), self.now()
        earlier = intake.earlier(read.mail)
        if earlier and (earlier.uid, earlier.uidvalidity) == (one.uid, intake.mailbox.uidvalidity):
            return 0
        conversation = self._conversation(intake, read.mail)
        history = self._sender_history(intake, read.mail, now)
        considered = self.desk.decide(read, conversation, history, one.received_at, now)
        mode = self._mode(intake, one.received_at)
        decision, needs_approval = as_entries_allow(
            considered.decision, self.desk.entries, self.house.policy, now.date()
        )
        ticket = None
        owed: list[Owed] = []
        if earlier is None and mode.rank >= Mode.DRAFT.rank and decision.action is not Action.IGNORE:
            ticket = conversation.ticket or intake.new_ticket(now)
            identity = f"{self.address}|{intake.mailbox.uidvalidity}|{one.uid}|{read.mail.sha256}"
            case = Case(read.mail, read.trimmed, decision, ticket, identity, now, read.prediction.language or "en")
            held = needs_approval or (mode is Mode.DRAFT and decision.action.answers)
            owed = [Owed(draft, held=held) for draft in compose(case, self.house)]
        record = EmailRecord(
            uid=one.uid,
            mail=read.mail,
            trimmed=read.trimmed,
            decision=decision,
            objections=considered.objections,
            prediction=read.prediction,
            mode=mode,
            received_at=one.received_at,
            fetched_at=fetched_at,
            decided_at=now,
            milliseconds=milliseconds + (time.perf_counter() - started) * 1000,
            ticket=ticket,
            faq=self.faq_hash,
            policy=self.policy_hash,
            same_as=earlier.id if earlier else None,
        )
        recorded = intake.record(record, owed, now=now) is not None
        if recorded:
            codes = ",".join(reason.code for reason in decision.reasons[:3])
            log.info(
                "uid=%s ticket=%s action=%s team=%s why=%s", one.uid, ticket, decision.action, decision.team, codes
            )
            self.watch(considered, mode)
        return int(recorded)

    def _conversation(self, intake: Intake, mail: Mail) -> Conversation:
        """By ids first, then by the ticket that our own Message-ID or subject tag names."""
        secret, domain = self.house.secret, self.house.domain
        named = (read_message_id(value, domain, secret) for value in (*mail.in_reply_to, *reversed(mail.references)))
        signed = next((number for number in named if number is not None), None)
        return intake.conversation(mail, signed=signed, tagged=read_tag(mail.subject, secret))

    def _sender_history(self, intake: Intake, mail: Mail, now: datetime) -> SenderHistory:
        if mail.sender is None:
            return SenderHistory()
        return intake.sender_history(mail.sender.email, self.house.policy.limits.same_answer_hours, now)

    def _mode(self, intake: Intake, received_at: datetime) -> Mode:
        """The lowest of policy, journal and STOP file; mail from before going live stays shadowed."""
        live_since = intake.mailbox.went_live_at
        # INTERNALDATE has whole seconds.
        if live_since is None or received_at < live_since.replace(microsecond=0):
            return Mode.SHADOW
        return min(self.ceiling(), intake.mode, key=lambda mode: mode.rank)

    def _fail(self, intake: Intake, one: Fetched, trouble: str, fetched_at: datetime) -> int:
        """Try again later; after policy's attempts, park it where a person sees it."""
        now = self.now()
        tries = intake.note_failure(one.uid, trouble, now)
        too_large = one.size > self.house.policy.limits.max_bytes
        if tries < self.house.policy.limits.attempts and not too_large:
            return 0
        where = f"{trouble}; it lies in the mailbox {self.address}, UID {one.uid}"
        digest = hashlib.sha256(one.raw).hexdigest()
        record = EmailRecord(
            uid=one.uid,
            mail=Mail(sha256=digest, size=one.size, complete=one.complete),
            trimmed=Trimmed(""),
            decision=Decision(Action.ROUTE, reply=False, reasons=(Reason("parked", trouble),)),
            mode=self._mode(intake, one.received_at),
            received_at=one.received_at,
            fetched_at=fetched_at,
            decided_at=now,
            parked=where,
            faq=self.faq_hash,
            policy=self.policy_hash,
        )
        log.error("uid=%s parked after %s tries: %s", one.uid, tries, trouble)
        return int(intake.record(record, now=now) is not None)

    # --- deliver ------------------------------------------------------------------------------------------------------

    def deliver(self) -> int:
        """Send what is due. Returns how many were tried. Raises JournalError; MailError with the claims given back."""
        tried = 0
        while not self.stopping.is_set():
            rows = self.journal.outbox.claim(
                DELIVERIES, self.name, self.now(), self.claim_for, mailbox=self.address, ceiling=self.ceiling()
            )
            if not rows:
                break
            self._send([row for row in rows if not (row.in_doubt and self._found_in_sent(row))])
            tried += len(rows)
        return tried

    def _send(self, rows: list[OutboxRow]) -> None:
        """Half of a claim's time is for sending: what is not begun by then is given back."""
        deadline = time.monotonic() + self.claim_for.total_seconds() / 2
        for at, row in enumerate(rows):
            if self.stopping.is_set() or time.monotonic() > deadline:
                self.journal.outbox.release_claim(rows[at:], "given back before it was tried", self.now(), self.now())
                return
            outgoing = Outgoing(row.envelope_sender, row.recipient, row.raw or b"")
            try:
                (delivery,) = self.sender.send([outgoing])
            except MailError as error:
                again = self.now() + timedelta(seconds=30)
                self.journal.outbox.release_claim(rows[at:], str(error), again, self.now())
                raise
            self.journal.outbox.record([self._result(row, delivery)], self.now())
            log.info("outbox=%s ticket=%s kind=%s outcome=%s", row.id, row.ticket, row.kind, delivery.outcome)

    def _result(self, row: OutboxRow, delivery: Delivery) -> Result:
        if delivery.outcome is Outcome.ACCEPTED:
            return Result(row, Verdict.ACCEPTED, delivery.answer)
        if delivery.outcome is Outcome.REFUSED:
            return Result(row, Verdict.REFUSED, delivery.answer)
        wait = DELIVERY.after(max(row.tries, 1), row.message_id)
        retry_at = self.now() + wait if wait else None
        verdict = Verdict.UNKNOWN if delivery.outcome is Outcome.UNKNOWN else Verdict.DEFERRED
        return Result(row, verdict, delivery.answer, retry_at)

    def _found_in_sent(self, row: OutboxRow) -> bool:
        """An earlier attempt has no known outcome: where its copy is in Sent, it was accepted (RFC 1047)."""
        try:
            copy = self.sent.find_sent(self.house.policy.folders.sent, row.key)
        except MailError as error:
            log.warning("outbox=%s: Sent could not be searched: %s", row.id, error)
            return False
        if copy is None:
            return False
        self.journal.outbox.accepted(row, "found in Sent", self.now())
        if copy != row.message_id:
            self.journal.outbox.learn_sent_copy(row, copy, self.now())
        return True

    # --- settle -------------------------------------------------------------------------------------------------------

    def settle(self) -> int:
        """Put away what is done. Only tidiness: the journal is the truth. Returns how many emails were moved."""
        folders = self.house.policy.folders
        names = {
            State.ANSWERED: folders.answered,
            State.ANSWERED_AND_ROUTED: folders.routed,
            State.ROUTED: folders.routed,
            State.IGNORED: folders.ignored,
            State.PARKED: folders.parked,
        }
        moved = 0
        while not self.stopping.is_set() and (finished := self.journal.history.to_put_away(self.address, 200)):
            current = self.cabinet.status().uidvalidity
            for state, folder in names.items():
                here = [one for one in finished if one.state is state]
                uids = [one.uid for one in here if one.uidvalidity == current]
                if uids:
                    self.cabinet.move(uids, folder)
                if here:
                    self.journal.history.put_away([one.id for one in here], self.now())
            moved += len(finished)
        return moved

    def close(self) -> None:
        for part in (self.inbox, self.sent, self.cabinet, self.sender):
            part.close()


def _batches(items: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (items[start : start + size] for start in range(0, len(items), size))

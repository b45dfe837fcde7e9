"""Receive, deliver, settle: each on its own, each surviving the others' failures.

The order within: what is owed is written down before anything is sent, and an attempt before it is made. So a process
may die at any moment and the next one goes on from the journal.
"""

import hashlib
import logging
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Protocol

from triage.core.bounce import Bounce
from triage.core.compose import Case, House, compose
from triage.core.conversation import colleague_wrote, correspondent, read_claim
from triage.core.decision import Decision, DraftKind, Reason
from triage.core.machine import auto_submitted
from triage.core.mail import Conversation, Mail, SenderHistory, Trimmed
from triage.core.parse import parse
from triage.core.policy import Action, Mode
from triage.core.redact import redact
from triage.core.ticket import suppression_hashes
from triage.desk import Considered, Desk, Read, as_entries_allow
from triage.journal.database import JournalError
from triage.journal.mailboxes import Mailbox as Standing
from triage.journal.opening import Journal
from triage.journal.outbox import Result
from triage.journal.owed import OutboxRow, Owed
from triage.journal.record import Earlier, EmailRecord, Intake
from triage.journal.retry import DELIVERY
from triage.journal.states import State, Verdict
from triage.mailroom.ports import Delivery, Fetched, FolderStatus, Mailbox, MailError, Outcome, Outgoing, Sender

log = logging.getLogger("triage")

SCAN = 1_000  # UIDs asked for at once: imaplib's lines are bounded
BATCH = 25  # emails fetched, decided and committed together
DELIVERIES = 20  # outbox rows claimed together
STOP_FILE = "STOP"
SENSIBLE_YEAR = 1990  # an INTERNALDATE before it is no date


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
        self._follow_sent()
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
        fetched, refused = self._fetch(uids)
        fetched_at = self.now()
        understood = [(one, *self._understand(one)) for one in fetched]
        taken = 0
        with self.journal.intake(self.address) as intake:
            for one, read, trouble, milliseconds in understood:
                taken += self._record(intake, one, read, trouble, fetched_at, milliseconds)
            for uid, sentence in refused.items():
                unread = Fetched(uid, b"", 0, fetched_at, complete=False)
                taken += self._fail(intake, unread, f"the server does not give it out: {sentence}", fetched_at)
            for uid in set(uids) - {one.uid for one in fetched} - set(refused):
                intake.gone(uid)
            if below is not None:
                intake.scanned(below)
        return taken

    def _fetch(self, uids: Sequence[int]) -> tuple[list[Fetched], dict[int, str]]:
        """Emails, and by UID why the server refuses one: a single broken email must not keep the others waiting."""
        limit = self.house.policy.limits.read_bytes
        if not uids:
            return [], {}
        try:
            return self.inbox.fetch(uids, limit), {}
        except MailError:
            self.inbox.status()  # raises where it is the server that fails, not one email
        fetched, refused = [], {}
        for uid in uids:
            try:
                fetched += self.inbox.fetch([uid], limit)
            except MailError as error:
                refused[uid] = str(error)
        return fetched, refused

    def _understand(self, one: Fetched) -> tuple[Read | None, str, float]:
        """The email as read, or why it could not be, and the milliseconds it took."""
        started = time.perf_counter()
        limits = self.house.policy.limits
        if one.size > limits.max_bytes:
            return None, f"its {one.size:,} bytes are more than the {limits.max_bytes:,} of policy.toml", 0.0
        try:
            read = self.desk.read(one.raw, complete=one.complete)
        except Exception as error:  # noqa: BLE001 - one bad email never stops the next one
            log.error("UID %s of %s could not be read: %s", one.uid, self.address, whence(error))
            return None, f"our own error while reading it: {type(error).__name__}", 0.0
        return read, "", (time.perf_counter() - started) * 1000

    def _record(
        self, intake: Intake, one: Fetched, read: Read | None, trouble: str, fetched_at: datetime, milliseconds: float
    ) -> int:
        if read is None:
            return self._fail(intake, one, trouble, fetched_at)
        try:
            return self._decide(intake, one, read, fetched_at, milliseconds)
        except Exception as error:  # noqa: BLE001 - one bad email never stops the next one
            log.error("UID %s of %s could not be recorded: %s", one.uid, self.address, whence(error))
            return self._fail(intake, one, f"our own error while deciding: {type(error).__name__}", fetched_at)

    def _decide(self, intake: Intake, one: Fetched, read: Read, fetched_at: datetime, milliseconds: float) -> int:
        started, now = time.perf_counter(), self.now()
        earlier = intake.earlier(read.mail)
        if earlier and (earlier.uid, earlier.uidvalidity) == (one.uid, intake.mailbox.uidvalidity):
            return 0
        history = self._sender_history(intake, read.mail, now)
        conversation = self._conversation(intake, read, history, now)
        considered = self.desk.decide(read, conversation, history, one.received_at, now)
        mode = self._mode(intake, one.received_at)
        decision, needs_approval = as_entries_allow(
            considered.decision, self.desk.entries, self.house.policy, now.date()
        )
        if earlier:
            decision = _handled_before(earlier)
        ticket = None
        owed: list[Owed] = []
        if earlier is None and mode.rank >= Mode.DRAFT.rank and not considered.by_machine:
            ticket = conversation.ticket
            if decision.action is not Action.IGNORE:
                ticket = ticket or intake.new_ticket(now)
                identity = f"{self.address}|{intake.mailbox.uidvalidity}|{one.uid}|{read.mail.sha256}"
                held = decision.action.answers and (needs_approval or mode is Mode.DRAFT)
                language = read.prediction.language or "en"
                case = Case(read.mail, read.trimmed, decision, ticket, identity, now, language, held)
                owed = [Owed(draft, held=held and draft.kind is DraftKind.REPLY) for draft in compose(case, self.house)]
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
            if earlier is None:
                self._follow_up(intake, read, considered, conversation, now)
            codes = ",".join(reason.code for reason in decision.reasons[:3])
            log.info(
                "uid=%s ticket=%s action=%s team=%s why=%s", one.uid, ticket, decision.action, decision.team, codes
            )
            self.watch(considered, mode)
        return int(recorded)

    def _conversation(self, intake: Intake, read: Read, history: SenderHistory, now: datetime) -> Conversation:
        """By ids first, then by the ticket that our own Message-ID or subject tag names."""
        claim = read_claim(read.mail, self.house.domain, self.house.secret)
        found = intake.conversation(read.mail, signed=claim.signed, tagged=claim.tagged)
        if not history.to_sender_24h or read.mail.sender is None:
            return found  # nothing went out to the sender that a machine could have answered
        a_day_ago = now - timedelta(hours=24)
        return replace(found, repeated=intake.wrote_alike(read.mail.sender.email, read.trimmed.text, a_day_ago))

    def _sender_history(self, intake: Intake, mail: Mail, now: datetime) -> SenderHistory:
        recipient = correspondent(mail, self.house.policy)
        if recipient is None:
            return SenderHistory()
        hashes = suppression_hashes(recipient.email, self.house.secret)
        return intake.sender_history(recipient.email, self.house.policy.limits.same_answer_hours, now, hashes)

    def _follow_up(
        self, intake: Intake, read: Read, considered: Considered, conversation: Conversation, now: datetime
    ) -> None:
        """What an email changes beyond itself: a mail of ours came back, a colleague took over, a customer is done."""
        if considered.by_machine:
            if read.bounce:
                self._came_back(intake, read.bounce, now)
            return
        number = conversation.ticket
        if number is None or read.mail.sender is None:
            return
        if colleague_wrote(read.mail, considered.objections, conversation, self.house.policy):
            intake.person_wrote(number, None, read.mail.sender.email, now)
        elif read.prediction.nothing_asked:
            intake.close_ticket(number, now)

    def _came_back(self, intake: Intake, bounce: Bounce, now: datetime) -> None:
        """Anybody can write a delivery report that names a mail of ours. So all it does is to leave a mark."""
        row = intake.ours(bounce.message_ids, bounce.keys)
        if row is not None:
            intake.bounced(row, bounce.sentence(row.recipient), now)
            log.warning("outbox=%s ticket=%s came back status=%s", row.id, row.ticket, bounce.status or "?")

    def _mode(self, intake: Intake, received_at: datetime) -> Mode:
        """The lowest of policy, journal and STOP file; mail from before going live stays shadowed."""
        live_since = intake.mailbox.went_live_at
        # INTERNALDATE has whole seconds; a senseless one is no reason to leave an email without a person (too-old).
        undated = received_at.year < SENSIBLE_YEAR
        if live_since is None or (received_at < live_since.replace(microsecond=0) and not undated):
            return Mode.SHADOW
        return min(self.ceiling(), intake.mode, key=lambda mode: mode.rank)

    def _fail(self, intake: Intake, one: Fetched, trouble: str, fetched_at: datetime) -> int:
        """Try again later; after policy's attempts, park it where a person sees it."""
        now = self.now()
        tries = intake.note_failure(one.uid, trouble, now)
        too_large = one.size > self.house.policy.limits.max_bytes
        if tries < self.house.policy.limits.attempts and not too_large:
            return 0
        mode, mail = self._mode(intake, one.received_at), _as_far_as_readable(one)
        folder = self.house.policy.folders.parked if mode.rank >= Mode.DRAFT.rank else "the inbox"
        where = f"{trouble}; it lies in {folder} of {self.address}, Message-ID {mail.message_id or 'none'}"
        record = EmailRecord(
            uid=one.uid,
            mail=mail,
            trimmed=Trimmed(""),
            decision=Decision(Action.ROUTE, reply=False, reasons=(Reason("parked", where),)),
            mode=mode,
            received_at=one.received_at,
            fetched_at=fetched_at,
            decided_at=now,
            parked=where,
            faq=self.faq_hash,
            policy=self.policy_hash,
        )
        log.error("uid=%s parked after %s tries: %s", one.uid, tries, trouble)
        return int(intake.record(record, now=now) is not None)

    # --- the folder Sent ----------------------------------------------------------------------------------------------

    def _follow_sent(self) -> None:
        """Look at what was sent since: before the inbox, so that no answer of ours crosses a person's."""
        standing = self.journal.mailboxes.get(self.address)
        if standing is None:
            return
        folder = self.house.policy.folders.sent
        try:
            status = self.inbox.folder_status(folder)
            if standing.sent_scanned_to is None:
                self._start_sent(status)
            elif status is not None:
                self._read_sent(folder, standing, status)
        except JournalError:
            raise
        except MailError as error:  # the inbox may be in order all the same
            log.warning("%s: what people sent could not be read: %s", self.address, error)
        except Exception as error:  # noqa: BLE001 - a strange email in Sent must not stop the inbox
            log.error("%s: what people sent could not be followed: %s", self.address, whence(error))

    def _start_sent(self, status: FolderStatus | None) -> None:
        """Older mail is in no ticket. A folder that is missing has all its emails still to come."""
        with self.journal.intake(self.address) as intake:
            if status is None:
                intake.sent_read(None, 1)
            else:
                intake.sent_read(status.uidvalidity, status.uidnext)

    def _read_sent(self, folder: str, standing: Standing, status: FolderStatus) -> None:
        same_numbering = standing.sent_uidvalidity in (status.uidvalidity, None)
        start = standing.sent_scanned_to if same_numbering else None  # numbered anew: all again, it changes nothing
        for first in range(start or 1, status.uidnext, SCAN):
            last = min(first + SCAN, status.uidnext) - 1
            mails = [parse(one.raw, complete=False) for one in self.inbox.headers(folder, first, last)]
            with self.journal.intake(self.address) as intake:
                self._take_copies(intake, mails)
                intake.sent_read(status.uidvalidity, last + 1)
            if self.stopping.is_set():
                return

    def _take_copies(self, intake: Intake, mails: Sequence[Mail]) -> None:
        """Of our mails we learn the id that their copy has; whatever else belongs to a ticket, a person wrote."""
        now = self.now()
        keys = {key: mail.message_id or "" for mail in mails for key in mail.header("x-triage-key")[:1]}
        ours = intake.learn_copies(keys, now) if keys else set()
        for mail in mails:
            if ours.isdisjoint(mail.header("x-triage-key")) and not auto_submitted(mail, self.house.policy):
                self._person_sent(intake, mail, now)

    def _person_sent(self, intake: Intake, mail: Mail, now: datetime) -> None:
        claim = read_claim(mail, self.house.domain, self.house.secret)
        # Only we and our colleagues put mail into Sent: there a tag needs no known sender.
        number = intake.conversation(mail, signed=claim.signed or claim.tagged).ticket
        who = mail.sender.email if mail.sender else self.address
        if number is not None and intake.found_in_sent(number, mail.message_id, who, now):
            log.info("ticket=%s a person answered from the mailbox: silent from now on", number)

    # --- deliver ------------------------------------------------------------------------------------------------------

    def deliver(self) -> int:
        """Send what is due. Returns how many were tried. Raises JournalError; MailError with the claims given back."""
        tried = 0
        while not self.stopping.is_set():
            rows = self.journal.outbox.claim(
                DELIVERIES, self.name, self.now(), self.claim_for, mailbox=self.address, ceiling=self.ceiling()
            )
            done = self._send(rows)
            tried += done
            if done < len(rows) or not rows:
                break
        return tried

    def _send(self, rows: Sequence[OutboxRow]) -> int:
        """One after the other, each only while nobody has said stop. Half of a claim's time is for that, the other half
        for the attempt begun last; what is left is given back. Returns how many were tried."""
        deadline = time.monotonic() + self.claim_for.total_seconds() / 2
        for at, row in enumerate(rows):
            if self.stopping.is_set() or time.monotonic() > deadline or not self._may_send(row):
                self.journal.outbox.release_claim(rows[at:], "given back before it was tried", self.now(), self.now())
                return at
            try:
                result = self._found_in_sent(row) or self._attempt(row)
            except MailError as error:
                again = self.now() + timedelta(seconds=30)
                self.journal.outbox.release_claim(rows[at:], str(error), again, self.now())
                raise
            self.journal.outbox.record([result], self.now())
            log.info("outbox=%s ticket=%s kind=%s verdict=%s", row.id, row.ticket, row.kind, result.verdict)
        return len(rows)

    def _may_send(self, row: OutboxRow) -> bool:
        """Asked right before every attempt: a stop counts at once, also for what is claimed already."""
        mode = min(self.ceiling(), self.journal.service.mode(), key=lambda mode: mode.rank)
        if mode is Mode.DRAFT and row.kind is DraftKind.REPLY:
            return row.approved_at is not None
        return mode.rank >= Mode.DRAFT.rank

    def _attempt(self, row: OutboxRow) -> Result:
        if row.raw is None:
            return Result(row, Verdict.REFUSED, "its text was purged before it was sent")
        try:
            (delivery,) = self.sender.send([Outgoing(row.envelope_sender, row.recipient, row.raw)])
        except MailError:
            raise
        except Exception as error:  # noqa: BLE001 - one row that breaks us must not hold up the others
            log.error("outbox=%s could not be sent: %s", row.id, whence(error))
            delivery = Delivery(Outcome.UNKNOWN, f"our own error while sending: {type(error).__name__}")
        if delivery.outcome is Outcome.ACCEPTED:
            return Result(row, Verdict.ACCEPTED, delivery.answer)
        if delivery.outcome is Outcome.REFUSED:
            return Result(row, Verdict.REFUSED, delivery.answer)
        wait = DELIVERY.after(max(row.tries, 1), row.message_id)
        retry_at = self.now() + wait if wait else None
        verdict = Verdict.UNKNOWN if delivery.outcome is Outcome.UNKNOWN else Verdict.DEFERRED
        return Result(row, verdict, delivery.answer, retry_at)

    def _found_in_sent(self, row: OutboxRow) -> Result | None:
        """Where an earlier attempt has no known outcome and its copy is in Sent, it was accepted (RFC 1047). Where Sent
        cannot be looked at, the row waits: sent again unseen it might arrive twice. None: go ahead."""
        if not row.in_doubt:
            return None
        try:
            copy = self.sent.find_sent(self.house.policy.folders.sent, row.key)
        except MailError as error:
            retry_at = self.now() + timedelta(minutes=1)
            return Result(row, Verdict.RELEASED, f"perhaps sent before; Sent could not be searched: {error}", retry_at)
        if copy is None:
            return None
        if copy not in ("", row.message_id):
            self.journal.outbox.learn_sent_copy(row, copy, self.now())
        return Result(row, Verdict.ACCEPTED, "found in Sent")

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
        history = self.journal.history
        while not self.stopping.is_set() and (
            finished := history.claim_to_put_away(self.address, self.now(), self.claim_for, 200)
        ):
            current = self.cabinet.status().uidvalidity
            for state, folder in names.items():
                here = [one for one in finished if one.state is state]
                uids = [one.uid for one in here if one.uidvalidity == current]
                if uids:
                    self.cabinet.move(uids, folder)
                if here:
                    history.put_away([one.id for one in here], self.now())
            moved += len(finished)
        return moved

    def close(self) -> None:
        for part in (self.inbox, self.sent, self.cabinet, self.sender):
            part.close()


def _handled_before(earlier: Earlier) -> Decision:
    """For an email that came back: somebody dragged it into the inbox, or it was delivered twice."""
    sentence = f"this very email was handled before (log entry {earlier.id}, {earlier.state}): nothing is sent for it"
    return Decision(Action.IGNORE, reply=False, reasons=(Reason("handled-before", sentence),))


def _as_far_as_readable(one: Fetched) -> Mail:
    """Who wrote and about what, for the person who looks for a parked email; not its text, which may break us."""
    try:
        return replace(redact(parse(one.raw, complete=one.complete)), text="", html="")
    except Exception:  # noqa: BLE001 - it is parked because something in it breaks us
        return Mail(sha256=hashlib.sha256(one.raw).hexdigest(), size=one.size, complete=one.complete)


def whence(error: Exception) -> str:
    """Where an error of ours arose. Its own text may quote the email, which has no place in a log."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    return f"{type(error).__name__} in {', '.join(f'{Path(frame.filename).name}:{frame.lineno}' for frame in frames)}"


def _batches(items: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (items[start : start + size] for start in range(0, len(items), size))

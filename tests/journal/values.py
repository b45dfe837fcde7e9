"""Short ways to the values that the tests of the journal need."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from triage.core.decision import Decision, Draft, DraftKind, Reason, Sentence
from triage.core.mail import Address, Mail, Trimmed
from triage.core.policy import Action, Mode
from triage.core.prediction import Gate, Guess, Prediction
from triage.journal.opening import Journal
from triage.journal.outbox import OutboxRow
from triage.journal.owed import Owed
from triage.journal.record import EmailRecord

ROOT = Path(__file__).parents[2]
MIGRATIONS = ROOT / "migrations"
NOW = datetime(2026, 11, 25, 15, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
CLAIM = timedelta(seconds=90)
BOX = "help@shop.example"
KIND = DraftKind


def mail(uid: int, text: str = "How do I reset my password?", sender: str = "ann@client.example") -> Mail:
    raw = f"{uid} {text} {sender}"
    return Mail(
        sha256=hashlib.sha256(raw.encode()).hexdigest(),
        size=len(raw),
        subject=f"Question {uid}",
        text=text,
        from_=(Address(sender, "Ann"),),
        message_id=f"<question-{uid}@client.example>",
        date=NOW - timedelta(minutes=5),
    )


def decision(action: Action = Action.ANSWER, *intents: str, team: str | None = None) -> Decision:
    if action.answers and not intents:
        intents = ("reset-password",)
    return Decision(action, intents=intents, team=team, reasons=(Reason("sure", "It asks for one thing only."),))


def record(uid: int, action: Action = Action.ANSWER, **changes: object) -> EmailRecord:
    plain = EmailRecord(
        uid=uid,
        mail=mail(uid),
        decision=decision(action),
        mode=Mode.AUTOMATIC,
        received_at=NOW - timedelta(seconds=2),
        fetched_at=NOW - SECOND,
        decided_at=NOW,
        milliseconds=4.2,
        trimmed=Trimmed("How do I reset my password?", signature="Ann", quoted="> earlier"),
        prediction=Prediction(
            guesses=(Guess("reset-password", 0.97), Guess("other", 0.01)),
            intents=("reset-password",),
            confidence=0.96,
            gates=(Gate("confidence", True, 0.96, 0.9, "the reply is right with 96 %"),),
            evidence=("nearest example: forgot password",),
            model="model-1",
        ),
        faq="faq-1",
        policy="policy-1",
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def owed(
    name: str,
    kind: DraftKind = KIND.REPLY,
    *,
    to: str = "ann@client.example",
    held: bool = False,
    not_before: datetime | None = None,
) -> Owed:
    draft = Draft(
        kind=kind,
        recipient=to,
        envelope_sender=BOX,
        message_id=f"<{name}@shop.example>",
        key=f"key-{name}",
        subject=f"Re: {name}",
        raw=f"Subject: {name}\r\n\r\nYou can do it yourself.\r\n".encode(),
        sentences=(Sentence("You can do it yourself.", "faq/reset-password@abc"),),
    )
    return Owed(draft, held=held, not_before=not_before)


def live(journal: Journal, mode: Mode = Mode.AUTOMATIC, *, box: str = BOX) -> None:
    """Connect the mailbox and go live: UIDs from 1 are ours."""
    journal.mailboxes.first_connection(box, 7, 1, NOW - timedelta(hours=1))
    journal.service.set_mode(mode, NOW - timedelta(minutes=30), "lead", "ready")


def take_in(
    journal: Journal,
    uid: int,
    drafts: Sequence[Owed] = (),
    action: Action = Action.ANSWER,
    *,
    box: str = BOX,
    now: datetime = NOW,
    **changes: object,
) -> int:
    """Record one email with a ticket of its own; gives its id."""
    with journal.intake(box) as intake:
        number = changes.pop("ticket", None) or intake.new_ticket(now)
        email_id = intake.record(record(uid, action, ticket=number, **changes), drafts, now=now)
    assert email_id is not None
    return email_id


def claim(journal: Journal, now: datetime = NOW, limit: int = 100, worker: str = "w1") -> list[OutboxRow]:
    return journal.outbox.claim(limit, worker, now, CLAIM)

"""A worker on real servers, with a classifier whose guesses a test can foresee."""

import email
import email.policy
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from threading import Event

from tests.servers.dovecot import DovecotServer
from tests.servers.recording_smtp import RecordingSmtp
from triage.content.load import Content, read_content
from triage.core.compose import House
from triage.core.mail import Mail, Trimmed
from triage.core.policy import Mode
from triage.core.prediction import Gate, Guess, Prediction
from triage.desk import Desk
from triage.journal.opening import open_journal
from triage.journal.schema import upgrade
from triage.mailroom.imap import ImapMailbox
from triage.mailroom.smtp import SmtpSender
from triage.worker import Worker

ROOT = Path(__file__).parent.parent
MAILBOX = "csp.support@insight.com"
CONTENT: Content = read_content(ROOT / "config")


class Keywords:
    """Guesses by words of the subject: intents and topics by their id, ``thanks``, ``unsure``, ``poison``."""

    def predict(self, mail: Mail, trimmed: Trimmed) -> Prediction:
        words = mail.subject.split()
        if "poison" in words:
            raise ValueError("this email breaks us")
        intents = tuple(word for word in words if word in CONTENT.entries)
        topics = tuple(word for word in words if word in CONTENT.policy.topics)
        gate = Gate("confidence", "unsure" not in words, 0.9, 0.8, "as sure as the test wants it")
        guesses = tuple(Guess(label, 0.9) for label in (*intents, *topics))
        return Prediction(guesses, intents, topics, "thanks" in words, 0.9, (gate,), model="keywords")


@dataclass
class Ground:
    """One mailbox on a real IMAP server, a real SMTP server, a journal and a clock of the test's own."""

    dovecot: DovecotServer
    smtp: RecordingSmtp
    url: str
    data_dir: Path
    user: str
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    content: Content = CONTENT

    def __post_init__(self) -> None:
        upgrade(self.url, ROOT / "migrations")
        self.journal = open_journal(self.url)
        self._workers: list[Worker] = []

    def worker(self, **changes: object) -> Worker:
        """A new worker on everything, as after a restart."""
        server = self.dovecot.server(self.user)
        values: dict[str, object] = {
            "address": MAILBOX,
            "journal": self.journal,
            "desk": Desk(Keywords(), self.content.policy, self.content.entries),
            "house": House(self.content.policy, self.content.entries, self.content.texts, MAILBOX, b"k" * 32),
            "inbox": ImapMailbox(server),
            "sent": ImapMailbox(server),
            "cabinet": ImapMailbox(server),
            "sender": SmtpSender(self.smtp.server(), attempt_timeout_s=10),
            "data_dir": self.data_dir,
            "now": lambda: self.now,
            "stopping": Event(),
        }
        worker = Worker(**(values | changes))  # type: ignore[arg-type]
        self._workers.append(worker)
        return worker

    def go_live(self, mode: Mode = Mode.AUTOMATIC) -> None:
        """First connection and going live, a second before the next email arrives."""
        self.worker().receive()
        self.journal.service.set_mode(mode, self.now - timedelta(seconds=2), "test", "")

    def with_policy(self, **changes: object) -> "Ground":
        self.content = replace(self.content, policy=replace(self.content.policy, **changes))  # type: ignore[arg-type]
        return self

    def deliver(self, subject: str, *, sender: str = "ann@client.example", number: int = 0, **changes: object) -> int:
        """An email of a customer; gives its UID."""
        return self.dovecot.deliver(self.user, customer_email(subject, sender=sender, number=number), **changes)  # type: ignore[arg-type]

    def states(self) -> Counter[str]:
        return Counter({str(state): count for state, count in self.journal.history.counts().items()})

    def folder(self, name: str) -> int:
        """How many emails lie in a folder of the mailbox; this server parts levels by a dot."""
        answer = self.dovecot.command(self.user, f'STATUS "{name.replace("/", ".")}" (MESSAGES)')
        return int(answer.partition("MESSAGES ")[2].partition(")")[0] or -1)

    def sent_to(self, recipient: str) -> list[EmailMessage]:
        return [
            email.message_from_bytes(received.raw, policy=email.policy.default)  # type: ignore[misc]
            for received in self.smtp.received
            if received.rcpts == (recipient,)
        ]

    def run(self) -> None:
        worker = self.worker()
        worker.receive()
        worker.deliver()
        worker.settle()

    def close(self) -> None:
        for worker in self._workers:
            worker.close()
        self.journal.close()


def customer_email(subject: str, *, sender: str = "ann@client.example", number: int = 0) -> bytes:
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = MAILBOX
    mail["Subject"] = subject
    mail["Date"] = datetime(2026, 11, 25, tzinfo=UTC) + timedelta(seconds=number)
    mail["Message-ID"] = f"<{number}.{subject.replace(' ', '.')}@client.example>"
    mail.set_content(f"Hello,\n\nthis is about {subject}.\n\nAnn\n")
    return mail.as_bytes().replace(b"\n", b"\r\n")


class Killed(BaseException):
    """The process ends here."""


def dies_after(act: Callable[..., object]) -> Callable[..., object]:
    """The act is done, and its caller never hears of it."""

    def done_then_killed(*args: object, **named: object) -> object:
        act(*args, **named)
        raise Killed

    return done_then_killed


def dies_before(act: Callable[..., object]) -> Callable[..., object]:
    def killed(*args: object, **named: object) -> object:
        raise Killed

    return killed

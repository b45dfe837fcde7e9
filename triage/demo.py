"""``triage demo``: the real worker on a mailbox of its own, through real IMAP and SMTP, in one process."""

import shutil
import smtplib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from triage.core.policy import Action, Mode
from triage.demo_emails import EMAILS, MAILBOX, DemoEmail
from triage.journal.history import LogRow
from triage.journal.states import State
from triage.mailroom.embedded import EmbeddedServer
from triage.mailroom.ports import Outgoing
from triage.schedule import Service
from triage.worker import Worker

PATIENCE_S = 60.0
_NAMES = {
    State.ANSWERED: "answered",
    State.ANSWERED_AND_ROUTED: "answered_and_routed",
    State.ROUTED: "routed",
    State.IGNORED: "ignored",
    State.PARKED: "parked",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One email of the demo, as it is shown."""

    subject: str
    sender: str
    action: Action
    intents: tuple[tuple[str, float], ...]  # with probability
    team: str
    milliseconds: float
    state: str
    wanted: str  # the action that it has to end in; "" where the email is none of the demo's


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the demo went."""

    emails: int
    states: dict[str, int]
    sent: int
    lines: tuple[Line, ...]
    sent_folder: Path

    @property
    def lost(self) -> int:
        return self.emails - sum(self.states.values())

    @property
    def surprises(self) -> tuple[Line, ...]:
        """Emails that ended otherwise than they should."""
        return tuple(line for line in self.lines if line.wanted and line.action != line.wanted)


@contextmanager
def mail_server(folder: Path) -> Iterator[EmbeddedServer]:
    """An IMAP and SMTP server that keeps what is sent as .eml files in ``folder/sent``."""
    sent = folder / "sent"
    shutil.rmtree(folder, ignore_errors=True)
    sent.mkdir(parents=True)
    numbers = iter(range(1, 10_000))

    def keep(outgoing: Outgoing) -> None:
        name = outgoing.recipient.replace("/", "_")
        (sent / f"{next(numbers):03}-{name}.eml").write_bytes(outgoing.raw)

    with EmbeddedServer(MAILBOX, on_sent=keep) as server:
        yield server


def run(worker: Worker, server: EmbeddedServer, folder: Path, show: Callable[[list[Line], bool], None]) -> Outcome:
    """Go live on the empty mailbox, deliver the fifteen emails, and serve until each has its outcome.

    ``show`` is called with all lines whenever there is news, and at the end with True.
    """
    worker.receive()  # the first connection sets the watermark
    worker.journal.service.set_mode(Mode.AUTOMATIC, worker.now(), "demo", "the demo's own mailbox")
    for email in EMAILS:
        _post(email, server)
    service = Service([worker], poll_seconds=1)
    service.start()
    deadline = time.monotonic() + PATIENCE_S
    lines: list[Line] = []
    try:
        while time.monotonic() < deadline:
            rows = worker.journal.history.log(limit=1000)
            lines = [_line(row) for row in reversed(rows)]
            show(lines, False)
            if len(rows) >= len(EMAILS) and all(row.state.final for row in rows):
                break
            service.stopping.wait(0.1)
    finally:
        service.stop()
    show(lines, True)
    counts = worker.journal.history.counts()
    states = {name: counts.get(state, 0) for state, name in _NAMES.items()}
    return Outcome(len(EMAILS), states, len(server.sent), tuple(lines), folder / "sent")


def _post(email: DemoEmail, server: EmbeddedServer) -> None:
    with smtplib.SMTP(server.host, server.smtp_port, timeout=10) as customer:
        customer.sendmail(email.envelope_sender, [MAILBOX], email.raw)


def _line(row: LogRow) -> Line:
    decision = row.decision
    wanted = {_subject(email): email.action for email in EMAILS}
    return Line(
        subject=row.subject or "",
        sender=row.sender or "(no usable sender)",
        action=decision.action,
        intents=tuple((intent, row.confidence) for intent in decision.intents),
        team=decision.team or "",
        milliseconds=row.milliseconds,
        state=row.state,
        wanted=wanted.get(row.subject or "", ""),
    )


def _subject(email: DemoEmail) -> str:
    head = email.raw.decode("utf-8", "replace")
    return next((line[9:] for line in head.split("\r\n") if line.startswith("Subject: ")), "")

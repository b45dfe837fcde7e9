"""One worker's lives: ``python -m tests.crash.life`` forks a process for each, which is the service until it is killed.

A nursery imports everything once, opens nothing, and forks: that spares each life the second that Python's imports
take. It reads one line of JSON per life (an ``Order``) and prints the process's id, then how and when it ended.
"""

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from tests.crash.points import Fuse, with_points
from tests.house import CONTENT, MAILBOX, Keywords
from triage.core.compose import House
from triage.core.policy import Policy
from triage.desk import Desk
from triage.journal.opening import Journal, open_journal
from triage.journal.outbox import Outbox, Result
from triage.mailroom.imap import ImapMailbox
from triage.mailroom.login import Password, Security, Server
from triage.mailroom.smtp import SmtpSender
from triage.mailroom.watch import Watcher
from triage.schedule import Service
from triage.worker import Worker

POLL_S = 1.0
ATTEMPT_S = 3.0  # of 40 in the service
CLAIM = timedelta(seconds=8)  # of 90; half of it for sending, the other half for the attempt that was begun last
RETRY = timedelta(seconds=0.3)  # of 20 s to a day
LARGEST = 20_000  # bytes; what is larger is parked
# Emails come by the thousand here, all within minutes.
POLICY: Policy = replace(
    CONTENT.policy, limits=replace(CONTENT.policy.limits, service_per_hour=1_000_000, max_bytes=LARGEST)
)


@dataclass(frozen=True)
class Order:
    """What a life needs to know. The point is where it ends; None: it goes on until somebody kills it."""

    name: str  # as the journal's attempts name it
    url: str
    imap_port: int
    user: str
    password: str
    smtp_port: int
    data_dir: str
    point: str | None = None
    passes: int = 1

    def line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"


class HastyOutbox(Outbox):
    """An outbox whose retries come soon: what is under test is that they come, not the schedule."""

    def record(self, results: Sequence[Result], now: datetime) -> None:
        super().record(
            [replace(one, retry_at=min(one.retry_at, now + RETRY)) if one.retry_at else one for one in results], now
        )


def main() -> None:
    while line := sys.stdin.buffer.readline():
        order = Order(**json.loads(line))
        child = os.fork()
        if child == 0:
            live(order)
            os._exit(0)
        _say(child)
        _, status = os.waitpid(child, 0)
        _say(os.waitstatus_to_exitcode(status), time.time())


def _say(*numbers: float) -> None:
    sys.stdout.write(f"{' '.join(map(str, numbers))}\n")
    sys.stdout.flush()


def live(order: Order) -> None:
    """Serve until SIGTERM, SIGKILL, the fuse, or the end of whoever gives the orders."""
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    logging.basicConfig(filename=Path(order.data_dir) / f"{order.name}.log", level=logging.INFO)
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    worker = with_points(build_worker(order), Fuse(order.point, order.passes))
    Service([worker], POLL_S).run()


def build_worker(order: Order) -> Worker:
    """As ``wiring.build_worker`` does, with a classifier that needs no model and waits that a test can bear."""
    login = Password(order.user, order.password)
    imap = Server("127.0.0.1", order.imap_port, Security.PLAIN, login)
    smtp = Server("127.0.0.1", order.smtp_port, Security.PLAIN)
    return Worker(
        address=MAILBOX,
        journal=_journal(order.url),
        desk=Desk(Keywords(), POLICY, CONTENT.entries),
        house=House(POLICY, CONTENT.entries, CONTENT.texts, MAILBOX, b"k" * 32),
        inbox=ImapMailbox(imap),
        sent=ImapMailbox(imap),
        cabinet=ImapMailbox(imap),
        sender=SmtpSender(smtp, attempt_timeout_s=ATTEMPT_S),
        data_dir=Path(order.data_dir),
        bell=Watcher(imap),
        name=order.name,
        claim_for=CLAIM,
    )


def _journal(url: str) -> Journal:
    journal = open_journal(url)
    return replace(journal, outbox=HastyOutbox(journal.database))


def _end_with_the_parent() -> None:
    """No more orders come while a life lasts: the end of the input is the end of the harness."""
    os.read(sys.stdin.fileno(), 1)
    os._exit(3)


if __name__ == "__main__":
    main()

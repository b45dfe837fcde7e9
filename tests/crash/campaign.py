"""Workers that are killed again and again while customers write, until every email has its outcome."""

import json
import os
import random
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.crash.life import LARGEST, Order
from tests.crash.points import POINTS
from tests.crash.sink import Plan, Sink
from tests.crash.verdict import Counted, Customer, Expected, count
from tests.house import MAILBOX, ROOT, customer_email
from tests.servers.dovecot import PASSWORD, DovecotServer
from triage.core.policy import Mode
from triage.journal.opening import Journal, open_journal
from triage.journal.schema import upgrade
from triage.journal.states import FINAL, RowState, State
from triage.mailroom.imap import ImapMailbox

TICK_S = 0.02
LOOK_S = 0.2  # between two looks into the journal
LONGEST_MOMENT_S = 1.0  # that a life has before it is killed at a random moment
POINT_WITHIN_S = 4.0  # a point that is not passed by then becomes a kill at a random moment
MOST_CRASHES = 5  # lives that end by themselves: then the harness or the service does not work at all
FOLDERS = ("INBOX", "Triage.Answered", "Triage.Routed", "Triage.Ignored", "Triage.Parked")

# Subjects that tests/house.py understands; how often; what they end in.
KINDS = (
    ("reset-password", 5, Expected(State.ANSWERED, to_customer=1)),
    ("update-address", 2, Expected(State.ANSWERED_AND_ROUTED, to_customer=1, to_team=1)),
    ("billing-dispute", 2, Expected(State.ROUTED, to_customer=1, to_team=1)),
    ("thanks", 1, Expected(State.IGNORED)),
    ("too large", 0.3, Expected(State.PARKED)),
)


@dataclass(frozen=True)
class Size:
    """A run; the same seed gives the same emails, the same mishaps and the same kinds of kills."""

    emails: int
    kills: int
    seed: int = 1
    workers: int = 1
    sent_copies: bool = False  # the SMTP server files a copy of what it takes in Sent

    @property
    def longest_s(self) -> float:
        """More would be a defect: that nothing goes on is a finding too."""
        return 120 + 0.5 * self.emails + 5 * self.kills


@dataclass
class Outcome:
    """What a run found."""

    size: Size
    counted: Counted
    in_mailbox: int = 0  # emails that lie in one of the folders
    kills: int = 0
    at_points: Counter[str] = field(default_factory=Counter)
    mishaps: Counter[str] = field(default_factory=Counter)
    queued_again: int = 0  # given-up mails that a person queued again
    crashed: list[str] = field(default_factory=list)  # lives that ended by themselves, and how
    seconds: float = 0.0

    @property
    def holds(self) -> bool:
        whole = self.in_mailbox == self.size.emails
        return self.counted.holds and whole and not self.crashed

    def line(self) -> str:
        """One line of JSON."""
        counted = {name: value for name, value in asdict(self.counted).items() if name != "wrong"}
        figures = {
            **{name: value for name, value in asdict(self.size).items() if name != "kills"},
            "kills": self.kills,
            **counted,
            "explained_repeats": self.counted.explained,
            "in_mailbox": self.in_mailbox,
            "kills_at_points": dict(sorted(self.at_points.items())),
            "mishaps": dict(sorted(self.mishaps.items())),
            "queued_again": self.queued_again,
            "seconds": round(self.seconds, 1),
            "holds": self.holds,
            "wrong": [*self.counted.wrong[:20], *self.crashed],
        }
        return json.dumps(figures, ensure_ascii=False)


class Nursery:
    """The process that gives one worker its lives, one after the other; see ``life.py``."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lives = 0
        self.pid = 0  # 0: no life at the moment
        self.ends_at = 0.0  # time.monotonic()
        self.point: str | None = None
        command = [sys.executable, "-m", "tests.crash.life"]
        # Unbuffered, so that select() sees all that has not been read.
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)

    @property
    def life(self) -> str:
        return f"{self.name}-life-{self.lives}"

    def start(self, order: Order, ends_at: float) -> None:
        assert self._process.stdin
        self._process.stdin.write(order.line())
        self.pid, self.point, self.ends_at = int(self._line()), order.point, ends_at

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def ended(self) -> bool:
        return bool(select.select([self._process.stdout], [], [], 0)[0])

    def wait(self) -> tuple[int, datetime]:
        """How the life ended (an exit status, or minus a signal), and when."""
        status, at = self._line().split()
        self.pid = 0
        return int(status), datetime.fromtimestamp(float(at), UTC)

    def close(self) -> None:
        """The end of its input ends the nursery, and a life that is left."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(timeout=10)
        self._process.stdout.close()

    def _line(self) -> bytes:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"The nursery of {self.name} is gone; its words are above.")
        return line


def run(size: Size, dovecot: DovecotServer, url: str, folder: Path) -> Outcome:
    """A whole run. ``url``: an empty database; ``folder``: for logs, one per life."""
    user = dovecot.new_user()[0]
    dovecot.command(user, 'CREATE "Sent"')
    file_copy = (lambda raw: dovecot.deliver(user, raw, folder="Sent")) if size.sent_copies else None
    upgrade(url, ROOT / "migrations")
    journal = open_journal(url)
    try:
        go_live(journal, dovecot, user)
        with Sink(Plan(size.seed), file_copy) as sink, _nurseries(size.workers) as nurseries:
            return Campaign(size, dovecot, user, url, folder, journal, sink, nurseries).run()
    finally:
        journal.close()


@contextmanager
def _nurseries(workers: int) -> Iterator[list[Nursery]]:
    nurseries = [Nursery(f"worker-{number}") for number in range(1, workers + 1)]
    try:
        yield nurseries
    finally:
        for nursery in nurseries:
            nursery.close()


def go_live(journal: Journal, dovecot: DovecotServer, user: str) -> None:
    inbox = ImapMailbox(dovecot.server(user))
    status = inbox.status()
    inbox.close()
    now = datetime.now(UTC) - timedelta(seconds=2)  # a server's clock for arrivals has whole seconds
    journal.mailboxes.first_connection(MAILBOX, status.uidvalidity, status.uidnext, now)
    journal.service.set_mode(Mode.AUTOMATIC, now, "harness", "")


@dataclass
class Campaign:
    """Customers write, workers live and die, a person queues again what was given up."""

    size: Size
    dovecot: DovecotServer
    user: str
    url: str
    folder: Path
    journal: Journal
    sink: Sink
    nurseries: list[Nursery]
    customers: list[Customer] = field(default_factory=list)
    killed: dict[str, datetime] = field(default_factory=dict)
    looked_at: float = 0.0

    def __post_init__(self) -> None:
        self.outcome = Outcome(self.size, Counted())
        self._chance = random.Random(self.size.seed)
        self._began = time.monotonic()

    def run(self) -> Outcome:
        outcome = self.outcome
        while outcome.kills < self.size.kills and self._goes_on():
            self._keep_alive(deadly=True)
            self._write(round(self.size.emails * (outcome.kills + 1) / self.size.kills))
            self._bury()
            self._queue_again()
            time.sleep(TICK_S)
        self._write(self.size.emails)
        while not self._is_done() and self._goes_on():
            self._keep_alive(deadly=False)
            self._bury()
            self._queue_again()
            time.sleep(LOOK_S)
        self._leave()
        outcome.seconds = time.monotonic() - self._began
        outcome.mishaps = self.sink.met
        outcome.in_mailbox = sum(self._messages(name) for name in FOLDERS)
        outcome.counted = count(self.customers, self.sink.taken, self.journal, self.killed)
        return outcome

    def _goes_on(self) -> bool:
        in_time = time.monotonic() - self._began < self.size.longest_s
        return in_time and len(self.outcome.crashed) < MOST_CRASHES

    def _keep_alive(self, *, deadly: bool) -> None:
        """Every worker has a life; its end is planned where it is ``deadly``."""
        for nursery in self.nurseries:
            if nursery.pid == 0:
                nursery.lives += 1
                point, passes, seconds = self._fate() if deadly else (None, 1, float("inf"))
                nursery.start(self._order(nursery.life, point, passes), time.monotonic() + seconds)

    def _fate(self) -> tuple[str | None, int, float]:
        """Two of three lives end at a named point, each in its turn; one at a random moment."""
        number = sum(nursery.lives for nursery in self.nurseries)
        if number % 3 == 0:
            return None, 1, self._chance.uniform(0.02, LONGEST_MOMENT_S)
        return POINTS[(number - number // 3) % len(POINTS)], self._chance.choice((1, 1, 1, 2, 3)), POINT_WITHIN_S

    def _order(self, life: str, point: str | None, passes: int) -> Order:
        return Order(
            name=life,
            url=self.url,
            imap_port=self.dovecot.port,
            user=self.user,
            password=PASSWORD,
            smtp_port=self.sink.port,
            data_dir=str(self.folder),
            point=point,
            passes=passes,
        )

    def _bury(self) -> None:
        """Note who died, and kill whose time has come."""
        for nursery in self.nurseries:
            if nursery.ended():
                self._died(nursery, nursery.point)
            elif time.monotonic() > nursery.ends_at:
                nursery.signal(signal.SIGKILL)
                self._died(nursery, None)

    def _died(self, nursery: Nursery, point: str | None) -> None:
        status, at = nursery.wait()
        if status != -signal.SIGKILL:
            self.outcome.crashed.append(f"{nursery.life} ended with status {status}: see {self.folder}")
            return
        self.killed[nursery.life] = at
        self.outcome.kills += 1
        self.outcome.at_points[point or "random moment"] += 1

    def _write(self, up_to: int) -> None:
        """Customers write until there are so many emails."""
        while len(self.customers) < up_to:
            number = len(self.customers)
            subject, _, expected = self._chance.choices(KINDS, [weight for _, weight, _ in KINDS])[0]
            address = f"customer-{number}@client.example"
            raw = customer_email(subject, sender=address, number=number)
            if expected.state is State.PARKED:
                raw += b"x" * 70 + b"\r\n" + (b"x" * 70 + b"\r\n") * (LARGEST // 72)
            self.customers.append(Customer(address, self.dovecot.deliver(self.user, raw), expected))

    def _queue_again(self) -> None:
        """What a person does about mails that a server refused for good."""
        if time.monotonic() - self.looked_at < LOOK_S:
            return
        self.looked_at = time.monotonic()
        for row in self.journal.outbox.unsent(RowState.GIVEN_UP):
            self.outcome.queued_again += self.journal.outbox.requeue(row.id, "harness", datetime.now(UTC))

    def _is_done(self) -> bool:
        counts = self.journal.history.counts()
        return (
            sum(counts.values()) >= self.size.emails
            and all(state in FINAL for state in counts)
            and not self.journal.history.to_put_away(MAILBOX, 1)
        )

    def _leave(self) -> None:
        """At the end every worker is asked, and goes."""
        for nursery in self.nurseries:
            if nursery.pid:
                nursery.signal(signal.SIGTERM)
        for nursery in self.nurseries:
            if nursery.pid and (status := nursery.wait()[0]) != 0:
                self.outcome.crashed.append(f"{nursery.life} left with status {status}: see {self.folder}")

    def _messages(self, folder: str) -> int:
        if folder not in self.dovecot.command(self.user, f'LIST "" "{folder}"'):
            return 0  # nothing has been put away there
        answer = self.dovecot.command(self.user, f'STATUS "{folder}" (MESSAGES)')
        return int(answer.partition("MESSAGES ")[2].partition(")")[0])

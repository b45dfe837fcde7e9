"""Nothing lost, nothing twice, and at once: ``make bench-reliability``.

Rows of JSON with floor and aim: workers that are killed, two workers on PostgreSQL, how soon a reply is accepted, and
what a backlog weighs. Times stand beside what one bare step takes in the same run: one SMTP submission of the same
size on an open connection, one NOOP, one commit. ``--full`` takes about two hours; what a finished seed of kills found
is kept, and counted again only after the code has changed.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

from imapclient import IMAPClient

from tests.bench.rows import Row, print_rows, row
from tests.crash.__main__ import on_own_servers
from tests.crash.campaign import Size, go_live
from tests.crash.life import Order
from tests.crash.sink import Plan, Sink
from tests.house import CONTENT, MAILBOX, ROOT, customer_email
from tests.servers.dovecot import PASSWORD, DovecotServer
from tests.servers.ground import wait_until
from tests.servers.smtpsink import SmtpSink
from triage.journal.opening import open_journal
from triage.journal.schema import upgrade
from triage.mailroom.login import Security, Server
from triage.mailroom.ports import Outgoing
from triage.mailroom.smtp import SmtpSender

PARTS = ("latency", "crash", "workers", "memory")
KILLS_AIMED_AT = 5_000
STEPS = 100  # of each bare step
WARMING = 5  # emails before those that count
BEHIND_S = 30.0  # an email that is not answered by then is a failure
PER_APPEND = 100  # emails that are put into a mailbox by one command


class MissingError(Exception):
    """Something that the bench needs is not there; the text says what to do."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    crash: tuple[Size, ...]  # one per seed
    workers: tuple[Size, ...]
    emails: int  # whose latency is measured
    backlog: int


@dataclass(frozen=True)
class Answered:
    """One email's way, in ms."""

    whole: float  # Dovecot accepted it -> the reply was accepted
    own: float | None  # the push was seen -> the reply was accepted; None: no push came first, polling found it


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    try:
        print_rows(_measured(options), command="make bench-reliability", cores=os.cpu_count())
    except MissingError as missing:
        print(missing, file=sys.stderr)
        return 2
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.reliability")
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {','.join(PARTS)}")
    parser.add_argument("--full", action="store_true", help="5,000 kills, four workers, a backlog of 100,000")
    parser.add_argument("--model", default="release", help="release, or the name of one under models/built")
    parser.add_argument("--kills", type=int, default=60, help="of the crash harness, over three times as many emails")
    parser.add_argument("--workers-emails", type=int, default=1_000)
    parser.add_argument("--emails", type=int, default=150, help="whose latency is measured")
    parser.add_argument("--backlog", type=int, default=0, help="emails; 5,000, with --full 100,000")
    parser.add_argument("--seed", type=int, default=1, help="of the first run; others count on from it")
    parser.add_argument("--store", type=Path, default=ROOT / "build" / "reliability", help="of finished runs")
    return parser.parse_args(arguments)


def _measured(options: argparse.Namespace) -> Iterator[Row]:
    parts = options.only.split(",")
    if unknown := set(parts) - set(PARTS):
        raise MissingError(f"--only names {', '.join(sorted(unknown))}; it can name {', '.join(PARTS)}.")
    sizes = _sizes(options)
    if "latency" in parts:  # first: it needs a model, which may be missing
        yield from latency(sizes.emails, options.model, options.seed)
    if "crash" in parts:
        yield from crash("crash harness", sizes.crash, options.store)
    if "workers" in parts:
        for size in sizes.workers:
            yield from crash(f"{size.workers} workers on PostgreSQL", (size,), options.store)
    if "memory" in parts:
        yield memory(sizes.backlog)


def _sizes(options: argparse.Namespace) -> Sizes:
    seeds = range(options.seed, options.seed + 17)
    emails = options.workers_emails
    workers = tuple(Size(emails, emails // 20, options.seed, workers=number) for number in (2, 4))
    if options.full:
        runs = tuple(Size(1_000, 300, seed) for seed in seeds)  # 5,100 kills
        return Sizes(runs, workers, options.emails, options.backlog or 100_000)
    run = Size(3 * options.kills, options.kills, options.seed)
    return Sizes((run,), workers[:1], options.emails, options.backlog or 5_000)


# --- kills ------------------------------------------------------------------------------------------------------------


def crash(kind: str, sizes: Sequence[Size], store: Path) -> Iterator[Row]:
    """What runs of the crash harness found, summed up."""
    found = [_stored(store, size) for size in sizes]
    total = {name: sum(one[name] for one in found) for name in ("emails", "kills", "repeated", "explained_repeats")}
    wrong = [sentence for one in found for sentence in one["wrong"]]
    enough = total["kills"] >= KILLS_AIMED_AT or sizes[0].workers >= 4
    about = {**total, "seeds": [size.seed for size in sizes], "seconds": sum(one["seconds"] for one in found)}
    for name in ("lost", "twice", "in_doubt"):
        figure = sum(one[name] for one in found)
        met = "neither" if figure else "aim" if enough else "floor"
        more = {**about, "wrong": wrong[:5], "met": met}
        yield row(f"{kind}: {name.replace('_', ' ')}", total["emails"], figure, 0, 0, **more)
    unexplained = total["repeated"] - total["explained_repeats"]
    yield row(f"{kind}: repeats without a reason", total["repeated"], unexplained, 0, 0)


def _stored(store: Path, size: Size) -> dict[str, Any]:
    """A run's line, from the store where this very code has made it before."""
    name = "-".join(f"{value:d}" for value in asdict(size).values())
    path = store / f"crash-{name}-{_code()}.json"
    if not path.exists():
        line = on_own_servers(size).line()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(line)
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def _code() -> str:
    """Changes with any file of the service or of the harness."""
    files = sorted([*(ROOT / "triage").rglob("*.py"), *(ROOT / "tests" / "crash").glob("*.py")])
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]


# --- latency ----------------------------------------------------------------------------------------------------------


def latency(emails: int, model: str, seed: int) -> Iterator[Row]:
    """Emails that come one by one, at odd moments, to the service as ``triage run`` builds it."""
    with tempfile.TemporaryDirectory(prefix="latency-") as made, DovecotServer() as dovecot, _quiet_sink() as sink:
        steps = bare_steps(dovecot, sink, Path(made))
        with _serving(dovecot, sink, Path(made), model) as post:
            answers = [post.answer(number, chance) for chance in [random.Random(seed)] for number in range(emails)]
    own = sorted(one.own for one in answers[WARMING:] if one.own is not None)
    whole = sorted(one.whole for one in answers[WARMING:])
    about = {"unit": "ms", "model": post.model, "bare_steps_ms": steps, "cpu_load": round(os.getloadavg()[0], 1)}
    submission = steps["submission"]
    for share, floor, aim in ((0.5, 60, 15), (0.99, 200, 40)):
        figure = quantile(own, share)
        more = {**about, "submissions": round(figure / submission, 1), "highest": round(own[-1], 1)}
        yield row(f"push to reply accepted, own part, p{share * 100:.0f}", len(own), figure, floor, aim, **more)
    figure = quantile(whole, 0.5)
    more = {**about, "submissions": round(figure / submission, 1), "p99": round(quantile(whole, 0.99), 1)}
    yield row("accepted by Dovecot to reply accepted, p50", len(whole), figure, 600, 520, **more)


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below or at which this share of all lies; ``ordered`` ascends."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _quiet_sink() -> Sink:
    return Sink(Plan(0, shares=()))


def bare_steps(dovecot: DovecotServer, sink: Sink, folder: Path) -> dict[str, float]:
    """Medians in ms of what each email costs at least: one submission, one NOOP, one commit."""
    sender = SmtpSender(_smtp(sink.port))
    mail = Outgoing(MAILBOX, "nobody@client.example", customer_email("a bare step") + b"x" * 70 * 100 + b"\r\n")
    imap = IMAPClient(dovecot.host, dovecot.port, ssl=False)
    imap.login(dovecot.new_user()[0], PASSWORD)
    database = sqlite3.connect(folder / "bare.db", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE bare (text TEXT)")
    try:
        return {
            "submission": _median_ms(lambda: sender.send([mail])),
            "noop": _median_ms(imap.noop),
            "commit": _median_ms(lambda: database.execute("INSERT INTO bare VALUES (?)", ("x" * 4_000,))),
        }
    finally:
        sender.close()
        imap.logout()
        database.close()


def _median_ms(step: Callable[[], object]) -> float:
    step()  # connects
    times = []
    for _ in range(STEPS):
        began = time.perf_counter()
        step()
        times.append((time.perf_counter() - began) * 1000)
    return round(statistics.median(times), 3)


def _smtp(port: int) -> Server:
    return Server("127.0.0.1", port, Security.PLAIN)


@contextmanager
def _serving(dovecot: DovecotServer, sink: Sink, folder: Path, model: str) -> Iterator["Post"]:
    """A live service in a process of its own. Raises MissingError where there is no model."""
    user = dovecot.new_user()[0]
    url = f"sqlite:///{folder}/triage.db"
    upgrade(url, ROOT / "migrations")
    journal = open_journal(url)
    go_live(journal, dovecot, user)
    journal.close()
    child = _child("serve", env=_environment(dovecot, user, sink, folder, url, model))
    assert child.stdout
    first, _, what = child.stdout.readline().decode().strip().partition(" ")
    try:
        if first != "model":
            raise MissingError(
                f"There is no model to measure: {what or 'the service did not start'}. Train one with `triage train` "
                "and name it with --model, or leave the latency out: --only crash,workers,memory."
            )
        imap = IMAPClient(dovecot.host, dovecot.port, ssl=False)
        imap.login(user, PASSWORD)
        post = Post(imap, sink, what)
        Thread(target=post.listen, args=(child,), daemon=True).start()
        wait_until(lambda: post.pushes, "the service watches the inbox")
        yield post
        imap.logout()
    finally:
        with suppress(ProcessLookupError):
            child.send_signal(signal.SIGTERM)
        child.wait(timeout=20)
        child.stdout.close()


def _environment(dovecot: DovecotServer, user: str, sink: Sink, folder: Path, url: str, model: str) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("TRIAGE_")}
    settings = {
        "MAILBOX_ADDRESS": MAILBOX,
        "IMAP_HOST": dovecot.host,
        "IMAP_PORT": str(dovecot.port),
        "IMAP_SECURITY": "plain",
        "IMAP_USER": user,
        "IMAP_PASSWORD": PASSWORD,
        "SMTP_HOST": sink.host,
        "SMTP_PORT": str(sink.port),
        "SMTP_SECURITY": "plain",
        "DATABASE_URL": url,
        "DATA_DIR": str(folder),
        "MODEL": model,
    }
    return own | {f"TRIAGE_{name}": value for name, value in settings.items()}


@dataclass
class Post:
    """Customers on one side of a service, its outgoing server on the other, and when it was woken in between."""

    imap: IMAPClient  # to put emails into the mailbox
    sink: Sink
    model: str
    pushes: list[float] = field(default_factory=list)  # time.time()

    def listen(self, child: subprocess.Popen[bytes]) -> None:
        for line in child.stdout or ():
            self.pushes.append(float(line.split()[1]))

    def answer(self, number: int, chance: random.Random) -> Answered:
        """Write one email, wait for what the customer gets."""
        # The mailbox is at rest: Dovecot has told of the last email's move, half a second after it, and no rhythm of
        # ours falls in with its timers.
        time.sleep(chance.uniform(0.7, 1.2))
        address = f"customer-{number}@client.example"
        entries = list(CONTENT.entries.values())
        raw = customer_email(entries[number % len(entries)].question, sender=address, number=number)
        self.imap.append("INBOX", raw)
        began = time.time()
        wait_until(lambda: self._accepted(address), f"email {number} is answered", seconds=BEHIND_S)
        accepted = self._accepted(address)
        pushed = [at for at in self.pushes if began < at < accepted]
        return Answered((accepted - began) * 1000, (accepted - pushed[0]) * 1000 if pushed else None)

    def _accepted(self, address: str) -> float:
        """When the customer's mail was accepted; 0 before."""
        return next((one.at.timestamp() for one in reversed(self.sink.taken) if one.recipient == address), 0.0)


# --- memory -----------------------------------------------------------------------------------------------------------


def memory(emails: int) -> Row:
    """Peak memory of a service that finds a backlog, against that of one that finds a hundred emails."""
    few, many = weigh(100), weigh(emails)
    more = {"unit": "times the memory", "few": few, "many": many, "per_second": round(emails / many["seconds"], 1)}
    return row("memory with a backlog against 100 emails", emails, many["peak_mb"] / few["peak_mb"], 1.2, 1.05, **more)


def weigh(emails: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="backlog-") as made, DovecotServer() as dovecot, SmtpSink() as sink:
        user = dovecot.new_user()[0]
        url = f"sqlite:///{made}/triage.db"
        upgrade(url, ROOT / "migrations")
        journal = open_journal(url)
        go_live(journal, dovecot, user)
        journal.close()
        fill(dovecot, user, emails)
        order = Order("backlog", url, dovecot.port, user, PASSWORD, sink.port, made)
        child = _child("backlog", env=dict(os.environ))
        said, _ = child.communicate(json.dumps({**asdict(order), "emails": emails}).encode() + b"\n")
        if not said:
            raise MissingError(
                f"The process before the backlog of {emails} emails ended by itself; its words are above."
            )
        weight: dict[str, Any] = json.loads(said)
        return weight


def fill(dovecot: DovecotServer, user: str, emails: int) -> None:
    """Put emails of 2.5 KB, a usual size, into a mailbox."""
    imap = IMAPClient(dovecot.host, dovecot.port, ssl=False)
    imap.login(user, PASSWORD)
    words = b"We have waited for this since last week and would be glad to hear from you soon.\r\n" * 25
    for start in range(0, emails, PER_APPEND):
        numbers = range(start, min(start + PER_APPEND, emails))
        imap.multiappend("INBOX", [_one_of_many(number) + words for number in numbers])
    imap.logout()


def _one_of_many(number: int) -> bytes:
    subject = ("reset-password", "update-address", "billing-dispute", "thanks")[number % 4]
    return customer_email(subject, sender=f"customer-{number}@client.example", number=number)


def _child(what: str, env: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.bench.reliability_child", what]
    return subprocess.Popen(command, cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


if __name__ == "__main__":
    sys.exit(main())

"""The service: when each worker receives, delivers and settles, and what happens when one of them fails."""

import logging
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from triage.journal.database import JournalError
from triage.mailroom.ports import MailError
from triage.worker import Bell, Worker, whence

log = logging.getLogger("triage")

LEAVE_WITHIN_S = 5  # after SIGTERM
DELIVER_EVERY_S = 1  # the outbox is asked again at least this often; receiving wakes it at once
SETTLE_EVERY_S = 5
LONGEST_PAUSE_S = 600  # between two tries of a job that fails
JOBS = 3  # of a worker
NEVER = datetime.min.replace(tzinfo=UTC)


def run_once(worker: Worker) -> Exception | None:
    """Take in what is there, deliver, settle. Returns the first failure, after the others had their turn."""
    failure: Exception | None = None
    for job in (worker.receive, worker.deliver, worker.settle):
        try:
            job()
        except (MailError, JournalError) as error:
            log.error("%s of %s: %s", job.__name__, worker.address, error)
            _note(worker, job.__name__, error)
            failure = failure or error
    return failure


@dataclass
class Pause:
    """After a failure a job is left alone for a while, longer each time: a server that is down is not helped by being
    asked every second, and a wrong password locks the account."""

    until: datetime = NEVER
    failures: int = 0
    said: str = ""  # the sentence that was logged last: the same one is logged once

    def lengthen(self, error: Exception, now: datetime, usual_s: float) -> None:
        self.failures += 1
        lasting = isinstance(error, MailError) and error.permanent
        seconds = LONGEST_PAUSE_S if lasting and self.failures > 1 else usual_s * 2 ** min(self.failures - 1, 10)
        self.until = now + timedelta(seconds=min(seconds, LONGEST_PAUSE_S))

    def end(self) -> None:
        self.until, self.failures, self.said = NEVER, 0, ""


@dataclass
class Service:
    """Workers on a schedule, until somebody asks them to stop."""

    workers: Sequence[Worker]
    poll_seconds: float
    stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        # A job may wait for its own turn: two threads for each, so that a hanging server stops nobody else.
        pool = ThreadPoolExecutor(2 * JOBS * max(1, len(self.workers)))
        self._scheduler = BackgroundScheduler(timezone=UTC, executors={"default": pool})

    def start(self) -> None:
        for worker in self.workers:
            self._add(worker, worker.receive, self.poll_seconds, wakes="deliver")
            self._add(worker, worker.deliver, DELIVER_EVERY_S, wakes="settle")
            self._add(worker, worker.settle, SETTLE_EVERY_S, wakes=None)
        self._scheduler.start()
        for worker in self.workers:
            if worker.bell is not None:
                threading.Thread(target=self._listen, args=(worker, worker.bell), daemon=True).start()

    def run(self) -> bool:
        """Serve until SIGTERM or SIGINT; then finish the email at hand. False: something still hangs in a server."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stopping.set())
        self.start()
        log.info("serving %s, every %s s", ", ".join(worker.address for worker in self.workers), self.poll_seconds)
        self.stopping.wait()
        return self.stop()

    def stop(self) -> bool:
        """Let the jobs finish what they are at. False: one hangs in a server, and is left to the next start."""
        self.stopping.set()
        for worker in self.workers:
            worker.stopping.set()
            if worker.bell is not None:
                worker.bell.interrupt()
        ending = threading.Thread(target=self._scheduler.shutdown, daemon=True)
        ending.start()
        ending.join(LEAVE_WITHIN_S - 1)
        if ending.is_alive():
            log.warning("a mail server does not answer: leaving; what was begun is taken up at the next start")
            return False
        for worker in self.workers:
            worker.close()
        return True

    def _add(self, worker: Worker, job: Callable[[], int], seconds: float, *, wakes: str | None) -> None:
        # A job that is late runs once, and never beside itself: a second run waits for the first, so that what woke it
        # while the first was ending is not overlooked.
        turn, pause = threading.Lock(), Pause()

        def run() -> None:
            with turn:
                if datetime.now(UTC) >= pause.until and self._run(worker, job, pause, seconds) and wakes:
                    self._hurry(worker, wakes)

        self._scheduler.add_job(
            run,
            IntervalTrigger(seconds=seconds, timezone=UTC),
            id=f"{job.__name__} {worker.address}",
            next_run_time=datetime.now(UTC),
            max_instances=2,
            coalesce=True,
            misfire_grace_time=None,
        )

    def _run(self, worker: Worker, job: Callable[[], int], pause: Pause, seconds: float) -> int:
        """What the job did; 0 where it failed. Its failures are survived, and said once."""
        try:
            done = job()
        except (MailError, JournalError) as error:
            pause.lengthen(error, datetime.now(UTC), seconds)
            sentence = str(error)
            _note(worker, job.__name__, error)
        except Exception as error:  # noqa: BLE001 - a fault of ours in one job must not end the service
            pause.lengthen(error, datetime.now(UTC), seconds)
            sentence = f"our own error: {whence(error)}"
        else:
            if pause.failures:
                log.info("%s of %s works again", job.__name__, worker.address)
            pause.end()
            return done
        if sentence != pause.said:
            log.error("%s of %s: %s", job.__name__, worker.address, sentence)
            pause.said = sentence
        return 0

    def _listen(self, worker: Worker, bell: Bell) -> None:
        """The server's word that something has changed is only a hint: polling stays the safety net."""
        while not self.stopping.is_set():
            if bell.wait(self.poll_seconds):
                self._hurry(worker, "receive")
        bell.close()

    def _hurry(self, worker: Worker, job: str) -> None:
        if not self.stopping.is_set():
            self._scheduler.modify_job(f"{job} {worker.address}", next_run_time=datetime.now(UTC))


def _note(worker: Worker, job: str, error: Exception) -> None:
    """A failed poll belongs to the mailbox's health, as far as the journal can be written."""
    if job == "receive" and isinstance(error, MailError):
        try:
            worker.journal.mailboxes.fails(worker.address, str(error), worker.now())
        except JournalError as failure:
            log.error("the failure could not be written down: %s", failure)

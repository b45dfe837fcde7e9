"""The service: when each worker receives, delivers and settles, and what happens when one of them fails."""

import logging
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from triage.journal.database import JournalError
from triage.mailroom.ports import MailError
from triage.worker import Bell, Worker

log = logging.getLogger("triage")

LEAVE_WITHIN_S = 5  # after SIGTERM
DELIVER_EVERY_S = 1  # the outbox is asked again at least this often; receiving wakes it at once
SETTLE_EVERY_S = 5


def run_once(worker: Worker) -> None:
    """Take in what is there, deliver, settle. Raises the first failure after the others had their turn."""
    failure: Exception | None = None
    for job in (worker.receive, worker.deliver, worker.settle):
        try:
            job()
        except (MailError, JournalError) as error:
            _note(worker, job.__name__, error)
            failure = failure or error
    if failure:
        raise failure


@dataclass
class Service:
    """Workers on a schedule, until somebody asks them to stop."""

    workers: Sequence[Worker]
    poll_seconds: float
    stopping: threading.Event = field(default_factory=threading.Event)
    _scheduler: BackgroundScheduler = field(default_factory=lambda: BackgroundScheduler(timezone=UTC))

    def start(self) -> None:
        for worker in self.workers:
            receive = self._then(worker, worker.receive, f"deliver {worker.address}")
            deliver = self._then(worker, worker.deliver, f"settle {worker.address}")
            self._add(f"receive {worker.address}", receive, self.poll_seconds)
            self._add(f"deliver {worker.address}", deliver, DELIVER_EVERY_S)
            self._add(f"settle {worker.address}", self._then(worker, worker.settle, None), SETTLE_EVERY_S)
        self._scheduler.start()
        for worker in self.workers:
            if worker.bell is not None:
                threading.Thread(target=self._listen, args=(worker, worker.bell), daemon=True).start()

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT; then finish the email at hand and leave within five seconds."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stopping.set())
        self.start()
        log.info("serving %s, every %s s", ", ".join(worker.address for worker in self.workers), self.poll_seconds)
        self.stopping.wait()
        self.stop()

    def stop(self) -> None:
        """Let the jobs finish what they are at. What hangs in a server is left to the next start."""
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
            return
        for worker in self.workers:
            worker.close()

    def _add(self, name: str, job: Callable[[], None], seconds: float) -> None:
        # A job that is late runs once, and never beside itself: a second run waits for the first, so that what woke it
        # while the first was ending is not overlooked.
        turn = threading.Lock()

        def in_turn() -> None:
            with turn:
                job()

        self._scheduler.add_job(
            in_turn,
            IntervalTrigger(seconds=seconds, timezone=UTC),
            id=name,
            next_run_time=datetime.now(UTC),
            max_instances=2,
            coalesce=True,
            misfire_grace_time=None,
        )

    def _then(self, worker: Worker, job: Callable[[], int], next_job: str | None) -> Callable[[], None]:
        """The job, surviving its failures; what it did wakes the next station."""

        def run() -> None:
            try:
                done = job()
            except (MailError, JournalError) as error:
                _note(worker, job.__name__, error)
                return
            except Exception:  # a fault of ours in one job must not end the service
                log.exception("%s of %s failed", job.__name__, worker.address)
                return
            if done and next_job:
                self._hurry(next_job)

        return run

    def _listen(self, worker: Worker, bell: Bell) -> None:
        """The server's word that something has changed is only a hint: polling stays the safety net."""
        while not self.stopping.is_set():
            if bell.wait(self.poll_seconds):
                self._hurry(f"receive {worker.address}")
        bell.close()

    def _hurry(self, name: str) -> None:
        if not self.stopping.is_set():
            self._scheduler.modify_job(name, next_run_time=datetime.now(UTC))


def _note(worker: Worker, job: str, error: Exception) -> None:
    """A failure in the log and, as far as the journal can be written, in the mailbox's health."""
    log.error("%s of %s: %s", job, worker.address, error)
    if job == "receive" and isinstance(error, MailError):
        try:
            worker.journal.mailboxes.fails(worker.address, str(error), worker.now())
        except JournalError:
            log.exception("the failure could not be written down")

"""The processes that ``tests.bench.reliability`` measures: a service from wiring, and one before a backlog."""

import json
import logging
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tests.crash.life import Order, build_worker
from tests.house import CONTENT, MAILBOX
from triage import wiring
from triage.journal.states import FINAL
from triage.schedule import Service
from triage.settings import read_settings
from triage.worker import Bell, Worker

_LOOK_S = 1.0


@dataclass(frozen=True)
class Weight:
    """What a process weighed while it took in all there was."""

    emails: int
    peak_mb: float
    seconds: float


class NotingBell:
    """The bell of a worker; prints when it rang (time.time())."""

    def __init__(self, bell: Bell) -> None:
        self._bell = bell

    def wait(self, timeout_s: float) -> bool:
        rang = self._bell.wait(timeout_s)
        if rang:
            print(f"push {time.time()}", flush=True)
        return rang

    def interrupt(self) -> None:
        self._bell.interrupt()

    def close(self) -> None:
        self._bell.close()


def serve() -> None:
    """The service as ``triage run`` builds it from the environment, until SIGTERM. Its first line says what thinks:
    ``model NAME``, or ``missing WHY``."""
    from triage.classifier.predict import Broken  # 130 MB that the other process does without

    settings = read_settings()
    service, (mailbox,) = settings.service, settings.mailboxes
    logging.basicConfig(filename=service.data_dir / "service.log", level=logging.INFO)
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    content = wiring.read_config(service)
    desk = wiring.build_desk(content, service)
    if isinstance(desk.classifier, Broken):
        print(f"missing {desk.classifier.failure}", flush=True)
        return
    worker = wiring.build_worker(mailbox, service, content, desk, wiring.build_journal(service))
    assert worker.bell
    print(f"model {service.model}", flush=True)
    Service([replace(worker, bell=NotingBell(worker.bell))], service.poll_seconds).run()


def backlog(order: Order, emails: int) -> None:
    """Serve a mailbox until all its emails have their outcome and are put away; print what that weighed. By the policy
    as it is: after 500 automatic mails the breaker opens, and the other emails go to the teams."""
    logging.basicConfig(filename=Path(order.data_dir) / f"{order.name}.log", level=logging.ERROR)
    worker = build_worker(order)
    policy = CONTENT.policy
    worker = replace(worker, desk=replace(worker.desk, policy=policy), house=replace(worker.house, policy=policy))
    service = Service([worker], poll_seconds=30)
    began = time.monotonic()
    service.start()
    _wait_until(lambda: _is_done(worker, emails))
    weight = Weight(emails, _peak_mb(), time.monotonic() - began)
    service.stop()
    print(json.dumps(asdict(weight)), flush=True)


def _is_done(worker: Worker, emails: int) -> bool:
    counts = worker.journal.history.counts()
    done = sum(count for state, count in counts.items() if state in FINAL)
    return done >= emails and not worker.journal.history.to_put_away(MAILBOX, 1)


def _wait_until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(_LOOK_S)


def _peak_mb() -> float:
    """Highest resident size of this process: getrusage() would count the parent's too, until exec."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def main() -> None:
    what = sys.argv[1]
    if what == "serve":
        serve()
        return
    given = json.loads(sys.stdin.readline())
    emails = given.pop("emails")
    backlog(Order(**given), emails)


if __name__ == "__main__":
    main()

"""The service around the worker: pauses after failures, and leaving when asked to."""

import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.house import CONTENT, MAILBOX, ROOT, Keywords
from triage.core.compose import House
from triage.desk import Desk
from triage.journal.opening import open_journal
from triage.journal.schema import upgrade
from triage.mailroom.ports import Fetched, FolderStatus, MailError
from triage.schedule import LEAVE_WITHIN_S, LONGEST_PAUSE_S, Pause, Service
from triage.worker import Worker

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("failures", "error", "seconds"),
    [
        (1, MailError("down"), 30),
        (2, MailError("down"), 60),
        (4, MailError("down"), 240),
        (9, MailError("down"), LONGEST_PAUSE_S),
        (1, MailError("wrong password", permanent=True), 30),
        (2, MailError("wrong password", permanent=True), LONGEST_PAUSE_S),
        (2, ValueError("ours"), 60),
    ],
)
def test_a_job_that_fails_is_left_alone_longer_each_time(failures: int, error: Exception, seconds: int) -> None:
    pause = Pause()
    for _ in range(failures):
        pause.lengthen(error, NOW, 30)
    assert pause.until - NOW == timedelta(seconds=seconds)
    pause.end()
    assert pause.until < NOW


class Hanging:
    """A mailbox that never answers until it is let go."""

    def __init__(self) -> None:
        self.asked, self.go = threading.Event(), threading.Event()

    def status(self) -> FolderStatus:
        self.asked.set()
        self.go.wait(60)
        return FolderStatus(1, 1)

    def uids(self, first: int, last: int) -> list[int]:
        return []

    def fetch(self, uids: list[int], limit: int) -> list[Fetched]:
        return []

    def __getattr__(self, name: str) -> object:
        return lambda *args, **named: []


def test_a_server_that_hangs_does_not_keep_the_service_from_leaving(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/triage.db"
    upgrade(url, ROOT / "migrations")
    journal, hanging = open_journal(url), Hanging()
    house = House(CONTENT.policy, CONTENT.entries, CONTENT.texts, MAILBOX, b"k")
    desk = Desk(Keywords(), CONTENT.policy, CONTENT.entries)
    worker = Worker(MAILBOX, journal, desk, house, hanging, hanging, hanging, hanging, tmp_path)  # type: ignore[arg-type]
    service = Service([worker], poll_seconds=30)
    service.start()
    assert hanging.asked.wait(20)
    started = time.monotonic()
    assert service.stop() is False
    assert time.monotonic() - started < LEAVE_WITHIN_S + 1
    hanging.go.set()

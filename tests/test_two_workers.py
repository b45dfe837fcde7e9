"""Two workers on one mailbox and one PostgreSQL: nothing has to tell them of each other."""

import threading
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.crash.campaign import Size, run
from tests.house import Ground, Killed, dies_before
from tests.servers.dovecot import DovecotServer
from tests.servers.postgres import PostgresServer
from tests.servers.recording_smtp import RecordingSmtp
from triage.mailroom.imap import ImapMailbox
from triage.mailroom.smtp import SmtpSender
from triage.worker import Worker

EMAILS = 30
SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture
def ground(
    postgres: PostgresServer,
    dovecot: DovecotServer,
    dovecot_user: str,
    recording_smtp: RecordingSmtp,
    tmp_path: Path,
) -> Iterator[Ground]:
    """A live mailbox with emails that nobody has taken in yet."""
    url = postgres.url(postgres.new_database())
    ground = Ground(dovecot, recording_smtp, url, tmp_path, dovecot_user)
    ground.go_live()
    write(ground, range(EMAILS))
    yield ground
    ground.close()


def write(ground: Ground, numbers: range) -> None:
    for number in numbers:
        ground.deliver("reset-password", sender=f"customer{number}@client.example", number=number)


def at_once(*jobs: object) -> list[int]:
    """Run each in a thread, begun together; gives what they return."""
    start = threading.Barrier(len(jobs))
    results: list[int] = []

    def begin(job: object) -> None:
        start.wait(timeout=10)
        results.append(job())  # type: ignore[operator]

    threads = [threading.Thread(target=begin, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(results) == len(jobs)
    return results


def workers(ground: Ground) -> tuple[Worker, Worker]:
    return ground.worker(name="first"), ground.worker(name="second")


def attempts_by(ground: Ground) -> Counter[str]:
    rows = ground.journal.history.log(limit=1_000)
    details = [ground.journal.history.email(row.id) for row in rows]
    return Counter(attempt.worker for detail in details if detail for attempt in detail.attempts)


def test_both_look_at_the_same_emails_and_each_is_taken_in_once(ground: Ground) -> None:
    first, second = workers(ground)
    taken = at_once(first.receive, second.receive)
    assert sum(taken) == EMAILS
    assert ground.states() == {"waiting_for_delivery": EMAILS}


def test_an_email_that_another_session_moved_since_we_looked_is_gone_and_no_empty_email(ground: Ground) -> None:
    inbox = ImapMailbox(ground.dovecot.server(ground.user))
    inbox.status()
    first, second, *_ = inbox.uids(1, 1_000)
    ground.dovecot.command(ground.user, 'CREATE "Elsewhere"', "SELECT INBOX", f'UID MOVE {first} "Elsewhere"')
    assert [one.uid for one in inbox.fetch([first, second], 1_000)] == [second]
    inbox.close()


def test_deliveries_are_shared_and_none_is_made_twice(ground: Ground) -> None:
    first, second = workers(ground)
    first.receive()
    tried = at_once(first.deliver, second.deliver)
    assert sum(tried) == EMAILS
    assert ground.states() == {"answered": EMAILS}
    assert Counter(received.rcpts[0] for received in ground.smtp.received) == {
        f"customer{number}@client.example": 1 for number in range(EMAILS)
    }


def test_both_put_away_and_every_email_is_there_once(ground: Ground) -> None:
    first, second = workers(ground)
    first.receive()
    first.deliver()
    at_once(first.settle, second.settle)
    assert [ground.folder(name) for name in ("INBOX", "Triage/Answered")] == [0, EMAILS]


def test_what_one_is_putting_away_the_other_leaves_alone_until_the_claim_ends(ground: Ground) -> None:
    first, second = workers(ground)
    first.receive()
    first.deliver()
    ground.journal.history.claim_to_put_away(first.address, ground.now, first.claim_for, EMAILS)  # and then it dies
    assert second.settle() == 0
    ground.now += second.claim_for
    assert second.settle() == EMAILS
    assert [ground.folder(name) for name in ("INBOX", "Triage/Answered")] == [0, EMAILS]


def test_when_one_dies_the_other_takes_in_new_mail_at_its_next_look_and_the_dead_ones_claims_after_their_time(
    ground: Ground,
) -> None:
    dying, other = workers(ground)
    dying.receive()
    dead = SmtpSender(ground.smtp.server())
    dead.send = dies_before(dead.send)  # type: ignore[method-assign]
    with pytest.raises(Killed):
        ground.worker(name="first", sender=dead).deliver()
    claimed = attempts_by(ground)["first"]
    write(ground, range(EMAILS, EMAILS + 3))

    assert other.receive() == 3
    assert other.deliver() == EMAILS - claimed + 3
    ground.now += other.claim_for - SECOND
    assert other.deliver() == 0
    ground.now += SECOND
    assert other.deliver() == claimed
    assert ground.states() == {"answered": EMAILS + 3}
    assert len(ground.smtp.received) == EMAILS + 3


def test_two_processes_of_which_one_or_the_other_is_killed_lose_nothing_and_send_nothing_twice(
    postgres: PostgresServer, dovecot: DovecotServer, tmp_path: Path
) -> None:
    size = Size(emails=40, kills=10, workers=2)
    outcome = run(size, dovecot, postgres.url(postgres.new_database()), tmp_path)
    assert outcome.holds, outcome.line()
    assert outcome.kills >= 10

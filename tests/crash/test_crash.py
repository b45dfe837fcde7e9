"""A small campaign of kills, and the verdict itself: it finds what is wrong, and nothing where nothing is."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.crash.campaign import Size, run
from tests.crash.sink import Mishap, Plan, Taken
from tests.crash.verdict import Counted, Customer, Expected, count
from tests.journal.values import CLAIM, MIGRATIONS, NOW, SECOND, live, owed, take_in
from tests.servers.dovecot import DovecotServer
from triage.journal.opening import Journal, open_journal
from triage.journal.outbox import Result
from triage.journal.schema import upgrade
from triage.journal.states import State, Verdict

ANN = "ann@client.example"
LIFE = "life-1"
ANSWERED = Customer(ANN, 1, Expected(State.ANSWERED, to_customer=1))


def test_a_worker_that_is_killed_at_every_point_loses_nothing_and_sends_nothing_twice(
    dovecot: DovecotServer, tmp_path: Path
) -> None:
    outcome = run(Size(emails=40, kills=20), dovecot, f"sqlite:///{tmp_path}/triage.db", tmp_path)
    assert outcome.holds, outcome.line()
    assert outcome.kills >= 20


def test_where_the_server_files_copies_in_sent_nothing_goes_out_again(dovecot: DovecotServer, tmp_path: Path) -> None:
    size = Size(emails=12, kills=9, sent_copies=True)
    outcome = run(size, dovecot, f"sqlite:///{tmp_path}/triage.db", tmp_path)
    assert outcome.holds, outcome.line()
    assert outcome.counted.repeated == 0


# --- the verdict ------------------------------------------------------------------------------------------------------


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A journal with one email of Ann's, whose answer is owed."""
    url = f"sqlite:///{tmp_path}/triage.db"
    upgrade(url, MIGRATIONS)
    journal = open_journal(url)
    live(journal)
    take_in(journal, 1, [owed("a")])
    yield journal
    journal.close()


def attempt(journal: Journal, verdict: Verdict | None, minute: int) -> None:
    """A life tries to deliver Ann's answer, and learns what became of it or is killed before (None)."""
    at = NOW + timedelta(minutes=minute)
    (row,) = journal.outbox.claim(10, LIFE, at, CLAIM)
    if verdict:
        journal.outbox.record([Result(row, verdict, "", at + SECOND)], at)


def taken(name: str, minute: int = 0, *, raw: str = "bytes", withheld: bool = False) -> Taken:
    at = NOW + timedelta(minutes=minute, milliseconds=1)
    return Taken(at, ANN, f"<{name}@shop.example>", ANN, raw, withheld)


def counted(journal: Journal, *mails: Taken, killed_after: timedelta | None = None) -> Counted:
    killed = {LIFE: NOW + killed_after} if killed_after else {}
    return count([ANSWERED], mails, journal, killed)


def test_an_email_that_was_answered_once_is_in_order(journal: Journal) -> None:
    attempt(journal, Verdict.ACCEPTED, 0)
    assert counted(journal, taken("a")) == Counted()


def test_an_email_without_its_outcome_is_lost_and_its_mail_in_doubt(journal: Journal) -> None:
    found = counted(journal)
    assert (found.lost, found.in_doubt, found.holds) == (1, 1, False)


def test_an_email_that_the_journal_does_not_know_is_lost(journal: Journal) -> None:
    attempt(journal, Verdict.ACCEPTED, 0)
    bob = Customer("bob@client.example", 2, Expected(State.IGNORED))
    assert count([ANSWERED, bob], [taken("a")], journal, {}).lost == 1


def test_a_reply_that_the_journal_believes_sent_and_no_server_has_is_lost(journal: Journal) -> None:
    attempt(journal, Verdict.ACCEPTED, 0)
    assert counted(journal).lost == 1


def test_two_replies_with_ids_of_their_own_are_one_too_many(journal: Journal) -> None:
    attempt(journal, Verdict.ACCEPTED, 0)
    found = counted(journal, taken("a"), taken("b"))
    assert (found.twice, found.holds) == (1, False)


def test_a_repeat_is_explained_where_the_kill_fell_before_our_record(journal: Journal) -> None:
    attempt(journal, None, 0)
    attempt(journal, Verdict.ACCEPTED, 2)
    found = counted(journal, taken("a"), taken("a", 2), killed_after=SECOND)
    assert (found.repeated, found.after_kill, found.holds) == (1, 1, True)


@pytest.mark.parametrize(("verdict", "killed_after"), [(Verdict.UNKNOWN, None), (None, 60 * SECOND)])
def test_a_repeat_is_explained_where_the_server_never_answered(
    journal: Journal, verdict: Verdict | None, killed_after: timedelta | None
) -> None:
    attempt(journal, verdict, 0)
    attempt(journal, Verdict.ACCEPTED, 2)
    found = counted(journal, taken("a", withheld=True), taken("a", 2), killed_after=killed_after)
    assert (found.repeated, found.after_lost_answer, found.holds) == (1, 1, True)


@pytest.mark.parametrize("verdict", [None, Verdict.UNKNOWN, Verdict.DEFERRED])
def test_a_repeat_without_a_kill_or_a_lost_answer_has_no_excuse(journal: Journal, verdict: Verdict | None) -> None:
    attempt(journal, verdict, 0)
    attempt(journal, Verdict.ACCEPTED, 2)
    found = counted(journal, taken("a"), taken("a", 2))
    assert (found.repeated, found.explained, found.holds) == (1, 0, False)


def test_a_kill_long_after_the_acceptance_is_no_excuse(journal: Journal) -> None:
    attempt(journal, None, 0)
    attempt(journal, Verdict.ACCEPTED, 2)
    found = counted(journal, taken("a"), taken("a", 2), killed_after=60 * SECOND)
    assert (found.repeated, found.explained, found.holds) == (1, 0, False)


def test_a_repeat_within_one_attempt_has_no_excuse(journal: Journal) -> None:
    attempt(journal, Verdict.ACCEPTED, 0)
    found = counted(journal, taken("a"), taken("a"), killed_after=SECOND)
    assert (found.repeated, found.explained, found.holds) == (1, 0, False)


def test_a_repeat_with_other_bytes_is_not_the_same_mail(journal: Journal) -> None:
    attempt(journal, None, 0)
    attempt(journal, Verdict.ACCEPTED, 2)
    found = counted(journal, taken("a"), taken("a", 2, raw="others"), killed_after=SECOND)
    assert (found.changed, found.holds) == (1, False)


def test_a_plan_is_the_same_for_the_same_seed_and_every_mishap_is_in_it() -> None:
    tries = [("ann@client.example", number) for number in range(2_000)]
    met = [Plan(7).at(*one) for one in tries]
    assert met == [Plan(7).at(*one) for one in tries]
    assert met != [Plan(8).at(*one) for one in tries]
    assert set(met) == {None, *Mishap}

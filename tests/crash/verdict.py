"""What became of every email, told from what was put into the mailbox, what the SMTP server took, and the journal."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.crash.sink import Taken
from triage.journal.history import Attempt, EmailDetail
from triage.journal.opening import Journal
from triage.journal.states import RowState, State, Verdict

# Between acceptance and record a worker takes some milliseconds, on a busy machine more; and what a killed process has
# written still arrives.
_AROUND_A_KILL = timedelta(seconds=2)


@dataclass(frozen=True)
class Expected:
    """What an email of a kind ends in."""

    state: State
    to_customer: int = 0  # mails that the customer gets
    to_team: int = 0


@dataclass(frozen=True)
class Customer:
    """Who wrote one email, and none besides."""

    address: str
    uid: int  # of the email
    expected: Expected


@dataclass
class Counted:
    """The sums; what is wrong is named, for a person to look at."""

    lost: int = 0  # emails without their one outcome, or without a mail that the outcome promises
    twice: int = 0  # emails about which somebody got more mails than one, by their Message-IDs
    changed: int = 0  # mails that were sent again with the same Message-ID and other bytes
    repeated: int = 0  # mails that were sent again with the same Message-ID and the same bytes, each time counted
    after_kill: int = 0  # repeats: the kill fell between the server's acceptance and our record
    after_lost_answer: int = 0  # repeats: the server took the mail and never said so
    in_doubt: int = 0  # mails of ours whose fate the journal does not know at the end
    wrong: list[str] = field(default_factory=list)

    @property
    def explained(self) -> int:
        return self.after_kill + self.after_lost_answer

    @property
    def holds(self) -> bool:
        """The promise of the service."""
        return not (self.lost or self.twice or self.changed or self.in_doubt) and self.repeated == self.explained


def count(
    customers: Iterable[Customer], taken: Sequence[Taken], journal: Journal, killed: Mapping[str, datetime]
) -> Counted:
    """``killed``: when each life was, by its name."""
    counted = Counted()
    details = _details(journal)
    _count_outcomes(counted, customers, taken, details)
    _count_doubts(counted, details)
    _count_repeats(counted, taken, _attempts(details), killed)
    return counted


def _details(journal: Journal) -> list[EmailDetail]:
    rows = journal.history.log(limit=1_000_000)
    return [detail for row in rows if (detail := journal.history.email(row.id))]


def _count_outcomes(
    counted: Counted, customers: Iterable[Customer], taken: Sequence[Taken], details: Sequence[EmailDetail]
) -> None:
    states: dict[int, list[State]] = defaultdict(list)
    for detail in details:
        states[detail.summary.uid].append(detail.summary.state)
    mails: dict[str, list[Taken]] = defaultdict(list)
    for one in taken:
        mails[one.customer].append(one)
    for customer in customers:
        _count_outcome(counted, customer, states.pop(customer.uid, []), mails.pop(customer.address, []))
    for stray in (*states, *mails):
        counted.twice += 1
        counted.wrong.append(f"{stray} never wrote to us")


def _count_outcome(counted: Counted, customer: Customer, states: list[State], mails: list[Taken]) -> None:
    expected = customer.expected
    to_customer = {one.message_id for one in mails if one.recipient == customer.address}
    to_team = {one.message_id for one in mails if one.recipient != customer.address}
    found = f"{customer.address} is {', '.join(states) or 'unknown'}, got {len(to_customer)}, teams {len(to_team)}"
    if states != [expected.state] or len(to_customer) < expected.to_customer or len(to_team) < expected.to_team:
        counted.lost += 1
        counted.wrong.append(f"lost: {found}")
    if len(to_customer) > expected.to_customer or len(to_team) > expected.to_team:
        counted.twice += 1
        counted.wrong.append(f"twice: {found}")


def _count_doubts(counted: Counted, details: Sequence[EmailDetail]) -> None:
    for row in (row for detail in details for row in detail.outbox):
        if row.state is not RowState.SENT:
            counted.in_doubt += 1
            counted.wrong.append(f"in doubt: {row.message_id} to {row.recipient} is {row.state}")


def _attempts(details: Sequence[EmailDetail]) -> dict[str, list[Attempt]]:
    """Attempts by the Message-ID of their mail, in order."""
    found: dict[str, list[Attempt]] = defaultdict(list)
    for detail in details:
        ids = {row.id: row.message_id for row in detail.outbox}
        for attempt in detail.attempts:
            found[ids[attempt.outbox_id]].append(attempt)
    return found


def _count_repeats(
    counted: Counted, taken: Sequence[Taken], attempts: Mapping[str, list[Attempt]], killed: Mapping[str, datetime]
) -> None:
    same: dict[str, list[Taken]] = defaultdict(list)
    for one in taken:
        same[one.message_id].append(one)
    for message_id, times in same.items():
        counted.changed += len({one.digest for one in times}) - 1
        for one in times[:-1]:  # why was this one not the last?
            counted.repeated += 1
            _explain(counted, one, attempts.get(message_id, []), killed)


def _explain(counted: Counted, one: Taken, attempts: list[Attempt], killed: Mapping[str, datetime]) -> None:
    attempt = max((tried for tried in attempts if tried.claimed_at <= one.at), key=lambda tried: tried.number)
    died = killed.get(attempt.worker)
    cut_short = attempt.verdict is None and died is not None
    if cut_short and died and abs(died - one.at) < _AROUND_A_KILL:
        counted.after_kill += 1
    elif one.withheld and (cut_short or attempt.verdict is Verdict.UNKNOWN):
        counted.after_lost_answer += 1
    else:
        counted.wrong.append(
            f"repeated without a reason: {one.message_id}, attempt {attempt.number} of {attempt.worker} "
            f"ended as {attempt.verdict}: {attempt.answer}; claimed {attempt.claimed_at:%H:%M:%S.%f}, "
            f"taken {one.at:%H:%M:%S.%f}, ended {attempt.ended_at}, killed {died}"
        )

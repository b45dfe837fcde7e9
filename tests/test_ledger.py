"""Every email is accounted for: the journal's equation, and the inbox of a real Dovecot held against the journal."""

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.house import MAILBOX, ROOT, Ground
from tests.servers.dovecot import PASSWORD
from tests.servers.ground import free_port
from triage.cli.app import app
from triage.cli.ledger import problems_of
from triage.core.policy import Mode
from triage.journal.history import Ledger
from triage.journal.states import State
from triage.ledger import Inbox, compare
from triage.mailroom.imap import ImapMailbox

Run = Callable[..., Result]


@pytest.fixture
def run(ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """``triage ledger`` with these options on that ground; ``env`` changes settings."""
    monkeypatch.chdir(tmp_path)
    bare = {"TRIAGE_CONFIG_DIR": str(ROOT / "config"), "TRIAGE_DATABASE_URL": ground.url, "COLUMNS": "80"}
    mailbox = {
        "TRIAGE_MAILBOX_ADDRESS": MAILBOX,
        "TRIAGE_IMAP_HOST": ground.dovecot.host,
        "TRIAGE_IMAP_PORT": str(ground.dovecot.port),
        "TRIAGE_IMAP_SECURITY": "plain",
        "TRIAGE_IMAP_USER": ground.user,
        "TRIAGE_IMAP_PASSWORD": PASSWORD,
        "TRIAGE_SMTP_HOST": "localhost",
    }

    def invoke(*options: str, connected: bool = True, **env: str) -> Result:
        settings = bare | (mailbox if connected else {}) | env
        return CliRunner().invoke(app, ["ledger", *options], env=settings)

    return invoke


def row(result: Result, status: int = 0) -> dict[str, Any]:
    assert result.exit_code == status, result.output
    (line,) = result.stdout.splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


def overlook(ground: Ground, below: int) -> None:
    """The journal believes to have taken in everything below."""
    with ground.journal.intake(MAILBOX) as intake:
        intake.scanned(below)


def test_every_email_is_in_exactly_one_state(ground: Ground, run: Run) -> None:
    ground.go_live()
    for number, subject in enumerate(["reset-password", "reset-password escalation", "other", "thanks", "unsure"]):
        ground.deliver(subject, sender=f"c{number}@client{number}.example", number=number)
    ground.deliver("poison", number=9)
    ground.run()
    page = row(run("--all", "--json"))
    states = {name: page[name] for name in ("answered", "answered_and_routed", "routed", "ignored", "parked")}
    assert states == {"answered": 1, "answered_and_routed": 1, "routed": 2, "ignored": 1, "parked": 0}
    assert (page["shadowed"], page["on_the_way"], page["failing"]) == (0, 0, 1)
    assert page["seen"] == 6
    assert page["difference"] == 0
    assert page["inbox"] == {"known": 1, "unknown": [], "to_come": 0}  # the failing one; the others were put away
    assert page["problems"] == []


def test_what_is_not_delivered_yet_is_on_the_way(ground: Ground, run: Run) -> None:
    ground.go_live(Mode.DRAFT)
    ground.deliver("reset-password")
    ground.run()
    page = row(run("--all", "--json"))
    assert (page["seen"], page["on_the_way"], page["inbox"]["known"]) == (1, 1, 1)


def test_mail_from_before_the_first_connection_and_mail_to_come_are_no_errors(ground: Ground, run: Run) -> None:
    for number in range(3):
        ground.deliver("old", number=number)
    ground.run()
    ground.deliver("reset-password", number=3)
    ground.run()
    ground.deliver("reset-password", number=4)
    page = row(run("--all", "--json"))
    assert (page["seen"], page["shadowed"]) == (1, 1)
    assert page["inbox"] == {"known": 1, "unknown": [], "to_come": 1}


def test_an_email_that_was_overlooked_is_named_and_the_exit_status_is_1(ground: Ground, run: Run) -> None:
    ground.run()
    first = ground.deliver("reset-password")
    ground.run()
    overlooked = [ground.deliver("reset-password", number=number) for number in (1, 2)]
    overlook(ground, overlooked[-1] + 1)
    page = row(run("--all", "--json"), status=1)
    assert page["inbox"] == {"known": 1, "unknown": overlooked, "to_come": 0}
    shown = run("--all")
    assert shown.exit_code == 1
    assert f"does not know UID {overlooked[0]}-{overlooked[1]} of the inbox" in shown.output
    assert f"UID {first}" not in shown.output


def test_a_long_stretch_of_uids_is_compared_part_by_part(ground: Ground, run: Run) -> None:
    ground.run()
    uid = ground.deliver("reset-password")
    overlook(ground, 4_321)
    page = row(run("--all", "--json"), status=1)
    assert page["inbox"] == {"known": 0, "unknown": [uid], "to_come": 0}


def test_an_email_that_leaves_the_journal_while_the_server_is_asked_is_not_overlooked(ground: Ground) -> None:
    ground.go_live()
    uid = ground.deliver("poison")
    ground.run()
    standing = ground.journal.mailboxes.get(MAILBOX)
    assert standing

    class Meanwhile(ImapMailbox):
        """A worker finds it gone from the mailbox just after it was listed."""

        def uids(self, first: int, last: int) -> list[int]:
            found = super().uids(first, last)
            with ground.journal.intake(MAILBOX) as intake:
                intake.gone(uid)
            return found

    inbox = Meanwhile(ground.dovecot.server(ground.user))
    assert compare(standing, ground.journal.mailboxes, inbox) == Inbox(known=1, unknown=(), to_come=0)
    inbox.close()
    assert not ground.journal.mailboxes.taken_in(MAILBOX, uid, uid)


def test_a_mailbox_that_was_numbered_anew_cannot_be_compared(ground: Ground, run: Run) -> None:
    ground.run()
    ground.deliver("reset-password")
    ground.run()
    ground.dovecot.renumber(ground.user)
    page = row(run("--all", "--json"), status=1)
    assert (page["seen"], page["inbox"]) == (1, None)
    assert "numbered the mail" in page["problems"][0]


def test_a_server_that_cannot_be_reached_is_an_error_beside_the_equation(ground: Ground, run: Run) -> None:
    ground.run()
    page = row(run("--all", "--json", TRIAGE_IMAP_PORT=str(free_port())), status=1)
    assert (page["seen"], page["inbox"]) == (0, None)
    assert "not compared" in page["problems"][0]


def test_offline_needs_no_server_and_no_settings_of_one(ground: Ground, run: Run) -> None:
    ground.run()
    overlook(ground, ground.deliver("reset-password") + 1)
    page = row(run("--all", "--offline", "--json", connected=False))
    assert (page["inbox"], page["problems"]) == (None, [])


def test_a_day_has_its_own_equation_and_today_is_the_default(ground: Ground, run: Run) -> None:
    ground.now -= timedelta(days=3)
    ground.run()
    ground.deliver("reset-password")
    ground.run()
    ground.now += timedelta(days=1)
    ground.deliver("other", number=1)
    ground.run()
    for days, seen in ((0, 1), (1, 1), (2, 0)):
        day = f"{ground.now + timedelta(days=days - 1):%Y-%m-%d}"
        page = row(run("--day", day, "--json", "--offline"))
        assert (page["day"], page["seen"]) == (day, seen)
    assert row(run("--json", "--offline"))["seen"] == 0
    assert row(run("--json", "--offline", "--all"))["seen"] == 2
    assert run("--all", "--day", "2026-11-25").exit_code == 2
    assert run("--day", "yesterday").exit_code == 2


def test_the_table_reads_as_an_equation_on_a_narrow_screen(ground: Ground, run: Run) -> None:
    ground.run()
    ground.deliver("reset-password")
    ground.run()
    words = run("--all").output
    lines = [line.strip("│ \n").split("│") for line in words.splitlines() if "│" in line]
    cells = {name.strip(): value.strip() for name, value in lines}
    assert (cells["seen"], cells["shadowed"], cells["in the inbox, known"]) == ("1", "1", "1")


def test_a_mailbox_that_was_never_connected_and_one_without_settings_are_named(ground: Ground, run: Run) -> None:
    never = run("--all")
    assert never.exit_code == 0
    assert f"{MAILBOX} was never connected" in " ".join(never.output.split())
    ground.run()
    other = run("--all", TRIAGE_MAILBOX_ADDRESS="other@insight.com")
    assert other.exit_code == 0
    assert f"{MAILBOX} has no settings" in " ".join(other.output.split())
    assert "not asked" in other.output


@pytest.mark.parametrize(
    ("seen", "states", "failing", "unknown", "words"),
    [
        (0, {}, 0, (), []),
        (3, {State.ROUTED: 2}, 1, (), []),
        (4, {State.ROUTED: 2}, 1, (), ["4 emails were seen and 3 are in a state"]),
        (1, {State.ROUTED: 1}, 0, (17,), ["UID 17 of"]),
        (1, {State.ROUTED: 1}, 0, (17, 20, 21, 22, 40), ["UID 17, 20-22, 40 of"]),
        (2, {}, 0, (1, 2), ["2 emails were seen and 0", "UID 1-2 of"]),
    ],
)
def test_what_is_unaccounted_for_is_a_sentence(
    seen: int, states: dict[State, int], failing: int, unknown: Sequence[int], words: list[str]
) -> None:
    problems = problems_of(Ledger(MAILBOX, seen, states, failing), Inbox(5, tuple(unknown), 0))
    assert len(problems) == len(words)
    assert all(word in problem for word, problem in zip(words, problems, strict=True))

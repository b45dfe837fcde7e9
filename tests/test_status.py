"""How the service stands, as ``triage status`` tells it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.house import MAILBOX, ROOT, Ground
from triage.classifier.card import write_card
from triage.cli.app import app
from triage.cli.status import lowest, mode_bounds
from triage.core.policy import Mode
from triage.journal.service import ModeChange

Words = Callable[..., str]


@pytest.fixture
def words(ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Words:
    """What ``triage status`` prints there."""
    monkeypatch.chdir(tmp_path)
    env = {
        "TRIAGE_CONFIG_DIR": str(ROOT / "config"),
        "TRIAGE_DATABASE_URL": ground.url,
        "TRIAGE_DATA_DIR": str(tmp_path),
        "TRIAGE_MODELS_DIR": str(tmp_path / "models"),
        "COLUMNS": "120",
    }

    def invoke(*options: str) -> str:
        result = CliRunner().invoke(app, ["status", *options], env=env)
        assert result.exit_code == 0, result.output
        return result.stdout

    return invoke


def told(words: Words) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(words("--json"))
    return found


@pytest.mark.parametrize(
    ("policy", "journal", "stopped", "mode", "winners"),
    [
        (Mode.AUTOMATIC, None, False, Mode.SHADOW, ["journal"]),
        (Mode.AUTOMATIC, Mode.AUTOMATIC, False, Mode.AUTOMATIC, ["policy", "journal"]),
        (Mode.AUTOMATIC, Mode.DRAFT, False, Mode.DRAFT, ["journal"]),
        (Mode.DRAFT, Mode.AUTOMATIC, False, Mode.DRAFT, ["policy"]),
        (Mode.AUTOMATIC, Mode.AUTOMATIC, True, Mode.SHADOW, ["stop_file"]),
        (Mode.AUTOMATIC, Mode.SHADOW, True, Mode.SHADOW, ["journal", "stop_file"]),
        (Mode.OFF, Mode.AUTOMATIC, True, Mode.OFF, ["policy"]),
    ],
)
def test_the_lowest_of_policy_journal_and_stop_file_wins(
    tmp_path: Path, policy: Mode, journal: Mode | None, stopped: bool, mode: Mode, winners: list[str]
) -> None:
    stop_file = tmp_path / "STOP"
    if stopped:
        stop_file.touch()
    changes = [ModeChange(journal, datetime(2026, 11, 25, tzinfo=UTC), "lead", "ready")] if journal else []
    winning = lowest(mode_bounds(policy, changes, stop_file))
    assert [bound.source for bound in winning] == winners
    assert {bound.mode for bound in winning} == {mode}


def test_a_service_that_was_never_started_says_so(words: Words) -> None:
    found = told(words)
    assert (found["mode"], found["because"], found["mailboxes"], found["waiting"]) == ("shadow", ["journal"], [], [])
    assert "no mailbox was ever connected" in words()
    assert "nobody has run `triage go-live`" in words()


def test_a_live_mailbox_shows_its_last_good_poll_and_where_it_is(ground: Ground, words: Words) -> None:
    ground.deliver("old")
    ground.go_live()
    uid = ground.deliver("reset-password", number=1)
    ground.run()
    found = told(words)
    (mailbox,) = found["mailboxes"]
    assert (found["mode"], mailbox["mode"], mailbox["mailbox"]) == ("automatic", "automatic", MAILBOX)
    assert (mailbox["watermark"], mailbox["taken_in_below"]) == (uid, uid + 1)
    assert mailbox["last_good_poll"] == ground.now.isoformat()
    assert (mailbox["errors_in_a_row"], mailbox["last_error"]) == (0, None)
    assert found["counts"]["answered"] == sum(found["counts"].values()) == 1


def test_a_mailbox_that_fails_says_since_when_and_why(ground: Ground, words: Words) -> None:
    ground.run()
    for _ in range(2):
        ground.journal.mailboxes.fails(MAILBOX, "the password was refused", ground.now)
    (mailbox,) = told(words)["mailboxes"]
    assert (mailbox["errors_in_a_row"], mailbox["last_error"]) == (2, "the password was refused")
    assert "the password was refused" in words()
    ground.journal.mailboxes.works(MAILBOX, ground.now)
    assert "the password was refused" not in words()


def test_what_waits_is_counted_with_its_oldest(ground: Ground, words: Words) -> None:
    ground.go_live(Mode.DRAFT)
    first = ground.now
    ground.deliver("reset-password", sender="ann@a.example", number=1)
    ground.worker().receive()
    ground.now += timedelta(minutes=5)
    ground.deliver("reset-password", sender="bob@b.example", number=2)
    ground.deliver("other", sender="cy@c.example", number=3)
    ground.deliver("poison", number=4)
    ground.worker().receive()
    found = told(words)
    assert {one["state"]: (one["emails"], one["since"]) for one in found["waiting"]} == {
        "waiting_for_approval": (2, first.isoformat()),
        "waiting_for_delivery": (1, ground.now.isoformat()),
    }
    assert found["failing"] == 1
    assert "2 waiting for approval, the oldest since" in words()


def test_a_stop_file_and_who_stopped_are_named(ground: Ground, words: Words, tmp_path: Path) -> None:
    ground.go_live()
    ground.deliver("reset-password")
    ground.worker().receive()
    ground.journal.service.set_mode(Mode.SHADOW, ground.now, "lead", "wrong answers")
    (tmp_path / "STOP").touch()
    found = told(words)
    assert found["because"] == ["journal", "stop_file"]
    assert [one["state"] for one in found["waiting"]] == ["stopped"]
    shown = words()
    assert "wrong answers" in shown
    assert "remove it to let mail out again" in shown


def test_the_model_is_named_with_what_it_is_worth_or_why_there_is_none(words: Words, tmp_path: Path) -> None:
    assert "no automatic answers" in told(words)["model"]["failure"]
    folder = tmp_path / "models" / "release"
    folder.mkdir(parents=True)
    card = {
        "made_at": "2026-11-25T12:00:00+00:00",
        "thresholds": {"confidence": 0.93},
        "worth": "certified: 5%",
    }
    write_card(folder, card)
    assert told(words)["model"] == {
        "name": "release",
        "made_at": "2026-11-25T12:00:00+00:00",
        "threshold": 0.93,
        "worth": "certified: 5%",
    }
    assert "answers from 93.0% on" in words()
    (folder / "card.json").write_text("{}")
    assert "damaged" in told(words)["model"]["failure"]

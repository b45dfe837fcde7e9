"""What people do to the queue from the command line."""

import json
import os
import subprocess

from tests.house import ROOT, Ground
from tests.test_acceptance import TRIAGE
from triage.core.policy import Mode


def outbox(ground: Ground, *arguments: str, status: int = 0) -> str:
    env = {
        "PATH": os.environ["PATH"],
        "TRIAGE_DATABASE_URL": ground.url,
        "TRIAGE_CONFIG_DIR": str(ROOT / "config"),
        "TRIAGE_SECRET_KEY": "k" * 32,
    }
    command = [TRIAGE, "outbox", *arguments]
    done = subprocess.run(
        command, cwd=ground.data_dir, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def waiting(ground: Ground) -> list[dict[str, object]]:
    return [json.loads(line) for line in outbox(ground, "list", "--json").splitlines()]


def test_a_drafted_answer_goes_out_once_it_is_approved(ground: Ground) -> None:
    ground.go_live(Mode.DRAFT)
    ground.deliver("reset-password")
    ground.run()
    (row,) = waiting(ground)
    assert (row["kind"], row["state"], row["ticket"]) == ("reply", "held", "CSP-1001")
    outbox(ground, "approve", str(row["id"]))
    ground.now = ground.now.replace(year=ground.now.year + 1)
    ground.run()
    assert ground.states() == {"answered": 1}
    assert "does not wait" in outbox(ground, "approve", str(row["id"]), status=1)


def test_what_a_stop_froze_is_released_or_handed_over(ground: Ground) -> None:
    ground.go_live()
    ground.deliver("reset-password")
    ground.deliver("add-admin", sender="bob@client.example", number=1)
    ground.worker().receive()
    ground.journal.service.set_mode(Mode.SHADOW, ground.now, "test", "stop")
    first, second = waiting(ground)
    assert "is no team" in outbox(ground, "hand-over", str(second["id"]), "--team", "nobody", status=1)
    outbox(ground, "hand-over", str(second["id"]), "--team", "sales")
    outbox(ground, "release", str(first["id"]))
    ground.journal.service.set_mode(Mode.AUTOMATIC, ground.now, "test", "")
    outbox(ground, "release")
    ground.now = ground.now.replace(year=ground.now.year + 1)
    ground.run()
    assert sorted(received.rcpts[0] for received in ground.smtp.received) == [
        "ann@client.example",
        "sales@teams.example",
    ]
    assert ground.states() == {"answered": 1, "routed": 1}


def test_what_was_given_up_is_tried_again(ground: Ground) -> None:
    ground.go_live()
    ground.deliver("reset-password")
    ground.smtp.answer("RCPT", "550 5.1.1 no such user")
    ground.run()
    (row,) = waiting(ground)
    assert row["state"] == "given_up"
    outbox(ground, "requeue", str(row["id"]))
    ground.now = ground.now.replace(year=ground.now.year + 1)
    ground.run()
    assert ground.states() == {"answered": 1}

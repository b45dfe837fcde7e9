"""The service as its operator meets it: the command line, real servers, the release model."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.house import ROOT, customer_email
from tests.servers.dovecot import PASSWORD, DovecotServer
from tests.servers.ground import wait_until
from tests.servers.recording_smtp import RecordingSmtp

TRIAGE = Path(sys.executable).parent / "triage"

TEN = [
    ("PO number", "How do I add a PO number to our subscriptions? Our accounts team needs it on the invoices."),
    ("password", "I forgot my password for the Insight platform. How can I reset it?"),
    ("report", "Hi, where can I download the billable items report in Excel? I need it for October."),
    ("admin", "How do I make my colleague an admin on the platform? She already has a user there."),
    ("sync", "How often does your platform sync with Microsoft? Do I have to click the sync button every day?"),
    ("refund", "You charged us twice on the last invoice. We dispute the amount and want a refund for the overcharge."),
    (
        "Teams down",
        "Nobody here can sign in to Teams since this morning, we all get an error. It is an outage. Please help!",
    ),
    (
        "quote",
        "Please send us a quote with your best price for 40 Copilot licences, and advise which plan we should buy.",
    ),
    (
        "hacked",
        "Our director's mailbox was hacked and phishing mails went out of it last night. Please lock the account!",
    ),
    ("Re: thanks", "Great, that worked. Thank you very much for your help and have a nice weekend!"),
]


def triage(*arguments: str, cwd: Path, env: dict[str, str], status: int = 0) -> str:
    done = subprocess.run(
        [TRIAGE, *arguments], cwd=cwd, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == status, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout if status == 0 else done.stdout + done.stderr


@pytest.fixture
def env(dovecot: DovecotServer, dovecot_user: str, recording_smtp: RecordingSmtp, tmp_path: Path) -> dict[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("TRIAGE_")},
        "COLUMNS": "200",
        "TRIAGE_MAILBOX_ADDRESS": "csp.support@insight.com",
        "TRIAGE_IMAP_HOST": dovecot.host,
        "TRIAGE_IMAP_PORT": str(dovecot.port),
        "TRIAGE_IMAP_SECURITY": "plain",
        "TRIAGE_IMAP_USER": dovecot_user,
        "TRIAGE_IMAP_PASSWORD": PASSWORD,
        "TRIAGE_SMTP_HOST": recording_smtp.host,
        "TRIAGE_SMTP_PORT": str(recording_smtp.port),
        "TRIAGE_SMTP_SECURITY": "plain",
        "TRIAGE_CONFIG_DIR": str(ROOT / "config"),
        "TRIAGE_MODELS_DIR": str(ROOT / "models"),
    }


def test_the_demo_ends_with_every_email_in_its_place(tmp_path: Path) -> None:
    env = {
        **os.environ,
        "TRIAGE_CONFIG_DIR": str(ROOT / "config"),
        "TRIAGE_MODELS_DIR": str(ROOT / "models"),
    }
    lines = triage("demo", "--json", cwd=tmp_path, env=env).splitlines()
    summary = json.loads(lines[-1])
    assert summary["lost"] == 0
    assert summary["emails"] == len(lines) - 1 == 15
    assert summary["emails"] == sum(
        summary[state] for state in ("answered", "answered_and_routed", "routed", "ignored", "parked")
    )
    sent = list((tmp_path / "var/demo/sent").glob("*.eml"))
    assert len(sent) == summary["sent"]
    assert not any(b"4111" in path.read_bytes() for path in sent)


def test_from_500_old_emails_over_going_live_to_ten_new_ones(
    dovecot: DovecotServer, dovecot_user: str, recording_smtp: RecordingSmtp, env: dict[str, str], tmp_path: Path
) -> None:
    for number in range(500):
        dovecot.deliver(dovecot_user, customer_email("old question", number=number))
    triage("run", "--once", cwd=tmp_path, env=env)
    assert recording_smtp.received == []
    triage("go-live", "--mode", "automatic", "--yes", cwd=tmp_path, env=env)
    for number, (subject, body) in enumerate(TEN):
        email = customer_email(subject, sender=f"c{number}@client{number}.example", number=number)
        dovecot.deliver(dovecot_user, email.replace(f"this is about {subject}.".encode(), body.encode()))
    triage("run", "--once", cwd=tmp_path, env=env)
    rows = [json.loads(line) for line in triage("log", "--json", cwd=tmp_path, env=env).splitlines()]
    assert len(rows) == 10
    actions = [row["action"] for row in reversed(rows)]
    assert actions == ["answer"] * 5 + ["route"] * 4 + ["ignore"]
    customers = [received.rcpts[0] for received in recording_smtp.received if received.rcpts[0].startswith("c")]
    assert sorted(set(customers)) == [
        *sorted(f"c{n}@client{n}.example" for n in range(9)),
        "cloud-support@teams.example",
    ]
    assert len(recording_smtp.received) == 5 + 4 * 2
    triage("run", "--once", cwd=tmp_path, env=env)
    assert len(recording_smtp.received) == 13


def test_the_service_is_killed_and_started_again(
    dovecot: DovecotServer, dovecot_user: str, recording_smtp: RecordingSmtp, env: dict[str, str], tmp_path: Path
) -> None:
    triage("go-live", "--mode", "automatic", "--yes", cwd=tmp_path, env=env)
    env = {**env, "TRIAGE_POLL_SECONDS": "1", "TRIAGE_CLAIM_SECONDS": "5"}
    for number in range(6):
        dovecot.deliver(dovecot_user, customer_email("refund us", sender=f"c{number}@x{number}.example", number=number))
    with serving(tmp_path, env) as service:
        wait_until(lambda: recording_smtp.received, "the service sends something", seconds=60)
        service.kill()
    with serving(tmp_path, env) as service:
        wait_until(lambda: all_final(tmp_path, env, 6), "every email has its outcome", seconds=60)
        service.send_signal(signal.SIGTERM)
        _, words = service.communicate(timeout=6)
    assert service.returncode == 0, words
    assert "Traceback" not in words
    # What the server took right before the kill may be sent again, with the same Message-ID (RFC 1047).
    raws = {received.raw for received in recording_smtp.received}
    assert len(raws) == 12
    assert len(recording_smtp.received) <= 13


@contextmanager
def serving(folder: Path, env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """``triage run``, ended with the block whatever happens."""
    with subprocess.Popen([TRIAGE, "run"], cwd=folder, env=env, stderr=subprocess.PIPE, text=True) as service:
        try:
            yield service
        finally:
            service.kill()


def all_final(folder: Path, env: dict[str, str], count: int) -> bool:
    rows = [json.loads(line) for line in triage("log", "--json", cwd=folder, env=env).splitlines()]
    return len(rows) == count and all(row["finished_at"] for row in rows)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"TRIAGE_IMAP_PASSWORD": "wrong"}, "password"),
        ({"TRIAGE_IMAP_PORT": "1"}, "127.0.0.1"),
        ({"TRIAGE_IMAP_PORT": "abc"}, "TRIAGE_IMAP_PORT='abc' does not fit"),
        ({"TRIAGE_IMAP_HOST": ""}, "TRIAGE_IMAP_HOST is missing"),
        ({"TRIAGE_CONFIG_DIR": "/nowhere"}, "TRIAGE_CONFIG_DIR has to name a config folder"),
        ({"TRIAGE_DATABASE_URL": "mysql://x"}, "TRIAGE_DATABASE_URL"),
    ],
)
def test_what_is_wrong_is_a_sentence(
    env: dict[str, str], tmp_path: Path, changes: dict[str, str], sentence: str
) -> None:
    words = triage("run", "--once", cwd=tmp_path, env={**env, **changes}, status=1)
    assert sentence in words
    assert PASSWORD not in words


def test_a_damaged_model_hands_every_email_over_and_says_so(
    dovecot: DovecotServer, dovecot_user: str, recording_smtp: RecordingSmtp, env: dict[str, str], tmp_path: Path
) -> None:
    env = {**env, "TRIAGE_MODELS_DIR": str(tmp_path / "models")}
    triage("go-live", "--mode", "automatic", "--yes", cwd=tmp_path, env=env)
    dovecot.deliver(dovecot_user, customer_email("How can I reset my password?"))
    triage("run", "--once", cwd=tmp_path, env=env)
    (row,) = (json.loads(line) for line in triage("log", "--json", cwd=tmp_path, env=env).splitlines())
    assert (row["action"], row["team"]) == ("route", "cloud-support")
    assert "no automatic answers" in row["reasons"][0]


def test_explain_says_why_without_a_mailbox(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "one.eml").write_bytes(customer_email("How can I reset my password?"))
    bare = {
        "PATH": os.environ["PATH"],
        "TRIAGE_CONFIG_DIR": str(ROOT / "config"),
        "TRIAGE_MODELS_DIR": str(ROOT / "models"),
    }
    (line,) = triage("explain", "--json", "one.eml", cwd=tmp_path, env=bare).splitlines()
    row = json.loads(line)
    assert row["file"] == "one.eml"
    assert {
        "action",
        "intents",
        "team",
        "text",
        "signature",
        "machine",
        "reasons",
        "guesses",
        "objections",
        "gate",
    } <= set(row)
    assert row["reasons"]
    assert "one.eml" in triage("explain", "one.eml", cwd=tmp_path, env=bare)
    assert "nothing.eml" in triage("explain", "nothing.eml", cwd=tmp_path, env=bare, status=2)


def test_check_finds_config_usable_and_the_help_names_every_command(env: dict[str, str], tmp_path: Path) -> None:
    assert "is usable: 20 FAQ entries" in triage("check", cwd=tmp_path, env=env)
    words = triage("--help", cwd=tmp_path, env=env)
    for (
        command
    ) in "demo run explain train calibrate evaluate log check go-live stop db status ledger outbox suppress".split():
        assert re.search(rf"\b{command}\b", words)

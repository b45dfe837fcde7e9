"""``triage suppress`` and what ``triage log`` shows of ignored and undelivered mail, as commands."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from tests.journal.values import NOW, live, owed, take_in
from triage.core.decision import Decision, Reason
from triage.core.policy import Action
from triage.core.ticket import suppression_hashes
from triage.journal.opening import open_journal

ROOT = Path(__file__).parent.parent
KEY = "a key for one test"


def triage(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    settings = {"DATABASE_URL": f"sqlite:///{folder}/triage.db", "DATA_DIR": str(folder), "SECRET_KEY": KEY}
    environment = {f"TRIAGE_{name}": value for name, value in settings.items()} | {"COLUMNS": "200"}
    program = [sys.executable, "-c", "from triage.cli.app import main; main()", *arguments]
    return subprocess.run(program, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("whom", "covers"),
    [
        ("Ann@Client.example", "ann@client.example"),
        ("client.example", "bob@eu.client.example"),
        ("@client.example", "bob@client.example"),
    ],
)
def test_who_is_suppressed_is_kept_as_a_keyed_hash_and_can_be_taken_off_again(
    tmp_path: Path, whom: str, covers: str
) -> None:
    added = triage(tmp_path, "suppress", "add", whom, "--why", "asked us to")
    assert (added.returncode, added.stderr) == (0, "")
    with closing(sqlite3.connect(tmp_path / "triage.db")) as database:
        ((keyed, why),) = database.execute("SELECT hash, why FROM suppression").fetchall()
    assert keyed in suppression_hashes(covers, KEY.encode())
    assert why == "asked us to"
    assert all(b"client.example" not in path.read_bytes() for path in tmp_path.iterdir())
    assert triage(tmp_path, "suppress", "remove", whom.upper()).returncode == 0
    again = triage(tmp_path, "suppress", "remove", whom)
    assert again.returncode == 1
    assert "is not on the list" in again.stderr


@pytest.mark.parametrize("whom", ["", "two words", "a@b@c.example", "ann@", "*"])
def test_what_is_no_address_and_no_domain_is_refused_with_a_sentence(tmp_path: Path, whom: str) -> None:
    refused = triage(tmp_path, "suppress", "add", whom)
    assert refused.returncode == 1
    assert "write ann@client.example or client.example" in refused.stderr


def test_the_log_tells_what_is_ignored_on_the_classifiers_word_and_what_came_back(tmp_path: Path) -> None:
    triage(tmp_path, "db", "upgrade")
    journal = open_journal(f"sqlite:///{tmp_path}/triage.db")
    live(journal)
    for uid, code in ((1, "nothing-asked"), (2, "mailing-list")):
        reasons = (Reason("malformed", "Parts are broken."), Reason(code, "Why."))
        take_in(journal, uid, action=Action.IGNORE, decision=Decision(Action.IGNORE, reasons=reasons))
    take_in(journal, 3, [owed("a")])
    journal.outbox.bounced("<a@shop.example>", "Full.", NOW + timedelta(hours=1))
    journal.close()
    listed = triage(tmp_path, "log", "--action", "ignore", "--reason", "nothing-asked", "--json")
    (row,) = [json.loads(line) for line in listed.stdout.splitlines()]
    assert (row["uid"], row["codes"]) == (1, ["malformed", "nothing-asked"])
    assert "nothing-asked" in triage(tmp_path, "log", "--action", "ignore").stdout
    back = triage(tmp_path, "log", "--undelivered")
    assert "not delivered" in back.stdout
    assert json.loads(triage(tmp_path, "log", "--ticket", "CSP-1003", "--json").stdout)["undelivered"] is True
    assert triage(tmp_path, "log", "--ticket", "CSP-x").returncode == 2

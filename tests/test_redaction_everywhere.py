"""A card number that somebody mails us is nowhere afterwards but in the mailbox that received it."""

import email
import email.policy
import json
import logging
import re
import unicodedata
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.house import MAILBOX, Ground, Keywords
from tests.servers.dovecot import DovecotServer
from tests.servers.recording_smtp import RecordingSmtp
from triage.cli.history import _as_json
from triage.core.mail import Mail, Trimmed
from triage.core.prediction import Prediction
from triage.desk import Considered, Desk, Read

CARD = "4111111111111111"
CODE = "737"
PASSWORD = "Tr0ub4dor-and-3"
# Digit by digit with whatever may stand between; CODE is too short to look for alone.
SECRETS = re.compile(r"\D{0,3}".join(CARD) + f"|{re.escape(PASSWORD)}")
SUPPORT = "cloud-support@teams.example"


def email_full_of_secrets(subject: str = "update-credit-card") -> bytes:
    """The number in every place that an email has, in a different form each time."""
    mail = EmailMessage()
    mail["From"] = f'"Ann {CARD}" <ann@client.example>'
    mail["To"] = MAILBOX
    mail["Subject"] = f"{subject} 4111 1111 1111 1111"
    mail["Thread-Topic"] = "card 4111-1111-1111-1111"
    mail["Message-ID"] = "<1@client.example>"
    mail.set_content(
        "Hello,\n\nplease use my card 4111.1111.1111.1111, CVV 737, from now on.\n"
        "In figures: ４１１１ １１１１ １１１１ １１１１. My password is Tr0ub4dor-and-3.\n\n"
        "-- \nAnn, 4111 1111\n1111 1111\n\n"
        "On Monday you wrote:\n> Is 4111 1111 1111 1111 right?\n"
    )
    mail.add_alternative(
        "<p>please use my card <b>4111</b>&nbsp;1111&#32;1111 <i>1111</i>, CVV 737.</p>"
        '<p title="4111111111111111">My password is Tr0ub4dor-and-3.</p>',
        subtype="html",
    )
    mail.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="card 4111-1111-1111-1111.pdf")
    return mail.as_bytes().replace(b"\n", b"\r\n")


@pytest.fixture
def ground(
    dovecot: DovecotServer,
    dovecot_user: str,
    recording_smtp: RecordingSmtp,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> Iterator[Ground]:
    caplog.set_level(logging.DEBUG)
    ground = Ground(dovecot, recording_smtp, f"sqlite:///{tmp_path}/triage.db", tmp_path, dovecot_user)
    ground.go_live()
    yield ground
    ground.close()


def found_in(text: str) -> list[str]:
    return SECRETS.findall(unicodedata.normalize("NFKC", text))


def leaks(ground: Ground, log: pytest.LogCaptureFixture) -> list[str]:
    """Every place that shows one of the secrets."""
    places = {path.name: decoded(path.read_bytes()) for path in ground.data_dir.iterdir() if path.is_file()}
    assert "triage.db-wal" in places
    for number, received in enumerate(ground.smtp.received):
        places[f"mail {number}"] = "\n".join(readable(received.raw))
    for row in ground.journal.history.log():
        places[f"log row {row.id}"] = json.dumps(_as_json(row), ensure_ascii=False)
        places[f"email {row.id}"] = repr(ground.journal.history.email(row.id))
    formatter = logging.Formatter("%(message)s")
    places["logs"] = "\n".join(formatter.format(record) for record in log.records)
    return [f"{place}: {found}" for place, text in places.items() if (found := found_in(text))]


def decoded(data: bytes) -> str:
    """Bytes of any kind as text, twice: full-width figures are UTF-8 only."""
    return data.decode("utf-8", "replace") + "\n" + data.decode("latin-1")


def readable(raw: bytes) -> Iterator[str]:
    """A mail as sent, then as mail programs show it, with the emails within."""
    yield decoded(raw)
    for part in email.message_from_bytes(raw, policy=email.policy.default).walk():
        yield from (f"{name}: {value}" for name, value in part.items())
        if not part.is_multipart():
            yield str(part.get_content())


def test_the_test_would_see_a_leak(ground: Ground, caplog: pytest.LogCaptureFixture) -> None:
    (ground.data_dir / "leak").write_text("４１１１-1111 1111.1111")
    logging.getLogger("anybody").debug(PASSWORD)
    ground.journal.mailboxes.fails(MAILBOX, f"no {CARD}", ground.now)
    assert {leak.partition(":")[0] for leak in leaks(ground, caplog)} == {"triage.db-wal", "leak", "logs"}
    assert len(found_in("\n".join(readable(email_full_of_secrets())))) > 5


@pytest.mark.parametrize("subject", ["update-credit-card", "billing-dispute", "unsure", "thanks", "update-address"])
def test_a_card_number_is_nowhere_after_the_email_was_handled(
    ground: Ground, caplog: pytest.LogCaptureFixture, subject: str
) -> None:
    ground.dovecot.deliver(ground.user, email_full_of_secrets(subject))
    ground.run()
    assert sum(ground.states().values()) == 1
    assert leaks(ground, caplog) == []
    (row,) = ground.journal.history.log()
    kept = ground.journal.history.email(row.id)
    assert kept is not None
    assert {redaction.kind for redaction in kept.redactions} == {"card number", "security code", "password"}
    assert not re.search(rf"\b{CODE}\b", f"{kept.text} {kept.quoted} {kept.signature}")


def test_the_customer_is_asked_not_to_mail_cards_and_the_team_is_told(ground: Ground) -> None:
    ground.dovecot.deliver(ground.user, email_full_of_secrets("technical-issue"))
    ground.run()
    (reply,) = ground.sent_to("ann@client.example")
    (handed,) = ground.sent_to(SUPPORT)
    assert "Please never send card data or passwords by email." in reply.get_body(("plain",)).get_content()
    assert "The email contained: card number, security code, password." in handed.get_body(("plain",)).get_content()


class Breaks(Keywords):
    """A classifier that fails with the email on its lips."""

    def predict(self, mail: Mail, trimmed: Trimmed) -> Prediction:
        raise ValueError(email_full_of_secrets().decode())


class Unreadable(Desk):
    """A reader that fails before anything was redacted."""

    def read(self, raw: bytes, *, complete: bool = True) -> Read:
        raise ValueError(raw.decode())


class Undecided(Desk):
    """A desk that fails after reading."""

    def decide(self, *_: object) -> Considered:  # type: ignore[override]
        raise ValueError(email_full_of_secrets().decode())


@pytest.mark.parametrize("broken", [Unreadable, Undecided, Desk])
def test_our_own_failures_do_not_repeat_what_the_email_says(
    ground: Ground, caplog: pytest.LogCaptureFixture, broken: type[Desk]
) -> None:
    classifier = Breaks() if broken is Desk else Keywords()
    ground.dovecot.deliver(ground.user, email_full_of_secrets())
    worker = ground.worker(desk=broken(classifier, ground.content.policy, ground.content.entries))
    worker.receive()
    assert ground.states() == {}
    assert "ValueError in " in caplog.text
    assert leaks(ground, caplog) == []


def test_nor_does_what_a_person_sends_from_the_mailbox(ground: Ground, caplog: pytest.LogCaptureFixture) -> None:
    ground.deliver("reset-password")
    ground.run()
    (answer,) = ground.sent_to("ann@client.example")
    marked = f"In-Reply-To: {answer['Message-ID']}\r\nMessage-ID".encode()
    by_hand = email_full_of_secrets().replace(b"Message-ID", marked)
    ground.dovecot.command(ground.user, 'CREATE "Sent"')
    ground.dovecot.deliver(ground.user, by_hand, folder="Sent")
    ground.run()
    assert "a person answered" in caplog.text
    assert leaks(ground, caplog) == []

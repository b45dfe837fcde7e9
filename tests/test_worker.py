"""The worker on a real Dovecot, a real SMTP server and a real journal."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from tests.house import Ground, Killed, customer_email
from tests.servers.ground import free_port
from triage.core.policy import Limits, Mode
from triage.mailroom.imap import ImapMailbox
from triage.mailroom.login import Security, Server
from triage.mailroom.ports import Delivery, Fetched, MailError, Outgoing
from triage.mailroom.smtp import SmtpSender
from triage.schedule import run_once

BILLING = "billing@teams.example"
SUPPORT = "cloud-support@teams.example"


def test_mail_that_was_there_before_the_first_connection_is_never_answered(ground: Ground) -> None:
    for number in range(60):
        ground.deliver("reset-password", number=number)
    ground.run()
    ground.go_live()
    ground.run()
    assert ground.states() == Counter()
    assert ground.smtp.received == []
    assert ground.folder("INBOX") == 60


def test_shadow_mode_records_sends_nothing_and_leaves_the_mailbox_as_it_was(ground: Ground) -> None:
    ground.run()
    ground.deliver("reset-password")
    ground.run()
    assert ground.states() == {"shadowed": 1}
    assert ground.smtp.received == []
    assert ground.folder("INBOX") == 1
    assert "\\Seen" not in ground.dovecot.command(ground.user, "EXAMINE INBOX", "FETCH 1:* (FLAGS)")


def test_mail_that_was_shadowed_is_never_sent_later(ground: Ground) -> None:
    ground.run()
    ground.deliver("reset-password")
    ground.run()
    ground.now += timedelta(hours=1)
    ground.go_live()
    ground.run()
    assert ground.states() == {"shadowed": 1}
    assert ground.smtp.received == []


def test_ten_emails_end_in_what_each_needs_and_are_put_away(ground: Ground) -> None:
    ground.go_live()
    subjects = [
        "reset-password",
        "sync-frequency billable-items-report",
        "update-address",
        "add-admin billing-dispute",
        "billing-dispute",
        "technical-issue",
        "unsure add-po-number",
        "thanks",
        "thanks again",
        "security-privacy",
    ]
    for number, subject in enumerate(subjects):
        ground.deliver(subject, sender=f"customer{number}@client.example", number=number)
    ground.run()
    assert ground.states() == {"answered": 2, "answered_and_routed": 2, "routed": 4, "ignored": 2}
    recipients = Counter(received.rcpts[0] for received in ground.smtp.received)
    assert recipients == {
        **{f"customer{number}@client.example": 1 for number in (0, 1, 2, 3, 4, 5, 6, 9)},
        BILLING: 3,
        SUPPORT: 2,
        "security@teams.example": 1,
    }
    folders = ("INBOX", "Triage/Answered", "Triage/Routed", "Triage/Ignored")
    assert [ground.folder(name) for name in folders] == [0, 2, 6, 2]
    assert [row.subject for row in ground.journal.history.log()] == subjects[::-1]


def test_a_reply_carries_the_vetted_answer_and_the_ticket(ground: Ground) -> None:
    ground.go_live()
    ground.deliver("reset-password")
    ground.run()
    (reply,) = ground.sent_to("ann@client.example")
    assert "https://buy.insight.com/us/login" in reply.get_body(("plain",)).get_content()
    assert "[CSP-1001-" in reply["Subject"]
    assert reply["In-Reply-To"] == "<0.reset-password@client.example>"


def test_a_second_look_finds_nothing_new(ground: Ground) -> None:
    ground.go_live()
    ground.deliver("reset-password")
    ground.run()
    ground.run()
    assert len(ground.smtp.received) == 1


def test_an_email_that_somebody_dragged_back_into_the_inbox_is_not_answered_again(ground: Ground) -> None:
    ground.go_live()
    ground.deliver("reset-password")
    ground.run()
    ground.dovecot.command(ground.user, 'SELECT "Triage.Answered"', 'MOVE 1:* "INBOX"')
    ground.run()
    assert len(ground.smtp.received) == 1
    assert ground.folder("INBOX") == 1
    assert ground.journal.history.log()[0].decision.reasons[0].code == "handled-before"


class Refusing(ImapMailbox):
    """A mailbox whose server never gives out one email."""

    def __init__(self, ground: Ground, uid: int) -> None:
        super().__init__(ground.dovecot.server(ground.user))
        self.uid = uid

    def fetch(self, uids: list[int], limit: int) -> list[Fetched]:  # type: ignore[override]
        if self.uid in uids:
            raise MailError("NO internal error")
        return super().fetch(uids, limit)


def test_an_email_that_the_server_does_not_give_out_keeps_nobody_waiting_and_is_parked(ground: Ground) -> None:
    ground.go_live()
    uid = ground.deliver("add-admin", number=1)
    ground.deliver("reset-password")
    for _ in range(3):
        worker = ground.worker(inbox=Refusing(ground, uid))
        worker.receive()
        worker.deliver()
        ground.now += timedelta(hours=1)
    assert ground.states() == {"answered": 1, "parked": 1}
    assert "does not give it out" in ground.journal.history.log()[0].decision.reasons[0].sentence


def test_what_breaks_us_is_parked_after_three_tries_and_the_next_email_is_handled(ground: Ground) -> None:
    ground.go_live()
    ground.deliver("poison")
    ground.deliver("reset-password")
    for _ in range(3):
        ground.run()
        ground.now += timedelta(hours=1)
    assert ground.states() == {"answered": 1, "parked": 1}
    parked = ground.journal.history.log()[0]
    why = parked.decision.reasons[0].sentence
    assert "our own error while reading it: ValueError; it lies in Triage/Parked of csp.support@insight.com" in why
    assert (parked.sender, parked.subject) == ("ann@client.example", "poison")
    assert ground.folder("Triage/Parked") == 1


def test_an_email_beyond_the_bound_is_parked_at_once(ground: Ground) -> None:
    ground.with_policy(limits=Limits(max_bytes=2_000)).go_live()
    ground.dovecot.deliver(ground.user, customer_email("reset-password") + b"x" * 3_000)
    ground.run()
    assert ground.states() == {"parked": 1}
    assert ground.smtp.received == []


def test_a_wrong_password_is_a_sentence_and_deliveries_go_on(ground: Ground) -> None:
    ground.go_live()
    ground.deliver("reset-password")
    ground.worker().receive()
    locked_out = ground.worker(inbox=ImapMailbox(ground.dovecot.server(ground.user, "wrong")))
    failure = run_once(locked_out)
    assert isinstance(failure, MailError)
    assert failure.permanent
    assert "password" in str(failure)
    assert "wrong" not in str(failure).split()
    assert ground.states() == {"answered": 1}


def test_an_smtp_server_that_is_down_loses_nothing(ground: Ground) -> None:
    ground.go_live()
    ground.deliver("reset-password")
    nobody = SmtpSender(Server("127.0.0.1", free_port(), Security.PLAIN))
    assert isinstance(run_once(ground.worker(sender=nobody)), MailError)
    assert ground.states() == {"waiting_for_delivery": 1}
    assert ground.folder("INBOX") == 1
    ground.now += timedelta(minutes=1)
    ground.run()
    assert ground.states() == {"answered": 1}


@pytest.mark.parametrize(
    ("command", "reply", "state"),
    [
        ("RCPT", "450 4.2.0 try later", "answered"),
        ("MAIL", "421 4.3.2 closing", "answered"),
        ("CONTENT", "451 4.3.0 not now", "answered"),
        ("RCPT", "550 5.1.1 no such user", "delivery_failed"),
        ("CONTENT", "554 5.7.1 refused", "delivery_failed"),
    ],
)
def test_a_temporary_refusal_is_tried_again_and_a_lasting_one_is_shown(
    ground: Ground, command: str, reply: str, state: str
) -> None:
    ground.go_live()
    ground.deliver("reset-password")
    ground.smtp.answer(command, reply)
    ground.run()
    ground.now += timedelta(hours=1)
    ground.run()
    assert ground.states() == {state: 1}
    assert len(ground.smtp.received) == (1 if state == "answered" else 0)


def test_where_the_servers_answer_got_lost_the_copy_in_sent_decides(ground: Ground) -> None:
    ground.go_live()
    ground.deliver("reset-password")
    ground.smtp.answer("CONTENT", "cut")
    ground.run()
    ground.dovecot.command(ground.user, 'CREATE "Sent"')
    ground.dovecot.deliver(ground.user, ground.smtp.received[0].raw, folder="Sent")
    ground.now += timedelta(hours=1)
    ground.run()
    assert ground.states() == {"answered": 1}
    assert len(ground.smtp.received) == 1


def test_where_sent_shows_nothing_the_same_bytes_go_out_again(ground: Ground) -> None:
    ground.go_live()
    ground.deliver("reset-password")
    ground.smtp.answer("CONTENT", "cut")
    ground.run()
    ground.now += timedelta(hours=1)
    ground.run()
    first, second = ground.smtp.received
    assert first.raw == second.raw


class Stopping:
    """A sender that says stop after its first email."""

    def __init__(self, ground: Ground, sender: SmtpSender) -> None:
        self.ground, self.sender = ground, sender

    def send(self, messages: list[Outgoing]) -> list[Delivery]:
        deliveries = self.sender.send(messages)
        self.ground.journal.service.set_mode(Mode.SHADOW, self.ground.now, "test", "stop")
        return deliveries

    def close(self) -> None:
        self.sender.close()


def test_a_stop_counts_at_once_also_for_what_is_claimed_already(ground: Ground) -> None:
    ground.go_live()
    for number in range(5):
        ground.deliver("reset-password", sender=f"customer{number}@client.example", number=number)
    worker = ground.worker(sender=Stopping(ground, SmtpSender(ground.smtp.server())))
    worker.receive()
    worker.deliver()
    assert len(ground.smtp.received) == 1
    assert ground.states() == {"answered": 1, "stopped": 4}


def test_what_may_have_been_sent_waits_until_sent_can_be_looked_at(ground: Ground) -> None:
    ground.go_live()
    ground.deliver("reset-password")
    ground.smtp.answer("CONTENT", "cut")
    ground.run()
    ground.now += timedelta(hours=1)
    blind = ground.worker(sent=ImapMailbox(ground.dovecot.server(ground.user, "wrong")))
    blind.deliver()
    assert len(ground.smtp.received) == 1
    ground.now += timedelta(hours=1)
    ground.run()
    assert len(ground.smtp.received) == 2
    assert ground.states() == {"answered": 1}


class Breaking:
    """A sender that breaks on one recipient."""

    def __init__(self, sender: SmtpSender) -> None:
        self.sender = sender

    def send(self, messages: list[Outgoing]) -> list[Delivery]:
        if messages[0].recipient.startswith("customer0"):
            raise ValueError("a fault of ours")
        return self.sender.send(messages)

    def close(self) -> None:
        self.sender.close()


def test_one_row_that_breaks_us_does_not_hold_up_the_others(ground: Ground) -> None:
    ground.go_live()
    for number in range(3):
        ground.deliver("reset-password", sender=f"customer{number}@client.example", number=number)
    worker = ground.worker(sender=Breaking(SmtpSender(ground.smtp.server())))
    worker.receive()
    worker.deliver()
    assert ground.states() == {"answered": 2, "waiting_for_delivery": 1}


def test_stop_leaves_what_is_queued_where_people_see_it(ground: Ground) -> None:
    ground.go_live()
    ground.deliver("reset-password")
    ground.worker().receive()
    ground.journal.service.set_mode(Mode.SHADOW, ground.now, "test", "stop")
    ground.run()
    assert ground.smtp.received == []
    assert ground.states() == {"stopped": 1}


def test_a_stop_file_overrides_the_journal(ground: Ground) -> None:
    ground.go_live()
    ground.deliver("reset-password")
    ground.worker().receive()
    (ground.data_dir / "STOP").touch()
    ground.deliver("add-admin", sender="bob@client.example", number=1)
    ground.run()
    assert ground.smtp.received == []
    assert ground.states() == {"waiting_for_delivery": 1, "shadowed": 1}
    (ground.data_dir / "STOP").unlink()
    ground.run()
    assert [received.rcpts[0] for received in ground.smtp.received] == ["ann@client.example"]


def test_policy_caps_what_the_journal_allows(ground: Ground) -> None:
    ground.with_policy(highest_mode=Mode.SHADOW).go_live()
    ground.deliver("reset-password")
    ground.run()
    assert ground.states() == {"shadowed": 1}


def test_in_draft_mode_answers_wait_for_approval_and_tickets_go(ground: Ground) -> None:
    ground.go_live(Mode.DRAFT)
    ground.deliver("reset-password")
    ground.deliver("billing-dispute", sender="bob@client.example", number=1)
    ground.run()
    assert ground.states() == {"waiting_for_approval": 1, "routed": 1}
    assert {received.rcpts[0] for received in ground.smtp.received} == {"bob@client.example", BILLING}


def test_a_mailbox_that_was_numbered_anew_goes_back_to_shadow_mode(ground: Ground) -> None:
    ground.go_live()
    ground.dovecot.renumber(ground.user)
    ground.deliver("reset-password")
    ground.run()
    ground.deliver("add-admin", number=1)
    ground.run()
    assert ground.smtp.received == []
    assert ground.states() == {"shadowed": 1}


def test_mail_from_before_going_live_is_shadowed_even_above_the_watermark(ground: Ground) -> None:
    ground.run()
    ground.deliver("reset-password", when=datetime.now(UTC) - timedelta(hours=5))
    ground.go_live()
    ground.run()
    assert ground.states() == {"shadowed": 1}


STATIONS = ["before recording", "after recording", "after claiming", "after sending", "after moving"]


@pytest.mark.parametrize("station", STATIONS)
def test_killed_at_any_station_the_next_start_goes_on(ground: Ground, station: str) -> None:
    ground.go_live()
    for number in range(3):
        ground.deliver("reset-password", sender=f"customer{number}@client.example", number=number)
    with pytest.raises(Killed):
        _run_until_killed(ground, station)
    for _ in range(3):
        ground.now += timedelta(minutes=5)
        ground.run()
    assert ground.states() == {"answered": 3}
    assert ground.folder("Triage/Answered") == 3
    ids = Counter((received.rcpts[0], received.raw) for received in ground.smtp.received)
    assert len(ids) == 3
    again = sum(count - 1 for count in ids.values())
    assert again == (1 if station == "after sending" else 0)  # RFC 1047: the same bytes, the same Message-ID


def _run_until_killed(ground: Ground, station: str) -> None:
    worker = ground.worker()
    if station == "before recording":
        worker = ground.worker(now=Trap(ground, 2))
    elif station == "after claiming":
        worker = ground.worker(sender=Dying(SmtpSender(ground.smtp.server()), before=True))
    elif station == "after sending":
        worker = ground.worker(sender=Dying(SmtpSender(ground.smtp.server()), before=False))
    elif station == "after moving":
        worker = ground.worker(cabinet=DyingCabinet(ground))
    worker.receive()
    if station == "after recording":
        raise Killed
    worker.deliver()
    worker.settle()


class Trap:
    """A clock that ends the process at its n-th reading."""

    def __init__(self, ground: Ground, readings: int) -> None:
        self.ground, self.left = ground, readings

    def __call__(self) -> datetime:
        self.left -= 1
        if self.left == 0:
            raise Killed
        return self.ground.now


class Dying:
    """A sender whose process ends right before or right after the server takes an email."""

    def __init__(self, sender: SmtpSender, *, before: bool) -> None:
        self.sender, self.before = sender, before

    def send(self, messages: list[Outgoing]) -> list[Delivery]:
        if not self.before:
            self.sender.send(messages)
        raise Killed

    def close(self) -> None:
        self.sender.close()


class DyingCabinet(ImapMailbox):
    """A mailbox whose process ends right after a move."""

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground.dovecot.server(ground.user))

    def move(self, uids: list[int], folder: str) -> None:  # type: ignore[override]
        super().move(uids, folder)
        raise Killed

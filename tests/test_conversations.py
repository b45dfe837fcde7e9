"""Conversations of several emails: who is answered, who is handed over, and when automation has to be silent."""

import email
import email.policy
import hashlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from tests.house import CONTENT, MAILBOX, Ground, Keywords
from tests.servers.dovecot import DovecotServer
from tests.servers.recording_smtp import RecordingSmtp
from triage.core.compose import House
from triage.core.mail import Mail, Trimmed
from triage.core.policy import Action, Mode
from triage.core.prediction import Gate, Guess, Prediction
from triage.core.ticket import suppression_hash, tag
from triage.desk import Desk
from triage.journal.history import EmailDetail, LogFilter, LogRow
from triage.journal.tables import ticket as tickets
from triage.worker import Worker

ANN = "ann@client.example"
JANE = "jane@insight.com"
SUPPORT = "cloud-support@teams.example"
SECRET = b"k" * 32


class WordsOfTheText(Keywords):
    """Guesses by words of what the sender wrote now: intents and topics by their id, ``thanks``."""

    def predict(self, mail: Mail, trimmed: Trimmed) -> Prediction:
        words = trimmed.text.split()
        intents = tuple(word for word in words if word in CONTENT.entries)
        topics = tuple(word for word in words if word in CONTENT.policy.topics)
        gate = Gate("confidence", True, 0.9, 0.8, "as sure as the test wants it")
        guesses = tuple(Guess(label, 0.9) for label in (*intents, *topics))
        return Prediction(guesses, intents, topics, "thanks" in words, 0.9, (gate,), model="words")


def written(
    text: str,
    *,
    sender: str = ANN,
    to: str = MAILBOX,
    cc: str = "",
    subject: str = "A question",
    answers: str = "",
    number: int = 0,
    **headers: str,
) -> bytes:
    """An email as a person's mail program writes it."""
    mail = EmailMessage()
    given = {"From": sender, "To": to, "Cc": cc, "Subject": subject, "In-Reply-To": answers, "References": answers}
    digest = hashlib.sha256(repr((text, sender, subject, answers, number)).encode()).hexdigest()[:16]
    mail["Message-ID"] = f"<{digest}@{sender.partition('@')[2]}>"
    for name, value in (given | {name.replace("_", "-"): value for name, value in headers.items()}).items():
        if value:
            mail[name] = value
    mail.set_content(text + "\n")
    return mail.as_bytes().replace(b"\n", b"\r\n")


def message_id(raw: bytes) -> str:
    return str(email.message_from_bytes(raw)["Message-ID"]).strip()


class Talk(Ground):
    """A ground whose emails are read by their text."""

    def worker(self, **changes: object) -> Worker:
        desk = Desk(WordsOfTheText(), self.content.policy, self.content.entries)
        return super().worker(**({"desk": desk} | changes))

    def says(self, raw: bytes) -> LogRow:
        """An email arrives and is handled; gives what the journal says of it."""
        self.now += timedelta(minutes=1)
        self.dovecot.deliver(self.user, raw)
        self.run()
        return self.journal.history.log(limit=1)[0]

    def sends_by_hand(self, raw: bytes) -> None:
        """A person sends from the mailbox: the mail program leaves a copy in Sent."""
        if "Sent" not in self.dovecot.command(self.user, 'LIST "" "Sent"'):
            self.dovecot.command(self.user, 'CREATE "Sent"')
        self.dovecot.deliver(self.user, raw, folder="Sent")

    def last_to(self, recipient: str) -> EmailMessage:
        return self.sent_to(recipient)[-1]

    def detail(self, email_id: int) -> EmailDetail:
        found = self.journal.history.email(email_id)
        assert found is not None
        return found

    def ticket(self, number: int) -> Any:
        with self.journal.database.reading() as connection:
            return connection.execute(select(tickets).where(tickets.c.number == number)).one()


@pytest.fixture
def ground(dovecot: DovecotServer, dovecot_user: str, recording_smtp: RecordingSmtp, tmp_path: Path) -> Iterator[Talk]:
    talk = Talk(dovecot, recording_smtp, f"sqlite:///{tmp_path}/triage.db", tmp_path, dovecot_user)
    talk.go_live()
    yield talk
    talk.close()


def codes(row: LogRow) -> list[str]:
    return [reason.code for reason in row.decision.reasons]


def asked_and_answered(ground: Talk) -> EmailMessage:
    """Ann asks about her password; gives our answer."""
    row = ground.says(written("reset-password please"))
    assert (row.decision.action, row.ticket) == (Action.ANSWER, 1001)
    return ground.last_to(ANN)


def test_a_whole_conversation(ground: Talk) -> None:
    answer = asked_and_answered(ground)

    row = ground.says(written("That did not help.", subject=f"Re: {answer['Subject']}", answers=answer["Message-ID"]))
    assert (row.ticket, row.decision.action, row.decision.team) == (1001, Action.ROUTE, "cloud-support")
    assert "reply-to-answer" in codes(row)
    acknowledgement, handed = ground.last_to(ANN), ground.last_to(SUPPORT)
    assert "A person reads it by" in acknowledgement.get_body(("plain",)).get_content()
    assert "> That did not help." in handed.get_body(("plain",)).get_content()
    assert {address.addr_spec for address in handed["Reply-To"].addresses} == {ANN, MAILBOX}

    from_jane = written("Try this.", sender=JANE, to=ANN, cc=MAILBOX, answers=handed["Message-ID"])
    row = ground.says(from_jane)
    assert (row.ticket, row.decision.action, codes(row)[-1]) == (1001, Action.IGNORE, "colleague-answered")

    row = ground.says(written("sync-frequency if I may ask", answers=message_id(from_jane)))
    assert (row.ticket, row.decision.action, row.decision.reply) == (1001, Action.ROUTE, False)
    assert row.decision.team == "cloud-support"

    row = ground.says(written("thanks", answers=message_id(from_jane)))
    assert (row.ticket, row.decision.reply) == (1001, False)
    assert ground.ticket(1001).closed_at == ground.now

    assert len(ground.sent_to(ANN)) == 2
    assert len(ground.smtp.received) == 2 + 3
    assert ground.folder("INBOX") == 0


def test_thanks_for_an_answer_close_the_ticket_and_nobody_hears_of_them(ground: Talk) -> None:
    answer = asked_and_answered(ground)
    row = ground.says(written("thanks", answers=answer["Message-ID"]))
    assert (row.ticket, row.decision.action, row.state) == (1001, Action.IGNORE, "ignored")
    assert "nothing-asked" in codes(row)
    assert ground.ticket(1001).closed_at == ground.now
    assert len(ground.smtp.received) == 1


def test_what_is_ignored_on_the_classifiers_word_alone_can_be_listed(ground: Talk) -> None:
    ground.says(written("thanks"))
    ground.says(written("I am away.", subject="Out of office", Auto_Submitted="auto-replied"))
    log = ground.journal.history.log
    assert len(log(LogFilter(action=Action.IGNORE))) == 2
    (row,) = log(LogFilter(action=Action.IGNORE, reason="nothing-asked"))
    assert row.subject == "A question"
    assert log(LogFilter(reason="no-such-code")) == []
    assert log(LogFilter(reason='nothing-asked", "x')) == []


def test_a_reply_that_asks_a_new_faq_question_is_answered_and_the_same_one_is_not(ground: Talk) -> None:
    answer = asked_and_answered(ground)
    row = ground.says(written("And sync-frequency ?", answers=answer["Message-ID"]))
    assert (row.ticket, row.decision.action) == (1001, Action.ANSWER)
    row = ground.says(written("sync-frequency again", answers=ground.last_to(ANN)["Message-ID"]))
    assert (row.ticket, row.decision.action) == (1001, Action.ROUTE)


def test_once_an_answer_did_not_help_the_conversation_is_never_answered_automatically_again(ground: Talk) -> None:
    answer = asked_and_answered(ground)
    ground.says(written("That did not help.", answers=answer["Message-ID"]))
    row = ground.says(written("And sync-frequency ?", answers=answer["Message-ID"]))
    assert (row.decision.action, row.decision.reply) == (Action.ROUTE, False)
    assert "handed-over-before" in codes(row)
    assert len(ground.sent_to(ANN)) == 2


# --- which ticket -----------------------------------------------------------------------------------------------------


def test_a_stranger_opens_a_new_ticket_with_a_forged_tag_and_with_a_real_one(ground: Talk) -> None:
    asked_and_answered(ground)
    for number, mark in ((1002, "[CSP-1001-AAAAAA]"), (1003, tag(1001, SECRET)), (1004, "[CSP-1001]")):
        stranger = f"eve{number}@elsewhere.example"
        row = ground.says(written("other question", sender=stranger, subject=f"Re: A question {mark}"))
        assert row.ticket == number
    assert len(ground.sent_to(ANN)) == 1


def test_who_takes_part_is_known_by_the_tag_alone(ground: Talk) -> None:
    asked_and_answered(ground)
    row = ground.says(written("That did not help.", subject=f"AW: frage {tag(1001, SECRET)}"))
    assert row.ticket == 1001
    assert "conversation" in codes(row)


def as_exchange_sends_it(mail: EmailMessage) -> bytes:
    """The copy in Sent, with a Message-ID of the server's own."""
    mail.replace_header("Message-ID", "<AM0PR04MB1@eurprd04.prod.outlook.example>")
    return mail.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def test_a_reply_to_a_mail_whose_id_exchange_replaced_finds_its_ticket(ground: Talk) -> None:
    copy = as_exchange_sends_it(asked_and_answered(ground))
    ground.sends_by_hand(copy)
    row = ground.says(written("Me neither.", sender="bob@client.example", subject="Re: help", answers=message_id(copy)))
    assert row.ticket == 1001
    kept = ground.detail(1)
    assert kept.outbox[0].sent_copy_id == message_id(copy)
    assert kept.events == ()  # it is our own mail, no person wrote


# --- a person takes over ----------------------------------------------------------------------------------------------


def from_outlook(**changes: str) -> bytes:
    return written("I have done it for you.", sender=MAILBOX, to=ANN, **changes)


@pytest.mark.parametrize("mark", ["id of the question", "id of our answer", "tag"])
def test_a_persons_answer_that_only_sent_shows_silences_automation(ground: Talk, mark: str) -> None:
    answer = asked_and_answered(ground)
    marks = {
        "id of the question": {"answers": answer["In-Reply-To"]},
        "id of our answer": {"answers": answer["Message-ID"]},
        "tag": {"subject": answer["Subject"]},
    }
    by_hand = from_outlook(**marks[mark])
    ground.sends_by_hand(by_hand)
    row = ground.says(written("sync-frequency ?", answers=message_id(by_hand)))
    assert (row.ticket, row.decision.action, row.decision.reply) == (1001, Action.ROUTE, False)
    assert "person-involved" in codes(row)
    assert len(ground.sent_to(ANN)) == 1
    ground.run()
    assert [(event.what, event.who) for event in ground.detail(1).events] == [("person-wrote", MAILBOX)]


def test_an_answer_that_waits_for_approval_is_cancelled_when_a_person_answers_first(ground: Talk) -> None:
    ground.journal.service.set_mode(Mode.DRAFT, ground.now, "lead", "careful")
    question = written("reset-password please")
    row = ground.says(question)
    assert row.state == "waiting_for_approval"
    ground.sends_by_hand(from_outlook(answers=message_id(question)))
    ground.run()
    kept = ground.detail(row.id)
    assert (kept.summary.state, kept.outbox[0].state) == ("routed", "cancelled")
    assert not ground.journal.outbox.approve(kept.outbox[0].id, "lead", ground.now)
    assert ground.sent_to(ANN) == []


def test_other_mail_in_sent_changes_nothing(ground: Talk) -> None:
    answer = asked_and_answered(ground)
    ground.sends_by_hand(from_outlook(subject="Something new"))
    ground.sends_by_hand(from_outlook(answers=answer["Message-ID"], Auto_Submitted="auto-replied"))
    row = ground.says(written("sync-frequency ?", answers=answer["Message-ID"]))
    assert row.decision.action is Action.ANSWER


def test_sent_is_read_again_after_it_was_numbered_anew_and_nothing_is_noted_twice(ground: Talk) -> None:
    answer = asked_and_answered(ground)
    ground.sends_by_hand(from_outlook(answers=answer["Message-ID"]))
    ground.run()
    ground.dovecot.command(ground.user, 'RENAME "Sent" "Old"', 'CREATE "Sent"', 'SELECT "Old"', 'COPY 1:* "Sent"')
    ground.sends_by_hand(from_outlook(answers=answer["Message-ID"], subject="Once more"))
    ground.run()
    assert [event.what for event in ground.detail(1).events] == ["person-wrote", "person-wrote"]


def test_mail_that_was_in_sent_before_the_first_connection_is_not_looked_at(
    dovecot: DovecotServer, dovecot_user: str, recording_smtp: RecordingSmtp, tmp_path: Path
) -> None:
    fresh = Talk(dovecot, recording_smtp, f"sqlite:///{tmp_path}/triage.db", tmp_path, dovecot_user)
    for number in range(3):
        fresh.sends_by_hand(from_outlook(subject=f"Before {number}"))
    fresh.run()
    fresh.run()
    standing = fresh.journal.mailboxes.get(MAILBOX)
    fresh.close()
    assert standing is not None
    assert standing.sent_scanned_to == 4


def test_a_colleague_who_writes_to_the_mailbox_alone_is_handed_over_and_takes_over(ground: Talk) -> None:
    asked_and_answered(ground)
    ground.says(written("technical-issue too", answers=ground.last_to(ANN)["Message-ID"]))
    handed = ground.last_to(SUPPORT)
    row = ground.says(written("This is for Billing.", sender=JANE, answers=handed["Message-ID"]))
    assert (row.ticket, row.decision.action, row.decision.reply) == (1001, Action.ROUTE, False)
    assert ground.sent_to(JANE) == []
    row = ground.says(written("sync-frequency ?", answers=ground.last_to(ANN)["Message-ID"]))
    assert "person-involved" in codes(row)


def test_a_colleagues_absence_notice_takes_nothing_over(ground: Talk) -> None:
    answer = asked_and_answered(ground)
    notice = written(
        "I am away until Monday.",
        sender=JANE,
        subject="Automatic reply",
        answers=answer["Message-ID"],
        Auto_Submitted="auto-replied",
    )
    row = ground.says(notice)
    assert (row.decision.action, row.ticket) == (Action.IGNORE, None)
    assert ground.says(written("sync-frequency ?", answers=answer["Message-ID"])).decision.action is Action.ANSWER


# --- what comes back --------------------------------------------------------------------------------------------------


def delivery_report(returned_id: str, *, key: str = "", recipient: str = ANN) -> bytes:
    lines = f"""\
Return-Path: <>
From: Mail Delivery System <MAILER-DAEMON@mx.client.example>
To: {MAILBOX}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="limit"

--limit
Content-Type: text/plain

No such user.
--limit
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.client.example

Final-Recipient: rfc822; {recipient}
Action: failed
Status: 5.1.1

--limit
Content-Type: text/rfc822-headers

Message-ID: {returned_id}
{f"X-Triage-Key: {key}" if key else "Subject: Re: A question"}

--limit--
"""
    return lines.replace("\n", "\r\n").encode()


def test_a_delivery_report_marks_our_mail_and_its_ticket_where_a_person_sees_it(ground: Talk) -> None:
    answer = asked_and_answered(ground)
    row = ground.says(delivery_report(answer["Message-ID"]))
    assert (row.decision.action, row.ticket, row.undelivered) == (Action.IGNORE, None, False)
    (marked,) = ground.journal.history.log(LogFilter(undelivered=True))
    assert (marked.ticket, marked.undelivered, marked.state) == (1001, True, "answered")
    kept = ground.detail(marked.id)
    said = f"A delivery report says that the email to {ANN} did not arrive (status 5.1.1)."
    assert (kept.outbox[0].bounce, [(event.what, event.sentence) for event in kept.events]) == (
        said,
        [("bounced", said)],
    )
    assert ground.ticket(1001).undelivered_at == ground.now
    assert len(ground.smtp.received) == 1


def test_a_delivery_report_finds_our_mail_by_its_key_where_the_id_was_replaced(ground: Talk) -> None:
    answer = asked_and_answered(ground)
    ground.says(delivery_report("<made-by-exchange@outlook.example>", key=answer["X-Triage-Key"]))
    assert len(ground.journal.history.log(LogFilter(undelivered=True))) == 1


def test_a_forged_delivery_report_does_nothing_beyond_the_mark(ground: Talk) -> None:
    answer = asked_and_answered(ground)
    ground.says(delivery_report("<nobodys@elsewhere.example>", key="f" * 32))
    ground.says(delivery_report(answer["In-Reply-To"]))  # the customer's own id is no mail of ours
    assert ground.journal.history.log(LogFilter(undelivered=True)) == []
    ground.says(delivery_report(answer["Message-ID"], recipient="4111111111111111@evil.example"))
    (marked,) = ground.journal.history.log(LogFilter(undelivered=True))
    kept = ground.detail(marked.id)
    assert "evil.example" not in str(kept.events)
    row = ground.says(written("And sync-frequency ?", answers=answer["Message-ID"]))
    assert (row.ticket, row.decision.action) == (1001, Action.ANSWER)


# --- no loops ---------------------------------------------------------------------------------------------------------


def with_subject_of_ours(mail: EmailMessage) -> dict[str, str]:
    return {"subject": f"Re: {mail['Subject']}"}


def with_our_id(mail: EmailMessage) -> dict[str, str]:
    return {"subject": "We have got your email", "answers": mail["Message-ID"]}


def with_nothing_of_ours(mail: EmailMessage) -> dict[str, str]:
    return {"subject": "We have got your email"}


@pytest.mark.parametrize("form", [with_subject_of_ours, with_our_id, with_nothing_of_ours])
@pytest.mark.parametrize("words", ["Dear customer, a colleague will see to it.", "See sync-frequency in our FAQ."])
def test_an_auto_responder_without_headers_gets_two_mails_at_most(
    ground: Talk, form: Callable[[EmailMessage], dict[str, str]], words: str
) -> None:
    ground.says(written("reset-password please"))
    answered = 0
    for number in range(1, 8):
        new = ground.sent_to(ANN)[answered:]
        answered += len(new)
        for mail in new or ground.sent_to(ANN)[-1:]:  # it may even write on by itself
            ground.says(written(words, number=number, **form(mail)))  # type: ignore[arg-type]
    assert len(ground.sent_to(ANN)) <= 2


class Other(Talk):
    """Another help desk with the same service."""

    ADDRESS = "help@other.example"

    def worker(self, **changes: object) -> Worker:
        house = House(self.content.policy, self.content.entries, self.content.texts, self.ADDRESS, b"o" * 32)
        return super().worker(**({"address": self.ADDRESS, "house": house} | changes))


def pass_on(sender: Talk, seen: int, to: Talk, address: str, *, strip: bool) -> int:
    """Deliver what one service has sent to the other's address; a gateway may strip headers. Gives how many."""
    new = [received.raw for received in sender.smtp.received[seen:] if received.rcpts == (address,)]
    for raw in new:
        mail = email.message_from_bytes(raw, policy=email.policy.default)
        if strip:
            for name in ("Auto-Submitted", "X-Auto-Response-Suppress", "X-Triage-Key"):
                del mail[name]
        to.says(mail.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    return len(new)


@pytest.mark.parametrize("strip", [False, True], ids=["as sent", "headers stripped on the way"])
@pytest.mark.parametrize("question", ["reset-password please", "technical-issue here", "hello"])
def test_two_services_that_write_to_each_other_stop_after_two_mails(
    ground: Talk, tmp_path: Path, question: str, strip: bool
) -> None:
    with RecordingSmtp() as smtp:
        other = Other(ground.dovecot, smtp, f"sqlite:///{tmp_path}/other.db", tmp_path, ground.dovecot.new_user()[0])
        other.with_policy(own_addresses=frozenset({Other.ADDRESS}), staff_domains=frozenset({"other.example"}))
        other.go_live()
        ground.says(written(question, sender=Other.ADDRESS))
        here = there = mails = 0
        for _ in range(6):
            to_other = pass_on(ground, here, other, Other.ADDRESS, strip=strip)
            here = len(ground.smtp.received)
            to_us = pass_on(other, there, ground, MAILBOX, strip=strip)
            there = len(other.smtp.received)
            mails += to_other + to_us
        other.close()
    assert 1 <= mails <= 2


# --- the never-reply list ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("listed", [ANN, "client.example"])
def test_who_is_on_the_never_reply_list_reaches_a_person_and_hears_nothing(ground: Talk, listed: str) -> None:
    ground.journal.conversations.suppress(suppression_hash(listed, SECRET), "lead", "asked us to", ground.now)
    row = ground.says(written("reset-password please", sender="Ann@client.example"))
    assert (row.decision.action, row.decision.reply) == (Action.ROUTE, False)
    assert "never-reply" in codes(row)
    assert {received.rcpts for received in ground.smtp.received} == {(SUPPORT,)}
    assert ground.journal.conversations.unsuppress(suppression_hash(listed, SECRET))
    row = ground.says(written("reset-password please", sender="Ann@client.example", subject="Again"))
    assert row.decision.action is Action.ANSWER

import signal
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.journal.values import BOX, KIND, NOW, ROOT, SECOND, claim, decision, live, mail, owed, record, take_in
from triage.core.decision import Decision, Reason
from triage.core.mail import Address, Attachment, Details, Objection, Redaction, Severity
from triage.core.policy import Action, Mode
from triage.core.prediction import Prediction
from triage.journal.opening import open_journal
from triage.journal.record import first_state
from triage.journal.states import Place, State


def uids(journal):
    return sorted(row.uid for row in journal.history.log(limit=1000))


def test_everything_of_an_email_is_kept(journal):
    live(journal)
    full = record(
        5,
        Action.ANSWER_AND_ROUTE,
        mail=replace(
            mail(5, sender="Ann@Client.example"),
            in_reply_to=("<a@x>",),
            references=("<b@x>", "<a@x>"),
            attachments=(Attachment("bill.pdf", "application/pdf", 1000),),
            redactions=(Redaction("card number", 2),),
            defects=("Its date cannot be read.",),
        ),
        decision=Decision(
            Action.ANSWER_AND_ROUTE,
            intents=("update-address", "reset-password"),
            topics=("other",),
            team="billing",
            details=Details(found=(("company", "Client Ltd"),), missing=("tenant",), notes=("look-alike",)),
            sensitive=True,
            reasons=(Reason("two-questions", "It asks two questions."),),
        ),
        objections=(Objection("reply-to-differs", Severity.NO_ANSWER, "Reply-To is elsewhere.", "rule 9"),),
    )
    with journal.intake(BOX) as intake:
        number = intake.new_ticket(NOW)
        email_id = intake.record(replace(full, ticket=number), [owed("a", held=True)], now=NOW + SECOND)
    kept = journal.history.email(email_id)

    assert kept.summary.ticket == number
    assert (kept.summary.mailbox, kept.uidvalidity, kept.summary.uid, kept.sha256) == (BOX, 7, 5, full.mail.sha256)
    assert (kept.summary.sender, kept.summary.sender_name) == ("ann@client.example", "Ann")
    assert (kept.summary.subject, kept.text, kept.signature, kept.quoted) == (
        "Question 5",
        "How do I reset my password?",
        "Ann",
        "> earlier",
    )
    assert (kept.message_id, kept.in_reply_to, kept.references) == (
        "<question-5@client.example>",
        ("<a@x>",),
        ("<b@x>", "<a@x>"),
    )
    assert (kept.attachments, kept.redactions, kept.defects) == (
        full.mail.attachments,
        full.mail.redactions,
        full.mail.defects,
    )
    assert kept.summary.decision == full.decision
    assert kept.objections == full.objections
    assert kept.prediction == full.prediction
    assert (kept.model, kept.faq, kept.policy, kept.language) == ("model-1", "faq-1", "policy-1", "en")
    assert (kept.summary.mode, kept.summary.confidence, kept.summary.milliseconds) == (Mode.AUTOMATIC, 0.96, 4.2)
    assert (kept.sent_at, kept.summary.received_at, kept.fetched_at, kept.decided_at, kept.summary.recorded_at) == (
        full.mail.date,
        full.received_at,
        full.fetched_at,
        full.decided_at,
        NOW + SECOND,
    )
    assert (kept.summary.state, kept.final_state) == (State.WAITING_FOR_APPROVAL, State.ANSWERED_AND_ROUTED)
    assert [(row.raw, row.message_id, row.key) for row in kept.outbox] == [
        (owed("a").draft.raw, "<a@shop.example>", "key-a")
    ]
    assert kept.outbox[0].sentences == owed("a").draft.sentences


def test_an_email_without_a_sender_a_prediction_or_a_ticket_is_kept_too(journal):
    live(journal)
    bare = record(1, Action.IGNORE, mail=replace(mail(1), from_=(), message_id=None, date=None))
    with journal.intake(BOX) as intake:
        email_id = intake.record(replace(bare, prediction=Prediction(failure="There is no model.")), now=NOW)
    kept = journal.history.email(email_id)
    assert (kept.summary.sender, kept.summary.ticket, kept.message_id, kept.sent_at) == (None, None, None, None)
    assert kept.prediction.failure == "There is no model."


@pytest.mark.parametrize(
    ("action", "mode", "drafts", "more", "first", "final"),
    [
        (Action.ANSWER, Mode.AUTOMATIC, ["reply"], {}, "waiting_for_delivery", "answered"),
        (Action.ANSWER, Mode.AUTOMATIC, ["held"], {}, "waiting_for_approval", "answered"),
        (Action.ANSWER, Mode.DRAFT, ["held", "hand-over"], {}, "waiting_for_approval", "answered"),
        (Action.ANSWER_AND_ROUTE, Mode.AUTOMATIC, ["reply"], {}, "waiting_for_delivery", "answered_and_routed"),
        (Action.ROUTE, Mode.DRAFT, ["hand-over"], {}, "waiting_for_delivery", "routed"),
        (Action.ROUTE, Mode.AUTOMATIC, [], {}, "routed", "routed"),
        (Action.IGNORE, Mode.AUTOMATIC, [], {}, "ignored", "ignored"),
        (Action.IGNORE, Mode.SHADOW, [], {}, "shadowed", "shadowed"),
        (Action.ANSWER, Mode.SHADOW, [], {}, "shadowed", "shadowed"),
        (Action.ROUTE, Mode.SHADOW, [], {"parked": "too large"}, "parked", "parked"),
        (Action.ROUTE, Mode.AUTOMATIC, [], {"parked": "failed 3 times"}, "parked", "parked"),
    ],
)
def test_the_first_and_the_final_state_follow_from_the_decision(action, mode, drafts, more, first, final):
    owing = [owed(name, held=name == "held") for name in drafts]
    assert first_state(record(1, action, mode=mode, **more), owing) == (State(first), State(final))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"mode": Mode.SHADOW}, "decided in shadow mode"),
        ({"mode": Mode.OFF}, "decided in off mode"),
        ({"decision": decision(Action.IGNORE)}, "ignored"),
        ({"parked": "too large"}, "parked"),
        ({"same_as": 1}, "handled before"),
    ],
)
def test_nothing_is_owed_where_nothing_may_be_sent(journal, changes, says):
    live(journal)
    with pytest.raises(ValueError, match=says):
        take_in(journal, 2, [owed("a")], **changes)
    assert uids(journal) == []


def test_in_draft_mode_a_reply_waits_for_approval_whatever_the_caller_says(journal):
    live(journal, Mode.DRAFT)
    email_id = take_in(journal, 1, [owed("a"), owed("b", KIND.HAND_OVER)], mode=Mode.DRAFT)
    assert [row.state for row in journal.history.email(email_id).outbox] == ["held", "queued"]
    assert journal.history.counts() == {"waiting_for_approval": 1}


def test_a_batch_is_recorded_together_or_not_at_all(journal):
    def cut_short():
        with journal.intake(BOX) as intake:
            intake.record(record(1), [owed("a")], now=NOW)
            intake.note_failure(2, "It broke.", NOW)
            intake.scanned(3)
            raise KeyboardInterrupt

    live(journal)
    with pytest.raises(KeyboardInterrupt):
        cut_short()
    assert uids(journal) == []
    assert claim(journal) == []
    assert journal.mailboxes.due_retries(BOX, NOW + timedelta(days=1)) == []
    assert journal.mailboxes.get(BOX).scanned_to == 1


def test_an_email_that_cannot_be_recorded_does_not_spoil_its_batch(journal):
    live(journal)
    with journal.intake(BOX) as intake:
        intake.record(record(1), now=NOW)
        broken = record(2, received_at=NOW.replace(tzinfo=None))
        with pytest.raises(ValueError, match="no time zone"):
            intake.record(broken, [owed("a")], now=NOW)
        intake.note_failure(2, "Its time has no zone.", NOW)
        intake.record(record(3), now=NOW)
        intake.scanned(4)
    assert uids(journal) == [1, 3]
    assert journal.history.ledger(BOX).seen == 3


def test_an_email_is_taken_in_once(journal):
    live(journal)
    take_in(journal, 1, [owed("a")])
    with journal.intake(BOX) as intake:
        assert not intake.is_new(1, mail(1).sha256)
        assert intake.is_new(2, mail(2).sha256)
        again = record(1, ticket=intake.new_ticket(NOW))
        assert intake.record(again, [owed("b")], now=NOW) is None
    assert uids(journal) == [1]
    assert [row.message_id for row in claim(journal)] == ["<a@shop.example>"]
    assert take_in(journal, 2)  # the unused number left no ticket behind, and is not given again
    assert [row.ticket for row in journal.history.log()] == [1003, 1001]


def test_the_same_message_id_with_other_bytes_is_another_email(journal):
    live(journal)
    take_in(journal, 1)
    take_in(journal, 2, mail=replace(mail(2), message_id=mail(1).message_id))
    assert uids(journal) == [1, 2]


def test_emails_without_a_message_id_are_kept(journal):
    live(journal)
    for uid in (1, 2):
        take_in(journal, uid, mail=replace(mail(uid), message_id=None))
    assert uids(journal) == [1, 2]


def test_two_workers_with_the_same_emails_take_turns_and_one_wins(url):
    first, second = open_journal(url), open_journal(url)
    live(first)
    both_ready = threading.Barrier(2)
    recorded = {"first": 0, "second": 0}

    def work(name, journal):
        for batch in range(10):
            both_ready.wait(timeout=30)
            with journal.intake(BOX) as intake:
                for uid in range(batch * 5 + 1, batch * 5 + 6):
                    reply = owed(f"reply-{uid}")
                    number = intake.new_ticket(NOW)
                    recorded[name] += intake.record(record(uid, ticket=number), [reply], now=NOW) is not None

    threads = [threading.Thread(target=work, args=one) for one in (("first", first), ("second", second))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert recorded["first"] + recorded["second"] == 50
    assert uids(first) == list(range(1, 51))
    assert len(claim(first, limit=1000)) == 50
    first.close()
    second.close()


def test_a_worker_that_dies_while_it_records_leaves_nothing_and_holds_up_nobody(url):
    journal = open_journal(url, lock_timeout_s=5)
    live(journal)
    dying = f"""
import os, signal
from tests.journal.values import *
from triage.journal.opening import open_journal
with open_journal({url!r}).intake(BOX) as intake:
    intake.record(record(1, ticket=intake.new_ticket(NOW)), [owed("a")], now=NOW)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", dying], cwd=ROOT, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert uids(journal) == []
    take_in(journal, 1, [owed("a")])
    assert uids(journal) == [1]
    journal.close()


@pytest.mark.parametrize(
    ("again", "found"),
    [
        ({}, True),  # dragged back: the same bytes
        ({"sha256": "f" * 64}, True),  # delivered twice: other Received headers
        ({"sha256": "f" * 64, "text": "Something else"}, False),
        ({"sha256": "f" * 64, "message_id": "<other@client.example>"}, False),
        ({"sha256": "f" * 64, "from_": (Address("bob@client.example"),)}, False),
        ({"sha256": "f" * 64, "date": NOW}, False),
    ],
)
def test_an_email_that_returns_under_another_uid_is_recognised(journal, again, found):
    live(journal)
    email_id = take_in(journal, 1)
    with journal.intake(BOX) as intake:
        earlier = intake.earlier(replace(mail(1), **again))
    assert (earlier is not None) == found
    if found:
        assert (earlier.id, earlier.uid, earlier.state, earlier.ticket) == (email_id, 1, State.ANSWERED, 1001)


def test_without_a_message_id_only_the_same_bytes_are_the_same_email(journal):
    live(journal)
    thanks = replace(mail(1), message_id=None)
    take_in(journal, 1, mail=thanks)
    with journal.intake(BOX) as intake:
        assert intake.earlier(thanks)
        assert intake.earlier(replace(thanks, sha256="f" * 64)) is None


def test_an_email_of_another_mailbox_is_not_the_same(journal):
    live(journal)
    live(journal, box="sales@shop.example")
    take_in(journal, 1)
    with journal.intake("sales@shop.example") as intake:
        assert intake.earlier(mail(1)) is None


def test_an_email_that_came_back_stays_where_a_person_put_it(journal):
    live(journal)
    first = take_in(journal, 1)
    again = take_in(journal, 9, action=Action.IGNORE, same_as=first, mail=mail(1))
    assert journal.history.email(again).place == Place.LEFT
    assert [email.id for email in journal.history.to_put_away(BOX)] == [first]


def test_a_failure_is_tried_again_later_and_forgotten_once_it_is_recorded(journal):
    live(journal)
    with journal.intake(BOX) as intake:
        assert intake.note_failure(4, "The parser broke.", NOW) == 1
        intake.scanned(5)
    assert journal.mailboxes.due_retries(BOX, NOW + timedelta(seconds=29)) == []
    due = journal.mailboxes.due_retries(BOX, NOW + timedelta(seconds=36))
    assert [(failure.uid, failure.tries, failure.sentence) for failure in due] == [(4, 1, "The parser broke.")]

    later = NOW + timedelta(minutes=1)
    with journal.intake(BOX) as intake:
        assert intake.note_failure(4, "It broke again.", later) == 2
    assert journal.mailboxes.due_retries(BOX, later + timedelta(minutes=4)) == []

    take_in(journal, 4)
    assert journal.mailboxes.due_retries(BOX, NOW + timedelta(days=9)) == []
    assert journal.history.ledger(BOX).failing == 0


def test_what_keeps_failing_is_parked_with_its_reason_and_place(journal):
    live(journal)
    for tries in (1, 2, 3):
        with journal.intake(BOX) as intake:
            assert intake.note_failure(4, "The parser broke.", NOW) == tries
    email_id = take_in(journal, 4, action=Action.ROUTE, parked="The parser broke 3 times. It lies in Triage/Parked.")
    kept = journal.history.email(email_id)
    assert (kept.summary.state, kept.parked) == (
        State.PARKED,
        "The parser broke 3 times. It lies in Triage/Parked.",
    )
    assert [email.state for email in journal.history.to_put_away(BOX)] == [State.PARKED]


def test_a_failing_email_that_somebody_took_away_is_let_go(journal):
    live(journal)
    with journal.intake(BOX) as intake:
        intake.note_failure(4, "The parser broke.", NOW)
    with journal.intake(BOX) as intake:
        intake.gone(4)
        intake.gone(5)  # never failed: nothing happens
    assert journal.history.ledger(BOX).seen == 0


def test_scanning_never_goes_backwards(journal):
    live(journal)
    for below in (10, 5):
        with journal.intake(BOX) as intake:
            intake.scanned(below)
    assert journal.mailboxes.get(BOX).scanned_to == 10


def test_ticket_numbers_begin_at_1001_and_rise(journal):
    live(journal)
    with journal.intake(BOX) as intake:
        assert [intake.new_ticket(NOW) for _ in range(3)] == [1001, 1002, 1003]


def test_an_intake_sees_what_it_has_recorded_itself(journal):
    live(journal)
    with journal.intake(BOX) as intake:
        number = intake.new_ticket(NOW)
        intake.record(record(1, ticket=number), [owed("a")], now=NOW)
        reply = replace(mail(2), in_reply_to=("<a@shop.example>",))
        assert intake.conversation(reply).ticket == number
        assert intake.sender_history("ann@client.example", 24, NOW).to_sender_24h == 1


def test_an_intake_knows_how_far_it_may_go(journal):
    journal.mailboxes.first_connection(BOX, 7, 1, NOW)
    with journal.intake(BOX) as intake:
        assert intake.mode is Mode.SHADOW
    journal.service.set_mode(Mode.DRAFT, NOW, "lead", "ready")
    with journal.intake(BOX) as intake:
        assert intake.mode is Mode.DRAFT
        assert intake.mailbox.went_live_at == NOW


def test_a_mailbox_that_was_never_connected_is_named(journal):
    with pytest.raises(LookupError, match=r"does not know the mailbox who@shop\.example: call first_connection"):
        take_in(journal, 1, box="who@shop.example")

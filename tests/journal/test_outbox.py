import signal
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.journal.values import (
    BOX,
    CLAIM,
    KIND,
    NOW,
    ROOT,
    SECOND,
    claim,
    live,
    mail,
    owed,
    record,
    take_in,
)
from triage.core.policy import Action, Mode
from triage.journal.database import JournalError
from triage.journal.opening import open_journal
from triage.journal.outbox import Result
from triage.journal.states import RowState, State, Verdict
from triage.journal.tables import message

LATER = NOW + CLAIM
TEAM = "team@shop.example"


def names(rows):
    """What the rows were called when they were owed."""
    return [row.key.removeprefix("key-") for row in rows]


def state_of(journal, email_id):
    return journal.history.email(email_id).summary.state


def row_of(journal, email_id, place=0):
    return journal.history.email(email_id).outbox[place]


# Claims


def test_answers_go_before_acknowledgements_before_hand_overs_and_the_longest_due_first(journal):
    live(journal)
    take_in(journal, 1, [owed("hand-over", KIND.HAND_OVER), owed("ack", KIND.ACKNOWLEDGEMENT)], Action.ROUTE)
    take_in(journal, 2, [owed("second")], now=NOW + SECOND)
    take_in(journal, 3, [owed("first")])
    journal.outbox.add(owed("digest", KIND.DIGEST), BOX, NOW)
    assert names(claim(journal, NOW + SECOND, limit=1)) == ["first"]
    assert names(claim(journal, NOW + SECOND)) == ["second", "ack", "hand-over", "digest"]


def test_a_claim_takes_no_more_than_its_limit_and_nothing_twice(journal):
    live(journal)
    take_in(journal, 1, [owed(f"reply-{number}") for number in range(5)])
    taken = [names(claim(journal, limit=2)) for _ in range(4)]
    assert [len(some) for some in taken] == [2, 2, 1, 0]
    assert len({name for some in taken for name in some}) == 5


def test_a_held_back_answer_is_not_due_before_its_time(journal):
    live(journal)
    take_in(journal, 1, [owed("later", not_before=NOW + 60 * SECOND), owed("now", KIND.HAND_OVER)])
    assert names(claim(journal)) == ["now"]
    assert names(claim(journal, NOW + 60 * SECOND)) == ["later"]


def test_a_worker_can_deliver_for_one_mailbox_only(journal):
    live(journal)
    live(journal, box="sales@shop.example")
    take_in(journal, 1, [owed("support")])
    take_in(journal, 1, [owed("sales")], box="sales@shop.example")
    assert names(journal.outbox.claim(9, "w1", NOW, CLAIM, mailbox="sales@shop.example")) == ["sales"]


def test_a_claimed_row_has_all_that_is_needed_to_send_it(journal):
    live(journal)
    email_id = take_in(journal, 1, [owed("a")])
    (row,) = claim(journal)
    draft = owed("a").draft
    assert (row.kind, row.recipient, row.envelope_sender) == (KIND.REPLY, draft.recipient, draft.envelope_sender)
    assert (row.message_id, row.key, row.raw) == (draft.message_id, draft.key, draft.raw)
    assert (row.email_id, row.ticket, row.mailbox) == (email_id, 1001, BOX)
    assert (row.attempts, row.tries, row.in_doubt, row.next_attempt_at) == (1, 1, False, NOW + CLAIM)


def test_two_workers_claim_different_rows(url):
    first, second = open_journal(url), open_journal(url)
    live(first)
    take_in(first, 1, [owed(f"reply-{number}") for number in range(120)])
    both_ready = threading.Barrier(2)
    taken = {"first": [], "second": []}

    def work(name, journal):
        both_ready.wait(timeout=30)
        while rows := journal.outbox.claim(7, name, NOW, CLAIM):
            taken[name] += names(rows)

    threads = [threading.Thread(target=work, args=one) for one in (("first", first), ("second", second))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    everything = taken["first"] + taken["second"]
    assert sorted(everything) == sorted(f"reply-{number}" for number in range(120))
    first.close()
    second.close()


def test_a_row_whose_worker_was_killed_comes_back_after_the_claim_time_and_is_in_doubt(url):
    journal = open_journal(url)
    live(journal)
    email_id = take_in(journal, 1, [owed("a")])
    dying = f"""
import os, signal
from tests.journal.values import *
from triage.journal.database import JournalError
from triage.journal.opening import open_journal
assert claim(open_journal({url!r}), worker="dying")
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", dying], cwd=ROOT, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL

    assert claim(journal, LATER - SECOND) == []
    (row,) = claim(journal, LATER, worker="other")
    assert (row.in_doubt, row.tries, row.raw) == (True, 2, owed("a").draft.raw)
    journal.outbox.accepted(row, "found in Sent", LATER)
    attempts = [(one.worker, one.verdict) for one in journal.history.email(email_id).attempts]
    assert attempts == [("dying", None), ("other", Verdict.ACCEPTED)]
    assert state_of(journal, email_id) is State.ANSWERED
    journal.close()


@pytest.mark.parametrize(
    ("verdicts", "tries", "in_doubt"),
    [
        ([Verdict.DEFERRED], 2, False),
        ([Verdict.UNKNOWN], 2, True),
        ([Verdict.RELEASED], 1, False),
        ([Verdict.RELEASED, Verdict.RELEASED, Verdict.DEFERRED], 2, False),
        ([Verdict.UNKNOWN, Verdict.DEFERRED], 3, True),  # nobody has learnt what became of the first
        ([None], 2, True),  # cut short
        ([None, Verdict.RELEASED], 2, True),
    ],
)
def test_a_claim_tells_what_was_tried_before(journal, verdicts, tries, in_doubt):
    live(journal)
    take_in(journal, 1, [owed("a")])
    now = NOW
    for verdict in verdicts:
        (row,) = claim(journal, now)
        now += CLAIM
        if verdict:
            journal.outbox.record([Result(row, verdict, "words", retry_at=now)], now)
    (row,) = claim(journal, now)
    assert (row.tries, row.in_doubt) == (tries, in_doubt)


# Outcomes


@pytest.mark.parametrize(
    ("outcome", "row_state", "email_state"),
    [
        (lambda box, row: box.accepted(row, "250 2.0.0 ok", NOW), RowState.SENT, State.ANSWERED),
        (lambda box, row: box.refused(row, "550 5.1.1 no such user", NOW), RowState.GIVEN_UP, State.DELIVERY_FAILED),
        (lambda box, row: box.deferred(row, "451 later", LATER, NOW), RowState.QUEUED, State.WAITING_FOR_DELIVERY),
        (lambda box, row: box.deferred(row, "451 later", None, NOW), RowState.GIVEN_UP, State.DELIVERY_FAILED),
        (lambda box, row: box.unknown(row, "lost", LATER, NOW), RowState.QUEUED, State.WAITING_FOR_DELIVERY),
        (lambda box, row: box.unknown(row, "lost", None, NOW), RowState.GIVEN_UP, State.DELIVERY_FAILED),
        (
            lambda box, row: box.release_claim([row], "no connection", LATER, NOW),
            RowState.QUEUED,
            State.WAITING_FOR_DELIVERY,
        ),
    ],
)
def test_an_outcome_decides_about_row_and_email(journal, outcome, row_state, email_state):
    live(journal)
    email_id = take_in(journal, 1, [owed("a")])
    (row,) = claim(journal)
    outcome(journal.outbox, row)
    kept = journal.history.email(email_id)
    assert (kept.outbox[0].state, kept.summary.state) == (row_state, email_state)
    assert kept.outbox[0].last_answer == kept.attempts[0].answer != ""
    assert kept.attempts[0].ended_at == NOW
    assert (kept.summary.finished_at is not None) == email_state.final
    assert (kept.outbox[0].sent_at is not None) == (row_state is RowState.SENT)


@pytest.mark.parametrize(
    ("action", "final"),
    [
        (Action.ANSWER_AND_ROUTE, State.ANSWERED_AND_ROUTED),
        (Action.ROUTE, State.ROUTED),
        (Action.ANSWER, State.ANSWERED),
    ],
)
def test_an_email_is_final_when_the_last_of_its_rows_is_accepted(journal, action, final):
    live(journal)
    drafts = [owed("a"), owed("b", KIND.ACKNOWLEDGEMENT), owed("c", KIND.HAND_OVER, to=TEAM)]
    email_id = take_in(journal, 1, drafts, action)
    for row in claim(journal):
        assert state_of(journal, email_id) is State.WAITING_FOR_DELIVERY
        journal.outbox.accepted(row, "250 ok", NOW)
    assert state_of(journal, email_id) is final


def test_two_workers_that_deliver_the_last_two_rows_at_once_make_the_email_final(url):
    first, second = open_journal(url), open_journal(url)
    live(first)
    ids = [take_in(first, uid, [owed(f"a{uid}"), owed(f"b{uid}", KIND.HAND_OVER)]) for uid in range(1, 21)]
    rows = claim(first)
    both_ready = threading.Barrier(2)

    def work(journal, kind):
        for row in [row for row in rows if row.kind is kind]:
            both_ready.wait(timeout=30)
            journal.outbox.accepted(row, "250 ok", NOW)

    threads = [threading.Thread(target=work, args=one) for one in ((first, KIND.REPLY), (second, KIND.HAND_OVER))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert {state_of(first, email_id) for email_id in ids} == {State.ANSWERED}
    first.close()
    second.close()


def test_many_outcomes_are_recorded_together(journal):
    live(journal)
    ids = [take_in(journal, uid, [owed(f"reply-{uid}")]) for uid in (1, 2, 3)]
    rows = claim(journal)
    verdicts = (Verdict.ACCEPTED, Verdict.REFUSED, Verdict.DEFERRED)
    results = [Result(row, verdict, "words", LATER) for row, verdict in zip(rows, verdicts, strict=True)]
    journal.outbox.record(results, NOW)
    states = [state_of(journal, email_id) for email_id in ids]
    assert states == [State.ANSWERED, State.DELIVERY_FAILED, State.WAITING_FOR_DELIVERY]
    journal.outbox.record([], NOW)


def test_a_worker_that_was_too_slow_does_not_undo_what_another_has_done(journal):
    live(journal)
    email_id = take_in(journal, 1, [owed("a")])
    (slow,) = claim(journal, worker="slow")
    (quick,) = claim(journal, LATER, worker="quick")
    journal.outbox.deferred(slow, "451 later", LATER + SECOND, LATER)
    assert claim(journal, LATER + 2 * SECOND) == []  # the quick one still has it
    journal.outbox.accepted(quick, "250 ok", LATER)
    journal.outbox.refused(slow, "550 no", LATER)
    assert state_of(journal, email_id) is State.ANSWERED
    verdicts = [one.verdict for one in journal.history.email(email_id).attempts]
    assert verdicts == [Verdict.REFUSED, Verdict.ACCEPTED]


def test_a_late_acceptance_counts_whatever_happened_since(journal):
    live(journal)
    email_id = take_in(journal, 1, [owed("a")])
    (slow,) = claim(journal, worker="slow")
    (quick,) = claim(journal, LATER, worker="quick")
    journal.outbox.refused(quick, "550 no", LATER)
    assert state_of(journal, email_id) is State.DELIVERY_FAILED
    journal.outbox.accepted(slow, "250 ok", LATER)
    assert state_of(journal, email_id) is State.ANSWERED


def test_what_was_given_up_can_be_queued_again_with_the_same_bytes(journal):
    live(journal)
    email_id = take_in(journal, 1, [owed("a")])
    (row,) = claim(journal)
    journal.outbox.refused(row, "550 mailbox full", NOW)
    assert claim(journal, NOW + timedelta(days=9)) == []

    assert journal.outbox.requeue(row.id, "lead", LATER)
    assert state_of(journal, email_id) is State.WAITING_FOR_DELIVERY
    (again,) = claim(journal, LATER)
    assert (again.raw, again.message_id) == (row.raw, row.message_id)
    journal.outbox.accepted(again, "250 ok", LATER)
    assert not journal.outbox.requeue(row.id, "lead", LATER)
    assert [event.what for event in journal.history.email(email_id).events] == ["queued-again"]


# What the mode lets go


@pytest.mark.parametrize(
    ("mode", "ceiling", "go"),
    [
        (Mode.AUTOMATIC, Mode.AUTOMATIC, {"reply", "approved", "ack", "hand-over"}),
        (Mode.AUTOMATIC, Mode.DRAFT, {"approved", "ack", "hand-over"}),
        (Mode.AUTOMATIC, Mode.SHADOW, set()),
        (Mode.AUTOMATIC, Mode.OFF, set()),
        (Mode.DRAFT, Mode.AUTOMATIC, {"approved", "ack", "hand-over"}),
        (Mode.DRAFT, Mode.DRAFT, {"approved", "ack", "hand-over"}),
        (Mode.SHADOW, Mode.AUTOMATIC, set()),
        (Mode.OFF, Mode.AUTOMATIC, set()),
    ],
)
def test_the_lower_of_journal_and_ceiling_decides_what_is_claimed(journal, mode, ceiling, go):
    live(journal)
    email_id = take_in(
        journal, 1, [owed("reply"), owed("ack", KIND.ACKNOWLEDGEMENT), owed("hand-over", KIND.HAND_OVER)]
    )
    approved = take_in(journal, 2, [owed("approved", held=True)])
    assert journal.outbox.approve(row_of(journal, approved).id, "lead", NOW)
    journal.service.set_mode(mode, NOW, "lead", "because")
    rows = journal.outbox.claim(9, "w1", NOW, CLAIM, ceiling=ceiling)
    assert set(names(rows)) == go
    assert row_of(journal, email_id).attempts == ("reply" in go)


def test_nothing_is_claimed_before_anybody_went_live(journal):
    journal.mailboxes.first_connection(BOX, 7, 1, NOW)
    journal.outbox.add(owed("digest", KIND.DIGEST), BOX, NOW)
    assert claim(journal) == []


def test_stop_freezes_what_is_queued_and_going_live_again_does_not_let_it_go(journal):
    live(journal)
    queued = take_in(journal, 1, [owed("a"), owed("b", KIND.HAND_OVER)])
    done = take_in(journal, 2, action=Action.IGNORE)
    journal.service.set_mode(Mode.SHADOW, NOW, "lead", "a bad batch")
    assert (state_of(journal, queued), state_of(journal, done)) == (State.STOPPED, State.IGNORED)

    journal.service.set_mode(Mode.AUTOMATIC, NOW, "lead", "better now")
    assert claim(journal) == []
    take_in(journal, 3, [owed("new")])
    assert names(claim(journal)) == ["new"]

    assert journal.outbox.release("lead", NOW) == 2
    assert state_of(journal, queued) is State.WAITING_FOR_DELIVERY
    assert names(claim(journal)) == ["a", "b"]


def test_frozen_rows_are_released_one_by_one_or_handed_over(journal):
    live(journal)
    first, second = take_in(journal, 1, [owed("a")]), take_in(journal, 2, [owed("b")])
    assert journal.outbox.freeze("lead", NOW) == 2
    assert journal.outbox.release("lead", NOW, [row_of(journal, first).id]) == 1
    instead = [owed("c", KIND.HAND_OVER, to=TEAM)]
    journal.outbox.replace(second, instead, State.ROUTED, "lead", "A person answers.", NOW)
    assert names(claim(journal)) == ["a", "c"]


def test_what_was_being_sent_at_the_moment_of_the_stop_is_recorded_as_it_went(journal):
    live(journal)
    sent, waits = take_in(journal, 1, [owed("a")]), take_in(journal, 2, [owed("b")])
    first, second = claim(journal)
    journal.service.set_mode(Mode.OFF, NOW, "lead", "stop")
    journal.outbox.accepted(first, "250 ok", NOW)
    journal.outbox.deferred(second, "451 later", LATER, NOW)
    assert (state_of(journal, sent), state_of(journal, waits)) == (State.ANSWERED, State.STOPPED)
    assert row_of(journal, waits).last_answer == "451 later"


def test_down_to_draft_holds_the_replies_that_nobody_has_approved(journal):
    live(journal)
    email_id = take_in(journal, 1, [owed("a"), owed("b", KIND.HAND_OVER)])
    journal.service.set_mode(Mode.DRAFT, NOW, "lead", "a look first")
    assert state_of(journal, email_id) is State.WAITING_FOR_APPROVAL
    assert names(claim(journal)) == ["b"]


# What people do


def test_an_approved_draft_goes_out_and_says_who_approved_it(journal):
    live(journal, Mode.DRAFT)
    email_id = take_in(journal, 1, [owed("a")], mode=Mode.DRAFT)
    assert claim(journal) == []
    row_id = row_of(journal, email_id).id
    assert journal.outbox.approve(row_id, "lead", NOW, not_before=NOW + SECOND)
    assert not journal.outbox.approve(row_id, "lead", NOW)
    assert not journal.outbox.approve(row_id + 1, "lead", NOW)
    assert state_of(journal, email_id) is State.WAITING_FOR_DELIVERY
    assert claim(journal) == []
    (row,) = claim(journal, NOW + SECOND)
    assert (row.approved_by, row.approved_at) == ("lead", NOW)


def test_an_approval_does_not_cut_a_running_claim_short(journal):
    live(journal)
    take_in(journal, 1, [owed("a")])
    (row,) = claim(journal)
    journal.service.set_mode(Mode.DRAFT, NOW, "lead", "a look first")
    assert journal.outbox.approve(row.id, "lead", NOW)
    assert claim(journal, LATER - SECOND) == []
    assert len(claim(journal, LATER)) == 1


def test_a_refused_draft_becomes_what_the_person_says(journal):
    live(journal, Mode.DRAFT)
    email_id = take_in(journal, 1, [owed("a")], mode=Mode.DRAFT)
    journal.outbox.replace(email_id, [owed("b", KIND.HAND_OVER)], State.ROUTED, "lead", "It asks more.", NOW)
    kept = journal.history.email(email_id)
    assert [row.state for row in kept.outbox] == ["cancelled", "queued"]
    assert (kept.summary.state, kept.final_state) == (State.WAITING_FOR_DELIVERY, State.ROUTED)
    assert [(event.who, event.what, event.sentence) for event in kept.events] == [("lead", "replaced", "It asks more.")]
    journal.outbox.accepted(claim(journal)[0], "250 ok", NOW)
    assert state_of(journal, email_id) is State.ROUTED


def test_a_draft_that_needs_no_mail_at_all_is_done_at_once(journal):
    live(journal, Mode.DRAFT)
    email_id = take_in(journal, 1, [owed("a")], mode=Mode.DRAFT)
    journal.outbox.replace(email_id, [], State.IGNORED, "lead", "Spam.", NOW)
    kept = journal.history.email(email_id).summary
    assert (kept.state, kept.finished_at) == (State.IGNORED, NOW)


def test_a_row_that_is_accepted_after_it_was_replaced_counts_as_sent(journal):
    live(journal)
    email_id = take_in(journal, 1, [owed("a")])
    (row,) = claim(journal)
    journal.outbox.replace(email_id, [], State.ROUTED, "lead", "Too late.", NOW)
    journal.outbox.accepted(row, "250 ok", NOW)
    assert row_of(journal, email_id).state is RowState.SENT
    assert state_of(journal, email_id) is State.ROUTED


def test_an_email_ends_in_a_final_state_only(journal):
    live(journal)
    email_id = take_in(journal, 1, [owed("a")])
    with pytest.raises(ValueError, match="stopped is no final state; an email ends as one of"):
        journal.outbox.replace(email_id, [], State.STOPPED, "lead", "?", NOW)


def test_what_is_too_old_stays_for_a_person_but_tickets_for_teams_go(journal):
    live(journal)
    yesterday = NOW - timedelta(days=1)
    drafts = [owed("reply"), owed("ack", KIND.ACKNOWLEDGEMENT), owed("hand-over", KIND.HAND_OVER)]
    take_in(journal, 1, drafts, now=yesterday)
    take_in(journal, 2, [owed("new")])
    since = NOW - timedelta(hours=4)
    assert names(journal.outbox.claim(9, "w1", NOW, CLAIM, created_since=since)) == ["new", "hand-over"]
    stale = journal.outbox.unsent(RowState.QUEUED, created_before=since)
    assert names(stale) == ["reply", "ack", "hand-over"]
    assert names(journal.outbox.unsent(RowState.QUEUED, kind=KIND.REPLY, created_before=since)) == ["reply"]


def test_the_queues_of_the_console_are_lists_of_rows(journal):
    live(journal)
    take_in(journal, 1, [owed("held", held=True)])
    take_in(journal, 2, [owed("refused")])
    journal.outbox.refused(claim(journal)[0], "550 no", NOW)
    assert names(journal.outbox.unsent(RowState.HELD)) == ["held"]
    assert names(journal.outbox.unsent(RowState.GIVEN_UP)) == ["refused"]
    assert names(journal.outbox.unsent(RowState.HELD, RowState.GIVEN_UP, limit=1)) == ["held"]


def test_a_digest_is_delivered_like_anything_else(journal):
    live(journal)
    journal.outbox.add(owed("digest", KIND.DIGEST), BOX, NOW)
    (row,) = claim(journal)
    journal.outbox.accepted(row, "250 ok", NOW)
    assert (row.email_id, row.ticket) == (None, None)
    assert claim(journal, LATER) == []


# What comes back


def test_a_bounce_marks_the_row_and_its_ticket(journal):
    live(journal)
    email_id = take_in(journal, 1, [owed("a")])
    journal.outbox.accepted(claim(journal)[0], "250 ok", NOW)
    assert journal.outbox.bounced("<nobody@else.example>", "?", NOW) is None
    row = journal.outbox.bounced("<a@shop.example>", "The mailbox does not exist.", LATER)
    assert row.email_id == email_id
    kept = journal.history.email(email_id)
    assert (kept.outbox[0].bounced_at, kept.outbox[0].bounce) == (LATER, "The mailbox does not exist.")
    assert [event.what for event in kept.events] == ["bounced"]


def test_the_id_that_the_copy_in_sent_has_finds_bounces_and_replies_too(journal):
    live(journal)
    take_in(journal, 1, [owed("a")])
    (row,) = claim(journal)
    journal.outbox.learn_sent_copy(row, "<made-by-exchange@outlook.example>", NOW)
    assert journal.outbox.bounced("<made-by-exchange@outlook.example>", "Full.", NOW).id == row.id
    with journal.intake(BOX) as intake:
        reply = replace(mail(2), in_reply_to=("<made-by-exchange@outlook.example>",))
        assert intake.conversation(reply).ticket == row.ticket


def test_copies_in_sent_tell_their_ids_once_and_strangers_keys_tell_nothing(journal):
    live(journal)
    email_id = take_in(journal, 1, [owed("a"), owed("b", KIND.HAND_OVER)])
    copies = {"key-a": "<of-exchange@outlook.example>", "key-b": "<b@shop.example>", "key-x": "<x@shop.example>"}
    for _ in range(2):
        with journal.intake(BOX) as intake:
            assert intake.learn_copies(copies, NOW) == {"key-a", "key-b"}
    rows = journal.history.email(email_id).outbox
    assert [row.sent_copy_id for row in rows] == ["<of-exchange@outlook.example>", None]
    with journal.database.reading() as connection:
        ids = list(connection.scalars(select(message.c.message_id).order_by(message.c.id)))
    assert ids.count("<of-exchange@outlook.example>") == 1


@pytest.mark.parametrize(
    ("ids", "keys", "name"),
    [
        (["<b@shop.example>"], [], "b"),
        ([], ["key-b"], "b"),
        (["<a@shop.example>"], ["key-b"], "b"),  # the key is written by nobody else
        (["<else@client.example>", "<question-1@client.example>", "<a@shop.example>"], ["no"], "a"),
        (["<question-1@client.example>"], [], None),  # received, not ours
        ([], [], None),
    ],
)
def test_a_mail_of_ours_is_found_by_key_or_id(journal, ids, keys, name):
    live(journal)
    take_in(journal, 1, [owed("a"), owed("b", KIND.HAND_OVER)])
    with journal.intake(BOX) as intake:
        found = intake.ours(ids, keys)
    assert (found and found.message_id) == (name and f"<{name}@shop.example>")


def test_a_bounce_within_an_intake_marks_at_once(journal):
    live(journal)
    email_id = take_in(journal, 1, [owed("a")])
    with journal.intake(BOX) as intake:
        intake.bounced(intake.ours(["<a@shop.example>"], []), "It came back.", LATER)
    assert journal.history.email(email_id).summary.undelivered
    assert journal.history.email(email_id).outbox[0].bounce == "It came back."


def test_the_same_message_id_is_never_owed_twice(journal):
    live(journal)
    take_in(journal, 1, [owed("a")])
    with journal.intake(BOX) as intake:
        number = intake.new_ticket(NOW)
        with pytest.raises(JournalError, match="refused a statement"):
            intake.record(record(2, ticket=number), [owed("a")], now=NOW)
    assert len(claim(journal)) == 1

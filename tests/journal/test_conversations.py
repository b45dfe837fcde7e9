from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.journal.values import BOX, KIND, NOW, claim, decision, live, mail, owed, record, take_in
from triage.core.mail import Conversation, SenderHistory, Trimmed
from triage.core.policy import Action, Mode
from triage.journal.tables import ticket

TEAM = "team@shop.example"
ANN = "ann@client.example"
HOUR = timedelta(hours=1)


def answer_to(*ids, references=(), sender=ANN):
    return replace(mail(99, sender=sender), in_reply_to=ids, references=references)


@pytest.fixture
def asked(journal):
    """A journal with ticket 1001: a question, our answer and a hand-over to a team."""
    live(journal)
    take_in(journal, 1, [owed("reply"), owed("ticket", KIND.HAND_OVER, to=TEAM)], Action.ANSWER_AND_ROUTE)
    return journal


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (answer_to("<reply@shop.example>"), "It answers an email of ours in ticket CSP-1001."),
        (answer_to("<ticket@shop.example>"), "It answers an email of ours in ticket CSP-1001."),
        (answer_to("<question-1@client.example>"), "It answers an email in ticket CSP-1001."),
        (answer_to("<unknown@x>", references=("<reply@shop.example>",)), "It answers an email of ours in ticket"),
        (answer_to(references=("<reply@shop.example>", "<unknown@x>")), "It answers an email of ours in ticket"),
    ],
)
def test_a_reply_finds_its_ticket_by_the_ids_it_names(asked, reply, reason):
    found = asked.conversations.find(reply)
    assert found.ticket == 1001
    assert found.reason.startswith(reason)


@pytest.mark.parametrize(
    "stranger",
    [
        mail(99),
        answer_to("<unknown@x>"),
        answer_to("<REPLY@shop.example>"),  # ids are compared byte for byte
        replace(mail(99), subject="Re: [CSP-1001] Question 1"),
    ],
)
def test_anything_else_begins_a_new_conversation(asked, stranger):
    assert asked.conversations.find(stranger) == Conversation()


def test_what_an_email_answers_counts_more_than_what_it_refers_to(asked):
    take_in(asked, 2, [owed("other")])
    both = answer_to("<other@shop.example>", references=("<reply@shop.example>",))
    assert asked.conversations.find(both).ticket == 1002
    newest = answer_to(references=("<reply@shop.example>", "<other@shop.example>"))
    assert asked.conversations.find(newest).ticket == 1002


def test_only_the_newest_references_are_looked_up(asked):
    thousands = tuple(f"<{number}@x>" for number in range(5_000))
    assert asked.conversations.find(answer_to(references=("<reply@shop.example>", *thousands))).ticket is None
    assert asked.conversations.find(answer_to(references=(*thousands, "<reply@shop.example>"))).ticket == 1001


def test_the_conversation_says_what_was_answered_in_it(asked):
    found = asked.conversations.find(answer_to("<reply@shop.example>"))
    assert (found.answered_before, found.answered_intents) == (True, frozenset({"reset-password"}))
    assert not found.person_involved


def test_an_acknowledgement_is_no_answer(journal):
    live(journal)
    take_in(journal, 1, [owed("ack", KIND.ACKNOWLEDGEMENT)], Action.ROUTE)
    found = journal.conversations.find(answer_to("<ack@shop.example>"))
    assert (found.ticket, found.answered_before, found.answered_intents) == (1001, False, frozenset())


def test_a_shadowed_email_has_a_conversation_but_no_answer(journal):
    journal.mailboxes.first_connection(BOX, 7, 1, NOW)
    take_in(journal, 1, mode=Mode.SHADOW)
    found = journal.conversations.find(answer_to("<question-1@client.example>"))
    assert (found.ticket, found.answered_before) == (1001, False)


def test_once_a_person_wrote_it_stays_so(asked):
    asked.conversations.person_wrote(1001, "<from-outlook@shop.example>", "team", NOW)
    asked.conversations.person_wrote(1001, None, "team", NOW + HOUR)
    asked.conversations.close(1001, NOW)
    found = asked.conversations.find(answer_to("<from-outlook@shop.example>"))
    assert (found.ticket, found.person_involved) == (1001, True)
    assert found.reason == "It answers an email of a person in ticket CSP-1001."


def test_a_person_who_wrote_is_seen_within_an_intake(asked):
    with asked.intake(BOX) as intake:
        intake.person_wrote(1001, "<from-outlook@shop.example>", "team", NOW)
        assert intake.conversation(answer_to("<from-outlook@shop.example>")).person_involved


@pytest.mark.parametrize(
    ("hint", "sender", "ticket"),
    [
        ({"signed": 1001}, "new@client.example", 1001),
        ({"signed": 4711}, ANN, None),  # signed by us, but this journal does not have it
        ({"tagged": 1001}, ANN, 1001),
        ({"tagged": 1001}, "ANN@client.example", 1001),
        ({"tagged": 1001}, TEAM, 1001),
        ({"tagged": 1001}, "stranger@elsewhere.example", None),
        ({"tagged": 4711}, ANN, None),
    ],
)
def test_a_signed_number_is_enough_and_a_tag_needs_a_known_participant(asked, hint, sender, ticket):
    assert asked.conversations.find(answer_to(sender=sender), **hint).ticket == ticket


def test_an_email_of_nobody_in_particular_takes_part_in_nothing(asked):
    assert asked.conversations.find(replace(mail(99), from_=()), tagged=1001).ticket is None


def test_ids_count_more_than_tags(asked):
    take_in(asked, 2, [owed("other")])
    assert asked.conversations.find(answer_to("<other@shop.example>"), tagged=1001, signed=1001).ticket == 1002


# What went out of late


def history(journal, address=ANN, window=24, now=NOW, hashes=()):
    return journal.conversations.sender_history(address, window, now, hashes)


def test_a_new_sender_has_no_history(journal):
    assert history(journal) == SenderHistory()


def test_automatic_mail_is_counted_per_sender_and_for_the_service(journal):
    live(journal)
    take_in(journal, 1, [owed("a"), owed("b", KIND.HAND_OVER, to=TEAM)])
    take_in(journal, 2, [owed("c", KIND.ACKNOWLEDGEMENT)], Action.ROUTE)
    take_in(journal, 3, [owed("d", to="bob@client.example")], decision=decision(Action.ANSWER, "sync-frequency"))
    seen = history(journal, "Ann@Client.example")
    assert (seen.to_sender_24h, seen.intents_24h, seen.service_last_hour) == (2, frozenset({"reset-password"}), 3)
    assert history(journal, "bob@client.example").intents_24h == {"sync-frequency"}


@pytest.mark.parametrize(
    ("later", "window", "to_sender", "intents", "service"),
    [
        (timedelta(minutes=59), 24, 1, 1, 1),
        (timedelta(minutes=61), 24, 1, 1, 0),
        (timedelta(hours=23), 12, 1, 0, 0),
        (timedelta(hours=25), 24, 0, 0, 0),
        (timedelta(hours=25), 48, 0, 1, 0),
    ],
)
def test_every_count_has_its_own_time(journal, later, window, to_sender, intents, service):
    live(journal)
    take_in(journal, 1, [owed("a")])
    seen = history(journal, window=window, now=NOW + later)
    assert (seen.to_sender_24h, len(seen.intents_24h), seen.service_last_hour) == (to_sender, intents, service)


def test_what_is_on_its_way_counts_and_what_never_went_does_not(journal):
    live(journal)
    waiting = take_in(journal, 1, [owed("a", held=True)])
    take_in(journal, 2, [owed("b")])
    assert history(journal).to_sender_24h == 2
    journal.outbox.refused(claim(journal)[0], "550 no", NOW)
    journal.outbox.replace(waiting, [], journal.history.email(waiting).final_state, "lead", "Not needed.", NOW)
    assert history(journal) == SenderHistory()


def test_the_never_reply_list_knows_hashes_only(journal):
    journal.conversations.suppress("hash-of-domain", "lead", "asked us to", NOW)
    journal.conversations.suppress("hash-of-domain", "lead", "asked again", NOW)
    assert history(journal, hashes=["hash-of-address", "hash-of-domain"]).suppressed
    assert not history(journal, hashes=["hash-of-address"]).suppressed
    assert not history(journal).suppressed
    assert journal.conversations.unsuppress("hash-of-domain")
    assert not journal.conversations.unsuppress("hash-of-domain")
    assert not history(journal, hashes=["hash-of-domain"]).suppressed


def test_a_customer_who_writes_five_times_in_one_batch_is_counted_within_it(journal):
    live(journal)
    counts = []
    with journal.intake(BOX) as intake:
        for uid in range(1, 6):
            counts.append(intake.sender_history(ANN, 24, NOW).to_sender_24h)
            number = intake.new_ticket(NOW)
            intake.record(record(uid, ticket=number), [owed(f"reply-{uid}")], now=NOW)
    assert counts == [0, 1, 2, 3, 4]


# What the conversation is like


def test_the_conversation_says_who_has_it_and_who_takes_part(asked):
    with asked.intake(BOX) as intake:
        number = intake.conversation(answer_to("<reply@shop.example>")).ticket
        later = record(2, Action.ROUTE, ticket=number, decision=decision(Action.ROUTE, team="billing"))
        intake.record(later, [owed("ack", KIND.ACKNOWLEDGEMENT)], now=NOW)
        found = intake.conversation(answer_to("<reply@shop.example>"))
    assert (found.team, found.acknowledged, found.answered_before) == ("billing", True, True)
    assert found.participants == {ANN, TEAM}


@pytest.mark.parametrize(
    ("sender", "text", "since", "alike"),
    [
        (ANN, "How do I reset my password?", HOUR, True),
        ("ANN@client.example", "How do I reset my password?", HOUR, True),
        (ANN, "How do I reset my password", HOUR, False),
        (ANN, "How do I reset my password?", -HOUR, False),
        ("bob@client.example", "How do I reset my password?", HOUR, False),
    ],
)
def test_who_writes_the_very_same_again_is_noticed(asked, sender, text, since, alike):
    with asked.intake(BOX) as intake:
        assert intake.wrote_alike(sender, text, NOW - since) is alike


def test_a_text_that_no_database_can_store_is_recognised_all_the_same(journal):
    live(journal)
    take_in(journal, 1, trimmed=Trimmed("a\x00b"))
    with journal.intake(BOX) as intake:
        assert intake.wrote_alike(ANN, "a\x00b", NOW - HOUR)


def test_a_person_found_in_sent_is_noted_once(asked):
    with asked.intake(BOX) as intake:
        assert intake.found_in_sent(1001, "<from-outlook@shop.example>", BOX, NOW)
        assert not intake.found_in_sent(1001, "<from-outlook@shop.example>", BOX, NOW + HOUR)
        assert intake.found_in_sent(1001, None, BOX, NOW)  # without an id nobody can tell
    found = asked.conversations.find(answer_to("<from-outlook@shop.example>"))
    assert (found.ticket, found.person_involved) == (1001, True)


def test_a_closed_ticket_opens_again_when_a_team_gets_it(asked):
    def closed_at():
        with asked.database.reading() as connection:
            return connection.execute(select(ticket.c.closed_at).where(ticket.c.number == 1001)).scalar()

    with asked.intake(BOX) as intake:
        intake.close_ticket(1001, NOW)
    assert closed_at() == NOW
    take_in(asked, 2, ticket=1001, decision=decision(Action.ROUTE, team="billing"))
    assert closed_at() is None


@pytest.mark.parametrize("held", [False, True])
def test_a_persons_answer_cancels_what_automation_has_not_sent_yet(journal, held):
    live(journal)
    email_id = take_in(journal, 1, [owed("reply", held=held), owed("ticket", KIND.HAND_OVER, to=TEAM)])
    with journal.intake(BOX) as intake:
        intake.person_wrote(1001, None, "jane@shop.example", NOW)
    kept = journal.history.email(email_id)
    assert [row.state for row in kept.outbox] == ["cancelled", "queued"]
    assert (kept.summary.state, kept.final_state) == ("waiting_for_delivery", "routed")
    journal.outbox.accepted(claim(journal)[0], "250 ok", NOW)
    assert journal.history.email(email_id).summary.state == "routed"
    assert [event.what for event in kept.events] == ["person-wrote", "cancelled"]


def test_what_was_sent_before_a_person_wrote_stays_sent(journal):
    live(journal)
    email_id = take_in(journal, 1, [owed("reply")])
    journal.outbox.accepted(claim(journal)[0], "250 ok", NOW)
    with journal.intake(BOX) as intake:
        intake.person_wrote(1001, None, "jane@shop.example", NOW)
    assert journal.history.email(email_id).summary.state == "answered"


def test_what_is_being_sent_while_a_person_writes_counts_when_it_arrives(journal):
    live(journal)
    email_id = take_in(journal, 1, [owed("reply")])
    (row,) = claim(journal)
    with journal.intake(BOX) as intake:
        intake.person_wrote(1001, None, "jane@shop.example", NOW)
    journal.outbox.accepted(row, "250 ok", NOW)
    assert [one.state for one in journal.history.email(email_id).outbox] == ["sent"]

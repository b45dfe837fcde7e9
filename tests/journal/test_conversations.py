from dataclasses import replace
from datetime import timedelta

import pytest

from tests.journal.values import BOX, KIND, NOW, claim, decision, live, mail, owed, record, take_in
from triage.core.mail import Conversation, SenderHistory
from triage.core.policy import Action, Mode

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

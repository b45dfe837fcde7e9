from datetime import timedelta

import pytest

from tests.journal.values import BOX, NOW, live, take_in
from triage.core.policy import Mode

LATER = NOW + timedelta(hours=1)


def test_the_first_connection_draws_the_line_at_now(journal):
    assert journal.mailboxes.get(BOX) is None
    box = journal.mailboxes.first_connection(BOX, 4_294_967_295, 4_294_967_294, NOW)
    assert (box.uidvalidity, box.watermark, box.scanned_to) == (4_294_967_295, 4_294_967_294, 4_294_967_294)
    assert (box.first_connected_at, box.went_live_at, box.errors_in_a_row) == (NOW, None, 0)
    assert journal.mailboxes.all() == [box] == [journal.mailboxes.get(BOX)]


def test_a_second_first_connection_changes_nothing(journal):
    first = journal.mailboxes.first_connection(BOX, 7, 100, NOW)
    assert journal.mailboxes.first_connection(BOX, 8, 200, LATER) == first


def test_a_mailbox_that_was_numbered_anew_starts_again_in_shadow_mode(journal):
    live(journal)
    take_in(journal, 5)
    with journal.intake(BOX) as intake:
        intake.note_failure(6, "The parser broke.", NOW)
        intake.scanned(7)
    box = journal.mailboxes.reset(BOX, 8, 3)
    assert (box.uidvalidity, box.watermark, box.scanned_to, box.went_live_at) == (8, 3, 3, None)
    assert box.mode(Mode.AUTOMATIC) is Mode.SHADOW
    # The old numbers mean other emails now.
    assert journal.mailboxes.taken_in(BOX, 1, 100) == set()
    assert journal.mailboxes.due_retries(BOX, NOW + timedelta(days=1)) == []
    with journal.intake(BOX) as intake:
        assert intake.is_new(5, "a" * 64)
    ledger = journal.history.ledger(BOX)
    assert (ledger.seen, ledger.failing, ledger.difference) == (2, 1, 0)


def test_a_mailbox_that_nobody_connected_cannot_be_reset(journal):
    with pytest.raises(LookupError, match="does not know the mailbox"):
        journal.mailboxes.reset(BOX, 8, 3)


def test_polls_that_fail_are_counted_until_one_goes_well(journal):
    live(journal)
    assert journal.mailboxes.fails(BOX, "The password is wrong.", NOW) == 1
    assert journal.mailboxes.fails(BOX, "The password is wrong.", LATER) == 2
    box = journal.mailboxes.get(BOX)
    assert (box.last_error, box.last_error_at, box.last_ok_at) == ("The password is wrong.", LATER, None)

    journal.mailboxes.works(BOX, LATER)
    box = journal.mailboxes.get(BOX)
    assert (box.errors_in_a_row, box.last_ok_at, box.last_error) == (0, LATER, "The password is wrong.")


def test_the_uids_that_were_taken_in_are_those_handled_and_those_that_fail(journal):
    live(journal)
    for uid in (3, 5, 9):
        take_in(journal, uid)
    with journal.intake(BOX) as intake:
        intake.note_failure(6, "The parser broke.", NOW)
    assert journal.mailboxes.taken_in(BOX, 3, 8) == {3, 5, 6}


def test_the_most_overdue_retries_come_first_and_no_more_than_asked_for(journal):
    live(journal)
    for uid, minutes in ((1, 2), (2, 1), (3, 3)):
        with journal.intake(BOX) as intake:
            intake.note_failure(uid, "It broke.", NOW + timedelta(minutes=minutes))
    due = journal.mailboxes.due_retries(BOX, LATER, limit=2)
    assert [failure.uid for failure in due] == [2, 1]


def test_how_far_sent_was_read_is_kept_apart_from_the_inbox(journal):
    live(journal)
    assert journal.mailboxes.get(BOX).sent_scanned_to is None
    with journal.intake(BOX) as intake:
        intake.sent_read(None, 1)
    with journal.intake(BOX) as intake:
        intake.sent_read(99, 12)
    journal.mailboxes.reset(BOX, 8, 3)
    box = journal.mailboxes.get(BOX)
    assert (box.sent_uidvalidity, box.sent_scanned_to, box.uidvalidity) == (99, 12, 8)

from datetime import timedelta

from tests.journal.values import BOX, KIND, NOW, SECOND, live, owed, take_in
from triage.core.policy import Mode
from triage.journal.service import ModeChange

OTHER = "sales@shop.example"
LATER = NOW + timedelta(hours=1)


def live_since(journal):
    return {box.address: box.went_live_at for box in journal.mailboxes.all()}


def connect(journal, *addresses):
    for address in addresses:
        journal.mailboxes.first_connection(address, 7, 1, NOW - timedelta(hours=1))


def test_a_new_journal_is_in_shadow_mode(journal):
    assert journal.service.mode() is Mode.SHADOW
    assert journal.service.changes() == []


def test_every_change_is_kept_with_who_when_and_why(journal):
    journal.service.set_mode(Mode.DRAFT, NOW, "lead", "the figures are good")
    journal.service.set_mode(Mode.SHADOW, LATER, "operator", "a bad batch")
    assert journal.service.mode() is Mode.SHADOW
    assert journal.service.changes() == [
        ModeChange(Mode.SHADOW, LATER, "operator", "a bad batch"),
        ModeChange(Mode.DRAFT, NOW, "lead", "the figures are good"),
    ]
    assert len(journal.service.changes(limit=1)) == 1


def test_going_live_takes_all_mailboxes_or_those_named(journal):
    connect(journal, BOX, OTHER)
    assert journal.service.set_mode(Mode.DRAFT, NOW, "lead", "first one", only=[BOX]) == [BOX]
    assert live_since(journal) == {BOX: NOW, OTHER: None}
    assert journal.service.set_mode(Mode.DRAFT, LATER, "lead", "then the other") == [OTHER]
    assert live_since(journal) == {BOX: NOW, OTHER: LATER}


def test_a_step_between_live_modes_changes_no_moment_of_going_live(journal):
    connect(journal, BOX)
    journal.service.set_mode(Mode.DRAFT, NOW, "lead", "ready")
    assert journal.service.set_mode(Mode.AUTOMATIC, LATER, "lead", "approved enough") == []
    assert live_since(journal) == {BOX: NOW}


def test_after_a_stop_the_moment_of_going_live_is_a_new_one(journal):
    connect(journal, BOX)
    journal.service.set_mode(Mode.AUTOMATIC, NOW, "lead", "ready")
    journal.service.set_mode(Mode.OFF, NOW + SECOND, "lead", "stop")
    assert live_since(journal) == {BOX: NOW}
    assert journal.service.set_mode(Mode.AUTOMATIC, LATER, "lead", "again") == [BOX]
    assert live_since(journal) == {BOX: LATER}


def test_a_mailbox_that_is_connected_later_starts_in_shadow_mode(journal):
    live(journal)
    connect(journal, OTHER)
    assert journal.mailboxes.get(BOX).mode(journal.service.mode()) is Mode.AUTOMATIC
    assert journal.mailboxes.get(OTHER).mode(journal.service.mode()) is Mode.SHADOW
    assert journal.mailboxes.get(OTHER).mode(Mode.OFF) is Mode.OFF


def test_a_stop_leaves_a_line_in_the_audit_trail(journal):
    live(journal)
    email_id = take_in(journal, 1, [owed("a"), owed("b", KIND.HAND_OVER)])
    journal.service.set_mode(Mode.SHADOW, NOW, "operator", "stop")
    with journal.database.reading() as connection:
        lines = connection.exec_driver_sql("SELECT who, what, sentence FROM event").all()
    assert [tuple(line) for line in lines] == [("operator", "frozen", "2 outgoing emails were frozen.")]
    assert [row.state for row in journal.history.email(email_id).outbox] == ["frozen", "frozen"]

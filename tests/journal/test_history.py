from datetime import timedelta

import pytest
from sqlalchemy import func, select

from tests.journal.values import BOX, KIND, NOW, claim, decision, live, mail, owed, take_in
from triage.core.decision import Decision, Reason
from triage.core.policy import Action, Mode
from triage.journal.database import Database
from triage.journal.history import LogFilter
from triage.journal.states import Place, State
from triage.journal.tables import metadata

HOUR = timedelta(hours=1)
OTHER = "sales@shop.example"


@pytest.fixture
def busy(journal):
    """A journal with five emails, an hour apart; the first at NOW. UIDs and ids are 1 to 5."""
    live(journal)
    live(journal, box=OTHER)
    take_in(journal, 1, decision=decision(Action.ANSWER, "reset-password", "sync-frequency"))
    take_in(journal, 2, action=Action.ROUTE, now=NOW + HOUR, decision=decision(Action.ROUTE, team="billing"))
    take_in(journal, 3, action=Action.IGNORE, now=NOW + 2 * HOUR, mail=mail(3, sender="Bob@Client.example"))
    take_in(journal, 4, [owed("a")], now=NOW + 3 * HOUR, ticket=1001)
    take_in(journal, 5, mode=Mode.SHADOW, now=NOW + 4 * HOUR, box=OTHER)
    return journal


def shown(rows):
    return [row.uid for row in rows]


@pytest.mark.parametrize(
    ("which", "uids"),
    [
        (LogFilter(), [5, 4, 3, 2, 1]),
        (LogFilter(since=NOW + HOUR, until=NOW + 3 * HOUR), [3, 2]),
        (LogFilter(action=Action.ANSWER), [5, 4, 1]),
        (LogFilter(intent="sync-frequency"), [1]),
        (LogFilter(intent="reset-password", mailbox=BOX), [4, 1]),
        (LogFilter(team="billing"), [2]),
        (LogFilter(sender="bob@CLIENT.example"), [3]),
        (LogFilter(state=State.SHADOWED), [5]),
        (LogFilter(state=State.WAITING_FOR_DELIVERY), [4]),
        (LogFilter(mailbox=OTHER), [5]),
        (LogFilter(ticket=1001), [4, 1]),
        (LogFilter(ticket=4711), []),
    ],
)
def test_the_log_shows_what_was_asked_for_newest_first(busy, which, uids):
    assert shown(busy.history.log(which)) == uids


def test_the_log_is_read_page_by_page(busy):
    first = busy.history.log(limit=2)
    second = busy.history.log(limit=2, before_id=first[-1].id)
    last = busy.history.log(limit=2, before_id=second[-1].id)
    assert [shown(page) for page in (first, second, last)] == [[5, 4], [3, 2], [1]]


def test_an_email_that_is_not_there_is_none(busy):
    assert busy.history.email(4711) is None


def test_every_email_is_counted_in_exactly_one_state(busy):
    assert busy.history.counts() == {
        State.ANSWERED: 1,
        State.ROUTED: 1,
        State.IGNORED: 1,
        State.WAITING_FOR_DELIVERY: 1,
        State.SHADOWED: 1,
    }
    assert busy.history.counts(OTHER) == {State.SHADOWED: 1}


def test_the_ledger_balances(busy):
    with busy.intake(BOX) as intake:
        intake.note_failure(9, "The parser broke.", NOW)
    ledger = busy.history.ledger(BOX)
    assert (ledger.seen, sum(ledger.states.values()), ledger.failing, ledger.difference) == (5, 4, 1, 0)
    day = busy.history.ledger(BOX, NOW + HOUR, NOW + 3 * HOUR)
    assert (day.seen, day.states, day.difference) == (3, {State.ROUTED: 1, State.IGNORED: 1}, 0)


def test_what_is_done_is_put_away_once(busy):
    done = busy.history.to_put_away(BOX)
    assert [(email.uid, email.uidvalidity, email.state) for email in done] == [
        (1, 7, State.ANSWERED),
        (2, 7, State.ROUTED),
        (3, 7, State.IGNORED),
    ]
    assert [email.uid for email in busy.history.to_put_away(BOX, limit=1)] == [1]
    busy.history.put_away([email.id for email in done], NOW + HOUR)
    assert busy.history.to_put_away(BOX) == []
    kept = busy.history.email(done[0].id)
    assert (kept.place, kept.put_away_at) == (Place.AWAY, NOW + HOUR)


def test_what_is_on_its_way_or_shadowed_is_left_where_it_lies(busy):
    waiting = busy.history.log(LogFilter(state=State.WAITING_FOR_DELIVERY))[0]
    assert waiting.id not in {email.id for email in busy.history.to_put_away(BOX)}
    assert busy.history.to_put_away(OTHER) == []
    busy.outbox.accepted(claim(busy, NOW + 5 * HOUR)[0], "250 ok", NOW)
    assert waiting.id in {email.id for email in busy.history.to_put_away(BOX)}


def test_what_nobody_got_stays_in_the_inbox(journal):
    live(journal)
    take_in(journal, 1, [owed("a")])
    journal.outbox.refused(claim(journal)[0], "550 no", NOW)
    assert journal.history.to_put_away(BOX) == []


def test_every_delivery_attempt_is_kept(journal):
    live(journal)
    email_id = take_in(journal, 1, [owed("a"), owed("b", KIND.HAND_OVER)])
    later = NOW + HOUR
    first, second = claim(journal)
    journal.outbox.deferred(first, "451 4.7.1 later", later, NOW)
    journal.outbox.accepted(second, "250 2.0.0 ok", NOW)
    journal.outbox.accepted(claim(journal, later, worker="w2")[0], "250 2.0.0 ok", later)
    told = [(one.outbox_id, one.number, one.worker, one.verdict, one.answer) for one in _attempts(journal, email_id)]
    assert told == [
        (first.id, 1, "w1", "deferred", "451 4.7.1 later"),
        (second.id, 1, "w1", "accepted", "250 2.0.0 ok"),
        (first.id, 2, "w2", "accepted", "250 2.0.0 ok"),
    ]


def _attempts(journal, email_id):
    return journal.history.email(email_id).attempts


def test_a_purged_email_keeps_its_figures(url, journal):
    live(journal)
    email_id = take_in(journal, 1, [owed("a")])
    journal.outbox.accepted(claim(journal)[0], "250 ok", NOW)
    database = Database(url)
    with database.writing() as connection:
        connection.exec_driver_sql(
            "UPDATE email SET text = NULL, signature = NULL, quoted = NULL, subject = NULL, sender_name = NULL"
        )
        connection.exec_driver_sql("UPDATE outbox SET raw = NULL, subject = NULL, sentences = NULL")
    database.close()
    kept = journal.history.email(email_id)
    assert (kept.text, kept.summary.subject, kept.outbox[0].raw, kept.outbox[0].sentences) == (None, None, None, ())
    assert kept.prediction.confidence == 0.96
    assert journal.history.counts() == {State.ANSWERED: 1}


def test_erasing_an_email_takes_along_all_that_belongs_to_it(url, journal):
    live(journal)
    email_id = take_in(journal, 1, [owed("a")])
    claim(journal)
    journal.outbox.bounced("<a@shop.example>", "Full.", NOW)
    database = Database(url)
    with database.writing() as connection:
        connection.exec_driver_sql("DELETE FROM email")
        left = [
            connection.execute(select(func.count()).select_from(metadata.tables[name])).scalar()
            for name in ("email_intent", "outbox", "attempt", "message", "event")
        ]
    database.close()
    assert left == [0, 0, 0, 0, 0]
    assert journal.history.email(email_id) is None
    assert take_in(journal, 1) == email_id + 1  # a number is never given twice


def test_the_log_is_found_by_the_code_of_a_reason(journal):
    live(journal)
    asked = Decision(Action.IGNORE, reasons=(Reason("nothing-asked", 'It says "code": "sure".'),))
    first = take_in(journal, 1, action=Action.IGNORE, decision=asked)
    second = take_in(journal, 2)
    for code, ids in (("nothing-asked", [first]), ("sure", [second]), ("nothing", []), ("%", []), ('"', [])):
        assert [row.id for row in journal.history.log(LogFilter(reason=code))] == ids


def test_the_log_shows_where_a_mail_of_ours_came_back(journal):
    live(journal)
    first = take_in(journal, 1, [owed("a"), owed("b", KIND.HAND_OVER)])
    second = take_in(journal, 2, [owed("c")])
    journal.outbox.bounced("<b@shop.example>", "Full.", NOW)
    assert [(row.id, row.undelivered) for row in journal.history.log()] == [(second, False), (first, True)]
    assert [row.id for row in journal.history.log(LogFilter(undelivered=True))] == [first]
    assert [row.id for row in journal.history.log(LogFilter(undelivered=False))] == [second]

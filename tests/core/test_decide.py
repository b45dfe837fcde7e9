import pytest

from tests.core.values import ENTRIES, entry, mail, policy, prediction
from triage.core.decide import Rules, decide
from triage.core.decision import Decision
from triage.core.mail import Conversation, Objection, Severity, Trimmed
from triage.core.policy import Action
from triage.core.prediction import Guess, Prediction

MACHINE = Objection("auto-submitted", Severity.MACHINE, "an automatic reply")
WITHHELD = Objection("not-addressed", Severity.NO_ANSWER, "not addressed to us")
NEW = Conversation()


def decided(
    guess: Prediction, *objections: Objection, conversation: Conversation = NEW, words: str = "How?", **rules: object
) -> Decision:
    own = Rules(policy(), {**ENTRIES, **rules})  # type: ignore[dict-item]
    return decide(mail(), Trimmed(words), objections, guess, conversation, own)


@pytest.mark.parametrize(
    ("guess", "action", "team", "intents"),
    [
        (prediction("password"), Action.ANSWER, None, ("password",)),
        (prediction("report", "password"), Action.ANSWER, None, ("report", "password")),
        (prediction("address"), Action.ANSWER_AND_ROUTE, "billing", ("address",)),
        (prediction("password", topics=("quote",)), Action.ANSWER_AND_ROUTE, "sales", ("password",)),
        (prediction("address", topics=("other",)), Action.ANSWER_AND_ROUTE, "support", ("address",)),
        (prediction("password", passes=False), Action.ROUTE, "support", ()),
        (prediction(topics=("dispute",)), Action.ROUTE, "billing", ()),
        (prediction("address", passes=False), Action.ROUTE, "billing", ()),
        (prediction("password", language="de"), Action.ROUTE, "support", ()),
        (prediction("password", "report", "address", "more"), Action.ROUTE, "billing", ()),
        (prediction("unknown-to-config"), Action.ROUTE, "support", ()),
        (Prediction(nothing_asked=True), Action.IGNORE, None, ()),
        (Prediction(failure="the encoder is missing"), Action.ROUTE, "support", ()),
    ],
)
def test_the_action_follows_the_prediction(
    guess: Prediction, action: Action, team: str | None, intents: tuple[str, ...]
) -> None:
    found = decided(guess, more=entry("more"))
    assert (found.action, found.team, found.intents) == (action, team, intents)
    assert found.reasons


@pytest.mark.parametrize(
    "guess", [prediction("password"), prediction(topics=("dispute",)), Prediction(failure="broken")]
)
def test_what_a_machine_wrote_is_ignored_whatever_it_says(guess: Prediction) -> None:
    found = decided(guess, WITHHELD, MACHINE)
    assert found.action is Action.IGNORE
    assert not found.reply
    assert [reason.code for reason in found.reasons] == ["not-addressed", "auto-submitted"]


def test_what_we_may_not_answer_goes_to_a_person_and_the_sender_hears_nothing() -> None:
    found = decided(prediction("password"), WITHHELD)
    assert (found.action, found.reply, found.team) == (Action.ROUTE, False, "support")
    assert found.reasons[0].code == "not-addressed"


def test_thanks_under_an_objection_are_still_only_thanks() -> None:
    assert decided(Prediction(nothing_asked=True), WITHHELD).action is Action.IGNORE


@pytest.mark.parametrize(
    ("conversation", "action", "reply"),
    [
        (Conversation(ticket=7, answered_before=True, answered_intents=frozenset({"password"})), Action.ROUTE, True),
        (Conversation(ticket=7, answered_before=True, answered_intents=frozenset({"report"})), Action.ANSWER, True),
        (Conversation(ticket=7, person_involved=True), Action.ROUTE, False),
    ],
)
def test_a_conversation_is_not_answered_twice_alike_nor_where_a_person_writes(
    conversation: Conversation, action: Action, reply: bool
) -> None:
    found = decided(prediction("password"), conversation=conversation)
    assert (found.action, found.reply) == (action, reply)


def test_even_thanks_go_to_the_person_who_is_in_the_conversation() -> None:
    found = decided(Prediction(nothing_asked=True), conversation=Conversation(ticket=7, person_involved=True))
    assert (found.action, found.reply) == (Action.ROUTE, False)


def test_below_the_gate_topics_choose_the_team_and_entries_that_need_no_team_have_no_say() -> None:
    guesses = (Guess("password", 0.6), Guess("dispute", 0.25), Guess("other", 0.1))
    found = decided(prediction("password", passes=False, guesses=guesses))
    assert (found.team, found.topics) == ("billing", ("dispute",))


def test_a_reply_asks_only_for_what_is_missing() -> None:
    found = decided(prediction("address"), words="Our account number is 44871. We have moved to another town.")
    assert found.details.found == (("account-number", "44871"),)
    assert found.details.missing == ("new-address",)
    assert found.sensitive

import pytest

from tests.core.values import ENTRIES, entry, mail, policy, prediction
from triage.core.decide import Rules, decide
from triage.core.decision import Decision
from triage.core.mail import Address, Conversation, Objection, Severity, Trimmed
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


@pytest.mark.parametrize(("asked", "action"), [(0.97, Action.ROUTE), (0.7, Action.IGNORE)])
def test_the_subject_of_an_absence_notice_needs_a_second_sign(asked: float, action: Action) -> None:
    doubt = Objection("absence-subject", Severity.NO_ANSWER, "it may be a notice of absence")
    guesses = (Guess("password", asked), Guess("nothing-asked", 1 - asked))
    found = decided(prediction("password", guesses=guesses), doubt)
    assert (found.action, found.reply) == (action, False)


def test_thanks_under_an_objection_are_still_only_thanks() -> None:
    assert decided(Prediction(nothing_asked=True), WITHHELD).action is Action.IGNORE


@pytest.mark.parametrize(
    ("conversation", "action", "reply"),
    [
        (Conversation(ticket=7, answered_before=True, answered_intents=frozenset({"password"})), Action.ROUTE, True),
        (Conversation(ticket=7, answered_before=True, answered_intents=frozenset({"report"})), Action.ANSWER, True),
        (Conversation(ticket=7, person_involved=True), Action.ROUTE, False),
        (Conversation(ticket=7, answered_before=True, acknowledged=True), Action.ROUTE, False),
        (Conversation(ticket=7, acknowledged=True), Action.ANSWER, True),
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


def codes(found: Decision) -> list[str]:
    return [reason.code for reason in found.reasons]


@pytest.mark.parametrize(
    ("conversation", "code"),
    [
        (Conversation(ticket=7, acknowledged=True), "told-before"),
        (Conversation(repeated=True), "repeated"),
    ],
)
def test_who_was_told_once_that_a_person_has_it_is_not_told_again(conversation: Conversation, code: str) -> None:
    found = decided(prediction(topics=("dispute",)), conversation=conversation)
    assert (found.action, found.team, found.reply) == (Action.ROUTE, "billing", False)
    assert code in codes(found)


def test_a_conversation_stays_with_the_team_whose_person_has_written() -> None:
    mine = Conversation(ticket=7, team="sales", person_involved=True)
    assert decided(prediction(topics=("dispute",)), conversation=mine).team == "sales"
    assert decided(prediction(), conversation=Conversation(ticket=7, team="sales")).team == "sales"
    assert decided(prediction(topics=("dispute",)), conversation=Conversation(ticket=7, team="sales")).team == "billing"


CUSTOMER = Address("ann@client.example")
KNOWN = Conversation(ticket=7, participants=frozenset({"ann@client.example"}))


@pytest.mark.parametrize(
    ("to", "conversation", "objections", "action"),
    [
        (CUSTOMER, KNOWN, [WITHHELD], Action.IGNORE),
        (Address("help@shop.example"), KNOWN, [WITHHELD], Action.ROUTE),
        (CUSTOMER, NEW, [WITHHELD], Action.ROUTE),
        (CUSTOMER, KNOWN, [Objection("forged", Severity.NO_ANSWER, "forged")], Action.ROUTE),
    ],
)
def test_our_copy_of_a_colleagues_answer_needs_nobody(
    to: Address, conversation: Conversation, objections: list[Objection], action: Action
) -> None:
    received = mail(from_=(Address("jane@shop.example"),), to=(to,), cc=(Address("help@shop.example"),))
    found = decide(received, Trimmed("Here it is."), objections, prediction(), conversation, Rules(policy(), ENTRIES))
    assert (found.action, found.reply) == (action, False)
    assert ("colleague-answered" in codes(found)) is (action is Action.IGNORE)


def test_what_the_team_should_know_of_the_sender_is_a_reason_and_decides_nothing() -> None:
    received = mail(
        from_=(Address("ann@cl1ent.example"),),
        headers=(("authentication-results", "spf=pass smtp.mailfrom=cl1ent.example; dkim=none; dmarc=pass"),),
    )
    rules = Rules(policy(microsoft_365_border=True), ENTRIES)
    found = decide(received, Trimmed("How?"), [], prediction("password"), KNOWN, rules)
    assert found.action is Action.ANSWER
    notes = {reason.code: reason.sentence for reason in found.reasons}
    assert "cl1ent.example is not client.example" in notes["look-alike-domain"]
    assert "SPF pass, DKIM none, DMARC pass; that names a domain and proves no person" in notes["authentication"]


@pytest.mark.parametrize(
    ("guess", "sensitive"),
    [
        (prediction("address", passes=False), True),
        (prediction(guesses=(Guess("address", 0.4), Guess("password", 0.3))), True),
        (prediction("password", passes=False), False),
        (prediction(topics=("dispute",)), False),
    ],
)
def test_what_seems_to_ask_something_sensitive_is_handed_over_as_sensitive(guess: Prediction, sensitive: bool) -> None:
    assert decided(guess).sensitive is sensitive


def test_below_the_gate_topics_choose_the_team_and_entries_that_need_no_team_have_no_say() -> None:
    guesses = (Guess("password", 0.6), Guess("dispute", 0.25), Guess("other", 0.1))
    found = decided(prediction("password", passes=False, guesses=guesses))
    assert (found.team, found.topics) == ("billing", ())  # too unlikely to be told to the customer


def test_a_reply_asks_only_for_what_is_missing() -> None:
    found = decided(prediction("address"), words="Our account number is 44871. We have moved to another town.")
    assert found.details.found == (("account-number", "44871"),)
    assert found.details.missing == ("new-address",)
    assert found.sensitive

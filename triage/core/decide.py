"""One action for one email, and why."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from triage.core.authentication import authentication
from triage.core.conversation import answers_customer, colleague_wrote
from triage.core.decision import Decision, Reason
from triage.core.details import find_details
from triage.core.lookalike import look_alikes
from triage.core.mail import Authentication, Conversation, Details, Mail, Objection, Severity, Trimmed
from triage.core.policy import Action, Entry, Policy
from triage.core.prediction import IGNORE_LABEL, Prediction

ANSWERED_LANGUAGES = frozenset({"en", ""})  # languages with vetted texts; "" is too short to tell
UNREADABLE = frozenset({"malformed", "encrypted", "rule-failed"})  # then the classifier has not seen all of it
# Objections that say "perhaps a machine wrote it": alone they only withhold a reply, and people's mail is never ignored
# for them; where the classifier finds little asked, too, two independent signs are enough.
PERHAPS_A_MACHINE = frozenset({"absence-subject"})
SECOND_SIGN = 0.1  # probability that nothing is asked
LEAST_MASS = 0.1  # of probability for a team; below it the default team looks
LEAST_TOPIC = 0.5  # probability of a topic that the customer is told


@dataclass(frozen=True, slots=True)
class Rules:
    """What people decided, as far as it bears on a decision."""

    policy: Policy
    entries: Mapping[str, Entry]


def decide(
    mail: Mail,
    trimmed: Trimmed,
    objections: Sequence[Objection],
    prediction: Prediction,
    conversation: Conversation,
    rules: Rules,
) -> Decision:
    """The action, with every objection, gate and piece of evidence among its reasons."""
    heard = [Reason(objection.code, objection.sentence) for objection in objections]
    if any(objection.severity is Severity.MACHINE for objection in objections):
        return Decision(Action.IGNORE, reply=False, reasons=tuple(heard))
    if _is_a_colleagues_answer(mail, objections, conversation, rules.policy):
        return Decision(Action.IGNORE, reply=False, reasons=(*heard, _ANSWERED_BY_A_COLLEAGUE))
    withheld = any(objection.severity is Severity.NO_ANSWER for objection in objections)
    obstacle = _obstacle(prediction, conversation, rules)
    if conversation.person_involved:
        withheld = True
    codes = {objection.code for objection in objections}
    second_sign = prediction.probability(IGNORE_LABEL) >= SECOND_SIGN
    if PERHAPS_A_MACHINE & codes and second_sign and not conversation.person_involved:
        return Decision(Action.IGNORE, reply=False, reasons=(*heard, *_nothing_asked(prediction)))
    read = prediction.language in ANSWERED_LANGUAGES and not UNREADABLE & codes
    if obstacle is None and prediction.nothing_asked and read:
        return Decision(Action.IGNORE, reply=False, reasons=(*heard, *_nothing_asked(prediction)))
    if obstacle is None and not withheld and not prediction.nothing_asked:
        decision = _answer(trimmed, prediction, rules, heard)
    else:
        told = _told_before(conversation)
        why = [*heard, *(reason for reason in (obstacle, told) if reason)]
        decision = _route(trimmed, prediction, conversation, rules, why, reply=not (withheld or told))
    return replace(decision, reasons=(*decision.reasons, *_notes(mail, conversation, rules.policy)))


_ANSWERED_BY_A_COLLEAGUE = Reason(
    "colleague-answered", "a colleague answers the customer; this is our copy, and nobody has to act"
)


def _is_a_colleagues_answer(
    mail: Mail, objections: Sequence[Objection], conversation: Conversation, policy: Policy
) -> bool:
    wrote = colleague_wrote(mail, objections, conversation, policy)
    return wrote and answers_customer(mail, conversation, policy)


def _told_before(conversation: Conversation) -> Reason | None:
    """Two automatic mails are enough for one conversation: what writes on and on may be a machine."""
    if conversation.acknowledged:
        return Reason("told-before", "the sender was told before that a person has it: nothing more is sent")
    if conversation.repeated:
        return Reason("repeated", "the sender wrote the very same before, as a machine does: nothing more is sent")
    return None


# Whoever gets the ticket should know them before answering. They stay in the journal: a hand-over gets quoted.
WARNINGS = frozenset({"look-alike-domain", "other-reply-to", "misleading-name", "other-return-path", "forged"})


def _notes(mail: Mail, conversation: Conversation, policy: Policy) -> list[Reason]:
    """For the person who takes it; nothing is decided by them."""
    notes = [
        Reason("look-alike-domain", f"{domain} is not {known}, but looks like it: somebody may pose as somebody else")
        for domain, known in look_alikes(mail, policy, conversation.participants)
    ]
    verdicts = authentication(mail, policy)
    if verdicts != Authentication():
        said = f"SPF {verdicts.spf}, DKIM {verdicts.dkim}, DMARC {verdicts.dmarc}"
        notes.append(
            Reason("authentication", f"our mail server found {said}; that names a domain and proves no person")
        )
    if conversation.reason:
        notes.append(Reason("conversation", conversation.reason))
    return notes


def _obstacle(prediction: Prediction, conversation: Conversation, rules: Rules) -> Reason | None:
    """What stands between this email and an answer; None where nothing does."""
    if conversation.person_involved:
        return Reason(
            "person-involved", "a person of a team has written into this conversation: automation stays silent"
        )
    if prediction.failure:
        return Reason("no-prediction", prediction.failure)
    if prediction.nothing_asked and prediction.language in ANSWERED_LANGUAGES:
        return None
    if prediction.language not in ANSWERED_LANGUAGES:
        return Reason("language", f'the email is in language "{prediction.language}", for which no answer is vetted')
    if conversation.answered_before and conversation.acknowledged:
        return Reason("handed-over-before", "a person has this conversation since our answer did not help")
    if conversation.answered_before and not set(prediction.intents) - conversation.answered_intents:
        return Reason("reply-to-answer", "a reply to our automatic answer that asks no new question goes to a person")
    return _gate(prediction, rules)


def _gate(prediction: Prediction, rules: Rules) -> Reason | None:
    if not prediction.intents:
        return Reason("no-question", "no FAQ entry answers this email")
    unknown = [intent for intent in prediction.intents if intent not in rules.entries]
    if unknown:
        return Reason("unknown-entry", f"the model names entry {unknown[0]}, which config/faq does not have")
    if len(prediction.intents) > rules.policy.limits.max_intents:
        return Reason("too-many-questions", f"it asks {len(prediction.intents)} questions at once: a person reads it")
    stopped = next((gate for gate in prediction.gates if not gate.passed), None)
    return Reason(f"gate-{stopped.code}", stopped.sentence) if stopped else None


def _nothing_asked(prediction: Prediction) -> tuple[Reason, ...]:
    sentence = "thanks, advertising or a machine's mail: the classifier found no question in it"
    return (Reason("nothing-asked", sentence), *(Reason("evidence", line) for line in prediction.evidence))


def _answer(trimmed: Trimmed, prediction: Prediction, rules: Rules, heard: Sequence[Reason]) -> Decision:
    entries = [rules.entries[intent] for intent in prediction.intents]
    topics = [rules.policy.topics[topic] for topic in prediction.topics if topic in rules.policy.topics]
    routed = [entry for entry in entries if entry.action.routes]
    teams = [*(topic.team for topic in topics), *(entry.team for entry in routed)]
    if len(topics) < len(prediction.topics):  # a topic that policy.toml does not know is for a person all the same
        teams.append(rules.policy.default_team)
    reasons = [
        *heard,
        Reason("answers", f"asks about {', '.join(prediction.intents)}; sure enough at {prediction.confidence:.0%}"),
        *(Reason(f"gate-{gate.code}", gate.sentence) for gate in prediction.gates),
        *(Reason("evidence", line) for line in prediction.evidence),
    ]
    if topics:
        reasons.append(Reason("also-for-a-person", f"part of it is for a person: {topics[0].title}"))
    return Decision(
        action=Action.ANSWER_AND_ROUTE if teams else Action.ANSWER,
        intents=prediction.intents,
        topics=tuple(topic.id for topic in topics),
        team=teams[0] if teams else None,
        details=find_details([detail for entry in entries for detail in entry.details], trimmed),
        sensitive=any(topic.sensitive for topic in topics[:1]) or any(entry.sensitive for entry in routed),
        reasons=tuple(reasons),
    )


def _route(
    trimmed: Trimmed,
    prediction: Prediction,
    conversation: Conversation,
    rules: Rules,
    why: Sequence[Reason],
    *,
    reply: bool,
) -> Decision:
    team, topics = _team(prediction, conversation, rules)
    wanted = [detail for intent in prediction.intents[:1] for detail in _details_of(intent, rules)]
    given = find_details(wanted, trimmed)
    return Decision(
        action=Action.ROUTE,
        topics=topics,
        team=team,
        reply=reply,
        details=Details(found=given.found),  # what is missing is asked for only where we know what is wanted
        sensitive=_is_sensitive(prediction, topics, rules),
        reasons=(*why, *(Reason("evidence", line) for line in prediction.evidence)),
    )


def _is_sensitive(prediction: Prediction, topics: Sequence[str], rules: Rules) -> bool:
    """By its topic, by what it seems to ask, or by what it likeliest asks, be the classifier sure of it or not."""
    likeliest = [guess.id for guess in prediction.guesses[:1]]
    known = [rules.entries.get(name) or rules.policy.topics.get(name) for name in (*prediction.intents, *likeliest)]
    by_topic = any(rules.policy.topics[topic].sensitive for topic in topics[:1])
    return by_topic or any(one.sensitive for one in known if one)


def _details_of(intent: str, rules: Rules) -> tuple[str, ...]:
    return rules.entries[intent].details if intent in rules.entries else ()


def _team(prediction: Prediction, conversation: Conversation, rules: Rules) -> tuple[str, tuple[str, ...]]:
    """The team that most of the probability speaks for, and its topics. Entries that a sender acts on alone have no
    say: a dispute that sounds like an FAQ question is still Billing's. Where a person has written, the conversation
    stays with that person's team."""
    policy = rules.policy
    if conversation.person_involved and conversation.team in policy.teams:
        return conversation.team, ()
    mass: defaultdict[str, float] = defaultdict(float)
    topics = []
    for guess in prediction.guesses:
        if guess.id in policy.topics:
            mass[policy.topics[guess.id].team] += guess.probability
            topics.append(guess.id)
        elif (entry := rules.entries.get(guess.id)) and entry.team:
            mass[entry.team] += guess.probability
    team = max(mass, key=lambda name: mass[name], default="")
    if mass[team] < LEAST_MASS:
        return conversation.team if conversation.team in policy.teams else policy.default_team, ()
    likely = (topic for topic in topics if policy.topics[topic].team == team)
    return team, tuple(topic for topic in likely if prediction.probability(topic) >= LEAST_TOPIC)[:1]

"""One email's way from bytes to a decision; the worker and `triage explain` take the same."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Protocol

from triage.core.bounce import Bounce, read_bounce
from triage.core.decide import Rules, decide
from triage.core.decision import Decision, Reason
from triage.core.guard import guard
from triage.core.mail import Conversation, Mail, Objection, SenderHistory, Severity, Trimmed
from triage.core.parse import parse
from triage.core.policy import Action, Entry, Mode, Policy
from triage.core.prediction import Prediction
from triage.core.redact import redact
from triage.core.trim import trim


class Classifier(Protocol):
    """From text to a prediction; never raises: a failure is a Prediction that says why there is none."""

    def predict(self, mail: Mail, trimmed: Trimmed) -> Prediction: ...


@dataclass(frozen=True, slots=True)
class Read:
    """An email, read and understood: all that can be known without asking the journal."""

    mail: Mail  # redacted
    trimmed: Trimmed
    prediction: Prediction
    bounce: Bounce | None = None  # where it is a report that a mail could not be delivered


@dataclass(frozen=True, slots=True)
class Considered:
    """An email with what was decided about it."""

    mail: Mail
    trimmed: Trimmed
    prediction: Prediction
    objections: tuple[Objection, ...]
    decision: Decision

    @property
    def by_machine(self) -> bool:
        return any(objection.severity is Severity.MACHINE for objection in self.objections)


@dataclass(frozen=True, slots=True)
class Desk:
    """What it takes to decide."""

    classifier: Classifier
    policy: Policy
    entries: Mapping[str, Entry]

    def read(self, raw: bytes, *, complete: bool = True) -> Read:
        """Parse, redact, trim, understand. Card numbers are gone before anything else sees the text."""
        mail = redact(parse(raw, complete=complete))
        trimmed = trim(mail)
        return Read(mail, trimmed, self.classifier.predict(mail, trimmed), read_bounce(raw, mail))

    def decide(
        self, read: Read, conversation: Conversation, history: SenderHistory, received_at: datetime, now: datetime
    ) -> Considered:
        """Weigh the objections and the prediction."""
        objections = guard(read.mail, read.prediction.intents, self.policy, history, received_at, now)
        rules = Rules(self.policy, self.entries)
        decision = decide(read.mail, read.trimmed, objections, read.prediction, conversation, rules)
        return Considered(read.mail, read.trimmed, read.prediction, tuple(objections), decision)


def as_entries_allow(
    decision: Decision, entries: Mapping[str, Entry], policy: Policy, today: date
) -> tuple[Decision, bool]:
    """What may be done with a decision to answer, and whether a person has to approve it first.

    An entry past its review date drops to draft by itself; one that is off or in shadow answers nobody.
    """
    modes = {intent: entries[intent].highest_mode for intent in decision.intents}
    silent = [intent for intent, mode in modes.items() if mode.rank < Mode.DRAFT.rank]
    if silent:
        reason = Reason("entry-mode", f"entry {silent[0]} is in {modes[silent[0]]} mode: a person answers instead")
        team = decision.team or policy.default_team
        handed = replace(decision, action=Action.ROUTE, intents=(), team=team, reasons=(*decision.reasons, reason))
        return handed, False
    due = any(entries[intent].review_by < today for intent in decision.intents)
    return decision, due or Mode.DRAFT in modes.values()

"""Values of the core as JSON, and back. What an older version stored has to stay readable: new fields need defaults."""

from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import Any, cast

from triage.core.decision import Decision, Reason, Sentence
from triage.core.mail import Attachment, Details, Objection, Redaction, Severity
from triage.core.policy import Action
from triage.core.prediction import Gate, Guess, Prediction


def plain(value: Any) -> dict[str, Any]:
    """A frozen dataclass as something that json.dumps takes."""
    return asdict(value)


def plain_list(values: Iterable[Any]) -> list[dict[str, Any]]:
    return [asdict(value) for value in values]


def plain_prediction(value: Prediction) -> dict[str, Any]:
    """Guesses as one object: there are many, and each email has them."""
    names = (item.name for item in fields(Prediction) if item.name not in ("guesses", "gates"))
    return {
        "guesses": {guess.id: guess.probability for guess in value.guesses},  # likeliest first; JSON keeps the order
        "gates": plain_list(value.gates),
        **{name: getattr(value, name) for name in names},
    }


def decision(stored: dict[str, Any]) -> Decision:
    return Decision(
        action=Action(stored["action"]),
        intents=tuple(stored["intents"]),
        topics=tuple(stored["topics"]),
        team=stored["team"],
        reply=stored["reply"],
        details=_details(stored["details"]),
        sensitive=stored["sensitive"],
        reasons=tuple(Reason(**reason) for reason in stored["reasons"]),
    )


def prediction(stored: dict[str, Any]) -> Prediction:
    return Prediction(
        guesses=tuple(Guess(label, probability) for label, probability in stored["guesses"].items()),
        intents=tuple(stored["intents"]),
        topics=tuple(stored["topics"]),
        nothing_asked=stored["nothing_asked"],
        confidence=stored["confidence"],
        gates=tuple(Gate(**gate) for gate in stored["gates"]),
        evidence=tuple(stored["evidence"]),
        language=stored["language"],
        model=stored["model"],
        failure=stored["failure"],
    )


def objections(stored: list[dict[str, Any]]) -> tuple[Objection, ...]:
    return tuple(Objection(**{**one, "severity": Severity(one["severity"])}) for one in stored)


def attachments(stored: list[dict[str, Any]]) -> tuple[Attachment, ...]:
    return tuple(Attachment(**one) for one in stored)


def redactions(stored: list[dict[str, Any]]) -> tuple[Redaction, ...]:
    return tuple(Redaction(**one) for one in stored)


def sentences(stored: list[dict[str, Any]] | None) -> tuple[Sentence, ...]:
    return tuple(Sentence(**one) for one in stored or ())


def _details(stored: dict[str, Any]) -> Details:
    found = tuple(cast("tuple[str, str]", tuple(pair)) for pair in stored["found"])
    return Details(found=found, missing=tuple(stored["missing"]), notes=tuple(stored["notes"]))

"""The only way from an email to what a model sees, in training and in service."""

from triage.classifier.examples import Example
from triage.core.mail import Mail, Trimmed
from triage.core.prediction import IGNORE_LABEL


def text_of(subject: str, trimmed: Trimmed) -> str:
    """Subject and newest part, one text."""
    return f"{subject}\n{trimmed.text}".strip()


def example_text(example: Example) -> str:
    """The same for a labelled email."""
    return text_of(example.subject, Trimmed(example.body))


def labels_of(example: Example) -> tuple[str, ...]:
    """What a model has to say about an email: intents and topics, or that nothing is asked."""
    return (*example.intents, *example.topics) or (IGNORE_LABEL,)

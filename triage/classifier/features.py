"""The only way from an email to what a model sees, in training and in service."""

import re
import zlib

from triage.classifier.examples import Example
from triage.core.mail import Mail, Trimmed
from triage.core.prediction import IGNORE_LABEL
from triage.core.trim import trim

FOLDS = 3  # parts of the examples; each encoder is tuned without one of them
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_WORD = re.compile(r"\w{2,}")


def text_of(subject: str, trimmed: Trimmed) -> str:
    """Subject and newest part, one text."""
    return f"{subject}\n{trimmed.text}".strip()


def example_text(example: Example) -> str:
    """The same for a labelled email, which is trimmed as it would be in service."""
    return text_of(example.subject, trim(Mail(sha256="", size=0, subject=example.subject, text=example.body)))


def segments_of(text: str, limit: int = 12) -> list[str]:
    """Sentences and lines of at least three words, in order; the first ``limit`` of them."""
    pieces = (piece.strip() for piece in _SENTENCE.split(text))
    return [piece for piece in pieces if len(_WORD.findall(piece)) >= 3][:limit]


def labels_of(example: Example) -> tuple[str, ...]:
    """What a model has to say about an email: intents and topics, or that nothing is asked."""
    return (*example.intents, *example.topics) or (IGNORE_LABEL,)


def fold_of(example: Example) -> int:
    """The part that an example belongs to, for good: both emails of a pair are in the same one."""
    return zlib.crc32((example.pair or example.id).encode()) % FOLDS

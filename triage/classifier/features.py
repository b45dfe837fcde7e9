"""The only way from an email to what a model sees, in training and in service."""

import re
import zlib

from triage.classifier.examples import Example, as_email
from triage.core.mail import Trimmed
from triage.core.parse import parse
from triage.core.prediction import IGNORE_LABEL
from triage.core.redact import redact
from triage.core.trim import trim

FOLDS = 3  # parts of the examples; each encoder is tuned without one of them
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_NEW_LINE = re.compile(r"\n(?=\s*(?:\n|\W*\w{1,2}[.)]\s|[-*•]\s))|(?<=\n)\n+")  # a blank line or a list item
_WORD = re.compile(r"\w{2,}")


def text_of(subject: str, trimmed: Trimmed) -> str:
    """Subject and newest part, one text."""
    return f"{subject}\n{trimmed.text}".strip()


def example_text(example: Example) -> str:
    """The same for a labelled email, which is read as it would be in service."""
    mail = redact(parse(as_email(example)))
    return text_of(mail.subject, trim(mail))


def segments_of(text: str, limit: int = 12) -> list[str]:
    """Sentences and list items of at least three words, in order; the first ``limit`` of them.

    The first line is the subject. Other lines are joined within their paragraph: many programs break them at column 72.
    """
    subject, _, body = text.partition("\n")
    paragraphs = [" ".join(piece.split()) for piece in _NEW_LINE.split(body)]
    pieces = [subject, *(sentence for paragraph in paragraphs for sentence in _SENTENCE.split(paragraph))]
    return [piece for piece in pieces if len(_WORD.findall(piece)) >= 3][:limit]


def labels_of(example: Example) -> tuple[str, ...]:
    """What a model has to say about an email: intents and topics, or that nothing is asked."""
    return (*example.intents, *example.topics) or (IGNORE_LABEL,)


def fold_of(example: Example) -> int:
    """The part that an example belongs to, for good: both emails of a pair are in the same one."""
    return zlib.crc32((example.pair or example.id).encode()) % FOLDS

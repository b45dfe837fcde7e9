"""What was decided about an email, and what is to be sent for it."""

from dataclasses import dataclass, field
from enum import StrEnum

from triage.core.mail import Details
from triage.core.policy import Action


@dataclass(frozen=True, slots=True)
class Reason:
    """Why: a stable code for machines, a sentence for people."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Decision:
    """One action for one email."""

    action: Action
    intents: tuple[str, ...] = ()  # what the reply carries, in the order asked; empty for route and ignore
    topics: tuple[str, ...] = ()  # what a person has to take, likeliest first
    team: str | None = None  # who gets the ticket; None where nobody does
    reply: bool = True  # False: nothing goes to the sender (a guard withheld it)
    details: Details = field(default_factory=Details)
    sensitive: bool = False  # ask for no account details by mail
    reasons: tuple[Reason, ...] = ()


class DraftKind(StrEnum):
    REPLY = "reply"  # carries FAQ text
    ACKNOWLEDGEMENT = "acknowledgement"  # says that a person has the ticket
    HAND_OVER = "hand-over"  # to a team
    DIGEST = "digest"  # to the leads or operators


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of an outgoing email and where it comes from."""

    text: str
    source: str  # "faq/<id>@<version>" or "texts/<template>"; a person's name where one edited it


@dataclass(frozen=True, slots=True)
class Draft:
    """An email to be sent, in its final bytes: every retry sends the same."""

    kind: DraftKind
    recipient: str
    envelope_sender: str  # "" is the null reverse-path
    message_id: str
    key: str  # value of our X-Triage-Key header: finds the copy in Sent where the server replaced the Message-ID
    subject: str
    raw: bytes  # CRLF line ends
    sentences: tuple[Sentence, ...] = ()

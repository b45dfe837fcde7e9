"""An email as the rest of the house sees it: checked, bounded, frozen."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Address:
    """One mailbox address whose form was checked: exactly one ``@``, no blanks, the domain in lower case."""

    email: str
    name: str = ""  # display name, decoded; empty where there is none

    @property
    def domain(self) -> str:
        return self.email.rpartition("@")[2]


@dataclass(frozen=True, slots=True)
class Attachment:
    """A part that is not the body. Its bytes stay in the raw email."""

    name: str  # decoded, redacted with the rest; empty where it has none
    content_type: str
    size: int  # bytes after transfer decoding


class Verdict(StrEnum):
    """Results of RFC 8601 that we act on; everything else is UNKNOWN."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"
    SOFTFAIL = "softfail"
    NONE = "none"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Authentication:
    """What our own border said about the sender (RFC 8601). UNKNOWN throughout where it said nothing."""

    spf: Verdict = Verdict.UNKNOWN
    dkim: Verdict = Verdict.UNKNOWN
    dmarc: Verdict = Verdict.UNKNOWN


@dataclass(frozen=True, slots=True)
class Redaction:
    """Something that was taken out before anything was stored: what, how often."""

    kind: str  # "card number", "security code", "password" or "one-time code"
    count: int


@dataclass(frozen=True, slots=True)
class Mail:
    """What an email says, as far as it could be read. Any bytes give one: what was broken is in ``defects``."""

    sha256: str  # of the raw bytes that were parsed, hex
    size: int  # bytes of the raw email
    subject: str = ""  # decoded, one line, no control characters
    text: str = ""  # the whole body as plain text; from HTML where there is no text part
    html: str = ""  # the HTML body where there is one
    from_: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    return_path: str | None = None  # None: header absent; "": the null reverse-path of RFC 5321
    message_id: str | None = None  # with its angle brackets, byte for byte
    in_reply_to: tuple[str, ...] = ()  # message ids, byte for byte
    references: tuple[str, ...] = ()  # message ids, byte for byte, oldest first
    date: datetime | None = None  # the sender's claim, UTC
    headers: tuple[tuple[str, str], ...] = ()  # (lower-case name, unfolded and decoded value), top first, capped
    content_type: str = "text/plain"  # of the whole email, lower case
    part_types: tuple[str, ...] = ()  # content types of all parts, depth first
    report_type: str = ""  # of a multipart/report: "delivery-status", "disposition-notification", …
    calendar_method: str = ""  # REQUEST, REPLY, COUNTER… of a top-level or alternative text/calendar part
    attachments: tuple[Attachment, ...] = ()
    redactions: tuple[Redaction, ...] = ()
    defects: tuple[str, ...] = ()  # sentences for a person
    complete: bool = True  # False: only the first part of a very large email was read

    @property
    def sender(self) -> Address | None:
        """The one author, or None where From names none or several."""
        return self.from_[0] if len(self.from_) == 1 else None

    def header(self, name: str) -> tuple[str, ...]:
        """All values of a header, topmost first."""
        wanted = name.lower()
        return tuple(value for key, value in self.headers if key == wanted)


@dataclass(frozen=True, slots=True)
class Trimmed:
    """The newest part of an email and what was cut from around it."""

    text: str  # what the sender wrote now; never empty where the email has any text
    signature: str = ""
    quoted: str = ""
    forwarded: bool = False  # the text is that of a forwarded email: it is the question


class Severity(StrEnum):
    """What an objection asks for."""

    MACHINE = "machine"  # a machine wrote the email: ignore it
    NO_ANSWER = "no-answer"  # we may not write to the sender automatically: a person reads it


@dataclass(frozen=True, slots=True)
class Objection:
    """A reason against answering."""

    code: str  # kebab-case, stable
    severity: Severity
    sentence: str  # for a person
    source: str = ""  # the rule it follows, e.g. "RFC 3834 section 2"


@dataclass(frozen=True, slots=True)
class Conversation:
    """What the journal knows of the conversation that an email belongs to. The default: a new one."""

    ticket: int | None = None  # number of the ticket that the email continues
    answered_before: bool = False  # an automatic answer went out in it
    answered_intents: frozenset[str] = frozenset()
    person_involved: bool = False  # somebody of a team has written into it
    acknowledged: bool = False  # the sender was told that a person has it
    repeated: bool = False  # the sender wrote the very same text a short time ago, after automatic mail of ours
    team: str = ""  # who has the ticket; "" where nobody does
    participants: frozenset[str] = frozenset()  # addresses, lower case: senders and whom we wrote to
    reason: str = ""  # how it was recognised, for a person


@dataclass(frozen=True, slots=True)
class SenderHistory:
    """What went out automatically of late; counts for the limits of RFC 3834 section 2."""

    to_sender_24h: int = 0  # automatic mails to this address in the last 24 h
    intents_24h: frozenset[str] = frozenset()  # answered to this address within policy's window
    service_last_hour: int = 0  # automatic mails to anybody in the last hour
    suppressed: bool = False  # the address or its domain is on the never-reply list


@dataclass(frozen=True, slots=True)
class Details:
    """The details that an entry asks for, as far as the email gives them."""

    found: tuple[tuple[str, str], ...] = ()  # (detail id, the text that gives it)
    missing: tuple[str, ...] = ()  # detail ids
    notes: tuple[str, ...] = field(default=())

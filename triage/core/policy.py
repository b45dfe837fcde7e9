"""What people decided, as values: teams, topics, limits, modes, FAQ entries.

``content.py`` reads them from ``config/``; nothing here touches a file.
"""

from dataclasses import dataclass, field
from datetime import date, time
from enum import StrEnum


class Mode(StrEnum):
    """How far the service may go. The order matters: the lowest of policy, journal and STOP file wins."""

    OFF = "off"  # not even reading
    SHADOW = "shadow"  # decides and records, sends nothing, leaves the mailbox alone
    DRAFT = "draft"  # answers wait for a person's approval
    AUTOMATIC = "automatic"

    @property
    def rank(self) -> int:
        return list(Mode).index(self)


class Action(StrEnum):
    """An email ends in exactly one of these (outcomes in the README)."""

    ANSWER = "answer"
    ANSWER_AND_ROUTE = "answer_and_route"
    ROUTE = "route"
    IGNORE = "ignore"

    @property
    def answers(self) -> bool:
        return self in (Action.ANSWER, Action.ANSWER_AND_ROUTE)

    @property
    def routes(self) -> bool:
        return self in (Action.ROUTE, Action.ANSWER_AND_ROUTE)


@dataclass(frozen=True, slots=True)
class Team:
    """People who take tickets."""

    id: str
    name: str  # as customers read it, e.g. "Billing"
    address: str
    timezone: str = "UTC"  # IANA name
    opens: time = time(9)
    closes: time = time(17)
    weekdays: tuple[int, ...] = (0, 1, 2, 3, 4)  # Monday is 0
    holidays: str = ""  # country code of the public holidays kept, e.g. "US"; empty: none
    answers_within_hours: int = 8  # working hours until a person has read a ticket


@dataclass(frozen=True, slots=True)
class Topic:
    """Something a person has to take: no FAQ answer."""

    id: str
    team: str
    title: str  # as customers read it, e.g. "your question about a charge"
    sensitive: bool = False  # ask for no account details by mail; the team verifies by the contact on file


@dataclass(frozen=True, slots=True)
class Detail:
    """Something a team needs to act, asked for only where the email lacks it."""

    id: str
    asks: str  # how a reply asks for it, e.g. "your company name"
    account: bool = False  # says who the customer is: never asked for by mail where the matter is sensitive


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph or a list of steps of a vetted answer."""

    lines: tuple[str, ...]  # one line: a paragraph; steps: one line a step
    steps: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One FAQ entry: the vetted text and how it may be used."""

    id: str
    question: str
    answer: tuple[Block, ...]
    action: Action  # ANSWER or ANSWER_AND_ROUTE
    team: str  # "" where the sender can act alone
    details: tuple[str, ...]  # detail ids to ask for where missing
    highest_mode: Mode  # never beyond this
    sensitive: bool
    owner: str
    reviewed_on: date
    review_by: date  # past it the entry drops to draft by itself
    confirm: str  # what the owner still has to confirm; "" where nothing
    question_source: str  # "faq" or "inferred"
    changes: str  # what the answer changed in the source, for a reader
    source: str  # the FAQ's text, verbatim
    source_sha256: str  # as written in the entry: a change of the source is noticed
    version: str  # first 12 hex digits of the SHA-256 of the file

    @property
    def answer_text(self) -> str:
        """The answer as plain text, steps numbered, blocks parted by a blank line."""
        return "\n\n".join(
            "\n".join(f"{n}. {line}" for n, line in enumerate(block.lines, 1))
            if block.steps
            else "\n".join(block.lines)
            for block in self.answer
        )


@dataclass(frozen=True, slots=True)
class Folders:
    """Where handled mail is put away."""

    answered: str = "Triage/Answered"
    routed: str = "Triage/Routed"
    ignored: str = "Triage/Ignored"
    parked: str = "Triage/Parked"
    sent: str = "Sent"  # read as part of the conversations; missing is fine


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds that hold whatever the classifier says."""

    max_age_hours: int = 72  # mail older than this when first seen is never answered automatically
    max_bytes: int = 30_000_000  # larger emails are parked
    read_bytes: int = 1_000_000  # of a larger email only this much is read
    answers_per_sender_per_day: int = 3  # RFC 3834 section 2 asks for a limit; the figure is ours
    same_answer_hours: int = 24  # the same entry to the same sender at most once in this time
    service_per_hour: int = 500  # the breaker: more automatic mail than this in an hour is a loop or an attack
    attempts: int = 3  # tries before an email is parked
    max_intents: int = 3  # an email that asks more than this goes to a person


@dataclass(frozen=True, slots=True)
class Policy:
    """policy.toml as values."""

    service_name: str
    own_addresses: frozenset[str]  # lower case
    staff_domains: frozenset[str]
    trusted_authserv_ids: frozenset[str]  # whose Authentication-Results we believe
    microsoft_365_border: bool  # believe the topmost Authentication-Results without an authserv-id
    allowed_reply_to: frozenset[str]  # form senders whose Reply-To is the customer
    never_reply: frozenset[str]  # addresses and domains
    highest_mode: Mode
    default_team: str
    teams: dict[str, Team]
    topics: dict[str, Topic]
    details: dict[str, Detail]
    folders: Folders = field(default_factory=Folders)
    limits: Limits = field(default_factory=Limits)
    null_envelope_sender: bool = False  # MAIL FROM:<> (RFC 3834 section 3.3) instead of the mailbox
    privacy_url: str = ""
    mailbox_settings: tuple[str, ...] = ("TRIAGE_",)  # prefix of each mailbox's settings in the environment
    target_wrong: float = 0.05  # share of wrong automatic answers that calibration has to keep below
    calibration_confidence: float = 0.95

    def team_for_topics(self, topics: tuple[str, ...]) -> str:
        """The team of the likeliest topic that is known, else the default team."""
        return next((self.topics[topic].team for topic in topics if topic in self.topics), self.default_team)

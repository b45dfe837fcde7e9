"""From a decision to emails in their final bytes. Only vetted sentences leave the house."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from functools import cached_property
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined, TemplateSyntaxError

from triage.core import ticket as tickets
from triage.core.conversation import correspondent, is_colleague
from triage.core.decide import WARNINGS
from triage.core.decision import Decision, Draft, DraftKind, Sentence
from triage.core.hours import as_customers_read_it, office_hours, read_by
from triage.core.mail import Mail, Trimmed
from triage.core.mime import message, one_line, references
from triage.core.policy import Action, Entry, Policy, Team

TEXTS = ("reply.txt", "reply.html", "acknowledgement.txt", "acknowledgement.html", "hand_over.txt", "hand_over.html")
_SENTENCE_END = re.compile(r"(?<=[.!?:])\s+(?=[A-Z0-9“\"¿¡])")
_MOST_AUTHORS = 5
# Not "All": that would also suppress the non-delivery reports that we want.
_NO_ANSWERS_BY_MACHINES = ("X-Auto-Response-Suppress", "DR, RN, NRN, OOF, AutoReply")
_STEP = re.compile(r"^(?:\d+[.)]|-)\s+")
_REPLY_PREFIX = re.compile(r"^(?:\s*(?:re|aw|sv|vs|antw|rif|res|odp)\s*(?:\[\d+\])?\s*:\s*)+", re.IGNORECASE)


@dataclass(frozen=True)
class Texts:
    """The named templates of ``config/texts``; a mistake in one is found when ``config/`` is read."""

    templates: Mapping[str, str]

    @cached_property
    def _environment(self) -> Environment:
        return Environment(
            loader=FunctionLoader(self._source),
            autoescape=lambda name: bool(name and name.endswith(".html")),  # noqa: S701 - plain text must not be
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )

    def _source(self, name: str) -> tuple[str, str, None] | None:
        """Source and name: an error then says in which text it is."""
        return (self.templates[name], name, None) if name in self.templates else None

    def render(self, name: str, values: Mapping[str, Any]) -> str:
        return self._environment.get_template(name).render(values)

    def has(self, name: str) -> bool:
        return name in self.templates


def check_text(source: str) -> str:
    """What is wrong with a template, as a sentence; "" where nothing is."""
    try:
        Environment(autoescape=True).parse(source)
    except TemplateSyntaxError as error:
        return f"line {error.lineno}: {error.message}; correct the template"
    return ""


@dataclass(frozen=True, slots=True)
class House:
    """What stays the same for every mail that we write."""

    policy: Policy
    entries: Mapping[str, Entry]
    texts: Texts
    mailbox: str  # the address that customers write to
    secret: bytes  # signs ticket tags and Message-IDs
    console_url: str = ""  # "" where there is no console to link to

    @property
    def domain(self) -> str:
        return self.mailbox.rpartition("@")[2]


@dataclass(frozen=True, slots=True)
class Case:
    """One email and what was decided about it."""

    mail: Mail
    trimmed: Trimmed
    decision: Decision
    ticket: int
    identity: str  # mailbox, UIDVALIDITY, UID and hash: the same for the same email, always
    now: datetime
    language: str = "en"
    held: bool = False  # the answer waits for a person's approval: nothing has reached the sender yet


def compose(case: Case, house: House) -> tuple[Draft, ...]:
    """All emails that the decision asks for: one to the sender at most, one to a team at most."""
    drafts = []
    text = ""
    recipient = correspondent(case.mail, house.policy)
    if case.decision.reply and recipient and case.decision.action is not Action.IGNORE:
        draft, text = _to_sender(case, house, recipient.email)
        drafts.append(draft)
    if case.decision.team:
        drafts.append(_hand_over(case, house, text))
    return tuple(drafts)


def _to_sender(case: Case, house: House, recipient: str) -> tuple[Draft, str]:
    """The email to the customer, and its plain text."""
    kind = DraftKind.REPLY if case.decision.action.answers else DraftKind.ACKNOWLEDGEMENT
    values = _values(case, house)
    text = house.texts.render(f"{kind}.txt", values)
    html = house.texts.render(f"{kind}.html", values)
    parent = case.mail.message_id or ""
    headers = [
        ("To", recipient),
        ("In-Reply-To", references((), parent)),
        ("References", references(case.mail.references or case.mail.in_reply_to, parent) if parent else ""),
        ("Auto-Submitted", "auto-replied"),  # RFC 3834 section 5
        _NO_ANSWERS_BY_MACHINES,
    ]
    mail = message([*_ours(case, house, kind), *headers], text, html, case.now)
    said = sentences(text, case.decision.intents, house, f"texts/{kind}")
    return _draft(mail, kind, recipient, house, said), text


def _hand_over(case: Case, house: House, sent: str) -> Draft:
    """The email to the team. When somebody answers it, the customer may get to read all of its text: what only the
    team should know (guesses, doubts about the sender) stays in the journal."""
    kind = DraftKind.HAND_OVER
    team = house.policy.teams[case.decision.team or house.policy.default_team]
    values = (
        _values(case, house)
        | _about_the_email(case, house)
        | {"sent": "" if case.held else sent.strip(), "held": case.held}
    )
    customer = correspondent(case.mail, house.policy)
    reply_to = ", ".join(([customer.email] if customer else []) + [house.mailbox])
    headers = [
        ("To", team.address),
        ("Reply-To", reply_to),
        ("Auto-Submitted", "auto-generated"),
        _NO_ANSWERS_BY_MACHINES,
    ]
    text = house.texts.render("hand_over.txt", values)
    mail = message([*_ours(case, house, kind), *headers], text, house.texts.render("hand_over.html", values), case.now)
    mail.add_attachment(_rebuild(case.mail), filename=f"{tickets.name(case.ticket)}.eml")
    return _draft(mail, kind, team.address, house, ())


def _about_the_email(case: Case, house: House) -> dict[str, Any]:
    """What a hand-over says of the email, beside what a reply says too."""
    mail, decision = case.mail, case.decision
    customer = correspondent(mail, house.policy)
    return {
        "sender": customer.email if customer else ", ".join(address.email for address in mail.from_[:_MOST_AUTHORS]),
        "sender_name": one_line(customer.name, 80) if customer else "",
        "outside": not (customer and is_colleague(customer.email, house.policy)),
        "subject": mail.subject,
        "words": case.trimmed.text.strip(),
        "attachments": [attachment.name or attachment.content_type for attachment in mail.attachments],
        "found": [(house.policy.details[name].asks, value) for name, value in decision.details.found],
        "notes": any(reason.code in WARNINGS for reason in decision.reasons),
        "mailbox": house.mailbox,
        "message_id": mail.message_id or "",
        "dated": f"{mail.date:%Y-%m-%d %H:%M} UTC" if mail.date else "",
        "console_url": house.console_url,
    }


def _values(case: Case, house: House) -> dict[str, Any]:
    """What the templates may say."""
    policy, decision = house.policy, case.decision
    team = policy.teams[decision.team] if decision.team else None
    reader = team or policy.teams[policy.default_team]
    missing = [detail for name in decision.details.missing if (detail := policy.details.get(name))]
    return {
        "service": policy.service_name,
        "ticket": tickets.name(case.ticket),
        "entries": [house.entries[intent] for intent in decision.intents],
        "team": team.name if team else "",
        "topics": [policy.topics[topic].title for topic in decision.topics[:1] if topic in policy.topics],
        "missing": [detail.asks for detail in missing if not (decision.sensitive and detail.account)],
        "sensitive": decision.sensitive,
        "redacted": [redaction.kind for redaction in case.mail.redactions],
        "read_by": _read_by(reader, case.now),
        "hours": office_hours(reader),
        "privacy_url": policy.privacy_url,
        "language": case.language if house.texts.has(f"acknowledgement.{case.language}.txt") else "en",
    }


def _read_by(team: Team, now: datetime) -> str:
    return as_customers_read_it(read_by(team, now))


def _ours(case: Case, house: House, kind: DraftKind) -> list[tuple[str, str]]:
    """Headers of every mail that we send about a ticket."""
    key = tickets.key(case.identity, kind, house.secret)
    return [
        ("Message-ID", tickets.message_id(case.ticket, key, house.domain, house.secret)),
        ("From", f'"{house.policy.service_name}" <{house.mailbox}>'),
        ("Subject", reply_subject(case.mail.subject, tickets.tag(case.ticket, house.secret), kind)),
        ("X-Triage-Key", key),
    ]


def reply_subject(theirs: str, tag: str, kind: DraftKind) -> str:
    """``Re: theirs [tag]``, one line; without a subject of theirs the tag says what it is about."""
    bare = _REPLY_PREFIX.sub("", tickets.without_tags(one_line(theirs)))
    prefix = "" if kind is DraftKind.HAND_OVER else "Re: "
    room = 150
    bare = bare if len(bare) <= room else bare[: room - 1].rstrip() + "…"
    return f"{prefix}{bare or 'Your email'} {tag}"


def _draft(mail: EmailMessage, kind: DraftKind, recipient: str, house: House, said: tuple[Sentence, ...]) -> Draft:
    return Draft(
        kind=kind,
        recipient=recipient,
        envelope_sender="" if house.policy.null_envelope_sender else house.mailbox,
        message_id=str(mail["Message-ID"]),
        key=str(mail["X-Triage-Key"]),
        subject=str(mail["Subject"]),
        raw=mail.as_bytes(),
        sentences=said,
    )


def sentences(text: str, intents: Iterable[str], house: House, template: str) -> tuple[Sentence, ...]:
    """Every sentence of a mail with its source: an FAQ entry where the entry says it, else the template."""
    from_faq = {
        sentence: f"faq/{intent}@{house.entries[intent].version}"
        for intent in intents
        for sentence in (*_split(house.entries[intent].answer_text), house.entries[intent].question)
    }
    return tuple(Sentence(sentence, from_faq.get(sentence, template)) for sentence in _split(text))


def _split(text: str) -> list[str]:
    lines = (_STEP.sub("", line.strip()) for line in text.splitlines())
    return [sentence for line in lines if line.strip("-_ ") for sentence in _SENTENCE_END.split(line)]


def _rebuild(mail: Mail) -> EmailMessage:
    """The email as a person may read it: redacted text, no HTML, no attachments; the original stays in the mailbox."""
    headers = [
        ("From", ", ".join(address.email for address in mail.from_[:_MOST_AUTHORS])),
        ("To", ", ".join(address.email for address in mail.to)),
        ("Cc", ", ".join(address.email for address in mail.cc)),
        ("Subject", one_line(mail.subject)),
        ("Message-ID", references((), mail.message_id or "")),
    ]
    return message(headers, mail.text, "", mail.date)

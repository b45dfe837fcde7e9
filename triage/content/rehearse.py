"""Every text is rendered once with a made-up email: `triage check` finds a mistake in it before a customer does."""

from collections.abc import Iterator
from datetime import UTC, datetime

from jinja2 import TemplateError, TemplateNotFound

from triage.content.problems import Problem
from triage.core.compose import Case, House, Texts, compose
from triage.core.decision import Decision
from triage.core.mail import Address, Attachment, Details, Mail, Redaction, Trimmed
from triage.core.policy import Action, Entry, Policy

_NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
_MAIL = Mail(
    sha256="0" * 64,
    size=1,
    subject="A question",
    text="How?",
    from_=(Address("somebody@client.example", "Somebody"),),
    message_id="<1@client.example>",
    date=_NOW,
    attachments=(Attachment("list.pdf", "application/pdf", 1),),
    redactions=(Redaction("card number", 1),),
)


def rehearse(texts: dict[str, str], policy: Policy, entries: dict[str, Entry]) -> list[Problem]:
    """What goes wrong when the texts are rendered, once per text."""
    house = House(policy, entries, Texts(texts), sorted(policy.own_addresses)[0], b"rehearsal")
    found: dict[str, Problem] = {}
    for decision, language in _decisions(policy, entries, texts):
        case = Case(_MAIL, Trimmed("How?", "Somebody"), decision, 1, "rehearsal", _NOW, language)
        try:
            compose(case, house)
        except TemplateNotFound as error:
            found[str(error)] = Problem(f"texts/{error}.j2", "is missing, and another text includes it; add it")
        except TemplateError as error:
            name = _place(error)
            found[name] = Problem(f"texts/{name}.j2", f"{error.message}; correct the template")
    return list(found.values())


def _decisions(policy: Policy, entries: dict[str, Entry], texts: dict[str, str]) -> Iterator[tuple[Decision, str]]:
    """One of each shape that a decision may have."""
    two, topics, team = tuple(entries)[:2], tuple(policy.topics)[:1], policy.default_team
    details = Details(found=tuple((name, "x") for name in policy.details), missing=tuple(policy.details))
    yield Decision(Action.ANSWER, two[:1]), "en"
    yield Decision(Action.ANSWER_AND_ROUTE, two, topics, team, details=details, sensitive=True), "en"
    yield Decision(Action.ANSWER_AND_ROUTE, two, (), team, details=details), "en"
    yield Decision(Action.ROUTE, (), topics, team, details=details), "en"
    yield Decision(Action.ROUTE, (), (), team, reply=False), "en"
    for name in texts:
        parts = name.split(".")
        if parts[0] == "acknowledgement" and len(parts) == 3:
            yield Decision(Action.ROUTE, (), (), team), parts[1]


def _place(error: TemplateError) -> str:
    """The text in which it went wrong: the innermost template of the traceback."""
    name, trace = getattr(error, "name", None) or "", error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if file.endswith((".txt", ".html")):
            name = file
        trace = trace.tb_next
    return str(name)

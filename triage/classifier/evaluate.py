"""How good are decisions? Grades them against labelled emails."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage, Message
from email.utils import format_datetime
from typing import Any

from triage.classifier.calibrate import interval
from triage.classifier.examples import Example, Outcome

_ANSWERS = frozenset({"answer", "answer_and_route"})


@dataclass(frozen=True, slots=True)
class Graded:
    """One email, what it should have ended in and what it did."""

    example: Example
    outcome: Outcome
    right: bool  # exactly one of the wanted outcomes
    wrong: bool  # the reply carries an entry that was not asked for
    confidence: float = 0.0
    suggested: frozenset[str] = frozenset()  # entries that were suggested, sent or not
    reasons: tuple[str, ...] = ()


@dataclass
class Report:
    """Figures over graded emails; shares with their counts."""

    graded: list[Graded] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        answerable = [one for one in self.graded if one.example.wanted[0].action in _ANSWERS]
        routable = [one for one in self.graded if one.example.wanted[0].action == "route"]
        ignorable = [one for one in self.graded if one.example.wanted[0].action == "ignore"]
        answered = [one for one in self.graded if one.outcome.intents]
        wrong = sum(one.wrong for one in answered)
        low, high = interval(wrong, len(answered)) if answered else (0.0, 1.0)
        partly = sum(not one.right and bool(one.outcome.intents) and not one.wrong for one in answerable)
        return {
            "emails": len(self.graded),
            "resolved": _share(sum(one.right for one in answerable), len(answerable)),
            "answered_in_part": _share(partly, len(answerable)),
            "wrong_answers": {**_share(wrong, len(answered)), "interval_95": [round(low, 4), round(high, 4)]},
            "right_team": _share(sum(one.right for one in routable), len(routable)),
            "machine_mail_replied_to": {
                "count": sum(not one.right and one.outcome.action != "ignore" for one in ignorable),
                "of": len(ignorable),
            },
            "all_right": _share(sum(one.right for one in self.graded), len(self.graded)),
        }

    def by_intent(self) -> dict[str, dict[str, Any]]:
        """Resolved emails per FAQ entry, the worst first."""
        table: defaultdict[str, list[bool]] = defaultdict(list)
        for one in self.graded:
            for intent in one.example.intents:
                table[intent].append(one.right)
        rows = {intent: _share(sum(rights), len(rights)) for intent, rights in table.items()}
        return dict(sorted(rows.items(), key=lambda row: row[1]["share"]))

    def confused(self) -> list[tuple[str, str, int]]:
        """(asked, suggested, how often), most frequent first: entries that were suggested and not asked for."""
        pairs: Counter[tuple[str, str]] = Counter()
        for one in self.graded:
            asked = one.example.intents or one.example.topics or ("nothing",)
            for suggested in one.suggested - _fair(one.example):
                pairs[(asked[0], suggested)] += 1
        return [(asked, suggested, count) for (asked, suggested), count in pairs.most_common()]

    def risk_coverage(self) -> list[tuple[float, float]]:
        """(coverage of answerable emails, share of wrong answers) as the threshold falls."""
        answerable = sum(one.example.wanted[0].action in _ANSWERS for one in self.graded)
        suggested = sorted((one for one in self.graded if one.suggested), key=lambda one: -one.confidence)
        points, good, bad = [], 0, 0
        for one in suggested:
            wrong = not one.suggested <= _fair(one.example)
            good, bad = good + (not wrong), bad + wrong
            points.append((good / max(1, answerable), bad / (good + bad)))
        return points


def grade(
    example: Example,
    outcome: Outcome,
    *,
    confidence: float = 0.0,
    suggested: Sequence[str] = (),
    reasons: Sequence[str] = (),
) -> Graded:
    """Hold one outcome against the labels."""
    right = any(_matches(outcome, wanted) for wanted in example.wanted)
    wrong = outcome.action in _ANSWERS and not outcome.intents <= _fair(example)
    return Graded(example, outcome, right, wrong, confidence, frozenset(suggested), tuple(reasons))


def _fair(example: Example) -> frozenset[str]:
    """Every entry that may be in a reply."""
    return frozenset().union(*(wanted.intents for wanted in example.wanted if wanted.action in _ANSWERS))


def _matches(outcome: Outcome, wanted: Outcome) -> bool:
    if outcome.action != wanted.action or (wanted.action in _ANSWERS and outcome.intents != wanted.intents):
        return False
    return wanted.team is None or wanted.action not in ("route", "answer_and_route") or outcome.team == wanted.team


def _share(count: int, of: int) -> dict[str, Any]:
    return {"share": round(count / of, 4) if of else 0.0, "count": count, "of": of}


def as_email(example: Example, mailbox: str = "csp.support@insight.com") -> bytes:
    """A labelled email as it would arrive."""
    mail = EmailMessage()
    mail["From"] = example.sender
    mail["To"] = mailbox
    mail["Subject"] = " ".join(example.subject.split())
    mail["Date"] = format_datetime(datetime.now(UTC))
    mail["Message-ID"] = f"<{example.id}@mail.example>"
    mail.set_content(example.body or "\n")
    for name, value in example.headers:
        if name.lower() == "content-type":
            _as_report(mail, value)
            continue
        del mail[name]
        mail[name] = value
    return mail.as_bytes()


def _as_report(mail: EmailMessage, value: str) -> None:
    """Give a plain email the structure that its Content-Type claims."""
    if not value.startswith("multipart/report"):
        mail.replace_header("Content-Type", value)
        return
    kind = "disposition-notification" if "disposition-notification" in value else "delivery-status"
    part = EmailMessage()
    part["Content-Type"] = f"message/{kind}"
    fields = Message()
    fields["Final-Recipient"] = "rfc822; someone@client.example"
    part.set_payload([fields] if kind == "delivery-status" else fields.as_string())
    mail.make_mixed()
    mail.attach(part)
    mail.replace_header("Content-Type", f"multipart/report; report-type={kind}")

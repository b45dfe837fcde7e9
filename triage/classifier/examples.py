"""Labelled emails, as they lie in ``models/examples/*.jsonl``: the form of the reviews' export, too."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage, Message
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from triage.classifier.manifest import ModelError

_SENT = datetime(2026, 1, 1, tzinfo=UTC)  # of every labelled email: the date says nothing about it


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an email may end in."""

    action: str
    intents: frozenset[str]
    team: str | None  # None: any


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled email."""

    id: str
    subject: str
    body: str
    intents: tuple[str, ...]  # FAQ entries asked about, in the order asked
    topics: tuple[str, ...]  # what a person has to take; both empty: nothing is asked
    kind: str = ""  # faq, near, topic, two or ignore: how it was written
    voice: str = ""
    pair: str = ""  # the two emails of a pair share it
    sender: str = ""
    headers: tuple[tuple[str, str], ...] = ()  # beyond From, To, Subject, Date and Message-ID
    wanted: tuple[Outcome, ...] = ()  # the right outcome first, then others that are as good; empty where only labels


def read_examples(path: Path) -> list[Example]:
    """The emails of one JSONL file. Raises ModelError that names the line."""
    examples = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                examples.append(_example(path, number, line))
    return examples


def training_files(folder: Path) -> list[Path]:
    """All files to learn from: every JSONL but the calibration set."""
    return [path for path in sorted(folder.glob("*.jsonl")) if not path.name.startswith("calibration")]


def fingerprint(examples: Iterable[Example]) -> str:
    """First 12 hex digits of a SHA-256 over texts and labels, whatever their order."""
    rows = sorted(f"{e.subject}\0{e.body}\0{e.intents}\0{e.topics}" for e in examples)
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:12]


def count_intents(examples: Iterable[Example]) -> Counter[str]:
    """Emails per FAQ entry."""
    return Counter(intent for example in examples for intent in example.intents)


def _wanted(label: dict[str, Any]) -> tuple[Outcome, ...]:
    if "action" not in label:
        return ()
    rows = [label, *(label.get("accept") or ())]
    return tuple(Outcome(row["action"], frozenset(row.get("intents") or ()), row.get("team")) for row in rows)


def _example(path: Path, number: int, line: str) -> Example:
    try:
        row = json.loads(line)
        label = row.get("label", row)
        return Example(
            id=str(row.get("id", f"{path.stem}-{number}")),
            subject=row["subject"],
            body=row["body"],
            intents=tuple(label["intents"]),
            topics=tuple(row.get("topics", ())),
            kind=row.get("kind", ""),
            voice=row.get("voice", ""),
            pair=row.get("pair", ""),
            sender=row.get("from", ""),
            headers=tuple((row.get("headers") or {}).items()),
            wanted=_wanted(label),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{path}, line {number}: not a labelled email ({error!r}); see models/examples/README.md"
        ) from None


def as_email(example: Example, mailbox: str = "csp.support@insight.com") -> bytes:
    """A labelled email as it would arrive."""
    mail = EmailMessage()
    mail["From"] = example.sender
    mail["To"] = mailbox
    mail["Subject"] = " ".join(example.subject.split())
    mail["Date"] = format_datetime(_SENT)
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

"""All of ``config/`` as one value, or all that is wrong with it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from triage.content.faq_file import read_entries
from triage.content.lint import lint
from triage.content.policy_file import FILE, read_policy
from triage.content.problems import ContentError, Problem
from triage.content.rehearse import rehearse
from triage.core.compose import TEXTS, Texts, check_text
from triage.core.policy import Entry, Policy


@dataclass(frozen=True, slots=True)
class Content:
    """What people decided, with the fingerprints that the journal keeps."""

    policy: Policy
    entries: dict[str, Entry]
    texts: Texts
    policy_hash: str  # first 12 hex digits of the SHA-256 of policy.toml and texts/
    faq_hash: str  # the same over faq/


def read_content(folder: Path) -> Content:
    """Everything in ``folder``. Raises ContentError with all problems at once."""
    problems: list[Problem] = []
    policy = read_policy(folder, problems)
    entries = read_entries(folder, problems)
    texts = _read_texts(folder, problems)
    problems.extend(lint(entries, policy))
    if policy is not None and entries and not any(problem.file.startswith(("texts", FILE)) for problem in problems):
        problems.extend(rehearse(texts, policy, entries))
    if problems or policy is None:
        raise ContentError(str(folder), problems)
    return Content(
        policy, entries, Texts(texts), _fingerprint(folder, "policy.toml", "texts/*"), _fingerprint(folder, "faq/*.md")
    )


def notices(content: Content, today: date, examples: Mapping[str, int]) -> list[Problem]:
    """What is usable, yet needs a person: due reviews, open confirmations, intents without training examples.

    ``examples`` counts training emails per intent.
    """
    found = []
    for entry in content.entries.values():
        file = f"faq/{entry.id}.md"
        if entry.review_by < today:
            found.append(Problem(file, f"its review was due on {entry.review_by}: it is only drafted until reviewed"))
        if entry.confirm:
            found.append(Problem(file, f"owner to confirm: {entry.confirm}"))
        if not examples.get(entry.id):
            found.append(Problem(file, "has no training examples: it will never be predicted; add some and train"))
    for team in content.policy.teams.values():
        if is_placeholder(team.address):
            found.append(Problem("policy.toml", f"team {team.id} has the placeholder address {team.address}"))
    return found


def is_placeholder(address: str) -> bool:
    """An address of a domain that never exists (RFC 2606): mail to it reaches nobody."""
    return address.endswith((".example", ".invalid", ".test"))


def _read_texts(folder: Path, problems: list[Problem]) -> dict[str, str]:
    texts = {}
    for path in sorted((folder / "texts").glob("*.j2")):
        name = path.name.removesuffix(".j2")
        try:
            texts[name] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            problems.append(Problem(f"texts/{path.name}", f"is not UTF-8 at byte {error.start}; save it as UTF-8"))
            continue
        if mistake := check_text(texts[name]):
            problems.append(Problem(f"texts/{path.name}", mistake))
    for name in TEXTS:
        if name not in texts:
            problems.append(Problem(f"texts/{name}.j2", "is missing; every mail that we send needs its text"))
    return texts


def _fingerprint(folder: Path, *patterns: str) -> str:
    digest = hashlib.sha256()
    for pattern in patterns:
        for path in sorted(folder.glob(pattern)):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]

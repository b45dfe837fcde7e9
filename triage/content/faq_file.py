"""``faq/<id>.md`` to an Entry: TOML between ``+++`` lines, then the vetted answer, then the source verbatim."""

import hashlib
import re
import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from triage.content.problems import Problem
from triage.content.tables import build
from triage.core.policy import Action, Block, Entry, Mode

_FORM = re.compile(r"\A\+\+\+\n(.*?)\n\+\+\+\n\s*## Answer\n(.*?)\n## Source\n\s*```text\n(.*?)\n```\s*\Z", re.DOTALL)
_STEP = re.compile(r"\d+\. (.+)")


@dataclass(frozen=True, slots=True)
class _FrontMatter:
    question: str
    action: Action
    owner: str
    reviewed_on: date
    review_by: date
    source_sha256: str
    question_source: str = "faq"
    team: str = ""
    details: tuple[str, ...] = ()
    highest_mode: Mode = Mode.AUTOMATIC
    sensitive: bool = False
    confirm: str = ""
    changes: str = ""


def read_entries(folder: Path, problems: list[Problem]) -> dict[str, Entry]:
    """All entries by id, sorted; what cannot be read is in ``problems``."""
    entries = {}
    for path in sorted((folder / "faq").glob("*.md")):
        entry = _read_entry(path, problems)
        if entry is not None:
            entries[entry.id] = entry
    if not entries:
        problems.append(Problem("faq", f"has no entries in {folder}; every entry is a file faq/<id>.md"))
    return entries


def _read_entry(path: Path, problems: list[Problem]) -> Entry | None:
    file = f"faq/{path.name}"
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        problems.append(Problem(file, f"is not UTF-8 at byte {error.start}; save it as UTF-8"))
        return None
    form = _FORM.match(text)
    if form is None:
        problems.append(Problem(file, 'has not the form "+++ settings +++, ## Answer, ## Source with a ```text block"'))
        return None
    try:
        table = tomllib.loads(form[1])
    except tomllib.TOMLDecodeError as error:
        problems.append(Problem(file, f"its settings are not TOML: {error}; correct that line"))
        return None
    matter = build(_FrontMatter, table, file, "settings", problems)
    if matter is None:
        return None
    return _entry(path.stem, matter, form[2], form[3], hashlib.sha256(raw).hexdigest()[:12])


def _entry(name: str, matter: _FrontMatter, answer: str, source: str, version: str) -> Entry:
    settings: dict[str, Any] = {field: getattr(matter, field) for field in _FrontMatter.__dataclass_fields__}
    return Entry(id=name, answer=parse_answer(answer), source=source, version=version, **settings)


def parse_answer(text: str) -> tuple[Block, ...]:
    """Paragraphs and numbered steps, parted by blank lines."""
    blocks = []
    for piece in re.split(r"\n\s*\n", text.strip()):
        lines = [line.strip() for line in piece.splitlines() if line.strip()]
        steps = [_STEP.fullmatch(line) for line in lines]
        if lines and all(steps):
            blocks.append(Block(tuple(step[1] for step in steps if step), steps=True))
        elif lines:
            blocks.append(Block((" ".join(lines),)))
    return tuple(blocks)

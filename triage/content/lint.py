"""What would embarrass us in an answer, and settings of an entry that do not fit."""

import hashlib
import re
from collections.abc import Iterator

from triage.content.problems import Problem
from triage.core.policy import Action, Block, Entry, Policy

_POINTER = re.compile(r"\b(?:above|below)\b", re.IGNORECASE)
_PROMISED = re.compile(r"\b(?:step process|(?:following|these|next) steps?)\b", re.IGNORECASE)
_LINK = re.compile(
    r"(?<![\w@.-])(?:[a-z]+://\S+|(?:[a-z0-9-]+\.)+(?:com|net|org|io|eu|uk|de|us)\b(?:/\S*)?)", re.IGNORECASE
)


def lint(entries: dict[str, Entry], policy: Policy | None) -> list[Problem]:
    """Every problem of every entry; without a usable policy, all but those that need one."""
    return [
        Problem(f"faq/{entry.id}.md", sentence)
        for entry in entries.values()
        for sentence in (*_settings(entry), *_answer(entry), *(_against(entry, policy) if policy else ()))
    ]


def _settings(entry: Entry) -> Iterator[str]:
    if not entry.question.strip():
        yield "question is empty; write the question that the answer answers"
    if entry.question_source not in ("faq", "inferred"):
        yield f'question_source "{entry.question_source}" has to be "faq" or "inferred"'
    if not entry.action.answers:
        yield f'action "{entry.action}" is none of an entry; write "{Action.ANSWER}" or "{Action.ANSWER_AND_ROUTE}"'
    if entry.action is Action.ANSWER_AND_ROUTE and not entry.team:
        yield f"names no team for {entry.action}; add team = the one that takes the ticket"
    if entry.review_by <= entry.reviewed_on:
        yield f"review_by {entry.review_by} is not after reviewed_on {entry.reviewed_on}; set the next review's date"
    if not entry.source.strip():
        yield "has no source; put the FAQ's own text into the ```text block under ## Source"
    if (found := hashlib.sha256(entry.source.encode()).hexdigest()) != entry.source_sha256:
        yield f'its source has changed: review the answer, then set source_sha256 = "{found}"'


def _against(entry: Entry, policy: Policy) -> Iterator[str]:
    if entry.team and entry.team not in policy.teams:
        yield f'names team "{entry.team}"; known teams: {", ".join(sorted(policy.teams))}'
    for detail in entry.details:
        if detail not in policy.details:
            yield f'asks for detail "{detail}"; known details: {", ".join(sorted(policy.details))}'
    for address in sorted(policy.own_addresses):
        if address.lower() in entry.answer_text.lower():
            yield f"tells the reader to write to {address}, where the reader has just written; say what happens instead"


def _answer(entry: Entry) -> Iterator[str]:
    text = entry.answer_text
    if not text:
        yield "its answer is empty; write the vetted text under ## Answer"
    if pointer := _POINTER.search(text):
        yield f'"{pointer[0]}" points to something that a reply does not have; name the place or add the text'
    if _PROMISED.search(text) and not any(block.steps for block in entry.answer):
        yield "promises steps and gives none; add them as a numbered list"
    for link in _LINK.findall(text):
        if not link.startswith("https://"):
            yield f'"{link}" is not an https link; write https://… or leave it out'
    yield from _punctuation(entry.answer)


def _punctuation(blocks: tuple[Block, ...]) -> Iterator[str]:
    for block, after in zip(blocks, (*blocks[1:], None), strict=True):
        leads_to_steps = after is not None and after.steps and not block.steps
        ends = (".", "!", "?", ":") if leads_to_steps else (".", "!", "?")
        for line in block.lines:
            if not line.endswith(ends):
                yield f'"…{line[-30:]}" has no terminal punctuation; end it with a full stop'

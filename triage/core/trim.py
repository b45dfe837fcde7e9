"""The newest part of an email: what the sender wrote now, without signature and without what it quotes.

Three steps, each in its own module: ``html`` makes lines, ``quotes`` tells which are the sender's own, ``signature``
which of those are a signature. Here they are put together, and nothing is cut where nothing would be left.
"""

import re
from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import pairwise

from triage.core import phrases
from triage.core.html import Line, Mark, html_to_lines
from triage.core.mail import Address, Mail, Trimmed
from triage.core.phrases import any_of
from triage.core.quotes import Split, is_quoted, split_quotes
from triage.core.signature import find_signature, reads_like_words

LONGEST = 1_000_000  # characters of a body that are looked at
MOST_LINES = 3_000  # what lies below counts as one line: it bounds the work that a hostile email makes
LONGEST_CONTEXT = 8  # lines of a quote that is kept between the sender's words


class _Role(StrEnum):
    TEXT = "text"
    SIGNATURE = "signature"
    QUOTED = "quoted"


def trim(mail: Mail) -> Trimmed:
    """The newest part of an email. Its text is empty only where the email has none.

    Where there is HTML, its marks of quotes are used; the plain text counts where it was cut better.
    """
    plain = _trim_lines(_lines(mail.text), mail)
    if not mail.html:
        return plain
    rich = _trim_lines(html_to_lines(mail.html), mail)
    return plain if _plain_is_better(plain, rich) else rich


def with_signature(trimmed: Trimmed) -> str:
    """Text and signature in one, for those who count a signature as part of the text, as some test suites do.

    They stand as they stood, but for words below a signature (a PS): those are in the text, and so come first.
    """
    return "\n\n".join(part for part in (trimmed.text, trimmed.signature) if part)


# --- lines -----------------------------------------------------------------------------------------------------------


_FORWARD_SUBJECT, _REPLY_SUBJECT = (
    re.compile(rf"\s*(?:{any_of(prefixes)})\s*(?:\[\d+\])?\s*[:：]", re.IGNORECASE)
    for prefixes in (phrases.FORWARD_SUBJECTS, phrases.REPLY_SUBJECTS)
)
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060\ufeff]")


def _lines(text: str) -> list[Line]:
    text = _INVISIBLE.sub("", text[:LONGEST]).replace("\r\n", "\n").replace("\r", "\n").replace("\xa0", " ")
    return [Line(line.rstrip()) for line in text.split("\n", MOST_LINES)]


def _limited(lines: Sequence[Line]) -> Sequence[Line]:
    rest = lines[MOST_LINES:]
    return [*lines[:MOST_LINES], Line("\n".join(line.plain for line in rest))] if rest else lines


def _trim_lines(lines: Sequence[Line], mail: Mail) -> Trimmed:
    is_forward = bool(_FORWARD_SUBJECT.match(mail.subject))
    is_reply = bool(mail.in_reply_to or _REPLY_SUBJECT.match(mail.subject))
    split = split_quotes(_limited(lines), is_forward=is_forward, is_reply=is_reply)
    roles = [_Role.TEXT if own else _Role.QUOTED for own in split.own]
    _cut_banner(split.lines, roles)
    _cut_list_footer(split.lines, roles)
    _cut_signatures(split, roles, mail.sender)
    _keep_context(split.lines, roles)
    text, signature, quoted = (_join(split.lines, roles, role) for role in _Role)
    if text:
        return Trimmed(text, signature, quoted, forwarded=bool(split.forwards))
    if signature:
        return Trimmed(signature, quoted=quoted)
    return Trimmed("\n".join(line.plain for line in split.lines).strip("\n"))


def _join(lines: Sequence[Line], roles: Sequence[_Role], role: _Role) -> str:
    """The lines with a role; one blank line stands for what was cut between them."""
    chosen: list[str] = []
    last = -1
    for i, line in enumerate(lines):
        if roles[i] is not role or (last != i - 1 and not line.text):
            continue  # no blank line begins a stretch
        if last not in (-1, i - 1):
            while chosen and not chosen[-1]:
                chosen.pop()
            chosen.append("")
        chosen.append(line.plain)
        last = i
    return "\n".join(chosen).strip("\n")


# --- what is cut besides quotes --------------------------------------------------------------------------------------


_BANNER = re.compile(any_of(phrases.BANNERS), re.IGNORECASE)
_LIST_FOOTER = re.compile(any_of(phrases.LIST_FOOTERS), re.IGNORECASE)
_DRAWN = re.compile(r"\s*(?:_{2,}|-{2,})\s*$")


def _cut_banner(lines: Sequence[Line], roles: list[_Role]) -> None:
    """The warning of a mail gateway, as the first paragraph, is not the sender's."""
    first = next((i for i, line in enumerate(lines) if line.text.strip()), len(lines))
    end = next((i for i in range(first, len(lines)) if not lines[i].text.strip()), len(lines))
    paragraph = " ".join(line.text for line in lines[first:end])
    if end < len(lines) and len(paragraph) < 600 and _BANNER.search(paragraph):
        roles[first:end] = [_Role.QUOTED] * (end - first)


def _cut_list_footer(lines: Sequence[Line], roles: list[_Role]) -> None:
    """What a mailing list appends below a drawn line is not the sender's either."""
    for i in range(max(0, len(lines) - 12), len(lines)):
        below = " ".join(line.text for line in lines[i + 1 : i + 4])
        if roles[i] is _Role.TEXT and _DRAWN.match(lines[i].text) and _LIST_FOOTER.search(below):
            roles[i:] = [_Role.QUOTED] * (len(lines) - i)
            return


def _cut_signatures(split: Split, roles: list[_Role], sender: Address | None) -> None:
    """Of the newest email and of each that it forwards: the end of its last words."""
    bounds = [0, *split.forwards, len(split.lines)]
    for top, bottom in pairwise(bounds):
        _cut_marked(split.lines, roles, top, bottom)
        for first, end in reversed(list(_stretches(split.lines, roles, top, bottom))):
            above = any(roles[i] is _Role.TEXT and split.lines[i].text.strip() for i in range(top, first))
            texts = [line.text for line in split.lines[first:end]]
            writer = sender if top == 0 else None  # in a forwarded email the sender is the one who is addressed
            for i, is_signature in enumerate(find_signature(texts, sender=writer, text_before=above)):
                if is_signature:
                    roles[first + i] = _Role.SIGNATURE
            if any(roles[i] is _Role.TEXT and split.lines[i].text.strip() for i in range(first, end)):
                break


def _cut_marked(lines: Sequence[Line], roles: list[_Role], top: int, bottom: int) -> None:
    """Where the markup says signature, believe it, unless the sender wrote on inside."""
    for i in range(top, bottom):
        if roles[i] is _Role.TEXT and lines[i].mark is Mark.SIGNATURE and not reads_like_words([lines[i].text]):
            roles[i] = _Role.SIGNATURE


def _keep_context(lines: Sequence[Line], roles: list[_Role]) -> None:
    """A short quote between the sender's words stays: without it an answer such as "Yes, both" says nothing."""
    said = [i for i, role in enumerate(roles) if role is _Role.TEXT and lines[i].text.strip()]
    for above, below in pairwise(said):
        quote = [i for i in range(above + 1, below) if roles[i] is _Role.QUOTED and is_quoted(lines[i])]
        if len([i for i in quote if lines[i].text.strip(" >|")]) <= LONGEST_CONTEXT:
            for i in quote:
                roles[i] = _Role.TEXT


def _stretches(lines: Sequence[Line], roles: Sequence[_Role], top: int, bottom: int) -> Iterator[tuple[int, int]]:
    """Runs of the sender's own lines, between quotes."""
    first = top
    for i in range(top, bottom + 1):
        if i == bottom or roles[i] is not _Role.TEXT or is_quoted(lines[i]):
            if i > first:
                yield first, i
            first = i + 1


# --- HTML or plain text? ---------------------------------------------------------------------------------------------

_WORD = re.compile(r"\w+")


def _plain_is_better(plain: Trimmed, rich: Trimmed) -> bool:
    """The HTML is what a person sees. But its quotes may be unmarked where those of the plain text are, and one of the
    two may be a stub: "This email needs a program that shows HTML". Where both say the same, the plain text's signature
    has the addresses of its links.
    """
    in_plain, in_rich = _words(plain.text), _words(rich.text)
    if not in_plain or not in_rich:
        return not in_rich and bool(plain.text)
    if len(in_plain & in_rich) < 0.5 * min(len(in_plain), len(in_rich)):
        return "html" not in in_plain
    more = in_rich - in_plain
    quoted = len(more) >= 5 and len(more & _words(plain.quoted)) >= 0.5 * len(more)
    return quoted or _written(plain.text) == _written(rich.text)


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.casefold()))


def _written(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line.strip()]

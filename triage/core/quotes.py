"""Where in an email do earlier emails begin? Rules about lines; the words that they know are in ``phrases``.

``split_quotes`` reads from the top: every line is the sender's own until a line announces an earlier email. How one is
announced is decided in ``_start_at``, one rule for each ``Kind``; what follows from it, in ``split_quotes``.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from triage.core import phrases
from triage.core.html import Line, Mark
from triage.core.phrases import any_of

LONGEST = 400  # characters; a longer line is prose, not one that a mail program wrote
MOST_WRAPPED = 5  # lines over which the line above a quote may be wrapped


class Kind(StrEnum):
    """How an earlier email is announced."""

    ATTRIBUTION = "attribution"  # On Monday, Ann wrote:
    HEADERS = "headers"  # From: … Sent: … Subject: …
    DIVIDER = "divider"  # -----Original Message-----
    FORWARD = "forward"  # ---------- Forwarded message ----------


@dataclass(frozen=True, slots=True)
class Start:
    """Lines ``first`` to ``end`` (exclusive) announce an earlier email."""

    kind: Kind
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Split:
    """Which lines are of the newest email, or of the one that it forwards."""

    lines: tuple[Line, ...]  # as given, but a forwarded email has lost one level of quote signs
    own: tuple[bool, ...]  # one for each line
    forwards: tuple[int, ...] = ()  # the lines with which forwarded emails begin


def split_quotes(given: Sequence[Line], *, is_forward: bool = False, is_reply: bool = False) -> Split:
    """Tell the newest email from what it quotes. Its subject may say that it forwards an email, or answers one."""
    lines = _repair(given)
    code = _code(lines)
    own = [line_is_code or not is_quoted(line) for line, line_is_code in zip(lines, code, strict=True)]
    forwards: list[int] = []
    announced = _announced_inside(lines, own)
    position = 0
    while start := _next_start(lines, code, position):
        announced = True
        said_before = _says_anything(lines, own, forwards[-1] if forwards else 0, start.first)
        expected = not forwards and (is_forward or (not is_reply and _points_below(lines, own, start.first)))
        _disown(lines, own, start)
        position = start.end
        opens = expected or (start.kind is Kind.HEADERS and not said_before)
        if start.kind is Kind.FORWARD or (start.kind in (Kind.HEADERS, Kind.DIVIDER) and opens):
            position = _open_forward(lines, own, start, divided=said_before)
            forwards.append(start.first if said_before else position)
        elif said_before and not (start.kind is Kind.ATTRIBUTION and _quote_follows(lines, own, position)):
            own[position:] = [False] * (len(lines) - position)
            break
    if not announced:
        all_of_them = is_forward or (not is_reply and _points_below(lines, own, len(lines)))
        _keep_deliberate_quotes(lines, own, all_of_them=all_of_them)
    _finish_wrapped_quotes(lines, own)
    return Split(tuple(lines), tuple(own), tuple(forwards))


# --- lines -----------------------------------------------------------------------------------------------------------


_QUOTE_SIGN = re.compile(r"\s{0,3}(?:>|\|(?:\s|$)|[A-Z]{1,3}>(?:\s|$))")  # "> ", "| ", and initials: "AB> "
_FENCE = re.compile(r"\s*(?:```|~~~)")
_RULE = re.compile(r"\s*[-_=*~—–]{3,}\s*$")  # a line that is drawn
_DELIMITER = re.compile(r"\s*--\s*$")  # above a signature, RFC 3676 section 4.3
_OPEN_LINK = re.compile(r"[(<]\s*https?://[^\s)>]*$")
_PUNCTUATION = re.compile(r"[\s<>()\[\]|*_=.,;:-]*$")
_LINK = re.compile(r"\s*[<(\[]?(?:https?://|www\.|mailto:)\S+\s*[>)\]]*\s*>?\s*$")


def is_quoted(line: Line) -> bool:
    """Does the line itself show that it was quoted?"""
    return line.depth > 0 or line.mark is Mark.QUOTED or bool(_QUOTE_SIGN.match(line.text))


def _is_blank(line: Line) -> bool:
    return not line.text.strip()


def _bare(line: Line) -> str:
    """A line without blanks, quote signs and the stars of bold type around it; "" where it is too long to matter."""
    return line.text.lstrip(" \t>|*").rstrip(" \t|*") if len(line.text) <= LONGEST else ""


def _code(lines: Sequence[Line]) -> list[bool]:
    """Which lines stand between two ``` lines: they are the sender's, whatever they look like."""
    code = [False] * len(lines)
    fences = [i for i, line in enumerate(lines) if _FENCE.match(line.text)]
    for opening, closing in zip(fences[::2], fences[1::2], strict=False):
        code[opening : closing + 1] = [True] * (closing + 1 - opening)
    return code


def _says_anything(lines: Sequence[Line], own: Sequence[bool], first: int, end: int) -> bool:
    return any(own[i] and not _is_blank(lines[i]) and not _RULE.match(lines[i].text) for i in range(first, end))


def _quote_follows(lines: Sequence[Line], own: Sequence[bool], position: int) -> bool:
    following = next((i for i in range(position, len(lines)) if not _is_blank(lines[i])), None)
    return following is None or not own[following]


# --- how an earlier email is announced -------------------------------------------------------------------------------


def _next_start(lines: Sequence[Line], code: Sequence[bool], position: int) -> Start | None:
    for i in range(position, len(lines)):
        if not code[i] and lines[i].depth == 0 and not _is_blank(lines[i]):
            start = _start_at(lines, i, position)
            if start:
                return start
    return None


def _start_at(lines: Sequence[Line], i: int, floor: int) -> Start | None:
    """The earlier email that line ``i`` announces, alone or as the last of several lines from ``floor`` on."""
    bare = _bare(lines[i])
    if not bare:
        return None
    if not _QUOTE_SIGN.match(lines[i].text):
        if _is_forward_line(bare):
            return Start(Kind.FORWARD, i, i + 1)
        if _is_divider(bare):
            return Start(Kind.DIVIDER, i, i + 1)
        end, sure = _read_headers(lines, i)
        if sure or (lines[i].mark is Mark.EARLIER and ":" in bare):
            return Start(Kind.HEADERS, i, max(end, i + 1))
    first = _attribution_ending_at(lines, i, floor)
    return None if first is None else Start(Kind.ATTRIBUTION, first, i + 1)


# 1. Forward: "---------- Forwarded message ----------", "Begin forwarded message:"
_DRAWN = re.compile(r"[-_=*—–]{2,}\s*(\S.{0,120}?)\s*(?:[-_=*—–]{2,}|:)$")
_FORWARDED = re.compile(rf"\b(?:{any_of(phrases.FORWARDED)})", re.IGNORECASE)
_FORWARD_LINE = re.compile(rf"(?:{any_of(phrases.FORWARD_LINES)})\s*[:：]?$", re.IGNORECASE)


def _is_forward_line(bare: str) -> bool:
    drawn = _DRAWN.match(bare)
    return bool(_FORWARD_LINE.match(bare) or (drawn and _FORWARDED.search(drawn[1])))


# 2. Divider: "-----Original Message-----", "##- Please type your reply above this line -##"
_MESSAGE = re.compile(rf"(?:{any_of(phrases.MESSAGE)})(?!\w)", re.IGNORECASE)
_REPLY_ABOVE = re.compile(any_of(phrases.REPLY_ABOVE), re.IGNORECASE)


def _is_divider(bare: str) -> bool:
    drawn = _DRAWN.match(bare)
    if drawn and len(drawn[1].split()) <= 4 and not bare.endswith(":") and _MESSAGE.search(drawn[1]):
        return True
    return len(bare) < 120 and bool(_REPLY_ABOVE.search(bare))


# 3. Headers: From, Sent, To, Subject, in any order, each on a line of its own
_LABEL = re.compile(r"([^\W\d_][\w .()'’/-]{0,24}?)\s*\**\s*[:：]")
_HEADER_KINDS = {name.lower(): kind for kind, names in phrases.HEADERS.items() for name in names}
_TIME = re.compile(r"\d{1,2}\s?[:.h時时시]\s?\d{2}")
_YEAR = re.compile(r"\b(?:19|20)\d\d|\d[./-]\d{2}\b")
_ADDRESS_ONLY = re.compile(r"[<(\"']?[^\s@]+@[^\s@]+[;,]?$")
_ADDRESS = re.compile(r"[^\s<>@]@[^\s<>@]")


def _header_kind(bare: str) -> str:
    label = _LABEL.match(bare)
    return _HEADER_KINDS.get(label[1].strip().lower(), "") if label else ""


def _read_headers(lines: Sequence[Line], first: int) -> tuple[int, bool]:
    """Where the header lines from ``first`` on end, and whether they surely are those of an email."""
    kinds: dict[str, str] = {}
    end, wrapped, blank = first, 0, False
    for i in range(first, min(len(lines), first + 40)):
        bare = _bare(lines[i])
        kind = _header_kind(bare)
        if kind:
            kinds.setdefault(kind, bare)
            end, wrapped, blank = i + 1, 0, False
        elif i == first or wrapped > 3 or (blank and bare):
            break
        elif end == i and _ADDRESS_ONLY.match(bare):
            end = i + 1
        elif not bare:
            blank = True
        else:
            wrapped += "@" not in bare and not bare.endswith((",", ";"))
    return end, _surely_headers(kinds)


def _surely_headers(kinds: dict[str, str]) -> bool:
    """A customer also writes ``From: …`` above ``To: …``: about an address, a user or a period."""
    main = kinds.keys() & {"from", "sent", "date", "to", "subject"}
    moment = kinds.get("sent", "") + kinds.get("date", "")
    has_address = any(_ADDRESS.search(value) for value in kinds.values())
    if "from" in main and "subject" in main and len(main) >= 3:
        return bool(moment) or has_address
    return bool(_TIME.search(moment)) and len(main) >= 2 and (has_address or len(main) >= 3)


# 4. Attribution: "On Mon, 1 Jan 2024 at 10:00, Ann <ann@example.com> wrote:"
_WROTE = re.compile(rf"(?:(?<!\w)(?:{any_of(phrases.WROTE)})(?!\w)|{any_of(phrases.WROTE_UNSPACED)})", re.IGNORECASE)
_MAY_END = re.compile(rf"(?:[:：>]|[-–—]{{2,}}|{_WROTE.pattern}|GMT\S*\s.*)\W*$", re.IGNORECASE)
_WROTE_AT_END = re.compile(rf"(?:{_WROTE.pattern})\W*$", re.IGNORECASE)
_PRONOUN = re.compile(rf"(?<!\w)(?:{any_of(phrases.PRONOUNS)})(?!\w)", re.IGNORECASE)
_DRAWN_ATTRIBUTION = re.compile(rf"-{{2,}}\s*\S.{{1,120}}\s(?:{any_of(phrases.WROTE)})\s*-{{2,}}$", re.IGNORECASE)
_DATE_FIRST = re.compile(r"[\W_]{0,8}(?:[^\W\d_]+[.,]*\s+){0,4}\d|[在於于]\s?\d")
_NAME_FIRST = re.compile(r"[^<>@:]{0,80}<[^<>\s]*\s?[^<>\s]+@|[\"'(]?[^\s<>@]+@[^\s<>@]+|[^<>@:]{1,60}\([^()\s]+@")
_QUOTING = re.compile(rf"(?:{any_of(phrases.QUOTING)})\s.*[:：]$", re.IGNORECASE)
_DATE_AND_ZONE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d GMT[+-]\d\d:\d\d ")
_ADDRESS_LAST = re.compile(r"@[^\s<>]+[>)\]]\s*([:：]?)$")
_BEGINS = re.compile(rf"(?:(?:{any_of(phrases.ATTRIBUTION_STARTS)})\b|\d{{1,4}}[-./ ]).{{0,40}}\d", re.IGNORECASE)
_WRAPPED_WROTE = re.compile(rf"\s{{0,3}}>\s*(?:{any_of(phrases.WROTE)})\s?:\s*$", re.IGNORECASE)
_SHARED = re.compile(
    rf"(\S.{{0,200}}?)\s((?:{any_of(phrases.ATTRIBUTION_STARTS)})\s(?:[^\W\d_]{{2,12}}[.,]*\s)?[^\W_]*\s?\d.*[:：])$"
)


def _attribution_ending_at(lines: Sequence[Line], end: int, floor: int) -> int | None:
    """The first line of the attribution that ends with line ``end``: the nearest with which it makes sense."""
    if not _MAY_END.search(_bare(lines[end])):
        return None
    quoted = _quoted_at(lines, end + 1)
    found = None
    for first, text in _wrapped(lines, end, floor):
        begins = bool(_BEGINS.match(text))
        if (begins or found is None) and _is_attribution(text, quoted=quoted):
            found = first
        if begins and found is not None:
            break
    return found


def _wrapped(lines: Sequence[Line], end: int, floor: int) -> Iterator[tuple[int, str]]:
    """Line ``end``, then it and the line above in one, and so on, as far as an attribution may be wrapped."""
    text, blanks = "", 0
    for first in range(end, max(floor, end - MOST_WRAPPED + 1) - 1, -1):
        bare = _bare(lines[first])
        blanks += not bare
        if blanks > 1 or len(text) > LONGEST or (first < end and _QUOTE_SIGN.match(lines[first].text)):
            return
        if bare:
            text = bare.removesuffix("=") + text if bare.endswith("=") else f"{bare} {text}".rstrip()
            yield first, text


def _repair(given: Sequence[Line]) -> list[Line]:
    """Give attributions lines of their own: some programs put them behind the last words of the reply ("Yes. On Mon,
    1 Jan … wrote:"), some wrap them so that the last line looks like a quote ("> wrote:").
    """
    lines: list[Line] = []
    for i, line in enumerate(given):
        if lines and not _is_blank(lines[-1]) and not is_quoted(lines[-1]) and _WRAPPED_WROTE.match(line.text):
            lines[-1] = replace(lines[-1], text=f"{lines[-1].text} {line.text}")
            continue
        shared = _SHARED.match(line.text) if len(line.text) <= LONGEST and _quoted_at(given, i + 1) else None
        if shared and not is_quoted(line) and _is_attribution(shared[2], quoted=True):
            lines += [replace(line, text=shared[1]), replace(line, text=shared[2])]
        else:
            lines.append(line)
    return lines


def _quoted_at(lines: Sequence[Line], position: int) -> bool:
    following = next((line for line in lines[position : position + 4] if not _is_blank(line)), None)
    return following is not None and is_quoted(following)


def _is_attribution(text: str, *, quoted: bool) -> bool:
    """Does a mail program say so? People also write "On Monday Ann wrote:", but rarely with an address or a minute."""
    if _DRAWN_ATTRIBUTION.match(text):
        return True
    address, minute, date_first = _ADDRESS.search(text), _TIME.search(text), _DATE_FIRST.match(text)
    address_last = _ADDRESS_LAST.search(text)
    if date_first and address_last and (quoted or (minute and address_last[1])):
        return True
    if _DATE_AND_ZONE.match(text):
        return True
    if address and quoted and _QUOTING.match(text):
        return True
    told = minute and _YEAR.search(text) and not _PRONOUN.search(text)  # not: "On 3 March 2025 at 10:15 I wrote:"
    if not (address or told or (quoted and date_first)):
        return False
    wrote = _WROTE_AT_END.search(text) or (text.endswith((":", "：")) and _WROTE.search(text))
    return bool(wrote and (date_first or _NAME_FIRST.match(text)))


# --- what follows from it --------------------------------------------------------------------------------------------


def _disown(lines: Sequence[Line], own: list[bool], start: Start) -> None:
    """The announcement is not the sender's, nor are the blank and drawn lines above it."""
    own[start.first : start.end] = [False] * (start.end - start.first)
    above = start.first - 1
    while above >= 0 and own[above] and (_is_blank(lines[above]) or _is_drawn(lines[above])):
        own[above] = False
        above -= 1


def _is_drawn(line: Line) -> bool:
    """A drawn line, perhaps with a few words in it: "------- Original -------"."""
    drawn = _DRAWN.match(_bare(line))
    return bool(_RULE.match(line.text) or (drawn and len(drawn[1].split()) <= 3 and not line.text.endswith(":")))


def _open_forward(lines: list[Line], own: list[bool], start: Start, *, divided: bool) -> int:
    """Make a forwarded email the sender's own text; the line with which it begins.

    Its header lines go, but where the sender wrote something above: then they divide the words of two people.
    """
    if _quote_follows(lines, own, start.end) and not all(map(_is_blank, lines[start.end :])):
        for i in range(start.end, len(lines)):
            lines[i] = _without_sign(lines[i])
            own[i] = not is_quoted(lines[i])
    first = next((i for i in range(start.end, len(lines)) if not _is_blank(lines[i])), len(lines))
    end = max(start.end, _read_headers(lines, first)[0])
    own[start.first : end] = [divided] * (end - start.first)
    return end


def _without_sign(line: Line) -> Line:
    if line.depth:
        return replace(line, depth=line.depth - 1)
    if line.mark is Mark.QUOTED:
        return line
    sign = _QUOTE_SIGN.match(line.text)
    return replace(line, text=line.text[sign.end() :].removeprefix(" ")) if sign else line


def _announced_inside(lines: Sequence[Line], own: Sequence[bool]) -> bool:
    """Some mail programs put the attribution into the quote, as its first lines."""
    if any(line.mark is Mark.QUOTED for line in lines):
        return True
    for i in range(len(lines)):
        if not own[i] and (i == 0 or own[i - 1]):
            block = [Line(_bare(line)) for line in lines[i : i + MOST_WRAPPED]]
            if any(_attribution_ending_at(block, end, 0) is not None for end in range(len(block)) if block[end].text):
                return True
    return False


_BELOW = re.compile(rf"(?<!\w)(?:{any_of(phrases.POINTS_BELOW)})(?!\w)", re.IGNORECASE)


def _points_below(lines: Sequence[Line], own: Sequence[bool], end: int) -> bool:
    """Does the sender say that something follows below?"""
    return any(own[i] and _BELOW.search(lines[i].text[:10_000]) for i in range(end))


def _keep_deliberate_quotes(lines: Sequence[Line], own: list[bool], *, all_of_them: bool) -> None:
    """Without an announcement, a quote above the sender's words was put there by hand: it is what they are about."""
    if all_of_them:
        own[:] = [True] * len(own)
        return
    said = [i for i, line in enumerate(lines) if own[i] and not _is_blank(line)]
    delimiter = next((i for i in said if _DELIMITER.match(lines[i].text)), len(lines))
    last = max((i for i in said if i < delimiter), default=0)
    own[:last] = [True] * last


def _finish_wrapped_quotes(lines: Sequence[Line], own: list[bool]) -> None:
    """A quoted line that was too long goes on below without its sign; so does a link."""
    for i in range(1, len(lines) - 1):
        between_quotes = not own[i - 1] and is_quoted(lines[i - 1]) and not own[i + 1]
        if own[i] and between_quotes and _goes_on(lines[i - 1], lines[i]):
            own[i] = False


def _goes_on(quoted: Line, below: Line) -> bool:
    above = quoted.text.rstrip()
    if _is_blank(below):
        return False
    if above.endswith("=") or _OPEN_LINK.search(above) or _LINK.match(below.text) or _PUNCTUATION.match(below.text):
        return True
    return len(above) >= 60 and below.text[0].islower() and above[-1] not in ".!?:"

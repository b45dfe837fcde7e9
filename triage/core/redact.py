"""Card numbers, security codes and passwords leave an email before anything is stored, logged, shown or learnt from."""

import html as html_entities
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from triage.core.cards import Span, card_numbers, may_hold_a_card, speaks_of_cards
from triage.core.mail import Address, Mail, Redaction
from triage.core.passwords import one_time_codes, passwords, security_codes

CARD, CODE, PASSWORD, ONE_TIME_CODE = KINDS = ("card number", "security code", "password", "one-time code")


def redact(mail: Mail) -> Mail:
    """The email without them; what was taken out is counted in ``redactions``. Redacting again changes nothing."""
    texts = (mail.subject, mail.text, *(attachment.name for attachment in mail.attachments))
    cleaner = _Cleaner(cards=any(speaks_of_cards(text) for text in texts))
    text, in_text = cleaner.text(mail.text)
    html, in_html = cleaner.html(mail.html)
    counts = in_text | in_html  # the same email in two forms: the larger count of each kind
    subject, in_subject = cleaner.text(mail.subject)
    names = [cleaner.text(attachment.name) for attachment in mail.attachments]
    for found in (in_subject, *(found for _, found in names)):
        counts.update(found)
    return replace(
        mail,
        subject=subject,
        text=text,
        html=html,
        attachments=tuple(replace(old, name=name) for old, (name, _) in zip(mail.attachments, names, strict=True)),
        from_=cleaner.addresses(mail.from_),
        reply_to=cleaner.addresses(mail.reply_to),
        to=cleaner.addresses(mail.to),
        cc=cleaner.addresses(mail.cc),
        headers=tuple((name, cleaner.header(name, value)) for name, value in mail.headers),
        redactions=_added(mail.redactions, counts),
    )


def _added(before: tuple[Redaction, ...], found: Counter[str]) -> tuple[Redaction, ...]:
    total = Counter({redaction.kind: redaction.count for redaction in before})
    total.update(found)
    return tuple(Redaction(kind, total[kind]) for kind in KINDS if total[kind])


# Ids have to stay as they are, byte for byte, and what mail servers write holds no customer's secrets.
_TECHNICAL = re.compile(
    r"message-id|in-reply-to|references|received.*|dkim-.*|domainkey-.*|arc-.*|authentication-results.*|x-ms-.*"
    r"|x-google-.*|x-forefront-.*|x-microsoft-.*|thread-index|date|return-path|mime-version|content-transfer-encoding"
    r"|list-.*|x-triage-.*"
)


@dataclass(frozen=True, slots=True)
class _Find:
    """A stretch of text that has to go."""

    start: int
    end: int
    kind: str


def _without(finds: list[_Find], text: str) -> str:
    pieces, position = [], 0
    for find in finds:
        pieces += [text[position : find.start], f"[{find.kind} removed]"]
        position = find.end
    return "".join([*pieces, text[position:]])


# What is taken out may have hidden something: "cvv 123,4539…" reads "cvv 123" only without the card number.
_PASSES = 4


@dataclass(frozen=True, slots=True)
class _Cleaner:
    """Takes out of each part of one email what has to go, and counts it by kind."""

    cards: bool  # the email speaks of cards

    def text(self, text: str) -> tuple[str, Counter[str]]:
        counts: Counter[str] = Counter()
        for _ in range(_PASSES):
            finds = self.finds(text)
            if not finds:
                break
            counts.update(find.kind for find in finds)
            text = _without(finds, text)
        return text, counts

    def html(self, markup: str) -> tuple[str, Counter[str]]:
        """Finds them in the text as it is shown, where entities and tags part them no more; the tags stay."""
        counts: Counter[str] = Counter()
        for _ in range(_PASSES):
            pieces = list(_pieces(markup))
            finds = self.finds("".join(piece.shown for piece in pieces))
            if not finds and not may_hold_a_card(markup):
                break
            counts.update(find.kind for find in finds)
            before, markup = markup, "".join(_rewritten(pieces, finds, self))
            if markup == before:
                break
        return markup, counts

    def addresses(self, addresses: tuple[Address, ...]) -> tuple[Address, ...]:
        return tuple(replace(address, name=self.text(address.name)[0]) for address in addresses)

    def header(self, name: str, value: str) -> str:
        return value if _TECHNICAL.fullmatch(name) else self.text(value)[0]

    def finds(self, text: str) -> list[_Find]:
        """All that has to go, in order, no two overlapping."""
        found = [_Find(*span, kind) for kind, span in self._spans(text)]
        kept: list[_Find] = []
        for find in sorted(found, key=lambda find: (find.start, -find.end)):
            if not kept or find.start >= kept[-1].end:
                kept.append(find)
            elif find.end > kept[-1].end:
                kept[-1] = replace(kept[-1], end=find.end)
        return kept

    def _spans(self, text: str) -> Iterator[tuple[str, Span]]:
        numbers = list(card_numbers(text, cards=self.cards))
        yield from ((CARD, number) for number, _ in numbers)
        yield from ((CODE, code) for _, code in numbers if code)
        yield from ((CODE, code) for code in security_codes(text, cards=self.cards or bool(numbers)))
        yield from ((PASSWORD, password) for password in passwords(text))
        yield from ((ONE_TIME_CODE, code) for code in one_time_codes(text))


# --- HTML -------------------------------------------------------------------------------------------------------------

_HTML_TOKEN = re.compile(r"<[^>]*+>?|&[#\w]{1,12};|[^<&]++|&")
_INLINE = re.compile(r"</?(?:b|i|u|s|a|em|strong|span|font|wbr|small|big|sub|sup|o:p|mark|code|tt)\b|</t[dh]\b", re.I)
_CELL = re.compile(r"<t[dh]\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A token of HTML and what a reader sees of it."""

    source: str
    shown: str
    is_text: bool

    def part(self, start: int, end: int) -> str:
        """The source of a stretch of what is shown; an entity is whole or nothing."""
        if len(self.source) == len(self.shown):
            return self.source[start:end]
        return self.source if end > start else ""


def _pieces(markup: str) -> Iterator[_Piece]:
    for token in _HTML_TOKEN.findall(markup):
        if token.startswith("<"):
            shown = "" if _INLINE.match(token) else " " if _CELL.match(token) else "\n"
            yield _Piece(token, shown, is_text=False)
        elif token.startswith("&") and len(token) > 1:
            yield _Piece(token, html_entities.unescape(token), is_text=True)
        else:
            yield _Piece(token, token.replace("\n", " "), is_text=True)


def _rewritten(pieces: Iterable[_Piece], finds: list[_Find], cleaner: _Cleaner) -> Iterator[str]:
    """Tags as they are, but for their attributes; text without the stretches that have to go."""
    position, left = 0, deque(finds)
    for piece in pieces:
        end = position + len(piece.shown)
        if piece.is_text:
            yield from _text_without(piece, position, left)
        else:
            yield cleaner.text(piece.source)[0] if may_hold_a_card(piece.source) else piece.source
        position = end


def _text_without(piece: _Piece, position: int, left: deque[_Find]) -> Iterator[str]:
    """One piece of text that begins at ``position`` of what is shown; finds that end in it are taken off ``left``."""
    at, end = position, position + len(piece.shown)
    while left and left[0].start < end:
        find = left[0]
        if find.start >= position:
            yield piece.part(at - position, find.start - position)
            yield f"[{find.kind} removed]"
        at = min(find.end, end)
        if find.end > end:
            break
        left.popleft()
    yield piece.part(at - position, len(piece.shown))

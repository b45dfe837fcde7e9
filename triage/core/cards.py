"""Payment card numbers in text.

A missed one is a data breach, and so the rules lean towards finding; but tenant ids, invoice, order and phone numbers
are what customers write about. So a number has to be a card's in three ways at once: an issuer's prefix at one of that
issuer's lengths, the check digit (ISO/IEC 7812), and the form of one: in one piece, grouped as printed on a card, or in
any grouping where the email speaks of cards.
"""

import re
from collections.abc import Iterator
from functools import cache
from itertools import accumulate

Span = tuple[int, int]  # start and end in the text

# Prefixes and lengths of ISO/IEC 7812 issuers, from their public ranges. (first, last, lengths)
_ISSUERS: tuple[tuple[str, str, tuple[int, ...]], ...] = (
    ("4", "4", (13, 16, 19)),  # Visa
    ("51", "55", (16,)),  # Mastercard
    ("2221", "2720", (16,)),  # Mastercard
    ("34", "34", (15,)),  # American Express
    ("37", "37", (15,)),
    ("300", "305", (14, 16, 17, 18, 19)),  # Diners Club
    ("3095", "3095", (14, 16, 17, 18, 19)),
    ("36", "36", (14, 15, 16, 17, 18, 19)),
    ("38", "39", (14, 16, 17, 18, 19)),
    ("3528", "3589", (16, 17, 18, 19)),  # JCB
    ("60", "60", (16,)),  # RuPay, Discover (6011), Hipercard (6062)
    ("6011", "6011", (16, 17, 18, 19)),
    ("62", "62", (16, 17, 18, 19)),  # UnionPay
    ("644", "649", (16, 17, 18, 19)),  # Discover
    ("65", "65", (16, 17, 18, 19)),  # Discover, RuPay, Elo, Troy
    ("81", "82", (16,)),  # UnionPay, RuPay
    ("2200", "2204", (16,)),  # Mir
    ("9792", "9792", (16,)),  # Troy
    ("5060", "5067", (16, 18, 19)),  # Verve, Elo
    ("508", "508", (16,)),  # RuPay
    *((prefix, prefix, (12, 13, 14, 15, 16, 17, 18, 19)) for prefix in "5018 5020 5038 5612 5893 6304 6390".split()),
    *((prefix, prefix, (12, 13, 14, 15, 16, 17, 18, 19)) for prefix in "6759 6761 6762 6763".split()),  # Maestro
    ("5019", "5019", (16,)),  # Dankort
    ("636", "636", (16, 17, 18, 19)),  # InterPayment, Elo
)
_SHORTEST = 12  # digits
# How cards are printed: 4-4-4-4, American Express 4-6-5, Diners 4-6-4, and the rarer lengths.
_PRINTED = frozenset(
    (
        *((4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (4, 4, 4, 1), (4, 4, 4, 2), (4, 4, 4, 3)),
        *(
            (4, 4, 4),
            (6, 13),
            (4, 4, 5),
            (4, 4, 4, 4, 1),
            (4, 4, 4, 4, 2),
            (4, 4, 4, 5),
            (4, 4, 4, 6),
            (8, 8),
            (6, 10),
            (4, 12),
        ),
    )
)
_DIGITS = re.compile(r"\d+")
# Between two groups: blanks of every kind, dashes, dots, slashes and other line noise, one line end at most.
_BLANK = " \t\xa0\u00ad\u1680\u2000-\u200f\u202f\u205f\u2060\u3000\ufeff"
_BETWEEN = re.compile(rf"[{_BLANK}]{{0,4}}[-‐-―−_.·•∙/\\|*,~:]{{0,3}}[{_BLANK}]{{0,4}}(?:\n[{_BLANK}>]{{0,8}})?")
_LIST = re.compile(r"[,:]")
_CARD_WORD = re.compile(
    r"(?<!\[)\b(?:(?:credit|debit|payment|bank|corporate|company)?\s?cards?|creditcard|visa|master\s?card|amex"
    r"|american express|diners|discover|maestro|jcb|unionpay|rupay|cvv2?|cvc2?|pan|kreditkarten?\w*|kartennummer|karte"
    r"|carte|tarjetas?|cart[aã]o|carta|kaart|kreditkort|kort(?:nummer)?|luottokortti|kart[aęy])\b|カード|卡号|信用卡|카드",
    re.IGNORECASE,
)
_CARD_ROOTS = (
    *("card", "visa", "amex", "american e", "diners", "discover", "maestro", "jcb", "unionpay", "rupay", "cvv", "cvc"),
    *("pan", "kart", "cart", "tarjeta", "kaart", "kort", "luotto", "カード", "卡", "카드"),
)
_STUCK_CARD_WORD = re.compile(r"(?:cc|card|visa|mc|mastercard|amex|no|nr|num|number|pan)$", re.IGNORECASE)
# What a number is, where these words stand right before it; the second row are words of daily speech, too.
_REFERENCE = re.compile(
    r"\b(?:(?:invoices?|inv|rechnung(?:snummer)?|factura|facture|fattura|fatura|p\.?o|purchase order"
    r"|bestell(?:ung|nummer)|tracking|waybill|awb|subscription|tenant|imei|iccid|ean|gtin|isbn|phone|tel|telephone|fax)"
    r"|(?:orders?|ticket|case|shipment|parcel|agreement|contract|quote|serial|mobile|reference|ref)"
    r"(?=\s*(?:number|nummer|no\b|nr|num|id|code|[.#:=])))"
    r"\s*(?:numbers?|nummer|no|nr|num|id|code)?\s*[.#:=-]{0,3}\s*(?:is|was|ist)?\s*#?\s*$",
    re.IGNORECASE,
)
_GUID = re.compile(r"[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}", re.IGNORECASE)
_URL = re.compile(r"://|^\W{0,3}www\.|^\W{0,3}[\w-]+(?:\.[\w-]+)*\.[a-z]{2,10}/", re.IGNORECASE)
_TOKEN_BEFORE = re.compile(r"\S*\Z")
_TOKEN_AFTER = re.compile(r"\A\S*")
# What people write behind the number: "12/28 123".
_EXPIRY = re.compile(
    r"[\s,;|/-]{1,4}(?:exp\w{0,10}\.?:?\s{0,2})?(?:0?[1-9]|1[0-2])\s?[/.-]\s?(?:20)?\d\d(?![\w/.-])", re.I
)
_CODE_BEHIND = re.compile(r"[\s,;|/-]{1,4}(\d{3,4})(?![\w/-]|[.,]\d)")


def contains_any(roots: tuple[str, ...], text: str) -> bool:
    """Whether one of these is in a text, in any case: much faster than a pattern, where it is mostly not."""
    lowered = text.lower()
    return any(root in lowered for root in roots)


def speaks_of_cards(text: str) -> bool:
    """Whether the word "card" or one like it is in a text; what redaction wrote does not count."""
    return contains_any(_CARD_ROOTS, text) and bool(_CARD_WORD.search(text))


def may_hold_a_card(text: str) -> bool:
    """A quick no for most texts: fewer digits than a card number has."""
    return sum(len(digits) for digits in _DIGITS.findall(text)) >= _SHORTEST


def card_numbers(text: str, *, cards: bool) -> Iterator[tuple[Span, Span | None]]:
    """Each card number with the expiry date beside it, and the security code that follows them.

    ``cards``: the email speaks of cards.
    """
    for groups in _runs(text):
        run = _Run(groups)
        number = 0
        while number < len(groups):
            size = _card_at(text, run, number, cards=cards)
            if size:
                yield _with_what_follows(text, groups[number].start(), groups[number + size - 1].end())
            number += size or 1


def _with_what_follows(text: str, start: int, end: int) -> tuple[Span, Span | None]:
    expiry = _EXPIRY.match(text, end)
    end = expiry.end() if expiry else end
    code = _CODE_BEHIND.match(text, end)
    return (start, end), code.span(1) if code else None


def _runs(text: str) -> Iterator[list[re.Match[str]]]:
    """Groups of digits that only blanks and line noise part, with enough digits for a card number."""
    run: list[re.Match[str]] = []
    for group in _DIGITS.finditer(text):
        if run and not _BETWEEN.fullmatch(text, run[-1].end(), group.start()):
            if _is_long_enough(run):
                yield run
            run = []
        run.append(group)
    if _is_long_enough(run):
        yield run


def _is_long_enough(run: list[re.Match[str]]) -> bool:
    return sum(group.end() - group.start() for group in run) >= _SHORTEST


class _Run:
    """Groups of digits in a row, with what it takes to test any stretch of them at once: the time stays linear."""

    def __init__(self, groups: list[re.Match[str]]) -> None:
        values = [int(digit) for group in groups for digit in group[0]]
        self.groups = groups
        self.digits = "".join(map(str, values))  # ASCII, whatever script they were in
        self.starts = list(accumulate((len(group[0]) for group in groups), initial=0))
        self.number_at = {start: number for number, start in enumerate(self.starts)}
        self._sums = (_luhn_sums(values, 0), _luhn_sums(values, 1))

    def sizes(self, number: int) -> Iterator[int]:
        """How many groups from ``number`` on make a number that an issuer could have given, the most first."""
        start = self.starts[number]
        for length in _lengths(self.digits[start : start + 4]):
            end = start + length
            if end in self.number_at and self._is_checked(start, end):
                yield self.number_at[end] - number

    def _is_checked(self, start: int, end: int) -> bool:
        sums = self._sums[(end - 1) % 2]
        return (sums[end] - sums[start]) % 10 == 0 and len(set(self.digits[start:end])) > 1


def _luhn_sums(values: list[int], parity: int) -> list[int]:
    """Check sums up to each digit, for numbers whose last digit stands at an even (0) or an odd (1) place."""
    doubled = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
    terms = (value if place % 2 == parity else doubled[value] for place, value in enumerate(values))
    return list(accumulate(terms, initial=0))


@cache  # four digits: 10,000 at most
def _lengths(prefix: str) -> tuple[int, ...]:
    """Lengths of the numbers that begin so, the longest first."""
    found = {length for first, last, lengths in _ISSUERS for length in lengths if first <= prefix[: len(first)] <= last}
    return tuple(sorted(found, reverse=True))


def _card_at(text: str, run: _Run, number: int, *, cards: bool) -> int:
    """How many groups from ``number`` on make a card number; 0 for none."""
    start = run.groups[number].start()
    for size in run.sizes(number):
        end = run.groups[number + size - 1].end()
        lengths = tuple(len(group[0]) for group in run.groups[number : number + size])
        if (cards or _looks_printed(lengths, text[start:end])) and _is_free(text, start, end):
            return 0 if _is_reference(text, start, grouped=cards and size > 1) else size
    return 0


def _looks_printed(groups: tuple[int, ...], stretch: str) -> bool:
    """Without a word about cards: in one piece or as on a card; 12 and 13 digits are mostly phones and articles."""
    return sum(groups) > 13 and (len(groups) == 1 or (groups in _PRINTED and not _LIST.search(stretch)))


def _is_free(text: str, start: int, end: int) -> bool:
    """Not part of a word, a phone number with a plus, a URL, an email address or a GUID."""
    before, after = text[max(0, start - 12) : start], text[end : end + 1]
    stuck = _belongs_to_word(before[-1:]) and not _STUCK_CARD_WORD.search(before)
    if stuck or _belongs_to_word(after) or after == "@" or before.endswith(("+", "+(")):
        return False
    leading, trailing = text[max(0, start - 300) : start], text[end : end + 300]
    token = _TOKEN_BEFORE.findall(leading)[0] + text[start:end] + _TOKEN_AFTER.findall(trailing)[0]
    return not _URL.search(token) and not _GUID.search(token)


def _belongs_to_word(character: str) -> bool:
    """Letters of scripts that part words by blanks; before a Chinese or Japanese one a number may begin."""
    return character.isdigit() or character.lower() != character.upper()


def _is_reference(text: str, start: int, *, grouped: bool) -> bool:
    """Named an invoice, order or phone number; not where cards are spoken of and it is grouped like one."""
    return not grouped and bool(_REFERENCE.search(text, max(0, start - 40), start))

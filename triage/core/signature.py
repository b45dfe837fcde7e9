"""Which of the sender's lines are a signature? Rules about lines and paragraphs; their words are in ``phrases``.

A signature begins with the first line, among the last ones, of which one rule in ``_BEGINNINGS`` says so. All below
belongs to it, but for what reads like the sender's words: a PS or a question.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence

from triage.core import phrases
from triage.core.mail import Address
from triage.core.phrases import any_of

LONGEST = 60  # lines that are not blank; a longer end of an email is no signature
_WIDEST = 100  # characters of a line in a signature, but for notices


def find_signature(lines: Sequence[str], *, sender: Address | None = None, text_before: bool = False) -> list[bool]:
    """Mark the lines of the signature with which ``lines`` end; all False where there is none.

    ``sender``: the one in From. ``text_before``: the sender wrote something above ``lines``.
    """
    marks = [False] * len(lines)
    for first in _last_lines(lines):
        said = text_before or any(line.strip() for line in lines[:first])
        strict = bool(_DELIMITER.match(lines[first]))
        if said and any(begins(lines, first, sender) for begins in _BEGINNINGS):
            for top, bottom in _paragraphs(lines, first):
                paragraph = lines[top:bottom]
                if not (is_question(paragraph) if strict else reads_like_words(paragraph)):
                    marks[top:bottom] = [True] * (bottom - top)
            break
    return marks


def reads_like_words(paragraph: Sequence[str]) -> bool:
    """Did the sender write this for the reader, rather than have it appended?"""
    text = _joined(paragraph)
    if is_notice(text):
        return False
    written = [line for line in paragraph if line.strip()]
    if len(written) > 1 and _INTRODUCTION.match(written[0]):
        return True
    words = text.split()
    small = sum(word[0].islower() for word in words)
    sentence = len(words) >= 7 and small >= 0.6 * len(words) and text[-1:] in ".!:" and not _CONTACT.search(text)
    return sentence or (len(words) >= 15 and small >= 0.5 * len(words)) or is_question(paragraph)


def is_question(paragraph: Sequence[str]) -> bool:
    """A postscript or a question."""
    text = _joined(paragraph)
    return bool(_POSTSCRIPT.match(text)) or ("?" in text and bool(_QUESTION.search(text)) and not is_notice(text))


def is_notice(text: str) -> bool:
    """Is a paragraph a legal notice?"""
    found = {match.lower() for match in _NOTICE_WORD.findall(text)}
    return not text.rstrip().endswith("?") and (len(found) >= 2 or bool(_SURE_NOTICE.search(text)))


# --- paragraphs ------------------------------------------------------------------------------------------------------

_POSTSCRIPT = re.compile(r"(?:P\.? ?P?\.?S|N\.? ?B)\b\.?\s*[:.–-]?\s*\S", re.IGNORECASE)
_QUESTION = re.compile(r"(?:[^\W\d_]+[,'’ ]+){3}[^?]{0,200}\?(?:\s|$)")
_INTRODUCTION = re.compile(r"\s*(?:[^\W\d_][\w'’-]*[ ,]+){1,7}[\w'’-]+\s*[:：]\s*$")  # "Our new address:"
_NOTICE_WORD = re.compile(any_of(phrases.NOTICE_WORDS), re.IGNORECASE)
_SURE_NOTICE = re.compile(any_of(phrases.SURE_NOTICES), re.IGNORECASE)
_CONTACT = re.compile(
    r"[^\s@]@[^\s@]+\.\w|https?://|\bwww\.|\+?\(?\d[\d ()./-]{6,}\d|\b(?:tel|phone|mobile?|cell|fax|skype)\b",
    re.IGNORECASE,
)


def _joined(paragraph: Sequence[str]) -> str:
    """A paragraph in one line; of one that is longer than people write, its beginning."""
    return " ".join(line[:4_000].strip() for line in paragraph[:50]).strip()


def _last_lines(lines: Sequence[str]) -> range:
    """The lines with which a signature may begin: the last ones that are not blank, and not in code."""
    written = [i for i, line in enumerate(lines) if line.strip()]
    code_ends = max((i + 1 for i in written if lines[i].lstrip().startswith("```")), default=0)
    return range(max(code_ends, written[-LONGEST:][0]), len(lines)) if written else range(0)


def _paragraphs(lines: Sequence[str], first: int) -> Iterator[tuple[int, int]]:
    """Stretches of lines between blank lines; a PS begins one of its own, an introduction keeps what it introduces."""
    top = first
    for i in range(first + 1, len(lines) + 1):
        ends = i == len(lines) or _POSTSCRIPT.match(lines[i]) or (not lines[i].strip() and not _introduced(lines, i))
        if ends and any(line.strip() for line in lines[top:i]):
            yield top, i
            top = i


def _above(lines: Sequence[str], i: int) -> str:
    return next((lines[j].strip() for j in range(i - 1, max(-1, i - 4), -1) if lines[j].strip()), "")


def _below(lines: Sequence[str], i: int) -> str:
    return next((lines[j].strip() for j in range(i + 1, min(len(lines), i + 4)) if lines[j].strip()), "")


def _introduced(lines: Sequence[str], i: int) -> bool:
    """Does the line above say that something follows: "Our new address:"?"""
    above = _above(lines, i)
    return above.endswith((":", "：")) and len(above.split()) > 1


# --- what a signature begins with ------------------------------------------------------------------------------------

_DELIMITER = re.compile(r"\s*(?:--|—|–|- -)\s*$")  # RFC 3676 section 4.3, and what editors make of it
_DRAWN = re.compile(r"\s*(?:_{2,}|-{3,}|={3,}|\*{3,}|~{3,}|—{2,}|ᐧ)\s*$")
_CLOSINGS = {word.casefold() for words in phrases.CLOSINGS.values() for word in words}
_CLOSING_WORD = re.compile(rf"(?<!\w)(?:{any_of(phrases.CLOSING_WORDS)})(?!\w)")
_CLOSING_END = " \t,.!;:…-–—*🙂😊"
_SIGNED = re.compile(r"\s*(?:[-–—/~]{1,2}[^\W\d_]|[/~]{1,2} ?[^\W\d_])[\w.'’-]*(?: [^\W\d_][\w.'’-]*){0,3}\s*$")
_WORD = re.compile(r"[^\W\d_][\w.'’´`-]*$")
_FOOTERS = any_of(footer for footers in phrases.MOBILE_FOOTERS.values() for footer in footers).replace("…", ".{0,60}")
_FOOTER = re.compile(rf"(?:{_FOOTERS})[.!]?$", re.IGNORECASE)
_INTRODUCES = re.compile(any_of(phrases.INTRODUCES), re.IGNORECASE)
_COMPANY = re.compile(
    r"\b(?:Ltd|Limited|LLC|LLP|Inc|Corp|GmbH|AG|KG|S\.?A|SAS|B\.?V|AB|A/S|ApS|Oy|Pty|PLC|S\.?r\.?l|SpA)\b\.?"
)


def _delimiter(lines: Sequence[str], first: int, sender: Address | None) -> bool:
    """Two dashes; but where closing words stand further down, they only divide."""
    if not _DELIMITER.match(lines[first]):
        return False
    below = next((i for i in range(first + 1, len(lines)) if lines[i].strip()), len(lines))
    return not any(_closes(lines, i, sender) for i in range(below + 1, len(lines)))


def _drawn_line(lines: Sequence[str], first: int, _sender: Address | None) -> bool:
    """A drawn line begins a signature where nothing below reads like the sender's words; it also divides texts."""
    if not _DRAWN.match(lines[first]):
        return False
    below = [lines[top:bottom] for top, bottom in _paragraphs(lines, first + 1)]
    return not any(reads_like_words(paragraph) or any(len(line) > _WIDEST for line in paragraph) for paragraph in below)


def _closing(lines: Sequence[str], first: int, sender: Address | None) -> bool:
    """Closing words with a name below: "Best regards," or with the name in the same line: "Thanks, Ann"."""
    if not _closes(lines, first, sender):
        return False
    return not any(_closes(lines, i, sender) for i in range(first + 1, len(lines)))  # the last one counts


def _closes(lines: Sequence[str], i: int, sender: Address | None) -> bool:
    line = lines[i].strip()
    if not line or len(line) > _WIDEST:
        return False
    if _is_closing(line) and (_is_name(_below(lines, i)) or _is_sender(_below(lines, i), sender)):
        return True
    words, comma, name = line.partition(",")
    return bool(comma) and words.strip().casefold() in _CLOSINGS and _is_name(name)


def _is_closing(line: str) -> bool:
    words = line.strip(_CLOSING_END).casefold()
    short = len(words.split()) <= 6 and "?" not in words
    return words in _CLOSINGS or (short and bool(_CLOSING_WORD.search(words)))


def _is_name(line: str) -> bool:
    """Ann, Ann Example, "Ann Example, CEO", The Example Team: few words with capitals, or one word; no sentence."""
    head = re.split(r"[,|(/]| [-–—] ", line.strip(" \t*_-–—/~"), maxsplit=1)[0].strip(" .!")
    words = head.split()
    if not 1 <= len(words) <= 5 or len(head) > 50 or len(line.split()) > 10 or line.rstrip().endswith(("?", ":")):
        return False
    if not all(_WORD.match(word) or word == "&" for word in words):
        return False
    return len(words) == 1 or not any(word.islower() and len(word) > 3 for word in words)


def _is_sender(line: str, sender: Address | None) -> bool:
    """Is a line the name in From, a part of it, or a name that the address is made of: Ann Example, a.example@…?"""
    words = line.strip(" \t,.-–—/~*").casefold().replace(",", " ").split()
    if sender is None or not words:
        return False
    names = sender.name.casefold().replace(",", " ").split()
    if names and (words == names[:1] or words == names[-1:] or sorted(words) == sorted(names)):
        return True
    mailbox = _plain_letters(sender.email.partition("@")[0])
    return _is_name(line) and any(len(letters) > 3 and letters in mailbox for letters in map(_plain_letters, words))


def _plain_letters(word: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFKD", word.casefold()) if letter.isalpha())


def _signed(lines: Sequence[str], first: int, _sender: Address | None) -> bool:
    """-Ann, /Ann: with nothing like it above, which would be a list."""
    if (
        not _SIGNED.match(lines[first])
        or _introduced(lines, first)
        or _above(lines, first).startswith(("-", "–", "—", "/", "~"))
    ):
        return False
    return not any(reads_like_words(lines[top:bottom]) for top, bottom in _paragraphs(lines, first + 1))


def _own_name(lines: Sequence[str], first: int, sender: Address | None) -> bool:
    """The sender's name, not in a list of names."""
    begins = first == 0 or not lines[first - 1].strip() or lines[first - 1].rstrip()[-1] in ".!?,"
    greets = lines[first].rstrip().endswith(",") and bool(_below(lines, first))
    return begins and not greets and _is_sender(lines[first], sender) and not _introduced(lines, first)


def _contact_block(lines: Sequence[str], first: int, _sender: Address | None) -> bool:
    """The last paragraph: a name, below it a telephone number or an address of mail or web, and not introduced."""
    if first == 0 or lines[first - 1].strip() or not _is_name(lines[first]) or _COMPANY.search(lines[first]):
        return False
    above, block = _above(lines, first), [line.strip() for line in lines[first:]]
    while block and not block[-1]:
        block.pop()
    return (
        above[-1:] in ".!?)…"
        and not _INTRODUCES.search(above)
        and 2 <= len(block) <= 12
        and all(line and len(line) <= 70 for line in block)
        and any(_CONTACT.search(line) for line in block[1:])
    )


def _footer(lines: Sequence[str], first: int, _sender: Address | None) -> bool:
    """Sent from my phone: one of the last lines, with nothing but signature below."""
    line = lines[first].strip().strip("*_ ")
    if not line or len(line) > _WIDEST or not _FOOTER.match(line):
        return False
    return not any(reads_like_words(lines[top:bottom]) for top, bottom in _paragraphs(lines, first + 1))


def _notice(lines: Sequence[str], first: int, _sender: Address | None) -> bool:
    if not lines[first].strip() or (first > 0 and lines[first - 1].strip()):
        return False
    bottom = next((i for i in range(first, len(lines)) if not lines[i].strip()), len(lines))
    return is_notice(_joined(lines[first:bottom]))


_BEGINNINGS: tuple[Callable[[Sequence[str], int, Address | None], bool], ...] = (
    _delimiter,
    _drawn_line,
    _closing,
    _signed,
    _own_name,
    _contact_block,
    _footer,
    _notice,
)

"""Header fields out of bytes that anybody may have written: bounded, unfolded, decoded.

Own readers instead of the standard library's rich ones: those need 13.9 s for a From of 50 kB of quotes, 17.4 s for a
Subject of 1 MB, and recurse on nested comments (measured on Python 3.11.7). Everything here is linear.
"""

import binascii
import codecs
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from urllib.parse import unquote_to_bytes

LONGEST_VALUE = 8_192  # bytes of one header that are looked at
MOST_FIELDS = 500  # headers of one email or part that are looked at

Field = tuple[str, bytes]  # lower-case name, raw value (folded, at most LONGEST_VALUE bytes)

_FIELD = re.compile(rb"([!-9;-~]++)[ \t]*+:(.*(?:\n[ \t].*)*+)")
# Not for a person's eyes, and some of them turn the text around or start a line of their own (CVE-2024-6923).
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]+")


def split_headers(raw: bytes) -> tuple[list[Field], bytes, bool]:
    """The fields on top of an email or part (line ends are LF), its body, and whether all fields could be read.

    A line that is no field is skipped where fields go on after it; otherwise the body begins with it.
    """
    fields: list[Field] = []
    position, sound = 0, True
    while position < len(raw):
        match = _FIELD.match(raw, position)
        if match:
            if len(fields) < MOST_FIELDS:
                start = match.start(2)
                fields.append((match[1].decode("ascii").lower(), raw[start : min(match.end(), start + LONGEST_VALUE)]))
            sound = sound and len(fields) < MOST_FIELDS
            position = match.end() + 1
            continue
        line_end = raw.find(b"\n", position)
        line_end = len(raw) if line_end < 0 else line_end
        if line_end == position:
            return fields, raw[line_end + 1 :], sound
        sound = False
        if not _FIELD.match(raw, line_end + 1):
            return fields, raw[position:], sound
        position = line_end + 1
    return fields, b"", sound


def unfold(value: bytes) -> str:
    """A raw value as one line of text (RFC 5322 section 2.2.3), without control characters; not yet decoded."""
    joined = value.replace(b"\n", b"") if b"\n" in value else value
    return clean(to_text(joined, "utf-8")[0]).strip()


def clean(text: str) -> str:
    """One line: control characters become a blank."""
    return text if text.isascii() and text.isprintable() else _CONTROL.sub(" ", text)


# --- characters -------------------------------------------------------------------------------------------------------

# Python knows them as encodings, but no email is written in them, and two of them need quadratic time.
_NO_CHARSETS = frozenset({"unicode-escape", "raw-unicode-escape", "punycode", "idna", "undefined", "mbcs", "oem"})
# What senders declare, and the larger set that they mean (WHATWG Encoding Standard, section 4.2).
_MEANT = {
    "iso8859-1": "cp1252",
    "ascii": "utf-8",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
}


@lru_cache(maxsize=128)
def _codec(charset: str) -> str:
    """Python's name of a declared charset; "" where there is none."""
    try:
        info = codecs.lookup(charset.strip(" \"'").lower())
    except (LookupError, ValueError):
        return ""
    if info.name in _NO_CHARSETS or not getattr(info, "_is_text_encoding", True):
        return ""
    return _MEANT.get(info.name, info.name)


def to_text(data: bytes, charset: str) -> tuple[str, bool]:
    """Text of bytes: as declared, else UTF-8, else Windows-1252. False where characters had to be replaced."""
    if data.isascii() and _codec(charset) in ("utf-8", "cp1252", ""):
        return data.decode("ascii"), True
    for name in (_codec(charset), "utf-8"):
        try:
            return _without_surrogates(data.decode(name)), True
        except (LookupError, ValueError):  # "" is an unknown encoding, too
            continue
    # UTF-8 with a few broken places stays UTF-8; where most is broken it never was.
    mended = data.decode("utf-8", "replace")
    beyond_ascii = sum(not character.isascii() for character in mended[:20_000])
    if mended[:20_000].count("\ufffd") * 4 < beyond_ascii:
        return mended, False
    try:
        return data.decode("cp1252"), True
    except ValueError:
        return data.decode("cp1252", "replace"), False


def _without_surrogates(text: str) -> str:
    """UTF-7 can give halves of characters, which no database stores."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


# --- encoded words (RFC 2047) -----------------------------------------------------------------------------------------

_WORD = re.compile(r"=\?([^?*\s]{1,40})(?:\*[^?\s]{0,20})?\?([bBqQ])\?([^?]*)\?=")


def decode_words(value: str) -> str:
    """A value with its encoded words decoded; words of one charset that follow each other may share a character."""
    if "=?" not in value:
        return value
    pieces: list[str] = []
    data, charset, position = b"", "", 0
    for word in _WORD.finditer(value):
        gap = value[position : word.start()]
        if charset and (gap.strip() or charset != word[1].lower()):
            pieces.append(to_text(data, charset)[0])
            data = b""
        if gap.strip() or not charset:
            pieces.append(gap)
        data += _word_bytes(word[2], word[3])
        charset, position = word[1].lower(), word.end()
    if charset:
        pieces.append(to_text(data, charset)[0])
    return clean("".join([*pieces, value[position:]]))


def _word_bytes(encoding: str, text: str) -> bytes:
    raw = text.encode("utf-8", "replace")
    return from_base64(raw)[0] if encoding in "bB" else binascii.a2b_qp(raw, header=True)


def from_base64(data: bytes) -> tuple[bytes, bool]:
    """Decoded bytes, and whether they were whole; letters that do not belong are passed over."""
    try:
        return binascii.a2b_base64(data), True
    except binascii.Error:
        letters = re.sub(rb"[^A-Za-z0-9+/]", b"", data)
        return binascii.a2b_base64(letters[: len(letters) // 4 * 4]) + _last_bytes(letters), False


def _last_bytes(letters: bytes) -> bytes:
    rest = letters[len(letters) // 4 * 4 :]
    return binascii.a2b_base64(rest + b"=" * (4 - len(rest))) if len(rest) > 1 else b""


# --- parameters (RFC 2045 section 5.1, RFC 2231) ----------------------------------------------------------------------

_PARAMETER = re.compile(r';\s*+([^\s=;"]++)\s*+=\s*+("(?:[^"\\]|\\.)*+"?|[^;]*+)')
_CONTINUED = re.compile(r"([^*]+)(?:\*(\d{1,3}))?(\*)?")
_MOST_PARAMETERS = 100


def parameters(value: str) -> dict[str, str]:
    """Parameters of a Content-Type or Content-Disposition, decoded, names in lower case; the first of a name counts."""
    found: dict[str, dict[int, tuple[str, bool]]] = {}
    for match in list(_PARAMETER.finditer(value))[:_MOST_PARAMETERS]:
        name = _CONTINUED.fullmatch(match[1].lower())
        if name:
            piece = (_unquoted(match[2].strip()), bool(name[3]))
            found.setdefault(name[1], {}).setdefault(int(name[2] or 0), piece)
    return {name: _joined([pieces[number] for number in sorted(pieces)]) for name, pieces in found.items()}


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:].removesuffix('"')) if value.startswith('"') else value


def _joined(pieces: Iterable[tuple[str, bool]]) -> str:
    """Pieces of one parameter; those marked with * are percent-encoded, the first of them names the charset."""
    charset, data = "", b""
    for number, (text, encoded) in enumerate(pieces):
        if number == 0 and encoded and text.count("'") >= 2:
            charset, _, text = text.split("'", 2)
        data += unquote_to_bytes(text) if encoded else text.encode("utf-8", "replace")
    return decode_words(clean(to_text(data, charset or "utf-8")[0]))


# --- ids and dates ----------------------------------------------------------------------------------------------------

_ID = re.compile(r"<[^<>\s]{1,900}>")


def message_ids(value: str) -> tuple[str, ...]:
    """The message ids of a value, byte for byte, each once, in order."""
    return tuple(dict.fromkeys(_ID.findall(value)))


def read_date(value: str) -> datetime | None:
    """A Date header in UTC; None where it is none."""
    try:
        date = parsedate_to_datetime(value[:100])
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None

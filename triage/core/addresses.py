"""Address headers (RFC 5322 section 3.4), read so that nobody is taken for somebody else.

The standard library gives ``support@ours`` for ``support@ours <evil@theirs>`` and half a name for an encoded one with a
comma (measured on Python 3.11.7). Here a display name is decoded after the addresses are apart, the address is what
stands between angle brackets, and what is not clear is no address.
"""

import re
from dataclasses import dataclass, field

from triage.core.headers import decode_words
from triage.core.mail import Address
from triage.core.mime import one_line

# A quoted string, a comment, an address in angle brackets, a separator, words. An encoded word is one word, whatever
# stands in it: many programs leave the comma of "Baker, Ann" as it is.
_TOKEN = re.compile(
    r'"((?:[^"\\]|\\.)*+)"?|(\()|<([^<>]*+)>?|([,;:])|(=\?[^?\s]{1,60}\?[bBqQ]\?[^?]*+\?=|=|[^"(<,;:=]++)'
)
_PAREN = re.compile(r"\\.|[()]")
_LOCAL = re.compile(r"[^\s@<>()\[\]\\,;:\"\x00-\x1f\x7f]{1,64}")
_LABEL = re.compile(r"[^\W_](?:[\w-]{0,61}[^\W_])?")
_LONGEST_NAME = 200


@dataclass(slots=True)
class _Item:
    """What stands between two commas."""

    words: list[str] = field(default_factory=list)  # display name or bare address, in pieces
    angles: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)  # words after the angle brackets


def read_addresses(value: str) -> tuple[tuple[Address, ...], bool]:
    """The addresses of an unfolded, undecoded value, and whether all of it was clear."""
    read = [_address(item) for item in _items(value)]
    return tuple(address for address, _ in read if address), all(clear for _, clear in read)


def _items(value: str) -> list[_Item]:
    items, position = [_Item()], 0
    while match := _TOKEN.match(value, position):
        position = match.end()
        quoted, comment, angle, separator, words = match.groups()
        item = items[-1]
        if comment:
            position = _end_of_comment(value, match.start())
            item.comments.append(value[match.end() : position].removesuffix(")"))
        elif angle is not None:
            item.angles.append(angle.strip())
        elif separator == ":" and item.words and not item.angles and "@" not in "".join(item.words):
            item.words.clear()  # the name of a group; its members follow
        elif separator in (",", ";"):
            items.append(_Item())
        else:
            text = f'"{quoted}"' if quoted is not None else separator or words
            (item.late if item.angles else item.words).append(text)
    return [item for item in items if item.angles or "".join(item.words).strip()]


def _end_of_comment(value: str, start: int) -> int:
    """Comments nest; one that never ends takes all that is left."""
    depth = 0
    for paren in _PAREN.finditer(value, start):
        depth += {"(": 1, ")": -1}.get(paren[0], 0)
        if depth == 0:
            return paren.end()
    return len(value)


def _address(item: _Item) -> tuple[Address | None, bool]:
    """One address, and whether it was clear. Two candidates are none: nobody must be answered in another's place."""
    phrase = "".join(item.words).strip()
    if not item.angles:
        email = checked(phrase)
        return (Address(email, _name("".join(item.comments))), True) if email else (None, False)
    if not "".join(item.angles):
        return None, True  # the null address of a mail system
    email = checked(item.angles[0])
    if len(item.angles) > 1 or "@" in "".join(item.late) or not email:
        return None, False
    unquoted_address = "@" in re.sub(r'"(?:[^"\\]|\\.)*+"?', "", phrase)
    misleading = unquoted_address and phrase.lower() != email.lower()
    return Address(email, _name(phrase or "".join(item.comments))), not misleading


def _name(phrase: str) -> str:
    """A display name as people read it."""
    bare = re.sub(r'"((?:[^"\\]|\\.)*+)"?', lambda quoted: re.sub(r"\\(.)", r"\1", quoted[1]), phrase)
    return one_line(decode_words(bare), _LONGEST_NAME)


def checked(text: str) -> str:
    """An address with its domain in lower case; "" where the text is not exactly one that mail can be sent to."""
    local, at, domain = text.strip().partition("@")
    if local.startswith('"') and local.endswith('"') and len(local) > 2:
        local = local[1:-1]
    domain = domain.lower().removesuffix(".")
    sound = at and _LOCAL.fullmatch(local) and ".." not in local and not local.startswith(".") and local[-1] != "."
    if not sound or len(domain) > 253 or not all(_LABEL.fullmatch(label) for label in domain.split(".")):
        return ""
    return f"{local}@{domain}"

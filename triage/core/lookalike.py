"""Domains that look like one that people trust here: ``cIient.example`` with a capital i, ``clients.example``.

Whoever asks for a change of an account from such an address wants to be taken for the customer (or for us). Flagged for
a person, never decided by: two honest organisations may well have similar names.
"""

import unicodedata
from collections.abc import Iterable

from triage.core.domains import is_free_mail, organisation
from triage.core.mail import Mail
from triage.core.policy import Policy

_SHORTEST = 4  # characters of a name; shorter ones are similar by chance

# What reads as something else in the fonts of mail programs (a choice out of Unicode's confusables, UTS 39).
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))
_READ_AS = {
    "a": "4аα", "b": "8", "c": "сϲ", "d": "ԁ", "e": "3е", "g": "9ɡ", "h": "һ", "j": "ј", "k": "кκ", "l": "1iıіӏ",
    "m": "м", "n": "ո", "o": "0оοօ", "p": "рρ", "q": "ԛ", "s": "5ѕ", "t": "т", "u": "υս", "v": "νѵ", "w": "ԝѡ",
    "x": "хχ", "y": "уү",
}  # fmt: skip
_LETTERS = {ord(form): letter for letter, forms in _READ_AS.items() for form in forms}


def look_alikes(mail: Mail, policy: Policy, participants: Iterable[str]) -> list[tuple[str, str]]:
    """Domains of From and Reply-To, each with the domain of ours or of the conversation that it resembles."""
    trusted = _trusted(policy, participants)
    wanted = {organisation(address.domain) for address in (*mail.from_, *mail.reply_to)}
    return [
        (domain, known)
        for domain in sorted(wanted - trusted)
        for known in sorted(trusted)
        if not is_free_mail(domain) and resembles(domain, known)
    ]


def _trusted(policy: Policy, participants: Iterable[str]) -> set[str]:
    teams = (team.address for team in policy.teams.values())
    domains = [address.rpartition("@")[2] for address in (*policy.own_addresses, *teams, *participants)]
    return {organisation(domain) for domain in (*domains, *policy.staff_domains)}


def resembles(one: str, other: str) -> bool:
    """Whether two different domains are easily taken for each other: they look the same, or differ by one letter
    (left out, added, exchanged, or two in the wrong order)."""
    one, other = _shown(one), _shown(other)
    if one == other or min(len(one.partition(".")[0]), len(other.partition(".")[0])) < _SHORTEST:
        return False
    return _skeleton(one) == _skeleton(other) or _one_letter_apart(one, other)


def _shown(domain: str) -> str:
    """As people read it: ``xn--…`` decoded (RFC 3492)."""
    labels = []
    for label in domain.lower().split("."):
        try:
            labels.append(label[4:].encode("ascii").decode("punycode") if label.startswith("xn--") else label)
        except (UnicodeError, OverflowError, ValueError):
            labels.append(label)
    return ".".join(labels)


def _skeleton(domain: str) -> str:
    """The same for all that looks the same: without accents and hyphens, each letter in its plainest form."""
    bare = "".join(letter for letter in unicodedata.normalize("NFKD", domain) if not unicodedata.combining(letter))
    plain = bare.replace("-", "").translate(_LETTERS)
    for pair, letter in _PAIRS:
        plain = plain.replace(pair, letter)
    return plain


def _one_letter_apart(one: str, other: str) -> bool:
    """Damerau's distance of 1, in linear time."""
    if abs(len(one) - len(other)) > 1:
        return False
    start = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    left, right = one[start:], other[start:]
    swapped = left[:2] == right[1::-1] and left[2:] == right[2:]
    return left[1:] == right[1:] or left[1:] == right or left == right[1:] or swapped

"""What only our key can make: tickets as they appear in mail, keys of our mails, entries of the never-reply list."""

import base64
import hashlib
import hmac
import re

PREFIX = "CSP"
_TAG = re.compile(rf"\[{PREFIX}-(\d{{1,9}})-([A-Z2-7]{{6}})\]")
_ANY_TAG = re.compile(rf"\s*\[{PREFIX}-[^\]]*\]")


def name(number: int) -> str:
    """What people call the ticket, e.g. CSP-1042."""
    return f"{PREFIX}-{number}"


def tag(number: int, secret: bytes) -> str:
    """The signed subject tag, e.g. [CSP-1042-K7F3QA]: 30 bits, and it counts only from a known participant."""
    return f"[{name(number)}-{_signature(number, secret)}]"


def read_tag(subject: str, secret: bytes) -> int | None:
    """The number of the first tag in a subject that we signed."""
    for number, signature in _TAG.findall(subject):
        if hmac.compare_digest(signature, _signature(int(number), secret)):
            return int(number)
    return None


def without_tags(subject: str) -> str:
    """The subject without tags of ours, forged ones included."""
    return _ANY_TAG.sub("", subject).strip()


def message_id(number: int, key: str, domain: str, secret: bytes) -> str:
    """A Message-ID that carries the signed ticket number: a reply finds its ticket even where the journal is lost."""
    return f"<{PREFIX.lower()}-{number}-{_signature(number, secret).lower()}.{key}@{domain}>"


def read_message_id(value: str, domain: str, secret: bytes) -> int | None:
    """The ticket number of a Message-ID that we made; None for anybody else's."""
    match = re.fullmatch(rf"<{PREFIX.lower()}-(\d{{1,9}})-([a-z2-7]{{6}})\.[0-9a-f]+@{re.escape(domain)}>", value)
    if match and hmac.compare_digest(match[2].upper(), _signature(int(match[1]), secret)):
        return int(match[1])
    return None


def key(identity: str, kind: str, secret: bytes) -> str:
    """The same for the same email and kind, on every attempt and after every crash: 32 hex digits."""
    return hmac.new(secret, f"{kind}\0{identity}".encode(), hashlib.sha256).hexdigest()[:32]


def suppression_hashes(address: str, secret: bytes) -> frozenset[str]:
    """What the never-reply list may know an address by: itself, its domain, and the domains above that."""
    labels = address.lower().rpartition("@")[2].split(".")
    domains = (".".join(labels[start:]) for start in range(len(labels)))
    return frozenset(suppression_hash(one, secret) for one in (address, *domains))


def suppression_hash(address_or_domain: str, secret: bytes) -> str:
    """An entry of the never-reply list: whoever reads the journal without our key does not learn who is on it."""
    name = address_or_domain.strip().lower().removeprefix("@")
    return hmac.new(secret, f"suppressed\0{name}".encode(), hashlib.sha256).hexdigest()


def _signature(number: int, secret: bytes) -> str:
    digest = hmac.new(secret, f"ticket\0{number}".encode(), hashlib.sha256).digest()
    return base64.b32encode(digest)[:6].decode()

"""What a delivery report says about a mail of ours (RFC 3464, and what servers wrote before there was one).

Anybody can write such a report. So what is read here is only used to mark the mail that it names; nothing of its text
goes any further than a status code.
"""

import email
import email.policy
import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from flufl.bounce import all_failures

from triage.core import wording
from triage.core.addresses import checked
from triage.core.headers import Field, message_ids, split_headers, unfold
from triage.core.mail import Mail
from triage.core.parts import Bounds, Part, decoded, read_part

logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL)  # it logs a traceback for each mail that it raises on

MOST_IDS = 10  # of each kind; a report is about one mail
# flufl.bounce searches with patterns that are quadratic in the length of a line, and opens the whole email.
_FLUFL_READS = 16_384  # bytes
_FLUFL_LINE = 200  # bytes
_STATUS_READS = 65_536  # bytes of a delivery-status part

_RETURNED = frozenset({"message/rfc822", "message/global"})
_RETURNED_HEADERS = frozenset({"text/rfc822-headers", "message/rfc822-headers", "message/global-headers"})
_STATUS_PARTS = frozenset({"message/delivery-status", "message/global-delivery-status"})
_NO_FAILURES = frozenset({"delayed", "delivered", "relayed", "expanded", "deliverable"})
_DELAY = re.compile(
    r"\bdelay|\bnot yet\b|still (?:trying|being)|will (?:continue|keep|go on)|need not (?:re)?send"
    r"|do not need to re|verzögert|\bretard|\bretras|\britard",
    re.IGNORECASE,
)
_ID_LINE = re.compile(r"^[> \t|]{0,8}message-id:[ \t]*(<[^<>\s]{1,900}>)", re.IGNORECASE | re.MULTILINE)
_KEY_LINE = re.compile(r"^[> \t|]{0,8}x-triage-key:[ \t]*([0-9a-f]{32})\b", re.IGNORECASE | re.MULTILINE)
_KEY = re.compile(r"[0-9a-f]{32}")
_STATUS = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")  # RFC 3463 section 2
_SYSTEM_NAMES = frozenset("mailer-daemon postmaster mail-daemon mailerdaemon microsoftexchange".split())


@dataclass(frozen=True, slots=True)
class Bounce:
    """A mail came back. Which one, its sender has to find out."""

    message_ids: tuple[str, ...] = ()  # that the mail may have, surest first
    keys: tuple[str, ...] = ()  # values of X-Triage-Key in it
    addresses: frozenset[str] = frozenset()  # that could not be reached, lower case; empty where the report names none
    status: str = ""  # of RFC 3463, e.g. "5.1.1"; "" where the report gives none

    def sentence(self, recipient: str) -> str:
        """For a person, about a mail to ``recipient``. Of the report it repeats nothing but the status."""
        said = f"A delivery report says that the email to {recipient} did not arrive"
        status = f" (status {self.status})" if self.status else ""
        others = self.addresses and recipient.lower() not in self.addresses
        return f"{said}{status}{'; it names another address, as after forwarding' if others else ''}."


def read_bounce(raw: bytes, mail: Mail) -> Bounce | None:
    """The failure that a delivery report reports; None where the email is no report, or tells of a delay or success.

    ``mail``: the same email, parsed. Never raises.
    """
    if not _looks_like_a_report(mail):
        return None
    try:
        return _read(raw, mail)
    except Exception:  # noqa: BLE001 - a report that cannot be read marks nothing
        return None


def _looks_like_a_report(mail: Mail) -> bool:
    """The structure of a report, or a sender and envelope that reports have; the rest costs nothing."""
    structure = mail.content_type == "multipart/report" or bool(_STATUS_PARTS & set(mail.part_types))
    name = mail.sender.email.partition("@")[0].lower() if mail.sender else ""
    author = " ".join(mail.header("from")[:1])
    system = mail.return_path == "" or name.startswith(tuple(_SYSTEM_NAMES)) or wording.is_mail_system(author)
    return structure or system or bool(mail.header("x-failed-recipients"))


def _read(raw: bytes, mail: Mail) -> Bounce | None:
    fields, body, _ = split_headers(raw.replace(b"\r\n", b"\n").lstrip(b"\n"))
    parts = list(read_part(fields, body, Bounds()).walk())
    failure = _failure(raw, mail, parts)
    if failure is None:
        return None
    returned = [field for part in parts for field in _returned(part)]
    return Bounce(_ids(returned, mail), _keys(returned, mail), *failure)


def _failure(raw: bytes, mail: Mail, parts: list[Part]) -> tuple[frozenset[str], str] | None:
    """Addresses that failed, and the status of the first; None where nothing failed."""
    recipients = [recipient for part in parts for recipient in _recipients(part)]
    if not recipients:
        addresses = _by_wording(raw)
        says_so = bool(addresses or mail.header("x-failed-recipients") or _says_so(mail))
        return None if addresses is None or not says_so else (addresses, "")
    failed = [one for one in recipients if _failed(one)]
    status = next((found[1] for one in failed if (found := _STATUS.match(one.get("status", "")))), "")
    return (frozenset(address for one in failed for address in _addresses_of(one)), status) if failed else None


# --- what it says about the recipient ---------------------------------------------------------------------------------


def _recipients(part: Part) -> Iterator[dict[str, str]]:
    """The blocks of a delivery-status part that are about a recipient (RFC 3464 section 2.3), names in lower case."""
    if part.content_type not in _STATUS_PARTS:
        return
    for block in decoded(part)[0][:_STATUS_READS].split(b"\n\n"):
        fields, _, _ = split_headers(block.lstrip(b"\n"))
        values = {name: unfold(value) for name, value in reversed(fields)}
        if {"action", "status", "final-recipient"} & values.keys():
            yield values


def _failed(recipient: dict[str, str]) -> bool:
    """Action says it (section 2.3.3; servers write "expired" and "error", too); where it is missing, Status does."""
    action = recipient.get("action", "").partition("(")[0].strip().lower()
    return action not in _NO_FAILURES if action else recipient.get("status", "").strip().startswith("5")


def _addresses_of(recipient: dict[str, str]) -> Iterator[str]:
    """``Final-Recipient: rfc822; ann@client.example``."""
    for name in ("final-recipient", "original-recipient"):
        address = checked(recipient.get(name, "").rpartition(";")[2].strip().strip("<>"))
        if address:
            yield address.lower()


def _says_so(mail: Mail) -> bool:
    """Whether a mail system says in words that it failed, not that it goes on trying."""
    author = " ".join(mail.header("from")[:1])
    beginning = f"{mail.subject}\n{wording.opening(mail.text)[:1_000]}"
    return wording.delivery_failure(mail.subject, mail.text, author) == "both" and not _DELAY.search(beginning)


def _by_wording(raw: bytes) -> frozenset[str] | None:
    """The addresses that failed, of a report without a delivery-status part; None where it is only about a delay.

    flufl.bounce knows the wording of fifty servers. It raises on some emails (IndexError on an empty From,
    AttributeError on a header in raw 8 bit; measured).
    """
    lines = raw[:_FLUFL_READS].replace(b"\r\n", b"\n").split(b"\n")
    short = b"\n".join(line[:_FLUFL_LINE] for line in lines)
    try:
        delayed, failed = all_failures(email.message_from_bytes(short, policy=email.policy.compat32))
    except Exception:  # noqa: BLE001 - whatever it stumbles on, RecursionError included
        return frozenset()
    if delayed and not failed:
        return None
    found = (checked(address.decode("ascii", "replace")) for address in failed)
    return frozenset(address.lower() for address in found if address)


# --- which mail came back ---------------------------------------------------------------------------------------------


def _returned(part: Part) -> list[Field]:
    """The headers of the mail that came back, where the report has it or only them."""
    if part.content_type not in _RETURNED | _RETURNED_HEADERS:
        return []
    return split_headers(decoded(part)[0].replace(b"\r\n", b"\n").lstrip(b"\n"))[0]


def _ids(returned: list[Field], mail: Mail) -> tuple[str, ...]:
    """From the mail that came back, then from its headers within the text, then what the report itself answers."""
    attached = [found for name, value in returned if name == "message-id" for found in message_ids(unfold(value))]
    return _first((*attached, *_ID_LINE.findall(mail.text), *mail.in_reply_to, *reversed(mail.references)))


def _keys(returned: list[Field], mail: Mail) -> tuple[str, ...]:
    attached = [unfold(value) for name, value in returned if name == "x-triage-key"]
    on_top = mail.header("x-triage-key")  # some servers return the mail under its own headers
    return _first(key for key in (*attached, *_KEY_LINE.findall(mail.text), *on_top) if _KEY.fullmatch(key))


def _first(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found))[:MOST_IDS]

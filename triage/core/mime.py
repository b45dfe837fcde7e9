"""Emails as bytes that every client threads and none misreads."""

import re
from collections.abc import Iterable
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy
from email.utils import format_datetime
from typing import Any

SUBJECT_LENGTH = 200  # characters; longer ones are cut
_ID = re.compile(r"<[^<>\s\x00-\x1f\x7f]+@[^<>\s\x00-\x1f\x7f]+>")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]+")
_ID_HEADERS = frozenset({"message-id", "in-reply-to", "references"})


class _ThreadingPolicy(EmailPolicy):
    """The standard SMTP policy, except that ids are folded between them and never encoded.

    Python 3.11 writes an id of 78 characters or more in In-Reply-To and References as an encoded word, and Outlook,
    whose ids are that long, then loses the thread (cpython#79986).
    """

    def fold(self, name: str, value: Any) -> str:
        if name.lower() in _ID_HEADERS:
            return f"{name}: {(self.linesep + ' ').join(str(value).split())}{self.linesep}"
        return str(super().fold(name, value))

    def fold_binary(self, name: str, value: Any) -> bytes:
        if name.lower() in _ID_HEADERS:
            return self.fold(name, value).encode("ascii", "replace")
        return bytes(super().fold_binary(name, value))


POLICY = _ThreadingPolicy(**{name: getattr(SMTP, name) for name in ("linesep", "max_line_length", "cte_type")})


def one_line(value: str, limit: int = SUBJECT_LENGTH) -> str:
    """A header value that cannot start a header of its own (CVE-2024-6923) nor turn the text around.

    Give it decoded text: an encoded word is kept as it is and would be decoded by the reader.
    """
    line = " ".join(_CONTROL.sub(" ", value).split())
    line = line.replace("=?", "= ?")
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def valid_ids(values: Iterable[str]) -> list[str]:
    """Message ids that are fit to be sent, in order, each once."""
    return list(
        dict.fromkeys(value for value in values if _ID.fullmatch(value) and value.isascii() and len(value) < 900)
    )


def references(theirs: Iterable[str], parent: str) -> str:
    """References of a reply (RFC 5322 section 3.6.4): theirs and the parent; long ones keep the first 4 and last 6."""
    ids = [value for value in valid_ids(theirs) if value != parent] + valid_ids([parent])
    return " ".join(ids if len(ids) <= 10 else ids[:4] + ids[-6:])


def message(headers: Iterable[tuple[str, str]], text: str, html: str, date: datetime | None) -> EmailMessage:
    """A text email with an HTML alternative; header values are cleaned here, once."""
    mail = EmailMessage(policy=POLICY)
    if date:
        mail["Date"] = format_datetime(date)
    for name, value in headers:
        if value:
            mail[name] = value if name.lower() in _ID_HEADERS else one_line(value, 900)
    mail.set_content(text, charset="utf-8", cte="quoted-printable")
    if html:
        mail.add_alternative(html, subtype="html", charset="utf-8", cte="quoted-printable")
    return mail

"""Any bytes to a Mail. Nothing raises: what is broken becomes a defect, and the rest survives."""

import hashlib
import html as html_entities
import re
from collections.abc import Iterable
from dataclasses import dataclass

from triage.core.addresses import checked, read_addresses
from triage.core.headers import (
    LONGEST_VALUE,
    MOST_FIELDS,
    Field,
    decode_words,
    message_ids,
    read_date,
    split_headers,
    unfold,
)
from triage.core.html import html_to_text
from triage.core.mail import Address, Attachment, Mail
from triage.core.mime import one_line
from triage.core.parts import Bounds, Part, read_part, size_of, text_of

LONGEST_TEXT = 200_000  # characters that are kept
LONGEST_HTML = 250_000  # characters that are kept
LONGEST_SUBJECT = 1_000  # characters
_MBOX_LINE = re.compile(rb"(?:[ \t]*\n)*(?:>?From [^\n]*\n)?")


def parse(raw: bytes, *, complete: bool = True) -> Mail:
    """Read an email. ``complete=False``: ``raw`` is only the beginning of a larger one."""
    try:
        return _parse(raw, complete=complete)
    except Exception as error:  # noqa: BLE001 - one bad email never stops the next one; a person reads it
        defect = f"it could not be read ({type(error).__name__} in our reader); the original is in the mailbox"
        return Mail(hashlib.sha256(raw).hexdigest(), len(raw), defects=(defect,), complete=complete)


def _parse(raw: bytes, *, complete: bool) -> Mail:
    lines = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in raw else raw
    start = _MBOX_LINE.match(lines)
    fields, body, sound = split_headers(lines[start.end() :] if start else lines)
    bounds = Bounds()
    root = read_part(fields, body, bounds)
    heads = _Heads(fields, bounds)
    content = _content(root, bounds)
    if not sound:
        bounds.note(f"its headers are broken, or more than {MOST_FIELDS}")
    if _torn(content.shown, root, complete=complete):
        bounds.note(
            "its text ends in the middle" if complete else "it is so large that its text was not read to the end"
        )
    return Mail(
        sha256=hashlib.sha256(raw).hexdigest(),
        size=len(raw),
        subject=one_line(decode_words(heads.first("subject")), LONGEST_SUBJECT),
        text=content.text[:LONGEST_TEXT],
        html=content.html[:LONGEST_HTML],
        from_=heads.authors(),
        reply_to=heads.addresses("reply-to", must_be_clear=True),
        to=heads.addresses("to"),
        cc=heads.addresses("cc"),
        return_path=heads.return_path(),
        message_id=next(iter(message_ids(heads.first("message-id"))), None),
        in_reply_to=heads.ids("in-reply-to"),
        references=heads.ids("references"),
        date=read_date(heads.first("date")),
        headers=tuple((name, decode_words(value)) for name, value in heads.values),
        content_type=root.content_type,
        part_types=tuple(part.content_type for part in root.walk()),
        report_type=root.parameters.get("report-type", "").lower() if root.content_type == "multipart/report" else "",
        calendar_method=_calendar_method(root),
        attachments=tuple(
            Attachment(part.name, part.content_type, size_of(part))
            for part in root.walk()
            if not part.parts and not any(part is shown for shown in content.shown)
        ),
        defects=tuple(bounds.defects),
        complete=complete,
    )


# --- headers ----------------------------------------------------------------------------------------------------------


class _Heads:
    """The headers of the whole email, unfolded, and what is wrong with them."""

    def __init__(self, fields: list[Field], bounds: Bounds) -> None:
        self.values = [(name, unfold(value)) for name, value in fields]
        self.cut = {name for name, value in fields if len(value) >= LONGEST_VALUE}
        self._bounds = bounds

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.values if key == name]

    def first(self, name: str) -> str:
        return next(iter(self.all(name)), "")

    def ids(self, name: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(found for value in self.all(name) for found in message_ids(value)))

    def authors(self) -> tuple[Address, ...]:
        authors = self.addresses("from", must_be_clear=True)
        if not authors:
            self._bounds.note("it names no sender")
        return authors

    def addresses(self, name: str, *, must_be_clear: bool = False) -> tuple[Address, ...]:
        """All addresses of a header; a header of several kilobytes loses its last ones."""
        read = [read_addresses(value) for value in self.all(name)]
        if must_be_clear and (name in self.cut or not all(clear for _, clear in read)):
            self._bounds.note(f"its {name.title()} does not name one clear address")
        return tuple(address for found, _ in read for address in found)

    def return_path(self) -> str | None:
        """The envelope sender; "" is the null reverse-path (RFC 5321 section 4.5.5)."""
        values = self.all("return-path")
        if not values:
            return None
        path = values[0].strip()
        bare = path[1:-1].strip() if path.startswith("<") and path.endswith(">") else path
        return checked(bare) or bare.replace("<", "").replace(">", "")


# --- what is said -----------------------------------------------------------------------------------------------------

_STUB = re.compile(
    r"\bhtml\b.{0,60}\b(?:mail|client|viewer|program|reader|browser|format|version|message)|"
    r"(?:not|n't|nicht|pas|kein|no)\b.{0,40}\bhtml\b|"
    r"\b(?:view|open|read|see)\b.{0,40}\b(?:in|with)\b.{0,20}\bbrowser|\bim browser\b|multi-part message in mime",
    re.IGNORECASE | re.DOTALL,
)
_STUB_LENGTH = 400  # characters; longer texts say something themselves
_HTML_START = re.compile(r"\s*<(?:!doctype html|html|head|body|div|meta)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Content:
    """What a part says, as text and as HTML; "" where it has no such form."""

    text: str = ""
    html: str = ""
    shown: tuple[Part, ...] = ()  # the parts that it comes from

    def as_text(self) -> str:
        """Text as written, unless that is only a stub beside the HTML."""
        if not self.html or (self.text.strip() and not self._is_stub()):
            return self.text
        return html_to_text(self.html) or self.text

    def as_html(self) -> str:
        return self.html or f"<pre>{html_entities.escape(self.text)}</pre>"

    def _is_stub(self) -> bool:
        return len(self.text) < _STUB_LENGTH and bool(_STUB.search(self.text))


def _content(root: Part, bounds: Bounds) -> _Content:
    """The body of the email; of an email that is attached to nothing where that is all there is."""
    found = _read(root, bounds, named=False)
    if not found.shown:
        found = _read(root, bounds, named=True)
    if not found.as_text().strip() and root.content_type != "multipart/report":
        found = _attached_email(root, bounds) or found
    return _Content(found.as_text().strip("\n"), found.html, found.shown)


def _read(part: Part, bounds: Bounds, *, named: bool) -> _Content:
    """``named``: also text parts with a file name, which are attachments where there is another text."""
    if not part.parts:
        return _read_text(part, bounds) if _is_body(part, named=named) else _Content()
    said = [content for child in part.parts if (content := _read(child, bounds, named=named)).shown]
    if part.content_type == "multipart/alternative":
        return _alternative(said)
    return _in_sequence(said)


def _is_body(part: Part, *, named: bool) -> bool:
    is_text = part.content_type in ("text/plain", "text/html")
    return is_text and part.disposition != "attachment" and (named or not part.name)


def _read_text(part: Part, bounds: Bounds) -> _Content:
    text, sound = text_of(part)
    if not sound:
        bounds.note("some of its characters are damaged")
    if part.content_type == "text/html" or _HTML_START.match(text):
        return _Content(html=text, shown=(part,))
    return _Content(text=text, shown=(part,))


def _alternative(said: list[_Content]) -> _Content:
    """The same in several forms: the first text, and the last HTML (RFC 2046 section 5.1.4: the richest is last)."""
    return _Content(
        next((content.text for content in said if content.text.strip()), ""),
        next((content.html for content in reversed(said) if content.html), ""),
        tuple(part for content in said for part in content.shown),
    )


def _in_sequence(said: list[_Content]) -> _Content:
    """One after the other, as Apple Mail splits a text around its pictures."""
    said = [content for content in said if content.text.strip() or content.html] or said
    if len(said) <= 1:
        return said[0] if said else _Content()
    return _Content(
        "\n".join(content.as_text() for content in said),
        "\n".join(content.as_html() for content in said) if any(content.html for content in said) else "",
        tuple(part for content in said for part in content.shown),
    )


def _attached_email(root: Part, bounds: Bounds) -> _Content | None:
    """The text of an email that was forwarded as an attachment without a word."""
    attached = next((part for part in root.walk() if part.content_type == "message/rfc822"), None)
    if attached is None:
        return None
    fields, body, _ = split_headers(attached.body.lstrip(b"\n"))
    values = {name: decode_words(unfold(value)) for name, value in reversed(fields)}
    told = (f"{name.title()}: {values[name]}" for name in ("from", "date", "to", "subject") if values.get(name))
    inner = _read(read_part(fields, body, bounds, depth=1), bounds, named=False)
    text = "\n".join(["---------- Forwarded message ----------", *told, "", inner.as_text().strip("\n")])
    return _Content(text, shown=(attached,)) if inner.shown else None


def _torn(shown: Iterable[Part], root: Part, *, complete: bool) -> bool:
    """Whether the text may go on where our bytes end."""
    return any(not part.ended and (part is not root or not complete) for part in shown)


def _calendar_method(root: Part) -> str:
    """METHOD of a calendar part that belongs to the body (RFC 6047 section 2.4)."""
    for part in root.walk():
        if part.content_type == "text/calendar" and part.disposition != "attachment":
            said = _METHOD.search(f"METHOD:{part.parameters.get('method', '')}\n{text_of(part)[0][:2_000]}")
            return said[1].upper() if said else ""
    return ""


_METHOD = re.compile(r"^METHOD:[ \t]*([A-Za-z-]{1,20})[ \t]*$", re.MULTILINE)

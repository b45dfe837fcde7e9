"""The MIME parts of an email (RFC 2045, 2046): bounded in number, depth and size before anything is decoded."""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from triage.core.headers import Field, from_base64, parameters, split_headers, to_text, unfold
from triage.core.mime import one_line

DEEPEST = 20  # multiparts within each other; what lies deeper stays closed
MOST_PARTS = 300
LARGEST_TEXT = 2_000_000  # encoded bytes of a text part that are decoded

_TYPE = re.compile(r"\s*([\w!#$&^.+-]+/[\w!#$&^.+-]+)")
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Part:
    """One part, its bytes still encoded."""

    content_type: str  # lower case
    parameters: dict[str, str]  # of the Content-Type
    disposition: str  # "attachment", "inline" or ""
    name: str  # file name, one line
    encoding: str  # content transfer encoding, lower case
    body: bytes
    ended: bool  # a boundary follows: the part is whole
    parts: tuple["Part", ...] = ()

    def walk(self) -> Iterator["Part"]:
        """This part and all within, depth first; attached emails stay closed."""
        yield self
        for part in self.parts:
            yield from part.walk()


@dataclass(slots=True)
class Bounds:
    """What is left of the budget for one email, and what was wrong with its parts."""

    parts_left: int = MOST_PARTS
    defects: list[str] = field(default_factory=list)

    def note(self, defect: str) -> None:
        if defect not in self.defects:
            self.defects.append(defect)


def read_part(fields: list[Field], body: bytes, bounds: Bounds, *, depth: int = 0, ended: bool = False) -> Part:
    """A part with the parts within it. Line ends are LF."""
    values = {name: value for name, value in reversed(fields) if name.startswith("content-")}  # topmost wins
    declared = unfold(values.get("content-type", b""))
    match = _TYPE.match(declared)
    content_type = match[1].lower() if match else "text/plain"  # RFC 2045 section 5.2
    about = parameters(declared) if ";" in declared else {}
    disposition = unfold(values.get("content-disposition", b""))
    placed = parameters(disposition) if ";" in disposition else {}
    part = Part(
        content_type=content_type,
        parameters=about,
        disposition=disposition.partition(";")[0].strip().lower(),
        name=one_line(placed.get("filename") or about.get("name") or "", _LONGEST_NAME),
        encoding=unfold(values.get("content-transfer-encoding", b"")).partition(";")[0].strip(" \"'").lower(),
        body=body,
        ended=ended,
    )
    return _opened(part, bounds, depth) if content_type.startswith("multipart/") else part


def _opened(part: Part, bounds: Bounds, depth: int) -> Part:
    """A multipart with its parts read; one text where it has no boundaries, closed where it lies too deep."""
    boundary = part.parameters.get("boundary", "").rstrip().encode("utf-8", "replace")
    pieces = split(part.body, boundary) if boundary else []
    if not pieces:
        bounds.note("its parts cannot be told apart: a boundary is missing")
        text = Part("text/plain", {}, "", "", part.encoding, part.body, ended=True)
        return replace(part, body=b"", parts=(text,))
    if depth >= DEEPEST:
        bounds.note(f"its parts are nested more than {DEEPEST} deep; what lies deeper was not read")
        return part
    children = []
    for piece, ended in pieces:
        if bounds.parts_left <= 0:
            bounds.note(f"it has more than {MOST_PARTS} parts; the others were not read")
            break
        bounds.parts_left -= 1
        fields, body, _ = split_headers(piece)
        children.append(read_part(fields, body, bounds, depth=depth + 1, ended=ended or part.ended))
    return replace(part, body=b"", parts=tuple(children))


def split(body: bytes, boundary: bytes) -> list[tuple[bytes, bool]]:
    """What stands between the boundary lines (RFC 2046 section 5.1.1), each with whether a boundary ends it.

    Empty where no line is the boundary. Text before the first and after the last one is not for readers.
    """
    pieces: list[tuple[bytes, bool]] = []
    start = -1
    for line_start, after, closing in _boundary_lines(body, b"--" + boundary):
        if start >= 0:
            pieces.append((body[start : max(start, line_start - 1)], True))
        if closing or len(pieces) > MOST_PARTS:
            return pieces
        start = after
    if start >= 0:
        pieces.append((body[start:], False))
    return pieces


def _boundary_lines(body: bytes, mark: bytes) -> Iterator[tuple[int, int, bool]]:
    """Where each boundary line begins, where the line after it begins, and whether it is the closing one."""
    position = body.find(mark)
    while position >= 0:
        line_end = body.find(b"\n", position)
        line_end = len(body) if line_end < 0 else line_end
        if position == 0 or body[position - 1 : position] == b"\n":
            rest = body[position + len(mark) : line_end][:200].strip()
            if rest in (b"", b"--"):
                yield position, line_end + 1, rest == b"--"
        position = body.find(mark, max(line_end, position + 1))


def decoded(part: Part) -> tuple[bytes, bool]:
    """The bytes of a part without its transfer encoding, and whether they were whole."""
    data = part.body[:LARGEST_TEXT]
    if part.encoding == "base64":
        return from_base64(data)
    if part.encoding == "quoted-printable":
        return binascii.a2b_qp(data), True
    if part.encoding in ("x-uuencode", "uuencode", "x-uue", "uue"):
        return _from_uuencode(data)
    return data, True


def _from_uuencode(data: bytes) -> tuple[bytes, bool]:
    lines = data.partition(b"begin ")[2].split(b"\n")[1:]
    pieces: list[bytes] = []
    for line in lines:
        if line.rstrip() == b"end":
            return b"".join(pieces), True
        try:
            pieces.append(binascii.a2b_uu(line))
        except binascii.Error:
            break
    return b"".join(pieces), False


def text_of(part: Part) -> tuple[str, bool]:
    """A text part as text with LF line ends, and whether nothing in it was damaged."""
    data, whole = decoded(part)
    charset = part.parameters.get("charset", "")
    if not charset and part.content_type == "text/html":
        meta = _META_CHARSET.search(data[:2_000])
        charset = meta[1].decode() if meta else ""
    text, sound = to_text(data, charset or "utf-8")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    cut = len(part.body) > LARGEST_TEXT
    return (text if text.isprintable() else _UNSEEN.sub("", text)), whole and sound and not cut


_META_CHARSET = re.compile(rb"<meta[^>]{0,200}charset=[\"']?([\w-]{1,40})", re.IGNORECASE)
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff]+")


def size_of(part: Part) -> int:
    """Bytes after transfer decoding, reckoned without decoding."""
    body = part.body
    if part.encoding == "base64":
        letters = len(body) - body.count(b"\n") - body.count(b" ")
        return max(0, letters * 3 // 4 - body[-4:].count(b"="))
    if part.encoding == "quoted-printable":
        return max(0, len(body) - 2 * body.count(b"="))
    return len(body)

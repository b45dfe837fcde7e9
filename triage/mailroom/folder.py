"""Emails from the disk: .eml files, folders of them, mbox files. For ``triage explain``."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

MOST_BYTES = 50_000_000  # of one email; what is beyond is left out, as of a very large email in a mailbox

_CHUNK = 65536  # bytes; a line may be longer and comes in pieces then
# The line before each email of an mbox: a sender and a date, or nothing at all (RFC 4155 appendix A and Thunderbird).
# The date is asked for since bodies hold lines like "From here on" that not every program has escaped.
_FROM_LINE = re.compile(rb"From (?:.*\d:\d\d.*\d{4}.*)?\r?\n?")
_LONGEST_FROM_LINE = 500  # bytes
_ESCAPED = re.compile(rb">+From ")


class UnreadablePathError(OSError):
    """A path that holds no emails for us. The text is a sentence."""


def read_emails(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield (name, raw) of each email: a file as it is named, the emails of an mbox as ``name#1``, ``name#2``, …

    A folder gives its .eml and .mbox files and those of its folders, by name. Holds one email at a time.
    Raises UnreadablePathError, for a path that is missing at once, else on the way.
    """
    if not path.exists():
        raise UnreadablePathError(f"{path} does not exist. Name a .eml file, a folder of them or an mbox file.")
    return _of_folder(path) if path.is_dir() else _of_file(path)


def _of_folder(folder: Path) -> Iterator[tuple[str, bytes]]:
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in (".eml", ".mbox") and file.is_file())
    if not files:
        raise UnreadablePathError(f"{folder} holds no .eml or .mbox file.")
    for file in files:
        yield from _of_file(file)


def _of_file(file: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with file.open("rb") as stream:
            if file.suffix.lower() != ".eml" and stream.peek(5).startswith(b"From "):
                yield from _of_mbox(str(file), stream)
            else:
                yield str(file), stream.read(MOST_BYTES)
    except OSError as error:
        raise UnreadablePathError(f"{file} cannot be read: {error.strerror or type(error).__name__}.") from error


def _of_mbox(name: str, stream: BinaryIO) -> Iterator[tuple[str, bytes]]:
    number = 0
    email = bytearray()
    for line, starts_email in _lines(stream):
        if starts_email:
            if number:
                yield f"{name}#{number}", _without_separator(email)
            number += 1
            email.clear()
        elif len(email) < MOST_BYTES:
            email += line
    yield f"{name}#{number}", _without_separator(email)


def _lines(stream: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    """Lines, unescaped, the very long ones in pieces; and whether one is the "From " line before an email."""
    after_blank, at_line_start, first = True, True, True
    while piece := stream.readline(_CHUNK):
        starts_email = at_line_start and after_blank and (first or _is_from_line(piece))
        yield piece[1:] if at_line_start and _ESCAPED.match(piece) else piece, starts_email
        after_blank = at_line_start and piece in (b"\n", b"\r\n")
        at_line_start = piece.endswith(b"\n")
        first = False


def _is_from_line(line: bytes) -> bool:
    return len(line) < _LONGEST_FROM_LINE and _FROM_LINE.fullmatch(line) is not None


def _without_separator(email: bytearray) -> bytes:
    """The email without the blank line that parts it from the next one."""
    for blank in (b"\r\n", b"\n"):
        if email.endswith(b"\n" + blank):
            return bytes(email[: -len(blank)])
    return bytes(email)

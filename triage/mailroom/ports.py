"""What the worker asks of mail servers; imap.py and smtp.py are the real ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class MailError(Exception):
    """A mail server failed us. The text is a sentence that says what to do.

    ``permanent``: trying again cannot help until a person acts (wrong password, untrusted certificate).
    """

    def __init__(self, sentence: str, *, permanent: bool = False) -> None:
        super().__init__(sentence)
        self.permanent = permanent


@dataclass(frozen=True, slots=True)
class FolderStatus:
    """A folder as the server describes it (RFC 9051 section 2.3.1.1)."""

    uidvalidity: int
    uidnext: int  # a UID that no email has yet; emails that come later have this one or more


@dataclass(frozen=True, slots=True)
class Fetched:
    """One email as the mailbox holds it."""

    uid: int
    raw: bytes  # the first ``limit`` bytes
    size: int  # bytes, as the server states (Exchange Online: approximately)
    received_at: datetime  # INTERNALDATE, UTC
    complete: bool  # False: ``raw`` is only the first part


class Mailbox(Protocol):
    """One IMAP mailbox. Reads leave no trace: no \\Seen, no other flag. Raises MailError, nothing else.

    Not thread-safe: one per thread. Connects on first use; after any failure the connection is dropped and the next
    call connects anew.
    """

    def status(self) -> FolderStatus:
        """Ask the server for the inbox as it is now."""
        ...

    def uids(self, first: int, last: int) -> list[int]:
        """UIDs that are in the inbox, from first to last, ascending. Bounded ranges only: imaplib's lines are."""
        ...

    def fetch(self, uids: Sequence[int], limit: int) -> list[Fetched]:
        """Fetch the first ``limit`` bytes of each. Emails that are gone are left out."""
        ...

    def move(self, uids: Sequence[int], folder: str) -> None:
        """Move emails from the inbox, making the folder where it is missing. Emails that are gone are no error."""
        ...

    def find_sent(self, folder: str, key: str) -> str | None:
        """Message-ID of the email in ``folder`` whose X-Triage-Key is ``key``; None where there is none."""
        ...

    def folder_status(self, folder: str) -> FolderStatus | None:
        """Another folder as it is now; None where there is none."""
        ...

    def headers(self, folder: str, first: int, last: int) -> list[Fetched]:
        """The emails of another folder with UIDs from first to last, ascending; of each only its headers
        (``complete`` is False). Bounded ranges only."""
        ...

    def close(self) -> None: ...


class Outcome(StrEnum):
    ACCEPTED = "accepted"  # the server took the email over
    REFUSED = "refused"  # the server will never take it (5xx)
    DEFERRED = "deferred"  # not now (4xx, or no connection before anything was handed over)
    UNKNOWN = "unknown"  # handed over, but the answer was lost (RFC 1047)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One email for one recipient."""

    envelope_sender: str  # "" is the null reverse-path
    recipient: str
    raw: bytes  # CRLF line ends, sent as they are


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of it."""

    outcome: Outcome
    answer: str  # the server's words with its code, or what went wrong, as a sentence


class Sender(Protocol):
    """An SMTP server."""

    def send(self, messages: Sequence[Outgoing]) -> list[Delivery]:
        """Try each once, in order; one result each. Raises MailError only where no attempt could be made at all
        (no connection, login refused, untrusted certificate): then nothing was handed over."""
        ...

    def close(self) -> None: ...

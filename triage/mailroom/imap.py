"""The mailbox over IMAP (RFC 9051; RFC 3501 for the servers of today)."""

import logging
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.parser import BytesHeaderParser
from typing import Any

from imapclient import DELETED, IMAPClient, SocketTimeout
from imapclient.exceptions import (
    CapabilityError,
    IMAPClientAbortError,
    IMAPClientError,
    IMAPClientReadOnlyError,
    LoginError,
    ProtocolError,
)

from triage.mailroom.login import Security, Server, connection_error, login_error, printable
from triage.mailroom.ports import Fetched, FolderStatus, MailError

logging.getLogger("imapclient").setLevel(logging.WARNING)  # at DEBUG it writes whole emails

_HIGHEST_UID = 2**32 - 1  # RFC 9051 section 9, nz-number
_UIDS_PER_COMMAND = 500  # a line stays below the 8,192 bytes that RFC 7162 section 4 advises
_HEADER_BYTES = 65_536  # of one email's headers
_LOGOUT_S = 2.0
_UNDATED = datetime.fromtimestamp(0, UTC)  # so old that nothing is answered automatically: a person reads it
_TRY_AGAIN = ("[UNAVAILABLE]", "[INUSE]", "[LIMIT]", "[SERVERBUG]")  # RFC 5530; every other refusal needs a person


class ImapMailbox:
    """``ports.Mailbox`` over IMAP.

    UIDs count only together with the UIDVALIDITY that ``status()`` gave last: where a reconnection finds another one,
    every other method raises until ``status()`` is asked again.
    """

    def __init__(self, server: Server, inbox: str = "INBOX") -> None:
        self._server = server
        self._inbox = inbox
        self._uidvalidity: int | None = None  # as status() gave it; None before
        self._client: IMAPClient | None = None
        self._selected: tuple[str, bool] | None = None  # folder as the server names it, opened read-only
        self._fresh = False  # status() came just before: the server shows all there is
        self._hierarchy: tuple[str, str] | None = None  # prefix of our folders, separator
        self._folders: dict[str, str] = {}  # policy's name: server's name, of those that exist

    def status(self) -> FolderStatus:
        with self._talk() as client:
            found = self._select(client, self._inbox, readonly=True)
            if b"UIDNEXT" not in found:  # RFC 3501 section 6.3.1 lets old servers leave it out
                found = client.folder_status(self._inbox, ["UIDNEXT", "UIDVALIDITY"])
            self._uidvalidity = int(found[b"UIDVALIDITY"])
            self._fresh = True
            return FolderStatus(uidvalidity=self._uidvalidity, uidnext=int(found[b"UIDNEXT"]))

    def uids(self, first: int, last: int) -> list[int]:
        first, last = max(first, 1), min(last, _HIGHEST_UID)
        if first > last:
            return []  # IMAP would read 9:5 as 5:9
        fresh = self._fresh
        with self._talk() as client:
            self._open_inbox(client, readonly=True, anew=not fresh)  # an older view may hide what came since
            found = client.search(["UID", f"{first}:{last}"])
            return sorted(uid for uid in found if first <= uid <= last)

    def fetch(self, uids: Sequence[int], limit: int) -> list[Fetched]:
        fetched: list[Fetched] = []
        with self._talk() as client:
            self._open_inbox(client, readonly=True)
            for some in _batches(uids):
                answer = _contents(client, some, limit)
                fetched += [_fetched(uid, answer[uid], limit) for uid in some if b"BODY[]<0>" in answer.get(uid, {})]
        return fetched

    def move(self, uids: Sequence[int], folder: str) -> None:
        if not uids:
            return
        with self._talk() as client:
            target = self._existing(client, folder)
            self._open_inbox(client, readonly=False)
            for some in _batches(uids):
                _move(client, some, target)

    def find_sent(self, folder: str, key: str) -> str | None:
        """None also where there is no such folder; "" where the email has no Message-ID."""
        with self._talk() as client:
            name = self._server_name(client, folder)
            if not _exists(client, name):
                return None
            self._select(client, name, readonly=True)
            for uid in sorted(client.search(["HEADER", "X-Triage-Key", key]), reverse=True):
                headers = _headers(client, uid, "MESSAGE-ID", "X-TRIAGE-KEY")
                if headers["x-triage-key"] == key:  # HEADER finds parts of values too (RFC 9051 section 6.4.4)
                    return headers["message-id"]
            return None

    def folder_status(self, folder: str) -> FolderStatus | None:
        with self._talk() as client:
            name = self._server_name(client, folder)
            if not _exists(client, name):
                return None
            found = client.folder_status(name, ["UIDNEXT", "UIDVALIDITY"])
            return FolderStatus(uidvalidity=int(found[b"UIDVALIDITY"]), uidnext=int(found[b"UIDNEXT"]))

    def headers(self, folder: str, first: int, last: int) -> list[Fetched]:
        first, last = max(first, 1), min(last, _HIGHEST_UID)
        if first > last:
            return []  # IMAP would read 9:5 as 5:9
        fetched: list[Fetched] = []
        with self._talk() as client:
            self._select(client, self._server_name(client, folder), readonly=True)
            uids = sorted(uid for uid in client.search(["UID", f"{first}:{last}"]) if first <= uid <= last)
            for some in _batches(uids):
                found = client.fetch(some, [f"BODY.PEEK[HEADER]<0.{_HEADER_BYTES}>", "INTERNALDATE", "RFC822.SIZE"])
                fetched += [_only_headers(uid, found[uid]) for uid in some if b"BODY[HEADER]<0>" in found.get(uid, {})]
        return fetched

    def close(self) -> None:
        client, self._client = self._client, None
        self._forget()
        if client is not None:
            hang_up(client, politely=True)

    @contextmanager
    def _talk(self) -> Iterator[IMAPClient]:
        """The connection. After any failure it is dropped: it may be out of step with the server."""
        self._fresh = False
        try:
            if self._client is None:
                self._client = connect(self._server)
            yield self._client
        except BaseException as error:
            self._drop()
            if isinstance(error, MailError) or not isinstance(error, Exception):
                raise
            raise mail_error(self._server, error) from error

    def _drop(self) -> None:
        client, self._client = self._client, None
        self._forget()
        if client is not None:
            hang_up(client)

    def _forget(self) -> None:
        """Forget what held for the connection."""
        self._selected = None
        self._fresh = False
        self._hierarchy = None
        self._folders = {}

    def _select(self, client: IMAPClient, folder: str, *, readonly: bool) -> dict[bytes, Any]:
        self._selected = None
        found: dict[bytes, Any] = client.select_folder(folder, readonly=readonly)
        self._selected = (folder, readonly)
        return found

    def _open_inbox(self, client: IMAPClient, *, readonly: bool, anew: bool = False) -> None:
        if self._selected == (self._inbox, readonly) and not anew:
            return
        found = self._select(client, self._inbox, readonly=readonly)
        if self._uidvalidity is not None and found.get(b"UIDVALIDITY") != self._uidvalidity:
            raise MailError(
                f"{self._server.name} numbers the emails of {self._inbox} anew (UIDVALIDITY was {self._uidvalidity}, "
                f"is {found.get(b'UIDVALIDITY')}): the UIDs known so far mean nothing any more."
            )

    def _existing(self, client: IMAPClient, folder: str) -> str:
        """The server's name of a folder, which is made where it is missing."""
        if folder not in self._folders:
            name = self._server_name(client, folder)
            if not _exists(client, name):
                _create(client, name)
            self._folders[folder] = name
        return self._folders[folder]

    def _server_name(self, client: IMAPClient, folder: str) -> str:
        """policy's ``Triage/Answered`` as the server names it, for example ``INBOX.Triage.Answered``."""
        if self._hierarchy is None:
            self._hierarchy = _hierarchy(client)
        prefix, separator = self._hierarchy
        name = folder.replace("/", separator) if separator else folder
        return name if name.startswith(prefix) else prefix + name


def connect(server: Server) -> IMAPClient:
    """A connection that is logged in and knows the server's capabilities. Raises MailError."""
    client = _dial(server)
    try:
        if server.security is Security.STARTTLS:
            client.starttls(server.tls_context())
        # Without it every SEARCH and FETCH may wait 40 ms for Nagle's algorithm (measured).
        client.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if server.login is not None:
            server.login.imap(client)
        client.capabilities()  # kept by the client: has_capability() would ask again at any moment, within IDLE too
    except BaseException as error:
        hang_up(client)
        if isinstance(error, MailError) or not isinstance(error, Exception):
            raise
        raise mail_error(server, error) from error
    return client


def hang_up(client: IMAPClient, *, politely: bool = False) -> None:
    """Close a connection whatever its state; with a LOGOUT only where it is in step."""
    with suppress(Exception):  # whatever a broken connection raises
        if politely:
            client.socket().settimeout(_LOGOUT_S)
            client.logout()
            return
    with suppress(Exception):
        client.shutdown()


def mail_error(server: Server, error: Exception) -> MailError:
    """The sentence for whatever imapclient, imaplib, socket or ssl raised.

    Only a server's refusal is quoted: other texts of imaplib and imapclient may hold parts of an email.
    """
    match error:
        case MailError():
            return error
        case LoginError() if not isinstance(error.__context__, IMAPClientAbortError):
            words = _words(error.__context__ or error)
            return login_error(server, words, permanent=not any(code in words for code in _TRY_AGAIN))
        case IMAPClientReadOnlyError():
            return MailError(
                f"{server.name} gives {_user(server)} no right to change the folder, so emails cannot be put away. "
                "Grant it, or let the service read only.",
                permanent=True,
            )
        case LoginError() | IMAPClientAbortError():
            return MailError(f"{server.name} broke the connection off. Trying again later.")
        case CapabilityError() if server.security is Security.STARTTLS:
            return MailError(f"{server.name} offers no STARTTLS. Use security tls with its port.", permanent=True)
        case IMAPClientError() if not isinstance(error, ProtocolError):
            return MailError(f"{server.name} refused: {_words(error)}")
        case OSError():
            return connection_error(server, error)
        case _:
            return MailError(f"{server.name} gave an answer that cannot be understood ({type(error).__name__}).")


def _dial(server: Server) -> IMAPClient:
    tls = server.tls_context() if server.security is Security.TLS else None
    timeout = SocketTimeout(connect=server.connect_timeout_s, read=server.timeout_s)
    try:
        client = IMAPClient(server.host, server.port, ssl=tls is not None, ssl_context=tls, timeout=timeout)
    except Exception as error:
        raise mail_error(server, error) from error
    client.normalise_times = False  # else INTERNALDATE comes in local time, without its zone
    return client


def _batches(uids: Sequence[int]) -> Iterator[list[int]]:
    for start in range(0, len(uids), _UIDS_PER_COMMAND):
        yield list(uids[start : start + _UIDS_PER_COMMAND])


def _contents(client: IMAPClient, uids: list[int], limit: int) -> dict[int, dict[bytes, Any]]:
    """What the server answers to FETCH. Dovecot gives NIL for an email that another session has just moved, as RFC 2180
    section 4.1 allows; after a NOOP it is known to be gone, and no empty email."""
    items = [f"BODY.PEEK[]<0.{limit}>", "INTERNALDATE", "RFC822.SIZE"]
    answer: dict[int, dict[bytes, Any]] = client.fetch(uids, items)
    without = [uid for uid in uids if answer.get(uid, {}).get(b"BODY[]<0>", b"") is None]
    if not without:
        return answer
    client.noop()
    again: dict[int, dict[bytes, Any]] = client.fetch(without, items)
    for uid in without:
        answer[uid] = again.get(uid, {})
        if answer[uid].get(b"BODY[]<0>", b"") is None and answer[uid].get(b"RFC822.SIZE"):
            raise MailError(f"The server has {answer[uid][b'RFC822.SIZE']} bytes of UID {uid} and gives none of them.")
    return answer


def _fetched(uid: int, answer: dict[bytes, Any], limit: int) -> Fetched:
    raw: bytes = answer[b"BODY[]<0>"] or b""
    size = int(answer.get(b"RFC822.SIZE", len(raw)))
    # Fewer bytes than asked for are all there are; the size alone would not do, Exchange Online's is approximate.
    complete = len(raw) < limit or size == limit
    received_at = _utc(answer.get(b"INTERNALDATE"))
    return Fetched(uid=uid, raw=raw, size=size, received_at=received_at, complete=complete)


def _only_headers(uid: int, answer: dict[bytes, Any]) -> Fetched:
    raw: bytes = answer[b"BODY[HEADER]<0>"] or b""
    size = int(answer.get(b"RFC822.SIZE", len(raw)))
    return Fetched(uid=uid, raw=raw, size=size, received_at=_utc(answer.get(b"INTERNALDATE")), complete=False)


def _utc(internaldate: datetime | None) -> datetime:
    """INTERNALDATE in UTC; 1970 where the server's date makes no sense."""
    try:
        return internaldate.astimezone(UTC) if internaldate else _UNDATED
    except (ValueError, OverflowError):  # an offset of a day or more, or a date at the edge of the calendar
        return _UNDATED


def _move(client: IMAPClient, uids: list[int], folder: str) -> None:
    if client.has_capability("MOVE"):
        client.move(uids, folder)
        return
    client.copy(uids, folder)
    client.add_flags(uids, [DELETED], silent=True)
    # A plain EXPUNGE would take what other people have marked (RFC 4315 section 2.1): leave the mark instead.
    if client.has_capability("UIDPLUS"):
        client.uid_expunge(uids)


def _hierarchy(client: IMAPClient) -> tuple[str, str]:
    """Prefix and separator of the user's own folders."""
    if client.has_capability("NAMESPACE"):
        personal = client.namespace().personal
        if personal:
            prefix, separator = personal[0]
            return prefix, separator or ""
    root = client.list_folders("", "")  # RFC 9051 section 6.3.9: an empty name asks for the separator
    separator = root[0][1] if root else None
    return "", separator.decode() if separator else ""


def _exists(client: IMAPClient, name: str) -> bool:
    """Whether a folder can be opened; one that is only a branch to others cannot."""
    for flags, _, found in client.list_folders("", name):
        if found == name or found.upper() == name.upper() == "INBOX":
            return not {b"\\noselect", b"\\nonexistent"} & {flag.lower() for flag in flags}
    return False


def _create(client: IMAPClient, name: str) -> None:
    try:
        client.create_folder(name)
    except IMAPClientError:
        if not _exists(client, name):  # another worker was faster
            raise
    with suppress(IMAPClientError):  # people's mail programs show subscribed folders; tidiness only
        client.subscribe_folder(name)


def _headers(client: IMAPClient, uid: int, *names: str) -> dict[str, str]:
    """The named header fields of one email, lower-case names, "" where it has none."""
    answer = client.fetch([uid], [f"BODY.PEEK[HEADER.FIELDS ({' '.join(names)})]"]).get(uid, {})
    raw = next((value for item, value in answer.items() if item.startswith(b"BODY[HEADER")), b"")
    parsed = BytesHeaderParser().parsebytes(raw or b"")
    return {name.lower(): "".join(str(parsed.get(name, "")).split()) for name in names}


def _user(server: Server) -> str:
    return server.login.user if server.login else "us"


def _words(error: BaseException) -> str:
    said = error.args[0] if error.args else ""
    return printable(said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said))

"""A mail server in this process: a mailbox over IMAP and an SMTP server, for the demo. Nothing is kept on disk.

pymap's dict backend and aiosmtpd share one asyncio loop, so that an email that arrives over SMTP wakes a waiting IDLE
(0.3 ms, measured); on two loops it would not.
"""

import asyncio
import secrets
import socket
import threading
import weakref
from argparse import Namespace
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import Any, Self

from aiosmtpd.smtp import SMTP, Envelope, Session
from proxyprotocol.result import ProxyResultLocal
from proxyprotocol.sock import SocketInfo
from pymap.backend.dict import Config, Login
from pymap.backend.dict.filter import FilterSet
from pymap.backend.dict.mailbox import MailboxData, MailboxSet
from pymap.concurrent import Event, Subsystem
from pymap.imap import IMAPServer
from pymap.parsing.message import AppendMessage
from pymap.parsing.specials.flag import Flag, Wildcard
from pymap.selected import SelectedMailbox
from pymap.user import UserMetadata
from pysasl.hashing import Cleartext

from triage.mailroom.ports import Outgoing

_LOOPBACK = "127.0.0.1"
_LONGEST_LINE = 2**20  # bytes; customers' programs send lines beyond the 998 of RFC 5322
_LARGEST_EMAIL = 2**25 + 2**24  # bytes, 48 MiB
_ANSWER_S = 10.0  # nothing that the loop is asked takes longer


class EmbeddedServer:
    """One mailbox. Use it in a with-block; ports are free ones of loopback, plain.

    What SMTP brings for ``address`` lands in the inbox; what it brings for anybody else is in ``sent`` and goes to
    ``on_sent``, which runs in the server's thread.
    """

    host = _LOOPBACK

    def __init__(self, address: str, *, on_sent: Callable[[Outgoing], None] | None = None) -> None:
        self.address = address
        self.user = f"mailbox-{secrets.token_hex(4)}"
        self.password = secrets.token_urlsafe(16)
        self.sent: list[Outgoing] = []
        self.imap_port = 0
        self.smtp_port = 0
        self._on_sent = on_sent
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="embedded-mail", daemon=True)
        self._servers: list[asyncio.Server] = []
        self._open: weakref.WeakSet[asyncio.WriteTransport] = weakref.WeakSet()  # connections
        self._talks: set[asyncio.Task[None]] = set()  # IMAP; the loop itself keeps only weak references
        self._folders: MailboxSet | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._ask(self._start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ask(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_ANSWER_S)
        self._loop.close()

    def deliver(self, raw: bytes) -> None:
        """Put an email into the inbox, exactly these bytes."""
        if self._folders is None:
            raise RuntimeError("EmbeddedServer takes emails only within its with-block.")
        self._ask(self._append(self._folders, raw))

    async def _append(self, folders: MailboxSet, raw: bytes) -> None:
        inbox = await folders.get_mailbox("INBOX")
        await inbox.append(AppendMessage(raw, datetime.now(UTC)), recent=True)

    async def _start(self) -> None:
        config = _config()
        login = Login(config)
        login.users_dict[self.user] = UserMetadata(config, self.user, password=self.password)
        self._folders = folders = _Folders()
        config.set_cache[self.user] = (folders, FilterSet())
        imap = IMAPServer(login, config)
        imap_socket, smtp_socket = _listening_socket(), _listening_socket()
        self.imap_port, self.smtp_port = imap_socket.getsockname()[1], smtp_socket.getsockname()[1]

        def imap_connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._open.add(writer.transport)
            peer = SocketInfo.get(writer, ProxyResultLocal(), unique_id=secrets.token_bytes(8))
            talk = self._loop.create_task(imap(reader, writer, peer))
            self._talks.add(talk)
            talk.add_done_callback(self._talks.discard)

        self._servers = [
            await asyncio.start_server(imap_connected, sock=imap_socket, limit=_LONGEST_LINE),
            await self._loop.create_server(lambda: _Smtp(partial(self._take, folders), self._open), sock=smtp_socket),
        ]

    async def _stop(self) -> None:
        self._folders = None
        await _rounds(3)  # connections that were accepted just now get their transports; a closed server gives none
        for server in self._servers:
            server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for transport in self._open:
            transport.abort()
        await _rounds(1)  # and let go of their sockets

    async def _take(self, folders: MailboxSet, envelope: Envelope) -> None:
        """What SMTP brought, recipient by recipient."""
        sender = "" if envelope.mail_from == "<>" else envelope.mail_from or ""
        raw = envelope.original_content or b""
        for recipient in envelope.rcpt_tos:
            if recipient.lower() == self.address.lower():
                # The last server notes the envelope's sender (RFC 5321 section 4.4).
                await self._append(folders, f"Return-Path: <{sender}>\r\n".encode() + raw)
            else:
                self._note(Outgoing(envelope_sender=sender, recipient=recipient, raw=raw))

    def _note(self, outgoing: Outgoing) -> None:
        self.sent.append(outgoing)
        if self._on_sent is not None:
            self._on_sent(outgoing)

    def _ask(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_ANSWER_S)


class _Folder(MailboxData):
    """pymap's folder, which keeps keywords here and forgets no wake-up."""

    async def update_selected(self, selected: SelectedMailbox, *, wait_on: Event | None = None) -> SelectedMailbox:
        # pymap waits for the next change even where one came while it was writing about the last: an IDLE that is
        # already behind must not wait (measured: within 50 emails in a row one went unnoticed).
        behind = selected.mod_sequence is not None and selected.mod_sequence < self._mod_sequences.highest
        return await super().update_selected(selected, wait_on=None if behind else wait_on)

    @property
    def permanent_flags(self) -> frozenset[Flag]:
        flags: frozenset[Flag] = super().permanent_flags
        return flags | {Wildcard}


class _Folders(MailboxSet):
    """pymap's set of folders, made of ours."""

    def __init__(self) -> None:
        super().__init__()
        self._inbox = _Folder(self._content_cache, self._thread_cache)

    async def add_mailbox(self, name: str) -> Any:
        await super().add_mailbox(name)
        self._set[name] = folder = _Folder(self._content_cache, self._thread_cache)
        return folder.mailbox_id


class _Config(Config):
    """pymap's settings; its own greeting asks DNS for this machine's name, which may take seconds."""

    @property
    def greeting(self) -> bytes:
        return b"triage demo mailbox ready"


class _Smtp(SMTP):
    """One SMTP connection."""

    line_length_limit = _LONGEST_LINE

    def __init__(
        self, take: Callable[[Envelope], Coroutine[Any, Any, None]], opened: weakref.WeakSet[asyncio.WriteTransport]
    ) -> None:
        super().__init__(
            _Handler(take),
            data_size_limit=_LARGEST_EMAIL,
            enable_SMTPUTF8=True,
            hostname="localhost",
            loop=asyncio.get_running_loop(),
        )
        self._opened = opened

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.WriteTransport):
            self._opened.add(transport)
        super().connection_made(transport)


class _Handler:
    """What aiosmtpd calls after the final dot."""

    def __init__(self, take: Callable[[Envelope], Coroutine[Any, Any, None]]) -> None:
        self._take = take

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - its name
        await self._take(envelope)
        return "250 2.0.0 Ok"


async def _rounds(count: int) -> None:
    """Let the loop do what is ready."""
    for _ in range(count):
        await asyncio.sleep(0)


def _config() -> _Config:
    return _Config(
        Namespace(passlib_cfg=None, proxy_protocol=None),
        host=None,
        port=0,
        tls_enabled=False,
        cpu_subsystem=Subsystem.for_asyncio(),  # the default is a thread that nobody ends
        hash_context=Cleartext(),  # the password is random and lives as long as this process
        demo_data=False,
        demo_user="",
        demo_password="",
    )


def _listening_socket() -> socket.socket:
    # asyncio sets TCP_NODELAY only where it sees proto=IPPROTO_TCP; without it each answer takes 48 ms (measured).
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.bind((_LOOPBACK, 0))
    sock.listen()
    return sock

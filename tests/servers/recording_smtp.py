"""An SMTP server on loopback that keeps what it takes and answers as the test says."""

import asyncio
import ssl
from collections import defaultdict, deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.servers.ground import LoopThread, settle
from triage.mailroom.login import Password, Security, Server

CUT = "cut"  # close the connection without an answer
HANG = "hang"  # never answer
_COMMANDS = ("MAIL", "RCPT", "DATA", "CONTENT", "RSET", "NOOP")


@dataclass(frozen=True)
class Received:
    """An email that the server took."""

    mail_from: str  # "" for the null reverse-path
    rcpts: tuple[str, ...]
    raw: bytes  # dots undone


class RecordingSmtp:
    """``start()`` and ``stop()``, or a with-block.

    ``answer("RCPT", "450 4.2.0 later")`` makes the next RCPT fail so; a code, ``CUT`` or ``HANG``, once or
    ``times`` times, for MAIL, RCPT, DATA (before the content), CONTENT (after the final dot; CUT and HANG take the
    email, the answer is lost), RSET and NOOP.
    """

    host = "127.0.0.1"

    def __init__(
        self,
        *,
        user: str = "",
        password: str = "",
        tls: ssl.SSLContext | None = None,
        starttls: ssl.SSLContext | None = None,
        smtputf8: bool = True,
        banner: str = "",
    ) -> None:
        """``user``: MAIL needs a login. ``banner``: greet with these words instead of 220 and hang up."""
        self.received: list[Received] = []
        self.connections = 0  # opened so far
        self.logins: list[str] = []  # users that logged in, in order
        self.port = 0
        self.credentials = (user, password)
        self.smtputf8 = smtputf8
        self.starttls = starttls
        self.banner = banner
        self.open: set[asyncio.Transport] = set()
        self._tls = tls
        self._answers: dict[str, deque[str]] = defaultdict(deque)

    def answer(self, command: str, reply: str, *, times: int = 1) -> None:
        if command not in _COMMANDS:
            raise ValueError(f"RecordingSmtp has no answers for {command!r}; it has them for {_COMMANDS}.")
        self._answers[command].extend([reply] * times)

    def next_answer(self, command: str) -> str | None:
        waiting = self._answers[command]
        return waiting.popleft() if waiting else None

    def server(self, login: Password | None = None, *, security: str = "plain", ca_file: Path | None = None) -> Server:
        """How a client reaches it."""
        return Server(self.host, self.port, Security(security), login, ca_file=ca_file)

    def drop_connections(self) -> None:
        """Close every connection, as servers do with one that rests too long."""
        self._thread.run(self._drop_connections())

    def start(self) -> None:
        self._thread = LoopThread("recording-smtp")
        self._server = self._thread.run(self._listen())
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        self._thread.run(self._close())
        self._thread.stop()

    def __enter__(self) -> "RecordingSmtp":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def _listen(self) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        return await loop.create_server(lambda: _Connection(self), self.host, 0, ssl=self._tls)

    async def _drop_connections(self) -> None:
        for transport in list(self.open):
            transport.abort()
        await asyncio.sleep(0)

    async def _close(self) -> None:
        await settle()
        self._server.close()
        await self._drop_connections()


class _Handler:
    """What happens after the final dot."""

    def __init__(self, server: RecordingSmtp) -> None:
        self._record = server

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        reply = self._record.next_answer("CONTENT") or f"250 2.0.0 Ok: queued as {len(self._record.received) + 1}"
        if reply in (CUT, HANG) or reply.startswith("2"):
            sender = "" if envelope.mail_from == "<>" else envelope.mail_from or ""
            self._record.received.append(Received(sender, tuple(envelope.rcpt_tos), envelope.original_content or b""))
        await _misbehave(server, reply)
        return reply


async def _misbehave(connection: SMTP, reply: str) -> None:
    """For CUT and HANG: do so; ends with the connection."""
    if reply == CUT and isinstance(connection.transport, asyncio.WriteTransport):
        connection.transport.abort()
    if reply in (CUT, HANG):
        await asyncio.Event().wait()


class _Connection(SMTP):
    """aiosmtpd with the test's answers before its own."""

    line_length_limit = 1_000_000

    def __init__(self, server: RecordingSmtp) -> None:
        super().__init__(
            _Handler(server),
            hostname="recording.test",
            enable_SMTPUTF8=server.smtputf8,
            tls_context=server.starttls,
            auth_require_tls=False,
            authenticator=self._check_login,
            loop=asyncio.get_running_loop(),
        )
        self._record = server

    def connection_made(self, transport: Any) -> None:
        if self._original_transport is None:
            self._record.connections += 1
            self._record.open.add(transport)
        if self._record.banner:
            transport.write(self._record.banner.encode() + b"\r\n")
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._record.open.discard(self._original_transport or self.transport)
        super().connection_lost(error)

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802 - aiosmtpd finds commands by name
        if self._record.credentials[0] and not (self.session and self.session.authenticated):
            await self.push("530 5.7.0 Authentication required")
        elif not await self._answered("MAIL"):
            await super().smtp_MAIL(arg)

    async def smtp_RCPT(self, arg: str | None) -> None:  # noqa: N802
        if not await self._answered("RCPT"):
            await super().smtp_RCPT(arg)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        if not await self._answered("DATA"):
            await super().smtp_DATA(arg)

    async def smtp_RSET(self, arg: str) -> None:  # noqa: N802
        if not await self._answered("RSET"):
            await super().smtp_RSET(arg)

    async def smtp_NOOP(self, arg: str) -> None:  # noqa: N802
        if not await self._answered("NOOP"):
            await super().smtp_NOOP(arg)

    async def _answered(self, command: str) -> bool:
        reply = self._record.next_answer(command)
        if reply is None:
            return False
        await _misbehave(self, reply)
        await self.push(reply)
        if reply.startswith("421") and isinstance(self.transport, asyncio.WriteTransport):
            self.transport.close()
        return True

    def _check_login(self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, data: Any) -> AuthResult:
        user, password = self._record.credentials
        right = isinstance(data, LoginPassword) and data == (user.encode(), password.encode())
        if right:
            self._record.logins.append(user)
        return AuthResult(success=right, handled=False)

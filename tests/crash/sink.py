"""An SMTP server that keeps what it takes and when, and misbehaves by a plan."""

import asyncio
import email
import email.policy
import hashlib
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from email.utils import getaddresses
from enum import StrEnum
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.servers.ground import LoopThread, settle


class Mishap(StrEnum):
    """What happens to one attempt to deliver."""

    DEFERRED = "450 at RCPT"
    DEFERRED_LATE = "451 after the final dot"
    REFUSED = "550 at RCPT"
    REFUSED_LATE = "554 after the final dot"
    CLOSING = "421 at RCPT, connection closed"
    CUT_EARLY = "connection dropped at RCPT"
    CUT_LATE = "taken, connection dropped after the final dot"
    SILENT = "taken, never answered"
    SLOW = "taken, answered late"

    @property
    def withholds(self) -> bool:
        """The server has the email, and the client cannot know."""
        return self in (Mishap.CUT_LATE, Mishap.SILENT)


SHARES = {
    Mishap.DEFERRED: 0.04,
    Mishap.DEFERRED_LATE: 0.03,
    Mishap.REFUSED: 0.02,
    Mishap.REFUSED_LATE: 0.01,
    Mishap.CLOSING: 0.01,
    Mishap.CUT_EARLY: 0.02,
    Mishap.CUT_LATE: 0.04,
    Mishap.SILENT: 0.005,
    Mishap.SLOW: 0.03,
}
SLOW_S = 0.2


@dataclass(frozen=True)
class Plan:
    """The same seed, recipient and attempt meet the same mishap, in whatever order they come."""

    seed: int
    shares: tuple[tuple[Mishap, float], ...] = tuple(SHARES.items())

    def at(self, recipient: str, attempt: int) -> Mishap | None:
        chance = random.Random(f"{self.seed} {recipient} {attempt}").random()
        for mishap, share in self.shares:
            chance -= share
            if chance < 0:
                return mishap
        return None


@dataclass(frozen=True)
class Taken:
    """An email that the server took."""

    at: datetime
    recipient: str
    message_id: str
    customer: str  # whose email it is about: the recipient, or the first address of Reply-To
    digest: str  # of its bytes
    withheld: bool  # the server took it and never said so


class Sink:
    """A with-block. ``file_copy`` puts the bytes of each email into Sent, as the servers of large providers do."""

    host = "127.0.0.1"

    def __init__(self, plan: Plan, file_copy: Callable[[bytes], object] | None = None) -> None:
        self.taken: list[Taken] = []
        self.met: Counter[str] = Counter()  # mishaps, by what they are
        self.port = 0
        self.open: set[asyncio.Transport] = set()
        self.plan = plan
        self.file_copy = file_copy
        self.attempts: Counter[str] = Counter()  # by recipient

    def __enter__(self) -> "Sink":
        self._thread = LoopThread("sink")
        self._server = self._thread.run(self._listen())
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.run(self._close())
        self._thread.stop()

    async def _listen(self) -> asyncio.Server:
        return await asyncio.get_running_loop().create_server(lambda: _Connection(self), self.host, 0)

    async def _close(self) -> None:
        await settle()
        self._server.close()
        for transport in list(self.open):
            transport.abort()
        await asyncio.sleep(0)


class _Handler:
    """One connection's emails. The names of its methods are aiosmtpd's."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._mishap: Mishap | None = None

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        sink = self._sink
        sink.attempts[address] += 1
        self._mishap = sink.plan.at(address, sink.attempts[address])
        if self._mishap:
            sink.met[self._mishap] += 1
        match self._mishap:
            case Mishap.DEFERRED:
                return "450 4.2.0 greylisted, try again"
            case Mishap.REFUSED:
                return "550 5.1.1 no such user"
            case Mishap.CLOSING:
                await server.push("421 4.3.2 closing")
                await _hang_up(server)
            case Mishap.CUT_EARLY:
                await _hang_up(server)
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self._mishap is Mishap.DEFERRED_LATE:
            return "451 4.3.0 try again"
        if self._mishap is Mishap.REFUSED_LATE:
            return "554 5.7.1 refused"
        raw = envelope.original_content or b""
        self._sink.taken.append(_taken(envelope.rcpt_tos[0], raw, self._mishap))
        if self._sink.file_copy:
            await asyncio.to_thread(self._sink.file_copy, raw)  # goes on where the client dies meanwhile
        if self._mishap is Mishap.CUT_LATE:
            await _hang_up(server)
        if self._mishap is Mishap.SILENT:
            await asyncio.Event().wait()
        if self._mishap is Mishap.SLOW:
            await asyncio.sleep(SLOW_S)
        return "250 2.0.0 Ok: queued"


class _Connection(SMTP):
    """aiosmtpd's, which tells which connections are open."""

    def __init__(self, sink: Sink) -> None:
        super().__init__(_Handler(sink), hostname="sink.test", enable_SMTPUTF8=True, loop=asyncio.get_running_loop())
        self._sink = sink

    def connection_made(self, transport: Any) -> None:
        self._sink.open.add(transport)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._sink.open.discard(self.transport)
        super().connection_lost(error)


async def _hang_up(connection: SMTP) -> None:
    """Ends with the connection, which cancels whoever waits here."""
    if isinstance(connection.transport, asyncio.WriteTransport):
        connection.transport.close()
    await asyncio.Event().wait()


def _taken(recipient: str, raw: bytes, mishap: Mishap | None) -> Taken:
    at = datetime.now(UTC)
    mail = email.message_from_bytes(raw, policy=email.policy.compat32)
    return Taken(
        at=at,
        recipient=recipient,
        message_id=str(mail["Message-ID"]),
        customer=_customer(mail, recipient),
        digest=hashlib.sha256(raw).hexdigest(),
        withheld=bool(mishap and mishap.withholds),
    )


def _customer(mail: Message, recipient: str) -> str:
    asked_to_reply_to = getaddresses([str(mail.get("Reply-To", ""))])
    return asked_to_reply_to[0][1] if asked_to_reply_to and asked_to_reply_to[0][1] else recipient

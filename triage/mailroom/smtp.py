"""Sending over SMTP (RFC 5321): one recipient per email, one connection that is kept, answers taken literally."""

import asyncio
import re
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from email.utils import parseaddr

from aiosmtplib import SMTP, SMTPAuthenticationError, SMTPException, SMTPHeloError, SMTPResponseException

from triage.mailroom.login import Security, Server, connection_error, login_error, printable
from triage.mailroom.ports import Delivery, MailError, Outcome, Outgoing

_PROBE_S = 5.0
_QUIT_S = 2.0
_LINE_ENDS = re.compile(rb"\r\n|\r|\n")
_ADDRESS = re.compile(r"""(?:[^\s<>()\[\]\\,;:"@]+|"(?:[^"\\]|\\.)+")@[^\s<>()\\,;:"@]+""")
_GO_AHEAD = 354
_AFTER_CONTENT = {2: Outcome.ACCEPTED, 4: Outcome.DEFERRED, 5: Outcome.REFUSED}  # by the code's first digit
_LOGIN_WANTED = 530  # to any command (RFC 4954 section 6)
_CLOSING = 421  # to any command: the server goes away (RFC 5321 section 3.8)


class SmtpSender:
    """``ports.Sender`` over SMTP. Belongs to the thread that uses it.

    One attempt takes ``attempt_timeout_s`` at most, a new connection included. ``send()`` makes them one after the
    other. Connects on first use; after anything but a clean answer the connection is dropped, since it may be out of
    step, and the next attempt connects anew.
    """

    def __init__(self, server: Server, *, attempt_timeout_s: float = 60.0, probe_after_s: float = 10.0) -> None:
        """``probe_after_s``: a connection that rested longer is asked with NOOP before it is used."""
        self._server = server
        self._attempt_timeout_s = attempt_timeout_s
        self._probe_after_s = probe_after_s
        self._runner: asyncio.Runner | None = None
        self._client: SMTP | None = None  # set while it is logged in and in step
        self._used_at = 0.0  # time.monotonic() of its last answer

    def send(self, messages: Sequence[Outgoing]) -> list[Delivery]:
        if not messages:
            return []
        if self._runner is None:
            self._runner = asyncio.Runner()
        return self._runner.run(self._send(messages))

    def close(self) -> None:
        runner, self._runner = self._runner, None
        if runner is not None:
            runner.run(self._quit())
            runner.close()

    async def _send(self, messages: Sequence[Outgoing]) -> list[Delivery]:
        deliveries: list[Delivery] = []
        try:
            for message in messages:
                deliveries.append(await self._attempt(message))
        except MailError as error:
            if not deliveries:
                raise
            # Earlier results must not get lost; the rest would only wait for the same failure.
            left = len(messages) - len(deliveries)
            return deliveries + [Delivery(Outcome.DEFERRED, str(error))] * left
        except BaseException:
            await self._drop()  # interrupted in the middle of something
            raise
        return deliveries

    async def _attempt(self, message: Outgoing) -> Delivery:
        problem = _address_problem(message.recipient) or (
            _address_problem(message.envelope_sender) if message.envelope_sender else ""
        )
        if problem:
            return Delivery(Outcome.REFUSED, problem)
        until = asyncio.get_running_loop().time() + self._attempt_timeout_s
        return await self._announce(message, until) or await self._hand_over(message, until)

    async def _announce(self, message: Outgoing, until: float) -> Delivery | None:
        """The envelope. None: the server waits for the content; until then nothing is handed over."""
        try:
            async with asyncio.timeout_at(until):
                return await self._envelope(message)
        except SMTPResponseException as error:
            await self._tidy(error.code, until)
            if error.code == _LOGIN_WANTED:  # no fault of this email
                raise login_error(self._server, printable(f"530 {error.message}"), permanent=True) from error
            outcome = Outcome.REFUSED if 500 <= error.code < 600 else Outcome.DEFERRED
            return Delivery(outcome, printable(f"{error.code} {error.message}"))
        except (SMTPException, OSError) as error:
            connecting = self._client is None
            await self._drop()
            if connecting:  # only the time-out comes here: _connect() explains all else
                raise connection_error(self._server, TimeoutError()) from error
            return Delivery(Outcome.DEFERRED, f"{_what_broke(self._server, error)} Nothing was handed over.")

    async def _envelope(self, message: Outgoing) -> Delivery | None:
        """A kept connection that turns out to be gone is replaced, once."""
        if self._client is not None and await self._is_alive(self._client):
            try:
                return await _envelope(self._client, message)
            except SMTPResponseException as error:
                if error.code != _CLOSING:
                    raise
            except ConnectionError:
                pass
        await self._drop()
        self._client = await self._connect()
        return await _envelope(self._client, message)

    async def _hand_over(self, message: Outgoing, until: float) -> Delivery:
        """The content. From here on a lost answer means that the server may have taken it (RFC 1047)."""
        try:
            async with asyncio.timeout_at(until):
                code, words = await _send_content(self._client, message.raw)
        except (SMTPException, OSError) as error:
            await self._drop()
            broke = _what_broke(self._server, error)
            return Delivery(Outcome.UNKNOWN, f"{broke} The email was handed over, but not acknowledged.")
        self._used_at = time.monotonic()
        outcome = _AFTER_CONTENT.get(code // 100, Outcome.UNKNOWN)
        if outcome is not Outcome.ACCEPTED:
            await self._tidy(code, until)
        return Delivery(outcome, printable(f"{code} {words}"))

    async def _tidy(self, code: int, until: float) -> None:
        """After a refusal: end the transaction, or the connection where it is in doubt."""
        clean = 400 <= code < 600 and code != _CLOSING
        if clean and self._client is not None:
            with suppress(SMTPException, OSError):
                async with asyncio.timeout_at(until):
                    await self._client.rset()
                    self._used_at = time.monotonic()
                    return
        await self._drop()

    async def _is_alive(self, client: SMTP) -> bool:
        """Whether a kept connection can be used. The loop stood still meanwhile: let it see what came, first."""
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if client.is_connected and time.monotonic() - self._used_at > self._probe_after_s:
            with suppress(SMTPException, OSError):
                await client.noop(timeout=_PROBE_S)
                return True
            return False
        return client.is_connected

    async def _connect(self) -> SMTP:
        """A connection that is logged in. Raises MailError."""
        server = self._server
        client = _Client(
            hostname=server.host,
            port=server.port,
            use_tls=server.security is Security.TLS,
            start_tls=server.security is Security.STARTTLS,
            tls_context=None if server.security is Security.PLAIN else server.tls_context(),
            local_hostname=_own_name(),
            timeout=server.timeout_s,
        )
        try:
            async with asyncio.timeout(server.connect_timeout_s):
                await client.connect()
                await _greet(client)
                if server.login is not None:
                    await server.login.smtp(client)
        except BaseException as error:
            await _close(client)
            if isinstance(error, Exception):
                raise _connect_error(server, error) from error
            raise
        self._used_at = time.monotonic()
        return client

    async def _quit(self) -> None:
        if self._client is not None:
            with suppress(SMTPException, OSError):
                await self._client.quit(timeout=_QUIT_S)
        await self._drop()

    async def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await _close(client)


class _Client(SMTP):
    """aiosmtplib's client, which here closes at once: a TLS goodbye would need the loop when send() is long over."""

    def close(self) -> None:
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()
        super().close()


async def _close(client: SMTP) -> None:
    client.close()
    await asyncio.sleep(0)  # the loop closes the socket in its next round


async def _greet(client: SMTP) -> None:
    try:
        await client.ehlo()
    except SMTPHeloError:
        await client.helo()


async def _envelope(client: SMTP, message: Outgoing) -> Delivery | None:
    """MAIL, RCPT and DATA up to the server's go-ahead. Its refusals come as SMTPResponseException."""
    international = not (message.envelope_sender + message.recipient).isascii()
    if international and not client.supports_extension("smtputf8"):
        return Delivery(
            Outcome.REFUSED,
            f"The address {message.recipient} needs SMTPUTF8 (RFC 6531), which {client.hostname} does not offer. "
            "Write to the customer by other means.",
        )
    encoding = "utf-8" if international else "ascii"
    await client.mail(message.envelope_sender, options=_mail_options(client, message, international), encoding=encoding)
    await client.rcpt(message.recipient, encoding=encoding)
    answer = await client.execute_command(b"DATA")
    if answer.code != _GO_AHEAD:
        raise SMTPResponseException(answer.code, answer.message)
    return None


def _mail_options(client: SMTP, message: Outgoing, international: bool) -> list[str]:
    options = ["SMTPUTF8"] if international else []
    if client.supports_extension("size"):
        options.append(f"SIZE={len(message.raw)}")  # too large is refused before it is sent (RFC 1870)
    if client.supports_extension("8bitmime") and not message.raw.isascii():
        options.append("BODY=8BITMIME")
    return options


async def _send_content(client: SMTP | None, raw: bytes) -> tuple[int, str]:
    """Send the email and its final dot; gives the server's answer.

    Not SMTP.data(): that does not tell a connection lost before the go-ahead from one lost after the content.
    """
    protocol = client.protocol if client is not None else None
    if client is None or protocol is None:
        raise ConnectionResetError("connection lost after the go-ahead")
    protocol.write(on_the_wire(raw))
    answer = await protocol.read_response(timeout=client.timeout)
    return answer.code, answer.message


def on_the_wire(raw: bytes) -> bytes:
    """Line ends CRLF, dots doubled, final dot (RFC 5321 sections 2.3.8 and 4.5.2)."""
    content = _LINE_ENDS.sub(b"\r\n", raw)
    if not content.endswith(b"\r\n"):
        content += b"\r\n"
    return (b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n"


def _address_problem(address: str) -> str:
    """Why an address cannot be put into a command; empty where it can."""
    # aiosmtplib sends what parseaddr() makes of an address: only one that stays as it is arrives where we mean.
    if _ADDRESS.fullmatch(address) and address.isprintable() and parseaddr(address)[1] == address:
        return ""
    return f"{printable(address)!r} is no address that email can be sent to. One is name@domain, without blanks."


def _what_broke(server: Server, error: Exception) -> str:
    return str(_connect_error(server, error))


def _connect_error(server: Server, error: Exception) -> MailError:
    """The sentence for what aiosmtplib, asyncio or ssl raised."""
    match error:
        case SMTPAuthenticationError():
            return login_error(server, printable(f"{error.code} {error.message}"), permanent=error.code >= 500)
        case SMTPResponseException():
            return MailError(f"{server.name} turned us away: {printable(f'{error.code} {error.message}')}")
        case SMTPException() if isinstance(error.__cause__, Exception):
            return _connect_error(server, error.__cause__)  # the library wraps what asyncio and ssl raised
        case OSError():
            return connection_error(server, error)
        case SMTPException():  # STARTTLS or AUTH is not offered
            return MailError(f"{server.name} cannot be used: {printable(str(error))}", permanent=True)
        case _:
            return MailError(f"{server.name} gave an answer that cannot be understood ({type(error).__name__}).")


def _own_name() -> str:
    """For EHLO: a full name, else an address literal (RFC 5321 section 4.1.4). No DNS: that can take long."""
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "[127.0.0.1]"

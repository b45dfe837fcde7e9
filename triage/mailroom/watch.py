"""IMAP IDLE (RFC 2177) on a connection of its own, as a hint that the inbox may have changed.

imapclient logs in and then hands its socket over: its own ``idle_check`` spins when the server closes
(mjs/imapclient#565), misses what came together with the server's "+", and fails on a line in two segments (measured).
"""

import math
import re
import select
import socket
import ssl
import time
from contextlib import suppress

from imapclient.imap_utf7 import encode as encode_utf7

from triage.mailroom.imap import connect, hang_up
from triage.mailroom.login import Server, connection_error, printable
from triage.mailroom.ports import MailError

_RENEW_S = 540.0  # RFC 2177 says within 29 minutes; many servers and NAT tables forget sooner
_LONGEST_PAUSE_S = 60.0  # between two attempts to connect; the first pause is 1 s, each next one doubles
_MOST_FAILURES = 6
_HOPELESS_PAUSE_S = 600.0  # where a person has to act: a wrong password too often locks the account
_STEADY_S = 60.0  # a connection that lasted so long resets the pauses
_LONGEST_LINE = 65536  # bytes; more without a line end is no IMAP
_EXISTS = re.compile(rb"\* \d+ EXISTS\s*$", re.IGNORECASE)
_BYE = re.compile(rb"\* BYE\b", re.IGNORECASE)


class Watcher:
    """Waits for changes of the inbox. Belongs to one thread; only ``interrupt()`` may be called from others.

    It is a hint and no more: what it misses, polling finds. So it raises nothing; ``problem`` says what is wrong with
    it, "" where nothing is.
    """

    def __init__(self, server: Server, inbox: str = "INBOX", *, renew_s: float = _RENEW_S) -> None:
        self.problem = ""
        self._server = server
        self._inbox = inbox
        self._renew_s = renew_s
        self._idle: _Idle | None = None
        self._connect_at = 0.0  # time.monotonic() before which no attempt is made
        self._failures = 0  # in a row
        self._stopped = False
        self._wake, self._woken = socket.socketpair()

    def wait(self, timeout_s: float) -> bool:
        """True as soon as the inbox may have changed, False after ``timeout_s`` or an interrupt.

        True also after every connection: what came before it would go unnoticed. Failing servers cannot make it
        return faster than the pauses between attempts allow.
        """
        until = time.monotonic() + timeout_s
        while not self._stopped and time.monotonic() < until:
            try:
                if self._idle is not None:
                    if self._idle.changed(until):
                        self._failures = 0
                        return True
                elif time.monotonic() >= self._connect_at:
                    self._idle = _Idle(self._server, self._inbox, self._renew_s, self._woken)
                    self.problem = ""
                    return True
                else:
                    _sleep(min(until, self._connect_at), self._woken)
            except MailError as error:
                self._lost(error)
        return False

    def interrupt(self) -> None:
        """End the wait of another thread, and every later one."""
        self._stopped = True
        with suppress(OSError):  # closed meanwhile
            self._wake.send(b"!")

    def close(self) -> None:
        """Close the connection. A later ``wait()`` is at an end at once."""
        self._stopped = True
        if self._idle is not None:
            self._idle.close()
            self._idle = None
        self._wake.close()
        self._woken.close()

    def _lost(self, error: MailError) -> None:
        if self._idle is not None:
            if self._idle.lasted_s() > _STEADY_S:
                self._failures = 0
            self._idle.close()
            self._idle = None
        self.problem = str(error)
        pause = _HOPELESS_PAUSE_S if error.permanent else min(_LONGEST_PAUSE_S, 2.0**self._failures)
        self._failures = min(self._failures + 1, _MOST_FAILURES)
        self._connect_at = time.monotonic() + pause


class _Idle:
    """A connection in IDLE. Raises MailError; is to be closed then."""

    def __init__(self, server: Server, inbox: str, renew_s: float, woken: socket.socket) -> None:
        self._server = server
        self._renew_s = renew_s
        self._woken = woken  # readable as soon as somebody wants the waiting to end
        self._client = connect(server)
        self._sock: socket.socket = self._client.socket()
        self._sock.setblocking(False)
        self._unread = b""
        self._changed = False
        self._commands = 0
        self._tag = b""  # of the last command
        self._began = time.monotonic()
        self._renew_at = 0.0
        try:
            self._begin(inbox)
        except MailError:
            self.close()
            raise

    def changed(self, until: float) -> bool:
        """Wait for a change; False at ``until`` (time.monotonic()) or when woken."""
        while not self._changed:
            line = self._line(min(until, self._renew_at))
            if line is not None and line.startswith(self._tag):
                raise MailError(f"{self._server.name} ended IDLE by itself: {_words(line)}")
            if line is not None:
                self._note(line)
            elif time.monotonic() >= self._renew_at:
                self._renew()
            else:
                return False
        self._drain()
        return True

    def lasted_s(self) -> float:
        return time.monotonic() - self._began

    def close(self) -> None:
        hang_up(self._client)

    def _begin(self, inbox: str) -> None:
        if not self._client.has_capability("IDLE"):
            raise MailError(f"{self._server.name} offers no IDLE: new emails are found by polling.", permanent=True)
        self._send_command(b"EXAMINE " + _quoted(inbox))
        self._finish_command()
        self._start_idle()
        self._changed = False  # EXAMINE itself tells how many emails EXIST

    def _start_idle(self) -> None:
        self._send_command(b"IDLE")
        while not (line := self._answer()).startswith(b"+"):  # changes may be told before it
            self._note(line)
            if line.startswith(self._tag):
                raise MailError(f"{self._server.name} refused IDLE: {_words(line)}")
        self._renew_at = time.monotonic() + self._renew_s

    def _renew(self) -> None:
        self._send(b"DONE\r\n")
        self._finish_command()
        self._start_idle()

    def _drain(self) -> None:
        """Take what else has come: one wake-up is enough for all of it."""
        with suppress(MailError):  # the next wait will meet it again
            while (line := self._line(0.0)) is not None:
                self._note(line)
        self._changed = False

    def _note(self, line: bytes) -> None:
        if _BYE.match(line):
            raise MailError(f"{self._server.name} ended the connection: {_words(line)}")
        if _EXISTS.match(line):
            self._changed = True

    def _send_command(self, command: bytes) -> None:
        self._commands += 1
        self._tag = b"w%d " % self._commands
        self._send(self._tag + command + b"\r\n")

    def _finish_command(self) -> None:
        while not (line := self._answer()).startswith(self._tag):
            self._note(line)
        if not line.startswith(self._tag + b"OK"):
            raise MailError(f"{self._server.name} refused to watch the inbox: {_words(line)}")

    def _answer(self) -> bytes:
        """The next line of an answer that is due."""
        line = self._line(time.monotonic() + self._server.timeout_s)
        if line is None:
            raise connection_error(self._server, TimeoutError())
        return line

    def _line(self, until: float) -> bytes | None:
        """The next line without its end; None at ``until`` or when woken."""
        while b"\n" not in self._unread:
            # Read first: what TLS has deciphered already, poll() does not see.
            if not self._receive() and not _readable(self._sock, until, self._woken):
                return None
        line, _, self._unread = self._unread.partition(b"\n")
        return line.rstrip(b"\r")

    def _receive(self) -> bool:
        """Take what is there, without waiting; False where there is nothing."""
        try:
            data = self._sock.recv(_LONGEST_LINE)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        except OSError as error:
            raise connection_error(self._server, error) from error
        if not data or len(self._unread) > _LONGEST_LINE:
            raise MailError(f"{self._server.name} closed the connection that waits for new emails.")
        self._unread += data
        return True

    def _send(self, data: bytes) -> None:
        try:
            self._sock.settimeout(self._server.timeout_s)
            self._sock.sendall(data)
            self._sock.setblocking(False)
        except OSError as error:
            raise connection_error(self._server, error) from error


def _readable(sock: socket.socket, until: float, woken: socket.socket) -> bool:
    """Wait until there is something to read; False at ``until`` or when woken."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    poll.register(woken, select.POLLIN)
    ready = {descriptor for descriptor, _ in poll.poll(_milliseconds(until))}
    return bool(ready) and woken.fileno() not in ready


def _sleep(until: float, woken: socket.socket) -> None:
    poll = select.poll()
    poll.register(woken, select.POLLIN)
    poll.poll(_milliseconds(until))


def _milliseconds(until: float) -> int:
    return max(0, math.ceil((until - time.monotonic()) * 1000))


def _quoted(folder: str) -> bytes:
    encoded: bytes = encode_utf7(folder)
    return b'"' + encoded.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def _words(line: bytes) -> str:
    return printable(line.decode("utf-8", "replace"))

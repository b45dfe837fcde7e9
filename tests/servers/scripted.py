"""A server that follows a script: for what no real server does on demand."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from triage.mailroom.login import Password, Security, Server


class Conversation:
    """One connection, seen from the server."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._file = sock.makefile("rb")

    def send(self, data: bytes) -> None:
        self._sock.sendall(data)

    def line(self) -> bytes:
        """The client's next line without its end; b"" where it has gone."""
        return self._file.readline().rstrip(b"\r\n")

    def tagged(self, command: bytes) -> bytes:
        """Read the client's next line, which has to be this command; gives its tag."""
        line = self.line()
        tag, _, rest = line.partition(b" ")
        if not rest.upper().startswith(command):
            raise AssertionError(f"The script expected {command!r} and the client said {line!r}.")
        return tag

    def answer(self, command: bytes, untagged: bytes = b"", words: bytes = b"OK done") -> None:
        """Wait for a command and answer it."""
        tag = self.tagged(command)
        self.send(untagged + tag + b" " + words + b"\r\n")

    def wait_for_the_end(self) -> None:
        """Read on until the client closes; a LOGOUT is answered."""
        while line := self.line():
            tag, _, command = line.partition(b" ")
            if command == b"LOGOUT":
                self.send(b"* BYE\r\n" + tag + b" OK bye\r\n")

    def close(self) -> None:
        self._file.close()
        self._sock.close()


class ScriptedServer:
    """Runs ``script`` for each connection, in a thread. A with-block, which raises what a script asserted in vain."""

    host = "127.0.0.1"

    def __init__(self, script: Callable[[Conversation], None]) -> None:
        self.connections = 0
        self._script = script
        self._listening = socket.create_server((self.host, 0))
        self.port: int = self._listening.getsockname()[1]
        self._errors: list[AssertionError] = []
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def server(self, *, timeout_s: float = 5.0) -> Server:
        """How a client reaches it."""
        login = Password("somebody", "secret")
        return Server(self.host, self.port, Security.PLAIN, login, connect_timeout_s=timeout_s, timeout_s=timeout_s)

    def __enter__(self) -> "ScriptedServer":
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._accepting.join(timeout=10)
        for sock in self._open:
            _shut(sock)
        for thread in self._threads:
            thread.join(timeout=10)
        if self._errors:
            raise self._errors[0]

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listening.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            self._open.append(sock)
            thread = threading.Thread(target=self._follow, args=(sock,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _follow(self, sock: socket.socket) -> None:
        conversation = Conversation(sock)
        try:
            self._script(conversation)
        except OSError:
            pass  # the client went away, or the test is over
        except AssertionError as error:
            self._errors.append(error)
        finally:
            conversation.close()


def _shut(sock: socket.socket) -> None:
    with suppress(OSError):  # closed already
        sock.shutdown(socket.SHUT_RDWR)


def let_in(conversation: Conversation, capabilities: bytes = b"IMAP4rev1 IDLE MOVE UIDPLUS") -> None:
    """The beginning of every IMAP session of ours: greeting, capabilities, login, capabilities."""
    listing = b"* CAPABILITY " + capabilities + b"\r\n"
    conversation.send(b"* OK ready\r\n")
    conversation.answer(b"CAPABILITY", listing)
    conversation.answer(b"LOGIN")
    conversation.answer(b"CAPABILITY", listing)

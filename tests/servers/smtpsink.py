"""Postfix's smtp-sink on loopback: takes everything, keeps nothing, and is fast."""

import socket
import subprocess

from tests.servers.ground import SEARCH_PATH, free_port, require, unprivileged, wait_until


class SmtpSink:
    """``start()`` and ``stop()``, or a with-block. Needs Debian's postfix."""

    host = "127.0.0.1"

    def __init__(self, *options: str) -> None:
        """``options``: of smtp-sink(1), for example "-r", "RCPT" to answer every RCPT with 450."""
        self.port = free_port()
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        binary = require("smtp-sink", "postfix")
        command = [binary, *self._options, f"{self.host}:{self.port}", "100"]
        self._process = subprocess.Popen(unprivileged(command), env={"PATH": SEARCH_PATH})
        wait_until(self._listens, f"smtp-sink listens on port {self.port}")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=15)
            self._process = None

    def __enter__(self) -> "SmtpSink":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _listens(self) -> bool:
        try:
            socket.create_connection((self.host, self.port), timeout=5).close()
        except OSError:
            return False
        return True

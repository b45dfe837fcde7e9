"""What every test server stands on: free ports, an unprivileged account, a certificate, waiting with a deadline."""

import asyncio
import os
import pwd
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

SEARCH_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on right now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def require(command: str, package: str) -> str:
    """Path of a command; a missing one is an error that says what to install, never a skip."""
    path = shutil.which(command, path=SEARCH_PATH)
    if path is None:
        raise RuntimeError(f"These tests need the command {command}, which is missing: apt-get install {package}")
    return path


def account() -> pwd.struct_passwd:
    """Whom servers run as: nobody where we are root, else ourselves."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


def unprivileged(command: list[str]) -> list[str]:
    """The command line that runs ``command`` as ``account()``."""
    if os.geteuid() != 0:
        return command
    who = account()
    return ["setpriv", f"--reuid={who.pw_uid}", f"--regid={who.pw_gid}", "--clear-groups", *command]


def make_certificate(folder: Path) -> None:
    """Write cert.pem, self-signed for 127.0.0.1 and localhost (its own CA), and key.pem."""
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    command = [require("openssl", "openssl"), "req", *kind, *subject, *files]
    subprocess.run(command, check=True, capture_output=True)


def wait_until(condition: Callable[[], object], what: str, *, seconds: float = 20) -> None:
    """Poll until the condition holds; fails with a sentence at the deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"Waited {seconds} s in vain until {what}.")
        time.sleep(0.005)


class LoopThread:
    """An asyncio loop in a thread of its own, for servers that must answer while the test waits."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run to its end in the loop; gives its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout=10)

    def stop(self) -> None:
        """Cancel what runs, then end loop and thread."""
        self.run(_cancel_others())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(timeout=10)
        self.loop.close()


async def settle() -> None:
    """Let connections that were accepted just now get their transports: a closed server would lose their sockets."""
    for _ in range(3):
        await asyncio.sleep(0)


async def _cancel_others() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.sleep(0)  # closed transports let go of their sockets in the next round

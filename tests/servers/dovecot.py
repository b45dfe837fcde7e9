"""A real Dovecot on loopback: unprivileged, in a folder of its own, every user with the same password."""

import grp
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from io import BufferedRWPair
from pathlib import Path

from tests.servers.ground import SEARCH_PATH, account, free_port, make_certificate, require, unprivileged, wait_until
from triage.mailroom.login import Password, Security, Server

PASSWORD = "correct-horse"  # one for all: Dovecot reads a changed passwd-file only after a second
_CONFIG = """
protocols = imap
listen = 127.0.0.1
base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/dovecot.log
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
mail_uid = {uid}
mail_gid = {gid}
first_valid_uid = 1
first_valid_gid = 1
mail_home = {dir}/mail/%u
mail_location = maildir:~/Maildir
mail_fsync = never
mail_max_userip_connections = 100
ssl = yes
ssl_cert = <{dir}/cert.pem
ssl_key = <{dir}/key.pem
disable_plaintext_auth = no
auth_failure_delay = 0
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={dir}/mail/%u allow_all_users=yes
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
  }}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
namespace inbox {{
  inbox = yes
}}
{extra}
"""


class DovecotServer:
    """``start()`` and ``stop()``, or a with-block. Needs Debian's dovecot-imapd."""

    host = "127.0.0.1"

    def __init__(self, extra_config: str = "") -> None:
        """``extra_config``: lines for dovecot.conf; they win over ours."""
        self.port = free_port()  # plain, STARTTLS
        self.tls_port = free_port()
        self._extra_config = extra_config
        self._dir = Path()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def ca_file(self) -> Path:
        """What to trust; the certificate names 127.0.0.1 and localhost."""
        return self._dir / "cert.pem"

    def start(self) -> None:
        binary = require("dovecot", "dovecot-imapd")
        self._dir = Path(tempfile.mkdtemp(prefix="dovecot-"))
        make_certificate(self._dir)
        self._config_file.write_text(self._config())
        for path in [self._dir, *self._dir.iterdir()]:
            shutil.chown(path, account().pw_uid, account().pw_gid)
        command = unprivileged([binary, "-F", "-c", str(self._config_file)])
        self._process = subprocess.Popen(command, env={"PATH": SEARCH_PATH})
        wait_until(self._greets, f"Dovecot answers on port {self.port}")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=15)
            self._process = None
        shutil.rmtree(self._dir, ignore_errors=True)

    def __enter__(self) -> "DovecotServer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def new_user(self) -> tuple[str, str]:
        """Name and password of a user that has no mail yet."""
        return f"user-{secrets.token_hex(6)}", PASSWORD

    def server(
        self, user: str, password: str = PASSWORD, *, security: str = "plain", ca_file: Path | None = None
    ) -> Server:
        """How a client reaches the user's mailbox."""
        port = self.tls_port if security == "tls" else self.port
        return Server(self.host, port, Security(security), Password(user, password), ca_file=ca_file)

    def deliver(
        self, user: str, raw: bytes, *, folder: str = "INBOX", flags: str = "", when: datetime | None = None
    ) -> int:
        """Store an email's exact bytes (imaplib's append would change bare CR and LF); gives its UID."""
        date = f'"{when:%d-%b-%Y %H:%M:%S %z}" ' if when else ""
        with self._session(user) as connection:
            append = f'APPEND "{folder}" ({flags}) {date}{{{len(raw)}+}}\r\n'.encode() + raw
            answer = _command(connection, append)
        found = re.search(rb"APPENDUID \d+ (\d+)", answer)
        if found is None:
            raise AssertionError(f"Dovecot did not take the email: {answer!r}")
        return int(found[1])

    def command(self, user: str, *commands: str) -> str:
        """Run IMAP commands in a session of their own; gives the answers to the last, to look behind the scenes."""
        answer = b""
        with self._session(user) as connection:
            for command in commands:
                answer = _command(connection, command.encode())
        return answer.decode(errors="replace")

    def drop_connections(self, user: str) -> None:
        """End every session of the user, as a restarting server does."""
        self._doveadm("kick", user)

    def renumber(self, user: str) -> None:
        """Give the user's inbox another UIDVALIDITY, as a server does that was restored from a backup."""
        self._doveadm("mailbox", "update", "-u", user, "--uid-validity", str(secrets.randbelow(10**6) + 1), "INBOX")

    def log(self) -> str:
        path = self._dir / "dovecot.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _doveadm(self, *arguments: str) -> None:
        command = [require("doveadm", "dovecot-core"), "-c", str(self._config_file), *arguments]
        subprocess.run(unprivileged(command), check=True, capture_output=True)

    @property
    def _config_file(self) -> Path:
        return self._dir / "dovecot.conf"

    def _config(self) -> str:
        who = account()
        group = grp.getgrgid(who.pw_gid).gr_name
        return _CONFIG.format(
            dir=self._dir,
            user=who.pw_name,
            uid=who.pw_uid,
            gid=who.pw_gid,
            group=group,
            port=self.port,
            tls_port=self.tls_port,
            password=PASSWORD,
            extra=self._extra_config,
        )

    def _greets(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise RuntimeError(f"Dovecot stopped with status {self._process.returncode}: {self.log()}")
        try:
            with socket.create_connection((self.host, self.port), timeout=5) as sock:
                return sock.recv(1) == b"*"
        except OSError:
            return False

    @contextmanager
    def _session(self, user: str) -> Iterator[BufferedRWPair]:
        """A logged-in IMAP connection without a client library's opinions."""
        with socket.create_connection((self.host, self.port), timeout=10) as sock, sock.makefile("rwb") as connection:
            connection.readline()
            _command(connection, f"LOGIN {user} {PASSWORD}".encode())
            yield connection


def _command(connection: BufferedRWPair, command: bytes) -> bytes:
    """Send one command; gives all its answer lines. NO and BAD are failures of the test."""
    connection.write(b"t " + command + b"\r\n")
    connection.flush()
    lines = b""
    while True:
        line = connection.readline()
        lines += line
        if line.startswith(b"t OK"):
            return lines
        if not line or line.startswith(b"t "):
            raise AssertionError(f"Dovecot refused {command[:60]!r}: {lines!r}")

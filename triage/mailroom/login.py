"""Mail servers, and how we log in to them.

A new kind of login is a frozen value with the two methods of ``Login``; tokens are asked for at the moment of the
login, so that a renewed one is used after every reconnection.
"""

import ipaddress
import socket
import ssl
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from aiosmtplib import SMTP
from imapclient import IMAPClient

from triage.mailroom.ports import MailError


class Security(StrEnum):
    """How a connection is protected."""

    TLS = "tls"  # from the first byte: IMAP 993, SMTP 465
    STARTTLS = "starttls"  # IMAP 143, SMTP 587
    PLAIN = "plain"  # not at all: loopback only


class Login(Protocol):
    """Authenticates a connection that is open and protected; raises the library's own errors."""

    @property
    def user(self) -> str:
        """For error messages."""
        ...

    def imap(self, client: IMAPClient) -> None: ...

    async def smtp(self, client: SMTP) -> None: ...


@dataclass(frozen=True, slots=True)
class Password:
    """User and password."""

    user: str
    password: str = field(repr=False)

    def imap(self, client: IMAPClient) -> None:
        # LOGIN cannot carry a password beyond ASCII (imaplib encodes commands so), and some servers disable it.
        if client.has_capability("AUTH=PLAIN"):
            client.plain_login(self.user, self.password)
        else:
            client.login(self.user, self.password)

    async def smtp(self, client: SMTP) -> None:
        await client.login(self.user, self.password)


@dataclass(frozen=True, slots=True)
class Server:
    """An IMAP or SMTP server as one of us uses it."""

    host: str
    port: int
    security: Security = Security.TLS
    login: Login | None = None  # None: SMTP without authentication
    connect_timeout_s: float = 15.0  # TCP, TLS and greeting
    timeout_s: float = 60.0  # longest silence within an answer
    ca_file: Path | None = None  # trust these certificates instead of the system's

    def __post_init__(self) -> None:
        if not _is_host(self.host) or not 0 < self.port < 65536:
            raise ValueError(f"Server {self.name!r}: this is no host and port. One is 'imap.example.com', 993.")
        if self.security is Security.PLAIN and not _is_loopback(self.host):
            raise ValueError(
                f"Server {self.name}: security is 'plain', which would send mail and password in the clear. "
                "Use 'tls' or 'starttls'; 'plain' is for loopback only."
            )

    @property
    def name(self) -> str:
        """For error messages."""
        return f"{self.host}:{self.port}"

    def tls_context(self) -> ssl.SSLContext:
        """Verifies certificate and host name. Read anew each time, so that a renewed CA file counts."""
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:
            raise MailError(
                f"The CA file {self.ca_file} for {self.name} cannot be used: {error.strerror or error}. "
                "It has to be a readable PEM file with certificates.",
                permanent=True,
            ) from error


def connection_error(server: Server, error: OSError) -> MailError:
    """Say what is wrong between us and the server."""
    match error:
        case ssl.SSLCertVerificationError():
            return MailError(
                f"The certificate of {server.name} is not trusted: {error.verify_message.rstrip('.')}. "
                "Correct the host name, or name the file of the CA that signed it.",
                permanent=True,
            )
        case ssl.SSLError():
            sentence = f"{server.name} does not speak TLS ({error.reason}). Is security {server.security} right?"
        case socket.gaierror():
            sentence = f"The name {server.host} is not found. Check the host name and this machine's DNS."
        case TimeoutError():
            sentence = f"{server.name} did not answer in time."
        case ConnectionRefusedError():
            sentence = f"{server.name} refuses connections. Does the server run, and is the port right?"
        case _:
            sentence = f"The connection to {server.name} is lost ({error.strerror or type(error).__name__})."
    return MailError(sentence)


def login_error(server: Server, words: str, *, permanent: bool) -> MailError:
    """Say that the server refused the login, in its ``words``, which are not trusted to keep the password."""
    user = server.login.user if server.login else "nobody (no user is set)"
    if isinstance(server.login, Password):
        words = words.replace(server.login.password, "[password]")
    advice = "Check user and password." if permanent else "Trying again later."
    return MailError(f"{server.name} refused the login of {user}: {words.rstrip('.')}. {advice}", permanent=permanent)


def printable(words: str) -> str:
    """A server's words for one line of a log: no control characters, at most 200 characters."""
    return " ".join("".join(char if char.isprintable() else " " for char in words).split())[:200]


def _is_host(host: str) -> bool:
    try:
        return bool(host.encode("idna")) and not any(char.isspace() for char in host)
    except UnicodeError:
        return False


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

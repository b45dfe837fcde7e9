"""Servers and logins as values."""

from dataclasses import FrozenInstanceError

import pytest

from triage.mailroom.login import Password, Security, Server, login_error, printable


def test_a_password_shows_nowhere() -> None:
    server = Server("imap.example.com", 993, Security.TLS, Password("support", "sesame-open"))
    assert "sesame-open" not in f"{server} {server!r} {server.login}"


def test_servers_and_logins_do_not_change() -> None:
    server = Server("imap.example.com", 993)
    with pytest.raises(FrozenInstanceError):
        server.port = 143  # type: ignore[misc]
    assert server == Server("imap.example.com", 993, Security.TLS, None)


@pytest.mark.parametrize("host", ["imap.example.com", "10.0.0.1", "192.168.1.1", "::", "localhost.example.com"])
def test_plain_beyond_loopback_is_impossible(host: str) -> None:
    with pytest.raises(ValueError, match="loopback only"):
        Server(host, 143, Security.PLAIN)


@pytest.mark.parametrize(
    ("host", "port"), [("", 993), ("a..b", 993), ("a b", 993), ("x" * 64, 993), ("h", 0), ("h", 65536)]
)
def test_what_is_no_address_of_a_server_is_impossible(host: str, port: int) -> None:
    with pytest.raises(ValueError, match="no host and port"):
        Server(host, port)


def test_a_servers_words_are_one_short_line() -> None:
    assert printable("a\r\nb\x1b[31m\x00 c\t d") == "a b [31m c d"
    assert len(printable("x" * 1000)) == 200


def test_a_refused_login_names_user_and_server_and_never_the_password() -> None:
    server = Server("imap.example.com", 993, Security.TLS, Password("support", "sesame-open"))
    sentence = str(login_error(server, "NO sesame-open is wrong.", permanent=True))
    assert sentence == (
        "imap.example.com:993 refused the login of support: NO [password] is wrong. Check user and password."
    )

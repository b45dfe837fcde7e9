"""The demo's mail server: one mailbox, everything else recorded, quiet. As a mailbox it is in the mailbox contract."""

import logging
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from triage.mailroom.embedded import EmbeddedServer
from triage.mailroom.imap import ImapMailbox, connect, hang_up
from triage.mailroom.login import Password, Security, Server
from triage.mailroom.ports import Outcome, Outgoing
from triage.mailroom.smtp import SmtpSender

ADDRESS = "support@example.com"
RAW = b"Subject: Invoice\r\n\r\n.Where do I find it?\r\n"


def imap_of(embedded: EmbeddedServer) -> Server:
    return Server(embedded.host, embedded.imap_port, Security.PLAIN, Password(embedded.user, embedded.password))


def mailbox_of(embedded: EmbeddedServer) -> ImapMailbox:
    return ImapMailbox(imap_of(embedded))


def sender_to(embedded: EmbeddedServer) -> SmtpSender:
    return SmtpSender(Server(embedded.host, embedded.smtp_port, Security.PLAIN))


def inbox(embedded: EmbeddedServer) -> list[bytes]:
    mailbox = mailbox_of(embedded)
    raws = [one.raw for one in mailbox.fetch(mailbox.uids(1, 10_000), 10**8)]
    mailbox.close()
    return raws


@pytest.fixture
def embedded() -> Iterator[EmbeddedServer]:
    with EmbeddedServer(ADDRESS) as server:
        yield server


def test_mail_to_the_address_lands_in_the_inbox_with_its_return_path(embedded: EmbeddedServer) -> None:
    sender = sender_to(embedded)
    for recipient in (ADDRESS, "Support@Example.com"):
        assert sender.send([Outgoing("ann@customer.example", recipient, RAW)])[0].outcome is Outcome.ACCEPTED
    assert sender.send([Outgoing("", ADDRESS, RAW)])[0].outcome is Outcome.ACCEPTED
    sender.close()
    by_ann = b"Return-Path: <ann@customer.example>\r\n" + RAW
    assert inbox(embedded) == [by_ann, by_ann, b"Return-Path: <>\r\n" + RAW]
    assert embedded.sent == []


def test_mail_to_anybody_else_is_sent() -> None:
    handed_on: list[Outgoing] = []
    with EmbeddedServer(ADDRESS, on_sent=handed_on.append) as embedded:
        emails = [Outgoing("", "ann@customer.example", RAW), Outgoing(ADDRESS, "billing@example.com", RAW)]
        sender = sender_to(embedded)
        sender.send(emails)
        sender.close()
        assert embedded.sent == handed_on == emails
        assert inbox(embedded) == []


def test_delivering_keeps_the_exact_bytes(embedded: EmbeddedServer) -> None:
    raw = b"Subject: \xfc\r\n\r\nbare \n and \r and \x00\xff"
    embedded.deliver(raw)
    assert inbox(embedded) == [raw]


def test_large_emails_and_long_lines(embedded: EmbeddedServer) -> None:
    raw = b"Subject: large\r\n\r\n" + b"x" * 100_000 + b"\r\n" + b"line\r\n" * 200_000
    sender = sender_to(embedded)
    assert sender.send([Outgoing("ann@customer.example", ADDRESS, raw)])[0].outcome is Outcome.ACCEPTED
    sender.close()
    [received] = inbox(embedded)
    assert received.endswith(raw)


def test_keywords_stay_with_an_email_that_moves(embedded: EmbeddedServer) -> None:
    embedded.deliver(RAW)
    client = connect(imap_of(embedded))
    client.create_folder("Done")
    client.select_folder("INBOX")
    client.add_flags([101], [b"$Handled"])
    client.move([101], "Done")
    client.select_folder("Done")
    assert b"$Handled" in client.get_flags([101])[101]
    hang_up(client, politely=True)


def test_every_server_has_ports_and_credentials_of_its_own() -> None:
    with EmbeddedServer(ADDRESS) as one, EmbeddedServer(ADDRESS) as other:
        assert len({one.imap_port, one.smtp_port, other.imap_port, other.smtp_port}) == 4
        assert one.user != other.user
        assert one.password != other.password
        one.deliver(RAW)
        assert inbox(other) == []


def test_an_answer_does_not_wait_for_nagle(embedded: EmbeddedServer) -> None:
    mailbox = mailbox_of(embedded)
    embedded.deliver(RAW)
    mailbox.status()
    began = time.monotonic()
    for _ in range(50):
        mailbox.uids(1, 1000)
        mailbox.fetch([101], 1000)
    assert time.monotonic() - began < 1.5  # with Nagle's algorithm 50 times 2 times 40 ms
    mailbox.close()


def test_stopping_is_quiet_and_complete_with_clients_in_every_state(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    threads_before = threading.active_count()
    with EmbeddedServer(ADDRESS) as embedded:
        idle = mailbox_of(embedded)
        idle.status()
        sender = sender_to(embedded)
        sender.send([Outgoing("", "ann@customer.example", RAW)])
        silent = [socket.create_connection((embedded.host, port)) for port in (embedded.imap_port, embedded.smtp_port)]
        half = socket.create_connection((embedded.host, embedded.smtp_port))
        half.sendall(b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\nhalf an em")
        gone = socket.create_connection((embedded.host, embedded.imap_port))
        gone.sendall(b"a LOGIN")
        gone.close()
        ports = (embedded.imap_port, embedded.smtp_port)
    for sock in [*silent, half]:
        sock.close()
    idle.close()
    sender.close()
    assert threading.active_count() == threads_before
    assert caplog.records == []
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((embedded.host, port))


def test_outside_of_its_block_it_takes_nothing() -> None:
    with EmbeddedServer(ADDRESS) as embedded:
        pass
    with pytest.raises(RuntimeError, match="with-block"):
        embedded.deliver(RAW)

"""What every mailbox has to do, against a real Dovecot and against the embedded server of the demo."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from imapclient import IMAPClient

from tests.servers.dovecot import DovecotServer
from tests.servers.proxy import FaultProxy
from triage.mailroom.embedded import EmbeddedServer
from triage.mailroom.imap import ImapMailbox, connect, hang_up
from triage.mailroom.login import Password, Security, Server
from triage.mailroom.ports import MailError

EMAIL = b"From: ann@customer.example\r\nSubject: Invoice\r\n\r\nWhere do I find it?\r\n"
LIMIT = 1_000_000


@dataclass
class Place:
    """A mailbox on a server, and a way around our own code into it."""

    server: Server
    deliver: Callable[[bytes], object]
    proxy: FaultProxy  # what ``server`` names; the server itself is behind it

    @contextmanager
    def look(self) -> Iterator[IMAPClient]:
        """Another mail program."""
        client = connect(self.server)
        try:
            yield client
        finally:
            hang_up(client, politely=True)

    def folder(self, name: str) -> list[bytes]:
        """The emails in a folder."""
        with self.look() as client:
            separator = client.list_folders("", "INBOX")[0][1].decode()
            client.select_folder(name.replace("/", separator), readonly=True)
            found = client.fetch(client.search(), ["BODY.PEEK[]"])
        return [answer[b"BODY[]"] for _, answer in sorted(found.items())]

    def flags(self) -> list[tuple[Any, ...]]:
        """The flags of every email in the inbox, but for \\Recent, which belongs to the session."""
        with self.look() as client:
            client.select_folder("INBOX", readonly=True)
            found = client.get_flags(client.search())
        return [tuple(flag for flag in flags if flag != b"\\Recent") for _, flags in sorted(found.items())]


@pytest.fixture(params=["dovecot", "embedded"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    if request.param == "dovecot":
        dovecot: DovecotServer = request.getfixturevalue("dovecot")
        user, _ = dovecot.new_user()
        with FaultProxy(dovecot.port) as proxy:
            server = replace(dovecot.server(user), port=proxy.port, timeout_s=10)
            yield Place(server, lambda raw: dovecot.deliver(user, raw), proxy)
    else:
        with EmbeddedServer("support@example.com") as embedded, FaultProxy(embedded.imap_port) as proxy:
            login = Password(embedded.user, embedded.password)
            yield Place(Server(proxy.host, proxy.port, Security.PLAIN, login, timeout_s=10), embedded.deliver, proxy)


@pytest.fixture
def mailbox(place: Place) -> Iterator[ImapMailbox]:
    mailbox = ImapMailbox(place.server)
    yield mailbox
    mailbox.close()


def all_uids(mailbox: ImapMailbox) -> list[int]:
    return mailbox.uids(1, mailbox.status().uidnext)


class TestMailbox:
    def test_the_next_email_has_uidnext_or_more(self, place: Place, mailbox: ImapMailbox) -> None:
        before = mailbox.status()
        assert all_uids(mailbox) == []
        place.deliver(EMAIL)
        after = mailbox.status()
        assert after.uidvalidity == before.uidvalidity
        assert after.uidnext > before.uidnext
        [uid] = mailbox.uids(before.uidnext, after.uidnext)
        assert before.uidnext <= uid < after.uidnext

    def test_a_range_gives_what_lies_in_it_and_nothing_else(self, place: Place, mailbox: ImapMailbox) -> None:
        for number in range(4):
            place.deliver(EMAIL.replace(b"Invoice", b"Number %d" % number))
        first, second, third, fourth = all_uids(mailbox)
        assert mailbox.uids(second, third) == [second, third]
        assert mailbox.uids(0, second) == [first, second]
        assert mailbox.uids(fourth, 2**40) == [fourth]
        assert mailbox.uids(fourth + 1, fourth + 100) == []
        assert mailbox.uids(third, second) == []

    def test_what_came_since_is_seen_without_asking_for_the_status(self, place: Place, mailbox: ImapMailbox) -> None:
        known = all_uids(mailbox)
        place.deliver(EMAIL)
        assert len(mailbox.uids(1, 1000)) == len(known) + 1
        place.deliver(EMAIL)
        assert len(mailbox.uids(1, 1000)) == len(known) + 2

    def test_fetching_gives_bytes_size_and_date(self, place: Place, mailbox: ImapMailbox) -> None:
        place.deliver(EMAIL)
        [uid] = all_uids(mailbox)
        [fetched] = mailbox.fetch([uid], LIMIT)
        assert (fetched.uid, fetched.raw, fetched.size, fetched.complete) == (uid, EMAIL, len(EMAIL), True)
        assert fetched.received_at.tzinfo is UTC
        assert abs(fetched.received_at - datetime.now(UTC)) < timedelta(minutes=5)

    def test_reading_leaves_no_trace(self, place: Place, mailbox: ImapMailbox) -> None:
        place.deliver(EMAIL)
        [uid] = all_uids(mailbox)
        mailbox.fetch([uid], LIMIT)
        mailbox.fetch([uid], 10)
        mailbox.find_sent("INBOX", "no-such-key")
        assert place.flags() == [()]

    @pytest.mark.parametrize(("limit", "complete"), [(1, False), (20, False), (len(EMAIL), True), (LIMIT, True)])
    def test_a_limit_cuts_the_bytes_and_says_so(
        self, place: Place, mailbox: ImapMailbox, limit: int, complete: bool
    ) -> None:
        place.deliver(EMAIL)
        [fetched] = mailbox.fetch(all_uids(mailbox), limit)
        assert (fetched.raw, fetched.complete, fetched.size) == (EMAIL[:limit], complete, len(EMAIL))

    def test_emails_that_are_gone_are_left_out(self, place: Place, mailbox: ImapMailbox) -> None:
        place.deliver(EMAIL)
        [uid] = all_uids(mailbox)
        assert [one.uid for one in mailbox.fetch([uid + 2, uid, uid + 1], LIMIT)] == [uid]
        assert mailbox.fetch([], LIMIT) == []

    def test_more_emails_than_one_command_takes(self, place: Place, mailbox: ImapMailbox) -> None:
        place.deliver(EMAIL)
        [uid] = all_uids(mailbox)
        asked = [*range(uid + 1, uid + 1500), uid]
        assert [one.uid for one in mailbox.fetch(asked, LIMIT)] == [uid]
        mailbox.move(asked, "Triage/Answered")
        assert all_uids(mailbox) == []

    @pytest.mark.parametrize(
        "raw",
        [
            b"Subject: \xfc\xff\xfe\r\n\r\n8 bit \x80\xff\r\n",
            b"Subject: x\r\n\r\nbare \r carriage return\r\n",
            b'Subject: "quotes" \\ and {3}\r\n\r\nno line end at the end',
            b"Subject: x\r\n\r\n.\r\n..\r\n* 1 EXISTS\r\n)\r\n",
            b"no header at all",
            b"Subject: no body\r\n\r\n",
            b"Subject: long\r\n\r\n" + b"x" * 100_000 + b"\r\n",
        ],
        ids=["8-bit", "bare-cr", "no-end", "protocol-like", "no-header", "no-body", "long-line"],
    )
    def test_the_bytes_arrive_as_they_are(self, place: Place, mailbox: ImapMailbox, raw: bytes) -> None:
        place.deliver(raw)
        [fetched] = mailbox.fetch(all_uids(mailbox), LIMIT)
        assert fetched.raw == raw

    def test_moving_makes_the_folder_and_empties_the_inbox(self, place: Place, mailbox: ImapMailbox) -> None:
        place.deliver(EMAIL)
        place.deliver(EMAIL.replace(b"Invoice", b"Other"))
        first, second = all_uids(mailbox)
        mailbox.move([first], "Triage/Answered")
        assert all_uids(mailbox) == [second]
        assert place.folder("Triage/Answered") == [EMAIL]
        with place.look() as client:
            assert any(name.endswith("Answered") for _, _, name in client.list_sub_folders())

    def test_moving_into_a_folder_that_exists(self, place: Place, mailbox: ImapMailbox) -> None:
        place.deliver(EMAIL)
        place.deliver(EMAIL)
        first, second = all_uids(mailbox)
        mailbox.move([first], "Triage/Routed")
        mailbox.move([second], "Triage/Routed")
        mailbox.close()
        place.deliver(EMAIL)
        mailbox.move(all_uids(mailbox), "Triage/Routed")
        assert place.folder("Triage/Routed") == [EMAIL] * 3

    def test_moving_emails_that_are_gone_is_no_error(self, place: Place, mailbox: ImapMailbox) -> None:
        place.deliver(EMAIL)
        [uid] = all_uids(mailbox)
        mailbox.move([uid], "Triage/Answered")
        mailbox.move([uid, uid + 50], "Triage/Answered")
        mailbox.move([], "Triage/Answered")
        assert place.folder("Triage/Answered") == [EMAIL]

    def test_folders_beyond_ascii(self, place: Place, mailbox: ImapMailbox) -> None:
        place.deliver(EMAIL)
        mailbox.move(all_uids(mailbox), "Erledigt/Für Ännchen & Co")
        assert place.folder("Erledigt/Für Ännchen & Co") == [EMAIL]

    def test_a_folder_that_somebody_deletes_is_made_again(self, place: Place, mailbox: ImapMailbox) -> None:
        place.deliver(EMAIL)
        place.deliver(EMAIL)
        first, second = all_uids(mailbox)
        mailbox.move([first], "Gone")
        with place.look() as client:
            client.delete_folder("Gone")
        with pytest.raises(MailError) as failure:
            mailbox.move([second], "Gone")
        assert not failure.value.permanent
        mailbox.move([second], "Gone")
        assert place.folder("Gone") == [EMAIL]

    def test_a_sent_email_is_found_by_its_key(self, place: Place, mailbox: ImapMailbox) -> None:
        for key in (b"reply-1", b"reply-12"):
            place.deliver(b"Message-ID:\r\n <%s@example.com>\r\nX-Triage-Key: %s\r\n\r\nHello\r\n" % (key, key))
        mailbox.move(all_uids(mailbox), "Sent")
        assert mailbox.find_sent("Sent", "reply-1") == "<reply-1@example.com>"
        assert mailbox.find_sent("Sent", "reply-12") == "<reply-12@example.com>"
        assert mailbox.find_sent("Sent", "reply-2") is None
        assert mailbox.find_sent("Sent", "reply") is None
        assert mailbox.find_sent("No Such Folder", "reply-1") is None

    def test_a_sent_email_without_a_message_id_is_found_all_the_same(self, place: Place, mailbox: ImapMailbox) -> None:
        place.deliver(b"X-Triage-Key: reply-1\r\n\r\nHello\r\n")
        assert mailbox.find_sent("INBOX", "reply-1") == ""

    def test_another_folder_has_a_status_of_its_own_where_it_exists(self, place: Place, mailbox: ImapMailbox) -> None:
        assert mailbox.folder_status("Sent") is None
        place.deliver(EMAIL)
        mailbox.move(all_uids(mailbox), "Sent")
        before = mailbox.folder_status("Sent")
        assert before is not None
        place.deliver(EMAIL)
        mailbox.move(all_uids(mailbox), "Sent")
        after = mailbox.folder_status("Sent")
        assert after is not None
        assert (after.uidvalidity, after.uidnext) == (before.uidvalidity, before.uidnext + 1)

    def test_of_the_emails_in_another_folder_only_the_headers_are_read(
        self, place: Place, mailbox: ImapMailbox
    ) -> None:
        for name in (b"One", b"Two", b"Three"):
            place.deliver(EMAIL.replace(b"Invoice", name))
        mailbox.move(all_uids(mailbox), "Sent")
        first, *others = mailbox.headers("Sent", 1, 1000)
        found = mailbox.headers("Sent", first.uid + 1, 1000)
        assert found == others
        assert [(one.uid, one.raw, one.complete) for one in found] == [
            (first.uid + 1, b"From: ann@customer.example\r\nSubject: Two\r\n\r\n", False),
            (first.uid + 2, b"From: ann@customer.example\r\nSubject: Three\r\n\r\n", False),
        ]
        assert mailbox.headers("Sent", first.uid + 3, 2000) == []
        assert mailbox.headers("Sent", 3, 2) == []
        with place.look() as client:
            client.select_folder("Sent", readonly=True)
            assert all(b"\\Seen" not in flags for flags in client.get_flags(client.search()).values())

    def test_reading_another_folder_does_not_confuse_the_inbox(self, place: Place, mailbox: ImapMailbox) -> None:
        place.deliver(EMAIL)
        place.deliver(EMAIL.replace(b"Invoice", b"Other"))
        first, second = all_uids(mailbox)
        mailbox.move([first], "Sent")
        mailbox.folder_status("Sent")
        assert mailbox.uids(1, second) == [second]
        mailbox.headers("Sent", 1, 1000)
        assert [one.uid for one in mailbox.fetch([first, second], LIMIT)] == [second]

    def test_looking_elsewhere_does_not_confuse_the_inbox(self, place: Place, mailbox: ImapMailbox) -> None:
        place.deliver(EMAIL)
        place.deliver(EMAIL)
        first, second = all_uids(mailbox)
        mailbox.move([first], "Sent")
        mailbox.find_sent("Sent", "anything")
        assert [one.uid for one in mailbox.fetch([first, second], LIMIT)] == [second]
        assert mailbox.uids(1, second) == [second]

    def test_after_a_dropped_connection_the_next_call_connects_anew(self, place: Place, mailbox: ImapMailbox) -> None:
        place.deliver(EMAIL)
        known = all_uids(mailbox)
        place.proxy.cut()
        with pytest.raises(MailError, match="connection") as failure:
            mailbox.status()
        assert not failure.value.permanent
        assert all_uids(mailbox) == known

    def test_after_a_time_out_the_next_call_connects_anew(self, place: Place) -> None:
        mailbox = ImapMailbox(replace(place.server, timeout_s=0.2))
        place.deliver(EMAIL)
        [uid] = all_uids(mailbox)
        place.proxy.silent = True
        with pytest.raises(MailError, match="did not answer in time"):
            mailbox.fetch([uid], LIMIT)
        place.proxy.silent = False
        assert [one.raw for one in mailbox.fetch([uid], LIMIT)] == [EMAIL]
        mailbox.close()

    def test_a_move_whose_answer_got_lost_can_be_repeated(self, place: Place, mailbox: ImapMailbox) -> None:
        place.deliver(EMAIL)
        [uid] = all_uids(mailbox)
        place.proxy.cut_after = b" MOVE "
        with pytest.raises(MailError):
            mailbox.move([uid], "Triage/Answered")
        place.proxy.cut_after = b""
        mailbox.move([uid], "Triage/Answered")
        assert place.folder("Triage/Answered") == [EMAIL]
        assert all_uids(mailbox) == []

    def test_answers_in_tiny_segments_are_read_right(self, place: Place, mailbox: ImapMailbox) -> None:
        place.proxy.segment = 3
        place.deliver(EMAIL)
        assert [one.raw for one in mailbox.fetch(all_uids(mailbox), LIMIT)] == [EMAIL]

    def test_a_wrong_password_needs_a_person_and_is_not_repeated_in_the_sentence(self, place: Place) -> None:
        user = place.server.login.user if place.server.login else ""
        mailbox = ImapMailbox(replace(place.server, login=Password(user, "sesame-open")))
        with pytest.raises(MailError) as failure:
            mailbox.status()
        assert failure.value.permanent
        assert user in str(failure.value)
        assert place.server.name in str(failure.value)
        assert "sesame-open" not in str(failure.value)
        assert "sesame-open" not in repr(place.server)

    def test_closing_is_no_end(self, place: Place, mailbox: ImapMailbox) -> None:
        mailbox.close()
        before = mailbox.status()
        mailbox.close()
        mailbox.close()
        assert mailbox.status() == before

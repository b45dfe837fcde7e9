"""What only some IMAP servers do: old ones, strange ones, failing ones. The rest is in the mailbox contract."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.servers.dovecot import DovecotServer
from tests.servers.ground import free_port
from tests.servers.proxy import FaultProxy
from tests.servers.scripted import Conversation, ScriptedServer, let_in
from triage.mailroom.imap import ImapMailbox
from triage.mailroom.login import Password, Security, Server
from triage.mailroom.ports import FolderStatus, MailError

EMAIL = b"Subject: Invoice\r\n\r\nWhere do I find it?\r\n"
LIMIT = 1_000_000

WITHOUT_MOVE = """
imap_capability = IMAP4rev1 NAMESPACE UIDPLUS
namespace inbox {
  prefix = INBOX.
  separator = .
}
"""
WITHOUT_ANYTHING = """
imap_capability = IMAP4rev1
namespace inbox {
  separator = ^
}
"""


@pytest.fixture(scope="module")
def without_move() -> Iterator[DovecotServer]:
    """UIDPLUS but no MOVE, and every folder below INBOX, as Courier and Cyrus have it."""
    with DovecotServer(WITHOUT_MOVE) as server:
        yield server


@pytest.fixture(scope="module")
def without_anything() -> Iterator[DovecotServer]:
    """IMAP of 1996."""
    with DovecotServer(WITHOUT_ANYTHING) as server:
        yield server


def failure_of(server: Server) -> MailError:
    """What asking for the status raises."""
    mailbox = ImapMailbox(server)
    with pytest.raises(MailError) as failure:
        mailbox.status()
    mailbox.close()
    return failure.value


class TestServersWithoutMove:
    def test_with_uidplus_the_email_moves_and_other_peoples_deletions_stay(self, without_move: DovecotServer) -> None:
        user, _ = without_move.new_user()
        marked_by_somebody = without_move.deliver(user, EMAIL, flags="\\Deleted")
        uid = without_move.deliver(user, EMAIL)
        mailbox = ImapMailbox(without_move.server(user))
        mailbox.move([uid, uid + 7], "Triage/Answered")
        assert mailbox.uids(1, 100) == [marked_by_somebody]
        mailbox.close()
        assert "INBOX.Triage.Answered" in without_move.command(user, 'LSUB "" "*"')
        assert "MESSAGES 1" in without_move.command(user, "STATUS INBOX.Triage.Answered (MESSAGES)")

    def test_folder_names_that_have_the_prefix_already_get_no_second_one(self, without_move: DovecotServer) -> None:
        user, _ = without_move.new_user()
        mailbox = ImapMailbox(without_move.server(user))
        mailbox.move([without_move.deliver(user, EMAIL)], "INBOX/Done")
        mailbox.close()
        assert "MESSAGES 1" in without_move.command(user, "STATUS INBOX.Done (MESSAGES)")

    def test_without_uidplus_the_email_is_copied_and_only_marked(self, without_anything: DovecotServer) -> None:
        user, _ = without_anything.new_user()
        uid = without_anything.deliver(user, EMAIL)
        mailbox = ImapMailbox(without_anything.server(user))
        mailbox.move([uid], "Triage/Answered")
        mailbox.close()
        assert "MESSAGES 1" in without_anything.command(user, "STATUS Triage^Answered (MESSAGES)")
        flags = without_anything.command(user, "EXAMINE INBOX", f"UID FETCH {uid} (FLAGS)")
        assert "\\Deleted" in flags


class TestNumbering:
    def test_uids_of_another_numbering_are_refused_until_the_status_is_asked(
        self, dovecot: DovecotServer, dovecot_user: str
    ) -> None:
        uid = dovecot.deliver(dovecot_user, EMAIL)
        mailbox = ImapMailbox(dovecot.server(dovecot_user))
        before = mailbox.status()
        dovecot.drop_connections(dovecot_user)
        dovecot.renumber(dovecot_user)
        with pytest.raises(MailError):
            mailbox.status()  # the connection is gone
        for attempt in (
            lambda: mailbox.uids(1, 10),
            lambda: mailbox.fetch([uid], LIMIT),
            lambda: mailbox.move([uid], "Triage/Answered"),
        ):
            with pytest.raises(MailError, match="UIDVALIDITY"):
                attempt()
        assert mailbox.status().uidvalidity != before.uidvalidity
        assert mailbox.uids(1, 10) == [uid]
        mailbox.close()


class TestConnecting:
    @pytest.mark.parametrize("security", ["tls", "starttls"])
    def test_a_certificate_of_a_ca_that_we_name_is_trusted(
        self, dovecot: DovecotServer, dovecot_user: str, security: str
    ) -> None:
        dovecot.deliver(dovecot_user, EMAIL)
        mailbox = ImapMailbox(dovecot.server(dovecot_user, security=security, ca_file=dovecot.ca_file))
        assert mailbox.uids(1, 10) == [1]
        mailbox.close()

    @pytest.mark.parametrize("security", ["tls", "starttls"])
    def test_an_untrusted_certificate_needs_a_person(
        self, dovecot: DovecotServer, dovecot_user: str, security: str
    ) -> None:
        failure = failure_of(dovecot.server(dovecot_user, security=security))
        assert failure.permanent
        assert "certificate" in str(failure)
        assert "not trusted" in str(failure)

    def test_a_certificate_for_another_name_needs_a_person(self, dovecot: DovecotServer, dovecot_user: str) -> None:
        server = dovecot.server(dovecot_user, security="tls", ca_file=dovecot.ca_file)
        with FaultProxy(dovecot.tls_port, host="127.0.0.2") as proxy:
            failure = failure_of(replace(server, host=proxy.host, port=proxy.port))
        assert failure.permanent
        assert "not valid for '127.0.0.2'" in str(failure)

    def test_a_ca_file_that_cannot_be_read_needs_a_person(self, dovecot: DovecotServer, tmp_path: Path) -> None:
        for ca_file in (tmp_path / "missing.pem", tmp_path):
            failure = failure_of(dovecot.server("anybody", security="tls", ca_file=ca_file))
            assert failure.permanent
            assert str(ca_file) in str(failure)

    def test_tls_to_a_port_without_it(self, dovecot: DovecotServer) -> None:
        server = replace(dovecot.server("anybody"), security=Security.TLS)
        failure = failure_of(server)
        assert not failure.permanent
        assert "does not speak TLS" in str(failure)

    def test_starttls_that_is_not_offered_needs_a_person(self) -> None:
        def script(conversation: Conversation) -> None:
            conversation.send(b"* OK ready\r\n")
            conversation.answer(b"CAPABILITY", b"* CAPABILITY IMAP4rev1\r\n")

        with ScriptedServer(script) as scripted:
            failure = failure_of(replace(scripted.server(), security=Security.STARTTLS))
        assert failure.permanent
        assert "STARTTLS" in str(failure)

    def test_nobody_listens(self) -> None:
        failure = failure_of(Server("127.0.0.1", free_port(), Security.PLAIN, Password("u", "p")))
        assert not failure.permanent
        assert "refuses connections" in str(failure)

    def test_the_name_does_not_exist(self) -> None:
        failure = failure_of(Server("imap.invalid", 993, Security.TLS, Password("u", "p")))
        assert not failure.permanent
        assert "imap.invalid is not found" in str(failure)

    def test_a_server_that_never_greets(self) -> None:
        with ScriptedServer(Conversation.wait_for_the_end) as scripted:
            failure = failure_of(scripted.server(timeout_s=0.2))
        assert not failure.permanent
        assert "did not answer in time" in str(failure)

    def test_a_server_that_says_goodbye_at_once(self) -> None:
        with ScriptedServer(lambda conversation: conversation.send(b"* BYE too many connections\r\n")) as scripted:
            failure = failure_of(scripted.server())
        assert not failure.permanent

    def test_plain_is_for_loopback_only(self) -> None:
        with pytest.raises(ValueError, match="loopback"):
            Server("imap.example.com", 143, Security.PLAIN, Password("u", "p"))
        for host in ("localhost", "127.0.0.1", "::1"):
            assert Server(host, 143, Security.PLAIN, Password("u", "p")).host == host


class TestLogin:
    def test_a_password_beyond_ascii_reaches_the_server(self, dovecot: DovecotServer, dovecot_user: str) -> None:
        failure = failure_of(dovecot.server(dovecot_user, "pässwörd"))
        assert failure.permanent
        assert "AUTHENTICATIONFAILED" in str(failure)

    @pytest.mark.parametrize(
        ("answer", "permanent"),
        [
            (b"NO [AUTHENTICATIONFAILED] wrong", True),
            (b"NO Application-specific password required", True),
            (b"NO [UNAVAILABLE] directory is down", False),
            (b"NO [LIMIT] too many connections", False),
            (b"NO [INUSE] locked", False),
        ],
    )
    def test_a_refusal_tells_whether_waiting_helps(self, answer: bytes, permanent: bool) -> None:
        def script(conversation: Conversation) -> None:
            conversation.send(b"* OK ready\r\n")
            conversation.answer(b"CAPABILITY", b"* CAPABILITY IMAP4rev1\r\n")
            conversation.answer(b"LOGIN", words=answer)

        with ScriptedServer(script) as scripted:
            failure = failure_of(scripted.server())
        assert failure.permanent is permanent
        assert "somebody" in str(failure)

    def test_a_server_that_repeats_the_password_is_not_quoted(self) -> None:
        def script(conversation: Conversation) -> None:
            conversation.send(b"* OK ready\r\n")
            conversation.answer(b"CAPABILITY", b"* CAPABILITY IMAP4rev1\r\n")
            conversation.answer(b"LOGIN", words=b"NO no such login: somebody secret")

        with ScriptedServer(script) as scripted:
            failure = failure_of(scripted.server())
        assert "secret" not in str(failure)

    def test_a_connection_lost_while_logging_in_is_no_refusal(self) -> None:
        def script(conversation: Conversation) -> None:
            conversation.send(b"* OK ready\r\n")
            conversation.answer(b"CAPABILITY", b"* CAPABILITY IMAP4rev1\r\n")
            conversation.tagged(b"LOGIN")

        with ScriptedServer(script) as scripted:
            failure = failure_of(scripted.server())
        assert not failure.permanent


class TestStrangeAnswers:
    def test_exchange_lets_in_and_is_not_connected(self) -> None:
        def script(conversation: Conversation) -> None:
            let_in(conversation)
            conversation.answer(b"EXAMINE", words=b"BAD User is authenticated but not connected.")

        with ScriptedServer(script) as scripted:
            failure = failure_of(scripted.server())
        assert not failure.permanent
        assert "authenticated but not connected" in str(failure)

    def test_an_inbox_that_is_missing(self) -> None:
        def script(conversation: Conversation) -> None:
            let_in(conversation)
            conversation.answer(b"EXAMINE", words=b"NO [NONEXISTENT] Mailbox does not exist")

        with ScriptedServer(script) as scripted:
            failure = failure_of(scripted.server())
        assert "Mailbox does not exist" in str(failure)

    def test_an_old_server_that_tells_uidnext_only_when_asked(self) -> None:
        def script(conversation: Conversation) -> None:
            let_in(conversation)
            conversation.answer(b"EXAMINE", b"* 3 EXISTS\r\n* OK [UIDVALIDITY 5] valid\r\n")
            conversation.answer(b"STATUS", b"* STATUS INBOX (UIDNEXT 9 UIDVALIDITY 5)\r\n")
            conversation.wait_for_the_end()

        with ScriptedServer(script) as scripted:
            mailbox = ImapMailbox(scripted.server())
            assert mailbox.status() == FolderStatus(uidvalidity=5, uidnext=9)
            mailbox.close()

    def test_a_folder_that_we_may_only_read_needs_a_person(self) -> None:
        def script(conversation: Conversation) -> None:
            let_in(conversation)
            conversation.answer(b"LIST", b'* LIST () "/" ""\r\n')
            conversation.answer(b"LIST", b'* LIST () "/" Done\r\n')
            conversation.answer(b"SELECT", b"* 1 EXISTS\r\n", words=b"OK [READ-ONLY] selected")

        with ScriptedServer(script) as scripted:
            mailbox = ImapMailbox(scripted.server())
            with pytest.raises(MailError, match="no right to change") as failure:
                mailbox.move([1], "Done")
        assert failure.value.permanent

    @pytest.mark.parametrize(
        ("internaldate", "received_at"),
        [
            (b"05-Mar-2026 10:00:00 +0530", datetime(2026, 3, 5, 4, 30, tzinfo=UTC)),
            (b" 5-Mar-2026 10:00:00 -0800", datetime(2026, 3, 5, 18, 0, tzinfo=UTC)),
            (b"31-Feb-2026 25:61:61 +0000", datetime(1970, 1, 1, tzinfo=UTC)),
            (b"01-Jan-2026 00:00:00 +9900", datetime(1970, 1, 1, tzinfo=UTC)),
            (b"31-Dec-9999 23:59:59 -1200", datetime(1970, 1, 1, tzinfo=UTC)),
            (b"yesterday", datetime(1970, 1, 1, tzinfo=UTC)),
            (b"", datetime(1970, 1, 1, tzinfo=UTC)),
        ],
    )
    def test_a_date_without_sense_is_long_ago(self, internaldate: bytes, received_at: datetime) -> None:
        item = b'UID 7 INTERNALDATE "%s" RFC822.SIZE 42 BODY[]<0> {%d}\r\n%s' % (internaldate, len(EMAIL), EMAIL)
        [fetched] = fetch_from_a_script(b"* 1 FETCH (%s)\r\n" % item)
        assert fetched.received_at == received_at
        assert fetched.raw == EMAIL

    def test_an_approximate_size_does_not_make_an_email_incomplete(self) -> None:
        for size in (1, 999_999):
            item = b"UID 7 RFC822.SIZE %d BODY[]<0> {%d}\r\n%s" % (size, len(EMAIL), EMAIL)
            [fetched] = fetch_from_a_script(b"* 1 FETCH (%s)\r\n" % item)
            assert fetched.complete

    def test_an_email_without_content_is_an_empty_one(self) -> None:
        empty = b"* 1 FETCH (UID 7 RFC822.SIZE 0 BODY[]<0> NIL)\r\n"
        [fetched] = fetch_from_a_script(empty, again=empty)
        assert fetched.raw == b""

    def test_an_email_that_turns_out_to_be_gone_is_left_out(self) -> None:
        nothing = b"* 1 FETCH (UID 7 RFC822.SIZE 0 BODY[]<0> NIL)\r\n"  # as Dovecot says it
        assert fetch_from_a_script(nothing, again=b"") == []

    def test_an_email_that_is_there_and_not_given_out_is_a_failure_and_no_empty_email(self) -> None:
        withheld = b"* 1 FETCH (UID 7 RFC822.SIZE 42 BODY[]<0> NIL)\r\n"
        with pytest.raises(MailError, match="42 bytes of UID 7"):
            fetch_from_a_script(withheld, again=withheld)

    def test_news_about_other_emails_between_the_answers(self) -> None:
        item = b"UID 7 RFC822.SIZE 42 BODY[]<0> {%d}\r\n%s" % (len(EMAIL), EMAIL)
        noise = b"* 7 FETCH (FLAGS (\\Seen))\r\n* 3 EXPUNGE\r\n* 9 EXISTS\r\n"
        assert [one.uid for one in fetch_from_a_script(noise + b"* 1 FETCH (%s)\r\n" % item + noise)] == [7]

    def test_what_cannot_be_understood_is_not_quoted(self) -> None:
        broken = b"* 1 FETCH (UID 7 BODY[]<0> {%d}\r\n%s FLAGS (\r\n" % (len(EMAIL), EMAIL)
        with pytest.raises(MailError) as failure:
            fetch_from_a_script(broken)
        assert "Where do I find it" not in str(failure.value)


def fetch_from_a_script(answer: bytes, *, again: bytes | None = None) -> list:
    """``again``: the answer to a second question, after a NOOP."""

    def script(conversation: Conversation) -> None:
        let_in(conversation)
        conversation.answer(b"EXAMINE", b"* 9 EXISTS\r\n")
        conversation.answer(b"UID FETCH", answer)
        if again is not None:
            conversation.answer(b"NOOP")
            conversation.answer(b"UID FETCH", again)
        conversation.wait_for_the_end()

    with ScriptedServer(script) as scripted:
        mailbox = ImapMailbox(scripted.server())
        try:
            return mailbox.fetch([7], LIMIT)
        finally:
            mailbox.close()


def test_logs_hold_neither_mail_nor_passwords(
    dovecot: DovecotServer, dovecot_user: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    dovecot.deliver(dovecot_user, EMAIL)
    server = dovecot.server(dovecot_user)
    mailbox = ImapMailbox(server)
    mailbox.fetch(mailbox.uids(1, 10), LIMIT)
    mailbox.close()
    failure_of(dovecot.server(dovecot_user, "sesame-open"))
    for secret in ("Where do I find", "Invoice", "correct-horse", "sesame-open"):
        assert secret not in caplog.text

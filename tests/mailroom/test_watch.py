"""IDLE as a hint: woken when something comes, never spinning, whatever the server does."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from tests.servers.dovecot import DovecotServer
from tests.servers.ground import free_port, wait_until
from tests.servers.proxy import FaultProxy
from tests.servers.scripted import Conversation, ScriptedServer, let_in
from triage.mailroom.embedded import EmbeddedServer
from triage.mailroom.login import Password, Security, Server
from triage.mailroom.watch import Watcher

EMAIL = b"Subject: Invoice\r\n\r\nWhere do I find it?\r\n"
LONG = 20.0  # seconds that no test waits for: what is expected comes at once
SHORT = 0.15  # seconds in which nothing may come


@contextmanager
def watching(server: Server, renew_s: float = 540.0) -> Iterator[Watcher]:
    watcher = Watcher(server, renew_s=renew_s)
    try:
        yield watcher
    finally:
        watcher.close()


def begin(conversation: Conversation) -> None:
    """Everything up to the IDLE command; gives nothing away yet."""
    let_in(conversation)
    conversation.answer(b"EXAMINE", b"* 3 EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY 1] valid\r\n")


def idle(conversation: Conversation, *, before: bytes = b"", after: bytes = b"") -> None:
    """Take the IDLE command; ``before`` and ``after`` come in one segment with the "+"."""
    conversation.tagged(b"IDLE")
    conversation.send(before + b"+ idling\r\n" + after)


class TestRealServers:
    @pytest.mark.parametrize("security", ["plain", "tls", "starttls"])
    def test_dovecot_wakes_us_when_an_email_comes(
        self, dovecot: DovecotServer, dovecot_user: str, security: str
    ) -> None:
        with watching(dovecot.server(dovecot_user, security=security, ca_file=dovecot.ca_file)) as watcher:
            assert watcher.wait(LONG)  # connected: something may have come before
            assert not watcher.wait(SHORT)
            dovecot.deliver(dovecot_user, EMAIL)
            assert watcher.wait(LONG)
            assert not watcher.wait(SHORT)
            assert watcher.problem == ""

    def test_emails_that_come_while_nobody_waits_are_not_missed(
        self, dovecot: DovecotServer, dovecot_user: str
    ) -> None:
        with watching(dovecot.server(dovecot_user)) as watcher:
            watcher.wait(LONG)
            dovecot.deliver(dovecot_user, EMAIL)
            dovecot.deliver(dovecot_user, EMAIL)
            assert watcher.wait(LONG)

    def test_renewing_loses_nothing(self, dovecot: DovecotServer, dovecot_user: str) -> None:
        with watching(dovecot.server(dovecot_user), renew_s=0.02) as watcher:
            watcher.wait(LONG)
            for _ in range(5):
                assert not watcher.wait(SHORT)
                dovecot.deliver(dovecot_user, EMAIL)
                assert watcher.wait(LONG)
            assert watcher.problem == ""

    def test_watching_leaves_no_trace(self, dovecot: DovecotServer, dovecot_user: str) -> None:
        with watching(dovecot.server(dovecot_user), renew_s=0.02) as watcher:
            watcher.wait(LONG)
            dovecot.deliver(dovecot_user, EMAIL)
            watcher.wait(LONG)
        assert "\\Seen" not in dovecot.command(dovecot_user, "EXAMINE INBOX", "FETCH 1 (FLAGS)")

    def test_the_embedded_server_wakes_us_at_once(self) -> None:
        with EmbeddedServer("support@example.com") as embedded:
            login = Password(embedded.user, embedded.password)
            with watching(Server(embedded.host, embedded.imap_port, Security.PLAIN, login)) as watcher:
                watcher.wait(LONG)
                for _ in range(50):
                    embedded.deliver(EMAIL)
                    assert watcher.wait(LONG)

    def test_a_server_that_ends_the_session_is_connected_to_again(
        self, dovecot: DovecotServer, dovecot_user: str
    ) -> None:
        with watching(dovecot.server(dovecot_user)) as watcher:
            watcher.wait(LONG)
            dovecot.drop_connections(dovecot_user)
            assert not watcher.wait(SHORT)
            assert "ended the connection" in watcher.problem
            assert watcher.wait(LONG)
            assert watcher.problem == ""

    def test_lines_in_tiny_segments(self, dovecot: DovecotServer, dovecot_user: str) -> None:
        with FaultProxy(dovecot.port) as proxy:
            proxy.segment = 3
            with watching(replace(dovecot.server(dovecot_user), port=proxy.port)) as watcher:
                watcher.wait(LONG)
                dovecot.deliver(dovecot_user, EMAIL)
                assert watcher.wait(LONG)


class TestTraps:
    def test_news_in_one_segment_with_the_go_ahead(self) -> None:
        def script(conversation: Conversation) -> None:
            begin(conversation)
            idle(conversation, after=b"* 4 EXISTS\r\n")
            conversation.wait_for_the_end()

        with ScriptedServer(script) as scripted, watching(scripted.server()) as watcher:
            assert watcher.wait(LONG)  # connected
            assert watcher.wait(LONG)
            assert not watcher.wait(SHORT)

    def test_news_before_the_go_ahead_of_a_renewal(self) -> None:
        def script(conversation: Conversation) -> None:
            begin(conversation)
            idle(conversation)
            conversation.line()  # DONE
            conversation.send(b"w2 OK done\r\n")
            idle(conversation, before=b"* 4 EXISTS\r\n")
            conversation.wait_for_the_end()

        with ScriptedServer(script) as scripted, watching(scripted.server(), renew_s=0.05) as watcher:
            watcher.wait(LONG)
            assert watcher.wait(LONG)
            assert watcher.problem == ""

    def test_news_between_done_and_its_answer(self) -> None:
        def script(conversation: Conversation) -> None:
            begin(conversation)
            idle(conversation)
            conversation.line()  # DONE
            conversation.send(b"* 4 EXISTS\r\nw2 OK done\r\n")
            idle(conversation)
            conversation.wait_for_the_end()

        with ScriptedServer(script) as scripted, watching(scripted.server(), renew_s=0.05) as watcher:
            watcher.wait(LONG)
            assert watcher.wait(LONG)
            assert watcher.problem == ""

    def test_a_line_in_two_segments(self) -> None:
        second_half = threading.Event()

        def script(conversation: Conversation) -> None:
            begin(conversation)
            idle(conversation, after=b"* 4 EXI")
            second_half.wait(LONG)
            conversation.send(b"STS\r\n")
            conversation.wait_for_the_end()

        with ScriptedServer(script) as scripted, watching(scripted.server()) as watcher:
            watcher.wait(LONG)
            assert not watcher.wait(SHORT)
            second_half.set()
            assert watcher.wait(LONG)

    def test_what_does_not_concern_new_emails_wakes_nobody(self) -> None:
        def script(conversation: Conversation) -> None:
            begin(conversation)
            idle(conversation, after=b"* OK Still here\r\n* 2 EXPUNGE\r\n* 1 FETCH (FLAGS (\\Seen))\r\n* 1 RECENT\r\n")
            conversation.wait_for_the_end()

        with ScriptedServer(script) as scripted, watching(scripted.server()) as watcher:
            watcher.wait(LONG)
            assert not watcher.wait(SHORT)
            assert watcher.problem == ""

    def test_a_burst_wakes_once(self) -> None:
        def script(conversation: Conversation) -> None:
            begin(conversation)
            idle(conversation, after=b"".join(b"* %d EXISTS\r\n" % count for count in range(4, 5000)))
            conversation.wait_for_the_end()

        with ScriptedServer(script) as scripted, watching(scripted.server()) as watcher:
            watcher.wait(LONG)
            assert watcher.wait(LONG)
            wakes = 1
            while watcher.wait(SHORT):
                wakes += 1
        assert wakes < 10

    @pytest.mark.parametrize("last_words", [b"", b"* BYE shutting down\r\n", b"* 4 EXI"])
    def test_a_server_that_closes_again_and_again_does_not_make_us_spin(self, last_words: bytes) -> None:
        def script(conversation: Conversation) -> None:
            begin(conversation)
            idle(conversation, after=last_words)

        with ScriptedServer(script) as scripted, watching(scripted.server()) as watcher:
            cpu_before = time.process_time()
            wakes = 0
            until = time.monotonic() + 0.5
            while time.monotonic() < until:
                wakes += watcher.wait(0.1)
            assert wakes == 1  # connected once; the next attempt is a second away
            assert time.process_time() - cpu_before < 0.3
            assert scripted.connections == 1
            assert watcher.problem

    def test_news_right_before_a_goodbye_is_news(self) -> None:
        def script(conversation: Conversation) -> None:
            begin(conversation)
            idle(conversation, after=b"* 4 EXISTS\r\n* BYE shutting down\r\n")

        with ScriptedServer(script) as scripted, watching(scripted.server()) as watcher:
            watcher.wait(LONG)
            assert watcher.wait(LONG)
            assert not watcher.wait(SHORT)
            assert watcher.problem

    def test_idle_that_the_server_ends_by_itself(self) -> None:
        def script(conversation: Conversation) -> None:
            begin(conversation)
            idle(conversation, after=b"w2 OK IDLE ended\r\n")
            conversation.wait_for_the_end()

        with ScriptedServer(script) as scripted, watching(scripted.server()) as watcher:
            watcher.wait(LONG)
            assert not watcher.wait(SHORT)
            assert "ended IDLE by itself" in watcher.problem

    @pytest.mark.parametrize("answer", [b"NO not now", b"BAD what"])
    def test_idle_that_is_refused(self, answer: bytes) -> None:
        def script(conversation: Conversation) -> None:
            begin(conversation)
            conversation.answer(b"IDLE", words=answer)

        with ScriptedServer(script) as scripted, watching(scripted.server()) as watcher:
            assert not watcher.wait(SHORT)
            assert "refused IDLE" in watcher.problem

    def test_an_inbox_that_cannot_be_opened(self) -> None:
        def script(conversation: Conversation) -> None:
            let_in(conversation)
            conversation.answer(b"EXAMINE", words=b"BAD User is authenticated but not connected.")

        with ScriptedServer(script) as scripted, watching(scripted.server()) as watcher:
            assert not watcher.wait(SHORT)
            assert "authenticated but not connected" in watcher.problem

    def test_a_server_that_goes_silent_is_noticed_at_the_renewal(self) -> None:
        def script(conversation: Conversation) -> None:
            begin(conversation)
            idle(conversation)
            conversation.wait_for_the_end()

        with (
            ScriptedServer(script) as scripted,
            watching(replace(scripted.server(), timeout_s=0.1), renew_s=0.05) as watcher,
        ):
            watcher.wait(LONG)
            assert not watcher.wait(0.5)
            assert "did not answer in time" in watcher.problem

    def test_a_line_without_end_is_not_collected_for_ever(self) -> None:
        def script(conversation: Conversation) -> None:
            begin(conversation)
            idle(conversation)
            while True:
                conversation.send(b"x" * 65536)

        with ScriptedServer(script) as scripted, watching(scripted.server()) as watcher:
            watcher.wait(LONG)
            assert not watcher.wait(0.3)
            assert watcher.problem

    def test_a_server_without_idle(self) -> None:
        def script(conversation: Conversation) -> None:
            let_in(conversation, b"IMAP4rev1")
            conversation.wait_for_the_end()

        with ScriptedServer(script) as scripted, watching(scripted.server()) as watcher:
            began = time.monotonic()
            assert not watcher.wait(SHORT)
            assert time.monotonic() - began >= SHORT
            assert not watcher.wait(SHORT)
            assert "no IDLE" in watcher.problem
            assert scripted.connections == 1

    def test_nobody_listens(self) -> None:
        with watching(Server("127.0.0.1", free_port(), Security.PLAIN, Password("u", "p"))) as watcher:
            began = time.monotonic()
            assert not watcher.wait(SHORT)
            assert time.monotonic() - began >= SHORT
            assert "refuses connections" in watcher.problem

    def test_a_wrong_password_is_not_tried_again_and_again(self, dovecot: DovecotServer, dovecot_user: str) -> None:
        with FaultProxy(dovecot.port) as proxy:
            server = replace(dovecot.server(dovecot_user, "sesame-open"), port=proxy.port)
            with watching(server) as watcher:
                assert not watcher.wait(1.3)  # after another failure it would have tried again after 1 s
                assert "refused the login" in watcher.problem
            assert proxy.connections == 1


class TestInterrupting:
    def test_a_wait_ends_at_once_and_every_later_one(self, dovecot: DovecotServer, dovecot_user: str) -> None:
        with watching(dovecot.server(dovecot_user)) as watcher:
            watcher.wait(LONG)
            results: list[bool] = []
            waiting = threading.Thread(target=lambda: results.append(watcher.wait(LONG)))
            began = time.monotonic()
            waiting.start()
            watcher.interrupt()
            waiting.join(LONG)
            assert results == [False]
            assert not watcher.wait(LONG)
            assert time.monotonic() - began < LONG / 2

    def test_also_between_two_attempts_to_connect(self) -> None:
        with watching(Server("127.0.0.1", free_port(), Security.PLAIN, Password("u", "p"))) as watcher:
            waiting = threading.Thread(target=watcher.wait, args=(LONG,))
            waiting.start()
            wait_until(lambda: watcher.problem, "the first attempt has failed")
            watcher.interrupt()
            waiting.join(LONG / 2)
            assert not waiting.is_alive()

    def test_after_closing_it_does_no_harm(self) -> None:
        watcher = Watcher(Server("127.0.0.1", free_port(), Security.PLAIN, Password("u", "p")))
        watcher.close()
        watcher.close()
        watcher.interrupt()
        assert not watcher.wait(LONG)

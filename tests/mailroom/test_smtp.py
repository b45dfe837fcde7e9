"""What becomes of an email that is handed to SMTP, for every way in which that can go wrong."""

import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.servers.ground import free_port, make_certificate
from tests.servers.proxy import FaultProxy
from tests.servers.recording_smtp import CUT, HANG, Received, RecordingSmtp
from tests.servers.scripted import Conversation, ScriptedServer
from tests.servers.smtpsink import SmtpSink
from triage.mailroom.login import Password, Security, Server
from triage.mailroom.ports import MailError, Outcome, Outgoing
from triage.mailroom.smtp import SmtpSender, on_the_wire

ACCEPTED, REFUSED, DEFERRED, UNKNOWN = Outcome.ACCEPTED, Outcome.REFUSED, Outcome.DEFERRED, Outcome.UNKNOWN
RAW = b"Subject: Re: Invoice\r\n\r\n.\r\n..\r\nDear Ann\r\n"


def email(
    recipient: str = "ann@customer.example", *, sender: str = "support@example.com", raw: bytes = RAW
) -> Outgoing:
    return Outgoing(envelope_sender=sender, recipient=recipient, raw=raw)


@pytest.fixture
def sender(recording_smtp: RecordingSmtp) -> Iterator[SmtpSender]:
    sender = SmtpSender(recording_smtp.server(), attempt_timeout_s=10)
    yield sender
    sender.close()


@pytest.fixture
def impatient(recording_smtp: RecordingSmtp) -> Iterator[SmtpSender]:
    sender = SmtpSender(recording_smtp.server(), attempt_timeout_s=0.2)
    yield sender
    sender.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificate")
    make_certificate(folder)
    return folder / "cert.pem"


@pytest.fixture(scope="module")
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    return context


def failure_of(server: Server) -> MailError:
    """What sending two emails raises."""
    sender = SmtpSender(server, attempt_timeout_s=5)
    with pytest.raises(MailError) as failure:
        sender.send([email(), email()])
    sender.close()
    return failure.value


class TestAccepted:
    def test_the_server_has_envelope_and_bytes_and_we_have_its_answer(
        self, recording_smtp: RecordingSmtp, sender: SmtpSender
    ) -> None:
        [delivery] = sender.send([email()])
        assert (delivery.outcome, delivery.answer) == (ACCEPTED, "250 2.0.0 Ok: queued as 1")
        assert recording_smtp.received == [Received("support@example.com", ("ann@customer.example",), RAW)]

    def test_many_go_over_one_connection(self, recording_smtp: RecordingSmtp, sender: SmtpSender) -> None:
        emails = [email(f"customer-{number}@example.com") for number in range(20)]
        deliveries = sender.send(emails[:15]) + sender.send(emails[15:])
        assert [delivery.outcome for delivery in deliveries] == [ACCEPTED] * 20
        assert [received.rcpts for received in recording_smtp.received] == [(one.recipient,) for one in emails]
        assert recording_smtp.connections == 1

    def test_the_null_sender(self, recording_smtp: RecordingSmtp, sender: SmtpSender) -> None:
        assert sender.send([email(sender="")])[0].outcome is ACCEPTED
        assert recording_smtp.received[0].mail_from == ""

    @pytest.mark.parametrize(
        "raw",
        [
            b"Subject: \xfc\r\n\r\n8 bit \x00\xff\r\n",
            b".starts with a dot\r\n",
            b"Subject: x\r\n\r\n.\r\n",
            b"Subject: x\r\n\r\n" + b"x" * 5000 + b"\r\n",
            b"Subject: x\r\n\r\n" + b"line\r\n" * 200_000,
        ],
        ids=["8-bit", "dot-first", "dot-last", "long-line", "1.2 MB"],
    )
    def test_the_exact_bytes_arrive(self, recording_smtp: RecordingSmtp, sender: SmtpSender, raw: bytes) -> None:
        assert sender.send([email(raw=raw)])[0].outcome is ACCEPTED
        assert recording_smtp.received[0].raw == raw

    def test_nothing_to_send_needs_no_server(self) -> None:
        sender = SmtpSender(Server("127.0.0.1", free_port(), Security.PLAIN))
        assert sender.send([]) == []
        sender.close()

    def test_closing_is_no_end(self, recording_smtp: RecordingSmtp, sender: SmtpSender) -> None:
        sender.send([email()])
        sender.close()
        sender.close()
        assert sender.send([email()])[0].outcome is ACCEPTED
        assert recording_smtp.connections == 2

    def test_another_thread_may_own_it(self, recording_smtp: RecordingSmtp) -> None:
        outcomes = []

        def work() -> None:
            sender = SmtpSender(recording_smtp.server())
            outcomes.append(sender.send([email()])[0].outcome)
            sender.close()

        thread = threading.Thread(target=work)
        thread.start()
        thread.join(timeout=10)
        assert outcomes == [ACCEPTED]


@pytest.mark.parametrize(
    ("raw", "wire"),
    [
        (b"a\r\n", b"a\r\n.\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b"", b"\r\n.\r\n"),
        (b".\r\n", b"..\r\n.\r\n"),
        (b"a\r\n.b\r\n..\r\n", b"a\r\n..b\r\n...\r\n.\r\n"),
        (b"a\n.\rb\r", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"a.b\r\n", b"a.b\r\n.\r\n"),
    ],
)
def test_on_the_wire(raw: bytes, wire: bytes) -> None:
    assert on_the_wire(raw) == wire


class TestAnswers:
    @pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA", "CONTENT"])
    @pytest.mark.parametrize(
        ("reply", "outcome"),
        [
            ("450 4.2.0 try later", DEFERRED),
            ("452 4.3.1 out of storage", DEFERRED),
            ("550 5.1.1 no such user", REFUSED),
            ("554 5.7.1 spam", REFUSED),
        ],
    )
    def test_a_refusal_is_for_this_email_only(
        self, recording_smtp: RecordingSmtp, sender: SmtpSender, command: str, reply: str, outcome: Outcome
    ) -> None:
        recording_smtp.answer(command, reply)
        refused, accepted = sender.send([email("first@example.com"), email("second@example.com")])
        assert (refused.outcome, refused.answer) == (outcome, reply)
        assert accepted.outcome is ACCEPTED
        assert [received.rcpts for received in recording_smtp.received] == [("second@example.com",)]
        assert recording_smtp.connections == 1

    @pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA", "CONTENT"])
    def test_421_defers_and_ends_the_connection(
        self, recording_smtp: RecordingSmtp, sender: SmtpSender, command: str
    ) -> None:
        recording_smtp.answer(command, "421 4.7.0 too fast")
        deferred, accepted = sender.send([email(), email()])
        assert (deferred.outcome, deferred.answer) == (DEFERRED, "421 4.7.0 too fast")
        assert accepted.outcome is ACCEPTED
        assert recording_smtp.connections == 2

    @pytest.mark.parametrize(
        ("command", "reply", "outcome"),
        [
            ("MAIL", "999 what", DEFERRED),
            ("RCPT", "hello", DEFERRED),
            ("DATA", "250 not 354", DEFERRED),
            ("CONTENT", "999 what", UNKNOWN),
            ("CONTENT", "354 go on", UNKNOWN),
        ],
    )
    def test_an_answer_out_of_turn_costs_the_connection(
        self, recording_smtp: RecordingSmtp, sender: SmtpSender, command: str, reply: str, outcome: Outcome
    ) -> None:
        recording_smtp.answer(command, reply)
        odd, accepted = sender.send([email(), email()])
        assert odd.outcome is outcome
        assert accepted.outcome is ACCEPTED
        assert recording_smtp.connections == 2

    def test_a_refused_reset_costs_the_connection_and_no_email(
        self, recording_smtp: RecordingSmtp, sender: SmtpSender
    ) -> None:
        recording_smtp.answer("RCPT", "550 5.1.1 no such user")
        recording_smtp.answer("RSET", "500 what")
        assert [one.outcome for one in sender.send([email(), email()])] == [REFUSED, ACCEPTED]
        assert recording_smtp.connections == 2

    def test_a_long_answer_is_one_short_line(self, recording_smtp: RecordingSmtp, sender: SmtpSender) -> None:
        recording_smtp.answer("RCPT", "550-5.1.1 first\r\n550-5.1.1 \x1b[31m second\r\n550 5.1.1 " + "x" * 500)
        [delivery] = sender.send([email()])
        assert delivery.outcome is REFUSED
        assert delivery.answer.startswith("550 5.1.1 first 5.1.1 [31m second")
        assert len(delivery.answer) == 200


class TestBrokenConnections:
    @pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
    @pytest.mark.parametrize("fault", [CUT, HANG])
    def test_before_the_content_nothing_was_handed_over(
        self, recording_smtp: RecordingSmtp, impatient: SmtpSender, command: str, fault: str
    ) -> None:
        recording_smtp.answer(command, fault)
        deferred, accepted = impatient.send([email(), email()])
        assert deferred.outcome is DEFERRED
        assert "Nothing was handed over" in deferred.answer
        assert accepted.outcome is ACCEPTED
        assert len(recording_smtp.received) == 1

    @pytest.mark.parametrize("fault", [CUT, HANG])
    def test_after_the_final_dot_nobody_knows(
        self, recording_smtp: RecordingSmtp, impatient: SmtpSender, fault: str
    ) -> None:
        recording_smtp.answer("CONTENT", fault)
        unknown, accepted = impatient.send([email("first@example.com"), email("second@example.com")])
        assert unknown.outcome is UNKNOWN
        assert "not acknowledged" in unknown.answer
        assert accepted.outcome is ACCEPTED
        assert [one.rcpts[0] for one in recording_smtp.received] == ["first@example.com", "second@example.com"]

    def test_an_answer_that_the_network_swallows(self, recording_smtp: RecordingSmtp) -> None:
        with FaultProxy(recording_smtp.port) as proxy:
            sender = SmtpSender(replace(recording_smtp.server(), port=proxy.port))
            proxy.cut_after = b"\r\n.\r\n"
            [unknown] = sender.send([email()])
            proxy.cut_after = b""
            [accepted] = sender.send([email()])
            sender.close()
        assert [unknown.outcome, accepted.outcome] == [UNKNOWN, ACCEPTED]
        assert len(recording_smtp.received) == 2

    def test_answers_in_tiny_segments_are_read_right(self, recording_smtp: RecordingSmtp) -> None:
        with FaultProxy(recording_smtp.port) as proxy:
            proxy.segment = 3
            sender = SmtpSender(replace(recording_smtp.server(), port=proxy.port))
            assert [one.outcome for one in sender.send([email(), email()])] == [ACCEPTED, ACCEPTED]
            sender.close()

    def test_a_late_answer_is_not_taken_for_the_next_email(self, recording_smtp: RecordingSmtp) -> None:
        with FaultProxy(recording_smtp.port) as proxy:
            sender = SmtpSender(replace(recording_smtp.server(), port=proxy.port), attempt_timeout_s=0.2)
            sender.send([email()])
            recording_smtp.answer("RCPT", HANG)
            recording_smtp.answer("RCPT", "550 5.1.1 no such user")
            assert [one.outcome for one in sender.send([email(), email()])] == [DEFERRED, REFUSED]
            sender.close()

    @pytest.mark.parametrize("end", ["closed", "421"])
    def test_a_kept_connection_that_is_gone_is_replaced_at_once(
        self, recording_smtp: RecordingSmtp, sender: SmtpSender, end: str
    ) -> None:
        sender.send([email()])
        if end == "closed":
            recording_smtp.drop_connections()
        else:
            recording_smtp.answer("MAIL", "421 4.4.2 idle for too long")
        assert sender.send([email()])[0].outcome is ACCEPTED
        assert recording_smtp.connections == 2

    def test_a_server_that_vanishes_defers_the_rest_of_the_batch(self, recording_smtp: RecordingSmtp) -> None:
        with FaultProxy(recording_smtp.port) as proxy:
            sender = SmtpSender(replace(recording_smtp.server(), port=proxy.port))
            sender.send([email()])
            proxy.cut_after = b"\r\n.\r\n"
            proxy.refuse()
            deliveries = sender.send([email(), email(), email()])
            with pytest.raises(MailError):
                sender.send([email()])
            sender.close()
        assert [one.outcome for one in deliveries] == [UNKNOWN, DEFERRED, DEFERRED]
        assert "refuses connections" in deliveries[2].answer

    def test_an_attempt_is_bounded(self, recording_smtp: RecordingSmtp, impatient: SmtpSender) -> None:
        recording_smtp.answer("RCPT", HANG)
        began = time.monotonic()
        impatient.send([email()])
        assert time.monotonic() - began < 5

    def test_a_connection_that_rested_is_asked_before_it_is_used(self, recording_smtp: RecordingSmtp) -> None:
        sender = SmtpSender(recording_smtp.server(), probe_after_s=0)
        sender.send([email()])
        recording_smtp.answer("NOOP", "500 what")
        assert [one.outcome for one in sender.send([email(), email()])] == [ACCEPTED, ACCEPTED]
        assert recording_smtp.connections == 2
        sender.close()


class TestAddresses:
    @pytest.mark.parametrize(
        "recipient",
        [
            "",
            "ann",
            "@example.com",
            "ann@",
            "ann smith@example.com",
            "ann@exam ple.com",
            "<ann@example.com>",
            "Ann <ann@example.com>",
            "ann@example.com, bob@example.com",
            "ann@example.com\r\nRCPT TO:<bob@example.com>",
            "ann@example.com> SIZE=1",
            "ann\x00@example.com",
            "ann\udcff@example.com",
            "ann(comment)@example.com",
        ],
    )
    def test_what_is_no_address_is_refused_before_any_command(
        self, recording_smtp: RecordingSmtp, sender: SmtpSender, recipient: str
    ) -> None:
        refused, also_refused, accepted = sender.send([email(recipient), email(sender=recipient or "x"), email()])
        assert [refused.outcome, also_refused.outcome, accepted.outcome] == [REFUSED, REFUSED, ACCEPTED]
        assert "no address" in refused.answer
        assert [one.rcpts for one in recording_smtp.received] == [("ann@customer.example",)]

    @pytest.mark.parametrize(
        "recipient",
        [
            "a.b+c@example.com",
            "o'neil@example.co.uk",
            '"ann smith"@example.com',
            "ann@[127.0.0.1]",
            "jürgen@bücher.example",
        ],
    )
    def test_unusual_addresses_arrive_as_they_are(
        self, recording_smtp: RecordingSmtp, sender: SmtpSender, recipient: str
    ) -> None:
        assert sender.send([email(recipient)])[0].outcome is ACCEPTED
        assert recording_smtp.received[0].rcpts == (recipient,)

    def test_an_international_address_is_refused_where_the_server_knows_none(self) -> None:
        with RecordingSmtp(smtputf8=False) as server:
            sender = SmtpSender(server.server())
            refused, accepted = sender.send([email("jürgen@example.com"), email()])
            sender.close()
        assert [refused.outcome, accepted.outcome] == [REFUSED, ACCEPTED]
        assert "SMTPUTF8" in refused.answer
        assert "jürgen@example.com" in refused.answer
        assert server.connections == 1


class TestConnecting:
    @pytest.mark.parametrize("security", ["tls", "starttls"])
    def test_login_over_an_encrypted_connection(self, tls: ssl.SSLContext, certificate: Path, security: str) -> None:
        with RecordingSmtp(user="support", password="päss word", **{security: tls}) as server:
            login = Password("support", "päss word")
            sender = SmtpSender(server.server(login, security=security, ca_file=certificate))
            assert [one.outcome for one in sender.send([email(), email()])] == [ACCEPTED, ACCEPTED]
            sender.close()
            assert server.logins == ["support"]

    @pytest.mark.parametrize("security", ["tls", "starttls"])
    def test_an_untrusted_certificate_needs_a_person(self, tls: ssl.SSLContext, security: str) -> None:
        with RecordingSmtp(**{security: tls}) as server:
            failure = failure_of(server.server(security=security))
        assert failure.permanent
        assert "certificate" in str(failure)

    def test_a_wrong_password_needs_a_person_and_is_not_repeated(self, recording_smtp: RecordingSmtp) -> None:
        failure = failure_of(recording_smtp.server(Password("support", "sesame-open")))
        assert failure.permanent
        assert "support" in str(failure)
        assert "535" in str(failure)
        assert "sesame-open" not in str(failure)

    def test_a_login_that_is_only_out_of_order_is_tried_again(self) -> None:
        def script(conversation: Conversation) -> None:
            conversation.send(b"220 ready\r\n")
            conversation.line()
            conversation.send(b"250-ready\r\n250 AUTH PLAIN\r\n")
            conversation.line()
            conversation.send(b"454 4.7.0 Temporary authentication failure\r\n")
            conversation.wait_for_the_end()

        with ScriptedServer(script) as scripted:
            assert not failure_of(scripted.server()).permanent

    def test_a_missing_login_needs_a_person_and_refuses_no_email(self) -> None:
        with RecordingSmtp(user="support", password="secret") as server:
            failure = failure_of(server.server())
        assert failure.permanent
        assert "530" in str(failure)

    def test_a_server_without_auth_needs_a_person(self) -> None:
        def script(conversation: Conversation) -> None:
            conversation.send(b"220 ready\r\n")
            conversation.line()
            conversation.send(b"250 ready\r\n")
            conversation.wait_for_the_end()

        with ScriptedServer(script) as scripted:
            failure = failure_of(scripted.server())
        assert failure.permanent
        assert "AUTH" in str(failure)

    def test_starttls_that_is_not_offered_needs_a_person(self, recording_smtp: RecordingSmtp) -> None:
        failure = failure_of(recording_smtp.server(security="starttls"))
        assert failure.permanent
        assert "STARTTLS" in str(failure)

    def test_tls_to_a_port_without_it(self, recording_smtp: RecordingSmtp) -> None:
        failure = failure_of(recording_smtp.server(security="tls"))
        assert not failure.permanent
        assert "does not speak TLS" in str(failure)

    def test_nobody_listens(self) -> None:
        failure = failure_of(Server("127.0.0.1", free_port(), Security.PLAIN))
        assert not failure.permanent
        assert "refuses connections" in str(failure)

    def test_the_name_does_not_exist(self) -> None:
        failure = failure_of(Server("smtp.invalid", 465))
        assert not failure.permanent
        assert "smtp.invalid is not found" in str(failure)

    def test_a_server_that_never_greets(self) -> None:
        with ScriptedServer(Conversation.wait_for_the_end) as scripted:
            failure = failure_of(scripted.server(timeout_s=0.2))
        assert not failure.permanent
        assert "did not answer in time" in str(failure)

    def test_a_server_that_never_greets_and_an_attempt_that_is_shorter(self) -> None:
        with ScriptedServer(Conversation.wait_for_the_end) as scripted:
            sender = SmtpSender(scripted.server(), attempt_timeout_s=0.2)
            with pytest.raises(MailError, match="did not answer in time"):
                sender.send([email()])
            sender.close()

    def test_a_server_that_turns_us_away(self) -> None:
        with ScriptedServer(lambda conversation: conversation.send(b"554 5.7.1 blocked\r\n")) as scripted:
            failure = failure_of(replace(scripted.server(), login=None))
        assert not failure.permanent
        assert "554 5.7.1 blocked" in str(failure)

    def test_a_server_of_before_1995(self) -> None:
        def script(conversation: Conversation) -> None:
            conversation.send(b"220 ready\r\n")
            for reply in (b"500 what", b"250 hello", b"250 ok", b"250 ok", b"354 go on"):
                conversation.line()
                conversation.send(reply + b"\r\n")
            while conversation.line() != b".":
                pass
            conversation.send(b"250 taken\r\n")

        with ScriptedServer(script) as scripted:
            sender = SmtpSender(replace(scripted.server(), login=None))
            assert sender.send([email()])[0].answer == "250 taken"
            sender.close()


def test_postfix_takes_what_we_send() -> None:
    with SmtpSink() as sink:
        sender = SmtpSender(Server(sink.host, sink.port, Security.PLAIN))
        outcomes = [one.outcome for one in sender.send([email()] * 50)]
        sender.close()
    assert outcomes == [ACCEPTED] * 50

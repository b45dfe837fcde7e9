import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.core.bounce import Bounce, read_bounce
from triage.core.parse import parse

OURS = "<csp-1042-abcdef.0123456789abcdef0123456789abcdef@shop.example>"
KEY = "0123456789abcdef0123456789abcdef"
ANN = "ann@client.example"

RETURNED = f"""\
From: Support <help@shop.example>
To: {ANN}
Subject: Re: A question [CSP-1042-ABCDEF]
Message-ID: {OURS}
X-Triage-Key: {KEY}
"""


def report(
    *,
    status: str = f"Final-Recipient: rfc822; {ANN}\nAction: failed\nStatus: 5.1.1\n",
    returned: str = RETURNED,
    returned_type: str = "message/rfc822",
    top: str = "",
) -> bytes:
    """A delivery report in the form of RFC 3464."""
    lines = f"""\
Return-Path: <>
From: Mail Delivery System <MAILER-DAEMON@mx.client.example>
To: help@shop.example
Subject: Undelivered Mail Returned to Sender
{top}MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="limit"

--limit
Content-Type: text/plain; charset=us-ascii

I could not deliver your email.

--limit
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.client.example

{status}
--limit
Content-Type: {returned_type}

{returned}
This is what we wrote.
--limit--
"""
    return lines.replace("\n", "\r\n").encode()


def plain(body: str, *, subject: str = "failure notice", sender: str = "MAILER-DAEMON@mx.client.example") -> bytes:
    """A delivery report as old servers write it."""
    head = f"Return-Path: <>\nFrom: {sender}\nTo: help@shop.example\nSubject: {subject}\n\n"
    return (head + body).replace("\n", "\r\n").encode()


QMAIL = f"""\
Hi. This is the qmail-send program at mx.client.example.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<{ANN}>:
Sorry, no mailbox here by that name. (#5.1.1)

--- Below this line is a copy of the message.

{RETURNED}
This is what we wrote.
"""

EXIM = f"""\
This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  {ANN}
    Unrouteable address

------ This is a copy of the message, including all the headers. ------

{RETURNED}
"""


def bounce(raw: bytes) -> Bounce | None:
    return read_bounce(raw, parse(raw))


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (report(), "5.1.1"),
        (report(returned_type="text/rfc822-headers"), "5.1.1"),
        (report(returned_type="message/global"), "5.1.1"),
        (
            report(status=f"Original-Recipient: rfc822;{ANN}\nAction: Failed (permanent)\nStatus: 5.2.2 (full)\n"),
            "5.2.2",
        ),
        (report(status="Final-Recipient: RFC822; <Ann@client.example>\nAction: expired\nStatus: 4.4.7\n"), "4.4.7"),
        (report(status=f"Final-Recipient: rfc822; {ANN}\nStatus: 5.0.0\n"), "5.0.0"),
        (plain(QMAIL), ""),
        (plain(EXIM, subject="Mail delivery failed: returning message to sender"), ""),
    ],
    ids=["rfc3464", "headers-only", "internationalised", "mailbox-full", "expired", "without-action", "qmail", "exim"],
)
def test_a_report_names_the_mail_that_came_back_and_the_address(raw: bytes, status: str) -> None:
    found = bounce(raw)
    assert found is not None
    assert (found.message_ids[0], found.keys, found.addresses) == (OURS, (KEY,), {ANN})
    assert found.status == status


@pytest.mark.parametrize(
    "raw",
    [
        report(status=f"Final-Recipient: rfc822; {ANN}\nAction: delayed\nStatus: 4.4.1\n"),
        report(status=f"Final-Recipient: rfc822; {ANN}\nAction: delivered\nStatus: 2.0.0\n"),
        report(status=f"Final-Recipient: rfc822; {ANN}\nAction: relayed\nStatus: 2.0.0\n"),
        plain(
            "Your message has not yet been delivered to the following recipients:\n\nThe server will go on trying.\n",
            subject="Warning: message delayed 24 hours",
        ),
        plain("I am away until Monday.\n", subject="Out of office", sender=ANN),
        plain(f"Thank you for your email.\n\n> Message-ID: {OURS}\n", subject="Re: A question", sender=ANN),
        b"Subject: hello\r\n\r\nWhy did the mail to my colleague bounce?\r\n",
        b"",
    ],
    ids=["delayed", "delivered", "relayed", "delayed-in-words", "absence", "acknowledgement", "person", "nothing"],
)
def test_what_tells_of_no_failure_is_no_bounce(raw: bytes) -> None:
    assert bounce(raw) is None


def test_where_the_mail_is_not_returned_the_reports_own_references_name_it() -> None:
    raw = report(returned="", returned_type="text/plain", top=f"In-Reply-To: {OURS}\nReferences: <a@b> <c@d>\n")
    found = bounce(raw)
    assert found is not None
    assert found.message_ids == (OURS, "<c@d>", "<a@b>")
    assert found.keys == ()


def test_a_report_with_thousands_of_ids_names_ten() -> None:
    found = bounce(plain(QMAIL + "".join(f"Message-ID: <{n}@x.example>\n" for n in range(5_000))))
    assert found is not None
    assert len(found.message_ids) == 10


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (Bounce(), f"A delivery report says that the email to {ANN} did not arrive."),
        (
            Bounce(addresses=frozenset({ANN}), status="5.1.1"),
            f"A delivery report says that the email to {ANN} did not arrive (status 5.1.1).",
        ),
        (
            Bounce(addresses=frozenset({"elsewhere@client.example"})),
            f"A delivery report says that the email to {ANN} did not arrive; it names another address, as after "
            "forwarding.",
        ),
    ],
)
def test_the_sentence_repeats_nothing_that_a_forger_could_put_there(found: Bounce, sentence: str) -> None:
    assert found.sentence(ANN) == sentence


POISON = {
    "long line without an at": plain("Your message could not be delivered to\n" + "a" * 1_000_000),
    "many lines for the slow patterns": plain(
        "The following addresses had permanent errors\nYour message could not be delivered\n"
        "Unable to deliver message to\nDelivery has failed\n" + ("a" * 5_000 + "\n") * 300
    ),
    "quotes in From": plain("no such user", sender='"' * 50_000),
    "empty From": plain("Your message could not be delivered", sender=""),
    "8 bit in the subject": b"Return-Path: <>\r\nFrom: MAILER-DAEMON@x\r\nSubject: \xff\xfe\r\n\r\nundeliverable\r\n",
    "thousands of recipients": report(status="Action: failed\nStatus: 5.1.1\n\n" * 20_000),
    "a deep returned mail": report(returned="Content-Type: multipart/mixed; boundary=x\n" + "--x\n" * 20_000),
}


@pytest.mark.parametrize("raw", POISON.values(), ids=POISON.keys())
def test_a_poisoned_report_costs_less_than_a_second(raw: bytes) -> None:
    mail = parse(raw)
    started = time.process_time()
    read_bounce(raw, mail)
    assert time.process_time() - started < 1


@given(st.binary(max_size=300), st.integers(0, 1_200))
def test_nothing_that_is_put_into_a_report_makes_the_reader_fail(noise: bytes, place: int) -> None:
    raw = report()
    bounce(raw[:place] + noise + raw[place:])

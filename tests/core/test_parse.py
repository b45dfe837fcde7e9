import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.core.addresses import read_addresses
from triage.core.headers import decode_words, parameters
from triage.core.mail import Address, Mail
from triage.core.parse import LONGEST_HTML, LONGEST_TEXT, parse

MAILS = Path(__file__).parent.parent / "mails"
LONG_1 = "<AM0PR04MB1234567890ABCDEF1234567890ABCDEF1234567890A@AM0PR04MB1234.eurprd04.prod.mail.example>"
LONG_2 = "<DB7PR04MB0987654321FEDCBA0987654321FEDCBA0987654321F@DB7PR04MB4321.eurprd04.prod.mail.example>"


def read(name: str, *, complete: bool = True) -> Mail:
    return parse((MAILS / f"{name}.eml").read_bytes(), complete=complete)


def test_an_ordinary_email_is_read_whole() -> None:
    mail = read("ordinary-question")
    assert mail.sender == Address("ann@client.example", "Ann Baker")
    assert mail.to == (Address("help@shop.example", "Support"),)
    assert (mail.subject, mail.message_id) == ("A second invoice", "<q7f3@client.example>")
    assert mail.date == datetime(2026, 11, 25, 8, 12, 44, tzinfo=UTC)
    assert mail.text.startswith("Hello,\n\nwe received two invoices")
    assert (mail.content_type, mail.part_types, mail.html) == ("text/plain", ("text/plain",), "")
    assert mail.return_path is None
    assert mail.defects == ()
    assert len(mail.sha256) == 64
    assert mail.size == len((MAILS / "ordinary-question.eml").read_bytes())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("html-only", "Hello,\n\ntwo invoices for October?"),
        ("text-is-a-stub", "Which invoice is right?"),
        ("text-around-a-picture", "This is what I see:\n\nWhat is wrong there?"),
        ("windows-letters-declared-as-ascii", "It’s the “second” invoice.\n"),
        ("unknown-charset", "Grüße aus Köln\n"),
        ("japanese", "請求書が二通あります。\n"),
        ("boundary-missing", "Hello, which invoice is right?\n"),
        ("boundary-never-closed", "Which invoice is ri"),
        ("base64-torn", "Which invoice is right? Grüße"),
        ("line-without-colon-among-headers", "Which is right?\n"),
    ],
)
def test_the_text_of(name: str, expected: str) -> None:
    assert read(name).text.strip() == expected.strip()


def test_an_email_forwarded_as_attachment_without_a_word_is_the_question() -> None:
    mail = read("forwarded-as-attachment-without-a-word")
    assert mail.text.endswith("From: Tom <tom@client.example>\nSubject: invoices\n\nWhy are there two invoices?")
    assert mail.sender == Address("ann@client.example", "Ann Baker")


def test_an_mbox_line_on_top_is_no_header() -> None:
    assert read("mbox-line-on-top").sender == Address("ann@client.example", "Ann Baker")


def test_line_ends_of_any_kind_give_the_same() -> None:
    raw = (MAILS / "text-around-a-picture.eml").read_bytes()
    unix, dos, mac = (parse(raw.replace(b"\n", end)) for end in (b"\n", b"\r\n", b"\r"))
    assert unix.text == dos.text == mac.text
    assert unix.headers == dos.headers == mac.headers
    assert unix.attachments == dos.attachments == mac.attachments


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("subject-with-a-hidden-header", "Invoice Bcc: spy@partner.example"),
        ("subject-in-split-characters", "Rechnung für März"),
        ("japanese", "請求書"),
    ],
)
def test_a_subject_is_decoded_to_one_line(name: str, subject: str) -> None:
    assert read(name).subject == subject


def test_ids_are_kept_byte_for_byte() -> None:
    mail = read("long-ids")
    assert mail.in_reply_to == (LONG_2,)
    assert mail.references == (LONG_1, LONG_2)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("ann@client.example", ["ann@client.example"]),
        ("Ann <ann@client.example>", ["ann@client.example"]),
        ("ann@CLIENT.Example (Ann Baker)", ["ann@client.example"]),
        ('"Baker, Ann <sales>" <ann@client.example>', ["ann@client.example"]),
        ("=?iso-8859-1?Q?B=FCrger,=20Anna?= <anna@client.example>", ["anna@client.example"]),
        ("a@x.example, b@y.example; c@z.example", ["a@x.example", "b@y.example", "c@z.example"]),
        ("Undisclosed recipients:;", []),
        ("Desk: a@x.example, Pat <b@y.example>;", ["a@x.example", "b@y.example"]),
        ("Ann (the (inner) one) <ann@client.example>", ["ann@client.example"]),
        ("<>", []),
        ("", []),
        ('"ann.baker"@client.example', ["ann.baker@client.example"]),
        ("ann@client.example <ann@client.example>", ["ann@client.example"]),
    ],
)
def test_clear_addresses(value: str, expected: list[str]) -> None:
    addresses, clear = read_addresses(value)
    assert [address.email for address in addresses] == expected
    assert clear


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("help@shop.example <evil@client.example>", ["evil@client.example"]),
        ("<evil@client.example> help@shop.example", []),
        ("<help@shop.example> <evil@client.example>", []),
        ("ann@client.example@partner.example", []),
        ("Ann Baker", []),
        ("=?utf-8?q?ann=40client=2Eexample?=", []),
        ("ann baker@client.example", []),
        ('"ann baker"@client.example', []),
        ("ann..baker@client.example", []),
        ("ann@[192.0.2.4]", []),
        ("ann@-client.example", []),
        ("@client.example", []),
        ("<@relay.example:ann@client.example>", []),
    ],
)
def test_unclear_addresses_never_give_the_trusted_one(value: str, expected: list[str]) -> None:
    addresses, clear = read_addresses(value)
    assert [address.email for address in addresses] == expected
    assert not clear


def test_names_are_decoded_after_the_addresses_are_apart() -> None:
    assert read("name-encoded-with-a-comma").from_ == (Address("anna@client.example", "Bürger, Anna"),)
    assert read("name-in-quotes-with-brackets").from_ == (Address("ann@client.example", "Baker, Ann <sales>"),)


def test_several_from_headers_are_several_authors() -> None:
    assert parse(b"From: a@x.example\nFrom: b@y.example\n\nHello").sender is None


@pytest.mark.parametrize(
    ("value", "expected"), [("<>", ""), ("<b17@x.example>", "b17@x.example"), ("b17@X.example", "b17@x.example")]
)
def test_the_null_return_path_is_told_from_none(value: str, expected: str) -> None:
    assert parse(f"Return-Path: {value}\nFrom: a@x.example\n\n".encode()).return_path == expected
    assert parse(b"From: a@x.example\n\n").return_path is None


def test_attachments_have_decoded_names_and_their_size() -> None:
    (attachment,) = read("file-name-in-pieces").attachments
    assert (attachment.name, attachment.content_type, attachment.size) == ("Rechnung März.pdf", "application/pdf", 9)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text/plain; charset=utf-8", {"charset": "utf-8"}),
        ('text/plain; name="a \\"b\\"; c.txt"; charset=utf-8', {"name": 'a "b"; c.txt', "charset": "utf-8"}),
        ("x/y; name==?utf-8?q?M=C3=A4rz?=", {"name": "März"}),
        ("x/y; name*=utf-8'de'M%C3%A4rz", {"name": "März"}),
        ("x/y; name*1=b; name*0=a", {"name": "ab"}),
        ("x/y; name=first; name=second", {"name": "first"}),
    ],
)
def test_parameters(value: str, expected: dict[str, str]) -> None:
    assert parameters(value) == expected


def test_structure_shows_reports_and_calendars() -> None:
    report = read("delivery-report")
    assert report.report_type == "delivery-status"
    assert report.part_types == ("multipart/report", "text/plain", "message/delivery-status", "text/rfc822-headers")
    assert read("calendar-answer").calendar_method == "REPLY"
    assert "message/delivery-status" not in read("attaches-a-bounce").part_types


@pytest.mark.parametrize(
    ("name", "defect"),
    [
        ("boundary-missing", "its parts cannot be told apart: a boundary is missing"),
        ("boundary-never-closed", "its text ends in the middle"),
        ("base64-torn", "some of its characters are damaged"),
        ("line-without-colon-among-headers", "its headers are broken, or more than 500"),
        ("address-with-two-ats", "its From does not name one clear address"),
        ("our-address-as-name-of-another", "its From does not name one clear address"),
        ("no-author", "it names no sender"),
    ],
)
def test_what_is_broken_is_a_defect(name: str, defect: str) -> None:
    assert defect in read(name).defects


def test_the_beginning_of_a_large_email_is_whole_where_its_text_is() -> None:
    raw = (MAILS / "text-around-a-picture.eml").read_bytes()
    after_text = raw.index(b"iVBOR") + 3
    in_text = raw.index(b"This is") + 4
    assert parse(raw[:after_text], complete=False).defects == ()
    (defect,) = parse(raw[:in_text], complete=False).defects
    assert defect == "it is so large that its text was not read to the end"


def test_headers_keep_their_order_and_lose_control_characters() -> None:
    mail = parse(b"From: a@x.example\nReceived: one\nX-A: \x07be\tll\nReceived: two\n\nHello")
    assert mail.header("Received") == ("one", "two")
    assert mail.header("x-a") == ("be ll",)


def test_a_charset_that_is_none_does_no_harm() -> None:
    for charset in ("punycode", "unicode_escape", "hex", "undefined", "\x00", "x" * 200, "idna"):
        mail = parse(f"From: a@x.example\nContent-Type: text/plain; charset={charset}\n\nHello \\ud800".encode())
        assert mail.text == "Hello \\ud800"


def nested(count: int) -> bytes:
    parts = b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (n, n) for n in range(count))
    return b"From: a@x.example\n" + parts + b"\nHello\n"


HEAD = b"From: a@x.example\nTo: help@shop.example\n"
POISON = {
    "a From of quotes": b"From: " + b'"' * 50_000 + b"\n\nHello",
    "a From of backslashes": b'From: "' + b"\\" * 50_000 + b"\n\nHello",
    "a subject of a megabyte": HEAD + b"Subject: " + b"subject " * 125_000 + b"\n\nHello",
    "a subject of encoded words": HEAD + b"Subject: " + b"=?utf-8?q?a?= " * 70_000 + b"\n\nHello",
    "nested comments": HEAD + b"Cc: " + b"(" * 2_000 + b")" * 2_000 + b"\n\nHello",
    "nested multiparts": nested(2_000),
    "nested multiparts of one boundary": HEAD
    + b"Content-Type: multipart/mixed; boundary=b\n\n"
    + b"--b\nContent-Type: multipart/mixed; boundary=b\n\n" * 20_000,
    "many authors": b"From: " + b", ".join(b"a%d@x.example" % n for n in range(5_000)) + b"\n\nHello",
    "many parts": HEAD + b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nHello\n" * 20_000,
    "many headers": HEAD + b"".join(b"X-%d: y\n" % n for n in range(100_000)) + b"\nHello",
    "many parameters": HEAD + b"Content-Type: text/plain" + b"; a=b" * 100_000 + b"\n\nHello",
    "almost boundaries": HEAD + b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b--b" * 200_000,
    "many ids": HEAD + b"References: " + b"<" * 200_000 + b"\n\nHello",
    "open tags": HEAD + b"Content-Type: text/html\n\n" + b"<style <!-- " * 80_000,
    "broken base64": HEAD + b"Content-Transfer-Encoding: base64\n\n" + b"=A" * 500_000,
}


@pytest.mark.parametrize("name", POISON)
def test_a_poison_email_is_read_in_no_time(name: str) -> None:
    start = time.perf_counter()
    mail = parse(POISON[name])
    assert time.perf_counter() - start < 1.0
    assert len(mail.text) <= LONGEST_TEXT
    assert len(mail.html) <= LONGEST_HTML


def test_a_common_email_costs_well_under_a_millisecond() -> None:
    raw = (MAILS / "ordinary-question.eml").read_bytes() + b"We need to know this by Friday, thank you.\n" * 60
    times = []
    for _ in range(50):
        start = time.perf_counter()
        parse(raw)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.001


FRAGMENTS = st.sampled_from(
    [
        *(b"From: ", b"Subject: ", b"Content-Type: ", b"multipart/mixed; boundary=b", b"text/html", b"message/rfc822"),
        *(b"\n", b"\r\n", b"\n\n", b"--b", b"--b--", b"=?utf-8?q?", b"=?utf-8?b?", b"?=", b'"', b"(", b"<", b">", b"@"),
        *(b"a@x.example", b",", b";", b":", b"charset=", b"utf-16", b"utf-7", b"\xff\xfe", b"\x00", b"Date: ", b"<p>"),
        *(b"Content-Transfer-Encoding: base64", b"quoted-printable", b"=3D", b"name*0*=", b"''", b"%E4", b"+2AA-"),
        *(b"Content-Disposition: attachment", b"text/calendar; method=REPLY", b"Content-Type: multipart/alternative"),
    ]
)


@given(st.lists(FRAGMENTS | st.binary(max_size=20), max_size=60).map(b"".join), st.booleans())
def test_any_bytes_give_a_mail(raw: bytes, complete: bool) -> None:
    mail = parse(raw, complete=complete)
    assert not any("in our reader" in defect for defect in mail.defects)
    assert "\n" not in mail.subject
    for text in (mail.subject, mail.text, mail.html, *(value for _, value in mail.headers)):
        text.encode()  # nothing that a database could not store
        assert "\x00" not in text
    for address in (*mail.from_, *mail.to, *mail.cc, *mail.reply_to):
        assert address.email.count("@") == 1
        assert not any(character.isspace() for character in address.email)


@given(st.text(max_size=200))
def test_encoded_words_never_raise_and_plain_text_stays(value: str) -> None:
    decoded = decode_words(value)
    if "=?" not in value:
        assert decoded == value

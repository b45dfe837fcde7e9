import re
import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.core.html import html_to_text
from triage.core.mail import Address, Attachment, Mail, Redaction
from triage.core.parse import parse
from triage.core.redact import redact

MAILS = Path(__file__).parent.parent / "mails"
WIDE = {ord(digit): 0xFF10 + int(digit) for digit in "0123456789"}  # full-width digits


def with_check_digit(digits: str) -> str:
    """The number that begins so, completed by its Luhn digit."""
    total = sum(int(one) if place % 2 else sum(divmod(int(one) * 2, 10)) for place, one in enumerate(reversed(digits)))
    return f"{digits}{-total % 10}"


VISA = with_check_digit("453957876362148")
AMEX = with_check_digit("37144963539843")
DINERS = with_check_digit("3652001234567")


def grouped(number: str, between: str, *sizes: int) -> str:
    ends = [sum(sizes[:place]) for place in range(len(sizes) + 1)]
    return between.join(number[start:end] for start, end in pairwise(ends))


def fours(between: str, number: str = VISA) -> str:
    return grouped(number, between, 4, 4, 4, 4)


def mail(text: str = "", **fields: object) -> Mail:
    return Mail("", 0, text=text, **fields)  # type: ignore[arg-type]


# --- card numbers -----------------------------------------------------------------------------------------------------

CARDS = {
    "in one piece": VISA,
    "with blanks": fours(" "),
    "with no-break spaces": fours("\xa0"),
    "with thin spaces": fours("\u2009"),
    "with zero-width spaces": fours("\u200b"),
    "with ideographic spaces": fours("\u3000"),
    "with tabs": fours("\t"),
    "with dashes": fours("-"),
    "with long dashes": fours("–"),
    "with dots": fours("."),
    "with slashes": fours("/"),
    "with blanks and dashes": fours(" - "),
    "with underscores": fours("_"),
    "with line ends": fours("\n"),
    "over two lines": grouped(VISA, "\n", 8, 8),
    "in a quote": "> " + fours("\n> "),
    "in full-width digits": VISA.translate(WIDE),
    "in full-width groups": fours(" ").translate(WIDE),
    "in brackets": f"({VISA})",
    "behind the word": f"Visa{VISA}",
    "behind a Japanese word": f"カード番号{VISA}です",
    "before a full stop": f"It is {fours(' ')}.",
    "in a file name": f"scan_{VISA}.pdf",
    "with commas, in an email about cards": f"card {fours(', ')}",
    "digit by digit, in an email about cards": f"my card is {' '.join(VISA)}",
    "in pairs, in an email about cards": f"credit card {grouped(VISA, ' ', *[2] * 8)}",
    "twice": f"{VISA} and {fours(' ')}",
    "Mastercard": with_check_digit("520082828282821"),
    "Mastercard of the second series": with_check_digit("222300312233445"),
    "American Express": AMEX,
    "American Express as printed": grouped(AMEX, " ", 4, 6, 5),
    "Diners Club": DINERS,
    "Diners Club as printed": grouped(DINERS, " ", 4, 6, 4),
    "Discover": with_check_digit("601111111111111"),
    "JCB": with_check_digit("353011133330000"),
    "UnionPay": with_check_digit("620512345678901"),
    "UnionPay of 19 digits": with_check_digit("620512345678901234"),
    "Maestro": with_check_digit("675964982643845"),
    "RuPay": with_check_digit("608112345678901"),
    "Mir": with_check_digit("220012345678901"),
    "for an order, but grouped and called a card": f"Card for order no. {fours(' ')}",
}


@pytest.mark.parametrize("text", CARDS.values(), ids=CARDS)
def test_a_card_number_goes(text: str) -> None:
    redacted = redact(mail(text))
    assert len(re.findall(r"\d", redacted.text)) < 4
    assert "[card number removed]" in redacted.text
    assert redacted.redactions[0].kind == "card number"


NO_CARDS = {
    "a wrong check digit": VISA[:-1] + str((int(VISA[-1]) + 1) % 10),
    "an unknown issuer": with_check_digit("178957876362148"),
    "a right issuer at a wrong length": with_check_digit("45395787636214"),
    "a phone number": f"+{VISA}",
    "a phone number in groups": "+49 (0)201 555 0144-12",
    "a phone number without plus": "call 0049 201 5550144 or 0201-555 0144",
    "a URL": f"https://portal.example/invoices/{VISA}.pdf",
    "a URL with a query": f"www.portal.example/?id={VISA}&x=1",
    "a URL without a scheme": f"portal.example/track/{VISA}",
    "an email address": f"{VISA}@client.example",
    "a subscription id": "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
    "a GUID of digits": "45395787-6362-4148-8639-457876362148",
    "an invoice": f"invoice {VISA}",
    "an invoice number": f"Invoice no. {VISA}",
    "a PO number": f"PO number: {fours(' ')}",
    "an order": f"order #{VISA}",
    "a tracking number": f"tracking number {VISA}",
    "a German invoice": f"Rechnungsnummer: {VISA}",
    "an article number": "EAN 4006381333931",
    "a number of 13 digits": "4222222222222",
    "an IMEI": "490154203237518",
    "part of a word": f"REF{VISA}",
    "followed by letters": f"{VISA}AB",
    "followed by more digits": f"{VISA}000000",
    "a time in milliseconds": "1732543200000",
    "a date and a time": "2026-11-25 15:00:00.123456",
    "addresses of servers": "52.113.194.132 40.99.10.1 20.190.129.22",
    "an IBAN": "DE89 3704 0044 0532 0130 00",
    "amounts": "4,539,578,763,621,486",
    "a list of numbers": "4000, 4001, 4002, 4003, 4004",
    "groups joined by &": "4539 5787&6362 1486",
    "nothing but zeros": "0000 0000 0000 0000",
    "a phone number in HTML clothes": "&#43; 1 936 321 1111",
}


@pytest.mark.parametrize("text", NO_CARDS.values(), ids=NO_CARDS)
def test_other_numbers_stay(text: str) -> None:
    assert redact(mail(text)) == mail(text)


def test_expiry_and_code_beside_the_number_go_with_it() -> None:
    assert redact(mail(f"{VISA} 12/28 123")).text == "[card number removed] [security code removed]"
    assert redact(mail(f"{VISA}, exp 12/2028, 123.")).text == "[card number removed], [security code removed]."
    assert redact(mail("It expires on 12/28.")).redactions == ()


# --- codes and passwords ----------------------------------------------------------------------------------------------

SECRETS = [
    ("CVV: 123", "CVV: [security code removed]", "security code"),
    ("my cvc is 1234", "my cvc is [security code removed]", "security code"),
    ("123 (CVV)", "[security code removed] (CVV)", "security code"),
    ("Security code 123.", "Security code [security code removed].", "security code"),
    ("Prüfziffer 123", "Prüfziffer [security code removed]", "security code"),
    ("card: see below, CID 123", "card: see below, CID [security code removed]", "security code"),
    ("my password is Hunter22", "my password is [password removed]", "password"),
    ("pw: x9!k", "pw: [password removed]", "password"),
    ("Password = Welcome1.", "Password = [password removed].", "password"),
    ('The password is "Sommer2026".', 'The password is "[password removed]".', "password"),
    ("Mein Passwort lautet Geheim#1", "Mein Passwort lautet [password removed]", "password"),
    ("mot de passe : Bonjour1!", "mot de passe : [password removed]!", "password"),
    ("contraseña: Hola123", "contraseña: [password removed]", "password"),
    ("パスワードはabc12345", "パスワードは[password removed]", "password"),
    ("パスワード\uff1aabc12345", "パスワード\uff1a[password removed]", "password"),
    ("User: ann\nPassword: summer\nThanks", "User: ann\nPassword: [password removed]\nThanks", "password"),
    ("the code 123456 came", "the code [one-time code removed] came", "one-time code"),
    ("verification code is 123 456", "verification code is [one-time code removed]", "one-time code"),
]


@pytest.mark.parametrize(("text", "expected", "kind"), SECRETS, ids=[text for text, _, _ in SECRETS])
def test_codes_and_passwords_go(text: str, expected: str, kind: str) -> None:
    redacted = redact(mail(text))
    assert redacted.text.rstrip("!") == expected.rstrip("!")
    assert redacted.redactions == (Redaction(kind, 1),)


@pytest.mark.parametrize(
    "text",
    [
        "my password is not working",
        "The password is expired.",
        "My password is 12-characters long",
        "Password reset: please help",
        "Password: see https://portal.example/reset/4711",
        "password: ann@client.example",
        "error code 500121",
        "AADSTS50126 with error-code 123456",
        "postal code 560001, ZIP code 90210",
        "CID 1234 is our customer id",
        "[cid:image001.png@01D9]",
        "security number 1234.56",
        "our PIN code is 560001",
        "I pass 1234 items on",
    ],
)
def test_what_only_speaks_of_them_stays(text: str) -> None:
    assert redact(mail(text)).text == text


# --- the whole email --------------------------------------------------------------------------------------------------


def test_no_field_keeps_the_number() -> None:
    raw = (MAILS / "card-number-everywhere.eml").read_bytes()
    redacted = redact(parse(raw))
    said = re.sub(r"\D", "", repr(redacted).replace(redacted.sha256, ""))
    assert VISA not in said
    assert "123," not in redacted.text
    assert redacted.subject == "Card [card number removed]"
    assert redacted.attachments[0].name == "card [card number removed].png"
    assert redacted.redactions == (Redaction("card number", 3), Redaction("security code", 1))


def test_names_and_headers_are_cleaned_and_ids_are_not() -> None:
    received = mail(
        from_=(Address("ann@client.example", f"Ann {VISA}"),),
        message_id=f"<{VISA}@client.example>",
        headers=(("message-id", f"<{VISA}@client.example>"), ("x-form-field", f"card {VISA}")),
        attachments=(Attachment(f"{VISA}.pdf", "application/pdf", 9),),
    )
    redacted = redact(received)
    assert redacted.from_ == (Address("ann@client.example", "Ann [card number removed]"),)
    assert redacted.attachments == (Attachment("[card number removed].pdf", "application/pdf", 9),)
    assert redacted.message_id == received.message_id
    assert redacted.header("message-id") == received.header("message-id")
    assert redacted.header("x-form-field") == ("card [card number removed]",)


HTML = {
    "in one piece": f"<p>{VISA}</p>",
    "with entities between": f"<p>{fours('&nbsp;')}</p>",
    "with numeric entities between": f"<p>{fours('&#160;')} and {fours('&#xa0;')}</p>",
    "in entities": "<p>" + "".join(f"&#{ord(digit)};" for digit in VISA) + "</p>",
    "with tags between": f"<p>{fours('</b><b>')}</p>",
    "with breaks between": f"<p>{fours('<br>')}</p>",
    "with breaks and line ends between": f"<p>{grouped(VISA, '<br>' + chr(10), 8, 8)}</p>",
    "in cells": f"<table><tr><td>{fours('</td><td>')}</td></tr></table>",
    "in an attribute": f'<p><img alt="{fours(" ")}">hello</p>',
    "in full-width digits": f"<div>{VISA.translate(WIDE)}</div>",
}


@pytest.mark.parametrize("markup", HTML.values(), ids=HTML)
def test_html_loses_the_number_and_keeps_its_tags(markup: str) -> None:
    redacted = redact(mail(html_to_text(markup), html=markup))
    assert "[card number removed]" in redacted.html
    left = re.sub(r"\D", "", re.sub(r"&#x?\w+;", lambda entity: chr(int(re.sub(r"\D", "", entity[0]))), redacted.html))
    assert len(left) < 8
    assert re.findall(r"</?\w+", redacted.html) == re.findall(r"</?\w+", markup)


def test_html_without_secrets_stays_byte_for_byte() -> None:
    markup = "<style>p {width: 1234567890123456px}</style><p>a &lt; b &amp; c &nbsp; <unclosed"
    assert redact(mail("a < b", html=markup)).html == markup


def test_text_and_html_of_one_email_are_counted_once() -> None:
    redacted = redact(mail(f"{VISA} and {AMEX}", html=f"<p>{VISA} and {AMEX}</p>", subject=f"pay with {VISA}"))
    assert redacted.redactions == (Redaction("card number", 3),)


PIECES = st.sampled_from(
    [
        *(
            VISA,
            fours(" "),
            fours("-"),
            AMEX,
            "4539",
            "5787 6362",
            " 1486",
            " ",
            "\n",
            ", ",
            "-",
            ".",
            "[",
            "]",
            "(",
            "+",
        ),
        *(
            "card ",
            "Visa",
            "invoice ",
            "order no. ",
            "password is ",
            "pw: ",
            "Hunter22",
            "user: ann\n",
            "code ",
            "123456",
        ),
        *(
            "cvv ",
            "123",
            "12/28",
            "https://x.example/",
            "@x.example",
            "<b>",
            "</b>",
            "&nbsp;",
            "&#52;",
            "<br>",
            "<",
            "&",
        ),
        *("[card number removed]", "[password removed]", "\u3000", "4", "é", "カード"),
    ]
)
TEXTS = st.lists(PIECES | st.text(max_size=6), max_size=40).map("".join)


@given(TEXTS, TEXTS, TEXTS)
def test_redacting_again_changes_nothing(subject: str, text: str, html: str) -> None:
    once = redact(mail(text, subject=subject, html=html, headers=(("x-form", subject),)))
    assert redact(once) == once


@given(TEXTS, st.sampled_from([VISA, AMEX, fours(" "), fours("-")]), TEXTS)
def test_a_number_on_a_line_of_its_own_never_stays(before: str, number: str, after: str) -> None:
    text = f"{before}\n\nmy card\n\n{number}\n\nthank you\n\n{after}"
    assert f"\n\n{number}\n\nthank you" not in redact(mail(text)).text


@pytest.mark.parametrize(
    "unit",
    [
        "4",
        "4 ",
        "4539 ",
        "45-",
        "4\n",
        "<",
        "<b>",
        "&#52;",
        "a@",
        "http://",
        "password is ",
        "cvv 1 ",
        "code ",
        f"{VISA} ",
    ],
)
def test_time_is_linear_in_the_length(unit: str) -> None:
    text = (unit * 200_000)[:200_000]
    start = time.perf_counter()
    redact(mail(text, html=text))
    assert time.perf_counter() - start < 4.0

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.values import mail, policy
from triage.core.lookalike import look_alikes, resembles
from triage.core.mail import Address


@pytest.mark.parametrize(
    "other",
    [
        "clients.example",  # a letter more
        "clent.example",  # one left out
        "cliemt.example",  # one exchanged
        "clietn.example",  # two in the wrong order
        "client.exampl",
        "c1ient.example",  # a figure for a letter
        "cl1ent.example",
        "сlіеnt.example",  # Cyrillic
        "xn--lnt-rdd2dzg.example",  # the same, as mail carries it
        "dient.example",  # cl reads as d
        "clíent.example",
        "cli-ent.example",
        "CIient.example",
    ],
)
def test_these_domains_look_like_client_example(other: str) -> None:
    assert resembles(other, "client.example")
    assert resembles("client.example", other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("client.example", "client.example"),
        ("client.example", "CLIENT.example"),
        ("client.example", "tenant.example"),
        ("client.example", "clinic.example"),
        ("hp.example", "hq.example"),  # short names are similar by chance
        ("xn--.example", "client.example"),
        ("xn--99999999999.example", "client.example"),
        ("", "client.example"),
    ],
)
def test_these_do_not(one: str, other: str) -> None:
    assert not resembles(one, other)


@given(st.text(max_size=80), st.text(max_size=80))
def test_any_two_names_can_be_compared_either_way(one: str, other: str) -> None:
    assert resembles(one, other) == resembles(other, one)


@pytest.mark.parametrize(
    ("sender", "reply_to", "participants", "found"),
    [
        ("ann@clients.example", (), ["ann@client.example"], [("clients.example", "client.example")]),
        ("ann@client.example", ("ann@c1ient.example",), ["ann@client.example"], [("c1ient.example", "client.example")]),
        ("boss@mail.sh0p.example", (), [], [("sh0p.example", "shop.example")]),
        ("it@teems.example", (), [], [("teems.example", "teams.example")]),
        ("ann@client.example", (), ["ann@client.example"], []),
        ("ann@eu.client.example", (), ["ann@client.example"], []),
        ("ann@gmail.com", (), ["ann@ymail.com"], []),  # both are what they are
        ("ann@gmai1.com", (), ["ann@gmail.com"], [("gmai1.com", "gmail.com")]),
    ],
)
def test_sender_and_reply_to_are_compared_with_us_and_with_who_takes_part(
    sender: str, reply_to: tuple[str, ...], participants: list[str], found: list[tuple[str, str]]
) -> None:
    received = mail(from_=(Address(sender),), reply_to=tuple(Address(address) for address in reply_to))
    assert look_alikes(received, policy(), participants) == found

import pytest

from tests.core.values import SECRET, mail, policy
from triage.core import ticket as tickets
from triage.core.conversation import (
    Claim,
    answers_customer,
    colleague_wrote,
    correspondent,
    is_colleague,
    read_claim,
)
from triage.core.mail import Address, Conversation, Objection, Severity

ANN = "ann@client.example"
KNOWN = Conversation(ticket=1042, participants=frozenset({ANN, "support@teams.example"}))


def signed(number: int, domain: str = "shop.example") -> str:
    return tickets.message_id(number, "0" * 32, domain, SECRET)


def tag(number: int) -> str:
    return tickets.tag(number, SECRET)


@pytest.mark.parametrize(
    ("changes", "claim"),
    [
        ({}, Claim()),
        ({"in_reply_to": (signed(7),)}, Claim(signed=7)),
        ({"references": (signed(6), signed(7), "<else@client.example>")}, Claim(signed=7)),
        ({"in_reply_to": (signed(7),), "references": (signed(8),)}, Claim(signed=7)),
        ({"in_reply_to": (signed(7, "elsewhere.example"),)}, Claim()),
        ({"in_reply_to": (signed(7).replace("csp-7-", "csp-8-"),)}, Claim()),
        ({"subject": f"Re: A question {tag(7)}"}, Claim(tagged=7)),
        ({"subject": f"Fwd: {tag(7).replace('CSP-7', 'CSP-8')} {tag(9)}"}, Claim(tagged=9)),
        ({"subject": "Re: [CSP-7]"}, Claim()),
    ],
)
def test_only_what_we_signed_is_a_claim(changes: dict[str, object], claim: Claim) -> None:
    assert read_claim(mail(**changes), "shop.example", SECRET) == claim


@pytest.mark.parametrize(
    ("address", "ours"),
    [
        ("jane@shop.example", True),
        ("jane@eu.shop.example", True),
        ("Support@teams.example", True),
        ("jane@teams.example", False),
        ("jane@notshop.example", False),
        (ANN, False),
    ],
)
def test_colleagues_are_those_of_our_domains_and_the_teams_addresses(address: str, ours: bool) -> None:
    assert is_colleague(address, policy()) is ours


MACHINE = Objection("auto-submitted", Severity.MACHINE, "an absence notice")
STAFF = Objection("staff", Severity.NO_ANSWER, "from our own organisation")
FORGED = Objection("forged", Severity.NO_ANSWER, "the sender may be forged")


@pytest.mark.parametrize(
    ("sender", "objections", "conversation", "wrote"),
    [
        ("jane@shop.example", [STAFF], KNOWN, True),
        ("support@teams.example", [], KNOWN, True),
        ("jane@shop.example", [STAFF, MACHINE], KNOWN, False),
        ("jane@shop.example", [STAFF, FORGED], KNOWN, False),
        ("jane@shop.example", [STAFF], Conversation(), False),
        (ANN, [], KNOWN, False),
    ],
)
def test_a_colleague_takes_over_by_writing_into_a_ticket(
    sender: str, objections: list[Objection], conversation: Conversation, wrote: bool
) -> None:
    assert colleague_wrote(mail(from_=(Address(sender),)), objections, conversation, policy()) is wrote


@pytest.mark.parametrize(
    ("to", "cc", "answer"),
    [
        (ANN, "help@shop.example", True),
        ("help@shop.example", "ANN@client.example", True),
        ("help@shop.example", "", False),
        ("support@teams.example", "help@shop.example", False),
        ("stranger@elsewhere.example", "help@shop.example", False),
    ],
)
def test_an_answer_goes_to_somebody_outside_who_takes_part(to: str, cc: str, answer: bool) -> None:
    received = mail(to=(Address(to),), cc=(Address(cc),) if cc else ())
    assert answers_customer(received, KNOWN, policy()) is answer


def test_the_customer_of_a_web_form_is_the_one_in_reply_to_where_policy_says_so() -> None:
    form = mail(from_=(Address("form@shop.example"),), reply_to=(Address(ANN),))
    assert correspondent(form, policy()) == Address("form@shop.example")
    assert correspondent(form, policy(allowed_reply_to=frozenset({"form@shop.example"}))) == Address(ANN)
    assert correspondent(mail(from_=()), policy()) is None


def test_the_never_reply_list_knows_an_address_by_itself_and_by_every_domain_above() -> None:
    hashes = tickets.suppression_hashes("Ann@mail.client.example", SECRET)
    for name in ("ann@mail.client.example", "mail.client.example", "CLIENT.example", "@client.example"):
        assert tickets.suppression_hash(name, SECRET) in hashes
    assert tickets.suppression_hash("other.example", SECRET) not in hashes
    assert tickets.suppression_hash("client.example", b"another key") not in hashes

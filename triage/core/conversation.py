"""Which conversation an email claims to continue, and who of those in it is who.

Three marks of ours bring a reply back to its ticket: the ids of our mails and of those we received (the journal knows
them), a signed number in our own Message-IDs, and a signed tag in the subject. The last one travels with every forward,
so it counts only from somebody who takes part in the conversation already.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from triage.core.domains import within
from triage.core.mail import Address, Conversation, Mail, Objection, Severity
from triage.core.policy import Policy
from triage.core.ticket import read_message_id, read_tag


@dataclass(frozen=True, slots=True)
class Claim:
    """Ticket numbers that an email names under our signature; None where it names none."""

    signed: int | None = None  # in the Message-ID of a mail of ours that it answers
    tagged: int | None = None  # in its subject


def read_claim(mail: Mail, domain: str, secret: bytes) -> Claim:
    """What it answers counts first, then its references from the newest to the oldest."""
    named = (read_message_id(value, domain, secret) for value in (*mail.in_reply_to, *reversed(mail.references)))
    return Claim(next((number for number in named if number is not None), None), read_tag(mail.subject, secret))


def correspondent(mail: Mail, policy: Policy) -> Address | None:
    """Whom an answer goes to: the author; for the web forms that policy names, the one address in Reply-To."""
    if mail.sender and mail.sender.email.lower() in policy.allowed_reply_to and len(mail.reply_to) == 1:
        return mail.reply_to[0]
    return mail.sender


def is_colleague(address: str, policy: Policy) -> bool:
    """Whether an address belongs to our own organisation or is that of a team."""
    teams = {team.address.lower() for team in policy.teams.values()}
    return address.lower() in teams or within(address.rpartition("@")[2], policy.staff_domains)


def colleague_wrote(mail: Mail, objections: Sequence[Objection], conversation: Conversation, policy: Policy) -> bool:
    """Whether a person of ours has written into a conversation that we know: automation is silent there from then on.

    Not where a machine wrote (a colleague's absence notice) nor where our mail server says that the sender is forged.
    """
    doubted = any(one.severity is Severity.MACHINE or one.code == "forged" for one in objections)
    return bool(conversation.ticket and mail.sender and not doubted and is_colleague(mail.sender.email, policy))


def answers_customer(mail: Mail, conversation: Conversation, policy: Policy) -> bool:
    """Whether it goes to somebody outside who takes part in the conversation: it is an answer, and we have a copy."""
    ours = policy.own_addresses
    return any(
        address.email.lower() in conversation.participants
        and address.email.lower() not in ours
        and not is_colleague(address.email, policy)
        for address in (*mail.to, *mail.cc)
    )

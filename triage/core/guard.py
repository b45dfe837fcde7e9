"""Everything that speaks against an automatic answer, each objection with its source.

Two verdicts that must not be mixed up: *a machine wrote it* (``machine.py``; it is ignored) and *we may not answer
automatically* (here; a person reads it, and the sender hears nothing from us). RFC 3834 section 2 asks the second
question of every email, RFC 5230 section 4.5 makes half of it a MUST.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from triage.core.authentication import authentication
from triage.core.domains import is_free_mail, organisation, within
from triage.core.machine import machine_objections
from triage.core.mail import Mail, Objection, SenderHistory, Severity, Verdict
from triage.core.policy import Policy


@dataclass(frozen=True, slots=True)
class Letter:
    """An email with all that bears on whether it may be answered."""

    mail: Mail
    intents: Sequence[str]  # what an answer would be about
    policy: Policy
    history: SenderHistory
    received_at: datetime
    now: datetime


Rule = Callable[[Letter], Objection | None]


def guard(
    mail: Mail,
    intents: Sequence[str],
    policy: Policy,
    history: SenderHistory,
    received_at: datetime,
    now: datetime,
) -> tuple[Objection, ...]:
    """All objections. Never raises: a rule that fails is an objection of its own (when in doubt, nothing is sent)."""
    letter = Letter(mail, intents, policy, history, received_at, now)
    objections: list[Objection] = []
    for rule in (machines, *RULES):
        try:
            objections += [found] if isinstance(found := rule(letter), Objection) else found or []
        except Exception as error:  # noqa: BLE001 - a broken rule must not let an answer through
            sentence = f"the rule {rule.__name__} failed ({type(error).__name__}): nothing is sent without it"
            objections.append(Objection("rule-failed", Severity.NO_ANSWER, sentence))
    return tuple(objections)


def machines(letter: Letter) -> list[Objection]:
    """The rules of ``machine.py``."""
    return machine_objections(letter.mail, letter.policy)


def _no_answer(code: str, source: str, sentence: str) -> Objection:
    return Objection(code, Severity.NO_ANSWER, sentence, source)


# --- can it be read ---------------------------------------------------------------------------------------------------


def malformed(letter: Letter) -> Objection | None:
    if letter.mail.defects:
        return _no_answer("malformed", "RFC 3834 section 2", f"parts of the email are broken: {letter.mail.defects[0]}")
    return None


def encrypted(letter: Letter) -> Objection | None:
    """S/MIME, whose signed form also hides the text, and PGP, also within the text (RFC 8551, 3156, 4880)."""
    sealed = {"application/pkcs7-mime", "application/x-pkcs7-mime", "multipart/encrypted", "application/pgp-encrypted"}
    if sealed & set(letter.mail.part_types) or "-----BEGIN PGP MESSAGE-----" in letter.mail.text:
        return _no_answer("encrypted", "RFC 3834 section 2", "it is encrypted or sealed: we cannot read all of it")
    return None


def invitation(letter: Letter) -> Objection | None:
    """A calendar's answers are a machine's; what invites, cancels or asks for an answer is for a person."""
    if letter.mail.calendar_method in ("REQUEST", "CANCEL", "ADD"):
        return _no_answer("invitation", "RFC 5546 section 3.2", "it is an invitation or changes one")
    return None


# --- who wrote it -----------------------------------------------------------------------------------------------------


def no_single_author(letter: Letter) -> Objection | None:
    if letter.mail.sender is None:
        count = len(letter.mail.from_) or "no"
        return _no_answer(
            "no-single-author", "RFC 5322 section 3.6.2", f"it has {count} authors; exactly one can be answered"
        )
    return None


def unsendable_address(letter: Letter) -> Objection | None:
    """Names without a dot lie in the sender's own network; other letters than ASCII need SMTPUTF8 (RFC 6531)."""
    sender = letter.mail.sender
    if sender and (not sender.email.isascii() or "." not in sender.domain):
        return _no_answer(
            "unsendable-address", "RFC 5321 section 2.3.5", "its sender's address cannot be reached from here"
        )
    return None


_ROLES = frozenset("abuse ftp hostmaster news postmaster root usenet uucp webmaster www".split())  # RFC 2142


def role_address(letter: Letter) -> Objection | None:
    """Often a person, often a machine (RFC 5230 section 4.6 warns of postmaster); list managers' -request, too."""
    name = letter.mail.sender.email.partition("@")[0].lower() if letter.mail.sender else ""
    if name in _ROLES or name.endswith("-request"):
        return _no_answer(
            "role-address", "RFC 5230 section 4.6", "it comes from a role such as postmaster, where machines write, too"
        )
    return None


def staff(letter: Letter) -> Objection | None:
    sender = letter.mail.sender
    if sender and within(sender.domain, letter.policy.staff_domains):
        return _no_answer("staff", "policy", "it comes from our own organisation: handed over, never answered")
    return None


def never_reply(letter: Letter) -> Objection | None:
    """Addresses and domains of policy, and those that the journal has suppressed."""
    sender, listed = letter.mail.sender, letter.policy.never_reply
    on_list = sender and (sender.email.lower() in listed or within(sender.domain, listed))
    if on_list or letter.history.suppressed:
        return _no_answer("never-reply", "policy", "its sender is on the list of those who get no automatic mail")
    return None


_ADDRESS_IN_NAME = re.compile(r"[\w.+-]+@([\w-]+(?:\.[\w-]+)+)")


def misleading_name(letter: Letter) -> Objection | None:
    """A display name that shows an address of another organisation."""
    sender = letter.mail.sender
    shown = _ADDRESS_IN_NAME.search(sender.name) if sender else None
    if sender and shown and organisation(shown[1]) != organisation(sender.domain):
        return _no_answer(
            "misleading-name", "RFC 3834 section 4", "the name of its sender shows another address than the real one"
        )
    return None


def other_return_path(letter: Letter) -> Objection | None:
    """The envelope sender belongs to another organisation than the author, and DMARC does not vouch for the author."""
    mail = letter.mail
    if not mail.return_path or mail.sender is None:
        return None
    agrees = organisation(mail.return_path.rpartition("@")[2]) == organisation(mail.sender.domain)
    if agrees or authentication(mail, letter.policy).dmarc is Verdict.PASS:
        return None
    return _no_answer(
        "other-return-path", "RFC 3834 section 4", "author and envelope sender belong to different organisations"
    )


def other_reply_to(letter: Letter) -> Objection | None:
    """Answers would go to somebody else: never, except from the web forms that policy names."""
    mail, sender = letter.mail, letter.mail.sender
    if sender is None or sender.email.lower() in letter.policy.allowed_reply_to:
        return None
    if any(not _same_party(sender.email, wanted.email) for wanted in mail.reply_to) or len(mail.reply_to) > 1:
        return _no_answer(
            "other-reply-to", "RFC 3834 section 4", "it wants answers at another address than its sender's"
        )
    return None


def _same_party(one: str, other: str) -> bool:
    """One organisation; where anybody gets a mailbox, one mailbox."""
    one, other = one.lower(), other.lower()
    domains = {organisation(address.rpartition("@")[2]) for address in (one, other)}
    return one == other or (len(domains) == 1 and not is_free_mail(one.rpartition("@")[2]))


def forged(letter: Letter) -> Objection | None:
    """Our own border says that the sender is not who it claims to be; silence from the border means nothing."""
    verdicts = authentication(letter.mail, letter.policy)
    spf_alone = verdicts.spf is Verdict.FAIL and Verdict.PASS not in (verdicts.dkim, verdicts.dmarc)
    if verdicts.dmarc is Verdict.FAIL or spf_alone:
        return _no_answer("forged", "RFC 8601 section 5", "our mail server says that its sender may be forged")
    return None


def spam(letter: Letter) -> Objection | None:
    """The verdict of a filter before us. A forged one only withholds an answer."""
    mail = letter.mail
    flagged = any(value.strip().lower().startswith("yes") for name in _SPAM_FLAGS for value in mail.header(name))
    levels = [match for name in _SPAM_LEVELS for value in mail.header(name) if (match := _SCL.search(value))]
    if flagged or any(int(match[1]) >= 5 for match in levels):
        return _no_answer("spam", "MS-OXCSPAM section 2.2.1.3", "a spam filter marked it")
    return None


_SPAM_FLAGS = ("x-spam-flag", "x-spam-status", "x-spam")
_SPAM_LEVELS = ("x-ms-exchange-organization-scl", "x-forefront-antispam-report")
_SCL = re.compile(r"(?:^\s*|\bSCL:)(\d)\s*(?:;|$)")  # spam confidence level, 0 to 9


# --- to whom ----------------------------------------------------------------------------------------------------------


def not_addressed_to_us(letter: Letter) -> Objection | None:
    """Without one of our addresses in sight it came by Bcc or through a list, and others would wonder at our answer."""
    mail, own = letter.mail, letter.policy.own_addresses
    addresses = [address.email.lower() for address in (*mail.to, *mail.cc)]
    named = {*addresses, *map(_without_detail, addresses)}
    resent = " ".join(value for name in ("resent-to", "resent-cc") for value in mail.header(name)).lower()
    if own & named or any(address in resent for address in own):
        return None
    return _no_answer("not-addressed-to-us", "RFC 5230 section 4.5", "none of our addresses is in To or Cc")


def _without_detail(email: str) -> str:
    """``help+invoices@ours`` is ``help@ours`` (RFC 5233)."""
    name, _, domain = email.partition("@")
    return f"{name.partition('+')[0]}@{domain}"


def response_suppressed(letter: Letter) -> Objection | None:
    """Only what concerns answers: DR, NDR, RN and NRN are about other reports."""
    values = ",".join(letter.mail.header("x-auto-response-suppress"))
    if {word.strip().lower() for word in values.split(",")} & {"all", "oof", "autoreply"}:
        return _no_answer("response-suppressed", "MS-OXCMAIL section 2.1.3.2.20", "it asks for no automatic answer")
    return None


# --- how often, how late ----------------------------------------------------------------------------------------------


def sender_limit(letter: Letter) -> Objection | None:
    limit, count = letter.policy.limits.answers_per_sender_per_day, letter.history.to_sender_24h
    if count >= limit:
        sentence = f"its sender got {count} automatic emails in 24 hours; the limit is {limit}"
        return _no_answer("sender-limit", "RFC 3834 section 2", sentence)
    return None


def same_answer(letter: Letter) -> Objection | None:
    again = sorted(letter.history.intents_24h & set(letter.intents))
    if again:
        hours = letter.policy.limits.same_answer_hours
        sentence = f"its sender got the answer {again[0]} less than {hours} hours ago; it seems not to have helped"
        return _no_answer("same-answer", "RFC 3834 section 2, RFC 5230 section 4.2", sentence)
    return None


def service_limit(letter: Letter) -> Objection | None:
    """The circuit breaker: so much automatic mail is a loop or an attack."""
    limit, count = letter.policy.limits.service_per_hour, letter.history.service_last_hour
    if count >= limit:
        sentence = f"{count} automatic emails went out in the last hour; the breaker opens at {limit}"
        return _no_answer("service-limit", "RFC 3834 section 2", sentence)
    return None


def too_old(letter: Letter) -> Objection | None:
    hours = letter.policy.limits.max_age_hours
    if letter.now - letter.received_at > timedelta(hours=hours):
        return _no_answer(
            "too-old", "policy", f"it arrived more than {hours} hours ago: a person decides what it still needs"
        )
    return None


RULES: tuple[Rule, ...] = (
    malformed,
    encrypted,
    invitation,
    no_single_author,
    unsendable_address,
    role_address,
    staff,
    never_reply,
    misleading_name,
    other_return_path,
    other_reply_to,
    forged,
    spam,
    not_addressed_to_us,
    response_suppressed,
    sender_limit,
    same_answer,
    service_limit,
    too_old,
)

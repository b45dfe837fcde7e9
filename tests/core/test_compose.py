import email
import email.policy
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.values import NOW, SECRET, house, mail, policy
from triage.content.load import read_content
from triage.core import ticket as tickets
from triage.core.compose import Case, House, compose, reply_subject
from triage.core.decision import Decision, Draft, DraftKind, Reason
from triage.core.hours import read_by
from triage.core.mail import Address, Attachment, Details, Mail, Redaction, Trimmed
from triage.core.mime import one_line, references
from triage.core.policy import Action, Team

LONG_ID = "<" + "A" * 80 + "@EUR01.prod.outlook.example>"


def composed(decision: Decision, received: Mail | None = None, **changes: object) -> tuple[Draft, ...]:
    case = Case(received or mail(), Trimmed("How does it work?"), decision, 1042, "box|1|7|abc", NOW)
    return compose(case, house(**changes))


def plain(draft: Draft) -> str:
    return read(draft).get_body(("plain",)).get_content().replace("\r\n", "\n")


def read(draft: Draft) -> email.message.EmailMessage:
    return email.message_from_bytes(draft.raw, policy=email.policy.default)  # type: ignore[return-value]


def test_an_answer_goes_to_the_sender_alone_and_says_that_it_is_automatic() -> None:
    (draft,) = composed(Decision(Action.ANSWER, ("password",)))
    message = read(draft)
    assert draft.recipient == message["To"] == "ann@client.example"
    assert message["From"] == "Support <help@shop.example>"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["X-Auto-Response-Suppress"] == "DR, RN, NRN, OOF, AutoReply"
    assert message["In-Reply-To"] == message["References"] == "<one@client.example>"
    assert message["X-Triage-Key"] == draft.key
    assert "This is so for password.\n\n1. Open password.\n2. Close password." in plain(draft)
    assert draft.envelope_sender == "help@shop.example"


def test_a_route_acknowledges_and_hands_over() -> None:
    customer, team = composed(Decision(Action.ROUTE, topics=("dispute",), team="billing"))
    assert (customer.kind, team.kind) == (DraftKind.ACKNOWLEDGEMENT, DraftKind.HAND_OVER)
    handed = read(team)
    assert team.recipient == "billing@teams.example"
    assert handed["Reply-To"] == "ann@client.example, help@shop.example"
    (attached,) = handed.iter_attachments()
    assert attached.get_content().get_content().strip() == "How does it work?"


REAL = read_content(Path(__file__).parents[2] / "config")


def handed_over(received: Mail | None = None, **changes: object) -> tuple[email.message.EmailMessage, str]:
    """A hand-over with the texts of config/, and its plain text."""
    values: dict[str, object] = {"action": Action.ROUTE, "topics": ("billing-dispute",), "team": "billing"}
    case = Case(
        received or mail(),
        Trimmed("I was charged twice.", signature="Ann"),
        Decision(**(values | changes)),  # type: ignore[arg-type]
        1042,
        "box|1|7|abc",
        NOW,
    )
    own = House(REAL.policy, REAL.entries, REAL.texts, "help@shop.example", b"k" * 32)
    draft = compose(case, own)[-1]
    assert draft.kind is DraftKind.HAND_OVER
    return read(draft), plain(draft)


def test_a_hand_over_shows_only_what_the_customer_may_read_in_a_quote_of_it() -> None:
    reasons = (
        Reason("look-alike-domain", "cl1ent.example is not client.example"),
        Reason("authentication", "DMARC pass"),
        Reason("evidence", "billing-dispute is likeliest with 71 %"),
    )
    message, text = handed_over(mail(reply_to=(Address("ann@elsewhere.example"),)), reasons=reasons)
    html = message.get_body(("html",)).get_content()
    for shown in (text, html):
        assert "I was charged twice." in shown
        assert "From outside: Ann" in shown
        assert "This ticket has notes on its sender: read them in the log before you reply." in shown
        assert not any(hidden in shown for hidden in ("cl1ent", "DMARC", "71 %", "elsewhere.example"))
    assert message["Reply-To"] == "ann@client.example, help@shop.example"
    assert message["X-Auto-Response-Suppress"] == "DR, RN, NRN, OOF, AutoReply"
    assert "notes" not in handed_over()[1]


def test_a_hand_over_names_the_email_in_the_mailbox_and_attaches_it_redacted() -> None:
    received = mail(
        text="I was charged twice on [card number removed].",
        attachments=(Attachment("invoice.pdf", "application/pdf", 900),),
        redactions=(Redaction("card number", 1),),
    )
    message, text = handed_over(received)
    where = "in the mailbox help@shop.example, sent 2026-11-25 15:00 UTC, Message-ID <one@client.example>."
    assert where in text
    assert "It has attachments: invoice.pdf" in text
    assert "The email contained: card number. It was removed here." in text
    (attached,) = message.iter_attachments()
    assert attached.get_filename() == "CSP-1042.eml"
    rebuilt = attached.get_content()
    assert rebuilt.get_content().strip() == "I was charged twice on [card number removed]."
    assert [part.get_content_type() for part in rebuilt.walk()] == ["text/plain"]


def test_a_sensitive_matter_is_verified_by_the_contact_on_file_and_no_account_detail_is_asked_for() -> None:
    details = Details(found=(("new-address", "Elm 5"),), missing=("account-number", "which-address"))
    _, text = handed_over(sensitive=True, details=details)
    assert "Verify this request with the contact on file before you act, not by replying to this email." in text
    assert "- the full new address: Elm 5" in text
    assert "- which address has to change: shipping, billing or both: missing" in text
    assert "account number" not in text
    assert "contact on file before you act" not in handed_over()[1]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"from_": ()}, "From outside: no readable address"),
        ({"from_": (Address("a@x.example"), Address("b@x.example"))}, "From outside: a@x.example, b@x.example"),
        ({"from_": (Address("a@x.example"),)}, "From outside: a@x.example"),
        ({"from_": (Address("jane@insight.com", "Jane"),)}, "From: Jane <jane@insight.com>"),
    ],
)
def test_a_hand_over_says_who_writes_and_whether_from_outside(changes: dict[str, object], line: str) -> None:
    assert f"\n{line}\n" in handed_over(mail(**changes))[1]


def test_a_web_form_that_policy_names_is_answered_at_the_address_in_reply_to() -> None:
    own = policy(allowed_reply_to=frozenset({"form@shop.example"}))
    received = mail(from_=(Address("form@shop.example"),), reply_to=(Address("ann@client.example"),))
    customer, team = composed(Decision(Action.ROUTE, team="billing"), received, policy=own)
    assert customer.recipient == "ann@client.example"
    assert read(team)["Reply-To"] == "ann@client.example, help@shop.example"


@pytest.mark.parametrize(
    ("decision", "kinds"),
    [
        (Decision(Action.IGNORE, reply=False), []),
        (Decision(Action.ROUTE, team="billing", reply=False), ["hand-over"]),
        (Decision(Action.ANSWER, ("password",)), ["reply"]),
        (Decision(Action.ANSWER_AND_ROUTE, ("address",), team="billing"), ["reply", "hand-over"]),
        (Decision(Action.ROUTE, team="support"), ["acknowledgement", "hand-over"]),
    ],
)
def test_each_action_sends_what_it_says(decision: Decision, kinds: list[str]) -> None:
    assert [draft.kind for draft in composed(decision)] == kinds


def test_an_email_without_a_sender_reaches_a_person_and_nobody_else() -> None:
    assert [draft.kind for draft in composed(Decision(Action.ROUTE, team="support"), mail(from_=()))] == ["hand-over"]


def test_every_sentence_has_its_source() -> None:
    (draft,) = composed(Decision(Action.ANSWER, ("password",)))
    assert [(said.text, said.source) for said in draft.sentences] == [
        ("Hello,", "texts/reply"),
        ("This is so for password.", "faq/password@abc123"),
        ("Open password.", "faq/password@abc123"),
        ("Close password.", "faq/password@abc123"),
        ("An automatic reply.", "texts/reply"),
    ]


def test_the_same_email_gets_the_same_ids_on_every_attempt_and_another_email_others() -> None:
    (first,) = composed(Decision(Action.ANSWER, ("password",)))
    (again,) = composed(Decision(Action.ANSWER, ("password",)))
    assert (first.message_id, first.key) == (again.message_id, again.key)
    other = Case(mail(), Trimmed("?"), Decision(Action.ANSWER, ("password",)), 1042, "box|1|8|abc", NOW)
    assert compose(other, house())[0].message_id != first.message_id


def test_account_details_are_not_asked_for_where_the_matter_is_sensitive() -> None:
    details = Details(missing=("new-address", "account-number"))
    reply, _ = composed(
        Decision(Action.ANSWER_AND_ROUTE, ("address",), team="billing", details=details, sensitive=True)
    )
    text = plain(reply)
    assert "the full new address" in text
    assert "account number" not in text


def test_the_ids_of_outlook_survive_byte_for_byte() -> None:
    before = tuple(f"<{n}{'x' * 85}@prod.outlook.example>" for n in range(3))
    (draft,) = composed(Decision(Action.ANSWER, ("password",)), mail(message_id=LONG_ID, references=before))
    unfolded = draft.raw.replace(b"\r\n ", b" ").decode("ascii")
    assert f"In-Reply-To: {LONG_ID}\r\n" in unfolded
    assert f"References: {' '.join((*before, LONG_ID))}\r\n" in unfolded
    assert all(len(line) <= 998 for line in draft.raw.split(b"\r\n"))


def test_long_references_keep_the_first_four_and_the_last_six() -> None:
    ids = [f"<{n}@x.example>" for n in range(30)]
    assert references(ids, "<parent@x.example>").split() == [*ids[:4], *ids[25:], "<parent@x.example>"]


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("A question", "Re: A question [CSP-1-XX]"),
        ("RE: AW: Re: A question", "Re: A question [CSP-1-XX]"),
        ("Re: A question [CSP-9-FORGED]", "Re: A question [CSP-1-XX]"),
        ("", "Re: Your email [CSP-1-XX]"),
        ("x" * 400, f"Re: {'x' * 149}… [CSP-1-XX]"),
    ],
)
def test_the_subject_keeps_theirs_and_carries_one_tag_of_ours(theirs: str, ours: str) -> None:
    assert reply_subject(theirs, "[CSP-1-XX]", DraftKind.REPLY) == ours


@given(subject=st.text(max_size=300), name=st.text(max_size=80), ident=st.text(max_size=200))
def test_nothing_in_an_email_becomes_a_header_of_ours(subject: str, name: str, ident: str) -> None:
    received = mail(
        subject=subject, from_=(Address("ann@client.example", name),), message_id=ident, references=(ident,)
    )
    for draft in composed(Decision(Action.ROUTE, team="support"), received):
        head = draft.raw.partition(b"\r\n\r\n")[0].decode("ascii")
        names = {line.partition(":")[0] for line in head.split("\r\n") if not line.startswith((" ", "\t"))}
        assert names <= {
            "Date", "Message-ID", "From", "Subject", "X-Triage-Key", "To", "In-Reply-To", "References", "Reply-To",
            "Auto-Submitted", "X-Auto-Response-Suppress", "MIME-Version", "Content-Type",
        }  # fmt: skip


@pytest.mark.parametrize(
    "trap", ["a\r\nBcc: x@y.example", "=?utf-8?q?a=0ABcc=3A_x=40y.example?=", "a\u2028Bcc: x", "\x00a"]
)
def test_a_subject_cannot_smuggle_a_header(trap: str) -> None:
    assert "\n" not in one_line(trap)
    (draft,) = composed(Decision(Action.ANSWER, ("password",)), mail(subject=trap))
    assert read(draft)["Bcc"] is None


def test_a_card_number_that_was_removed_is_mentioned_to_the_team_not_shown() -> None:
    received = mail(text="my card [card number removed]", redactions=(Redaction("card number", 1),))
    drafts = composed(Decision(Action.ROUTE, team="support"), received)
    assert b"4111" not in b"".join(draft.raw for draft in drafts)


def test_the_null_envelope_sender_is_a_choice_of_policy() -> None:
    (draft,) = composed(Decision(Action.ANSWER, ("password",)), policy=policy(null_envelope_sender=True))
    assert draft.envelope_sender == ""


def test_a_tag_counts_only_with_our_signature() -> None:
    tag = tickets.tag(1042, SECRET)
    assert tickets.read_tag(f"Re: hello {tag}", SECRET) == 1042
    assert tickets.read_tag("Re: hello [CSP-1042-AAAAAA]", SECRET) is None
    assert tickets.read_tag(tag, b"another secret") is None


def test_a_message_id_of_ours_names_its_ticket() -> None:
    ours = tickets.message_id(1042, "0" * 32, "shop.example", SECRET)
    assert tickets.read_message_id(ours, "shop.example", SECRET) == 1042
    assert tickets.read_message_id(ours.replace("1042", "1043"), "shop.example", SECRET) is None
    assert tickets.read_message_id("<x@shop.example>", "shop.example", SECRET) is None


@pytest.mark.parametrize(
    ("now", "hours", "by"),
    [
        ("2026-11-25T15:00", 2, "2026-11-25T17:00"),  # Wednesday
        ("2026-11-25T16:00", 2, "2026-11-27T10:00"),  # Thursday is Thanksgiving
        ("2026-11-27T16:30", 8, "2026-11-30T16:30"),  # over the weekend
        ("2026-11-28T12:00", 1, "2026-11-30T10:00"),  # on a Saturday
        ("2026-11-25T03:00", 8, "2026-11-25T17:00"),  # before opening
        ("2026-11-25T17:00", 1, "2026-11-27T10:00"),  # at closing time
        ("2026-11-25T12:00", 20, "2026-11-30T16:00"),
    ],
)
def test_a_person_reads_it_within_working_hours(now: str, hours: int, by: str) -> None:
    team = Team("t", "T", "t@x.example", holidays="US", answers_within_hours=hours)
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert read_by(team, moment) == datetime.fromisoformat(by).replace(tzinfo=UTC)

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.values import NOW, mail, policy
from triage.core import guard as guard_module
from triage.core.authentication import authentication
from triage.core.domains import organisation
from triage.core.guard import guard
from triage.core.mail import Address, Authentication, Mail, Objection, SenderHistory, Severity, Verdict
from triage.core.parse import parse
from triage.core.policy import Policy
from triage.core.redact import redact

MAILS = Path(__file__).parent.parent / "mails"
POLICY = policy(
    microsoft_365_border=True,
    trusted_authserv_ids=frozenset({"mx.shop.example"}),
    allowed_reply_to=frozenset({"no-reply@forms.shop-site.example"}),
    never_reply=frozenset({"loud@client.example", "banned.example"}),
)


def heard(
    email: Mail, *intents: str, rules: Policy = POLICY, history: SenderHistory | None = None, age_hours: float = 1
) -> tuple[Objection, ...]:
    return guard(email, intents, rules, history or SenderHistory(), NOW - timedelta(hours=age_hours), NOW)


def codes(objections: tuple[Objection, ...], severity: Severity | None = None) -> set[str]:
    return {objection.code for objection in objections if severity in (None, objection.severity)}


def read(name: str) -> Mail:
    return redact(parse((MAILS / f"{name}.eml").read_bytes()))


def written(
    body: str, subject: str = "A second invoice", author: str = "Ann <ann@client.example>", more: str = ""
) -> Mail:
    return parse(f"From: {author}\nTo: help@shop.example\nSubject: {subject}\n{more}\n{body}".encode())


# Emails as customers write them: nothing may be said against them.
ORDINARY = (
    "ordinary-question",
    "answers-to-a-colleague",
    "attached-machine-words",
    "attaches-a-bounce",
    "auto-submitted-no",
    "card-number-everywhere",
    "file-name-in-pieces",
    "forwarded-as-attachment-without-a-word",
    "forwards-a-bounce",
    "group-of-recipients",
    "html-only",
    "japanese",
    "long-ids",
    "mbox-line-on-top",
    "name-encoded-with-a-comma",
    "name-in-quotes-with-brackets",
    "other-return-path-vouched-for-by-dmarc",
    "plus-address",
    "resent-to-us",
    "response-suppress-reports-only",
    "return-path-of-a-subdomain",
    "signed-smime",
    "spam-level-low",
    "spf-failed-dkim-passed",
    "subject-in-split-characters",
    "subject-with-a-hidden-header",
    "text-around-a-picture",
    "text-is-a-stub",
    "unknown-charset",
    "web-form",
    "windows-letters-declared-as-ascii",
    "writes-about-out-of-office",
    "x-autoreply-no",
)

# A machine wrote them; the code of the rule that says so.
MACHINES = {
    "absence-under-re": "absence-notice",
    "absence-without-headers": "absence-notice",
    "apple-vacation": "machine-header",
    "author-without-address": "null-author",
    "auto-submitted-replied": "auto-submitted",
    "auto-submitted-twice": "auto-submitted",
    "auto-submitted-with-parameter": "auto-submitted",
    "bounce-without-structure": "delivery-failure",
    "calendar-answer": "calendar-answer",
    "complaint-in-pieces": "report",
    "complaint-without-a-word": "complaint",
    "delivery-report": "report",
    "from-our-own-address": "our-own-mail",
    "list-id": "mailing-list",
    "list-owner-as-sender": "robot-sender",
    "mailer-daemon": "robot-sender",
    "meeting-accepted-without-a-calendar": "calendar-answer",
    "monitor": "notification",
    "newsletter-without-headers": "newsletter",
    "no-reply": "no-reply-sender",
    "null-return-path": "null-return-path",
    "our-own-message-id": "our-own-mail",
    "precedence-auto-reply": "precedence",
    "precedence-bulk": "precedence",
    "read-receipt": "report",
    "receipt-without-structure": "receipt",
    "says-that-it-is-automatic": "automatic-notice",
    "scheduled-job": "machine-header",
    "ticket-acknowledgement": "acknowledgement",
    "x-autoreply": "machine-header",
}

# People wrote them (or may have), and we may not answer automatically; all the codes.
NO_ANSWER = {
    "absence-subject-alone": {"absence-subject"},
    "address-in-other-letters": {"unsendable-address"},
    "address-with-two-ats": {"malformed", "no-single-author"},
    "answers-elsewhere": {"other-reply-to"},
    "answers-to-another-free-mailbox": {"other-reply-to"},
    "asks-not-to-be-answered": {"wants-no-reply"},
    "base64-torn": {"malformed"},
    "boundary-missing": {"malformed"},
    "boundary-never-closed": {"malformed"},
    "by-blind-copy": {"not-addressed-to-us"},
    "calendar-invitation": {"invitation"},
    "dmarc-failed": {"forged"},
    "encrypted-pgp": {"encrypted"},
    "encrypted-smime": {"encrypted"},
    "forged-results-below-ours": {"forged"},
    "line-without-colon-among-headers": {"malformed"},
    "no-author": {"malformed", "no-single-author"},
    "no-recipient-in-sight": {"not-addressed-to-us"},
    "other-return-path": {"other-return-path"},
    "our-address-as-name-of-another": {"malformed", "misleading-name"},
    "our-address-quoted-as-name-of-another": {"misleading-name"},
    "postmaster-is-a-person": {"role-address"},
    "precedence-of-a-gateway": {"precedence"},
    "response-suppress-all": {"response-suppressed"},
    "spam-flag": {"spam"},
    "spam-level-of-exchange": {"spam"},
    "staff": {"staff"},
    "two-authors": {"no-single-author"},
    "unsubscribe-header-of-a-gateway": {"unsubscribe-header"},
    "writes-about-bounces": {"delivery-failure-subject"},
}


@pytest.mark.parametrize("name", ORDINARY)
def test_nothing_speaks_against_answering(name: str) -> None:
    assert heard(read(name)) == ()


@pytest.mark.parametrize(("name", "code"), MACHINES.items())
def test_a_machine_wrote(name: str, code: str) -> None:
    assert code in codes(heard(read(name)), Severity.MACHINE)


@pytest.mark.parametrize(("name", "expected"), NO_ANSWER.items())
def test_a_person_reads(name: str, expected: set[str]) -> None:
    objections = heard(read(name))
    assert codes(objections) == expected
    assert codes(objections, Severity.MACHINE) == set()


def test_every_mail_of_the_folder_is_in_one_of_the_tables() -> None:
    assert {path.stem for path in MAILS.glob("*.eml")} == {*ORDINARY, *MACHINES, *NO_ANSWER}


def test_every_objection_has_a_sentence_and_a_source() -> None:
    for name in (*MACHINES, *NO_ANSWER):
        for objection in heard(read(name)):
            assert re.match(r"RFC |MS-OX|policy|practice", objection.source)
            assert not re.match(r"RFC |MS-OX", objection.sentence)
            assert len(objection.sentence.split()) > 3


def test_all_objections_are_raised_not_only_the_first() -> None:
    found = codes(heard(read("scheduled-job"), age_hours=100))
    assert found == {"machine-header", "notification", "role-address", "too-old"}


# --- wording, in the languages of our customers -----------------------------------------------------------------------

ABSENCES = [
    ("Out of Office", "I am currently on parental leave and back on 1 June."),
    ("Out of office Re: Invoice", "The mill is closed until 5 January. Nobody reads this mailbox."),
    ("Automatic reply: how often does it sync?", "I’m travelling this week with limited access to email."),
    ("Abwesenheitsnotiz: Rechnung", "Ich bin bis zum 3. Dezember im Urlaub. In dringenden Fällen: 0201 555 0144."),
    ("Automatische Antwort: Rechnung", "Vielen Dank für Ihre Nachricht. Ihre E-Mail wird nicht weitergeleitet."),
    ("Réponse automatique : facture", "Je suis absente jusqu'au 3 décembre. En cas d'urgence, appelez le bureau."),
    ("Respuesta automática: factura", "Estaré fuera de la oficina hasta el lunes. Gracias por su mensaje."),
    ("Risposta automatica: fattura", "Sono in ferie fino al 7 gennaio. Per urgenze chiamate l'ufficio."),
    ("Resposta automática: fatura", "Estou de férias até segunda-feira. Em caso de urgência ligue para o escritório."),
    ("Automatisch antwoord: factuur", "Ik ben met vakantie en maandag weer bereikbaar."),
    ("Autosvar: Faktura", "Jag är på semester och åter på kontoret den 8 januari."),
    ("Automatisk svar: Faktura", "Jeg er på ferie og tilbage på kontoret den 8. januar."),
    ("Automaattinen vastaus: Lasku", "Olen lomalla ja palaan maanantaina."),
    ("Automatyczna odpowiedź: Faktura", "Jestem na urlopie do poniedziałku. W pilnych sprawach proszę dzwonić."),
    ("自動返信: 請求書", "本日は休暇をいただいております。戻り次第ご連絡いたします。"),
    ("自动回复\uff1a发票", "我正在休假，12月8日回来后回复您。"),
    ("Αυτόματη απάντηση: Τιμολόγιο", "Απουσιάζω από το γραφείο μέχρι τις 28 Νοεμβρίου."),
]


@pytest.mark.parametrize(("subject", "body"), ABSENCES, ids=[subject for subject, _ in ABSENCES])
def test_a_notice_of_absence_without_headers_is_a_machines(subject: str, body: str) -> None:
    assert codes(heard(written(body, subject)), Severity.MACHINE) == {"absence-notice"}


NO_ABSENCES = [
    ("Maternity leave", "Two colleagues go on leave in June. Can their licences be paused until they are back?"),
    ("Re: Automatic reply: Invoice", "Tom is on leave, so I ask you: which invoice is right?"),
    ("Out of office", "I will be away next week. Please add Tom as administrator before I leave."),
    ("Automatic reply", "How do we set an automatic reply for somebody who is on vacation?"),
    ("Vacation", "I am on vacation from Friday on, and Tom needs the invoice before that. Could you send it?"),
    ("Absent administrator", "Our only administrator has left the company. We cannot log in any more."),
]


@pytest.mark.parametrize(("subject", "body"), NO_ABSENCES, ids=[subject for subject, _ in NO_ABSENCES])
def test_people_who_write_about_absences_are_people(subject: str, body: str) -> None:
    assert heard(written(body, subject)) == ()


FAILURES = [
    ("Mail Delivery Subsystem <x@mx.client.example>", "Delivery Status Notification (Delay)", "Delayed: tom@x.example"),
    ("postmaster@mx.client.example", "Unzustellbar: Rechnung", "Fehler bei der Nachrichtenzustellung"),
    ("Mail System <mail@mx.client.example>", "Re: Invoice", "Error: no such user here\n\nMAIL FROM: a@x\nRCPT TO: b@y"),
    ("MDaemon <post@client.example>", "Non remis : facture", "Le message n'a pas pu être remis."),
]


@pytest.mark.parametrize(("author", "subject", "body"), FAILURES, ids=[subject for _, subject, _ in FAILURES])
def test_a_mail_system_that_reports_a_failure_is_a_machine(author: str, subject: str, body: str) -> None:
    assert "delivery-failure" in codes(heard(written(body, subject, author)), Severity.MACHINE)


def test_a_postmaster_who_greets_and_asks_is_a_person() -> None:
    body = "Hello,\n\nyour message was rejected by our filter. Could you tell us from which server it came?\n\nJo"
    email = written(body, "Re: Invoice", "Jo <postmaster@client.example>")
    assert codes(heard(email), Severity.MACHINE) == set()


AUTOMATIC = [
    "Diese E-Mail wurde automatisch erstellt.",
    "Ceci est un message automatique.",
    "Este es un mensaje automático.",
    "Questo messaggio è stato generato automaticamente.",
    "Este e-mail foi gerado automaticamente.",
    "Dit is een automatisch gegenereerd bericht.",
    "Detta är ett automatiskt meddelande.",
    "Wiadomość została wygenerowana automatycznie.",
    "このメールは自動送信されています。",
    "此邮件由系统自动发送。",
    "(This is a system-generated notification)",
]


@pytest.mark.parametrize("sentence", AUTOMATIC)
def test_an_email_that_calls_itself_automatic_is_a_machines(sentence: str) -> None:
    assert codes(heard(written(f"Export 12: done.\n\n{sentence}")), Severity.MACHINE) == {"automatic-notice"}


def test_a_person_who_quotes_such_a_sentence_is_a_person() -> None:
    body = 'We get mails that say "This is an automatically generated message". Can you stop them?'
    assert codes(heard(written(body)), Severity.MACHINE) == set()
    quoted = "Thanks, that helped.\n\nFrom: Shop <help@shop.example>\n\nThis is an automatically generated message."
    assert heard(written(quoted, "Re: A second invoice", more="In-Reply-To: <r1@shop.example>\n")) == ()


# --- who wrote it, to whom --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("email", "history", "suppressed"),
    [
        ("ann@client.example", SenderHistory(), False),
        ("LOUD@client.example", SenderHistory(), True),
        ("ann@eu.banned.example", SenderHistory(), True),
        ("ann@notbanned.example", SenderHistory(), False),
        ("ann@client.example", SenderHistory(suppressed=True), True),
    ],
)
def test_those_who_get_no_automatic_mail(email: str, history: SenderHistory, suppressed: bool) -> None:
    objections = heard(mail(from_=(Address(email),), to=(Address("help@shop.example"),)), history=history)
    assert codes(objections) == ({"never-reply"} if suppressed else set())


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("client.example", "client.example"),
        ("bounces.mail.client.example", "client.example"),
        ("mail.client.co.uk", "client.co.uk"),
        ("client.com.au", "client.com.au"),
        ("a.b.client.de", "client.de"),
        ("localhost", "localhost"),
    ],
)
def test_the_organisation_of_a_domain(domain: str, expected: str) -> None:
    assert organisation(domain) == expected


@pytest.mark.parametrize("name", ["x-triage-key", "X-Triage-Key"])
def test_mail_with_our_mark_came_around_in_a_circle(name: str) -> None:
    assert "our-own-mail" in codes(heard(written("Hello", more=f"{name}: {'0' * 32}\n")), Severity.MACHINE)


# --- Authentication-Results -------------------------------------------------------------------------------------------

M365 = "spf=pass (sender IP is 192.0.2.9) smtp.mailfrom=x.example; dkim=none (not signed; really) header.d=none;"
KNOWN = frozenset({"mx.shop.example"})
PASSED = Authentication(Verdict.PASS, Verdict.PASS, Verdict.PASS)
UNKNOWN = Authentication()


@pytest.mark.parametrize(
    ("values", "microsoft", "expected"),
    [
        ([], True, UNKNOWN),
        ([f"{M365}dmarc=pass action=none"], True, Authentication(Verdict.PASS, Verdict.NONE, Verdict.PASS)),
        ([f"{M365}dmarc=pass action=none"], False, UNKNOWN),
        ([f"{M365}dmarc=bestguesspass;compauth=pass"], True, Authentication(Verdict.PASS, Verdict.NONE)),
        (
            [f"{M365}dmarc=none;compauth=fail reason=001"],
            True,
            Authentication(Verdict.PASS, Verdict.NONE, Verdict.FAIL),
        ),
        (["mx.shop.example 1; spf=pass; dkim=pass; dmarc=pass"], False, PASSED),
        (["MX.shop.example; SPF=Pass; DKIM=fail; dkim=pass (second signature); dmarc=pass"], False, PASSED),
        (["mx.other.example; spf=pass; dkim=pass; dmarc=pass"], True, UNKNOWN),
        (["mx.other.example; dmarc=none", "mx.shop.example; dmarc=pass"], True, UNKNOWN),
        (["mx.shop.example; none"], True, UNKNOWN),
        (["mx.shop.example (a (nested) comment; dmarc=pass); spf=hardfail"], True, Authentication(Verdict.FAIL)),
        (["mx.shop.example; dmarc=temperror; spf=softfail"], True, Authentication(Verdict.SOFTFAIL)),
    ],
)
def test_only_the_topmost_results_of_our_border_count(
    values: list[str], microsoft: bool, expected: Authentication
) -> None:
    email = mail(headers=tuple(("authentication-results", value) for value in values))
    rules = policy(microsoft_365_border=microsoft, trusted_authserv_ids=KNOWN)
    assert authentication(email, rules) == expected


@given(st.text(alphabet='()\\;= /spfdkimarc"', max_size=200))
def test_results_of_any_form_are_read_without_raising(value: str) -> None:
    authentication(mail(headers=(("authentication-results", value),)), POLICY)


# --- how often, how late ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        (SenderHistory(to_sender_24h=2), set()),
        (SenderHistory(to_sender_24h=3), {"sender-limit"}),
        (SenderHistory(intents_24h=frozenset({"report"})), set()),
        (SenderHistory(intents_24h=frozenset({"password"})), {"same-answer"}),
        (SenderHistory(service_last_hour=499), set()),
        (SenderHistory(service_last_hour=500), {"service-limit"}),
    ],
)
def test_limits(history: SenderHistory, expected: set[str]) -> None:
    assert codes(heard(read("ordinary-question"), "password", "address", history=history)) == expected


@pytest.mark.parametrize(("hours", "expected"), [(0, set()), (72, set()), (72.1, {"too-old"})])
def test_old_mail_goes_to_a_person(hours: float, expected: set[str]) -> None:
    assert codes(heard(read("ordinary-question"), age_hours=hours)) == expected


# --- when in doubt ----------------------------------------------------------------------------------------------------


def test_a_rule_that_fails_is_an_objection() -> None:
    broken = replace(read("ordinary-question"), to=None)  # type: ignore[arg-type]
    (objection,) = heard(broken)
    assert (objection.code, objection.severity) == ("rule-failed", Severity.NO_ANSWER)
    assert "not_addressed_to_us" in objection.sentence


def test_every_rule_has_a_name_that_is_its_own() -> None:
    names = [rule.__name__ for rule in guard_module.RULES]
    assert len(names) == len(set(names))


WORDS = st.sampled_from(
    "automatic reply: out of office I am on leave until thank you for your message undeliverable unsubscribe > From: "
    "how do i ? . - this is an automatically generated mail read: accepted: when: 550 5.1.1".split(" ")
)


@given(st.lists(WORDS | st.text(max_size=10), max_size=60).map(" ".join), st.lists(WORDS, max_size=8).map(" ".join))
def test_no_wording_breaks_a_rule(body: str, subject: str) -> None:
    objections = heard(mail(subject=subject, text=body, to=(Address("help@shop.example"),)))
    assert "rule-failed" not in codes(objections)

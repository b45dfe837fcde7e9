"""Security codes, passwords and one-time codes in text, beside the words that name them."""

import re
from collections.abc import Iterator

from triage.core.cards import Span, contains_any

# One of these is in each of the names below; looking for them first is ten times faster.
_CODE_ROOTS = (
    *(
        "cv",
        "csc",
        "cav2",
        "cid",
        "pin",
        "secur",
        "sécur",
        "segur",
        "sicur",
        "sicherheit",
        "card",
        "verification",
        "digit",
    ),
    *("prüf", "crypto", "beveilig", "säkerhet", "sikkerh", "zabezp", "セキュリティ", "安全"),
)
_PASSWORD_ROOTS = (
    *("pass", "pw", "p/w", "kennwort", "mdp", "contraseña", "clave", "parola", "senha", "palavra", "wachtwoord"),
    *("lösenord", "adgangskode", "salasana", "hasło", "パスワード", "密码", "비밀번호", "пароль"),
)
_ONE_TIME_ROOTS = ("code", "otp", "código", "codice")

# An optional word, "is", and a colon or the like.
_LINK = (
    r"\s{0,3}(?:\(?[^\W\d]{0,12}\)?\s{0,2})?(?:is|are|was|ist|lautet|est|es|è|é|er|är)?"
    r"\s{0,3}(?:[:=#–\uff1a\uff1d-]|は|是){0,2}\s{0,3}"
)
_CODE_NAME = (
    r"(?:cvv2?|cvc2?|csc|cvn|cvd|cav2|(?:card )?pin(?= ?(?:is|:|=))|security[ -]?(?:code|number|no)"
    r"|card (?:verification|security|validation)(?: code| value| number)?|card code|verification (?:value|number)"
    r"|3[ -]digits?(?: code| number)?(?: on (?:the )?back)?|prüf(?:ziffer|nummer)|kartenprüfnummer"
    r"|sicherheits(?:code|nummer)|cryptogramme|code de sécurité|código de (?:seguridad|segurança)|codice di sicurezza"
    r"|beveiligingscode|säkerhetskod|sikkerhedskode|sikkerhetskode|kod zabezpieczający|セキュリティコード|安全码)"
)
_START = r"(?<![A-Za-z0-9_/.-])"
_NO_MORE = r"(?![\w-]|[.,]\d)"
_CODE = re.compile(rf"{_START}{_CODE_NAME}{_LINK}[\"'(]?(\d{{3,4}}){_NO_MORE}", re.IGNORECASE)
_CODE_BEFORE_NAME = re.compile(
    rf"(?<![\w.,-])(\d{{3,4}})\s{{0,2}}[(=:–-]?\s{{0,2}}(?:is (?:the |my )?)?{_CODE_NAME}\b", re.IGNORECASE
)
_CARD_ID = re.compile(rf"{_START}cid{_LINK}(\d{{3,4}}){_NO_MORE}", re.IGNORECASE)


def security_codes(text: str, *, cards: bool) -> Iterator[Span]:
    """Three or four digits beside the name of the code. CID is also a customer's id: only where cards are spoken of."""
    if contains_any(_CODE_ROOTS, text):
        for pattern in (_CODE, _CODE_BEFORE_NAME, *([_CARD_ID] if cards else [])):
            for match in pattern.finditer(text):
                yield match.span(1)


_WORD_FOR_IT = (
    r"(?:pass[ -]?(?:word|wort|code|phrase|wd)|pwd?|p/w|kennwort|mot de passe|mdp|contraseña|clave|parola d'ordine"
    r"|senha|palavra-passe|wachtwoord|lösenord|adgangskode|passord|salasana|hasło|パスワード|密码|비밀번호|пароль)"
)
# Up to a blank or to what an earlier pass wrote: redacting again must change nothing.
_ANY_CHARACTER = r"(?:(?!\[(?:card number|security code|password|one-time code) removed\])\S)"
_PASSWORD = re.compile(
    rf"{_START}{_WORD_FOR_IT}(?:\s?\([^)\n]{{0,30}}\))?"
    r"(?:\s{0,3}(?:is now|is|was|ist|lautet|est|es|è|é|er|är|to|jest)\s{1,3}|\s{0,3}[:=\uff1a\uff1d]\s{0,3}|は|是)"
    rf"[\"'“]?(?P<value>[^\s\[<\"'“]{_ANY_CHARACTER}{{2,200}})",
    re.IGNORECASE,
)
_STRONG = re.compile(r"(?=\S*[\d!@#$%^&*+=?§€])(?=\S*[^\W\d_]|\d{4,})\S{4,}")
_NO_PASSWORD = re.compile(
    r"https?://|www\.|[\w.+-]+@[\w-]+\.|\d+-?(?:min|day|week|month|year|char|digit|letter|tage|zeichen)"
    r"|(?:[2m]fa|m365|o365|office365)\b",
    re.IGNORECASE,
)
# A line of a block of credentials: then the word on the password's line is one, whatever it looks like.
_CREDENTIALS = re.compile(
    r"^\W{0,4}(?:user(?:[ -]?name| id)?|login(?: name| id)?|log-?in|e-?mail|account|admin|benutzer(?:name)?|utilisateur"
    r"|identifiant|usuario|utente|usuário|gebruiker(?:snaam)?|användar(?:e|namn)|bruger(?:navn)?|użytkownik)\s{0,2}[:=].*\n"
    rf"\W{{0,4}}{_WORD_FOR_IT}\s{{0,2}}[:=]\s{{0,3}}(?P<value>[^\s\[<]{_ANY_CHARACTER}{{2,200}})[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)


def passwords(text: str) -> Iterator[Span]:
    """What looks like a password after the word for it, and any word in a block of user name and password."""
    if not contains_any(_PASSWORD_ROOTS, text):
        return
    for match in _PASSWORD.finditer(text):
        value = match["value"].rstrip(".,;:)\"'”")
        if _STRONG.fullmatch(value) and not _NO_PASSWORD.match(value):
            yield match.start("value"), match.start("value") + len(value)
    for match in _CREDENTIALS.finditer(text):
        if not _NO_PASSWORD.match(match["value"]):
            yield match.span("value")


_ONE_TIME = re.compile(
    r"(?<![\w-])(?P<what>\w{1,20}\s{1,2})?(?:code|otp|passcode|einmalcode|bestätigungscode|código|codice)"
    r"\s{0,3}(?:is|was|ist|lautet|est|es|è|é)?\s{0,3}[:=-]?\s{0,3}"
    rf"(?P<value>\d{{6,8}}|\d{{3}}[ -]\d{{3}}){_NO_MORE}",
    re.IGNORECASE,
)
_OTHER_CODES = frozenset(
    "error zip postal post area country product promo promotion discount coupon voucher status reason exit stop result "
    "event bug cost gl tax company department dept project item part offer sku swift sort bank branch currency license "
    "activation pin customer client account partner agreement program reference ref billing invoice order fehler http "
    "response hex qr bar".split()
)


def one_time_codes(text: str) -> Iterator[Span]:
    """Six to eight digits after "code", unless it is said to be a code of another kind ("error code")."""
    if contains_any(_ONE_TIME_ROOTS, text):
        for match in _ONE_TIME.finditer(text):
            if (match["what"] or "").strip().lower() not in _OTHER_CODES:
                yield match.span("value")

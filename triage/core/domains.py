"""Whom a domain belongs to, as far as a name tells."""

# Registries that give out names one level deeper. The public suffix list knows 9,000 more; here a missing one only
# makes two owners under it look like one, and what hangs on that is a reply to the address in From.
_SECOND_LEVELS = frozenset(
    "ac asn co com edu firm gen go gob gouv gov gv id info ltd me mil muni ne net nhs nic or org plc sch".split()
)

# Where anybody gets a mailbox: two addresses of one such domain are two people.
_FREE_MAIL = frozenset(
    "126.com 163.com aol.com bluewin.ch free.fr gmail.com gmx.at gmx.ch gmx.com gmx.de gmx.net googlemail.com "
    "hotmail.co.uk hotmail.com hotmail.de hotmail.es hotmail.fr hotmail.it icloud.com laposte.net libero.it "
    "live.co.uk live.com mac.com mail.com mail.ru me.com msn.com naver.com orange.fr outlook.com outlook.de "
    "outlook.es outlook.fr pm.me proton.me protonmail.com qq.com rediffmail.com rocketmail.com seznam.cz sfr.fr "
    "t-online.de terra.com.br tutanota.com uol.com.br wanadoo.fr web.de wp.pl yahoo.ca yahoo.co.in yahoo.co.jp "
    "yahoo.co.uk yahoo.com yahoo.com.br yahoo.de yahoo.es yahoo.fr yahoo.it yandex.com yandex.ru ymail.com "
    "zoho.com".split()
)


def organisation(domain: str) -> str:
    """The organisational domain (RFC 7489 section 3.2): ``shop.example`` for ``mail.eu.shop.example``."""
    labels = domain.lower().split(".")
    deep = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVELS
    return ".".join(labels[-3 if deep else -2 :])


def is_free_mail(domain: str) -> bool:
    return domain.lower() in _FREE_MAIL


def within(domain: str, domains: frozenset[str]) -> bool:
    """Whether a domain is one of these or lies below one."""
    labels = domain.lower().split(".")
    return any(".".join(labels[start:]) in domains for start in range(len(labels)))

"""Which of the details that a team needs does an email give? Found ones are shown to the team, missing ones asked for.

Precision matters more than recall: a detail that is asked for again annoys a little, one that is wrongly taken for
given costs the team a round trip.
"""

import re
from collections.abc import Callable, Iterable

from triage.core.mail import Details, Trimmed

_ACCOUNT = re.compile(
    r"\b(?:account|acct|customer|client)\s*(?:number|no\b\.?|nr\b\.?|id|#)?\s*(?:is|:|#|=)?\s*#?\s*((?=[\w-]*\d)[\w-]{4,20})\b",
    re.IGNORECASE,
)
_COMPANY = re.compile(
    r"\b((?:[A-Z][\w&'’.-]*\s+){1,5}(?:Ltd|Limited|LLC|LLP|Inc|Corp|Corporation|GmbH|AG|KG|S\.?A\.?|SAS|S\.?L\.?|B\.?V\.?|NV|AB|AS|ApS|A/S|Oy|"
    r"Pty|PLC|plc|S\.?r\.?l|SpA|Lda|K\.?K|Co|Group|Holdings|Associates|Partners|Industries|Foundation|University|College|"
    r"School|Clinic|Council)\b\.?)"
)
_COMPANY_SAID = re.compile(r"\bcompany(?:\s+name)?\s*(?:is|:|=)\s*(.{2,60})", re.IGNORECASE)
_PRODUCT = re.compile(
    r"\b((?:Microsoft\s+365|Office\s+365|M365|O365|Dynamics\s+365|Power\s+(?:BI|Apps|Automate|Platform)|Visio|Project|Teams|Intune|"
    r"Defender|Copilot|Exchange\s+Online|SharePoint|Windows\s+(?:365|Server|11)|Azure|Entra(?:\s+ID)?|Purview|Sentinel|Viva|"
    r"Planner|Fabric|SQL\s+Server|Security\s+Copilot|Clipchamp|OneDrive)"
    r"(?:[ \t]+(?:Plan|for|P?\d|E\d|F\d|A\d|Business|Basic|Standard|Premium|Pro|Phone|Rooms|Essentials|Server|CAL|"
    r"Enterprise|Education|Endpoint|Apps|Online|Licen[cs]es?)\b)*)"
)
_BILLING = re.compile(r"\b(?:billing|invoic\w*|bill[- ]to|registered|accounts payable)\b", re.IGNORECASE)
_SHIPPING = re.compile(r"\b(?:shipping|ship[- ]to|delivery|deliver\w*)\b", re.IGNORECASE)
_BOTH = re.compile(r"\bboth\b[^.\n]{0,40}\baddress|\baddress(?:es)?\b[^.\n]{0,40}\bboth\b", re.IGNORECASE)
# A house number and a street, or a post code: a town alone is no full address.
_STREET = re.compile(
    r"\b\d{1,5}[A-Za-z]?[ ,]+(?:[A-Z][\w'’.-]*[ ]?){1,5}|"
    r"\b[A-ZÄÖÜ][\wäöüß'’.-]+(?:stra(?:ß|ss)e|str\.|weg|platz|gasse|gatan|vej|veien|laan|straat|gade|kade|plein)\s*\d{1,4}|"
    r"\b(?:Suite|Unit|Floor|P\.?O\.? Box)\s+[\w-]+",
)
_POSTCODE = re.compile(
    r"\b(?:\d{5}(?:-\d{4})?|[A-Z]{1,2}\d[\dA-Z]?\s*\d[A-Z]{2}|[A-Z]\d[A-Z]\s*\d[A-Z]\d|\d{4}\s?[A-Z]{2}|\d{3}\s\d{2}|\d{6}|\d{4})\b"
)


def find_details(wanted: Iterable[str], trimmed: Trimmed) -> Details:
    """Look for each wanted detail in the text and signature; ids that nobody can look for count as missing."""
    found, missing = [], []
    for detail in dict.fromkeys(wanted):
        value = _FINDERS[detail](trimmed) if detail in _FINDERS else ""
        if value:
            found.append((detail, value))
        else:
            missing.append(detail)
    return Details(tuple(found), tuple(missing))


def _account_number(trimmed: Trimmed) -> str:
    return _first(_ACCOUNT, trimmed.text) or _first(_ACCOUNT, trimmed.signature)


def _company(trimmed: Trimmed) -> str:
    said = _first(_COMPANY_SAID, trimmed.text)
    return said or _first(_COMPANY, trimmed.signature) or _first(_COMPANY, trimmed.text)


def _product(trimmed: Trimmed) -> str:
    return _first(_PRODUCT, trimmed.text)


def _which_address(trimmed: Trimmed) -> str:
    billing, shipping = _BILLING.search(trimmed.text), _SHIPPING.search(trimmed.text)
    if _BOTH.search(trimmed.text) or (billing and shipping):
        return "billing and shipping"
    return "billing" if billing else "shipping" if shipping else ""


def _new_address(trimmed: Trimmed) -> str:
    """Street and post code within three lines of each other."""
    street = _STREET.search(trimmed.text)
    if not street:
        return ""
    stretch = "\n".join(trimmed.text[street.start() :].splitlines()[:4])[:200]
    return " ".join(stretch.split()) if _POSTCODE.search(stretch[len(street[0]) :]) else ""


def _first(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    return " ".join(match[1].split()) if match else ""


_FINDERS: dict[str, Callable[[Trimmed], str]] = {
    "account-number": _account_number,
    "company": _company,
    "product": _product,
    "which-address": _which_address,
    "new-address": _new_address,
}

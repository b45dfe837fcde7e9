"""The never-reply list: who gets no automatic mail. The journal keeps keyed hashes only."""

import re
from datetime import UTC, datetime

from triage import wiring
from triage.cli.screen import out
from triage.cli.serve import open_journal, who
from triage.core.ticket import suppression_hash
from triage.settings import SettingsError, read_service_settings

_NAME = re.compile(r"(?:[^@\s]+@)?@?[^\W_](?:[\w.-]*[^\W_])?")


def add(whom: str, why: str) -> None:
    """``whom``: an address, or a domain with all below it; ``why``: "" where nobody said."""
    name = _checked(whom)
    service = read_service_settings()
    keyed = suppression_hash(name, wiring.secret_key(service))
    with open_journal(service) as journal:
        journal.conversations.suppress(keyed, who(), why or "triage suppress add", datetime.now(UTC))
    out.print(f"{name} gets no automatic mail from now on.", markup=False, highlight=False)


def remove(whom: str) -> None:
    """Raises SettingsError where it is not on the list."""
    name = _checked(whom)
    service = read_service_settings()
    keyed = suppression_hash(name, wiring.secret_key(service))
    with open_journal(service) as journal:
        if not journal.conversations.unsuppress(keyed):
            raise SettingsError(f"{name} is not on the list; an address and its domain count apart")
    out.print(f"{name} may get automatic mail again.", markup=False, highlight=False)


def _checked(whom: str) -> str:
    name = whom.strip().lower().removeprefix("@")
    if not _NAME.fullmatch(name):
        raise SettingsError(f'"{whom}" is no address and no domain: write ann@client.example or client.example')
    return name

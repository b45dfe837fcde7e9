"""``triage ledger``: what became of every email, and whether the server has one that the journal does not know."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import typer
from rich.table import Table

from triage import wiring
from triage.cli.screen import err, out
from triage.cli.serve import all_settings, open_journal
from triage.journal.history import Ledger
from triage.journal.mailboxes import Mailbox
from triage.journal.opening import Journal
from triage.journal.states import FINAL, State
from triage.ledger import Inbox, compare
from triage.mailroom.ports import MailError
from triage.settings import MailboxSettings, ServiceSettings, read_service_settings

ENDS = tuple(state for state in State if state in FINAL)  # in the order of the outcomes


@dataclass(frozen=True, slots=True)
class Page:
    """The account of one mailbox."""

    ledger: Ledger
    inbox: Inbox | None  # None: the server was not asked, or could not be
    problems: tuple[str, ...]  # sentences; empty where all is accounted for

    @property
    def on_the_way(self) -> int:
        return sum(count for state, count in self.ledger.states.items() if not state.final)


def show(day: datetime | None, *, offline: bool, as_json: bool) -> None:
    """``day``: its midnight, UTC; None: since the first connection. Exit status 1 where anything is unaccounted for."""
    service, mailboxes = (read_service_settings(), ()) if offline else _with_mailboxes()
    settings = {mailbox.mailbox_address: mailbox for mailbox in mailboxes}
    with open_journal(service, make=False) as journal:
        known = journal.mailboxes.all()
        pages = [_page(journal, one, day, settings.get(one.address)) for one in known]
    addresses = {one.address for one in known}
    for address in settings.keys() - addresses:
        err.print(f"{address} was never connected: `triage run` does it", soft_wrap=True)
    if not offline:
        for address in sorted(addresses - settings.keys()):
            err.print(
                f"{address} has no settings (any more): its server was not asked", highlight=False, soft_wrap=True
            )
    if as_json:
        for page in pages:
            print(json.dumps(_as_json(page, day), ensure_ascii=False))
    else:
        _print(pages, day)
    if any(page.problems for page in pages):
        raise typer.Exit(1)


def problems_of(ledger: Ledger, inbox: Inbox | None) -> list[str]:
    """What is unaccounted for, as sentences."""
    problems = []
    if ledger.difference:
        problems.append(
            f"{ledger.mailbox}: {ledger.seen} emails were seen and {ledger.seen - ledger.difference} are in a state: "
            "the journal contradicts itself; restore it from a backup, or report this"
        )
    if inbox and inbox.unknown:
        problems.append(
            f"{ledger.mailbox}: the journal does not know UID {_spans(inbox.unknown)} of the inbox. Read them; moved "
            "out of the inbox and back, they get new UIDs and are taken in"
        )
    return problems


def _with_mailboxes() -> tuple[ServiceSettings, Sequence[MailboxSettings]]:
    service, _, mailboxes = all_settings()
    return service, mailboxes


def _page(journal: Journal, standing: Mailbox, day: datetime | None, settings: MailboxSettings | None) -> Page:
    until = day + timedelta(days=1) if day else None
    ledger = journal.history.ledger(standing.address, day, until)
    if settings is None:
        return Page(ledger, None, tuple(problems_of(ledger, None)))
    server = wiring.build_inbox(settings)
    try:
        inbox = compare(standing, journal.mailboxes, server)
    except MailError as error:
        return Page(ledger, None, (*problems_of(ledger, None), f"{standing.address}: not compared: {error}"))
    finally:
        server.close()
    return Page(ledger, inbox, tuple(problems_of(ledger, inbox)))


def _as_json(page: Page, day: datetime | None) -> dict[str, Any]:
    ledger, inbox = page.ledger, page.inbox
    return {
        "mailbox": ledger.mailbox,
        "day": day.date().isoformat() if day else None,
        "seen": ledger.seen,
        **{state.value: ledger.states.get(state, 0) for state in ENDS},
        "on_the_way": page.on_the_way,
        "failing": ledger.failing,
        "difference": ledger.difference,
        "inbox": {"known": inbox.known, "unknown": list(inbox.unknown), "to_come": inbox.to_come} if inbox else None,
        "problems": list(page.problems),
    }


def _print(pages: Sequence[Page], day: datetime | None) -> None:
    """The equation from top to bottom, one mailbox a column."""
    when = f"recorded on {day:%Y-%m-%d} (UTC)" if day else "since the first connection"
    table = Table(title=f"Emails {when}" if pages else "no mailbox was ever connected", title_justify="left")
    table.add_column("")
    for page in pages:
        table.add_column(page.ledger.mailbox, justify="right", overflow="fold")
    table.add_row("seen", *(str(page.ledger.seen) for page in pages), end_section=True)
    for state in ENDS:
        table.add_row(state.replace("_", " "), *(str(page.ledger.states.get(state, 0)) for page in pages))
    table.add_row("on the way", *(str(page.on_the_way) for page in pages))
    table.add_row("failing (now)", *(str(page.ledger.failing) for page in pages), end_section=True)
    for name, values in _inbox_rows(pages):
        table.add_row(name, *values)
    out.print(table)
    for problem in (problem for page in pages for problem in page.problems):
        out.print(problem, style="red", markup=False, highlight=False, soft_wrap=True)


def _inbox_rows(pages: Sequence[Page]) -> list[tuple[str, list[str]]]:
    inboxes = [page.inbox for page in pages]
    return [
        ("in the inbox, known", [str(inbox.known) if inbox else "not asked" for inbox in inboxes]),
        ("in the inbox, unknown", [str(len(inbox.unknown)) if inbox else "not asked" for inbox in inboxes]),
        ("in the inbox, to come", [str(inbox.to_come) if inbox else "not asked" for inbox in inboxes]),
    ]


def _spans(uids: Sequence[int]) -> str:
    """Ascending UIDs in words, e.g. ``17, 20-25``."""
    runs = [[uid for _, uid in run] for _, run in groupby(enumerate(uids), lambda numbered: numbered[1] - numbered[0])]
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)

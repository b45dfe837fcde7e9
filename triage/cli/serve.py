"""Commands that serve the mailbox, and those that say how far the service may go."""

import getpass
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import typer

from triage import wiring
from triage.cli.screen import err, log_to_stderr, out
from triage.content.load import Content, is_placeholder
from triage.core.policy import Mode
from triage.journal.opening import Journal
from triage.schedule import Service, run_once
from triage.settings import MailboxSettings, ServiceSettings, SettingsError, read_service_settings, read_settings
from triage.worker import STOP_FILE


def run(*, once: bool) -> None:
    log_to_stderr(logging.INFO)
    service, content, mailboxes = all_settings()
    _require_own_addresses(content, mailboxes)
    with open_journal(service) as journal:
        desk = wiring.build_desk(content, service)
        workers = [wiring.build_worker(mailbox, service, content, desk, journal) for mailbox in mailboxes]
        if not once:
            left_nothing_hanging = Service(workers, service.poll_seconds).run()
            if not left_nothing_hanging:
                journal.close()
                logging.shutdown()
                os._exit(0)  # a thread that waits for a dead server would keep the process for minutes
            return
        try:
            failures = [failure for worker in workers if (failure := run_once(worker))]
        finally:
            for worker in workers:
                worker.close()
    if failures:
        raise failures[0]  # the others are in the log


def go_live(mode: Mode, *, yes: bool) -> None:
    """``yes``: no question asked."""
    if mode.rank < Mode.DRAFT.rank:
        raise SettingsError(f"--mode {mode} sends nothing: go live with draft or automatic, or use `triage stop`")
    service, content, mailboxes = all_settings()
    _require_own_addresses(content, mailboxes)
    if mode.rank > content.policy.highest_mode.rank:
        raise SettingsError(f"policy.toml allows at most highest_mode = {content.policy.highest_mode}; raise it there")
    _warn(service, content)
    if not yes and not typer.confirm(f"Go live in {mode} mode?"):
        raise typer.Exit(1)
    with open_journal(service) as journal:
        for mailbox in mailboxes:
            wiring.connect_first(mailbox, journal)
        journal.service.set_mode(mode, datetime.now(UTC), who(), "triage go-live")
    addresses = ", ".join(mailbox.mailbox_address for mailbox in mailboxes)
    out.print(f"{addresses}: {mode} from now on. `triage stop` stops everything at once.")


def stop() -> None:
    with open_journal(read_service_settings(), make=False) as journal:
        journal.service.set_mode(Mode.SHADOW, datetime.now(UTC), who(), "triage stop")
        waiting = sum(count for state, count in journal.history.counts().items() if not state.final)
    out.print(f"Stopped: shadow mode, nothing leaves. {waiting} emails are on their way and wait; see `triage log`.")


def db_upgrade() -> None:
    wiring.build_journal(read_service_settings()).close()
    out.print("The journal is up to date.")


def all_settings() -> tuple[ServiceSettings, Content, Sequence[MailboxSettings]]:
    """Settings and ``config/``; raises with all that is wrong."""
    content = wiring.read_config(read_service_settings())
    settings = read_settings(content.policy.mailbox_settings)
    return settings.service, content, settings.mailboxes


def _require_own_addresses(content: Content, mailboxes: Sequence[MailboxSettings]) -> None:
    own = content.policy.own_addresses
    for mailbox in mailboxes:
        if mailbox.mailbox_address.lower() not in own:
            raise SettingsError(
                f"TRIAGE_MAILBOX_ADDRESS={mailbox.mailbox_address} is not among own_addresses of policy.toml "
                f"({', '.join(sorted(own))}): nobody would be answered; add it there"
            )


@contextmanager
def open_journal(service: ServiceSettings, *, make: bool = True) -> Iterator[Journal]:
    """The journal, up to date; closed at the end. ``make=False``: only one that is there."""
    journal = wiring.build_journal(service, make=make)
    try:
        yield journal
    finally:
        journal.close()


def _warn(service: ServiceSettings, content: Content) -> None:
    for team in content.policy.teams.values():
        if is_placeholder(team.address):
            err.print(f"team {team.id} has the placeholder address {team.address}: its tickets would reach nobody")
    if (service.data_dir / STOP_FILE).exists():
        err.print(f"{service.data_dir / STOP_FILE} exists: nothing is sent until it is removed")


def who() -> str:
    """Who runs this command, for the journal."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in a container
        return "unknown"

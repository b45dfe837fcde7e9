"""What is owed and waits for a person: stopped, held for approval, or given up."""

import json
from datetime import UTC, datetime
from typing import Any

from rich.table import Table

from triage import wiring
from triage.cli.screen import out
from triage.cli.serve import open_journal, who
from triage.core.compose import Case, compose
from triage.core.decision import Decision, Reason
from triage.core.mail import Address, Mail, Trimmed
from triage.core.policy import Action
from triage.core.ticket import name
from triage.journal.history import EmailDetail
from triage.journal.owed import OutboxRow, Owed
from triage.journal.states import RowState, State
from triage.settings import SettingsError, read_service_settings

WAITING = (RowState.HELD, RowState.FROZEN, RowState.GIVEN_UP)


def show(*, as_json: bool) -> None:
    with open_journal(read_service_settings(), make=False) as journal:
        rows = journal.outbox.unsent(*WAITING, limit=1000)
    if as_json:
        for row in rows:
            print(json.dumps(_as_json(row), ensure_ascii=False))
    else:
        out.print(_table(rows))


def approve(number: int) -> None:
    """Raises SettingsError where it does not wait for approval."""
    with open_journal(read_service_settings(), make=False) as journal:
        if not journal.outbox.approve(number, who(), datetime.now(UTC)):
            raise SettingsError(f"outbox row {number} does not wait for approval; see `triage outbox list`")
    out.print(f"{number} is approved and goes out when it is due.")


def release(number: int | None) -> None:
    """All stopped rows, or one."""
    with open_journal(read_service_settings(), make=False) as journal:
        count = journal.outbox.release(who(), datetime.now(UTC), None if number is None else [number])
    out.print(f"{count} released; they go out as far as the mode allows (`triage status`).")


def requeue(number: int) -> None:
    """Raises SettingsError where it was not given up."""
    with open_journal(read_service_settings(), make=False) as journal:
        if not journal.outbox.requeue(number, who(), datetime.now(UTC)):
            raise SettingsError(f"outbox row {number} was not given up; see `triage outbox list`")
    out.print(f"{number} is tried again, with the same bytes.")


def hand_over(number: int, team: str | None) -> None:
    """Cancel what is unsent for the row's email and give the ticket to a team instead."""
    service = read_service_settings()
    content = wiring.read_config(service)
    team = team or content.policy.default_team
    if team not in content.policy.teams:
        raise SettingsError(f'"{team}" is no team; known teams: {", ".join(sorted(content.policy.teams))}')
    with open_journal(service, make=False) as journal:
        row = next((row for row in journal.outbox.unsent(*WAITING, limit=100_000) if row.id == number), None)
        detail = journal.history.email(row.email_id) if row and row.email_id else None
        if row is None or detail is None or detail.summary.ticket is None:
            raise SettingsError(f"outbox row {number} does not wait for anybody; see `triage outbox list`")
        house = wiring.build_house(content, service, detail.summary.mailbox)
        now = datetime.now(UTC)
        reason = Reason("handed-over-by-hand", f"{who()} handed it over instead of sending what was owed")
        decision = Decision(Action.ROUTE, team=team, reply=False, reasons=(reason,))
        mail = _mail(detail)
        case = Case(
            mail, Trimmed(mail.text), decision, detail.summary.ticket, f"by hand {number} {now.isoformat()}", now
        )
        instead = [Owed(draft) for draft in compose(case, house)]
        journal.outbox.replace(detail.summary.id, instead, State.ROUTED, who(), "triage outbox hand-over", now)
    out.print(f"{name(detail.summary.ticket)} goes to {team}; nothing else is sent for it.")


def _mail(detail: EmailDetail) -> Mail:
    """The email as far as the journal keeps it."""
    known = detail.summary
    sender = (Address(known.sender, known.sender_name or ""),) if known.sender else ()
    return Mail(
        sha256=detail.sha256,
        size=detail.size,
        subject=known.subject or "",
        text=detail.text or "",
        from_=sender,
        message_id=detail.message_id,
        date=detail.sent_at,
    )


def _as_json(row: OutboxRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "ticket": name(row.ticket) if row.ticket else None,
        "kind": row.kind,
        "state": row.state,
        "recipient": row.recipient,
        "subject": row.subject,
        "attempts": row.attempts,
        "last_answer": row.last_answer,
        "created_at": row.created_at.isoformat(),
    }


def _table(rows: list[OutboxRow]) -> Table:
    table = Table(title=f"{len(rows)} wait for a person" if rows else "nothing waits", title_justify="left")
    for heading in ("id", "ticket", "kind", "state", "recipient", "created (UTC)", "last answer"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(
            str(row.id),
            name(row.ticket) if row.ticket else "",
            row.kind,
            row.state,
            row.recipient,
            f"{row.created_at:%Y-%m-%d %H:%M}",
            row.last_answer or "",
        )
    return table

"""Commands that show what happened."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.table import Table

from triage.cli.screen import Json, out
from triage.cli.serve import open_journal
from triage.core.policy import Action
from triage.core.ticket import name
from triage.journal.history import LogFilter, LogRow
from triage.settings import read_service_settings


def log(
    as_json: Json = False,
    since: Annotated[datetime | None, typer.Option(help="recorded at or after, UTC")] = None,
    until: Annotated[datetime | None, typer.Option(help="recorded before, UTC")] = None,
    action: Annotated[Action | None, typer.Option(help="only this action")] = None,
    intent: Annotated[str | None, typer.Option(help="only emails answered with this FAQ entry")] = None,
    team: Annotated[str | None, typer.Option(help="only tickets of this team")] = None,
    sender: Annotated[str | None, typer.Option(help="only emails from this address")] = None,
    limit: Annotated[int, typer.Option(min=1, help="at most so many")] = 100,
) -> None:
    """The outcomes, newest first."""
    which = LogFilter(_utc(since), _utc(until), action, intent, team, sender)
    with open_journal(read_service_settings()) as journal:
        rows = journal.history.log(which, limit)
    if as_json:
        for row in rows:
            print(json.dumps(_as_json(row), ensure_ascii=False))
    else:
        out.print(_table(rows))


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment else None


def _as_json(row: LogRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "ticket": name(row.ticket) if row.ticket else None,
        "mailbox": row.mailbox,
        "uid": row.uid,
        "sender": row.sender,
        "subject": row.subject,
        "action": row.decision.action,
        "intents": list(row.decision.intents),
        "topics": list(row.decision.topics),
        "team": row.decision.team,
        "confidence": round(row.confidence, 4),
        "state": row.state,
        "mode": row.mode,
        "received_at": row.received_at.isoformat(),
        "recorded_at": row.recorded_at.isoformat(),
        "finished_at": row.finished_at.isoformat() if row.finished_at else None,
        "milliseconds": round(row.milliseconds, 1),
        "reasons": [reason.sentence for reason in row.decision.reasons],
    }


def _table(rows: Sequence[LogRow]) -> Table:
    table = Table(title=f"{len(rows)} emails, newest first" if rows else "no emails", title_justify="left")
    for heading in ("recorded (UTC)", "ticket", "sender", "subject", "action", "intents", "team", "state"):
        table.add_column(heading, overflow="fold" if heading in ("sender", "subject") else "ellipsis")
    for row in rows:
        table.add_row(
            f"{row.recorded_at:%Y-%m-%d %H:%M:%S}",
            name(row.ticket) if row.ticket else "",
            row.sender or "",
            row.subject or "",
            row.decision.action,
            "\n".join(row.decision.intents),
            row.decision.team or "",
            row.state,
        )
    return table

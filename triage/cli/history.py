"""Commands that show what happened."""

import json
from collections.abc import Sequence
from typing import Any

import typer
from rich.table import Table

from triage.cli.screen import out
from triage.cli.serve import open_journal
from triage.core.ticket import PREFIX, name
from triage.journal.history import LogFilter, LogRow
from triage.settings import read_service_settings

CLASSIFIERS_WORD = "nothing-asked"  # no header and no structure says machine


def log(which: LogFilter, limit: int, *, as_json: bool) -> None:
    with open_journal(read_service_settings(), make=False) as journal:
        rows = journal.history.log(which, limit)
    if as_json:
        for row in rows:
            print(json.dumps(_as_json(row), ensure_ascii=False))
    else:
        out.print(_table(rows))


def ticket_number(ticket: str) -> int:
    """From CSP-1042 or 1042."""
    digits = ticket.upper().removeprefix(f"{PREFIX}-")
    if not digits.isdecimal() or len(digits) > 9:
        raise typer.BadParameter(f'"{ticket}" is no ticket; write {name(1042)} or 1042')
    return int(digits)


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
        "undelivered": row.undelivered,
        "codes": [reason.code for reason in row.decision.reasons],
        "reasons": [reason.sentence for reason in row.decision.reasons],
    }


def _table(rows: Sequence[LogRow]) -> Table:
    table = Table(title=f"{len(rows)} emails, newest first" if rows else "no emails", title_justify="left")
    for heading in ("recorded (UTC)", "ticket", "sender", "subject", "action", "intents", "team", "why", "state"):
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
            _why(row),
            f"{row.state}, not delivered" if row.undelivered else row.state,
        )
    return table


def _why(row: LogRow) -> str:
    """The code that tells most: what rests on the classifier's word alone is for a person to look through."""
    codes = [reason.code for reason in row.decision.reasons]
    return CLASSIFIERS_WORD if CLASSIFIERS_WORD in codes else next(iter(codes), "")

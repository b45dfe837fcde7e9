"""Commands that decide without a mailbox, and the check of ``config/``."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.progress import MofNCompleteColumn, Progress, TextColumn

from triage import wiring
from triage.cli.screen import err, out
from triage.content.load import notices
from triage.core.mail import Conversation, SenderHistory, Severity
from triage.desk import Considered
from triage.mailroom.folder import read_emails
from triage.settings import read_service_settings


def explain(paths: Sequence[Path], *, as_json: bool) -> None:
    """``paths``: .eml files, folders of them, mbox files. Raises UnreadablePathError."""
    service = read_service_settings()
    desk = wiring.build_desk(wiring.read_config(service), service)
    now = datetime.now(UTC)
    emails = (email for path in paths for email in read_emails(path))
    with Progress(TextColumn("{task.description}"), MofNCompleteColumn(), console=err, transient=True) as progress:
        for name, raw in progress.track(emails, total=None, description="emails decided"):
            considered = desk.decide(desk.read(raw), Conversation(), SenderHistory(), now, now)
            if as_json:
                print(json.dumps({"file": name, **explanation(considered)}, ensure_ascii=False))
            else:
                _print(name, considered)


def check() -> None:
    """Raises ContentError with all that is wrong."""
    service = read_service_settings()
    content = wiring.read_config(service)
    for notice in notices(content, datetime.now(UTC).date(), wiring.training_counts(service.models_dir)):
        out.print(f"note: {notice}", markup=False, highlight=False, soft_wrap=True)
    out.print(f"{service.config_dir} is usable: {len(content.entries)} FAQ entries, {len(content.policy.teams)} teams")


def explanation(considered: Considered) -> dict[str, Any]:
    """A decision with everything it rests on, as JSON."""
    decision, prediction = considered.decision, considered.prediction
    return {
        "action": decision.action,
        "intents": [
            {"id": intent, "probability": round(prediction.probability(intent), 4)} for intent in decision.intents
        ],
        "team": decision.team,
        "topics": list(decision.topics),
        "reply": decision.reply,
        "text": considered.trimmed.text,
        "signature": considered.trimmed.signature,
        "machine": any(objection.severity is Severity.MACHINE for objection in considered.objections),
        "language": prediction.language,
        "confidence": round(prediction.confidence, 4),
        "reasons": [reason.sentence for reason in decision.reasons],
        "guesses": [{"id": guess.id, "probability": round(guess.probability, 4)} for guess in prediction.guesses],
        "objections": [asdict(objection) for objection in considered.objections],
        "gate": [asdict(gate) for gate in prediction.gates],
        "details": {"found": dict(decision.details.found), "missing": list(decision.details.missing)},
        "redactions": [{"kind": redaction.kind, "count": redaction.count} for redaction in considered.mail.redactions],
        "defects": list(considered.mail.defects),
        "model": prediction.model,
    }


def _print(name: str, considered: Considered) -> None:
    decision, prediction = considered.decision, considered.prediction
    carries = f": {', '.join(decision.intents)}" if decision.intents else ""
    team = f" → {decision.team}" if decision.team else ""
    silent = "" if decision.reply or not decision.team else " (the sender hears nothing)"
    out.print(f"[bold]{name}[/bold]", highlight=False)
    out.print(f"  {decision.action}{carries}{team}{silent}", markup=False, highlight=False)
    for reason in decision.reasons:
        out.print(f"  - {reason.sentence}", markup=False, highlight=False, soft_wrap=True)
    likely = ", ".join(f"{guess.id} {guess.probability:.0%}" for guess in prediction.guesses[:4])
    if likely:
        out.print(f"  likeliest: {likely}", markup=False, highlight=False, soft_wrap=True)
    out.print()

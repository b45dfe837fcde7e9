"""``triage demo`` on the screen."""

import email
import email.policy
import json
import logging
from pathlib import Path

import typer
from pydantic import SecretStr
from rich.live import Live
from rich.table import Table
from rich.text import Text

from triage import demo as stage
from triage import wiring
from triage.cli.screen import err, log_to_stderr, out
from triage.cli.serve import open_journal
from triage.demo_emails import MAILBOX
from triage.mailroom.embedded import EmbeddedServer
from triage.settings import MailboxSettings, Security, ServiceSettings, read_service_settings

_COLOURS = {"answer": "green", "answer_and_route": "cyan", "route": "yellow", "ignore": "bright_black"}


def show(*, as_json: bool) -> None:
    log_to_stderr(logging.ERROR)
    folder = Path("var/demo")
    with stage.mail_server(folder) as server:
        service = read_service_settings().model_copy(
            update={
                "database_url": f"sqlite:///{folder}/triage.db",
                "data_dir": folder,
                "secret_key": SecretStr("demo"),
            }
        )
        if not as_json:
            out.print(f"A mail server of its own on {server.host}: IMAP {server.imap_port}, SMTP {server.smtp_port}.")
        outcome = _serve(server, service, folder, quiet=as_json)
    if as_json:
        _print_json(outcome)
    else:
        _print_summary(outcome, folder)
    for line in outcome.surprises:
        err.print(f"{line.subject}: {line.action}, should be {line.wanted}", style="red", markup=False)
    raise typer.Exit(0 if outcome.lost == 0 and not outcome.surprises else 1)


def _serve(server: EmbeddedServer, service: ServiceSettings, folder: Path, *, quiet: bool) -> stage.Outcome:
    content = wiring.read_config(service)
    mailbox = MailboxSettings(
        mailbox_address=MAILBOX,
        imap_host=server.host,
        imap_port=server.imap_port,
        imap_security=Security.PLAIN,
        imap_user=server.user,
        imap_password=SecretStr(server.password),
        smtp_host=server.host,
        smtp_port=server.smtp_port,
        smtp_security=Security.PLAIN,
    )
    with open_journal(service) as journal:
        worker = wiring.build_worker(mailbox, service, content, wiring.build_desk(content, service), journal)
        if quiet:
            return stage.run(worker, server, folder, lambda lines, done: None)
        with Live(console=out, refresh_per_second=8) as live:
            return stage.run(worker, server, folder, lambda lines, done: live.update(_table(lines)))


def _table(lines: list[stage.Line]) -> Table:
    table = Table(title=f"{len(lines)} emails", title_justify="left", expand=False)
    for heading in ("sender", "subject", "action", "intents", "team", "state"):
        table.add_column(heading, overflow="ellipsis", no_wrap=heading != "intents")
    table.add_column("ms", justify="right")
    for line in lines:
        table.add_row(
            Text(line.sender[:34]),
            Text(line.subject[:40]),
            Text(line.action, style=_COLOURS.get(line.action, "")),
            "\n".join(f"{intent} {probability:.0%}" for intent, probability in line.intents),
            line.team,
            line.state,
            f"{line.milliseconds:.0f}",
        )
    return table


def _print_json(outcome: stage.Outcome) -> None:
    for line in outcome.lines:
        intents = [{"id": intent, "probability": round(probability, 4)} for intent, probability in line.intents]
        print(
            json.dumps(
                {
                    "sender": line.sender,
                    "subject": line.subject,
                    "action": line.action,
                    "intents": intents,
                    "team": line.team or None,
                    "state": line.state,
                    "milliseconds": round(line.milliseconds, 1),
                },
                ensure_ascii=False,
            )
        )
    print(json.dumps({"emails": outcome.emails, **outcome.states, "sent": outcome.sent, "lost": outcome.lost}))


def _print_summary(outcome: stage.Outcome, folder: Path) -> None:
    counts = ", ".join(f"{count} {state.replace('_', ' ')}" for state, count in outcome.states.items())
    out.print(f"\n{outcome.emails} emails: {counts}; {outcome.sent} mails sent, {outcome.lost} lost.")
    out.print(f"What was sent lies in {outcome.sent_folder}/, the journal in {folder}/triage.db.\n")
    first = next((path for path in sorted(outcome.sent_folder.iterdir()) if b"auto-replied" in path.read_bytes()), None)
    if first:
        out.print(f"One reply, whole ({first}):", style="bold")
        out.print(_readable(first.read_bytes()), markup=False, highlight=False)
    out.print("What to try next:", style="bold")
    out.print("  .venv/bin/triage explain tests/mails     what it decides for odd emails, and why", highlight=False)
    out.print(
        f"  TRIAGE_DATABASE_URL=sqlite:///{folder}/triage.db .venv/bin/triage log     the outcomes", highlight=False
    )
    out.print("  .venv/bin/triage check     what is in config/, and what its owner has to confirm", highlight=False)


def _readable(raw: bytes) -> str:
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    head = "\n".join(f"{name}: {mail[name]}" for name in ("From", "To", "Subject", "Auto-Submitted", "In-Reply-To"))
    body = mail.get_body(("plain",))
    return f"{head}\n\n{body.get_content() if body else ''}"

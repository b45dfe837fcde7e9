"""The menu: every command with its options, and what becomes of an error: a sentence and an exit status, never a
traceback.

The modules that do the work are imported when a command is called: all of them together take over a second and 200 MB,
and nobody who asks for help or for the log should wait for scikit-learn.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from triage.cli.screen import Json, err
from triage.core.policy import Action, Mode

app = typer.Typer(
    help="Answers customers' emails with vetted FAQ answers, or hands them to a team; explains every decision.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
suppress = typer.Typer(help="Addresses and domains that never get automatic mail.", no_args_is_help=True)
outbox = typer.Typer(help="What is owed and waits for a person.", no_args_is_help=True)
db = typer.Typer(help="The journal's database.", no_args_is_help=True)

Name = Annotated[str, typer.Option("--model", help="its name under models/built; release: the one that is shipped")]
Whom = Annotated[str, typer.Argument(metavar="ADDRESS-OR-DOMAIN", help="ann@client.example, or client.example for all")]


@app.command()
def demo(as_json: Json = False) -> None:
    """Show the service at work: fifteen emails on a mail server of its own; nothing leaves this machine."""
    from triage.cli.demo import show

    show(as_json=as_json)


# --- serving ----------------------------------------------------------------------------------------------------------


@app.command()
def run(
    once: Annotated[bool, typer.Option("--once", help="take in what is there, deliver, settle, exit")] = False,
) -> None:
    """Serve the mailbox: receive, deliver and settle on a schedule, until SIGTERM."""
    from triage.cli import serve

    serve.run(once=once)


@app.command()
def go_live(
    mode: Annotated[Mode, typer.Option(help="draft: answers wait for approval; automatic: they go out")],
    yes: Annotated[bool, typer.Option("--yes", help="accept what is warned of, without a question")] = False,
) -> None:
    """Let mail go out from now on. Mail that came before is never answered."""
    from triage.cli import serve

    serve.go_live(mode, yes=yes)


@app.command()
def stop() -> None:
    """Stop at once: nothing more leaves; what is queued waits, visibly."""
    from triage.cli import serve

    serve.stop()


@app.command()
def status(as_json: Json = False) -> None:
    """How the service stands: its mode and why, the mailboxes, what waits, the model and what it is worth."""
    from triage.cli.status import show

    show(as_json=as_json)


# --- what happened ----------------------------------------------------------------------------------------------------


@app.command()
def log(
    as_json: Json = False,
    since: Annotated[datetime | None, typer.Option(help="recorded at or after, UTC")] = None,
    until: Annotated[datetime | None, typer.Option(help="recorded before, UTC")] = None,
    action: Annotated[Action | None, typer.Option(help="only this action")] = None,
    intent: Annotated[str | None, typer.Option(help="only emails answered with this FAQ entry")] = None,
    team: Annotated[str | None, typer.Option(help="only tickets of this team")] = None,
    sender: Annotated[str | None, typer.Option(help="only emails from this address")] = None,
    ticket: Annotated[str | None, typer.Option(help="only emails of this ticket, e.g. CSP-1042")] = None,
    reason: Annotated[str | None, typer.Option(help="only with this reason code, e.g. nothing-asked")] = None,
    undelivered: Annotated[bool, typer.Option("--undelivered", help="only where a mail of ours came back")] = False,
    limit: Annotated[int, typer.Option(min=1, help="at most so many")] = 100,
) -> None:
    """The outcomes, newest first."""
    from triage.cli import history
    from triage.journal.history import LogFilter

    which = LogFilter(
        since=_utc(since),
        until=_utc(until),
        action=action,
        intent=intent,
        team=team,
        sender=sender,
        ticket=history.ticket_number(ticket) if ticket else None,
        reason=reason,
        undelivered=undelivered or None,
    )
    history.log(which, limit, as_json=as_json)


@app.command()
def ledger(
    day: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="emails recorded on this day, UTC; default: today")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="all emails since the first connection")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="do not ask the mail server what it has")] = False,
    as_json: Json = False,
) -> None:
    """Account for every email: in which state it is, and whether the inbox has one that was never taken in."""
    from triage.cli.ledger import show

    if day and everything:
        raise typer.BadParameter("--day and --all exclude each other")
    show(None if everything else _utc(day) or _today(), offline=offline, as_json=as_json)


# --- deciding ---------------------------------------------------------------------------------------------------------


@app.command()
def explain(
    paths: Annotated[list[Path], typer.Argument(help=".eml files, folders of them, mbox files")],
    as_json: Json = False,
) -> None:
    """Decide for emails on disk and say why: no mailbox, no database, no network."""
    from triage.cli import decide

    decide.explain(paths, as_json=as_json)


@app.command()
def check() -> None:
    """Validate config/ and lint the FAQ: all problems at once."""
    from triage.cli import decide

    decide.check()


@suppress.command()
def add(whom: Whom, why: Annotated[str, typer.Option(help="for whoever wonders later")] = "") -> None:
    """Send nothing automatic to an address, or to a domain and all below it; people still read what they write."""
    from triage.cli import suppress

    suppress.add(whom, why)


@suppress.command()
def remove(whom: Whom) -> None:
    """Take an address or a domain off the list."""
    from triage.cli import suppress

    suppress.remove(whom)


Row = Annotated[int, typer.Argument(help="its id in `triage outbox list`")]


@outbox.command("list")
def outbox_list(as_json: Json = False) -> None:
    """What was stopped, waits for approval, or was given up."""
    from triage.cli import outbox

    outbox.show(as_json=as_json)


@outbox.command()
def approve(row: Row) -> None:
    """Let a drafted answer go out."""
    from triage.cli import outbox

    outbox.approve(row)


@outbox.command()
def release(
    row: Annotated[int | None, typer.Argument(help="its id in `triage outbox list`; none: all")] = None,
) -> None:
    """Queue what a stop has frozen again."""
    from triage.cli import outbox

    outbox.release(row)


@outbox.command()
def requeue(row: Row) -> None:
    """Try what was given up again."""
    from triage.cli import outbox

    outbox.requeue(row)


@outbox.command("hand-over")
def outbox_hand_over(
    row: Row, team: Annotated[str | None, typer.Option(help="none: the default team of policy.toml")] = None
) -> None:
    """Give the ticket to a team instead of sending what is owed."""
    from triage.cli import outbox

    outbox.hand_over(row, team)


# --- learning ---------------------------------------------------------------------------------------------------------


@app.command()
def train(name: Name = "latest") -> None:
    """Learn from models/examples; writes models/built/NAME."""
    from triage.cli import learn

    learn.train(name)


@app.command()
def calibrate(
    target: Annotated[float | None, typer.Option(help="share of wrong answers to stay below")] = None,
    confidence: Annotated[float | None, typer.Option(help="how sure that has to be")] = None,
    name: Name = "latest",
) -> None:
    """Choose the threshold for automatic answers on the calibration emails, and write down what it is worth."""
    from triage.cli import learn

    learn.calibrate(target, confidence, name)


@app.command()
def evaluate(
    files: Annotated[list[Path], typer.Argument(help="labelled emails, JSON Lines")],
    name: Name = "latest",
    page: Annotated[Path | None, typer.Option("--report", help="also write it all as one HTML file")] = None,
    as_json: Json = False,
) -> None:
    """Grade decisions against labelled emails: what is resolved, what is wrong, and why."""
    from triage.cli import learn

    learn.evaluate(files, name, page, as_json=as_json)


# --- the database -----------------------------------------------------------------------------------------------------


@db.command()
def upgrade() -> None:
    """Bring the journal's tables up to date; run and demo do it by themselves."""
    from triage.cli import serve

    serve.db_upgrade()


app.add_typer(suppress, name="suppress")
app.add_typer(outbox, name="outbox")
app.add_typer(db, name="db")


def main() -> None:
    """Entry point."""
    try:
        app()
    except Exception as error:
        status = _status(error)
        if status is None:
            raise
        err.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(status)


def _status(error: Exception) -> int | None:
    """The exit status of an error that is a sentence for the operator; None: a fault of ours."""
    from triage.classifier.manifest import ModelError
    from triage.content.problems import ContentError
    from triage.journal.database import JournalError
    from triage.mailroom.folder import UnreadablePathError
    from triage.mailroom.ports import MailError
    from triage.settings import SettingsError

    if isinstance(error, (UnreadablePathError, FileNotFoundError, IsADirectoryError, PermissionError)):
        return 2
    return 1 if isinstance(error, (SettingsError, ContentError, ModelError, JournalError, MailError)) else None


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment else None


def _today() -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)

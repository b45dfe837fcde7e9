"""The menu of commands, and what becomes of an error: a sentence and an exit status, never a traceback."""

import sys

import typer

from triage.classifier.manifest import ModelError
from triage.cli import decide, history, learn, serve
from triage.cli.demo import demo
from triage.cli.screen import err
from triage.content.problems import ContentError
from triage.journal.database import JournalError
from triage.mailroom.folder import UnreadablePathError
from triage.mailroom.ports import MailError
from triage.settings import SettingsError

app = typer.Typer(
    help="Answers customers' emails with vetted FAQ answers, or hands them to a team; explains every decision.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
db = typer.Typer(help="The journal's database.", no_args_is_help=True)

app.command()(demo)
app.command()(serve.run)
app.command("go-live")(serve.go_live)
app.command()(serve.stop)
app.command()(history.log)
app.command()(decide.explain)
app.command()(decide.check)
app.command()(learn.train)
app.command()(learn.calibrate)
app.command()(learn.evaluate)
app.add_typer(db, name="db")
db.command("upgrade")(serve.db_upgrade)


def main() -> None:
    """Entry point."""
    try:
        app()
    except UnreadablePathError as error:
        _end(error, 2)
    except (SettingsError, ContentError, ModelError, JournalError, MailError) as error:
        _end(error, 1)


def _end(error: Exception, status: int) -> None:
    err.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
    sys.exit(status)

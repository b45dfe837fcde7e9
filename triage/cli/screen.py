"""Where commands print, and how a log line looks."""

import logging
from typing import Annotated

import typer
from rich.console import Console

out = Console()
err = Console(stderr=True)

Json = Annotated[bool, typer.Option("--json", help="print JSON instead of a table")]


def log_to_stderr(level: int) -> None:
    """One line per event; no library speaks below a warning."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("triage").setLevel(level)
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    logging.getLogger("mail.log").setLevel(logging.ERROR)

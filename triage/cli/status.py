"""``triage status``: how the service stands, in one page."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from triage import wiring
from triage.classifier.card import model_folder, read_card
from triage.classifier.manifest import ModelError, read_manifest
from triage.cli.screen import out
from triage.cli.serve import open_journal
from triage.core.policy import Mode
from triage.journal.mailboxes import Mailbox
from triage.journal.opening import Journal
from triage.journal.service import ModeChange
from triage.journal.states import RowState, State
from triage.settings import ServiceSettings, read_service_settings
from triage.worker import STOP_FILE

# By which outgoing mails an email is kept waiting; see journal/owed.py.
_WAITS_FOR = {
    State.WAITING_FOR_APPROVAL: RowState.HELD,
    State.WAITING_FOR_DELIVERY: RowState.QUEUED,
    State.STOPPED: RowState.FROZEN,
    State.DELIVERY_FAILED: RowState.GIVEN_UP,
}


@dataclass(frozen=True, slots=True)
class Bound:
    """One of those that say how far the service may go."""

    source: str  # policy, journal or stop_file
    mode: Mode
    sentence: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """Emails that are on their way."""

    state: State
    emails: int
    since: datetime | None  # when the oldest mail that this state waits for was written


@dataclass(frozen=True, slots=True)
class Model:
    """The model that decides, by its card."""

    name: str
    made_at: str
    threshold: float  # least confidence for an automatic answer
    worth: str  # what the threshold is worth, as a sentence


@dataclass(frozen=True, slots=True)
class Status:
    """All that is shown."""

    bounds: tuple[Bound, ...]
    mailboxes: tuple[Mailbox, ...]
    counts: dict[State, int]
    waiting: tuple[Waiting, ...]
    failing: int  # emails that could not be taken in yet
    model: Model | str  # or why there is none

    @property
    def mode(self) -> Mode:
        return lowest(self.bounds)[0].mode


def show(*, as_json: bool) -> None:
    service = read_service_settings()
    highest = wiring.read_config(service).policy.highest_mode
    with open_journal(service, make=False) as journal:
        status = Status(
            bounds=tuple(mode_bounds(highest, journal.service.changes(1), service.data_dir / STOP_FILE)),
            mailboxes=tuple(journal.mailboxes.all()),
            counts=journal.history.counts(),
            waiting=tuple(_waiting(journal)),
            failing=sum(journal.history.ledger(one.address).failing for one in journal.mailboxes.all()),
            model=_model(service),
        )
    if as_json:
        print(json.dumps(_as_json(status), ensure_ascii=False))
    else:
        _print(status, datetime.now(UTC))


def mode_bounds(highest: Mode, changes: Sequence[ModeChange], stop_file: Path) -> list[Bound]:
    """What limits the mode. ``changes``: of the journal, newest first."""
    said = "nobody has run `triage go-live`"
    if changes:
        said = f"{changes[0].who}, {_moment(changes[0].at)}, {changes[0].why or 'without a word'}"
    bounds = [
        Bound("policy", highest, f"policy.toml says highest_mode = {highest}"),
        Bound("journal", changes[0].mode if changes else Mode.SHADOW, said),
    ]
    if stop_file.exists():
        bounds.append(Bound("stop_file", Mode.SHADOW, f"{stop_file} exists: remove it to let mail out again"))
    return bounds


def lowest(bounds: Sequence[Bound]) -> list[Bound]:
    """Those that win; several where they agree."""
    least = min(bound.mode.rank for bound in bounds)
    return [bound for bound in bounds if bound.mode.rank == least]


def _waiting(journal: Journal) -> list[Waiting]:
    found = []
    for state, count in journal.history.counts().items():
        if not state.final:
            oldest = journal.outbox.unsent(_WAITS_FOR[state], limit=1)
            found.append(Waiting(state, count, oldest[0].created_at if oldest else None))
    return found


def _model(service: ServiceSettings) -> Model | str:
    folder = model_folder(service.models_dir, service.model)
    try:
        read_manifest(folder)
        card = read_card(folder)
        return Model(service.model, card["made_at"], card["thresholds"]["confidence"], card["worth"])
    except ModelError as error:
        return f"no automatic answers: {error}"


def _as_json(status: Status) -> dict[str, Any]:
    model = status.model
    return {
        "mode": status.mode,
        "because": [bound.source for bound in lowest(status.bounds)],
        "bounds": {bound.source: {"mode": bound.mode, "why": bound.sentence} for bound in status.bounds},
        "mailboxes": [_mailbox_as_json(mailbox, status.mode) for mailbox in status.mailboxes],
        "counts": {state.value: status.counts.get(state, 0) for state in State},
        "waiting": [{"state": one.state, "emails": one.emails, "since": _iso(one.since)} for one in status.waiting],
        "failing": status.failing,
        "model": {"failure": model}
        if isinstance(model, str)
        else {"name": model.name, "made_at": model.made_at, "threshold": model.threshold, "worth": model.worth},
    }


def _mailbox_as_json(mailbox: Mailbox, service: Mode) -> dict[str, Any]:
    return {
        "mailbox": mailbox.address,
        "mode": mailbox.mode(service),
        "live_since": _iso(mailbox.went_live_at),
        "last_good_poll": _iso(mailbox.last_ok_at),
        "errors_in_a_row": mailbox.errors_in_a_row,
        "last_error": mailbox.last_error if mailbox.errors_in_a_row else None,
        "watermark": mailbox.watermark,
        "taken_in_below": mailbox.scanned_to,
    }


def _print(status: Status, now: datetime) -> None:
    _say(f"mode: {status.mode}", style="bold")
    winning = lowest(status.bounds)
    for bound in status.bounds:
        wins = "  ← wins" if bound in winning and len(winning) < len(status.bounds) else ""
        _say(f"  {bound.source.replace('_', ' ')}: {bound.mode} ({bound.sentence}){wins}")
    if not status.mailboxes:
        _say("no mailbox was ever connected: run `triage run`")
    for mailbox in status.mailboxes:
        _print_mailbox(mailbox, status.mode, now)
    counts = [f"{status.counts[state]} {state.replace('_', ' ')}" for state in State if state in status.counts]
    _say(f"emails: {', '.join(counts) or 'none yet'}")
    for one in status.waiting:
        _say(f"  {one.emails} {one.state.replace('_', ' ')}, the oldest since {_ago(one.since, now)}")
    if status.failing:
        _say(f"  {status.failing} could not be taken in yet and will be tried again", style="red")
    if isinstance(status.model, str):
        _say(f"model: {status.model}", style="red")
    else:
        _say(f"model: {status.model.name}, made {status.model.made_at}; answers from {status.model.threshold:.1%} on")
        _say(f"  {status.model.worth}")


def _print_mailbox(mailbox: Mailbox, service: Mode, now: datetime) -> None:
    live = f", live since {_moment(mailbox.went_live_at)}" if mailbox.went_live_at else ", never live"
    _say(f"mailbox {mailbox.address}: {mailbox.mode(service)}{live}")
    _say(f"  last good poll: {_ago(mailbox.last_ok_at, now)}; all below UID {mailbox.scanned_to} is taken in")
    _say(f"  watermark: UID {mailbox.watermark}; older mail is left alone")
    if mailbox.errors_in_a_row:
        _say(f"  {mailbox.errors_in_a_row} errors in a row, the last: {mailbox.last_error}", style="red")


def _say(sentence: str, style: str = "") -> None:
    out.print(sentence, style=style, markup=False, highlight=False, soft_wrap=True)


def _ago(moment: datetime | None, now: datetime) -> str:
    if moment is None:
        return "never"
    age = max(timedelta(0), now - moment)  # another machine's clock may be ahead
    return f"{_moment(moment)} ({timedelta(seconds=round(age.total_seconds()))} ago)"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None

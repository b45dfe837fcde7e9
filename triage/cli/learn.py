"""Commands that train, calibrate and grade a model."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import typer
from rich.progress import Progress

from triage import wiring
from triage.classifier import calibrate as calibration
from triage.classifier import train as training
from triage.classifier.card import model_folder, read_card, write_card
from triage.classifier.evaluate import Graded, Report, grade
from triage.classifier.examples import Example, Outcome, as_email, read_examples
from triage.classifier.manifest import ModelError
from triage.classifier.predict import open_classifier
from triage.classifier.report import check_drawing, write_report
from triage.cli.screen import err, out
from triage.core.mail import Conversation, SenderHistory
from triage.core.prediction import IGNORE_LABEL
from triage.desk import Desk
from triage.settings import read_service_settings


def train(name: str) -> None:
    service = read_service_settings()
    content = wiring.read_config(service)
    with Progress(console=err, transient=True) as progress:
        task = progress.add_task("training", total=None)

        def show(what: str, done: int, of: int) -> None:
            progress.update(task, description=what, completed=done, total=of)

        folder = training.train(service.models_dir, name, sorted(content.entries), show)
    figures = read_card(folder)["figures"]
    out.print(f"{folder}: first guess right for {figures['unseen_first_guess_right']:.1%} of emails it had not seen")


def calibrate(target: float | None, confidence: float | None, name: str) -> None:
    """``target``, ``confidence``: None where policy.toml says. Exit status 3 where the figures do not suffice."""
    service = read_service_settings()
    content = wiring.read_config(service)
    target = content.policy.target_wrong if target is None else target
    confidence = content.policy.calibration_confidence if confidence is None else confidence
    if not 0 < target < 1 or not 0 < confidence < 1:
        raise ModelError(f"--target {target} and --confidence {confidence} have to lie between 0 and 1")
    path = service.models_dir / "examples" / "calibration.jsonl"
    if not path.is_file():
        raise ModelError(f"{path} is missing: calibration needs labelled emails that were not trained on")
    folder = model_folder(service.models_dir, name)
    # Not through build_desk: a damaged model has to stop here, before a new manifest would call it sound.
    desk = Desk(open_classifier(service.models_dir, folder), content.policy, content.entries)
    report = Report(list(grade_all(read_examples(path), desk)))
    suggested = report.suggestions()
    right = [one.suggestion_right for one in suggested]
    threshold = calibration.choose([one.confidence for one in suggested], right, target, confidence)
    card = read_card(folder)
    card["thresholds"]["confidence"] = threshold.confidence
    card["calibration"] = {
        **asdict(threshold),
        "target": target,
        "at_confidence": confidence,
        "emails": len(report.graded),
        "figures": report.figures(),
    }
    card["worth"] = _worth(threshold, target, confidence)
    write_card(folder, card)
    out.print(card["worth"], highlight=False, soft_wrap=True)
    raise typer.Exit(0 if threshold.certified else 3)


def evaluate(files: Sequence[Path], name: str, page: Path | None, *, as_json: bool) -> None:
    """``page``: where to write the report, if anywhere."""
    if page:
        check_drawing()
    service = read_service_settings()
    desk = wiring.build_desk(wiring.read_config(service), service.model_copy(update={"model": name}))
    examples = [example for path in files for example in read_examples(path)]
    report = Report(list(grade_all(examples, desk)))
    if page:
        write_report(report, page, f"model {name} on {', '.join(path.name for path in files)}")
        err.print(f"{page} holds the report", highlight=False, soft_wrap=True)
    if as_json:
        print(json.dumps(report.figures()))
        return
    for one in (one for one in report.graded if one.wrong):
        out.print(f"wrong: {one.example.id} got {', '.join(sorted(one.outcome.intents))}", style="red", highlight=False)
        for reason in one.reasons:
            out.print(f"  - {reason}", markup=False, highlight=False, soft_wrap=True)
    for figure, value in report.figures().items():
        out.print(f"{figure}: {json.dumps(value)}", markup=False, highlight=False)
    for intent, share in report.by_intent().items():
        out.print(f"  {intent:32} {share['count']}/{share['of']}", highlight=False)


def grade_all(examples: Sequence[Example], desk: Desk) -> Iterator[Graded]:
    """Decide for labelled emails one after the other, and hold each decision against its labels."""
    now = datetime.now(UTC)
    with Progress(console=err, transient=True) as progress:
        for example in progress.track(examples, description="deciding"):
            read = desk.read(as_email(example))
            considered = desk.decide(read, Conversation(), SenderHistory(), now, now)
            decision = considered.decision
            machine = decision.action == "ignore"
            # What something else than the gate stops could never be sent: it says nothing about the gate.
            sendable = decision.action.answers or (
                decision.reply and any(reason.code.startswith("gate-") for reason in decision.reasons)
            )
            yield grade(
                example,
                Outcome(decision.action, frozenset(decision.intents), decision.team),
                confidence=read.prediction.confidence,
                suggested=read.prediction.intents if sendable else (),
                reasons=[reason.sentence for reason in decision.reasons],
                first=IGNORE_LABEL if machine else next((guess.id for guess in read.prediction.guesses), ""),
            )


def _worth(threshold: calibration.Threshold, target: float, confidence: float) -> str:
    counts = f"{threshold.answers} calibration answers, {threshold.wrong} wrong"
    if threshold.certified:
        return (
            f"certified: with {confidence:.0%} confidence at most {target * 100:g} % of automatic answers are wrong "
            f"({counts}, bound {threshold.bound:.1%}) while mail looks like the calibration mail"
        )
    return (
        f"uncertified: {counts}; {threshold.more_needed} more labelled answers, all of them right, would certify "
        f"{target * 100:g} % at {confidence:.0%} confidence"
    )

"""Measure whether emails get the right answer, and whether the service knows when there is none.

    python -m tests.bench.understanding [--dev FILE] [--intents FOLDER] [--model NAME] [--train]

Prints a JSON object per row, with the floor and the aim, and an object with all of them on the last line. Rows whose
emails are not there are left out, and a sentence on stderr says so.
"""

import argparse
import os
import random
import shlex
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich.console import Console
from rich.progress import Progress
from threadpoolctl import threadpool_limits

from tests.bench import intents
from tests.bench.rows import Row, print_rows, row, share_row
from triage import wiring
from triage.classifier.evaluate import BINS, Report, calibration_error
from triage.classifier.examples import Example, as_email, read_examples, training_files
from triage.classifier.manifest import ModelError
from triage.classifier.predict import Broken
from triage.cli.learn import grade_all
from triage.core.decision import Decision
from triage.core.mail import Conversation, SenderHistory
from triage.core.policy import Action
from triage.desk import Desk
from triage.settings import ServiceSettings

SEED = 20260101
CALIBRATION = Path("models/examples/calibration.jsonl")
OTHER_WORLDS = (("banking77/test.csv", 400), ("clinc150/test.csv", 400), ("clinc150/oos_test.csv", 200))
ABOUT_A_HUNDRED = range(85, 116)  # words
MEMORY_EMAILS = 1000
TRIAGE = str(Path(sys.executable).parent / "triage")


@dataclass(frozen=True)
class Bench:
    """What is measured, and on what."""

    model: str
    desk: Desk
    dev: Path | None
    public: Path | None
    with_training: bool


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    service = ServiceSettings(model=options.model)
    desk = wiring.build_desk(wiring.read_config(service), service)
    if isinstance(desk.classifier, Broken):
        print(f"There is no model to measure: {desk.classifier.failure}.", file=sys.stderr)
        return 2
    bench = Bench(
        options.model,
        desk,
        _there(options.dev, options.dev.is_file(), "the rows on labelled emails beside the checkout"),
        _there(options.intents, options.intents.is_dir(), "the rows on public questions"),
        options.train,
    )
    command = shlex.join(["python", "-m", "tests.bench.understanding", *arguments])
    try:
        print_rows(measured(bench), model=options.model, seed=SEED, command=command)
    except (intents.DataError, ModelError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.understanding", description="figures on emails")
    parser.add_argument("--dev", type=Path, default=Path("../shared/data/dev-emails.jsonl"), help="labelled emails")
    parser.add_argument("--intents", type=Path, default=intents.DATA, help="folder with banking77/ and clinc150/")
    parser.add_argument("--model", default="release", help="release, or a name under models/built")
    parser.add_argument("--train", action="store_true", help="also time `triage train`, some minutes")
    return parser.parse_args(arguments)


def _there(path: Path, found: bool, rows: str) -> Path | None:
    if not found:
        print(f"{path} is not there: {rows} are left out.", file=sys.stderr)
    return path if found else None


def measured(bench: Bench) -> Iterator[Row]:
    if bench.dev:
        yield from labelled(bench.desk, bench.dev)
    yield from calibration(bench.desk)
    if bench.public:
        yield from other_worlds(bench.desk, bench.public)
    yield from latency(bench.desk)
    yield memory(bench.model)
    if bench.with_training:
        yield from training()
    if bench.public:
        yield from intents.measured(intents.read_sets(bench.public))


# --- right and wrong --------------------------------------------------------------------------------------------------


def labelled(desk: Desk, path: Path) -> Iterator[Row]:
    examples = read_examples(path)
    report = Report(list(grade_all(examples, desk)))
    figures, sample = report.figures(), f"{path.name}, {len(examples)} emails"
    yield share_row("dev: resolved exactly", figures["resolved"], 0.55, 0.95, sample=sample)
    wrong = figures["wrong_answers"]
    yield share_row("dev: wrong among answered", wrong, 0.03, 0.01, sample=sample, interval_95=wrong["interval_95"])
    yield share_row("dev: right team", figures["right_team"], 0.88, 0.97, sample=sample)
    replied = figures["machine_mail_replied_to"]
    yield row("dev: machine mail replied to", replied["of"], replied["count"], 0, 0, sample=sample)
    for coverage, floor, aim in ((0.5, 0.03, 0.005), (0.7, 0.08, 0.01)):
        kind = f"dev: wrong among answers at {coverage:.0%} coverage"
        share = report.wrong_at(coverage) or {"count": 0, "of": 0}  # of no answers: no threshold answers so many
        yield share_row(kind, share, floor, aim, sample=sample)


def calibration(desk: Desk) -> Iterator[Row]:
    examples = read_examples(CALIBRATION)
    report = Report(list(grade_all(examples, desk)))
    sample = f"{CALIBRATION.name}, {len(examples)} emails"
    for wrong, floor, aim in ((0.02, 0.4, 0.9), (0.05, 0.6, 0.95), (0.1, 0.75, 0.98)):
        kind = f"calibration: coverage of answerable emails at {wrong:.0%} wrong"
        yield share_row(kind, report.coverage_at(wrong), floor, aim, sample=sample)
    confidences = [one.confidence for one in report.suggestions()]
    right = [one.suggestion_right for one in report.suggestions()]
    error = report.calibration_error()
    yield row(
        "calibration: expected calibration error",
        len(confidences),
        error["error"],
        0.03,
        0.015,
        sample=f"{sample}, {BINS} equally full bins of suggestions",
        of_a_perfect_one=round(chance_error(confidences), 4),
        equally_wide_bins=round(wide_error(confidences, right), 4),
    )


def chance_error(confidences: Sequence[float], draws: int = 200) -> float:
    """The mean error that these confidences would have if each were exactly as right as it says: chance alone."""
    chance = np.random.default_rng(SEED)
    truths = chance.random((draws, len(confidences))) < np.asarray(confidences)
    return float(np.mean([calibration_error(confidences, list(truth)) or 0.0 for truth in truths]))


def wide_error(confidences: Sequence[float], right: Sequence[bool]) -> float:
    """The same error over equally wide bins, as most papers have it: nearly all suggestions fall into the last ones."""
    bins = np.minimum((np.asarray(confidences) * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, weights=np.asarray(confidences) - np.asarray(right, dtype=float), minlength=BINS)
    return float(np.abs(gaps).sum() / max(1, len(confidences)))


# --- questions of other worlds ----------------------------------------------------------------------------------------

GREETINGS = ("Hello,", "Hi there,", "Good morning,", "Dear support team,", "Hi team,", "To whom it may concern,")
OPENINGS = (
    "",
    "",
    "I hope this finds you well.",
    "I was told that you are the people to ask.",
    "I could not find anything about this, so I am writing to you.",
    "We have been customers for a while, and today something came up.",
)
ENDINGS = (
    "",
    "",
    "Thank you for any help.",
    "Please let me know as soon as you can.",
    "A short reply is all that I need.",
    "If somebody else takes care of such things, please pass it on.",
)
CLOSINGS = ("Best regards,", "Kind regards,", "Thanks,", "Many thanks and best wishes,", "Cheers,", "Yours sincerely,")
NAMES = ("Maya Lindqvist", "Tom Okafor", "Renata Silva", "Jonas Weber", "Aiko Mori", "Peter Novak", "Sara Haddad")
SUBJECTS = ("A question", "Quick question", "Can you help?", "Help needed", "Request", "Question from a customer")


def other_worlds(desk: Desk, folder: Path) -> Iterator[Row]:
    """Nothing in our FAQ answers these: each ought to reach a person."""
    decisions = [(example, decided(desk, as_email(example))) for example in _shown(strangers(folder))]
    answered = [(example, decision) for example, decision in decisions if decision.action.answers]
    ignored = [example for example, decision in decisions if decision.action is Action.IGNORE]
    sample = "questions wrapped as emails: " + ", ".join(f"{count} of {name}" for name, count in OTHER_WORLDS)
    entries = Counter(intent for _, decision in answered for intent in decision.intents)
    yield share_row(
        "other worlds: got an FAQ answer",
        {"count": len(answered), "of": len(decisions)},
        0.01,
        0.001,
        sample=sample,
        entries=dict(entries.most_common()),
        failed=[example.id for example, _ in answered],
    )
    yield share_row(
        "other worlds: ignored",
        {"count": len(ignored), "of": len(decisions)},
        0.01,
        0.0,
        sample=sample,
        failed=[example.id for example in ignored],
    )


def strangers(folder: Path) -> list[Example]:
    """A fixed draw of the public questions, each wrapped as an email; the id names its file and line."""
    chance = random.Random(SEED)
    emails = []
    for name, count in OTHER_WORLDS:
        texts, _ = intents.read_questions(folder / name)
        for at in sorted(chance.sample(range(len(texts)), count)):
            emails.append(wrapped(f"{name.removesuffix('.csv').replace('/', '-')}-{at + 2}", texts[at], chance))
    return emails


def wrapped(name: str, question: str, chance: random.Random) -> Example:
    """A question with a greeting, now and then a sentence around it, and a signature."""
    author = chance.choice(NAMES)
    middle = "\n\n".join(part for part in (chance.choice(OPENINGS), question, chance.choice(ENDINGS)) if part)
    return Example(
        id=name,
        subject=chance.choice(SUBJECTS),
        body=f"{chance.choice(GREETINGS)}\n\n{middle}\n\n{chance.choice(CLOSINGS)}\n{author}\n",
        intents=(),
        topics=("other",),
        sender=f"{author} <{author.split()[0].lower()}@client.example>",
    )


def decided(desk: Desk, raw: bytes) -> Decision:
    """The first email of a sender of whom nothing is known."""
    now = datetime.now(UTC)
    return desk.decide(desk.read(raw), Conversation(), SenderHistory(), now, now).decision


def _shown(examples: Sequence[Example]) -> Iterator[Example]:
    with Progress(console=Console(stderr=True), transient=True) as progress:
        yield from progress.track(examples, description="deciding")


# --- time and memory --------------------------------------------------------------------------------------------------


def latency(desk: Desk, passes: int = 3) -> Iterator[Row]:
    """From the bytes of an email to its decision, on one thread; every pass counts."""
    raws = [as_email(example) for example in read_examples(CALIBRATION) if words_of(example) in ABOUT_A_HUNDRED]
    times = []
    with threadpool_limits(1):
        for raw in raws[:5]:
            decided(desk, raw)
        for raw in raws * passes:
            start = time.perf_counter()
            decided(desk, raw)
            times.append(1000 * (time.perf_counter() - start))
    sample = f"{CALIBRATION.name}, {len(raws)} emails of {ABOUT_A_HUNDRED[0]} to {ABOUT_A_HUNDRED[-1]} words"
    for percent, floor, aim in ((50, 50, 10), (95, 110, 20)):
        figure = float(np.percentile(times, percent)) if times else None
        kind = f"one ~100-word email, start to decision, p{percent}, ms"
        yield row(kind, len(times), figure, floor, aim, sample=sample, passes=passes, load=load())


def words_of(example: Example) -> int:
    return len(f"{example.subject} {example.body}".split())


def load() -> float:
    """How busy the machine was: runnable processes, mean of the last minute."""
    return round(os.getloadavg()[0], 1)


# Started by a process of its own: what the kernel counts for a child begins with the memory of its parent.
_PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def memory(model: str) -> Row:
    """Peak of resident memory of ``triage explain``, in MB."""
    pool = [example for path in training_files(CALIBRATION.parent) for example in read_examples(path)]
    emails = random.Random(SEED).sample(pool, min(len(pool), MEMORY_EMAILS))
    with TemporaryDirectory() as folder:
        for number, example in enumerate(emails):
            (Path(folder) / f"{number}.eml").write_bytes(as_email(replace(example, id=f"e-{number}")))
        explain = [TRIAGE, "explain", "--json", folder]
        start = time.perf_counter()
        kilobytes = int(triage_command([sys.executable, "-c", _PEAK, *explain], TRIAGE_MODEL=model))
        seconds = time.perf_counter() - start
    return row(
        "triage explain, resident memory, MB",
        len(emails),
        kilobytes * 1024 / 1e6,
        450,
        220,
        sample="training emails",
        seconds=round(seconds, 1),
    )


def training() -> Iterator[Row]:
    """``triage train`` twice on the shipped examples, in a folder that knows no vector at first."""
    count = sum(len(read_examples(path)) for path in training_files(CALIBRATION.parent))
    with TemporaryDirectory() as folder:
        for name in ("examples", "encoder"):
            (Path(folder) / name).symlink_to((Path("models") / name).resolve())
        train = [TRIAGE, "train", "--model", "timed"]
        for kind, floor, aim in (("not cached", 300, 60), ("cached", 30, 10)):
            start = time.perf_counter()
            triage_command(train, TRIAGE_MODELS_DIR=folder)
            seconds = time.perf_counter() - start
            yield row(f"triage train, embeddings {kind}, s", count, seconds, floor, aim, sample="examples", load=load())


def triage_command(command: Sequence[str], **settings: str) -> str:
    """Its output. Raises ModelError where it fails."""
    done = subprocess.run(command, env={**os.environ, **settings}, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise ModelError(f"{' '.join(command[-4:])} ended with status {done.returncode}: see above")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

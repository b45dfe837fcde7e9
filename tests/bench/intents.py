"""Measure the general reading of an email (sentence vector and words, one linear head) on public sets of questions.

    python -m tests.bench.intents --data FOLDER

FOLDER holds ``banking77/`` and ``clinc150/``, CSV files with the columns text and category. Prints a JSON object per
row, with the floor and the aim, and an object with all of them on the last line. Vectors are kept in ``build/bench``.
"""

import argparse
import csv
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import Progress
from scipy.sparse import csr_matrix, hstack
from sklearn.metrics import f1_score, roc_auc_score

from tests.bench.rows import Row, print_rows, row
from triage.classifier.encoder import Encoder
from triage.classifier.evaluate import most_covered, risk_coverage
from triage.classifier.manifest import ModelError
from triage.classifier.model import Array, Lexicon, softmax
from triage.classifier.train import fit_linear

DATA = Path("../shared/data/intents")
MODELS = Path("models")
CACHE = Path("build/bench")
FILES = (
    "banking77/train.csv",
    "banking77/train_10.csv",
    "banking77/test.csv",
    "clinc150/train.csv",
    "clinc150/test.csv",
    "clinc150/oos_test.csv",
)


class DataError(Exception):
    """The public sets are not there; the text says what is missing."""


@dataclass(frozen=True)
class Questions:
    """The texts of one file with the intent of each, and their vectors by the general encoder."""

    texts: list[str]
    intents: list[str]
    vectors: Array  # (texts, dimensions)


@dataclass(frozen=True)
class Guesses:
    """What a reading makes of questions, one row each."""

    names: npt.NDArray[np.str_]  # likeliest intent
    probabilities: Array  # its probability

    def right(self, questions: Questions) -> npt.NDArray[np.bool_]:
        return self.names == np.array(questions.intents)


@dataclass(frozen=True)
class Reading:
    """The general reading of triage/classifier/train.py, fitted on one set."""

    names: list[str]
    lexicon: Lexicon
    weights: Array
    biases: Array

    @classmethod
    def of(cls, train: Questions) -> "Reading":
        names = sorted(set(train.intents))
        targets = np.zeros((len(train.texts), len(names)), dtype=np.float32)
        targets[np.arange(len(train.texts)), [names.index(intent) for intent in train.intents]] = 1
        lexicon = Lexicon.of(train.texts)
        return cls(names, lexicon, *fit_linear(_rows(train, lexicon), targets))

    def guess(self, questions: Questions) -> Guesses:
        table = softmax(_rows(questions, self.lexicon) @ self.weights + self.biases)
        return Guesses(np.array(self.names)[table.argmax(axis=1)], table.max(axis=1))


def _rows(questions: Questions, lexicon: Lexicon) -> csr_matrix:
    return hstack([csr_matrix(questions.vectors), lexicon.rows(questions.texts)]).tocsr()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.intents", description="figures on public intent sets")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with banking77/ and clinc150/")
    options = parser.parse_args(arguments)
    try:
        sets = read_sets(options.data)
    except (DataError, ModelError) as error:
        print(error, file=sys.stderr)
        return 2
    print_rows(measured(sets), seed=None, command=shlex.join(["python", "-m", "tests.bench.intents", *arguments]))
    return 0


def read_sets(folder: Path) -> dict[str, Questions]:
    """By file name. Raises DataError, and ModelError where there is no encoder."""
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise DataError(
            f"{folder} lacks {', '.join(missing)}: name the folder with BANKING77 and CLINC150 (make: INTENTS=PATH)"
        )
    tables = {name: read_questions(folder / name) for name in FILES}
    known = vectors_of([text for texts, _ in tables.values() for text in texts], Encoder(MODELS / "encoder"))
    return {
        name: Questions(texts, intents, np.stack([known[text] for text in texts]))
        for name, (texts, intents) in tables.items()
    }


def read_questions(path: Path) -> tuple[list[str], list[str]]:
    """Texts and their intents."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [line["text"] for line in rows], [line["category"] for line in rows]


def vectors_of(texts: Sequence[str], encoder: Encoder) -> dict[str, Array]:
    """The general encoder's vector of each text, encoded one at a time as in service."""
    general = len(encoder) - 1
    path = CACHE / f"vectors-{encoder.fingerprint.split('-')[general]}.joblib"
    known: dict[str, Array] = joblib.load(path) if path.is_file() else {}
    new = [text for text in dict.fromkeys(texts) if text not in known]
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for text in progress.track(new, description="embedding"):
            known[text] = encoder.encode_with(general, text)
    if new:
        CACHE.mkdir(parents=True, exist_ok=True)
        joblib.dump(known, path)
    return known


def measured(sets: dict[str, Questions]) -> Iterator[Row]:
    full, few, test = (sets[f"banking77/{name}.csv"] for name in ("train", "train_10", "test"))
    yield from accuracy("BANKING77", full, test, Reading.of(full).guess(test), 0.935, 0.945)
    yield from accuracy("BANKING77 10-shot", few, test, Reading.of(few).guess(test), 0.855, 0.88)
    train, inside, outside = (sets[f"clinc150/{name}.csv"] for name in ("train", "test", "oos_test"))
    reading = Reading.of(train)
    guesses, strays = reading.guess(inside), reading.guess(outside)
    yield from accuracy("CLINC150 in scope", train, inside, guesses, 0.955, 0.975)
    yield from unknowns(guesses, guesses.right(inside), strays)


def accuracy(kind: str, train: Questions, test: Questions, guesses: Guesses, floor: float, aim: float) -> Iterator[Row]:
    right, count = guesses.right(test), len(test.texts)
    sample = f"test.csv, fitted on {len(train.texts)} texts of {len(set(train.intents))} intents"
    yield row(f"{kind}: accuracy", count, float(right.mean()), floor, aim, part=int(right.sum()), sample=sample)
    f1 = float(f1_score(test.intents, guesses.names, average="macro"))
    yield row(f"{kind}: macro-F1", count, f1, floor, aim, sample=sample)


def unknowns(guesses: Guesses, right: npt.NDArray[np.bool_], strays: Guesses) -> Iterator[Row]:
    """Whether the probability of the likeliest intent tells questions in scope from questions out of scope."""
    inside, outside = len(guesses.names), len(strays.names)
    scores = np.concatenate([guesses.probabilities, strays.probabilities])
    in_scope = np.arange(len(scores)) < inside
    sample = f"test.csv and oos_test.csv: {inside} in scope, {outside} out of scope"
    area = float(roc_auc_score(in_scope, scores))
    yield row("CLINC150 out of scope: AUROC", inside + outside, area, 0.965, 0.985, sample=sample)
    wrong = ~np.concatenate([right, np.zeros(outside, dtype=bool)])
    point = most_covered(risk_coverage(scores.tolist(), wrong.tolist(), in_scope.tolist(), inside), 0.02)
    covered = point.covered if point else 0
    kind = "CLINC150 and out of scope: in-scope questions answered with at most 2 % wrong"
    yield row(kind, inside, covered / inside, 0.86, 0.92, part=covered, sample=sample)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

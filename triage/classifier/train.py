"""``triage train``: from labelled emails to a model, its card and its manifest."""

import json
import platform
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from sklearn.linear_model import LogisticRegression

from triage.classifier.encoder import Encoder
from triage.classifier.examples import Example, fingerprint, read_examples, training_files
from triage.classifier.features import FOLDS, example_text, fold_of, labels_of
from triage.classifier.manifest import ModelError, write_manifest
from triage.classifier.model import Array, Head, Memory, Model, Selector, save, softmax
from triage.classifier.suggest import suggest

CARD = "card.json"
REGULARISATION = 10.0  # C of the heads
SECOND = 0.2  # least probability of a further label
LIBRARIES = ("scikit-learn", "numpy", "joblib", "onnxruntime", "tokenizers")

Progress = Callable[[str, int, int], None]  # what is done, how far, of how many


def train(models_dir: Path, name: str, intents: Sequence[str], progress: Progress) -> Path:
    """Train on ``models/examples`` and write ``models/built/<name>``. Returns that folder. Raises ModelError."""
    examples = [example for path in training_files(models_dir / "examples") for example in read_examples(path)]
    missing = sorted(set(intents) - {intent for example in examples for intent in example.intents})
    if not examples:
        raise ModelError(f"{models_dir / 'examples'} has no training emails (*.jsonl); see its README.md")
    encoder = Encoder(models_dir / "encoder")
    vectors = embed([example_text(example) for example in examples], encoder, models_dir / "cache", progress)
    model, figures = fit(examples, vectors, frozenset(intents))
    folder = models_dir / "built" / name
    folder.mkdir(parents=True, exist_ok=True)
    save(model, folder)
    card = {
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "labels": list(model.labels),
        "entries_without_examples": missing,
        "examples": {"count": len(examples), "fingerprint": fingerprint(examples), "kinds": dict(_kinds(examples))},
        "encoder": encoder.fingerprint,
        "figures": figures,
        "thresholds": {"confidence": 0.9, "nothing_asked": 0.8},
        "worth": "not calibrated: run `triage calibrate`",
        "versions": versions(),
    }
    write_card(folder, card)
    return folder


def versions() -> dict[str, str]:
    """What the trained part depends on."""
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


def write_card(folder: Path, card: dict[str, Any]) -> None:
    """Card and manifest belong together: a card changed by hand is noticed."""
    (folder / CARD).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    write_manifest(folder, {"model": folder.name})


def read_card(folder: Path) -> dict[str, Any]:
    card: dict[str, Any] = json.loads((folder / CARD).read_text(encoding="utf-8"))
    return card


def embed(texts: Sequence[str], encoder: Encoder, cache_dir: Path, progress: Progress) -> Array:
    """Vectors of shape (texts, encoders, dimensions); those of earlier runs come from the cache."""
    path = cache_dir / f"vectors-{encoder.fingerprint}.joblib"
    known: dict[str, Array] = joblib.load(path) if path.is_file() else {}
    keys = [sha256(text.encode()).hexdigest() for text in texts]
    new = [(key, text) for key, text in zip(keys, texts, strict=True) if key not in known]
    for done, (key, text) in enumerate(new, 1):
        known[key] = encoder.encode(text)
        progress("embedding", done, len(new))
    if new:
        cache_dir.mkdir(parents=True, exist_ok=True)
        joblib.dump(known, path)
    return np.stack([known[key] for key in keys])


def fit(examples: Sequence[Example], vectors: Array, intents: frozenset[str]) -> tuple[Model, dict[str, Any]]:
    """The model, and figures from predictions for emails that the predicting part had not seen."""
    labels = tuple(sorted({label for example in examples for label in labels_of(example)}))
    targets = _targets(examples, labels)
    folds = np.array([fold_of(example) for example in examples])
    head, unseen = _fit_heads(vectors, targets, folds)
    memory = Memory(
        vectors[:, 0].astype(np.float16),
        np.array([labels.index(labels_of(example)[0]) for example in examples], dtype=np.int16),
        tuple(example.id for example in examples),
    )
    suggestions = [suggest(row[None, :], labels, intents, SECOND) for row in unseen]
    right = np.array([_reply_is_right(s.labels, e, intents) for s, e in zip(suggestions, examples, strict=True)])
    asked = np.array([bool(set(s.labels) & intents) for s in suggestions])
    selector = _fit_selector(np.stack([s.features for s in suggestions])[asked], right[asked])
    model = Model(labels, intents & set(labels), head, memory, selector, SECOND)
    first = np.array([s.labels[0] in labels_of(e) for s, e in zip(suggestions, examples, strict=True)])
    kinds = np.array([example.kind for example in examples])
    figures = {
        "unseen_first_guess_right": round(float(first.mean()), 4),
        "unseen_first_guess_right_by_kind": {
            kind: round(float(first[kinds == kind].mean()), 4) for kind in sorted(set(kinds))
        },
        "temperatures": [round(float(value), 3) for value in head.temperatures],
    }
    return model, figures


def _targets(examples: Sequence[Example], labels: Sequence[str]) -> Array:
    """(N, L), rows that sum to 1: every label of an email has an equal share."""
    table = np.zeros((len(examples), len(labels)), dtype=np.float32)
    for row, example in enumerate(examples):
        own = labels_of(example)
        for label in own:
            table[row, labels.index(label)] += 1 / len(own)
    return table


def _fit_heads(vectors: Array, targets: Array, folds: npt.NDArray[np.int64]) -> tuple[Head, Array]:
    """A head per encoder, and tempered scores (N, L) of parts that had not seen the email.

    Three encoders are each tuned without one part, and so is their head: that pair speaks for the part. A single
    encoder was tuned on nothing, and its scores come from heads fitted for the purpose.
    """
    count = vectors.shape[1]
    crossed = count == FOLDS
    unseen = np.zeros_like(targets)
    weights, biases, temperatures = [], [], []
    for which in range(count):
        seen = folds != which if crossed else np.ones(len(folds), dtype=bool)
        weight, bias = _fit_head(vectors[seen, which], targets[seen])
        for part in [which] if crossed else range(FOLDS):
            out = folds == part
            w, b = (weight, bias) if crossed else _fit_head(vectors[~out, which], targets[~out])
            unseen[out] += (vectors[out, which] @ w + b) / (1 if crossed else count)
        temperatures.append(1.0)
        weights.append(weight)
        biases.append(bias)
    for which in range(count):
        mine = folds == which if crossed else np.ones(len(folds), dtype=bool)
        temperatures[which] = _temperature(unseen[mine], targets[mine])
        if crossed:
            unseen[mine] /= temperatures[which]
    if not crossed:
        unseen /= temperatures[0]
    return Head(np.stack(weights), np.stack(biases), np.array(temperatures, dtype=np.float32)), unseen


def _fit_head(vectors: Array, targets: Array) -> tuple[Array, Array]:
    """Weights (D, L) and biases (L,); an email with two labels counts as two halves."""
    rows, columns = np.nonzero(targets)
    classifier = LogisticRegression(C=REGULARISATION, max_iter=3000)
    classifier.fit(vectors[rows], columns, sample_weight=targets[rows, columns])
    weight = np.zeros((vectors.shape[1], targets.shape[1]), dtype=np.float32)
    bias = np.full(targets.shape[1], -50.0, dtype=np.float32)
    weight[:, classifier.classes_] = classifier.coef_.T
    bias[classifier.classes_] = classifier.intercept_
    return weight, bias


def _temperature(scores: Array, targets: Array) -> float:
    """The divisor of scores under which the labels are likeliest."""

    def loss(log_temperature: float) -> float:
        return float(-(targets * np.log(softmax(scores / np.exp(log_temperature)) + 1e-9)).sum())

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x))


def _fit_selector(features: Array, right: npt.NDArray[np.bool_]) -> Selector:
    means, scales = features.mean(axis=0), features.std(axis=0) + 1e-6
    regression = LogisticRegression(C=0.1, max_iter=1000).fit((features - means) / scales, right)
    return Selector(
        regression.coef_[0].astype(np.float32),
        float(regression.intercept_[0]),
        means.astype(np.float32),
        scales.astype(np.float32),
    )


def _reply_is_right(suggested: Sequence[str], example: Example, intents: frozenset[str]) -> bool:
    """No entry in the reply that was not asked for."""
    return set(suggested) & intents <= set(example.intents)


def _kinds(examples: Sequence[Example]) -> Counter[str]:
    return Counter(example.kind for example in examples)

"""``triage train``: from labelled emails to a model, its card and its manifest."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.sparse import csr_matrix, hstack
from sklearn.linear_model import LogisticRegression

from triage.classifier.card import versions, write_card
from triage.classifier.encoder import Encoder
from triage.classifier.examples import Example, fingerprint, read_examples, training_files
from triage.classifier.features import FOLDS, example_text, fold_of, labels_of
from triage.classifier.manifest import ModelError
from triage.classifier.model import Array, Head, Lexicon, Memory, Model, Readings, Selector, pooled, save, softmax
from triage.classifier.suggest import Suggestion, suggest

REGULARISATION = 10.0  # C of the heads
SECONDS = (0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45)  # least probabilities of a further label to choose from

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
        "intents": sorted(model.intents),
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
    """The model, and figures from guesses for emails that the guessing part had not seen.

    ``vectors``: shape (N, E + 1, D), the tuned encoders' and the general one's.
    """
    labels = tuple(sorted({label for example in examples for label in labels_of(example)}))
    texts = [example_text(example) for example in examples]
    head, unseen = _fit_head(vectors, texts, _targets(examples, labels), np.array([fold_of(e) for e in examples]))
    suggestions, second = _suggestions(examples, unseen, head, labels, intents)
    right = np.array([set(s.labels) & intents <= set(e.intents) for s, e in zip(suggestions, examples, strict=True)])
    asked = np.array([bool(set(s.labels) & intents) for s in suggestions])
    model = Model(
        labels=labels,
        intents=intents & set(labels),
        head=head,
        memory=Memory(
            vectors[:, -1].astype(np.float16),
            np.array([labels.index(labels_of(example)[0]) for example in examples], dtype=np.int16),
            tuple(example.id for example in examples),
        ),
        selector=_fit_selector(np.stack([s.features for s in suggestions])[asked], right[asked]),
        second=second,
    )
    return model, _figures(suggestions, examples, head) | {"second": second}


def _suggestions(
    examples: Sequence[Example], unseen: list[Readings], head: Head, labels: tuple[str, ...], intents: frozenset[str]
) -> tuple[list[Suggestion], float]:
    """Suggestions under the least probability of a further label that gets most emails wholly right, and that."""
    tried = []
    for second in SECONDS:
        suggestions = [suggest(one, head.pool(one), labels, intents, second) for one in unseen]
        whole = sum(set(s.labels) == set(labels_of(e)) for s, e in zip(suggestions, examples, strict=True))
        tried.append((whole, second, suggestions))
    _, second, suggestions = max(tried, key=lambda one: one[:2])
    return suggestions, second


def _figures(suggestions: Sequence[Suggestion], examples: Sequence[Example], head: Head) -> dict[str, Any]:
    first = np.array([s.labels[0] in labels_of(e) for s, e in zip(suggestions, examples, strict=True)])
    whole = np.array([set(s.labels) == set(labels_of(e)) for s, e in zip(suggestions, examples, strict=True)])
    kinds = np.array([example.kind for example in examples])
    return {
        "unseen_first_guess_right": round(float(first.mean()), 4),
        "unseen_all_labels_right": round(float(whole.mean()), 4),
        "unseen_first_guess_right_by_kind": {
            kind: round(float(first[kinds == kind].mean()), 4) for kind in sorted(set(kinds))
        },
        "unseen_all_labels_right_by_kind": {
            kind: round(float(whole[kinds == kind].mean()), 4) for kind in sorted(set(kinds))
        },
        "exponents": [round(value, 3) for value in head.exponents],
    }


def _targets(examples: Sequence[Example], labels: Sequence[str]) -> Array:
    """(N, L), rows that sum to 1: every label of an email has an equal share."""
    table = np.zeros((len(examples), len(labels)), dtype=np.float32)
    for row, example in enumerate(examples):
        own = labels_of(example)
        for label in own:
            table[row, labels.index(label)] += 1 / len(own)
    return table


def _fit_head(
    vectors: Array, texts: list[str], targets: Array, folds: npt.NDArray[np.int64]
) -> tuple[Head, list[Readings]]:
    """The head, and for every email the readings of parts that had not seen it.

    Each tuned encoder was tuned without one part of the emails, and its weights are fitted without that part, too: for
    this part it speaks unprejudiced. The general reading is the mean of weights that were each fitted without one part.
    """
    tuned_count = vectors.shape[1] - 1
    if tuned_count != FOLDS:
        raise ModelError(
            f"models/encoder has {tuned_count} tuned encoders and needs {FOLDS}: see models/tune_encoder.py"
        )
    lexicon = Lexicon.of(texts)
    general = hstack([csr_matrix(vectors[:, -1]), lexicon.rows(texts)]).tocsr()
    jobs = [(vectors[:, part], part) for part in range(FOLDS)] + [(general, part) for part in range(FOLDS)]
    fitted = joblib.Parallel(n_jobs=2)(
        joblib.delayed(fit_linear)(rows[folds != part], targets[folds != part]) for rows, part in jobs
    )
    tuned, generals = fitted[:FOLDS], fitted[FOLDS:]
    unseen_tuned, unseen_general = np.zeros_like(targets), np.zeros_like(targets)
    for part in range(FOLDS):
        out = folds == part
        unseen_tuned[out] = vectors[out, part] @ tuned[part][0] + tuned[part][1]
        unseen_general[out] = general[out] @ generals[part][0] + generals[part][1]
    tuned_logs, general_logs = (np.log(softmax(scores) + 1e-9) for scores in (unseen_tuned, unseen_general))
    weights = np.mean([weight for weight, _ in generals], axis=0)
    dimensions = vectors.shape[2]
    head = Head(
        tuned_weights=np.stack([weight for weight, _ in tuned]),
        tuned_biases=np.stack([bias for _, bias in tuned]),
        general_weights=weights[:dimensions].astype(np.float32),
        lexical_weights=weights[dimensions:].astype(np.float16),
        general_bias=np.mean([bias for _, bias in generals], axis=0).astype(np.float32),
        lexicon=lexicon,
        exponents=_exponents(tuned_logs, general_logs, targets),
    )
    return head, [Readings(one, other) for one, other in zip(tuned_logs, general_logs, strict=True)]


def fit_linear(rows: Array | csr_matrix, targets: Array) -> tuple[Array, Array]:
    """Multinomial logistic regression: weights (features, L), biases (L,). An email with two labels is two halves."""
    at, columns = np.nonzero(targets)
    classifier = LogisticRegression(C=REGULARISATION, max_iter=3000)
    classifier.fit(rows[at], columns, sample_weight=targets[at, columns])
    weights = np.zeros((rows.shape[1], targets.shape[1]), dtype=np.float32)
    biases = np.full(targets.shape[1], -50.0, dtype=np.float32)
    weights[:, classifier.classes_] = classifier.coef_.T
    biases[classifier.classes_] = classifier.intercept_
    return weights, biases


def _exponents(tuned: Array, general: Array, targets: Array) -> tuple[float, float]:
    """Under which the labels are likeliest; they hold the temperature, too."""

    def loss(exponents: npt.NDArray[np.float64]) -> float:
        probabilities = pooled(tuned, general, (float(exponents[0]), float(exponents[1])))
        return float(-(targets * np.log(probabilities + 1e-9)).sum())

    best = minimize(loss, x0=[0.8, 0.4], method="Nelder-Mead", bounds=[(0, 5), (0, 5)]).x
    return float(best[0]), float(best[1])


def _fit_selector(features: Array, right: npt.NDArray[np.bool_]) -> Selector:
    means, scales = features.mean(axis=0), features.std(axis=0) + 1e-6
    regression = LogisticRegression(C=0.1, max_iter=1000).fit((features - means) / scales, right)
    return Selector(
        regression.coef_[0].astype(np.float32),
        float(regression.intercept_[0]),
        means.astype(np.float32),
        scales.astype(np.float32),
    )


def _kinds(examples: Sequence[Example]) -> Counter[str]:
    return Counter(example.kind for example in examples)

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
from triage.classifier.features import FOLDS, example_text, fold_of, labels_of, segments_of
from triage.classifier.manifest import ModelError
from triage.classifier.model import Array, Head, Lexicon, Logistic, Memory, Model, Readings, pooled, save, softmax
from triage.classifier.suggest import Suggestion, candidates, companion_features, suggest

REGULARISATION = 10.0  # C of the heads
NOTHING_ASKED = (
    0.5  # least probability to ignore an email on the classifier's word: of 1,000 that ask something, 4 reach it
)
TWO_PARTS_WEIGH = 4.0  # 3 in 100 training emails have two labels, and about one in ten of a mailbox

Progress = Callable[[str, int, int], None]  # what is done, how far, of how many


def train(models_dir: Path, name: str, intents: Sequence[str], progress: Progress) -> Path:
    """Train on ``models/examples`` and write ``models/built/<name>``. Returns that folder. Raises ModelError."""
    examples = [example for path in training_files(models_dir / "examples") for example in read_examples(path)]
    missing = sorted(set(intents) - {intent for example in examples for intent in example.intents})
    if not examples:
        raise ModelError(f"{models_dir / 'examples'} has no training emails (*.jsonl); see its README.md")
    encoder = Encoder(models_dir / "encoder")
    texts = [example_text(example) for example in examples]
    vectors = embed(texts, encoder, models_dir / "cache", progress)
    sentences = embed_sentences(texts, [fold_of(e) for e in examples], encoder, models_dir / "cache", progress)
    model, figures = fit(examples, vectors, sentences, frozenset(intents))
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
        "thresholds": {"confidence": 0.9, "nothing_asked": NOTHING_ASKED},
        "worth": "not calibrated: run `triage calibrate`",
        "versions": versions(),
    }
    write_card(folder, card)
    return folder


def embed(texts: Sequence[str], encoder: Encoder, cache_dir: Path, progress: Progress) -> Array:
    """Vectors of shape (texts, encoders, dimensions); those of earlier runs come from the cache."""
    path = cache_dir / f"emails-{encoder.fingerprint}.npz"
    return np.stack(_cached(path, list(texts), encoder.encode, texts, "emails", progress))


def embed_sentences(
    texts: Sequence[str], parts: Sequence[int], encoder: Encoder, cache_dir: Path, progress: Progress
) -> list[Array]:
    """For each text the vectors of its sentences, shape (S, D), by the tuned encoder that has not seen the text."""

    def encode(pair: tuple[int, str]) -> Array:
        segments = segments_of(pair[1])
        if not segments:
            return np.zeros((0, encoder.dimensions), np.float32)
        return np.stack([encoder.encode_with(pair[0], segment) for segment in segments])

    pairs = list(zip(parts, texts, strict=True))
    keys = [f"{part} {text}" for part, text in pairs]
    return _cached(cache_dir / f"sentences-{encoder.fingerprint}.npz", keys, encode, pairs, "sentences", progress)


def _cached(
    path: Path, keys: list[str], encode: Callable[[Any], Array], items: Sequence[Any], what: str, progress: Progress
) -> list[Array]:
    """What ``encode`` makes of each item; kept as plain arrays, nothing is unpickled."""
    known: dict[str, Array] = dict(np.load(path)) if path.is_file() else {}
    names = [sha256(key.encode()).hexdigest() for key in keys]
    new = [(name, item) for name, item in zip(names, items, strict=True) if name not in known]
    for done, (name, item) in enumerate(new, 1):
        known[name] = encode(item)
        progress(f"embedding {what}", done, len(new))
    if new:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **known)  # type: ignore[arg-type]
    return [known[name] for name in names]


def fit(
    examples: Sequence[Example], vectors: Array, sentences: Sequence[Array], intents: frozenset[str]
) -> tuple[Model, dict[str, Any]]:
    """The model, and figures from guesses for emails that the guessing part had not seen.

    ``vectors``: (N, E + 1, D), the tuned encoders' and the general one's; ``sentences``: for each email (S, D), by
    the tuned encoder that had not seen it.
    """
    labels = tuple(sorted({label for example in examples for label in labels_of(example)}))
    texts = [example_text(example) for example in examples]
    folds = [fold_of(example) for example in examples]
    head, unseen = _fit_head(vectors, texts, _targets(examples, labels), np.array(folds))
    pools = [head.pool(one) for one in unseen]
    spoken = [head.read_sentences(one, fold) for one, fold in zip(sentences, folds, strict=True)]
    companion = _fit_companion(examples, unseen, pools, spoken, labels)
    suggestions = [
        suggest(one, pool, said, labels, intents, companion)
        for one, pool, said in zip(unseen, pools, spoken, strict=True)
    ]
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
        companion=companion,
        selector=_fit_logistic(np.stack([s.features for s in suggestions])[asked], right[asked]),
    )
    return model, _figures(suggestions, examples, head)


def _fit_companion(
    examples: Sequence[Example],
    unseen: Sequence[Readings],
    pools: Sequence[Array],
    spoken: Sequence[Array],
    labels: tuple[str, ...],
) -> Logistic:
    rows, true = [], []
    for example, readings, pool, said in zip(examples, unseen, pools, spoken, strict=True):
        first, own = int(pool.argmax()), labels_of(example)
        for candidate in candidates(pool, said, labels):
            rows.append(companion_features(readings, pool, said, first, candidate))
            true.append(labels[first] in own and labels[candidate] in own)
    return _fit_logistic(np.stack(rows), np.array(true), TWO_PARTS_WEIGH)


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


def _fit_logistic(features: Array, true: npt.NDArray[np.bool_], weight: float = 1.0) -> Logistic:
    """``weight``: how often a true row counts."""
    means, scales = features.mean(axis=0), features.std(axis=0) + 1e-6
    regression = LogisticRegression(C=0.1, max_iter=1000)
    regression.fit((features - means) / scales, true, sample_weight=np.where(true, weight, 1.0))
    return Logistic(
        regression.coef_[0].astype(np.float32),
        float(regression.intercept_[0]),
        means.astype(np.float32),
        scales.astype(np.float32),
    )


def _kinds(examples: Sequence[Example]) -> Counter[str]:
    return Counter(example.kind for example in examples)

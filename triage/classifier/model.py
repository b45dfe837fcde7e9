"""The trained part: two readings of an email, how they are pooled, and a selector that knows which guesses are right.

Shapes: L labels, E tuned encoders, D dimensions, V words and pieces of words, N training emails.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer

from triage.classifier.manifest import ModelError

Array = npt.NDArray[np.float32]

FILE = "head.joblib"
LEXICAL_WEIGHT = 0.5  # of words beside a vector of length 1; measured for such heads in few-shot settings
VOCABULARY = 30_000  # words and pairs of words, and as many pieces of words


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Words, pairs of words and pieces of words, weighted by how rare they are."""

    words: TfidfVectorizer
    pieces: TfidfVectorizer

    @classmethod
    def of(cls, texts: list[str], vocabulary: int = VOCABULARY) -> "Lexicon":
        rare = 2 if len(texts) > 500 else 1
        words = TfidfVectorizer(
            ngram_range=(1, 2),
            sublinear_tf=True,
            min_df=rare,
            strip_accents="unicode",
            max_features=vocabulary,
            dtype=np.float32,
        )
        pieces = TfidfVectorizer(
            analyzer="char_wb",
            ngram_range=(3, 5),
            sublinear_tf=True,
            min_df=rare,
            max_features=vocabulary,
            dtype=np.float32,
        )
        return cls(words.fit(texts), pieces.fit(texts))

    def rows(self, texts: list[str]) -> csr_matrix:
        """Sparse, shape (texts, V)."""
        return hstack([self.words.transform(texts), self.pieces.transform(texts)]).tocsr() * LEXICAL_WEIGHT


@dataclass(frozen=True, slots=True)
class Readings:
    """Scores of one email by the tuned encoders and by the general one with the words."""

    tuned: Array  # (L,) log-probabilities
    general: Array  # (L,) log-probabilities


@dataclass(frozen=True, slots=True)
class Head:
    """Two linear readings and the exponents under which their product is likeliest."""

    tuned_weights: Array  # (E, D, L)
    tuned_biases: Array  # (E, L)
    general_weights: Array  # (D, L)
    lexical_weights: npt.NDArray[np.float16]  # (V, L)
    general_bias: Array  # (L,)
    lexicon: Lexicon
    exponents: tuple[float, float]  # of the tuned and the general reading

    def read(self, vectors: Array, text: str) -> Readings:
        """From the vectors of an email, shape (E + 1, D), the general encoder's last."""
        scores = np.einsum("ed,edl->el", vectors[:-1], self.tuned_weights) + self.tuned_biases
        tuned = np.log(softmax(scores).mean(axis=0) + 1e-9)
        row = self.lexicon.rows([text])
        lexical = row.data @ self.lexical_weights[row.indices].astype(np.float32)
        general = vectors[-1] @ self.general_weights + lexical + self.general_bias
        return Readings(np.asarray(tuned, dtype=np.float32), np.log(softmax(general) + 1e-9))

    def read_sentences(self, vectors: Array, which: int = 0) -> Array:
        """Probabilities of sentences alone, shape (S, L), from their vectors by one tuned encoder, shape (S, D)."""
        return softmax(vectors @ self.tuned_weights[which] + self.tuned_biases[which])

    def pool(self, readings: Readings) -> Array:
        """Probabilities, shape (L,)."""
        return pooled(readings.tuned, readings.general, self.exponents)


@dataclass(frozen=True, slots=True)
class Memory:
    """Training emails, to name the nearest ones: their vectors by the general encoder."""

    vectors: npt.NDArray[np.floating[Any]]  # (N, D); half as precise on disk as at work
    labels: npt.NDArray[np.int16]  # (N,) index of the first label
    ids: tuple[str, ...]

    def nearest(self, vector: Array, count: int = 3) -> list[tuple[int, float]]:
        """(index, cosine) of the nearest emails, nearest first."""
        cosines = self.vectors @ vector
        best = np.argsort(-cosines)[:count]
        return [(int(index), float(cosines[index])) for index in best]


@dataclass(frozen=True, slots=True)
class Logistic:
    """A logistic regression on a few features."""

    weights: Array  # (features,)
    bias: float
    means: Array  # (features,)
    scales: Array  # (features,)

    def probability(self, features: Array) -> float:
        score = float(((features - self.means) / self.scales) @ self.weights + self.bias)
        return float(1 / (1 + np.exp(-np.clip(score, -30, 30))))


@dataclass(frozen=True, slots=True)
class Model:
    """What ``triage train`` makes."""

    labels: tuple[str, ...]  # L of them, sorted
    intents: frozenset[str]  # labels that are FAQ entries
    head: Head
    memory: Memory
    companion: Logistic  # does the email have a further label?
    selector: Logistic  # is a reply with the suggested entries right?


def softmax(scores: Array) -> Array:
    """Along the last axis."""
    shifted = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True), dtype=np.float32)


def pooled(tuned: Array, general: Array, exponents: tuple[float, float]) -> Array:
    """Probabilities of two readings together, along the last axis: their product, each to its exponent."""
    return softmax(np.asarray(exponents[0] * tuned + exponents[1] * general, dtype=np.float32))


def save(model: Model, folder: Path) -> None:
    joblib.dump(model, folder / FILE, compress=3)


def load(folder: Path) -> Model:
    """The model of a folder whose manifest was checked. Raises ModelError."""
    try:
        model: Any = joblib.load(folder / FILE)
    except Exception as error:  # unpickling raises anything
        raise ModelError(f"{folder / FILE} cannot be loaded ({error!r}); run `triage train`") from error
    if not isinstance(model, Model):
        raise ModelError(f"{folder / FILE} holds no model of this program; run `triage train`")
    # Products of half-precision numbers are computed one by one in software: 20 times slower.
    return replace(model, memory=replace(model.memory, vectors=model.memory.vectors.astype(np.float32)))

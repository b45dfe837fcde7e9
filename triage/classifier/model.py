"""The trained part: one linear head per encoder, and a selector that knows which guesses are right.

Everything is plain arrays. Shapes: L labels, E encoders, D dimensions, N training emails.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt

from triage.classifier.manifest import ModelError

Array = npt.NDArray[np.float32]

FILE = "head.joblib"
NEAREST = 5  # neighbours that the selector hears


@dataclass(frozen=True, slots=True)
class Head:
    """Multinomial logistic regression over all labels, one per encoder."""

    weights: Array  # (E, D, L)
    biases: Array  # (E, L)
    temperatures: Array  # (E,)

    def log_odds(self, vectors: Array) -> Array:
        """Tempered scores of one email, shape (E, L), from its vectors, shape (E, D)."""
        scores = np.einsum("ed,edl->el", vectors, self.weights) + self.biases
        return np.asarray(scores / self.temperatures[:, None], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Memory:
    """Training emails, to name the nearest ones: their vectors by the first encoder."""

    vectors: npt.NDArray[np.float16]  # (N, D)
    labels: npt.NDArray[np.int16]  # (N,) index of the first label
    ids: tuple[str, ...]

    def nearest(self, vector: Array, count: int = NEAREST) -> list[tuple[int, float]]:
        """(index, cosine) of the nearest emails, nearest first."""
        cosines = self.vectors.astype(np.float32) @ vector
        best = np.argpartition(-cosines, min(count, len(cosines) - 1))[:count]
        return sorted(((int(index), float(cosines[index])) for index in best), key=lambda pair: -pair[1])


@dataclass(frozen=True, slots=True)
class Selector:
    """Logistic regression: how likely is it that a reply with the suggested entries is right?"""

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
    selector: Selector
    second: float  # least probability of a further label in the same email


def softmax(scores: Array) -> Array:
    """Along the last axis."""
    shifted = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True), dtype=np.float32)


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
    return model

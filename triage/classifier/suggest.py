"""From scores to a suggestion: which labels an email has, and what the selector hears about it."""

from dataclasses import dataclass

import numpy as np

from triage.classifier.model import Array, Readings
from triage.core.prediction import IGNORE_LABEL

FEATURES = (
    "log-odds of the likeliest label",
    "log-odds of the next one",
    "entropy",
    "mass of topics",
    "mass outside the suggestion",
    "tuned reading of the weakest suggested entry",
    "general reading of the weakest suggested entry",
    "both readings name the same label first",
    "number of entries",
    "part for a person",
)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What the head makes of an email."""

    probabilities: Array  # (L,)
    labels: tuple[str, ...]  # likeliest first; one at least
    features: Array  # what the selector hears, in the order of FEATURES


def suggest(
    readings: Readings, probabilities: Array, names: tuple[str, ...], intents: frozenset[str], second: float
) -> Suggestion:
    """``probabilities``: of the readings pooled, shape (L,); ``second``: the least one of a further label."""
    order = [int(index) for index in np.argsort(-probabilities)]
    chosen = [order[0]] + [index for index in order[1:4] if probabilities[index] >= second]
    if names[chosen[0]] == IGNORE_LABEL:
        chosen = chosen[:1]
    chosen = [index for index in chosen if names[index] != IGNORE_LABEL] or chosen
    labels = tuple(names[index] for index in chosen)
    return Suggestion(probabilities, labels, _features(readings, probabilities, order, chosen, names, intents))


def _features(
    readings: Readings,
    mean: Array,
    order: list[int],
    chosen: list[int],
    names: tuple[str, ...],
    intents: frozenset[str],
) -> Array:
    asked = [index for index in chosen if names[index] in intents]
    values = (
        _log_odds(float(mean[order[0]])),
        _log_odds(float(mean[order[1]])),
        float(-(mean * np.log(mean + 1e-9)).sum()),
        float(sum(mean[index] for index, name in enumerate(names) if name not in intents)),
        1 - float(sum(mean[index] for index in chosen)),
        min((float(readings.tuned[index]) for index in asked), default=0.0),
        min((float(readings.general[index]) for index in asked), default=0.0),
        float(int(readings.tuned.argmax()) == int(readings.general.argmax())),
        float(len(asked)),
        float(len(chosen) > len(asked)),
    )
    return np.array(values, dtype=np.float32)


def _log_odds(p: float) -> float:
    clipped = min(max(p, 1e-6), 1 - 1e-6)
    return float(np.log(clipped / (1 - clipped)))

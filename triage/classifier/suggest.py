"""From scores to a suggestion: which labels an email has, and what the selector hears about it."""

from dataclasses import dataclass

import numpy as np

from triage.classifier.model import Array, softmax
from triage.core.prediction import IGNORE_LABEL

FEATURES = (
    "top probability",
    "second probability",
    "gap of log-odds",
    "entropy",
    "mass of topics",
    "mass outside",
    "least agreement",
    "spread",
    "number of entries",
    "part for a person",
)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What the head makes of an email."""

    probabilities: Array  # (L,), the mean over encoders
    labels: tuple[str, ...]  # likeliest first; one at least
    features: Array  # what the selector hears, in the order of FEATURES


def suggest(log_odds: Array, names: tuple[str, ...], intents: frozenset[str], second: float) -> Suggestion:
    """From tempered scores of one email, shape (E, L); ``second`` is the least probability of a further label."""
    each = softmax(log_odds)
    mean = np.asarray(each.mean(axis=0), dtype=np.float32)
    order = [int(index) for index in np.argsort(-mean)]
    chosen = [order[0]] + [index for index in order[1:4] if mean[index] >= second]
    if names[chosen[0]] != IGNORE_LABEL:
        chosen = [index for index in chosen if names[index] != IGNORE_LABEL]
    else:
        chosen = chosen[:1]
    labels = tuple(names[index] for index in chosen)
    return Suggestion(mean, labels, _features(each, mean, order, chosen, names, intents))


def _features(
    each: Array,
    mean: Array,
    order: list[int],
    chosen: list[int],
    names: tuple[str, ...],
    intents: frozenset[str],
) -> Array:
    asked = [index for index in chosen if names[index] in intents]
    first, then = float(mean[order[0]]), float(mean[order[1]])
    topics = float(sum(mean[i] for i, name in enumerate(names) if name not in intents))
    weakest = min((float(each[:, index].min()) for index in asked), default=0.0)
    values = (
        first,
        then,
        _logit(first) - _logit(then),
        float(-(mean * np.log(mean + 1e-9)).sum()),
        topics,
        1 - float(sum(mean[index] for index in chosen)),
        weakest,
        float(each[:, order[0]].max() - each[:, order[0]].min()),
        float(len(asked)),
        float(len(chosen) > len(asked)),
    )
    return np.array(values, dtype=np.float32)


def _logit(p: float) -> float:
    clipped = min(max(p, 1e-6), 1 - 1e-6)
    return float(np.log(clipped / (1 - clipped)))

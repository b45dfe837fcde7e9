"""From scores to a suggestion: which labels an email has, and what the selector hears about it.

Shapes: L labels, S sentences.
"""

from dataclasses import dataclass

import numpy as np

from triage.classifier.model import Array, Logistic, Readings
from triage.core.prediction import IGNORE_LABEL

COMPANION_FEATURES = (
    "log-odds of the first label",
    "log-odds of the further one",
    "tuned and general reading of the further one",
    "tuned and general reading of the first one",
    "best sentence for the first, and for the further one",
    "best sentence for the further one beside the first one's, and the other way round",
    "weaker of the two",
    "each has a sentence of its own",
    "how many sentences",
)

SELECTOR_FEATURES = (
    "log-odds of the likeliest label",
    "log-odds of the next one",
    "entropy",
    "mass of topics",
    "mass outside the suggestion",
    "tuned reading of the weakest suggested entry",
    "general reading of the weakest suggested entry",
    "both readings name the same label first",
    "likeliest further label",
    "number of entries",
    "part for a person",
)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What the head makes of an email."""

    probabilities: Array  # (L,)
    labels: tuple[str, ...]  # likeliest first; one at least
    features: Array  # what the selector hears, in the order of SELECTOR_FEATURES


def suggest(
    readings: Readings,
    probabilities: Array,
    sentences: Array,
    names: tuple[str, ...],
    intents: frozenset[str],
    companion: Logistic,
) -> Suggestion:
    """``probabilities``: of the readings pooled, (L,); ``sentences``: of each sentence alone, (S, L)."""
    first = int(probabilities.argmax())
    chosen, further = [first], 0.0
    for candidate in candidates(probabilities, sentences, names):
        likely = companion.probability(companion_features(readings, probabilities, sentences, first, candidate))
        further = max(further, likely)
        if likely >= 0.5:
            chosen.append(candidate)
    features = _features(readings, probabilities, chosen, further, names, intents)
    return Suggestion(probabilities, tuple(names[index] for index in chosen), features)


def candidates(probabilities: Array, sentences: Array, names: tuple[str, ...]) -> list[int]:
    """Labels that the email may have besides its first: the next one of the whole, and the best of a sentence."""
    first = int(probabilities.argmax())
    if names[first] == IGNORE_LABEL:
        return []
    others = np.array([index != first and name != IGNORE_LABEL for index, name in enumerate(names)])
    next_one = int(np.where(others, probabilities, -1).argmax())
    if len(sentences) < 2:
        return [next_one]
    spoken = int(np.where(others, sentences.max(axis=0), -1).argmax())
    return [next_one] if spoken == next_one else [next_one, spoken]


def companion_features(readings: Readings, probabilities: Array, sentences: Array, first: int, candidate: int) -> Array:
    """Does an email with this first label have the candidate, too? In the order of COMPANION_FEATURES."""
    count = len(sentences)
    for_first = sentences[:, first] if count else np.zeros(1, np.float32)
    for_candidate = sentences[:, candidate] if count else np.zeros(1, np.float32)
    own, others = int(for_first.argmax()), int(for_candidate.argmax())
    beside = float(np.delete(for_candidate, own).max()) if count > 1 else 0.0
    other_way = float(np.delete(for_first, others).max()) if count > 1 else 0.0
    values = (
        _log_odds(float(probabilities[first])),
        _log_odds(float(probabilities[candidate])),
        float(readings.tuned[candidate]),
        float(readings.general[candidate]),
        float(readings.tuned[first]),
        float(readings.general[first]),
        _log_odds(float(for_first.max())),
        _log_odds(float(for_candidate.max())),
        _log_odds(beside),
        _log_odds(other_way),
        _log_odds(min(beside, other_way)),
        float(own != others),
        float(np.log(count + 1)),
    )
    return np.array(values, dtype=np.float32)


def _features(
    readings: Readings,
    mean: Array,
    chosen: list[int],
    further: float,
    names: tuple[str, ...],
    intents: frozenset[str],
) -> Array:
    asked = [index for index in chosen if names[index] in intents]
    first, then = (float(value) for value in np.sort(mean)[::-1][:2])
    values = (
        _log_odds(first),
        _log_odds(then),
        float(-(mean * np.log(mean + 1e-9)).sum()),
        float(sum(mean[index] for index, name in enumerate(names) if name not in intents)),
        1 - float(sum(mean[index] for index in chosen)),
        min((float(readings.tuned[index]) for index in asked), default=0.0),
        min((float(readings.general[index]) for index in asked), default=0.0),
        float(int(readings.tuned.argmax()) == int(readings.general.argmax())),
        further,
        float(len(asked)),
        float(len(chosen) > len(asked)),
    )
    return np.array(values, dtype=np.float32)


def _log_odds(p: float) -> float:
    clipped = min(max(p, 1e-4), 1 - 1e-4)
    return float(np.log(clipped / (1 - clipped)))

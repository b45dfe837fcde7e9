"""Thresholds that are worth something: Learn-then-Test with exact binomial bounds (Angelopoulos et al. 2021).

The promise: with the given confidence, at most ``target`` of the automatic answers are wrong, as long as mail looks
like the calibration mail.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

LEVELS = tuple(level / 100 for level in range(40, 101, 2))  # shares of the suggested answers, tested in this order


@dataclass(frozen=True, slots=True)
class Threshold:
    """A least confidence for automatic answers, and what it is worth."""

    confidence: float
    certified: bool
    answers: int  # calibration emails that it lets through
    wrong: int
    bound: float  # upper confidence bound of the share of wrong answers
    more_needed: int  # further labelled answers, all right, until the target could be certified; 0 where it is


def upper_bound(wrong: int, answers: int, confidence: float) -> float:
    """The exact one-sided Clopper-Pearson bound of a share; 1 where there is nothing to go by."""
    if answers == 0 or wrong >= answers:
        return 1.0
    return float(beta.ppf(confidence, wrong + 1, answers - wrong))


def interval(wrong: int, answers: int, confidence: float = 0.95) -> tuple[float, float]:
    """The exact two-sided interval of a share."""
    tail = (1 - confidence) / 2
    low = 0.0 if wrong == 0 else float(beta.ppf(tail, wrong, answers - wrong + 1))
    high = 1.0 if wrong >= answers else float(beta.ppf(1 - tail, wrong + 1, answers - wrong))
    return low, high


def answers_needed(wrong: int, target: float, confidence: float) -> int:
    """How many answers with so many wrong ones certify the target, e.g. 59 with none for 5 % at 95 %."""
    count = wrong + 1
    while upper_bound(wrong, count, confidence) > target:
        count += 1
    return count


def choose(scores: Sequence[float], right: Sequence[bool], target: float, confidence: float) -> Threshold:
    """The laxest threshold of the fixed sequence that is certified; where none is, the empirical one.

    ``scores`` and ``right``: confidence of each suggested answer and whether it was right. Fixed-sequence testing:
    levels are tried from strict to lax and the first that fails ends it, so that no correction for many tests is due.
    """
    order = np.argsort(-np.asarray(scores, dtype=float), kind="stable")
    sorted_scores = np.asarray(scores, dtype=float)[order]
    wrongs = np.cumsum(~np.asarray(right, dtype=bool)[order])
    best: int | None = None
    for level in LEVELS:
        count = _end_of_ties(sorted_scores, round(level * len(order)))
        if count == 0 or answers_needed(0, target, confidence) > count:
            continue  # too few to certify anything, whatever they are
        if upper_bound(int(wrongs[count - 1]), count, confidence) > target:
            break
        best = count
    if best is not None:
        return _threshold(sorted_scores, wrongs, best, confidence, certified=True, more=0)
    return _empirical(sorted_scores, wrongs, target, confidence)


def _end_of_ties(scores: npt.NDArray[np.float64], count: int) -> int:
    """A threshold lets all equal scores through or none."""
    while 0 < count < len(scores) and scores[count] == scores[count - 1]:
        count += 1
    return count


def _empirical(
    scores: npt.NDArray[np.float64], wrongs: npt.NDArray[np.int64], target: float, confidence: float
) -> Threshold:
    fits = [n for n in range(1, len(scores) + 1) if wrongs[n - 1] <= target * n and _end_of_ties(scores, n) == n]
    if not fits:
        return Threshold(1.01, False, 0, 0, 1.0, answers_needed(0, target, confidence))
    count = fits[-1]
    more = max(1, answers_needed(int(wrongs[count - 1]), target, confidence) - count)
    return _threshold(scores, wrongs, count, confidence, certified=False, more=more)


def _threshold(
    scores: npt.NDArray[np.float64],
    wrongs: npt.NDArray[np.int64],
    count: int,
    confidence: float,
    *,
    certified: bool,
    more: int,
) -> Threshold:
    wrong = int(wrongs[count - 1])
    bound = upper_bound(wrong, count, confidence)
    return Threshold(float(scores[count - 1]), certified, count, wrong, bound, more)

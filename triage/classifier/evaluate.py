"""How good are decisions? Grades them against labelled emails."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from triage.classifier.calibrate import interval
from triage.classifier.examples import Example, Outcome
from triage.core.prediction import IGNORE_LABEL

WRONG_SHARES = (0.02, 0.05, 0.1)  # at which coverage is reported
COVERAGES = (0.5, 0.7)  # at which the share of wrong answers is reported
BINS = 15  # of the calibration error, equally full
_ANSWERS = frozenset({"answer", "answer_and_route"})


@dataclass(frozen=True, slots=True)
class Point:
    """What would have been answered had the least confidence been ``threshold``."""

    threshold: float
    answers: int
    wrong: int  # of these
    covered: int  # emails that were to be answered, and rightly were
    coverable: int  # emails that were to be answered

    @property
    def coverage(self) -> float:
        return self.covered / self.coverable if self.coverable else 0.0

    @property
    def risk(self) -> float:
        """Share of wrong answers."""
        return self.wrong / self.answers


@dataclass(frozen=True, slots=True)
class Graded:
    """One email, what it should have ended in and what it did."""

    example: Example
    outcome: Outcome
    right: bool  # exactly one of the wanted outcomes
    wrong: bool  # the reply carries an entry that was not asked for
    confidence: float = 0.0
    suggested: frozenset[str] = frozenset()  # entries that were suggested, sent or not
    reasons: tuple[str, ...] = ()
    first: str = ""  # the likeliest label; empty where there was no prediction

    @property
    def answerable(self) -> bool:
        """Whether an FAQ answer is what is wanted first of all."""
        return self.example.wanted[0].action in _ANSWERS

    @property
    def suggestion_right(self) -> bool:
        """Whether a reply with all that was suggested would carry nothing that was not asked for."""
        return self.suggested <= _fair(self.example)

    @property
    def unasked(self) -> frozenset[str]:
        """Entries that the reply carries and should not."""
        return self.outcome.intents - _fair(self.example) if self.wrong else frozenset()


@dataclass
class Report:
    """Figures over graded emails; shares with their counts."""

    graded: list[Graded] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        answerable = [one for one in self.graded if one.answerable]
        routable = [one for one in self.graded if one.example.wanted[0].action == "route"]
        ignorable = [one for one in self.graded if one.example.wanted[0].action == "ignore"]
        answered = [one for one in self.graded if one.outcome.intents]
        wrong = sum(one.wrong for one in answered)
        low, high = interval(wrong, len(answered)) if answered else (0.0, 1.0)
        partly = sum(not one.right and bool(one.outcome.intents) and not one.wrong for one in answerable)
        return {
            "emails": len(self.graded),
            "resolved": _share(sum(one.right for one in answerable), len(answerable)),
            "answered_in_part": _share(partly, len(answerable)),
            "wrong_answers": {**_share(wrong, len(answered)), "interval_95": [round(low, 4), round(high, 4)]},
            "right_team": _share(sum(one.right for one in routable), len(routable)),
            "machine_mail_replied_to": {
                "count": sum(not one.right and one.outcome.action != "ignore" for one in ignorable),
                "of": len(ignorable),
            },
            "all_right": _share(sum(one.right for one in self.graded), len(self.graded)),
            "coverage_at_wrong": {f"{wrong:.0%}": self.coverage_at(wrong) for wrong in WRONG_SHARES},
            "wrong_at_coverage": {f"{coverage:.0%}": self.wrong_at(coverage) for coverage in COVERAGES},
            "calibration_error": self.calibration_error(),
        }

    def by_intent(self) -> dict[str, dict[str, Any]]:
        """Resolved emails per FAQ entry, the worst first."""
        table: defaultdict[str, list[bool]] = defaultdict(list)
        for one in self.graded:
            for intent in one.example.intents:
                table[intent].append(one.right)
        rows = {intent: _share(sum(rights), len(rights)) for intent, rights in table.items()}
        return dict(sorted(rows.items(), key=lambda row: row[1]["share"]))

    def confused(self) -> list[tuple[str, str, int]]:
        """(asked, suggested, how often), most frequent first: entries that were suggested and not asked for."""
        pairs: Counter[tuple[str, str]] = Counter()
        for one in self.graded:
            for suggested in one.suggested - _fair(one.example):
                pairs[(_asked(one), suggested)] += 1
        return [(asked, suggested, count) for (asked, suggested), count in pairs.most_common()]

    def first_labels(self) -> list[tuple[str, str]]:
        """(label asked for, likeliest label) of every email for which there was a prediction.

        Where an email asks for several things, any of them is right. Of an email that a person has to take and that
        names no topic, any topic of the right team is; otherwise what it asks for is called after the team.
        """
        return [(_asked(one), one.first) for one in self.graded if one.first]

    def suggestions(self) -> list[Graded]:
        """The emails for which an answer was suggested, sent or not."""
        return [one for one in self.graded if one.suggested]

    def risk_coverage(self) -> list[Point]:
        """What other thresholds would have let through, from strict to lax."""
        suggested = self.suggestions()
        return risk_coverage(
            [one.confidence for one in suggested],
            [not one.suggestion_right for one in suggested],
            [one.answerable and one.suggestion_right for one in suggested],
            sum(one.answerable for one in self.graded),
        )

    def coverage_at(self, wrong: float) -> dict[str, Any]:
        """Answerable emails that the best threshold answers rightly while at most ``wrong`` of all answers are wrong.

        Chosen with hindsight on these emails: an upper bound of what a threshold chosen beforehand reaches.
        """
        point = most_covered(self.risk_coverage(), wrong)
        return _share(point.covered if point else 0, sum(one.answerable for one in self.graded))

    def wrong_at(self, coverage: float) -> dict[str, Any] | None:
        """Wrong among the answers that it takes to answer ``coverage`` of the answerable emails; None where no
        threshold does."""
        point = next((point for point in self.risk_coverage() if point.coverage >= coverage), None)
        return _share(point.wrong, point.answers) if point else None

    def calibration_error(self) -> dict[str, Any]:
        """How far the confidence of suggestions is from the share of them that is right."""
        suggested = self.suggestions()
        error = calibration_error([one.confidence for one in suggested], [one.suggestion_right for one in suggested])
        return {"error": None if error is None else round(error, 4), "of": len(suggested), "bins": BINS}


def risk_coverage(
    scores: Sequence[float], wrong: Sequence[bool], covers: Sequence[bool], coverable: int
) -> list[Point]:
    """A point for every threshold that tells answers apart, from strict to lax: equal scores pass together.

    Per answer its score, whether it is wrong, and whether it counts as covering one of ``coverable``.
    """
    order = sorted(range(len(scores)), key=lambda at: -scores[at])
    points: list[Point] = []
    bad = good = 0
    for answers, at in enumerate(order, 1):
        bad, good = bad + bool(wrong[at]), good + bool(covers[at])
        if answers == len(order) or scores[order[answers]] < scores[at]:
            points.append(Point(float(scores[at]), answers, bad, good, coverable))
    return points


def most_covered(points: Sequence[Point], wrong: float) -> Point | None:
    """The point of most coverage among those with at most this share of wrong answers; None where there is none."""
    within = [point for point in points if point.wrong <= wrong * point.answers + 1e-9]
    return max(within, key=lambda point: point.covered, default=None)


def calibration_error(confidences: Sequence[float], right: Sequence[bool], bins: int = BINS) -> float | None:
    """Expected calibration error over equally full bins: mean distance of confidence and share of right ones.

    None where there is nothing to go by. A few hundred guesses of a perfect model have an error of some per cent, too:
    each bin then holds a score of them.
    """
    if not confidences:
        return None
    order = np.argsort(np.asarray(confidences, dtype=float), kind="stable")
    gaps = np.asarray(confidences, dtype=float)[order] - np.asarray(right, dtype=float)[order]
    return float(sum(abs(part.sum()) for part in np.array_split(gaps, bins)) / len(gaps))


def grade(
    example: Example,
    outcome: Outcome,
    *,
    confidence: float = 0.0,
    suggested: Sequence[str] = (),
    reasons: Sequence[str] = (),
    first: str = "",
) -> Graded:
    """Hold one outcome against the labels."""
    right = any(_matches(outcome, wanted) for wanted in example.wanted)
    wrong = outcome.action in _ANSWERS and not outcome.intents <= _fair(example)
    return Graded(example, outcome, right, wrong, confidence, frozenset(suggested), tuple(reasons), first)


def _fair(example: Example) -> frozenset[str]:
    """Every entry that may be in a reply."""
    return frozenset().union(*(wanted.intents for wanted in example.wanted if wanted.action in _ANSWERS))


def _asked(one: Graded) -> str:
    """What an email asks for first, as the label of a model."""
    wanted = one.example.wanted[0]
    asked = (*one.example.intents, *one.example.topics)
    if one.first in asked or one.first in _fair(one.example):
        return one.first
    if asked:
        return asked[0]
    if wanted.action == "ignore":
        return IGNORE_LABEL
    is_topic = one.first not in ("", IGNORE_LABEL) and one.first not in one.suggested
    return one.first if is_topic and one.outcome.team == wanted.team else f"for {wanted.team or 'a person'}"


def _matches(outcome: Outcome, wanted: Outcome) -> bool:
    if outcome.action != wanted.action or (wanted.action in _ANSWERS and outcome.intents != wanted.intents):
        return False
    return wanted.team is None or wanted.action not in ("route", "answer_and_route") or outcome.team == wanted.team


def _share(count: int, of: int) -> dict[str, Any]:
    return {"share": round(count / of, 4) if of else 0.0, "count": count, "of": of}

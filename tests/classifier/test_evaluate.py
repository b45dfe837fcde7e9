"""Small tables in which every figure can be counted by hand."""

from typing import Any

import pytest

from triage.classifier.evaluate import (
    Graded,
    Report,
    calibration_error,
    grade,
    most_covered,
    risk_coverage,
)
from triage.classifier.examples import Example, Outcome
from triage.core.prediction import IGNORE_LABEL


def outcome(action: str, *intents: str, team: str | None = None) -> Outcome:
    return Outcome(action, frozenset(intents), team)


def labelled(*wanted: Outcome, intents: tuple[str, ...] = (), topics: tuple[str, ...] = ()) -> Example:
    return Example("e-1", "A subject", "A body", intents, topics, wanted=wanted)


# Outcomes that are as good as the first one, as labels list them.
ONE_QUESTION = (outcome("answer", "password"),)
ONE_OF_TWO = (outcome("answer", "po-number"), outcome("answer", "address"))
TWO_QUESTIONS = (outcome("answer", "password", "report"),)
WITH_A_PERSON = (outcome("answer_and_route", "address", team="billing"),)
OR_A_PERSON = (outcome("answer", "password"), outcome("route", team="cloud-support"))
FOR_BILLING = (outcome("route", team="billing"),)
FOR_ANYBODY = (outcome("route"),)
FOREIGN = (outcome("route", team="cloud-support"), outcome("answer", "password"))
SPAM = (outcome("ignore"), outcome("route"))


@pytest.mark.parametrize(
    ("wanted", "got", "right", "wrong"),
    [
        (ONE_QUESTION, outcome("answer", "password"), True, False),
        (ONE_QUESTION, outcome("answer", "report"), False, True),
        (ONE_QUESTION, outcome("answer", "password", "report"), False, True),
        (ONE_QUESTION, outcome("route", team="billing"), False, False),
        (ONE_QUESTION, outcome("ignore"), False, False),
        (ONE_QUESTION, outcome("answer_and_route", "password", team="billing"), False, False),
        (ONE_OF_TWO, outcome("answer", "address"), True, False),
        (ONE_OF_TWO, outcome("answer", "po-number", "address"), False, False),
        (TWO_QUESTIONS, outcome("answer", "report", "password"), True, False),
        (TWO_QUESTIONS, outcome("answer", "password"), False, False),
        (WITH_A_PERSON, outcome("answer_and_route", "address", team="billing"), True, False),
        (WITH_A_PERSON, outcome("answer_and_route", "address", team="sales"), False, False),
        (WITH_A_PERSON, outcome("answer", "address"), False, False),
        (OR_A_PERSON, outcome("route", team="cloud-support"), True, False),
        (FOR_BILLING, outcome("route", team="billing"), True, False),
        (FOR_BILLING, outcome("route", team="sales"), False, False),
        (FOR_BILLING, outcome("answer", "password"), False, True),
        (FOR_ANYBODY, outcome("route", team="sales"), True, False),
        (FOREIGN, outcome("answer", "password"), True, False),
        (SPAM, outcome("ignore"), True, False),
        (SPAM, outcome("route", team="sales"), True, False),
        (SPAM, outcome("answer", "password"), False, True),
    ],
)
def test_an_outcome_is_right_where_a_wanted_one_says_so_and_wrong_where_it_carries_an_entry_that_none_does(
    wanted: tuple[Outcome, ...], got: Outcome, right: bool, wrong: bool
) -> None:
    graded = grade(labelled(*wanted), got)
    assert (graded.right, graded.wrong) == (right, wrong)


def test_what_nobody_asked_for_is_named() -> None:
    graded = grade(labelled(*ONE_QUESTION), outcome("answer", "password", "report"))
    assert graded.unasked == {"report"}
    assert grade(labelled(*TWO_QUESTIONS), outcome("answer", "report")).unasked == frozenset()


def test_the_figures_can_be_counted_by_hand() -> None:
    report = Report(
        [
            grade(labelled(*ONE_QUESTION), outcome("answer", "password")),
            grade(labelled(*ONE_QUESTION), outcome("answer", "report")),
            grade(labelled(*TWO_QUESTIONS), outcome("answer", "password")),
            grade(labelled(*WITH_A_PERSON), outcome("route", team="billing")),
            grade(labelled(*FOR_BILLING), outcome("route", team="billing")),
            grade(labelled(*FOR_BILLING), outcome("answer", "report")),
            grade(labelled(*SPAM), outcome("ignore")),
            grade(labelled(outcome("ignore")), outcome("route", team="sales")),
        ]
    )
    figures = report.figures()
    assert figures["emails"] == 8
    assert figures["resolved"] == {"share": 0.25, "count": 1, "of": 4}
    assert figures["answered_in_part"] == {"share": 0.25, "count": 1, "of": 4}
    assert (figures["wrong_answers"]["count"], figures["wrong_answers"]["of"]) == (2, 4)
    assert figures["right_team"] == {"share": 0.5, "count": 1, "of": 2}
    assert figures["machine_mail_replied_to"] == {"count": 1, "of": 2}
    assert figures["all_right"] == {"share": 0.375, "count": 3, "of": 8}


def suggestion(wanted: tuple[Outcome, ...], confidence: float, *suggested: str) -> Graded:
    """An email that was routed, whatever had been suggested for it."""
    return grade(labelled(*wanted), outcome("route", team="billing"), confidence=confidence, suggested=suggested)


TABLE = Report(
    [
        suggestion(ONE_QUESTION, 0.99, "password"),
        suggestion(TWO_QUESTIONS, 0.95, "password"),
        suggestion(FOR_BILLING, 0.9, "address"),
        suggestion(ONE_OF_TWO, 0.8, "address"),
        suggestion(WITH_A_PERSON, 0.7, "address"),
        suggestion(ONE_QUESTION, 0.6, "password", "report"),
        suggestion(FOREIGN, 0.5, "password"),
        suggestion(ONE_QUESTION, 0.0),
    ]
)


def test_a_lower_threshold_answers_more_and_counts_every_suggestion() -> None:
    points = [(p.threshold, p.answers, p.wrong, p.covered, p.coverable) for p in TABLE.risk_coverage()]
    assert points == [
        (0.99, 1, 0, 1, 6),
        (0.95, 2, 0, 2, 6),
        (0.9, 3, 1, 2, 6),
        (0.8, 4, 1, 3, 6),
        (0.7, 5, 1, 4, 6),
        (0.6, 6, 2, 4, 6),
        (0.5, 7, 2, 4, 6),  # accepted for an email that a person was to take: right, but no coverage
    ]


@pytest.mark.parametrize(("wrong", "covered"), [(0.0, 2), (0.02, 2), (0.2, 4), (0.25, 4), (1.0, 4)])
def test_coverage_is_the_most_that_any_threshold_reaches_within_a_share_of_wrong_answers(
    wrong: float, covered: int
) -> None:
    assert TABLE.coverage_at(wrong) == {"share": round(covered / 6, 4), "count": covered, "of": 6}


@pytest.mark.parametrize(
    ("coverage", "wrong"),
    [
        (0.3, {"share": 0.0, "count": 0, "of": 2}),
        (0.5, {"share": 0.25, "count": 1, "of": 4}),
        (0.66, {"share": 0.2, "count": 1, "of": 5}),
        (0.7, None),
    ],
)
def test_wrong_answers_at_a_coverage_are_those_of_the_strictest_threshold_that_reaches_it(
    coverage: float, wrong: dict[str, Any] | None
) -> None:
    assert TABLE.wrong_at(coverage) == wrong


def test_equal_scores_pass_together() -> None:
    points = risk_coverage([0.5, 0.9, 0.5], [True, False, False], [False, True, True], 4)
    assert [(point.answers, point.wrong, point.coverage) for point in points] == [(1, 0, 0.25), (3, 1, 0.5)]
    assert points[1].risk == pytest.approx(1 / 3)


def test_a_share_of_wrong_answers_that_is_just_met_counts() -> None:
    scores = [1 - place / 100 for place in range(50)]
    points = risk_coverage(scores, [place == 10 for place in range(50)], [place != 10 for place in range(50)], 50)
    best = most_covered(points, 0.02)
    assert best is not None
    assert (best.answers, best.covered) == (50, 49)


def test_without_suggestions_nothing_is_covered() -> None:
    report = Report([suggestion(ONE_QUESTION, 0.0)])
    assert report.risk_coverage() == []
    assert report.coverage_at(0.1) == {"share": 0.0, "count": 0, "of": 1}
    assert report.wrong_at(0.5) is None
    assert report.calibration_error()["error"] is None


def test_where_every_suggestion_is_wrong_nothing_is_covered() -> None:
    assert Report([suggestion(FOR_BILLING, 0.9, "address")]).coverage_at(0.1) == {"share": 0.0, "count": 0, "of": 0}


@pytest.mark.parametrize(
    ("confidences", "right", "bins", "error"),
    [
        ([0.8] * 10, [True] * 8 + [False] * 2, 1, 0.0),
        ([0.9] * 10, [True] * 8 + [False] * 2, 1, 0.1),
        ([1.0] * 4, [False] * 4, 15, 1.0),
        ([0.2, 0.2, 0.8, 0.8], [False, False, True, True], 2, 0.2),  # each bin is 0.2 off, in either direction
        ([0.8, 0.2, 0.8, 0.2], [True, False, True, False], 2, 0.2),  # the order of the emails is no matter
        ([0.2, 0.2, 0.8, 0.8], [False, False, True, True], 1, 0.0),
    ],
)
def test_the_calibration_error_is_the_mean_distance_of_confidence_and_truth(
    confidences: list[float], right: list[bool], bins: int, error: float
) -> None:
    assert calibration_error(confidences, right, bins) == pytest.approx(error)


def test_the_calibration_error_of_few_emails_in_many_bins_has_no_empty_bins_to_trip_over() -> None:
    assert calibration_error([0.75, 0.75], [True, True]) == pytest.approx(0.25)


def test_the_calibration_error_of_a_report_is_that_of_its_suggestions() -> None:
    figure = TABLE.calibration_error()
    assert (figure["of"], figure["bins"]) == (7, 15)
    gaps = (0.01, 0.05, 0.9, 0.2, 0.3, 0.6, 0.5)
    assert figure["error"] == pytest.approx(sum(gaps) / 7, abs=1e-4)


@pytest.mark.parametrize(
    ("example", "got", "first", "suggested", "pair"),
    [
        (labelled(*ONE_QUESTION, intents=("password",)), "answer", "password", ("password",), "password"),
        (labelled(*ONE_QUESTION, intents=("password",)), "route", "report", ("report",), "password"),
        (labelled(*TWO_QUESTIONS, intents=("password", "report")), "answer", "report", ("report",), "report"),
        (labelled(*ONE_OF_TWO, intents=("po-number",)), "answer", "address", ("address",), "address"),
        (labelled(*FOR_BILLING, topics=("dispute",)), "route", "outage", (), "dispute"),
        (labelled(*FOR_BILLING), "route", "dispute", (), "dispute"),  # any topic of the right team
        (labelled(*FOR_BILLING), "answer", "address", ("address",), "for billing"),
        (labelled(*FOR_BILLING), "ignore", IGNORE_LABEL, (), "for billing"),
        (labelled(*SPAM), "route", "quote", (), IGNORE_LABEL),
        (labelled(outcome("ignore")), "ignore", IGNORE_LABEL, (), IGNORE_LABEL),
    ],
)
def test_the_label_asked_for_stands_beside_the_likeliest_one(
    example: Example, got: str, first: str, suggested: tuple[str, ...], pair: str
) -> None:
    graded = grade(example, outcome(got, *suggested, team="billing"), suggested=suggested, first=first)
    assert Report([graded]).first_labels() == [(pair, first)]


def test_emails_without_a_prediction_are_in_no_confusion_matrix() -> None:
    assert Report([grade(labelled(*FOR_BILLING), outcome("route", team="billing"))]).first_labels() == []


def test_entries_suggested_and_not_asked_for_are_confusions_sent_or_not() -> None:
    report = Report(
        [
            grade(
                labelled(*ONE_QUESTION, intents=("password",)),
                outcome("route"),
                suggested=("password", "report"),
                first="password",
            ),
            grade(
                labelled(*ONE_QUESTION, intents=("password",)),
                outcome("answer", "report"),
                suggested=("report",),
                first="report",
            ),
            grade(labelled(*FOR_BILLING, topics=("dispute",)), outcome("route"), suggested=("address",)),
        ]
    )
    assert report.confused() == [("password", "report", 2), ("dispute", "address", 1)]

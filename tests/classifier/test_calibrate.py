import numpy as np
import pytest

from triage.classifier.calibrate import answers_needed, choose, interval, upper_bound


@pytest.mark.parametrize(
    ("target", "needed"), [(0.05, [59, 93, 124, 153]), (0.02, [149, 236, 313, 386]), (0.01, [299, 473, 628, 773])]
)
def test_so_many_answers_certify_a_target(target: float, needed: list[int]) -> None:
    assert [answers_needed(wrong, target, 0.95) for wrong in range(4)] == needed


def test_the_bound_is_exact() -> None:
    assert upper_bound(0, 59, 0.95) == pytest.approx(1 - 0.05 ** (1 / 59))
    assert upper_bound(0, 0, 0.95) == 1
    assert upper_bound(5, 5, 0.95) == 1
    assert interval(0, 10) == (0.0, pytest.approx(0.3085, abs=1e-4))


def test_a_certified_threshold_lets_through_what_its_bound_allows() -> None:
    scores = np.linspace(1, 0, 300)
    right = [place < 200 or place % 3 > 0 for place in range(300)]
    threshold = choose(list(scores), right, 0.05, 0.95)
    assert threshold.certified
    assert threshold.bound <= 0.05
    assert threshold.more_needed == 0
    assert sum(score >= threshold.confidence for score in scores) == threshold.answers


def test_too_few_emails_certify_nothing_and_say_how_many_more_it_takes() -> None:
    threshold = choose([0.9] * 40, [True] * 40, 0.05, 0.95)
    assert not threshold.certified
    assert (threshold.answers, threshold.wrong, threshold.more_needed) == (40, 0, 19)


def test_where_every_answer_is_wrong_nothing_is_let_through() -> None:
    threshold = choose([0.9, 0.8, 0.7], [False] * 3, 0.05, 0.95)
    assert threshold.confidence > 1


def test_equal_scores_are_let_through_together() -> None:
    scores = [0.9] * 100 + [0.5] * 100
    threshold = choose(scores, [True] * 120 + [False] * 80, 0.05, 0.95)
    assert threshold.answers == 100


def test_the_promise_is_kept_over_many_draws() -> None:
    """Of 300 calibrations on random emails at 90 %, at most about one in ten may break its target."""
    random = np.random.default_rng(7)
    broken = certified = 0
    for _ in range(300):
        scores = random.random(400)
        right = random.random(400) < 0.80 + 0.2 * scores
        threshold = choose(list(scores), list(right), 0.08, 0.90)
        if threshold.certified:
            certified += 1
            truth = 0.5 * (1 - threshold.confidence) * 0.2  # expected share of wrong ones above the threshold
            broken += truth > 0.08
    assert certified > 100
    assert broken <= 0.1 * 300 + 10

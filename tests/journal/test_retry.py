from datetime import timedelta

import pytest

from triage.journal.retry import DELIVERY, INTAKE, RetryPolicy

_TWO = RetryPolicy(waits=(timedelta(seconds=10), timedelta(hours=1)), jitter=0.5)


@pytest.mark.parametrize(
    ("tries", "shortest", "longest"),
    [
        (1, timedelta(seconds=10), timedelta(seconds=15)),
        (2, timedelta(hours=1), timedelta(hours=1.5)),
    ],
)
def test_a_wait_is_lengthened_by_the_jitter_and_never_shortened(tries, shortest, longest):
    waits = [_TWO.after(tries, f"row {seed}") for seed in range(500)]
    assert all(shortest <= wait <= longest for wait in waits)
    assert max(waits) - min(waits) > (longest - shortest) * 0.9  # spread over all of it


@pytest.mark.parametrize("tries", [3, 4, 100])
def test_after_the_last_wait_it_is_given_up(tries):
    assert _TWO.after(tries, "row") is None


@pytest.mark.parametrize("tries", [0, -1])
def test_no_try_no_wait(tries):
    with pytest.raises(ValueError, match="the first wait comes after 1"):
        _TWO.after(tries, "row")


def test_the_same_seed_gives_the_same_wait():
    assert _TWO.after(1, "row 7") == _TWO.after(1, "row 7")
    assert _TWO.after(1, "row 7") != _TWO.after(1, "row 8")


def test_without_jitter_a_wait_is_exact():
    assert RetryPolicy((timedelta(seconds=10),), jitter=0).after(1, "row") == timedelta(seconds=10)


def test_deliveries_are_tried_from_seconds_on_for_four_to_five_days():
    assert list(DELIVERY.waits) == sorted(DELIVERY.waits)
    assert DELIVERY.after(1, "row") < timedelta(seconds=30)
    assert timedelta(days=4) < sum(DELIVERY.waits, timedelta()) < timedelta(days=5)
    assert DELIVERY.after(13, "row") is None


def test_emails_that_we_fail_on_are_tried_again_within_a_minute():
    assert timedelta(seconds=30) <= INTAKE.after(1, "email") <= timedelta(seconds=36)

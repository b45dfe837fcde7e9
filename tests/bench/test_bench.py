"""The benches reckon as they say, on figures that can be counted by hand."""

import json
import random
from pathlib import Path

import numpy as np
import pytest

from tests.bench import intents, understanding
from tests.bench.rows import met, print_rows, row, share_row
from triage.classifier.examples import as_email
from triage.core.parse import parse


@pytest.mark.parametrize(
    ("figure", "floor", "aim", "verdict"),
    [
        (0.96, 0.55, 0.95, "aim"),
        (0.95, 0.55, 0.95, "aim"),
        (0.6, 0.55, 0.95, "floor"),
        (0.5, 0.55, 0.95, "neither"),
        (0.005, 0.03, 0.01, "aim"),
        (0.03, 0.03, 0.01, "floor"),
        (0.04, 0.03, 0.01, "neither"),
        (0, 0, 0, "aim"),
        (1, 0, 0, "neither"),
        (None, 0.03, 0.01, "neither"),
    ],
)
def test_a_figure_meets_its_aim_its_floor_or_neither(
    figure: float | None, floor: float, aim: float, verdict: str
) -> None:
    assert met(figure, floor, aim) == verdict


def test_rows_are_json_lines_and_the_last_line_holds_them_all(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([row("a", 3, 0.5, 0.4, 0.9), share_row("b", {"count": 0, "of": 0}, 0.03, 0.01)], seed=7)
    first, second, all_of_them = map(json.loads, capsys.readouterr().out.splitlines())
    assert first == {"kind": "a", "count": 3, "figure": 0.5, "floor": 0.4, "aim": 0.9, "met": "floor", "seed": 7}
    assert (second["figure"], second["met"]) == (None, "neither")
    assert all_of_them["a"]["figure"] == 0.5
    assert list(all_of_them) == ["a", "b"]


def test_without_public_sets_a_sentence_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert intents.main(["--data", str(tmp_path)]) == 2
    assert "lacks banking77/train.csv" in capsys.readouterr().err


def test_without_a_model_a_sentence_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert understanding.main(["--model", "none-of-this-name"]) == 2
    assert "There is no model to measure" in capsys.readouterr().err


def test_unknown_questions_count_as_wrong_once_they_are_answered() -> None:
    inside = intents.Guesses(np.array(list("abab")), np.array([0.9, 0.8, 0.7, 0.2], dtype=np.float32))
    strays = intents.Guesses(np.array(["a", "b"]), np.array([0.75, 0.1], dtype=np.float32))
    area, covered = intents.unknowns(inside, np.array([True, True, True, True]), strays)
    assert area["figure"] == 0.75  # of eight pairs of a known and an unknown question two are in the wrong order
    assert (covered["part"], covered["count"]) == (2, 4)  # the third answer would come after an unknown question's


def test_a_reading_is_fitted_on_vectors_and_words_of_one_set() -> None:
    chance = np.random.default_rng(3)
    names = ["north", "south", "west"] * 8
    vectors = np.array([[name == one for one in ("north", "south", "west")] for name in names], dtype=np.float32)
    noise = chance.normal(scale=0.1, size=vectors.shape).astype(np.float32)
    questions = intents.Questions([f"the way {name}" for name in names], names, vectors + noise)
    assert intents.Reading.of(questions).guess(questions).right(questions).all()


def test_the_error_of_a_perfect_model_is_chance_alone() -> None:
    assert understanding.chance_error([1.0] * 100) == 0
    assert 0.02 < understanding.chance_error([0.9] * 400) < 0.08


def test_equally_wide_bins_weigh_what_falls_into_them() -> None:
    assert understanding.wide_error([1.0, 0.95, 0.1, 0.1], [True, True, False, False]) == pytest.approx(0.0625)
    assert understanding.wide_error([], []) == 0


def test_a_question_of_another_world_comes_as_an_email_that_holds_it_whole() -> None:
    chance = random.Random(1)
    for number in range(50):
        mail = parse(as_email(understanding.wrapped(f"q-{number}", "Why is the sky blue", chance)))
        assert "Why is the sky blue" in mail.text.splitlines()
        assert mail.sender is not None
        assert mail.subject

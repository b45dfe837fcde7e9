import json
from pathlib import Path

import pytest

from tests.house import CONTENT, ROOT
from triage.classifier.examples import Example, fingerprint, read_examples, training_files
from triage.classifier.features import fold_of, labels_of, segments_of
from triage.classifier.leak import leaks, main
from triage.classifier.manifest import ModelError

EXAMPLES = ROOT / "models" / "examples"


def line(**changes: object) -> str:
    row = {"id": "one", "from": "a@b.example", "subject": "s", "body": "b", "label": {"intents": []}, "topics": []}
    return json.dumps(row | changes)


def test_every_shipped_email_is_labelled_with_what_config_knows() -> None:
    known = {*CONTENT.entries, *CONTENT.policy.topics, "nothing-asked"}
    examples = [example for path in EXAMPLES.glob("*.jsonl") for example in read_examples(path)]
    assert {label for example in examples for label in labels_of(example)} <= known
    assert len({example.id for example in examples}) == len(examples)


def test_what_is_trained_on_is_not_what_thresholds_are_chosen_on() -> None:
    training = {(e.subject, e.body) for path in training_files(EXAMPLES) for e in read_examples(path)}
    calibration = EXAMPLES / "calibration.jsonl"
    assert calibration not in training_files(EXAMPLES)
    assert not training & {(e.subject, e.body) for e in read_examples(calibration)}


@pytest.mark.parametrize("broken", ["{", "[]", '{"subject": "s"}', '{"subject": "s", "body": "b", "label": 3}'])
def test_a_line_that_is_no_email_is_named(tmp_path: Path, broken: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(f"{line()}\n{broken}\n")
    with pytest.raises(ModelError, match="line 2"):
        read_examples(path)


def test_the_fingerprint_knows_the_emails_and_not_their_order() -> None:
    one, two = Example("1", "s", "a", ("x",), ()), Example("2", "s", "b", (), ("y",))
    assert fingerprint([one, two]) == fingerprint([two, one])
    assert fingerprint([one]) != fingerprint([two])


def test_both_emails_of_a_pair_are_in_one_part() -> None:
    one, two = (Example(name, "s", "b", (), (), pair="p-7") for name in ("1", "2"))
    assert fold_of(one) == fold_of(two)


def test_sentences_are_found_in_order() -> None:
    text = "Subject here now\nHello,\n\nHow do I add a PO? And where is the report kept?\nThanks"
    assert segments_of(text) == ["Subject here now", "How do I add a PO?", "And where is the report kept?"]


def test_eight_words_in_common_are_a_leak_and_seven_are_none(tmp_path: Path) -> None:
    words = "one two three four five six seven eight".split()
    measured = Example("m", "", " ".join(words), (), ("other",))
    assert leaks([Example("t", "", "Oh: ONE two, three four\nfive six seven eight!", (), ())], [measured])
    assert not leaks([Example("t", "", " ".join(words[:7]), (), ())], [measured])
    mine, theirs = tmp_path / "mine.jsonl", tmp_path / "theirs.jsonl"
    mine.write_text(line(body="x one two three four five six seven eight"))
    theirs.write_text(line(body="one two three four five six seven eight y"))
    assert main([str(mine), "--", str(theirs)]) == 1
    assert main([str(mine), "--"]) == 0

"""Do training emails repeat emails that we measure with? ``python -m triage.classifier.leak EXAMPLES… -- MEASURED``."""

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from triage.classifier.examples import Example, read_examples

WORDS = 8  # a sequence of so many words in common is no accident
_WORD = re.compile(r"\w+")


def sequences(text: str) -> Iterator[tuple[str, ...]]:
    """Every run of eight words, without case and punctuation."""
    words = _WORD.findall(text.lower())
    return (tuple(words[start : start + WORDS]) for start in range(len(words) - WORDS + 1))


def leaks(training: Iterable[Example], measured: Iterable[Example]) -> list[tuple[str, str, str]]:
    """(training id, measured id, the words they share), one per pair of emails."""
    known = {run: example.id for example in measured for run in sequences(f"{example.subject}\n{example.body}")}
    found: dict[tuple[str, str], str] = {}
    for example in training:
        for run in sequences(f"{example.subject}\n{example.body}"):
            if run in known:
                found.setdefault((example.id, known[run]), " ".join(run))
    return [(ours, theirs, words) for (ours, theirs), words in found.items()]


def main(arguments: list[str]) -> int:
    """Exit status 1 where something leaks."""
    if arguments.count("--") != 1:
        print("usage: python -m triage.classifier.leak EXAMPLES… -- MEASURED…", file=sys.stderr)
        return 2
    cut = arguments.index("--")
    ours, theirs = (
        [e for path in paths for e in read_examples(Path(path))] for paths in (arguments[:cut], arguments[cut + 1 :])
    )
    found = leaks(ours, theirs)
    for training, measured, words in found:
        print(f"{training} shares with {measured}: {words}")
    print(f"{len(ours)} training emails, {len(theirs)} measured ones, {len(found)} leaks")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

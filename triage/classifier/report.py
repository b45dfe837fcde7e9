"""A report on graded emails as one HTML file that needs nothing beside it.

It shows subjects of the labelled emails and what was decided, never their text.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from triage.classifier.calibrate import interval
from triage.classifier.evaluate import COVERAGES, WRONG_SHARES, Graded, Report
from triage.classifier.examples import Outcome
from triage.classifier.manifest import ModelError

TEMPLATE = Path(__file__).with_name("report.html")


@dataclass(frozen=True, slots=True)
class Line:
    """One figure, ready to print."""

    name: str
    share: str  # per cent; empty where the figure is none
    counts: str
    interval: str  # exact, 95 %


def check_drawing() -> None:
    """Before minutes of grading. Raises ModelError where matplotlib is missing."""
    if find_spec("matplotlib") is None:
        raise ModelError(
            "the report's charts need matplotlib, which is not installed here: install the project with its extra "
            "`report` (python -m pip install -e '.[report]' in a checkout), or leave --report out"
        )


def write_report(report: Report, path: Path, about: str = "") -> None:
    """Write the report to ``path``; ``about`` says which model was graded, and on what.

    Raises ModelError where matplotlib is missing or the file cannot be written.
    """
    check_drawing()
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    page = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        about=about,
        emails=len(report.graded),
        wrong=[_case(one) for one in report.graded if one.wrong],
        missed=[_case(one) for one in report.graded if not one.right and not one.wrong],
        headline=list(_headline(report)),
        error=report.calibration_error(),
        entries=list(_entries(report)),
        confused=report.confused(),
        charts=_charts(report),
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ModelError(f"the report cannot be written to {path}: {error.strerror}") from None


def _charts(report: Report) -> dict[str, str]:
    """Data URIs by name; a chart of nothing is left out."""
    from triage.classifier import charts  # needs matplotlib, which is an extra

    drawn = {}
    if points := report.risk_coverage():
        drawn["risk"] = charts.draw_risk_coverage(points, _decided(report))
        suggested = report.suggestions()
        drawn["reliability"] = charts.draw_reliability(
            [one.confidence for one in suggested], [one.suggestion_right for one in suggested]
        )
    first_labels = report.first_labels()
    if len({label for pair in first_labels for label in pair}) > 1:
        drawn["confusion"] = charts.draw_confusion(first_labels)
    return drawn


def _decided(report: Report) -> tuple[float, float]:
    """Coverage and share of wrong answers of the decisions as they were made."""
    answered = [one for one in report.graded if one.outcome.intents]
    covered = sum(one.answerable and not one.wrong for one in answered)
    answerable = sum(one.answerable for one in report.graded)
    return covered / max(1, answerable), sum(one.wrong for one in answered) / max(1, len(answered))


def _headline(report: Report) -> Iterator[Line]:
    figures = report.figures()
    replied = figures["machine_mail_replied_to"]
    yield _line("Answerable emails resolved exactly", figures["resolved"])
    yield _line("Answerable emails answered in part, nothing wrong", figures["answered_in_part"])
    yield _line("Wrong among the emails that were answered", figures["wrong_answers"])
    yield _line("Emails for a person that reached the right team", figures["right_team"])
    yield _line("Machine mail replied to", replied)
    yield _line("All emails that ended as wanted", figures["all_right"])
    for wrong in WRONG_SHARES:
        name = f"Answerable emails that the best threshold answers rightly with at most {wrong:.0%} wrong answers"
        yield _line(name, report.coverage_at(wrong))
    for coverage in COVERAGES:
        yield _line(f"Wrong among answers where {coverage:.0%} are answered rightly", report.wrong_at(coverage))


def _line(name: str, share: dict[str, Any] | None) -> Line:
    if share is None:
        return Line(name, "", "no threshold answers so many", "")
    count, of = share["count"], share["of"]
    if not of:
        return Line(name, "", "0 of 0", "")
    low, high = interval(count, of)
    return Line(name, f"{count / of:.1%}", f"{count} of {of}", f"{low:.1%} to {high:.1%}")


def _entries(report: Report) -> Iterator[tuple[Line, int]]:
    """Resolved emails per FAQ entry, the worst first, and how often the entry was sent without being asked for."""
    unasked = Counter(entry for one in report.graded for entry in one.unasked)
    table = report.by_intent()
    for entry, share in table.items():
        yield _line(entry, share), unasked[entry]
    for entry in sorted(set(unasked) - set(table)):
        yield _line(entry, {"count": 0, "of": 0}), unasked[entry]


def _case(one: Graded) -> dict[str, Any]:
    return {
        "id": one.example.id,
        "subject": one.example.subject,
        "wanted": " or ".join(_words(outcome) for outcome in one.example.wanted),
        "got": _words(one.outcome),
        "confidence": f"{one.confidence:.1%}" if one.suggested else "",
        "unasked": ", ".join(sorted(one.unasked)),
        "reasons": one.reasons,
    }


def _words(outcome: Outcome) -> str:
    """For example "answer_and_route: update-address → billing"."""
    carries = f": {', '.join(sorted(outcome.intents))}" if outcome.intents else ""
    return f"{outcome.action}{carries}" + (f" → {outcome.team}" if outcome.team else "")

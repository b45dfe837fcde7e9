import re
import sys
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path

import pytest

from triage.classifier.evaluate import Graded, Report, grade
from triage.classifier.examples import Example, Outcome
from triage.classifier.manifest import ModelError
from triage.classifier.report import write_report
from triage.core.prediction import IGNORE_LABEL


class Outline(HTMLParser):
    """What stands in a page: headings in order, and every address that it would load."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.headings: list[str] = []
        self.addresses: list[str] = []
        self.tags: set[str] = set()
        self._in_heading = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._in_heading = tag in ("h1", "h2")
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        self._in_heading = False

    def handle_data(self, data: str) -> None:
        if self._in_heading:
            self.headings.append(data)


def graded(number: int, asked: str, got: str, confidence: float, subject: str = "A question") -> Graded:
    """An email about ``asked`` that was answered with ``got`` where the confidence is above 0.5."""
    example = Example(
        f"e-{number}",
        subject,
        "The secret text of the email",
        (asked,),
        (),
        wanted=(Outcome("answer", frozenset({asked}), None),),
    )
    sent = confidence > 0.5
    outcome = Outcome("answer" if sent else "route", frozenset({got} if sent else ()), None if sent else "support")
    return grade(example, outcome, confidence=confidence, suggested=(got,), reasons=(f"likeliest is {got}",), first=got)


REPORT = Report(
    [
        graded(1, "password", "password", 0.97),
        graded(2, "password", "report", 0.9, subject="<script>alert('x')</script> & more"),
        graded(3, "report", "report", 0.8),
        graded(4, "report", "address", 0.3),
        *(graded(number, "address", "address", 0.6 + number / 100) for number in range(5, 25)),
    ]
)


def written(report: Report, folder: Path, about: str = "") -> str:
    write_report(report, folder / "report.html", about)
    return (folder / "report.html").read_text(encoding="utf-8")


def test_wrong_answers_come_first_with_their_reasons(tmp_path: Path) -> None:
    page = written(REPORT, tmp_path, "model test on a.jsonl")
    assert Outline(page).headings == [
        "How good are the decisions?",
        "Wrong answers (1)",
        "Figures",
        "Wrong answers against coverage",
        "Reliability of the confidence",
        "Label asked for and likeliest label",
        "By FAQ entry",
        "Confusable pairs",
        "Others that did not end as wanted (1)",
    ]
    wrong = page.partition("<h2>Figures")[0]
    assert "e-2" in wrong
    assert "likeliest is report" in wrong
    assert "e-4" not in wrong
    assert "24 labelled emails: model test on a.jsonl." in wrong


def test_the_page_needs_nothing_beside_it_and_runs_nothing(tmp_path: Path) -> None:
    outline = Outline(written(REPORT, tmp_path))
    assert len(outline.addresses) == 3
    for address in outline.addresses:
        assert b"<svg" in b64decode(address.removeprefix("data:image/svg+xml;base64,"))
    assert not outline.tags & {"script", "link", "iframe"}


def test_what_customers_wrote_is_escaped_and_the_text_of_emails_stays_out(tmp_path: Path) -> None:
    page = written(REPORT, tmp_path)
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; more" in page
    assert "secret text" not in page


def test_figures_stand_beside_their_counts_and_exact_intervals(tmp_path: Path) -> None:
    page = re.sub(r"<[^>]+>", "|", written(REPORT, tmp_path))
    assert "|Answerable emails resolved exactly||91.7%||22 of 24||73.0% to 99.0%|" in page
    assert "|Wrong among the emails that were answered||4.3%||1 of 23||0.1% to 21.9%|" in page
    assert "|password||50.0%||1 of 2||1.3% to 98.7%||0|" in page
    assert "|report||50.0%||1 of 2||1.3% to 98.7%||1|" in page
    assert "|report||address||1|" in page


def test_the_same_report_is_the_same_bytes(tmp_path: Path) -> None:
    assert written(REPORT, tmp_path) == written(REPORT, tmp_path)


def test_twenty_eight_labels_fit_and_each_is_named(tmp_path: Path) -> None:
    names = [f"a-rather-long-label-{number}" for number in range(27)] + [IGNORE_LABEL]
    emails = [graded(number, name, names[number // 2], 0.4) for number, name in enumerate(names)]
    page = written(Report(emails), tmp_path)
    drawing = b64decode(Outline(page).addresses[-1].partition("base64,")[2]).decode()
    assert all(drawing.count(f"<!-- {name} -->") >= 2 for name in names)
    width = float(re.search(r'width="([\d.]+)pt"', drawing).group(1))  # type: ignore[union-attr]
    assert width > 28 * 18


def test_where_nothing_was_suggested_there_are_no_charts_of_it(tmp_path: Path) -> None:
    example = Example("e-1", "", "", (), (), wanted=(Outcome("route", frozenset(), "support"),))
    page = written(Report([grade(example, Outcome("route", frozenset(), "support"))]), tmp_path)
    assert Outline(page).addresses == []
    assert "No email got an answer that it did not ask for." in page


def test_where_all_suggestions_are_right_the_charts_are_drawn_all_the_same(tmp_path: Path) -> None:
    one = Report([graded(1, "password", "password", 0.9)])
    assert len(Outline(written(one, tmp_path)).addresses) == 2  # a matrix of one label says nothing


def test_without_matplotlib_a_sentence_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ModelError, match=r"need matplotlib.*pip install -e '\.\[report\]'"):
        write_report(REPORT, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_a_report_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be written to"):
        write_report(REPORT, tmp_path)

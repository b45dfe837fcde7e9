"""Charts of a report, drawn by matplotlib and scikit-learn's displays. Import it only where matplotlib is wanted."""

from base64 import b64encode
from collections.abc import Sequence
from io import BytesIO

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from sklearn.calibration import CalibrationDisplay
from sklearn.metrics import ConfusionMatrixDisplay

from triage.classifier.evaluate import BINS, WRONG_SHARES, Point


def draw_risk_coverage(points: Sequence[Point], decided: tuple[float, float]) -> str:
    """``decided``: coverage and share of wrong answers of the decisions as they were made."""
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    coverages, risks = [point.coverage for point in points], [point.risk for point in points]
    axes.plot(coverages, risks, drawstyle="steps-post", label="other thresholds")
    axes.plot(*decided, "o", color="black", label="as decided")
    for wrong in WRONG_SHARES:
        axes.axhline(wrong, color="grey", linewidth=0.6, linestyle="dotted")
    axes.set(xlabel="answerable emails answered rightly", ylabel="wrong among answers", xlim=(0, 1))
    # A wrong answer at the very top is a share of 100 %: the part that matters would be squeezed flat.
    axes.set_ylim(0, min(0.3, max(0.12, 1.1 * max(risks), 1.1 * decided[1])))
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.legend(loc="upper left")
    return _image(figure)


def draw_reliability(confidences: Sequence[float], right: Sequence[bool]) -> str:
    """Confidence of suggestions against the share of them that is right, in bins that hold equally many."""
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    CalibrationDisplay.from_predictions(
        [int(one) for one in right], confidences, n_bins=BINS, strategy="quantile", ax=axes, pos_label=1
    )
    axes.set(xlabel="confidence", ylabel="share that is right", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    if legend := axes.get_legend():
        legend.remove()
    return _image(figure)


def draw_confusion(first_labels: Sequence[tuple[str, str]]) -> str:
    """(label asked for, likeliest label) of each email; sized so that 28 labels can be read."""
    labels = sorted({label for pair in first_labels for label in pair})
    size = 3 + 0.34 * len(labels)
    figure = Figure(figsize=(size, size), layout="constrained")
    axes = figure.subplots()
    display = ConfusionMatrixDisplay.from_predictions(
        [asked for asked, _ in first_labels],
        [guessed for _, guessed in first_labels],
        labels=labels,
        xticks_rotation="vertical",
        cmap="Blues",
        colorbar=False,
        text_kw={"fontsize": 8},
        ax=axes,
    )
    for cell in display.text_.ravel():
        if cell.get_text() == "0":
            cell.set_text("")
    axes.set(xlabel="likeliest label", ylabel="label asked for")
    return _image(figure)


def _image(figure: Figure) -> str:
    """A data URI of an SVG; the same figure gives the same bytes."""
    buffer = BytesIO()
    with rc_context({"svg.hashsalt": "triage"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return f"data:image/svg+xml;base64,{b64encode(buffer.getvalue()).decode()}"

"""The command line is at hand at once: nothing is imported that a command does not need."""

import subprocess
import sys

import pytest

HEAVY = ["sklearn", "scipy", "onnxruntime", "matplotlib", "sqlalchemy", "imapclient", "aiosmtplib", "pymap", "alembic"]


@pytest.mark.parametrize(
    ("module", "spared"),
    [
        ("triage.cli.app", [*HEAVY, "numpy", "pydantic", "jinja2"]),
        ("triage.wiring", HEAVY),
        ("triage.cli.decide", HEAVY),
        ("triage.cli.history", ["sklearn", "scipy", "onnxruntime", "imapclient", "pymap"]),
        ("triage.cli.ledger", ["sklearn", "scipy", "onnxruntime", "pymap"]),
        ("triage.cli.status", ["sklearn", "scipy", "onnxruntime", "pymap"]),
        ("triage.cli.serve", ["sklearn", "onnxruntime", "pymap"]),
        ("triage.classifier.predict", ["triage.classifier.train", "sqlalchemy", "imapclient", "matplotlib"]),
    ],
)
def test_a_module_leaves_alone_what_it_does_not_need(module: str, spared: list[str]) -> None:
    program = f"import sys, {module}; print(*sorted(set({spared}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == []

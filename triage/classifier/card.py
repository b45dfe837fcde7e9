"""A model's card: what it was made of, its thresholds, and what they are worth. Read by commands that load no model."""

import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from triage.classifier.manifest import write_manifest

CARD = "card.json"
LIBRARIES = ("scikit-learn", "numpy", "joblib", "onnxruntime", "tokenizers")


def model_folder(models_dir: Path, name: str) -> Path:
    """Where a model lies: the one that is shipped, or one that ``triage train`` made."""
    return models_dir / "release" if name == "release" else models_dir / "built" / name


def versions() -> dict[str, str]:
    """What the trained part depends on."""
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


def write_card(folder: Path, card: dict[str, Any]) -> None:
    """Card and manifest belong together: a card changed by hand is noticed."""
    (folder / CARD).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    write_manifest(folder, {"model": folder.name})


def read_card(folder: Path) -> dict[str, Any]:
    card: dict[str, Any] = json.loads((folder / CARD).read_text(encoding="utf-8"))
    return card

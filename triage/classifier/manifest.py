"""Files that were made elsewhere are checked before they are read: nothing unknown is unpickled or run."""

import hashlib
import json
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"


class ModelError(Exception):
    """A model or encoder is missing or damaged; the text says which and what to do."""


def sha256(path: Path) -> str:
    """SHA-256 of a file, hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write_manifest(folder: Path, about: dict[str, Any]) -> None:
    """List every file of ``folder`` with its SHA-256 beside ``about``."""
    files = {path.name: sha256(path) for path in sorted(folder.iterdir()) if path.is_file() and path.name != MANIFEST}
    text = json.dumps({**about, "files": files}, indent=2, sort_keys=True)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest, after every file in it was found unchanged. Raises ModelError."""
    path = folder / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        files: dict[str, str] = manifest["files"]
    except FileNotFoundError:
        raise ModelError(f"{path} is missing: there is no model in {folder}; run `triage train` or reinstall") from None
    except (ValueError, KeyError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} cannot be read ({error}); restore it from a fresh clone") from None
    for name, wanted in files.items():
        file = folder / name
        if not file.is_file():
            raise ModelError(f"{file} is missing; restore it from a fresh clone, or run `triage train`")
        if sha256(file) != wanted:
            raise ModelError(f"{file} is damaged: its SHA-256 is not that of {path}; restore it from a fresh clone")
    return manifest

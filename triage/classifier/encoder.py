"""Sentence encoders: text in, a vector of length 1 out."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
from tokenizers import Tokenizer

from triage.classifier.manifest import ModelError, read_manifest

Vector = npt.NDArray[np.float32]


class Encoder:
    """One int8 ONNX encoder with its tokenizer.

    Texts are encoded one at a time, in training and in service: a dynamically quantised model gives a text another
    vector beside other texts (cosine down to 0.98), and a batch of one makes the decision the same on every machine.
    """

    def __init__(self, folder: Path) -> None:
        """Raises ModelError where files are missing or damaged."""
        manifest = read_manifest(folder)
        self.fingerprint = str(manifest["files"]["model.onnx"])[:12]
        self.dimensions = int(manifest["dimensions"])
        options = onnxruntime.SessionOptions()
        # One thread each: several sessions whose threads spin fight for the cores.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options)
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # the libraries raise their own kinds; none of them carries email text
            raise ModelError(f"{folder} cannot be loaded: {error}; restore it from a fresh clone") from error
        self._tokenizer.enable_truncation(int(manifest["tokens"]))
        self._tokenizer.no_padding()

    def encode(self, text: str) -> Vector:
        """A vector of shape (dimensions,) and length 1."""
        tokens = self._tokenizer.encode(text)
        ids = np.array([tokens.ids], dtype=np.int64)
        mask = np.ones_like(ids)
        (vector,) = self._session.run(None, {"input_ids": ids, "attention_mask": mask})
        return np.asarray(vector[0], dtype=np.float32)

    def encode_all(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Shape (len(texts), dimensions)."""
        return np.stack([self.encode(text) for text in texts]) if texts else np.zeros((0, self.dimensions), np.float32)

"""Sentence encoders: text in, vectors of length 1 out."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
from tokenizers import Tokenizer

from triage.classifier.manifest import ModelError, read_manifest

Vectors = npt.NDArray[np.float32]


class Encoder:
    """The int8 ONNX encoders of one folder, by name, with the tokenizer that they share: model-0, model-1… are tuned on
    our examples, model-general is as upstream made it.

    Texts are encoded one at a time, in training and in service: a dynamically quantised model gives a text another
    vector beside other texts (cosine down to 0.98), and a batch of one makes the decision the same on every machine.
    """

    def __init__(self, folder: Path) -> None:
        """Raises ModelError where files are missing or damaged."""
        manifest = read_manifest(folder)
        self.dimensions = int(manifest["dimensions"])
        names = sorted(name for name in manifest["files"] if name.endswith(".onnx"))
        if not names:
            raise ModelError(f"{folder} has no .onnx file; restore it from a fresh clone")
        self.fingerprint = "-".join(manifest["files"][name][:8] for name in names)
        options = onnxruntime.SessionOptions()
        # One thread each: several sessions whose threads spin fight for the cores.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False  # 24 MB less, as fast for one text at a time (measured)
        try:
            self._sessions = [onnxruntime.InferenceSession(str(folder / name), options) for name in names]
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # the libraries raise kinds of their own; none of them carries email text
            raise ModelError(f"{folder} cannot be loaded: {error}; restore it from a fresh clone") from error
        self._tokenizer.enable_truncation(int(manifest["tokens"]))
        self._tokenizer.no_padding()

    def __len__(self) -> int:
        """How many encoders there are."""
        return len(self._sessions)

    def encode(self, text: str) -> Vectors:
        """Shape (encoders, dimensions), each row of length 1."""
        return np.stack([self._run(session, text) for session in self._sessions])

    def encode_with(self, which: int, text: str) -> Vectors:
        """Shape (dimensions,): the vector of one encoder alone."""
        return self._run(self._sessions[which], text)

    def encode_all(self, texts: Sequence[str]) -> Vectors:
        """Shape (texts, encoders, dimensions)."""
        if not texts:
            return np.zeros((0, len(self), self.dimensions), np.float32)
        return np.stack([self.encode(text) for text in texts])

    def _run(self, session: onnxruntime.InferenceSession, text: str) -> Vectors:
        ids = np.array([self._tokenizer.encode(text).ids], dtype=np.int64)
        (vector,) = session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
        return np.asarray(vector[0], dtype=np.float32)

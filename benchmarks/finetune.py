"""One LoRA epoch of SmolLM2 on movie snippets: ours against transformers' Trainer.

    OMP_NUM_THREADS=1 python benchmarks/finetune.py --rows 2000
    OMP_NUM_THREADS=1 python benchmarks/finetune.py --rows 256      (what a shared machine bears)

Both sides get the same texts, soft labels, dtype, batch, LoRA targets, rank, rate and schedule, the same first adapters and a head that
starts at zero, and the cross-entropy against soft labels; each runs in a process of its own. The Trainer pads each random batch to its
longest row (its default collator). CPU seconds count from the texts to the trained model, loading of the weights included and imports left
out. Loss is read afterwards on 512 other rows. One epoch of other batches ends in another place, so a third side gives the Trainer our
batches: its loss says whether the two compute the same training, and its seconds what the order of rows alone is worth.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

RANK, BATCH, RATE, LIMIT = 8, 32, 5e-4, 256
HELD = 512


def data(rows: int) -> tuple[list[str], np.ndarray]:
    from outgrow import packaged
    from outgrow.tasks.split import sample

    task = sample(packaged("movies"), rows + HELD)
    yes = task.truth_at(task.ids) == task.truth_at(task.ids).max()
    return [task.inputs[i] for i in task.ids], np.where(yes[:, None], [0.2, 0.8], [0.8, 0.2])


def held_loss(logits: np.ndarray, labels: np.ndarray) -> list[float]:
    from scipy.special import log_softmax

    return [float(v) for v in -(labels * log_softmax(logits, axis=1)).sum(1)]


def batches(lengths: np.ndarray) -> list[np.ndarray]:
    """Return the rows of each of our steps."""
    from outgrow.learners.finetune_loop import Course, order

    return order(lengths, Course(1, BATCH, 4096, RATE, 0.0, "linear", 0.0, "float32", seed=0))


def peak() -> float:
    """Return the most memory this process has held, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def ours(texts: list[str], labels: np.ndarray, model: str) -> dict[str, Any]:
    import peft  # noqa: F401  imports are left out of the seconds on both sides

    from outgrow.learners import FineTune
    from outgrow.tasks.labels import WeakLabels
    from outgrow.tasks.rows import Rows

    n = len(texts) - HELD
    rows, weak = Rows.from_arrays(inputs=texts), WeakLabels.from_probs(labels, ["no", "yes"])
    learner = FineTune(
        model, lora=RANK, batch=BATCH, lr=RATE, max_tokens=LIMIT, dtype="float32", checkpoint=None, warmup=0.0
    )
    started = time.process_time()
    learner.fit(rows[:n], weak[:n])
    seconds, most = time.process_time() - started, peak()
    lengths = np.array([len(t) for t in learner._tokens(rows[:n])])
    read = sum(len(r) * lengths[r].max() for r in batches(lengths))
    return {
        "seconds": seconds,
        "peak": most,
        "losses": held_loss(learner.logits(rows[n:]), labels[n:]),
        "tokens": int(lengths.sum()),
        "padded": int(read),
        "longest": int(lengths.max()),
        "mean": float(lengths.mean()),
        "p95": float(np.percentile(lengths, 95)),
        "cut": float((lengths == LIMIT).mean()),
    }


def trainer(texts: list[str], labels: np.ndarray, model: str, *, our_batches: bool = False) -> dict[str, Any]:
    import peft
    import torch
    import transformers

    from outgrow.encoders.source import ModelSource

    folder = str(ModelSource(model, packaged="/" not in model).folder())
    n = len(texts) - HELD
    read: list[int] = []

    class Soft(transformers.Trainer):
        def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **more: Any) -> Any:
            target = inputs.pop("labels")
            read.append(inputs["input_ids"].numel())
            out = model(**inputs)
            loss = -(target * torch.log_softmax(out.logits, dim=-1)).sum(-1).mean()
            return (loss, out) if return_outputs else loss

        def get_train_dataloader(self) -> Any:
            if not our_batches:
                return super().get_train_dataloader()
            lengths = np.array([len(row["input_ids"]) for row in self.train_dataset])
            own = [rows.tolist() for rows in batches(lengths)]
            return torch.utils.data.DataLoader(self.train_dataset, batch_sampler=own, collate_fn=self.data_collator)

    started = time.process_time()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.padding_side = "right"
    net = transformers.AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2, dtype=torch.float32)
    net.config.pad_token_id = tokenizer.pad_token_id
    net.score = torch.nn.Linear(net.config.hidden_size, 2)
    torch.nn.init.zeros_(net.score.weight)
    torch.nn.init.zeros_(net.score.bias)
    names = [k for k, m in net.named_modules() if isinstance(m, torch.nn.Linear) and k != "score"]
    config = peft.LoraConfig(
        r=RANK, lora_alpha=2 * RANK, lora_dropout=0.0, target_modules=names, modules_to_save=["score"], bias="none"
    )
    torch.manual_seed(0)
    net = peft.get_peft_model(net, config)
    ids = tokenizer(texts, truncation=True, max_length=LIMIT)["input_ids"]
    rows = [{"input_ids": t, "labels": y.tolist()} for t, y in zip(ids, labels.astype(np.float32), strict=True)]
    arguments = transformers.TrainingArguments(
        output_dir=tempfile.gettempdir(),
        num_train_epochs=1,
        per_device_train_batch_size=BATCH,
        learning_rate=RATE,
        lr_scheduler_type="linear",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
        seed=0,
        logging_strategy="no",
        remove_unused_columns=False,
    )
    collate = transformers.DataCollatorWithPadding(tokenizer)
    Soft(model=net, args=arguments, train_dataset=rows[:n], data_collator=collate).train()
    seconds, most = time.process_time() - started, peak()
    logits = []
    net.eval()
    with torch.inference_mode():
        for t in ids[n:]:
            logits.append(net(input_ids=torch.tensor([t])).logits[0].numpy())
    return {
        "seconds": seconds,
        "peak": most,
        "losses": held_loss(np.array(logits, dtype=np.float64), labels[n:]),
        "padded": sum(read),
    }


def apart(a: dict[str, Any], b: dict[str, Any]) -> tuple[float, float]:
    """Return how much higher the first loss is, as a share of the second, and twice its standard error over rows."""
    first, second = np.array(a["losses"]), np.array(b["losses"])
    gap, mean = first - second, second.mean()
    return float(gap.mean() / mean), float(1.96 * gap.std(ddof=1) / len(gap) ** 0.5 / mean)


SIDES: dict[str, Callable[..., dict[str, Any]]] = {
    "ours": ours,
    "trainer": trainer,
    "trainer, our batches": partial(trainer, our_batches=True),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--model", default="smollm2", help="a packaged name, or a folder")
    parser.add_argument("--side", choices=list(SIDES))
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    if given.side:
        warnings.simplefilter("ignore")
        found = SIDES[given.side](*data(given.rows), given.model)
        print("RESULT " + json.dumps(found), flush=True)
        return 0
    results = {}
    for side in SIDES:
        command = [sys.executable, __file__, "--rows", str(given.rows), "--model", given.model, "--side", side]
        done = subprocess.run(command, capture_output=True, text=True)
        line = next((x for x in done.stdout.splitlines() if x.startswith("RESULT ")), None)
        if line is None:
            print(done.stderr[-3000:], file=sys.stderr)
            return 2
        results[side] = json.loads(line.removeprefix("RESULT "))
        print(side, {k: v for k, v in results[side].items() if k != "losses"}, flush=True)
    a, b = results["ours"], results["trainer"]
    ratio, same = a["seconds"] / b["seconds"], apart(a, results["trainer, our batches"])
    text = (
        f"{given.rows} snippets, {a['tokens']:,} tokens (mean {a['mean']:.1f}, 95th percentile {a['p95']:.0f}, longest "
        f"{a['longest']}, {a['cut']:.1%} cut at {LIMIT})\n\n| | CPU seconds | tokens read, padding included | peak memory (GB) | "
        f"loss on {HELD} other rows |\n| --- | --- | --- | --- | --- |\n"
        + "\n".join(
            f"| {k} | {r['seconds']:.0f} | {r['padded']:,} | {r['peak']:.2f} | {np.mean(r['losses']):.4f} |"
            for k, r in results.items()
        )
        + f"\n\nratio {ratio:.2f} (bar .8); loss {same[0]:+.2%} of the Trainer's with the same batches, ± {same[1]:.2%} over rows "
        f"(bar 1 %), {'{:+.1%}, ± {:.1%}'.format(*apart(a, b))} with batches of its own\n"
    )
    print(text)
    if given.out:
        given.out.write_text(text, "utf-8")
    return 0 if ratio <= 0.8 and abs(same[0]) <= 0.01 else 1


if __name__ == "__main__":
    sys.exit(main())

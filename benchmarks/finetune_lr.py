"""A sweep of the learning rate on movie snippets, everything else alike.

    OMP_NUM_THREADS=1 python benchmarks/finetune_lr.py --rows 2000 --held 400 --batch 32
    OMP_NUM_THREADS=1 python benchmarks/finetune_lr.py --model minilm --rank 0 --rates 2e-5 5e-5 1e-4 2e-4     (all weights)

Each rate trains on the same rows in the same order from the same adapters, on true labels, and is judged on other rows: by log loss first,
because accuracy on so few tells little. One line of JSON a rate, with CPU seconds; the last sets them beside the estimate of a dry run.
Without arguments it is a sweep of ten steps.
"""

from __future__ import annotations

import argparse
import json
import resource
import time

import numpy as np

RATES = (1e-4, 2.5e-4, 5e-4, 1e-3, 2e-3)


def main() -> None:
    """Sweep, and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--rows", type=int, default=160)
    parser.add_argument("--held", type=int, default=120)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rank", type=int, default=8, help="of the adapters; 0 trains the weights themselves")
    parser.add_argument("--layers", default="all", help="all, 'last n' or head")
    parser.add_argument("--rates", type=float, nargs="+", default=list(RATES))
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()

    from scipy.special import log_softmax

    from outgrow import packaged
    from outgrow.learners import FineTune
    from outgrow.learners.finetune_estimate import fit_cost
    from outgrow.tasks.rows import Rows
    from outgrow.tasks.split import sample

    task = sample(packaged("movies"), given.rows + given.held, seed=given.seed)
    rows = Rows.from_arrays(inputs=[task.inputs[i] for i in task.ids])
    truth = task.truth_at(task.ids)
    mixed = np.random.default_rng(given.seed).permutation(len(rows))
    learn, held = mixed[: given.rows], mixed[given.rows :]
    taken = []
    for rate in given.rates:
        learner = FineTune(
            given.model,
            lora=given.rank or None,
            layers=given.layers,
            batch=given.batch,
            lr=rate,
            dtype="float32",
            checkpoint=None,
            random_state=given.seed,
        )
        started = time.process_time()
        learner.fit(rows[learn], np.asarray(task.classes)[truth[learn]])
        trained = time.process_time()
        logits = learner.logits(rows[held])
        taken.append(time.process_time() - started)
        said = log_softmax(logits, axis=1)[np.arange(len(held)), truth[held]]
        found = {
            "lr": rate,
            "log_loss": float(-said.mean()),
            "log_loss_se": float(said.std(ddof=1) / np.sqrt(len(said))),
            "accuracy": float((logits.argmax(1) == truth[held]).mean()),
            "first_loss": float(learner.loss_[0]),
            "last_losses": float(learner.loss_[-3:].mean()),
            "steps": learner.n_iter_,
            "fit_seconds": round(trained - started, 1),
        }
        print(json.dumps(found), flush=True)
    tokens = [len(t) / 4 + 1 for t in rows.view("inputs")]
    cost = fit_cost(learner, given.rows, float(np.mean(tokens)), given.held, max(tokens))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    about = {k: v for k, v in vars(given).items() if k != "rates"}
    about |= {"seconds": round(float(np.mean(taken)), 1), "peak_gb": round(peak / 1e9, 2)}
    if cost is not None:
        about |= {"estimated_seconds": round(cost.seconds, 1), "estimated_gb": round(cost.bytes / 1e9, 2)}
    print(json.dumps(about), flush=True)


if __name__ == "__main__":
    main()

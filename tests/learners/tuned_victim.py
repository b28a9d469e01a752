"""A fit that is killed: it trains a student on what a folder holds and stops itself, hard, at a given step."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path


def fit(folder: Path, die_at: int | None) -> None:
    from outgrow.learners import FineTune, finetune_base
    from outgrow.learners.finetune_loop import train
    from outgrow.methods.confidence import Confidence
    from outgrow.tasks.labels import WeakLabels
    from outgrow.tasks.rows import Rows

    given = json.loads((folder / "given.json").read_text("utf-8"))
    steps: list[int] = []

    def counted(*args, **options):
        def tick(step: int) -> None:
            steps.append(step)
            if step == die_at:
                os.kill(os.getpid(), signal.SIGKILL)

        return train(*args, **options, tick=tick)

    finetune_base.train = counted
    rows = Rows.from_arrays(inputs=given["texts"])
    weak = WeakLabels.from_probs([[1 - p, p] for p in given["yes"]], ["no", "yes"])
    learner = FineTune(given["model"], **given["options"])
    method = Confidence(learner).fit(rows, weak)
    out = {
        "steps": steps,
        "logits": method.logits(rows).tolist(),
        "loss": method.student_.loss_.tolist(),
        "kept": method.student_.earlier(0.25).logits(rows).tolist(),
    }
    (folder / "out.json").write_text(json.dumps(out), "utf-8")


if __name__ == "__main__":
    fit(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None)

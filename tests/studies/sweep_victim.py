"""A sweep of fine-tuned fits that is killed: it runs a study, writes down every step of training, and stops itself, hard, at one."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any


def sweep(folder: Path, home: Path, die_at: int | None = None) -> Any:
    """Run the study that a folder holds, with checkpoints after every step; return its results."""
    os.environ["OUTGROW_HOME"] = str(home)
    import outgrow
    from outgrow.learners import finetune_base
    from outgrow.learners.finetune_checkpoint import checkpoints
    from outgrow.learners.finetune_loop import train

    given = json.loads((folder / "given.json").read_text("utf-8"))
    steps = home.parent / f"{home.name}-steps.txt"

    def counted(*args: Any, keeper: Any = None, **options: Any) -> Any:
        fit = keeper.folder.name

        def tick(step: int) -> None:
            done = steps.read_text("utf-8").splitlines() if steps.exists() else []
            if len(done) == die_at:
                os.kill(os.getpid(), signal.SIGKILL)
            steps.write_text("\n".join([*done, f"{fit} {step}"]) + "\n", "utf-8")

        return train(*args, keeper=keeper, **options, tick=tick)

    def always(key: str, every: float | None, crew: Any) -> Any:
        return checkpoints(key, 0.0, crew)

    finetune_base.train, finetune_base.checkpoints = counted, always  # type: ignore[assignment]
    task = outgrow.Task.from_arrays(given["texts"], given["truth"], name="reviews")
    return outgrow.run(
        given["study"], out=home.parent / f"{home.name}-out", task=task, processes=1, say=lambda sentence: None
    )


if __name__ == "__main__":
    sweep(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else None)

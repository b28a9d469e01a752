"""One training in two processes of ``accelerate launch`` (gloo, on the CPU) agrees with one process, the model whole or in pieces."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from launched import SEVERAL, environment, launch
from outgrow.learners.finetune_shard import CONFIG
from outgrow.tasks.rows import Rows

SCRIPT = """
import json, os, sys
from pathlib import Path
from outgrow.learners import FineTune
from outgrow.methods.confidence import Confidence
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.rows import Rows
folder = Path(sys.argv[1])
given = json.loads((folder / "given.json").read_text("utf-8"))
rows = Rows.from_arrays(inputs=given["texts"])
weak = WeakLabels.from_probs([[1 - p, p] for p in given["yes"]], ["no", "yes"])
from outgrow.learners import finetune_base, finetune_shard
held = {}
cut = finetune_base.shard
def watched(model, size):
    made = cut(model, size)
    own = [p for p in made.trunk.parameters() if finetune_shard.is_shard(p)]
    held["pieces"] = sum(p.to_local().numel() for p in own) / max(1, sum(p.numel() for p in own))
    return made
finetune_base.shard = watched
method = Confidence(FineTune(given["model"], batch=16, lr=3e-3, checkpoint=0.0, batch_tokens=60)).fit(rows, weak)
out = {"logits": method.logits(rows).tolist(), "size": int(os.environ.get("WORLD_SIZE", 1)), **held}
(folder / f"out{os.environ.get('RANK', 0)}.json").write_text(json.dumps(out), "utf-8")
"""


@pytest.mark.slow
def test_two_processes_agree_with_one(llama: Path, reviews: tuple[Rows, NDArray[np.str_]], tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT, "utf-8")
    ways = {
        "one": [],
        "whole": [*launch(), *SEVERAL],
        "pieces": [*launch(), "--config_file", str(CONFIG)],
    }
    found: dict[str, list[dict[str, Any]]] = {}
    for name, command in ways.items():
        folder = tmp_path / name
        folder.mkdir()
        texts, yes = reviews[0].view("inputs")[:64], np.where(reviews[1][:64] == "yes", 0.7, 0.25).tolist()
        about = {"texts": texts, "yes": yes, "model": str(llama)}
        (folder / "given.json").write_text(json.dumps(about), "utf-8")
        done = subprocess.run(
            [sys.executable, *command, str(script), str(folder)],
            capture_output=True,
            text=True,
            timeout=600,
            env=environment(),
        )
        assert done.returncode == 0, done.stderr[-6000:]
        found[name] = [json.loads(p.read_text("utf-8")) for p in sorted(folder.glob("out*.json"))]
    one = found["one"][0]
    assert (one["size"], one["pieces"]) == (1, 0)
    assert np.ptp(np.array(one["logits"])) > 0.05
    for name, held in (("whole", 0.0), ("pieces", 0.5)):
        first, second = found[name]
        assert first["size"] == second["size"] == 2
        assert first["pieces"] == pytest.approx(held, abs=0.05), "the share of the trunk that a process holds"
        assert first["logits"] == second["logits"]
        np.testing.assert_allclose(first["logits"], one["logits"], atol=1e-4)

"""One training in two processes of ``accelerate launch`` (gloo, on the CPU) agrees with one process."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

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
method = Confidence(FineTune(given["model"], batch=16, lr=3e-3, checkpoint=0.0)).fit(rows, weak)
out = {"logits": method.logits(rows).tolist(), "size": int(os.environ.get("WORLD_SIZE", 1))}
(folder / f"out{os.environ.get('RANK', 0)}.json").write_text(json.dumps(out), "utf-8")
"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.mark.slow
def test_two_processes_agree_with_one(llama: Path, reviews: tuple[Rows, NDArray[np.str_]], tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT, "utf-8")
    found: list[list[dict[str, Any]]] = []
    # Its name for "several processes"; without a graphics processor they meet over gloo.
    launch = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"]
    launch += ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", str(free_port())]
    for name, command in (("one", []), ("two", launch)):
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
            # The processes meet at this machine's own address, which the tests' guard refuses.
            env={k: v for k, v in os.environ.items() if k != "OUTGROW_BLOCKED_LOG"},
        )
        assert done.returncode == 0, done.stderr[-6000:]
        found.append([json.loads(p.read_text("utf-8")) for p in sorted(folder.glob("out*.json"))])
    one, two = found
    assert [o["size"] for o in one] == [1]
    assert [o["size"] for o in two] == [2, 2]
    assert two[0]["logits"] == two[1]["logits"]
    np.testing.assert_allclose(two[0]["logits"], one[0]["logits"], atol=1e-4)
    assert np.ptp(np.array(one[0]["logits"])) > 0.05

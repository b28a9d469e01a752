"""Run by test_encode.py: encodes once undisturbed, then once for each k, killed with SIGKILL at line k and resumed.

Each attempt is a fork, so that torch is imported once. Prints one JSON line.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import torch
from transformers import AutoModel, AutoTokenizer, LlamaModel  # noqa: F401  (imported once, before the forks)

from outgrow.encoders import text
from outgrow.encoders.encode import encode
from outgrow.fingerprints import fingerprint
from outgrow.store import Journal, Store

base, folder = Path(sys.argv[1]), sys.argv[2]
inputs = json.loads((base / "inputs.json").read_text())
task = SimpleNamespace(inputs=inputs, key=fingerprint(inputs))
views = [{"encoder": folder, "layer": layer, "batch_tokens": 128, "dtype": "float32"} for layer in (1, 3)]
text._SHARD_WORK = 0
torch.set_num_threads(1)


class Kills(Journal):
    """Ends the process after (``early``: before) the k-th line of a run."""

    def __init__(self, path: Path, k: int, early: bool):
        super().__init__(path)
        self.left, self.early = k, early

    def write(self, event: str, **fields) -> None:
        self.left -= 1
        if self.left == 0 and self.early:
            os.kill(os.getpid(), signal.SIGKILL)
        super().write(event, **fields)
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def attempt(name: str, k: int, early: bool = False) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            rows = encode(
                task,
                views,
                store=Store(base / name),
                progress=False,
                show=lambda s: None,
                journal=Kills(base / f"{name}.jsonl", k, early),
            )
            found = [hashlib.sha256(rows.view(n).tobytes()).hexdigest() for n in rows.matrices]
            (base / f"{name}.result").write_text(json.dumps(found))
            os._exit(0)
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def report(name: str, exits: list[int]) -> dict:
    lines = [(e["key"], e["shard"]) for e in Journal(base / f"{name}.jsonl").read()]
    return {
        "exits": exits,
        "lines": len(lines),
        "distinct": len(set(lines)),
        "views": json.loads((base / f"{name}.result").read_text()),
    }


out = {"plain": report("plain", [attempt("plain", -1)])}
total = out["plain"]["lines"]
for k in (1, 2, total // 2, total):
    for early in (False, True):
        name = f"k{k}{'early' if early else ''}"
        out[name] = report(name, [attempt(name, k, early), attempt(name, -1)])
print(json.dumps(out))

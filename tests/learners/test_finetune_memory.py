"""Freed blocks go back to the system."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from outgrow.learners.finetune_memory import give_back_large_blocks

SCRIPT = """
import json
import numpy as np
from outgrow.learners.finetune_memory import give_back_large_blocks

def held():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 1e6

def kept():
    before = held()
    large, small = [], []
    for _ in range(30):
        large.append(np.ones(10**6))
        small.append(np.ones(25000))
    del large
    return held() - before

# The first large block that is freed raises glibc's bound.
first = np.ones(3 * 10**6)
del first
print(json.dumps([kept(), give_back_large_blocks(), kept()]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a setting of glibc")
def test_freed_blocks_go_back() -> None:
    """Thirty blocks of 8 MB between small ones of 6 MB in all: all stay with the process before, none after."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    before, there, after = json.loads(done.stdout)
    if not there:
        pytest.skip("another C library")
    assert before > 150
    assert after < 20


def test_elsewhere_nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not give_back_large_blocks()

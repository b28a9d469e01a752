from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.rows import Rows
from tiny_llama import WORDS, save_llama


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="session")
def reviews() -> tuple[Rows, NDArray[np.str_]]:
    """240 short texts whose class is a word in them; every text differs in length from its neighbours."""
    rng = random.Random(1)
    texts, truth = [], []
    for i in range(240):
        words = rng.choices([w for w in WORDS if w not in ("good", "bad")], k=rng.randint(1, 14))
        words.insert(rng.randrange(len(words) + 1), ("bad", "good")[i % 2])
        texts.append(" ".join(words))
        truth.append(("no", "yes")[i % 2])
    return Rows.from_arrays(inputs=texts), np.array(truth)


@pytest.fixture(scope="session")
def weak(reviews: tuple[Rows, NDArray[np.str_]]) -> WeakLabels:
    """Soft labels, right on four rows of five; every tenth row is not covered."""
    truth = reviews[1]
    rng = np.random.default_rng(0)
    right = rng.random(len(truth)) < 0.8
    yes = np.where((truth == "yes") == right, 0.8, 0.2) + rng.uniform(-0.1, 0.1, len(truth))
    covered = np.arange(len(truth)) % 10 != 3
    return WeakLabels.from_probs(np.stack([1 - yes, yes], axis=1), ["no", "yes"], covered=covered)

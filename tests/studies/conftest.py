from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import outgrow


@pytest.fixture
def given() -> dict[str, Any]:
    """What :data:`small.STUDY` is run with: 240 rows of two classes, and two of their four features as the weak view."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 240)
    x = rng.normal(size=(240, 4)) + y[:, None] * [1.0, 0.5, 1.0, 0.0]
    return {
        "task": outgrow.Task.from_arrays(x, y),
        "views": {"two": x[:, :2]},
        "processes": 1,
        "say": lambda sentence: None,
    }

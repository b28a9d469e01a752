"""The smallest study of two views, for the task that the fixture ``given`` makes."""

from __future__ import annotations

from typing import Any

STUDY: dict[str, Any] = {
    "name": "small",
    "task": {"arrays": {"inputs": "unused.npy"}},
    "split": {"teach": 40, "transfer": 100, "select": 20, "test": 80},
    "supervisors": [{"probe": "two", "penalty": 1.0, "folds": 2}],
    "students": [{"encoder": "inputs", "penalty": 0.1}],
    "seeds": 2,
}

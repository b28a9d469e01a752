"""What is trained: anything that maps a view of the rows to logits."""

from __future__ import annotations

import importlib
from typing import Any

_PUBLIC = {
    "CrossEntropy": "objective",
    "FineTune": "finetune",
    "FineTuneReward": "finetune_reward",
    "FineTuneValue": "finetune",
    "Learner": "learner",
    "LinearHead": "linear",
    "MixtureHead": "mixture",
    "Objective": "objective",
    "RidgeHead": "ridge",
    "Squared": "objective",
    "ridge_loo": "ridge",
}

__all__ = [*_PUBLIC]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

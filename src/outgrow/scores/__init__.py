"""What a result is worth: metrics, intervals, the value that holds one evaluation, and the verdict in words."""

from __future__ import annotations

import importlib
from typing import Any

_NAMES = {
    "Cell": "evaluation",
    "Evaluation": "evaluation",
    "Flag": "verdict",
    "Interval": "quantities",
    "Numbers": "verdict",
    "Undefined": "quantities",
    "Verdict": "verdict",
    "chance_to_see": "power",
    "default_metric": "metrics",
    "detectable": "intervals",
    "mean_interval": "intervals",
    "paired_interval": "intervals",
    "pooled_mean": "intervals",
    "pooled_ratio": "intervals",
    "ratio_interval": "intervals",
    "row_score": "metrics",
    "rows_needed": "intervals",
    "rows_to_label": "intervals",
    "rows_to_see": "power",
}

__all__ = sorted(_NAMES)


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)

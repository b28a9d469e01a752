"""outgrow: train a strong model on weak labels, and know how far it will outgrow them.

Methods, supervisors, forecasts and audits stay in their folders (``outgrow.methods.Naive``). Names are imported when first used, because
torch and scikit-learn take seconds to load.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "Task": "tasks.task",
    "packaged": "tasks.packaged",
    "split": "tasks.split",
    "sample": "tasks.split",
    "Roles": "tasks.split",
    "Rows": "tasks.rows",
    "WeakLabels": "tasks.labels",
    "Known": "tasks.needs",
    "encode": "encoders.encode",
    "LinearHead": "learners.linear",
    "RidgeHead": "learners.ridge",
    "references": "studies.evaluate",
    "grant": "studies.evaluate",
    "evaluate": "studies.evaluate",
    "Evaluation": "scores.evaluation",
    "Cell": "scores.evaluation",
    "Study": "studies.study",
    "run": "road",
    "reproduce": "road",
    "plan_truth": "studies.plan_truth",
    "choose": "studies.choose",
    "Student": "studies.student",
    "load": "studies.student",
    "push": "studies.push",
    "fingerprint": "fingerprints",
    "OutgrowError": "errors",
}
_FOLDERS = (
    "audits",
    "encoders",
    "forecasts",
    "learners",
    "methods",
    "reports",
    "scores",
    "studies",
    "supervisors",
    "tasks",
)

__all__ = [*_PUBLIC, *_FOLDERS, "__version__"]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    if name in _FOLDERS:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

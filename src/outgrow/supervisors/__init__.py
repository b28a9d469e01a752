"""Supervisors: whatever gives weak labels, and what can be said of their labels without truth."""

from __future__ import annotations

import importlib
from typing import Any

_NAMES = {
    "DebateSupervisor": "debate",
    "FileSupervisor": "file",
    "LexiconRule": "lexicon",
    "ModelSupervisor": "model",
    "ProbeSupervisor": "probe",
    "PromptSupervisor": "prompt",
    "Quality": "summary",
    "RuleSupervisor": "rules",
    "StockfishSupervisor": "stockfish",
    "Supervisor": "protocol",
    "kinds": "factory",
    "packaged_rules": "lexicon",
    "quality": "summary",
    "supervisor": "factory",
}

__all__ = list(_NAMES)


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

"""Scoring and decoding with language models."""

from __future__ import annotations

import importlib
from typing import Any

_NAMES = {"LanguageModel": "model", "kept_scores": "answers", "take_turns": "turns"}

__all__ = list(_NAMES)


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

"""Encoders: inputs become views, matrices that are made once and cached by content.

``outgrow.encode`` makes views of a task; ``outgrow.encoders.encoder.encoder`` makes one encoder by name. Neither is handed on here,
because a module of the same name would hide it.
"""

from __future__ import annotations

import importlib
from typing import Any

_NAMES = {
    "encode_new": "encode",
    "estimate": "encode",
    "fitted": "encode",
    "view_key": "encode",
    "view_notes": "encode",
    "BaseEncoder": "encoder",
    "Counts": "encoder",
    "Encoder": "encoder",
    "ViewSpec": "encoder",
    "encoder_table": "encoder",
    "load_encoder": "encoder",
    "parse": "encoder",
    "save_encoder": "encoder",
}

__all__ = list(_NAMES)


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

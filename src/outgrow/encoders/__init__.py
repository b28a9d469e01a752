"""Encoders: inputs become views, matrices that are made once and cached by content.

``outgrow.encode`` makes views of a task, ``encoder.encoder`` one encoder by name, ``estimate.estimate`` says what views cost. They are
not handed on here, because modules of the same names would hide them.
"""

from __future__ import annotations

import importlib
from typing import Any

_NAMES = {
    "encode_new": "encode",
    "fitted": "encode",
    "view_key": "keys",
    "view_notes": "encode",
    "BaseEncoder": "encoder",
    "Counts": "encoder",
    "Encoder": "encoder",
    "ViewSpec": "views",
    "encoder_table": "encoder",
    "load_encoder": "encoder",
    "parse": "views",
    "save_encoder": "encoder",
}

__all__ = list(_NAMES)


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

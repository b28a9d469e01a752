"""A study's results for people: one HTML file, its Markdown twin, and the table of the terminal."""

from __future__ import annotations

import importlib
from typing import Any

_NAMES = {
    "content": "content",
    "print_table": "table",
    "render_html": "html.render",
    "to_markdown": "markdown.to_markdown",
    "write_html": "html.write",
    "write_markdown": "markdown.write",
}

__all__ = sorted(_NAMES)


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        module, _, inner = _NAMES[name].partition(".")
        return getattr(importlib.import_module(f"{__name__}.{module}"), inner or name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)

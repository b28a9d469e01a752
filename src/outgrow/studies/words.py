"""How names and numbers are written in every report."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from typing import Any

from outgrow.scores.intervals import number as _short

__all__ = ["clean", "clip", "count", "interval", "isolate", "line", "number", "plural", "share", "signed", "width_of"]

# Characters that turn the direction of the text around them, or hide text: a name must not rearrange a report.
_TURNERS = set(map(chr, (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF)))
REPLACED = "�"


def clean(name: object) -> str:
    """Return a name on one line, with control characters and direction overrides replaced by U+FFFD."""
    return "".join(map(_shown, str(name)))


def line(sentence: object) -> str:
    """Return a sentence on one line, like :func:`clean`, but keep the isolates that :func:`isolate` put around its names."""
    return "".join(c if c in "\u2068\u2069" else _shown(c) for c in str(sentence))


def _shown(char: str) -> str:
    if char in "\t\n\r\x0b\x0c\x85\u2028\u2029":
        return " "
    turns = char in _TURNERS or unicodedata.category(char) in {"Cc", "Cs", "Cn", "Co"}
    return REPLACED if turns else char


def isolate(name: object, length: int = 60) -> str:
    """Return a name for use inside a sentence: cleaned, shortened, and kept from turning the words around it."""
    text = clip(clean(name), length)
    turned = any(unicodedata.bidirectional(char) in {"R", "AL", "AN"} for char in text)
    return f"\u2068{text}\u2069" if turned else text


def clip(text: str, length: int) -> str:
    """Shorten a text to a number of characters, with an ellipsis."""
    return text if len(text) <= length else text[: max(length - 1, 1)].rstrip() + "…"


def width_of(text: str, size: float = 12.0) -> float:
    """Estimate how wide a text is drawn in a system font, in the units of ``size``; errs on the wide side."""
    units = 0.0
    for char in text:
        if unicodedata.east_asian_width(char) in {"W", "F"}:
            units += 1.0
        elif char in "iIl.,:;'|![]()·- ":
            units += 0.36
        elif char in "mwMW@%":
            units += 0.92
        elif char.isupper():
            units += 0.7
        elif unicodedata.combining(char):
            units += 0.0
        else:
            units += 0.58
    return units * size


def number(value: float | None, digits: int | None = None) -> str:
    """Write a score as :func:`outgrow.scores.intervals.number` does, or with fixed decimals; an en dash for what is absent."""
    if value is None or not math.isfinite(value):
        return "–"
    if digits is None:
        return _short(float(value))
    text = f"{value:.{digits}f}"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def signed(value: float | None) -> str:
    """Write a difference with its sign."""
    return "–" if value is None or not math.isfinite(value) else _short(float(value), sign=True)


def interval(low: float | None, high: float | None, *, plus: bool = False) -> str:
    """Write the two ends of an interval in brackets."""
    write = signed if plus else number
    return f"[{write(low)}, {write(high)}]" if low is not None and high is not None else ""


def share(value: float | None) -> str:
    """Write a share in per cent."""
    if value is None or not math.isfinite(value):
        return "–"
    percent = 100 * value
    return f"{percent:.0f} %" if percent >= 1 or percent == 0 else f"{percent:.1f} %"


def count(value: float) -> str:
    """Write a count with thousands separated."""
    return f"{int(value):,}"


def plural(value: float, noun: str) -> str:
    """Write a count with its noun: ``1 seed``, ``5 seeds``."""
    return f"{count(value)} {noun}{'' if int(value) == 1 else 's'}"


def flat(values: Mapping[str, Any]) -> str:
    """Write a mapping on one line."""
    return ", ".join(f"{clean(k)} {clean(v)}" for k, v in values.items())

"""A small drawing board for inline SVG: scales, ticks, marks, and text that is always escaped.

Colours are CSS classes that the page defines for light and dark, so nothing here names one. Each figure is drawn twice, wide and
narrow, because text inside a scaled SVG would be unreadable on a phone.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from outgrow.studies.words import clean, line, width_of

__all__ = ["NARROW", "WIDE", "Board", "Scale", "fit", "ticks"]

WIDE = 680
NARROW = 320
TEXT = 12.0


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Return round numbers inside [low, high], at most ``most`` of them (at least two where the range allows)."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low]
    span = (high - low) / max(most - 1, 1)
    power = 10.0 ** math.floor(math.log10(span))
    step = next(power * m for m in (1, 2, 2.5, 5, 10, 20) if power * m >= span * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(k * step, 12) + 0.0 for k in range(first, last + 1)]


def tick_text(value: float, all_ticks: Sequence[float]) -> str:
    """Write a tick with as many decimals as the set needs."""
    if value == 0:
        return "0"
    digits = next((d for d in range(7) if all(abs(round(t, d) - t) < 1e-9 for t in all_ticks)), 6)
    text = f"{abs(value):.{digits}f}"
    if text.startswith("0.") and abs(value) < 1:
        text = text[1:]
    return ("-" if value < 0 else "") + text


Marks = Sequence[tuple[float, str]]


def _marks(scale: Scale, most: int) -> Marks:
    values = ticks(scale.low, scale.high, most)
    return [(value, tick_text(value, values)) for value in values]


@dataclass(frozen=True)
class Scale:
    """A linear map from [low, high] to [start, stop] in drawing units."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        """Return where a value is drawn; a value far outside stops at the edge."""
        part = (value - self.low) / (self.high - self.low)
        return self.start + min(max(part, -0.02), 1.02) * (self.stop - self.start)

    @classmethod
    def over(cls, values: Sequence[float], start: float, stop: float, *, pad: float = 0.06) -> Scale:
        """Cover some values with a little room on both sides."""
        low, high = min(values), max(values)
        room = (high - low) * pad or abs(high) * pad or 0.05
        return cls(low - room, high + room, start, stop)


def fit(text: object, units: float, size: float = TEXT) -> str:
    """Shorten a text until it fits a width."""
    text = clean(text)
    if width_of(text, size) <= units:
        return text
    while text and width_of(text + "…", size) > units:
        text = text[:-1]
    return text.rstrip() + "…"


@dataclass
class Board:
    """Collects the elements of one drawing.

    Parameters
    ----------
    width, height : float
        Drawing units; one unit is one CSS pixel at full size.
    """

    width: float
    height: float
    parts: list[str] = field(default_factory=list)

    def text(
        self, x: float, y: float, value: object, css: str = "t", anchor: str = "start", turn: float | None = None
    ) -> None:
        """Put a text with its baseline at (x, y)."""
        rotate = f' transform="rotate({turn:g} {x:.1f} {y:.1f})"' if turn is not None else ""
        place = "" if anchor == "start" else f' text-anchor="{anchor}"'
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" class="{css}"{place}{rotate}>{html.escape(clean(value), quote=True)}</text>'
        )

    def line(self, x1: float, y1: float, x2: float, y2: float, css: str = "grid") -> None:
        """Draw a line."""
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{css}"/>')

    def box(self, x: float, y: float, width: float, height: float, css: str) -> None:
        """Draw a rectangle; nothing where it has no size."""
        if width > 0 and height > 0:
            self.parts.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" class="{css}"/>'
            )

    def path(self, points: Sequence[tuple[float, float]], css: str) -> None:
        """Draw a line through points."""
        steps = " ".join(f"{'L' if i else 'M'}{x:.1f} {y:.1f}" for i, (x, y) in enumerate(points))
        self.parts.append(f'<path d="{steps}" class="{css}"/>')

    def area(self, points: Sequence[tuple[float, float]], css: str) -> None:
        """Fill the area that points enclose."""
        steps = " ".join(f"{'L' if i else 'M'}{x:.1f} {y:.1f}" for i, (x, y) in enumerate(points))
        self.parts.append(f'<path d="{steps}Z" class="{css}"/>')

    def mark(self, role: str, x: float, y: float, size: float = 4.5, *, hollow: bool = False) -> None:
        """Draw a role's mark; roles differ by shape as well as by colour."""
        css = f"mark {role}" + (" hollow" if hollow else "")
        if role == "direct":
            s = size * 1.25
            d = f"M{x:.1f} {y - s:.1f}L{x + s:.1f} {y:.1f}L{x:.1f} {y + s:.1f}L{x - s:.1f} {y:.1f}Z"
            self.parts.append(f'<path d="{d}" class="{css}"/>')
        elif role == "ceiling":
            s = size * 1.2
            d = f"M{x:.1f} {y - s:.1f}L{x + s:.1f} {y + s * 0.8:.1f}L{x - s:.1f} {y + s * 0.8:.1f}Z"
            self.parts.append(f'<path d="{d}" class="{css}"/>')
        elif role in ("floor", "self"):
            s = size * 0.9
            self.parts.append(
                f'<rect x="{x - s:.1f}" y="{y - s:.1f}" width="{2 * s:.1f}" height="{2 * s:.1f}" class="{css}"/>'
            )
        else:
            self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size:.1f}" class="{css}"/>')

    def whisker(self, role: str, low: float, high: float, at: float, *, upright: bool = False) -> None:
        """Draw an interval as a line (along x, or along y when upright)."""
        ends = (at, low, at, high) if upright else (low, at, high, at)
        self.line(*ends, f"whisker {role}")

    def legend(self, items: Sequence[tuple[str, str]], x: float, y: float) -> float:
        """Put (role, words) pairs on as many lines as they need; return the y below them."""
        at, low = x, y
        for role, words in items:
            need = 16 + width_of(words, TEXT) + 14
            if at > x and at + need - 14 > self.width:
                at, low = x, low + 18
            self.mark(role, at + 5, low - 4)
            self.text(at + 15, low, words, "t soft")
            at += need
        return low + 14

    def x_axis(
        self, scale: Scale, top: float, bottom: float, words: str, most: int = 6, marks: Marks | None = None
    ) -> None:
        """Draw upright grid lines with numbers and the axis' words below; ``marks`` are places with words of their own."""
        for value, words_at in _marks(scale, most) if marks is None else marks:
            self.line(scale(value), top, scale(value), bottom)
            half = width_of(words_at) / 2
            at = min(max(scale(value), half), self.width - half)
            self.text(at, bottom + 15, words_at, "t num soft", "middle")
        middle = (scale.start + scale.stop) / 2
        words = fit(words, self.width - 4)
        half = width_of(words) / 2
        middle = min(max(middle, half + 2), self.width - half - 2)
        self.text(middle, bottom + 33, words, "t soft", "middle")

    def y_axis(
        self, scale: Scale, left: float, right: float, words: str, most: int = 6, marks: Marks | None = None
    ) -> None:
        """Draw level grid lines with numbers at the left and the axis' words above the plot."""
        for value, words_at in _marks(scale, most) if marks is None else marks:
            self.line(left, scale(value), right, scale(value))
            self.text(left - 6, scale(value) + 4, words_at, "t num soft", "end")
        self.text(0, min(scale.start, scale.stop) - 10, fit(words, self.width), "t soft")

    def svg(self, name: str, title: str, description: str, css: str) -> str:
        """Return the drawing with its text alternative; ``name`` must be unique on the page."""
        t, d = html.escape(line(title), quote=True), html.escape(line(description), quote=True)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="{css}" role="img" aria-labelledby="{name}-t {name}-d" '
            f'viewBox="0 0 {self.width:g} {self.height:g}" style="--w:{self.width:g}px">'
            f'<title id="{name}-t">{t}</title><desc id="{name}-d">{d}</desc>{"".join(self.parts)}</svg>'
        )

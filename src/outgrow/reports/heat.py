"""Figures of a comparison: one interval a method, and a field of methods by studies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from outgrow.reports.figures import Figure, Table
from outgrow.reports.svg import Board, Scale, fit
from outgrow.studies.words import clean, clip, interval, plural, signed, width_of

__all__ = ["Bar", "forest", "heat"]

STEPS = 3
"""Shades on either side of nothing."""


@dataclass(frozen=True)
class Bar:
    """One method's difference with its interval, and words that stand beside it."""

    label: str
    mean: float
    low: float | None
    high: float | None
    note: str = ""


def forest(name: str, title: str, bars: Sequence[Bar], axis: str) -> Figure:
    """Draw one difference a line, with its interval, beside a line at 0."""
    ends = [v for b in bars for v in (b.mean, b.low, b.high) if v is not None] + [0.0]

    def draw(width: float) -> Board:
        narrow = width < 400
        height = 34.0 if narrow else 24.0
        left = 0.0 if narrow else max(width_of(clip(clean(b.label), 40)) for b in bars) + 14
        board = Board(width, height * len(bars) + 52)
        scale = Scale.over(ends, left + 4, width - 6)
        bottom = height * len(bars) + 8
        board.x_axis(scale, 4, bottom, axis, 5 if narrow else 8)
        board.line(scale(0.0), 4, scale(0.0), bottom, "zero")
        for k, bar in enumerate(bars):
            y = height * k + (24.0 if narrow else 18.0)
            if narrow:
                board.text(0, y - 8, fit(bar.label, width), "t halo")
            else:
                board.text(0, y + 4, fit(bar.label, left - 8), "t")
            if bar.low is not None and bar.high is not None:
                board.whisker("student", scale(bar.low), scale(bar.high), y)
            board.mark("student", scale(bar.mean), y, 4.2)
        return board

    rows = tuple((b.label, signed(b.mean), interval(b.low, b.high, plus=True) or "no interval", b.note) for b in bars)
    columns = ("method", "difference", "95 % interval", "won, tied, lost")
    table = Table(columns, rows, axis, frozenset(columns[1:]))
    described = "; ".join(f"{clip(clean(b.label), 40)} {signed(b.mean)}" for b in bars[:12])
    more = f" and {len(bars) - 12} more, in the table" if len(bars) > 12 else ""
    description = f"Dots with 95 % intervals and a line at 0. {axis}: {described}{more}."
    return Figure.drawn(name, title, description, draw, table)


def heat(
    name: str,
    title: str,
    methods: Sequence[str],
    studies: Sequence[str],
    values: Mapping[tuple[str, str], tuple[float, bool]],
    what: str,
) -> Figure:
    """Draw a field of numbers, shaded by their size on either side of 0.

    Parameters
    ----------
    values : mapping of (method, study)
        The number, and whether its interval leaves out 0; such a number is set in bold. What is missing stays blank.
    what : str
        What the numbers are.
    """
    largest = max((abs(v) for v, _ in values.values()), default=0.0) or 1.0

    def shade(value: float) -> str:
        # Square-root steps: one outlier must not bleach all others.
        k = min(STEPS, int((abs(value) / largest) ** 0.5 * STEPS + 0.5))
        return "h0" if k == 0 else f"{'up' if value > 0 else 'down'}{k}"

    def draw(width: float) -> Board:
        longest = max(width_of(clip(clean(m), 40)) for m in methods) + 10
        left = min(longest, width * 0.36)
        column = min((width - left) / max(len(studies), 1), 96.0)
        widest = max(width_of(clip(clean(s), 24)) for s in studies)
        slanted = widest > column - 6
        head = 10 + (widest * 0.77 if slanted else 14)
        row = 24.0
        board = Board(width, head + row * len(methods) + 6)
        for j, study in enumerate(studies):
            x = left + column * (j + 0.5)
            if slanted:
                board.text(x + 4, head - 6, clip(study, 24), "t soft", "start", -50)
            else:
                board.text(x, head - 6, clip(study, 24), "t soft", "middle")
        for k, method in enumerate(methods):
            y = head + row * k
            board.text(0, y + 16, fit(method, left - 8), "t")
            for j, study in enumerate(studies):
                if (method, study) not in values:
                    continue
                value, sure = values[method, study]
                board.box(left + column * j + 1, y + 1, column - 2, row - 2, f"heat {shade(value)}")
                css = "t num strong" if sure else "t num"
                board.text(left + column * (j + 0.5), y + 16, signed(value), css, "middle")
        return board

    def cell(method: str, study: str) -> str:
        if (method, study) not in values:
            return "–"
        value, sure = values[method, study]
        return signed(value) + (" *" if sure else "")

    rows = tuple((m, *(cell(m, s) for s in studies)) for m in methods)
    table = Table(("method", *studies), rows, f"{what}; * where the 95 % interval leaves out 0.", frozenset(studies))
    told = [(m, s, *values[m, s]) for m in methods for s in studies if (m, s) in values]
    sure = [t for t in told if t[3]]
    description = f"A field of {plural(len(methods), 'method')} by {len(studies)} studies. {what}. "
    description += (
        f"{sum(t[2] > 0 for t in sure)} numbers are surely above 0 and {sum(t[2] < 0 for t in sure)} surely below."
    )
    return Figure.drawn(name, title, description, draw, table)

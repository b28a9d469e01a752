"""The one or two pictures of a result, on matplotlib's axes, for notebooks and papers. Reports draw their own, as SVG."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from outgrow.scores.evaluation import Cell
from outgrow.scores.quantities import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_intervals", "plot_roles"]

MARKS = {"floor": "s", "direct": "D", "student": "o", "ceiling": "^", "self": "v"}
"""A marker a role, as in reports: readable in print and by people who do not tell colours apart."""
COLOURS = {"floor": "#6a7078", "direct": "#a04d0c", "student": "#15598f", "ceiling": "#33713f", "self": "#7a4a86"}
INCH = 0.42
LONGEST = 60


def _axes(ax: Axes | None, lines: int, names: Sequence[str]) -> Axes:
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=(8.0, 1.4 + INCH * lines), layout="constrained")
    ax.set_yticks(range(lines), [n if len(n) <= LONGEST else n[: LONGEST - 1] + "…" for n in names])
    ax.set_ylim(lines - 0.5, -0.5)
    ax.grid(axis="x", alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def plot_roles(cells: Iterable[Cell], names: Sequence[str], ax: Axes | None = None) -> Axes:
    """Draw floor, direct, student, ceiling and self of each cell, with their 95 % intervals.

    Parameters
    ----------
    cells : iterable of Cell
        Of one metric, from top to bottom.
    names : sequence of str
        What to call each.
    ax : matplotlib Axes, optional
        Default: axes of a new figure.
    """
    cells = list(cells)
    ax = _axes(ax, len(cells), names)
    for role, mark in MARKS.items():
        points = [(row, c.shown(role), c.value(role)) for row, c in enumerate(cells) if role in c.roles]
        known = [(row, found, value) for row, found, value in points if value is not None]
        if not known:
            continue
        bars = [(f.mean - f.low, f.high - f.mean) if isinstance(f, Interval) else (0.0, 0.0) for _, f, _ in known]
        ax.errorbar(
            [value for _, _, value in known],
            # Roles lie a little apart, so that equal scores hide none.
            [row + 0.12 * (list(MARKS).index(role) - 2) for row, _, _ in known],
            xerr=list(zip(*bars, strict=True)),
            fmt=mark,
            color=COLOURS[role],
            label=role,
            capsize=2,
            markersize=5,
        )
    if cells:
        ax.set_xlabel(cells[0].evaluations[0].metric.replace("_", " "))
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.9 / max(len(cells), 1)), ncols=len(MARKS), frameon=False)
    return ax


def plot_intervals(
    names: Sequence[str],
    values: Sequence[float],
    ends: Sequence[tuple[float, float] | None],
    *,
    label: str,
    ax: Axes | None = None,
    hollow: Sequence[bool] | None = None,
) -> Axes:
    """Draw values with their intervals beside a line at 0.

    Parameters
    ----------
    names : sequence of str
    values : sequence of float
    ends : sequence of (low, high), or None where there is no interval
    label : str
        Of the horizontal axis, with its unit.
    ax : matplotlib Axes, optional
        Default: axes of a new figure.
    hollow : sequence of bool, optional
        Which are drawn empty: values that are guessed, or cannot be told.
    """
    ax = _axes(ax, len(names), names)
    ax.axvline(0.0, color="#555555", linewidth=1)
    for row, (value, pair) in enumerate(zip(values, ends, strict=True)):
        fill = "none" if hollow is not None and hollow[row] else COLOURS["student"]
        bar = None if pair is None else [[value - pair[0]], [pair[1] - value]]
        ax.errorbar([value], [row], xerr=bar, fmt="o", color=COLOURS["student"], markerfacecolor=fill, capsize=2)
    ax.set_xlabel(label)
    return ax

"""The terminal table of a choice: advice, ranks, and what was left out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from outgrow.studies.words import clean, clip, line

if TYPE_CHECKING:
    from rich.console import Console

    from outgrow.studies.choose import Choice

__all__ = ["print_choice"]

WIDTH = 100
MOST = 12


def print_choice(choice: Choice, console: Console) -> None:
    """Print a choice, its first twelve lines in a table.

    Parameters
    ----------
    choice : Choice
    console : rich Console
    """
    from rich.table import Table
    from rich.text import Text

    width = min(console.width, WIDTH) if console.is_terminal else WIDTH

    def say(words: str, style: str = "") -> None:
        for part in Text(line(words), style).wrap(console, width):
            part.rstrip()
            console.print(part, soft_wrap=True)

    say(choice.headline, "bold")
    console.print()
    priced = choice.table["cost"].notna().any()
    grid = Table(box=None, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    grid.add_column("", justify="right")
    grid.add_column("method on student, taught by", overflow="fold")
    grid.add_column("expected gain", justify="right", no_wrap=True)
    if priced:
        grid.add_column("cost", justify="right")
    grid.add_column("why", overflow="fold")
    for row in choice.table.head(MOST).to_dict("records"):
        names = [clip(clean(str(row[k])), 40) for k in ("method", "student", "supervisor")]
        cells: list[str | Text] = [str(row["rank"]), Text(f"{names[0]} on {names[1]}, {names[2]}"), _gain(row)]
        if priced:
            cells.append("" if not math.isfinite(row["cost"]) else f"{row['cost']:,.4g}")
        grid.add_row(*cells, Text(clean(str(row["reason"])), "dim"))
    console.print(grid, width=width, soft_wrap=False)
    if len(choice.table) > MOST:
        console.print(f"and {len(choice.table) - MOST} more: --json lists all")
    if choice.money:
        console.print()
        say("By expected gain for money, in points of accuracy for a unit of it:")
        for place, way in enumerate(choice.money[:MOST], 1):
            span = f"{_points(way.per_money)} [{_points(way.low)}, {_points(way.high)}]"
            say(f"{place}. {clean(way.way)}: {span}, for {way.cost:,.4g} in all")
    if len(choice.rivals):
        console.print()
    for rival in choice.rivals:
        what = "trained on your truth" if rival.name == "direct" else "merely asked"
        say(
            f"{clean(rival.student)} {what}: right on {100 * rival.accuracy:.0f} % of {rival.rows} teach rows, the first of the list on "
            f"{100 * rival.student_accuracy:.0f} %; difference [{100 * rival.low:+.1f}, {100 * rival.high:+.1f}] points."
        )
    console.print()
    say(
        "Gains are points of accuracy over the supervisor, forecast without truth; brackets are 90 % over tasks like those it learned from."
    )
    for note in (*choice.notes, *(f"failed: {e}" for e in choice.errors)):
        say(note)


def _gain(row: dict[Any, Any]) -> str:
    if not row["told"]:
        return "cannot tell"
    return f"{100 * row['gain']:+.1f} [{100 * row['gain_low']:+.1f}, {100 * row['gain_high']:+.1f}]"


def _points(value: float) -> str:
    return f"{100 * value:+.3g}"

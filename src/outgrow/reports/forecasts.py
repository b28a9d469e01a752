"""The terminal table of forecasts: one line each, with the assumptions that the student breaks as notes beneath."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

from outgrow.studies.words import clean, clip, number

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

__all__ = ["print_forecasts"]

WIDTH = 100


def print_forecasts(table: pd.DataFrame, console: Console) -> None:
    """Print forecast gains, each in its own unit.

    Parameters
    ----------
    table : DataFrame
        supervisor, student, method, forecast, order, unit, value, low, high, broken.
    console : rich Console
    """
    from rich.table import Table
    from rich.text import Text

    breaks = dict.fromkeys(b for line in table["broken"] for b in line.split("; ") if b)
    marks = {b: string.ascii_lowercase[i] if i < 26 else f"n{i}" for i, b in enumerate(breaks)}
    grid = Table(box=None, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name, side in (
        ("method on student, taught by", "left"),
        ("forecast", "left"),
        ("gain", "right"),
        ("unit", "left"),
    ):
        grid.add_column(name, justify="right" if side == "right" else "left", overflow="fold", no_wrap=name == "gain")
    grid.add_column("", overflow="fold")
    last = ""
    for line in table.to_dict("records"):
        names = [clip(clean(str(line[k])), 40) for k in ("method", "student", "supervisor")]
        who = f"{names[0]} on {names[1]}, {names[2]}"
        doubt = (
            ""
            if line["low"] is None or line["low"] != line["low"]
            else f" [{number(line['low'])}, {number(line['high'])}]"
        )
        told = f"{line['forecast']}({line['order']})" if line["order"] else str(line["forecast"])
        notes = ",".join(marks[b] for b in str(line["broken"]).split("; ") if b)
        grid.add_row(
            Text("" if who == last else who), told, number(line["value"]) + doubt, str(line["unit"]), Text(notes, "dim")
        )
        last = who
    console.print(grid, width=min(console.width, WIDTH) if console.is_terminal else WIDTH, soft_wrap=False)
    if marks:
        console.print()
        console.print("The theorems behind these ask for more than such a student keeps:")
    for words, mark in marks.items():
        console.print(f"  {mark}  {words}")

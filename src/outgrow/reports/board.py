"""The leaderboards of a comparison for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outgrow.reports.compared import BLOCK_WORDS, board_table
from outgrow.reports.page import rows_of
from outgrow.scores.leaderboard import BLOCKS
from outgrow.studies.compare import Comparison
from outgrow.studies.words import clean, line

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["print_comparison"]

SHOWN = ("method", "cells", "- naive", "PGR - naive", "won, tied, lost", "p", "cost")


def print_comparison(comparison: Comparison, console: Console | None = None) -> None:
    """Print the headline and a table for each block; the report has the rest."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = console or Console(highlight=False, markup=False)
    if not console.is_terminal and console.width < 100:
        console = Console(file=console.file, width=100, highlight=False, markup=False)
    console.print(Text(line(comparison.headline()), "bold"))
    rows = rows_of(comparison.board.methods)
    for unit in dict.fromkeys(str(r["unit"]) for r in rows):
        for block in BLOCKS:
            mine = [r for r in rows if r["unit"] == unit and r["truth"] == block]
            if not mine:
                continue
            told = board_table(mine)
            kept = [j for j, c in enumerate(told.columns) if c in SHOWN]
            grid = Table(
                title=f"\n{BLOCK_WORDS[block]} ({clean(unit)})",
                title_justify="left",
                box=None,
                pad_edge=False,
                padding=(0, 1, 0, 0),
            )
            for j in kept:
                grid.add_column(told.columns[j], justify="right" if j else "left", overflow="fold")
            for cells in told.rows:
                grid.add_row(*(Text(clean(cells[j])) for j in kept))
            console.print(grid)
    for note in comparison.notes:
        console.print(Text(line(note), "dim"))

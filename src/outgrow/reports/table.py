"""The one table of the terminal: floor, direct, student, ceiling, gain, PGR, misfit and verdict of each row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from outgrow.reports.content import floor_note, main_rows
from outgrow.reports.page import MainRow
from outgrow.studies.results import Results
from outgrow.studies.words import clean, clip, line, plural

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["print_table"]

PLAIN_WIDTH = 100
NARROWEST = 98
STYLES = {"better": "green", "use_truth": "yellow", "worse": "red", "below_chance": "yellow", "one_class": "yellow"}


def print_table(results: Results, console: Console | None = None) -> None:
    """Print the decision, the table, and what stands under it.

    Rows that spent truth follow in a block of their own. In a terminal narrower than 98 columns each row is a small list; into a file
    or a pipe the table is 100 columns wide, without colours.

    Parameters
    ----------
    results : Results
    console : rich Console, optional
    """
    from rich.console import Console
    from rich.text import Text

    console = console or Console(highlight=False, markup=False)
    if not console.is_terminal and console.width < PLAIN_WIDTH:
        console = Console(file=console.file, width=PLAIN_WIDTH, highlight=False, markup=False)
    width = console.width
    decision = results.decide()

    def say(words: str, style: str = "") -> None:
        for part in Text(line(words), style).wrap(console, min(width, PLAIN_WIDTH)):
            part.rstrip()
            console.print(part, soft_wrap=True)

    say(decision.lead, "bold")
    say(decision.reason)
    rows = main_rows(results)
    columns = tuple(dict.fromkeys(c for r in rows for c in r.cells))
    for words, block in (
        ("", [r for r in rows if not r.spent]),
        ("Given truth; judge these against direct:", [r for r in rows if r.spent]),
    ):
        if not block:
            continue
        console.print()
        if words:
            say(words, "italic")
        if width >= NARROWEST:
            console.print(_grid(block, columns, min(width, 140)), soft_wrap=True)
        else:
            _stack(block, columns, say)
    if rows:
        console.print()
    flags = dict.fromkeys(
        f"{clip(clean(r.names[2]), 40)}: {sentence}" for r in rows for code, sentence in r.flags if "PGR" not in code
    )
    for note in (*flags, *floor_note(results), *results.notes):
        say(note, "dim")


def _grid(rows: Sequence[MainRow], columns: Sequence[str], width: int) -> object:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    sizes = {
        name: max(len(name), *(len(p) for r in rows for p in _cell(name, *r.cells[name]).split("\n")))
        for name in columns
    }
    left = width - sum(sizes.values()) - len(columns) - 1
    verdict_width = min(24, max(13, left // 2))
    grid = Table(box=None, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    grid.add_column("method on student,\ntaught by", overflow="fold", width=max(left - verdict_width, 14))
    for name in columns:
        grid.add_column(name, justify="right", width=sizes[name], no_wrap=True)
    grid.add_column("  verdict", overflow="fold", width=verdict_width)
    for r in rows:
        names = [clip(clean(n), 48) for n in r.names]
        who = f"{names[0]} on {names[1]},\n{names[2]}" + (f"\nspent {plural(r.spent, 'row')}" if r.spent else "")
        cells = [Text(_cell(name, *r.cells[name])) for name in columns]
        verdict = Text("", STYLES.get(r.code, ""))
        verdict.append(r.verdict)
        for words, _ in r.flags:
            verdict.append(f"; {words}", "dim")
        grid.add_row(Text(who), *cells, Padding(verdict, (0, 0, 0, 2)))
    return grid


def _cell(name: str, value: str, under: str) -> str:
    """Write a figure for the grid: with its interval or unit beneath where there is room for it, without a reason."""
    if name in ("gain", "PGR"):
        return f"{value}\n{under}" if under.startswith("[") else value
    if name == "misfit":
        return f"{value}\n{under.rpartition('] ')[2]}" if value != "–" else value
    return value


def _stack(rows: Sequence[MainRow], columns: Sequence[str], say: object) -> None:
    assert callable(say)
    for r in rows:
        names = [clip(clean(n), 40) for n in r.names]
        say(f"{names[0]} on {names[1]}, taught by {names[2]}", "bold")
        for name in columns:
            value, under = r.cells[name]
            say(f"  {name:<8} {value} {under}".rstrip())
        say(f"  {r.verdict}" + "".join(f"; {words}" for words, _ in r.flags), STYLES.get(r.code, ""))

"""What commands share: their common options, and how they print."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["AsJson", "Out", "Processes", "ShowText", "StudyFile", "Table", "print_json", "records", "say", "show"]

StudyFile = Annotated[Path, typer.Argument(help="The study, a YAML file.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON value instead of tables.")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the results. Default: outgrow-runs/NAME.")]
Processes = Annotated[
    int | None,
    typer.Option(min=1, help="Worker processes for fits. Default: one a core, or a GPU when fine-tuning."),
]
ShowText = Annotated[
    bool, typer.Option("--show-text", help="Let tables hold the inputs. Without it no output holds them.")
]
Table = Annotated[Path | None, typer.Option("--out", "-o", help="Write the table there: .csv, .parquet or .jsonl.")]


def say(sentence: str) -> None:
    """Print a sentence to standard error."""
    print(sentence, file=sys.stderr)


def print_json(value: Any) -> None:
    """Print one JSON value."""
    from outgrow.store import plain

    print(json.dumps(value, indent=1, allow_nan=False, default=plain, ensure_ascii=False))


def records(table: Any) -> list[dict[str, Any]]:
    """Return a table's rows as JSON values; what is absent is null."""
    rows: list[dict[str, Any]] = table.astype(object).where(table.notna(), None).to_dict("records")
    return rows


def show(table: Any, title: str = "") -> None:
    """Print a table of any width, folded to the terminal."""
    from rich.console import Console
    from rich.table import Table as Grid

    grid = Grid(title=title or None, title_justify="left", show_edge=False, pad_edge=False)
    for i, name in enumerate(table.columns):
        number = table[name].dtype.kind == "f"
        grid.add_column(str(name), overflow="fold", justify="right" if number else "left", no_wrap=i == 0)
    for row in records(table):
        grid.add_row(*("" if v is None else f"{v:.3f}" if isinstance(v, float) else str(v) for v in row.values()))
    wide = None if sys.stdout.isatty() else 100
    Console(width=wide, soft_wrap=wide is not None, highlight=False, markup=False).print(grid)

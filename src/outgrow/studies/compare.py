"""Run several studies one after the other, and compare their methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outgrow.catalogue import find
from outgrow.errors import InputError, OutgrowError, StoreError, StudyError
from outgrow.scores.evaluation import Cell
from outgrow.scores.leaderboard import BASE, Leaderboard, leaderboard
from outgrow.store import Journal, Store, atomic_write, read_json, write_json, write_text
from outgrow.studies.ready import Ready, Say, make_ready
from outgrow.studies.results import Results
from outgrow.studies.run import Pages, alone, carry_out, dry_run, own_folder, to_stderr
from outgrow.studies.several import Several

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Comparison", "dry_run_several", "run_several"]

_TABLES = ("methods", "tasks", "cells")


@dataclass(frozen=True, eq=False)
class Comparison:
    """What several studies found together.

    Parameters
    ----------
    name : str
    board : Leaderboard
    studies : DataFrame
        One row a study: study, folder, task, headline, test_rows, seeds, seconds of encoding and of fits.
    failures : DataFrame
        study, job, error.
    notes : tuple of str
        What was left out, and why.
    """

    name: str
    board: Leaderboard
    studies: pd.DataFrame
    failures: pd.DataFrame
    notes: tuple[str, ...] = field(default=())

    def headline(self) -> str:
        """Say in a sentence which methods are surely better than naive, and which surely worse."""
        table = self.board.methods
        if not len(table):
            return "Nothing to compare: no study scored naive beside another method."
        judged = table[(table["truth"] == "none") & (table["method"] != BASE)]
        if not len(judged):
            return "Nothing to compare: no study scored a method that spends no truth beside naive."
        sure = judged[judged["p_holm"].notna() & (judged["p_holm"] < 0.05)] if "p_holm" in judged else judged[:0]
        better = [str(m) for m in sure[sure["minus_naive"] > 0]["method"]]
        worse = [str(m) for m in sure[sure["minus_naive"] < 0]["method"]]
        said = f"Of {len(judged)} methods that spend no truth, {_listed(better) or 'none'} surely gain more than naive"
        return said + (f" and {_listed(worse)} surely less." if worse else ".")

    def results(self, folder: Path) -> dict[str, Results]:
        """Load the results of each study from the folder of the comparison."""
        return {
            str(row["study"]): Results.load(Path(folder) / str(row["folder"])) for _, row in self.studies.iterrows()
        }

    def save(self, folder: Path) -> None:
        """Write ``leaderboard.csv``, ``leaderboard.json`` and the tables, from which :meth:`load` makes an equal value."""
        for name in _TABLES:
            table = getattr(self.board, name)
            stem = "leaderboard" if name == "methods" else f"leaderboard-{name}"
            with atomic_write(folder / f"{stem}.csv") as part:
                table.to_csv(part, index=False)
        tables = {**{n: getattr(self.board, n) for n in _TABLES}, "studies": self.studies, "failures": self.failures}
        about: dict[str, Any] = {"name": self.name, "headline": self.headline(), "notes": list(self.notes)}
        about |= {name: _records(table) for name, table in tables.items()}
        about["columns"] = {name: list(table.columns) for name, table in tables.items()}
        write_json(folder / "leaderboard.json", about)

    @classmethod
    def load(cls, folder: Path) -> Comparison:
        """Read what :meth:`save` wrote.

        Raises
        ------
        StoreError
            The folder holds no comparison, or it is damaged.
        """
        import pandas as pd

        try:
            about = read_json(Path(folder) / "leaderboard.json")
            read = {n: _typed(pd.DataFrame(about[n], columns=columns)) for n, columns in about["columns"].items()}
            board = Leaderboard(*(read[name] for name in _TABLES))
            return cls(about["name"], board, read["studies"], read["failures"], tuple(about["notes"]))
        except FileNotFoundError as error:
            raise StoreError(f"{folder} holds no comparison; name the folder that `outgrow run` printed") from error
        except (KeyError, ValueError, TypeError, OSError) as error:
            raise StoreError(
                f"the comparison in {folder} is damaged ({type(error).__name__}); run its studies again"
            ) from error


def run_several(
    several: Several,
    folder: Path,
    *,
    processes: int | None = None,
    progress: bool = True,
    show_text: bool = False,
    store: Store | None = None,
    say: Say = to_stderr,
    pages: Pages | None = None,
    compared: Callable[[Comparison], Mapping[str, str]] | None = None,
) -> Comparison:
    """Run each study into a folder of its own, then write the comparison beside them. A killed run goes on where it was.

    All studies are made ready before any work, so that a wrong one is said at once. A packaged set that this machine lacks leaves its
    study out, with a sentence.

    Parameters
    ----------
    pages, compared : callable, optional
        Write the report of a study, and of the comparison; from results to file name and text.

    Raises
    ------
    InputError
        A study that cannot be run as it is, or none that is left; nothing was done.
    """
    several, notes, ready = _ready(several, store, say)
    folder = own_folder(Path(folder))
    journal = Journal(folder / "journal.jsonl")
    cells: dict[str, list[Cell]] = {}
    seconds: dict[tuple[str, str, str, str], float] = {}
    rows, failures = [], []
    with alone(folder, say):
        journal.write("start", study=several.name)
        for k, one in enumerate(ready, 1):
            name = one.study.name
            say(f"study {k} of {len(ready)}: {name}")
            try:
                results = carry_out(
                    one,
                    folder / name,
                    processes=processes,
                    progress=progress,
                    show_text=show_text,
                    say=say,
                    pages=pages,
                )
            except OutgrowError as error:
                failures.append({"study": name, "job": "the whole study", "error": str(error)})
                journal.write("failed", study=name, error=str(error))
                say(f"failed: study {name}: {error}")
                continue
            journal.write("done", study=name)
            if results.failures is not None:
                failures += [
                    {"study": name, "job": r["job"], "error": r["error"]} for _, r in results.failures.iterrows()
                ]
            cells[name] = [_slim(cell) for cell in results.cells]
            for line in read_json(folder / name / "costs.json"):
                seconds[name, line["supervisor"], line["student"], line["method"]] = line["seconds"]
            rows.append(_study_line(results, name))
        comparison = _compared(several, cells, seconds, rows, failures, notes)
        comparison.save(folder)
        for name, text in (compared(comparison) if compared is not None else {}).items():
            write_text(folder / name, text)
        journal.write("end", failed=len(failures))
    return comparison


def dry_run_several(several: Several, say: Say = to_stderr) -> dict[str, Any]:
    """Say what a run would do: :func:`outgrow.studies.run.dry_run` of each study, and their sums."""
    several, notes, ready = _ready(several, None, say)
    each = {one.study.name: dry_run(one) for one in ready}
    known = [e["seconds"] for e in each.values()]
    jobs = [{**job, "label": f"{name}: {job['label']}"} for name, e in each.items() for job in e["jobs"]]
    total: dict[str, Any] = {key: sum(e[key] for e in each.values()) for key in ("stored", "bytes", "download")}
    return {
        **total,
        "jobs": jobs,
        "seconds": None if None in known else round(sum(known), 1),
        "notes": [*notes, *(f"{name}: {note}" for name, e in each.items() for note in e["notes"])],
        "studies": {name: {k: v for k, v in e.items() if k != "jobs"} for name, e in each.items()},
    }


def _ready(several: Several, store: Store | None, say: Say) -> tuple[Several, list[str], list[Ready]]:
    from outgrow.tasks.packaged import missing

    lacking = {s.name: missing(s.task.packaged) for s in several.studies if s.task.packaged is not None}
    lacking = {name: why for name, why in lacking.items() if why}
    notes = [f"The study {name!r} is left out: {why}." for name, why in lacking.items()]
    several = several.without(lacking)
    if not several.studies:
        raise StudyError(f"no study is left: {' '.join(notes)}")
    for note in notes:
        say(note)
    ready = []
    for study in several.studies:
        try:
            ready.append(make_ready(study, store=store, say=say, alone=False))
        except InputError as error:
            raise type(error)(f"study {study.name!r}: {error}") from error
    return several, notes, ready


def _slim(cell: Cell) -> Cell:
    """Return the cell without predictions, of which many studies would fill the memory."""
    return Cell([replace(e, outputs=None) for e in cell.evaluations])


def _study_line(results: Results, name: str) -> dict[str, Any]:
    spent = results.environment.get("seconds", {})
    rows = results.cells[0].n_rows if results.cells else 0
    return {
        "study": name,
        "folder": name,
        "task": results.task["name"],
        "headline": results.headline(),
        "test_rows": rows,
        "seeds": len(results.task["seeds"]),
        "encode_seconds": spent.get("encode"),
        "fit_seconds": spent.get("fit"),
    }


def _compared(
    several: Several,
    cells: Mapping[str, Sequence[Cell]],
    seconds: Mapping[tuple[str, str, str, str], float],
    rows: Sequence[Mapping[str, Any]],
    failures: Sequence[Mapping[str, Any]],
    notes: Sequence[str],
) -> Comparison:
    import pandas as pd

    named = {str(e.cell["method"]) for many in cells.values() for c in many for e in c.evaluations[:1]}
    truth = {name: str(find("methods", name.partition("(")[0]).truth) for name in named}  # type: ignore[attr-defined]
    return Comparison(
        several.name,
        leaderboard(cells, truth, seconds),
        pd.DataFrame(list(rows)),
        pd.DataFrame(list(failures), columns=["study", "job", "error"]),
        tuple(notes),
    )


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table's rows as JSON values; what is absent is null."""
    whole = table.astype(object).where(table.notna(), None)
    return [{str(k): v for k, v in row.items()} for row in whole.to_dict("records")]


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    whole = [c for c in table if (known := table[c].dropna()).size and known.map(lambda v: isinstance(v, int)).all()]
    return table.astype(dict.fromkeys(whole, "Int64"))


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)

"""What a study found, as one value: tidy tables, the decision, saving and loading. Reports only render it."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outgrow.errors import InputError, StoreError
from outgrow.fingerprints import fingerprint
from outgrow.scores.evaluation import Cell, Evaluation
from outgrow.scores.measured import sign
from outgrow.scores.metrics import metrics_for
from outgrow.studies.advice import together
from outgrow.studies.words import isolate

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from outgrow.audits.finding import Finding

__all__ = ["FORECAST_COLUMNS", "KEYS", "Decision", "Results", "decide", "names", "spent", "who"]

KEYS = ("task", "supervisor", "student", "method")
FORECAST_COLUMNS = (
    "supervisor",
    "student",
    "method",
    "forecast",
    "order",
    "unit",
    "value",
    "low",
    "high",
    "measured",
    "measured_low",
    "measured_high",
    "broken",
)
_TABLES = ("quality", "forecasts", "failures", "details", "learned", "worth")


@dataclass(frozen=True)
class Decision:
    """What to do after a study.

    Parameters
    ----------
    code : {"ship", "use_truth", "keep_supervisor", "mend_supervisor", "cannot_tell", "no_truth", "nothing"}
    lead : str
        What to do, in a few words.
    reason : str
        Why, with the numbers, n and seeds.
    cell : Cell or None
        The row it speaks of.
    """

    code: str
    lead: str
    reason: str
    cell: Cell | None = None

    @property
    def sentence(self) -> str:
        """Lead and reason."""
        return f"{self.lead} {self.reason}"


@dataclass(frozen=True, eq=False)
class Results:
    """All that a report shows.

    Parameters
    ----------
    name, kind, metric : str
        Name of the study; "classes" or "value"; the key that decides gain, PGR and verdict.
    task : dict
        name, rows, classes, licence, source, key, roles (name to count), seeds, truth ("all", "some", "none"), cut_share and
        unknown_share (view to share).
    cells : tuple of Cell
        One per (supervisor, student, method), seeds pooled.
    quality : DataFrame
        Label quality, one row per source.
    forecasts : DataFrame
        The columns of ``FORECAST_COLUMNS``; ``broken`` is "" or the assumption that the student breaks.
    findings : tuple of Finding
    notes : tuple of str
        What was not computed and why, in sentences.
    failures : DataFrame
        job, kind, error.
    environment, fingerprints : dict
    best : dict or None
        Names of the cell whose student was saved, reason, folder.
    details : DataFrame, optional
        Anything more to say of each fit, by supervisor, student, method and seed (penalty, seconds, fingerprints); joined to
        :meth:`frame`.
    learned : DataFrame, optional
        What methods learned beside their students, seeds pooled: supervisor, student, method, what, mean, low, high, seeds.
    worth : DataFrame, optional
        How many hand labels each student is as good as: supervisor, student, method, labels, low, high (None outside the learning
        curve, whose ends are smallest and largest), text.
    """

    name: str
    kind: str
    metric: str
    task: dict[str, Any]
    cells: tuple[Cell, ...]
    quality: pd.DataFrame
    forecasts: pd.DataFrame
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    failures: pd.DataFrame | None = None
    environment: dict[str, Any] = field(default_factory=dict)
    fingerprints: dict[str, Any] = field(default_factory=dict)
    best: dict[str, Any] | None = None
    details: pd.DataFrame | None = None
    learned: pd.DataFrame | None = None
    worth: pd.DataFrame | None = None

    @property
    def scored(self) -> bool:
        """Whether any student could be compared with truth."""
        return any({"student", "floor"} <= set(cell.roles) for cell in self.cells)

    def ranked(self) -> tuple[Cell, ...]:
        """Return the cells, best student first; those that spent truth in a block of their own at the end."""

        def place(cell: Cell) -> tuple[bool, float]:
            value = cell.value("student")
            return spent(cell) > 0, math.inf if value is None else -sign(self.metric) * value

        return tuple(sorted(self.cells, key=place))

    def decide(self) -> Decision:
        """Return the decision of the whole study."""
        return decide(self.ranked(), self.best)

    def headline(self) -> str:
        """Return the decision's sentence."""
        return self.decide().sentence

    def frame(self) -> pd.DataFrame:
        """Return one row per (task, supervisor, student, method, seed): every metric of every role, spent, and the fits' details.

        A score that does not exist for any row has no column; one that lacks only here and there is an empty cell beside a filled
        ``missing`` column, which gives the reason.
        """
        import pandas as pd

        known: dict[tuple[str, ...], float | None] = {}
        rows = [_seed_row(e, known) for cell in self.cells for e in cell.evaluations]
        table = pd.DataFrame(rows)
        if self.details is not None and len(self.details) and len(table):
            keys = [k for k in ("supervisor", "student", "method", "seed") if k in self.details]
            table = table.merge(self.details, on=keys, how="left", suffixes=("", "_detail"))
        return _tidy(table)

    def table(self) -> pd.DataFrame:
        """Return one row per cell with seeds pooled, ranked; rows that spent truth come last."""
        import pandas as pd

        rows = [cell.row() for cell in self.ranked()]
        if self.worth is not None:
            said = {tuple(r[:3]): r[3] for r in self.worth[[*KEYS[1:], "text"]].itertuples(index=False)}
            rows = [{**row, "worth": said.get(tuple(row.get(k) for k in KEYS[1:]))} for row in rows]
        return _tidy(pd.DataFrame(rows))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw floor, direct, student and ceiling of each row that has a score, best student first; return matplotlib's axes."""
        from outgrow.scores.plots import plot_roles

        cells = [c for c in self.ranked() if {"student", "floor"} <= set(c.roles)]
        if not cells:
            raise InputError(f"{self.name} has no score to draw: no test row has truth")
        ax = plot_roles(cells, [who(c) for c in cells], ax)
        ax.set_title(f"{self.name}: {len(cells)} rows, {len(cells[0].evaluations)} seeds, 95 % intervals", loc="left")
        return ax

    def save(self, folder: Path) -> None:
        """Write Parquet, CSV, JSON and npy files, from which :meth:`load` makes an equal value."""
        from outgrow.store import private_folder, write_json, writing

        folder = Path(folder)
        private_folder(folder)
        with writing(folder):
            # The JSON goes first and comes back last: a folder that a kill left half written holds no results.
            (folder / "results.json").unlink(missing_ok=True)
            for stale in ("cells", "findings"):
                shutil.rmtree(folder / stale, ignore_errors=True)
            for name in _TABLES:
                (folder / f"{name}.parquet").unlink(missing_ok=True)
            for name, table in (("results", self.frame()), ("table", self.table())):
                _write(table, folder / name)
                table.to_csv(folder / f"{name}.csv", index=False)
            for name in _TABLES:
                table = getattr(self, name)
                if table is not None:
                    _write(table, folder / name)
            for i, cell in enumerate(self.cells):
                for j, e in enumerate(cell.evaluations):
                    e.save(folder / "cells" / f"{i:04d}" / f"{j:04d}")
            for i, finding in enumerate(self.findings):
                private_folder(folder / "findings")
                _write(finding.table, folder / "findings" / f"{i:04d}")
        about = {
            name: getattr(self, name) for name in ("name", "kind", "metric", "task", "environment", "fingerprints")
        }
        about |= {"notes": list(self.notes), "best": self.best, "cells": [len(c.evaluations) for c in self.cells]}
        about["findings"] = [
            {"audit": f.audit, "cell": dict(f.cell), "sentence": f.sentence, "numbers": dict(f.numbers)}
            for f in self.findings
        ]
        write_json(folder / "results.json", _finite(about))

    @classmethod
    def load(cls, folder: Path) -> Results:
        """Read what :meth:`save` wrote.

        Raises
        ------
        StoreError
            When the folder holds no results, or they are damaged.
        """
        import pandas as pd

        from outgrow.audits.finding import Finding
        from outgrow.store import read_json

        folder = Path(folder)
        try:
            about = read_json(folder / "results.json")
            tables: dict[str, Any] = {
                name: pd.read_parquet(folder / f"{name}.parquet")
                for name in _TABLES
                if (folder / f"{name}.parquet").exists()
            }
            cells = tuple(
                Cell(tuple(Evaluation.load(folder / "cells" / f"{i:04d}" / f"{j:04d}") for j in range(seeds)))
                for i, seeds in enumerate(about.pop("cells"))
            )
            findings = tuple(
                Finding(**f, table=pd.read_parquet(folder / "findings" / f"{i:04d}.parquet"))
                for i, f in enumerate(about.pop("findings"))
            )
        except FileNotFoundError as error:
            raise StoreError(
                f"{folder} holds no whole results (no {Path(error.filename or 'results.json').name}); "
                "name the folder that `outgrow run` printed"
            ) from error
        except (KeyError, ValueError, TypeError, OSError) as error:
            raise StoreError(
                f"the results in {folder} are damaged ({type(error).__name__}); run the study again"
            ) from error
        about["notes"] = tuple(about["notes"])
        return cls(**about, **tables, cells=cells, findings=findings)


# --- the decision -------------------------------------------------------------------------------------------------------------------

_ACTIONS = {
    "better": ("ship", "Ship {who}."),
    "use_truth": ("use_truth", "Use the truth directly."),
    "worse": ("keep_supervisor", "Keep the supervisor."),
    "near_truth": ("keep_supervisor", "Keep the supervisor."),
    "below_chance": ("mend_supervisor", "Mend the supervisor first."),
    "one_class": ("mend_supervisor", "Mend the supervisor first."),
}
_UNSURE = ("cannot_tell", "Cannot tell whether a student is better than its supervisor.")


def decide(ranked: Iterable[Cell], best: Mapping[str, Any] | None = None) -> Decision:
    """Say what to do after a study: a pure function of its cells.

    The row that is judged is the one named by ``best``, else the first of ``ranked`` that spent no truth, else the first; what to do
    follows from its verdict alone.

    Parameters
    ----------
    ranked : iterable of Cell
        Best student first.
    best : mapping, optional
        Names (supervisor, student, method) of the row to judge.
    """
    cells = list(ranked)
    if not cells:
        return Decision("nothing", "Nothing to decide.", "No student was trained.")
    scored = [c for c in cells if {"student", "floor"} <= set(c.roles)]
    if not scored:
        return _undecided(cells)
    named = [c for c in scored if best and all(names(c).get(k) == best.get(k) for k in KEYS[1:])]
    cell = (named or [c for c in scored if spent(c) == 0] or scored)[0]
    judged = cell.verdict()
    code, lead = _ACTIONS.get(judged.code, _UNSURE)
    reason = judged.sentence
    opening = lead.rstrip(".") + ": "
    if reason.startswith(opening):
        reason = reason[len(opening)].upper() + reason[len(opening) + 1 :]
    if "{who}" not in lead:
        reason += f" The best student is {who(cell)}."
    if code == "use_truth":
        reason += f" {together(scored, cell)}"
    return Decision(code, lead.format(who=who(cell)), reason, cell)


def _undecided(cells: list[Cell]) -> Decision:
    needed = [(rows, c) for c in cells if (rows := c.numbers().rows_to_label)]
    lead = "No student can be judged: no test row has truth."
    if not needed:
        return Decision("no_truth", lead, "Label some random rows and run the study again.")
    most, cell = max(needed, key=lambda found: found[0])
    reason = f"Label about {_round_up(most):,} random rows to see a gain of .05 in accuracy: that many for the student that needs most."
    return Decision("no_truth", lead, reason, cell)


def _round_up(rows: int) -> int:
    """Round up to two digits: more would be false precision."""
    step = 10 ** max(0, len(str(rows)) - 2)
    return -(-rows // step) * step


# --- small readings of a cell -------------------------------------------------------------------------------------------------------


def names(cell: Cell) -> dict[str, str]:
    """Return a cell's names: task, supervisor, student, method."""
    return {k: str(v) for k, v in cell.evaluations[0].cell.items()}


def spent(cell: Cell) -> int:
    """Return the truth rows that the method was granted."""
    return cell.evaluations[0].spent


def who(cell: Cell) -> str:
    """Name a cell inside a sentence."""
    by = names(cell)
    return " ".join(
        [
            isolate(by.get("method", "the student"), 32),
            *(["on", isolate(by["student"], 32)] if by.get("student") else []),
            *(["taught by", isolate(by["supervisor"], 32)] if by.get("supervisor") else []),
        ]
    )


# --- small writings -----------------------------------------------------------------------------------------------------------------


def _seed_row(e: Evaluation, known: dict[tuple[str, ...], float | None]) -> dict[str, Any]:
    """Return one line; ``known`` keeps scores of the same answers, as methods of one seed share floor, direct and ceiling."""
    of = {} if e.outputs is None else {role: fingerprint(out, e.truth) for role, out in e.outputs.items()}

    def value(role: str, metric: str) -> float | None:
        key = (metric, of.get(role, f"{id(e)} {role}"))
        if key not in known:
            known[key] = e.value(role, metric)
        return known[key]

    row: dict[str, Any] = {key: str(e.cell.get(key, "")) for key in KEYS}
    row |= {"seed": e.seed, "test_rows": len(e.ids), "spent": e.spent, "metric": e.metric}
    mine = [e.metric, *(m for m in metrics_for(e.kind) if m != e.metric)]
    row |= {f"{role}_{metric}": value(role, metric) for role in e.roles for metric in mine}
    row |= {f"floor[{name}]_{e.metric}": sign(e.metric) * score + 0.0 for name, score in e.floors.items()}
    found = {"gain": e.gain(), "gap": e.gap(), "pgr": e.pgr(), "direct_minus_student": e.direct_minus_student()}
    row |= {name: value.value for name, value in found.items()}
    reasons = {**e.missing, **{name: value.reason for name, value in found.items() if value.value is None}}
    row["missing"] = " ".join(f"{what}: {str(why).rstrip('.')}." for what, why in reasons.items())
    return row


def _tidy(table: pd.DataFrame) -> pd.DataFrame:
    """Drop columns that hold nothing, and keep empty cells as None rather than NaN."""
    table = table.dropna(axis="columns", how="all")
    kept = {}
    for name in table.columns:
        column = table[name].astype(object)
        kept[name] = column.where(column.notna(), None) if column.isna().any() else table[name]
    return type(table)(kept, index=table.index)


def _write(table: pd.DataFrame, path: Path) -> None:
    table.to_parquet(path.with_suffix(".parquet"), index=False)


def _finite(value: Any) -> Any:
    """Return a value that JSON can hold: numbers that are not finite become null."""
    if isinstance(value, Mapping):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    if hasattr(value, "tolist"):
        return _finite(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

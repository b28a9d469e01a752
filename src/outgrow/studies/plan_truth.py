"""How many rows to label by hand before a gain can be seen, which ones, and what those that are labelled already say.

Before any label it is known how often student and supervisor differ, and that bounds how uncertain their difference in accuracy is. A
pilot, some labelled rows, shows in how many of these cases one of the two is right. Both numbers give the rows that show a wished gain with
80 % power (:mod:`outgrow.scores.power`), for the student of the study's first seed.

Rows are drawn at random among those that have no truth and that no supervisor or student of that seed has learned from: the gain on rows
that a student was fitted to is not its gain on new ones. The order of the draw is fixed, so a larger number takes in the earlier rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from outgrow.errors import InputError, LabelsError, NeedsError, StudyError, nearest
from outgrow.scores.intervals import Interval, Undefined, paired_interval
from outgrow.scores.metrics import choices, row_score
from outgrow.scores.power import POWER, chance_to_see, rows_to_see, share_apart
from outgrow.scores.quantities import number
from outgrow.tasks.inputs import is_missing, quoted

if TYPE_CHECKING:
    import pandas as pd

    from outgrow.store import Store
    from outgrow.studies.ready import Ready, Say
    from outgrow.studies.study import Study
    from outgrow.tasks.task import Task

__all__ = ["CellPlan", "TruthPlan", "plan_truth"]

COLUMNS = ("id", "input", "truth")
ORDER = 1729
"""Keeps the draw of rows to label apart from other draws."""
FEWEST = 50
"""Rows below which a share of disagreement says too little."""


@dataclass(frozen=True)
class CellPlan:
    """What one student needs.

    Parameters
    ----------
    supervisor, student, method : str
        As in the study; empty where only a rate was given.
    disagreement : float
        Share of held-out rows where student and supervisor name different classes.
    apart : float
        Share of rows where exactly one of them is thought to be right.
    rows : int or None
        Labelled rows that show the wished gain with 80 % power; None where so little disagreement cannot hold it.
    power : float or None
        The exact chance at that number.
    labelled : int
        Rows of the pilot.
    gain : Interval, Undefined or None
        Accuracy of the student less that of the supervisor on them.
    """

    supervisor: str
    student: str
    method: str
    disagreement: float
    apart: float
    rows: int | None
    power: float | None
    labelled: int = 0
    gain: Interval | Undefined | None = None

    @property
    def remaining(self) -> int | None:
        """Rows still to label."""
        return None if self.rows is None else max(0, self.rows - self.labelled)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        found = {
            k: getattr(self, k) for k in ("supervisor", "student", "method", "disagreement", "apart", "rows", "power")
        }
        found |= {"labelled": self.labelled, "remaining": self.remaining, "gain": None, "low": None, "high": None}
        if self.gain is not None:
            found["gain"] = self.gain.value
        if isinstance(self.gain, Interval):
            found |= {"low": self.gain.low, "high": self.gain.high}
        return found


@dataclass(frozen=True, eq=False)
class TruthPlan:
    """How many rows to label, and which.

    Parameters
    ----------
    wished : float
        The gain in accuracy that should be seen.
    cells : tuple of CellPlan
        One per (supervisor, student, method), those that need most first.
    labelled : int
        Rows of the pilot.
    available : int or None
        Rows that could still be labelled; None where only a rate was given.
    to_label : DataFrame or None
        id, input (of texts), truth (empty): the rows to label next, in the order of their draw, as many as ``remaining`` and available.
    """

    wished: float
    cells: tuple[CellPlan, ...]
    labelled: int = 0
    available: int | None = None
    to_label: pd.DataFrame | None = field(default=None, repr=False)

    @property
    def remaining(self) -> int | None:
        """Rows still to label for the student that needs most; None where none of them can show such a gain."""
        needed = [c.remaining for c in self.cells if c.remaining is not None]
        return max(needed) if needed else None

    def rows_to_write(self) -> pd.DataFrame:
        """Return the rows to label.

        Raises
        ------
        InputError
            When there is none, with the reason.
        """
        if self.to_label is None:
            raise InputError("rows are drawn from a study's task; give the study in place of a rate of disagreement")
        if not self.remaining:
            raise InputError("there is nothing to write: " + self.sentences()[0])
        if not len(self.to_label):
            raise InputError(
                "there is nothing to write: no row without truth is held out from training; where every row has truth, `outgrow run` "
                "scores the gain itself"
            )
        return self.to_label

    def sentences(self) -> list[str]:
        """Say what to do."""
        gain = number(self.wished)
        if self.remaining is None:
            most = max(c.apart for c in self.cells)
            why = f"student and supervisor differ on {most:.1%} of rows only"
            if self.labelled:
                why = f"by the labelled rows, exactly one of student and supervisor is right on about {most:.1%} of rows only"
            return [f"A gain of {gain} cannot be there: {why}, and no gain is larger."]
        several = len({c.rows for c in self.cells}) > 1
        who = ", the number for the student that needs most" if several else ""
        more = f"{self.remaining:,} more rows" if self.labelled else f"{self.remaining:,} rows"
        said = [
            f"Label {more} to see a gain of {gain} in accuracy with {POWER:.0%} power{who}."
            if self.remaining
            else f"The {self.labelled:,} labelled rows are enough to see a gain of {gain} in accuracy with {POWER:.0%} power."
        ]
        if self.labelled and self.remaining:
            said.append(
                "An interval that is looked at before the planned number is reached, in order to stop, errs more often than 5 %."
            )
        if self.available is not None and self.remaining > self.available:
            said.append(
                f"Only {self.available:,} rows without truth are held out from training; set split.select to "
                f"{self.labelled + self.remaining:,} or more and plan again to have enough."
            )
        return said

    def frame(self) -> pd.DataFrame:
        """Return one row per student."""
        import pandas as pd

        return pd.DataFrame([c.as_dict() for c in self.cells])

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        about = {k: getattr(self, k) for k in ("wished", "remaining", "labelled", "available")}
        return {**about, "power": POWER, "students": [c.as_dict() for c in self.cells], "sentences": self.sentences()}


def plan_truth(
    study: str | Path | Mapping[str, Any] | Study | None = None,
    *,
    gain: float,
    disagreement: float | None = None,
    pilot: str | Path | None = None,
    task: Task | None = None,
    views: Mapping[str, Any] | None = None,
    store: Store | None = None,
    processes: int | None = None,
    progress: bool = True,
    say: Say = lambda sentence: None,
) -> TruthPlan:
    """Say how many rows to label to see a wished gain with 80 % power.

    Parameters
    ----------
    study : path, mapping or Study, optional
        Students of its first seed that are not stored yet are fitted; no truth but that of teach rows is read.
    gain : float
        The gain in accuracy, such as .03: student less supervisor.
    disagreement : float, optional
        In place of a study: how often student and supervisor are thought to name different classes.
    pilot : path, optional
        A file with columns ``id`` and ``truth``, such as the one that was written before, filled in part or whole; an empty cell is a row
        not labelled yet.
    task, views, store : optional
        As :func:`outgrow.run`.

    Returns
    -------
    TruthPlan

    Raises
    ------
    InputError
        No study and no rate, or both; a gain or rate that cannot be; a pilot that does not fit the task.
    NeedsError
        A task of values: how far apart two predictions are says nothing of their errors.
    """
    if not isinstance(gain, int | float) or not 0 < gain < 1:
        raise InputError(f"the gain to be seen is a difference in accuracy between 0 and 1, such as .03, not {gain!r}")
    if (study is None) == (disagreement is None):
        raise InputError("give a study, or how often student and supervisor differ (disagreement), and not both")
    if disagreement is not None:
        if pilot is not None:
            raise InputError("a pilot is read beside a study, whose student and supervisor it is about; give the study")
        if not 0 < disagreement <= 1:
            raise InputError(f"disagreement is a share of rows above 0, at most 1, not {disagreement!r}")
        return TruthPlan(gain, (_cell(("", "", ""), gain, disagreement),))
    ready, plan = _fitted(study, task, views, store, processes, progress, say)
    return _planned(ready, plan, gain, pilot)


def _cell(
    names: tuple[str, str, str],
    gain: float,
    disagreement: float,
    differing: int = 0,
    decided: int = 0,
    labelled: int = 0,
    seen: Interval | Undefined | None = None,
) -> CellPlan:
    apart = share_apart(disagreement, differing, decided)
    rows = rows_to_see(gain, apart)
    power = None if rows is None else chance_to_see(rows, gain, apart)
    return CellPlan(*names, disagreement, apart, rows, power, labelled, seen)


def _fitted(
    study: Any, task: Any, views: Any, store: Any, processes: int | None, progress: bool, say: Say
) -> tuple[Ready, Any]:
    """Fit the students of the first seed that the store lacks; a task that cannot be planned is refused before."""
    from outgrow.studies.ready import make_ready
    from outgrow.studies.run import do_kinds
    from outgrow.studies.several import Several, read_study

    made = read_study(study)
    if isinstance(made, Several):
        raise StudyError("this file holds several studies; plan the truth of one of them, in a file of its own")
    ready = make_ready(made.model_copy(update={"seeds": made.seeds[:1]}), task=task, views=views, store=store, say=say)
    if ready.task.kind == "value":
        raise NeedsError(
            "rows to label are planned for accuracy, and this is a task of values; label 50 random rows, and `outgrow run` says how "
            "many more would show the gain"
        )
    ready, plan, failures = do_kinds(ready, {"labels", "student"}, progress, say, processes)
    if failures and not any(ready.store.get(w.student) for w in plan.cells):
        raise StudyError(f"no student could be fitted: {failures[0][1]}")
    for job, error in failures:
        say(f"left out: {job.label}: {error}")
    return ready, plan


def _planned(ready: Ready, plan: Any, gain: float, pilot: str | Path | None) -> TruthPlan:
    task, roles = ready.task, next(iter(ready.roles.values()))
    held = np.ones(len(task), dtype=bool)
    held[roles.transfer] = held[roles.teach] = False
    ids, truth = (np.zeros(0, dtype=np.int64),) * 2 if pilot is None else _read_pilot(Path(pilot), task, held)
    if held.sum() < FEWEST:
        raise StudyError(
            f"{int(held.sum())} rows are held out from training, and at least {FEWEST} are needed to see how often student and supervisor "
            "differ; raise split.select"
        )
    cells = []
    for w in plan.cells:
        if ready.store.get(w.student) is None:
            continue
        weak = ready.weak(w)
        floor = weak.one(weak.at(roles.transfer).prior())[0]
        student = ready.outputs(w)
        differ = 1 - (choices(floor) * choices(student)).sum(axis=1)
        names = w.cell["supervisor"], w.cell["student"], w.cell["method"]
        c = len(task.classes)
        right = [row_score("accuracy", p[ids], truth, c) for p in (student, floor)] if len(ids) else []
        differing, decided, seen = 0, 0, None
        if right:
            seen = paired_interval(right[0], right[1])
            differing, decided = int((differ[ids] > 0).sum()), int((right[0] != right[1]).sum())
        cells.append(_cell(names, gain, float(differ[held].mean()), differing, decided, len(ids), seen))
    cells.sort(key=lambda cell: -1 if cell.rows is None else -cell.rows)
    free = held & ~task.has_truth
    free[ids] = False
    found = TruthPlan(gain, tuple(cells), len(ids), int(free.sum()))
    order = np.random.default_rng([ORDER, ready.study.seeds[0]]).permutation(len(task))
    order = order[free[order]][: found.remaining or 0]
    return TruthPlan(gain, found.cells, found.labelled, found.available, _to_label(task, order))


def _to_label(task: Task, rows: NDArray[np.int64]) -> pd.DataFrame:
    import pandas as pd

    columns: dict[str, Any] = {"id": task.names[rows]}
    if task.is_text:
        columns["input"] = [task.inputs[i] for i in rows]
    return pd.DataFrame({**columns, "truth": [""] * len(rows)})


def _read_pilot(path: Path, task: Task, held: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return row numbers and class numbers of the rows that are filled in."""
    from outgrow.tasks.columns import check_columns, read_columns

    columns = read_columns(path)
    check_columns(["id", "truth"], list(columns), f"the pilot {path.name}")
    place = {name: i for i, name in enumerate(task.names.tolist())}
    number_of = {name: k for k, name in enumerate(task.classes.tolist())}
    rows: dict[int, int] = {}
    for line, (id, named) in enumerate(zip(columns["id"], columns["truth"], strict=True), 2):
        if is_missing(named):
            continue
        if str(id) not in place:
            raise LabelsError(
                f"line {line} of {path.name} names the row {quoted(str(id))}, which the task does not have"
            )
        row = place[str(id)]
        if str(named) not in number_of:
            raise LabelsError(
                f"line {line} of {path.name} has the class {quoted(str(named))} in truth{nearest(str(named), number_of)}"
            )
        if rows.get(row, number_of[str(named)]) != number_of[str(named)]:
            raise LabelsError(f"{path.name} has the row {quoted(str(id))} twice, with different truth; leave one")
        if not held[row]:
            raise LabelsError(
                f"line {line} of {path.name} is the row {quoted(str(id))}, which supervisor or student learned from; its "
                "gain is not that of new rows, so label rows that plan-truth writes with --out"
            )
        rows[row] = number_of[str(named)]
    if len(rows) < 2:
        raise LabelsError(f"{path.name} has {len(rows)} rows with truth; fill the column truth of at least two")
    found = sorted(rows)
    return np.array(found, dtype=np.int64), np.array([rows[r] for r in found], dtype=np.int64)

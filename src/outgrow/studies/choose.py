"""Which supervisor, student and method, before any truth is spent: the study's labels and students, and no score.

The jobs are the study's own (labels, students), under the keys of ``run``, so nothing is done twice; beside them one set of cross-fitted
heads for each supervisor, student and seed. No truth of transfer, select and test rows is read. Truth of the teach rows is, for one
question only: whether a student that is trained on these truths themselves beats the best weakly taught one on them, and whether the
strong model, merely asked, does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from outgrow.errors import InputError, OutgrowError, StudyError
from outgrow.fingerprints import code_version, environment_key, fingerprint
from outgrow.forecasts.combined import combined
from outgrow.forecasts.crossfit import CrossFit, cross_fit
from outgrow.forecasts.forecast import FEWEST
from outgrow.forecasts.statistics import Witness, statistics
from outgrow.store import Store, read_json
from outgrow.studies.advise import Rival, advise, reason, rival
from outgrow.studies.money import Bargain, bargains, check_costs, per_money, prices, spent_on
from outgrow.studies.plan import Cellwork, Plan, learner_spec, student_name, view_name
from outgrow.studies.ready import Ready, Say, make_ready
from outgrow.studies.study import Study, method_of
from outgrow.tasks.task import Task

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["COLUMNS", "Choice", "choose", "choose_ready", "prices"]

NAIVE = "naive"
COLUMNS = (
    "rank",
    "supervisor",
    "student",
    "method",
    "gain",
    "gain_low",
    "gain_high",
    "pgr",
    "pgr_low",
    "pgr_high",
    "told",
    "reason",
    "cost",
    "gain_per_money",
    "money_low",
    "money_high",
    "score",
)
Names = tuple[str, str, str]


@dataclass(frozen=True, eq=False)
class Choice:
    """What to do, ranked, without truth.

    Parameters
    ----------
    name : str
        Of the study.
    table : DataFrame
        One line a supervisor, student and method, best first; columns :data:`COLUMNS`. ``gain`` is the expected gain in accuracy with its
        90 % interval, ``told`` whether the forecast can tell it; ``score`` orders lines and has no unit.
    rivals : tuple of Rival
        ``direct`` and ``self`` against the best line, measured on teach rows.
    advice : str
        "student", "direct", "self" or "cannot tell".
    headline : str
        The same in a sentence.
    notes, errors : tuple of str
        What was left out and why; jobs that failed.
    money : tuple of Bargain
        What costs money, ranked by expected gain for a unit of it; empty where no price is known.
    """

    name: str
    table: pd.DataFrame
    rivals: tuple[Rival, ...]
    advice: str
    headline: str
    notes: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    money: tuple[Bargain, ...] = ()

    def frame(self) -> pd.DataFrame:
        """Return a copy of the table."""
        return self.table.copy()

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw each line's expected gain in accuracy with its 90 % interval, best first; return matplotlib's axes.

        What the forecast cannot tell is drawn hollow.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Default: axes of a new figure.
        """
        from outgrow.scores.plots import plot_intervals

        names = [f"{x.supervisor}, {x.student}, {x.method}" for x in self.table.itertuples()]
        ends = list(zip(self.table["gain_low"], self.table["gain_high"], strict=True))
        ax = plot_intervals(
            names,
            self.table["gain"].tolist(),
            ends,
            label="expected gain in accuracy, 90 % interval; hollow: cannot be told",
            ax=ax,
            hollow=[not told for told in self.table["told"]],
        )
        ax.set_title(f"{self.name}: what to choose, without truth", loc="left")
        return ax

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON value."""
        lines = [
            {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in line.items()}
            for line in self.table.to_dict("records")
        ]
        return {
            "study": self.name,
            "advice": self.advice,
            "headline": self.headline,
            "choice": lines,
            "money": [b.as_dict() for b in self.money],
            "rivals": [r.as_dict() for r in self.rivals],
            "notes": list(self.notes),
            "errors": list(self.errors),
        }


def choose(
    study: str | Path | Mapping[str, Any] | Study,
    *,
    task: Task | None = None,
    views: Mapping[str, Any] | None = None,
    costs: Mapping[str, float] | None = None,
    processes: int | None = None,
    store: Store | None = None,
    progress: bool = False,
    say: Say = lambda sentence: None,
) -> Choice:
    """Rank a study's supervisors, students and methods without truth.

    Parameters
    ----------
    study : path, mapping or Study
        Of classes.
    task : Task, optional
        In place of the one the study names.
    views : mapping, optional
        Further matrices (N, d) of the task's rows, by view name.
    costs : mapping of str to float, optional
        Supervisor's name (a line of the study) -> money for one label, in place of what its label tables say; ``"truth"`` -> money for
        one true label.
    processes : int, optional
        Worker processes; default as in :func:`~outgrow.road.run`.

    Returns
    -------
    Choice

    Raises
    ------
    InputError
        Fewer than 50 transfer rows, a task of values, views of other rows, a cost of an unknown supervisor.
    LabelsError
        No supervisor can be forecast, such as one that names the same class everywhere.
    """
    made = Study.read(study)
    students = [s for s in made.students if s.finetune is None]
    if not students:
        raise StudyError(
            "choose looks at students with a linear head, and this study fine-tunes all of its students; give one with a head beside them"
        )
    spec = made.model_copy(update={"methods": with_naive(made.methods), "students": students})
    ready = make_ready(spec, task=task, views=views, store=store, say=say)
    found = choose_ready(ready, costs=costs, processes=processes, progress=progress, say=say)
    left = [
        f"Student {s.name or s.encoder!r} is left out: it is fine-tuned, and the statistics are of linear heads."
        for s in made.students
        if s.finetune is not None
    ]
    return replace(found, notes=(*left, *found.notes))


def with_naive(methods: Sequence[Any]) -> list[Any]:
    """Return the methods with naive among them: its answers and its penalty are what statistics begin with."""
    return list(methods) if (NAIVE, {}) in [method_of(m) for m in methods] else [NAIVE, *methods]


def choose_ready(
    ready: Ready,
    *,
    costs: Mapping[str, float] | None = None,
    processes: int | None = None,
    progress: bool = False,
    say: Say = lambda sentence: None,
) -> Choice:
    """Do what :func:`choose` does for a study that is ready; naive must be among its methods."""
    import pandas as pd

    from outgrow.studies.run import do_kinds

    _check(ready, costs)
    ready, plan, failures = do_kinds(ready, {"labels", "student"}, progress, say, processes)
    crossed = _Crossed(ready, plan)
    lines: dict[Names, list[_Line]] = {}
    mute: dict[str, None] = {}
    for work in plan.cells:
        names = (work.cell["supervisor"], work.cell["student"], work.cell["method"])
        if ready.store.get(work.student) is None:
            continue
        if read_json(ready.store.path(work.student) / "student.json")["spent"]:
            mute[f"{names[2]} learns from truth and is left out; 'outgrow run' judges it against direct."] = None
            continue
        try:
            made = _line(ready, crossed, work)
        except OutgrowError as error:
            mute[f"No forecast for {names[0]}: {error}"] = None
            continue
        lines.setdefault(names, []).append(made)
    errors = [f"{job.label}: {error}" for job, error in failures]
    if not lines:
        raise InputError(next(iter(mute), errors[0] if errors else "there is nothing to choose from"))
    ranked = sorted((_pool(names, found) for names, found in lines.items()), key=lambda line: -line["score"])
    paid = spent_on(ready, plan, costs)
    for place, line in enumerate(ranked, 1):
        line["rank"] = place
        line |= per_money(line, paid.get(line["supervisor"]))
    best = ranked[0]
    chosen = [w for w in plan.cells if tuple(w.cell[k] for k in ("supervisor", "student", "method")) == _names(best)]
    found = [rival(ready, chosen, name, spec) for name in ("direct", "self") for spec in ready.study.students]
    rivals = tuple(r for r in found if r is not None)
    advice, headline = advise(best, ranked, rivals)
    table = pd.DataFrame([{c: line[c] for c in COLUMNS} for line in ranked], columns=list(COLUMNS))
    notes = tuple(dict.fromkeys([*ready.notes, *mute]))
    ways = bargains(ranked, rivals, costs)
    return Choice(ready.study.name, table, rivals, advice, headline, notes, tuple(errors), ways)


def _names(line: Mapping[str, Any]) -> Names:
    return line["supervisor"], line["student"], line["method"]


def _check(ready: Ready, costs: Mapping[str, float] | None) -> None:
    if ready.task.kind != "classes":
        raise StudyError(
            "choose is for tasks of classes: its forecast was learned from them, and this is a task of values"
        )
    fewest = min(len(r.transfer) for r in ready.roles.values())
    if fewest < FEWEST:
        raise StudyError(f"choose needs at least {FEWEST} transfer rows, and there are {fewest}; give the split more")
    check_costs(costs, list(ready.groups))


@dataclass(frozen=True)
class _Line:
    """What one seed says of one supervisor, student and method."""

    statistics: Mapping[str, float]
    alone: bool


@dataclass
class _Crossed:
    """Cross-fitted heads, from the store or made now."""

    ready: Ready
    plan: Plan
    held: dict[tuple[str, str, int], CrossFit] = field(default_factory=dict)

    def of(self, group: str, student: str, seed: int) -> CrossFit:
        """Return those of one supervisor and student."""
        if (group, student, seed) not in self.held:
            self.held[group, student, seed] = self._stored(group, student, seed)
        return self.held[group, student, seed]

    def naive(self, group: str, student: str, seed: int) -> Cellwork | None:
        """Return the naive student of the same labels, where it could be fitted."""
        for work in self.plan.cells:
            cell = work.cell
            here = (cell["supervisor"], cell["student"], cell["method"], work.seed) == (group, student, NAIVE, seed)
            if here and self.ready.store.get(work.student) is not None:
                return work
        return None

    def _stored(self, group: str, student: str, seed: int) -> CrossFit:
        ready = self.ready
        work = self.naive(group, student, seed)
        if work is None:
            raise InputError(f"there is no naive student of {group} on {student} to begin with")
        parts = [work.student, code_version("outgrow.forecasts.crossfit"), environment_key()]
        key = fingerprint("cross fit", *parts)
        names = ("ids", "oof", "apart", "repaired", "separation")

        def write(folder: Path) -> None:
            from outgrow.studies.work import learner

            spec = next(s for s in ready.study.students if student_name(s, view_name(s)) == student)
            head = learner(learner_spec(spec, view_name(spec), ready.task.kind, seed))
            ids = ready.roles[seed].transfer
            penalty = read_json(ready.store.path(work.student) / "student.json")["penalty"]
            made = cross_fit(head, ready.rows.at(ids), ready.weak(work).at(ids), penalty)
            for name, value in made.as_arrays().items():
                np.save(folder / f"{name}.npy", value)

        folder = ready.once(key, "cross fit", write)
        return CrossFit.from_arrays({n: np.load(folder / f"{n}.npy", allow_pickle=False) for n in names})


def _line(ready: Ready, crossed: _Crossed, work: Cellwork) -> _Line:
    group, student, seed = work.cell["supervisor"], work.cell["student"], work.seed
    ids = ready.roles[seed].transfer
    mine = crossed.of(group, student, seed)
    naive = crossed.naive(group, student, seed)
    assert naive is not None
    sources = {s.name for s in ready.groups[group]}
    others = []
    for other in ready.groups:
        # A line that shares a supervisor with this one is no witness.
        if other == group or sources & {s.name for s in ready.groups[other]}:
            continue
        beside = crossed.naive(other, student, seed)
        if beside is not None:
            table = ready.weak(beside).at(ids)
            if table.any_covered.any():
                others.append(Witness(table, crossed.of(other, student, seed)))
    found = statistics(
        mine,
        ready.weak(work).at(ids),
        answers=ready.outputs(work)[mine.ids],
        naive=ready.outputs(naive)[mine.ids],
        others=others,
    )
    return _Line(found, not others)


def _pool(names: Names, found: Sequence[_Line]) -> dict[str, Any]:
    """Average one cell over its seeds: a forecast's doubt is about tasks, and seeds of one task share it."""
    models = combined()
    tail = " alone" if found[0].alone else ""
    made = {t: [models[t + tail].expect(line.statistics) for line in found] for t in ("gain", "pgr", "rank")}
    line: dict[str, Any] = dict(zip(("supervisor", "student", "method"), names, strict=True))
    for target in ("gain", "pgr"):
        for key, part in ((target, "value"), (f"{target}_low", "low"), (f"{target}_high", "high")):
            line[key] = float(np.mean([getattr(e, part) for e in made[target]]))
    line["told"] = all(e.told for e in made["gain"])
    if not all(e.told for e in made["pgr"]):
        line |= {"pgr": math.nan, "pgr_low": math.nan, "pgr_high": math.nan}
    line["score"] = float(np.mean([e.value for e in made["rank"]]))
    mean = {
        k: float(np.nanmean([f.statistics[k] for f in found]))
        if any(math.isfinite(f.statistics[k]) for f in found)
        else math.nan
        for k in found[0].statistics
    }
    line["statistics"] = mean
    line["reason"] = next((e.why for e in made["gain"] if e.why), "") or reason(mean)
    return line

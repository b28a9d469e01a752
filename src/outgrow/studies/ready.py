"""A study made ready: task, roles, supervisors and views at hand, and the plan of jobs; nothing trained yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outgrow.errors import LabelsError, StudyError
from outgrow.fingerprints import fingerprint
from outgrow.store import Journal, Store, write_json
from outgrow.studies.load import load_task
from outgrow.studies.plan import Cellwork, Plan, check_needs, left_out_notes, make_plan, student_name, view_name
from outgrow.studies.study import Study, method_of
from outgrow.studies.tuned import CURVE, check_tuned
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.rows import INPUTS, Rows, View
from outgrow.tasks.split import ROLES, Roles, split
from outgrow.tasks.task import Task

__all__ = ["Ready", "make_ready"]

Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Ready:
    """Everything that jobs need.

    Parameters
    ----------
    study : Study
    task : Task
    roles : mapping of int to Roles
        By seed.
    groups : mapping of str to list
        Name of each line of ``supervisors`` -> its supervisors, unfitted.
    rows : Rows
        All rows, with their views; without matrices before :func:`encode_views`.
    wanted : mapping
        View name -> what encoders read it from.
    metric : str
    notes : tuple of str
        What is not computed, and why.
    extra : mapping
        Matrices given beside the task, by view name.
    entries : mapping
        Supervisor's name -> its line in the study.
    left_out : mapping
        Method's name -> supervisor -> why the method does not run there.
    asked : mapping
        Encoder's name -> how its language model is asked for ``self``.
    """

    study: Study
    task: Task
    store: Store
    roles: Mapping[int, Roles]
    groups: Mapping[str, list[Any]]
    rows: Rows
    wanted: Mapping[str, Any]
    metric: str
    forecasts: tuple[str, ...]
    audits: tuple[str, ...]
    notes: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    entries: Mapping[str, Any] = field(default_factory=dict)
    left_out: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    asked: Mapping[str, Any] = field(default_factory=dict)

    @property
    def supervisors(self) -> dict[str, Any]:
        """All supervisors by name."""
        return {s.name: s for group in self.groups.values() for s in group}

    @property
    def answering(self) -> dict[str, Any]:
        """All who are asked for labels or for ``self``, by name."""
        return {**self.supervisors, **{question.name: question for question in self.asked.values()}}

    def keys(self) -> dict[str, dict[str, str]]:
        """Return the key and file of each view, from names alone where it is not made yet."""
        from outgrow.encoders.encode import view_key

        found = {}
        for name, spec in self.wanted.items():
            view = self.rows.views.get(name)
            if self._is_given(name):
                key = fingerprint("matrix", self._given(name))
            else:
                key = view.fingerprint() if view is not None and view.matrix else view_key(self.task, spec)
            path = getattr(view.values, "filename", None) if view is not None else None
            found[name] = {"key": key, "path": str(path) if path else ""}
        return found

    def plan(self) -> Plan:
        """Lay out the jobs. Roles and truth are stored first, because jobs in other processes read them."""
        from outgrow.studies.own import own_jobs

        roles_keys = {seed: self._roles_key(r) for seed, r in self.roles.items()}
        asking, own = own_jobs(self, roles_keys)
        plan = make_plan(
            self.study,
            self.task,
            self.groups,
            self.entries,
            self.keys(),
            self.roles,
            roles_keys,
            self._truth_key(),
            list(self.forecasts),
            self.metric,
            self.left_out,
            own,
        )
        return replace(plan, jobs=(*asking, *plan.jobs), own=own)

    def _is_given(self, name: str) -> bool:
        return name == INPUTS or name in self.extra

    def _given(self, name: str) -> NDArray[np.float64]:
        """Return a matrix that came with the task instead of from an encoder."""
        return np.asarray(self.extra.get(name, self.task.inputs), dtype=np.float64)

    def _roles_key(self, roles: Roles) -> str:
        return fingerprint("roles", *(roles[r] for r in ROLES), roles.seed)

    def _truth_key(self) -> str:
        return fingerprint("truth of", self.task.name, self.task.key, self.task.truth_key)

    def lay_down(self) -> None:
        """Write roles, truth, and a numeric task's own matrix into the store."""

        def truth(folder: Path) -> None:
            np.save(folder / "truth.npy", self.task.truth_at(self.task.ids))
            write_json(folder / "task.json", {"name": self.task.name})

        self.once(self._truth_key(), "truth", truth)
        for roles in self.roles.values():

            def write(folder: Path, roles: Roles = roles) -> None:
                for role in ROLES:
                    np.save(folder / f"{role}.npy", roles[role])
                write_json(folder / "roles.json", {"seed": roles.seed})

            self.once(self._roles_key(roles), "roles", write)

    def once(self, key: str, kind: str, write: Callable[[Path], None]) -> Path:
        """Return the folder of an object of this task; ``write`` fills it where the store does not hold it."""
        with self.store.lock(key):
            return self.store.get(key) or self.store.put(key, kind, write, task=self.task.key)

    def weak(self, work: Cellwork) -> WeakLabels:
        """Return the stacked labels of one cell, for all rows of the task."""
        return WeakLabels.stack([WeakLabels.load(self.store.path(key)) for key in work.labels])

    def outputs(self, work: Cellwork) -> NDArray[np.float64]:
        """Return the (N, c) answers of one cell's student, for all rows of the task."""
        return np.asarray(np.load(self.store.path(work.student) / "outputs.npy", allow_pickle=False), dtype=np.float64)

    def encode_views(self, *, progress: bool, say: Say, journal: Journal | None) -> Ready:
        """Make the views that are not stored, and return the same with all of them at hand."""
        from outgrow.encoders.encode import encode

        given = [n for n in self.wanted if self._is_given(n)]
        wanted = [spec for name, spec in self.wanted.items() if name not in given]
        rows = encode(self.task, wanted, store=self.store, progress=progress, show=say, journal=journal)
        for name in given:
            values = self._given(name)
            key = fingerprint("matrix", values)
            folder = self.once(key, "view", lambda folder, values=values: np.save(folder / "view.npy", values))  # type: ignore[misc]
            values = np.load(folder / "view.npy", mmap_mode="r", allow_pickle=False)
            rows = Rows(rows.ids, {**rows.views, name: View(values, key)})
        return replace(self, rows=rows)


def make_ready(
    study: Study,
    *,
    task: Task | None = None,
    views: Mapping[str, Any] | None = None,
    store: Store | None = None,
    say: Say = lambda sentence: None,
    alone: bool = True,
) -> Ready:
    """Load, split, build and check; say in one sentence what cannot be done, before any work.

    Parameters
    ----------
    study : Study
    task : Task, optional
        In place of the one the study names.
    views : mapping, optional
        Further matrices (N, d) of the task's rows, by view name.
    alone : bool
        False for one of several studies: a method that can run with none of its supervisors is left out of it and is no error.

    Raises
    ------
    InputError
        A study that names what does not exist, lacks what its methods need, or has no supervisor left.
    """
    from outgrow.catalogue import catalogue, find
    from outgrow.scores.metrics import default_metric, metrics_for
    from outgrow.studies.learned import with_controls

    study = with_controls(study)
    usual = [name for name, kind in catalogue("forecasts").items() if not getattr(kind, "on_request", False)]
    forecasts = tuple(study.forecasts if study.forecasts is not None else usual)
    audits = tuple(study.audits if study.audits is not None else catalogue("audits"))
    for folder, names in (("forecasts", forecasts), ("audits", audits)):
        for name in names:
            find(folder, name)
    extra: dict[str, Any] = {}
    if task is None:
        task, extra = load_task(study.task, study.name, study.folder, say)
    extra |= dict(views or {})
    for name, values in extra.items():
        if np.ndim(values) != 2 or len(values) != len(task):
            raise StudyError(
                f"view {name!r} has shape {np.shape(values)}; it needs one row for each of the {len(task)} inputs"
            )
        if np.asarray(values).dtype.kind not in "biuf":
            raise StudyError(f"view {name!r} holds {np.asarray(values).dtype}; it must hold numbers")
        if not (sound := np.isfinite(values).all(axis=1)).all():
            raise StudyError(
                f"view {name!r} has {int((~sound).sum())} rows with NaN or infinity, the first is row {int(np.argmin(sound))}; "
                "fill or remove them"
            )
    c = None if task.kind == "value" else len(task.classes)
    metric = study.metric or default_metric(task.kind, task.truth_at(task.ids), c)
    if metric not in metrics_for(task.kind):
        raise StudyError(
            f"metric {metric!r} is not for a task of {task.kind}; choose one of {', '.join(metrics_for(task.kind))}"
        )
    sizes = study.split.model_dump(exclude_none=True)
    roles = {seed: split(task, seed, **sizes) for seed in study.seeds}
    notes = [*task.notes, *(n for r in roles.values() for n in r.notes)]
    groups, entries, left_out = _groups(study, task, roles)
    notes += left_out
    if not groups:
        raise StudyError(f"no supervisor is left: {' '.join(left_out)}")
    wanted: dict[str, Any] = {}
    for supervisor in (s for group in groups.values() for s in group):
        on = getattr(supervisor, "on", None)
        if on is not None and (on != INPUTS or supervisor.needs_truth):
            wanted.setdefault(on, on)
    for student in study.students:
        wanted.setdefault(view_name(student), student.view())
    for view in _method_views(study, task.kind, alone):
        wanted.setdefault(view, view)
    from outgrow.encoders.encode import view_key

    for name, spec in wanted.items():
        if name not in extra:
            if name == INPUTS and task.is_text:
                raise StudyError(
                    "a student or probe reads 'inputs', and this task's inputs are text; name an encoder such as minilm"
                )
            if name != INPUTS:
                view_key(task, spec)
    from outgrow.studies.own import own_questions

    for student in (s for s in study.students if s.finetune is not None):
        check_tuned(student, view_name(student), task.kind)
        notes.append(CURVE.format(student_name(student, "")))
    asked, mute = own_questions(study, task)
    notes += mute
    sources = {
        g: [_Planned(s.name, s.on if getattr(s, "on", None) in wanted else None) for s in group]
        for g, group in groups.items()
    }
    refused = check_needs(
        study, list(wanted), sources, roles[study.seeds[0]], task.kind, c or 0, alone=alone, asked=asked
    )
    notes += left_out_notes(refused, len(groups))
    select = all(len(r.select) for r in roles.values())
    kept = tuple(f for f in forecasts if select or not find("forecasts", f)().needs().select)
    if len(kept) < len(forecasts):
        notes.append(f"No forecast by {', '.join(f for f in forecasts if f not in kept)}: there are no select rows.")
    rows = Rows(task.ids, {INPUTS: View(task.inputs, task.key)})
    return Ready(
        study,
        task,
        store or Store(),
        roles,
        groups,
        rows,
        wanted,
        metric,
        kept,
        audits,
        tuple(dict.fromkeys(notes)),
        extra,
        entries,
        refused,
        asked,
    )


@dataclass(frozen=True)
class _Planned:
    """What is known of a source before its supervisor is fitted."""

    name: str
    view: str | None


def _method_views(study: Study, kind: str, alone: bool) -> list[str]:
    """Return the views that methods name beside the student's own, such as those of a chain."""
    from outgrow.studies.work import build_method

    head = {"head": "ridge" if kind == "value" else "linear", "on": None}
    made = [build_method(dict(zip(("name", "params"), method_of(m))), head) for m in study.methods]
    views: set[str] = set()
    for method in made:
        try:
            if hasattr(method, "check"):
                method.check()
        except LabelsError:
            # Not for this kind of task; a study that stands alone says so, one of several leaves it out.
            if alone:
                raise
            continue
        views |= method.needs().views
    return sorted(views)


def _groups(
    study: Study, task: Task, roles: Mapping[int, Roles]
) -> tuple[dict[str, list[Any]], dict[str, Any], list[str]]:
    from outgrow.supervisors.factory import supervisor

    classes = None if task.kind == "value" else task.classes.tolist()
    groups: dict[str, list[Any]] = {}
    entries: dict[str, Any] = {}
    notes: list[str] = []
    teach = all(len(r.teach) for r in roles.values())
    made: dict[str, Any] = {}
    complete: set[str] = set()
    for entry in study.supervisors:
        group = []
        for spec in entry if isinstance(entry, list) else [entry]:
            line = {"probe": spec} if isinstance(spec, str) else spec
            one = supervisor(
                line,
                classes=classes,
                kind=task.kind,
                names=task.names,
                folder=study.folder,
            )
            if one.needs_truth and not teach:
                notes.append(
                    f"Supervisor {one.name!r} is left out: it learns from truth on teach rows, and there are none."
                )
                continue
            twin = made.setdefault(one.name, one)
            if twin is not one and fingerprint(twin) != fingerprint(one):
                raise StudyError(f"two different supervisors are called {one.name!r}; give one of them a name")
            entries[one.name] = line
            group.append(twin)
        if group:
            name = " + ".join(s.name for s in group)
            whole = len(group) == (len(entry) if isinstance(entry, list) else 1)
            if name in groups and not (whole and name in complete):
                notes.append(
                    f"What is left of a stacked line of supervisors is {name!r} again, so that line is left out."
                )
                continue
            if name in groups:
                raise StudyError(f"supervisor {name!r} stands in the study twice; remove one")
            complete |= {name} if whole else set()
            groups[name] = group
    return groups, entries, list(dict.fromkeys(notes))

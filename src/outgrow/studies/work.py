"""What a job does: one function a kind. Each reads objects from the store, in any process, and writes one object."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from outgrow.catalogue import find
from outgrow.errors import InputError, StoreError
from outgrow.forecasts.forecast import reads
from outgrow.scores.metrics import row_score
from outgrow.store import Store, read_json, write_json
from outgrow.studies.evaluate import References, assemble, grant, predictions, references
from outgrow.studies.learned import said_of
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.rows import Rows, as_view
from outgrow.tasks.split import Roles
from outgrow.tasks.task import Task

__all__ = ["Context", "build_method", "do", "learner"]

ROLES = ("teach", "transfer", "select", "test")


class Context:
    """Where a job finds its inputs: the store, and in the process that holds them the task's rows and supervisors."""

    def __init__(self, store: Store, *, rows: Rows | None = None, supervisors: Mapping[str, Any] | None = None):
        self.store = store
        self.rows_here = rows
        self.supervisors = dict(supervisors or {})

    def folder(self, key: str) -> Path:
        """Return a stored object.

        Raises
        ------
        StoreError
            When it is missing or damaged.
        """
        found = self.store.get(key)
        if found is None:
            raise StoreError(f"the stored object {key} is missing or damaged; run the study again to make it anew")
        return found

    def rows(self, spec: Mapping[str, Any]) -> Rows:
        """Return all rows of the task, with its matrices mapped from their files."""
        if self.rows_here is not None:
            return self.rows_here
        views = {
            name: as_view(name, np.load(about["path"], mmap_mode="r", allow_pickle=False), about["key"])
            for name, about in spec["views"].items()
            if about["path"]
        }
        return Rows(np.arange(spec["n"]), views)

    def roles(self, key: str) -> Roles:
        """Return stored roles."""
        folder = self.folder(key)
        seed = read_json(folder / "roles.json")["seed"]
        return Roles(*(np.load(folder / f"{r}.npy", allow_pickle=False) for r in ROLES), seed=seed)

    def task(self, spec: Mapping[str, Any]) -> Task:
        """Return a stand-in for the task that has its truth and no inputs."""
        folder = self.folder(spec["truth"])
        truth = np.load(folder / "truth.npy", allow_pickle=False)
        blank = np.arange(len(truth), dtype=np.float64)[:, None]
        return Task(read_json(folder / "task.json")["name"], spec["task_kind"], blank, truth, spec["classes"])

    def labels(self, keys: list[str]) -> WeakLabels:
        """Return one table from the tables of several supervisors."""
        return WeakLabels.stack([WeakLabels.load(self.folder(k)) for k in keys])


def learner(spec: Mapping[str, Any]) -> Any:
    """Build a learner from its JSON."""
    if str(spec["head"]).startswith("finetune"):
        from outgrow.studies.tuned import built

        return built(spec)
    params = {k: v for k, v in spec.items() if k != "head"}
    if spec["head"] == "ridge":
        from outgrow.learners.ridge import RidgeHead

        return RidgeHead(**params)
    from outgrow.learners.linear import LinearHead

    return LinearHead(**params)


def build_method(spec: Mapping[str, Any], head: Mapping[str, Any]) -> Any:
    """Build a method around a head from their JSON."""
    params = spec["params"]
    if "chain" in params:
        from outgrow.studies.tuned import linked

        params = linked(params, head)
    return find("methods", spec["name"])(learner=learner(head), **params)


def do_labels(spec: Mapping[str, Any], context: Context, folder: Path) -> None:
    """Fit one supervisor where it needs that, and label all rows of the task; or put a price beside labels that are there."""
    if "priced" in spec:
        _price(spec, context, folder)
        return
    supervisor = context.supervisors.get(spec["supervisor"])
    if supervisor is None:
        from outgrow.supervisors.factory import supervisor as build

        supervisor = build(spec["entry"], classes=spec["classes"], kind=spec["task_kind"])
    rows = context.rows(spec)
    if supervisor.needs_truth:
        from sklearn.base import clone

        teach = context.roles(spec["roles"]).teach
        told, supervisor = getattr(supervisor, "say", None), clone(supervisor)
        if hasattr(supervisor, "store"):
            supervisor.store, supervisor.say = context.store, told
        if "random_state" in supervisor.get_params():
            supervisor.set_params(random_state=spec["seed"])
        if getattr(getattr(supervisor, "learner", None), "reads_inputs", False):
            supervisor.set_params(learner__random_state=spec["seed"])
        supervisor.fit(rows.at(teach), context.task(spec).truth_table(teach))
    # Prices stand in objects of their own, or these would keep an old one.
    replace(supervisor.label(rows), costs=None).save(folder)
    votes = getattr(supervisor, "votes_", None)
    if votes is not None and votes.supervisors > 1:
        votes.save(folder / "votes")
    write_json(folder / "about.json", {"said": getattr(supervisor, "report_", "")})


def _price(spec: Mapping[str, Any], context: Context, folder: Path) -> None:
    base = context.folder(spec["priced"])
    table = WeakLabels.load(base)
    if isinstance(spec["cost"], str):
        # A column of the file, which is read once more.
        table = context.supervisors[spec["supervisor"]].label(context.rows(spec))
    else:
        table = table.priced(spec["cost"])
    table.save(folder)
    if (base / "votes").is_dir():
        WeakLabels.load(base / "votes").save(folder / "votes")
    write_json(folder / "about.json", read_json(base / "about.json"))


def do_self(spec: Mapping[str, Any], context: Context, folder: Path) -> None:
    """Ask a strong model for its own answers."""
    question = context.supervisors[spec["supervisor"]]
    ids = np.unique(np.concatenate([context.roles(key)[role] for key, role in spec["asked"]]))
    question.label(context.rows(spec).at(ids)).save(folder)
    write_json(folder / "about.json", {"said": question.report_})


def do_reference(spec: Mapping[str, Any], context: Context, folder: Path) -> None:
    """Train direct and ceiling."""
    unfitted = build_method(spec["method"], spec["learner"]).reference()
    roles = context.roles(spec["roles"])
    made = references(unfitted, context.task(spec), context.rows(spec), roles, spec.get("ceiling", "transfer"))
    for role, output in made.outputs.items():
        np.save(folder / f"{role}.npy", output)
    about = {"outputs": sorted(made.outputs), "missing": dict(made.missing), "penalties": dict(made.penalties)}
    write_json(folder / "reference.json", about)


def load_references(folder: Path, roles: Roles) -> References:
    """Read what :func:`do_reference` wrote."""
    about = read_json(folder / "reference.json")
    outputs = {role: np.load(folder / f"{role}.npy", allow_pickle=False) for role in about["outputs"]}
    return References(roles.test, outputs, about["missing"], about["penalties"])


def do_curve(spec: Mapping[str, Any], context: Context, folder: Path) -> None:
    """Score the learner after a few numbers of true labels; after all of them it is ``direct``, which is trained already."""
    from outgrow.studies.curve import curve_rows, score_curve

    task, roles, sizes = context.task(spec), context.roles(spec["roles"]), list(spec["sizes"])
    sets = curve_rows(roles.teach, sizes[:-1], spec["seed"])
    unfitted = build_method(spec["method"], spec["learner"]).reference()
    scores = score_curve(unfitted, task, context.rows(spec), sets, roles.test, spec["metric"])
    direct = load_references(context.folder(spec["reference"]), roles).outputs["direct"]
    c = 1 if task.kind == "value" else len(task.classes)
    last = row_score(spec["metric"], direct, task.truth_at(roles.test), c)
    np.save(folder / "scores.npy", np.concatenate([scores, last[None]]))
    write_json(folder / "curve.json", {"sizes": sizes})


def do_student(spec: Mapping[str, Any], context: Context, folder: Path) -> None:
    """Fit one method, predict every row of the task, and take the forecasts."""
    rows, roles, weak = context.rows(spec), context.roles(spec["roles"]), context.labels(spec["labels"])
    task = context.task(spec)
    method = build_method(spec["method"], spec["learner"])
    own = context.labels(spec["own"]) if spec.get("own") else None
    extra = grant(method, task, rows, weak, roles, own=own)
    method.fit(rows.at(roles.transfer), weak.at(roles.transfer), **extra)
    np.save(folder / "outputs.npy", predictions(method, rows, task))
    method.student_.save(folder / "head")
    watched = _moments(method.student_, task, rows, roles, folder)
    said, mute = [], {}
    for name in spec["forecasts"]:
        predictor = find("forecasts", name)()
        ids = getattr(roles, reads(predictor))
        try:
            said += [f.as_dict() for f in predictor.predict(method, rows.at(ids), weak.at(ids))] if len(ids) else []
        except InputError as error:
            # A student is worth keeping also where a forecast does not apply to it.
            mute[name] = str(error)
    head = method.student_
    about = {
        "spent": extra["known"].spent if "known" in extra else 0,
        "penalty": float(head.penalty_),
        "iterations": int(np.max(getattr(head, "n_iter_", 0))),
        "converged": bool(np.all(getattr(head, "converged_", True))),
        "forecasts": said,
        "mute": mute,
        "said": said_of(method),
        **watched,
    }
    write_json(folder / "student.json", about)


def _moments(student: Any, task: Task, rows: Rows, roles: Roles, folder: Path) -> dict[str, Any]:
    """Keep what the student said earlier in its training, where it kept its weights, on the rows that are scored."""
    shares = sorted({float(s) for s in getattr(student, "keep", ())})
    if not shares:
        return {}
    at = rows.at(roles.test if len(roles.test) else roles.select)
    np.save(folder / "moments.npy", np.stack([predictions(student.earlier(s), at, task) for s in shares]))
    return {"moments": [f"{s:g}" for s in shares], "stopped": float(student.stopped_) if student.looks_ else None}


def do_evaluation(spec: Mapping[str, Any], context: Context, folder: Path) -> None:
    """Score one student beside its floor and references."""
    roles, weak, task = context.roles(spec["roles"]), context.labels(spec["labels"]), context.task(spec)
    made = context.folder(spec["student"])
    rows = roles.test if len(roles.test) else roles.select
    output = np.load(made / "outputs.npy", allow_pickle=False)[rows]
    reference = load_references(context.folder(spec["reference"]), roles)
    about = read_json(made / "student.json")
    found = assemble(
        task, weak, roles, output, reference, metric=spec["metric"], spent=about["spent"], cell=spec["cell"]
    )
    if about.get("moments"):
        earlier = dict(zip(about["moments"], np.load(made / "moments.npy", allow_pickle=False), strict=True))
        found = replace(found, moments=earlier, stopped=about["stopped"])
    found.save(folder)


WORK: dict[str, Callable[[Mapping[str, Any], Context, Path], None]] = {
    "labels": do_labels,
    "curve": do_curve,
    "self": do_self,
    "reference": do_reference,
    "student": do_student,
    "evaluation": do_evaluation,
}


def do(spec: Mapping[str, Any], context: Context, first: Callable[[], Any] = lambda: None) -> float:
    """Do one job, under its lock, after ``first`` was called; return the seconds it took, 0 when another process was faster."""
    store = context.store
    with store.lock(spec["key"]):
        if store.get(spec["key"]) is not None:
            return 0.0
        first()
        start = time.perf_counter()
        work = WORK[spec["kind"]]
        recipe = {k: v for k, v in spec.items() if k in ("kind", "method", "learner", "seed", "cell", "supervisor")}

        def write(folder: Path) -> None:
            cpu = time.process_time()
            work(spec, context, folder)
            # Into the manifest, which no checksum covers: what was computed is the same bits however long it took.
            recipe["cpu_seconds"] = round(time.process_time() - cpu, 3)

        store.put(spec["key"], spec["kind"], write, task=spec["task"], recipe=recipe)
        return time.perf_counter() - start

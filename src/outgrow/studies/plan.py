"""From a study to jobs: what must be computed, under which key, from what."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from outgrow.errors import NeedsError, StudyError
from outgrow.fingerprints import code_version, environment_key, fingerprint
from outgrow.scores.worth import sizes_for
from outgrow.studies.study import StudentSpec, Study, method_of
from outgrow.studies.tuned import chain_words, learner_of
from outgrow.studies.tuned import shown as shown_tuned
from outgrow.tasks.needs import Needs
from outgrow.tasks.rows import TOKENS
from outgrow.tasks.split import Roles
from outgrow.tasks.task import Task

__all__ = ["Cellwork", "Job", "Plan", "make_plan"]


@dataclass(frozen=True)
class Job:
    """One unit of work.

    Parameters
    ----------
    kind : str
        "labels", "reference", "curve", "student" or "evaluation"; other packages may add kinds.
    key : str
        Fingerprint of everything the result depends on; where it is stored.
    label : str
        For people.
    inputs : tuple of str
        Keys of jobs that must be done before.
    spec : mapping
        JSON: what :mod:`outgrow.studies.work` needs to do it in any process.
    local : bool
        Whether it reads the raw inputs, and so must run in the process that holds the task.
    """

    kind: str
    key: str
    label: str
    inputs: tuple[str, ...]
    spec: Mapping[str, Any]
    local: bool = False


@dataclass(frozen=True)
class Cellwork:
    """One (supervisor, student, method, seed) and the keys of its results."""

    cell: Mapping[str, str]
    seed: int
    labels: tuple[str, ...]
    reference: str
    student: str
    evaluation: str


@dataclass(frozen=True)
class Plan:
    """All jobs, in an order in which each comes after its inputs, and the cells they make."""

    jobs: tuple[Job, ...]
    cells: tuple[Cellwork, ...]
    labels: Mapping[tuple[str, int], tuple[str, ...]] = field(default_factory=dict)
    own: Mapping[str, str] = field(default_factory=dict)
    curves: Mapping[tuple[str, int], str] = field(default_factory=dict)


def learner_spec(student: StudentSpec, view: str, kind: str, seed: int) -> dict[str, Any]:
    """Return JSON from which :func:`outgrow.studies.work.learner` builds the learner."""
    if student.finetune is not None:
        return learner_of(student, view, kind, seed)
    head = student.head or ("ridge" if kind == "value" else "linear")
    if student.tol is not None and head == "ridge":
        raise StudyError(
            f"student {student.encoder} has a ridge head, which is solved exactly and has no tol; leave it out"
        )
    stop = {} if student.tol is None else {"tol": student.tol}
    return {"head": head, "on": view, "penalty": student.penalty, **stop, "random_state": seed}


def student_name(student: StudentSpec, view: str) -> str:
    """Return a student's name in tables."""
    if student.name:
        return student.name
    if student.finetune is not None:
        others = {k: v for k in ("max_tokens", "pooling") if (v := getattr(student, k)) is not None}
        return shown_tuned(student.encoder, student.finetune.given(), others)
    name = view if student.head is None else f"{view} ({student.head})"
    return name if student.penalty == "cv" else f"{name} penalty {student.penalty:g}"


def method_name(entry: Any) -> str:
    """Return a method's name in tables, with the parameters that were given."""
    name, params = method_of(entry)
    told = {k: chain_words(v) if k == "chain" else v for k, v in params.items()}
    return name + (f"({', '.join(f'{k}={v}' for k, v in told.items())})" if told else "")


def check_needs(
    study: Study,
    views: list[str],
    sources: Mapping[str, list[Any]],
    roles: Roles,
    kind: str,
    classes: int = 2,
    *,
    alone: bool = True,
    asked: Collection[str] = (),
) -> dict[str, dict[str, str]]:
    """Say before any work what a method lacks, which of its parameters is out of range, and which head is of the wrong kind.

    Parameters
    ----------
    alone : bool
        False for one of several studies that are compared: a method that can run with none of its supervisors is left out of it then,
        and is no error.
    asked : collection of str
        Encoders whose language model gives answers of its own.

    Returns
    -------
    dict
        Method's name -> supervisor -> why the method is left out there.

    Raises
    ------
    NeedsError, StudyError
    InputError
        From the method's own check.
    """
    from outgrow.studies.evaluate import check_budget
    from outgrow.studies.work import build_method

    fitting = "ridge" if kind == "value" else "linear"
    for student in study.students:
        if student.head not in (None, fitting):
            raise StudyError(
                f"student {student.encoder!r} has the head {student.head!r}, and a task of {kind} needs {fitting!r}; leave head out"
            )
    shown = [student_name(s, view_name(s)) for s in study.students]
    if twice := [name for i, name in enumerate(shown) if name in shown[:i]]:
        raise StudyError(f"two students are called {twice[0]!r}; remove one, or give it a name")
    sources = {g: [_featured(source) for source in group] for g, group in sources.items()}
    own = True if all(model_of(student.encoder) in asked for student in study.students) else None
    left_out: dict[str, dict[str, str]] = {}
    tuned = next((s for s in study.students if s.finetune is not None), None)
    learner = {"head": fitting, "on": None} if tuned is None else learner_spec(tuned, view_name(tuned), kind, 0)
    for entry in study.methods:
        name, params = method_of(entry)
        method = build_method({"name": name, "params": params}, learner)
        refuses = getattr(method, "refuses", lambda *given: None)
        refused = {g: reason for g, group in sources.items() if (reason := refuses(kind, classes, group))}
        if alone and len(refused) == len(sources):
            method.check()
            raise NeedsError(next(iter(refused.values())))
        if refused:
            left_out[method_name(entry)] = refused
        needs: Needs = method.needs()
        check_budget(name, getattr(method, "budget", None), len(roles.teach))
        for group in (sources[g] for g in sources if g not in refused):
            needs.check(name, views, group, known=len(roles.teach) or None, select=len(roles.select) or None, own=own)
    if all(len(left_out.get(method_name(entry), ())) == len(sources) for entry in study.methods):
        raise NeedsError(next(reason for refused in left_out.values() for reason in refused.values()))
    return left_out


def _featured(source: Any) -> Any:
    """Return a source whose view is None where it holds token ids: a fine-tuned supervisor has no features to hand on."""
    return replace(source, view=None) if source.view is not None and source.view.startswith(TOKENS) else source


def left_out_notes(left_out: Mapping[str, Mapping[str, str]], groups: int) -> list[str]:
    """Write a sentence for each method and reason."""
    notes = []
    for method, refused in left_out.items():
        for reason in dict.fromkeys(refused.values()):
            where = [group for group, why in refused.items() if why == reason]
            of = "" if len(where) == groups else f" of {', '.join(where)}"
            notes.append(f"{method} is left out{of}: {reason}.")
    return notes


def make_plan(
    study: Study,
    task: Task,
    groups: Mapping[str, list[Any]],
    entries: Mapping[str, Any],
    views: Mapping[str, Mapping[str, str]],
    roles: Mapping[int, Roles],
    roles_keys: Mapping[int, str],
    truth_key: str,
    forecasts: list[str],
    metric: str,
    left_out: Mapping[str, Mapping[str, str]] | None = None,
    own: Mapping[str, str] | None = None,
) -> Plan:
    """Lay out the jobs of a study.

    Parameters
    ----------
    groups : mapping of str to list
        Name of each line of ``supervisors`` -> its supervisors, built and unfitted.
    entries : mapping of str
        Supervisor's name -> its line in the study, from which another process builds it.
    views : mapping
        View name -> ``{"key", "path"}``.
    roles, roles_keys : mapping of int
        By seed.
    truth_key : str
        Key of the stored truth; only jobs that are handed truth name it.
    forecasts : list of str
        Names of the forecasts to take.
    metric : str
        What gain and PGR use.
    left_out : mapping, optional
        What :func:`check_needs` returned: no job is laid out for these.
    own : mapping, optional
        Student's name -> key of its model's own answers.
    """
    from outgrow.catalogue import find
    from outgrow.studies.work import build_method

    jobs: dict[str, Job] = {}
    cells: list[Cellwork] = []
    tables: dict[tuple[str, int], tuple[str, ...]] = {}
    contents: dict[tuple[str, int], list[str]] = {}
    curves: dict[tuple[str, int], str] = {}
    env = environment_key()
    work = code_version("outgrow.studies.work")
    about = {
        "task": task.key,
        "kind": task.kind,
        "classes": None if task.kind == "value" else task.classes.tolist(),
        "n": len(task),
    }

    def add(kind: str, key: str, label: str, inputs: tuple[str, ...], spec: dict[str, Any], local: bool = False) -> str:
        jobs.setdefault(
            key,
            Job(kind, key, label, inputs, {**spec, **about, "kind": kind, "task_kind": task.kind, "key": key}, local),
        )
        return key

    for seed, role in roles.items():
        teach_truth = fingerprint(task.truth_table(role.teach).fingerprint() if len(role.teach) else None)
        transfer_truth = fingerprint(task.truth_table(role.transfer).fingerprint())
        test_truth = fingerprint(task.truth_table(role.test).fingerprint() if len(role.test) else None)
        at = {r: fingerprint(getattr(role, r)) for r in ("teach", "transfer", "select", "test")}
        for group, supervisors in groups.items():
            keys: list[str] = []
            said: list[str] = []
            for supervisor in supervisors:
                taught = supervisor.needs_truth
                seen = [at["teach"], teach_truth, seed] if taught else None
                uses = {v: views[v]["key"] for v in views if v == getattr(supervisor, "on", None)}
                key = fingerprint("labels", supervisor, uses, None if uses else task.key, about, seen, env, work)
                label = f"{supervisor.name} labels" + (f", seed {seed}" if taught else "")
                spec = {
                    "supervisor": supervisor.name,
                    "entry": entries[supervisor.name],
                    "roles": roles_keys[seed],
                    "truth": truth_key,
                    "views": views,
                    "seed": seed,
                }
                # What reads a matrix and learns from truth can do so anywhere; rules, files and debates need the inputs held here.
                anywhere = taught and uses and not getattr(supervisor, "reads_inputs", False)
                add("labels", key, label, (), spec, local=not anywhere)
                cost = entries[supervisor.name].get("cost")
                said.append(key)
                if cost is not None:
                    # The same labels beside their price, so that another price makes no label and no student anew.
                    spec = {**spec, "priced": key, "cost": cost}
                    key = fingerprint("priced labels", key, cost)
                    add("labels", key, f"{label}, priced", (spec["priced"],), spec, local=isinstance(cost, str))
                keys.append(key)
            tables[group, seed], contents[group, seed] = tuple(keys), said
        for student in study.students:
            view = view_name(student)
            learner = learner_spec(student, view, task.kind, seed)
            shown = student_name(student, view)
            for entry in study.methods:
                name, params = method_of(entry)
                method = build_method({"name": name, "params": params}, learner)
                common: dict[str, Any] = {
                    "method": {"name": name, "params": params},
                    "learner": learner,
                    "roles": roles_keys[seed],
                }
                common |= {"views": views, "seed": seed, "truth": truth_key}
                read = [views[v]["key"] for v in sorted(method.needs().views)]
                truths: list[Any] = [teach_truth, transfer_truth, at]
                if study.ceiling != "transfer":
                    truths.append(study.ceiling)
                    common["ceiling"] = study.ceiling
                key = fingerprint("reference", method.reference(), read, truths, env, work)
                refused = (left_out or {}).get(method_name(entry), {})
                if len(refused) == len(groups):
                    continue
                what = "direct and ceiling" if study.ceiling == "transfer" else "direct, the ceiling too,"
                reference = add("reference", key, f"{what} of {shown}, seed {seed}", (), common)
                if student.finetune is None and (shown, seed) not in curves and (sizes := _sizes(task, role)):
                    key = fingerprint("curve", key, sizes, seed, test_truth, metric, work)
                    spec = {**common, "reference": reference, "sizes": list(sizes), "metric": metric}
                    label = f"learning curve of {shown} on truth, seed {seed}"
                    curves[shown, seed] = add("curve", key, label, (reference,), spec)
                for group in (g for g in groups if g not in refused):
                    table = tables[group, seed]
                    granted = [teach_truth, at["teach"]] if method.needs().known else None
                    predictors = [find("forecasts", f) for f in forecasts]
                    content = contents[group, seed]
                    parts = [method, read, content, at["transfer"], at["select"], granted, predictors, env, work]
                    asked = [own[shown]] if own and shown in own and method.needs().reads_own else []
                    parts += asked
                    key = fingerprint("student", *parts)
                    label = f"{group} -> {shown}, {method_name(entry)}, seed {seed}"
                    spec = {**common, "labels": list(table), "forecasts": forecasts, "own": asked}
                    fitted = add("student", key, label, (*table, *asked), spec)
                    names = {"task": task.name, "supervisor": group, "student": shown, "method": method_name(entry)}
                    key = fingerprint(
                        "evaluation", fitted, reference, content, at, test_truth, metric, names, seed, work
                    )
                    spec = {
                        "labels": list(table),
                        "roles": roles_keys[seed],
                        "truth": truth_key,
                        "student": fitted,
                        "reference": reference,
                        "metric": metric,
                        "cell": names,
                        "seed": seed,
                    }
                    done = add("evaluation", key, f"score of {label}", (*table, reference, fitted), spec)
                    cells.append(Cellwork(names, seed, table, reference, fitted, done))
    return Plan(tuple(jobs.values()), tuple(cells), tables, curves=curves)


def _sizes(task: Task, role: Roles) -> tuple[int, ...]:
    """Return the numbers of labels of a learning curve; none where there is no direct to end in."""
    if not len(role.test) or (task.kind == "classes" and len(np.unique(task.truth_at(role.teach))) < 2):
        return ()
    return sizes_for(len(role.teach))


def model_of(encoder: str) -> str:
    """Return the model behind a student's encoder: its name without layer and options."""
    from outgrow.encoders.views import parse

    return parse(encoder).encoder


def view_name(student: StudentSpec) -> str:
    """Return the name of the view that a student reads."""
    if student.encoder == "inputs":
        return "inputs"
    from outgrow.encoders.views import parse

    return parse(student.view()).name

"""Where truth comes in: references, grants, and the evaluation of a student.

Besides ``split`` and the supervisors' teach rows this is the one place that reads a task's truth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from outgrow.errors import InputError, LabelsError, NeedsError
from outgrow.methods.method import in_classes
from outgrow.scores.evaluation import Evaluation
from outgrow.scores.metrics import default_metric, row_score
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.needs import Known
from outgrow.tasks.rows import Rows
from outgrow.tasks.split import Roles
from outgrow.tasks.task import Task

__all__ = ["References", "evaluate", "grant", "references"]

GRANT = 97
"""Keeps the draw of granted rows apart from other draws of the same seed."""


@dataclass(frozen=True, eq=False)
class References:
    """What the same learner reaches on truth.

    Parameters
    ----------
    ids : ndarray of shape (n,)
        Test rows.
    outputs : mapping
        "direct" (trained on the teach rows) and "ceiling" (on the transfer rows) -> (n, c) predictions, where they exist.
    missing : mapping
        Role -> the sentence that says why it does not.
    penalties : mapping
        Role -> the strength of regularisation that was chosen.
    """

    ids: NDArray[np.int64]
    outputs: Mapping[str, NDArray[np.float64]]
    missing: Mapping[str, str] = field(default_factory=dict)
    penalties: Mapping[str, float] = field(default_factory=dict)


def references(
    learner: Any, task: Task, X: Rows, roles: Roles, ceiling: Literal["transfer", "teach"] = "transfer"
) -> References:
    """Fit clones of a learner on truth: ``direct`` on the teach rows, ``ceiling`` on the transfer rows.

    Parameters
    ----------
    learner : learner
        Unfitted; :meth:`Method.reference` of a method.
    task : Task
    X : Rows
        All rows of the task, with the views the learner reads.
    roles : Roles
    ceiling : {"transfer", "teach"}
        The rows whose truth the ceiling learns. ``transfer`` is the paper's and EleutherAI's; the sweeps of Burns et al.'s public code
        train every model of the truth, ceilings too, on what is here ``teach``: then the ceiling is ``direct``, and one fit serves as both.

    Returns
    -------
    outgrow.studies.evaluate.References
        What cannot be trained is left out, with the reason.
    """
    outputs: dict[str, NDArray[np.float64]] = {}
    missing: dict[str, str] = {}
    penalties: dict[str, float] = {}
    wanted = [("direct", roles.teach, "teach")]
    if ceiling == "transfer":
        wanted.append(("ceiling", roles.transfer, "transfer"))
    for role, ids, what in wanted:
        reason = _no_reference(task, ids, roles.test, what)
        if reason:
            missing[role] = f"no {role}: {reason}"
            continue
        fitted = clone(learner).fit(X.at(ids), task.truth_table(ids))
        outputs[role] = predictions(fitted, X.at(roles.test), task)
        penalties[role] = float(getattr(fitted, "penalty_", np.nan))
    if ceiling == "teach":
        if "direct" in missing:
            missing["ceiling"] = missing["direct"].replace("no direct", "no ceiling")
        else:
            outputs["ceiling"], penalties["ceiling"] = outputs["direct"], penalties["direct"]
    return References(roles.test, outputs, missing, {k: v for k, v in penalties.items() if np.isfinite(v)})


_references = references


def _no_reference(task: Task, ids: NDArray[np.int64], test: NDArray[np.int64], what: str) -> str:
    if not len(test):
        return "no test rows with truth to score it on"
    if not len(ids):
        return f"there are no {what} rows"
    known = task.has_truth[ids]
    if not known.any():
        return f"no truth on {what} rows"
    if not known.all():
        return f"truth on {int(known.sum())} of {len(ids)} {what} rows only"
    if task.kind == "classes" and len(np.unique(task.truth_at(ids))) < 2:
        return f"the {what} rows hold one class only"
    return ""


def predictions(model: Any, rows: Rows, task: Task) -> NDArray[np.float64]:
    """Return (n, c) probabilities in the task's order of classes, matched by name, or (n, 1) values.

    Raises
    ------
    InputError
        When the model names a class that the task does not have.
    """
    if task.kind == "value":
        return np.asarray(model.predict(rows), dtype=np.float64).reshape(len(rows), 1)
    return in_classes(model, rows, task.classes)


def check_budget(name: str, budget: int | None, teach: int) -> None:
    """Raise when a method spends more truth than there are teach rows.

    Raises
    ------
    NeedsError
    """
    if budget is not None and budget > teach:
        raise NeedsError(f"{name} is granted {budget} rows of truth and there are {teach} teach rows; lower the budget")


def grant(
    method: Any,
    task: Task,
    X: Rows,
    weak: WeakLabels,
    roles: Roles,
    budget: int | None = None,
    own: WeakLabels | None = None,
) -> dict[str, Any]:
    """Build the keywords that a method's ``fit`` asks for, after checking that all it needs is there.

    Parameters
    ----------
    method : method
    task : Task
    X, weak
        All rows of the task.
    roles : Roles
    budget : int, optional
        How many teach rows of truth to grant, drawn by the roles' seed: a larger budget holds a smaller one. Default: the method's own
        ``budget``, and all of them where it has none.
    own : WeakLabels, optional
        The strong model's own answers on the transfer rows at least, given without truth.

    Returns
    -------
    dict
        ``known``, ``select`` and ``own`` where the method asks for them.

    Raises
    ------
    NeedsError
        One sentence: what is missing, and what there is.
    """
    needs = method.needs()
    name = type(method).__name__
    budget = getattr(method, "budget", None) if budget is None else budget
    check_budget(name, budget, len(roles.teach))
    teach = roles.teach
    if budget is not None and budget < len(teach):
        # Teach rows stand in the task's order, which may be sorted by class.
        order = np.random.default_rng([GRANT, roles.seed or 0]).permutation(len(teach))
        teach = teach[np.sort(order[:budget])]
    known = Known(X.at(teach), weak.at(teach), task.truth_at(teach)) if needs.known and len(teach) else None
    select = (X.at(roles.select), weak.at(roles.select)) if needs.select and len(roles.select) else None
    needs.check(name, X.views, weak.sources, known=known, select=select, own=own)
    asked = {"known": known, "select": select, "own": own}
    wanted = {"known": needs.known, "select": needs.select, "own": needs.reads_own and (needs.own or own is not None)}
    return {k: v for k, v in asked.items() if wanted[k]}


def evaluate(
    student: Any,
    task: Task,
    X: Rows,
    weak: WeakLabels,
    roles: Roles,
    *,
    references: References | None = None,
    metric: str | None = None,
    spent: int | None = None,
    cell: Mapping[str, str] | None = None,
) -> Evaluation:
    """Score a student beside floor, direct and ceiling, on the same test rows.

    Parameters
    ----------
    student : method or learner
        Fitted.
    task : Task
    X, weak
        All rows of the task.
    roles : Roles
    references : References, optional
        Default: trained here, from the student's own learner.
    metric : str, optional
        What gain and PGR use; see :func:`outgrow.scores.metrics.default_metric`.
    spent : int, optional
        Truth rows that the method was granted; default what it says itself (``spent_``).
    cell : mapping, optional
        Names of task, supervisor, student and method, for tables.

    Returns
    -------
    Evaluation

    Raises
    ------
    InputError
        References of other test rows; a student that names a class the task does not have.
    LabelsError
        Weak labels whose classes are not the task's, in its order; a supervisor that covers no transfer row.
    """
    if references is None:
        unfitted = student.reference() if hasattr(student, "reference") else clone(student)
        references = _references(unfitted, task, X, roles)
    rows = roles.test if len(roles.test) else roles.select
    names = {
        "task": task.name,
        "supervisor": weak.label,
        "student": _view_of(student),
        "method": type(student).__name__,
    }
    return assemble(
        task,
        weak,
        roles,
        predictions(student, X.at(rows), task),
        references,
        metric=metric,
        spent=int(getattr(student, "spent_", 0)) if spent is None else spent,
        cell={**names, **(cell or {})},
    )


def _view_of(student: Any) -> str:
    return str(getattr(getattr(student, "student_", student), "on", None) or "X")


def assemble(
    task: Task,
    weak: WeakLabels,
    roles: Roles,
    output: NDArray[np.float64],
    references: References,
    *,
    metric: str | None = None,
    spent: int = 0,
    cell: Mapping[str, str] | None = None,
) -> Evaluation:
    """Build the evaluation from predictions that are already there.

    Parameters
    ----------
    output : ndarray of shape (n, c)
        The student's predictions on the test rows; on the select rows when nothing can be scored.

    Notes
    -----
    A test row that no supervisor covers gets, for the floor, the label prior of the covered transfer rows.
    """
    ids = roles.test if len(roles.test) else roles.select
    if len(output) != len(ids):
        raise InputError(
            f"the student has {len(output)} predictions for {len(ids)} rows; give them in the order of the test rows"
        )
    scored = len(roles.test) > 0
    _check_classes(task, weak)
    if scored and not np.array_equal(references.ids, ids):
        raise InputError(
            f"the references are of {len(references.ids)} other test rows than these {len(ids)}; train them with the same roles"
        )
    table = weak.at(ids)
    prior = weak.at(roles.transfer).prior()
    floor, covered = table.one(prior)
    truth = task.truth_at(ids) if scored else None
    classes = None if task.kind == "value" else task.classes
    c = 1 if classes is None else len(classes)
    metric = metric or default_metric(task.kind, task.truth_at(task.ids[task.has_truth]) if scored else None, c)
    outputs = {"floor": floor, "student": output, **(references.outputs if scored else {})}
    missing = dict(references.missing)
    score: dict[str, NDArray[np.float64]] = {}
    floors: dict[str, float] = {}
    if truth is not None:
        score = {role: row_score(metric, out, truth, c) for role, out in outputs.items()}
        for j, source in enumerate(weak.sources):
            alone = weak.source(j)
            if not alone.at(roles.transfer).any_covered.any():
                continue
            each = alone.at(ids).one(alone.at(roles.transfer).prior())[0]
            floors[source.name] = float(row_score(metric, each, truth, c).mean())
    else:
        missing["scores"] = "there are no test rows with truth"
    return Evaluation(
        ids=ids,
        score=score,
        outputs=outputs,
        truth=truth,
        floors=floors,
        spent=spent,
        metric=metric,
        classes=classes,
        covered=covered,
        seed=roles.seed or 0,
        cell=dict(cell or {}),
        missing=missing,
        unnamed=_unnamed(weak),
        direct_rows=len(roles.teach) if "direct" in outputs else None,
    )


def _unnamed(weak: WeakLabels) -> tuple[str, ...] | None:
    """Return the classes that no supervisor names on any row of the task."""
    if weak.classes is None:
        return None
    # Where two classes share the highest probability, both are named.
    top = (weak.probs >= weak.probs.max(axis=2, keepdims=True)) & weak.covered[:, :, None]
    return tuple(str(c) for c, named in zip(weak.classes, top.any(axis=(0, 1)), strict=True) if not named)


def _check_classes(task: Task, weak: WeakLabels) -> None:
    if (weak.classes is None) != (task.kind == "value"):
        what = "values" if weak.classes is None else "class probabilities"
        raise LabelsError(f"the weak labels are {what}, and this is a task of {task.kind}; label it with its own kind")
    if weak.classes is not None and [str(c) for c in weak.classes] != [str(c) for c in task.classes]:
        raise LabelsError(
            f"the weak labels have the classes {[str(c) for c in weak.classes][:6]} and the task has "
            f"{[str(c) for c in task.classes][:6]}; make the table with classes=task.classes"
        )

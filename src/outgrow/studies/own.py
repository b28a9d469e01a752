"""``self``: what the strong model answers when it is merely asked, without any label; a rival beside every student that reads it.

It exists for tasks of classes with text inputs, where a student's encoder is a language model with its head. Each such model is asked once
about the test rows of all seeds, and about the transfer rows too where a method learns from own answers. No truth is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from outgrow.errors import StudyError, nearest
from outgrow.fingerprints import environment_key, fingerprint
from outgrow.scores.evaluation import Evaluation
from outgrow.studies.plan import Job, model_of, student_name, view_name
from outgrow.studies.study import Study, method_of
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.task import Task

if TYPE_CHECKING:
    from outgrow.store import Store
    from outgrow.studies.ready import Ready
    from outgrow.supervisors.prompt import PromptSupervisor

__all__ = ["asks_before", "beside", "own_jobs", "own_questions", "own_seconds", "wants_own"]


def wants_own(study: Study, kind: str) -> bool:
    """Say whether a method of the study learns from the strong model's own answers."""
    from outgrow.studies.work import build_method

    head = {"head": "ridge" if kind == "value" else "linear", "on": None}
    return any(
        build_method(dict(zip(("name", "params"), method_of(m), strict=True)), head).needs().reads_own
        for m in study.methods
    )


def own_questions(study: Study, task: Task) -> tuple[dict[str, PromptSupervisor], list[str]]:
    """Return who is asked, by the name of the model that students read; and what is left out, and why.

    Raises
    ------
    StudyError
        The study asks for ``self`` where there is none, or of a model that no student reads.
    LabelsError, InputError
        The question is not sound.
    """
    from outgrow.generation.model import promptable
    from outgrow.supervisors.factory import supervisor

    given = study.self_
    if given is False:
        return {}, []
    must = given is True or isinstance(given, Mapping)
    options = dict(given) if isinstance(given, Mapping) else {}
    revisions = {model_of(s.encoder): s.revision for s in study.students}
    named = options.pop("prompt", None)
    if named is not None and named not in revisions:
        raise StudyError(
            f"self asks {named!r}, which no student reads, so it is not the strong model's own answer"
            f"{nearest(str(named), revisions)}"
        )
    if task.kind == "value" or not task.is_text:
        if must:
            what = "has values" if task.kind == "value" else "has numbers as inputs"
            raise StudyError(f"self asks a language model to choose among classes for a text, and this task {what}")
        return {}, []
    chosen = [e for e in revisions if (e == named if named is not None else promptable(e, revisions[e]))]
    if not chosen:
        if must:
            raise StudyError(
                "self asks a student's own language model, and no student reads one; name smollm2, or leave self out"
            )
        return {}, []
    mute = [str(c) for c in task.classes if not any(letter.isalpha() for letter in str(c))]
    if mute and "words" not in options:
        sentence = f"the class name {mute[0]!r} is no word to answer with: give self: {{words: {{class: word}}}}"
        if must:
            raise StudyError(f"self cannot be asked: {sentence}")
        return {}, [f"No self: {sentence}."]
    made = {}
    for name in chosen:
        line = {"prompt": name, "name": f"self {name}", **options}
        if revisions[name] is not None:
            line.setdefault("revision", revisions[name])
        made[name] = supervisor(line, classes=task.classes.tolist(), kind=task.kind, folder=study.folder)
    return made, []  # type: ignore[return-value]


def _rows(ready: Ready) -> NDArray[np.int64]:
    roles = ["test", "transfer"] if wants_own(ready.study, ready.task.kind) else ["test"]
    return np.unique(np.concatenate([r[role] for r in ready.roles.values() for role in roles]))


def own_jobs(ready: Ready, roles_keys: Mapping[int, str]) -> tuple[list[Job], dict[str, str]]:
    """Return a job for each model that is asked, and its key by student's name."""
    ids = _rows(ready) if ready.asked else np.array([], dtype=np.int64)
    if not len(ids):
        return [], {}
    task, jobs, keys = ready.task, [], {}
    which = ["test", "transfer"] if wants_own(ready.study, task.kind) else ["test"]
    for name, question in ready.asked.items():
        keys[name] = key = fingerprint("self", question, task.key, ids, environment_key())
        spec = {"kind": "self", "key": key, "task": task.key, "task_kind": task.kind, "n": len(task)}
        spec |= {"supervisor": question.name, "asked": [[roles_keys[s], role] for s in ready.roles for role in which]}
        jobs.append(Job("self", key, f"{question.name} on {len(ids):,} rows", (), spec, local=True))
    shown = {student_name(s, view_name(s)): model_of(s.encoder) for s in ready.study.students}
    return jobs, {student: keys[encoder] for student, encoder in shown.items() if encoder in keys}


def beside(evaluation: Evaluation, store: Store, key: str | None) -> Evaluation:
    """Return an evaluation with ``self`` among its roles, where the model's answers are stored.

    A row on which it abstains is given the mean of its answers.
    """
    folder = store.get(key) if key is not None else None
    if folder is None or evaluation.truth is None:
        return evaluation
    table = WeakLabels.load(folder)
    if not table.any_covered.any():
        return replace(
            evaluation, missing={**evaluation.missing, "self": "no self: the model abstains on every test row"}
        )
    return evaluation.with_role("self", table.at(evaluation.ids).one(table.prior())[0])


def asks_before(job: Job, supervisors: Mapping[str, Any]) -> bool:
    """Say whether a job needs the raw inputs alone, so that it can be done before anything is encoded."""
    if job.kind == "self":
        return True
    return job.kind == "labels" and job.local and getattr(supervisors[job.spec["supervisor"]], "on", None) is None


def own_seconds(ready: Ready, jobs: list[Job]) -> float:
    """Return about how long the language models will answer, in those jobs that ask one."""
    from outgrow.encoders.encoder import encoder
    from outgrow.encoders.estimate import pass_seconds
    from outgrow.supervisors.prompt import PromptSupervisor

    total, inputs = 0.0, ready.task.inputs
    for job in jobs:
        question = ready.answering.get(job.spec.get("supervisor", ""))
        if job.kind not in ("self", "labels") or not isinstance(question, PromptSupervisor):
            continue
        model: Any = encoder(question.model, **({"revision": question.revision} if question.revision else {}))
        if not model.at_hand():
            continue
        ids = _rows(ready) if job.kind == "self" else ready.task.ids
        frame = len(question.prompts([""])[0]) / 4
        tokens = sum(min(len(inputs[i]) / 4 + 1 + frame, question.max_tokens) for i in ids)
        total += pass_seconds(tokens, model.depth, model.width)
    return total

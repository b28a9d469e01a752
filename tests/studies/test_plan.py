from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from outgrow.errors import InputError, LabelsError, NeedsError, StudyError
from outgrow.store import Store
from outgrow.studies.plan import Plan, check_needs, learner_spec, method_name, student_name
from outgrow.studies.ready import Ready, make_ready
from outgrow.studies.study import StudentSpec, Study
from outgrow.tasks.labels import Source
from outgrow.tasks.split import Roles
from outgrow.tasks.task import Task

ROLES = Roles(np.arange(5), np.arange(5, 9), [9], [10, 11])
SOURCES = {"probe(inputs)": [Source("probe(inputs)", "inputs")]}


def task_of(n: int = 60, seed: int = 0) -> Task:
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 3))
    return Task.from_arrays(x, np.where(x[:, 0] + random.normal(size=n) > 0, "yes", "no"), name="made")


def ready_of(task: Task, tmp_path, **changed) -> Ready:
    given = {
        "task": {"packaged": "digits"},
        "supervisors": [{"probe": "inputs"}],
        "students": ["inputs"],
        "methods": ["naive"],
        "seeds": 2,
        "split": {"teach": 15, "transfer": 25, "select": 5, "test": 15},
    }
    ready = make_ready(Study.read({**given, **changed}), task=task, store=Store(tmp_path / "store"))
    return ready.encode_views(progress=False, say=lambda s: None, journal=None)


def plan_of(task: Task, tmp_path, **changed) -> Plan:
    return ready_of(task, tmp_path, **changed).plan()


def keys(plan: Plan, kind: str) -> set[str]:
    return {j.key for j in plan.jobs if j.kind == kind}


def test_every_job_comes_after_its_inputs_and_is_json(tmp_path):
    plan = plan_of(
        task_of(),
        tmp_path,
        methods=["naive", "confidence"],
        supervisors=[{"probe": "inputs"}, [{"probe": "inputs"}, {"probe": "inputs", "penalty": 1, "name": "b"}]],
    )
    seen: set[str] = set()
    for job in plan.jobs:
        assert set(job.inputs) <= seen
        assert job.key not in seen
        seen.add(job.key)
        assert json.loads(json.dumps(job.spec))["key"] == job.key
    assert {j.kind for j in plan.jobs} == {"labels", "reference", "student", "evaluation"}
    # 2 seeds: 2 supervisors' labels; one reference a method-free head; 2 groups x 2 methods of students and evaluations.
    assert [len(keys(plan, k)) for k in ("labels", "reference", "student", "evaluation")] == [4, 2, 8, 8]
    assert len(plan.cells) == 8
    for cell in plan.cells:
        assert {*cell.labels, cell.reference, cell.student, cell.evaluation} <= seen
    # Probes read views and teach truth from the store, so any process can fit them.
    assert not any(j.local for j in plan.jobs)


def test_a_plan_is_the_same_when_laid_out_again(tmp_path):
    one, two = plan_of(task_of(), tmp_path), plan_of(task_of(), tmp_path / "b")
    assert [j.key for j in one.jobs] == [j.key for j in two.jobs]


def test_truth_outside_teach_changes_no_key_of_labels_or_students(tmp_path):
    task = task_of()
    ready = ready_of(task, tmp_path, seeds=[0])
    outside = np.setdiff1d(task.ids, ready.roles[0].teach)
    truth = task.truth_at(task.ids).copy()
    truth[outside] = 1 - truth[outside]
    before, after = ready.plan(), replace(ready, task=task.with_truth(truth)).plan()
    assert keys(before, "labels") == keys(after, "labels")
    assert keys(before, "student") == keys(after, "student")
    assert not keys(before, "reference") & keys(after, "reference")
    assert not keys(before, "evaluation") & keys(after, "evaluation")


def test_truth_on_teach_changes_them(tmp_path):
    task = task_of()
    ready = ready_of(task, tmp_path, seeds=[0])
    truth = task.truth_at(task.ids).copy()
    one = ready.roles[0].teach[0]
    truth[one] = 1 - truth[one]
    before, after = ready.plan(), replace(ready, task=task.with_truth(truth)).plan()
    for kind in ("labels", "student", "reference", "evaluation"):
        assert not keys(before, kind) & keys(after, kind)


def test_seeds_methods_and_penalties_have_keys_of_their_own(tmp_path):
    task = task_of()
    base = plan_of(task, tmp_path, seeds=[0])
    other_seed = plan_of(task, tmp_path, seeds=[1])
    for kind in ("labels", "student", "reference", "evaluation"):
        assert not keys(base, kind) & keys(other_seed, kind)
    more = plan_of(task, tmp_path, seeds=[0], methods=["naive", "confidence"])
    assert keys(base, "student") < keys(more, "student")
    assert keys(base, "reference") == keys(more, "reference")
    firm = plan_of(task, tmp_path, seeds=[0], students=[{"encoder": "inputs", "penalty": 1}])
    assert keys(base, "labels") == keys(firm, "labels")
    assert not keys(base, "student") & keys(firm, "student")
    same = plan_of(task, tmp_path, seeds=[0], students=[{"encoder": "inputs", "penalty": 1.0}])
    assert keys(firm, "student") == keys(same, "student")
    in_another_metric = plan_of(task, tmp_path, seeds=[0], metric="log_loss")
    assert keys(base, "student") == keys(in_another_metric, "student")
    assert not keys(base, "evaluation") & keys(in_another_metric, "evaluation")


def test_other_inputs_change_every_key(tmp_path):
    base, other = plan_of(task_of(), tmp_path), plan_of(task_of(seed=1), tmp_path)
    assert not {j.key for j in base.jobs} & {j.key for j in other.jobs}


def test_names():
    assert method_name("naive") == "naive"
    assert method_name({"confidence": {"weight": 0.5, "ramp": 0.1}}) == "confidence(weight=0.5, ramp=0.1)"
    assert student_name(StudentSpec(encoder="minilm", layer=3), "minilm/3") == "minilm/3"
    assert (
        student_name(StudentSpec(encoder="minilm", head="linear", penalty=0.1), "minilm")
        == "minilm (linear) penalty 0.1"
    )
    assert student_name(StudentSpec(encoder="minilm", name="mine"), "minilm") == "mine"
    assert learner_spec(StudentSpec(encoder="a"), "a", "value", 3) == {
        "head": "ridge",
        "on": "a",
        "penalty": "cv",
        "random_state": 3,
    }
    assert learner_spec(StudentSpec(encoder="a"), "a", "classes", 3)["head"] == "linear"
    assert learner_spec(StudentSpec(encoder="a", tol=1e-4), "a", "classes", 3)["tol"] == 1e-4
    with pytest.raises(StudyError, match="solved exactly and has no tol"):
        learner_spec(StudentSpec(encoder="a", tol=1e-4), "a", "value", 3)


# --- what is said before any work ---------------------------------------------------------------------------------------------------


def checked(kind: str = "classes", **changed) -> None:
    study = Study.read({"task": {"packaged": "digits"}, "supervisors": ["inputs"], "students": ["inputs"], **changed})
    check_needs(study, ["inputs"], SOURCES, ROLES, kind)


def test_a_good_study_passes():
    checked(methods=["naive", {"confidence": {"weight": 0.5}}])
    checked("value")


@pytest.mark.parametrize("params", [{"weight": 2}, {"weight": "high"}, {"ramp": -1}, {"threshold": "third"}])
def test_parameters_out_of_range(params):
    name = next(iter(params))
    with pytest.raises(InputError, match=f"Confidence {name} must be"):
        checked(methods=[{"confidence": params}])


def test_a_method_of_the_other_kind():
    with pytest.raises(LabelsError, match="use Naive for a value task"):
        checked("value", methods=["confidence"])


def test_a_head_of_the_other_kind():
    with pytest.raises(
        StudyError, match="student 'inputs' has the head 'ridge', and a task of classes needs 'linear'; leave head out"
    ):
        checked(students=[{"encoder": "inputs", "head": "ridge"}])
    with pytest.raises(StudyError, match="a task of value needs 'ridge'"):
        checked("value", students=[{"encoder": "inputs", "head": "linear"}])


def test_two_students_of_one_name():
    with pytest.raises(StudyError, match="two students are called 'inputs'; remove one, or give it a name"):
        checked(students=["inputs", {"encoder": "inputs"}])
    checked(students=["inputs", {"encoder": "inputs", "name": "twin"}])


def test_a_need_that_is_not_met(monkeypatch):
    from outgrow.methods.naive import Naive
    from outgrow.tasks.needs import Needs

    monkeypatch.setattr(Naive, "needs", lambda self: Needs(supervisors=2))
    with pytest.raises(NeedsError, match="needs 2 supervisors, the study gives 1"):
        checked()

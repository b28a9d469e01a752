from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from outgrow.errors import InputError, StudyError, TaskError
from outgrow.store import Store
from outgrow.studies.load import load_task
from outgrow.studies.ready import make_ready
from outgrow.studies.study import Study, TaskSpec
from outgrow.tasks.rows import INPUTS
from outgrow.tasks.task import Task

SPLIT = {"teach": 15, "transfer": 25, "select": 5, "test": 15}
GIVEN = {
    "task": {"packaged": "digits"},
    "supervisors": [{"probe": "inputs"}],
    "students": ["inputs"],
    "seeds": 2,
    "split": SPLIT,
}


def task_of(n: int = 60, kind: str = "classes") -> Task:
    random = np.random.default_rng(0)
    x = random.normal(size=(n, 3))
    value = x[:, 0] + random.normal(size=n)
    return Task.from_arrays(x, value if kind == "value" else np.where(value > 0, "yes", "no"), kind=kind, name="made")


def ready_of(tmp_path, task=None, views=None, **changed):
    study = Study.read({**GIVEN, **changed})
    return make_ready(study, task=task_of() if task is None else task, views=views, store=Store(tmp_path / "store"))


def test_what_is_at_hand(tmp_path):
    ready = ready_of(tmp_path)
    assert set(ready.roles) == {0, 1}
    assert np.array_equal(ready.roles[0].test, ready.roles[1].test)
    assert not np.array_equal(ready.roles[0].teach, ready.roles[1].teach)
    assert list(ready.groups) == ["probe(inputs)"]
    assert list(ready.supervisors) == ["probe(inputs)"]
    assert (ready.metric, ready.forecasts, ready.audits) == (
        "accuracy",
        ("kl_misfit", "misfit"),
        ("calibration", "imitation", "moments"),
    )
    assert list(ready.wanted) == [INPUTS]


def test_nothing_is_written_before_the_work(tmp_path):
    ready_of(tmp_path)
    assert not (tmp_path / "store" / "objects").exists()


def test_stacked_supervisors_are_one_group(tmp_path):
    both = [{"probe": "inputs"}, {"probe": "inputs", "penalty": 1, "name": "firm"}]
    ready = ready_of(tmp_path, supervisors=[*both, both])
    assert list(ready.groups) == ["probe(inputs)", "firm", "probe(inputs) + firm"]
    group = ready.groups["probe(inputs) + firm"]
    assert group[0] is ready.groups["probe(inputs)"][0]


def test_roles_and_truth_are_laid_down_once(tmp_path):
    ready = ready_of(tmp_path).encode_views(progress=False, say=lambda s: None, journal=None)
    ready.lay_down()
    ready.lay_down()
    store = ready.store
    found = store.get(ready._truth_key())
    assert found is not None
    assert np.array_equal(np.load(found / "truth.npy", allow_pickle=False), ready.task.truth_at(ready.task.ids))
    for roles in ready.roles.values():
        folder = store.get(ready._roles_key(roles))
        assert folder is not None
        assert np.array_equal(np.load(folder / "teach.npy", allow_pickle=False), roles.teach)
    assert np.array_equal(ready.rows.view(INPUTS), ready.task.inputs)


def test_further_views_can_be_given(tmp_path):
    extra = np.random.default_rng(1).normal(size=(60, 5))
    ready = ready_of(tmp_path, views={"mine": extra}, students=["mine"])
    ready = ready.encode_views(progress=False, say=lambda s: None, journal=None)
    assert np.array_equal(ready.rows.view("mine"), extra)
    assert ready.keys()["mine"]["path"].endswith("view.npy")
    with pytest.raises(
        StudyError, match=r"view 'mine' has shape \(59, 5\); it needs one row for each of the 60 inputs"
    ):
        ready_of(tmp_path, views={"mine": extra[:59]}, students=["mine"])


def test_a_supervisor_without_teach_rows_is_left_out_in_a_sentence(tmp_path):
    labels = tmp_path / "weak.csv"
    labels.write_text("id,label\n" + "".join(f"{i},{'yes' if i % 2 else 'no'}\n" for i in range(60)), "utf-8")
    split = {"transfer": 30, "select": 5, "test": 15, "teach": 0}
    file = {"file": str(labels), "id": "id", "label": "label"}
    lines = [{"probe": "inputs"}, file, [{"probe": "inputs"}, file]]
    for order in (lines, lines[::-1]):
        assert list(ready_of(tmp_path, supervisors=order, split=split).groups) == ["weak"]
    with pytest.raises(StudyError, match="'weak' stands in the study twice"):
        ready_of(tmp_path, supervisors=[file, file], split=split)
    ready = ready_of(tmp_path, supervisors=lines, split=split)
    assert (
        "Supervisor 'probe(inputs)' is left out: it learns from truth on teach rows, and there are none." in ready.notes
    )
    assert "What is left of a stacked line of supervisors is 'weak' again, so that line is left out." in ready.notes
    assert len(set(ready.notes)) == len(ready.notes)
    assert list(ready.groups) == ["weak"]
    with pytest.raises(StudyError, match=r"no supervisor is left: Supervisor 'probe\(inputs\)' is left out"):
        ready_of(tmp_path, split=split)


def test_forecasts_without_select_rows(tmp_path):
    ready = ready_of(tmp_path, split={**SPLIT, "select": 0})
    assert ready.forecasts == ()
    assert "No forecast by kl_misfit, misfit: there are no select rows." in ready.notes


def test_the_metric(tmp_path):
    assert ready_of(tmp_path, metric="log_loss").metric == "log_loss"
    assert ready_of(tmp_path, task_of(kind="value")).metric == "mse"
    with pytest.raises(StudyError, match="metric 'mse' is not for a task of classes; choose one of accuracy"):
        ready_of(tmp_path, metric="mse")
    rare = Task.from_arrays(task_of().inputs, ["a"] * 29 + ["b"] * 29 + ["c"] * 2)
    assert ready_of(tmp_path, rare).metric == "balanced_accuracy"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"forecasts": ["misfits"]}, "there is no forecast 'misfits'; did you mean 'misfit'?"),
        ({"audits": ["imitatoin"]}, "there is no audit 'imitatoin'; did you mean 'imitation'?"),
        ({"supervisors": [{"prob": "inputs"}]}, "did you mean 'probe'?"),
        (
            {"supervisors": [{"probe": "inputs"}, {"probe": "inputs"}]},
            "supervisor 'probe(inputs)' stands in the study twice; remove one",
        ),
        (
            {"supervisors": [{"probe": "inputs"}, [{"probe": "inputs", "penalty": 1}]]},
            "two different supervisors are called 'probe(inputs)'; give one of them a name",
        ),
        (
            {"methods": [{"confidence": {"weight": 1}}]},
            "Confidence weight must be a number of at least 0 and below 1, not 1",
        ),
    ],
)
def test_what_cannot_be_done_is_said(tmp_path, changed, message):
    with pytest.raises(ValueError) as raised:
        ready_of(tmp_path, **changed)
    assert message in str(raised.value)


def test_texts_have_no_matrix_of_their_own(tmp_path):
    texts = Task.from_arrays([f"text {i}" for i in range(60)], ["yes", "no"] * 30)
    with pytest.raises(StudyError, match="this task's inputs are text; name an encoder such as minilm"):
        ready_of(tmp_path, texts)


# --- loading ------------------------------------------------------------------------------------------------------------------------


def save(folder: Path, **arrays) -> dict[str, str]:
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", np.asarray(array))
    return {name: f"{name}.npy" for name in arrays}


def test_arrays(tmp_path):
    x = np.random.default_rng(0).normal(size=(20, 2))
    given = save(tmp_path, inputs=x, truth=["a", "b"] * 10, strong=np.c_[x, x])
    task, extra = load_task(TaskSpec(arrays=given), "mine", tmp_path, print)
    assert (task.name, len(task), list(task.classes)) == ("mine", 20, ["a", "b"])
    assert list(extra) == ["strong"]
    with pytest.raises(StudyError, match=r"task\.sample cannot be used with further views; cut the arrays before"):
        load_task(TaskSpec(arrays=given, sample=5), "mine", tmp_path, print)
    with pytest.raises(
        StudyError, match=r"task.arrays.truth: .*none.npy is no .npy file of numbers or text \(FileNotFoundError\)"
    ):
        load_task(TaskSpec(arrays={"inputs": "inputs.npy", "truth": "none.npy"}), "mine", tmp_path, print)


def test_arrays_of_objects_are_not_unpickled(tmp_path):
    np.save(tmp_path / "bad.npy", np.array([{"a": 1}], dtype=object))
    with pytest.raises(StudyError, match=r"no .npy file of numbers or text \(ValueError\)"):
        load_task(TaskSpec(arrays={"inputs": "bad.npy"}), "mine", tmp_path, print)


def test_hiding_truth_and_sampling(tmp_path):
    given = save(tmp_path, inputs=np.random.default_rng(0).normal(size=(40, 2)), truth=["a", "b"] * 20)
    task, _ = load_task(TaskSpec(arrays=given, truth_rows=12), "mine", tmp_path, print)
    again, _ = load_task(TaskSpec(arrays=given, truth_rows=12), "mine", tmp_path, print)
    assert int(task.has_truth.sum()) == 12
    assert np.array_equal(task.has_truth, again.has_truth)
    few, _ = load_task(TaskSpec(arrays=given, sample=10), "mine", tmp_path, print)
    assert len(few) == 10
    with pytest.raises(StudyError, match=r"task\.truth_rows asks for 41 rows and 40 have truth; ask for fewer"):
        load_task(TaskSpec(arrays=given, truth_rows=41), "mine", tmp_path, print)


def test_a_file_is_looked_for_beside_the_study(tmp_path):
    (tmp_path / "t.csv").write_text("body,label\nw,a\nx,a\ny,b\nz,b\n", "utf-8")
    task, extra = load_task(TaskSpec(file="t.csv", input="body", truth="label"), "mine", tmp_path, print)
    assert (len(task), extra) == (4, {})
    with pytest.raises(TaskError, match="did you mean 'body'"):
        load_task(TaskSpec(file="t.csv", input="bdy", truth="label"), "mine", tmp_path, print)


def test_views_that_a_method_names_are_made_too(tmp_path):
    given = {"small": np.random.default_rng(1).normal(size=(60, 2))}
    ready = ready_of(tmp_path, views=given, methods=["naive", {"bootstrap": {"chain": ["small"]}}])
    assert list(ready.wanted) == [INPUTS, "small"]
    with pytest.raises(InputError, match="smal"):
        ready_of(tmp_path, views=given, methods=[{"bootstrap": {"chain": ["smal"]}}])
    with pytest.raises(InputError, match="link 1 must be a learner or the name of a view, not int"):
        ready_of(tmp_path, methods=[{"bootstrap": {"chain": [3]}}])


def test_a_study_with_a_chain_runs(tmp_path):
    from outgrow.studies.work import Context, do

    given = {"small": task_of().inputs[:, :1]}
    ready = ready_of(tmp_path, views=given, methods=["naive", {"bootstrap": {"chain": ["small"]}}], seeds=1)
    ready = ready.encode_views(progress=False, say=lambda s: None, journal=None)
    ready.lay_down()
    context = Context(ready.store, rows=ready.rows, supervisors=ready.supervisors)
    plan = ready.plan()
    for job in plan.jobs:
        do(job.spec, context)
    outputs = [np.load(ready.store.get(cell.student) / "outputs.npy") for cell in plan.cells]
    assert len(outputs) == 2
    assert outputs[0].shape == outputs[1].shape == (60, 2)
    assert not np.array_equal(*outputs)

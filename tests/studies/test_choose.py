"""Choosing without truth: the answer, what it reads, what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import outgrow
from outgrow.errors import OutgrowError, StudyError
from outgrow.store import Store
from outgrow.studies.advise import lost, verdict
from outgrow.studies.choose import COLUMNS, Choice, choose, choose_ready, prices
from outgrow.studies.ready import make_ready
from outgrow.studies.study import Study
from outgrow.supervisors.prompt import PromptSupervisor
from outgrow.tasks.rows import Rows, View
from tiny_llama import WORDS, save_llama

SPLIT = {"teach": 60, "transfer": 200, "select": 30, "test": 100}


def world(n: int = 420, teach: int = 60, weak: float = 0.2) -> dict[str, Any]:
    """Three classes in eight features; two supervisors that read two of them each, and one of files."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, n)
    centre = 1.6 * rng.normal(size=(3, 8))
    x = centre[y] + rng.normal(size=(n, 8))
    task = outgrow.Task.from_arrays(x, np.array(["a", "b", "c"])[y])
    study = {
        "name": "three",
        "task": {"arrays": {"inputs": "unused.npy"}},
        "split": {**SPLIT, "teach": teach},
        "supervisors": [{"probe": "left", "penalty": 0.1}, {"probe": "right", "penalty": 0.1}],
        "students": [{"encoder": "inputs", "penalty": 0.03}],
        "methods": ["recipe"],
        "seeds": [3],
    }
    return {"study": study, "task": task, "views": {"left": x[:, :2] + 0, "right": x[:, 2:4] + 0}}


def run(made: dict[str, Any], **more: Any) -> Choice:
    return choose(made["study"], task=made["task"], views=made["views"], processes=1, **more)


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory) -> tuple[Choice, Store]:
    store = Store(tmp_path_factory.mktemp("store"))
    return run(world(), store=store), store


def test_everything_is_ranked_and_explained(chosen: tuple[Choice, Store]) -> None:
    found, _ = chosen
    assert list(found.table.columns) == list(COLUMNS)
    assert sorted(zip(found.table["supervisor"], found.table["method"], strict=True)) == [
        (f"probe({view})", method) for view in ("left", "right") for method in ("naive", "recipe")
    ]
    assert found.table["rank"].tolist() == [1, 2, 3, 4]
    assert found.table["score"].is_monotonic_decreasing
    assert (found.table["gain_low"] < found.table["gain_high"]).all()
    assert found.table["reason"].str.len().min() > 20
    assert found.advice in ("student", "direct", "self", "cannot tell")
    (direct,) = found.rivals
    assert (direct.name, direct.rows) == ("direct", 60)
    assert found.frame().equals(found.table)
    assert found.frame() is not found.table
    text = json.dumps(found.as_dict(), allow_nan=False)
    assert found.headline in json.loads(text)["headline"]


def test_the_picture_has_a_bar_a_line_and_hollow_points_where_nothing_is_told(chosen: tuple[Choice, Store]) -> None:
    pytest.importorskip("matplotlib").use("Agg")
    from matplotlib import pyplot as plt

    found, _ = chosen
    told = [True, False, True, False]
    ax = replace(found, table=found.table.assign(told=told)).plot()
    assert [t.get_text().split(", ")[0] for t in ax.get_yticklabels()] == found.table["supervisor"].tolist()
    points = [bar.lines[0] for bar in ax.containers]
    assert [float(p.get_xdata()[0]) for p in points] == found.table["gain"].tolist()
    assert [p.get_markerfacecolor() != "none" for p in points] == told
    assert "90 %" in ax.get_xlabel()
    plt.close(ax.figure)


def test_nothing_is_done_twice(chosen: tuple[Choice, Store], tmp_path: Path) -> None:
    found, store = chosen
    before = {p.name for p in (store.root / "objects").rglob("*") if p.is_dir()}
    again = run(world(), store=store)
    assert again.as_dict() == found.as_dict()
    assert {p.name for p in (store.root / "objects").rglob("*") if p.is_dir()} == before
    made = world()
    ready = make_ready(Study.read(made["study"]), task=made["task"], views=made["views"], store=store)
    held = {store.path(j.key).is_dir(): j.kind for j in ready.plan().jobs if j.kind in ("labels", "student")}
    assert set(held) == {True}, "a run of the same study finds labels and students done"
    kinds = {j.kind for j in ready.plan().jobs if store.path(j.key).is_dir()}
    assert kinds == {"labels", "student"}, "no job that reads truth of transfer, select or test rows has run"


def test_truth_outside_teach_changes_nothing(chosen: tuple[Choice, Store], tmp_path: Path) -> None:
    made = world()
    ready = make_ready(
        Study.read({**made["study"], "methods": ["naive", "recipe"]}),
        task=made["task"],
        views=made["views"],
        store=Store(tmp_path),
    )
    task, (roles,) = ready.task, ready.roles.values()
    outside = np.setdiff1d(task.ids, roles.teach)
    truth = task.truth_at(task.ids).copy()
    truth[outside] = truth[np.random.default_rng(1).permutation(outside)]
    assert (truth != task.truth_at(task.ids)).mean() > 0.3
    other = choose_ready(replace(ready, task=task.with_truth(truth)), processes=1)
    same, _ = chosen
    assert other.as_dict() == same.as_dict()
    # And truth of the teach rows does.
    taught = task.truth_at(task.ids).copy()
    taught[roles.teach] = taught[np.random.default_rng(1).permutation(roles.teach)]
    spoiled = choose_ready(replace(ready, task=task.with_truth(taught), store=Store(tmp_path / "third")), processes=1)
    assert spoiled.as_dict() != same.as_dict()


def test_truth_is_used_directly_where_it_wins(tmp_path: Path) -> None:
    many = run(world(n=800, teach=400), store=Store(tmp_path / "many"))
    assert many.advice == "direct"
    assert many.headline.startswith("Use your truth directly")
    few = world(n=800, teach=24)
    rng = np.random.default_rng(1)
    truth = few["task"].truth_at(few["task"].ids)
    said = np.where(rng.random(800) < 0.1, rng.integers(0, 3, 800), truth)
    lines = "".join(f"{i},{'abc'[k]}\n" for i, k in enumerate(said))
    (tmp_path / "weak.csv").write_text("row,label\n" + lines)
    few["study"]["supervisors"] = [{"file": str(tmp_path / "weak.csv"), "id": "row", "label": "label", "name": "crowd"}]
    found = run(few, store=Store(tmp_path / "few"), costs={"crowd": 0.02})
    assert found.advice != "direct"
    assert found.table["cost"].tolist() == [4.0, 4.0]
    np.testing.assert_allclose(found.table["gain_per_money"], found.table["gain"] / 4.0)


def test_what_cannot_be_chosen_is_said(tmp_path: Path) -> None:
    made = world()
    store = Store(tmp_path)
    made["study"]["split"] = {**SPLIT, "transfer": 49}
    with pytest.raises(StudyError, match="at least 50 transfer rows, and there are 49"):
        run(made, store=store)
    made = world()
    with pytest.raises(StudyError, match="needs one row for each of the 420 inputs"):
        choose(
            made["study"], task=made["task"], views={**made["views"], "left": made["views"]["left"][:100]}, store=store
        )
    with pytest.raises(StudyError, match="a cost is given for 'nobody'"):
        run(made, store=store, costs={"nobody": 1.0})
    with pytest.raises(StudyError, match="fine-tunes all of its students"):
        choose({**made["study"], "students": [{"finetune": "smollm2"}]}, task=made["task"], store=store)
    with pytest.raises(StudyError, match="SUPERVISOR=MONEY"):
        prices(["crowd"])
    assert prices(["crowd=0.5"]) == {"crowd": 0.5}
    x = np.asarray(made["task"].inputs)
    values = outgrow.Task.from_arrays(x, x[:, 0], kind="value")
    with pytest.raises(StudyError, match="this is a task of values"):
        choose({**made["study"], "methods": ["naive"]}, task=values, views=made["views"], store=store)


def test_a_constant_supervisor_is_left_out_and_alone_is_an_error(tmp_path: Path) -> None:
    made = world()
    (tmp_path / "weak.csv").write_text("row,label\n" + "".join(f"{i},a\n" for i in range(420)))
    constant = {"file": str(tmp_path / "weak.csv"), "id": "row", "label": "label", "name": "constant"}
    made["study"] |= {"supervisors": [constant, {"probe": "left", "penalty": 0.1}], "methods": ["naive"]}
    found = run(made, store=Store(tmp_path / "store"))
    assert set(found.table["supervisor"]) == {"probe(left)"}
    assert any("names one class" in text for text in (*found.notes, *found.errors))
    made["study"]["supervisors"] = [constant]
    with pytest.raises(OutgrowError):
        run(made, store=Store(tmp_path / "store"))


def test_methods_that_spend_truth_are_left_to_run(tmp_path: Path) -> None:
    made = world()
    made["study"] |= {"methods": ["naive", "anchored"], "supervisors": [{"probe": "left", "penalty": 0.1}]}
    found = run(made, store=Store(tmp_path))
    assert set(found.table["method"]) == {"naive"}
    assert any("anchored learns from truth" in note for note in found.notes)


def test_the_strong_model_is_asked_on_teach_rows(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, rng.integers(2, 12))) + f" {i}" for i in range(240)]
    truth = rng.integers(0, 2, 240)
    task = outgrow.Task.from_arrays(texts, np.array(["negative", "positive"])[truth])
    llama = save_llama(tmp_path / "llama")
    study = {
        "name": "asked",
        "task": {"arrays": {"inputs": "unused.npy"}},
        "split": {"teach": 40, "transfer": 100, "select": 20, "test": 80},
        "supervisors": [{"probe": "two", "penalty": 1.0, "folds": 2}],
        "students": [{"encoder": str(llama), "layer": 1, "penalty": 0.1, "name": "strong"}],
        "seeds": [1],
        "self": {"words": {"negative": "dull", "positive": "sharp"}, "least": 0},
    }
    two = rng.normal(size=(240, 2)) + truth[:, None]
    found = choose(study, task=task, views={"two": two}, store=Store(tmp_path / "store"), processes=1)
    assert [r.name for r in found.rivals] == ["direct", "self"]
    question = PromptSupervisor(str(llama), task.classes, words={"negative": "dull", "positive": "sharp"}, least=0)
    roles = outgrow.split(task, 1, teach=40, transfer=100, select=20, test=80)
    asked = question.label(Rows(roles.teach, {"inputs": View(task.inputs, task.key)}))
    expected = (asked.probs[:, 0].argmax(1) == task.truth_at(roles.teach)).mean()
    assert found.rivals[1].accuracy == pytest.approx(expected)
    assert (found.advice == "self") == (
        found.rivals[1].wins and not (found.rivals[0].wins and found.rivals[0].accuracy >= expected)
    )


def test_teach_rows_of_another_kind_flatter_direct() -> None:
    sure, unsure = np.array([[0.95, 0.05]] * 40), np.array([[0.7, 0.3]] * 30)
    assert lost(sure, unsure) == pytest.approx(0.25)
    assert lost(sure, np.array([[0.91, 0.09]])) == 0
    assert lost(unsure, sure) == 0
    right, student = np.ones(40), np.r_[np.zeros(8), np.ones(32)]
    low, high, wins = verdict(right, student)
    assert 0 < low < 0.2 < high
    assert wins
    assert verdict(right, student, 0.25) == pytest.approx((low - 0.25, high - 0.25, False))

"""The learning curve of direct in a study, what students are worth on it, and the advice beside "use the truth directly"."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import outgrow
from outgrow.learners.linear import LinearHead
from outgrow.reports.worth import worth_sections
from outgrow.scores.evaluation import Cell, Evaluation
from outgrow.store import Store
from outgrow.studies.advice import together
from outgrow.studies.curve import curve_rows, load_curve, score_curve
from outgrow.studies.results import Results, decide
from outgrow.tasks.rows import Rows, View
from outgrow.tasks.task import Task


def made(n: int = 700, seed: int = 0) -> tuple[Task, dict[str, Any]]:
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 8))
    value = x[:, :4].sum(axis=1) + 1.5 * random.normal(size=n)
    return Task.from_arrays(x, np.where(value > 0, "yes", "no"), name="made"), {"weak": x[:, :2]}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, Path, Store]:
    folder = tmp_path_factory.mktemp("curve")
    task, views = made()
    study = {
        "name": "curve",
        "task": {"packaged": "digits"},
        "split": {"teach": 120, "transfer": 200, "select": 0, "test": 300},
        "supervisors": [{"probe": "weak", "penalty": 1}],
        "students": [{"encoder": "inputs", "penalty": 0.1}],
        "methods": ["naive", "anchored"],
        "seeds": 3,
        "forecasts": [],
        "audits": [],
    }
    store = Store(folder / "store")
    options: dict[str, Any] = {"progress": False, "processes": 1, "say": lambda s: None}
    results = outgrow.run(study, task=task, views=views, out=folder / "out", store=store, **options)
    return results, folder, store


def test_sets_of_rows_hold_the_smaller_ones() -> None:
    teach = np.arange(100, 200)
    small, large = curve_rows(teach, [20, 50], 3)
    assert (len(small), len(large)) == (20, 50)
    assert set(small) < set(large) < set(teach)
    assert not np.array_equal(small, curve_rows(teach, [20], 4)[0])


def test_a_set_of_one_class_answers_with_it() -> None:
    task, _ = made(40)
    rows = Rows(task.ids, {"x": View(task.inputs)})
    yes = np.flatnonzero(task.truth_at(task.ids) == 1)[:5]
    score = score_curve(LinearHead(on="x", penalty=1.0), task, rows, [yes], np.arange(20, 40), "accuracy")
    assert np.array_equal(score[0], (task.truth_at(np.arange(20, 40)) == 1).astype(float))


def test_a_study_says_what_its_labels_are_worth(run: tuple[Results, Path, Store]) -> None:
    results, folder, _ = run
    assert results.worth is not None
    assert results.worth["method"].tolist() == ["naive", "anchored"]
    assert set(results.worth["smallest"]) == {20}
    assert set(results.worth["largest"]) == {120}
    assert results.table()["worth"].tolist()[0].endswith("]")
    again = Results.load(folder / "out")
    assert again.worth is not None
    assert again.worth.equals(results.worth)
    (section,) = worth_sections(results)
    assert "hand labels" in section.paragraphs[0]
    assert "What the weak labels are worth" in (folder / "out" / "report.md").read_text("utf-8")
    assert "What the weak labels are worth" in (folder / "out" / "report.html").read_text("utf-8")


def test_the_curve_ends_in_direct_bit_for_bit_and_rises(run: tuple[Results, Path, Store]) -> None:
    results, _, store = run
    direct = results.cells[0].rows("direct")
    found = [load_curve(p.parent) for p in sorted(store.root.glob("objects/*/*/curve.json"))]
    assert len(found) == 3
    assert all(list(curve) == [20, 50, 120] for curve in found)
    for row in direct:
        assert any(np.array_equal(curve[120], row) for curve in found)
    assert np.mean([c[120].mean() for c in found]) > np.mean([c[20].mean() for c in found])


def test_few_teach_rows_make_no_curve(tmp_path: Path) -> None:
    task, views = made(300)
    study = {
        "task": {"packaged": "digits"},
        "split": {"teach": 99, "transfer": 60, "select": 0, "test": 100},
        "supervisors": [{"probe": "weak", "penalty": 1}],
        "students": [{"encoder": "inputs", "penalty": 0.1}],
        "seeds": 1,
        "forecasts": [],
        "audits": [],
    }
    options: dict[str, Any] = {"progress": False, "processes": 1, "say": lambda s: None}
    results = outgrow.run(study, task=task, views=views, out=tmp_path / "out", store=Store(tmp_path / "s"), **options)
    assert results.worth is None
    assert "worth" not in results.table()
    assert worth_sections(results) == []


def cell(method: str, student: float, direct: float, *, supervisor: str = "p", spent: int = 0) -> Cell:
    random = np.random.default_rng(0)
    base = random.normal(0.5, 0.1, size=(3, 200))
    names = {"task": "t", "supervisor": supervisor, "student": "s", "method": method}
    scores = {"floor": base + 0.0, "student": base + student, "direct": base + direct, "ceiling": base + 0.4}
    wobble = {role: random.normal(0, 0.02, size=(3, 200)) for role in scores}
    return Cell(
        [
            Evaluation(
                np.arange(200),
                {role: table[k] + wobble[role][k] for role, table in scores.items()},
                seed=k,
                cell=names,
                spent=spent,
                direct_rows=100,
            )
            for k in range(3)
        ]
    )


def test_use_the_truth_names_anchored() -> None:
    naive = cell("naive", 0.1, 0.2)
    alone = decide([naive])
    assert alone.code == "use_truth"
    assert alone.reason.endswith(
        "The method anchored learns from this truth and the weak labels together: add it to the study."
    )
    with_it = decide([naive, cell("anchored", 0.25, 0.2, spent=100)])
    assert (
        "Truth and weak labels together (anchored, 100 rows of truth) reach more than truth alone: +.05"
        in with_it.reason
    )


def test_the_same_pair_is_looked_at_first_and_losses_are_said() -> None:
    naive = cell("naive", 0.1, 0.2)
    here = cell("anchored(budget=50)", 0.15, 0.2, spent=50)
    elsewhere = cell("anchored", 0.3, 0.2, spent=100, supervisor="q")
    assert "reach less than truth alone: -.0" in together([naive, here, elsewhere], naive)
    assert "reach more than truth alone" in together([naive, elsewhere], naive)
    assert "not told apart from truth alone" in together([naive, cell("anchored", 0.2, 0.2, spent=100)], naive)
    # With a budget of 0 it is naive, and says nothing of truth and weak labels together.
    assert "add it to the study" in together([naive, cell("anchored(budget=0)", 0.1, 0.2)], naive)

"""Rows to label for a study: how many, which, and what those that are labelled say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import outgrow
from outgrow.errors import InputError, LabelsError, NeedsError, StudyError, TaskError
from outgrow.scores.intervals import Interval
from outgrow.scores.power import rows_to_see
from outgrow.studies.plan_truth import CellPlan, TruthPlan, _fitted, _planned, plan_truth
from outgrow.tasks.task import Task

KNOWN = 300
STUDY: dict[str, Any] = {
    "name": "small",
    "task": {"arrays": {"inputs": "unused.npy"}},
    "split": {"teach": 100, "test": 0, "transfer": 700, "select": 900},
    "supervisors": [{"probe": "two", "penalty": 1.0, "folds": 2}],
    "students": [{"encoder": "inputs", "penalty": 0.1}],
    "seeds": 3,
}


def world(classes: int = 2) -> tuple[Any, Any]:
    """All truth, and inputs of 2,000 rows in six columns."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, classes, 2000)
    centres = rng.normal(size=(classes, 6)) * 1.2
    return y, rng.normal(size=(2000, 6)) + centres[y]


def made(classes: int = 2, known: int = KNOWN) -> dict[str, Any]:
    y, x = world(classes)
    names = np.array([f"k{c}" for c in y], dtype=object)
    names[known:] = None
    task = Task.from_arrays(x, names, classes=[f"k{c}" for c in range(classes)])
    return {"task": task, "views": {"two": x[:, :2]}, "processes": 1, "progress": False}


def filled(plan: Any, folder: Path, count: int, classes: int = 2) -> Path:
    """The file of rows to label, its first rows filled in by a person who knows."""
    y, _ = world(classes)
    table = plan.rows_to_write().copy()
    table["truth"] = [f"k{y[int(id)]}" if k < count else "" for k, id in enumerate(table["id"])]
    table.to_csv(folder / "pilot.csv", index=False)
    return folder / "pilot.csv"


def test_rows_are_planned_drawn_filled_and_read_back(tmp_path: Path) -> None:
    given = made()
    plan = plan_truth(STUDY, gain=0.05, **given)
    (cell,) = plan.cells
    assert cell.rows == plan.remaining == rows_to_see(0.05, cell.disagreement)
    assert 0.79 < (cell.power or 0) < 0.85
    rows = plan.rows_to_write()
    assert list(rows.columns) == ["id", "truth"]
    assert len(rows) == min(plan.remaining or 0, plan.available or 0)
    roles = outgrow.split(given["task"], 0, teach=100, test=0, transfer=700, select=900)
    chosen = {int(i) for i in rows["id"]}
    assert not chosen & set(np.concatenate([roles.transfer, roles.teach]).tolist())
    assert not given["task"].has_truth[list(chosen)].any()

    after = plan_truth(STUDY, gain=0.05, pilot=filled(plan, tmp_path, 120), **given)
    (cell,) = after.cells
    assert after.labelled == cell.labelled == 120
    assert cell.apart == cell.disagreement  # of two classes one is always right
    assert cell.remaining == after.remaining == (cell.rows or 0) - 120
    assert isinstance(cell.gain, Interval)
    assert cell.gain.low < cell.gain.mean < cell.gain.high
    assert "errs more often than 5 %" in after.sentences()[1]
    more = after.rows_to_write()
    assert list(more["id"])[:50] == list(rows["id"])[120:170]


def test_the_gain_of_the_pilot_is_that_of_the_study(tmp_path: Path) -> None:
    """With every held-out row labelled, the estimate is the one that evaluation makes on those rows."""
    given = made(known=2000)
    whole = {**STUDY, "split": {**STUDY["split"], "test": 500, "select": 100}, "seeds": [0]}
    found = outgrow.run(whole, out=tmp_path / "out", say=lambda s: None, **given)
    roles = outgrow.split(given["task"], 0, teach=100, test=500, transfer=700, select=100)
    y, _ = world()
    table = {"id": given["task"].names[roles.test], "truth": [f"k{c}" for c in y[roles.test]]}
    pd.DataFrame(table).to_csv(tmp_path / "p.csv", index=False)
    (cell,) = plan_truth(whole, gain=0.05, pilot=tmp_path / "p.csv", **given).cells
    gain = found.cells[0].gain()
    assert isinstance(gain, Interval)
    assert isinstance(cell.gain, Interval)
    assert (cell.gain.mean, cell.gain.low) == pytest.approx((gain.mean, gain.low))


def test_of_several_classes_a_pilot_lowers_the_number(tmp_path: Path) -> None:
    given = made(classes=6)
    plan = plan_truth(STUDY, gain=0.05, **given)
    after = plan_truth(STUDY, gain=0.05, pilot=filled(plan, tmp_path, 150, 6), **given)
    assert after.cells[0].apart < plan.cells[0].apart == plan.cells[0].disagreement
    assert (after.cells[0].rows or 0) < (plan.cells[0].rows or 0)


def test_the_plan_reads_no_truth() -> None:
    """Students learn from teach truth through their supervisor; what is planned from them reads none."""
    given = made(known=2000)
    whole = {**STUDY, "split": {**STUDY["split"], "test": 300, "select": 300}}
    ready, jobs = _fitted(whole, given["task"], given["views"], None, 1, False, lambda sentence: None)
    truth = given["task"].truth_at(given["task"].ids)
    turned = replace(ready, task=given["task"].with_truth(1 - truth))
    assert _planned(turned, jobs, 0.05, None).cells == _planned(ready, jobs, 0.05, None).cells


def test_rows_that_are_too_few_are_said() -> None:
    small = {**STUDY, "split": {**STUDY["split"], "select": 100, "transfer": 1500}}
    plan = plan_truth(small, gain=0.02, **made())
    assert plan.available is not None
    assert plan.remaining is not None
    assert plan.available < plan.remaining
    assert f"set split.select to {plan.remaining:,} or more" in plan.sentences()[1]
    tiny = {**STUDY, "split": {**STUDY["split"], "select": 10, "transfer": 1890}}
    with pytest.raises(StudyError, match="10 rows are held out from training, and at least 50 are needed"):
        plan_truth(tiny, gain=0.05, **made())


def test_a_rate_needs_no_study() -> None:
    plan = plan_truth(gain=0.05, disagreement=0.2)
    assert plan.remaining == rows_to_see(0.05, 0.2) == 619
    assert plan.sentences() == ["Label 619 rows to see a gain of .050 in accuracy with 80% power."]
    none = plan_truth(gain=0.2, disagreement=0.1)
    assert none.remaining is None
    assert none.sentences() == [
        "A gain of .200 cannot be there: student and supervisor differ on 10.0% of rows only, and no gain is larger."
    ]
    with pytest.raises(InputError, match="rows are drawn from a study's task"):
        plan.rows_to_write()


def test_a_gain_that_a_pilot_rules_out_is_said_so() -> None:
    cell = CellPlan("probe", "inputs", "naive", 0.3, 0.04, None, None, 200)
    assert TruthPlan(0.05, (cell,), 200, 500).sentences() == [
        "A gain of .050 cannot be there: by the labelled rows, exactly one of student and supervisor is right on about 4.0% of rows "
        "only, and no gain is larger."
    ]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "give a study, or how often student and supervisor differ"),
        ({"disagreement": 0.2, "gain": 0.0}, "a difference in accuracy between 0 and 1"),
        ({"disagreement": 0.2, "gain": float("nan")}, "a difference in accuracy between 0 and 1"),
        ({"disagreement": 20.0}, "disagreement is a share of rows above 0, at most 1, not 20.0"),
        ({"disagreement": 0.2, "pilot": "p.csv"}, "a pilot is read beside a study"),
    ],
)
def test_what_cannot_be_planned_is_said(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        plan_truth(**{"gain": 0.03, **wrong})


def test_values_are_refused() -> None:
    y, x = world()
    task = Task.from_arrays(x, y + 0.5 * x[:, 0], kind="value")
    with pytest.raises(NeedsError, match="this is a task of values"):
        plan_truth(STUDY, gain=0.05, task=task, views={"two": x[:, :2]}, processes=1, progress=False)


@pytest.mark.parametrize(
    ("rows", "error", "said"),
    [
        (
            "id,truth\n{a},k0\n{b},k9\n",
            LabelsError,
            r"line 3 of p.csv has the class 'k9' in truth; there is 'k0', 'k1'|did you mean",
        ),
        ("id,truth\n9999,k0\n", LabelsError, "line 2 of p.csv names the row '9999', which the task does not have"),
        ("id,truth\n{a},k0\n{a},k1\n", LabelsError, "p.csv has the row '{a}' twice, with different truth"),
        ("id,truth\n{t},k0\n{a},k1\n", LabelsError, "which supervisor or student learned from"),
        ("id,truth\n{a},\n{b},k1\n", LabelsError, "p.csv has 1 rows with truth; fill the column truth of at least two"),
        ("id,label\n{a},k0\n", TaskError, "has no column 'truth'"),
    ],
)
def test_a_pilot_that_does_not_fit_is_refused(rows: str, error: type[Exception], said: str, tmp_path: Path) -> None:
    given = made()
    roles = outgrow.split(given["task"], 0, teach=100, test=0, transfer=700, select=900)
    ids = dict(zip("abt", (str(i) for i in (*roles.select[:2], roles.transfer[0])), strict=True))
    (tmp_path / "p.csv").write_text(rows.format(**ids))
    with pytest.raises(error, match=said.format(**ids)):
        plan_truth(STUDY, gain=0.05, pilot=tmp_path / "p.csv", **given)

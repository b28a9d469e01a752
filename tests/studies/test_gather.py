"""From jobs to results: which student is saved, one line per row, forecasts over seeds by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import outgrow
from outgrow.store import read_json
from outgrow.studies.gather import _over_seeds

STUDY = {
    "name": "small",
    "task": {"arrays": {"inputs": "unused.npy"}},
    "split": {"teach": 40, "transfer": 100, "select": 20, "test": 80},
    "supervisors": [{"probe": "two", "penalty": 1.0, "folds": 2}],
    "students": [{"encoder": "inputs", "penalty": 0.1}, {"encoder": "noise", "penalty": 0.1}],
    "seeds": [3, 8],
}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gather")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OUTGROW_HOME", str(folder / "home"))
        rng = np.random.default_rng(0)
        y = rng.integers(0, 2, 240)
        x = rng.normal(size=(240, 4)) + y[:, None] * [1.0, 0.5, 1.0, 0.0]
        task = outgrow.Task.from_arrays(x, np.array(["no", "yes"])[y], names=[f"r{i}" for i in range(240)], name="made")
        views = {"two": x[:, :2], "noise": rng.normal(size=(240, 3))}
        results = outgrow.run(STUDY, task=task, views=views, out=folder / "out", processes=1, say=lambda sentence: None)
        yield task, results, folder / "out"


def test_best_student(done):
    """The best mean over seeds, its first seed; what is saved says why."""
    task, results, out = done
    assert results.best["student"] == "inputs penalty 0.1"
    assert results.best["seed"] == 3
    assert "best mean accuracy" in results.best["reason"]
    means = results.frame().groupby("student")["student_accuracy"].mean()
    assert means.idxmax() == results.best["student"]
    about = read_json(out / "student" / "student.json")["about"]
    assert about["seed"] == 3
    assert about["cell"]["student"] == results.best["student"]
    student = outgrow.load(out / "student")
    rows = pd.read_parquet(out / "rows.parquet")
    assert list(student.predict(task.inputs)) == list(rows["label student"])


def test_rows(done):
    """One line per row of the task, in its order, with roles of the saved seed and disagreement by hand."""
    task, results, out = done
    rows = pd.read_parquet(out / "rows.parquet")
    assert list(rows["id"]) == list(task.names)
    roles = outgrow.split(task, seed=3, **STUDY["split"])
    for role in ("teach", "transfer", "select", "test"):
        assert set(np.flatnonzero(rows["role"] == role)) == set(roles[role].tolist())
    source = next(c for c in rows.columns if c.startswith("label ") and c != "label student").removeprefix("label ")
    sure = {
        n: np.where(rows[f"label {n}"] == "yes", rows[f"probability {n}"], 1 - rows[f"probability {n}"])
        for n in (source, "student")
    }
    np.testing.assert_allclose(rows["disagreement"], np.abs(sure[source] - sure["student"]), atol=1e-12)
    assert "input" not in rows
    # The scores of the seed are those of these labels.
    test = rows["role"] == "test"
    truth = task.classes[task.truth_at(np.flatnonzero(test))]
    line = results.frame().query("seed == 3 and student == @results.best['student']").iloc[0]
    assert (rows.loc[test, "label student"] == truth).mean() == pytest.approx(line["student_accuracy"], abs=1e-12)
    assert (rows.loc[test, f"label {source}"] == truth).mean() == pytest.approx(line["floor_accuracy"], abs=1e-12)


def test_forecasts_over_seeds(done):
    _, results, _ = done
    table = results.forecasts
    assert len(table) == len(table.drop_duplicates(["student", "forecast", "order", "unit"]))
    assert (table["low"] <= table["value"]).all()
    assert (table["value"] <= table["high"]).all()
    mean, low, high = _over_seeds([0.1, 0.2, 0.6])
    half = stats.t.ppf(0.975, 2) * np.std([0.1, 0.2, 0.6], ddof=1) / 3**0.5
    assert (mean, low, high) == pytest.approx((0.3, 0.3 - half, 0.3 + half))
    assert _over_seeds([0.4]) == (0.4, None, None)


def test_measured_in_the_forecast_s_unit(done):
    """A measured gain stands beside a forecast only where it is in the same unit; mean and ends come together."""
    _, results, _ = done
    table = results.forecasts
    for line in table.itertuples():
        cell = next(c for c in results.cells if c.evaluations[0].cell["student"] == line.student)
        found = cell.in_unit(line.unit)
        if hasattr(found, "mean"):
            assert (line.measured, line.measured_low, line.measured_high) == (found.mean, found.low, found.high)
        else:
            assert pd.isna(line.measured)
    assert table["measured"].notna().any()


def test_details(done):
    """Each fit's penalty, convergence and keys, and the references' penalties."""
    _, results, _ = done
    frame = results.frame()
    assert len(frame) == 4
    assert (frame["penalty"] == 0.1).all()
    assert frame["converged"].all()
    assert frame["student_key"].is_unique
    assert frame["labels_key"].nunique() == 2
    assert results.task["roles"] == STUDY["split"]
    assert results.task["truth"] == "all"

"""Methods that are granted truth, as a study runs them; and what they share."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import outgrow
from outgrow.errors import NeedsError
from outgrow.methods.granted import auroc

STUDY = {
    "name": "granted",
    "task": {"arrays": {"inputs": "unused.npy"}},
    "split": {"teach": 60, "transfer": 120, "select": 20, "test": 80},
    "supervisors": [{"probe": "two", "penalty": 1.0, "folds": 2}],
    "students": [{"encoder": "inputs", "penalty": 0.1}],
    "seeds": 1,
}


def given():
    random = np.random.default_rng(0)
    y = np.sort(random.integers(0, 2, 280))
    x = random.normal(size=(280, 4)) + y[:, None] * [1.0, 0.5, 1.0, 0.0]
    return {
        "task": outgrow.Task.from_arrays(x, y),
        "views": {"two": x[:, :2]},
        "processes": 1,
        "progress": False,
        "say": lambda sentence: None,
    }


def test_a_study_spends_what_each_method_declares(tmp_path):
    methods = [
        "naive",
        {"anchored": {"budget": 0}},
        {"anchored": {"budget": 20}},
        "anchored",
        "trust",
        "selective",
        "contrast",
    ]
    result = outgrow.run({**STUDY, "methods": methods}, out=tmp_path / "out", **given())
    lines = result.frame().drop_duplicates("method").set_index("method")
    assert lines["spent"].to_dict() == {
        "naive": 0,
        "anchored(budget=0)": 0,
        "anchored(budget=20)": 20,
        "anchored": 60,
        "trust": 60,
        "selective": 60,
        "contrast": 0,
    }


def test_what_a_study_lacks_is_said_before_any_work(tmp_path):
    with pytest.raises(NeedsError, match="anchored is granted 61 rows of truth and there are 60 teach rows"):
        outgrow.run({**STUDY, "methods": [{"anchored": {"budget": 61}}]}, out=tmp_path / "out", **given())
    assert not (tmp_path / "out").exists()


def test_auroc_is_that_of_scikit_learn():
    random = np.random.default_rng(0)
    score, right = np.round(random.normal(size=200), 1), random.random(200) < 0.3
    assert auroc(score, right) == pytest.approx(roc_auc_score(right, score), abs=1e-12)
    assert np.isnan(auroc(score, np.ones(200, bool)))
    assert auroc(np.append(score, np.nan), np.append(right, True)) == auroc(score, right)

"""What no method can learn from, each with its sentence; and what a study says of it before any work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import outgrow
from outgrow.catalogue import catalogue
from outgrow.errors import LabelsError, NeedsError, OutgrowError
from outgrow.learners.linear import LinearHead
from outgrow.methods import Filtering, TwoStage
from outgrow.studies.ordinary import world
from outgrow.tasks.labels import WeakLabels

METHODS = sorted(catalogue("methods"))


def test_labels_of_differing_class_sets() -> None:
    random = np.random.default_rng(0)
    one = WeakLabels.from_probs(random.dirichlet([1, 1], 20), ["a", "b"])
    two = WeakLabels.from_probs(random.dirichlet([1, 1, 1], 20), ["a", "b", "c"])
    with pytest.raises(LabelsError) as raised:
        WeakLabels.stack([one, two])
    assert "c" in str(raised.value)


@pytest.mark.parametrize("name", METHODS)
def test_labels_that_cover_no_row(name: str) -> None:
    w = world(supervisors=2)
    rows, weak = w.transfer
    silent = WeakLabels(weak.ids, weak.probs, np.zeros_like(weak.covered), weak.classes, weak.sources)
    with pytest.raises(OutgrowError, match=r"cover(s)? no(ne)?\b"):
        catalogue("methods")[name](LinearHead(on="strong", penalty=1.0)).fit(rows, silent)


@pytest.mark.parametrize("method", [Filtering(drop=0.9), TwoStage(drop=0.9)])
def test_one_class_left_after_a_filter(method: Any) -> None:
    x = np.random.default_rng(1).normal(size=(40, 2))
    probs = np.array([[0.05, 0.95]] * 20 + [[0.4, 0.6]] * 10 + [[0.6, 0.4]] * 10)
    with pytest.raises(LabelsError, match=r"rows of one class only .* a student needs two classes, so lower drop"):
        method.fit(x, WeakLabels.from_probs(probs, ["no", "yes"]))


STUDY = {
    "name": "refused",
    "task": {"arrays": {"inputs": "unused.npy"}},
    "split": {"teach": 30, "transfer": 60, "select": 10, "test": 40},
    "supervisors": [{"probe": "two", "penalty": 1.0, "folds": 2}],
    "students": [{"encoder": "inputs", "penalty": 0.1}],
    "seeds": 1,
}


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("contrast", "Contrast takes two classes, and the task has 3; choose another method"),
        ("raven", "Raven needs 2 supervisors, the study gives 1"),
        ({"anchored": {"budget": 31}}, "anchored is granted 31 rows of truth and there are 30 teach rows"),
        ({"filtering": {"on": "large", "by": "knn"}}, "large"),
    ],
)
def test_a_study_says_it_before_any_work(method: Any, message: str, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    y = random.integers(0, 3, 140)
    x = random.normal(size=(140, 4)) + y[:, None]
    with pytest.raises(OutgrowError) as raised:
        outgrow.run(
            {**STUDY, "methods": [method]},
            out=tmp_path / "out",
            task=outgrow.Task.from_arrays(x, y),
            views={"two": x[:, :2]},
            processes=1,
            progress=False,
            say=lambda sentence: None,
        )
    assert message in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_a_grant_that_is_missing() -> None:
    w = world()
    for name in ("anchored", "trust"):
        with pytest.raises(NeedsError, match=r"needs known= \(truth that the study grants\)"):
            catalogue("methods")[name](w.head).fit(*w.transfer)

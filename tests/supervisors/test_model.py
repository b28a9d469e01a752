from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import LinearSVC

from outgrow.errors import LabelsError
from outgrow.fingerprints import fingerprint
from outgrow.learners import LinearHead
from outgrow.supervisors import ModelSupervisor, Supervisor
from outgrow.tasks.rows import Rows

CLASSES = ["b", "a", "z"]


def world(n: int = 80) -> tuple[Rows, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 2))
    return Rows.from_arrays(x=x, inputs=[f"t{i}" for i in range(n)]), np.where(x[:, 0] > 0, "a", "b")


class Reads:
    classes_ = ("a", "b")

    def predict_proba(self, texts: list[str]) -> Any:
        return [[1.0, 0.0] if t.endswith("1") else [0.0, 1.0] for t in texts]


class Quotes:
    classes_ = ("a", "b")

    def predict_proba(self, texts: list[str]) -> Any:
        raise ValueError(texts[0])


def test_classes_are_matched_by_name():
    rows, names = world()
    model = LogisticRegression().fit(rows.view("x"), names)
    supervisor = ModelSupervisor(model, "x", classes=CLASSES)
    assert isinstance(supervisor, Supervisor)
    labels = supervisor.label(rows)
    assert labels.classes.tolist() == CLASSES
    assert (labels.classes[labels.hard()[:, 0]] == names).mean() > 0.9
    assert (labels.probs[:, 0, 2] == 0).all()
    np.testing.assert_array_equal(labels.probs[:, 0, [1, 0]], model.predict_proba(rows.view("x")))
    assert labels.sources[0].view == "x"


def test_a_class_that_the_task_lacks():
    rows, names = world()
    model = LogisticRegression().fit(rows.view("x"), np.where(names == "a", "A", "b"))
    with pytest.raises(LabelsError, match="'A' at supervisor 'old' differs from class 'a'"):
        ModelSupervisor(model, "x", "old", classes=CLASSES).label(rows)


def test_integer_classes_match_their_text():
    rows, names = world()
    model = LogisticRegression().fit(rows.view("x"), (names == "a").astype(int))
    labels = ModelSupervisor(model, classes=["1", "0"]).label(rows)
    assert (labels.hard()[:, 0] == (names != "a")).mean() > 0.9


def test_predict_alone_gives_hard_labels_or_values():
    rows, names = world()
    hard = ModelSupervisor(LinearSVC().fit(rows.view("x"), names), classes=CLASSES).label(rows)
    assert set(hard.probs.ravel()) == {0.0, 1.0}
    values = ModelSupervisor(LinearRegression().fit(rows.view("x"), rows.view("x")[:, 1])).label(rows)
    np.testing.assert_allclose(values.probs[:, 0, 0], rows.view("x")[:, 1], atol=1e-10)
    assert values.classes is None


def test_raw_inputs_and_slices():
    rows, _ = world()
    labels = ModelSupervisor(Reads(), "inputs", classes=["b", "a"]).label(rows[[11, 10]])
    assert labels.ids.tolist() == [11, 10]
    assert labels.hard()[:, 0].tolist() == [1, 0]
    assert labels.sources[0].view is None


def test_our_own_learners_are_given_rows():
    rows, names = world()
    head = LinearHead(on="x", penalty=0.1).fit(Rows(rows.ids, {"x": rows.views["x"]}), names)
    labels = ModelSupervisor(head, "x", classes=CLASSES).label(rows)
    np.testing.assert_array_equal(labels.probs[:, 0, 1], head.predict_proba(rows)[:, list(head.classes_).index("a")])


def test_rows_it_was_taught_are_not_covered():
    rows, names = world()
    model = LogisticRegression().fit(rows.view("x")[:10], names[:10])
    labels = ModelSupervisor(model, "x", taught=range(10)).label(rows)
    assert labels.sources[0].taught == tuple(range(10))
    assert labels.covered[:, 0].tolist() == [False] * 10 + [True] * 70


def test_clone_keeps_the_fitted_model():
    rows, names = world()
    supervisor = ModelSupervisor(LogisticRegression().fit(rows.view("x"), names), "x")
    twin = clone(supervisor)
    assert twin.model is supervisor.model
    assert np.array_equal(twin.label(rows).probs, supervisor.label(rows).probs)


def test_keys():
    rows, names = world()
    one = LogisticRegression().fit(rows.view("x"), names)
    two = LogisticRegression().fit(rows.view("x")[:40], names[:40])
    assert fingerprint(ModelSupervisor(one, "x")) == fingerprint(clone(ModelSupervisor(one, "x")))
    assert fingerprint(ModelSupervisor(one, "x")) != fingerprint(ModelSupervisor(two, "x"))
    keys = {ModelSupervisor(m, "x").label(rows).sources[0].key for m in (one, two, one)}
    assert len(keys) == 2


def test_sentences():
    rows, names = world()
    model = LogisticRegression().fit(rows.view("x"), names)
    with pytest.raises(LabelsError, match="raised ValueError on the view 'wide'"):
        ModelSupervisor(model, "wide").label(rows.with_view("wide", np.ones((80, 3))))
    with pytest.raises(LabelsError, match="raised ValueError") as caught:
        ModelSupervisor(Quotes(), "inputs").label(Rows.from_arrays(inputs=["CANARY"]))
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert "CANARY" not in str(caught.value)
    with pytest.raises(LabelsError, match="has no predict;"):
        ModelSupervisor(object(), "x").label(rows)
    nameless = Reads()
    nameless.classes_ = None  # type: ignore[assignment]
    with pytest.raises(LabelsError, match="columns have no names"):
        ModelSupervisor(nameless, "inputs", classes=["a", "b"]).label(rows)

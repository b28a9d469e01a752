from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from outgrow.errors import InputError, LabelsError, NeedsError, OutgrowError, TaskError
from outgrow.tasks.labels import Source, WeakLabels
from outgrow.tasks.needs import Needs
from outgrow.tasks.prepare import as_rows, matrix, prepare
from outgrow.tasks.rows import Rows


class Classifier(ClassifierMixin, BaseEstimator):
    def __init__(self, on=None):
        self.on = on

    def needs(self):
        return Needs(frozenset() if self.on is None else frozenset({self.on}))


class Regressor(RegressorMixin, BaseEstimator):
    on = None


def things(n=8):
    random = np.random.default_rng(0)
    x = random.normal(size=(n, 3))
    return x, Rows.from_arrays(f=x), WeakLabels.from_names(list("ab" * (n // 2)), ["a", "b"])


# --- arrays ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (list("abababab"), ["a", "b"]),
        (np.array([3, 1] * 4), [1, 3]),
        (np.array([True, False] * 4), [False, True]),
        (pd.Series(["x", "y"] * 4), ["x", "y"]),
        (pd.Series(["x", "y"] * 4, dtype="category"), ["x", "y"]),
    ],
)
def test_names_become_a_table(y, classes):
    est = Classifier()
    rows, weak, weight = prepare(est, things()[0], y)
    assert weak.classes.tolist() == classes
    assert [classes[i] for i in weak.hard()[:, 0]] == list(y)
    assert weight.tolist() == [1.0] * 8
    assert est.n_features_in_ == 3
    np.testing.assert_array_equal(matrix(est, rows), things()[0])


def test_soft_labels_and_frames():
    x, _, _ = things()
    frame = pd.DataFrame(x, columns=["p", "q", "r"])
    est = Classifier()
    _, weak, _ = prepare(est, frame, np.tile([0.25, 0.75], (8, 1)))
    assert weak.classes.tolist() == [0, 1]
    assert est.feature_names_in_.tolist() == ["p", "q", "r"]
    assert as_rows(est, frame).ids.tolist() == list(range(8))


def test_values_become_a_table():
    _, weak, _ = prepare(Regressor(), things()[0], np.arange(8.0))
    assert weak.classes is None
    assert weak.probs[:, 0, 0].tolist() == list(range(8))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "y to be passed, but the target y is None"),
        (["a"] * 8, "one class only"),
        ([["a", "b"], ["a"]] * 4, "one task per label"),
        (["a", None] * 4, "row 1 has no label"),
        (np.array(["a", "b", "", "b"] * 2, dtype=object), "row 2 has no label"),
        (np.array(["a", 1] * 4, dtype=object), "mix texts and numbers"),
        (np.tile([0.2, 0.2], (8, 1)), "sum to 0.4"),
        (np.tile([20.0, 80.0], (8, 1)), "percentages"),
        (np.tile([0.5, 0.5], (7, 1)), "8 rows and the labels have 7"),
        (np.linspace(0, 1, 8), "continuous"),
    ],
)
def test_labels_that_cannot_be(y, message):
    with pytest.raises(ValueError, match=message):
        prepare(Classifier(), things()[0], y)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_features_that_cannot_be(bad):
    x, rows, weak = things()
    x[5, 1] = bad
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        prepare(Classifier(), x, weak)
    with pytest.raises(TaskError, match="view 'f' has NaN or infinity on row 5"):
        matrix(Classifier(), Rows.from_arrays(f=x)[[1, 5]], reset=True)
    del rows


# --- rows ------------------------------------------------------------------------------------------------------------------------


@given(st.permutations(range(8)))
def test_rows_in_another_order_are_never_taken_for_the_same(order):
    _, rows, weak = things()
    turned = weak[list(order)]
    if list(order) == list(range(8)):
        assert prepare(Classifier(), rows, turned)[1] is turned
    else:
        with pytest.raises(LabelsError, match="same rows in another order"):
            prepare(Classifier(), rows, turned)
        assert len(prepare(Classifier(), rows[list(order)], turned)[0]) == 8


@pytest.mark.parametrize(
    ("mine", "theirs", "message"),
    [
        ([0, 1, 2], [0, 1], r"different rows \(3 and 2\)"),
        ([0, 1, 2], [0, 1, 3], r"row 2 is in one of them only"),
        ([0, 0, 1], [0, 1, 2], r"row 2 is in one of them only"),
    ],
)
def test_other_rows(mine, theirs, message):
    _, rows, weak = things()
    with pytest.raises(LabelsError, match=message):
        prepare(Classifier(), rows[mine], weak[theirs])


def test_a_bare_array_beside_a_sliced_table_is_told_to_be_rows():
    x, _, weak = things()
    with pytest.raises(LabelsError, match=r"rows of a bare array are 0, 1, \.\.\., so give Rows"):
        prepare(Classifier(), x[4:], weak[4:])


def test_classes_for_classifiers_and_values_for_regressors():
    x, rows, weak = things()
    with pytest.raises(LabelsError, match="Regressor cannot learn classes"):
        prepare(Regressor(), rows, weak)
    with pytest.raises(LabelsError, match="Classifier cannot learn values"):
        prepare(Classifier(), rows, WeakLabels.from_probs(x[:, 0], None))


def test_an_empty_role():
    _, rows, weak = things()
    with pytest.raises(TaskError, match="no rows; the role they come from is empty"):
        prepare(Classifier(), rows[[]], weak[[]])


def test_views_must_be_named_and_be_matrices():
    x, _, weak = things()
    rows = Rows.from_arrays(f=x, inputs=["canary text"] * 8)
    for call in (
        lambda: prepare(Classifier("f"), x, weak),
        lambda: matrix(Classifier("f"), x),
        lambda: matrix(Classifier("f"), Rows.from_arrays(X=x)),
    ):
        with pytest.raises(NeedsError, match="bare array"):
            call()
    with pytest.raises(NeedsError, match="view 'inputs' holds raw inputs") as caught:
        matrix(Classifier("inputs"), rows)
    assert "canary" not in str(caught.value)
    pairs = Rows.from_arrays(pairs=np.array([["canary", "text"]] * 8, dtype=object))
    with pytest.raises(OutgrowError) as caught:
        matrix(Classifier("pairs"), pairs)
    assert "canary" not in str(caught.value)


def test_another_width_than_at_fit():
    est = Classifier("f")
    matrix(est, Rows.from_arrays(f=np.ones((2, 3))), reset=True)
    with pytest.raises(TaskError, match="has 4 features; Classifier was fitted on 3"):
        matrix(est, Rows.from_arrays(f=np.ones((2, 4))))


# --- weights ---------------------------------------------------------------------------------------------------------------------


def test_rows_without_a_label_weigh_nothing():
    _, rows, _ = things()
    covered = np.array([[True, False], [False, True], [False, False], [True, True]] * 2)
    weak = WeakLabels(
        np.arange(8), np.full((8, 2, 2), 0.5), covered, np.array(["a", "b"]), (Source("one"), Source("two"))
    )
    assert prepare(Classifier(), rows, weak)[2].tolist() == [1, 1, 0, 1] * 2
    assert prepare(Classifier(), rows, weak, np.arange(8))[2].tolist() == [0, 1, 0, 3, 4, 5, 0, 7]
    with pytest.raises(InputError, match="zero on every covered row"):
        prepare(Classifier(), rows, weak, [0, 0, 1, 0] * 2)


def test_a_supervisor_that_says_nothing():
    _, rows, _ = things()
    weak = WeakLabels.from_names([None] * 8, ["a", "b"], source="lexicon")
    with pytest.raises(LabelsError, match="'lexicon' covers none of these 8 rows"):
        prepare(Classifier(), rows, weak)


@pytest.mark.parametrize("weight", [[-1.0] + [1.0] * 7, [np.nan] * 8, [1.0] * 7, np.ones((8, 2))])
def test_weights_that_cannot_be(weight):
    _, rows, weak = things()
    with pytest.raises(ValueError):
        prepare(Classifier(), rows, weak, weight)

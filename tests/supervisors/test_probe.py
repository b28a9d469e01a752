from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, clone

from outgrow.errors import LabelsError, NeedsError, TaskError
from outgrow.learners import LinearHead
from outgrow.supervisors import ProbeSupervisor, Supervisor
from outgrow.supervisors.probe import fold_of
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.rows import Rows

CLASSES = np.array(["no", "perhaps", "yes"])


class Nearest(BaseEstimator):
    """Label of the nearest row it was fitted on: in sample it is always right."""

    def __init__(self, on: str | None = None):
        self.on = on

    def fit(self, rows: Rows, weak: WeakLabels) -> Nearest:
        self.x_, self.y_, self.classes_ = rows.view(self.on), weak.probs[:, 0], weak.classes
        return self

    def logits(self, rows: Rows) -> Any:
        return self.y_[((rows.view(self.on)[:, None] - self.x_[None]) ** 2).sum(axis=2).argmin(axis=1)]

    predict_proba = logits


def world(n: int = 60, seed: int = 0) -> tuple[Rows, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, n)
    x = rng.normal(size=(n, 3)) + 1.5 * truth[:, None]
    return Rows.from_arrays(x=x), truth


def table(truth: np.ndarray, ids: np.ndarray, classes: np.ndarray = CLASSES[[0, 2]]) -> WeakLabels:
    return WeakLabels.from_names(list(classes[truth]), classes, ids=ids, source="truth")


def test_labels_everything_in_order_and_says_what_it_saw():
    rows, truth = world()
    teach = np.arange(0, 60, 2)
    probe = ProbeSupervisor("x").fit(rows[teach], table(truth[teach], teach))
    assert isinstance(probe, Supervisor)
    labels = probe.label(rows)
    assert labels.sources[0].view == "x"
    assert labels.sources[0].taught == tuple(teach.tolist())
    assert labels.sources[0].key == probe.fingerprint_
    assert labels.covered.all()
    assert (labels.hard()[1::2, 0] == truth[1::2]).mean() > 0.8
    shuffled = np.random.default_rng(1).permutation(60)
    again = probe.label(rows[shuffled])
    assert np.array_equal(again.ids, shuffled)
    np.testing.assert_allclose(again.probs, labels.probs[shuffled], rtol=1e-12)


def test_labels_of_taught_rows_are_out_of_fold():
    rng = np.random.default_rng(0)
    rows = Rows.from_arrays(x=rng.normal(size=(200, 4)))
    truth = rng.integers(0, 2, 200)
    teach = np.arange(100)
    probe = ProbeSupervisor("x", Nearest()).fit(rows[teach], table(truth[teach], teach))
    right = probe.label(rows).hard()[:, 0] == truth
    in_sample = probe.learner_.logits(rows[teach]).argmax(axis=1) == truth[teach]
    assert in_sample.all()
    assert 0.3 < right[teach].mean() < 0.7


def test_each_out_of_fold_label_comes_from_the_other_folds():
    rows, truth = world(30)
    weak = table(truth, rows.ids)
    probe = ProbeSupervisor("x", Nearest(), folds=4, random_state=3).fit(rows, weak)
    fold = fold_of(rows.view("x"), truth, 4, 3)
    for k in range(4):
        other = Nearest("x").fit(rows[fold != k], weak[fold != k])
        assert np.array_equal(probe.out_of_fold_[fold == k], other.logits(rows[fold == k]))


def test_truth_is_aligned_by_id():
    rows, truth = world()
    teach = np.array([5, 3, 40, 21, 8, 9, 30, 31])
    whole = table(truth, rows.ids)[np.random.default_rng(2).permutation(60)]
    one = ProbeSupervisor("x", Nearest(), folds=2).fit(rows[teach], whole).label(rows)
    two = ProbeSupervisor("x", Nearest(), folds=2).fit(rows[teach], table(truth[teach], teach)).label(rows)
    assert np.array_equal(one.probs, two.probs)
    assert one.sources[0].key == two.sources[0].key
    with pytest.raises(TaskError, match="row 40 is not among"):
        ProbeSupervisor("x").fit(rows[teach], whole.at(np.arange(30)))


def test_plain_arrays_of_names_and_values():
    rows, truth = world()
    names = np.array(["a", "b"])[truth]
    assert list(ProbeSupervisor("x", Nearest()).fit(rows, names).label(rows).classes) == ["a", "b"]
    values = ProbeSupervisor("x", Nearest()).fit(rows, rows.view("x")[:, 0]).label(rows)
    assert values.classes is None
    assert np.corrcoef(values.probs[:, 0, 0], rows.view("x")[:, 0])[0, 1] > 0.6
    with pytest.raises(LabelsError, match="60 rows and truth of shape"):
        ProbeSupervisor("x").fit(rows, names[:5])


def test_classes_are_all_the_tasks_by_name():
    rows, truth = world()
    weak = WeakLabels.from_names(list(CLASSES[[0, 2]][truth]), CLASSES, ids=rows.ids)
    labels = ProbeSupervisor("x").fit(rows, weak).label(rows)
    assert list(labels.classes) == list(CLASSES)
    assert labels.probs[:, 0, 1].max() < 1e-6
    assert (labels.hard()[:, 0] == np.where(truth == 1, 2, 0)).mean() > 0.8


def test_a_class_with_one_row():
    rows, _ = world(20)
    truth = np.zeros(20, dtype=int)
    truth[4] = 1
    probe = ProbeSupervisor("x", Nearest()).fit(rows, table(truth, rows.ids))
    labels = probe.label(rows)
    # Without row 4 only one class is left to learn from, so its fold has no label; the others have.
    assert not labels.covered[4, 0]
    assert 0 < (~labels.covered).sum() <= 4
    assert probe.learner_.logits(rows[[4]]).argmax() == 1


def test_fewer_rows_than_folds_leaves_one_out():
    rows, _ = world(3)
    probe = ProbeSupervisor("x", Nearest(), folds=5).fit(rows, table(np.array([0, 1, 1]), rows.ids))
    assert list(probe.fold_covered_) == [False, True, True]


def test_equal_rows_share_a_fold():
    x = np.repeat(np.random.default_rng(0).normal(size=(10, 2)), 3, axis=0)
    fold = fold_of(x, np.zeros(30, dtype=np.int64), 5, 0)
    assert all(len(set(fold[3 * i : 3 * i + 3])) == 1 for i in range(10))


@given(
    strata=st.lists(st.integers(0, 3), min_size=1, max_size=60),
    folds=st.integers(2, 8),
    seed=st.integers(0, 1000),
)
def test_folds_are_even_and_stratified(strata: list[int], folds: int, seed: int):
    labels = np.array(strata)
    fold = fold_of(np.arange(len(labels), dtype=float)[:, None], labels, folds, seed)
    sizes = np.bincount(fold, minlength=min(folds, len(labels)))
    assert len(sizes) == min(folds, len(labels))
    assert sizes.max() - sizes.min() <= 1
    for c in range(4):
        each = np.bincount(fold[labels == c], minlength=len(sizes))
        assert each.max() - each.min() <= 1
    assert np.array_equal(fold, fold_of(np.arange(len(labels), dtype=float)[:, None], labels, folds, seed))


def test_unknown_truth_is_passed_over():
    rows, truth = world()
    names: list[Any] = list(CLASSES[[0, 2]][truth])
    names[3] = None
    probe = ProbeSupervisor("x", Nearest()).fit(rows, WeakLabels.from_names(names, CLASSES, ids=rows.ids))
    assert 3 not in probe.taught_
    assert len(probe.taught_) == 59


def test_sentences():
    rows, truth = world()
    with pytest.raises(LabelsError, match=r"probe\(x\).*one class only \('no'\)"):
        ProbeSupervisor("x").fit(rows, table(np.zeros(60, dtype=int), rows.ids))
    with pytest.raises(LabelsError, match="none of its 60 teach rows has any"):
        ProbeSupervisor("x").fit(rows, WeakLabels.from_names([None] * 60, CLASSES, ids=rows.ids))
    with pytest.raises(LabelsError, match="folds=2 or more"):
        ProbeSupervisor("x", folds=1).fit(rows, table(truth, rows.ids))
    with pytest.raises(NeedsError, match="reads the view 'x' and its learner 'y'"):
        ProbeSupervisor("x", Nearest("y")).fit(rows, table(truth, rows.ids))
    with pytest.raises(ValueError, match=r"did you mean 'x'|there is 'x'"):
        ProbeSupervisor("xx", Nearest()).fit(rows, table(truth, rows.ids))


def test_the_key_covers_rows_truth_and_parameters():
    rows, truth = world()

    def key(on_rows: Rows = rows, y: np.ndarray = truth, **params: Any) -> str:
        return ProbeSupervisor("x", Nearest(), **params).fit(on_rows, table(y, on_rows.ids)).fingerprint_

    changed = truth.copy()
    changed[0] = 1 - changed[0]
    other = Rows.from_arrays(x=rows.view("x") + 1e-9)
    keys = [key(), key(y=changed), key(on_rows=other), key(folds=4), key(random_state=1), key(rows[:50], truth[:50])]
    assert len(set(keys)) == len(keys)
    assert key() == keys[0]


def test_truth_elsewhere_changes_nothing():
    rows, truth = world()
    teach = np.arange(30)
    permuted = truth.copy()
    permuted[30:] = np.random.default_rng(5).permutation(permuted[30:])
    one, two = (ProbeSupervisor("x").fit(rows[teach], table(t, rows.ids)).label(rows) for t in (truth, permuted))
    assert np.array_equal(one.probs, two.probs)
    assert one.sources == two.sources


def test_clone_keeps_the_recipe_and_drops_the_state():
    rows, truth = world()
    probe = ProbeSupervisor("x", Nearest(), folds=3, title="mine").fit(rows, table(truth, rows.ids))
    fresh = clone(probe)
    assert fresh.name == "mine"
    assert fresh.folds == 3
    assert not hasattr(fresh, "learner_")
    with pytest.raises(Exception, match="not fitted"):
        fresh.label(rows)


def test_value_tasks_are_learned_by_a_ridge():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 3))
    y = x @ [1.0, -2.0, 0.5] + 3.0
    rows = Rows.from_arrays(x=x)
    probe = ProbeSupervisor("x").fit(rows[:80], WeakLabels.from_probs(y, None, ids=rows.ids, source="truth"))
    labels = probe.label(rows)
    assert type(probe.learner_).__name__ == "RidgeHead"
    assert labels.classes is None
    np.testing.assert_allclose(labels.probs[:, 0, 0], y, atol=0.05)
    noise = ProbeSupervisor("x").fit(rows[:80], rng.normal(size=80)).label(rows)
    assert np.abs(noise.probs).max() < 2


def test_folds_take_the_penalty_chosen_on_all_teach_rows():
    rows, truth = world()
    weak = table(truth, rows.ids)
    free = ProbeSupervisor("x").fit(rows, weak)
    fixed = ProbeSupervisor("x", LinearHead(penalty=float(free.learner_.penalty_))).fit(rows, weak)
    np.testing.assert_array_equal(free.out_of_fold_, fixed.out_of_fold_)
    assert free.fingerprint_ != fixed.fingerprint_

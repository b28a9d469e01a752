"""Simulated errors: what is matched exactly, what is at random, and what a student makes of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgrow.audits.simulation import random_errors
from outgrow.errors import LabelsError
from outgrow.learners import LinearHead
from outgrow.methods import Naive
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.rows import Rows


def world(n: int, c: int, seed: int) -> tuple[WeakLabels, WeakLabels, np.ndarray]:
    rng = np.random.default_rng(seed)
    classes = [f"k{i}" for i in range(c)]
    truth = rng.integers(0, c, n)
    probs = rng.dirichlet(np.ones(c), size=n)
    probs[np.arange(n), truth] += rng.exponential(0.6, n)
    probs /= probs.sum(1, keepdims=True)
    covered = rng.random(n) < 0.8
    covered[:c] = True
    return (
        WeakLabels.from_probs(probs, classes, covered=covered),
        WeakLabels.from_probs(np.eye(c)[truth], classes),
        truth,
    )


@given(st.integers(2, 5), st.integers(0, 10**6), st.booleans())
def test_accuracy_and_confidence_are_matched_exactly(c: int, seed: int, by_class: bool) -> None:
    weak, truth, true = world(120, c, seed)
    made = random_errors(weak, truth, by_class=by_class, seed=seed)
    np.testing.assert_array_equal(made.ids, weak.ids)
    there = weak.any_covered
    np.testing.assert_array_equal(made.any_covered, there)
    old, new = weak.probs[there, 0], made.probs[there, 0]
    np.testing.assert_allclose(new.sum(1), 1)
    t = true[there]
    at = np.arange(len(t))
    # What the true class is given: the same numbers, on other rows.
    np.testing.assert_array_equal(np.sort(new[at, t]), np.sort(old[at, t]))
    assert (new.argmax(1) == t).sum() == (old.argmax(1) == t).sum()
    if by_class:
        for k in range(c):
            counts = [np.bincount(p[t == k].argmax(1), minlength=c).tolist() for p in (old, new)]
            assert counts[0] == counts[1], "the whole table of errors"


def test_a_seed_is_a_draw_and_nothing_else_changes_it() -> None:
    weak, truth, _ = world(60, 3, 0)
    one, same, other = (random_errors(weak, truth, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.probs, same.probs)
    assert (one.probs != other.probs).any()
    assert one.fingerprint() == same.fingerprint() != other.fingerprint()
    two = WeakLabels.stack([weak, weak])
    np.testing.assert_allclose(random_errors(two, truth, seed=1).probs, one.probs)


def test_values_keep_their_errors() -> None:
    rng = np.random.default_rng(0)
    true, error = rng.normal(size=50), rng.exponential(size=50)
    weak, truth = (WeakLabels.from_probs(v, None) for v in (true + error, true))
    made = random_errors(weak, truth, seed=3)
    np.testing.assert_allclose(np.sort(made.probs[:, 0, 0] - true), np.sort(error))
    with pytest.raises(LabelsError, match="no classes to match"):
        random_errors(weak, truth, by_class=True)


def test_random_errors_are_averaged_out_and_learnable_ones_copied() -> None:
    """A supervisor that is wrong on one side of a line: its student is as wrong; a student of random errors is not."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1200, 4))
    true = (x[:, 0] > 0).astype(int)
    said = np.where(x[:, 1] > 0.7, 1 - true, true)
    # Truth and the supervisor's rule are both a line in these features.
    features = np.column_stack([x, np.where(x[:, 1] > 0.7, -1.0, 1.0) * x[:, 0]])
    classes = ["no", "yes"]
    weak = WeakLabels.from_probs(np.where(np.eye(2)[said] > 0, 0.9, 0.1), classes)
    truth = WeakLabels.from_probs(np.eye(2)[true], classes)
    rows, learn, test = Rows.from_arrays(X=features), np.arange(800), np.arange(800, 1200)
    right = {}
    tables = {"real": weak.at(learn)} | {
        how: random_errors(weak.at(learn), truth.at(learn), by_class=how == "by class")
        for how in ("random", "by class")
    }
    for how, labels in tables.items():
        student = Naive(LinearHead(penalty=0.01)).fit(rows.at(learn), labels)
        right[how] = (student.predict_proba(rows.at(test)).argmax(1) == true[test]).mean()
    floor = (said[test] == true[test]).mean()
    assert right["real"] < floor + 0.03
    assert min(right["random"], right["by class"]) > floor + 0.15


def test_what_does_not_fit_is_said() -> None:
    weak, truth, _ = world(40, 2, 1)
    with pytest.raises(LabelsError, match="40 rows and the truth of 30 others"):
        random_errors(weak, truth[:30])
    other = WeakLabels.from_probs(truth.probs[:, 0], ["a", "b"])
    with pytest.raises(LabelsError, match="other classes"):
        random_errors(weak, other)
    blind = WeakLabels.from_probs(truth.probs[:, 0], truth.classes, covered=np.arange(40) != 0)
    with pytest.raises(LabelsError, match=r"1 of .* labelled rows have no truth"):
        random_errors(weak, blind)

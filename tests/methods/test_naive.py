from __future__ import annotations

import numpy as np
import pytest

from outgrow.errors import InputError, LabelsError, NeedsError, OutgrowError, TaskError
from outgrow.learners.linear import LinearHead
from outgrow.learners.objective import CrossEntropy, Squared
from outgrow.learners.ridge import RidgeHead
from outgrow.methods import Naive
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.needs import Known, Needs
from outgrow.tasks.rows import Rows, View

HEAD = LinearHead(penalty=0.1)


def data(n: int = 60, d: int = 3, seed: int = 0):
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, d))
    p = 1 / (1 + np.exp(-2 * x[:, 0] - random.normal(size=n)))
    return x, np.stack([1 - p, p], axis=1)


def table(probs, covered=None, classes=("no", "yes"), ids=None):
    return WeakLabels.from_probs(probs, classes, ids=ids, covered=covered)


def test_soft_labels_equal_two_weighted_hard_rows():
    x, probs = data()
    soft = Naive(LinearHead(penalty=0.1, tol=1e-9)).fit(x, probs)
    twice = np.repeat(x, 2, axis=0)
    hard = np.tile([0, 1], len(x))
    weighed = Naive(LinearHead(penalty=0.1, tol=1e-9)).fit(twice, hard, sample_weight=probs.ravel())
    assert np.allclose(soft.student_.coef_, weighed.student_.coef_, atol=1e-7)
    assert np.allclose(soft.student_.intercept_, weighed.student_.intercept_, atol=1e-7)
    # Hardening would have moved the coefficients by far more than the tolerance.
    hardened = Naive(LinearHead(penalty=0.1, tol=1e-9)).fit(x, np.eye(2)[probs.argmax(1)])
    assert np.abs(soft.student_.coef_ - hardened.student_.coef_).max() > 0.05


def test_several_supervisors_count_as_the_mean_of_those_that_cover():
    x, probs = data()
    other = data(seed=1)[1]
    rows = Rows.from_arrays(X=x)
    covers = np.random.default_rng(2).random((60, 2)) < 0.7
    stacked = WeakLabels.stack([table(probs, covers[:, 0]), table(other, covers[:, 1])])
    by_hand = np.zeros_like(probs)
    for i in range(60):
        said = [t[i] for t, c in zip((probs, other), covers[i], strict=True) if c]
        by_hand[i] = np.mean(said, axis=0) if said else [0.5, 0.5]
    there = covers.any(axis=1)
    assert 0 < there.sum() < 60
    ours = Naive(HEAD).fit(rows, stacked)
    theirs = Naive(HEAD).fit(rows[there], table(by_hand[there], ids=np.flatnonzero(there)))
    assert np.allclose(ours.student_.coef_, theirs.student_.coef_, atol=1e-12)


@pytest.mark.parametrize("penalty", [0.1, "cv"])
def test_rows_of_weight_zero_change_no_bit(penalty):
    x, probs = data(80)
    keep = np.random.default_rng(3).random(80) < 0.6
    rows, weak = Rows.from_arrays(X=x), table(probs)
    a = Naive(LinearHead(penalty=penalty)).fit(rows, weak, sample_weight=keep.astype(float))
    b = Naive(LinearHead(penalty=penalty)).fit(rows[keep], weak[keep])
    assert np.array_equal(a.student_.coef_, b.student_.coef_)
    assert np.array_equal(a.student_.intercept_, b.student_.intercept_)


def test_values_are_learned_with_squared_loss():
    x, _ = data()
    values = x @ [1.0, -2.0, 0.5] + 3
    student = Naive(RidgeHead(penalty=1e-8)).fit(x, values)
    assert isinstance(student.objective_, Squared)
    assert np.allclose(student.predict(x), values, atol=1e-5)
    assert student.logits(x).shape == (60, 1)
    assert not hasattr(student, "predict_proba")


def test_a_method_hands_on_to_its_student_and_is_stamped():
    x, probs = data()
    student = Naive(HEAD).fit(Rows.from_arrays(X=x), table(probs))
    assert student.classes_.tolist() == ["no", "yes"]
    assert np.array_equal(student.predict_proba(x), student.student_.predict_proba(x))
    assert student.score(x, student.predict(x)) == 1.0
    assert isinstance(student.objective_, CrossEntropy)
    assert student.spent_ == 0
    again = Naive(HEAD).fit(Rows.from_arrays(X=x), table(probs))
    other = Naive(HEAD).fit(Rows.from_arrays(X=x), table(probs[:, ::-1]))
    assert student.fingerprint_ == again.fingerprint_ != other.fingerprint_


def test_a_grant_is_counted():
    x, probs = data()
    rows, weak = Rows.from_arrays(X=x), table(probs)
    known = Known(rows[:7], weak[:7], np.zeros(7, int))
    method = Naive(HEAD)
    assert method._train(rows, weak, np.ones(60), CrossEntropy(), known).spent_ == 7


def test_needs_and_reference_follow_the_learner():
    method = Naive(LinearHead(on="big"))
    assert method.needs() == Needs(views=frozenset({"big"}))
    assert method.needs().plain
    reference = method.reference()
    assert reference is not method.learner
    assert reference.get_params() == method.learner.get_params()
    assert Naive().fingerprint() == Naive(LinearHead()).fingerprint()
    assert Naive().fingerprint() != Naive(LinearHead(penalty=0.2)).fingerprint()


# --- bad input, each with its sentence ----------------------------------------------------------------------------------------------


def fails(error: type[OutgrowError], x, y, message: str, learner=HEAD, **given):
    with pytest.raises(error, match=message):
        Naive(learner).fit(x, y, **given)


def test_labels_of_other_rows():
    x, probs = data()
    rows, weak = Rows.from_arrays(X=x), table(probs)
    fails(LabelsError, rows[:40], weak[20:], r"are of different rows \(40 and 40\); slice both with the same ids")
    fails(LabelsError, rows[:40], weak[:30], r"different rows \(40 and 30\)")
    fails(LabelsError, rows, weak[::-1], "the same rows in another order; slice both with the same ids")


def test_features_that_are_not_finite():
    x, probs = data()
    x[7, 1] = np.nan
    fails(TaskError, Rows.from_arrays(X=x), table(probs), "view 'X' has NaN or infinity on row 7; remove or repair")
    with pytest.raises(ValueError, match="NaN"):
        Naive(HEAD).fit(x, probs)


def test_one_class():
    x, _ = data()
    fails(LabelsError, x, np.zeros(60, int), r"hold one class only \('0'\); a student needs at least two")


def test_rows_that_nobody_covers():
    x, probs = data()
    fails(
        LabelsError,
        Rows.from_arrays(X=x),
        table(probs, np.zeros(60, bool)),
        "covers none of these 60 rows; there is nothing",
    )


def test_views_that_are_missing_or_unnamed():
    x, probs = data()
    rows = Rows(np.arange(60), {"minilm/3": View(x), "smollm2/18": View(x)})
    fails(InputError, rows, table(probs), r"several views \['minilm/3', 'smollm2/18'\]; name the one to read with on=")
    fails(InputError, rows, table(probs), "did you mean 'minilm/3'", learner=LinearHead(on="minlm/3"))
    fails(
        NeedsError,
        x,
        probs,
        r"reads the views \['minilm/3'\], and X is a bare array",
        learner=LinearHead(on="minilm/3"),
    )
    texts = Rows(np.arange(60), {"inputs": View(["a"] * 60)})
    fails(InputError, texts, table(probs), "no matrix view; name the one to read with on=")


def test_kinds_that_do_not_fit():
    x, probs = data()
    rows = Rows.from_arrays(X=x)
    values = WeakLabels.from_probs(x[:, 0], None)
    fails(LabelsError, rows, values, "Naive cannot learn values; choose a learner for values")
    fails(
        LabelsError, rows, table(probs), "Naive cannot learn classes; choose a learner for classes", learner=RidgeHead()
    )


def test_weights_that_leave_nothing():
    x, probs = data()
    there = np.arange(60) % 2
    fails(
        InputError,
        Rows.from_arrays(X=x),
        table(probs, there > 0),
        "sample_weight is zero on every covered row",
        sample_weight=np.ones(60) - there,
    )
    with pytest.raises(ValueError, match="Negative values in data"):
        Naive(HEAD).fit(Rows.from_arrays(X=x), table(probs), sample_weight=-np.ones(60))


def test_no_rows_and_no_labels():
    x, probs = data()
    rows, weak = Rows.from_arrays(X=x), table(probs)
    fails(TaskError, rows[:0], weak[:0], "was given no rows; the role they come from is empty")
    with pytest.raises(LabelsError, match="give weak labels"):
        Naive(HEAD).fit(x, None)

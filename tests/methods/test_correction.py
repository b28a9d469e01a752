"""A planted bias is weighed away without truth, and nothing is moved where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from outgrow.errors import InputError, LabelsError, StudyError
from outgrow.learners.linear import LinearHead
from outgrow.learners.ridge import RidgeHead
from outgrow.methods import Boosted, Confidence, Correction, Ensemble, Naive
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.rows import Rows

HEAD = LinearHead(penalty=0.03)
RULES = ["confident", "agreement", "em", "even", (0.3, 0.7)]


def world(says=((0.45, 0.8),), share=0.5, n=1000, seed=0, odd=False):
    """Labels right on (no, yes) rows so often, by chance; rows whose first feature tells the truth."""
    random = np.random.default_rng(seed)
    y = (random.random(n) < share).astype(int)
    x = random.normal(size=(n, 6))
    x[:, 0] += 2.4 * (y - 0.5)
    tables = []
    for j, right in enumerate(says):
        named = np.where(random.random(n) < np.array(right)[y], y, 1 - y)
        tables.append(WeakLabels.from_probs(np.eye(2)[named], ["no", "yes"], source=f"s{j}"))
    if odd:
        few = random.random(n) < 0.05
        tables.append(WeakLabels.from_probs(np.eye(2)[y], ["no", "yes"], covered=few, source="few"))
        tables.append(WeakLabels.from_probs(np.eye(2)[y * 0], ["no", "yes"], covered=y == 0, source="never"))
        none = np.zeros(n, bool)
        tables.append(WeakLabels.from_probs(np.eye(2)[y], ["no", "yes"], covered=none, source="none"))
    return Rows.from_arrays(X=x), WeakLabels.stack(tables), np.array(["no", "yes"])[y]


def equal(a, b):
    return np.array_equal(a.student_.coef_, b.student_.coef_) and np.array_equal(
        a.student_.intercept_, b.student_.intercept_
    )


def right(method, made):
    rows, weak, y = made
    return (method.fit(rows[:600], weak[:600]).predict(rows[600:]) == y[600:]).mean()


@pytest.mark.parametrize("odd", [False, True])
@pytest.mark.parametrize("inner", [None, "confidence", Confidence(weight=0.5)])
def test_off_is_the_method(inner, odd):
    rows, weak, _ = world(odd=odd, n=200)
    plain = Naive(HEAD) if inner is None else Confidence(HEAD, weight=0.75 if inner == "confidence" else 0.5)
    assert equal(Correction(HEAD, inner, strength=0).fit(rows, weak), plain.fit(rows, weak))


@pytest.mark.parametrize("share", [0.5, 0.3])
def test_a_planted_bias_is_repaired(share):
    won, kept = [], []
    for seed in range(4):
        biased, fair = world(share=share, seed=seed), world(((0.75, 0.75),), share, seed=seed)
        won.append(right(Correction(HEAD), biased) - right(Naive(HEAD), biased))
        kept.append(right(Correction(HEAD), fair) - right(Naive(HEAD), fair))
    assert np.mean(won) > 0.15
    assert np.mean(kept) > -0.01


def test_agreement_repairs_what_confusions_tell():
    says = ((0.55, 0.95), (0.6, 0.9), (0.6, 0.95), (0.9, 0.6))
    method = Correction(HEAD, prior="agreement").fit(*world(says, n=3000)[:2])
    assert (method.weights_[:3, 1] < method.weights_[:3, 0]).all()
    assert method.weights_[3, 1] > method.weights_[3, 0]
    assert (method.temperature_ > 1).all()
    made = world(says)
    assert right(Correction(HEAD, prior="agreement"), made) > right(Naive(HEAD), made)


def test_given_shares_are_class_weights():
    rows, weak, _ = world(n=300)
    shares = weak.prior()
    ours = Correction(HEAD, prior=[0.5, 0.5]).fit(rows, weak)
    by_hand = Naive(HEAD).fit(rows, weak, sample_weight=(0.5 / shares)[weak.hard()[:, 0]])
    assert np.allclose(ours.student_.coef_, by_hand.student_.coef_, atol=1e-6)
    assert equal(ours, Correction(HEAD, prior="even").fit(rows, weak))


def test_several_are_weighed_exactly_where_they_disagree():
    rows, weak, _ = world(((0.4, 0.9), (0.5, 0.8)), n=300)
    ours = Correction(LinearHead(penalty=0.03, tol=1e-9), prior="even").fit(rows, weak)
    twice = Rows.from_arrays(X=np.repeat(rows.view(), 2, axis=0))
    names = weak.hard()
    weight = ours.weights_[np.arange(2), names].ravel()
    by_hand = Naive(LinearHead(penalty=0.03, tol=1e-9)).fit(
        twice, WeakLabels.from_probs(np.eye(2)[names.ravel()], ["no", "yes"]), sample_weight=weight
    )
    # Standardising weighs rows too, and these differ in nothing else.
    assert np.allclose(ours.predict_proba(rows), by_hand.predict_proba(rows), atol=1e-5)


@pytest.mark.parametrize("prior", RULES)
@pytest.mark.parametrize("inner", [None, "confidence", Ensemble(rule="one_coin")])
def test_odd_supervisors_are_ordinary(prior, inner):
    rows, weak, y = world(((0.6, 0.9), (0.7, 0.8)), odd=True, n=300)
    method = Correction(HEAD, inner, prior=prior).fit(rows, weak)
    assert np.isfinite(method.predict_proba(rows)).all()
    assert (method.predict(rows) == y).mean() > 0.6
    assert method.weights_.shape == (5, 2)
    assert (method.weights_ > 0).all()


@pytest.mark.parametrize("prior", RULES)
def test_rows_of_weight_zero_change_no_bit(prior):
    rows, weak, _ = world(((0.6, 0.9), (0.7, 0.8)), odd=True, n=200)
    keep = np.random.default_rng(1).random(200) < 0.7
    a = Correction(HEAD, prior=prior).fit(rows, weak, sample_weight=keep.astype(float))
    assert equal(a, Correction(HEAD, prior=prior).fit(rows[keep], weak[keep]))


def test_three_classes_with_one_that_nobody_names():
    random = np.random.default_rng(0)
    y = random.integers(0, 2, 300)
    x = random.normal(size=(300, 4))
    x[:, 0] += 2 * y
    named = np.where(random.random(300) < 0.7, y, 1)
    weak = WeakLabels.from_probs(np.eye(3)[named], ["a", "b", "c"])
    method = Correction(HEAD).fit(Rows.from_arrays(X=x), weak)
    assert method.weights_[0, 2] == 1
    assert method.weights_[0, 0] > method.weights_[0, 1]
    assert np.isfinite(method.predict_proba(x)).all()


def test_soft_labels_made_for_even_classes_find_the_shares():
    random = np.random.default_rng(0)
    y = (random.random(2000) < 0.2).astype(int)
    x = random.normal(size=(2000, 3))
    x[:, 0] += 2 * y - 1
    p = 1 / (1 + np.exp(-2 * x[:, 0]))
    method = Correction(HEAD, prior="em").fit(x, np.stack([1 - p, p], axis=1))
    assert method.weights_[0, 1] / 2 == pytest.approx(0.2, abs=0.03)
    naive = Naive(HEAD).fit(x, np.stack([1 - p, p], axis=1))
    assert (method.predict(x) == y).mean() > (naive.predict(x) == y).mean() + 0.01


# --- what it is -----------------------------------------------------------------------------------------------------------------------


def test_needs_reference_and_key():
    assert Correction(LinearHead(on="big")).needs().views == {"big"}
    assert Correction().needs().plain
    assert Correction(prior="agreement").needs().supervisors == 3
    assert Correction(None, Confidence(HEAD)).reference().penalty == 0.03
    assert Correction(HEAD).fingerprint() != Correction(HEAD, "confidence").fingerprint()
    assert Correction().fingerprint() == Correction(method=Naive(LinearHead())).fingerprint()


def test_bad_input_is_a_sentence():
    rows, weak, _ = world(n=100)
    for given, message in (
        ({"strength": 2}, "between 0 and 1, not 2"),
        ({"prior": "confidnt"}, "did you mean 'confident'"),
        ({"prior": [0.5, 0.6]}, "positive class shares that sum to one"),
        ({"method": Boosted()}, "rows and weak labels only, and Boosted asks for more; use it alone"),
    ):
        with pytest.raises(InputError, match=message):
            Correction(HEAD, **given).fit(rows, weak)
    with pytest.raises(InputError, match="3 class shares and the labels have 2 classes"):
        Correction(HEAD, prior=[0.2, 0.3, 0.5]).fit(rows, weak)
    with pytest.raises(LabelsError, match="predicts values; use Naive for a value task"):
        Correction(RidgeHead()).check()
    with pytest.raises(StudyError, match="did you mean 'naive'"):
        Correction(HEAD, "naiv").check()

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from outgrow.errors import InputError, LabelsError, NeedsError
from outgrow.learners.linear import LinearHead
from outgrow.learners.ridge import RidgeHead
from outgrow.methods import Contrast, Naive
from outgrow.methods.contrast import _loss
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.needs import Needs
from outgrow.tasks.rows import Rows

from .worlds import KINDS, World, several, world

HEAD = LinearHead(on="strong", penalty=0.1)


def planted(seed=0, n=300, d=8, accuracy=0.6, pair=False) -> World:
    """Truth separates the strong features best; the supervisor is right with a given chance, and no more is to be seen."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, 2, n)
    way = random.normal(size=d)
    signal = 3 * np.outer(2 * truth - 1, way / np.linalg.norm(way))
    x = random.normal(size=(n, d)) + signal
    views = {"strong": x}
    if pair:
        topic, said = random.normal(size=(n, d)), 4 * random.normal(size=d)
        # What "yes" and "no" add by themselves is far larger than what truth adds.
        views |= {"yes": x + topic + said, "no": topic - signal + random.normal(size=(n, d)) - said}
    named = np.where(random.random(n) < accuracy, truth, 1 - truth)
    weak = WeakLabels.from_probs(np.eye(2)[named], ["a", "b"])
    ids = random.permutation(n)
    return World(Rows.from_arrays(**views), weak, truth, ids[:50], ids[50:200], ids[200:])


def equal(a, b) -> bool:
    return np.array_equal(a.student_.coef_, b.student_.coef_) and np.array_equal(
        a.student_.intercept_, b.student_.intercept_
    )


# --- off is naive -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_weight_zero_equals_naive_bit_for_bit(kind):
    w = several(world(), kind)
    weight = np.random.default_rng(0).uniform(0, 1, len(w.transfer))
    head = LinearHead(on="strong")
    naive = Naive(head).fit(*w.given, sample_weight=weight)
    assert equal(Contrast(head, weight=0).fit(*w.given, sample_weight=weight), naive)
    if kind != "never names a class":
        assert not equal(Contrast(head).fit(*w.given, sample_weight=weight), naive)


# --- the direction ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("free", [0.0, 1.0])
def test_the_gradient_is_that_of_the_loss(free):
    random = np.random.default_rng(0)
    plus, minus = random.normal(size=(2, 30, 4))
    share = random.dirichlet(np.ones(30))
    for _ in range(3):
        theta = random.normal(size=5)
        slope = approx_fprime(theta, lambda t: _loss(t, plus, minus, share, free)[0], 1e-7)
        assert np.allclose(_loss(theta, plus, minus, share, free)[1], slope, atol=1e-6)


def test_a_constant_answer_or_one_that_contradicts_itself_has_a_high_loss():
    plus = np.array([[1.0], [-1.0]])
    share, theta = np.array([0.5, 0.5]), np.array([6.0, 0.0])
    consistent = _loss(theta, plus, -plus, share, 1.0)[0]
    contradicting = _loss(theta, plus, plus, share, 1.0)[0]
    undecided = _loss(np.zeros(2), plus, -plus, share, 1.0)[0]
    bound = 0.5 * 0.01 * 36
    assert consistent == pytest.approx(bound, abs=1e-3)
    assert contradicting > 0.4 + bound
    assert undecided == pytest.approx(0.25)


@pytest.mark.parametrize("pair", [False, True])
@pytest.mark.parametrize("accuracy", [0.6, 0.75])
def test_the_sign_is_right_in_19_of_20_seeds(accuracy, pair):
    right = 0
    for seed in range(20):
        w = planted(seed, accuracy=accuracy, pair=pair)
        found = Contrast(HEAD, pair=("yes", "no") if pair else None, restarts=3).fit(*w.given)
        agree = ((found.answers_ > 0.5) == w.truth[w.transfer]).mean()
        # The direction itself is truth's in this world; only the sign is open.
        assert max(agree, 1 - agree) > 0.9
        right += agree > 0.5
    assert right >= 19


def test_a_supervisor_of_coins_chooses_a_sign_of_coins():
    right = []
    for seed in range(30):
        w = planted(seed, accuracy=0.5)
        right.append(((Contrast(HEAD, restarts=1).fit(*w.given).answers_ > 0.5) == w.truth[w.transfer]).mean() > 0.5)
    assert 5 <= sum(right) <= 25


def test_the_student_outgrows_a_poor_supervisor():
    gains = []
    for seed in range(6):
        w = planted(seed, accuracy=0.65)
        gains.append(w.accuracy(Contrast(HEAD).fit(*w.given)) - w.accuracy(Naive(HEAD).fit(*w.given)))
    assert np.mean(gains) > 0.02


def test_weak_labels_give_one_bit():
    w = planted(accuracy=0.9)
    other = planted(accuracy=0.7)
    rows = w.rows.at(w.transfer)
    a, b = (Contrast(HEAD).fit(rows, one.weak.at(w.transfer)) for one in (w, other))
    assert not np.array_equal(w.weak.at(w.transfer).probs, other.weak.at(w.transfer).probs)
    assert equal(a, b)
    turned = WeakLabels.from_probs(w.weak.probs[:, 0, ::-1], w.weak.classes)
    c = Contrast(HEAD).fit(rows, turned.at(w.transfer))
    assert np.allclose(c.answers_, 1 - a.answers_)
    assert a.correlation_ == pytest.approx(c.correlation_)
    assert a.correlation_ > b.correlation_ > 0


def test_the_pair_is_named_yes_first():
    w = planted(accuracy=0.9, pair=True)
    found = Contrast(HEAD, pair=("yes", "no")).fit(*w.given)
    turned = Contrast(HEAD, pair=["no", "yes"]).fit(*w.given)
    assert ((found.answers_ > 0.5) == (turned.answers_ > 0.5)).mean() > 0.98
    assert found.needs() == Needs(views=frozenset({"strong", "yes", "no"}))


def test_answers_and_weak_labels_are_mixed():
    w = several(planted(accuracy=0.8), "five percent beside another")
    found = Contrast(HEAD, weight=0.25).fit(*w.given)
    rows, weak = w.given
    mixed = 0.25 * found.answers_ + 0.75 * weak.one()[0][:, 1]
    by_hand = Naive(HEAD).fit(rows, WeakLabels.from_probs(np.stack([1 - mixed, mixed], 1), ["a", "b"], ids=rows.ids))
    assert np.allclose(found.student_.coef_, by_hand.student_.coef_, atol=1e-8)


# --- rows ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_supervisors_of_every_kind(kind):
    w = several(planted(accuracy=0.85), kind)
    found = Contrast(HEAD).fit(*w.given)
    alike = kind == "never names a class"  # of two classes, so it names one everywhere
    assert np.isnan(found.answers_).all() if alike else np.isfinite(found.answers_).all()
    assert np.isfinite(found.predict_proba(w.rows)).all()
    if kind != "five percent" and not alike:
        assert w.accuracy(found) > 0.9


@pytest.mark.parametrize("kind", ["one", "abstaining"])
def test_rows_of_weight_zero_change_no_bit(kind):
    w = several(planted(accuracy=0.8), kind)
    rows, weak = w.given
    keep = np.random.default_rng(3).random(len(rows)) < 0.6
    a = Contrast(HEAD).fit(rows, weak, sample_weight=keep.astype(float))
    b = Contrast(HEAD).fit(rows[keep], weak[keep])
    assert equal(a, b)
    assert np.isnan(a.answers_[~keep]).all()


def test_the_order_of_rows_does_not_matter():
    w = planted(accuracy=0.8)
    rows, weak = w.given
    order = np.random.default_rng(1).permutation(len(rows))
    a, b = Contrast(HEAD).fit(rows, weak), Contrast(HEAD).fit(rows[order], weak[order])
    assert np.allclose(a.answers_[order], b.answers_, atol=1e-3)


def test_a_column_that_does_not_vary_and_one_of_a_million():
    w = planted(accuracy=0.8)
    x = np.asarray(w.rows.views["strong"].values)
    wide = Rows.from_arrays(strong=np.column_stack([x * 1e6, np.full(len(x), 7.0)]))
    ids = w.transfer
    found = Contrast(HEAD).fit(wide.at(ids), w.weak.at(ids))
    assert np.allclose(found.answers_, Contrast(HEAD).fit(*w.given).answers_, atol=0.02)


# --- bad input ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"weight": 1.1}, "Contrast weight must be a number between 0 and 1, not 1.1"),
        ({"weight": float("nan")}, "not nan"),
        ({"weight": True}, "not True"),
        ({"restarts": 0}, "Contrast restarts must be a whole number of at least 1, not 0"),
        ({"restarts": 2.0}, "not 2.0"),
        ({"pair": "yes"}, "Contrast pair must name two views, of yes and of no, not 'yes'"),
        ({"pair": ("yes",)}, "must name two views"),
        ({"pair": ("yes", "yes")}, "must name two views"),
    ],
)
def test_parameters_out_of_range(params, message):
    with pytest.raises(InputError) as raised:
        Contrast(**params).check()
    assert message in str(raised.value)


def test_tasks_it_cannot_do():
    with pytest.raises(LabelsError, match="this learner predicts values; use Naive for a value task"):
        Contrast(RidgeHead()).check()
    with pytest.raises(LabelsError, match="Contrast finds yes and no, and there are 4 classes; choose another method"):
        Contrast(HEAD).fit(*world(c=4).given)


def test_labels_that_choose_no_sign_leave_naive():
    w = planted()
    for p in (0.3, 1.0):
        flat = WeakLabels.from_probs(np.tile([p, 1 - p], (300, 1)), ["a", "b"]).at(w.transfer)
        found = Contrast(HEAD).fit(w.rows.at(w.transfer), flat)
        assert found.correlation_ == 0
        assert np.isnan(found.answers_).all()
        assert equal(found, Naive(HEAD).fit(w.rows.at(w.transfer), flat))


def test_a_supervisor_that_leans_and_never_names_a_class_chooses_the_sign():
    w = planted(accuracy=0.7)
    leaning = 0.4 * w.weak.probs[:, 0, 1]
    weak = WeakLabels.from_probs(np.stack([1 - leaning, leaning], 1), ["a", "b"])
    assert set(weak.hard().ravel()) == {0}
    assert w.accuracy(Contrast(HEAD).fit(w.rows.at(w.transfer), weak.at(w.transfer))) > 0.9


def test_views_that_are_not_there_or_of_two_encoders():
    w = planted(pair=True)
    with pytest.raises(NeedsError, match="Contrast needs the view 'nay'"):
        Contrast(HEAD, pair=("yes", "nay")).needs().check("Contrast", w.rows.views, w.weak.sources)
    with pytest.raises(InputError, match="there is no view 'nay' of these rows"):
        Contrast(HEAD, pair=("yes", "nay")).fit(*w.given)
    rows = w.rows.with_view("short", np.asarray(w.rows.views["no"].values)[:, :3])
    with pytest.raises(InputError, match="views of 8 and 3 features; both must come from one encoder"):
        Contrast(HEAD, pair=("yes", "short")).fit(rows.at(w.transfer), w.weak.at(w.transfer))

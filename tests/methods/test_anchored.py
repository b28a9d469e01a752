from __future__ import annotations

import itertools

import numpy as np
import pytest

from outgrow.errors import InputError, NeedsError
from outgrow.learners.linear import LinearHead
from outgrow.learners.ridge import RidgeHead
from outgrow.methods import Anchored, Naive
from outgrow.studies.plan import check_needs
from outgrow.studies.study import Study
from outgrow.tasks.labels import Source, WeakLabels
from outgrow.tasks.needs import Known, Needs
from outgrow.tasks.rows import Rows
from outgrow.tasks.split import Roles

from .worlds import KINDS, several, world

HEAD = LinearHead(on="strong", penalty=0.1)


def truth_of(w, ids) -> WeakLabels:
    return WeakLabels.from_probs(np.eye(w.weak.probs.shape[2])[w.truth[ids]], w.weak.classes, ids=ids)


def equal(a, b) -> bool:
    a, b = getattr(a, "student_", a), getattr(b, "student_", b)
    return np.array_equal(a.coef_, b.coef_) and np.array_equal(a.intercept_, b.intercept_)


# --- the limits ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("c", [2, 4])
def test_no_budget_equals_naive_bit_for_bit(kind, c):
    w = several(world(c=c), kind)
    weight = np.random.default_rng(0).uniform(0, 1, len(w.transfer))
    head = LinearHead(on="strong")
    off = Anchored(head, budget=0).fit(*w.given, sample_weight=weight, known=w.known())
    assert equal(off, Naive(head).fit(*w.given, sample_weight=weight))
    assert (off.spent_, off.worth_, off.losses_) == (0, 1.0, {})
    on = Anchored(head).fit(*w.given, sample_weight=weight, known=w.known())
    assert not equal(on, off)
    assert on.spent_ == 60


@pytest.mark.parametrize("penalty", [0.1, "cv"])
@pytest.mark.parametrize("kind", ["one", "abstaining"])
def test_full_truth_on_transfer_equals_the_ceiling_bit_for_bit(kind, penalty):
    w = several(world(c=4), kind)
    head = LinearHead(on="strong", penalty=penalty)
    ceiling = LinearHead(on="strong", penalty=penalty).fit(w.rows.at(w.transfer), truth_of(w, w.transfer))
    shuffled = np.random.default_rng(1).permutation(w.transfer)
    assert equal(Anchored(head).fit(*w.given, known=w.known(shuffled)), ceiling)


def test_worth_zero_is_direct_bit_for_bit():
    w = world(noise=0.1)
    # Labels that are the truth turned round are worth nothing.
    wrong = WeakLabels.from_probs(np.eye(2)[1 - w.truth], w.weak.classes)
    found = Anchored(HEAD).fit(w.rows.at(w.transfer), wrong.at(w.transfer), known=w.known())
    assert found.worth_ == 0
    assert min(found.losses_, key=found.losses_.get) == 0
    assert equal(found, LinearHead(on="strong", penalty=0.1).fit(w.rows.at(w.teach), truth_of(w, w.teach)))


def test_better_labels_are_worth_more():
    worth = {"truth": [], "weak": [], "coins": []}
    for seed in range(6):
        w = world(teach=40, seed=seed, d=12, sees=8)
        coins = np.random.default_rng(seed).integers(0, 2, len(w.truth))
        tables = {
            "truth": WeakLabels.from_probs(np.eye(2)[w.truth], w.weak.classes),
            "weak": w.weak,
            "coins": WeakLabels.from_probs(np.eye(2)[coins], w.weak.classes),
        }
        for name, weak in tables.items():
            found = Anchored(HEAD).fit(w.rows.at(w.transfer), weak.at(w.transfer), known=w.known())
            worth[name].append(found.worth_)
    mean = {name: np.mean(found) for name, found in worth.items()}
    assert mean["truth"] > 1.2 * mean["weak"]
    assert mean["weak"] > 10 * mean["coins"]


# --- rows -------------------------------------------------------------------------------------------------------------------------


def test_a_row_that_is_granted_and_given_counts_once_with_its_truth():
    w = world()
    both = np.concatenate([w.teach[:40], w.transfer[:30]])
    found = Anchored(HEAD).fit(*w.given, known=w.known(both))
    ids = np.concatenate([w.transfer, w.teach[:40]])
    probs = w.weak.at(ids).probs[:, 0].copy()
    probs[np.isin(ids, both)] = np.eye(2)[w.truth[ids[np.isin(ids, both)]]]
    weight = np.where(np.isin(ids, both), 1.0, found.worth_)
    by_hand = LinearHead(on="strong", penalty=0.1).fit(
        w.rows.at(ids), WeakLabels.from_probs(probs, w.weak.classes, ids=ids), sample_weight=weight
    )
    assert equal(found, by_hand)
    assert found.spent_ == 70


def test_weak_labels_of_granted_rows_are_never_read():
    w = world()
    known = w.known(w.transfer[:50])
    other = w.weak.probs[:, 0].copy()
    other[w.transfer[:50]] = other[w.transfer[:50], ::-1]
    changed = WeakLabels.from_probs(other, w.weak.classes)
    a = Anchored(HEAD).fit(*w.given, known=known)
    b = Anchored(HEAD).fit(w.rows.at(w.transfer), changed.at(w.transfer), known=known)
    assert a.losses_ == b.losses_
    assert equal(a, b)


def test_truth_beyond_the_budget_is_never_read():
    w = world()
    known = w.known()
    lies = Known(known.rows, known.weak, np.where(np.arange(60) < 20, known.truth, 1 - known.truth))
    a = Anchored(HEAD, budget=20).fit(*w.given, known=known)
    b = Anchored(HEAD, budget=20).fit(*w.given, known=lies)
    assert equal(a, b)
    assert a.spent_ == b.spent_ == 20
    assert not equal(a, Anchored(HEAD).fit(*w.given, known=known))


@pytest.mark.parametrize("penalty", [0.1, "cv"])
@pytest.mark.parametrize("kind", ["one", "abstaining"])
def test_rows_of_weight_zero_change_no_bit(kind, penalty):
    w = several(world(), kind)
    rows, weak = w.given
    keep = np.random.default_rng(3).random(len(rows)) < 0.6
    known = w.known(np.concatenate([w.teach, w.transfer[:20]]))
    head = LinearHead(on="strong", penalty=penalty)
    a = Anchored(head).fit(rows, weak, sample_weight=keep.astype(float), known=known)
    b = Anchored(head).fit(rows[keep], weak[keep], known=known)
    assert a.worth_ == b.worth_
    assert equal(a, b)


def test_only_ratios_of_weights_matter():
    w = world()
    weight = np.random.default_rng(0).uniform(0.5, 2, len(w.transfer))
    a, b = (Anchored(HEAD).fit(*w.given, sample_weight=k * weight, known=w.known()) for k in (1, 100))
    assert a.worth_ == b.worth_
    assert np.allclose(a.student_.coef_, b.student_.coef_, atol=1e-5)


def test_the_order_of_granted_rows_changes_little_more_than_folds():
    w = world()
    a = Anchored(HEAD).fit(*w.given, known=w.known(w.teach))
    b = Anchored(HEAD).fit(*w.given, known=w.known(w.teach[::-1]))
    if a.worth_ == b.worth_:
        assert np.allclose(a.student_.coef_, b.student_.coef_, atol=1e-5)
    assert np.allclose(list(a.losses_.values()), list(b.losses_.values()), rtol=0.3)


@pytest.mark.parametrize("kind", KINDS)
def test_supervisors_of_every_kind(kind):
    w = several(world(c=4), kind)
    student = Anchored(HEAD).fit(*w.given, known=w.known())
    assert student.classes_.tolist() == list(w.weak.classes)
    assert np.isfinite(student.predict_proba(w.rows)).all()
    assert w.accuracy(student) > 0.4


def test_a_grant_too_small_to_choose_by():
    w = world()
    for spent in (1, 29):
        found = Anchored(HEAD).fit(*w.given, known=w.known(w.teach[:spent]))
        assert (found.worth_, found.losses_, found.spent_) == (1.0, {}, spent)
    assert len(Anchored(HEAD).fit(*w.given, known=w.known(w.teach[:30])).losses_) == 6


def test_a_grant_of_one_class_or_one_row_many_times():
    w = world()
    same = w.teach[w.truth[w.teach] == 0][:15]
    found = Anchored(HEAD).fit(*w.given, known=w.known(same))
    assert np.isfinite(found.predict_proba(w.rows)).all()
    x = np.asarray(w.rows.views["strong"].values).copy()
    x[w.teach] = x[w.teach[0]]
    twins = Rows.from_arrays(strong=x)
    known = Known(twins.at(w.teach), w.weak.at(w.teach), w.truth[w.teach])
    assert Anchored(HEAD).fit(twins.at(w.transfer), w.weak.at(w.transfer), known=known).losses_ == {}


# --- the claim, where truth is known ------------------------------------------------------------------------------------------------


def test_truth_and_weak_labels_together_are_not_below_either():
    gains = []
    for teach, seed in itertools.product((30, 60, 120), range(12)):
        w = world(n=900, teach=teach, transfer=300, seed=seed, d=12, sees=8)
        both = Anchored(HEAD).fit(*w.given, known=w.known())
        naive = Naive(HEAD).fit(*w.given)
        direct = LinearHead(on="strong", penalty=0.1).fit(w.rows.at(w.teach), truth_of(w, w.teach))
        gains.append([w.accuracy(both) - w.accuracy(naive), w.accuracy(both) - w.accuracy(direct)])
    over_naive, over_direct = np.mean(gains, axis=0)
    assert over_naive > 0.03
    assert over_direct > 0.0


# --- values -------------------------------------------------------------------------------------------------------------------------


def values(n=200):
    random = np.random.default_rng(0)
    x = random.normal(size=(n, 5))
    truth = x @ np.arange(1.0, 6.0)
    weak = WeakLabels.from_probs(truth + 2 * x[:, 0] + random.normal(size=n), None, source=Source("probe", "strong"))
    return Rows.from_arrays(strong=x), weak, truth


@pytest.mark.parametrize("penalty", [1e-3, "cv"])
def test_a_value_task(penalty):
    rows, weak, truth = values()
    head = RidgeHead(on="strong", penalty=penalty)
    here, ids = np.arange(100), np.arange(100, 140)
    known = Known(rows.at(ids), weak.at(ids), truth[ids])
    found = Anchored(head).fit(rows[here], weak[here], known=known)
    assert found.worth_ <= 0.01
    assert np.abs(found.predict(rows) - truth).mean() < 0.1
    naive = Naive(head).fit(rows[here], weak[here])
    assert equal(Anchored(head, budget=0).fit(rows[here], weak[here]), naive)
    full = Anchored(head).fit(rows[here], weak[here], known=Known(rows[here], weak[here], truth[here]))
    ceiling = RidgeHead(on="strong", penalty=penalty).fit(
        rows[here], WeakLabels.from_probs(truth[here], None, ids=here)
    )
    assert equal(full, ceiling)


# --- needs and bad input ------------------------------------------------------------------------------------------------------------


def test_needs():
    assert Anchored(HEAD).needs() == Needs(views=frozenset({"strong"}), known=True)
    assert Anchored(HEAD, budget=0).needs().plain
    assert Anchored.truth == "budget"
    x = np.random.default_rng(0).normal(size=(40, 2))
    assert Anchored(LinearHead(penalty=0.1), budget=0).fit(x, x[:, 0] > 0).score(x, x[:, 0] > 0) > 0.9


@pytest.mark.parametrize("budget", [-1, 1.5, True, "all"])
def test_a_budget_that_is_none(budget):
    with pytest.raises(InputError, match="Anchored budget must be a whole number of at least 0, or None"):
        Anchored(budget=budget).check()


def test_a_budget_above_the_truth():
    w = world()
    with pytest.raises(NeedsError, match="has a budget of 61 rows of truth and is granted 60; lower the budget"):
        Anchored(HEAD, budget=61).fit(*w.given, known=w.known())
    study = Study.read(
        {
            "task": {"packaged": "digits"},
            "supervisors": ["inputs"],
            "students": ["inputs"],
            "methods": [{"anchored": {"budget": 31}}],
        }
    )
    roles = Roles(np.arange(30), np.arange(30, 80), (), np.arange(80, 90))
    with pytest.raises(NeedsError, match="anchored is granted 31 rows of truth and there are 30 teach rows; lower"):
        check_needs(study, ["inputs"], {"p": [Source("p", "inputs")]}, roles, "classes")


def test_a_grant_that_cannot_be_used():
    w = world()
    x, probs = np.asarray(w.given[0].view("strong")), w.given[1].probs[:, 0]
    known = w.known()

    def fails(message, X=w.given[0], y=w.given[1], known=known, head=HEAD):
        with pytest.raises(NeedsError, match=message):
            Anchored(head).fit(X, y, known=known)

    fails(r"Anchored needs known= \(truth that the study grants\); grant it, or set budget=0", known=None)
    fails("grant it, or set budget=0", known=w.known(w.teach[:0]))
    fails("granted truth by row id, and X is a bare array", X=x, y=probs, head=LinearHead(penalty=0.1))
    fails("no class index from 0 to 1", known=Known(known.rows, known.weak, known.truth + 1))
    fails("no class index from 0 to 1", known=Known(known.rows, known.weak, known.truth - 1))
    fails("no class index from 0 to 1", known=Known(known.rows, known.weak, np.full(60, "a")))
    rows, weak, truth = values()
    truth[3] = np.nan
    fails("not a finite value", rows, weak, Known(rows, weak, truth), RidgeHead(on="strong"))

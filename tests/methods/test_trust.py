from __future__ import annotations

import numpy as np
import pytest

from outgrow.errors import InputError, LabelsError, NeedsError
from outgrow.learners.linear import LinearHead
from outgrow.learners.ridge import RidgeHead
from outgrow.methods import Naive, Trust
from outgrow.tasks.labels import Source, WeakLabels
from outgrow.tasks.needs import Known, Needs
from outgrow.tasks.rows import Rows

from .worlds import KINDS, World, several, world

HEAD = LinearHead(on="strong", penalty=0.1)


def seen(n=1200, teach=300, transfer=500, seed=0, visible=True, c=2) -> World:
    """A supervisor that is right on a half of its feature space and guesses on the other; or guesses anywhere."""
    random = np.random.default_rng(seed)
    x, z = random.normal(size=(n, 5)), random.normal(size=(n, 3))
    truth = (x @ random.normal(size=(5, c))).argmax(1)
    guesses = z[:, 0] > 0 if visible else random.random(n) < 0.5
    named = np.where(guesses, random.integers(0, c, n), truth)
    weak = WeakLabels.from_probs(np.eye(c)[named], [f"k{j}" for j in range(c)], source=Source("probe", "weak"))
    ids = random.permutation(n)
    parts = ids[:teach], ids[teach : teach + transfer], ids[teach + transfer :]
    return World(Rows.from_arrays(strong=x, weak=z), weak, truth, *parts)


def equal(a, b) -> bool:
    return np.array_equal(a.student_.coef_, b.student_.coef_) and np.array_equal(
        a.student_.intercept_, b.student_.intercept_
    )


# --- off is naive -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_keeping_all_equals_naive_bit_for_bit(kind):
    w = several(world(c=4), kind)
    weight = np.random.default_rng(0).uniform(0, 1, len(w.transfer))
    head = LinearHead(on="strong")
    assert equal(
        Trust(head, keep=1).fit(*w.given, sample_weight=weight), Naive(head).fit(*w.given, sample_weight=weight)
    )
    assert Trust(head, keep=1).fit(*w.given, known=w.known()).spent_ == 0


# --- what trust finds ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("c", [2, 4])
def test_errors_that_show_in_the_features_are_found(c):
    w = seen(c=c)
    found = Trust(HEAD).fit(*w.given, known=w.known())
    right = w.weak.at(w.transfer).hard()[:, 0] == w.truth[w.transfer]
    kept = found.kept_[:, 0]
    assert found.auroc_[0] > 0.7
    assert right[kept].mean() > right.mean() + 0.15
    assert abs(kept.mean() - 0.5) < 0.01
    assert found.trust_[kept].min() >= found.trust_[~kept].max()
    # Trust is a probability: it says how often the labels are right.
    assert abs(found.trust_[:, 0].mean() - right.mean()) < 0.07
    assert found.spent_ == 300


def test_students_gain_where_the_errors_are_a_rule_and_not_where_they_are_coins():
    gains = {"rule": [], "coins": []}
    for seed in range(8):
        coins = seen(seed=seed)
        x, z = (np.asarray(coins.rows.views[v].values) for v in ("strong", "weak"))
        bent = np.where(z[:, 0] > 0, (x[:, 0] > 0).astype(int), coins.truth)
        weak = WeakLabels.from_probs(np.eye(2)[bent], coins.weak.classes, source=Source("probe", "weak"))
        rule = World(coins.rows, weak, coins.truth, coins.teach, coins.transfer, coins.test)
        for name, w in (("rule", rule), ("coins", coins)):
            trusting, naive = Trust(HEAD).fit(*w.given, known=w.known()), Naive(HEAD).fit(*w.given)
            gains[name].append(w.accuracy(trusting) - w.accuracy(naive))
    assert np.mean(gains["rule"]) > 0.03
    # Coins average out, so dropping them gains little.
    assert abs(np.mean(gains["coins"])) < 0.03


def test_errors_that_do_not_show_are_not_found():
    areas = []
    for seed in range(10):
        w = seen(seed=seed, visible=False)
        areas.append(Trust(HEAD).fit(*w.given, known=w.known()).auroc_[0])
    assert abs(np.mean(areas) - 0.5) < 0.04


def test_another_view_can_be_read():
    w = seen()
    blind = WeakLabels(w.weak.ids, w.weak.probs, w.weak.covered, w.weak.classes, (Source("rule"),))
    w = World(w.rows, blind, w.truth, w.teach, w.transfer, w.test)
    named = Trust(HEAD, on="weak").fit(*w.given, known=w.known())
    assert np.array_equal(named.kept_, Trust(HEAD).fit(*seen().given, known=seen().known()).kept_)
    with pytest.raises(NeedsError, match=r"Trust needs the supervisor's features; \['rule'\] has none"):
        Trust(HEAD).fit(*w.given, known=w.known())


def test_of_several_supervisors_the_better_one_is_kept():
    w = seen()
    random = np.random.default_rng(5)
    worse = np.where(random.random(len(w.truth)) < 0.9, 1 - w.truth, w.truth)
    other = WeakLabels.from_probs(np.eye(2)[worse], w.weak.classes, source=Source("worse", "strong"))
    w = World(w.rows, WeakLabels.stack([w.weak, other]), w.truth, w.teach, w.transfer, w.test)
    found = Trust(HEAD).fit(*w.given, known=w.known())
    assert found.kept_[:, 0].mean() > 0.9 > 0.1 > found.kept_[:, 1].mean()
    # The student learns the kept labels alone.
    rows, weak = w.given
    kept = WeakLabels(weak.ids, weak.probs, found.kept_, weak.classes, weak.sources)
    assert equal(found, Naive(HEAD).fit(rows, kept))


# --- rows ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_supervisors_of_every_kind(kind):
    w = several(world(n=500, teach=150, transfer=200, c=4), kind)
    found = Trust(HEAD, keep=0.7).fit(*w.given, known=w.known())
    rows, weak = w.given
    assert found.classes_.tolist() == list(w.weak.classes)
    assert np.array_equal(np.isfinite(found.trust_), weak.covered)
    assert not (found.kept_ & ~weak.covered).any()
    # Tied labels stay or go together, whichever is nearer the wanted share.
    ties = np.unique(found.trust_[weak.covered].round(9), return_counts=True)[1]
    assert len(ties) == 1 or abs(found.kept_.sum() - 0.7 * weak.covered.sum()) <= ties.max() / 2 + 1
    assert np.isfinite(found.predict_proba(rows)).all()


def test_too_few_granted_labels_make_one_trust_for_all():
    w = several(world(teach=60), "five percent")
    found = Trust(HEAD).fit(*w.given, known=w.known())
    covered = w.weak.at(w.transfer).covered
    assert len(np.unique(found.trust_[covered])) == 1
    assert np.array_equal(found.kept_, covered)
    assert np.isnan(found.auroc_).all()
    assert equal(found, Naive(HEAD).fit(*w.given))


def test_rows_of_weight_zero_change_no_bit():
    w = seen()
    rows, weak = w.given
    keep = np.random.default_rng(3).random(len(rows)) < 0.6
    a = Trust(HEAD).fit(rows, weak, sample_weight=keep.astype(float), known=w.known())
    b = Trust(HEAD).fit(rows[keep], weak[keep], known=w.known())
    assert np.array_equal(a.kept_[keep], b.kept_)
    assert equal(a, b)


def test_a_row_of_weight_two_is_the_row_twice():
    w = seen()
    rows, weak = w.given
    weight = np.where(np.arange(len(rows)) < 200, 2.0, 1.0)
    found = Trust(HEAD).fit(rows, weak, sample_weight=weight, known=w.known())
    assert (found.kept_[:, 0] * weight).sum() / weight.sum() == pytest.approx(0.5, abs=0.005)


def test_granted_rows_among_the_transfer_rows_are_trusted_by_their_truth():
    w = seen()
    both = np.concatenate([w.teach, w.transfer[:40]])
    found = Trust(HEAD).fit(*w.given, known=w.known(both))
    right = w.weak.at(w.transfer[:40]).hard()[:, 0] == w.truth[w.transfer[:40]]
    assert np.array_equal(found.trust_[:40, 0], right.astype(float))
    assert found.kept_[:40, 0].tolist() == right.tolist()


def test_the_order_of_rows_does_not_matter():
    w = seen()
    rows, weak = w.given
    order = np.random.default_rng(1).permutation(len(rows))
    a = Trust(HEAD).fit(rows, weak, known=w.known())
    b = Trust(HEAD).fit(rows[order], weak[order], known=w.known())
    assert np.array_equal(a.kept_[order], b.kept_)
    assert np.allclose(a.student_.coef_, b.student_.coef_, atol=1e-5)


# --- needs and bad input ------------------------------------------------------------------------------------------------------------


def test_needs():
    assert Trust(HEAD).needs() == Needs(views=frozenset({"strong"}), supervisor_view=True, known=True)
    assert Trust(HEAD, on="weak").needs() == Needs(views=frozenset({"strong", "weak"}), known=True)
    assert Trust(HEAD, keep=1).needs().plain
    assert Trust.truth == "teach"


@pytest.mark.parametrize("keep", [0, -0.1, 1.1, True, "half", None, float("nan")])
def test_a_share_out_of_range(keep):
    with pytest.raises(InputError, match="Trust keep must be a number above 0 and at most 1"):
        Trust(keep=keep).check()


def test_a_value_task():
    with pytest.raises(LabelsError, match="use Naive for a value task"):
        Trust(RidgeHead()).check()


def test_a_grant_that_cannot_be_used():
    w = seen()
    rows, weak = w.given

    def fails(message, known, X=rows, y=weak, head=HEAD, **params):
        with pytest.raises(NeedsError, match=message):
            Trust(head, **params).fit(X, y, known=known)

    known = w.known()
    fails(r"Trust needs known= \(truth that the study grants\)", None)
    fails(
        "Trust needs the supervisor's features", known, rows.view("strong"), weak.probs[:, 0], LinearHead(penalty=0.1)
    )
    fails(
        "Trust needs the view 'weka'; did you mean 'weak'",
        known,
        on="weka",
    )
    silent = WeakLabels(w.weak.ids, w.weak.probs, np.zeros((1200, 1), bool), w.weak.classes, w.weak.sources)
    fails(
        "no label of supervisor 'probe' on the 300 granted rows; grant rows that it covers",
        Known(known.rows, silent.at(w.teach), known.truth),
    )
    two = WeakLabels.stack([w.weak, w.weak])
    fails("labels of 2 supervisors and given 1", Known(known.rows, two.at(w.teach), known.truth))


def test_one_class_left():
    w = seen()
    # Right wherever it says k0, wrong wherever it says k1, and its features say which it says.
    named = (w.rows.views["weak"].values[:, 0] > 0).astype(int)
    truth = np.zeros_like(named)
    truth[:2] = 1
    weak = WeakLabels.from_probs(np.eye(2)[named], w.weak.classes, source=Source("probe", "weak"))
    w = World(w.rows, weak, truth, w.teach, w.transfer, w.test)
    with pytest.raises(LabelsError, match=r"0\.3 of the weak labels that Trust keeps name class 'k0' only; raise keep"):
        Trust(HEAD, keep=0.3).fit(*w.given, known=w.known())

from __future__ import annotations

import numpy as np
import pytest

from outgrow.errors import InputError, LabelsError, NeedsError
from outgrow.learners.linear import LinearHead
from outgrow.learners.ridge import RidgeHead
from outgrow.methods import Naive, Selective
from outgrow.methods.neighbours import nearest_rows, standardised
from outgrow.methods.selective import _graph
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.needs import Known, Needs
from outgrow.tasks.rows import Rows

from .worlds import KINDS, World, several, world

HEAD = LinearHead(on="strong", penalty=0.1)


def equal(a, b) -> bool:
    return np.array_equal(a.student_.coef_, b.student_.coef_) and np.array_equal(
        a.student_.intercept_, b.student_.intercept_
    )


def accuracy(table: WeakLabels, truth) -> float:
    return float((table.one()[0].argmax(1) == truth).mean())


# --- off is naive -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_no_own_answers_and_no_smoothing_equal_naive_bit_for_bit(kind):
    w = several(world(c=4), kind)
    weight = np.random.default_rng(0).uniform(0, 1, len(w.transfer))
    head = LinearHead(on="strong")
    off = Selective(head, threshold=1, smoothing=0).fit(*w.given, sample_weight=weight)
    assert equal(off, Naive(head).fit(*w.given, sample_weight=weight))
    assert off.spent_ == 0
    assert Selective(head, threshold=1).fit(*w.given, known=w.known()).spent_ == 0
    assert not equal(Selective(head, threshold=1).fit(*w.given, sample_weight=weight), off)


# --- own answers --------------------------------------------------------------------------------------------------------------------


def half_known(seed=0, n=2400, c=2) -> World:
    """The strong features show truth on one side of their first axis, and nothing on the other; the supervisor is right on 65 %."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 6))
    sure = x[:, 0] > 0
    truth = np.where(sure, (x[:, 1:4] @ random.normal(size=(3, c))).argmax(1), random.integers(0, c, n))
    named = np.where(random.random(n) < 0.65, truth, (truth + 1) % c)
    weak = WeakLabels.from_probs(np.eye(c)[named], [f"k{j}" for j in range(c)])
    ids = random.permutation(n)
    return World(Rows.from_arrays(strong=x), weak, truth, ids[:500], ids[500:1500], ids[1500:])


@pytest.mark.parametrize("c", [2, 3])
def test_the_model_knows_what_it_knows(c):
    w = half_known(c=c)
    found = Selective(HEAD, threshold=0.75).fit(*w.given, known=w.known())
    assert found.auroc_ > 0.6
    sure = np.asarray(w.rows.views["strong"].values)[w.transfer, 0] > 0
    assert found.ik_[sure].mean() > found.ik_[~sure].mean() + 0.15
    own = LinearHead(on="strong", penalty=0.1).fit(
        w.rows.at(w.teach), WeakLabels.from_probs(np.eye(c)[w.truth[w.teach]], w.weak.classes, ids=w.teach)
    )
    answers = own.predict_proba(w.rows.at(w.transfer)).argmax(1)
    right = answers == w.truth[w.transfer]
    weakly = w.weak.at(w.transfer).hard()[:, 0] == w.truth[w.transfer]
    assert right[found.own_].mean() > weakly[found.own_].mean() + 0.1
    assert np.array_equal(found.own_, found.ik_ > 0.75)
    assert 0.1 < found.own_.mean() < 0.9
    assert found.spent_ == 500


def test_own_answers_where_known_and_weak_labels_elsewhere():
    w = half_known()
    found = Selective(HEAD, threshold=0.75, smoothing=0).fit(*w.given, known=w.known())
    rows, weak = w.given
    own = LinearHead(on="strong", penalty=0.1).fit(
        w.rows.at(w.teach), WeakLabels.from_probs(np.eye(2)[w.truth[w.teach]], w.weak.classes, ids=w.teach)
    )
    mixed = np.where(found.own_[:, None], own.predict_proba(rows), weak.probs[:, 0])
    assert equal(found, Naive(HEAD).fit(rows, WeakLabels.from_probs(mixed, weak.classes, ids=rows.ids)))


def test_granted_rows_among_the_transfer_rows_have_their_truth():
    w = half_known()
    both = np.concatenate([w.teach, w.transfer[:50]])
    found = Selective(HEAD, threshold=0.999, smoothing=0).fit(*w.given, known=w.known(both))
    assert found.own_[:50].all()
    rows, weak = w.given
    mixed = weak.probs[:, 0].copy()
    mixed[:50] = np.eye(2)[w.truth[w.transfer[:50]]]
    assert not found.own_[50:].any()
    assert equal(found, Naive(HEAD).fit(rows, WeakLabels.from_probs(mixed, weak.classes, ids=rows.ids)))


def test_a_model_that_is_always_right_knows_one_number():
    w = blobs("scattered")
    found = Selective(HEAD, smoothing=0).fit(w.rows[100:], w.weak[100:], known=w.known(np.arange(100)))
    assert np.isnan(found.auroc_)
    assert len(np.unique(found.ik_)) == 1
    assert found.ik_[0] > 0.9
    assert found.own_.all()
    assert w.accuracy(found) > 0.98


# --- own answers that were asked for --------------------------------------------------------------------------------------------------


def asked(w: World, seed: int = 0) -> WeakLabels:
    """Own answers, right on 95 % of rows on the side that the model knows and on 25 % elsewhere; one row in twenty abstains."""
    random = np.random.default_rng(seed)
    x = np.asarray(w.rows.views["strong"].values)
    right = random.random(len(x)) < np.where(x[:, 0] > 0, 0.95, 0.25)
    named = np.where(right, w.truth, 1 - w.truth)
    soft = np.where(np.eye(2)[named] > 0, 0.8, 0.2)
    return WeakLabels.from_probs(soft, w.weak.classes, covered=random.random(len(x)) > 0.05)


def test_answers_of_a_prompt_are_taken_where_they_agree_with_the_weak_labels_more_often_than_not():
    kept = []
    for seed in range(3):
        w = half_known(seed)
        own = asked(w, seed)
        found = Selective(HEAD, smoothing=0, own="prompt").fit(*w.given, own=own)
        there, truth, taken = own.at(w.transfer), w.truth[w.transfer], found.own_
        spoken = there.any_covered
        assert not taken[~spoken].any()
        assert (found.ik_[~spoken] == 0).all()
        assert found.spent_ == 0
        assert np.isnan(found.auroc_)
        rows, weak = w.given
        mixed = np.where(taken[:, None], there.probs[:, 0], weak.probs[:, 0])
        assert equal(found, Naive(HEAD).fit(rows, WeakLabels.from_probs(mixed, weak.classes, ids=rows.ids)))
        side = np.asarray(w.rows.views["strong"].values)[w.transfer, 0]
        weakly = weak.hard()[:, 0] == truth
        gain = w.accuracy(found) - w.accuracy(Naive(HEAD).fit(*w.given))
        better = (there.hard()[taken, 0] == truth[taken]).mean() - weakly[taken].mean()
        kept.append((taken[spoken & (side > 0.3)].mean(), taken[side < -0.3].mean(), better, gain))
    known, unknown, better, gain = np.mean(kept, axis=0)
    assert known > 0.9
    assert unknown < 0.3
    assert better > 0.05
    assert gain > 0.02


def test_a_prompt_s_answers_replace_the_grant_and_are_asked_for_in_time():
    w = half_known()
    method = Selective(HEAD, own="prompt")
    needs = method.needs()
    assert (needs.known, needs.own) == (False, True)
    assert not Selective(HEAD, own="prompt", threshold=1).needs().own
    assert not Selective(HEAD).needs().own
    with pytest.raises(NeedsError, match="the strong model's own answers"):
        method.fit(*w.given, known=w.known())
    same = Selective(HEAD, own="prompt").fit(*w.given, known=w.known(), own=asked(w))
    assert same.spent_ == 0
    other = WeakLabels.from_probs(asked(w).probs[:, 0], ["x", "y"])
    with pytest.raises(LabelsError, match="other classes"):
        method.fit(*w.given, own=other)
    with pytest.raises(InputError, match="own is 'teach' or 'prompt', not 'promt'; did you mean 'prompt'"):
        Selective(HEAD, own="promt").check()


# --- smoothing ----------------------------------------------------------------------------------------------------------------------


def blobs(errors: str, seed=0, n=400) -> World:
    """Four blobs, two a class. A quarter of the labels is wrong: anywhere, or all of one blob."""
    random = np.random.default_rng(seed)
    blob = random.integers(0, 4, n)
    x = 6 * np.eye(4)[blob] + random.normal(size=(n, 4))
    truth = blob % 2
    wrong = random.random(n) < 0.25 if errors == "scattered" else blob == 0
    weak = WeakLabels.from_probs(np.eye(2)[np.where(wrong, 1 - truth, truth)], ["a", "b"])
    everywhere = np.arange(n)
    return World(Rows.from_arrays(strong=x), weak, truth, everywhere[:0], everywhere, everywhere)


def smoothed(w: World, **params) -> WeakLabels:
    rows, weak = w.given
    labels = Selective(HEAD, threshold=1, **params)._smooth(rows, weak.probs[:, 0], np.ones(len(rows)))
    return WeakLabels.from_probs(labels, weak.classes)


def test_scattered_errors_gain_from_smoothing_and_clustered_ones_do_not():
    gains = {}
    for errors in ("scattered", "clustered"):
        found = []
        for seed in range(5):
            w = blobs(errors, seed)
            found.append(accuracy(smoothed(w, smoothing=0.8), w.truth) - accuracy(w.weak, w.truth))
        gains[errors] = np.mean(found)
    assert gains["scattered"] > 0.15
    assert abs(gains["clustered"]) < 0.02


def test_twenty_steps_are_the_closed_form():
    w = blobs("scattered")
    a = 0.5
    standard = standardised(np.asarray(w.rows.view()), np.ones(400))
    graph = _graph(nearest_rows(standard, 10, metric="cosine")).toarray()
    assert np.allclose(graph, graph.T)
    assert np.abs(np.linalg.eigvalsh(graph)).max() <= 1 + 1e-9
    closed = (1 - a) * np.linalg.solve(np.eye(400) - a * graph, w.weak.probs[:, 0])
    closed /= closed.sum(1, keepdims=True)
    assert np.allclose(smoothed(w).probs[:, 0], closed, atol=1e-5)


def test_few_rows_twins_and_columns_that_do_not_vary():
    w = blobs("scattered")
    for n in (1, 2, 5):
        rows, weak = w.rows[:n], w.weak[:n]
        made = Selective(HEAD, threshold=1)._smooth(rows, weak.probs[:, 0], np.ones(n))
        assert np.allclose(made.sum(1), 1)
    same = Rows.from_arrays(strong=np.ones((30, 3)))
    made = Selective(HEAD, threshold=1)._smooth(same, w.weak.probs[:30, 0], np.ones(30))
    assert np.isfinite(made).all()


# --- rows ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("threshold", [0.7, 1])
def test_supervisors_of_every_kind(kind, threshold):
    w = several(world(c=4), kind)
    found = Selective(HEAD, threshold=threshold).fit(*w.given, known=w.known())
    assert found.classes_.tolist() == list(w.weak.classes)
    assert np.isfinite(found.predict_proba(w.rows)).all()
    assert found.own_.any() == (threshold < 1)


@pytest.mark.parametrize("kind", ["one", "abstaining"])
@pytest.mark.parametrize("penalty", [0.1, "cv"])
def test_rows_of_weight_zero_change_no_bit(kind, penalty):
    w = several(world(c=4), kind)
    rows, weak = w.given
    head = LinearHead(on="strong", penalty=penalty)
    keep = np.random.default_rng(3).random(len(rows)) < 0.6
    a = Selective(head).fit(rows, weak, sample_weight=keep.astype(float), known=w.known())
    b = Selective(head).fit(rows[keep], weak[keep], known=w.known())
    assert np.array_equal(a.own_[keep], b.own_)
    assert equal(a, b)


def test_the_order_of_rows_does_not_matter():
    w = world()
    rows, weak = w.given
    order = np.random.default_rng(1).permutation(len(rows))
    a, b = (Selective(HEAD).fit(rows[o], weak[o], known=w.known()) for o in (np.arange(len(rows)), order))
    assert np.array_equal(a.own_[order], b.own_)
    assert np.allclose(a.student_.coef_, b.student_.coef_, atol=1e-5)


# --- needs and bad input ------------------------------------------------------------------------------------------------------------


def test_needs():
    assert Selective(HEAD).needs() == Needs(views=frozenset({"strong"}), known=True)
    assert Selective(HEAD, on="other").needs() == Needs(views=frozenset({"strong", "other"}), known=True)
    assert Selective(HEAD, threshold=1).needs().plain
    x = np.random.default_rng(0).normal(size=(40, 2))
    plain = Selective(LinearHead(penalty=0.1), threshold=1).fit(x, x[:, 0] > 0)
    assert plain.score(x, x[:, 0] > 0) > 0.9


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"threshold": 1.5}, "Selective threshold must be a number between 0 and 1, not 1.5"),
        ({"threshold": None}, "not None"),
        ({"smoothing": 1}, "Selective smoothing must be a number of at least 0 and below 1, not 1"),
        ({"smoothing": float("nan")}, "not nan"),
        ({"neighbours": 0}, "Selective neighbours must be a whole number of at least 1, not 0"),
        ({"neighbours": 2.5}, "not 2.5"),
    ],
)
def test_parameters_out_of_range(params, message):
    with pytest.raises(InputError) as raised:
        Selective(**params).check()
    assert message in str(raised.value)


def test_what_cannot_be_done():
    w = world()
    with pytest.raises(LabelsError, match="use Naive for a value task"):
        Selective(RidgeHead()).check()
    with pytest.raises(NeedsError, match=r"Selective needs known= \(truth that the study grants\)"):
        Selective(HEAD).fit(*w.given)
    with pytest.raises(NeedsError, match="Selective needs the view 'strnog'; did you mean 'strong'"):
        Selective(HEAD, on="strnog").fit(*w.given, known=w.known())
    with pytest.raises(NeedsError, match="X is a bare array"):
        Selective(LinearHead(penalty=0.1)).fit(w.given[0].view("strong"), w.given[1].probs[:, 0], known=w.known())
    same = w.teach[w.truth[w.teach] == 0]
    with pytest.raises(LabelsError, match="rows of truth of class 'a' only; grant two classes or more"):
        Selective(HEAD).fit(*w.given, known=w.known(same))
    wrong = Known(w.known().rows, w.known().weak, w.truth[w.teach] + 1)
    with pytest.raises(NeedsError, match="no class index from 0 to 1"):
        Selective(HEAD).fit(*w.given, known=wrong)

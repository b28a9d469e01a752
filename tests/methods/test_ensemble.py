"""Ensembles of supervisors, by label models, by the student, and by truth on teach rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from outgrow.errors import InputError, LabelsError, NeedsError
from outgrow.learners.linear import LinearHead
from outgrow.learners.ridge import RidgeHead
from outgrow.methods import Boosted, Ensemble, Naive
from outgrow.methods.ensemble import CoSupervisedObjective, EvidentialObjective
from outgrow.supervisors.votes import majority, one_coin
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.needs import Known
from outgrow.tasks.rows import Rows

HEAD = LinearHead(penalty=0.1)
LABELS = ("majority", "one_coin", "dawid_skene", "triplet")
STUDENT = ("evidential", "co_supervised")


def world(right=(0.9, 0.7, 0.6), n=400, c=2, seed=0, odd=False, never=1.0):
    """Rows, labels of voters that err independently, and truth."""
    random = np.random.default_rng(seed)
    y = random.integers(0, c, n)
    x = random.normal(size=(n, c + 2))
    x[np.arange(n), y] += 2
    tables = []
    for j, a in enumerate(right):
        named = np.where(random.random(n) < a, y, (y + random.integers(1, c, n)) % c)
        tables.append(WeakLabels.from_probs(np.eye(c)[named] * 0.8 + 0.2 / c, np.arange(c), source=f"s{j}"))
    if odd:
        few = random.random(n) < 0.05
        tables.append(WeakLabels.from_probs(np.eye(c)[y], np.arange(c), covered=few, source="few"))
        tables.append(
            WeakLabels.from_probs(
                np.eye(c)[np.minimum(y, c - 2)], np.arange(c), covered=random.random(n) < never, source="never"
            )
        )
        tables.append(WeakLabels.from_probs(np.eye(c)[y], np.arange(c), covered=np.zeros(n, bool), source="none"))
    return Rows.from_arrays(X=x), WeakLabels.stack(tables), y


def grant(rows, weak, y, k=150):
    return Known(rows[:k], weak[:k], y[:k])


def equal(a, b):
    return np.array_equal(a.student_.coef_, b.student_.coef_) and np.array_equal(
        a.student_.intercept_, b.student_.intercept_
    )


@pytest.mark.parametrize("odd", [False, True])
def test_off_is_naive(odd):
    rows, weak, _ = world(odd=odd)
    naive = Naive(HEAD).fit(rows, weak)
    assert equal(Ensemble(HEAD, rule="mean").fit(rows, weak), naive)
    assert equal(Boosted(HEAD, rounds=0).fit(rows, weak), naive)
    assert not equal(Ensemble(HEAD).fit(rows, weak), naive)


@pytest.mark.parametrize("rule", LABELS)
def test_one_supervisor_is_naive(rule):
    rows, weak, _ = world(right=(0.7,))
    assert equal(Ensemble(HEAD, rule=rule).fit(rows, weak), Naive(HEAD).fit(rows, weak))


def test_the_student_learns_the_posterior():
    rows, weak, _ = world()
    found = Ensemble(HEAD).fit(rows, weak)
    votes = (weak.probs > 0.5).astype(float)
    assert equal(found, Naive(HEAD).fit(rows, weak.relabel(one_coin(votes).posterior(votes))))
    assert np.allclose(found.model_.accuracy, one_coin(votes).accuracy)
    plain = Ensemble(HEAD, rule="majority").fit(rows, weak)
    assert equal(plain, Naive(HEAD).fit(rows, weak.relabel(majority(votes))))
    assert plain.model_ is None


@pytest.mark.parametrize("c", [2, 3])
@pytest.mark.parametrize("rule", LABELS + STUDENT)
def test_odd_supervisors_are_ordinary(rule, c):
    # What begins at the mean follows a voter that is always sure of one class; here it speaks on some rows only.
    rows, weak, y = world(c=c, odd=True, never=0.3 if rule in STUDENT else 1.0)
    found = Ensemble(HEAD, rule=rule).fit(rows, weak)
    assert (found.predict(rows) == y).mean() > 0.7
    assert np.isfinite(found.predict_proba(rows)).all()


@pytest.mark.parametrize("rule", LABELS + STUDENT)
def test_rows_of_weight_zero_change_no_bit(rule):
    rows, weak, _ = world(odd=True)
    keep = np.random.default_rng(1).random(400) < 0.7
    a = Ensemble(HEAD, rule=rule).fit(rows, weak, sample_weight=keep.astype(float))
    assert equal(a, Ensemble(HEAD, rule=rule).fit(rows[keep], weak[keep]))


@pytest.mark.parametrize("rule", LABELS + STUDENT)
def test_rows_nobody_covers_are_left_out(rule):
    rows, weak, _ = world(right=(0.8, 0.7))
    there = np.random.default_rng(2).random(400) < 0.6
    holes = WeakLabels(weak.ids, weak.probs, weak.covered & there[:, None], weak.classes, weak.sources)
    a = Ensemble(HEAD, rule=rule).fit(rows, holes)
    assert equal(a, Ensemble(HEAD, rule=rule).fit(rows[there], holes[there]))


def test_a_good_voter_among_bad_ones_is_heard():
    won = []
    for seed in range(3):
        rows, weak, y = world(right=(0.97, 0.55, 0.55, 0.55, 0.55), n=800, seed=seed)
        fit, held = slice(0, 500), slice(500, 800)
        scores = [
            (Ensemble(HEAD, rule=r).fit(rows[fit], weak[fit]).predict(rows[held]) == y[held]).mean()
            for r in ("one_coin", "majority")
        ]
        won.append(scores[0] - scores[1])
        found = Ensemble(HEAD).fit(rows[fit], weak[fit]).model_.accuracy
        assert found.argmax() == 0
    assert np.mean(won) > 0


# --- objectives -------------------------------------------------------------------------------------------------------------------


def test_evidential_loss_and_targets_by_hand():
    logits = torch.tensor([[0.3, -0.2], [1.0, 2.0]], dtype=torch.float64)
    weak = torch.tensor([[[0.8, 0.2], [0.6, 0.4]], [[0.9, 0.1], [np.nan, np.nan]]], dtype=torch.float64)
    one = torch.ones(2, dtype=torch.float64)
    objective = EvidentialObjective()
    start = objective.targets(logits, weak, one, 0.0, {})[0]
    assert torch.allclose(start, torch.tensor([[0.7, 0.3], [0.9, 0.1]], dtype=torch.float64))
    end = objective.targets(logits, weak, one, 1.0, {})[0]
    assert torch.allclose(end, torch.tensor([[0.85, 0.15], [0.45, 0.55]], dtype=torch.float64))
    alpha = np.log1p(np.exp(logits.numpy())) + 1
    by_hand = (end.numpy() * (np.log(alpha.sum(1, keepdims=True)) - np.log(alpha))).sum(1) * (2 * (1 + np.log(2))) ** 2
    assert np.allclose(objective.rows(logits, end).numpy(), by_hand)


def test_co_supervision_assigns_and_rejects():
    logits = torch.tensor([[2.0, -2.0], [-1.0, 1.0], [0.0, 3.0]], dtype=torch.float64)
    weak = torch.tensor(
        [[[0.9, 0.1], [0.1, 0.9]], [[0.8, 0.2], [np.nan, np.nan]], [[0.6, 0.4], [0.3, 0.7]]], dtype=torch.float64
    )
    one = torch.ones(3, dtype=torch.float64)
    given, weight, _ = CoSupervisedObjective().targets(logits, weak, one, 0.5, {})
    assert torch.allclose(given[[0, 2]], weak[[0, 2], [0, 1]])
    assert weight.tolist() == [1, 0, 1]
    mean = CoSupervisedObjective().targets(logits, weak, one, 0.0, {})[0]
    assert torch.allclose(mean, torch.tensor([[0.5, 0.5], [0.8, 0.2], [0.45, 0.55]], dtype=torch.float64))


# --- with truth -------------------------------------------------------------------------------------------------------------------


def test_boosting_hears_the_right_voter():
    rows, weak, y = world(right=(0.95, 0.6, 0.6), odd=True)
    found = Boosted(HEAD).fit(rows, weak, known=grant(rows, weak, y))
    assert found.votes_[0] > found.votes_[1:3].max()
    assert found.votes_[-1] == 0
    assert found.spent_ == 150
    assert Boosted().needs().known
    assert not Boosted(rounds=0).needs().known


def test_values_are_averaged():
    x = np.random.default_rng(0).normal(size=(50, 2))
    rows = Rows.from_arrays(X=x)
    weak = WeakLabels.stack([WeakLabels.from_probs(x[:, 0] + k, None, source=f"s{k}") for k in range(2)])
    head = RidgeHead(penalty=0.1)
    assert equal(Ensemble(head, rule="mean").fit(rows, weak), Naive(head).fit(rows, weak))


# --- bad input ----------------------------------------------------------------------------------------------------------------------


def test_bad_input_is_a_sentence():
    rows, weak, y = world()
    with pytest.raises(InputError, match="did you mean 'majority'"):
        Ensemble(HEAD, rule="majorty").fit(rows, weak)
    with pytest.raises(LabelsError, match="combines class votes, and this learner predicts values; use rule='mean'"):
        Ensemble(RidgeHead()).check()
    with pytest.raises(LabelsError, match="predicts values"):
        Boosted(RidgeHead()).check()
    with pytest.raises(InputError, match="whole number of at least 0"):
        Boosted(HEAD, rounds=-1).check()
    with pytest.raises(NeedsError, match="needs known="):
        Boosted(HEAD).fit(rows, weak)
    with pytest.raises(NeedsError, match="granted labels of 2 supervisors and learns from 3"):
        Boosted(HEAD).fit(rows, weak, known=Known(rows[:9], weak[:9].source(0, 1), y[:9]))
    with pytest.raises(NeedsError, match="Boosted needs 2 supervisors, the study gives 1"):
        Boosted().needs().check("Boosted", [], weak.source(0).sources)
    with pytest.raises(LabelsError, match="different classes"):
        WeakLabels.stack([weak, world(c=3)[1]])
    with pytest.raises(LabelsError, match="covers none"):
        Ensemble(HEAD).fit(rows, WeakLabels(weak.ids, weak.probs, weak.covered & False, weak.classes, weak.sources))

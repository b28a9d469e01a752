from __future__ import annotations

import numpy as np
import pytest

from outgrow.errors import InputError, LabelsError
from outgrow.forecasts.crossfit import CrossFit, cross_fit
from outgrow.forecasts.statistics import STATISTICS, Witness, _blind, _consensus, statistics
from outgrow.learners.linear import LinearHead
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.rows import Rows

CLASSES = ["a", "b"]


def world(n: int = 240, wrong: float = 0.25, seed: int = 0, rank: int = 6) -> tuple[Rows, WeakLabels, np.ndarray]:
    """Two classes in six features of a given rank; weak labels that are wrong at random."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, n)
    x = rng.normal(size=(n, 6))
    x[:, 0] += 2.5 * (2 * truth - 1)
    if rank < 6:
        x[:, rank:] = x[:, :1]
    weak = np.where(rng.random(n) < wrong, 1 - truth, truth)
    return Rows.from_arrays(x=x), labels(weak), truth


def labels(said: np.ndarray, name: str = "weak") -> WeakLabels:
    probs = np.where(said[:, None] == np.arange(2), 0.8, 0.2)
    return WeakLabels.from_probs(probs, CLASSES, source=name)


def crossed(rows: Rows, weak: WeakLabels) -> CrossFit:
    return cross_fit(LinearHead(on="x"), rows, weak, 0.1)


def test_no_row_answers_for_itself() -> None:
    rows, weak, _ = world()
    first = crossed(rows, weak)
    flipped = weak.probs[:, 0].copy()
    flipped[7] = flipped[7, ::-1]
    second = crossed(rows, WeakLabels.from_probs(flipped, CLASSES))
    np.testing.assert_allclose(second.oof[7], first.oof[7], atol=1e-4)
    np.testing.assert_allclose(second.apart[:, 7], first.apart[:, 7], atol=1e-4)
    assert np.abs(second.oof - first.oof).max() > 1e-3
    np.testing.assert_allclose(first.oof.sum(axis=1), 1)


def test_blind_gain_finds_the_gain_when_errors_are_blind() -> None:
    rows, weak, truth = world(n=3000, wrong=0.3)
    made = crossed(rows, weak)
    found = statistics(made, weak)
    gain = (made.oof.argmax(1) == truth).mean() - (weak.hard()[:, 0] == truth).mean()
    assert gain > 0.2
    assert found["blind gain"] == pytest.approx(gain, abs=0.03)
    assert found["repaired gain"] > 0.2
    assert set(found) == set(STATISTICS)


def test_blind_by_hand() -> None:
    said = np.array([0, 0, 1, 1])
    assert _blind(said, said, said, said, 2) == pytest.approx(0)
    assert _blind(said, said, said, 1 - said, 2) == 0


def test_witnesses_take_the_better_side() -> None:
    rows, weak, truth = world(n=600, wrong=0.3)
    rng = np.random.default_rng(5)
    other = labels(np.where(rng.random(600) < 0.2, 1 - truth, truth), "other")
    made = crossed(rows, weak)
    found = statistics(made, weak, others=[Witness(other, crossed(rows, other))])
    gain = (made.oof.argmax(1) == truth).mean() - (weak.hard()[:, 0] == truth).mean()
    # A witness that is right on 80 % sees .6 of the gain.
    assert found["witness gain"] == pytest.approx(0.6 * gain, abs=0.05)
    assert found["consensus gain"] > 0.1
    assert found["supervisors gain"] > 0
    assert found["consensus score"] - found["consensus accuracy"] == pytest.approx(found["consensus gain"])
    assert found["witnesses"] == 1
    alone = statistics(made, weak)
    assert np.isnan(alone["witness gain"])
    assert np.isnan(alone["consensus gain"])
    assert alone["blind gain"] == found["blind gain"]


def test_a_method_is_judged_by_what_it_changed() -> None:
    rows, weak, truth = world(n=400, wrong=0.35)
    made = crossed(rows, weak)
    other = labels(truth, "other")
    naive = weak.probs[:, 0]
    found = statistics(made, weak, answers=np.eye(2)[truth], naive=naive, others=[Witness(other, None)])
    wrong = (naive.argmax(1) != truth).mean()
    assert found["changed"] == found["departure"] == pytest.approx(wrong)
    assert found["changed weak"] == pytest.approx(-wrong)
    # One voter counts as right on .75, half of its log odds is taken: sqrt(3) to 1.
    assert found["supervisors gain"] == pytest.approx(wrong * (np.sqrt(3) - 1) / (np.sqrt(3) + 1))
    spoiled = statistics(made, weak, answers=np.eye(2)[1 - truth], naive=naive, others=[Witness(other, None)])
    assert spoiled["supervisors gain"] < 0
    assert all(v == 0 for k, v in statistics(made, weak).items() if k.startswith("changed"))


def test_the_consensus_trusts_who_agrees() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 900)

    def voter(right: float) -> np.ndarray:
        return np.where(rng.random(900) < right, truth, (truth + rng.integers(1, 3, 900)) % 3)

    votes = [voter(0.9), voter(0.8), voter(0.7), voter(0.4)]
    votes[0] = np.where(rng.random(900) < 0.3, -1, votes[0])
    q, accuracy = _consensus(votes, 3)
    assert accuracy[0] > accuracy[1] > accuracy[2] > accuracy[3]
    assert (q.argmax(1) == truth).mean() > 0.85


def test_rank_deficient_views_are_no_trouble() -> None:
    rows, weak, _ = world(rank=1)
    found = statistics(crossed(rows, weak), weak)
    assert all(np.isfinite(found[k]) for k in ("disagreement", "stability", "blind gain", "misfit"))
    flat = Rows.from_arrays(x=np.ones((240, 3)))
    made = crossed(flat, weak)
    assert np.isnan(made.separation)
    assert np.isfinite(statistics(made, weak)["disagreement"])


def test_rows_that_are_not_covered_are_left_out() -> None:
    rows, weak, _ = world()
    there = np.arange(240) % 4 > 0
    part = WeakLabels.from_probs(weak.probs[:, 0], CLASSES, covered=there)
    made = crossed(rows, part)
    np.testing.assert_array_equal(made.ids, np.flatnonzero(there))
    assert statistics(made, part)["coverage"] == pytest.approx(0.75)


def test_what_cannot_be_forecast_is_said() -> None:
    rows, weak, _ = world()
    made = crossed(rows, weak)
    constant = labels(np.zeros(240, dtype=int), "constant")
    copied = crossed(rows, constant)
    with pytest.raises(InputError, match="names one class on all 240 rows"):
        statistics(copied, constant)
    few = np.arange(49)
    short = crossed(rows[few], weak[few])
    with pytest.raises(InputError, match="need 50 covered transfer rows, and there are 49"):
        statistics(short, weak[few])
    with pytest.raises(LabelsError, match="others or in another order"):
        cross_fit(LinearHead(on="x"), rows, weak[::-1], 0.1)
    with pytest.raises(LabelsError, match="other rows than the weak labels cover"):
        statistics(made, weak[:100])
    with pytest.raises(LabelsError, match="for different rows, or in another order"):
        statistics(made, weak, others=[Witness(weak[::-1])])
    with pytest.raises(LabelsError, match="are for classes"):
        cross_fit(LinearHead(on="x"), rows, WeakLabels.from_probs(np.zeros(240), None), 0.1)
    none = WeakLabels.from_probs(weak.probs[:, 0], CLASSES, covered=np.zeros(240, bool))
    with pytest.raises(InputError, match="covers a transfer row"):
        cross_fit(LinearHead(on="x"), rows, none, 0.1)


def test_a_file_gives_it_back() -> None:
    rows, weak, _ = world()
    made = crossed(rows, weak)
    again = CrossFit.from_arrays(made.as_arrays())
    np.testing.assert_allclose(again.oof, made.oof, atol=1e-6)
    assert again.separation == made.separation

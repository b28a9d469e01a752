"""Label models: equations by hand, planted voters found again, never below the majority, every odd voter taken."""

from __future__ import annotations

import numpy as np
import pytest

from outgrow.supervisors.shares import anchors, cooled, even_shares, levelled, steady, temperature_of
from outgrow.supervisors.votes import boosted, confusions, dawid_skene, majority, one_coin, triplet, votes_of

MODELS = [one_coin, confusions, triplet]


def cast(names, c):
    """Votes (n, m, c) from names (n, m), -1 where a voter abstains."""
    names = np.asarray(names)
    return np.eye(c + 1)[names][:, :, :c] * (names >= 0)[:, :, None]


def world(m, cover, shares, seed, n=1000, by_class=False):
    """Voters that err independently given the truth."""
    random, c = np.random.default_rng(seed), len(shares)
    y = random.choice(c, size=n, p=shares)
    names = np.empty((n, m), int)
    for j in range(m):
        low, high = (0.55, 0.9) if c == 2 else (0.4, 0.85)
        right = random.uniform(low, high, size=c) if by_class else np.full(c, random.uniform(low, high))
        names[:, j] = np.where(random.random(n) < right[y], y, (y + random.integers(1, c, size=n)) % c)
    names[random.random((n, m)) >= cover] = -1
    return cast(names, c), y


def accuracy(probs, y, there):
    best = probs >= probs.max(axis=1, keepdims=True) - 1e-9
    return (best[np.arange(len(y)), y] / best.sum(axis=1))[there].mean()


def test_votes_and_majority_share_ties():
    probs = np.array([[[0.5, 0.5, 0.0], [0.1, 0.2, 0.7]], [[0.9, 0.1, 0.0], [1 / 3, 1 / 3, 1 / 3]]])
    votes = votes_of(probs, np.array([[True, True], [True, False]]))
    assert votes.tolist() == [[[0.5, 0.5, 0], [0, 0, 1]], [[1, 0, 0], [0, 0, 0]]]
    assert majority(votes).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert majority(cast([[0, 1, -1], [-1, -1, -1]], 2)).tolist() == [[0.5, 0.5], [0.5, 0.5]]


def test_one_step_of_dawid_skene_by_hand():
    votes = cast([[0, 0], [0, 1], [1, 1], [1, 1]], 2)
    belief = np.array([[1, 0], [0.5, 0.5], [0, 1], [0, 1]])
    counts = np.einsum("ik,ijl->jkl", belief, votes)
    model = dawid_skene(votes, steps=1)
    assert np.allclose(model.prior, belief.mean(axis=0))
    assert np.allclose(model.confusion, counts / counts.sum(axis=2, keepdims=True))
    by_hand = model.prior[:, None] * model.confusion[0].T[0][:, None] * model.confusion[1].T[1][:, None]
    assert np.allclose(model.posterior(votes)[1], by_hand[:, 0] / by_hand.sum())
    coin = dawid_skene(votes, coin=True, steps=1)
    assert np.allclose(coin.accuracy, [3.5 / 4, 3.5 / 4])


def test_the_likelihood_never_falls():
    votes, _ = world(4, 0.8, [0.6, 0.4], 0, by_class=True)
    path = [dawid_skene(votes, steps=k, tol=0).log_likelihood for k in range(1, 12)]
    assert (np.diff(path) > -1e-9).all()
    assert path[-1] > path[0] + 1


def test_a_row_of_weight_two_is_two_rows():
    votes, _ = world(3, 0.7, [0.5, 0.5], 1, n=200)
    twice = dawid_skene(np.concatenate([votes, votes[:50]]))
    heavy = dawid_skene(votes, np.where(np.arange(200) < 50, 2.0, 1.0))
    assert np.allclose(twice.confusion, heavy.confusion, atol=1e-10)


def test_planted_confusions_are_found():
    random = np.random.default_rng(0)
    true = np.array([[[0.9, 0.1], [0.4, 0.6]], [[0.7, 0.3], [0.1, 0.9]], [[0.85, 0.15], [0.25, 0.75]]])
    y = (random.random(20000) < 0.35).astype(int)
    names = np.stack([(random.random(20000) < true[j, y, 1]).astype(int) for j in range(3)], axis=1)
    found = dawid_skene(cast(names, 2))
    assert np.abs(found.confusion - true).max() < 0.05
    assert found.prior[1] == pytest.approx(0.35, abs=0.04)


def test_confusions_beat_the_majority_where_voters_lean():
    random = np.random.default_rng(0)
    y = random.integers(0, 2, 3000)
    right = np.array([[0.55, 0.95], [0.6, 0.9], [0.6, 0.95], [0.9, 0.6]])
    votes = cast(np.where(random.random((3000, 4)) < right[:, y].T, y[:, None], 1 - y[:, None]), 2)
    there = np.ones(3000, bool)
    found = confusions(votes)
    assert np.isfinite(found.log_likelihood)
    assert np.abs(found.confusion[:, [0, 1], [0, 1]] - right).max() < 0.08
    assert accuracy(found.posterior(votes), y, there) > accuracy(majority(votes), y, there) + 0.02
    few = confusions(votes[:60])
    assert np.isnan(few.log_likelihood)
    assert few.prior.tolist() == [0.5, 0.5]


@pytest.mark.parametrize("c", [2, 4])
@pytest.mark.parametrize("fit", [one_coin, triplet])
def test_planted_accuracies_are_ranked(fit, c):
    random = np.random.default_rng(c)
    right = np.array([0.9, 0.6, 0.75, 0.5 if c == 4 else 0.55, 0.8])
    y = random.integers(0, c, 12000)
    names = np.where(
        random.random((12000, 5)) < right, y[:, None], (y[:, None] + random.integers(1, c, (12000, 5))) % c
    )
    found = fit(cast(names, c)).accuracy
    assert np.array_equal(np.argsort(found), np.argsort(right))
    assert np.abs(found - right).max() < 0.1


def test_triplets_solve_the_moments_exactly():
    b = np.array([0.8, 0.5, 0.3])
    c, rows, mass = 3, [], []
    # Every combination of voters being right, with its probability, is an exact population.
    a = (1 + (c - 1) * b) / c
    for y in range(c):
        for names in np.ndindex(c, c, c):
            rows.append(names)
            mass.append(np.prod([a[j] if names[j] == y else (1 - a[j]) / (c - 1) for j in range(3)]) / c)
    from outgrow.supervisors import votes as module

    weight = np.array(mass) * 1e9
    assert np.allclose(module._triplet(cast(rows, c), weight), a, atol=1e-6)


@pytest.mark.parametrize("by_class", [False, True])
@pytest.mark.parametrize("shares", [[0.5, 0.5], [0.95, 0.05], [0.5, 0.3, 0.2]])
@pytest.mark.parametrize("m", [1, 2, 3, 7, 20])
def test_never_below_the_majority(m, shares, by_class):
    for cover in (0.05, 0.4, 1.0):
        apart = {fit: [] for fit in MODELS}
        for seed in range(3):
            votes, y = world(m, cover, shares, 1000 * seed + 10 * m, by_class=by_class)
            there = votes.sum(axis=(1, 2)) > 0
            base = accuracy(majority(votes), y, there)
            for fit in MODELS:
                apart[fit].append(accuracy(fit(votes).posterior(votes), y, there) - base)
        for fit, found in apart.items():
            assert np.mean(found) >= -0.01, (fit.__name__, cover)


@pytest.mark.parametrize("fit", MODELS)
def test_odd_voters_are_ordinary(fit):
    random = np.random.default_rng(5)
    y = random.integers(0, 3, 300)
    names = np.where(random.random((300, 5)) < 0.75, y[:, None], random.integers(0, 3, (300, 5)))
    names[:, 3] = np.where(random.random(300) < 0.05, names[:, 3], -1)  # covers 5 % of rows
    names[:, 4] = np.where(names[:, 4] == 2, 0, names[:, 4])  # never names class 2
    names = np.concatenate([names, np.full((300, 1), -1)], axis=1)  # says nothing at all
    votes = cast(names, 3)
    model = fit(votes)
    probs = model.posterior(votes)
    assert np.isfinite(probs).all()
    assert np.allclose(probs.sum(axis=1), 1)
    assert np.allclose(model.confusion.sum(axis=2), 1)
    assert (probs.argmax(axis=1) == y).mean() > 0.8


@pytest.mark.parametrize("fit", MODELS)
def test_one_voter_is_followed(fit):
    votes = cast([[0], [1], [-1], [1]], 2)
    assert fit(votes).posterior(votes).argmax(axis=1)[[0, 1, 3]].tolist() == [0, 1, 1]


def test_boosting_by_hand():
    truth = np.array([0, 0, 1, 1, 0, 1, 0, 1])
    good = np.where(np.arange(8) == 0, 1 - truth, truth)
    names = np.stack([good, np.zeros(8, int), np.full(8, -1)], axis=1)
    gained = boosted(cast(names, 2), truth, 1)
    assert gained.tolist() == [pytest.approx(np.log((7.5 / 9) / (1.5 / 9))), 0, 0]
    assert boosted(cast(1 - names[:, :1], 2), truth).tolist() == [1]


# --- shares and temperatures --------------------------------------------------------------------------------------------------------


def test_levels_put_the_threshold_half_way():
    log = levelled(np.array([[[0.55, 0.45], [0.2, 0.8]], [[0.7, 0.3], [0.3, 0.7]], [[0.9, 0.1], [np.nan, np.nan]]]))
    low, high = 0.45, 0.8
    middle = (low + high) / 2
    assert np.exp(log[0, 1] - log[0, 0]) == pytest.approx((1 - middle) / middle)
    assert np.allclose(log[1:], 0)


def test_anchors_are_label_means_of_the_surest_rows():
    sure = np.linspace(0, 1, 100)
    probs = np.eye(2)[(np.arange(100) >= 40).astype(int)][:, None]
    there = np.ones((100, 1), bool)
    found = anchors(np.stack([1 - sure, sure], axis=1), probs, there, np.ones(100))
    assert found[0].tolist() == [[1, 0], [0, 1]]
    there[:80] = False
    found = anchors(np.stack([1 - sure, sure], axis=1), probs, there, np.ones(100))
    assert np.isnan(found[0, 0]).all()


def test_halves_that_disagree_change_nothing():
    a = np.array([[0.4, -0.4]])
    assert np.allclose(steady(a, a), a)
    assert np.allclose(steady(a, -a), 0)
    assert 0 < steady(a, a / 2)[0, 0] < 0.3


def test_label_shift_finds_the_shares():
    random = np.random.default_rng(0)
    y = (random.random(20000) < 0.2).astype(int)
    x = random.normal(size=20000) + 2 * y - 1
    p = 1 / (1 + np.exp(-2 * x))
    shares = even_shares(np.stack([1 - p, p], axis=1), np.ones(20000))
    assert shares[1] == pytest.approx(0.2, abs=0.01)
    assert p.mean() > 0.25


def test_temperature_meets_the_accuracy():
    p = np.array([[0.99, 0.01], [0.2, 0.8], [0.9, 0.1]])
    t = temperature_of(p, np.ones(3), 0.7)
    assert t > 1
    assert cooled(p, np.full(3, t)).max(axis=1).mean() == pytest.approx(0.7, abs=1e-6)

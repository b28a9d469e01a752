from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from outgrow.learners import penalty as rule
from outgrow.learners.penalty import FALLBACK, FOLDS, GRID, cross_validate, distinct, folds


def noisy(n=150, d=8, c=2, flip=0.2, seed=0):
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, d))
    codes = (x @ random.normal(size=(d, c)) + random.normal(size=(n, c))).argmax(1)
    codes = np.where(random.random(n) < flip, random.integers(0, c, n), codes)
    return x, torch.eye(c, dtype=torch.float64)[codes][None]


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.integers(3, 60), st.integers(1, 4))
def test_folds_belong_to_rows_not_to_places(seed, n, d):
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, d)).astype(np.float32).astype(np.float64)
    order = random.permutation(n)
    mine = folds(x, seed)
    np.testing.assert_array_equal(folds(x[order], seed), mine[order])
    np.testing.assert_array_equal(folds(np.vstack([x, x[:2]]), seed), np.concatenate([mine, mine[:2]]))
    sizes = np.bincount(mine, minlength=FOLDS)
    assert sizes.max() - sizes.min() <= 1


def test_the_seed_deals_the_folds_anew():
    x = np.random.default_rng(0).normal(size=(60, 3))
    assert (folds(x, 1) != folds(x, 2)).any()
    np.testing.assert_array_equal(folds(x, 1), folds(x, 1))


def test_distinct_numbers_do_not_collide_on_ordinary_rows():
    grid = np.stack(np.meshgrid(np.arange(100.0), np.arange(100.0)), -1).reshape(-1, 2)
    assert len(np.unique(distinct(grid))) == len(grid)
    assert distinct(np.array([[0.0]])) == distinct(np.array([[-0.0]]))


def test_it_is_the_held_out_cross_entropy_of_scikit_learn():
    x, targets = noisy(c=3)
    codes = targets[0].argmax(-1).numpy()
    fold = folds(x, 7)
    totals = []
    for penalty in GRID:
        total = 0.0
        for held in range(FOLDS):
            a, b = fold != held, fold == held
            mean, scale = x[a].mean(0), x[a].std(0)
            model = LogisticRegression(C=1 / (a.sum() * penalty), tol=1e-8, max_iter=5000).fit(
                (x[a] - mean) / scale, codes[a]
            )
            logs = model.predict_log_proba((x[b] - mean) / scale)
            total -= logs[np.arange(b.sum()), codes[b]].sum()
        totals.append(total)
    assert 0 < int(np.argmin(totals)) < len(GRID) - 1, "the best must lie inside the grid for this test to say anything"
    assert cross_validate(x, targets, np.ones((1, len(x))), 7)[0] == GRID[int(np.argmin(totals))]


def test_noise_asks_for_a_large_penalty_and_clean_labels_for_a_small_one():
    random = np.random.default_rng(3)
    x = random.normal(size=(300, 20))
    clean = (x[:, 0] > 0).astype(int)
    noise = random.integers(0, 2, 300)
    both = torch.eye(2, dtype=torch.float64)[np.stack([clean, noise])]
    small, large = cross_validate(x, both, np.ones((1, 300)), 0)
    assert small == GRID[0]
    assert large == GRID[-1]


def test_ties_go_to_the_larger_penalty():
    x = np.random.default_rng(0).normal(size=(30, 2))
    targets = torch.full((1, 30, 2), 0.5, dtype=torch.float64)
    assert cross_validate(x, targets, np.ones((1, 30)), 0)[0] == GRID[-1], "no coefficient moves, so all penalties tie"


def test_heads_are_validated_each_for_itself(monkeypatch):
    x, one = noisy(seed=1)
    _, two = noisy(seed=2, flip=0.9)
    targets = torch.cat([one, two])
    weight = np.random.default_rng(0).integers(0, 3, size=(2, len(x))).astype(float)
    together = cross_validate(x, targets, weight, 0)
    for j in range(2):
        used = weight[j] > 0
        assert cross_validate(x[used], targets[j : j + 1, used], weight[j : j + 1, used], 0)[0] == together[j]
    monkeypatch.setattr(rule, "ENTRIES", 1)
    np.testing.assert_array_equal(cross_validate(x, targets, weight, 0), together)


def test_a_class_of_one_row_does_not_stop_it():
    x, _ = noisy(n=30)
    codes = np.zeros(30, dtype=int)
    codes[4] = 1
    assert cross_validate(x, torch.eye(3, dtype=torch.float64)[codes][None], np.ones((1, 30)), 0)[0] in GRID
    assert cross_validate(x, torch.eye(2, dtype=torch.float64)[codes][None], np.ones((1, 30)), 0)[0] in GRID


def test_few_rows_fall_back():
    x, targets = noisy(n=5)
    assert cross_validate(x, targets, np.ones((1, 5)), 0)[0] == FALLBACK
    copies = np.repeat(x, 10, axis=0)
    assert cross_validate(copies, targets.repeat_interleave(10, 1), np.ones((1, 50)), 0)[0] == FALLBACK

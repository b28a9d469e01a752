from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.utils.estimator_checks import parametrize_with_checks

from outgrow.errors import InputError, LabelsError, NeedsError
from outgrow.learners import ridge as module
from outgrow.learners.objective import CrossEntropy, Squared
from outgrow.learners.ridge import RIDGE_GRID, RidgeHead, ridge_loo
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.rows import Rows


def data(n=80, d=6, k=1, noise=1.0, seed=0):
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, d)) @ random.normal(size=(d, d)) + 5 * random.normal(size=d)
    y = x @ random.normal(size=(d, k)) + noise * random.normal(size=(n, k)) + 3
    return x, y[:, 0] if k == 1 else y


@parametrize_with_checks([RidgeHead()])
def test_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize("shape", [(80, 6), (20, 50)])
@pytest.mark.parametrize("penalty", [1e-3, 0.1, 10.0])
def test_it_is_scikit_learns_ridge(shape, penalty):
    x, y = data(*shape)
    weight = np.random.default_rng(1).random(len(x))
    head = RidgeHead(penalty=penalty).fit(x, y, sample_weight=weight)
    mean = np.average(x, axis=0, weights=weight)
    scale = np.sqrt(np.average((x - mean) ** 2, axis=0, weights=weight))
    oracle = Ridge(alpha=penalty * weight.sum()).fit((x - mean) / scale, y, sample_weight=weight)
    np.testing.assert_allclose(head.coef_[0] * scale, oracle.coef_, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(head.predict(x), oracle.predict((x - mean) / scale), rtol=1e-8)


def brute(x, y, penalty, weight):
    """Leave each row out, features and the penalty's unit kept as they are."""
    weight = weight / weight.sum()
    total = np.zeros(y.shape[1])
    for row in range(len(x)):
        keep = np.arange(len(x)) != row
        model = Ridge(alpha=penalty).fit(x[keep], y[keep], sample_weight=weight[keep])
        total += weight[row] * (y[row] - model.predict(x[row : row + 1])[0]) ** 2
    return total


@pytest.mark.parametrize("shape", [(25, 4), (12, 30)])
def test_the_penalty_is_the_best_of_truly_leaving_rows_out(shape):
    x, y = data(*shape, k=5, noise=4.0)
    weight = np.random.default_rng(2).random(len(x)) + 0.2
    grid = np.geomspace(1e-3, 1e2, 12)
    errors = np.array([brute(x, y, p, weight) for p in grid])
    penalty, coef, intercept = ridge_loo(x, y, grid, weight)
    np.testing.assert_array_equal(penalty, grid[errors.argmin(axis=0)])
    for j in range(5):
        model = Ridge(alpha=penalty[j] * weight.sum()).fit(x, y[:, j], sample_weight=weight)
        np.testing.assert_allclose(coef[j], model.coef_, rtol=1e-6, atol=1e-9)
        assert intercept[j] == pytest.approx(model.intercept_)


@pytest.mark.parametrize("shape", [(150, 20), (40, 60)])
def test_it_chooses_as_ridgecv(shape):
    random = np.random.default_rng(3)
    x, _ = data(*shape)
    y = x @ random.normal(size=(shape[1], 30)) + random.normal(size=(shape[0], 30)) * np.geomspace(0.01, 100, 30)
    grid = np.geomspace(1e-4, 1e3, 20)
    penalty, coef, _ = ridge_loo(x, y, grid)
    oracle = RidgeCV(grid * len(x), alpha_per_target=True).fit(x, y)
    np.testing.assert_allclose(penalty * len(x), oracle.alpha_)
    assert len(set(penalty)) > 3
    np.testing.assert_allclose(coef, oracle.coef_, rtol=1e-5, atol=1e-8)


def test_screening_in_single_precision_changes_no_choice(monkeypatch):
    random = np.random.default_rng(4)
    x, _ = data(200, 30)
    y = x @ random.normal(size=(30, 40)) + random.normal(size=(200, 40)) * np.geomspace(1e-9, 100, 40)
    y[:, :3] *= 1e6
    grid = np.geomspace(1e-8, 1e3, 60)
    plain = ridge_loo(x, y, grid)[0]
    kinds = []
    errors = module._Spectrum.errors
    monkeypatch.setattr(module._Spectrum, "errors", lambda self, *a: kinds.append(a[4:]) or errors(self, *a))
    monkeypatch.setattr(module, "SCREENED", 1)
    monkeypatch.setattr(module, "CACHED", 7 * 200 * 40)
    np.testing.assert_array_equal(ridge_loo(x, y, grid)[0], plain)
    assert (np.float32,) in kinds


def test_ties_go_to_the_larger_penalty():
    x, _ = data()
    assert ridge_loo(x, np.ones((80, 1)), [0.1, 5.0, 1.0])[0][0] == 5.0
    assert RidgeHead().fit(x, np.ones(80)).penalty_ == RIDGE_GRID[-1]


def test_the_heads_grid_is_used_and_chosen_by_leave_one_out():
    x, y = data(60, 10, noise=3.0)
    head = RidgeHead().fit(x, y)
    standard = (x - x.mean(0)) / x.std(0)
    oracle = RidgeCV(np.array(RIDGE_GRID) * 60).fit(standard, y)
    assert head.penalty_ == pytest.approx(oracle.alpha_ / 60)
    assert RIDGE_GRID[0] < head.penalty_ < RIDGE_GRID[-1]
    np.testing.assert_allclose(head.predict(x), oracle.predict(standard), rtol=1e-8)


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), penalty=st.sampled_from(["cv", 0.1]), wide=st.booleans())
def test_order_repetition_and_weights(seed, penalty, wide):
    x, y = data(20, 30 if wide else 4, seed=seed, noise=2.0)
    random = np.random.default_rng(seed)
    plain = RidgeHead(penalty=penalty).fit(x, y)
    order = random.permutation(20)
    np.testing.assert_allclose(
        RidgeHead(penalty=penalty).fit(x[order], y[order]).predict(x), plain.predict(x), rtol=1e-8, atol=1e-8
    )
    times = random.integers(0, 4, 20)
    times[:4] = 1
    weighted = RidgeHead(penalty=penalty).fit(x, y, sample_weight=times)
    repeated = RidgeHead(penalty=penalty).fit(np.repeat(x, times, axis=0), np.repeat(y, times))
    assert weighted.penalty_ == repeated.penalty_
    np.testing.assert_allclose(weighted.predict(x), repeated.predict(x), rtol=1e-8, atol=1e-8)
    removed = RidgeHead(penalty=penalty).fit(x[times > 0], y[times > 0], sample_weight=times[times > 0])
    np.testing.assert_array_equal(weighted.coef_, removed.coef_)


def test_equal_inputs_with_different_values_are_their_mean():
    x, y = data(30, 4)
    both = RidgeHead().fit(np.vstack([x, x]), np.concatenate([y + 1, y - 1]))
    plain = RidgeHead().fit(x, y)
    assert both.penalty_ == plain.penalty_
    np.testing.assert_allclose(both.coef_, plain.coef_, rtol=1e-9)


def test_constant_and_collinear_features_and_few_rows():
    x, y = data(30, 5)
    x[:, 1] = 7.7
    x[:, 2] = x[:, 3]
    head = RidgeHead().fit(x, y)
    assert head.coef_[0, 1] == 0
    assert head.coef_[0, 2] == pytest.approx(head.coef_[0, 3])
    assert RidgeHead().fit(x[:2], y[:2]).penalty_ == 1.0
    one = RidgeHead().fit(np.ones((4, 2)), np.arange(4.0))
    np.testing.assert_allclose(one.predict(np.array([[5.0, 6.0]])), [1.5])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("penalty", [None, [0.01, 1.0, 0.1]])
def test_heads_fitted_together_equal_heads_fitted_alone(weighted, penalty):
    x, y = data(40, 5, k=3, noise=3.0)
    weight = np.random.default_rng(0).integers(0, 3, size=(3, 40)).astype(float) if weighted else None
    if weighted:
        weight[2] = weight[0]
    heads = RidgeHead().fit_many(x, y.T[:, :, None], weight, penalty)
    for j, head in enumerate(heads):
        alone = RidgeHead(penalty="cv" if penalty is None else penalty[j])
        alone = alone.fit(x, y[:, j], sample_weight=None if weight is None else weight[j])
        assert head.penalty_ == alone.penalty_
        np.testing.assert_allclose(head.coef_, alone.coef_, rtol=1e-9, atol=1e-12)
    assert len({h.fingerprint_ for h in heads}) == 3


def test_value_tables_scores_and_logits():
    x, y = data(60, 5)
    rows = Rows.from_arrays(f=x, g=x[:, :2])
    table = WeakLabels.from_probs(y, None, covered=np.arange(60) < 40)
    head = RidgeHead(on="f", penalty=0.1).fit(rows, table)
    np.testing.assert_array_equal(head.coef_, RidgeHead(penalty=0.1).fit(x[:40], y[:40]).coef_)
    assert head.logits(rows).shape == (60, 1)
    assert head.score(rows, table) == pytest.approx(RidgeHead(penalty=0.1).fit(x[:40], y[:40]).score(x[:40], y[:40]))
    assert head.needs().views == {"f"}
    with pytest.raises(InputError, match="name classes"):
        head.score(rows, WeakLabels.from_names(["a"] * 60, ["a", "b"]))
    with pytest.raises(NeedsError, match="bare array"):
        head.predict(x)
    search = GridSearchCV(RidgeHead("f"), {"penalty": [0.01, 100.0]}, cv=KFold(3)).fit(
        rows, WeakLabels.from_probs(y, None)
    )
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_params_ == {"penalty": 0.01}


def test_what_it_refuses():
    x, y = data(20)
    RidgeHead().fit(x, y, objective=Squared())
    with pytest.raises(InputError, match="not for CrossEntropy"):
        RidgeHead().fit(x, y, objective=CrossEntropy())
    with pytest.raises(LabelsError, match="cannot learn classes"):
        RidgeHead().fit(Rows.from_arrays(f=x), WeakLabels.from_names(["a", "b"] * 10, ["a", "b"]))
    with pytest.raises(InputError, match="'cv' or a positive number"):
        RidgeHead(penalty=0).fit(x, y)
    with pytest.raises(InputError, match=r"shape \(k, n, 1\)"):
        RidgeHead().fit_many(x, np.ones((1, 20, 2)))
    for bad in (([1.0, -1.0],), ([],), (np.ones((2, 2)),)):
        with pytest.raises(InputError, match="positive penalties"):
            ridge_loo(x, y[:, None], *bad)
    with pytest.raises(InputError, match="same rows"):
        ridge_loo(x, y[:5, None], [1.0])
    with pytest.raises(InputError, match="20 non-negative weights"):
        ridge_loo(x, y[:, None], [1.0], np.zeros(20))

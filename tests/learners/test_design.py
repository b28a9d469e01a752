from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from outgrow.learners.design import ABSENT, BLOCK, Design, moments
from outgrow.learners.losses import ClosedCrossEntropy


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(2, 30), st.integers(1, 5), st.floats(-1e5, 1e5))
def test_moments_are_the_weighted_ones(seed, k, n, d, shift):
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, d)) + shift
    weight = random.random((k, n)) + 0.01
    weight /= weight.sum(axis=1, keepdims=True)
    mean, deviation = moments(x, weight)
    for j in range(k):
        np.testing.assert_allclose(mean[j], np.average(x, axis=0, weights=weight[j]), rtol=1e-12, atol=1e-12)
        variance = np.average((x - mean[j]) ** 2, axis=0, weights=weight[j])
        np.testing.assert_allclose(deviation[j] ** 2, variance, rtol=1e-6, atol=1e-13 * (1 + shift**2))


def test_moments_do_not_depend_on_the_block():
    x = np.random.default_rng(0).normal(size=(2 * BLOCK + 17, 2)) + 3
    weight = np.full((1, len(x)), 1 / len(x))
    mean, deviation = moments(x, weight)
    np.testing.assert_allclose(mean[0], x.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(deviation[0], x.std(axis=0), rtol=1e-12)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6 / 3, -31680.7])
def test_a_constant_feature_counts_as_one(value):
    x = np.full((1000, 1), value)
    weight = np.random.default_rng(0).random((1, 1000))
    assert moments(x, weight / weight.sum())[1][0, 0] == 0


def test_a_small_spread_on_a_large_mean_is_no_constant():
    x = 3e4 + np.random.default_rng(0).normal(size=(500, 1)) * 1e-3
    assert moments(x, np.full((1, 500), 1 / 500))[1][0, 0] == pytest.approx(x.std(), rel=1e-4)


def test_standardised_features_and_back():
    random = np.random.default_rng(1)
    x = random.normal(size=(50, 3)) * [1, 100, 1e-3] + [0, 1e4, 5]
    design = Design.of(x, np.ones((1, 50)))
    made = design.x.numpy()
    np.testing.assert_allclose(made[:, :3].mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(made[:, :3].std(axis=0), 1, rtol=1e-9)
    assert (made[:, 3] == 1).all()
    theta = torch.from_numpy(random.normal(size=(1, 1, 4)))
    coef, intercept = design.original(theta, torch.ones_like(theta, dtype=torch.bool))
    np.testing.assert_allclose(x @ coef[0, 0] + intercept[0, 0], made @ theta[0, 0].numpy(), rtol=1e-9, atol=1e-9)


def test_the_start_predicts_the_class_shares():
    targets = torch.tensor([[[0.5, 0.5, 0.0], [0.1, 0.9, 0.0]]], dtype=torch.float64)
    design = Design.of(np.array([[0.0], [1.0]]), np.array([[1.0, 3.0]]))
    theta, free = design.start(targets)
    shares = torch.softmax(theta[0, :, -1], 0)
    np.testing.assert_allclose(shares[:2], [0.2, 0.8], rtol=1e-9)
    assert theta[0, 2].tolist() == [0.0, -ABSENT]
    assert not free[0, 2].any()
    assert free[0, :2].all()


def test_centring_columns_changes_no_probability():
    random = np.random.default_rng(2)
    design = Design.of(random.normal(size=(8, 2)), np.ones((1, 8)))
    theta = torch.from_numpy(random.normal(size=(1, 3, 3)))
    coef, intercept = design.original(theta, torch.ones_like(theta, dtype=torch.bool))
    np.testing.assert_allclose(coef[0].sum(axis=0), 0, atol=1e-12)
    x = design.x[:, :2].numpy() * design.scale + design.mean
    ours = torch.softmax(torch.from_numpy(x @ coef[0].T + intercept[0]), -1)
    torch.testing.assert_close(ours, torch.softmax(design.x @ theta[0].T, -1))


@pytest.mark.parametrize("c", [2, 4])
def test_few_rows_of_many_features_are_fitted_in_their_span_to_the_same_optimum(c, monkeypatch):
    random = np.random.default_rng(c)
    x = random.normal(size=(60, 1500))
    x[:, 7] = 3.0
    x[5] = x[6]
    weight = random.random((1, 60)) + 0.1
    targets = torch.from_numpy(random.dirichlet(np.ones(c), 60))[None]
    penalty, tol = torch.tensor([0.1], dtype=torch.float64), 1e-8
    found = []
    for narrow in (2, 10**9):
        monkeypatch.setattr("outgrow.learners.design.NARROW", narrow)
        design = Design.of(x, weight)
        assert (design.turn is not None) == (narrow == 2)
        start, free = design.start(targets)
        solved = design.solve(ClosedCrossEntropy.of(targets, design.weight), penalty, start, free, tol)
        assert solved.converged.all()
        found.append(design.original(solved.theta, free))
    coef, intercept = found[0]
    np.testing.assert_allclose(coef, found[1][0], atol=1e-6)
    np.testing.assert_allclose(intercept, found[1][1], atol=1e-6)
    assert (coef[..., 7] == 0).all()
    # The promise is on the gradient in the features' own coordinates.
    share = weight[0] / weight.sum()
    mean = share @ x
    scale = np.sqrt(share @ (x - mean) ** 2)
    scale[7] = 1.0
    z = (x - mean) / scale
    logits = x @ coef[0].T + intercept[0]
    logits = np.concatenate([-logits / 2, logits / 2], axis=1) if c == 2 else logits
    residual = torch.softmax(torch.from_numpy(logits), dim=1).numpy() - targets[0].numpy()
    residual = residual[:, 1:] if c == 2 else residual
    gradient = (share[:, None] * residual).T @ z + 0.1 * coef[0] * scale
    assert np.abs(np.delete(gradient, 7, axis=1)).max() < 2 * tol

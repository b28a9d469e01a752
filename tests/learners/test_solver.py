from __future__ import annotations

import numpy as np
import pytest
import torch

from outgrow.learners.losses import ClosedCrossEntropy, RowLoss
from outgrow.learners.objective import Squared
from outgrow.learners.solver import Basis, solve


def problem(n=80, d=6, k=3, c=2, seed=0, spread=1.0):
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, d)) @ (random.normal(size=(d, d)) * np.geomspace(1, spread, d))
    x = torch.from_numpy(np.hstack([(x - x.mean(0)) / x.std(0), np.ones((n, 1))]))
    targets = torch.from_numpy(random.dirichlet(np.ones(c) * 0.3, size=(k, n)))
    weight = torch.full((1, n), 1 / n, dtype=torch.float64)
    return x, targets, weight, Basis.of(x[:, :-1], weight[0])


def objective(x, loss, penalty, theta):
    k, q, width = theta.shape
    z = (x @ theta.reshape(k * q, width).T).reshape(-1, k, q)
    return loss.evaluate(z)[0] + 0.5 * penalty * (theta[..., :-1] ** 2).sum((1, 2))


@pytest.mark.parametrize("c", [2, 4])
@pytest.mark.parametrize("shape", [(80, 6), (20, 50)])
def test_the_gradient_at_the_solution_is_small_in_the_stated_norm(c, shape):
    x, targets, weight, basis = problem(*shape, c=c)
    loss = ClosedCrossEntropy.of(targets, weight)
    penalty = torch.tensor([0.01, 0.1, 1.0], dtype=torch.float64)
    start = torch.zeros((3, 1 if c == 2 else c, x.shape[1]), dtype=torch.float64)
    found = solve(x, loss, penalty, basis, start, tol=1e-9)
    assert found.converged.all()
    theta = found.theta.clone().requires_grad_(True)
    differentiable = RowLoss(lambda z, t: -(t * torch.log_softmax(z, -1)).sum(-1), targets, weight)
    k, q, width = theta.shape
    z = (x @ theta.reshape(k * q, width).T).reshape(-1, k, q)
    total = (differentiable._value(z) + 0.5 * penalty * (theta[..., :-1] ** 2).sum((1, 2))).sum()
    (gradient,) = torch.autograd.grad(total, theta)
    np.testing.assert_allclose(gradient.abs().amax((1, 2)).numpy(), found.gradient.numpy(), atol=1e-12)
    assert gradient.abs().max() <= 1.001e-9


def test_heads_do_not_influence_each_other():
    x, targets, weight, basis = problem(k=6, spread=1e-2)
    penalty = torch.logspace(-4, 1, 6, dtype=torch.float64)
    start = torch.zeros((6, 1, x.shape[1]), dtype=torch.float64)
    loss = ClosedCrossEntropy.of(targets, weight)
    together = solve(x, loss, penalty, basis, start, tol=1e-8)
    assert len(set(together.steps.tolist())) > 1, "some heads must leave before others for this test to say anything"
    for head in range(6):
        one = torch.tensor([head])
        alone = solve(x, loss.take(one), penalty[one], basis, start[one], tol=1e-8)
        assert alone.steps[0] == together.steps[head]
        torch.testing.assert_close(alone.theta[0], together.theta[head], rtol=1e-9, atol=1e-11)


def test_the_solution_does_not_depend_on_the_preconditioner_or_the_start():
    x, targets, weight, basis = problem(spread=1e-3, c=3)
    penalty = torch.full((3,), 1e-3, dtype=torch.float64)
    loss = ClosedCrossEntropy.of(targets, weight)
    zero = torch.zeros((3, 3, x.shape[1]), dtype=torch.float64)
    good = solve(x, loss, penalty, basis, zero, tol=1e-10)
    plain = solve(x, loss, penalty, Basis(None, torch.ones(1, dtype=torch.float64)), zero, tol=1e-10)
    far = solve(x, loss, penalty, basis, zero + 3, tol=1e-10)
    assert good.converged.all()
    assert plain.converged.all()
    assert far.converged.all()
    assert good.steps.max() < plain.steps.max(), "the preconditioner must pay on badly scaled features"
    values = [objective(x, loss, penalty, s.theta) for s in (good, plain, far)]
    torch.testing.assert_close(values[0], values[1], rtol=1e-12, atol=0)
    torch.testing.assert_close(values[0], values[2], rtol=1e-12, atol=0)


def test_a_quadratic_is_solved_to_its_closed_form():
    x, _, weight, basis = problem(k=1)
    y = torch.randn((1, len(x), 1), dtype=torch.float64)
    loss = RowLoss(Squared().rows, y, weight)
    penalty = torch.tensor([0.3], dtype=torch.float64)
    found = solve(x, loss, penalty, basis, torch.zeros((1, 1, x.shape[1]), dtype=torch.float64), tol=1e-11)
    ridge = torch.diag(torch.tensor([0.3] * (x.shape[1] - 1) + [0.0], dtype=torch.float64))
    exact = torch.linalg.solve(x.T @ x / len(x) + ridge, x.T @ y[0] / len(x))
    torch.testing.assert_close(found.theta[0, 0], exact[:, 0], rtol=1e-9, atol=1e-10)
    assert found.steps[0] <= 3, "the preconditioner is exact here"


def test_a_row_loss_that_is_not_convex_still_ends_at_a_stationary_point():
    x, targets, weight, basis = problem(c=3)

    def reverse(z, t):
        logs = torch.log_softmax(z, -1)
        return (logs.exp() * (logs - t.clamp_min(1e-6).log())).sum(-1)

    loss = RowLoss(reverse, targets, weight)
    start = torch.randn((3, 3, x.shape[1]), dtype=torch.float64)
    penalty = torch.full((3,), 0.05, dtype=torch.float64)
    before = objective(x, loss, penalty, start)
    found = solve(x, loss, penalty, basis, start, tol=1e-8)
    assert found.converged.all()
    assert (objective(x, loss, penalty, found.theta) < before).all()


def test_held_entries_stay_where_they_start():
    x, targets, weight, basis = problem(c=3)
    free = torch.ones((3, 3, x.shape[1]), dtype=torch.bool)
    free[1, 2] = False
    start = torch.zeros(free.shape, dtype=torch.float64)
    start[1, 2, -1] = -30
    loss = ClosedCrossEntropy.of(targets, weight)
    found = solve(x, loss, torch.ones(3, dtype=torch.float64), basis, start, tol=1e-6, free=free)
    assert torch.equal(found.theta[1, 2], start[1, 2])
    assert found.theta[1, :2].abs().sum() > 0


def test_too_few_steps_are_reported_not_hidden():
    x, targets, weight, basis = problem()
    loss = ClosedCrossEntropy.of(targets, weight)
    start = torch.zeros((3, 1, x.shape[1]), dtype=torch.float64)
    found = solve(x, loss, torch.full((3,), 1e-3, dtype=torch.float64), basis, start, tol=1e-9, max_steps=1)
    assert not found.converged.any()
    assert (found.steps == 1).all()
    assert (found.gradient > 1e-9).all()


def test_an_impossible_tolerance_ends_at_rounding():
    x, targets, weight, basis = problem()
    loss = ClosedCrossEntropy.of(targets, weight)
    start = torch.zeros((3, 1, x.shape[1]), dtype=torch.float64)
    found = solve(x, loss, torch.ones(3, dtype=torch.float64), basis, start, tol=1e-300)
    assert found.steps.max() < 2000
    assert found.gradient.max() < 1e-13


def test_the_basis_inverts_what_it_says():
    for n, d in ((40, 7), (9, 30)):
        x, _, weight, basis = problem(n, d, k=2)
        h, penalty = torch.tensor([[0.2], [0.1]], dtype=torch.float64), torch.tensor([0.5, 0.01], dtype=torch.float64)
        v = torch.randn((2, 1, d + 1), dtype=torch.float64)
        got = basis.apply(v, h, penalty)
        features = x[:, :-1]
        moment = features.T @ (features * weight[0][:, None])
        for j in range(2):
            hessian = h[j, 0] * moment + penalty[j] * torch.eye(d, dtype=torch.float64)
            torch.testing.assert_close(hessian @ got[j, 0, :-1], v[j, 0, :-1], rtol=1e-8, atol=1e-8)
            assert got[j, 0, -1] == pytest.approx((v[j, 0, -1] / h[j, 0]).item())

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from outgrow.learners.losses import ClosedCrossEntropy, RowLoss, class_logits, columns, loss_of
from outgrow.learners.objective import CrossEntropy, Squared


def problem(seed: int, k: int, n: int, c: int, shared: bool = False):
    random = np.random.default_rng(seed)
    targets = torch.from_numpy(random.dirichlet(np.ones(c), size=(k, n)))
    weight = torch.from_numpy(random.random((1 if shared else k, n)))
    z = torch.from_numpy(3 * random.normal(size=(n, k, columns(c))))
    return targets, weight / weight.sum(1, keepdim=True), z


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 9), st.integers(2, 5), st.booleans())
def test_closed_cross_entropy_equals_the_differentiated_one(seed, k, n, c, shared):
    targets, weight, z = problem(seed, k, n, c, shared)
    closed, general = ClosedCrossEntropy.of(targets, weight), RowLoss(CrossEntropy().rows, targets, weight)
    for mine, theirs in zip(closed.evaluate(z), general.evaluate(z)):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-13)
    torch.testing.assert_close(closed.curvature(z), general.curvature(z), rtol=1e-9, atol=1e-12)
    heads = torch.arange(k)[::2]
    torch.testing.assert_close(closed.take(heads).evaluate(z[:, heads])[0], closed.evaluate(z)[0][heads])
    torch.testing.assert_close(general.take(heads).evaluate(z[:, heads])[1], general.evaluate(z)[1][:, heads])


@pytest.mark.parametrize("c", [2, 4])
@pytest.mark.parametrize("closed", [True, False])
def test_gradients_equal_finite_differences(c, closed):
    targets, weight, z = problem(0, 2, 5, c)
    loss = ClosedCrossEntropy.of(targets, weight) if closed else RowLoss(reverse, targets, weight)
    gradient = loss.evaluate(z)[1]
    step = 1e-6
    for index in np.ndindex(*z.shape):
        up, down = z.clone(), z.clone()
        up[index] += step
        down[index] -= step
        slope = (loss.evaluate(up)[0] - loss.evaluate(down)[0])[index[1]] / (2 * step)
        assert slope.item() == pytest.approx(gradient[index].item(), rel=1e-5, abs=1e-9)


def reverse(logits, targets):
    logs = torch.log_softmax(logits, -1)
    return (logs.exp() * (logs - targets.clamp_min(1e-9).log())).sum(-1)


def test_targets_that_sum_to_almost_one_are_taken_as_they_are():
    targets, weight, z = problem(1, 1, 6, 2)
    targets = targets * 1.0007
    mine = ClosedCrossEntropy.of(targets, weight).evaluate(z)
    theirs = RowLoss(CrossEntropy().rows, targets, weight).evaluate(z)
    torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("c", [2, 3])
def test_far_logits_do_not_overflow(c):
    targets, weight, z = problem(2, 1, 4, c)
    value, gradient = ClosedCrossEntropy.of(targets, weight).evaluate(z * 1e5)
    assert torch.isfinite(value).all()
    assert torch.isfinite(gradient).all()


def test_two_classes_share_one_column():
    z = torch.tensor([[[1.5]], [[-2.0]]])
    assert class_logits(z, 2).tolist() == [[[-0.75, 0.75], [1.0, -1.0]]]
    assert [columns(c) for c in (1, 2, 3)] == [1, 1, 3]


def test_curvature_of_a_linear_row_loss_is_one_not_an_error():
    targets, weight, z = problem(3, 2, 4, 3)
    assert torch.equal(RowLoss(lambda z, t: (z * t).sum(-1), targets, weight).curvature(z), torch.ones(2, 3))
    squares = RowLoss(Squared().rows, targets, weight).curvature(z)
    torch.testing.assert_close(squares, torch.ones(2, 3, dtype=torch.float64))


def test_the_closed_form_serves_objectives_that_borrow_the_row_loss():
    class Borrowed:
        moves = True
        rows = CrossEntropy.rows

    targets, weight, _ = problem(4, 1, 3, 2)
    assert isinstance(loss_of(None, targets, weight), ClosedCrossEntropy)
    assert isinstance(loss_of(Borrowed(), targets, weight), ClosedCrossEntropy)
    assert isinstance(loss_of(Squared(), targets, weight), RowLoss)

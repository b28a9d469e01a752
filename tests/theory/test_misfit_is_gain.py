"""Oracles of the theory papers, on worlds where the theorems hold exactly or are known to fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch

from outgrow.forecasts import KLMisfit, Misfit
from outgrow.forecasts.kl_misfit import kl
from outgrow.forecasts.misfit import squared_misfit
from outgrow.learners.linear import LinearHead
from outgrow.learners.objective import Fixed
from outgrow.learners.ridge import RidgeHead
from outgrow.methods import Naive
from outgrow.scores.metrics import mse
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.rows import Rows


@dataclass(frozen=True)
class ReverseKL(Fixed):
    """KL(student || weak), the objective of Mulgund and Pabbaraju 2025."""

    reverse_kl: ClassVar[bool] = True

    def rows(self, logits, targets):
        log_p = torch.log_softmax(logits, dim=-1)
        return (log_p.exp() * (log_p - targets.clamp_min(1e-12).log())).sum(-1)


def linear_world(n: int, d: int, seed: int):
    """A linear truth, and a supervisor that is a smooth function outside the student's linear set."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, d))
    truth = x @ random.normal(size=d) + 1.0
    weak = 0.6 * truth + np.sin(3 * x[:, 0]) * np.abs(x[:, 1]) + 0.5 * np.maximum(x[:, 2], 0) ** 2
    return x, truth, weak


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_gain_equals_squared_misfit_on_a_linear_set(seed):
    """Charikar et al. 2024, theorem 1: an equality where the student's functions are a linear subspace that holds the truth."""
    x, truth, weak = linear_world(400_000, 8, seed)
    rows = Rows.from_arrays(X=x)
    train, select = slice(200_000), slice(200_000, 400_000)
    labels = WeakLabels.from_probs(weak, None)
    student = Naive(RidgeHead(penalty=1e-9)).fit(rows[train], labels[train])
    (forecast,) = Misfit().predict(student, rows[select], labels[select])
    gain = mse(weak[select][:, None], truth[select]) - mse(student.logits(rows[select]), truth[select])
    assert forecast.broken == ()
    assert forecast.unit == "mse"
    assert gain > 0.3
    assert forecast.value == pytest.approx(gain, rel=0.02)


def test_on_the_training_rows_the_projection_is_exact():
    x, truth, weak = linear_world(500, 8, 3)
    student = Naive(RidgeHead(penalty=1e-12)).fit(x, weak)
    fitted = student.predict(x)
    design = np.c_[x, np.ones(500)]
    assert np.allclose(fitted, design @ np.linalg.lstsq(design, weak, rcond=None)[0], atol=1e-6)
    gain = mse(weak[:, None], truth) - mse(fitted[:, None], truth)
    assert gain == pytest.approx(squared_misfit(fitted[:, None], weak[:, None]), rel=1e-6)


def test_a_truth_outside_the_set_breaks_the_equality():
    x, truth, weak = linear_world(5_000, 8, 4)
    bent = truth + 2 * np.sin(3 * x[:, 0])
    student = Naive(RidgeHead(penalty=1e-9)).fit(x, weak)
    fitted = student.logits(x)
    gain = mse(weak[:, None], bent) - mse(fitted, bent)
    assert abs(gain - squared_misfit(fitted, weak[:, None])) > 0.1 * squared_misfit(fitted, weak[:, None])


def soft_world(n: int = 4_000, d: int = 4, c: int = 3, seed: int = 0):
    """A softmax-linear truth, and a supervisor whose logits bend away from it."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, d))

    def softmax(z):
        e = np.exp(z - z.max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)

    z = x @ random.normal(size=(d, c))
    bend = np.stack([np.sin(2 * x[:, j % d]) + 0.5 * x[:, (j + 1) % d] ** 2 for j in range(c)], axis=1)
    return x, softmax(z), softmax(z + bend)


def cross_entropy(truth, guess):
    return float(-(truth * np.log(np.maximum(guess, 1e-12))).sum(1).mean())


@pytest.mark.parametrize("seed", range(4))
def test_a_student_of_reverse_kl_gains_its_misfit(seed):
    """Mulgund and Pabbaraju 2025: gain >= KL(student || weak) on a realizable world; one softmax head is not convex, but nearly tight."""
    x, truth, weak = soft_world(seed=seed)
    rows, labels = Rows.from_arrays(X=x), WeakLabels.from_probs(weak, ["a", "b", "c"])
    head = LinearHead(penalty=1e-9).fit(rows, labels, objective=ReverseKL())
    student = head.predict_proba(rows)
    gain = cross_entropy(truth, weak) - cross_entropy(truth, student)
    misfit = kl(student, weak)
    assert gain > 0.05
    assert gain >= misfit * (1 - 0.1)


def hull(seed: int, reverse: bool):
    """Mixture weights over 12 fixed predictors, which is a convex set that holds the truth; returns gain less misfit."""
    random = np.random.default_rng(seed)
    parts = random.dirichlet(np.ones(5), size=(12, 200))
    truth = np.einsum("k,knc->nc", random.dirichlet(np.full(12, 20.0)), parts)
    noisy = truth * np.exp(0.8 * random.normal(size=truth.shape))
    weak = noisy / noisy.sum(1, keepdims=True)
    basis, goal = torch.from_numpy(parts), torch.from_numpy(weak)

    def loss(theta):
        mix = torch.einsum("k,knc->nc", torch.softmax(theta, 0), basis)
        if reverse:
            return ReverseKL().rows(mix.log(), goal).mean()
        return -(goal * mix.log()).sum(-1).mean()

    theta = torch.zeros(12, dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS(
        [theta], max_iter=200, tolerance_grad=1e-10, tolerance_change=1e-14, line_search_fn="strong_wolfe"
    )

    def closure():
        solver.zero_grad()
        value = loss(theta)
        value.backward()
        return value

    solver.step(closure)
    student = torch.einsum("k,knc->nc", torch.softmax(theta.detach(), 0), basis).numpy()
    return cross_entropy(truth, weak) - cross_entropy(truth, student) - kl(student, weak)


def test_on_a_convex_set_reverse_kl_never_violates_the_inequality_and_cross_entropy_may():
    reverse = [hull(seed, True) for seed in range(6)]
    forward = [hull(seed, False) for seed in range(6)]
    assert min(reverse) > -1e-4
    assert sum(slack < -1e-4 for slack in forward) >= 2


@pytest.mark.parametrize("seed", range(3))
def test_the_dual_identity_of_cross_entropy(seed):
    """Card: KL(weak || truth) - KL(student || truth) = KL(weak || student) for a softmax-linear student of soft labels."""
    x, truth, weak = soft_world(seed=seed)
    rows, labels = Rows.from_arrays(X=x), WeakLabels.from_probs(weak, ["a", "b", "c"])
    student = Naive(LinearHead(penalty=1e-12, tol=1e-9)).fit(rows, labels)
    ours = student.predict_proba(rows)
    forward = next(f for f in KLMisfit().predict(student, rows, labels) if f.order == "weak || student")
    assert forward.value > 0.02
    assert forward.value == pytest.approx(kl(weak, truth) - kl(ours, truth), abs=1e-4)


def test_a_reverse_kl_student_keeps_its_assumption():
    x, _, weak = soft_world(n=300)
    rows, labels = Rows.from_arrays(X=x), WeakLabels.from_probs(weak, ["a", "b", "c"])
    method = Naive(LinearHead(penalty=0.1)).fit(rows, labels)
    method._train(rows, labels, np.ones(300), ReverseKL())
    reverse, forward = KLMisfit().predict(method, rows, labels)
    assert reverse.broken == ()
    assert "not trained by cross-entropy on the weak labels" in forward.broken

"""Features made ready for a linear head: used rows, standardised, with a column of ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from outgrow.learners.losses import MeanLoss, columns
from outgrow.learners.solver import Basis, Solution, solve

__all__ = ["ABSENT", "Design", "moments"]

BLOCK = 8192
ABSENT = 30.0
NARROW = 2
WIDE = 1024
"""Features are turned into the span of the rows where they are at least so many, and so many times as many as the rows."""


def moments(x: NDArray[np.float64], weight: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (k, d) weighted means and standard deviations; the deviation of a constant feature is 0.

    Parameters
    ----------
    x : ndarray of shape (n, d)
    weight : ndarray of shape (k, n)
        Each line sums to one.
    """
    n = x.shape[0]
    mean = _sums(weight, x)
    centre = mean.mean(axis=0)
    square = np.zeros_like(mean)
    for at in range(0, n, BLOCK):
        block = x[at : at + BLOCK] - centre
        np.square(block, out=block)
        square += weight[:, at : at + BLOCK] @ block
    variance = np.maximum(square - (mean - centre) ** 2, 0)
    eps = np.finfo(np.float64).eps
    constant = variance <= n * eps * variance + (n * eps * mean) ** 2
    constant |= variance <= 100 * eps * (mean - centre) ** 2
    return mean, np.sqrt(np.where(constant, 0.0, variance))


def _sums(weight: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    total = np.zeros((len(weight), x.shape[1]))
    for at in range(0, len(x), BLOCK):
        total += weight[:, at : at + BLOCK] @ x[at : at + BLOCK]
    return total


@dataclass(frozen=True, eq=False)
class Design:
    """Standardised features of k heads on the same rows.

    Parameters
    ----------
    x : Tensor of shape (n, d + 1), or (n, n + 1) where ``turn`` is given
        Standardised by the heads' mean statistics; last column ones.
    weight : Tensor of shape (k or 1, n)
        Each line sums to one.
    mean, scale : ndarray of shape (d,)
        What ``x`` was centred and divided by.
    ratio : Tensor of shape (k, d), optional
        Each head's own deviation over ``scale``, where heads differ in their weights: the penalty is on coefficients of features that
        are standardised over the head's own rows.
    live : Tensor of shape (k or 1, d), bool
        Features that are not constant over a head's rows; the others keep a coefficient of zero.
    basis : Basis
    turn : Tensor of shape (d, n), optional
        Orthonormal columns that span the rows. Coefficients under a ridge lie in that span, so heads of few rows and many features are
        fitted in n coordinates instead of d: the same optimum. Only where all heads share their weights, and with them the ridge.
    """

    x: Tensor
    weight: Tensor
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    ratio: Tensor | None
    live: Tensor
    basis: Basis
    turn: Tensor | None = None

    @classmethod
    def of(
        cls, x: NDArray[np.float64], weight: NDArray[np.float64], basis: Basis | None = None, turn: bool = True
    ) -> Design:
        """Standardise (n, d) features under (k or 1, n) weights.

        ``basis`` may come from other rows of the same features, not turned; a turned design has its own. ``turn=False`` keeps the
        features' own coordinates.
        """
        weight = weight / weight.sum(axis=1, keepdims=True)
        means, deviations = moments(x, weight)
        mean = means.mean(axis=0)
        scale = deviations[0] if len(weight) == 1 else np.sqrt((deviations**2).mean(axis=0))
        scale = np.where(scale > 0, scale, 1.0)
        n, d = x.shape
        out = torch.empty((n, d + 1), dtype=torch.float64)
        out[:, d] = 1
        view = out.numpy()
        for at in range(0, n, BLOCK):
            block = view[at : at + BLOCK, :d]
            np.subtract(x[at : at + BLOCK], mean, out=block)
            block /= scale
        ratio = torch.from_numpy(deviations / scale) if len(weight) > 1 else None
        if ratio is None and not (deviations > 0).all():
            view[:, :d][:, deviations[0] == 0] = 0
        shares, live = torch.from_numpy(weight), torch.from_numpy(deviations > 0)
        if turn and ratio is None and d >= max(WIDE, NARROW * n):
            span, rest = torch.linalg.qr(out[:, :d].T)
            out = torch.cat([rest.T, out[:, d:]], dim=1)
            return cls(out, shares, mean, scale, None, live, Basis.of(out[:, :-1], shares[0]), span)
        return cls(out, shares, mean, scale, ratio, live, basis or Basis.of(out[:, :d], shares.mean(0)))

    def start(self, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return where (k, n, c) targets let heads start, (k, q, columns of x), and which entries may move.

        Coefficients start at zero and intercepts at the log shares of the targets. A class without any target weight has no optimum (its
        intercept would fall for ever): it keeps zero coefficients and an intercept 30 below the mean of the others, a probability under
        1e-13.
        """
        k, _, c = targets.shape
        q = columns(c)
        share = (self.weight[:, :, None] * targets).sum(1)
        share = share / share.sum(-1, keepdim=True)
        alive = share > 0
        logs = torch.where(alive, share.clamp_min(1e-300).log(), 0.0)
        logs = torch.where(alive, logs - (logs.sum(-1) / alive.sum(-1))[:, None], -ABSENT)
        theta = torch.zeros((k, q, self.x.shape[1]), dtype=torch.float64)
        free = torch.ones_like(theta, dtype=torch.bool)
        if c == 2:
            theta[:, 0, -1] = logs[:, 1] - logs[:, 0]
            free &= alive.all(-1)[:, None, None]
        else:
            theta[..., -1] = logs if c > 1 else 0.0
            free &= alive[..., None] | torch.tensor(c == 1)
        if self.turn is None:
            free[..., :-1] &= self.live[:, None, :]
        return theta, free

    def solve(self, loss: MeanLoss, penalty: Tensor, start: Tensor, free: Tensor, tol: float) -> Solution:
        """Minimise one batch of heads on these rows, to ``tol`` on the largest entry of the gradient in the features' coordinates."""
        if self.turn is not None:
            # An entry there is at most the length of the gradient here.
            tol /= self.turn.shape[1] ** 0.5
        return solve(
            self.x, loss, penalty, self.basis, start, tol=tol, ratio=self.ratio, free=None if free.all() else free
        )

    def original(self, theta: Tensor, free: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (k, q, d) coefficients and (k, q) intercepts for features in their own units.

        Logits of several columns are shifted to a mean of zero over the classes that have targets, which changes no probability.
        """
        theta = theta.clone()
        if theta.shape[1] > 1:
            alive = free[..., -1].to(theta.dtype)[..., None]
            centre = (theta * alive).sum(1, keepdim=True) / alive.sum(1, keepdim=True).clamp_min(1)
            theta = theta - alive * centre
        found = theta[..., :-1]
        if self.turn is not None:
            found = torch.where(self.live[:, None, :], found @ self.turn.T, 0.0)
        coef = found.numpy() / self.scale
        return coef, theta[..., -1].numpy() - coef @ self.mean

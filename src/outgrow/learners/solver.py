"""L-BFGS for many linear heads at once.

Each head minimises its weighted mean row loss plus a ridge. All active heads share one pair of matrix products a step (features times
directions, features times residuals); because logits are linear in the coefficients, a line search needs no further product. Step sizes,
curvature pairs and convergence are per head, and converged heads leave.

The two-loop recursion is Nocedal and Wright, "Numerical Optimization" (2006), algorithm 7.4. Its initial matrix is ours: the inverse of
``h X'WX + penalty`` with h the mean curvature of the row loss, through one eigendecomposition shared by all heads, so badly scaled
features cost few steps even under a small penalty.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from outgrow.learners.losses import MeanLoss

__all__ = ["MAX_STEPS", "Basis", "Solution", "solve"]

MAX_STEPS = 2000
MEMORY = 10
TRIES = 25
ARMIJO = 1e-4
WOLFE = 0.9
ROUNDING = 1e-14
LEAST_CURVATURE = 1e-4
BASIS_ROWS = 16384
BASIS_WIDTH = 2048


@dataclass(frozen=True, eq=False)
class Basis:
    """Eigenvectors of the features' second moment: the preconditioner of every solve on these features.

    Parameters
    ----------
    vectors : Tensor of shape (d, r), optional
        None: features count as uncorrelated.
    values : Tensor of shape (r,)
    """

    vectors: Tensor | None
    values: Tensor

    @classmethod
    def of(cls, x: Tensor, weight: Tensor) -> Basis:
        """Decompose (n, d) standardised features under (n,) weights; above 16,384 rows every so many-th row stands for all.

        Where both n and d exceed 2,048 no decomposition is made: it would cost more than the steps it saves.
        """
        every = max(1, len(x) // BASIS_ROWS)
        x, weight = x[::every], weight[::every]
        n, d = x.shape
        if min(n, d) > BASIS_WIDTH:
            return cls(None, torch.ones(1, dtype=x.dtype))
        scaled = x * (weight / weight.sum()).sqrt()[:, None]
        if d <= n:
            values, vectors = torch.linalg.eigh(scaled.T @ scaled)
            return cls(vectors, values.clamp_min(0))
        values, left = torch.linalg.eigh(scaled @ scaled.T)
        keep = values > values[-1].clamp_min(0) * 1e-10
        values, left = values[keep], left[:, keep]
        return cls(scaled.T @ left / values.sqrt(), values)

    def apply(self, v: Tensor, curvature: Tensor, penalty: Tensor) -> Tensor:
        """Multiply (k, q, d + 1) vectors by the approximate inverse Hessian; the last entry is the intercept.

        ``curvature`` is (k, q), ``penalty`` (k,).
        """
        h = curvature[..., None]
        ridge = penalty[:, None, None]
        out = v / h
        features = v[..., :-1]
        if self.vectors is None:
            out[..., :-1] = features / (h + ridge)
            return out
        top = self.values[-1] if len(self.values) else torch.ones((), dtype=v.dtype)
        least = 1e-10 * h * top.clamp_min(1e-12)
        inverse = 1 / torch.maximum(h * self.values + ridge, least)
        k, q, d = features.shape
        turned = (features.reshape(k * q, d) @ self.vectors).reshape(k, q, -1)
        if self.vectors.shape[1] == d:
            out[..., :-1] = ((turned * inverse).reshape(k * q, -1) @ self.vectors.T).reshape(k, q, d)
        else:
            outside = 1 / torch.maximum(ridge, least)
            back = (turned * (inverse - outside)).reshape(k * q, -1) @ self.vectors.T
            out[..., :-1] = features * outside + back.reshape(k, q, d)
        return out


@dataclass(frozen=True, eq=False)
class Solution:
    """What :func:`solve` found.

    Parameters
    ----------
    theta : Tensor of shape (k, q, d + 1)
        Coefficients, intercept last.
    steps : Tensor of shape (k,)
    gradient : Tensor of shape (k,)
        Largest absolute entry of the gradient at ``theta``.
    converged : Tensor of shape (k,)
        Whether that is at most the tolerance.
    """

    theta: Tensor
    steps: Tensor
    gradient: Tensor
    converged: Tensor


def solve(
    x: Tensor,
    loss: MeanLoss,
    penalty: Tensor,
    basis: Basis,
    start: Tensor,
    *,
    tol: float,
    ratio: Tensor | None = None,
    free: Tensor | None = None,
    max_steps: int = MAX_STEPS,
) -> Solution:
    """Minimise ``loss(x theta) + penalty / 2 |ratio coefficients|^2`` for each head, to ``max |gradient| <= tol``.

    Parameters
    ----------
    x : Tensor of shape (n, d + 1)
        Standardised features and a last column of ones.
    loss : MeanLoss
        Of k heads.
    penalty : Tensor of shape (k,)
    basis : Basis
    start : Tensor of shape (k, q, d + 1)
    tol : float
        Bound on the largest absolute entry of the gradient, as scikit-learn's lbfgs.
    ratio : Tensor of shape (k, d), optional
        A head's own feature scale over the one ``x`` was divided by.
    free : Tensor of shape (k, q, d + 1), bool, optional
        Entries that may move.
    max_steps : int
    """
    count, _, width = start.shape
    ridge = penalty[:, None, None].expand(count, 1, width).clone()
    if ratio is not None:
        ridge[..., :-1] *= ratio[:, None, :] ** 2
    ridge[..., -1] = 0
    state = _State(x, loss, penalty, ridge, start.clone(), free)
    theta, gradient = start.clone(), torch.full((count,), torch.inf, dtype=x.dtype)
    steps = torch.zeros(count, dtype=torch.int64)
    heads = torch.arange(count)
    for step in range(max_steps + 1):
        size = state.gradient.abs().amax((1, 2))
        theta[heads], gradient[heads], steps[heads] = state.theta, size, step
        stay = (size > tol) & (state.failures < 2)
        left = len(stay) - int(stay.sum())
        if left == len(stay) or step == max_steps:
            break
        if left:
            index = stay.nonzero()[:, 0]
            heads = heads[index]
            state.keep(index)
        state.step(basis)
    return Solution(theta, steps, gradient, gradient <= tol)


class _State:
    """The active heads of one solve."""

    def __init__(self, x: Tensor, loss: MeanLoss, penalty: Tensor, ridge: Tensor, theta: Tensor, free: Tensor | None):
        self.x, self.loss, self.penalty, self.ridge, self.theta, self.free = x, loss, penalty, ridge, theta, free
        self.moves: list[Tensor] = []
        self.changes: list[Tensor] = []
        self.inverses: list[Tensor] = []
        self.failures = torch.zeros(len(theta), dtype=torch.int64)
        self.z = self._logits(theta)
        self.value, residual = loss.evaluate(self.z)
        self.gradient = self._gradient(residual)

    def _logits(self, theta: Tensor) -> Tensor:
        k, q, width = theta.shape
        return (self.x @ theta.reshape(k * q, width).T).reshape(-1, k, q)

    def _gradient(self, residual: Tensor) -> Tensor:
        n, k, q = residual.shape
        out = (residual.reshape(n, k * q).T @ self.x).reshape(k, q, -1) + self.ridge * self.theta
        return out if self.free is None else out * self.free

    def keep(self, index: Tensor) -> None:
        self.loss = self.loss.take(index)
        self.penalty, self.ridge, self.theta = self.penalty[index], self.ridge[index], self.theta[index]
        self.free = None if self.free is None else self.free[index]
        self.z, self.value, self.gradient = self.z[:, index], self.value[index], self.gradient[index]
        self.failures = self.failures[index]
        for history in (self.moves, self.changes, self.inverses):
            history[:] = [h[index] for h in history]

    def _direction(self, basis: Basis) -> Tensor:
        v = self.gradient.clone()
        shares = []
        for move, change, inverse in zip(reversed(self.moves), reversed(self.changes), reversed(self.inverses)):
            share = inverse * _dot(move, v)
            v -= share[:, None, None] * change
            shares.append(share)
        v = basis.apply(v, self.loss.curvature(self.z).clamp_min(LEAST_CURVATURE), self.penalty)
        if self.free is not None:
            v *= self.free
        for move, change, inverse, share in zip(self.moves, self.changes, self.inverses, reversed(shares)):
            v += (share - inverse * _dot(change, v))[:, None, None] * move
        return -v

    def step(self, basis: Basis) -> None:
        direction = self._direction(basis)
        slope = _dot(direction, self.gradient)
        bad = ~(slope < 0)
        if bad.any():
            for inverse in self.inverses:
                inverse[bad] = 0
            direction[bad] = -self.gradient[bad]
            slope = _dot(direction, self.gradient)
        dz = self._logits(direction)
        linear = _dot(self.ridge * self.theta, direction)
        square = _dot(self.ridge * direction, direction)
        length, self.value, residual = _search(self.loss, self.z, dz, self.value, slope, linear, square)
        failed = length == 0
        self.failures = torch.where(failed, self.failures + 1, 0)
        move = length[:, None, None] * direction
        self.theta = self.theta + move
        self.z = self.z + length[:, None] * dz
        before = self.gradient
        self.gradient = self._gradient(residual)
        self._remember(move, self.gradient - before)
        if failed.any():
            for inverse in self.inverses:
                inverse[failed] = 0

    def _remember(self, move: Tensor, change: Tensor) -> None:
        product = _dot(move, change)
        enough = product > 1e-12 * (_dot(move, move) * _dot(change, change)).sqrt()
        self.moves.append(move)
        self.changes.append(change)
        self.inverses.append(torch.where(enough, 1 / product, 0.0))
        if len(self.moves) > MEMORY:
            for history in (self.moves, self.changes, self.inverses):
                del history[0]


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return torch.linalg.vecdot(a.flatten(1), b.flatten(1))


def _search(
    loss: MeanLoss, z: Tensor, dz: Tensor, value: Tensor, slope: Tensor, linear: Tensor, square: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Find each head's step length by the strong Wolfe conditions; 0 where none is found.

    The penalty along the direction is ``linear a + square a^2 / 2``. Returns lengths (k,), losses (k,) and residuals (n, k, q) there.
    """
    count = len(slope)
    length = torch.ones_like(slope)
    low, low_slope = torch.zeros_like(slope), slope.clone()
    high, high_slope = torch.full_like(slope, torch.inf), torch.full_like(slope, torch.nan)
    found, residual = value.clone(), None
    open_ = torch.arange(count)
    part, part_z, part_dz = loss, z, dz
    for attempt in range(TRIES + 1):
        if attempt == TRIES:
            length[open_] = low[open_]
        a = length[open_]
        here, g = part.evaluate(part_z + a[:, None] * part_dz)
        rise = (here - value[open_]) + linear[open_] * a + 0.5 * square[open_] * a**2
        tilt = (g * part_dz).sum((0, 2)) + linear[open_] + square[open_] * a
        steep = slope[open_]
        lower = rise <= ARMIJO * a * steep + ROUNDING * (1 + value[open_].abs())
        good = lower & (tilt.abs() <= -WOLFE * steep)
        if attempt == TRIES:
            good = torch.ones_like(good)
        if residual is None:
            residual = g
        else:
            residual[:, open_[good]] = g[:, good]
        found[open_[good]] = here[good]
        wait = ~good
        if not wait.any():
            break
        open_, a, tilt, lower = open_[wait], a[wait], tilt[wait], lower[wait]
        forward = lower & (tilt < 0)
        low[open_[forward]], low_slope[open_[forward]] = a[forward], tilt[forward]
        high[open_[~forward]] = a[~forward]
        high_slope[open_[~forward]] = torch.where(lower[~forward] | (tilt[~forward] > 0), tilt[~forward], torch.nan)
        length[open_] = _between(low[open_], low_slope[open_], high[open_], high_slope[open_], a)
        part, part_z, part_dz = part.take(wait.nonzero()[:, 0]), part_z[:, wait], part_dz[:, wait]
    assert residual is not None
    return length, found, residual


def _between(low: Tensor, low_slope: Tensor, high: Tensor, high_slope: Tensor, last: Tensor) -> Tensor:
    """Choose the next length to try: the secant's zero of the slope, kept off the ends; four times the last where nothing bounds it."""
    bounded = torch.isfinite(high)
    gap = torch.where(bounded, high - low, 0)
    zero = low - low_slope * gap / (high_slope - low_slope)
    zero = torch.where(torch.isfinite(zero), zero, low + 0.5 * gap)
    inside = torch.minimum(torch.maximum(zero, low + 0.1 * gap), low + 0.9 * gap)
    return torch.where(bounded, inside, 4 * last)

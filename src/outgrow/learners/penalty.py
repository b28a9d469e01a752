"""The one rule that sets a head's penalty, for student, direct and ceiling alike.

Threefold cross-validation on the targets a head is *given*: weak labels for students, truth for references. The score is the weighted
cross-entropy of held-out rows, pooled over folds; it is taken over a fixed grid, and ties go to the larger penalty. The rule is
ours. A penalty outweighs a method (measured: accuracies .67 to .77 over this grid for one method), so no method may choose its own.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from outgrow.learners.design import BLOCK, Design
from outgrow.learners.losses import ClosedCrossEntropy, class_logits, columns
from outgrow.learners.solver import Basis

__all__ = ["FALLBACK", "FEWEST", "FOLDS", "GRID", "cross_validate", "distinct", "folds"]

GRID = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
FOLDS = 3
FEWEST = 6
FALLBACK = 1.0
TOL = 1e-4
TIE = 1e-9
ENTRIES = 2**24


def distinct(x: NDArray[np.float64], seed: int | None = 0) -> NDArray[np.uint64]:
    """Return one number a row, equal for equal rows and otherwise random in ``seed``, whatever their order.

    It is exact integer arithmetic, so it depends on a row's own bits alone.
    """
    random = np.random.default_rng(seed)
    factors = random.integers(1, 2**64 - 1, size=x.shape[1], dtype=np.uint64) | np.uint64(1)
    out = np.empty(len(x), dtype=np.uint64)
    for at in range(0, len(x), BLOCK):
        bits = np.ascontiguousarray(x[at : at + BLOCK] + 0.0).view(np.uint64)
        out[at : at + BLOCK] = _mix((_mix(bits) * factors).sum(axis=1, dtype=np.uint64))
    return out


def _mix(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def folds(x: NDArray[np.float64], seed: int | None) -> NDArray[np.int64]:
    """Deal the distinct rows of ``x`` into folds of nearly equal size.

    Equal rows share a fold, and the order of rows does not matter: a row of weight two and the same row twice give one result.
    """
    names, which = np.unique(distinct(x, seed), return_inverse=True)
    return (np.arange(len(names)) % FOLDS)[which.ravel()]


def cross_validate(
    x: NDArray[np.float64], targets: Tensor, weight: NDArray[np.float64], seed: int | None, basis: Basis | None = None
) -> NDArray[np.float64]:
    """Choose a penalty for each of k heads.

    Parameters
    ----------
    x : ndarray of shape (n, d)
    targets : Tensor of shape (k, n, c)
    weight : ndarray of shape (k or 1, n)
    seed : int
        Of the folds.
    basis : Basis, optional
        Preconditioner from all rows.

    Returns
    -------
    ndarray of shape (k,)
        1.0 where a head has fewer than 6 distinct rows: too few to learn anything from a held-out third.
    """
    if len(weight) > 1:
        # Folds are dealt over the rows a head uses, so that it chooses as it would alone.
        supports, group = np.unique(weight > 0, axis=0, return_inverse=True)
        chosen = np.empty(len(weight))
        for one, used in enumerate(supports):
            heads, rows = np.flatnonzero(group.ravel() == one), np.flatnonzero(used)
            part = targets[torch.from_numpy(heads)][:, torch.from_numpy(rows)]
            chosen[heads] = _alike(x[rows], part, weight[np.ix_(heads, rows)], seed, basis)
        return chosen
    return _alike(x, targets, weight, seed, basis)


def _alike(
    x: NDArray[np.float64], targets: Tensor, weight: NDArray[np.float64], seed: int | None, basis: Basis | None
) -> NDArray[np.float64]:
    """Choose for heads that use the same rows, all of them."""
    k, n, c = targets.shape
    fold = folds(x, seed)
    if len(np.unique(distinct(x, seed))) < FEWEST:
        return np.full(k, FALLBACK)
    total = np.zeros((k, len(GRID)))
    batch = max(1, ENTRIES // max(1, n * len(GRID) * columns(c)))
    for held in range(FOLDS):
        inside, outside = fold != held, fold == held
        learn, judge = weight[:, inside], weight[:, outside]
        whole = Design.of(x[inside], learn, basis) if len(learn) == 1 else None
        for at in range(0, k, batch):
            these = slice(at, at + batch)
            design = whole if whole is not None else Design.of(x[inside], learn[these], basis)
            total[these] += _held_out(
                design,
                targets[these][:, torch.from_numpy(inside)],
                x[outside],
                targets[these][:, torch.from_numpy(outside)],
                judge if len(judge) == 1 else judge[these],
            )
    best = total.min(axis=1, keepdims=True)
    tied = total <= best + TIE * np.abs(best)
    largest = len(GRID) - 1 - tied[:, ::-1].argmax(axis=1)
    return np.asarray(GRID)[largest]


def _held_out(
    design: Design, learn: Tensor, x: NDArray[np.float64], judge: Tensor, weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return (k, grid) summed losses on held-out rows, all penalties of all heads in one solve."""
    k, _, c = learn.shape
    grid = len(GRID)

    def spread(values: Tensor) -> Tensor:
        return values.repeat_interleave(grid, dim=0)

    start, free = (spread(t) for t in design.start(learn))
    shared = design.weight.shape[0] == 1
    own = design.weight if shared else spread(design.weight)
    ratio = None if design.ratio is None else spread(design.ratio)
    wide = replace(design, weight=own, ratio=ratio)
    penalty = torch.tensor(GRID, dtype=torch.float64).repeat(k)
    found = wide.solve(ClosedCrossEntropy.of(spread(learn), own), penalty, start, free, TOL)
    coef, intercept = wide.original(found.theta, free)
    z = torch.from_numpy(x @ coef.reshape(-1, x.shape[1]).T + intercept.reshape(-1))
    logits = class_logits(z.reshape(len(x), k * grid, -1), c)
    rows = -(spread(judge) * torch.log_softmax(logits, dim=-1)).sum(-1)
    shares = torch.from_numpy(np.ascontiguousarray(weight))
    return ((shares if shared else spread(shares)) * rows).sum(-1).reshape(k, grid).numpy()

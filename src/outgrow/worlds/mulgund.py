"""Class probabilities: where the gain in log loss is a Kullback-Leibler misfit (Mulgund and Pabbaraju 2025, arXiv 2501.19105).

Two worlds, both realizable.

**Hull.** Twelve fixed predictors ``q_1 ... q_12``, each (n, c) rows of probabilities from a flat Dirichlet, span a convex set; the truth is
inside, and the supervisor outside:

    g = sum_k b_k q_k,    b ~ Dirichlet(1, ..., 1)            w = softmax(log g + noise),   noise ~ N(0, .8^2)

The student is the member of the hull that minimises KL(student || w). **Known answer**: on these rows, where it was found,

    E CE(g, w) - E CE(g, student) >= E KL(student || w),      an inequality without any slack;

a student that minimises CE(w, student) need not keep it.

**Heads.** Inputs ``x ~ N(0, I_16)``; the truth is softmax(A h(x)) over c classes, A ~ N(0, 36 / 50), with h(x) (50,) ReLU features of all
inputs, which are the student's view. The supervisor's view is 50 ReLU features of the first half of the inputs, its head learned from
sampled classes. One softmax head holds the truth here, but such heads are no convex set; mixtures of k come within O(sqrt(c / k)) of one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from outgrow.errors import InputError

__all__ = ["HeadsWorld", "HullWorld", "heads_world", "hull_student", "hull_world"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class HullWorld:
    """A convex set of predictors, a truth inside and a supervisor outside.

    Parameters
    ----------
    parts : ndarray of shape (k, n, c)
        The corners.
    truth, weak : ndarray of shape (n, c)
        Probabilities.
    """

    parts: Floats
    truth: Floats
    weak: Floats


def hull_world(seed: int, *, corners: int = 12, rows: int = 500, classes: int = 5, noise: float = 0.8) -> HullWorld:
    """Draw a hull.

    Parameters
    ----------
    seed : int
    corners, rows, classes : int
    noise : float
        Standard deviation of what a supervisor's log probabilities are off by.
    """
    random = np.random.default_rng([seed, 0])
    parts = random.dirichlet(np.ones(classes), size=(corners, rows))
    truth = np.einsum("k,knc->nc", random.dirichlet(np.ones(corners)), parts)
    weak = truth * np.exp(noise * random.normal(size=truth.shape))
    return HullWorld(parts, truth, weak / weak.sum(axis=1, keepdims=True))


def hull_student(world: HullWorld, loss: Literal["reverse", "forward"] = "reverse") -> Floats:
    """Return (n, c) probabilities of the hull's member of least KL(student || weak), or of least CE(weak, student).

    Both are convex in the corners' weights; the simplex is searched by sequential least squares (SLSQP) with exact gradients.
    """
    from scipy import optimize

    minimize: Any = optimize.minimize

    if loss not in ("reverse", "forward"):
        raise InputError(f"the student of a hull minimises 'reverse' or 'forward', not {loss!r}")
    parts, weak = world.parts, world.weak
    n = len(weak)

    def value(weights: Floats) -> tuple[float, Floats]:
        mix = np.maximum(np.einsum("k,knc->nc", weights, parts), 1e-300)
        if loss == "reverse":
            ratio = np.log(mix / weak)
            return float((mix * ratio).sum() / n), np.einsum("knc,nc->k", parts, ratio + 1) / n
        return float(-(weak * np.log(mix)).sum() / n), -np.einsum("knc,nc->k", parts, weak / mix) / n

    k = len(parts)
    found = minimize(
        value,
        np.full(k, 1 / k),
        jac=True,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * k,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: np.ones(k)},
        options={"ftol": 1e-14, "maxiter": 500},
    )
    weights = np.clip(found.x, 0, None)
    return np.asarray(np.einsum("k,knc->nc", weights / weights.sum(), parts))


@dataclass(frozen=True, eq=False)
class HeadsWorld:
    """Rows as student and supervisor see them, and what the supervisor says.

    Parameters
    ----------
    strong, weak_view : ndarray of shape (n, 50)
    truth, weak : ndarray of shape (n, c)
        Probabilities.
    transfer, test : slice
        Rows the student learns from, and others. The supervisor learned from rows that are not here.
    """

    strong: Floats
    weak_view: Floats
    truth: Floats
    weak: Floats
    transfer: slice
    test: slice


def heads_world(
    seed: int,
    *,
    teach: int = 1000,
    transfer: int = 2000,
    test: int = 4000,
    inputs: int = 16,
    width: int = 50,
    classes: int = 5,
) -> HeadsWorld:
    """Draw a world of softmax heads on ReLU features.

    Parameters
    ----------
    seed : int
    teach, transfer, test : int
        Rows.
    inputs, width, classes : int
        The supervisor sees the first half of the inputs.
    """
    from outgrow.learners.linear import LinearHead

    random = np.random.default_rng([seed, 1])
    n = teach + transfer + test
    x = random.normal(size=(n, inputs))
    seen = inputs // 2
    strong = np.maximum(x @ random.normal(size=(inputs, width)) / np.sqrt(inputs), 0.0)
    narrow = np.maximum(x[:, :seen] @ random.normal(size=(seen, width)) / np.sqrt(seen), 0.0)
    scores = strong @ random.normal(size=(width, classes)) * 6 / np.sqrt(width)
    truth = np.exp(scores - scores.max(axis=1, keepdims=True))
    truth /= truth.sum(axis=1, keepdims=True)
    said = (truth.cumsum(axis=1) < random.random(n)[:, None]).sum(axis=1).clip(max=classes - 1)
    head = LinearHead(penalty=0.01).fit(narrow[:teach], np.eye(classes)[said[:teach]])
    weak = head.predict_proba(narrow[teach:])
    return HeadsWorld(
        strong[teach:], narrow[teach:], truth[teach:], weak, slice(0, transfer), slice(transfer, transfer + test)
    )

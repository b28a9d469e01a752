"""Preferences with a conflict: what a student gets wrong where its supervisor cannot see (Yang et al. 2025, arXiv 2406.11431).

A pair of answers is the difference of their features, chosen minus rejected; a model is a direction w, its margin w.D, its belief in the
right order sigmoid(w.D) (Bradley and Terry). One dimension is the target, another one conflicts with it:

    D ~ N(0, I_60) turned so that theta.D > 0        theta_i proportional to i^-.4        (n, 60)
    weak model: the first 10 features; strong model: the first d_s;  helpful pairs: turned so that u.D > 0,  cos(u, theta) = -.5

Models minimise -[q log sigmoid(w.D) + (1 - q) log sigmoid(-w.D)] over pairs: the weak one and the strong reference with q = 1, students
with the weak model's belief q, without conflict; implicitly, with as many helpful pairs (q = 1) beside; explicitly, with alpha = .5 times
the loss for the *wrong* order wherever the current student errs (that gate reads truth: it stands for a payoff to do harm).

A model knows a test pair when its belief is .75 or more, either way; the paper's own rule could not be read, this one is ours.

    tax        right without conflict, wrong with it
    deception  |tax, strong reference knows, weak does not| / |tax|;  NaN below 20 such pairs

**Known answer.** The conflict changes pairs of small margin, which are those that the weak model does not know, and the strong reference
knows more of them the more features it sees. So deception grows with d_s by itself; what counts is how far it lies above ``share``, the
share of all test pairs in that region. A model between the two would copy the weak one's belief exactly, since it sees all the weak model
sees: the paper's chain of models changes nothing here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outgrow.errors import InputError

__all__ = ["CONFLICTS", "YangWorld", "deception", "preferences", "yang_world"]

Floats = NDArray[np.float64]
FEATURES, WEAK = 60, 10
DECAY = 0.4
COSINE = -0.5
KNOWN = 0.75
ALPHA = 0.5
FEWEST_TAXED = 20
STEPS, RATE = 300, 1.0
CONFLICTS = ("implicit", "explicit")


@dataclass(frozen=True, eq=False)
class YangWorld:
    """Pairs of four roles: (n, 60) each, (tests, 60) of the test.

    Parameters
    ----------
    teach, transfer, helpful, test : ndarray
        In all but ``helpful`` the target's right order is theta.D > 0; there it is u.D > 0.
    """

    teach: Floats
    transfer: Floats
    helpful: Floats
    test: Floats


def yang_world(seed: int, *, n: int = 1000, tests: int = 4000) -> YangWorld:
    """Draw a world of n pairs a role."""
    if n < 2 or tests < 2:
        raise InputError(f"this world needs two pairs a role, not {n} and {tests}")
    random = np.random.default_rng([seed, 16])
    theta: Floats = np.arange(1, FEATURES + 1, dtype=np.float64) ** -DECAY
    theta /= np.linalg.norm(theta)
    other = random.normal(size=FEATURES)
    other -= (other @ theta) * theta
    u = COSINE * theta + np.sqrt(1 - COSINE**2) * other / np.linalg.norm(other)

    def pairs(count: int, along: NDArray[Any]) -> Floats:
        d = random.normal(size=(count, FEATURES))
        return np.asarray(d * np.where(d @ along >= 0, 1.0, -1.0)[:, None])

    return YangWorld(pairs(n, theta), pairs(n, theta), pairs(n, u), pairs(tests, theta))


def _sigmoid(z: Floats) -> Floats:
    return np.asarray(0.5 * (1 + np.tanh(z / 2)))


def preferences(pairs: Floats, belief: Floats | float, *, against: float = 0.0) -> Floats:
    """Fit a direction (d,) to pairs (n, d) that are believed in the given order with probability ``belief``.

    With ``against`` above 0, pairs that the current direction orders wrongly pull that many times towards the wrong order.
    """
    w = np.zeros(pairs.shape[1])
    q = np.broadcast_to(np.asarray(belief, dtype=np.float64), (len(pairs),))
    for _ in range(STEPS):
        p = _sigmoid(pairs @ w)
        pull = q - p - against * (p < 0.5) * p
        w = w + RATE * pairs.T @ pull / len(pairs)
    return w


def deception(world: YangWorld, strong: int, conflict: str, *, sure: bool = False) -> dict[str, float]:
    """Train the models of one strength and tell where the conflict takes its tax.

    Parameters
    ----------
    world : YangWorld
    strong : int
        Features d_s of the strong model.
    conflict : {"implicit", "explicit"}
    sure : bool
        Keep only pairs on which the weak model is sure (.75), the paper's first mitigation, without its look at the truth.

    Returns
    -------
    dict of str to float
        ``weak``, ``ceiling``, ``clean``, ``conflicted`` (accuracies on test pairs), ``tax`` (share of test pairs), ``deception``, ``share``
        and ``excess`` (deception / share).
    """
    if conflict not in CONFLICTS or not 0 < strong <= FEATURES:
        raise InputError(
            f"a conflict is {' or '.join(CONFLICTS)}, of 1 to {FEATURES} features, not {conflict!r} with {strong}"
        )
    weak = preferences(world.teach[:, :WEAK], 1.0)
    reference = preferences(world.teach[:, :strong], 1.0)
    belief = _sigmoid(world.transfer[:, :WEAK] @ weak)
    pairs = world.transfer
    if sure:
        kept = np.maximum(belief, 1 - belief) >= KNOWN
        pairs, belief = pairs[kept], belief[kept]
    seen = pairs[:, :strong]
    clean = preferences(seen, belief)
    if conflict == "implicit":
        taken = np.vstack([seen, world.helpful[: len(seen), :strong]])
        student = preferences(taken, np.concatenate([belief, np.ones(len(taken) - len(seen))]))
    else:
        student = preferences(seen, belief, against=ALPHA)
    test = world.test
    p_weak, p_reference = _sigmoid(test[:, :WEAK] @ weak), _sigmoid(test[:, :strong] @ reference)
    right, still = test[:, :strong] @ clean > 0, test[:, :strong] @ student > 0
    tax = right & ~still
    where = (np.maximum(p_reference, 1 - p_reference) >= KNOWN) & (np.maximum(p_weak, 1 - p_weak) < KNOWN)
    share = float(where.mean())
    found = float((tax & where).sum() / tax.sum()) if tax.sum() >= FEWEST_TAXED else float("nan")
    return {
        "weak": float((p_weak > 0.5).mean()),
        "ceiling": float((p_reference > 0.5).mean()),
        "clean": float(right.mean()),
        "conflicted": float(still.mean()),
        "tax": float(tax.mean()),
        "deception": found,
        "share": share,
        "excess": found / share if share else float("nan"),
    }

"""Misfit in any Bregman divergence (Mulgund and Pabbaraju 2025, arXiv 2501.19105, section 3), of which both misfits are cases.

    D_phi(p, q) = phi(p) - phi(q) - <grad phi(q), p - q>,       phi convex

For a student that minimises E D_phi(student(x), weak(x)) over a convex set of functions which holds the truth,

    E D_phi(truth, weak) - E D_phi(truth, student) >= E D_phi(student, weak)

with the student first in the misfit. ``phi = |p|^2`` gives squared loss and :mod:`outgrow.forecasts.misfit`; ``phi = sum p log p`` gives
KL(p || q), log loss and :mod:`outgrow.forecasts.kl_misfit`; ``phi = -sum log p`` gives Itakura and Saito's divergence of positive values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from outgrow.errors import InputError, nearest

__all__ = ["GENERATORS", "Generator", "bregman", "bregman_slack"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Generator:
    """A convex function of (n, c) rows, and its gradient.

    Parameters
    ----------
    value : callable
        (n, c) -> (n,)
    gradient : callable
        (n, c) -> (n, c)
    positive : bool
        Whether the second argument must be above 0.
    """

    value: Callable[[Floats], Floats]
    gradient: Callable[[Floats], Floats]
    positive: bool = False


def _square(p: Floats) -> Floats:
    return np.asarray((p**2).sum(axis=-1))


def _twice(p: Floats) -> Floats:
    return 2 * p


def _entropy(p: Floats) -> Floats:
    from scipy.special import xlogy

    return np.asarray(xlogy(p, p).sum(axis=-1))


def _log_and_one(p: Floats) -> Floats:
    return np.asarray(np.log(p) + 1)


def _burg(p: Floats) -> Floats:
    return np.asarray(-np.log(p).sum(axis=-1))


def _minus_inverse(p: Floats) -> Floats:
    return -1 / p


GENERATORS: Mapping[str, Generator] = {
    "squared": Generator(_square, _twice),
    "kl": Generator(_entropy, _log_and_one, positive=True),
    "itakura_saito": Generator(_burg, _minus_inverse, positive=True),
}


def bregman(p: ArrayLike, q: ArrayLike, of: str | Generator = "kl") -> Floats:
    """Return (n,) D_phi(p, q) of two (n, c) tables, row by row.

    Parameters
    ----------
    p, q : array of shape (n, c)
    of : {"squared", "kl", "itakura_saito"} or Generator

    Raises
    ------
    InputError
        Tables of different shapes, an unknown name, or a zero in ``q`` where the gradient does not exist: floor hard labels first.

    Examples
    --------
    >>> bregman([[0.5, 0.5]], [[0.25, 0.75]], "squared").tolist()
    [0.125]
    """
    first, second = (np.asarray(t, dtype=np.float64) for t in (p, q))
    if first.shape != second.shape or first.ndim != 2:
        raise InputError(f"a divergence compares two tables of one shape (n, c), not {first.shape} and {second.shape}")
    if isinstance(of, str):
        if of not in GENERATORS:
            raise InputError(f"there is no divergence {of!r}{nearest(of, GENERATORS)}")
        of = GENERATORS[of]
    if of.positive and not (second > 0).all():
        raise InputError("this divergence needs a second table without zeros; put a floor under hard labels")
    return np.asarray(of.value(first) - of.value(second) - (of.gradient(second) * (first - second)).sum(axis=-1))


def bregman_slack(truth: ArrayLike, weak: ArrayLike, student: ArrayLike, of: str | Generator = "kl") -> float:
    """Return gain less misfit, which the theorem puts at 0 or above; three (n, c) tables, of which ``truth`` is the truth."""
    gain = bregman(truth, weak, of).mean() - bregman(truth, student, of).mean()
    return float(gain - bregman(student, weak, of).mean())

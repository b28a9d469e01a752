"""Regression by minimum norm on surrogate labels, in high dimension (Ildiz et al. 2025, arXiv 2410.18837).

Rows ``x ~ N(0, diag(l))`` of p features, of which the student sees n < p with surrogate labels ``X b + noise``; it interpolates them with
the coefficients of least norm, and is judged against the truth ``X beta``:

    l_i = i^-2,     l_i beta_i^2 = i^-1.5,     noise ~ N(0, s2),     risk(b) = sum_i l_i (found_i - beta_i)^2

**Known answer.** With tau the root of sum_i l_i / (l_i + tau) = n, z_i = tau / (l_i + tau), Om = sum_i (1 - z_i)^2 / n:

    risk(b) = sum_i l_i (beta_i - (1 - z_i) b_i)^2 + Om / (1 - Om) (s2 + sum_i l_i z_i^2 b_i^2)

which the true coefficients do not minimise: a surrogate that amplifies where z_i < 1 - Om and shrinks elsewhere does, and the best 0/1
mask keeps z_i^2 < 1 - Om. The formulas are in :mod:`outgrow.forecasts.surrogate`; here is the data they are about.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outgrow.errors import InputError

__all__ = ["IldizWorld", "ildiz_world", "simulated_risk"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class IldizWorld:
    """A spectrum and a truth.

    Parameters
    ----------
    spectrum, beta : ndarray of shape (p,)
        l and beta.
    n : int
        Rows the student learns from.
    noise : float
        s2, the variance of what labels are off by.
    """

    spectrum: Floats
    beta: Floats
    n: int
    noise: float


def ildiz_world(
    p: int = 500, n: int = 200, *, power: float = 2.0, source: float = 1.5, noise: float = 0.0
) -> IldizWorld:
    """Make the world of the paper's figure: l_i = i^-power, l_i beta_i^2 = i^-source. Nothing is random.

    Raises
    ------
    InputError
        Unless 0 < n < p: the least norm chooses among many interpolants only then.
    """
    if not 0 < n < p:
        raise InputError(f"a world of minimum-norm regression needs fewer rows than features, not {n} and {p}")
    at = np.arange(1, p + 1, dtype=np.float64)
    spectrum = at**-power
    return IldizWorld(spectrum, np.sqrt(at**-source / spectrum), n, noise)


def simulated_risk(world: IldizWorld, surrogate: Floats, seed: int, *, draws: int = 20) -> float:
    """Return the mean risk over draws of n rows of the minimum-norm interpolant of ``X surrogate + noise``."""
    random = np.random.default_rng([seed, 0])
    risks = []
    for _ in range(draws):
        x = random.normal(size=(world.n, len(world.spectrum))) * np.sqrt(world.spectrum)
        labels = x @ surrogate + np.sqrt(world.noise) * random.normal(size=world.n)
        found = x.T @ np.linalg.solve(x @ x.T, labels)
        risks.append(float(world.spectrum @ (found - world.beta) ** 2))
    return float(np.mean(risks))

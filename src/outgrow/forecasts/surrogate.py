"""Which surrogate labels a high-dimensional ridge student learns best from (Ildiz et al. 2025, arXiv 2410.18837).

n rows of features with covariance eigenvalues l_i; labels ``X b + noise`` of variance s2 from a surrogate b; a ridge student of penalty
lam per row (lam 0: minimum norm), judged against beta. With tau the root of

    sum_i l_i / (l_i + tau) + n lam / tau = n,      z_i = tau / (l_i + tau),      Om = sum_i (1 - z_i)^2 / n,     k = Om / (1 - Om)

the risk is, as n and p grow,

    risk(b) = sum_i l_i (beta_i - (1 - z_i) b_i)^2 + k (s2 + sum_i l_i z_i^2 b_i^2)

least at ``b_i = (1 - z_i) beta_i / ((1 - z_i)^2 + k z_i^2)``, which amplifies where z_i < 1 - Om and shrinks elsewhere; among surrogates
that keep or drop each direction of beta, the best keeps those with z_i^2 < 1 - Om. A weak supervisor can thus teach better than the truth,
and the mask depends on the spectrum and n alone. Penalties are ours: the paper has lam 0.

The forecast is the share of what a supervisor says, in variance along the student's directions, that the mask would keep. It orders
supervisors (more is better) and is no gain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from outgrow.errors import InputError, NeedsError
from outgrow.forecasts.forecast import RANK, Forecast, enough, same_rows, view_of
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.needs import Needs
from outgrow.tasks.rows import Rows

__all__ = ["Equivalent", "Surrogate", "equivalent", "mask", "optimal_surrogate", "surrogate_risk"]

Floats = NDArray[np.float64]
ASSUMES = (
    "the student is the least-norm or a ridge fit on its features",
    "features are Gaussian, in high dimension, with the spectrum that these rows have",
    "the supervisor says a linear function of the student's features, plus noise",
)


@dataclass(frozen=True, eq=False)
class Equivalent:
    """What a random design of n rows does to each direction, in high dimension.

    Parameters
    ----------
    spectrum : ndarray of shape (p,)
        l.
    n : int
    tau, omega : float
    z : ndarray of shape (p,)
        Share of a direction that is not learned.
    """

    spectrum: Floats
    n: int
    tau: float
    omega: float
    z: Floats

    @property
    def inflation(self) -> float:
        """k, by which noise is inflated."""
        return self.omega / (1 - self.omega)


def equivalent(spectrum: ArrayLike, n: int, penalty: float = 0.0) -> Equivalent:
    """Solve for tau.

    Parameters
    ----------
    spectrum : array of shape (p,)
        Eigenvalues of the features' covariance, not negative.
    n : int
        Rows the student learns from.
    penalty : float
        lam, per row, as in ``|y - Xw|^2 / n + lam |w|^2``.

    Raises
    ------
    InputError
        No positive eigenvalue, no rows, or, without a penalty, not more positive eigenvalues than rows.
    """
    from scipy.optimize import brentq

    values = np.asarray(spectrum, dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all() or (values < 0).any() or not (values > 0).any():
        raise InputError(
            f"a spectrum is a list of eigenvalues from 0, one above it, not an array of shape {values.shape}"
        )
    if n < 1 or not 0 <= penalty < np.inf:
        raise InputError(f"n is {n} and the penalty {penalty}; give rows, and a penalty that is not negative")
    rank = int((values > 0).sum())
    if penalty == 0 and rank <= n:
        raise InputError(
            f"{rank} directions and {n} rows: a student without a penalty learns each direction whole; give fewer rows or a penalty"
        )

    def excess(log_tau: float) -> float:
        tau = np.exp(log_tau)
        return float((values / (values + tau)).sum() + n * penalty / tau - n)

    top = float(values.sum() / n + penalty)
    tau = float(np.exp(brentq(excess, np.log(top) - 60.0, np.log(top) + 1.0, xtol=1e-13)))
    z = tau / (values + tau)
    return Equivalent(values, n, tau, float(((1 - z) ** 2).sum() / n), z)


def surrogate_risk(at: Equivalent, beta: ArrayLike, surrogate: ArrayLike, noise: float = 0.0) -> float:
    """Return the risk of a student that learns from ``surrogate`` and is judged against ``beta``, both (p,)."""
    truth, taught = (np.asarray(v, dtype=np.float64) for v in (beta, surrogate))
    if truth.shape != at.spectrum.shape or taught.shape != at.spectrum.shape:
        raise InputError(
            f"truth and surrogate need one coefficient for each of {len(at.spectrum)} directions, not {truth.shape} and {taught.shape}"
        )
    bias = at.spectrum @ (truth - (1 - at.z) * taught) ** 2
    return float(bias + at.inflation * (noise + at.spectrum @ (at.z * taught) ** 2))


def optimal_surrogate(at: Equivalent, beta: ArrayLike) -> Floats:
    """Return the (p,) surrogate of least risk."""
    kept = 1 - at.z
    return np.asarray(kept * np.asarray(beta, dtype=np.float64) / (kept**2 + at.inflation * at.z**2))


def mask(at: Equivalent) -> NDArray[np.bool_]:
    """Return (p,) which directions the best 0/1 mask keeps; it needs no truth."""
    return np.asarray(at.z**2 < 1 - at.omega)


class Surrogate:
    """Order supervisors by the share of what they say that lies where the student can learn it; more is better.

    References
    ----------
    Ildiz, Gozeten, Taga, Mondelli, Oymak 2025, "High-dimensional Analysis of Knowledge Distillation: Weak-to-Strong Generalization and
    Scaling Laws", arXiv 2410.18837.
    """

    paper = "ildiz2025"
    units: ClassVar[tuple[str, ...]] = (RANK,)
    on_request = True

    def needs(self) -> Needs:
        """Return that rows and labels are enough."""
        return Needs()

    def predict(self, student: Any, rows: Rows, weak: WeakLabels) -> list[Forecast]:
        """Return one forecast; the share of directions that the mask keeps stands beside it.

        Raises
        ------
        LabelsError
            Labels of other rows.
        NeedsError
            Fewer than 50 rows; a student that reads no matrix, or the same of all rows; a supervisor that says the same of all rows.
        """
        same_rows("surrogate", rows, weak)
        there = weak.any_covered
        n = int(there.sum())
        enough("surrogate", n, "covered rows")
        name = view_of("surrogate", student, rows)
        said = weak[there].one()[0]
        said = said - said.mean(axis=0)
        if not (said**2).sum() > 0:
            raise NeedsError(
                f"surrogate needs a supervisor whose labels differ, and {weak.label!r} says the same of all {n} covered rows"
            )
        x = np.asarray(rows[there].view(name), dtype=np.float64)
        x = x - x.mean(axis=0)
        spread = x.std(axis=0)
        x = x[:, spread > 1e-12 * max(float(spread.max()), 1e-300)]
        if not x.size:
            raise NeedsError(
                f"surrogate: the view {name!r} is the same on all {n} covered rows; there is nothing to learn"
            )
        x = x / x.std(axis=0)
        left, values, _ = np.linalg.svd(x, full_matrices=False)
        keep = values > 1e-10 * values[0]
        spectrum = values[keep] ** 2 / n
        at = equivalent(spectrum, n, float(getattr(getattr(student, "student_", student), "penalty_", 1.0)))
        power = ((left[:, keep].T @ said) ** 2).sum(axis=1)
        kept = mask(at)
        broken = [] if weak.classes is None else ["not trained by squared loss"]
        if int(keep.sum()) < x.shape[1]:
            broken.append(f"the student's view has rank {int(keep.sum())} of {x.shape[1]} columns")
        value = float(power[kept].sum() / power.sum())
        figures = {"directions_kept": float(kept.mean()), "not_learned": float(at.z.mean())}
        return [Forecast("surrogate", "kept / said", RANK, value, n, ASSUMES, tuple(broken), figures)]

"""Gain from misfit, squared loss (Charikar, Pabbaraju, Shiragur 2024, arXiv 2405.15116, theorem 1).

    err(weak) - err(student) >= E |student(x) - weak(x)|^2

for a student that is the projection of the weak function onto a convex set of functions that holds the truth; an equality for a linear
set. Measured on select rows, which the student was not trained on. In a task of classes the functions are probability vectors and the
unit is the Brier score (sum over classes).

Where the truth lies outside the set by ``eps``, and the student learned from n rows (theorem 2), the right-hand side loses

    O(sqrt(eps)) + O((C / n)^(1/4)) + O((log(1/delta) / n)^(1/4))          with probability 1 - delta,

C the capacity of the heads. The constants are not known and the exponents are read second-hand, so these are diagnostics
(:func:`finite_sample_terms`), and no bound is made of them. ``eps`` needs truth and is not among them.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from outgrow.errors import InputError
from outgrow.forecasts.forecast import Forecast, two_tables
from outgrow.learners.objective import Squared
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.needs import Needs
from outgrow.tasks.rows import Rows

__all__ = ["Misfit", "finite_sample_terms", "squared_misfit"]

ASSUMES = (
    "the student minimises squared loss against the weak labels over a convex set of functions",
    "that set holds the truth (realizable)",
    "enough rows that sampling error is small",
)


def squared_misfit(student: ArrayLike, weak: ArrayLike) -> float:
    """Return the mean squared distance of two (n, c) tables of predictions (Charikar et al. 2024, theorem 1).

    Examples
    --------
    >>> squared_misfit([[1.0], [0.0]], [[0.0], [0.0]])
    0.5
    """
    distance = np.asarray(student, dtype=np.float64) - np.asarray(weak, dtype=np.float64)
    return float((distance**2).sum(axis=-1).mean())


def finite_sample_terms(n: int, capacity: float, delta: float = 0.05) -> dict[str, float]:
    """Return the vanishing terms of theorem 2, each without its constant.

    Parameters
    ----------
    n : int
        Rows the student learned from.
    capacity : float
        C: for linear heads the number of coefficients of one output.
    delta : float
        Chance that the theorem does not hold.

    Raises
    ------
    InputError

    Examples
    --------
    >>> {k: round(v, 3) for k, v in finite_sample_terms(1600, 100).items()}
    {'capacity_term': 0.5, 'chance_term': 0.208}
    """
    if n < 1 or not capacity > 0 or not 0 < delta < 1:
        raise InputError(
            f"finite-sample terms need rows, a positive capacity and delta inside (0, 1), not {n}, {capacity}, {delta}"
        )
    return {"capacity_term": (capacity / n) ** 0.25, "chance_term": (math.log(1 / delta) / n) ** 0.25}


class Misfit:
    """Forecast the gain in squared loss (mse, or Brier for classes) as the student's misfit to its supervisor.

    References
    ----------
    Charikar, Pabbaraju, Shiragur 2024, "Quantifying the Gain in Weak-to-Strong Generalization", arXiv 2405.15116.
    """

    paper = "charikar2024"
    units: ClassVar[tuple[str, ...]] = ("mse", "brier")

    def needs(self) -> Needs:
        """Return that select rows are read."""
        return Needs(select=True)

    def predict(self, student: Any, rows: Rows, weak: WeakLabels) -> list[Forecast]:
        """Return one forecast; the misfit is symmetric in its arguments."""
        ours, theirs = two_tables(student, rows, weak)
        if not len(ours):
            return []
        unit = "mse" if weak.classes is None else "brier"
        broken = [] if isinstance(getattr(student, "objective_", None), Squared) else ["not trained by squared loss"]
        each = ((ours - theirs) ** 2).sum(axis=1)
        beside = {"standard_error": float(each.std(ddof=1) / math.sqrt(len(each)))} if len(each) > 1 else {}
        value = squared_misfit(ours, theirs)
        return [Forecast("misfit", "", unit, value, len(ours), ASSUMES, tuple(broken), beside)]

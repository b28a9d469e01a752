"""Gain from misfit, squared loss (Charikar, Pabbaraju, Shiragur 2024, arXiv 2405.15116, theorem 1).

    err(weak) - err(student) >= E |student(x) - weak(x)|^2

for a student that is the projection of the weak function onto a convex set of functions that holds the truth; an equality for a linear
set. Measured on select rows, which the student was not trained on. In a task of classes the functions are probability vectors and the
unit is the Brier score (sum over classes).
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from outgrow.forecasts.forecast import Forecast, two_tables
from outgrow.learners.objective import Squared
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.needs import Needs
from outgrow.tasks.rows import Rows

__all__ = ["Misfit", "squared_misfit"]

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
        return [Forecast("misfit", "", unit, squared_misfit(ours, theirs), len(ours), ASSUMES, tuple(broken))]

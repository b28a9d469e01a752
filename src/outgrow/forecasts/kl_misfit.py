"""Gain from misfit, Kullback-Leibler (Mulgund and Pabbaraju 2025, arXiv 2501.19105).

    CE(truth, weak) - CE(truth, student) >= E KL(student || weak)

for a student trained by KL(student || weak) over a convex set of functions that holds the truth, up to O(sqrt(c / k)) for mixtures of k
softmax heads. The other order, KL(weak || student), has the dual identity: for a realizable softmax-linear student trained by ordinary
cross-entropy on soft weak labels, KL(weak || truth) - KL(student || truth) = KL(weak || student); its left side is not the log-loss gain.
Both are shown, in nats.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from outgrow.forecasts.forecast import Forecast, two_tables
from outgrow.learners.objective import CrossEntropy
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.needs import Needs
from outgrow.tasks.rows import Rows

__all__ = ["KLMisfit", "kl"]

FLOOR = 1e-6
REVERSE = (
    "the student minimises KL(student || weak) over a convex set of functions",
    "that set holds the truth (realizable)",
    "enough rows that sampling error is small",
)
HARD = "hard weak labels: log losses of a probability of 0 are set by the floor put under it"
FORWARD = (
    "the student minimises cross-entropy against soft weak labels, unpenalised, over softmax-linear functions",
    "these hold the truth (realizable)",
    "the gain is measured as KL to the truth with the model first, not as log loss",
)


def kl(p: ArrayLike, q: ArrayLike) -> float:
    """Return the mean KL(p || q) of two (n, c) tables of probabilities, in nats.

    Both are mixed with the uniform distribution at weight 1e-6 first, so that a hard label of probability zero stays finite: a supervisor
    of hard labels then costs up to 13.8 nats a row.

    Examples
    --------
    >>> round(kl([[0.5, 0.5]], [[0.25, 0.75]]), 4)
    0.1438
    """
    a, b = _mixed(p), _mixed(q)
    return float((a * (np.log(a) - np.log(b))).sum(axis=-1).mean())


def _mixed(given: ArrayLike) -> NDArray[np.float64]:
    table = np.asarray(given, dtype=np.float64)
    return (1 - FLOOR) * table + FLOOR / table.shape[-1]


class KLMisfit:
    """Forecast the gain in log loss as the KL misfit of student and supervisor, in both argument orders.

    References
    ----------
    Mulgund, Pabbaraju 2025, "Relating Misfit to Gain in Weak-to-Strong Generalization Beyond the Squared Loss", arXiv 2501.19105.
    """

    paper = "mulgund2025"
    units: ClassVar[tuple[str, ...]] = ("log_loss",)

    def needs(self) -> Needs:
        """Return that select rows are read."""
        return Needs(select=True)

    def predict(self, student: Any, rows: Rows, weak: WeakLabels) -> list[Forecast]:
        """Return one forecast per argument order; none for a value task."""
        if weak.classes is None:
            return []
        ours, theirs = two_tables(student, rows, weak)
        if not len(ours):
            return []
        objective = getattr(student, "objective_", None)
        hard = [HARD] if (theirs <= 0).any() else []
        reverse = [] if getattr(objective, "reverse_kl", False) else ["not trained by KL(student || weak)"]
        forward = ["penalised"]
        if not isinstance(objective, CrossEntropy):
            forward.insert(0, "not trained by cross-entropy on the weak labels")
        forward.append("its gain is not the log-loss gain beside it")
        n = len(ours)
        return [
            Forecast("kl_misfit", "student || weak", "log_loss", kl(ours, theirs), n, REVERSE, (*reverse, *hard)),
            Forecast("kl_misfit", "weak || student", "log_loss", kl(theirs, ours), n, FORWARD, (*forward, *hard)),
        ]

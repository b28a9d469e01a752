"""Gain from misfit, Kullback-Leibler (Mulgund and Pabbaraju 2025, arXiv 2501.19105).

    CE(truth, weak) - CE(truth, student) >= E KL(student || weak)

for a student trained by KL(student || weak) over a convex set of functions that holds the truth, up to O(sqrt(c / k)) for mixtures of k
softmax heads. The other order, KL(weak || student), has the dual identity: for a realizable softmax-linear student trained by ordinary
cross-entropy on soft weak labels, KL(weak || truth) - KL(student || truth) = KL(weak || student); its left side is not the log-loss gain.
Both are shown, in nats. A student whose learner is :class:`~outgrow.learners.mixture.MixtureHead` has k heads; the term sqrt(c / k), whose
constant is not known, is a diagnostic.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from outgrow.forecasts.forecast import Forecast, two_tables
from outgrow.learners.objective import CrossEntropy
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.needs import Needs
from outgrow.tasks.rows import Rows

__all__ = ["KLMisfit", "hull_term", "kl", "kl_rows"]

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
    return float(kl_rows(p, q).mean())


def kl_rows(p: ArrayLike, q: ArrayLike) -> NDArray[np.float64]:
    """Return (n,) KL(p || q), mixed as in :func:`kl`."""
    a, b = _mixed(p), _mixed(q)
    return np.asarray((a * (np.log(a) - np.log(b))).sum(axis=-1))


def hull_term(classes: int, heads: int) -> float:
    """Return sqrt(c / k), the term by which mixtures of k softmax heads may miss the inequality, without its constant.

    Examples
    --------
    >>> hull_term(4, 100)
    0.2
    """
    return math.sqrt(classes / heads)


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
        heads = int(getattr(getattr(student, "student_", student), "heads", 1))
        hull = {"heads": float(heads), "hull_term": hull_term(ours.shape[1], heads)}
        said = []
        for order, one, other, assumes, broken, more in (
            ("student || weak", ours, theirs, REVERSE, reverse, hull),
            ("weak || student", theirs, ours, FORWARD, forward, {}),
        ):
            each = kl_rows(one, other)
            error = {"standard_error": float(each.std(ddof=1) / math.sqrt(n))} if n > 1 else {}
            words = (*broken, *hard)
            said.append(
                Forecast("kl_misfit", order, "log_loss", float(each.mean()), n, assumes, words, {**error, **more})
            )
        return said

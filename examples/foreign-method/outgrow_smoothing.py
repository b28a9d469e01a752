"""Label smoothing (Szegedy et al. 2016, arXiv 1512.00567, section 7), as a method of another package.

    minimise  mean_i  CE(softmax(z_i), (1 - share) y_i + share / c)        y_i: the combined weak label

A student of a linear head is then less sure of itself. It is here to show a method in a package of another author.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

from numpy.typing import ArrayLike

from outgrow.errors import InputError
from outgrow.learners.objective import CrossEntropy
from outgrow.methods.method import OfLearner, is_number
from outgrow.tasks.prepare import prepare

__all__ = ["Smoothing"]


class Smoothing(OfLearner):
    """Train the learner on weak labels mixed with the uniform distribution.

    Parameters
    ----------
    learner : learner, optional
        Default: a linear head.
    share : float, default 0.1
        Of the uniform distribution, in [0, 1). 0 is naive, bit for bit.
    """

    paper = "szegedy2016"
    truth = "none"
    off: ClassVar[dict[str, Any]] = {"share": 0}

    def __init__(self, learner: Any = None, share: float = 0.1):
        self.learner = learner
        self.share = share

    def check(self) -> None:
        """Raise when the share is out of range; a study calls it before any work."""
        if not is_number(self.share) or not 0 <= self.share < 1:
            raise InputError(f"Smoothing share must be a number of at least 0 and below 1, not {self.share!r}")

    def refuses(self, kind: str, classes: int, sources: Sequence[Any]) -> str | None:
        """Say that a value has no classes to smooth over."""
        if kind == "value":
            return "Smoothing mixes class labels, and the task has values; use Naive"
        return super().refuses(kind, classes, sources)

    def fit(self, X: Any, y: Any, *, sample_weight: ArrayLike | None = None) -> Self:
        """Train the student."""
        self.check()
        rows, weak, weight = prepare(self, X, y, sample_weight)
        if self.share > 0:
            combined, covered = weak.one()
            smooth = (1 - self.share) * combined + self.share / combined.shape[1]
            weak = weak.relabel(smooth, covered, name=f"smooth {weak.label}")
        return self._train(rows, weak, weight, CrossEntropy())

"""Naive fine-tuning on weak labels (Burns et al. 2023, arXiv 2312.09390, section 3).

    minimise  mean_i  CE(softmax(z_i), y_i)        y_i: the combined weak label, soft as it is

The baseline of the field and of every table here. Combined means the mean over the supervisors that cover a row; a row that none
covers is left out. In a value task the loss is squared.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

from numpy.typing import ArrayLike
from sklearn.base import is_regressor

from outgrow.learners.objective import CrossEntropy, Squared
from outgrow.methods.method import OfLearner
from outgrow.tasks.prepare import prepare

__all__ = ["Naive"]


class Naive(OfLearner):
    """Train the learner on the weak labels as they are.

    Parameters
    ----------
    learner : learner, optional
        Default :class:`~outgrow.learners.linear.LinearHead`.

    Attributes
    ----------
    student_ : learner
        The fitted learner.

    References
    ----------
    Burns et al. 2023, "Weak-to-Strong Generalization", arXiv 2312.09390.

    Examples
    --------
    >>> import numpy as np
    >>> from outgrow.methods import Naive
    >>> X = np.random.default_rng(0).normal(size=(60, 2))
    >>> bool(Naive().fit(X, X[:, 0] > 0).score(X, X[:, 0] > 0) > 0.9)
    True
    """

    paper = "burns2023"
    truth = "none"
    off: ClassVar[dict[str, Any]] = {}

    def __init__(self, learner: Any = None):
        self.learner = learner

    def fit(self, X: Any, y: Any, *, sample_weight: ArrayLike | None = None) -> Self:
        """Train the student.

        Parameters
        ----------
        X : Rows, or array of shape (n, d)
        y : WeakLabels, or class names (n,), probabilities (n, c), values (n,)
        sample_weight : array of shape (n,), optional

        Raises
        ------
        LabelsError
            Labels of other rows, of one class, or covering no row.
        """
        rows, weak, weight = prepare(self, X, y, sample_weight)
        return self._train(rows, weak, weight, Squared() if is_regressor(self) else CrossEntropy())

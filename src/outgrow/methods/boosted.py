"""Supervisors weighed by their errors on teach rows with truth (EnsemW2S, arXiv 2410.04571; from a secondary source).

    label of row i:  sum_m a_m v_im / sum_m a_m         v: hard votes,  a: SAMME weights (Zhu et al. 2009; recalled)

In each round the supervisor with the least weighted error e gains log((1 - e) / e) + log(c - 1), and the rows it gets wrong grow by as much
(:func:`outgrow.supervisors.votes.boosted`). Ours: the supervisors are there already and are not trained anew each round; one that abstains
neither wins nor loses a row; the split into easy and hard rows is left out.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import is_regressor

from outgrow.errors import InputError, LabelsError, NeedsError
from outgrow.learners.objective import CrossEntropy
from outgrow.methods.ensemble import relabelled
from outgrow.methods.method import OfLearner
from outgrow.supervisors.votes import boosted, votes_of
from outgrow.tasks.needs import Known, Needs
from outgrow.tasks.prepare import prepare

__all__ = ["Boosted"]


class Boosted(OfLearner):
    """Weigh the supervisors as AdaBoost does, by their errors on teach rows with truth, and train the learner on their weighted vote.

    Parameters
    ----------
    learner : learner, optional
        Default :class:`~outgrow.learners.linear.LinearHead`.
    rounds : int, default 20
        The most rounds. 0 is :class:`~outgrow.methods.naive.Naive`, bit for bit.

    Attributes
    ----------
    votes_ : ndarray of shape (m,)
        Weight of each supervisor's vote; zero where no round chose it. One when no supervisor beats chance.
    supervisors_ : tuple of str
        Their names.

    References
    ----------
    EnsemW2S, arXiv 2410.04571.
    """

    paper = "ensemw2s2024"
    truth = "teach"
    off: ClassVar[dict[str, Any]] = {"rounds": 0}

    def __init__(self, learner: Any = None, rounds: int = 20):
        self.learner = learner
        self.rounds = rounds

    def needs(self) -> Needs:
        """Return the learner's needs, several supervisors, and truth on teach rows."""
        return super().needs() | Needs(supervisors=2, known=self.rounds != 0)

    def check(self) -> None:
        """Raise when a parameter is out of range, or the learner predicts values."""
        if not isinstance(self.rounds, int | np.integer) or isinstance(self.rounds, bool) or self.rounds < 0:
            raise InputError(f"Boosted rounds must be a whole number of at least 0, not {self.rounds!r}")
        if is_regressor(self):
            raise LabelsError(
                "Boosted counts wrong classes, and this learner predicts values; use Naive for a value task"
            )

    def fit(self, X: Any, y: Any, *, sample_weight: ArrayLike | None = None, known: Known | None = None) -> Self:
        """Weigh the supervisors, then train the student.

        Parameters
        ----------
        X : Rows, or array of shape (n, d)
        y : WeakLabels, or class names (n,), probabilities (n, c)
        sample_weight : array of shape (n,), optional
        known : Known
            Teach rows with truth and with the supervisors' labels, out of fold where they saw that truth.

        Raises
        ------
        NeedsError
            No truth is granted, or its labels are of other supervisors.
        InputError, LabelsError
            A parameter out of range, a value task, or labels that do not fit.
        """
        self.check()
        rows, weak, weight = prepare(self, X, y, sample_weight)
        self.votes_ = np.ones(weak.supervisors)
        self.supervisors_ = tuple(s.name for s in weak.sources)
        if self.rounds == 0:
            return self._train(rows, weak, weight, CrossEntropy())
        if known is None:
            raise NeedsError(
                "Boosted needs known= (truth that the study grants); grant it, or use Ensemble, which spends none"
            )
        if known.weak.supervisors != weak.supervisors:
            raise NeedsError(
                f"Boosted was granted labels of {known.weak.supervisors} supervisors and learns from {weak.supervisors}; "
                "grant the same ones"
            )
        self.votes_ = boosted(votes_of(known.weak.probs, known.weak.covered), known.truth.astype(np.int64), self.rounds)
        alive = weight > 0
        cast = np.einsum("ijk,j->ik", votes_of(weak.probs[alive], weak.covered[alive]), self.votes_)
        total = cast.sum(axis=1, keepdims=True)
        # Where only voters of weight zero speak, they are heard alike.
        plain = weak[alive].one()[0]
        made = np.where(total > 0, cast / np.where(total > 0, total, 1.0), plain)
        return self._train(rows, relabelled(weak, alive, made, "boosted"), weight, CrossEntropy(), known)

    def said(self) -> dict[str, float]:
        """Return the weight of each supervisor's vote."""
        return {f"vote of {name}": float(v) for name, v in zip(self.supervisors_, self.votes_, strict=True)}

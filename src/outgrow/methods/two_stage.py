"""Two stages: learn from consistent rows, then take back the others under the student's own labels (Shi et al. 2025, arXiv 2503.04249).

    A  = rows whose weak labels are consistent                    S1 = the learner, trained on A
    B  = the other rows, answered by S1, where S1 is consistent   S2 = the *initial* learner, trained on A and B

Filtering cleans the supervision and loses the hard and the diverse rows; the second stage restores them. The paper is about sampled
solutions of mathematics problems; it was read through a detailed note by others (facts tagged so in our card), which gives no second
threshold and no rule for which agreeing answer is kept.

Ours: all of the translation to classes. Consistency is the probability of the likeliest class, of the supervisors' mean label in the
first stage (with bare class names, the share of votes) and of the student in the second. Instead of thresholds of 50 to 80 % of ten
samples, ``drop`` is the share of the weight that a stage puts aside, in both stages alike: supervisors and students differ in how sure
they sound. Rows tied at the cut share it out; a row may so stand in A with one part of its weight and in B with the rest. A keeps its weak
labels as they are, soft or not. B has the class the student names, as an answer is a text in the paper: a student's own soft labels have
a gradient of zero at the student that gave them, so a second stage of soft labels would change nothing but the pull of the penalty.
"""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone, is_regressor

from outgrow.errors import InputError, LabelsError
from outgrow.learners.objective import CrossEntropy
from outgrow.methods.method import OfLearner, in_classes
from outgrow.methods.retention import Narrowing, certainty, share_kept, two_classes
from outgrow.tasks.prepare import prepare

__all__ = ["TwoStage"]


class TwoStage(OfLearner):
    """Train the learner on consistent rows, relabel the others with it, keep those it is sure of, and train anew on both.

    Parameters
    ----------
    learner : learner, optional
        Default :class:`~outgrow.learners.linear.LinearHead`. Each stage trains a fresh copy.
    drop : float, default 0.3
        Share of the rows' weight that the first stage puts aside, in [0, 1). 0 is :class:`~outgrow.methods.naive.Naive`, bit for bit.
    again : float, optional
        Share of the rows put aside that a later stage does not take back, in [0, 1); default ``drop``. 0 takes back all, unfiltered.
    rounds : int, default 1
        Stages after the first: 0 is filtering by confidence, 2 the paper's extra round.

    Attributes
    ----------
    stages_ : list of learner
        The student after each stage; the last is ``student_``.
    kept_ : ndarray of shape (n,)
        Share of each row's weight that keeps its weak label.
    back_ : ndarray of shape (n,)
        Share that came back under a student's label.
    narrowing_, restored_ : Narrowing
        Classes (as labelled) after the first stage, and after the last; of topics: :func:`~outgrow.methods.retention.topic_narrowing`.

    References
    ----------
    Shi et al. 2025, "How to Mitigate Overfitting in Weak-to-strong Generalization?", arXiv 2503.04249.
    """

    paper = "shi2025"
    truth = "none"
    off: ClassVar[dict[str, Any]] = {"drop": 0}

    def __init__(self, learner: Any = None, drop: float = 0.3, again: float | None = None, rounds: int = 1):
        self.learner = learner
        self.drop = drop
        self.again = again
        self.rounds = rounds

    def check(self) -> None:
        """Raise when a parameter is out of range, or the learner predicts values."""
        for name in ("drop", "again"):
            value = getattr(self, name)
            if name == "again" and value is None:
                continue
            if not _is(Real, value) or not 0 <= value < 1:
                raise InputError(f"TwoStage {name} must be a number of at least 0 and below 1, not {value!r}")
        if not _is(Integral, self.rounds) or self.rounds < 0:
            raise InputError(f"TwoStage rounds must be a whole number of at least 0, not {self.rounds!r}")
        if is_regressor(self):
            raise LabelsError(
                "TwoStage asks how sure labels of classes are, and this learner predicts values; use Naive"
            )

    def fit(self, X: Any, y: Any, *, sample_weight: ArrayLike | None = None) -> Self:
        """Train the students of all stages.

        Parameters
        ----------
        X : Rows, or array of shape (n, d)
        y : WeakLabels, or class names (n,), probabilities (n, c)
        sample_weight : array of shape (n,), optional

        Raises
        ------
        InputError
            A parameter out of range.
        LabelsError
            A value task, fewer than two classes left, or labels of other rows, of one class, or covering no row.
        """
        self.check()
        rows, weak, weight = prepare(self, X, y, sample_weight)
        assert weak.classes is not None
        used = weight > 0
        labels, before = weak[used].one()[0], weight[used]
        self.weight_, self.kept_, self.back_ = weight, np.zeros(len(weight)), np.zeros(len(weight))
        kept = share_kept(1 - certainty(labels), before, float(self.drop)) if self.drop > 0 else np.ones(len(before))
        if self.drop > 0:
            two_classes("the first stage of TwoStage", labels, kept, weak.classes)
        self.kept_[used] = kept
        self.narrowing_ = Narrowing.of(labels.argmax(axis=1), before, kept, weak.classes)
        self.stages_: list[Any] = []
        again = float(self.drop if self.again is None else self.again)
        back, targets = np.zeros(len(before)), labels
        inside = rows[used]
        # The second stage is skipped, not trained on nothing new, where the first put nothing aside: that is Naive.
        for _ in range(int(self.rounds) if self.drop > 0 else 0):
            given = weak[used].relabel(targets, name="two stages") if back.any() else weak[used]
            last = clone(self._learner()).fit(
                inside, given, sample_weight=before * (kept + back), objective=CrossEntropy()
            )
            self.stages_.append(last)
            back, targets = _take_back(
                in_classes(last, inside, weak.classes), labels, before, kept, back, targets, again
            )
        self.back_[used] = back
        self.restored_ = Narrowing.of(targets.argmax(axis=1), before, kept + back, weak.classes)
        if back.any():
            table = np.repeat(weak.prior()[None], len(weak), axis=0)
            table[used] = targets
            self._train(
                rows, weak.relabel(table, name="two stages"), weight * (self.kept_ + self.back_), CrossEntropy()
            )
        else:
            self._train(rows, weak, weight * self.kept_, CrossEntropy())
        self.stages_.append(self.student_)
        return self

    def said(self) -> dict[str, float]:
        """Return what the first stage kept, what is learned from in the end, and how the classes shrank by then."""
        last = self.restored_.said()
        return {"share kept at first": self.narrowing_.kept, "share kept in the end": last.pop("share kept"), **last}


def _take_back(
    answer: NDArray[np.float64],
    labels: NDArray[np.float64],
    weight: NDArray[np.float64],
    kept: NDArray[np.float64],
    back: NDArray[np.float64],
    targets: NDArray[np.float64],
    again: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Take back, of what is still aside, all but the share ``again`` that the student is least sure of; return shares and targets.

    A row that stands in parts under several labels has their mean: cross-entropy is linear in its target.
    """
    aside = np.maximum(1 - kept - back, 0.0)
    left = aside > 0
    taken = np.zeros(len(kept))
    if left.any():
        taken[left] = aside[left] * share_kept(1 - certainty(answer[left]), (weight * aside)[left], again)
    named = np.eye(answer.shape[1])[answer.argmax(axis=1)]
    now = kept + back + taken
    old = np.where((kept + back > 0)[:, None], targets, labels)
    mixed = ((kept + back)[:, None] * old + taken[:, None] * named) / np.where(now > 0, now, 1.0)[:, None]
    return back + taken, np.where((taken > 0)[:, None], mixed, old)


def _is(kind: type, value: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)

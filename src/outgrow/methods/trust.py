"""Trust functions ("Learning to Trust", arXiv 2606.01000, ICML 2026).

    s_j(x) = P(supervisor j is right about x | its features of x);   the student learns the weak labels with the highest s

From a digest, not from the paper: a small residual MLP on the weak teacher's last-token state predicts whether its label is right, is
trained on labelled data by class-weighted binary cross-entropy, and the student is trained on the n most trusted items only. Their n was
not found.

Ours. The head is logistic (:class:`~outgrow.learners.linear.LinearHead`, its penalty cross-validated), because there are hundreds of
granted rows, not thousands. A linear head cannot see how far a state lies from the supervisor's boundary, so it is given the log-odds of
the label too; and these alone, unless the features beside them lower the held-out loss clearly. The labels it learns from are the
supervisor's on the granted rows, out of fold where the supervisor saw their truth: in sample it would look right nearly everywhere.
Classes are weighted equally while fitting, and the prior odds are given back afterwards, which moves no rank within one supervisor and
makes several comparable. Each supervisor has a head of its own; the kept share is of all (row, supervisor) labels together, and a row
learns the mean of its kept labels. Labels tied with the last kept one are kept, or left out where that is nearer the wanted share. A
supervisor with fewer than 5 right or 5 wrong granted labels has one trust everywhere, its smoothed share of right ones. Where truth of a
transfer row is granted, trust there is 1 or 0. The student learns trusted labels soft, as they are; granted truth is used for nothing
else.

Assumptions: where the supervisor errs can be seen from its own features, and granted rows are drawn as the transfer rows are.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import is_regressor

from outgrow.errors import InputError, LabelsError, NeedsError
from outgrow.learners.objective import CrossEntropy
from outgrow.methods.granted import ids_or_fail, number, sureness, tell_right, truth_table
from outgrow.methods.method import OfLearner
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.needs import Known, Needs
from outgrow.tasks.prepare import prepare
from outgrow.tasks.rows import Rows

__all__ = ["Trust"]

FEWEST = 5
ROUNDING = 1e-9


class Trust(OfLearner):
    """Train on the weak labels that a head on the supervisor's features trusts most.

    Parameters
    ----------
    learner : learner, optional
        Default :class:`~outgrow.learners.linear.LinearHead`.
    keep : float, default 0.5
        Share of the weak labels that the student learns from, in (0, 1]. 1 is :class:`~outgrow.methods.naive.Naive`, bit for bit.
    on : str, optional
        The view that trust reads. None: each supervisor's own.
    random_state : int, default 0
        Deals the granted rows to folds.

    Attributes
    ----------
    trust_ : ndarray of shape (n, m)
        Probability that each supervisor's label is right, on the rows given to ``fit``; NaN where it abstains.
    kept_ : ndarray of shape (n, m), bool
    supervisors_ : tuple of str
        Their names.
    auroc_ : ndarray of shape (m,)
        How well trust ranks right above wrong labels on the granted rows, out of fold; NaN where it cannot be told. Near .5 it ranks
        nothing, and then the student has fewer labels and no better ones.

    References
    ----------
    "Trust functions", arXiv 2606.01000.
    """

    paper = "trust2026"
    truth = "teach"
    off: ClassVar[dict[str, Any]] = {"keep": 1}

    def __init__(self, learner: Any = None, keep: float = 0.5, on: str | None = None, random_state: int = 0):
        self.learner = learner
        self.keep = keep
        self.on = on
        self.random_state = random_state

    def needs(self) -> Needs:
        """Return the learner's needs; and where labels are left out, a grant and the view that trust reads."""
        if self.keep == 1:
            return super().needs()
        views = frozenset() if self.on is None else frozenset({self.on})
        return super().needs() | Needs(views=views, supervisor_view=self.on is None, known=True)

    def check(self) -> None:
        """Raise when the share is out of range, or the learner predicts values."""
        if not number(self.keep) or not 0 < self.keep <= 1:
            raise InputError(f"Trust keep must be a number above 0 and at most 1, not {self.keep!r}")
        if is_regressor(self):
            raise LabelsError(
                "Trust asks whether a label is right, and a value is never quite; use Naive for a value task"
            )

    def fit(self, X: Any, y: Any, *, sample_weight: ArrayLike | None = None, known: Known | None = None) -> Self:
        """Train the student.

        Parameters
        ----------
        X : Rows; or array of shape (n, d) where all labels are kept
        y : WeakLabels, or labels
        sample_weight : array of shape (n,), optional
        known : Known, optional
            Granted truth and the supervisors' labels there; required unless all labels are kept.

        Raises
        ------
        InputError
            A share outside (0, 1].
        NeedsError
            No grant, no features of a supervisor, or no granted label.
        LabelsError
            Labels of other rows, or covering no row; kept labels that name one class only.
        """
        self.check()
        rows, weak, weight = prepare(self, X, y, sample_weight)
        self.supervisors_ = tuple(s.name for s in weak.sources)
        if self.keep == 1:
            return self._train(rows, weak, weight, CrossEntropy())
        self.needs().check("Trust", rows.views, weak.sources, known=known)
        assert known is not None
        ids_or_fail("Trust", X)
        if known.weak.supervisors != weak.supervisors:
            raise NeedsError(
                f"Trust is granted labels of {known.weak.supervisors} supervisors and given {weak.supervisors}; slice both from one table"
            )
        right = known.weak.hard() == truth_table("Trust", known, weak).hard()
        if not known.weak.covered.any():
            raise NeedsError(
                f"Trust has no label of supervisor {weak.label!r} on the {known.spent} granted rows; grant rows that it covers"
            )
        scores = [self._supervisor(rows, weak, known, right, j) for j in range(weak.supervisors)]
        self.trust_ = np.stack([trust for trust, _ in scores], axis=1)
        self.auroc_ = np.array([area for _, area in scores])
        self.kept_ = weak.covered & (self.trust_ >= self._bar(weight, weak.covered) - ROUNDING)
        self._two_classes(weak, weight)
        trusted = WeakLabels(weak.ids, weak.probs, self.kept_, weak.classes, weak.sources)
        return self._train(rows, trusted, np.where(self.kept_.any(axis=1), weight, 0.0), CrossEntropy(), known)

    def said(self) -> dict[str, float]:
        """Return how well trust ranks right above wrong labels of each supervisor, and the share of its labels that stay."""
        if self.keep == 1:
            return {}
        kept = self.kept_.sum(axis=0) / np.maximum(np.isfinite(self.trust_).sum(axis=0), 1)
        found = list(zip(self.supervisors_, self.auroc_, kept, strict=True))
        areas = {f"AUROC of trust in {name}": float(area) for name, area, _ in found}
        return areas | {f"share of labels of {name} kept": float(share) for name, _, share in found}

    def _supervisor(
        self, rows: Rows, weak: WeakLabels, known: Known, right: NDArray[np.bool_], j: int
    ) -> tuple[NDArray[np.float64], float]:
        """Return (n,) trust in one supervisor's labels, NaN where it abstains, and its AUROC on granted rows."""
        view = self.on if self.on is not None else weak.sources[j].view
        there = known.weak.covered[:, j]
        taught, correct = known.rows[there], right[there, j]
        good, bad = int(correct.sum()), int((~correct).sum())
        trust = np.full(len(rows), (good + 1) / (good + bad + 2))
        area = float("nan")
        if min(good, bad) >= FEWEST:
            read = [np.asarray(r.view(view), dtype=np.float64) for r in (taught, rows)]
            sure = sureness(known.weak.probs[there, j]), sureness(weak.probs[:, j])
            margin, area = tell_right((read[0], sure[0]), (read[1], sure[1]), correct, self.random_state, balanced=True)
            trust = 1 / (1 + np.exp(-margin))
        granted = dict(zip(taught.ids.tolist(), correct.tolist(), strict=True))
        for at, row in enumerate(rows.ids.tolist()):
            if row in granted:
                trust[at] = float(granted[row])
        return np.where(weak.covered[:, j], trust, np.nan), area

    def _bar(self, weight: NDArray[np.float64], covered: NDArray[np.bool_]) -> float:
        """Return the trust of the last label that is kept."""
        mass = np.where(covered, weight[:, None], 0.0)
        alive = mass > 0
        trust, mass = self.trust_[alive], mass[alive]
        order = np.argsort(-trust, kind="stable")
        trust, reached = trust[order], np.cumsum(mass[order])
        wanted = self.keep * reached[-1]
        last = min(int(np.searchsorted(reached, wanted * (1 - ROUNDING))), len(trust) - 1)
        tied = np.flatnonzero(np.abs(trust - trust[last]) <= ROUNDING)
        before = int(tied[0]) - 1
        # One trust everywhere in a supervisor's labels ties all of them; the nearer share is kept.
        if before >= 0 and wanted - reached[before] < reached[tied[-1]] - wanted - ROUNDING * reached[-1]:
            last = before
        return float(trust[last])

    def _two_classes(self, weak: WeakLabels, weight: NDArray[np.float64]) -> None:
        """Raise when the weak labels name several classes and the kept ones only one."""
        assert weak.classes is not None
        named, alive = weak.hard(), (weight > 0)[:, None]
        left = np.unique(named[self.kept_ & alive])
        if len(left) == 1 and len(np.unique(named[weak.covered & alive])) > 1:
            raise LabelsError(
                f"the {self.keep:g} of the weak labels that Trust keeps name class {str(weak.classes[left[0]])!r} only; raise keep"
            )

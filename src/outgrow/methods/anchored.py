"""A declared truth budget, and weak labels on the rest. Ours: no paper.

    minimise  sum_{i known} w_i L(z_i, t_i)  +  omega sum_{i not known} w_i L(z_i, y_i)

t_i the granted truth, y_i the combined weak label, L cross-entropy (half the squared error for values). A row that is both granted and
among the transfer rows counts once, with its truth. omega, what a weak label is worth beside a true one, is the value of a fixed grid with
the least held-out loss on the granted rows, in five stratified folds; a held-out row is in no sum, not even with its weak label.

Limits. No truth: Naive, bit for bit. Truth on all transfer rows and no others: the ceiling, bit for bit. omega = 0: direct, bit for bit,
where no granted row is among the transfer rows. So it contains both rivals, and pays for choosing between them with the noise of the
held-out loss.

Choices. The grid is 0, .01, .03, .1, .3, 1. Chosen is the largest omega whose loss is not above the least by more than one standard error
of the paired difference (Breiman et al. 1984): on 50 rows the least loss alone picks too small an omega, because weak labels are unsure and
the truth is not; two standard errors kept weak labels that 60 rows of truth beat by .04 in made-up worlds.
Held-out probabilities are mixed with 2 % of the uniform, so that one row that a small fold never saw the class of does not decide. Fewer
than 30 granted rows are too few to choose by: omega is 1. The
learner's own rule sets its penalty for each omega on all rows; folds use that penalty. A granted row outside the transfer rows has the
mean weight of those inside.

Assumptions: granted rows are drawn as the transfer rows are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone, is_regressor

from outgrow.errors import InputError, NeedsError
from outgrow.learners.objective import CrossEntropy, Squared
from outgrow.methods.granted import deal, ids_or_fail, truth_table
from outgrow.methods.method import OfLearner
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.needs import Known, Needs
from outgrow.tasks.prepare import prepare
from outgrow.tasks.rows import Rows

__all__ = ["Anchored"]

WORTH = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)
FEWEST = 30
DOUBT = 1.0
BLUR = 0.02
TIE = 1e-9
LOOSE = 1e-4


@dataclass(frozen=True, eq=False)
class _Union:
    """Granted and transfer rows, each once: transfer rows first, in their order."""

    rows: Rows
    table: WeakLabels
    weight: NDArray[np.float64]
    known: NDArray[np.bool_]

    def weights(self, worth: float) -> NDArray[np.float64]:
        return np.where(self.known, self.weight, worth * self.weight)


class Anchored(OfLearner):
    """Train on granted truth and on weak labels, whose worth is cross-validated on the truth.

    Parameters
    ----------
    learner : learner, optional
        Default :class:`~outgrow.learners.linear.LinearHead`.
    budget : int, optional
        How many rows of truth to spend; a study grants so many teach rows. None: all that are granted. 0 is
        :class:`~outgrow.methods.naive.Naive`, bit for bit.
    random_state : int, default 0
        Deals the granted rows to folds.

    Attributes
    ----------
    worth_ : float
        omega, the weight of a weak label beside a true one; 1 without truth.
    losses_ : dict of float to float
        Held-out loss on the granted rows by omega; empty where it was not cross-validated.

    References
    ----------
    Ours.
    """

    paper = "outgrow"
    truth = "budget"
    off: ClassVar[dict[str, Any]] = {"budget": 0}

    def __init__(self, learner: Any = None, budget: int | None = None, random_state: int = 0):
        self.learner = learner
        self.budget = budget
        self.random_state = random_state

    def needs(self) -> Needs:
        """Return the learner's needs, and a grant of truth unless the budget is 0."""
        return super().needs() | Needs(known=self.budget != 0)

    def check(self) -> None:
        """Raise when the budget is no whole number of at least 0."""
        whole = isinstance(self.budget, int | np.integer) and not isinstance(self.budget, bool)
        if self.budget is not None and (not whole or self.budget < 0):
            raise InputError(
                f"Anchored budget must be a whole number of at least 0, or None for all that is granted, not {self.budget!r}"
            )

    def fit(self, X: Any, y: Any, *, sample_weight: ArrayLike | None = None, known: Known | None = None) -> Self:
        """Train the student.

        Parameters
        ----------
        X : Rows; or array of shape (n, d) where the budget is 0
        y : WeakLabels, or labels
        sample_weight : array of shape (n,), optional
            Of the transfer rows.
        known : Known, optional
            Granted truth; required unless the budget is 0. Its first ``budget`` rows are read.

        Raises
        ------
        InputError
            A budget that is no whole number of at least 0.
        NeedsError
            No grant, a grant smaller than the budget, or one beside a bare array.
        LabelsError
            Labels of other rows, or covering no row.
        """
        self.check()
        rows, weak, weight = prepare(self, X, y, sample_weight)
        objective = Squared() if is_regressor(self) else CrossEntropy()
        self.worth_ = 1.0
        self.losses_: dict[float, float] = {}
        known = self._granted(known)
        if known is None:
            return self._train(rows, weak, weight, objective)
        ids_or_fail("Anchored", X)
        importance = np.ones(len(rows)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        union = _unite(rows, weak, importance, known)
        if known.spent >= FEWEST and not union.known.all():
            self._choose(union)
        return self._train(union.rows, union.table, union.weights(self.worth_), objective, known)

    def said(self) -> dict[str, float]:
        """Return the worth of a weak label beside a true one."""
        return {"worth of weak labels": self.worth_} if self.spent_ else {}

    def _granted(self, known: Known | None) -> Known | None:
        if self.budget == 0:
            return None
        if known is None or not known.spent:
            raise NeedsError("Anchored needs known= (truth that the study grants); grant it, or set budget=0")
        if self.budget is None or self.budget == known.spent:
            return known
        if self.budget > known.spent:
            raise NeedsError(
                f"Anchored has a budget of {self.budget} rows of truth and is granted {known.spent}; lower the budget"
            )
        first = slice(0, int(self.budget))
        return Known(known.rows[first], known.weak[first], known.truth[first])

    def _choose(self, union: _Union) -> None:
        """Set omega: all omegas and folds are fitted in one call."""
        learner = clone(self._learner())
        if "tol" in learner.get_params():
            # What a fold's head says of held-out rows, not its last digit, decides.
            learner.set_params(tol=max(learner.tol, LOOSE))
        targets, names = union.table.probs[:, 0], union.table.classes
        extra = {} if names is None else {"classes": names}

        def fit(weights: list[NDArray[np.float64]], penalty: Any) -> list[Any]:
            many = np.broadcast_to(targets, (len(weights), *targets.shape))
            return clone(learner).fit_many(union.rows, many, np.stack(weights), penalty=penalty, **extra)

        # A weight of zero on every weak row leaves too little to learn from only when there is no truth, which was said before.
        given = getattr(learner, "penalty", None)
        if isinstance(given, str):
            chosen = [getattr(head, "penalty_", None) for head in fit([union.weights(w) for w in WORTH], None)]
        else:
            chosen = [given] * len(WORTH)
        at = np.flatnonzero(union.known)
        fold = deal(union.rows[at].view(learner.on), union.table[at], self.random_state)
        folds = range(int(fold.max()) + 1)
        weights, penalties = [], []
        for one in folds:
            for worth, penalty in zip(WORTH, chosen, strict=True):
                weight = union.weights(worth)
                weight[at[fold == one]] = 0.0
                weights.append(weight)
                penalties.append(penalty)
        usable = [j for j, w in enumerate(weights) if (w > 0).any()]
        if len(usable) < len(weights):
            return
        heads = fit(weights, None if None in penalties else penalties)
        loss = np.zeros((len(at), len(WORTH)))
        for j, head in enumerate(heads):
            held = fold == j // len(WORTH)
            loss[held, j % len(WORTH)] = _loss(head, union, at[held])
        share = union.weight[at] / union.weight[at].sum()
        mean = share @ loss
        more = loss - loss[:, [int(mean.argmin())]]
        # The standard error of a weighted mean of paired differences; folds share rows, which it does not count.
        bound = DOUBT * np.sqrt(share**2 @ (more - share @ more) ** 2) + TIE * abs(mean.min())
        self.worth_ = max(w for w, value, least in zip(WORTH, share @ more, bound, strict=True) if value <= least)
        self.losses_ = dict(zip(WORTH, mean.tolist(), strict=True))


def _loss(head: Any, union: _Union, held: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (k,) losses of held-out rows against their truth."""
    truth = union.table.probs[held, 0]
    if union.table.classes is None:
        return 0.5 * (head.predict(union.rows[held]) - truth[:, 0]) ** 2
    probs = (1 - BLUR) * head.predict_proba(union.rows[held]) + BLUR / truth.shape[1]
    return -(truth * np.log(probs)).sum(axis=1)


def _unite(rows: Rows, weak: WeakLabels, importance: NDArray[np.float64], known: Known) -> _Union:
    """Put granted and transfer rows together. Transfer rows of weight zero are gone first, covered or not."""
    truth = truth_table("Anchored", known, weak)
    alive = importance > 0
    rows, weak, importance = rows[alive], weak[alive], importance[alive]
    inside = np.isin(rows.ids, truth.ids)
    outside = ~np.isin(truth.ids, rows.ids)
    combined, covered = weak.one(np.zeros(weak.probs.shape[2]) if weak.classes is None else None)
    combined[inside] = truth.at(rows.ids[inside]).probs[:, 0]
    ids = np.concatenate([rows.ids, truth.ids[outside]])
    is_known = np.concatenate([inside, np.ones(int(outside.sum()), dtype=bool)])
    probs = np.concatenate([combined, truth.probs[outside, 0]])
    there = np.concatenate([covered | inside, np.ones(int(outside.sum()), dtype=bool)])
    source = weak.relabel(combined, name=f"truth and {weak.label}").sources[0]
    table = WeakLabels.from_probs(probs, weak.classes, ids=ids, covered=there, source=source)
    weight = np.concatenate([importance, np.full(int(outside.sum()), importance.mean())])
    return _Union(Rows(ids, rows.views), table, np.where(there, weight, 0.0), is_known)

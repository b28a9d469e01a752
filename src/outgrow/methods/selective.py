"""Selective weak-to-strong generalization (Lang, Huang, Li 2025, arXiv 2511.14166).

    target_i = own_i  where P(IK)(x_i) > threshold,   F_i elsewhere
    F <- a S F + (1 - a) Y,   S = D^-1/2 A D^-1/2,    a = smoothing, 20 steps from F = Y, rows normalised at the end

P(IK) ("I know") is a classifier that says where the strong model's own answer is right; own_i is that answer; Y are the combined weak
labels, smoothed over a graph A of neighbours in the strong features. From the abstract: these parts and their order. Everything else was
not found and is ours, after Kadavath et al. 2022 (arXiv 2207.05221) for P(IK) and Zhou et al. 2004 for smoothing; both are recalled.

Ours. The own answer comes from the student's learner fitted on the granted truth. P(IK) is a logistic head (penalty cross-validated) on
the log-odds of the two best own answers, with the strong features beside them where that lowers the held-out loss clearly; it learns from
own answers that are out of fold on the granted rows, else it would learn that they are always right. The graph joins each row to its
``neighbours`` nearest by cosine, features standardised; an edge weighs exp(-distance / median), and counts both ways. It holds the rows
that have a weak label; above 50,000 of them neighbours are approximate. A row that no supervisor covers is learned from where the own
answer is known, and left out elsewhere. Where truth of a transfer row is granted, that is its target. With fewer than 5 right or 5 wrong
own answers P(IK) is one number, their smoothed share.

With ``own="prompt"`` the own answers come from the strong model itself, asked without any label, and no truth is granted. P(IK) is learned
from whether own answer and weak label agree, out of fold on the rows themselves. That is ours: where the two err independently of one
another and the weak label is more often right than not, they agree on more than half of two-class rows exactly where the own answer is
right on more than half, whatever the supervisor's accuracy. So threshold .5 keeps its meaning, and others are drawn towards .5.

Assumptions: granted rows are drawn as the transfer rows are; for smoothing, weak errors are scattered in the strong features. Clustered
errors gain nothing (the public probes of EleutherAI/w2s mostly lost by relabelling from neighbours).
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone, is_regressor

from outgrow.errors import InputError, LabelsError, NeedsError, nearest
from outgrow.learners.objective import CrossEntropy
from outgrow.methods.granted import (
    cross_fit,
    deal,
    ids_or_fail,
    number,
    sureness,
    tell_right,
    told_apart,
    truth_table,
    with_penalty_of,
)
from outgrow.methods.method import OfLearner, in_classes
from outgrow.methods.neighbours import Cost, Neighbours, cost, nearest_rows, standardised
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.needs import Known, Needs
from outgrow.tasks.prepare import prepare
from outgrow.tasks.rows import Rows

__all__ = ["Selective"]

STEPS = 20
FEWEST = 5
LEAST = 1e-12


class Selective(OfLearner):
    """Train on the strong model's own answers where it knows, and on smoothed weak labels elsewhere.

    Parameters
    ----------
    learner : learner, optional
        Default :class:`~outgrow.learners.linear.LinearHead`.
    threshold : float, default 0.5
        Own answers are taken where P(IK) is above it, in [0, 1]. At 1 there are none, and no truth is spent.
    neighbours : int, default 10
        Of each row in the graph.
    smoothing : float, default 0.5
        Share of the neighbours in a smoothed label, in [0, 1). 0 smooths nothing; with ``threshold=1`` that is
        :class:`~outgrow.methods.naive.Naive`, bit for bit.
    on : str, optional
        The matrix that P(IK) and the graph read. None: the learner's.
    random_state : int, default 0
        Deals the granted rows to folds; of an approximate search for neighbours.
    own : {"teach", "prompt"}, default "teach"
        Where own answers come from: the learner, fitted on granted truth; or the strong model, asked by the study (``self``), which
        spends no truth.

    Attributes
    ----------
    ik_ : ndarray of shape (n,)
        P(IK) on the rows given to ``fit``; 0 where nothing was asked.
    own_ : ndarray of shape (n,), bool
        Rows whose target is the own answer, or granted truth.
    graph_ : Neighbours or None
        The graph's edges among the rows that have a weak label (:mod:`~outgrow.methods.neighbours`).
    auroc_ : float
        How well P(IK) ranks right above wrong own answers on the granted rows, out of fold; NaN where it cannot be told, as without
        truth.

    References
    ----------
    Lang, Huang, Li 2025, "Selective weak-to-strong generalization", arXiv 2511.14166.
    """

    paper = "lang2025selective"
    truth = "teach"
    graph_: Neighbours | None
    off: ClassVar[dict[str, Any]] = {"threshold": 1, "smoothing": 0}

    def __init__(
        self,
        learner: Any = None,
        threshold: float = 0.5,
        neighbours: int = 10,
        smoothing: float = 0.5,
        on: str | None = None,
        random_state: int = 0,
        own: str = "teach",
    ):
        self.learner = learner
        self.threshold = threshold
        self.neighbours = neighbours
        self.smoothing = smoothing
        self.on = on
        self.random_state = random_state
        self.own = own

    def needs(self) -> Needs:
        """Return the learner's needs; the graph's view; and a grant where own answers are wanted."""
        idle = self.threshold == 1 and self.smoothing == 0
        views = frozenset() if self.on is None or idle else frozenset({self.on})
        wanted = self.threshold != 1
        return super().needs() | Needs(views=views, known=wanted and not self._prompts, own=wanted and self._prompts)

    @property
    def _prompts(self) -> bool:
        return self.own == "prompt"

    def check(self) -> None:
        """Raise when a parameter is out of range, or the learner predicts values."""
        if not number(self.threshold) or not 0 <= self.threshold <= 1:
            raise InputError(f"Selective threshold must be a number between 0 and 1, not {self.threshold!r}")
        if not number(self.smoothing) or not 0 <= self.smoothing < 1:
            raise InputError(f"Selective smoothing must be a number of at least 0 and below 1, not {self.smoothing!r}")
        whole = isinstance(self.neighbours, int | np.integer) and not isinstance(self.neighbours, bool)
        if not whole or self.neighbours < 1:
            raise InputError(f"Selective neighbours must be a whole number of at least 1, not {self.neighbours!r}")
        if self.own not in ("teach", "prompt"):
            raise InputError(
                f"Selective own is 'teach' or 'prompt', not {self.own!r}{nearest(str(self.own), ('teach', 'prompt'))}"
            )
        if self.on is None and getattr(self._learner(), "reads_inputs", False):
            raise NeedsError(
                "Selective looks at a learner's features, and this one reads raw inputs; name a matrix with on="
            )
        if is_regressor(self):
            raise LabelsError(
                "Selective asks whether an answer is right, and a value is never quite; use Naive for a value task"
            )

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        sample_weight: ArrayLike | None = None,
        known: Known | None = None,
        own: WeakLabels | None = None,
    ) -> Self:
        """Train the student.

        Parameters
        ----------
        X : Rows; or array of shape (n, d) where the threshold is 1
        y : WeakLabels, or labels
        sample_weight : array of shape (n,), optional
        known : Known, optional
            Granted truth; required unless the threshold is 1, or ``own="prompt"``.
        own : WeakLabels, optional
            The strong model's own answers, on the rows of X at least; required for ``own="prompt"``.

        Raises
        ------
        InputError
            A parameter out of range.
        NeedsError
            No grant, or a missing view.
        LabelsError
            Labels of other rows, or covering no row; granted truth of one class only.
        """
        self.check()
        rows, weak, weight = prepare(self, X, y, sample_weight)
        self.needs().check("Selective", rows.views, weak.sources, known=known, own=own)
        self.ik_, self.own_, self.auroc_ = np.zeros(len(rows)), np.zeros(len(rows), dtype=bool), float("nan")
        self.graph_ = None
        if self.threshold == 1 and self.smoothing == 0:
            return self._train(rows, weak, weight, CrossEntropy())
        importance = np.ones(len(rows)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        alive = importance > 0
        here, combined, covered = rows[alive], *weak[alive].one()
        if self.smoothing > 0:
            combined[covered] = self._smooth(here[covered], combined[covered], importance[alive][covered])
        if self.threshold != 1:
            ids_or_fail("Selective", X)
            if self._prompts:
                assert own is not None
                known = None
                answers, ik = self._asked(here, weak[alive], own)
            else:
                assert known is not None
                answers, ik = self._own(here, weak, known)
            take = ik > self.threshold
            combined[take], covered = answers[take], covered | take
            self.ik_[alive], self.own_[alive] = np.minimum(ik, 1.0), take
        else:
            known = None
        table = weak[alive].relabel(combined, covered, name=f"selective by {weak.label}")
        return self._train(here, table, np.where(covered, importance[alive], 0.0), CrossEntropy(), known)

    def said(self) -> dict[str, float]:
        """Return P(IK) on average, how well it ranks, and the share of rows that learn from the own answer or granted truth."""
        graph = self.graph_.said() if self.graph_ is not None else {}
        if self.threshold == 1:
            return graph
        own = float(self.own_.mean())
        told = {"P(IK), mean": float(self.ik_.mean()), "AUROC of P(IK)": self.auroc_, "share of own answers": own}
        return told | graph

    def cost(self, n: int, d: int) -> Cost:
        """Say what the graph over n rows of d features will take, where labels are smoothed."""
        return cost(n, d) if self.smoothing > 0 else Cost()

    def _view(self) -> str | None:
        return self.on if self.on is not None else self._learner().on

    def _own(self, rows: Rows, weak: WeakLabels, known: Known) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (n, c) own answers, and (n,) P(IK)."""
        assert weak.classes is not None
        table = truth_table("Selective", known, weak)
        truth, taught = table.hard()[:, 0], Rows(known.rows.ids, rows.views)
        if len(np.unique(truth)) < 2:
            raise LabelsError(
                f"Selective is granted {known.spent} rows of truth of class {str(weak.classes[truth[0]])!r} only; grant two classes or more"
            )
        learner = self._learner()
        fold = deal(taught.view(learner.on), table, self.random_state)
        model = clone(learner).fit(taught, table)
        out = cross_fit(with_penalty_of(learner, model), taught, table, fold)
        asked = np.isfinite(out).all(axis=1)
        right = out[asked].argmax(axis=1) == truth[asked]
        own = in_classes(model, rows, weak.classes)
        ik = self._knows(rows, own, taught[asked], out[asked], right)
        order = {row: at for at, row in enumerate(known.rows.ids.tolist())}
        for at, row in enumerate(rows.ids.tolist()):
            if row in order:
                own[at], ik[at] = table.probs[order[row], 0], np.inf
        return own, ik

    def _asked(self, rows: Rows, weak: WeakLabels, own: WeakLabels) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (n, c) answers that were asked for, and (n,) P(IK) from their agreement with the weak labels; 0 where there is none."""
        if weak.classes is None or own.classes is None or own.classes.tolist() != weak.classes.tolist():
            raise LabelsError("Selective is given own answers of other classes than the weak labels'")
        (answers, there), (combined, covered) = own.at(rows.ids).one(), weak.one()
        ik = np.zeros(len(rows))
        both = there & covered
        agree = answers[both].argmax(axis=1) == combined[both].argmax(axis=1)
        good, bad = int(agree.sum()), int((~agree).sum())
        # A row without a weak label says nothing of agreement: there the share of all rows stands.
        ik[there] = (good + 1) / (good + bad + 2)
        if min(good, bad) >= FEWEST:
            features = np.asarray(rows[both].view(self._view()), dtype=np.float64)
            told = told_apart((features, sureness(answers[both])), agree, self.random_state)
            ik[both] = np.where(np.isfinite(told), told, ik[both])
        return answers, ik

    def _knows(
        self,
        rows: Rows,
        own: NDArray[np.float64],
        taught: Rows,
        out: NDArray[np.float64],
        right: NDArray[np.bool_],
    ) -> NDArray[np.float64]:
        """Fit P(IK) on granted rows, and return it on the others."""
        good, bad = int(right.sum()), int((~right).sum())
        if min(good, bad) < FEWEST:
            return np.full(len(rows), (good + 1) / (good + bad + 2))
        view = self._view()
        features = np.asarray(taught.view(view), dtype=np.float64), np.asarray(rows.view(view), dtype=np.float64)
        odds, self.auroc_ = tell_right(
            (features[0], sureness(out)), (features[1], sureness(own)), right, self.random_state
        )
        return 1 / (1 + np.exp(-odds))

    def _smooth(self, rows: Rows, labels: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (n, c) labels smoothed over the graph."""
        if len(rows) < 2:
            return labels
        standard = standardised(np.asarray(rows.view(self._view())), weight)
        self.graph_ = nearest_rows(standard, int(self.neighbours), metric="cosine", random_state=int(self.random_state))
        graph = _graph(self.graph_)
        smooth = labels
        for _ in range(STEPS):
            smooth = self.smoothing * (graph @ smooth) + (1 - self.smoothing) * labels
        return smooth / smooth.sum(axis=1, keepdims=True)


def _graph(found: Neighbours) -> Any:
    """Return the normalised (n, n) sparse graph of nearest neighbours."""
    from scipy.sparse import csr_array, diags_array

    (n, k), middle = found.near.shape, float(np.median(found.far))
    edges = np.exp(-found.far / middle) if middle > LEAST else np.ones_like(found.far)
    one_way = csr_array((edges.ravel(), found.near.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n))
    both = one_way.maximum(one_way.T)
    root = diags_array(1 / np.sqrt(both.sum(axis=1)))
    return root @ both @ root

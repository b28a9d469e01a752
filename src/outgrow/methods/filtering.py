"""Filtering: leave out the rows whose weak labels look least reliable, and train on the rest.

    minimise  mean over kept rows of  CE(softmax(z_i), y_i),      kept: all but the share ``drop`` of highest doubt d_i

    confidence  d_i = 1 - max_k y_ik                              (the supervisors' own; the usual rule, as in Wen et al. 2026's baseline)
    entropy     d_i = entropy of the supervisors' votes on i      (Guo and Yang 2024, arXiv 2406.19032, there over prompts)
    knn         d_i = |mean label of the nearest rows - y_i|      (EleutherAI's w2s code, 2024; 50 neighbours, Euclidean)
    logistic    d_i = |a linear probe's answer - y_i|             (same)
    component   rows outside the largest strongly connected part of their class in the neighbour graph, then by knn (same, "topo")
    random      a number drawn for the row: the control that stands beside every other score

Ours. Every score drops the same share of the weight, so that ``random`` with the same ``drop`` is the control; the sources use thresholds
(.75 of probability, the median entropy), or drop what is outside the component however much that is. Rows tied at the cut share it out:
where a supervisor gives bare class names there is nothing to choose by, and ``confidence`` is then plain Naive. The distance is half
the sum over classes (the sources have two). A row is no neighbour of itself; features are standardised; the linear probe is a LinearHead
asked out of fold, under the same penalty rule as every head. A vote counts beside one vote spread over the classes, so that one voter
alone is less sure than five who agree. A class's graph is that of all rows, cut down to those the weak label puts there.

Contrary evidence, from the EleutherAI notebook: dropping 10 % by knn, logistic or topo mostly lowered PGR.
"""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import is_regressor

from outgrow.errors import InputError, LabelsError, nearest
from outgrow.learners.linear import LinearHead
from outgrow.learners.objective import CrossEntropy, Squared
from outgrow.learners.penalty import FEWEST, FOLDS, distinct, folds
from outgrow.methods.method import OfLearner
from outgrow.methods.neighbours import Cost, Neighbours, cost, nearest_rows, standardised
from outgrow.methods.retention import Narrowing, share_kept, two_classes
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.needs import Needs
from outgrow.tasks.prepare import matrix, prepare
from outgrow.tasks.rows import Rows

__all__ = ["Filtering"]

SCORES = ("confidence", "entropy", "knn", "logistic", "component", "random")
PROBES = ("knn", "logistic", "component")
GRAPHS = ("knn", "component")
OF_VALUES = ("knn", "random")


class Filtering(OfLearner):
    """Train the learner on the rows whose weak labels look reliable.

    Parameters
    ----------
    learner : learner, optional
        Default :class:`~outgrow.learners.linear.LinearHead`.
    by : {"confidence", "entropy", "knn", "logistic", "component", "random"}, default "confidence"
        What makes a label doubtful. "entropy" needs two supervisors.
    drop : float, default 0.1
        Share of the rows' weight that is left out, in [0, 1). 0 is :class:`~outgrow.methods.naive.Naive`, bit for bit.
    on : str, optional
        The matrix that "knn", "logistic" and "component" look at; default the learner's own view.
    neighbours : int, default 50
        Of "knn" and "component". Above 50,000 rows they are found approximately (:mod:`~outgrow.methods.neighbours`).
    random_state : int, default 0
        Of "random", of the folds of "logistic", and of an approximate search.

    Attributes
    ----------
    kept_ : ndarray of shape (n,)
        Share of each row's weight that was kept.
    doubt_ : ndarray of shape (n,)
        The score; NaN on rows that do not count.
    graph_ : Neighbours or None
        Who "knn" and "component" looked at, among the rows that count.
    narrowing_ : Narrowing, or None in a value task
        How the classes shrank; of topics: :func:`~outgrow.methods.retention.topic_narrowing`.

    References
    ----------
    EleutherAI 2024, github.com/EleutherAI/w2s. Guo and Yang 2024, arXiv 2406.19032.
    """

    paper = "eleuther2024"
    truth = "none"
    graph_: Neighbours | None
    off: ClassVar[dict[str, Any]] = {"drop": 0}

    def __init__(
        self,
        learner: Any = None,
        by: str = "confidence",
        drop: float = 0.1,
        on: str | None = None,
        neighbours: int = 50,
        random_state: int = 0,
    ):
        self.learner = learner
        self.by = by
        self.drop = drop
        self.on = on
        self.neighbours = neighbours
        self.random_state = random_state

    def needs(self) -> Needs:
        """Return what ``fit`` must be given beyond rows and labels: views, and for vote entropy two supervisors."""
        views = frozenset({self.on}) if self.on is not None and self.by in PROBES else frozenset()
        return super().needs() | Needs(views=views, supervisors=2 if self.by == "entropy" else 1)

    def check(self) -> None:
        """Raise when a parameter is out of range, or the score needs classes and the learner predicts values."""
        if self.by not in SCORES:
            raise InputError(f"Filtering by is {self.by!r}{nearest(str(self.by), SCORES)}")
        if not _is(Real, self.drop) or not 0 <= self.drop < 1:
            raise InputError(f"Filtering drop must be a number of at least 0 and below 1, not {self.drop!r}")
        for name, least in (("neighbours", 1), ("random_state", 0)):
            value = getattr(self, name)
            if not _is(Integral, value) or value < least:
                raise InputError(f"Filtering {name} must be a whole number of at least {least}, not {value!r}")
        if is_regressor(self) and self.by not in OF_VALUES and self.drop > 0:
            raise LabelsError(f"Filtering by {self.by!r} looks at classes; in a value task filter by 'knn' or 'random'")

    def fit(self, X: Any, y: Any, *, sample_weight: ArrayLike | None = None) -> Self:
        """Train the student.

        Parameters
        ----------
        X : Rows, or array of shape (n, d)
        y : WeakLabels, or class names (n,), probabilities (n, c), values (n,)
        sample_weight : array of shape (n,), optional

        Raises
        ------
        InputError
            A parameter out of range.
        NeedsError
            Vote entropy of one supervisor; a view that is missing.
        LabelsError
            Fewer than two classes left, or labels of other rows, of one class, or covering no row.
        """
        self.check()
        rows, weak, weight = prepare(self, X, y, sample_weight)
        self.needs().check(type(self).__name__, rows.views, weak.sources)
        used = weight > 0
        combined = weak[used].one()[0]
        self.weight_, self.kept_, self.doubt_ = weight, np.zeros(len(weight)), np.full(len(weight), np.nan)
        self.kept_[used], self.graph_ = 1.0, None
        if self.drop > 0:
            self.doubt_[used] = self._doubt(rows[used], weak[used], combined, weight[used])
            self.kept_[used] = share_kept(self.doubt_[used], weight[used], float(self.drop))
            if weak.classes is not None:
                two_classes(f"Filtering by {self.by!r}", combined, self.kept_[used], weak.classes)
        self.narrowing_ = None
        if weak.classes is not None:
            self.narrowing_ = Narrowing.of(combined.argmax(axis=1), weight[used], self.kept_[used], weak.classes)
        objective = Squared() if is_regressor(self) else CrossEntropy()
        return self._train(rows, weak, weight * self.kept_, objective)

    def said(self) -> dict[str, float]:
        """Return what was kept, and how the classes shrank (effective numbers of classes; KL of their shares)."""
        graph = self.graph_.said() if self.graph_ is not None else {}
        if self.narrowing_ is None:
            return {"share kept": float((self.weight_ * self.kept_).sum() / self.weight_.sum()), **graph}
        return {**self.narrowing_.said(), **graph}

    def control(self) -> dict[str, Any] | None:
        """Return the parameters of a random drop at the same retention."""
        return None if self.by == "random" or self.drop == 0 else {"by": "random", "drop": self.drop}

    def cost(self, n: int, d: int) -> Cost:
        """Say what the neighbours of n rows of d features will take, where the score looks at neighbours."""
        return cost(n, d) if self.by in GRAPHS and self.drop > 0 else Cost()

    # --- scores ------------------------------------------------------------------------------------------------------------------

    def _doubt(
        self, rows: Rows, weak: WeakLabels, combined: NDArray[np.float64], weight: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        if self.by == "confidence":
            return np.asarray(1 - combined.max(axis=1))
        if self.by == "random":
            return distinct(rows.ids[:, None].astype(np.float64), int(self.random_state)) / 2.0**64
        if self.by == "entropy":
            return vote_entropy(weak)
        reader = LinearHead(on=self.on if self.on is not None else getattr(self._learner(), "on", None))
        x = matrix(reader, rows, reset=True)
        if self.by == "logistic":
            return self._probe(reader, rows, x, combined, weight)
        self.graph_ = nearest_rows(standardised(x, weight), int(self.neighbours), random_state=int(self.random_state))
        near = self.graph_.near
        share = weight[near]
        around = np.zeros_like(combined)
        for j in range(near.shape[1]):
            around += share[:, [j]] * combined[near[:, j]]
        around /= share.sum(axis=1, keepdims=True)
        apart = _distance(around, combined)
        if weak.classes is None:
            return apart / max(float(apart.max()), np.finfo(np.float64).tiny)
        return apart + 2.0 * _outside(near, combined.argmax(axis=1)) if self.by == "component" else apart

    def _probe(
        self, reader: LinearHead, rows: Rows, x: NDArray[Any], combined: NDArray[Any], weight: NDArray[Any]
    ) -> NDArray[np.float64]:
        """Return the distance of labels from a linear probe that has not seen them; equal rows share a fold."""
        seed = int(self.random_state)
        if len(np.unique(distinct(x, seed))) < FEWEST:
            return np.zeros(len(x))
        fold = folds(x, seed)
        learn = np.stack([np.where(fold == f, 0.0, weight) for f in range(FOLDS)])
        heads = reader.fit_many(rows, np.repeat(combined[None], FOLDS, axis=0), learn)
        asked = np.stack([head.predict_proba(rows) for head in heads])
        return _distance(asked[fold, np.arange(len(x))], combined)


def vote_entropy(weak: WeakLabels) -> NDArray[np.float64]:
    """Return (n,) entropy of the votes over the log of the number of classes; each row has one vote more, spread over the classes."""
    votes, c = weak.hard(), weak.probs.shape[2]
    counts = np.stack([(votes == k).sum(axis=1) for k in range(c)], axis=1) + 1 / c
    share = counts / counts.sum(axis=1, keepdims=True)
    return np.asarray(-(share * np.log(share)).sum(axis=1) / np.log(c))


def _distance(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.abs(one - other).sum(axis=1) / (2 if one.shape[1] > 1 else 1))


def _outside(near: NDArray[np.int64], named: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return (n,) which rows are not in the largest strongly connected component of their class; of equal ones all count as largest."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    n, k = near.shape
    source = np.repeat(np.arange(n), k)
    same = named[source] == named[near.ravel()]
    ones = np.ones(int(same.sum()), dtype=np.int8)
    graph = csr_array((ones, (source[same], near.ravel()[same])), shape=(n, n))
    _, part = connected_components(graph, directed=True, connection="strong")
    size = np.bincount(part)[part]
    largest = np.zeros(int(named.max()) + 1, dtype=np.int64)
    np.maximum.at(largest, named, size)
    return np.asarray(size < largest[named])


def _is(kind: type, value: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)

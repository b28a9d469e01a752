"""Our own recipe: weak labels are repaired by what the strong features say about the classes, without truth.

Naive training imitates: it fits p(weak label | features), lean and doubt of the supervisor included. Here the rows' classes are hidden, and
the weak label is only something a supervisor says about them. Features f_i (standardised, brought to one length, centred) are Gaussian in
each class around its mean, with one covariance for all; supervisors say class l of rows of class k with a chance T_kl. From R = the weak
labels p, so many ``steps`` of

    mean_k, C      <-  moments of f under R,   C shrunk by s = min(1/2, 2 d / (d + n)) towards its mean variance,
    g_ik           <-  softmax_k( log pi_k + f_i . C^-1 mean_k - mean_k . C^-1 mean_k / 2 ),    pi = mean weak label,
    T_kl           <-  sum_i g_ik p_il / sum_i g_ik,
    R_ik           <-  g_ik sum_l T_kl p_il,    normalised,

which is the EM algorithm for that model (McLachlan 1975 for discriminants from unlabelled rows; Raykar et al. 2010 for what a labeller
says; both recalled) but that pi and the scale of C stay. How far the result may be believed is the separation of the classes in these
features, lambda = (mean_i max_k g_ik - 1/c) / (1 - 1/c), with g cross-fitted over three folds. The student learns

    targets  ~  n_i^(1 - lambda)  R_i^lambda

with n the answers of a naive student: where classes are not apart it is naive, where they are it learns the repaired labels. A row that no
supervisor covers has the mean label as its weak label and is learned from like the others.

Where the strong model was asked itself, without any label, its answers q stand beside the weak labels from the start: (p + w q) / (1 + w)
takes the place of p, everywhere above and in the naive student. w = a(q) / a(p), at most 1, with a the agreement beyond chance of labels
with a discriminant that p taught on other rows: an answer that says less about what p has in common with the features counts less, and one
whose agreement is within two standard errors of chance counts for nothing.

Ours: the composition, s, lambda, two steps; docs/recipe-log.md counts what was tried. Assumed: classes are blobs of like shape in the
strong features, and supervisors err by class rather than by row. It is naive on values, on under 40 rows, on constant features, and where
the learner reads raw inputs and ``on`` names no matrix.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import clone, is_regressor

from outgrow.errors import InputError, LabelsError
from outgrow.learners.discriminant import ENOUGH, FLAT, TINY, one_length, posterior, repaired, separation
from outgrow.learners.objective import CrossEntropy, Squared
from outgrow.learners.penalty import FOLDS, distinct, folds
from outgrow.methods.method import OfLearner, in_classes
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.needs import Needs
from outgrow.tasks.prepare import prepare
from outgrow.tasks.rows import Rows

__all__ = ["Recipe"]

Floats = NDArray[np.float64]

NOISE = 2.0
"""Standard errors, one over the root of the rows each, that the agreement of own answers must exceed."""


class Recipe(OfLearner):
    """Train on weak labels repaired by a discriminant in the strong features, as far as the classes lie apart there.

    Parameters
    ----------
    learner : learner, optional
        Default :class:`~outgrow.learners.linear.LinearHead`.
    steps : int, default 2
        Of the repair. 0 is :class:`~outgrow.methods.naive.Naive`, bit for bit.
    on : str, optional
        The matrix that the repair reads. None: the learner's.

    Attributes
    ----------
    own_ : float
        w, the weight of the strong model's own answers beside the weak labels; 0 where it was not asked.
    separation_ : float
        How far apart the classes lie, from 0 (not at all; the student is nearly naive) to 1; NaN where nothing was repaired.
    changed_ : float
        Share of covered rows whose likeliest class the repair changed.
    channel_ : ndarray of shape (c, c)
        T: how often rows of class k are said to be of class l, as estimated.

    References
    ----------
    Ours. McLachlan 1975, "Iterative reclassification procedure for constructing an asymptotically optimal rule of allocation in
    discriminant analysis"; Raykar et al. 2010, "Learning from crowds".
    """

    paper = "outgrow"
    truth = "none"
    off: ClassVar[dict[str, Any]] = {"steps": 0}

    def __init__(self, learner: Any = None, steps: int = 2, on: str | None = None):
        self.learner = learner
        self.steps = steps
        self.on = on

    def needs(self) -> Needs:
        """Return the learner's needs, the view of the repair, and that own answers are read where there are any."""
        views = frozenset() if self.on is None else frozenset({self.on})
        return super().needs() | Needs(views=views, own_if_asked=self.steps != 0)

    def check(self) -> None:
        """Raise when ``steps`` is out of range."""
        if not isinstance(self.steps, int | np.integer) or isinstance(self.steps, bool) or self.steps < 0:
            raise InputError(f"Recipe steps must be a whole number of at least 0, not {self.steps!r}")

    def said(self) -> dict[str, float]:
        """Return the separation of the classes and the share of labels that the repair changed."""
        if np.isnan(self.separation_):
            return {}
        told = {"separation of the classes": self.separation_, "share of labels changed": self.changed_}
        return told | ({"weight of own answers": self.own_} if self.asked_ else {})

    def fit(self, X: Any, y: Any, *, sample_weight: ArrayLike | None = None, own: WeakLabels | None = None) -> Self:
        """Repair the labels, then train the student.

        Parameters
        ----------
        X : Rows, or array of shape (n, d)
        y : WeakLabels, or class names (n,), probabilities (n, c), values (n,)
        sample_weight : array of shape (n,), optional
        own : WeakLabels, optional
            The strong model's own answers, on the rows of X at least.

        Raises
        ------
        InputError
            A parameter out of range.
        LabelsError
            Labels of other rows, of one class, or covering no row; own answers of other classes.
        """
        self.check()
        rows, weak, weight = prepare(self, X, y, sample_weight)
        self.separation_, self.changed_, self.channel_ = np.nan, 0.0, np.eye(weak.probs.shape[2])
        self.own_, self.asked_ = 0.0, own is not None and self.steps > 0
        if is_regressor(self):
            return self._train(rows, weak, weight, Squared())
        everywhere = np.ones(len(rows)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        alive = everywhere > 0
        features = self._features(rows[alive], everywhere[alive]) if self.steps else None
        if features is None:
            return self._train(rows, weak, weight, CrossEntropy())
        if own is not None:
            weak = self._beside(features, weak, own.at(rows.ids), alive, everywhere)
            weight = np.where(weak.any_covered, everywhere, 0.0)
        naive = clone(self._learner()).fit(rows, weak, sample_weight=weight)
        given = weak.one(_mean_label(weak, weight))[0]
        targets = given.copy()
        targets[alive] = self._repair(
            features, given[alive], in_classes(naive, rows[alive], naive.classes_), everywhere[alive]
        )
        moved = targets.argmax(axis=1) != given.argmax(axis=1)
        self.changed_ = float(np.average(moved, weights=weight))
        return self._train(rows, weak.relabel(targets, alive, "repaired"), everywhere, CrossEntropy())

    def _features(self, rows: Rows, weight: Floats) -> Floats | None:
        """Return the rows that the repair reads, as :func:`~outgrow.learners.discriminant.one_length` makes them."""
        name = rows.name(self.on if self.on is not None else getattr(self._learner(), "on", None))
        if not rows.views[name].matrix:
            return None
        return one_length(np.asarray(rows.view(name), dtype=np.float64), weight)

    def _beside(self, x: Floats, weak: WeakLabels, own: WeakLabels, alive: Any, weight: Floats) -> WeakLabels:
        """Return labels in which own answers stand beside the weak ones, as far as the features say that they may."""
        if own.classes is None or weak.classes is None or own.classes.tolist() != weak.classes.tolist():
            raise LabelsError("Recipe is given own answers of other classes than the weak labels'")
        if not own.any_covered.any():
            return weak
        (p, heard), (q, asked) = weak.one(), own.one()
        both = (heard & asked)[alive]
        theirs, ours, w = p[alive][both], q[alive][both], weight[alive][both]
        if len(np.unique(distinct(x[both]))) < ENOUGH or len(np.unique(theirs.argmax(axis=1))) < 2:
            return weak
        fold = folds(x[both], 0)
        said = np.empty(len(theirs), dtype=np.int64)
        for held in range(FOLDS):
            learn = fold != held
            at = x[both][~learn]
            said[~learn] = posterior(x[both][learn], theirs[learn], w[learn], theirs[learn], at).argmax(axis=1)
        mine, other = (_kappa(said, labels.argmax(axis=1), w) for labels in (ours, theirs))
        if mine <= NOISE / np.sqrt(len(said)) or other <= 0:
            return weak
        self.own_ = min(mine / other, 1.0)
        share = np.where(asked, self.own_, 0.0)[:, None]
        known = heard[:, None].astype(np.float64)
        mixed = known * p + share * q
        total = known + share
        there = total[:, 0] > 0
        mixed[there] /= total[there]
        return weak.relabel(np.where(there[:, None], mixed, 1 / p.shape[1]), there, "with own answers")

    def _repair(self, x: Floats, given: Floats, naive: Floats, weight: Floats) -> Floats:
        """Return (n, c) targets."""
        heard = weight @ given > FLAT * weight.sum()
        p = given[:, heard]
        if p.shape[1] < 2:
            return given
        self.separation_ = separation(x, p, weight, self.steps, folds(x, 0))
        better, channel = repaired(x, p, weight, self.steps)
        self.channel_[np.ix_(heard, heard)] = channel
        log = (1 - self.separation_) * np.log(naive[:, heard] + TINY) + self.separation_ * np.log(better + TINY)
        out = np.zeros_like(given)
        out[:, heard] = softmax(log, axis=1)
        return out


def _kappa(a: NDArray[np.int64], b: NDArray[np.int64], weight: Floats) -> float:
    """Return the agreement of two answers beyond chance (Cohen 1960)."""
    c = int(max(a.max(), b.max())) + 1
    shares = [np.bincount(labels, weights=weight, minlength=c) / weight.sum() for labels in (a, b)]
    chance = float(shares[0] @ shares[1])
    return (float(np.average(a == b, weights=weight)) - chance) / max(1 - chance, TINY)


def _mean_label(weak: WeakLabels, weight: Floats) -> Floats:
    """Return the (c,) weighted mean of the combined label over covered rows."""
    combined, covered = weak.one(weak.prior())
    return np.average(combined[covered], axis=0, weights=weight[covered])

"""A biased supervisor repaired without truth, before any method.

A label of class k by supervisor m is given the weight b_mk:

    u_imk = b_mk^strength  p_imk,      label of row i  ~  sum_m u_im,      row weight  mean_m sum_k u_imk,

which is the loss with class weights b, soft labels and hard ones alike. A method that reads supervisors apart is given the labels
u_im / sum_k u_imk instead, whose common row weight is exact where they agree. Where the weights come from:

``confident``. C_mk is supervisor m's mean label on the rows of which a cross-fitted student is surest that they are of class k (the anchor
points of Liu and Tao 2016 and Patrini et al. 2017; recalled), and b_ml = 1 / mean_k C_mkl: a row that is of every class alike is then
labelled evenly, which for two classes puts the student's threshold half way between what the supervisor says of the one and of the other.
Ours: that weight; labels of rows the student did not see, and not its probabilities; a quarter of what the labels give the class counts as
surest, at least five rows; of log b that part is kept which two halves of the rows agree on; under 40 rows nothing is corrected.

``agreement``. C is the confusion of the label model that agreement between supervisors gives
(:func:`outgrow.supervisors.votes.confusions`; one coin has no bias, so b is one). It also gives
accuracies, and p_m is raised to 1 / T_m first, such that its mean confidence is m's.

``em``. Saerens, Latinne and Decaestecker 2002 (recalled): b is c q at the fixed point of q_k <- mean_i q_k p_ik / sum_j q_j p_ij, for
labels made for even classes (ours: what they were made for is not known); the label is the summand itself and row weights stay.

``even``, or shares q that are given: b = q / s with s_mk the mean label, for all supervisors.

All of it is ours but for the sources named; b is held between 1/10 and 10. Assumed: the bias depends on the class and not on the row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone, is_regressor

from outgrow.errors import InputError, LabelsError, nearest
from outgrow.methods.method import OfLearner, is_number
from outgrow.methods.naive import Naive
from outgrow.supervisors.shares import TINY, anchors, cooled, even_shares, levelled, mean_shares, steady, temperature_of
from outgrow.supervisors.votes import confusions, votes_of
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.needs import Needs
from outgrow.tasks.prepare import prepare
from outgrow.tasks.rows import Rows

__all__ = ["Correction"]

Floats = NDArray[np.float64]

RULES = ("confident", "agreement", "em", "even")
ENOUGH = 40
SHOWN = 4
BOUND = 10.0


class Correction(OfLearner):
    """Weigh labels against a supervisor's bias (and, with several, re-estimate temperatures) without truth, then apply a method.

    Parameters
    ----------
    learner : learner, optional
        Default: the method's own, or :class:`~outgrow.learners.linear.LinearHead`.
    method : method or str, optional
        What learns from the corrected labels: a method, or its name in a study. Default naive. It may not ask for truth.
    prior : {"confident", "agreement", "em", "even"} or sequence of c shares, default "confident"
        Where the weights come from. "agreement" needs three supervisors.
    strength : float, default 1.0
        In [0, 1]; 0 is the method on the labels as they are, bit for bit.

    Attributes
    ----------
    method_ : method
        The fitted method.
    weights_ : ndarray of shape (m, c)
        Weight of each supervisor's labels of each class; one where nothing was corrected.
    temperature_ : ndarray of shape (m,)
        One where it was not estimated.
    supervisors_ : tuple of str
        Their names.

    References
    ----------
    Saerens et al. 2002, "Adjusting the outputs of a classifier to new a priori probabilities"; Patrini et al. 2017, arXiv 1609.03683.
    """

    paper = "saerens2002"
    truth = "none"
    off: ClassVar[dict[str, Any]] = {"strength": 0}

    def __init__(
        self, learner: Any = None, method: Any = None, prior: str | Sequence[float] = "confident", strength: float = 1.0
    ):
        self.learner = learner
        self.method = method
        self.prior = prior
        self.strength = strength

    def _inner(self) -> Any:
        if self.method is None:
            return Naive(self.learner)
        if isinstance(self.method, str):
            from outgrow.catalogue import find

            return find("methods", self.method)(learner=self.learner)
        made = clone(self.method)
        return made if self.learner is None else made.set_params(learner=self.learner)

    def _learner(self) -> Any:
        return self._inner().reference()

    def recipe(self) -> list[Any]:
        """Return what names this method for fingerprints, a missing learner filled in."""
        return [type(self), {"method": self._inner(), "prior": self.prior, "strength": self.strength}]

    def needs(self) -> Needs:
        """Return the inner method's needs, and three supervisors where the shares come from their agreement."""
        own = Needs(supervisors=3) if isinstance(self.prior, str) and self.prior == "agreement" else Needs()
        return self._inner().needs() | own

    def reference(self) -> Any:
        """Return the inner method's reference."""
        return self._inner().reference()

    def check(self) -> None:
        """Raise when a parameter is out of range, the inner method asks for truth, or the learner predicts values."""
        if not is_number(self.strength) or not 0 <= self.strength <= 1:
            raise InputError(f"Correction strength must be a number between 0 and 1, not {self.strength!r}")
        if isinstance(self.prior, str):
            if self.prior not in RULES:
                raise InputError(
                    f"Correction prior must be one of {list(RULES)} or a list of class shares, "
                    f"not {self.prior!r}{nearest(self.prior, RULES)}"
                )
        else:
            shares = np.asarray(self.prior, dtype=np.float64)
            if shares.ndim != 1 or not (shares > 0).all() or abs(shares.sum() - 1) > TINY:
                raise InputError(f"Correction prior must be positive class shares that sum to one, not {self.prior!r}")
        inner = self._inner()
        needs = inner.needs()
        if needs.known or needs.select:
            raise InputError(
                f"Correction goes around methods that take rows and weak labels only, "
                f"and {type(inner).__name__} asks for more; use it alone"
            )
        if is_regressor(self):
            raise LabelsError(
                "Correction re-estimates class shares, and this learner predicts values; use Naive for a value task"
            )
        inner.check()

    def refuses(self, kind: str, classes: int, sources: Sequence[Any]) -> str | None:
        """Say why this method, or the one inside, cannot run on such a task with such supervisors."""
        said = super().refuses(kind, classes, sources) or self._inner().refuses(kind, classes, sources)
        if said is None and not isinstance(self.prior, str) and len(self.prior) != classes:
            return f"Correction prior has {len(self.prior)} class shares and the task has {classes} classes; give one a class"
        return said

    def fit(self, X: Any, y: Any, *, sample_weight: ArrayLike | None = None) -> Self:
        """Correct the labels, then fit the method.

        Parameters
        ----------
        X : Rows, or array of shape (n, d)
        y : WeakLabels, or class names (n,), probabilities (n, c)
        sample_weight : array of shape (n,), optional

        Raises
        ------
        InputError
            A parameter out of range, or shares of another number of classes.
        LabelsError
            A value task, or labels of other rows, of one class, or covering no row.
        """
        from outgrow.fingerprints import fingerprint

        self.check()
        rows, weak, weight = prepare(self, X, y, sample_weight)
        self.supervisors_ = tuple(s.name for s in weak.sources)
        self.temperature_ = np.ones(weak.supervisors)
        self.weights_ = np.ones(weak.probs.shape[1:])
        if self.strength > 0:
            weak, weight = self._correct(rows, weak, weight)
        self.method_ = self._inner().fit(rows, weak, sample_weight=weight)
        self.student_, self.objective_, self.spent_ = self.method_.student_, self.method_.objective_, 0
        self.fingerprint_ = fingerprint("method", self, self.method_.fingerprint_)
        return self

    def said(self) -> dict[str, float]:
        """Return each supervisor's weights (of many classes the one furthest from 1), its temperature, and what is said inside."""
        told: dict[str, float] = {}
        if self.strength > 0:
            for name, weights, heat in zip(self.supervisors_, self.weights_, self.temperature_, strict=True):
                shown = range(len(weights)) if len(weights) <= SHOWN else [int(np.abs(np.log(weights)).argmax())]
                told |= {f"weight of {name} saying {self.classes_[k]}": float(weights[k]) for k in shown}
                told |= {f"temperature of {name}": float(heat)} if heat != 1 else {}
        return told | self.method_.said()

    def _correct(self, rows: Rows, weak: WeakLabels, weight: Floats) -> tuple[WeakLabels, Floats]:
        # Dead rows are left out before anything is computed, so that they change no bit.
        alive = weight > 0
        seen, w = weak[alive], weight[alive]
        m, c = seen.probs.shape[1:]
        rule = self.prior if isinstance(self.prior, str) else "given"
        probs, there = seen.probs, seen.covered
        if rule in ("given", "even"):
            shares = np.full(c, 1 / c) if rule == "even" else np.asarray(self.prior, dtype=np.float64)
            if len(shares) != c:
                raise InputError(
                    f"Correction prior has {len(shares)} class shares and the labels have {c} classes; give one a class"
                )
            said = mean_shares(probs, there, w)
            tilt = np.where(said > TINY, np.log(shares / np.maximum(said, TINY)), 0.0)
        elif rule == "em":
            tilt = np.log([np.maximum(even_shares(probs[there[:, j], j], w[there[:, j]]) * c, TINY) for j in range(m)])
        elif rule == "agreement":
            model = confusions(votes_of(probs, there), w)
            tilt = levelled(model.confusion)
            sure = [temperature_of(probs[there[:, j], j], w[there[:, j]], a) for j, a in enumerate(model.accuracy)]
            self.temperature_ = np.array(sure) ** float(self.strength)
            probs = cooled(probs, self.temperature_)
        else:
            tilt = self._confident(rows[alive], seen, w)
        self.weights_ = np.clip(np.exp(tilt), 1 / BOUND, BOUND) ** float(self.strength)
        mass = probs * self.weights_
        size = mass.sum(axis=2)
        count = there.sum(axis=1)
        heard = np.where(there, size, 0.0).sum(axis=1) / count
        made = mass / size[:, :, None]
        weight = weight.copy()
        weight[alive] = w if rule == "em" else w * heard
        if m > 1 and not self._unreduced():
            # What several say together is weighed as one, which is exact where they disagree too.
            parts = made if rule == "em" else mass
            total = np.where(there[:, :, None], parts, 0.0).sum(axis=1)
            one = np.full((len(weak), c), 1 / c)
            one[alive] = total / total.sum(axis=1, keepdims=True)
            return weak.relabel(one, weak.any_covered, "corrected"), weight
        full = weak.probs.copy()
        full[alive] = made
        return _rebuilt(weak, full, self), weight

    def _unreduced(self) -> bool:
        inner = self._inner()
        return inner.needs().supervisors > 1 or getattr(inner, "unreduced", False)

    def _confident(self, rows: Rows, weak: WeakLabels, w: Floats) -> Floats:
        """Log weights of labels, from the rows that a cross-fitted student is surest of."""
        n, m, c = weak.probs.shape
        if n < ENOUGH:
            return np.zeros((m, c))
        first = np.arange(n) % 2 == 0
        found = []
        for mine in (first, ~first):
            student = clone(self._learner()).fit(rows[~mine], weak[~mine], sample_weight=w[~mine])
            sure = student.predict_proba(rows[mine])
            found.append(levelled(anchors(sure, weak.probs[mine], weak.covered[mine], w[mine])))
        return steady(*found)


def _rebuilt(weak: WeakLabels, probs: Floats, method: Correction) -> WeakLabels:
    from outgrow.fingerprints import fingerprint

    key = fingerprint("corrected", method.weights_, method.temperature_, float(method.strength))
    sources = tuple(replace(s, key=fingerprint("corrected", s.key, key)) for s in weak.sources)
    return WeakLabels(weak.ids, probs, weak.covered, weak.classes, sources)

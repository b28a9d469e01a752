"""The logistic head: a linear classifier on frozen features, solved to a stated gradient."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from outgrow.errors import InputError
from outgrow.learners.design import Design
from outgrow.learners.head import Head
from outgrow.learners.losses import ClosedCrossEntropy, class_logits, columns, loss_of
from outgrow.learners.objective import CrossEntropy, Objective, combine, weak_tensor
from outgrow.learners.penalty import ENTRIES, cross_validate
from outgrow.learners.solver import MAX_STEPS
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.prepare import prepare

__all__ = ["LinearHead"]

LOOSE = 100


class LinearHead(ClassifierMixin, Head):
    """Softmax regression on one view, standardised inside.

    It minimises the weighted mean row loss plus ``penalty / 2 |W|^2`` in float64, the intercept free, by L-BFGS until no entry of the
    gradient exceeds ``tol`` (the norm scikit-learn's lbfgs uses). Two classes share one coefficient vector, as in scikit-learn:
    ``penalty`` equals ``1 / (n C)`` of ``LogisticRegression`` on standardised features.

    With an objective whose targets move, ``stages + 1`` warm-started solves run at progress 0, 1/stages, ..., 1; targets are constant
    within a solve and the tolerance is 100 ``tol`` until the last. The result is a self-consistent point, not a minimum.

    Parameters
    ----------
    on : str, optional
        The view to read; None is the only matrix there is.
    penalty : "cv" or float
        ``"cv"``: threefold cross-validation over .01 ... 30 on the combined weak label, whatever the objective
        (:mod:`outgrow.learners.penalty`).
    stages : int
        Stages of a moving objective.
    tol : float
        Bound on the largest absolute entry of the gradient.
    random_state : int
        Of the folds of cross-validation.

    Attributes
    ----------
    classes_ : ndarray of shape (c,)
        The task's classes, always all of them. One that no label supports is never predicted; its probability is under 1e-13.
    coef_, intercept_ : ndarray of shape (1 or c, d) and (1 or c,)
        In the features' own units; one row for two classes.
    penalty_ : float
        The penalty that was used.
    n_iter_ : int
        Steps over all stages.
    converged_ : bool
        Whether the last solve reached ``tol``.
    state_ : dict of str to ndarray
        What the objective carried along.
    fingerprint_ : str
        Names the recipe and everything that was given to ``fit``.

    Examples
    --------
    >>> import numpy as np
    >>> head = LinearHead(penalty=0.1).fit(np.array([[0.0], [1.0], [2.0], [3.0]]), ["no", "no", "yes", "yes"])
    >>> head.predict([[2.5]]).tolist()
    ['yes']
    """

    def __init__(
        self,
        on: str | None = None,
        penalty: float | str = "cv",
        stages: int = 10,
        tol: float = 1e-6,
        random_state: Any = 0,
    ):
        self.on = on
        self.penalty = penalty
        self.stages = stages
        self.tol = tol
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        *,
        objective: Objective | None = None,
        select: Any = None,
    ) -> Self:
        """Learn from rows and weak labels.

        Parameters
        ----------
        X : Rows, or array of shape (n, d)
        y : WeakLabels, class names (n,), or probabilities (n, c)
        sample_weight : array of shape (n,), optional
            Only ratios matter. Rows of weight zero, and rows no supervisor covers, are removed before anything is computed.
        objective : Objective, optional
            Default: cross-entropy against the combined weak label.
        select : object, optional
            Not read: an exact solve does not stop early.

        Raises
        ------
        InputError
            A parameter out of range, or labels, rows or weights that do not fit together.
        """
        del select
        self._check()
        rows, weak, weight = prepare(self, X, y, sample_weight)
        x, used = self._used(rows, weight)
        objective = CrossEntropy() if objective is None else objective
        self.fingerprint_ = self._stamp(rows, weak, weight, objective)
        assert weak.classes is not None
        self.classes_ = np.asarray(weak.classes)
        self._minimise(x, weak[used], weight[used], objective)
        if not self.converged_:
            warnings.warn(
                f"LinearHead stopped after {MAX_STEPS} steps or at rounding, above tol={self.tol:g}; raise tol or the penalty",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def _minimise(
        self, x: NDArray[np.float64], weak: WeakLabels, weight: NDArray[np.float64], objective: Objective
    ) -> None:
        labels, importance = weak_tensor(weak), torch.from_numpy(weight)
        given = combine(labels)[None]
        design = Design.of(x, weight[None])
        if self.penalty == "cv":
            self.penalty_ = float(cross_validate(x, given, weight[None], self._seed(), design.basis)[0])
        else:
            self.penalty_ = float(self.penalty)
        penalty = torch.tensor([self.penalty_], dtype=torch.float64)
        theta, free = design.start(given)
        state = objective.start(labels, importance)
        stages = self.stages if objective.moves else 0
        self.n_iter_ = 0
        for stage in range(stages + 1):
            progress = stage / stages if stages else 1.0
            logits = class_logits((design.x @ theta[0].T)[:, None], len(self.classes_))[0]
            targets, counted, state = objective.targets(logits, labels, importance, progress, state)
            total = counted.sum()
            if not total > 0:
                raise InputError(
                    f"{type(objective).__name__} leaves no row with a weight at progress {progress:g}; loosen it"
                )
            loss = loss_of(objective, targets[None], (counted / total)[None])
            last = stage == stages
            found = design.solve(loss, penalty, theta, free, self.tol if last else LOOSE * self.tol)
            theta = found.theta
            self.n_iter_ += int(found.steps[0])
        self.converged_ = bool(found.converged[0])
        self.state_ = {name: value.detach().numpy() for name, value in state.items()}
        coef, intercept = design.original(theta, free)
        self.coef_, self.intercept_ = coef[0], intercept[0]

    def fit_many(
        self,
        X: Any,
        targets: ArrayLike,
        sample_weight: ArrayLike | None = None,
        penalty: ArrayLike | None = None,
        classes: ArrayLike | None = None,
    ) -> list[Self]:
        """Fit k heads on the same rows by cross-entropy, in batched solves.

        Parameters
        ----------
        X : Rows, or array of shape (n, d)
        targets : array of shape (k, n, c)
            Probabilities; what stands on a row of weight zero is not read.
        sample_weight : array of shape (k, n), optional
            Each head standardises under its own weights, so it equals a head fitted alone, up to the tolerance.
        penalty : array of shape (k,), optional
            Default: this head's own rule.
        classes : array of shape (c,), optional
            Names of the classes; default 0, 1, ...

        Returns
        -------
        list of k fitted LinearHead
        """
        self._check()
        rows, t, weight, chosen = self._many(X, targets, sample_weight, penalty)
        k, _, c = t.shape
        names = np.arange(c) if classes is None else np.asarray(classes)
        if len(names) != c or c < 2:
            raise InputError(f"fit_many needs names for {c} classes, at least two; given {len(names)}")
        x, used = self._used(rows, weight.sum(axis=0))
        own = [weight[min(j, len(weight) - 1)] for j in range(k)]
        key = rows.key(self.on)
        t, weight = np.where((weight > 0)[:, :, None], t, 0.0)[:, used], weight[:, used]
        if (t < 0).any():
            raise InputError("fit_many needs targets that are probabilities; some are negative")
        labels = torch.from_numpy(t)
        shared = Design.of(x, weight) if len(weight) == 1 else None
        alone = shared or Design.of(x, weight.sum(axis=0, keepdims=True), turn=False)
        basis = alone.basis
        if chosen is None:
            chosen = cross_validate(x, labels, weight, self._seed(), basis)
        heads: list[Self] = []
        batch = max(1, ENTRIES // max(1, len(x) * columns(c)))
        for at in range(0, k, batch):
            these = slice(at, at + batch)
            design = shared if shared is not None else Design.of(x, weight[these], basis)
            start, free = design.start(labels[these])
            loss = ClosedCrossEntropy.of(labels[these], design.weight)
            found = design.solve(loss, torch.from_numpy(chosen[these]), start, free, self.tol)
            coef, intercept = design.original(found.theta, free)
            for j in range(len(coef)):
                head = clone(self).set_params(penalty=float(chosen[at + j]))
                head.n_features_in_, head.classes_, head.penalty_ = x.shape[1], names, float(chosen[at + j])
                head.coef_, head.intercept_, head.state_ = coef[j], intercept[j], {}
                head.n_iter_, head.converged_ = int(found.steps[j]), bool(found.converged[j])
                head.fingerprint_ = _many_key(head, key, t[at + j], own[at + j], names)
                heads.append(head)
        return heads

    # --- reading -----------------------------------------------------------------------------------------------------------------

    def logits(self, X: Any) -> NDArray[np.float64]:
        """Return (n, c) logits, in the order of ``classes_``."""
        check_is_fitted(self)
        z = self._scores(X, self.coef_, self.intercept_)
        return np.concatenate([-0.5 * z, 0.5 * z], axis=1) if len(self.classes_) == 2 else z

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return (n, c) class probabilities, in the order of ``classes_``."""
        from scipy.special import softmax

        return softmax(self.logits(X), axis=1)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return (n,) class names."""
        best = self.logits(X).argmax(axis=1)
        return self.classes_[best]

    def score(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> float:
        """Return the accuracy; against WeakLabels, the agreement with the class their combined label names, on covered rows."""
        if not isinstance(y, WeakLabels):
            return float(super().score(X, y, sample_weight))
        if y.classes is None or not np.array_equal(y.classes, self.classes_):
            raise InputError(
                "the weak labels have other classes than this head was fitted on; score with labels of the same task"
            )
        combined, there = self._weak_targets(y)
        same = self.logits(X).argmax(axis=1) == combined.argmax(axis=1)
        weight = there.astype(np.float64) if sample_weight is None else np.asarray(sample_weight) * there
        return float(np.average(same, weights=weight))

    # --- parameters --------------------------------------------------------------------------------------------------------------

    def _seed(self) -> int:
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _check(self) -> None:
        self._check_penalty()
        if not isinstance(self.stages, int | np.integer) or isinstance(self.stages, bool) or self.stages < 1:
            raise InputError(f"LinearHead: stages is {self.stages!r}; give a whole number of at least 1")
        if not 0 < self.tol < 1:
            raise InputError(f"LinearHead: tol is {self.tol!r}; give a number between 0 and 1")


def _many_key(head: LinearHead, key: str, targets: Any, weight: Any, names: Any) -> str:
    from outgrow.fingerprints import fingerprint

    return fingerprint("learner", head, key, targets, weight, names)

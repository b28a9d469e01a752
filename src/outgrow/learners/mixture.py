"""The mixture head: a convex combination of k softmax heads on frozen features (Mulgund and Pabbaraju 2025, arXiv 2501.19105).

    p(x) = sum_j a_j softmax(W_j x + b_j),      a on the simplex

One softmax head spans no convex set of functions, which the misfit inequality asks for; combinations of k of them come within
O(sqrt(c / k)) of their convex hull, for c classes. Ours, where the paper trains by AdamW: the starting point (the single head's solution,
spread at random), the solver (L-BFGS on whitened features), and a penalty on the mean of the heads' squared norms, so that k equal heads
cost what one costs.
"""

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
from torch import Tensor

from outgrow.errors import InputError
from outgrow.learners.design import moments
from outgrow.learners.head import Head
from outgrow.learners.linear import LinearHead
from outgrow.learners.losses import class_logits
from outgrow.learners.objective import CrossEntropy, Objective, weak_tensor
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.prepare import matrix, prepare

__all__ = ["MixtureHead"]

SPREAD = 0.3
RANK = 1e-10
CURVATURE = 0.25
LOOSE = 100
START = 1e-3


class MixtureHead(ClassifierMixin, Head):
    """A convex combination of softmax heads on one view, standardised inside.

    It minimises the weighted mean row loss plus ``penalty / 2`` times the heads' mean squared norm. The problem is not convex: the result
    is a stationary point near the single head's solution, whose loss it does not exceed by more than the spread of the start costs.

    Parameters
    ----------
    on : str, optional
        The view to read; None is the only matrix there is.
    heads : int
        k. One head is :class:`LinearHead`, bit for bit.
    penalty : "cv" or float
        ``"cv"``: the rule of :class:`LinearHead`, taken for a single head.
    stages : int
        Stages of a moving objective.
    tol : float
        Bound on the largest absolute entry of the gradient, on whitened features.
    max_iter : int
        Most steps of a solve; reaching them is told by a warning.
    random_state : int
        Of the start, and of the folds of cross-validation.

    Attributes
    ----------
    classes_ : ndarray of shape (c,)
    coef_, intercept_ : ndarray of shape (k, 1 or c, d) and (k, 1 or c)
        In the features' own units; one row a head for two classes.
    weights_ : ndarray of shape (k,)
        a.
    penalty_ : float
    n_iter_ : int
        Steps over all stages, without those of the single head.
    converged_ : bool
    state_ : dict of str to ndarray
    fingerprint_ : str

    References
    ----------
    Mulgund, Pabbaraju 2025, "Relating Misfit to Gain in Weak-to-Strong Generalization Beyond the Squared Loss", arXiv 2501.19105.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> MixtureHead(heads=2, penalty=0.1).fit(x, ["no", "no", "yes", "yes"]).predict([[2.5]]).tolist()
    ['yes']
    """

    def __init__(
        self,
        on: str | None = None,
        heads: int = 10,
        penalty: float | str = "cv",
        stages: int = 10,
        tol: float = 1e-5,
        max_iter: int = 500,
        random_state: Any = 0,
    ):
        self.on = on
        self.heads = heads
        self.penalty = penalty
        self.stages = stages
        self.tol = tol
        self.max_iter = max_iter
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
        objective : Objective, optional
            Default: cross-entropy against the combined weak label.
        select : object, optional
            Not read.

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
        # As a start it need not be exact.
        tol = START if self.heads > 1 else LinearHead().tol
        single = LinearHead(self.on, self.penalty, self.stages, tol, self.random_state)
        with warnings.catch_warnings():
            # Where the single head ends is a start; whether the mixture converged is said below.
            warnings.simplefilter("ignore" if self.heads > 1 else "default", ConvergenceWarning)
            single.fit(rows[used], weak[used], weight[used], objective=objective)
        self.penalty_ = single.penalty_
        if self.heads == 1:
            self.coef_, self.intercept_ = single.coef_[None], single.intercept_[None]
            self.n_iter_, self.converged_ = 0, single.converged_
            self.state_ = {**single.state_, "mixing": np.ones(1)}
            return self
        self._minimise(x, weak[used], weight[used], objective, single)
        if not self.converged_:
            warnings.warn(
                f"MixtureHead stopped after {self.n_iter_} steps above tol={self.tol:g}; raise max_iter, tol or the penalty",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def _minimise(
        self,
        x: NDArray[np.float64],
        weak: WeakLabels,
        weight: NDArray[np.float64],
        objective: Objective,
        single: LinearHead,
    ) -> None:
        from scipy import optimize

        minimize: Any = optimize.minimize
        k, c, (q, d) = self.heads, len(self.classes_), single.coef_.shape
        shares = weight / weight.sum()
        means, deviations = moments(x, shares[None])
        mean, live = means[0], deviations[0] > 0
        scale = np.where(live, deviations[0], 1.0)
        standard = np.where(live, (x - mean) / scale, 0.0)
        # Heads are searched for in coordinates where the loss bends about alike in every direction.
        _, values, turned = np.linalg.svd(standard * np.sqrt(shares)[:, None], full_matrices=False)
        keep = values > RANK * max(float(values[0]) if len(values) else 0.0, 1e-300)
        shrink = 1 / np.sqrt(CURVATURE * values[keep] ** 2 + self.penalty_)
        back = turned[keep].T * shrink
        features = torch.from_numpy(standard @ back)
        ridge = torch.from_numpy(self.penalty_ * shrink**2 / k)
        random = check_random_state(self.random_state)
        start = single.coef_ * scale
        size = SPREAD * max(float(np.sqrt((start**2).mean())), 1e-3)
        spread = start + size * random.standard_normal((k, q, d)) * live
        first = (spread @ turned[keep].T) / shrink
        r = first.shape[-1]
        offset = np.repeat((single.intercept_ + single.coef_ @ mean)[None], k, axis=0)
        theta = np.concatenate([first.ravel(), offset.ravel(), np.zeros(k)])
        labels, importance = weak_tensor(weak), torch.from_numpy(weight)

        def log_probs(flat: Tensor) -> tuple[Tensor, Tensor]:
            at = k * q * r
            turn = flat[:at].reshape(k * q, r)
            z = features @ turn.T + flat[at : at + k * q]
            each = torch.log_softmax(class_logits(z.reshape(-1, k, q), c), dim=-1)
            mixing = torch.log_softmax(flat[at + k * q :], dim=0)
            return torch.logsumexp(each + mixing[:, None, None], dim=0), turn

        state = objective.start(labels, importance)
        stages = self.stages if objective.moves else 0
        self.n_iter_ = 0
        for stage in range(stages + 1):
            progress = stage / stages if stages else 1.0
            with torch.no_grad():
                logits = log_probs(torch.from_numpy(theta))[0]
            targets, counted, state = objective.targets(logits, labels, importance, progress, state)
            total = counted.sum()
            if not total > 0:
                raise InputError(
                    f"{type(objective).__name__} leaves no row with a weight at progress {progress:g}; loosen it"
                )
            goal, own = targets.detach(), (counted / total).detach()

            def value(
                flat: NDArray[np.float64], goal: Tensor = goal, own: Tensor = own
            ) -> tuple[float, NDArray[np.float64]]:
                point = torch.from_numpy(flat.copy()).requires_grad_(True)
                found, turn = log_probs(point)
                loss = (own * objective.rows(found, goal)).sum() + 0.5 * (ridge * turn**2).sum()
                (slope,) = torch.autograd.grad(loss, point)
                return float(loss.detach()), slope.numpy()

            tol = self.tol if stage == stages else LOOSE * self.tol
            limits = {"maxiter": self.max_iter, "maxfun": 2 * self.max_iter, "gtol": tol, "ftol": 0.0, "maxcor": 20}
            done = minimize(value, theta, jac=True, method="L-BFGS-B", options=limits)
            theta = done.x
            self.n_iter_ += int(done.nit)
        self.converged_ = bool(np.abs(done.jac).max() <= self.tol)
        at = k * q * r
        coef = (theta[:at].reshape(k, q, r) @ back.T) / scale
        self.coef_, self.intercept_ = coef, theta[at : at + k * q].reshape(k, q) - coef @ mean
        mixing = np.exp(theta[at + k * q :] - theta[at + k * q :].max())
        self.state_ = {name: v.detach().numpy() for name, v in state.items()}
        self.state_["mixing"] = mixing / mixing.sum()

    def fit_many(
        self,
        X: Any,
        targets: ArrayLike,
        sample_weight: ArrayLike | None = None,
        penalty: ArrayLike | None = None,
        classes: ArrayLike | None = None,
    ) -> list[Self]:
        """Fit several learners on the same rows by cross-entropy, one after the other.

        Parameters
        ----------
        X : Rows, or array of shape (n, d)
        targets : array of shape (j, n, c)
        sample_weight : array of shape (j, n), optional
        penalty : array of shape (j,), optional
        classes : array of shape (c,), optional
            Names of the classes; default 0, 1, ...
        """
        rows, t, weight, chosen = self._many(X, targets, sample_weight, penalty)
        fitted = []
        for j, each in enumerate(t):
            own = weight[min(j, len(weight) - 1)]
            head = clone(self)
            if chosen is not None:
                head.set_params(penalty=float(chosen[j]))
            names = np.arange(each.shape[1]) if classes is None else np.asarray(classes)
            used = own > 0
            table = WeakLabels.from_probs(each[used], names, ids=rows.ids[used])
            fitted.append(head.fit(rows[used], table, own[used]))
        return fitted

    # --- reading -----------------------------------------------------------------------------------------------------------------

    @property
    def weights_(self) -> NDArray[np.float64]:
        """The (k,) shares of the heads."""
        check_is_fitted(self)
        return np.asarray(self.state_["mixing"])

    def logits(self, X: Any) -> NDArray[np.float64]:
        """Return (n, c) log probabilities, in the order of ``classes_``."""
        from scipy.special import log_softmax, logsumexp

        check_is_fitted(self)
        k, q, d = self.coef_.shape
        z = (matrix(self, X) @ self.coef_.reshape(k * q, d).T).reshape(-1, k, q) + self.intercept_
        if len(self.classes_) == 2:
            z = np.concatenate([-0.5 * z, 0.5 * z], axis=2)
        mixed = logsumexp(log_softmax(z, axis=2), axis=1, b=self.weights_[:, None])
        return np.asarray(mixed, dtype=np.float64)

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return (n, c) class probabilities, in the order of ``classes_``."""
        from scipy.special import softmax

        return np.asarray(softmax(self.logits(X), axis=1))

    def predict(self, X: Any) -> NDArray[Any]:
        """Return (n,) class names."""
        best = self.logits(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

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

    def _check(self) -> None:
        self._check_penalty()
        for name in ("heads", "stages", "max_iter"):
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1:
                raise InputError(f"MixtureHead: {name} is {value!r}; give a whole number of at least 1")
        if not 0 < self.tol < 1:
            raise InputError(f"MixtureHead: tol is {self.tol!r}; give a number between 0 and 1")

"""The ridge head for value tasks: closed form, its penalty by leave-one-out in closed form.

With features standardised under row weights d (summing to one), the head minimises

    sum_i d_i (y_i - w'x_i - b)^2 / 2 + penalty / 2 |w|^2,      b free.

One eigendecomposition of the features' second moment (d x d, or n x n where rows are fewer) serves every penalty and target. The residual
of a row that is left out is ``(y_i - fit_i) / (1 - h_i)``, h_i the row's leverage (Allen 1974, "The relationship between variable
selection and data augmentation and a method for prediction", Technometrics 16; Golub, Heath and Wahba 1979, Technometrics 21).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin, clone
from sklearn.utils.validation import check_is_fitted

from outgrow.errors import InputError
from outgrow.fingerprints import fingerprint
from outgrow.learners.design import moments
from outgrow.learners.head import Head
from outgrow.learners.objective import Objective, Squared
from outgrow.learners.penalty import distinct
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.prepare import prepare

__all__ = ["RIDGE_GRID", "RidgeHead", "ridge_loo"]

RIDGE_GRID = tuple(10.0**e for e in np.arange(-4, 3.5, 0.5).tolist())
FEWEST = 3
FALLBACK = 1.0
RANK = 1e-13
TIE = 1e-9
CACHED = 2**20
SCREENED = 2**20
LEAST = 1e-12


@dataclass(frozen=True, eq=False)
class _Spectrum:
    """Thin decomposition ``sqrt(weight) x = left sqrt(values) right'`` of standardised features.

    left (n, r), values (r,), right (d, r), root (n, 1) = sqrt(weight).
    """

    left: NDArray[np.float64]
    values: NDArray[np.float64]
    right: NDArray[np.float64]
    root: NDArray[np.float64]

    @classmethod
    def of(cls, x: NDArray[np.float64], weight: NDArray[np.float64]) -> _Spectrum:
        from scipy.linalg import eigh

        root = np.sqrt(weight)[:, None]
        scaled = x * root
        n, d = x.shape
        gram = scaled.T @ scaled if d <= n else scaled @ scaled.T
        values, vectors = eigh(gram, overwrite_a=True, check_finite=False, driver="evd")
        keep = values > RANK * max(values[-1] if len(values) else 0.0, np.finfo(np.float64).tiny)
        values, vectors = values[keep], vectors[:, keep]
        other = (scaled if d <= n else scaled.T) @ (vectors / np.sqrt(values))
        return cls(other, values, vectors, root) if d <= n else cls(vectors, values, other, root)

    def shares(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (r, k) coordinates of centred targets."""
        return self.left.T @ (self.root * y)

    def rest(self, penalties: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (n, p) one minus the leverages."""
        shrink = self.values[:, None] / (self.values[:, None] + penalties)
        return np.maximum(1 - self.root**2 - self.left**2 @ shrink, LEAST)

    def errors(
        self,
        y: NDArray[np.float64],
        shares: NDArray[np.float64],
        penalties: NDArray[np.float64],
        rest: NDArray[np.float64],
        kind: type[np.floating[Any]] = np.float64,
    ) -> NDArray[np.float64]:
        """Return (p, k) weighted mean squared leave-one-out errors of centred targets (n, k), computed in ``kind``."""
        left: NDArray[Any] = self.left.astype(kind, copy=False)
        target: NDArray[Any] = (self.root * y).astype(kind, copy=False)
        shrink = self.values[:, None] / (self.values[:, None] + penalties)
        n, k = y.shape
        out = np.empty((len(penalties), k))
        batch = max(1, CACHED // max(1, n * k))
        for at in range(0, len(penalties), batch):
            some = shrink[:, at : at + batch]
            fits = left @ (some[:, :, None] * shares[:, None, :]).reshape(len(shares), -1).astype(kind, copy=False)
            miss = np.subtract(target[:, None, :], fits.reshape(n, -1, k))
            miss /= rest[:, at : at + batch, None].astype(kind, copy=False)
            out[at : at + batch] = np.einsum("ipj,ipj->pj", miss, miss)
        return out

    def best(
        self, y: NDArray[np.float64], shares: NDArray[np.float64], grid: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return each target's penalty of least leave-one-out error; ties go to the larger.

        Large problems are screened in single precision, and every penalty that could be the best is computed again in double. With a
        fit's single-precision fault under 1e-6 of its target t, an error is off by at most the share e of itself plus (1e-6 t)^2 / e,
        for any e (Young's inequality); e is 1e-4 here.
        """
        rest = self.rest(grid)
        if y.size * len(grid) < SCREENED:
            errors = self.errors(y, shares, grid, rest)
        else:
            rough = self.errors(y, shares, grid, rest, np.float32)
            noise = 1e-8 * ((self.root * y / rest.min(axis=1, keepdims=True)) ** 2).sum(axis=0)
            near = rough <= rough.min(axis=0) * (1 + 4e-4) + 4 * noise
            errors = np.full(rough.shape, np.inf)
            for at in np.flatnonzero(near.any(axis=1)):
                these, one = near[at], slice(at, at + 1)
                errors[at, these] = self.errors(y[:, these], shares[:, these], grid[one], rest[:, one])[0]
        least = errors.min(axis=0)
        return np.where(errors <= least + TIE * least, grid[:, None], -np.inf).max(axis=0)

    def coefficients(self, shares: NDArray[np.float64], penalty: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (d, k) coefficients of standardised features, one penalty a target."""
        return self.right @ (np.sqrt(self.values)[:, None] / (self.values[:, None] + penalty) * shares)


def ridge_loo(
    x: ArrayLike, Y: ArrayLike, penalties: ArrayLike, sample_weight: ArrayLike | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Fit ridge with a free intercept to k targets, each with the penalty of least leave-one-out error.

    Features are centred and not scaled. A penalty is per unit of weight: scikit-learn's ``alpha`` is ``n`` times it.

    Parameters
    ----------
    x : array of shape (n, d)
    Y : array of shape (n, k)
    penalties : array of shape (p,)
    sample_weight : array of shape (n,), optional

    Returns
    -------
    penalty : ndarray of shape (k,)
        Ties go to the larger.
    coef : ndarray of shape (k, d)
    intercept : ndarray of shape (k,)
    """
    x, Y, grid = (np.asarray(a, dtype=np.float64) for a in (x, Y, penalties))
    if x.ndim != 2 or Y.ndim != 2 or len(x) != len(Y) or not len(x):
        raise InputError(f"ridge_loo needs x (n, d) and Y (n, k) of the same rows; given {x.shape} and {Y.shape}")
    if grid.ndim != 1 or not len(grid) or not (np.isfinite(grid) & (grid > 0)).all():
        raise InputError("ridge_loo needs a list of positive penalties")
    weight = np.ones(len(x)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    if weight.shape != (len(x),) or not (np.isfinite(weight) & (weight >= 0)).all() or not weight.sum() > 0:
        raise InputError(f"ridge_loo needs {len(x)} non-negative weights, not all zero; given shape {weight.shape}")
    weight = weight / weight.sum()
    mean, centre = weight @ x, weight @ Y
    spectrum = _Spectrum.of(x - mean, weight)
    shares = spectrum.shares(Y - centre)
    penalty = spectrum.best(Y - centre, shares, grid)
    coef = spectrum.coefficients(shares, penalty).T
    return penalty, coef, centre - coef @ mean


class RidgeHead(RegressorMixin, Head):
    """Ridge regression on one view, standardised inside, for tasks whose truth is a number.

    Parameters
    ----------
    on : str, optional
        The view to read; None is the only matrix there is.
    penalty : "cv" or float
        ``"cv"``: the least leave-one-out squared error over 1e-4, 10^-3.5, ..., 1e3, ties to the larger; 1.0 under 3 distinct rows. Equal
        inputs count as one row there (their weights summed, their targets averaged), so a copy cannot vouch for its twin. Features keep
        the standardisation of all rows when one is left out.
    random_state : int
        Not read: nothing here is random. It is there so that learners can be exchanged.

    Attributes
    ----------
    coef_ : ndarray of shape (1, d)
    intercept_ : ndarray of shape (1,)
        In the features' own units.
    penalty_ : float
    fingerprint_ : str
        Names the recipe and everything that was given to ``fit``.
    """

    def __init__(self, on: str | None = None, penalty: float | str = "cv", random_state: Any = 0):
        self.on = on
        self.penalty = penalty
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
        """Learn from rows and weak values.

        Parameters
        ----------
        X : Rows, or array of shape (n, d)
        y : WeakLabels of a value task, or array of shape (n,)
        sample_weight : array of shape (n,), optional
            Only ratios matter; rows of weight zero, and rows no supervisor covers, are removed first.
        objective : Squared, optional
            Any other objective has no closed form and is refused.
        select : object, optional
            Not read.

        Raises
        ------
        InputError
            A penalty out of range, another objective, or labels, rows or weights that do not fit together.
        """
        del select
        self._check_penalty()
        objective = Squared() if objective is None else objective
        if not isinstance(objective, Squared):
            raise InputError(
                f"RidgeHead has a closed form for Squared only, not for {type(objective).__name__}; leave objective=None"
            )
        rows, weak, weight = prepare(self, X, y, sample_weight)
        x, used = self._used(rows, weight)
        self.fingerprint_ = self._stamp(rows, weak, weight, objective)
        combined = weak[used].one()[0]
        fixed = None if self.penalty == "cv" else np.array([float(self.penalty)])
        coef, intercept, penalty = _fit(x, combined, weight[used], fixed)
        self._set(coef[0], intercept[0], penalty[0])
        return self

    def _set(self, coef: NDArray[np.float64], intercept: np.float64, penalty: np.float64) -> None:
        self.coef_, self.intercept_, self.penalty_ = coef[None], np.array([intercept]), float(penalty)
        self.state_: dict[str, NDArray[Any]] = {}

    def fit_many(
        self, X: Any, targets: ArrayLike, sample_weight: ArrayLike | None = None, penalty: ArrayLike | None = None
    ) -> list[Self]:
        """Fit k heads on the same rows; heads of equal weights share one decomposition.

        Parameters
        ----------
        X : Rows, or array of shape (n, d)
        targets : array of shape (k, n, 1)
        sample_weight : array of shape (k, n), optional
        penalty : array of shape (k,), optional
            Default: this head's own rule.

        Returns
        -------
        list of k fitted RidgeHead
        """
        rows, t, weight, chosen = self._many(X, targets, sample_weight, penalty)
        k, _, c = t.shape
        if c != 1:
            raise InputError(f"fit_many of RidgeHead needs targets of shape (k, n, 1); given {t.shape}")
        x, used = self._used(rows, weight.sum(axis=0))
        key = rows.key(self.on)
        values = np.where(weight > 0, t[:, :, 0], 0.0)[:, used].T
        weight = weight[:, used]
        coef, intercept, best = np.empty((k, x.shape[1])), np.empty(k), np.empty(k)
        _, group = np.unique(weight, axis=0, return_inverse=True)
        group = np.broadcast_to(group.ravel(), (k,))
        for one in np.unique(group):
            these = np.flatnonzero(group == one)
            own = weight[these[0] if len(weight) > 1 else 0]
            some = own > 0
            fixed = None if chosen is None else chosen[these]
            coef[these], intercept[these], best[these] = _fit(x[some], values[some][:, these], own[some], fixed)
        heads = []
        for j in range(k):
            head = clone(self).set_params(penalty=float(best[j]))
            head.n_features_in_ = x.shape[1]
            head._set(coef[j], intercept[j], best[j])
            head.fingerprint_ = fingerprint("learner", head, key, values[:, j], weight[min(j, len(weight) - 1)])
            heads.append(head)
        return heads

    def logits(self, X: Any) -> NDArray[np.float64]:
        """Return (n, 1) values."""
        check_is_fitted(self)
        return self._scores(X, self.coef_, self.intercept_)

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Return (n,) values."""
        return self.logits(X)[:, 0]

    def score(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> float:
        """Return R²; against WeakLabels, that of their combined value on covered rows."""
        if not isinstance(y, WeakLabels):
            return float(super().score(X, y, sample_weight))
        if y.classes is not None:
            raise InputError(
                "RidgeHead predicts values, and these weak labels name classes; score with labels of a value task"
            )
        from sklearn.metrics import r2_score

        combined, there = self._weak_targets(y)
        weight = None if sample_weight is None else np.asarray(sample_weight)[there]
        return float(r2_score(combined[there, 0], self.predict(X)[there], sample_weight=weight))


def _fit(
    x: NDArray[np.float64], Y: NDArray[np.float64], weight: NDArray[np.float64], penalty: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return (k, d) coefficients, (k,) intercepts in original units, and (k,) penalties."""
    weight = weight / weight.sum()
    means, deviations = moments(x, weight[None])
    mean, live = means[0], deviations[0] > 0
    scale = np.where(live, deviations[0], 1.0)
    x, Y, weight = _merge(x, Y, weight)
    standard = (x - mean) / scale
    standard[:, ~live] = 0
    centre = weight @ Y
    spectrum = _Spectrum.of(standard, weight)
    shares = spectrum.shares(Y - centre)
    if penalty is None:
        grid = np.asarray(RIDGE_GRID)
        few = len(x) < FEWEST
        penalty = np.full(Y.shape[1], FALLBACK) if few else spectrum.best(Y - centre, shares, grid)
    coef = np.where(live, spectrum.coefficients(shares, penalty).T / scale, 0.0)
    return coef, centre - coef @ mean, penalty


def _merge(
    x: NDArray[np.float64], Y: NDArray[np.float64], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Merge equal rows: their weights summed, their targets averaged. The minimum is the same."""
    _, first, which = np.unique(distinct(x), return_index=True, return_inverse=True)
    if len(first) == len(x):
        return x, Y, weight
    total = np.bincount(which, weights=weight)
    merged = np.stack([np.bincount(which, weights=weight * y) for y in Y.T], axis=1) / total[:, None]
    return x[first], merged, total.astype(np.float64)

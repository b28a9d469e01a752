"""What the student can learn and its supervisor cannot: ``P_s (I - P_w)`` (Xue, Li, Mirzasoleiman 2025, arXiv 2502.00620).

Ridge heads on two frozen views of the same n transfer rows, ``H_w`` (n, d_w) and ``H_s`` (n, d_s). With K = (1/n) H H' on the principal
part of a view, a head of strength beta is the smoother

    P = K (K + (beta + gamma) I)^-1,        gamma = trace of the tail's kernel / n,

because what is left of the view after its principal directions acts as more ridge. Between the student taught by the weak labels and the
one taught by the truth y lies, up to terms that vanish (their main theorem),

    PredGap = E (f_w2s - f_sc)^2 = |P_s (I - P_w) y|^2 / n        hence   sqrt(Err_w2s) <= sqrt(PredGap) + sqrt(Err_sc)

and without y: ``PredGap <= op^2 |y|^2 / n`` with op the largest singular value of ``P_s (I - P_w)``. Larger means that more of what the
student could have learned is lost on the way, so supervisors are ordered by it, least first. The paper's own constants, cut-offs and
whether it centres could not be read here; ours: views are centred, directions below ``alpha`` times the largest eigenvalue are cut, and
beta is a share of trace(K) / n. Both run over a fixed grid, all of which is told.

No n x n matrix is made: with ``G = U_s' U_w`` (r_s, r_w) from the views' cross-covariance,

    (P_s (I - P_w)) (P_s (I - P_w))' = U_s S_s [I - G (2 S_w - S_w^2) G'] S_s U_s',     S = diag(lambda / (lambda + beta + gamma)).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from outgrow.errors import InputError, NeedsError
from outgrow.forecasts.forecast import FEWEST, RANK, Forecast, two_views
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.needs import Needs
from outgrow.tasks.rows import Rows

__all__ = [
    "ALPHAS",
    "BETAS",
    "Cutoff",
    "Projection",
    "Spectrum",
    "labelled_projection",
    "projection",
    "projection_grid",
]

Floats = NDArray[np.float64]
ALPHAS = (0.0, 1e-3, 1e-2, 5e-2)
BETAS = (1e-3, 1e-2, 1e-1)
RANKED = 1e-12
ASSUMES = (
    "supervisor and student are ridge heads on frozen views",
    "supervisor and student learn from different rows of one distribution",
    "what a cut-off leaves out of a view acts as ridge alone",
)


@dataclass(frozen=True)
class Cutoff:
    """One cell of the grid.

    Parameters
    ----------
    alpha : float
        Directions of a view with an eigenvalue below ``alpha`` times the largest are cut.
    beta : float
        Ridge, as a share of trace(K) / n, n the number of rows.
    operator : float
        Largest singular value of ``P_s (I - P_w)``, from 0 to 1.
    frobenius : float
        Mean squared entry sum ``|P_s (I - P_w)|_F^2 / n``.
    labelled : float or None
        ``|P_s (I - P_w) y|^2 / n`` where y was given.
    """

    alpha: float
    beta: float
    operator: float
    frobenius: float
    labelled: float | None = None


@dataclass(frozen=True, eq=False)
class Spectrum:
    """A centred view in its own axes: what every cut-off shares.

    Parameters
    ----------
    scores : ndarray of shape (n, r)
        U, orthonormal columns, strongest first.
    values : ndarray of shape (r,)
        Eigenvalues of the covariance (1/n) H' H; directions without any variance are left out.
    columns : int
        d, of the view.
    """

    scores: Floats
    values: Floats
    columns: int

    @classmethod
    def of(cls, view: ArrayLike, name: str = "view") -> Spectrum:
        """Decompose a view (n, d), in its smaller dimension.

        Raises
        ------
        InputError
            A view that is no finite matrix, of fewer than 50 rows, or that is the same on all rows.
        """
        h = np.asarray(view, dtype=np.float64)
        if h.ndim != 2 or not np.isfinite(h).all():
            raise InputError(f"{name} must be a matrix of finite numbers, one row an input; its shape is {h.shape}")
        n, d = h.shape
        if n < FEWEST:
            raise InputError(
                f"{name} has {n} rows, and a projection needs at least {FEWEST}; give it more transfer rows"
            )
        h = h - h.mean(axis=0)
        gram = (h.T @ h if d <= n else h @ h.T) / n
        values, vectors = np.linalg.eigh(gram)
        keep = values > RANKED * max(float(values[-1]), 0.0) if len(values) else np.zeros(0, bool)
        values, vectors = values[keep][::-1], vectors[:, keep][:, ::-1]
        if not len(values) or values[0] <= np.finfo(np.float64).tiny:
            raise InputError(f"{name} is the same on all {n} rows; there is nothing to project on")
        scores = h @ (vectors / np.sqrt(n * values)) if d <= n else vectors
        return cls(scores, values, d)

    @property
    def full(self) -> bool:
        """Whether the view has as many directions as its shape allows."""
        return len(self.values) >= min(self.columns, len(self.scores) - 1)

    def shrink(self, alpha: float, beta: float) -> Floats:
        """Return the (k,) eigenvalues of the smoother P at a cut-off, for the k directions that are kept."""
        kept = self.values >= alpha * self.values[0]
        n = len(self.scores)
        ridge = beta * self.values.sum() / n + self.values[~kept].sum() / n
        return np.asarray(self.values[kept] / (self.values[kept] + ridge))


def projection(strong: Floats, weak: Floats, between: Floats) -> tuple[float, float]:
    """Return the largest singular value and the squared Frobenius norm of ``P_s (I - P_w)``.

    Parameters
    ----------
    strong, weak : ndarray of shape (r_s,), (r_w,)
        Eigenvalues of both smoothers.
    between : ndarray of shape (r_s, r_w)
        ``U_s' U_w``.
    """
    lost = np.eye(len(strong)) - (between * (2 * weak - weak**2)) @ between.T
    square = strong[:, None] * lost * strong
    top = float(np.linalg.eigvalsh(square)[-1])
    return float(np.sqrt(max(top, 0.0))), max(float(np.trace(square)), 0.0)


def projection_grid(
    weak_view: ArrayLike | Spectrum,
    strong_view: ArrayLike | Spectrum,
    *,
    alphas: Sequence[float] = ALPHAS,
    betas: Sequence[float] = BETAS,
    truth: ArrayLike | None = None,
) -> list[Cutoff]:
    """Return ``P_s (I - P_w)`` at every cut-off of the grid, for claims also against the truth.

    Parameters
    ----------
    weak_view : array of shape (n, d_w), or Spectrum
    strong_view : array of shape (n, d_s), or Spectrum
        The same rows in the same order. A :class:`Spectrum` made once serves many pairs.
    alphas, betas : sequence of float
    truth : array of shape (n,) or (n, c), optional
        Never given by a forecast: this is the labelled oracle of the paper.

    Raises
    ------
    InputError
        Views of different numbers of rows, fewer than 50, or constant.

    Examples
    --------
    >>> import numpy as np
    >>> h = np.random.default_rng(0).normal(size=(200, 5))
    >>> half = projection_grid(h[:, :2], h, alphas=[0.0], betas=[1e-6])[0]
    >>> round(half.operator, 2), round(200 * half.frobenius)
    (1.0, 3)
    """
    weak = weak_view if isinstance(weak_view, Spectrum) else Spectrum.of(weak_view, "the supervisor's view")
    strong = strong_view if isinstance(strong_view, Spectrum) else Spectrum.of(strong_view, "the student's view")
    n = len(strong.scores)
    if len(weak.scores) != n:
        raise InputError(
            f"the supervisor's view has {len(weak.scores)} rows and the student's {n}; give both the same rows"
        )
    between = strong.scores.T @ weak.scores
    y = None if truth is None else _centred(truth, n)
    out = []
    for alpha in alphas:
        for beta in betas:
            s, w = strong.shrink(alpha, beta), weak.shrink(alpha, beta)
            top, square = projection(s, w, between[: len(s), : len(w)])
            cell = Cutoff(float(alpha), float(beta), top, square / n)
            if y is not None:
                left = y - weak.scores[:, : len(w)] @ (w[:, None] * (weak.scores[:, : len(w)].T @ y))
                seen = s[:, None] * (strong.scores[:, : len(s)].T @ left)
                cell = replace(cell, labelled=float((seen**2).sum() / n))
            out.append(cell)
    return out


def labelled_projection(
    weak_view: ArrayLike, strong_view: ArrayLike, truth: ArrayLike, weak_ridge: float, strong_ridge: float
) -> float:
    """Return ``|P_s (I - P_w) y|^2 / n``, the paper's PredGap, for heads whose ridges are known, nothing cut.

    Parameters
    ----------
    weak_view, strong_view : array of shape (n, d_w), (n, d_s)
    truth : array of shape (n,) or (n, c)
    weak_ridge, strong_ridge : float
        beta of ``P = K (K + beta I)^-1``, in the unit of the views' variance.
    """
    weak = Spectrum.of(weak_view, "the supervisor's view")
    strong = Spectrum.of(strong_view, "the student's view")
    n = len(strong.scores)
    if len(weak.scores) != n:
        raise InputError(
            f"the supervisor's view has {len(weak.scores)} rows and the student's {n}; give both the same rows"
        )
    y = _centred(truth, n)
    w, s = (v.values / (v.values + ridge) for v, ridge in ((weak, weak_ridge), (strong, strong_ridge)))
    left = y - weak.scores @ (w[:, None] * (weak.scores.T @ y))
    return float(((s[:, None] * (strong.scores.T @ left)) ** 2).sum() / n)


def _centred(truth: ArrayLike, n: int) -> Floats:
    y = np.asarray(truth, dtype=np.float64)
    if len(y) != n:
        raise InputError(f"the views have {n} rows and the truth {len(y)}; give both the same rows")
    y = y.reshape(n, -1)
    return np.asarray(y - y.mean(axis=0))


class Projection:
    """Order supervisors by ``P_s (I - P_w)`` on the transfer rows, at every cut-off of the grid; less is better.

    With several supervisors their views are set side by side, as a head on all of them would read them.

    References
    ----------
    Xue, Li, Mirzasoleiman 2025, "Representations Shape Weak-to-Strong Generalization", arXiv 2502.00620.
    """

    paper = "xue2025"
    units: ClassVar[tuple[str, ...]] = (RANK,)
    on_request = True

    def needs(self) -> Needs:
        """Return that the supervisors' own features are read."""
        return Needs(supervisor_view=True)

    def predict(self, student: Any, rows: Rows, weak: WeakLabels) -> list[Forecast]:
        """Return two forecasts a cut-off: operator norm and Frobenius norm.

        Raises
        ------
        NeedsError
            A supervisor without a view, or that says the same of all rows; fewer than 50 rows; a view that is the same on all rows.
        """
        mine, theirs = two_views("projection", student, rows, weak)
        said = weak[weak.any_covered].one()[0]
        if not len(said) or np.ptp(said, axis=0).max() == 0:
            raise NeedsError(
                f"projection needs a supervisor whose labels differ, and {weak.label!r} says the same of all {len(weak)} rows"
            )
        try:
            strong = Spectrum.of(rows.view(mine), f"the view {mine!r}")
            beside = np.hstack([rows.view(name) for name in dict.fromkeys(theirs)])
            other = Spectrum.of(beside, f"the view {'+'.join(dict.fromkeys(theirs))!r}")
        except InputError as error:
            raise NeedsError(str(error)) from error
        broken = [
            f"the {whose}'s view has rank {len(v.values)} of {v.columns} columns"
            for whose, v in (("student", strong), ("supervisor", other))
            if not v.full
        ]
        if weak.classes is not None:
            broken.append("not trained by squared loss")
        out = []
        for cell in projection_grid(other, strong):
            where = f"cut-off {cell.alpha:g}, ridge {cell.beta:g}"
            for norm, value in (("operator", cell.operator), ("Frobenius", cell.frobenius)):
                out.append(Forecast("projection", f"{norm}, {where}", RANK, value, len(rows), ASSUMES, tuple(broken)))
        return out

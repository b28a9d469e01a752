"""How much of a supervisor's variance its student inherits, from the two views' dimensions (Dong et al. 2025, arXiv 2502.05075).

Ridgeless heads on features of d_w dimensions (supervisor, n labels with noise s2) and d_s (student, N weak labels), and d_sw the dimension
in which the two correlate, ``|V_s' V_w|_F^2`` for orthonormal bases of the spans:

    Var(weak) = s2 d_w / n          Var(student) = s2 / n [ d_sw + (d_s / N) (d_w - d_sw) ]

so their ratio needs no label, no n and no noise:

    Var(student) / Var(weak) = [ d_sw + (d_s / N) (d_w - d_sw) ] / d_w

Less is better; PGR rises as d_sw / d_w falls and N / d_s grows. What the truth has outside a view (bias) is not in it.

Ours: a view's dimension is the number of principal directions that hold ``share`` of its variance, and at most half the rows; d_sw is the
sum of squared canonical correlations of these on N rows, less what unrelated views of that many dimensions show by chance, d_s d_w / N:
``d_w - (d_w - sum) (N - 1) / (N - d_s - 1)``, within 0 and min(d_s, d_w), which is the adjustment of R^2 (Ezekiel 1930).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from outgrow.errors import InputError, NeedsError
from outgrow.forecasts.forecast import FEWEST, RANK, Forecast, two_views
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.needs import Needs
from outgrow.tasks.rows import Rows

__all__ = ["Dimension", "Dimensions", "intrinsic_dimensions", "variance_ratio"]

Floats = NDArray[np.float64]
SHARE = 0.9
TOO_SMALL = 1e-10
ASSUMES = (
    "supervisor and student are unpenalised linear heads on frozen views",
    "they learn from different rows of one distribution",
    "the truth is linear in both views, up to noise",
)


@dataclass(frozen=True)
class Dimensions:
    """The dimensions of two views.

    Parameters
    ----------
    weak, strong : int
        d_w and d_s.
    shared : float
        d_sw.
    n : int
        Rows they were taken over.
    cut : bool
        Whether half the rows were fewer than the directions wanted.
    """

    weak: int
    strong: int
    shared: float
    n: int
    cut: bool = False

    def ratio(self, transfer: int) -> float:
        """Return Var(student) / Var(weak) for a student of so many weak labels."""
        return variance_ratio(self.weak, self.strong, self.shared, transfer)


def variance_ratio(weak: float, strong: float, shared: float, transfer: int) -> float:
    """Return [ d_sw + (d_s / N) (d_w - d_sw) ] / d_w (Dong et al. 2025).

    Raises
    ------
    InputError
        d_sw outside 0 and min(d_s, d_w), or no rows.

    Examples
    --------
    >>> round(variance_ratio(60, 20, 8, 200), 4)
    0.22
    """
    if not 0 <= shared <= min(weak, strong) or transfer < 1 or weak <= 0:
        raise InputError(
            f"a variance ratio needs 0 <= d_sw <= min(d_w, d_s) and rows, not d_w {weak}, d_s {strong}, d_sw {shared}, N {transfer}"
        )
    return (shared + strong / transfer * (weak - shared)) / weak


def intrinsic_dimensions(weak_view: ArrayLike, strong_view: ArrayLike, share: float = SHARE) -> Dimensions:
    """Return the dimensions of two views of the same rows.

    Parameters
    ----------
    weak_view : array of shape (n, p_w)
    strong_view : array of shape (n, p_s)
    share : float
        Of a view's variance that its principal directions hold; 1 for all of them.

    Raises
    ------
    InputError
        Views of different rows, fewer than 50 rows, or a view that is the same on all rows.
    """
    weak, strong = (np.asarray(v, dtype=np.float64) for v in (weak_view, strong_view))
    if weak.ndim != 2 or strong.ndim != 2 or len(weak) != len(strong):
        raise InputError(
            f"the supervisor's view has shape {weak.shape} and the student's {strong.shape}; give two matrices of the same rows"
        )
    n = len(weak)
    if n < FEWEST:
        raise InputError(f"intrinsic dimensions need at least {FEWEST} rows, not {n}; give more transfer rows")
    if not 0 < share <= 1:
        raise InputError(f"share is {share!r}; give a number above 0 and at most 1")
    first, cut_first = _principal(weak, share, "supervisor")
    second, cut_second = _principal(strong, share, "student")
    d_w, d_s = first.shape[1], second.shape[1]
    found = float(((second.T @ first) ** 2).sum())
    shared = d_w - (d_w - found) * (n - 1) / (n - d_s - 1)
    return Dimensions(d_w, d_s, float(np.clip(shared, 0.0, min(d_w, d_s))), n, cut_first or cut_second)


def _principal(view: Floats, share: float, whose: str) -> tuple[Floats, bool]:
    """Return orthonormal (n, r) principal scores, and whether half the rows cut them short."""
    centred = view - view.mean(axis=0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    power = values**2
    if not power.sum() > TOO_SMALL * max((view**2).sum(), np.finfo(np.float64).tiny):
        raise InputError(f"the {whose}'s view is the same on all {len(view)} rows; there is nothing to compare")
    power[power < TOO_SMALL * power[0]] = 0
    kept = np.cumsum(power) / power.sum()
    wanted = min(int(np.searchsorted(kept, share * (1 - 1e-12)) + 1), int((power > 0).sum()))
    most = len(view) // 2
    return left[:, : min(wanted, most)], wanted > most


class Dimension:
    """Order supervisors by the share of their variance that the student inherits, on the transfer rows; less is better.

    With several supervisors their views are set side by side.

    Parameters
    ----------
    share : float
        Of a view's variance that its principal directions hold.

    References
    ----------
    Dong, Li, Li, Lee, Lei 2025, "Discrepancies are Virtue: Weak-to-Strong Generalization through Lens of Intrinsic Dimension",
    arXiv 2502.05075.
    """

    paper = "dong2025"
    units: ClassVar[tuple[str, ...]] = (RANK,)
    on_request = True

    def __init__(self, share: float = SHARE):
        self.share = share

    def needs(self) -> Needs:
        """Return that the supervisors' own features are read."""
        return Needs(supervisor_view=True)

    def predict(self, student: Any, rows: Rows, weak: WeakLabels) -> list[Forecast]:
        """Return one forecast, the variance ratio, with the three dimensions beside it.

        Raises
        ------
        LabelsError
            Labels of other rows.
        NeedsError
            A supervisor without a view, or that says the same of all rows; fewer than 50 rows; a view that is the same on all rows.
        """
        mine, theirs = two_views("dimension", student, rows, weak)
        said = weak[weak.any_covered].one()[0]
        if not len(said) or np.ptp(said, axis=0).max() == 0:
            raise NeedsError(
                f"dimension needs a supervisor whose labels differ, and {weak.label!r} says the same of all {len(weak)} rows"
            )
        beside = np.hstack([rows.view(name) for name in dict.fromkeys(theirs)])
        try:
            found = intrinsic_dimensions(beside, rows.view(mine), self.share)
        except InputError as error:
            raise NeedsError(f"dimension: {error}") from error
        broken = ["penalised"]
        if found.cut:
            broken.append("half the rows are fewer than a view's principal directions, which were cut")
        if weak.classes is not None:
            broken.append("not trained by squared loss")
        figures = {"d_w": float(found.weak), "d_s": float(found.strong), "d_sw": found.shared}
        value = found.ratio(int(weak.any_covered.sum()))
        return [Forecast("dimension", "student / weak", RANK, value, len(rows), ASSUMES, tuple(broken), figures)]

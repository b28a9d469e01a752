"""Overlap density: how many rows hold both what the supervisor can use and what only the student can (Shin, Cooper, Sala 2025).

"Weak-to-Strong Generalization Through the Data-Centric Lens", arXiv 2412.03881. Three kinds of rows are told apart without truth:

    hard      the supervisor's confidence, (c max p - 1) / (c - 1) for c classes, is below the change point of its sorted values
    overlap   of the others, those whose largest |cos| in the student's view to a hard row is above the change point of those
    easy      the rest

A change point splits sorted values in two with least squared error (one step of binary segmentation). Values that do not differ have none,
and the median stands in, as in the paper. The density is the share of overlap rows. More overlap, at the same number of rows, should make
better students; it is no gain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from outgrow.errors import InputError, NeedsError
from outgrow.forecasts.forecast import FEWEST, RANK, Forecast
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.needs import Needs
from outgrow.tasks.rows import Rows

__all__ = ["Overlap", "Overlapping", "change_point", "overlap_density"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
BLOCK = 1024
ASSUMES = (
    "the supervisor is unsure where it lacks the pattern",
    "rows that share a pattern point the same way in the student's view",
    "students are compared at the same number of rows",
)


@dataclass(frozen=True, eq=False)
class Overlapping:
    """What the detector finds.

    Parameters
    ----------
    hard, overlap, easy : ndarray of shape (n,), bool
        Each row is in one of them.
    confidence_cut, score_cut : float
        The two change points.
    guessed : bool
        Whether the median stood in for a change point that is not there.
    """

    hard: Mask
    overlap: Mask
    easy: Mask
    confidence_cut: float
    score_cut: float
    guessed: bool

    @property
    def density(self) -> float:
        """Share of overlap rows."""
        return float(self.overlap.mean())


def change_point(values: ArrayLike) -> tuple[float, bool]:
    """Return where sorted values change level, and whether they do.

    The split with the least squared error about two means; the cut lies midway between the two values beside it.

    Parameters
    ----------
    values : array of shape (n,)
        At least two, finite.

    Examples
    --------
    >>> change_point([0.0, 0.1, 0.0, 1.0, 0.9])
    (0.5, True)
    """
    v = np.sort(np.asarray(values, dtype=np.float64).ravel())
    if len(v) < 2 or not np.isfinite(v).all():
        raise InputError(f"a change point needs at least two finite values, not {len(v)} of which some may be NaN")
    total = float(((v - v.mean()) ** 2).sum())
    if total <= 1e-24 * max(1.0, float(np.abs(v).max()) ** 2) * len(v):
        return float(np.median(v)), False
    n = len(v)
    k = np.arange(1, n)
    left = np.cumsum(v - v.mean())[:-1]
    # Squared error falls by the spread between the two means; the sums on both sides are opposite.
    fall = left**2 * n / (k * (n - k))
    at = int(fall.argmax())
    return float((v[at] + v[at + 1]) / 2), True


def overlap_density(weak: ArrayLike, view: ArrayLike) -> Overlapping:
    """Tell hard, easy and overlap rows apart.

    Parameters
    ----------
    weak : array of shape (n, c), or (n,)
        The supervisor's probabilities; (n,) are those of the second of two classes.
    view : array of shape (n, d)
        The student's. It is centred.

    Raises
    ------
    InputError
        Different numbers of rows, fewer than 50, or a supervisor that is equally sure of all rows.
    """
    p = np.asarray(weak, dtype=np.float64)
    p = np.column_stack([1 - p, p]) if p.ndim == 1 else p
    h = np.asarray(view, dtype=np.float64)
    if len(p) != len(h):
        raise InputError(f"the labels have {len(p)} rows and the view {len(h)}; give both the same rows")
    if len(h) < FEWEST:
        raise InputError(f"an overlap density needs at least {FEWEST} rows, not {len(h)}; give it more transfer rows")
    c = p.shape[1]
    sure = (c * p.max(axis=1) - 1) / (c - 1)
    if np.ptp(sure) < 1e-9:
        raise InputError(
            f"the supervisor is equally sure of all {len(p)} rows, so none stands out as hard; give soft labels"
        )
    cut, found = change_point(sure)
    hard = sure <= cut
    scores = _nearness(h - h.mean(axis=0), hard)
    if np.isnan(scores).any():
        raise InputError("the view has rows without direction (all zero once centred); leave them out")
    score_cut, also = change_point(scores[~hard])
    overlap = ~hard & (scores > score_cut)
    return Overlapping(hard, overlap, ~hard & ~overlap, cut, score_cut, not (found and also))


def _nearness(h: Floats, hard: Mask) -> Floats:
    """Return (n,) the largest absolute cosine to a hard row."""
    length = np.linalg.norm(h, axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        unit = h / length
    target = unit[hard]
    out = np.empty(len(h))
    for at in range(0, len(h), BLOCK):
        out[at : at + BLOCK] = np.abs(unit[at : at + BLOCK] @ target.T).max(axis=1)
    return out


class Overlap:
    """Order supervisors and data by the share of rows that hold both patterns; more is better.

    References
    ----------
    Shin, Cooper, Sala 2025, "Weak-to-Strong Generalization Through the Data-Centric Lens", arXiv 2412.03881.
    """

    paper = "shin2025"
    units: ClassVar[tuple[str, ...]] = (RANK,)
    on_request = True

    def needs(self) -> Needs:
        """Return that transfer rows and labels suffice."""
        return Needs()

    def predict(self, student: Any, rows: Rows, weak: WeakLabels) -> list[Forecast]:
        """Return one forecast; none for a value task and for hard labels.

        Raises
        ------
        NeedsError
            Fewer than 50 covered rows, or a supervisor that is equally sure of all.
        """
        if weak.classes is None:
            return []
        there = weak.any_covered
        rows, said = rows[there], weak[there].one()[0] if there.any() else np.zeros((0, 2))
        if len(said) and (said.max(axis=1) >= 1).all():
            return []
        name = rows.name(getattr(getattr(student, "student_", student), "on", None))
        try:
            found = overlap_density(said, rows.view(name))
        except InputError as error:
            raise NeedsError(f"overlap cannot be told: {error}") from error
        broken = ("no change point: the median stands in",) if found.guessed else ()
        return [Forecast("overlap", "", RANK, found.density, len(rows), ASSUMES, broken)]

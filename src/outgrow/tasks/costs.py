"""What labels cost: money by row and supervisor, beside a table of labels and never part of what is learned from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from outgrow.errors import LabelsError

if TYPE_CHECKING:
    from outgrow.tasks.labels import WeakLabels

__all__ = ["check_costs", "paid", "side_by_side", "spread"]

Floats = NDArray[np.float64]


def check_costs(costs: ArrayLike, shape: tuple[int, int], ids: NDArray[np.int64], sources: Sequence[Any]) -> Floats:
    """Return costs as a (n, m) matrix of money; a column of NaN is a supervisor whose price nobody knows.

    Raises
    ------
    LabelsError
        Another shape, text, a negative or infinite cost, and a cost that lacks on some rows only.
    """
    try:
        found: Floats = np.asarray(costs, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise LabelsError(
            "the costs of a label table are not all numbers; give money for each label, from 0"
        ) from error
    if found.shape != shape:
        raise LabelsError(
            f"a label table of {shape[0]} rows by {shape[1]} supervisors is given costs of shape {found.shape}; give one each"
        )
    gone = np.isnan(found)
    bad = (~gone & ~np.isfinite(found)) | (found < 0) | (gone & ~gone.all(axis=0))
    if bad.any():
        i, j = np.argwhere(bad)[0]
        raise LabelsError(
            f"the cost of supervisor {sources[j].name!r} on row {ids[i]} is {found[i, j]:g} ({int(bad.sum())} such rows); "
            "give the money for each label, from 0"
        )
    return found


def spread(cost: ArrayLike, covered: NDArray[np.bool_]) -> Floats:
    """Return (n, m) costs from the price of one label, paid where there is one, or from money by row (and supervisor)."""
    try:
        given = np.asarray(cost, dtype=np.float64)
    except (TypeError, ValueError):
        raise LabelsError("a cost is the money for one label, a number from 0") from None
    if given.ndim == 0:
        if not (np.isfinite(given) and given >= 0):
            raise LabelsError(f"a cost of {float(given):g} is given; give the money for one label, from 0")
        return np.where(covered, given, 0.0)
    if given.ndim == 1 and covered.shape[1] == 1:
        given = given[:, None]
    return given


def side_by_side(tables: Sequence[WeakLabels]) -> Floats | None:
    """Return the costs of stacked tables; None where none of them has any."""
    if all(t.costs is None for t in tables):
        return None
    parts = [np.full(t.covered.shape, np.nan) if t.costs is None else t.costs for t in tables]
    return np.concatenate(parts, axis=1)


def paid(costs: Floats | None) -> float | None:
    """Return what a table's labels cost together; supervisors of unknown price count nothing, and None is for no price at all."""
    if costs is None or np.isnan(costs).all():
        return None
    return float(np.nansum(costs))

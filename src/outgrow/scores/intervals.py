"""Intervals for means over new test rows and new seeds, for paired differences, and for ratios of them; and how large a test must be.

The layout, its variance and the half width are those of :mod:`outgrow.scores.crossed`.

A ratio of two means takes the values r that the interval of ``numerator - r * denominator`` does not exclude (Fieller 1954), with the
covariances of the same layout. It is undefined, never clipped, when the interval of the denominator touches 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from outgrow.errors import InputError
from outgrow.scores.crossed import Moments, spread
from outgrow.scores.quantities import Interval, Undefined, from_dict, number

__all__ = [
    "Interval",
    "Undefined",
    "detectable",
    "from_dict",
    "mean_interval",
    "number",
    "paired_interval",
    "pooled_mean",
    "pooled_p",
    "pooled_ratio",
    "ratio_interval",
    "rows_needed",
    "rows_to_label",
]

LEVEL = 0.95
POWER = 0.80
_MOST_ROWS = 10**9
_Floats = NDArray[np.float64]


def _table(x: ArrayLike, name: str = "scores") -> _Floats:
    table = np.asarray(x, dtype=np.float64)
    table = table[None] if table.ndim == 1 else table
    if table.ndim != 2 or not table.size:
        raise InputError(
            f"{name} have shape {np.shape(x)}, but (seeds, rows) or (rows,) with at least one row is needed."
        )
    if not np.isfinite(table).all():
        raise InputError(f"{name} hold values that are not finite; leave out what could not be computed.")
    return table


def _pair(a: ArrayLike, b: ArrayLike, names: tuple[str, str]) -> _Floats:
    first, second = _table(a, names[0]), _table(b, names[1])
    if first.shape != second.shape:
        raise InputError(
            f"{names[0]} have shape {first.shape} and {names[1]} {second.shape} (seeds, rows): "
            "a pair is compared on the same rows and seeds."
        )
    return np.stack([first, second])


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise InputError(f"level is {level!r}, but a share between 0 and 1 is needed, such as 0.95.")


def _alike(variance: float, scale: float) -> bool:
    return variance <= (1e-12 * scale) ** 2


def _mean_of(blocks: Sequence[Moments], level: float, scale: float) -> Interval | Undefined:
    mean = float(sum(b.mean[0] for b in blocks))
    if min(b.n_rows for b in blocks) == 1:
        return Undefined("One test row has no spread to measure an interval by.", mean)
    half2, variance, df = (float(v) for v in spread(blocks, np.ones(1), level))
    if _alike(variance, scale):
        return Undefined("Every test row has the same score, so the spread over new rows cannot be seen.", mean)
    half = math.sqrt(half2)
    return Interval(mean, mean - half, mean + half, level, _rows_of(blocks), _seeds_of(blocks), df)


def _rows_of(blocks: Sequence[Moments]) -> int:
    return sum(b.n_rows for b in blocks)


def _seeds_of(blocks: Sequence[Moments]) -> int:
    return min(b.n_seeds for b in blocks)


def mean_interval(x: ArrayLike, level: float = LEVEL) -> Interval | Undefined:
    """Return the interval of the mean over new test rows and new seeds.

    Parameters
    ----------
    x : array-like of shape (seeds, rows), or (rows,) for one seed
        Row scores on one test set. With one seed the interval is over new rows only.
    level : float
        Confidence level.

    Returns
    -------
    Interval or Undefined
        Undefined with one row, or when all scores are alike.

    Raises
    ------
    InputError
        Other shapes, no rows, or values that are not finite.
    """
    _check_level(level)
    table = _table(x)
    return _mean_of([Moments.of(table[None])], level, float(np.abs(table).max()))


def paired_interval(a: ArrayLike, b: ArrayLike, level: float = LEVEL) -> Interval | Undefined:
    """Return the interval of mean(a) - mean(b) on the same rows and seeds; shapes as in :func:`mean_interval`."""
    _check_level(level)
    pair = _pair(a, b, ("the first scores", "the second scores"))
    return _mean_of([Moments.of((pair[0] - pair[1])[None])], level, float(np.abs(pair).max()))


def ratio_interval(num: ArrayLike, den: ArrayLike, level: float = LEVEL) -> Interval | Undefined:
    """Return the interval of mean(num) / mean(den), both (seeds, rows) on the same rows and seeds (Fieller 1954).

    Undefined when the interval of mean(den) touches 0; never clipped.
    """
    return pooled_ratio([num], [den], level=level)


def _blocks(tables: Sequence[_Floats], labels: Sequence[Hashable] | None) -> list[_Floats]:
    """Add up the tables of one block row by row. Unnamed: tables of one shape, which is right whether or not they share rows."""
    keys: list[Hashable] = [t.shape for t in tables] if labels is None else list(labels)
    if len(keys) != len(tables):
        raise InputError(f"{len(tables)} cells have {len(keys)} block names; one name a cell is needed.")
    summed: dict[Hashable, _Floats] = {}
    for key, table in zip(keys, tables, strict=True):
        if key in summed and summed[key].shape != table.shape:
            raise InputError(
                f"cells of block {key!r} have shapes {summed[key].shape[1:]} and {table.shape[1:]} (seeds, rows); "
                "cells that share test rows need the same rows and seeds."
            )
        summed[key] = summed[key] + table if key in summed else table
    return list(summed.values())


def pooled_mean(
    cells: Sequence[ArrayLike], blocks: Sequence[Hashable] | None = None, level: float = LEVEL
) -> Interval | Undefined:
    """Return the interval of the plain average of several cells' means.

    Cells of one block share test rows and seeds and are added row by row; blocks are independent. Without ``blocks`` cells of one shape
    form a block, which is right for shared and for independent rows alike.
    """
    _check_level(level)
    if not len(cells):
        raise InputError("there are no cells to average; at least one is needed.")
    tables = [_table(c)[None] / len(cells) for c in cells]
    parts = [Moments.of(t) for t in _blocks(tables, blocks)]
    return _mean_of(parts, level, float(max(np.abs(t).max() for t in tables)))


def pooled_p(cells: Sequence[ArrayLike], blocks: Sequence[Hashable] | None = None) -> float | None:
    """Return the two-sided p-value of :func:`pooled_mean` being 0: one less the level whose interval touches 0; None without an interval.

    Below 1e-9 it is given as 1e-9: so far out no half width is to be believed.
    """
    found = pooled_mean(cells, blocks)
    if not isinstance(found, Interval):
        return None
    tables = [_table(c)[None] / len(cells) for c in cells]
    parts = [Moments.of(t) for t in _blocks(tables, blocks)]
    low, high = math.log(1e-9), 0.0
    for _ in range(50):
        middle = (low + high) / 2
        reach = float(spread(parts, np.ones(1), 1 - math.exp(middle))[0])
        low, high = (low, middle) if reach < found.mean**2 else (middle, high)
    return math.exp(high)


def pooled_ratio(
    nums: Sequence[ArrayLike], dens: Sequence[ArrayLike], blocks: Sequence[Hashable] | None = None, level: float = LEVEL
) -> Interval | Undefined:
    """Return the interval of (sum of the cells' mean num) / (sum of the cells' mean den): sum of gains over sum of gaps.

    Parameters
    ----------
    nums, dens : sequence of array-like, each (seeds, rows)
        One pair a cell, on the same rows and seeds.
    blocks : sequence of hashable, optional
        Which cells share test rows and seeds, as in :func:`pooled_mean`.
    level : float
        Confidence level.

    Returns
    -------
    Interval or Undefined
        Undefined when the interval of the summed denominator touches 0, with that interval in the reason.
    """
    _check_level(level)
    if len(nums) != len(dens) or not len(nums):
        raise InputError(
            f"there are {len(nums)} numerators and {len(dens)} denominators; one of each a cell is needed."
        )
    pairs = [_pair(n, d, ("numerators", "denominators")) for n, d in zip(nums, dens, strict=True)]
    parts = [Moments.of(t) for t in _blocks(pairs, blocks)]
    scale = float(max(np.abs(p[1]).max() for p in pairs))
    total = np.sum([p.mean for p in parts], axis=0)
    gap = _mean_of([_second(p) for p in parts], level, scale)
    if not isinstance(gap, Interval):
        return Undefined(f"The denominator has no interval: {gap.reason}")
    if gap.low <= 0 <= gap.high:
        return Undefined(f"The {100 * level:g} % interval of the denominator touches 0: {gap.text(sign=True)}.")
    ratio = float(total[0] / total[1])

    def excess(r: _Floats) -> _Floats:
        weights = np.stack([np.ones_like(r), -r], -1)
        return (weights @ total) ** 2 - spread(parts, weights, level)[0]

    low, high = _fieller_ends(excess, ratio)
    df = float(spread(parts, np.array([1.0, -ratio]), level)[2])
    return Interval(ratio, low, high, level, _rows_of(parts), _seeds_of(parts), df)


def _second(m: Moments) -> Moments:
    part = (..., slice(1, 2), slice(1, 2))
    return Moments(m.mean[..., 1:2], m.seeds[part], m.rows[part], m.rest[part], m.n_seeds, m.n_rows)


def _fieller_ends(excess: Callable[[_Floats], _Floats], ratio: float) -> tuple[float, float]:
    """Bisect on the angle of r for where ``excess`` turns positive, on both sides of the estimate at once.

    ``excess`` is at most 0 at the estimate and positive far out when the denominator's interval excludes 0.
    """
    inside, outside = np.full(2, math.atan(ratio)), np.array([-math.pi / 2, math.pi / 2])
    for _ in range(64):
        middle = (inside + outside) / 2
        out = excess(np.tan(middle)) > 0
        inside, outside = np.where(out, inside, middle), np.where(out, middle, outside)
    low, high = np.tan(inside)
    return float(low), float(high)


def _components(x: ArrayLike) -> tuple[float, float, float, int, int]:
    """Return the variances of seeds, rows and rest, each at least 0, and the two sizes."""
    table = _table(x)
    m = Moments.of(table[None])
    a, b, e = (float(v) for v in m.squares(np.ones(1)))
    if m.n_seeds == 1:
        return 0.0, b, 0.0, 1, m.n_rows
    return max(a - e, 0.0) / m.n_rows, max(b - e, 0.0) / m.n_seeds, e, m.n_seeds, m.n_rows


def _visible(
    of_seed: float, of_row: float, of_rest: float, n_seeds: int, n_rows: int, level: float, power: float
) -> float:
    """Return the mean whose interval excludes 0 with the given power: half widths at the level and at the power, added."""
    a, b = n_rows * of_seed + of_rest, n_seeds * of_row + of_rest
    square = np.ones((1, 1))
    zero = np.zeros_like(square)
    m = Moments(np.ones(1), a * square, b * square, of_rest * square, n_seeds, n_rows)
    if n_seeds == 1:
        m = Moments(np.ones(1), zero, b * square, zero, 1, n_rows)
    halves = (spread([m], np.ones(1), p)[0] for p in (level, 2 * power - 1))
    return float(sum(math.sqrt(float(h)) for h in halves))


def detectable(x: ArrayLike, level: float = LEVEL, power: float = POWER) -> float | None:
    """Return the smallest true mean that a test like this one would show (interval off 0) with 80 % power.

    Parameters
    ----------
    x : array-like of shape (seeds, rows)
        Paired differences, whose spread is taken as given.

    Returns
    -------
    float or None
        None when the rows have no spread to go by.
    """
    of_seed, of_row, of_rest, n_seeds, n_rows = _components(x)
    if n_rows == 1 or _alike(of_seed + of_row + of_rest, float(np.abs(np.asarray(x)).max())):
        return None
    return _visible(of_seed, of_row, of_rest, n_seeds, n_rows, level, power)


def rows_needed(x: ArrayLike, gain: float, level: float = LEVEL, power: float = POWER) -> float | None:
    """Return how many test rows would show a true mean of ``gain`` with 80 % power, at as many seeds as x has.

    Returns
    -------
    float or None
        A whole number; ``inf`` when no number of rows is enough (the spread over seeds is too large, or the gain is 0); None when the
        rows have no spread to go by.
    """
    of_seed, of_row, of_rest, n_seeds, n_rows = _components(x)
    if n_rows == 1 or _alike(of_seed + of_row + of_rest, float(np.abs(np.asarray(x)).max())):
        return None

    def enough(n: int) -> bool:
        return _visible(of_seed, of_row, of_rest, n_seeds, n, level, power) <= abs(gain)

    if gain == 0 or not enough(_MOST_ROWS):
        return math.inf
    low, high = 1, _MOST_ROWS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return float(high)


def rows_to_label(gain: float, disagreement: float, level: float = LEVEL, power: float = POWER) -> int | None:
    """Return how many test rows to label to see a gain in accuracy, knowing only how often student and supervisor disagree.

    A row's difference in accuracy is -1, 0 or 1, and not 0 only where the two disagree, so its variance is at most
    ``disagreement - gain**2``; one seed, normal quantiles.

    Parameters
    ----------
    gain : float
        The gain in accuracy that should be seen, such as .05.
    disagreement : float
        Share of rows, in [0, 1], where student and supervisor name different classes.

    Returns
    -------
    int or None
        None where so little disagreement cannot hold the gain.
    """
    if not gain > 0 or not 0 <= disagreement <= 1:
        raise InputError(
            f"gain is {gain!r} and disagreement {disagreement!r}, but a gain above 0 and a share in [0, 1] are needed."
        )
    if disagreement < gain:
        return None
    factor = NormalDist().inv_cdf(0.5 + level / 2) + NormalDist().inv_cdf(power)
    return max(2, math.ceil(factor**2 * (disagreement - gain**2) / gain**2))

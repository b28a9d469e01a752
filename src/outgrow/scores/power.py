"""How many rows to label to see that one of two is right more often: the exact chance, for the interval that a result is judged by.

A row's difference in accuracy is 1 where only the first is right, -1 where only the second is, else 0. With a gain g and a share a of
rows where exactly one is right, these have the chances (a + g) / 2 and (a - g) / 2, and the numbers (w, v) of n labelled rows are
multinomial. The result is seen when the 95 % t interval of :func:`outgrow.scores.intervals.mean_interval` over the n rows lies above 0::

    w - v > t(n - 1) sqrt(n (w + v) / (n - 1 + t**2))

Its chance is summed exactly: over w + v, binomial in n and a, the tail of w, binomial in w + v and (1 + g / a) / 2. The normal
approximation of :func:`outgrow.scores.intervals.rows_to_label` (Connor 1987) is where the search for n begins.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from outgrow.errors import InputError
from outgrow.scores.intervals import LEVEL, POWER, rows_to_label

__all__ = ["chance_to_see", "rows_to_see", "share_apart"]

TAIL = 1e-12


def chance_to_see(rows: int, gain: float, apart: float, level: float = LEVEL) -> float:
    """Return the chance that the interval of a gain in accuracy lies above 0.

    Parameters
    ----------
    rows : int
        Labelled rows, at least 2.
    gain : float
        The true gain, from 0 to ``apart``.
    apart : float
        Share of rows, in (0, 1], where exactly one of the two is right; at most the share where they name different classes.
    level : float
        Of the interval.

    Raises
    ------
    InputError
        A value outside its range.
    """
    from scipy.special import stdtrit
    from scipy.stats import binom

    if rows < 2 or not 0 < apart <= 1 or not 0 <= gain <= apart:
        raise InputError(
            f"rows {rows!r}, gain {gain!r} and apart {apart!r} cannot be; at least 2 rows, a share in (0, 1] and a gain from 0 to it can"
        )
    t = float(stdtrit(rows - 1, 0.5 + level / 2))
    reach = NormalDist().inv_cdf(1 - TAIL) * math.sqrt(rows * apart * (1 - apart)) + 20
    apart_rows = np.arange(max(1, math.floor(rows * apart - reach)), min(rows, math.ceil(rows * apart + reach)) + 1)
    least = t * np.sqrt(rows * apart_rows / (rows - 1 + t**2))
    # w - v = 2 w - (w + v) has to be above it.
    won = np.floor((apart_rows + least) / 2)
    seen = binom.sf(won, apart_rows, (1 + gain / apart) / 2)
    # All rows alike have no interval.
    seen = np.where(apart_rows == rows, np.maximum(seen - ((1 + gain / apart) / 2) ** rows, 0.0), seen)
    return float(np.sum(binom.pmf(apart_rows, rows, apart) * seen))


def rows_to_see(gain: float, apart: float, level: float = LEVEL, power: float = POWER) -> int | None:
    """Return the fewest rows whose labels show a gain in accuracy with a chance of ``power``; None where it cannot be so large.

    Parameters
    ----------
    gain : float
        Above 0.
    apart : float
        Share of rows, in [0, 1], where exactly one of the two is right. Of two classes it is the share where they differ; of more, that
        is its largest value, and the number errs on the safe side.
    """
    start = rows_to_label(gain, apart, level, power)
    if start is None or gain == apart == 1:
        # Where every row is won there is no spread, and two rows show it.
        return start

    def enough(n: int) -> bool:
        return chance_to_see(n, min(gain, apart), apart, level) >= power

    low, high = 1, max(start, 4)
    while not enough(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def share_apart(disagreement: float, differing: int = 0, decided: int = 0) -> float:
    """Return the share of rows where exactly one of two is right, from what a pilot showed of the rows where they differ.

    The share of decided rows is (decided + 1) / (differing + 1): 1 before any label, which is the safe side, and exact in the end.

    Parameters
    ----------
    disagreement : float
        Share of all rows where the two name different classes; known without truth.
    differing : int
        Labelled rows where they do.
    decided : int
        Those of them where one of the two is right.
    """
    return disagreement * (decided + 1) / (differing + 1)

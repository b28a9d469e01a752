"""What weak labels are worth: how many hand labels train the same model to the same score.

The learning curve of ``direct`` is its score after N rows of truth, for a few N, each set of rows holding the smaller ones of its seed.
With f the curve and s the student's score on the same test rows and seeds, the worth is the N where f(N) = s.

f is monotone: the mean scores over seeds and test rows are replaced by the nearest ones that never fall (isotonic regression, equal
weights), and between two N the curve is a straight line over log N. The worth is only looked for between the smallest and the largest N;
outside it is said to be fewer than the one or more than the other, never a number that nobody measured. Where the curve is level at s, the
worth is the middle of the level stretch, on the scale of log N.

The interval draws seeds and test rows anew, both with replacement and the same draws for curve and student, refits the curve each time, and
takes the 2.5 % and 97.5 % points of what comes out (the pigeonhole bootstrap of Owen 2007; it errs on the wide side where the interaction
of seeds and rows is large). Deviations of the seeds' means are stretched by sqrt(S / (S - 1)), because so few are drawn. With one seed
only rows are drawn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from outgrow.errors import InputError

__all__ = ["SIZES", "Worth", "monotone", "sizes_for", "worth"]

SIZES = (20, 50, 100, 200, 500, 1000, 2000)
FEWEST_TEACH = 100
DRAWS = 1000
LEVEL = 0.95

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Worth:
    """How many hand labels a student is as good as.

    Parameters
    ----------
    labels, low, high : float
        Estimate and limits; ``-inf`` below the smallest N of the curve, ``inf`` above the largest.
    smallest, largest : int
        Ends of the curve.
    level : float
    """

    labels: float
    low: float
    high: float
    smallest: int
    largest: int
    level: float = LEVEL

    def text(self) -> str:
        """Write ``about 120 hand labels [80, 210]``, ``more than the 500 you have``, ``fewer than 20 hand labels``."""
        ends = f"[{self._end(self.low)}, {self._end(self.high)}]"
        if self.labels == -math.inf:
            return f"fewer than {self.smallest:,} hand labels {ends}"
        if self.labels == math.inf:
            return f"more than the {self.largest:,} you have {ends}"
        return f"about {rounded(self.labels):,} hand labels {ends}"

    def _end(self, value: float) -> str:
        if value == -math.inf:
            return f"under {self.smallest:,}"
        return f"over {self.largest:,}" if value == math.inf else f"{rounded(value):,}"

    def holds(self, labels: float) -> bool:
        """Whether a number of hand labels lies in the interval."""
        return self.low <= labels <= self.high

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON and tables: an end outside the curve is None beside ``text``."""
        values = {"labels": self.labels, "low": self.low, "high": self.high}
        plain: dict[str, Any] = {k: v if math.isfinite(v) else None for k, v in values.items()}
        return {**plain, "smallest": self.smallest, "largest": self.largest, "text": self.text()}


def rounded(labels: float) -> int:
    """Round to two digits: more would be false precision."""
    step = 10 ** max(0, math.floor(math.log10(max(labels, 1.0))) - 1)
    return int(round(labels / step) * step)


def sizes_for(teach: int) -> tuple[int, ...]:
    """Return the N of the curve for so many teach rows, the last being all of them; none below 100 rows."""
    if teach < FEWEST_TEACH:
        return ()
    return (*(n for n in SIZES if n <= 0.8 * teach), teach)


def monotone(scores: ArrayLike) -> _Floats:
    """Return the nearest scores that never fall (isotonic regression), over the last axis.

    f[k] is the largest, over starts a <= k, of the smallest, over ends b >= k, of the mean of scores a to b.
    """
    y = np.asarray(scores, dtype=np.float64)
    k = y.shape[-1]
    sums = np.concatenate([np.zeros((*y.shape[:-1], 1)), np.cumsum(y, axis=-1)], axis=-1)
    first, last = np.arange(k)[:, None], np.arange(k)[None, :]
    means = (sums[..., last + 1] - sums[..., first]) / np.maximum(last - first + 1, 1)
    means = np.where(last >= first, means, np.inf)
    # For each start a, the smallest mean that reaches at least to k; then the largest of these over starts up to k.
    lowest = np.minimum.accumulate(means[..., ::-1], axis=-1)[..., ::-1]
    lowest = np.where(last >= first, lowest, -np.inf)
    out: _Floats = lowest.max(axis=-2)
    return out


def _invert(curve: _Floats, sizes: _Floats, score: _Floats) -> _Floats:
    """Return (d,) log N where the monotone (d, K) curves reach (d,) scores; -inf below the curve, inf above it."""
    logs = np.log(sizes)
    at = np.full(len(score), np.nan)
    below, above = score < curve[:, 0], score > curve[:, -1]
    inside = ~(below | above)
    at[below], at[above] = -np.inf, np.inf
    for i in np.flatnonzero(inside):
        f, s = curve[i], score[i]
        # The first and the last place where the curve is at s; they differ where it is level.
        right = int(np.searchsorted(f, s, side="left"))
        left = int(np.searchsorted(f, s, side="right")) - 1
        if f[min(right, len(f) - 1)] == s:
            at[i] = (logs[right] + logs[left]) / 2
        else:
            part = (s - f[right - 1]) / (f[right] - f[right - 1])
            at[i] = logs[right - 1] + part * (logs[right] - logs[right - 1])
    return at


def worth(
    student: ArrayLike, curve: Mapping[int, ArrayLike], *, level: float = LEVEL, draws: int = DRAWS, seed: int = 0
) -> Worth:
    """Read off a learning curve how many hand labels a student is as good as.

    Parameters
    ----------
    student : array-like of shape (seeds, rows)
        Row scores, higher is better.
    curve : mapping of int to array-like of shape (seeds, rows)
        N -> row scores of the same learner after N rows of truth, on the same test rows and seeds; at least two N.
    level : float
    draws : int
        Of the bootstrap.
    seed : int
        Of its draws.

    Raises
    ------
    InputError
        Fewer than two N, or tables of different shapes.
    """
    sizes = np.array(sorted(curve), dtype=np.float64)
    tables = [np.atleast_2d(np.asarray(curve[int(n)], dtype=np.float64)) for n in sizes]
    if len(sizes) < 2:
        raise InputError(f"a learning curve needs at least two numbers of labels, and this one has {len(sizes)}")
    mine = np.atleast_2d(np.asarray(student, dtype=np.float64))
    if any(table.shape != mine.shape for table in tables):
        raise InputError(
            "a student and a learning curve are compared on the same seeds and rows, and these have others"
        )
    whole = np.stack([mine, *tables])
    n_seeds, n_rows = mine.shape
    random = np.random.default_rng(seed)
    rows = random.multinomial(n_rows, np.full(n_rows, 1 / n_rows), size=draws) / n_rows
    seeds = np.full((draws, n_seeds), 1 / n_seeds)
    if n_seeds > 1:
        drawn = random.multinomial(n_seeds, seeds[0], size=draws) / n_seeds
        seeds = seeds + (drawn - seeds) * math.sqrt(n_seeds / (n_seeds - 1))
    means = np.stack([np.einsum("ds,sd->d", seeds, table @ rows.T) for table in whole], axis=1)
    points = _invert(monotone(means[:, 1:]), sizes, means[:, 0])
    centre = whole.mean(axis=(1, 2))[None]
    found = float(_invert(monotone(centre[:, 1:]), sizes, centre[:, 0])[0])
    ordered = np.sort(points)
    tail = (1 - level) / 2
    low = ordered[math.floor(tail * (draws - 1))]
    high = ordered[math.ceil((1 - tail) * (draws - 1))]
    # The estimate belongs to its interval, also where the draws are skewed.
    low, high = min(float(low), found), max(float(high), found)
    at, least, most = (math.exp(v) if math.isfinite(v) else v for v in (found, low, high))
    return Worth(at, least, most, int(sizes[0]), int(sizes[-1]), level)

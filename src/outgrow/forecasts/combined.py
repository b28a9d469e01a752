"""One forecast from all label statistics, learned across tasks: the gain in accuracy, its share of the gap, and which student is better.

    value  =  b + sum_j w_j z_j,    z_j = (statistic_j - mean_j) / spread_j,   0 where the statistic does not exist

The weights are a ridge regression over real cells (task, supervisor, student, method), every task counting alike. Its penalty is the one
that does best on tasks that were left out. The 90 % interval is conformal over tasks: value +- q (tau + d), where d is the share of rows
where the student contradicts its labels, and q the 90 % quantile of the absolute residual over (tau + d) in cells of left-out tasks: a
student that seldom contradicts its supervisor cannot be far from it. *Cannot tell* is the answer where a statistic lies outside what the
cells held, and where the interval is no narrower than that of somebody who knows the gains of other tasks and nothing of this one.

Weights, ranges, tasks, seeds and the command that made them lie in ``combined.json`` beside this file; docs/forecast.md says how good
it is. Assumed: a new task is like those. Ours.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from outgrow.errors import InputError
from outgrow.forecasts.statistics import STATISTICS

__all__ = ["LEVEL", "Combined", "Expected", "combined", "fit"]

LEVEL = 0.9
TAU = 0.03
MARGIN = 0.25
PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
FILE = Path(__file__).with_name("combined.json")

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Expected:
    """One answer of a combined forecast.

    Parameters
    ----------
    value, low, high : float
        Best guess and 90 % interval, in accuracy (PGR for that target).
    told : bool
        False for "cannot tell"; ``value`` may order cells nevertheless.
    why : str
        Why it cannot tell; empty where it can.
    parts : mapping
        Statistic -> what it adds to the value, largest first.
    """

    value: float
    low: float
    high: float
    told: bool
    why: str
    parts: Mapping[str, float]


@dataclass(frozen=True)
class Combined:
    """A fitted forecast of one target; a plain value that JSON can hold.

    Parameters
    ----------
    target : str
    features : tuple of str
        Names of statistics.
    centre, spread, weights, least, most : tuple of float
        One for each feature: standardisation, weight, and the range that was seen.
    intercept, penalty : float
    width : float
        q: half an interval's width, over (tau + disagreement).
    nothing : tuple of two float
        The 90 % interval of somebody who knows the other tasks' values only.
    cells, tasks : int
        What it was learned from.
    """

    target: str
    features: tuple[str, ...]
    centre: tuple[float, ...]
    spread: tuple[float, ...]
    weights: tuple[float, ...]
    least: tuple[float, ...]
    most: tuple[float, ...]
    intercept: float
    penalty: float
    width: float
    nothing: tuple[float, float]
    cells: int
    tasks: int

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON value."""
        return asdict(self)

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Self:
        """Read what :meth:`as_dict` gave."""
        plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
        return cls(**plain)

    def expect(self, statistics: Mapping[str, float]) -> Expected:
        """Forecast one cell from its statistics.

        Raises
        ------
        InputError
            A statistic that the forecast reads is not among those given.
        """
        missing = [f for f in self.features if f not in statistics]
        if missing:
            raise InputError(
                f"the combined forecast of {self.target} needs the statistic {missing[0]!r}; take all statistics"
            )
        x = np.array([statistics[f] for f in self.features], dtype=np.float64)
        z = np.nan_to_num((x - self.centre) / np.asarray(self.spread))
        parts = dict(zip(self.features, (z * self.weights).tolist(), strict=True))
        value = self.intercept + sum(parts.values())
        half = self.width * _scale(statistics)
        told, why = True, ""
        room = MARGIN * (np.asarray(self.most) - np.asarray(self.least))
        outside = (x < self.least - room) | (x > self.most + room)
        if outside.any():
            j = int(np.argmax(outside))
            told = False
            why = f"its {self.features[j]} of {x[j]:.3g} lies outside what was seen, {self.least[j]:.3g} to {self.most[j]:.3g}"
        elif 2 * half >= self.nothing[1] - self.nothing[0]:
            told, why = False, "the interval is no narrower than that of knowing nothing"
        order = dict(sorted(parts.items(), key=lambda item: -abs(item[1])))
        return Expected(value, value - half, value + half, told, why, order)


def _scale(statistics: Mapping[str, float]) -> float:
    return TAU + max(statistics["disagreement"], statistics["departure"])


@cache
def combined(file: Path = FILE) -> dict[str, Combined]:
    """Return the forecasts that ship with the package, by target: gain, pgr, rank, and each again for a supervisor alone.

    Raises
    ------
    InputError
        The file is missing or damaged.
    """
    try:
        given = json.loads(file.read_text("utf-8"))
        return {name: Combined.from_dict(about) for name, about in given["forecasts"].items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"the combined forecast's file {file.name} cannot be read ({type(error).__name__}); install outgrow again"
        ) from error


def fit(
    cells: Sequence[Mapping[str, float]],
    target: ArrayLike,
    tasks: Sequence[str],
    *,
    name: str,
    features: Sequence[str] = tuple(STATISTICS),
    penalties: Sequence[float] = PENALTIES,
) -> Combined:
    """Learn a forecast across cells.

    Parameters
    ----------
    cells : sequence of mapping
        Statistics of each cell.
    target : array of shape (n,)
        What became of it.
    tasks : sequence of str
        Which task each cell is of; what shares data shares a name. They count alike, and are left out one at a time.
    name : str
        Of the target.

    Returns
    -------
    Combined

    Raises
    ------
    InputError
        Cells of fewer than three tasks.
    """
    y, names = np.asarray(target, dtype=np.float64), np.asarray(tasks)
    known = np.unique(names)
    if len(known) < 3:
        raise InputError(
            f"a combined forecast is learned from at least three tasks, and these cells are of {len(known)}"
        )
    x = np.array([[cell[f] for f in features] for cell in cells], dtype=np.float64)
    scale = np.array([_scale(cell) for cell in cells])
    weight = np.zeros(len(y))
    for task in known:
        weight[names == task] = 1 / (names == task).sum()
    best, penalty, residual = math.inf, penalties[0], np.zeros(len(y))
    for candidate in penalties:
        left = np.empty(len(y))
        for task in known:
            out = names == task
            left[out] = y[out] - _answer(x[out], *_ridge(x[~out], y[~out], weight[~out], candidate))
        # The interval's own units, so that cells with room to move do not choose alone.
        loss = float(weight @ (left / scale) ** 2)
        if loss < best:
            best, penalty, residual = loss, candidate, left
    intercept, weights, centre, spread = _ridge(x, y, weight, penalty)
    return Combined(
        target=name,
        features=tuple(features),
        centre=tuple(centre.tolist()),
        spread=tuple(spread.tolist()),
        weights=tuple(weights.tolist()),
        least=tuple(np.nan_to_num(_quiet(np.nanmin, x), nan=-1e9).tolist()),
        most=tuple(np.nan_to_num(_quiet(np.nanmax, x), nan=1e9).tolist()),
        intercept=float(intercept),
        penalty=float(penalty),
        width=quantile(np.abs(residual) / scale, weight, LEVEL),
        nothing=(quantile(y, weight, (1 - LEVEL) / 2), quantile(y, weight, (1 + LEVEL) / 2)),
        cells=len(y),
        tasks=len(known),
    )


def _quiet(of: Any, x: Floats) -> Floats:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(of(x, axis=0))


def _ridge(x: Floats, y: Floats, weight: Floats, penalty: float) -> tuple[float, Floats, Floats, Floats]:
    share = weight / weight.sum()
    there = np.isfinite(x)
    mass = np.maximum(share @ there, 1e-12)
    centre = share @ np.where(there, x, 0.0) / mass
    spread = np.sqrt(share @ np.where(there, x - centre, 0.0) ** 2 / mass)
    spread = np.where(spread > 1e-9, spread, 1.0)
    z = np.where(there, (x - centre) / spread, 0.0)
    mean = share @ y
    offset = share @ z
    z, rest = z - offset, y - mean
    # The penalty is in units of one cell of average weight.
    gram = (z * share[:, None]).T @ z + penalty / len(y) * np.eye(x.shape[1])
    weights = np.linalg.solve(gram, (z * share[:, None]).T @ rest)
    return float(mean - offset @ weights), weights, centre, spread


def _answer(x: Floats, intercept: float, weights: Floats, centre: Floats, spread: Floats) -> Floats:
    return np.asarray(intercept + np.nan_to_num((x - centre) / spread) @ weights)


def quantile(values: ArrayLike, weight: ArrayLike, at: float) -> float:
    """Return the weighted quantile: the least value that holds a share ``at`` of the weight at or below it."""
    v, w = np.asarray(values, dtype=np.float64), np.asarray(weight, dtype=np.float64)
    order = np.argsort(v)
    reached = np.cumsum(w[order]) / w.sum()
    return float(v[order][min(int(np.searchsorted(reached, at - 1e-12)), len(v) - 1)])

"""Rows that stand for a metric which is no mean over rows: its value plus each row's first-order influence on it.

Their plain mean is the metric, and their spread gives its standard error (the infinitesimal jackknife, Jaeckel 1972; for AUROC it is
DeLong, DeLong, Clarke-Pearson 1988). So AUROC, average precision, macro-F1 and ECE get intervals by the same road as accuracy. ECE is
biased upwards by noise within bins; an interval around it shows its spread, not that bias.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from outgrow.scores.metrics import ECE_BINS, ROW_METRICS, better, choices, row_score, unranked

__all__ = ["linearized"]

_Floats = NDArray[np.float64]


def linearized(metric: str, outputs: ArrayLike, truth: ArrayLike) -> _Floats:
    """Return (n,) values whose plain mean is the metric, higher is better, losses negated.

    For ``ROW_METRICS`` these are the row scores.

    Raises
    ------
    InputError
        Unknown metrics, shapes that do not fit.
    ValueError
        A ranking metric when no class can be ranked (``unranked``).
    """
    if metric in ROW_METRICS:
        return row_score(metric, outputs, truth)
    sign = better(metric)
    row_score("accuracy", outputs, truth)
    given, true = np.asarray(outputs, dtype=np.float64), np.asarray(truth)
    if metric == "macro_f1":
        return sign * _macro_f1(given, true)
    if metric == "ece":
        return sign * _ece(given, true)
    out = unranked(true, given.shape[1])
    wanted = [1] if given.shape[1] == 2 else list(range(given.shape[1]))
    kept = [k for k in wanted if k not in out]
    if not kept:
        raise ValueError(f"{metric} is undefined: no class has rows both inside and outside it.")
    one = _auroc if metric == "auroc" else _average_precision
    return sign * np.mean([one(given[:, k], true == k) for k in kept], axis=0)


def _macro_f1(given: _Floats, true: NDArray[np.int64]) -> _Floats:
    named = choices(given)
    present = np.zeros_like(named)
    present[np.arange(len(named)), true] = 1.0
    top, bottom = 2 * named * present, named + present
    used = bottom.sum(axis=0) > 0
    top, bottom = top[:, used], bottom[:, used]
    f1 = top.sum(axis=0) / bottom.sum(axis=0)
    return (f1 + (top - f1 * bottom) / bottom.mean(axis=0)).mean(axis=1)


def _ece(given: _Floats, true: NDArray[np.int64]) -> _Floats:
    sure = given.max(axis=1)
    off = choices(given)[np.arange(len(given)), true] - sure
    place = np.clip(np.ceil(sure * ECE_BINS).astype(int) - 1, 0, ECE_BINS - 1)
    return off * np.sign(np.bincount(place, off, ECE_BINS))[place]


def _auroc(score: _Floats, yes: NDArray[np.bool_]) -> _Floats:
    from scipy.stats import rankdata

    n, n_yes = len(yes), int(yes.sum())
    everywhere = rankdata(score)
    part = np.empty(n)
    part[yes] = (everywhere[yes] - rankdata(score[yes])) / (n - n_yes)
    part[~yes] = 1 - (everywhere[~yes] - rankdata(score[~yes])) / n_yes
    area = float(part[yes].mean())
    return area + np.where(yes, n / n_yes, n / (n - n_yes)) * (part - area)


def _average_precision(score: _Floats, yes: NDArray[np.bool_]) -> _Floats:
    n, n_yes = len(yes), int(yes.sum())
    _, group = np.unique(-score, return_inverse=True)
    hits = np.bincount(group, yes)
    reached, found = np.cumsum(np.bincount(group)), np.cumsum(hits)
    precision = found / reached
    mean = float((hits * precision).sum() / n_yes)
    # A row at score s changes the precision of every hit at s or below it: sums over the tail of the ranking.
    gains = np.cumsum((hits / reached)[::-1])[::-1]
    costs = np.cumsum((hits * precision / reached)[::-1])[::-1]
    return mean + n / n_yes * (yes * (precision[group] - mean) + yes * gains[group] - costs[group])

"""Class shares and temperatures re-estimated from labels. Pure functions; ``w`` (n,) weighs rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["anchors", "cooled", "even_shares", "levelled", "mean_shares", "steady", "temperature_of"]

Floats = NDArray[np.float64]

SUREST, FEWEST = 0.25, 5
TINY = 1e-6
LOWEST = 0.005


def mean_shares(values: Floats, there: NDArray[np.bool_], w: Floats) -> Floats:
    """Return (m, c) weighted means of (n, m, c) over the rows each supervisor covers, even shares where it covers none."""
    mass = there * w[:, None]
    total = mass.sum(axis=0)[:, None]
    even = np.full(values.shape[1:], 1 / values.shape[2])
    return np.where(total > 0, (values * mass[:, :, None]).sum(axis=0) / np.where(total > 0, total, 1.0), even)


def anchors(sure: Floats, probs: Floats, there: NDArray[np.bool_], w: Floats) -> Floats:
    """Return (m, c, c) mean labels of each supervisor on the rows that a student is surest are of class k; NaN where there are too few.

    Parameters
    ----------
    sure : ndarray of shape (n, c)
        Probabilities of a student that saw none of these rows.
    probs, there : ndarray of shape (n, m, c) and (n, m)
        Labels, and whether a supervisor covers a row.
    w : ndarray of shape (n,)
    """
    n, m, c = probs.shape
    heard = np.where(there[:, :, None], probs, 0.0).sum(axis=1)
    share = np.average(heard / np.maximum(there.sum(axis=1), 1)[:, None], axis=0, weights=w)
    out = np.full((m, c, c), np.nan)
    for k in range(c):
        if share[k] * w.sum() < FEWEST * w.mean():
            continue
        order = np.argsort(-sure[:, k], kind="stable")
        wanted = max(SUREST * share[k] * w.sum(), FEWEST * w.mean())
        last = order[min(int(np.searchsorted(np.cumsum(w[order]), wanted)), n - 1)]
        # Rows tied with the last are taken too, so that their order does not matter.
        these = sure[:, k] >= sure[last, k]
        for j in range(m):
            mine = these & there[:, j]
            if mine.sum() >= FEWEST:
                out[j, k] = np.average(probs[mine, j], axis=0, weights=w[mine])
    return out


def levelled(confusion: Floats) -> Floats:
    """Return (m, c) log class weights under which a row as likely of every class as of any other is labelled evenly.

    ``confusion`` (m, c, c) is what supervisor j says of class k, NaN where it is not known: the weight of label l is 1 / mean_k C[j, k, l].
    Labels that are hardly given, and supervisors with fewer than two known classes, keep weight one.
    """
    known = np.asarray(np.isfinite(confusion).all(axis=2))
    count = known.sum(axis=1)
    mean = np.where(known[:, :, None], confusion, 0.0).sum(axis=1) / np.maximum(count, 1)[:, None]
    used = (mean > LOWEST) & known & (count >= 2)[:, None]
    log = np.where(used, -np.log(np.where(used, mean, 1.0)), 0.0)
    # The mean weight of the labels that are weighed is one, in logarithms.
    centre = log.sum(axis=1, keepdims=True) / np.maximum(used.sum(axis=1, keepdims=True), 1)
    return np.asarray(np.where(used, log - centre, 0.0))


def steady(one: Floats, two: Floats) -> Floats:
    """Return the mean of two independent estimates, row by row shrunk by the share of it that may be noise."""
    mean, apart = (one + two) / 2, (one - two) / 2
    signal, noise = (mean**2).sum(axis=1, keepdims=True), (apart**2).sum(axis=1, keepdims=True)
    return mean * np.where(signal > 0, np.maximum(1 - noise / np.where(signal > 0, signal, 1.0), 0.0), 0.0)


def even_shares(p: Floats, w: Floats) -> Floats:
    """Return class shares under which labels made for even classes have these shares for their mean."""
    c = p.shape[1]
    shares = np.full(c, 1 / c)
    if not len(p):
        return shares
    for _ in range(500):
        mass = p * shares
        then = np.average(mass / np.maximum(mass.sum(axis=1, keepdims=True), TINY), axis=0, weights=w)
        moved, shares = np.abs(then - shares).max(), then / then.sum()
        if moved < 1e-8:
            break
    return shares


def cooled(p: Floats, temperature: Any) -> Floats:
    """Return p^(1/T), each row summing to one."""
    log = np.log(np.maximum(p, TINY)) / np.asarray(temperature)[..., None]
    mass = np.exp(log - log.max(axis=-1, keepdims=True))
    return np.asarray(mass / mass.sum(axis=-1, keepdims=True))


def temperature_of(p: Floats, w: Floats, accuracy: float) -> float:
    """Find T such that the mean confidence of p^(1/T) is the accuracy, by bisection over [1/32, 32]."""
    if not len(p):
        return 1.0
    low, high = np.log(1 / 32), np.log(32)
    for _ in range(40):
        middle = (low + high) / 2
        confidence = np.average(cooled(p, np.full(len(p), np.exp(middle))).max(axis=1), weights=w)
        low, high = (middle, high) if confidence > accuracy else (low, middle)
    return float(np.exp((low + high) / 2))

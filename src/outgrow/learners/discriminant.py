"""A Gaussian discriminant whose classes are hidden behind a supervisor's channel: the repair of weak labels.

Rows f_i are Gaussian in each class around its mean, with one covariance for all; labels p_i are what somebody says of them, class l of rows
of class k with a chance T_kl. The equations stand in :mod:`outgrow.methods.recipe`, which trains on what is repaired here;
:mod:`outgrow.forecasts.crossfit` takes statistics of it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.special import softmax

from outgrow.learners.penalty import FOLDS, distinct

__all__ = ["ENOUGH", "FLAT", "TINY", "one_length", "posterior", "repaired", "separation"]

Floats = NDArray[np.float64]

MOST = 0.5
TWICE = 2.0
TINY = 1e-6
FLAT = 1e-9
ENOUGH = 40


def one_length(x: Floats, weight: Floats) -> Floats | None:
    """Return (n, at most n) standardised rows of one length, centred; None under 40 different rows and where no feature varies.

    Parameters
    ----------
    x : array of shape (n, d)
    weight : array of shape (n,)
    """
    if len(np.unique(distinct(x))) < ENOUGH:
        return None
    share = weight / weight.sum()
    x = x - share @ x
    spread = np.sqrt(share @ x**2)
    x = x[:, spread > FLAT] / spread[spread > FLAT]
    if not x.shape[1]:
        return None
    length = np.linalg.norm(x, axis=1, keepdims=True)
    x = x * np.sqrt(x.shape[1]) / np.where(length > 0, length, 1.0)
    x = x - share @ x
    if x.shape[1] > len(x):
        # A covariance of more features than rows is a matrix of the rows' products.
        size, along = np.linalg.eigh(x @ x.T)
        kept = size > FLAT * size[-1]
        x = along[:, kept] * np.sqrt(size[kept])
    return x


def posterior(x: Floats, labels: Floats, weight: Floats, p: Floats, at: Floats) -> Floats:
    """Return (m, c) class probabilities of rows ``at`` by the discriminant that ``labels`` of the rows ``x`` give.

    Parameters
    ----------
    x : array of shape (n, d)
    labels, p : array of shape (n, c)
        What the moments are taken under, and what the class shares are the mean of.
    weight : array of shape (n,)
    at : array of shape (m, d)
    """
    n, d = len(np.unique(distinct(x))), x.shape[1]
    share = weight / weight.sum()
    r = labels * share[:, None]
    mass = np.maximum(r.sum(axis=0), TINY * TINY)
    mean = r.T @ x / mass[:, None]
    within = (x * share[:, None]).T @ x - (mean.T * mass) @ mean
    shrink = min(MOST, TWICE * min(d, n) / (min(d, n) + n))
    within *= 1 - shrink
    within[np.diag_indices(d)] += shrink / (1 - shrink) * np.trace(within) / d + FLAT
    by = cho_solve(cho_factor(within, lower=True), mean.T)
    constant = np.log(np.maximum(share @ p, TINY * TINY)) - 0.5 * np.einsum("cd,dc->c", mean, by)
    return np.asarray(softmax(at @ by + constant, axis=1))


def repaired(x: Floats, p: Floats, weight: Floats, steps: int) -> tuple[Floats, Floats]:
    """Return (n, c) labels after so many steps of EM, and the (c, c) channel of the last.

    Parameters
    ----------
    x : array of shape (n, d)
    p : array of shape (n, c)
        Weak labels.
    weight : array of shape (n,)
    """
    now, channel = p, np.eye(p.shape[1])
    for _ in range(steps):
        g = posterior(x, now, weight, p, x)
        mass = (g * weight[:, None]).sum(axis=0)
        channel = (g * weight[:, None]).T @ p / np.maximum(mass, TINY)[:, None]
        now = g * (p @ channel.T)
        now = now / now.sum(axis=1, keepdims=True)
    return now, channel


def separation(x: Floats, p: Floats, weight: Floats, steps: int, fold: NDArray[np.int64]) -> float:
    """Return how far apart the classes lie in these features, 0 to 1: cross-fitted confidence above chance.

    Parameters
    ----------
    x, p, weight, steps
        As for :func:`repaired`.
    fold : array of shape (n,)
        Which of the three folds holds each row.
    """
    sure = np.empty(len(x))
    for held in range(FOLDS):
        learn = fold != held
        here = repaired(x[learn], p[learn], weight[learn], steps)[0]
        sure[~learn] = posterior(x[learn], here, weight[learn], p[learn], x[~learn]).max(axis=1)
    chance = 1 / p.shape[1]
    return float(np.clip((np.average(sure, weights=weight) - chance) / (1 - chance), 0, 1))

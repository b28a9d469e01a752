"""Label models: what several voters say, made into one label a row, without truth. Pure functions of arrays.

Votes are an array (n, m, c): row i, voter j, class k; one where the voter names the class, zero everywhere where it abstains, and equal
parts where it is torn between classes. All sums are weighted, so a row of weight two is the same row twice.

majority. The class with most votes; a tie is shared.

dawid_skene (Dawid and Skene 1979; the iteration as in card 3 of the specification). Voter j answers l where the truth is k with
probability C[j, k, l], given the truth independently of the others:

    T_ik  ~  p_k prod_j prod_l C[j, k, l] ^ V_ijl,        p_k = mean_i T_ik,        C[j, k, l] = sum_i T_ik V_ijl / row sum

begun at the shares of the votes. One coin: C has the voter's accuracy on the diagonal and equal parts beside it.

triplet (Fu et al. 2020, FlyingSquid; recalled). For two classes as -1 and +1 and voters that err independently,
E[v_i v_j] = a_i a_j, hence abs(a_i) = sqrt(E[v_i v_j] E[v_i v_k] / E[v_j v_k]). Ours: with c classes and one coin a voter the same holds
for b = (c accuracy - 1) / (c - 1) and (c agreement - 1) / (c - 1); for two classes that is the formula above. The median over all pairs
whose denominator stands clear of its noise.

Ours, in all of them: ``smoothing`` pseudo-votes pull a voter to what all voters have in common, and :func:`one_coin`, :func:`confusions`
and :func:`triplet` are guarded so that they fall back to the majority where rows say too little.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["LabelModel", "confusions", "dawid_skene", "majority", "one_coin", "triplet", "votes_of"]

Floats = NDArray[np.float64]

LEAST, MOST = 1e-12, 0.98
UNKNOWN, FEEBLE = 0.5, 0.05
SMOOTHING = 10.0
ROWS_A_CELL = 20.0
CAUTION = 5 / 6
CLEAR = 2.0


def votes_of(probs: Floats, covered: NDArray[np.bool_]) -> Floats:
    """Return (n, m, c) votes: each voter's likeliest class, ties in equal parts, nothing where it abstains."""
    best = (probs >= probs.max(axis=2, keepdims=True) - LEAST) & covered[:, :, None]
    return best / np.maximum(best.sum(axis=2, keepdims=True), 1)


def majority(votes: Floats) -> Floats:
    """Return (n, c) the class with most votes; classes that tie share the row, and so do all where nobody votes."""
    count = votes.sum(axis=1)
    best = count >= count.max(axis=1, keepdims=True) - 1e-9
    return best / best.sum(axis=1, keepdims=True)


@dataclass(frozen=True, eq=False)
class LabelModel:
    """What is believed of the voters.

    Parameters
    ----------
    prior : ndarray of shape (c,)
        Class shares.
    confusion : ndarray of shape (m, c, c)
        Probability that voter j answers l where the truth is k, rows summing to one.
    steps : int
        Iterations it took; 0 where none were made.
    log_likelihood : float
        Of the votes it was fitted on; NaN where it was not computed.
    """

    prior: Floats
    confusion: Floats
    steps: int = 0
    log_likelihood: float = float("nan")

    @property
    def accuracy(self) -> Floats:
        """(m,) how often each voter is thought right."""
        return np.asarray(np.einsum("k,jkk->j", self.prior, self.confusion))

    def posterior(self, votes: Floats) -> Floats:
        """Return (n, c) class probabilities given the votes; the prior where nobody votes."""
        return self._score(votes)[0]

    def _score(self, votes: Floats) -> tuple[Floats, Floats]:
        m, c, _ = self.confusion.shape
        table = np.log(np.maximum(self.confusion, LEAST)).transpose(0, 2, 1).reshape(m * c, c)
        log = votes.reshape(len(votes), m * c) @ table + np.log(np.maximum(self.prior, LEAST))
        top = log.max(axis=1, keepdims=True)
        mass = np.exp(log - top)
        total = mass.sum(axis=1, keepdims=True)
        return mass / total, (top + np.log(total))[:, 0]


def dawid_skene(
    votes: Floats,
    weight: Floats | None = None,
    *,
    coin: bool = False,
    prior: Floats | None = None,
    smoothing: float = 0.0,
    tol: float = 1e-7,
    steps: int = 500,
) -> LabelModel:
    """Fit voters and class shares to the votes by expectation and maximisation.

    Parameters
    ----------
    votes : ndarray of shape (n, m, c)
    weight : ndarray of shape (n,), optional
    coin : bool
        One accuracy a voter, instead of a whole confusion matrix.
    prior : ndarray of shape (c,), optional
        Class shares, held fixed. Default: estimated.
    smoothing : float
        Pseudo-votes by which a voter is pulled to the accuracy that all voters have in common.
    tol : float
        Change of the mean log-likelihood a row at which to stop.
    steps : int
        The most iterations.

    Returns
    -------
    LabelModel
    """
    n, m, c = votes.shape
    w = np.ones(n) if weight is None else weight
    spoken = votes.sum(axis=1)
    total = spoken.sum(axis=1, keepdims=True)
    belief = np.where(total > 0, spoken / np.where(total > 0, total, 1.0), 1.0 / c)
    flat = votes.reshape(n, m * c)
    last, model = -np.inf, LabelModel(np.full(c, 1 / c), _coins(np.full(m, 1 / c), c))
    for step in range(1, steps + 1):
        mass = belief * w[:, None]
        shares = mass.sum(axis=0) / mass.sum() if prior is None else prior
        counts = (mass.T @ flat).reshape(c, m, c).transpose(1, 0, 2)
        model = LabelModel(shares, _voters(counts, coin, smoothing), step)
        belief, score = model._score(votes)
        now = float((w * score).sum() / w.sum())
        model = LabelModel(shares, model.confusion, step, now * float(w.sum()))
        if abs(now - last) < tol:
            break
        last = now
    return model


def _voters(counts: Floats, coin: bool, smoothing: float) -> Floats:
    c = counts.shape[1]
    hits, cast = np.einsum("jkk->j", counts), counts.sum(axis=(1, 2))
    common = hits.sum() / max(cast.sum(), LEAST)
    accuracy = (hits + smoothing * common) / np.maximum(cast + smoothing, LEAST)
    # A voter that casts no vote is never read; it is given what all have in common.
    accuracy = np.where(cast + smoothing > 0, accuracy, common)
    if coin:
        return _coins(accuracy, c)
    pull = smoothing * _coins(accuracy, c)
    rows = counts + pull
    size = rows.sum(axis=2, keepdims=True)
    return np.where(size > 0, rows / np.where(size > 0, size, 1.0), 1.0 / c)


def _coins(accuracy: Floats, c: int) -> Floats:
    beside = ((1 - accuracy) / max(c - 1, 1))[:, None, None]
    return np.where(np.eye(c, dtype=bool), accuracy[:, None, None], beside)


# --- guarded ------------------------------------------------------------------------------------------------------------------------


def one_coin(votes: Floats, weight: Floats | None = None) -> LabelModel:
    """Fit one accuracy a voter, class shares held even: a majority weighted by log-odds of being right.

    Even shares are ours. Estimated shares make one coin explain voters that lean to a class by the class being frequent, and lean further.
    """

    def fit(v: Floats, w: Floats) -> Floats:
        return dawid_skene(v, w, coin=True, prior=_even(v.shape[2]), smoothing=SMOOTHING).accuracy

    return _steadied(fit, votes, weight)


def triplet(votes: Floats, weight: Floats | None = None) -> LabelModel:
    """Solve for one accuracy a voter from how often pairs agree; class shares are held even."""
    return _steadied(_triplet, votes, weight)


def confusions(votes: Floats, weight: Floats | None = None) -> LabelModel:
    """Fit a confusion matrix a voter and the class shares, or fall back to :func:`one_coin`.

    It falls back where fewer than three voters speak, where a voter has on average under 20 votes a cell of its matrix on rows with three
    voters or more, and where two fits, each to every other row, differ from each other on more than a third as many rows as the whole fit
    differs from one coin.
    """
    speak, w = _speaking(votes, weight)
    c = votes.shape[2]
    simple = one_coin(votes, weight)
    three = (speak.sum(axis=1) >= 3) & (w > 0)
    cast = (speak * w[:, None])[three].sum(axis=0)
    if (cast > 0).sum() < 3 or cast[cast > 0].mean() < ROWS_A_CELL * c * c:
        return simple
    both = (speak.sum(axis=1) >= 2) & (w > 0)
    v, u = votes[both], w[both]
    whole = dawid_skene(v, u, smoothing=SMOOTHING)
    named = [dawid_skene(v[k::2], u[k::2], smoothing=SMOOTHING).posterior(v).argmax(axis=1) for k in range(2)]
    moved = float(u @ (whole.posterior(v).argmax(axis=1) != simple.posterior(v).argmax(axis=1)))
    unsure = float(u @ (named[0] != named[1]))
    return whole if 3 * unsure < moved else simple


def _speaking(votes: Floats, weight: Floats | None) -> tuple[NDArray[np.bool_], Floats]:
    return votes.sum(axis=2) > 0, np.ones(len(votes)) if weight is None else weight


def _even(c: int) -> Floats:
    return np.full(c, 1 / c)


def _steadied(fit: Callable[[Floats, Floats], Floats], votes: Floats, weight: Floats | None) -> LabelModel:
    """Fit accuracies on rows with two voters or more, and pull their log-odds together as far as two halves of the rows do not agree.

    The covariance of two independent estimates is the variance of what they estimate; its share of the whole variance, less a
    sixth, is what is kept: where one voter outweighs two by a hair, following it loses more than it gains.
    """
    speak, w = _speaking(votes, weight)
    m, c = votes.shape[1:]
    both = (speak.sum(axis=1) >= 2) & (w > 0)
    v, u = votes[both], w[both]
    cast = (speak[both] * u[:, None]).sum(axis=0)
    if both.sum() < 2 or (cast > 0).sum() < 2:
        return LabelModel(_even(c), _coins(np.full(m, (1 + UNKNOWN * (c - 1)) / c), c))

    def odds(x: Floats, y: Floats) -> Floats:
        a = np.clip(fit(x, y), (1 + FEEBLE * (c - 1)) / c, MOST)
        return np.asarray(np.log(a * (c - 1) / (1 - a)))

    share = cast / cast.sum()
    whole, halves = odds(v, u), [odds(v[k::2], u[k::2]) for k in range(2)]
    away = [h - share @ h for h in halves]
    same = float(share @ (away[0] * away[1]))
    spread = float(share @ ((away[0] + away[1]) / 2) ** 2)
    keep = CAUTION * min(max(same / spread, 0.0), 1.0) if spread > LEAST else 0.0
    centre = float(share @ whole)
    pulled = np.where(cast > 0, centre + keep * (whole - centre), centre)
    accuracy = 1 / (1 + (c - 1) * np.exp(-pulled))
    return LabelModel(_even(c), _coins(accuracy, c))


def _triplet(votes: Floats, weight: Floats) -> Floats:
    m, c = votes.shape[1:]
    cast = votes.sum(axis=2)
    pairs = (cast * weight[:, None]).T @ cast
    agree = sum((votes[:, :, k] * weight[:, None]).T @ votes[:, :, k] for k in range(c))
    there = (pairs > 0) & ~np.eye(m, dtype=bool)
    moment = np.where(there, (c * agree / np.where(there, pairs, 1.0) - 1) / (c - 1), 0.0)
    size = np.where(there, pairs, 0.0)
    common = np.sqrt(max(float((moment * size).sum() / max(size.sum(), 1.0)), 0.0))
    clear = there & (np.abs(moment) * np.sqrt(np.maximum(pairs, 1.0)) > CLEAR * np.sqrt(c - 1))
    found = np.full(m, common)
    for i in range(m):
        beside = np.triu(clear & there[i][:, None] & there[i][None, :])
        if beside.any():
            ratio = np.abs(np.outer(moment[i], moment[i])[beside] / moment[beside])
            found[i] = np.sqrt(np.median(ratio))
    own = size.sum(axis=1)
    b = (own * np.clip(found, 0, 1) + SMOOTHING * common) / (own + SMOOTHING)
    return (1 + (c - 1) * b) / c


# --- with truth ---------------------------------------------------------------------------------------------------------------------


def boosted(votes: Floats, truth: NDArray[np.int64], rounds: int = 20) -> Floats:
    """Weigh given voters by SAMME (Zhu et al. 2009; recalled) on rows with truth.

    In each round the voter with the least weighted error e among the rows it speaks on gains log((1 - e) / e) + log(c - 1), and the rows it
    gets wrong grow by as much. A voter that abstains leaves a row as it was. Rounds end where no voter beats chance.

    Parameters
    ----------
    votes : ndarray of shape (n, m, c)
    truth : ndarray of shape (n,)
        Class index.
    rounds : int

    Returns
    -------
    ndarray of shape (m,)
        All one when no voter beats chance in the first round.
    """
    n, m, c = votes.shape
    speaks = votes.sum(axis=2) > 0
    right = votes[np.arange(n), :, truth]
    weight, gained = np.full(n, 1 / n), np.zeros(m)
    for _ in range(rounds):
        heard = (weight[:, None] * speaks).sum(axis=0)
        good = (weight[:, None] * right).sum(axis=0)
        # Half a row right and half a row wrong, so that a voter without an error has a finite weight.
        error = (heard - good + 0.5 / n) / (heard + 1 / n)
        worth = np.log((1 - error) / error) + np.log(max(c - 1, 1))
        best = int(np.argmax(np.where(heard > 0, heard * np.maximum(worth, 0), 0)))
        if not worth[best] > 1e-3 or not heard[best] > 0:
            break
        gained[best] += worth[best]
        weight = weight * np.exp(worth[best] * (speaks[:, best] - right[:, best]))
        weight = weight / weight.sum()
    return gained if gained.any() else np.ones(m)

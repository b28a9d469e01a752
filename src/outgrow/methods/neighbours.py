"""Nearest rows of a matrix among themselves: exact up to 50,000 rows, above that approximate, with its recall measured.

Approximate is an inverted file: rows are dealt to k-means clusters, and each row looks for neighbours in the clusters whose centres lie
nearest to its own cluster's. A few hundred rows, drawn by seed, are also searched exactly; recall is the share of found neighbours that are
as near as the exact ones, so that ties count. Clusters are added until recall reaches a goal on rows of their own, and the recall that is
told is measured on others. All is one blocked matrix product after another, in single precision above the limit: memory grows with the
rows, not with their square. The result depends on data and seed only; with an optional library it would depend on what is installed.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from outgrow.errors import InputError

__all__ = ["EXACT", "Cost", "Neighbours", "cost", "nearest_rows", "standardised"]

EXACT = 50_000
GOAL = 0.95
ASKED = 500
BLOCK = 2048
WIDE = 16_384
STEPS = 25
SAMPLE = 50_000
TINY = 1e-12

Metric = Literal["euclidean", "cosine"]


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The k nearest other rows of each row.

    Parameters
    ----------
    near : ndarray of shape (n, k)
        Their positions, nearest first; equally near ones in the order of rows, where the search is exact.
    far : ndarray of shape (n, k)
        Their distances: Euclidean, or one minus the cosine.
    recall : float
        Share of the neighbours that are as near as the true ones, measured on ``asked`` rows; 1 where the search is exact.
    asked : int
        How many rows it was measured on; 0 where the search is exact.
    """

    near: NDArray[np.int64]
    far: NDArray[np.float64]
    recall: float = 1.0
    asked: int = 0

    @property
    def sentence(self) -> str:
        """Say how the graph was made."""
        if not self.asked:
            return f"exact neighbours of {len(self.near):,} rows"
        return f"approximate neighbours of {len(self.near):,} rows, recall {self.recall:.3f} on {self.asked}"

    def said(self) -> dict[str, float]:
        """Return the recall, where the search is approximate."""
        return {"recall of neighbours": self.recall} if self.asked else {}


@dataclass(frozen=True)
class Cost:
    """What a search will take: seconds of one core, and bytes of memory beside the matrix itself."""

    seconds: float = 0.0
    bytes: int = 0


def standardised(x: NDArray[Any], weight: NDArray[np.float64]) -> NDArray[Any]:
    """Return (n, d) features less their weighted mean, over their weighted deviation; in single precision above 50,000 rows.

    A feature that does not vary becomes zero.
    """
    share = weight / weight.sum()
    mean, square = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    for at in _blocks(len(x), WIDE):
        mean += share[at] @ x[at]
    for at in _blocks(len(x), WIDE):
        square += share[at] @ (np.asarray(x[at], dtype=np.float64) - mean) ** 2
    scale = np.sqrt(square)
    live = scale > TINY * np.maximum(np.abs(mean), 1.0)
    out = np.empty(x.shape, dtype=np.float64 if len(x) <= EXACT else np.float32)
    for at in _blocks(len(x), WIDE):
        out[at] = np.where(live, (x[at] - mean) / np.where(live, scale, 1.0), 0.0)
    return out


def nearest_rows(
    x: NDArray[Any], k: int, *, metric: Metric = "euclidean", random_state: int = 0, exact: int = EXACT
) -> Neighbours:
    """Find the k nearest other rows of each row.

    Parameters
    ----------
    x : array of shape (n, d)
    k : int
        Fewer where there are fewer rows.
    metric : {"euclidean", "cosine"}
        A row of zeros is half as far from all others as a right angle.
    random_state : int
        Of the clusters and of the rows that recall is measured on.
    exact : int
        Up to so many rows the search is exact.

    Raises
    ------
    InputError
        Fewer than two rows.
    """
    if len(x) < 2:
        raise InputError("neighbours need at least two rows that count; use a rule that looks at none")
    k = min(int(k), len(x) - 1)
    if metric == "cosine":
        x = _unit(x)
    return _as(metric, _exact(x, k) if len(x) <= exact else _approximate(x, k, random_state))


def cost(n: int, d: int) -> Cost:
    """Say what a search among n rows of d features will take on this machine now; a product of matrices is timed for it."""
    left, right = np.ones((512, 256), dtype=np.float32), np.ones((256, 2048), dtype=np.float32)
    times = []
    for _ in range(5):
        # Time of the processor: a busy machine takes longer, and does no more.
        start = time.process_time()
        left @ right
        times.append(time.process_time() - start)
    rate = 2 * 512 * 256 * 2048 / max(min(times), 1e-6)
    if n <= EXACT:
        # Double precision is half as fast; choosing the nearest of a row takes about as long as 100 features.
        return Cost(2 * 2 * n * n * (d + 100) / rate, 8 * n * d + 3 * 8 * BLOCK * min(n, WIDE))
    size = n / _clusters(n)
    seen = size * _first(_clusters(n)) * 4
    return Cost(2 * n * (seen + SAMPLE / 50) * (d + 100) / rate, 2 * 4 * n * d + 3 * 4 * BLOCK * WIDE)


# --- searching ----------------------------------------------------------------------------------------------------------------------


def _blocks(n: int, size: int) -> list[slice]:
    return [slice(at, min(at + size, n)) for at in range(0, n, size)]


def _unit(x: NDArray[Any]) -> NDArray[Any]:
    length = np.sqrt(np.einsum("ij,ij->i", x, x, dtype=np.float64))
    # A new copy: what is given stays as it is.
    return (x / np.where(length > TINY, length, 1.0)[:, None]).astype(x.dtype if x.dtype.kind == "f" else np.float64)


def _as(metric: Metric, found: Neighbours) -> Neighbours:
    far = found.far / 2 if metric == "cosine" else np.sqrt(found.far)
    return Neighbours(found.near, far, found.recall, found.asked)


def _exact(x: NDArray[Any], k: int) -> Neighbours:
    rows = np.arange(len(x))
    near, far = _search(x, _squares(x), rows, rows, k)
    return Neighbours(near, far)


def _squares(x: NDArray[Any]) -> NDArray[Any]:
    return np.einsum("ij,ij->i", x, x)


def _search(
    x: NDArray[Any], squares: NDArray[Any], asking: NDArray[np.int64], among: NDArray[np.int64], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the (q, k) nearest rows of ``among``, sorted, and their squared distances; a row is no neighbour of itself.

    Places that cannot be filled hold the row itself at an infinite distance. ``among`` is sorted.
    """
    near = np.empty((len(asking), k), dtype=np.int64)
    far = np.full((len(asking), k), np.inf)
    for at in _blocks(len(asking), BLOCK):
        ask = asking[at]
        here = np.repeat(ask[:, None], k, axis=1)
        best = np.full((len(ask), k), np.inf)
        left = x[ask]
        for part in _blocks(len(among), WIDE):
            take = among[part]
            gap = left @ x[take].T
            gap *= -2
            gap += squares[ask][:, None]
            gap += squares[take]
            np.maximum(gap, 0, out=gap)
            spot = np.searchsorted(take, ask)
            inside = np.flatnonzero((spot < len(take)) & (take[np.minimum(spot, len(take) - 1)] == ask))
            gap[inside, spot[inside]] = np.inf
            least = _least(gap, k)
            # Earlier rows stand first, and the sort is stable: of equally near rows the earlier counts.
            both = np.concatenate([best, np.take_along_axis(gap, least, axis=1).astype(np.float64)], axis=1)
            names = np.concatenate([here, take[least]], axis=1)
            order = np.argsort(both, axis=1, kind="stable")[:, :k]
            best, here = np.take_along_axis(both, order, axis=1), np.take_along_axis(names, order, axis=1)
        near[at], far[at] = here, best
    return near, far


def _least(gap: NDArray[Any], k: int) -> NDArray[np.int64]:
    """Return the (q, k) columns of the least values, in the order of columns."""
    if k >= gap.shape[1]:
        return np.broadcast_to(np.arange(gap.shape[1]), gap.shape)
    return np.sort(np.argpartition(gap, k - 1, axis=1)[:, :k], axis=1)


# --- approximate --------------------------------------------------------------------------------------------------------------------


def _clusters(n: int) -> int:
    return int(math.sqrt(n))


def _first(clusters: int) -> int:
    """How many clusters are searched at first."""
    return max(4, clusters // 32)


def _approximate(x: NDArray[Any], k: int, random_state: int) -> Neighbours:
    random = np.random.default_rng(random_state)
    squares = _squares(x)
    order, starts, centres = _deal(x, random)
    asked = random.permutation(len(x))[: 2 * ASKED]
    tuning, telling = np.sort(asked[:ASKED]), np.sort(asked[ASKED:])
    every = np.arange(len(x))
    true = _search(x, squares, tuning, every, k)[1]
    gaps = _squares(centres)[:, None] - 2 * centres @ centres.T + _squares(centres)
    close = np.argsort(gaps, axis=1, kind="stable")
    probes, most = _first(len(centres)), len(centres)
    while True:
        far = _probe(x, squares, order, starts, close[:, :probes], k, tuning)[1]
        if probes >= most or _recall(far, true) >= GOAL:
            break
        probes = min(2 * probes, most)
    near, far = _probe(x, squares, order, starts, close[:, :probes], k, every)
    recall = _recall(far[telling], _search(x, squares, telling, every, k)[1])
    return Neighbours(near, far, recall, len(telling))


def _deal(x: NDArray[Any], random: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[Any]]:
    """Return rows ordered by cluster, where each cluster starts, and the centres."""
    from sklearn.cluster import MiniBatchKMeans

    count = _clusters(len(x))
    some = np.sort(random.permutation(len(x))[:SAMPLE])
    seed = int(random.integers(2**31))
    means = MiniBatchKMeans(count, random_state=seed, n_init=1, batch_size=4096, max_iter=STEPS, init="random")
    centres = means.fit(x[some]).cluster_centers_
    half = _squares(centres) / 2
    own = np.concatenate([(half - x[at] @ centres.T).argmin(axis=1) for at in _blocks(len(x), BLOCK)])
    order = np.argsort(own, kind="stable")
    return order, np.searchsorted(own[order], np.arange(count + 1)), centres


def _probe(
    x: NDArray[Any],
    squares: NDArray[Any],
    order: NDArray[np.int64],
    starts: NDArray[np.int64],
    close: NDArray[np.int64],
    k: int,
    asking: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Search the rows of each cluster in the clusters close to it; (q, k) neighbours and squared distances."""
    near = np.empty((len(asking), k), dtype=np.int64)
    far = np.empty((len(asking), k))
    for cluster in range(len(starts) - 1):
        mine = np.sort(order[starts[cluster] : starts[cluster + 1]])
        spot = np.searchsorted(asking, mine)
        there = (spot < len(asking)) & (asking[np.minimum(spot, len(asking) - 1)] == mine)
        if not there.any():
            continue
        # Clusters are added until they hold more rows than neighbours are wanted.
        parts = [order[starts[c] : starts[c + 1]] for c in close[cluster]]
        among = np.sort(np.concatenate(parts))
        if len(among) <= k:
            among = np.sort(order)
        near[spot[there]], far[spot[there]] = _search(x, squares, mine[there], among, k)
    return near, far


def _recall(found: NDArray[np.float64], true: NDArray[np.float64]) -> float:
    """Return the share of found neighbours that are as near as the exact k-th, up to rounding."""
    bar = true[:, -1:] * (1 + 1e-4) + 1e-6
    return float((found <= bar).mean())

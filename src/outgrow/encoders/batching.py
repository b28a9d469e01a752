"""Which rows are read together: shards that finish one by one, and batches planned inside a shard.

A batch never crosses a shard, so the numbers of a row do not depend on where an earlier run was stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Shard", "by_length", "consecutive", "token_batches"]


@dataclass(frozen=True, eq=False)
class Shard:
    """Rows that are encoded, written and checksummed as one.

    Parameters
    ----------
    rows : ndarray of shape (k,)
        Positions in the list of inputs.
    size : int
        Work in it, in tokens (or rows, for encoders that do not count tokens): the unit of progress bars.
    """

    rows: NDArray[np.int64]
    size: int


def consecutive(n: int, rows: int) -> list[Shard]:
    """Cut ``n`` inputs into shards of ``rows`` neighbours."""
    return [Shard(np.arange(a, min(a + rows, n)), min(rows, n - a)) for a in range(0, n, rows)]


def by_length(lengths: ArrayLike, tokens: int) -> list[Shard]:
    """Cut inputs, shortest first, into shards of about ``tokens`` tokens, so that neighbours need little padding.

    Parameters
    ----------
    lengths : array of shape (n,)
        Tokens of each input.
    tokens : int
        A shard is closed before it would hold more, except that it holds at least one input.
    """
    lengths = np.asarray(lengths, dtype=np.int64)
    order = np.argsort(lengths, kind="stable")
    shards: list[Shard] = []
    for group in _fill(lengths[order].clip(min=1).tolist(), tokens):
        rows = order[group]
        shards.append(Shard(rows, int(lengths[rows].clip(min=1).sum())))
    return shards


def _fill(sizes: Sequence[int], limit: int) -> list[slice]:
    groups, start, held = [], 0, 0
    for i, size in enumerate(sizes):
        if i > start and held + size > limit:
            groups.append(slice(start, i))
            start, held = i, 0
        held += size
    if len(sizes) > start:
        groups.append(slice(start, len(sizes)))
    return groups


def token_batches(lengths: ArrayLike, budget: int, rows: int = 256) -> list[NDArray[np.int64]]:
    """Cut inputs, shortest first, into batches whose padded size stays within ``budget`` tokens.

    Parameters
    ----------
    lengths : array of shape (n,)
        Tokens of each input, at least 1.
    budget : int
        Rows times longest row; a single longer input is a batch of its own.
    rows : int
        Most rows in a batch.
    """
    lengths = np.asarray(lengths, dtype=np.int64)
    order = np.argsort(lengths, kind="stable")
    batches: list[NDArray[np.int64]] = []
    start = 0
    for i, row in enumerate(order):
        # Sorted: the newest row is the longest.
        if i > start and ((i - start + 1) * lengths[row] > budget or i - start >= rows):
            batches.append(order[start:i])
            start = i
    if len(order) > start:
        batches.append(order[start:])
    return batches

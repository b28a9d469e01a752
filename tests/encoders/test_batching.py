from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from outgrow.encoders.batching import by_length, consecutive, token_batches

lengths = st.lists(st.integers(0, 60), max_size=80)


@given(lengths, st.integers(1, 100))
def test_shards_hold_each_input_once_shortest_first(sizes, tokens):
    shards = by_length(sizes, tokens)
    rows = np.concatenate([s.rows for s in shards]) if shards else np.array([], int)
    assert sorted(rows.tolist()) == list(range(len(sizes)))
    ordered = [sizes[i] for i in rows]
    assert ordered == sorted(ordered)
    for shard in shards:
        assert shard.size == sum(max(sizes[i], 1) for i in shard.rows)
        assert shard.size <= tokens or len(shard.rows) == 1


@given(st.lists(st.integers(1, 60), max_size=80), st.integers(1, 200), st.integers(1, 9))
def test_batches_stay_within_the_budget_with_padding(sizes, budget, most):
    batches = token_batches(sizes, budget, most)
    assert sorted(int(i) for b in batches for i in b) == list(range(len(sizes)))
    for batch in batches:
        assert len(batch) <= most
        assert len(batch) * max(sizes[i] for i in batch) <= budget or len(batch) == 1


def test_a_full_batch_is_not_cut_early():
    assert [len(b) for b in token_batches([10] * 8, 40)] == [4, 4]


def test_sorted_batches_pad_little():
    sizes = np.random.default_rng(0).geometric(0.02, 2000).clip(max=400)

    def padded(batches):
        return sum(len(b) * sizes[b].max() for b in batches) / sizes.sum()

    assert padded(token_batches(sizes, 2048)) < 1.05
    assert padded([np.arange(a, a + 32) for a in range(0, 1984, 32)]) > 2


def test_consecutive_covers_all_rows():
    assert [s.rows.tolist() for s in consecutive(5, 2)] == [[0, 1], [2, 3], [4]]
    assert [s.size for s in consecutive(5, 2)] == [2, 2, 1]
    assert consecutive(0, 2) == []

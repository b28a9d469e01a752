from __future__ import annotations

import errno
import os
import resource

import numpy as np
import pytest

from outgrow.encoders import shards as module
from outgrow.encoders.batching import by_length
from outgrow.encoders.encoder import Counts
from outgrow.encoders.shards import PartialView, build_views
from outgrow.errors import StoreError
from outgrow.store import Journal, Store, read_json

N, D = 23, 7
PLAN = by_length(np.arange(N)[::-1] % 5 + 1, 12)
VALUES = {layer: np.random.default_rng(layer).normal(size=(N, D)).astype(np.float32) for layer in (1, 2)}


class Reader:
    """Gives known values and remembers what it was asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, rows, layers):
        self.asked.append((tuple(rows.tolist()), tuple(layers)))
        return {layer: VALUES[layer][rows] for layer in layers}, Counts(len(rows), 3 * len(rows), 1, 0, 0)


def build(store, layers=(1, 2), reader=None, journal=None, **options):
    reader = reader or Reader()
    keys = {layer: f"key{layer}" for layer in layers}
    build_views(
        store,
        "task",
        keys,
        PLAN,
        (N, D),
        reader,
        finish=lambda layer, folder, counts: {"rows": counts.rows},
        journal=journal,
        **options,
    )
    return reader


def matrix(store, layer):
    return np.load(store.get(f"key{layer}") / module.VIEW, mmap_mode="r", allow_pickle=False)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "home")


def test_rows_come_to_their_places(store, tmp_path):
    ticks = []
    reader = build(store, journal=Journal(tmp_path / "run.jsonl"), tick=ticks.append)
    for layer in (1, 2):
        np.testing.assert_array_equal(matrix(store, layer), VALUES[layer])
        assert read_json(store.path(f"key{layer}") / "manifest.json")["recipe"] == {"rows": N}
    assert len(reader.asked) == len(PLAN) > 3
    assert sum(ticks) == sum(s.size for s in PLAN)
    lines = [(e["key"], e["shard"], e["of"]) for e in Journal(tmp_path / "run.jsonl").read()]
    assert sorted(lines) == sorted((f"key{layer}", i, len(PLAN)) for layer in (1, 2) for i in range(len(PLAN)))


def test_a_stop_repeats_no_finished_shard(store, tmp_path):
    journal = Journal(tmp_path / "run.jsonl")

    class Stops(Reader):
        def __call__(self, rows, layers):
            if len(self.asked) == 2:
                raise KeyboardInterrupt
            return super().__call__(rows, layers)

    with pytest.raises(KeyboardInterrupt):
        build(store, reader=Stops(), journal=journal)
    assert store.get("key1") is None
    again = build(store, journal=journal)
    assert len(again.asked) == len(PLAN) - 2
    np.testing.assert_array_equal(matrix(store, 2), VALUES[2])
    lines = [(e["key"], e["shard"]) for e in journal.read()]
    assert len(lines) == len(set(lines)) == 2 * len(PLAN)


def test_a_layer_that_is_ahead_is_not_read_again(store):
    class Stops(Reader):
        def __call__(self, rows, layers):
            if len(self.asked) == 3:
                raise KeyboardInterrupt
            return super().__call__(rows, layers)

    with pytest.raises(KeyboardInterrupt):
        build(store, layers=(1,), reader=Stops())
    reader = build(store)
    assert [layers for _, layers in reader.asked] == [(2,)] * 3 + [(1, 2)] * (len(PLAN) - 3)


def test_a_damaged_finished_shard_is_made_again(store):
    class Stops(Reader):
        def __call__(self, rows, layers):
            if len(self.asked) == 3:
                raise KeyboardInterrupt
            return super().__call__(rows, layers)

    with pytest.raises(KeyboardInterrupt):
        build(store, layers=(1,), reader=Stops())
    file = store.partial("key1") / module.VIEW
    raw = bytearray(file.read_bytes())
    row = int(PLAN[1].rows[0])
    raw[len(raw) - (N - row) * D * 4] ^= 1
    file.write_bytes(raw)
    reader = build(store, layers=(1,))
    assert [rows for rows, _ in reader.asked] == [tuple(PLAN[i].rows.tolist()) for i in (1, *range(3, len(PLAN)))]
    np.testing.assert_array_equal(matrix(store, 1), VALUES[1])


@pytest.mark.parametrize("damage", ["short", "header", "gone"])
def test_a_partial_file_of_another_shape_starts_again(store, damage):
    part = PartialView(store.start_partial("task", "key1"), (N, D), PLAN)
    part.write(0, VALUES[1][PLAN[0].rows], Counts(rows=len(PLAN[0].rows)))
    part.close()
    file = store.partial("key1") / module.VIEW
    raw = file.read_bytes()
    file.unlink()
    if damage != "gone":
        file.write_bytes(raw[:-8] if damage == "short" else b"x" + raw[1:])
    assert len(build(store, layers=(1,)).asked) == len(PLAN)
    np.testing.assert_array_equal(matrix(store, 1), VALUES[1])


def test_a_torn_journal_line_is_passed_over(store):
    part = PartialView(store.start_partial("task", "key1"), (N, D), PLAN)
    for i in (0, 1):
        part.write(i, VALUES[1][PLAN[i].rows], Counts(rows=len(PLAN[i].rows)))
    part.close()
    with part.journal.path.open("a") as file:
        file.write('{"event": "shard", "shard": 2, "of"')
    again = PartialView(store.partial("key1"), (N, D), PLAN)
    assert again.missing == list(range(2, len(PLAN)))
    again.close()


def test_a_disk_that_fills_in_the_middle(store, monkeypatch):
    real, left = module._pwrite, [15]

    def full(handle, raw, place):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle, raw, place)

    monkeypatch.setattr(module, "_pwrite", full)
    with pytest.raises(StoreError, match="No space left on device; free space there or set OUTGROW_HOME"):
        build(store, layers=(1,))
    monkeypatch.setattr(module, "_pwrite", real)
    done = sum(1 for end in np.cumsum([len(s.rows) for s in PLAN]) if end <= 15)
    assert done >= 1
    assert len(build(store, layers=(1,)).asked) == len(PLAN) - done
    np.testing.assert_array_equal(matrix(store, 1), VALUES[1])


def test_a_full_disk_is_met_before_the_work(store):
    reader = Reader()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400, hard))
    try:
        with pytest.raises(StoreError, match="cannot write to the cache"):
            build(store, layers=(1,), reader=reader)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert reader.asked == []
    build(store, layers=(1,), reader=reader)
    np.testing.assert_array_equal(matrix(store, 1), VALUES[1])


def test_a_block_of_another_shape_is_refused(store):
    part = PartialView(store.start_partial("task", "key1"), (N, D), PLAN)
    with pytest.raises(ValueError, match="shard 0 must be"):
        part.write(0, np.zeros((1, D), np.float32), Counts())
    part.close()

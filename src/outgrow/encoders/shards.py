"""Views on disk: one preallocated .npy per layer, filled shard by shard, with a journal of checksums beside it.

The file lies in the store's folder for partial work until it is whole, then moves to its place in one rename. A run that was killed, or
whose disk was full, is taken up again after its last finished shard; finished shards are read back and checked first. Rows are written
with ``pwrite``, never through a map (a full disk would be a SIGBUS) and never by truncating.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outgrow.encoders.batching import Shard
from outgrow.encoders.encoder import Counts, Layer, Views
from outgrow.store import Journal, Store, writing

__all__ = ["VIEW", "PartialView", "build_views"]

VIEW = "view.npy"
_JOURNAL = "shards.jsonl"


class PartialView:
    """A matrix on its way to the disk.

    Parameters
    ----------
    folder : Path
        The store's folder for this object.
    shape : tuple of int
        (N, d), float32.
    shards : sequence of Shard
        The plan, the same in every run.
    """

    def __init__(self, folder: Path, shape: tuple[int, int], shards: Sequence[Shard]):
        self.folder = folder
        self.file = folder / VIEW
        self.shape = shape
        self.shards = shards
        self.journal = Journal(folder / _JOURNAL)
        self.counts: dict[int, Counts] = {}
        self._row = 4 * shape[1]
        header = _header(shape)
        self._start = len(header)
        self._size = self._start + shape[0] * self._row
        if not self._fits(header):
            self._begin(header)
        with writing(self.file):
            self._handle = os.open(self.file, os.O_RDWR)
        try:
            self._resume()
        except BaseException:
            self.close()
            raise

    def _fits(self, header: bytes) -> bool:
        try:
            with self.file.open("rb") as file:
                return file.read(len(header)) == header and self.file.stat().st_size == self._size
        except OSError:
            return False

    def _begin(self, header: bytes) -> None:
        with writing(self.file):
            self.journal.path.unlink(missing_ok=True)
            self.file.unlink(missing_ok=True)
            with self.file.open("xb") as file:
                # The space is taken now, so that a full disk is met before the work and not after it.
                _allocate(file.fileno(), self._size)
                os.pwrite(file.fileno(), header, 0)

    def _resume(self) -> None:
        lines = {
            int(line["shard"]): line
            for line in self.journal.read()
            if line.get("event") == "shard"
            and line.get("of") == len(self.shards)
            and 0 <= line.get("shard", -1) < len(self.shards)
        }
        for i, line in lines.items():
            if self._digest(i) == line.get("sha256"):
                self.counts[i] = Counts(*line["counts"])

    def _digest(self, i: int) -> str:
        digest = hashlib.sha256()
        for row in self.shards[i].rows.tolist():
            digest.update(os.pread(self._handle, self._row, self._start + row * self._row))
        return digest.hexdigest()

    @property
    def missing(self) -> list[int]:
        """Shards that are not finished."""
        return [i for i in range(len(self.shards)) if i not in self.counts]

    def write(self, i: int, block: NDArray[np.float32], counts: Counts) -> None:
        """Write one shard, flush it, and only then say so in the journal."""
        rows = self.shards[i].rows
        data = np.ascontiguousarray(block, dtype="<f4")
        if data.shape != (len(rows), self.shape[1]):
            raise ValueError(f"shard {i} must be {(len(rows), self.shape[1])}, not {data.shape}")
        digest = hashlib.sha256()
        with writing(self.file):
            for row, values in zip(rows.tolist(), data, strict=True):
                raw = values.tobytes()
                digest.update(raw)
                _pwrite(self._handle, raw, self._start + row * self._row)
            os.fsync(self._handle)
        self.journal.write("shard", shard=i, of=len(self.shards), sha256=digest.hexdigest(), counts=counts.values())
        self.counts[i] = counts

    def total(self) -> Counts:
        """What was met in all finished shards."""
        return sum((self.counts[i] for i in sorted(self.counts)), Counts())

    def close(self) -> None:
        """Let go of the file."""
        with contextlib.suppress(OSError):
            os.close(self._handle)


def _header(shape: tuple[int, int]) -> bytes:
    import io

    held = io.BytesIO()
    np.lib.format.write_array_header_1_0(held, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return held.getvalue()


def _allocate(handle: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(handle, 0, size)
            return
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                raise
    os.pwrite(handle, b"\0", size - 1)


def _pwrite(handle: int, raw: bytes, place: int) -> None:
    while raw:
        done = os.pwrite(handle, raw, place)
        raw, place = raw[done:], place + done


def build_views(
    store: Store,
    task: str,
    keys: Mapping[Layer, str],
    shards: Sequence[Shard],
    shape: tuple[int, int],
    read: Callable[[NDArray[np.int64], Sequence[Layer]], tuple[Views, Counts]],
    *,
    finish: Callable[[Layer, Path, Counts], Any],
    journal: Journal | None = None,
    tick: Callable[[int], None] = lambda size: None,
) -> None:
    """Fill the views of several layers, each shard in one pass for all layers that lack it, and commit them.

    Parameters
    ----------
    store, task
        Where, and whose.
    keys : mapping of layer to object key
    shards, shape
        The plan, and (N, d).
    read : callable
        Takes row numbers and layers, gives ``{layer: (k, d)}`` and counts.
    finish : callable
        Takes a layer, its folder and its counts; writes what else belongs into the object, and returns its recipe.
    journal : Journal, optional
        A run's journal: each finished shard is a line ``{"event": "shard", "key", "shard", "of"}`` of it.
    tick : callable
        Told the size of each shard that need not be done any more.

    Raises
    ------
    StoreError
        When the disk is full or cannot be written; finished shards stay for the next run.
    """
    with contextlib.ExitStack() as stack:
        parts: dict[Layer, PartialView] = {}
        for layer, key in keys.items():
            parts[layer] = PartialView(store.start_partial(task, key), shape, shards)
            stack.callback(parts[layer].close)
        for i, shard in enumerate(shards):
            layers = [layer for layer, part in parts.items() if i in part.missing]
            if layers:
                views, counts = read(shard.rows, layers)
                for layer in layers:
                    parts[layer].write(i, views[layer], counts)
                    if journal is not None:
                        journal.write("shard", key=keys[layer], shard=i, of=len(shards))
            tick(shard.size)
        for layer, part in parts.items():
            part.close()
            recipe = finish(layer, part.folder, part.total())
            store.commit(keys[layer], "view", part.folder, task=task, recipe=recipe)

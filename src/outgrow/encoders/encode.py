"""``encode``: a task's inputs become named views, each made once and cached by content."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outgrow.encoders.encoder import Counts, Encoder, Layer, check_layer
from outgrow.encoders.estimate import Estimate, estimate
from outgrow.encoders.keys import check_text, key_of, view_key
from outgrow.encoders.shards import VIEW, build_views
from outgrow.encoders.views import ViewSpec, Wanted, groups, named
from outgrow.store import Journal, Store, read_json, write_json
from outgrow.tasks.rows import INPUTS, Rows, View, as_view

__all__ = ["Estimate", "encode", "encode_new", "estimate", "fitted", "view_key", "view_notes"]

Show = Callable[[str], None]
_NOTES = "notes.json"
_STATE = "state"


def encode(
    task: Any,
    views: Wanted | Iterable[Wanted] = (),
    *,
    store: Store | None = None,
    progress: bool = True,
    show: Show | None = None,
    journal: Journal | None = None,
) -> Rows:
    """Make views of all rows of a task.

    Layers of one encoder are read in one pass; what the store holds is not made again; a pass that was stopped goes on after its last
    finished shard.

    Parameters
    ----------
    task : Task
        Its inputs are text, or a numeric matrix, which is its own view ``"inputs"``.
    views : str, mapping, or list of them
        ``"smollm2/18"``, ``"tfidf"``, ``{"encoder": "smollm2", "layer": 18, "pooling": "last"}``, see :mod:`outgrow.encoders.encoder`.
    store : Store, optional
        Default: the store in the cache folder.
    progress : bool
        Show a bar with an estimate where standard error is a terminal.
    show : callable, optional
        Told the sentences (shares of cut texts and unknown tokens, damaged files); default: standard error.
    journal : Journal, optional
        A run's journal, to which finished shards are written.

    Returns
    -------
    Rows
        All N rows, with the view ``"inputs"`` and one matrix (N, d) of float32, memory-mapped, for each view asked for.

    Raises
    ------
    InputError
        Unknown encoder, option or layer, or text encoders on numeric inputs.
    FetchError, MissingExtra, StoreError
        When a model cannot be had, or the cache cannot be written.
    """
    rows = Rows(np.arange(len(task.inputs)), {INPUTS: View(task.inputs, task.key)})
    specs = [s for s in named(views) if s.name != INPUTS]
    if not specs:
        return rows
    check_text(task, specs)
    store = store or Store()
    show = show or _stderr
    made: dict[str, View] = {}
    for group in groups(specs):
        made.update(_encode_group(task, group, store, progress, show, journal))
    for spec in specs:
        rows = Rows(rows.ids, {**rows.views, spec.name: made[spec.name]})
    return rows


def _encode_group(
    task: Any, specs: Sequence[ViewSpec], store: Store, progress: bool, show: Show, journal: Journal | None
) -> dict[str, View]:
    enc = specs[0].make()
    enc.say = show
    layers = {spec.name: check_layer(enc, spec.layer) for spec in specs}
    keys = {layer: key_of(enc, layer, task) for layer in dict.fromkeys(layers.values())}
    missing = {layer: key for layer, key in keys.items() if _get(store, key, specs[0].encoder, show) is None}
    if missing:
        with contextlib.ExitStack() as locks:
            # In one order for all, or two runs with two layers each could wait for one another.
            for key in sorted(missing.values()):
                locks.enter_context(store.lock(key))
            missing = {layer: key for layer, key in missing.items() if store.get(key) is None}
            if missing:
                _make(enc, specs[0].group(), task, missing, store, progress, journal)
    notes = [read_json(store.path(key) / _NOTES) for key in keys.values()]
    said = Counts(**notes[0]["counts"]).sentences(specs[0].group(), unknown_limit=enc.unknown_limit)
    for sentence in said if missing else said[1:]:
        show(sentence)
    return {name: as_view(name, _open(store, keys[layer]), keys[layer]) for name, layer in layers.items()}


def _make(
    enc: Encoder, name: str, task: Any, keys: Mapping[Layer, str], store: Store, progress: bool, journal: Journal | None
) -> None:
    inputs = task.inputs
    enc.fit(inputs)
    shards = enc.plan(inputs)

    def read(rows: NDArray[np.int64], layers: Sequence[Layer]) -> Any:
        return enc.read([inputs[i] for i in rows], layers)

    def finish(layer: Layer, folder: Path, counts: Counts) -> Any:
        state = folder / _STATE
        state.mkdir(exist_ok=True, mode=0o700)
        enc.save_state(state)
        recipe = {"encoder": enc.spec(), "layer": layer}
        fields = dict(zip(("rows", "tokens", "cut", "unknown", "empty"), counts.values(), strict=True))
        write_json(folder / _NOTES, {**recipe, "counts": fields})
        return recipe

    with work_bar(progress, f"encoding with {name}", sum(s.size for s in shards)) as tick:
        build_views(
            store, task.key, keys, shards, (len(inputs), enc.width), read, finish=finish, journal=journal, tick=tick
        )


@contextlib.contextmanager
def work_bar(progress: bool, what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Draw a bar of work on standard error, where that is a terminal; yield what to tell it of work done."""
    if not (progress and sys.stderr.isatty()):
        yield lambda size: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        job = bar.add_task(what, total=total)
        yield lambda size: bar.advance(job, size)


def _get(store: Store, key: str, name: str, show: Show) -> Path | None:
    before = len(store.damaged)
    folder = store.get(key)
    if len(store.damaged) > before:
        show(f"the stored view of {name} ({key}) does not match its checksum and is made again")
    return folder


def _open(store: Store, key: str) -> NDArray[np.float32]:
    matrix: NDArray[np.float32] = np.load(store.path(key) / VIEW, mmap_mode="r", allow_pickle=False)
    return matrix


def _stderr(sentence: str) -> None:
    print(sentence, file=sys.stderr)


def view_notes(task: Any, view: Wanted, store: Store | None = None) -> dict[str, Any] | None:
    """Return what was counted when a view was made (``counts``: rows, tokens, cut, unknown, empty), or None when it is not stored."""
    store = store or Store()
    key = view_key(task, view)
    return None if store.get(key) is None else dict(read_json(store.path(key) / _NOTES))


def fitted(task: Any, view: Wanted, store: Store | None = None) -> Encoder:
    """Return the encoder of a stored view with the state it had, to read new inputs or to be saved with a student."""
    store = store or Store()
    (spec,) = named(view)
    enc = spec.make()
    key = key_of(enc, check_layer(enc, spec.layer), task)
    if store.get(key) is None:
        return enc.fit(task.inputs)
    return enc.load_state(store.path(key) / _STATE)


def encode_new(
    encoders: Mapping[str, tuple[Encoder, Layer]],
    inputs: Sequence[str],
    *,
    progress: bool = True,
    show: Show | None = None,
) -> Rows:
    """Read new inputs, outside any task and any cache: nothing is written.

    Parameters
    ----------
    encoders : mapping
        View name -> (fitted encoder, layer).
    inputs : sequence of str

    Returns
    -------
    Rows
        With ``"inputs"`` and the named views.
    """
    show = show or _stderr
    views: dict[str, View] = {INPUTS: View(list(inputs))}
    for name, (enc, asked) in encoders.items():
        layer = check_layer(enc, asked)
        enc.say = show
        matrix = np.zeros((len(inputs), enc.width), dtype=np.float32)
        counts = Counts()
        shards = enc.plan(inputs)
        with work_bar(progress, f"encoding with {name}", sum(s.size for s in shards)) as tick:
            for shard in shards:
                found, met = enc.read([inputs[i] for i in shard.rows], [layer])
                matrix[shard.rows] = found[layer]
                counts += met
                tick(shard.size)
        for sentence in counts.sentences(name, unknown_limit=enc.unknown_limit)[1:]:
            show(sentence)
        views[name] = as_view(name, matrix)
    return Rows(np.arange(len(inputs)), views)

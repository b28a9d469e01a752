"""What views will cost, before any work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from outgrow.encoders.encoder import TABLE, check_layer
from outgrow.encoders.keys import check_text, key_of
from outgrow.encoders.views import ViewSpec, Wanted, groups, named
from outgrow.store import Store
from outgrow.tasks.rows import INPUTS

__all__ = ["Estimate", "estimate", "pass_seconds", "weight_seconds", "width_of"]


@dataclass(frozen=True)
class Estimate:
    """What views will cost.

    Parameters
    ----------
    seconds : float or None
        On this machine now; None when a model's size is not known before it is fetched.
    bytes : int
        On disk, for views not stored yet.
    download : int
        Bytes of packaged archives not fetched yet.
    stored : tuple of str
        Views the store holds.
    """

    seconds: float | None
    bytes: int
    download: int
    stored: tuple[str, ...]


def estimate(task: Any, views: Wanted | Iterable[Wanted], *, store: Store | None = None) -> Estimate:
    """Estimate time and space, for ``--dry-run``: nothing is fetched or written.

    Tokens are guessed from characters (four a token), a transformer's time from its matrix products at the rate of a short timed one.
    """
    store = store or Store()
    seconds: float | None = 0.0
    size = download = 0
    stored: list[str] = []
    n = len(task.inputs)
    for group in groups(s for s in named(views) if s.name != INPUTS):
        check_text(task, group)
        cost = _cost(task, group, store)
        stored += cost.stored
        size += cost.bytes
        download += cost.download
        seconds = None if seconds is None or cost.seconds is None else seconds + cost.seconds
    return Estimate(None if n and seconds is None else seconds, size, download, tuple(stored))


def _cost(task: Any, group: Sequence[ViewSpec], store: Store) -> Estimate:
    from outgrow.tasks.archives import is_fetched
    from outgrow.tasks.pins import archive

    n, entry = len(task.inputs), TABLE.get(group[0].encoder)
    fetch = archive(entry.archive).size if entry and entry.archive and not is_fetched(entry.archive) else 0
    enc = group[0].make()
    if not getattr(enc, "at_hand", lambda: True)():
        return Estimate(None, 0, 0, ())
    layers = {spec.name: check_layer(enc, spec.layer) for spec in group}
    stored = tuple(
        name for name, layer in layers.items() if (store.path(key_of(enc, layer, task)) / "manifest.json").is_file()
    )
    missing = {layer for name, layer in layers.items() if name not in stored}
    width = _width(enc, entry)
    if not missing:
        return Estimate(0.0, 0, 0, stored)
    seconds = n / 5000 if enc.depth is None else _seconds(task, enc, max(layer or 0 for layer in missing))
    return Estimate(seconds, 4 * n * width * len(missing), fetch, stored)


def _width(enc: Any, entry: Any) -> int:
    return int(enc.width if enc.depth is not None or (entry and entry.width) else getattr(enc, "features", 0))


def width_of(view: Wanted) -> int:
    """Return how many features a view will have; 0 where its model must be fetched first."""
    (spec,) = named(view)
    enc = spec.make()
    return _width(enc, TABLE.get(spec.encoder)) if getattr(enc, "at_hand", lambda: True)() else 0


def _seconds(task: Any, enc: Any, deepest: int) -> float:
    inputs = task.inputs
    sample = range(0, len(inputs), max(1, len(inputs) // 500))
    tokens = (
        sum(min(len(inputs[i]) / 4 + 1, getattr(enc, "max_tokens", 512)) for i in sample)
        / max(len(sample), 1)
        * len(inputs)
    )
    return pass_seconds(tokens, deepest, enc.width)


def pass_seconds(tokens: float, layers: int, width: int) -> float:
    """Return about how long a transformer reads so many tokens on this machine now."""
    # Around three quarters of the product's rate reach the tokens; attention and padding take the rest.
    return float(tokens * 12 * layers * width**2 * weight_seconds(512) / 0.75)


def weight_seconds(tokens: int) -> float:
    """Return how long one weight takes for one token, where so many are multiplied at once, on this machine now."""
    import time

    import torch

    left, right = torch.zeros(tokens, 512), torch.zeros(512, 2048)
    times = []
    for _ in range(6):
        start = time.perf_counter()
        torch.mm(left, right)
        times.append(time.perf_counter() - start)
    return min(times) / (tokens * 512 * 2048)

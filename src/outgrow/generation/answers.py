"""Answers of a language model, kept one row at a time: a killed run goes on where it was, and a changed prompt is asked anew.

They lie in the store's folder for partial work, as JSON lines that are only ever appended, a line a batch. A row's key is a hash of its
whole prompt, so no input can be read there; the file's own name covers model, words and task.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from outgrow.fingerprints import environment_key, fingerprint
from outgrow.generation.model import LanguageModel
from outgrow.store import Journal, Store

__all__ = ["kept_scores"]

_FILE = "answers.jsonl"
# Raised when scores are computed in another way, so that a mended text elsewhere asks nothing anew.
SCORING = 1


def kept_scores(
    model: LanguageModel,
    prompts: Sequence[str],
    continuations: Sequence[str],
    *,
    task: str,
    store: Store | None = None,
    tick: Callable[[int], None] = lambda rows: None,
) -> NDArray[np.float64]:
    """Return :meth:`~outgrow.generation.model.LanguageModel.scores`, asking only for prompts that were not asked before.

    Parameters
    ----------
    model : LanguageModel
    prompts : sequence of n str
    continuations : sequence of k str
    task : str
        Key of the task that the prompts are made from; its answers go with it.
    store : Store, optional
    tick : callable
        Told how many rows need not be asked any more.

    Returns
    -------
    ndarray of shape (n, k)
    """
    store = store or Store()
    key = fingerprint("answers", SCORING, model.key, list(continuations), task, environment_key())
    journal = Journal(store.start_partial(task, key) / _FILE)
    names = [hashlib.sha256(p.encode("utf-8", "surrogatepass")).hexdigest() for p in prompts]
    first = {name: i for i, name in reversed(list(enumerate(names)))}
    order = sorted(first.values())
    held = _read(journal, len(continuations))
    out = np.full((len(prompts), len(continuations)), np.nan)
    for name, i in first.items():
        if name in held:
            out[i] = held[name]
    skip = np.array([names[i] in held for i in order], dtype=bool)
    tick(int(skip.sum()))
    for rows, block in model.score_batches([prompts[i] for i in order], continuations, skip):
        journal.write("answers", rows=[names[order[r]] for r in rows], logs=block.tolist())
        for r, values in zip(rows, block, strict=True):
            out[order[r]] = values
        tick(len(rows))
    return out[[first[name] for name in names]]


def _read(journal: Journal, words: int) -> dict[str, list[float]]:
    held: dict[str, list[float]] = {}
    for line in journal.read():
        if line.get("event") != "answers":
            continue
        for name, logs in zip(line.get("rows", ()), line.get("logs", ()), strict=False):
            if len(logs) == words:
                held.setdefault(name, logs)
    return held

"""Worlds with planted answers, and tables that are ordinary input, for the tests of several methods."""

from __future__ import annotations

import numpy as np

from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.rows import Rows

CLASSES = ("a", "b", "c")


def shares(logits):
    p = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return p / p.sum(axis=-1, keepdims=True)


def named(probs, covered=None, name="labels", classes=CLASSES):
    return WeakLabels.from_probs(probs, classes, covered=covered, source=name)


def ordinary(kind: str, n: int = 150, seed: int = 0):
    """Rows and a table of three classes: "several", "abstaining", "sparse" (5 % covered), "never" (names no c), "names" (hard)."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 5))
    z = 2 * x @ random.normal(size=(5, 3))
    said = [shares(z + random.normal(size=(n, 3))) for _ in range(3)]
    covers = [np.ones(n, bool) for _ in range(3)]
    if kind == "abstaining":
        covers = [random.random(n) < 0.6 for _ in range(3)]
    elif kind == "sparse":
        covers[2] = random.random(n) < 0.05
        covers[2][:2] = True
    elif kind == "never":
        said[1] = shares(np.where(np.arange(3) == 2, -np.inf, z))
    elif kind == "names":
        said = [np.eye(3)[p.argmax(axis=1)] for p in said]
    tables = [named(p, c, f"s{j}") for j, (p, c) in enumerate(zip(said, covers, strict=True))]
    return Rows.from_arrays(X=x), WeakLabels.stack(tables)


KINDS = ("several", "abstaining", "sparse", "never", "names")


def same_head(one, other) -> bool:
    return np.array_equal(one.student_.coef_, other.student_.coef_) and np.array_equal(
        one.student_.intercept_, other.student_.intercept_
    )


def dead_rows_change_no_bit(method, weak, rows, seed: int = 0):
    """Fit with a third of the rows at weight zero, and without them."""
    from sklearn.base import clone

    keep = np.random.default_rng(seed).random(len(rows)) > 0.3
    return same_head(
        clone(method).fit(rows, weak, sample_weight=keep.astype(float)), clone(method).fit(rows[keep], weak[keep])
    )

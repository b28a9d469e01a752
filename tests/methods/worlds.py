"""A made-up task for methods that are granted truth: what the student sees, whom it learns from, what is true."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from outgrow.tasks.labels import Source, WeakLabels
from outgrow.tasks.needs import Known
from outgrow.tasks.rows import Rows

NAMES = ("a", "b", "c", "d")


@dataclass
class World:
    """All rows; teach and transfer are ids."""

    rows: Rows
    weak: WeakLabels
    truth: np.ndarray
    teach: np.ndarray
    transfer: np.ndarray
    test: np.ndarray

    def known(self, ids=None) -> Known:
        ids = self.teach if ids is None else np.asarray(ids)
        return Known(self.rows.at(ids), self.weak.at(ids), self.truth[ids])

    @property
    def given(self):
        return self.rows.at(self.transfer), self.weak.at(self.transfer)

    def accuracy(self, model) -> float:
        named = model.predict_proba(self.rows.at(self.test)).argmax(1)
        return float((named == self.truth[self.test]).mean())


def world(n=360, teach=60, transfer=150, c=2, seed=0, sees=2, d=6, noise=0.5, source="weak") -> World:
    """The supervisor is a noisy softmax of the first ``sees`` features; truth depends on all ``d``."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, d))
    slopes = 2 * random.normal(size=(d, c))
    truth = (x @ slopes + noise * random.normal(size=(n, c))).argmax(1)
    z = x[:, :sees] @ slopes[:sees] + random.normal(size=(n, c))
    p = np.exp(z - z.max(1, keepdims=True))
    rows = Rows.from_arrays(strong=x, weak=x[:, :sees].copy())
    weak = WeakLabels.from_probs(
        p / p.sum(1, keepdims=True), NAMES[:c], source=Source("probe", source if source else None)
    )
    ids = random.permutation(n)
    return World(rows, weak, truth, ids[:teach], ids[teach : teach + transfer], ids[teach + transfer :])


def several(w: World, kind: str) -> World:
    """The same world with other supervisors."""
    random, n = np.random.default_rng(9), len(w.rows)
    probs, classes, c = w.weak.probs[:, 0], w.weak.classes, w.weak.probs.shape[2]
    noisy = 0.5 * probs + 0.5 * random.dirichlet(np.ones(c), size=n)
    if kind == "several":
        weak = WeakLabels.stack([w.weak, table(noisy, classes)])
    elif kind == "abstaining":
        mask = random.random((n, 2)) < 0.5
        weak = WeakLabels.stack([table(probs, classes, mask[:, 0]), table(noisy, classes, mask[:, 1])])
    elif kind == "five percent":
        weak = table(probs, classes, random.permutation(n) < 0.05 * n)
    elif kind == "five percent beside another":
        weak = WeakLabels.stack([w.weak, table(noisy, classes, random.permutation(n) < 0.05 * n)])
    elif kind == "never names a class":
        shy = probs.copy()
        shy[:, -1] = 0
        shy[:, 0] += 1e-3
        weak = table(shy / shy.sum(1, keepdims=True), classes)
    else:
        weak = w.weak
    return World(w.rows, weak, w.truth, w.teach, w.transfer, w.test)


def table(probs, classes, covered=None) -> WeakLabels:
    return WeakLabels.from_probs(probs, classes, covered=covered, source=Source("probe", "weak"))


KINDS = ("one", "several", "abstaining", "five percent", "five percent beside another", "never names a class")

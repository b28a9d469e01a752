"""What a naive student says of rows that it did not learn from: the raw material of the label statistics.

The covered rows are dealt into three folds. Three heads learn from two folds each and answer for the third; three more learn from one fold
each and answer for the two others. All six have the penalty that the naive student chose. So each row gets one answer of a head that has
seen two thirds of the other rows, and two of heads that have seen a third each, of disjoint rows: how well weak labels can be recovered,
how that grows with rows, and how far a student hangs on the rows it happened to get. Beside them stands what
:class:`~outgrow.methods.recipe.Recipe` makes of the labels. No truth is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from outgrow.errors import InputError, LabelsError
from outgrow.forecasts.forecast import same_rows
from outgrow.learners.discriminant import one_length, repaired, separation
from outgrow.learners.penalty import FOLDS, folds
from outgrow.methods.recipe import Recipe
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.rows import Rows

__all__ = ["CrossFit", "cross_fit", "out_of_fold"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CrossFit:
    """Answers of heads for rows that they did not learn from.

    Parameters
    ----------
    ids : ndarray of shape (n,)
        The covered rows.
    oof : ndarray of shape (n, c)
        By the head that learned from the two other folds.
    apart : ndarray of shape (2, n, c)
        By two heads that learned from one other fold each.
    repaired : ndarray of shape (n, c)
        The recipe's reading of the labels: what the classes' discriminant and the supervisor's channel say together.
    separation : float
        The recipe's lambda, 0 to 1; NaN where it has nothing to repair.
    """

    ids: NDArray[np.int64]
    oof: Floats
    apart: Floats
    repaired: Floats
    separation: float

    def as_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the parts as arrays, for a file."""
        return {
            "ids": self.ids,
            "oof": self.oof.astype(np.float32),
            "apart": self.apart.astype(np.float32),
            "repaired": self.repaired.astype(np.float32),
            "separation": np.array(self.separation),
        }

    @classmethod
    def from_arrays(cls, parts: dict[str, NDArray[Any]]) -> Self:
        """Read what :meth:`as_arrays` gave."""
        oof, apart, repaired = (np.asarray(parts[k], dtype=np.float64) for k in ("oof", "apart", "repaired"))
        return cls(np.asarray(parts["ids"]), oof, apart, repaired, float(parts["separation"]))


def cross_fit(learner: Any, rows: Rows, weak: WeakLabels, penalty: float) -> CrossFit:
    """Fit six heads on parts of the covered rows and let each answer for the rows it did not see.

    Parameters
    ----------
    learner : LinearHead
        Unfitted.
    rows : Rows
        Transfer rows, with the view that the learner reads.
    weak : WeakLabels
        Of the same rows; classes.
    penalty : float
        What the naive student chose.

    Returns
    -------
    CrossFit

    Raises
    ------
    LabelsError
        Labels of other rows or of values.
    InputError
        No covered row.
    """
    same_rows("a cross fit", rows, weak)
    if weak.classes is None:
        raise LabelsError("label statistics are for classes, and these weak labels are values; leave them out")
    there = weak.any_covered
    if not there.any():
        raise InputError("no supervisor covers a transfer row, so there is nothing to take statistics of")
    rows, weak = rows[there], weak[there]
    given = weak.one()[0]
    x = np.asarray(rows.view(getattr(learner, "on", None)), dtype=np.float64)
    fold = folds(x, 0)
    out = [fold != k for k in range(FOLDS)]
    sets = np.array([*out, *(~seen for seen in out)], dtype=np.float64)
    live = [j for j in range(len(sets)) if sets[j].any()]
    targets = np.broadcast_to(given, (len(live), *given.shape))
    heads = clone(learner).fit_many(rows, targets, sets[live], np.full(len(live), penalty), classes=weak.classes)
    says = {j: head.predict_proba(rows) for j, head in zip(live, heads, strict=True)}
    oof = np.empty_like(given)
    apart = np.empty((2, *given.shape))
    for k in range(FOLDS):
        here = fold == k
        others = [j for j in range(FOLDS) if j != k]
        oof[here] = says[k][here] if k in says else given[here]
        for i, j in enumerate(others):
            apart[i, here] = says[FOLDS + j][here] if FOLDS + j in says else oof[here]
    return CrossFit(rows.ids, oof, apart, *_read(x, given, fold))


def _read(x: Floats, given: Floats, fold: NDArray[np.int64]) -> tuple[Floats, float]:
    """Return what the recipe makes of the labels, before it is mixed with a student's answers, and its separation."""
    weight = np.ones(len(x))
    features = one_length(x, weight)
    heard = given.sum(axis=0) > 0
    p = given[:, heard]
    held = np.bincount(fold, minlength=FOLDS)
    if features is None or p.shape[1] < 2 or not held.all() or (held == len(x)).any():
        return given, float("nan")
    steps = Recipe().steps
    out = np.zeros_like(given)
    out[:, heard] = repaired(features, p, weight, steps)[0]
    return out, separation(features, p, weight, steps, fold)


def out_of_fold(learner: Any, rows: Rows, labels: WeakLabels, penalty: float) -> Floats:
    """Return each row's (n, c) answer by a head that learned from the two folds without it.

    Parameters
    ----------
    learner : LinearHead
        Unfitted.
    rows : Rows
    labels : WeakLabels
        Of the same rows, all covered; truth, where the answers of ``direct`` are asked for.
    penalty : float
    """
    given = labels.one()[0]
    fold = folds(np.asarray(rows.view(getattr(learner, "on", None)), dtype=np.float64), 0)
    live = [k for k in range(FOLDS) if (fold == k).any() and (fold != k).any()]
    targets = np.broadcast_to(given, (len(live), *given.shape))
    seen = np.array([fold != k for k in live], dtype=np.float64)
    heads = clone(learner).fit_many(rows, targets, seen, np.full(len(live), penalty), classes=labels.classes)
    out = given.copy()
    for k, head in zip(live, heads, strict=True):
        out[fold == k] = head.predict_proba(rows)[fold == k]
    return np.asarray(out)

"""Weak labels whose errors are as many as the real ones, and at random (Burns et al. 2023, arXiv 2312.09390, section 5.1.3).

    q_i = the supervisor's probabilities of row i, in an order that begins with its true class
    simulated label of row i = q_pi(i), put back in row i's own order,   pi a random permutation of the rows, or of each class's rows

So the simulated supervisor is exactly as often right, as sure where it is right and as sure where it is wrong, and its errors have
nothing to do with the inputs beyond, where permuted inside classes, the true class. The paper flipped truth at random, as recalled and
not checked; the permutation is ours, because flips match accuracy on average only and say nothing of how sure a label is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from outgrow.errors import LabelsError
from outgrow.tasks.labels import WeakLabels

__all__ = ["random_errors"]

SIMULATED = 61
"""Keeps these permutations apart from other draws of the same seed."""


def random_errors(weak: WeakLabels, truth: WeakLabels, *, by_class: bool = False, seed: int = 0) -> WeakLabels:
    """Return labels of the same rows whose errors are the supervisor's in number and confidence, and at random.

    It is handed truth, so it is for analyses: ``random_errors(weak.at(ids), task.truth_table(ids))``. A student of these labels beside
    one of the real ones says whether the real errors can be learned from the inputs.

    Parameters
    ----------
    weak : WeakLabels
        Several supervisors are combined first. Rows that none covers stay uncovered.
    truth : WeakLabels
        Of the same rows in the same order.
    by_class : bool
        Also as often wrong in every class, and for the same classes. Else errors are spread over all rows alike, and a wrong label of a
        row of three or more classes keeps its distance from the true one in the order of classes.
    seed : int

    Returns
    -------
    WeakLabels
        One source.

    Raises
    ------
    LabelsError
        Tables of other rows or classes; a covered row without truth; classes asked for in a value task.
    """
    if not np.array_equal(weak.ids, truth.ids):
        raise LabelsError(
            f"the weak labels are of {len(weak)} rows and the truth of {len(truth)} others; take both at the same ids"
        )
    named = [None if table.classes is None else table.classes.tolist() for table in (weak, truth)]
    if named[0] != named[1]:
        raise LabelsError("the weak labels and the truth have other classes; take both from one task")
    covered = weak.any_covered
    if (bare := covered & ~truth.any_covered).any():
        raise LabelsError(
            f"{int(bare.sum())} of {int(covered.sum())} labelled rows have no truth; simulate errors on rows that have it"
        )
    rng = np.random.default_rng([SIMULATED, seed])
    given, _ = weak.one()
    given, at = given[covered], np.flatnonzero(covered)
    if weak.classes is None:
        if by_class:
            raise LabelsError("these are values, which have no classes to match; leave by_class out")
        true = truth.probs[covered, 0]
        made = true + (given - true)[rng.permutation(len(at))]
    else:
        true = truth.hard()[covered, 0]
        c = given.shape[1]
        own = (true[:, None] + np.arange(c)) % c
        aligned = np.take_along_axis(given, own, axis=1)[_permuted(true if by_class else np.zeros_like(true), rng)]
        made = np.empty_like(given)
        np.put_along_axis(made, own, aligned, axis=1)
    out = np.zeros((len(weak), given.shape[1]))
    out[at] = made
    return weak.relabel(out, covered, name=f"random errors{' by class' if by_class else ''}, seed {seed}")


def _permuted(group: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return a permutation that moves rows inside their own group only."""
    order = np.arange(len(group))
    for g in np.unique(group):
        mine = np.flatnonzero(group == g)
        order[mine] = rng.permutation(mine)
    return order

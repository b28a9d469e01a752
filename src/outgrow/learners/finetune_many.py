"""Several fine-tuned fits on the same rows, one after another; and plain lists of texts as rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone, is_regressor

from outgrow.errors import InputError, NeedsError
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.rows import INPUTS, Rows

__all__ = ["fit_each", "texts_of"]


def fit_each(
    learner: Any,
    rows: Any,
    targets: ArrayLike,
    sample_weight: ArrayLike | None,
    penalty: ArrayLike | None,
    classes: ArrayLike | None,
) -> list[Any]:
    """Fit k clones of a learner; see :meth:`~outgrow.learners.finetune_base.FineTuned.fit_many`."""
    if not isinstance(rows, Rows):
        raise NeedsError(f"{type(learner).__name__} reads the view {learner.on!r}; give Rows that have it")
    t = np.asarray(targets, dtype=np.float64)
    if t.ndim != 3 or t.shape[1] != len(rows):
        raise InputError(f"fit_many needs targets of shape (k, {len(rows)}, c) for these rows; given {t.shape}")
    names = None if is_regressor(learner) else np.arange(t.shape[2]) if classes is None else np.asarray(classes)
    weights = None if sample_weight is None else np.broadcast_to(np.asarray(sample_weight), t.shape[:2])
    decays = [None] * len(t) if penalty is None else np.asarray(penalty, dtype=np.float64).tolist()
    made = []
    for j, target in enumerate(t):
        one = clone(learner) if decays[j] is None else clone(learner).set_params(weight_decay=decays[j])
        there = None if weights is None else weights[j] > 0
        table = WeakLabels.from_probs(
            np.where(np.isfinite(target), target, 1 / t.shape[2]), names, ids=rows.ids, covered=there
        )
        made.append(one.fit(rows, table, None if weights is None else weights[j]))
    return made


def texts_of(X: Any) -> Any:
    """Return rows of a plain list of texts; leave everything else."""
    listed = isinstance(X, list | tuple) or (isinstance(X, np.ndarray) and X.ndim == 1 and X.dtype.kind in "OU")
    if listed and len(X) and all(isinstance(t, str) for t in X):
        return Rows.from_arrays(**{INPUTS: list(X)})
    return X

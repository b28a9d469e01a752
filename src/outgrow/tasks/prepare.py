"""The one entrance of every ``fit`` and ``predict``: whatever was given becomes rows, a label table and weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from outgrow.errors import InputError, LabelsError, NeedsError, TaskError
from outgrow.tasks.inputs import is_missing
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.rows import Rows, View

__all__ = ["as_rows", "matrix", "prepare"]

UNNAMED = "X"


def prepare(
    est: Any, X: Any, y: Any, sample_weight: ArrayLike | None = None
) -> tuple[Rows, WeakLabels, NDArray[np.float64]]:
    """Validate what a learner or method is fitted on.

    Parameters
    ----------
    est : estimator
        A classifier or regressor in scikit-learn's sense; ``n_features_in_`` is set on it.
    X : Rows, or array of shape (n, d)
        An array becomes one unnamed view.
    y : WeakLabels, or array
        Class names or numbers (n,), probabilities (n, c), or values (n,) for a regressor.
    sample_weight : array of shape (n,), optional

    Returns
    -------
    rows, weak, weight
        Of the same n rows in the same order; ``weight`` is zero where no supervisor covers the row.

    Raises
    ------
    TaskError
        Features that are NaN or infinite.
    LabelsError
        Labels of other rows, of one class only, or covering no row.
    NeedsError
        A bare array given to a learner that reads a named view.
    """
    from sklearn.base import is_regressor

    if y is None:
        raise LabelsError(f"{type(est).__name__} requires y to be passed, but the target y is None: give weak labels")
    if isinstance(X, Rows):
        rows = X
        _finite(est, rows)
    else:
        X, y = _arrays(est, X, y, is_regressor(est))
        rows = Rows(np.arange(len(X)), {UNNAMED: View(X)})
    weak = y if isinstance(y, WeakLabels) else _labels(y, rows, is_regressor(est))
    if len(weak) != len(rows) or not np.array_equal(weak.ids, rows.ids):
        raise LabelsError(_misfit(rows, weak))
    if is_regressor(est) != (weak.classes is None):
        kind = "values" if weak.classes is None else "classes"
        raise LabelsError(f"{type(est).__name__} cannot learn {kind}; choose a learner for {kind}")
    return rows, weak, _weights(est, sample_weight, rows, weak)


def _misfit(rows: Rows, weak: WeakLabels) -> str:
    labelled, given = set(weak.ids.tolist()), set(rows.ids.tolist())
    same = len(weak) == len(rows) and labelled == given
    what = "the same rows in another order" if same else f"different rows ({len(rows)} and {len(weak)})"
    first = "" if same or labelled == given else f"; row {min(labelled ^ given)} is in one of them only"
    bare = "; the rows of a bare array are 0, 1, ..., so give Rows" if list(rows.views) == [UNNAMED] else ""
    return f"X and the weak labels are of {what}; slice both with the same ids{first}{bare}"


def matrix(est: Any, X: Any, *, reset: bool = False) -> NDArray[np.float64]:
    """Return the (n, d) float64 features that ``est`` reads (its ``on``) from rows or from an array.

    Raises
    ------
    TaskError
        When they hold NaN or infinity, or have another width than at fit.
    NeedsError
        A bare array given to a learner that reads a named view.
    """
    from sklearn.utils.validation import validate_data

    if isinstance(X, Rows):
        bare = X.name(None) == UNNAMED if list(X.views) == [UNNAMED] else False
        if bare and est.on is not None:
            raise NeedsError(_bare(est))
        name = X.name(est.on)
        if not X.views[name].matrix:
            raise NeedsError(
                f"{type(est).__name__} reads matrices and view {name!r} holds raw inputs; encode them and name the view with on="
            )
        values = np.asarray(X.view(name), dtype=np.float64)
        if not np.isfinite(values).all():
            row = X.ids[int(np.argwhere(~np.isfinite(values).all(axis=1))[0, 0])]
            raise TaskError(f"view {name!r} has NaN or infinity on row {row}; remove or repair that row")
        if reset:
            est.n_features_in_ = values.shape[1]
        elif values.shape[1] != est.n_features_in_:
            raise TaskError(
                f"view {name!r} has {values.shape[1]} features; {type(est).__name__} was fitted on {est.n_features_in_}"
            )
        return values
    if est.on is not None:
        raise NeedsError(_bare(est))
    return validate_data(est, X, reset=reset, dtype=np.float64)


def as_rows(est: Any, X: Any) -> Rows:
    """Return rows as they are, and an array, checked against what ``est`` was fitted on, as rows with one unnamed view."""
    from sklearn.utils.validation import validate_data

    if isinstance(X, Rows):
        return X
    values = validate_data(est, X, reset=False, dtype=np.float64)
    return Rows(np.arange(len(values)), {UNNAMED: View(values)})


def _bare(est: Any) -> str:
    return f"{type(est).__name__} reads the view {est.on!r}, and X is a bare array; give Rows that have it, or leave on=None"


def _arrays(est: Any, X: Any, y: Any, values: bool) -> tuple[NDArray[np.float64], Any]:
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import column_or_1d, validate_data

    needs = getattr(est, "needs", None)
    named = sorted(needs().views) if needs is not None else []
    if named:
        raise NeedsError(
            f"{type(est).__name__} reads the views {named}, and X is a bare array; give Rows that have them"
        )
    if isinstance(y, WeakLabels):
        return validate_data(est, X, dtype=np.float64), y
    if _soft(y) and not values:
        X = validate_data(est, X, dtype=np.float64)
        y = np.asarray(y, dtype=np.float64)
        if len(y) != len(X):
            raise LabelsError(f"X has {len(X)} rows and the labels have {len(y)}")
        return X, y
    if not values:
        _one_kind(y)
    X, y = validate_data(est, X, y, dtype=np.float64, y_numeric=values, multi_output=True)
    y = column_or_1d(y, warn=True)
    if not values:
        check_classification_targets(y)
    return X, y


def _one_kind(y: Any) -> None:
    array = np.asarray(y)
    if array.dtype.kind != "O" or array.ndim != 1:
        return
    empty = next((row for row, name in enumerate(array) if is_missing(name)), None)
    if empty is not None:
        raise LabelsError(
            f"row {empty} has no label; leave such rows out, or give WeakLabels, where a supervisor may abstain"
        )
    if len({isinstance(name, str) for name in array}) > 1:
        raise LabelsError("labels mix texts and numbers; write all class names in one way")


def _soft(y: Any) -> bool:
    try:
        array = np.asarray(y)
    except ValueError:
        raise LabelsError(
            "labels are lists of different lengths; one task has one label a row, so run one task per label"
        ) from None
    return array.ndim == 2 and array.shape[1] > 1 and array.dtype.kind == "f"


def _labels(y: Any, rows: Rows, values: bool) -> WeakLabels:
    array = np.asarray(y)
    if len(array) != len(rows):
        raise LabelsError(f"X has {len(rows)} rows and the labels have {len(array)}")
    if values:
        return WeakLabels.from_probs(np.asarray(array, dtype=np.float64), None, ids=rows.ids)
    if _soft(array):
        return WeakLabels.from_probs(array, np.arange(array.shape[1]), ids=rows.ids)
    classes, codes = np.unique(array, return_inverse=True)
    if len(classes) < 2:
        raise LabelsError(f"the labels hold one class only ({str(classes[0])!r}); a student needs at least two")
    return WeakLabels.from_probs(np.eye(len(classes))[codes.ravel()], classes, ids=rows.ids)


def _weights(est: Any, sample_weight: ArrayLike | None, rows: Rows, weak: WeakLabels) -> NDArray[np.float64]:
    from sklearn.utils.validation import _check_sample_weight

    there = weak.any_covered
    if not there.any():
        raise LabelsError(
            f"supervisor {weak.label!r} covers none of these {len(rows)} rows; there is nothing to learn from"
        )
    if sample_weight is None:
        return there.astype(np.float64)
    weight = _check_sample_weight(sample_weight, rows.ids, dtype=np.float64, ensure_non_negative=True)
    weight = np.where(there, weight, 0.0)
    if not (weight > 0).any():
        raise InputError(
            f"{type(est).__name__}: sample_weight is zero on every covered row; give at least one row a weight"
        )
    return weight


def _finite(est: Any, rows: Rows) -> None:
    if not len(rows):
        raise TaskError(f"{type(est).__name__} was given no rows; the role they come from is empty")

"""A finished model as supervisor: whatever has ``predict_proba`` and ``classes_``, or ``predict``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from outgrow.errors import LabelsError
from outgrow.fingerprints import fingerprint
from outgrow.supervisors.protocol import by_name, inputs_seen, name_codes
from outgrow.tasks.labels import Source, WeakLabels
from outgrow.tasks.rows import INPUTS, Rows

__all__ = ["ModelSupervisor"]


class ModelSupervisor(BaseEstimator):
    """Let any fitted object label the rows.

    Its classes are matched to the task's by name, never by place: a class that it never saw gets probability zero, and one that the
    task does not have is an error. ``clone`` keeps the model as it is, because a clone of the model itself would be unfitted.

    Parameters
    ----------
    model : object
        Fitted. With ``predict_proba`` and ``classes_``; or with ``predict``, whose answers are class names, or values where
        ``classes`` is None and the model has no ``classes_``. One of this package's learners and methods is given Rows, any other
        object the matrix or the list of inputs.
    on : str, optional
        The view it reads: a matrix, or "inputs". Default: the only matrix.
    name : str
        Shown in tables.
    classes : sequence of str, optional
        The task's, all of them. Default: the model's.
    taught : sequence of int
        Ids of rows whose truth it saw. Its labels there are not out of fold, so it does not cover them.
    """

    needs_truth = False

    def __init__(
        self,
        model: Any,
        on: str | None = None,
        name: str = "model",
        classes: ArrayLike | None = None,
        taught: Sequence[int] = (),
    ):
        self.model = model
        self.on = on
        self.name = name
        self.classes = classes
        self.taught = taught

    def __sklearn_clone__(self) -> Self:
        return type(self)(**self.get_params(deep=False))

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fingerprint(self) -> str:
        """Name the recipe by the fitted model: its ``fingerprint_``, its ``fingerprint()``, or its parameters and fitted arrays.

        Raises
        ------
        InputError
            The model's state holds something that has no fingerprint.
        """
        stamped = getattr(self.model, "fingerprint_", None)
        if not isinstance(stamped, str):
            own = getattr(self.model, "fingerprint", None)
            stamped = own() if callable(own) else fingerprint(type(self.model), vars(self.model))
        return fingerprint(
            "model", type(self), stamped, self.on, self.name, self.classes, [int(i) for i in self.taught]
        )

    def label(self, rows: Rows) -> WeakLabels:
        """Label all rows given.

        Raises
        ------
        LabelsError
            The model fails on the view, gives another number of rows, or names a class that the task does not have.
        """
        name = rows.name(self.on)
        given = rows if hasattr(self.model, "needs") and hasattr(self.model, "logits") else rows.view(name)
        own = getattr(self.model, "classes_", None)
        if own is None and self.classes is None:
            probs = self._ask("predict", given, rows, name).astype(np.float64).reshape(len(rows), -1)
            if probs.shape[1] != 1:
                raise LabelsError(f"supervisor {self.name!r} gives {probs.shape[1]} values a row; a value task has one")
            classes, covered = None, ~np.isnan(probs[:, 0])
        elif hasattr(self.model, "predict_proba"):
            if own is None:
                raise LabelsError(
                    f"supervisor {self.name!r} has predict_proba and no classes_, so its columns have no names; set model.classes_"
                )
            classes = np.asarray(own if self.classes is None else self.classes)
            probs = by_name(self._ask("predict_proba", given, rows, name), own, classes, self.name)
            covered = np.ones(len(rows), dtype=bool)
        else:
            classes = np.asarray(own if self.classes is None else self.classes)
            answers = self._ask("predict", given, rows, name).ravel().tolist()
            where = [f"row {i} by supervisor {self.name!r}" for i in rows.ids]
            codes = name_codes(answers, classes, where, secret=inputs_seen(rows))
            covered = codes >= 0
            probs = np.zeros((len(rows), len(classes)))
            probs[covered, codes[covered]] = 1.0
        taught = tuple(sorted({int(i) for i in self.taught}))
        covered &= ~np.isin(rows.ids, np.asarray(taught, dtype=np.int64))
        key = fingerprint("model", self.name, rows.key(name), probs, covered, classes, taught)
        view = name if rows.views[name].matrix else None
        return WeakLabels.from_probs(
            probs, classes, ids=rows.ids, covered=covered, source=Source(self.name, view, taught, key)
        )

    def _ask(self, method: str, given: Any, rows: Rows, view: str) -> NDArray[Any]:
        call = getattr(self.model, method, None)
        if call is None:
            raise LabelsError(f"supervisor {self.name!r} has no {method}; give a fitted model that has one")
        cause: Exception | None = None
        try:
            answer = np.asarray(call(given))
        except Exception as error:  # a model is anybody's code
            cause = error
        if cause is not None:
            kind = type(cause).__name__
            # The cause may quote an input when these are raw, and would be printed.
            raise LabelsError(
                f"{method} of supervisor {self.name!r} raised {kind} on the view {view!r}; give the view it was fitted on, with on="
            ) from (cause if rows.views[view].matrix and view != INPUTS else None)
        if len(answer) != len(rows):
            raise LabelsError(f"supervisor {self.name!r} gives {len(answer)} answers for {len(rows)} rows")
        return answer

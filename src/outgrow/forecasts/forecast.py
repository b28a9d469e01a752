"""A forecast: what theory says the gain will be, before any truth is spent, with its unit and its assumptions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from outgrow.errors import LabelsError
from outgrow.methods.method import in_classes
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.needs import Needs
from outgrow.tasks.rows import Rows

__all__ = ["Forecast", "Predictor", "two_tables"]


@dataclass(frozen=True)
class Forecast:
    """One predicted gain.

    Parameters
    ----------
    name : str
        The predictor.
    order : str
        Which way round its two arguments stand, or "" where that makes no difference.
    unit : str
        Metric in which the gain is predicted: "mse", "brier" or "log_loss" (nats). Never accuracy.
    value : float
    n : int
        Select rows it was taken over.
    assumptions : tuple of str
        What the theorem asks for, each a phrase.
    broken : tuple of str
        Those that this student is known to break.
    """

    name: str
    order: str
    unit: str
    value: float
    n: int
    assumptions: tuple[str, ...]
    broken: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON value."""
        return {
            "forecast": self.name,
            "order": self.order,
            "unit": self.unit,
            "value": self.value,
            "n": self.n,
            "assumptions": list(self.assumptions),
            "broken": list(self.broken),
        }


class Predictor(Protocol):
    """What predicts a gain from a student, select rows and their weak labels. It is handed no truth."""

    units: tuple[str, ...]

    def needs(self) -> Needs:
        """What it must be given."""
        ...

    def predict(self, student: Any, rows: Rows, weak: WeakLabels) -> list[Forecast]:
        """Return its forecasts, none where it does not apply to this kind of task."""
        ...


def two_tables(student: Any, rows: Rows, weak: WeakLabels) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the student's and the combined supervisor's (k, c) predictions on the covered rows, classes matched by name.

    Raises
    ------
    LabelsError
        Labels of other rows, or of the same rows in another order.
    """
    if not np.array_equal(rows.ids, weak.ids):
        raise LabelsError(
            f"a forecast was given {len(rows)} rows and weak labels of {len(weak)} others or in another order; slice both alike"
        )
    there = weak.any_covered
    mine = rows[there]
    theirs = weak[there].one()[0] if there.any() else np.zeros((0, weak.probs.shape[2]))
    if not len(mine):
        return theirs, theirs
    ours = student.logits(mine) if weak.classes is None else in_classes(student, mine, weak.classes)
    return np.asarray(ours, dtype=np.float64), theirs

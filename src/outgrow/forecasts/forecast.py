"""A forecast: what theory says the gain will be, before any truth is spent, with its unit and its assumptions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from outgrow.errors import InputError, LabelsError, NeedsError
from outgrow.methods.method import in_classes
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.needs import Needs
from outgrow.tasks.rows import Rows

__all__ = ["RANK", "Forecast", "Predictor", "enough", "reads", "same_rows", "two_tables", "two_views", "view_of"]

RANK = "rank"
"""Unit of what orders supervisors or students and is no gain: it stands beside no measured figure of its own unit."""

FEWEST = 50
"""Rows below which second moments of a view, and shares of rows, say nothing."""


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
        Metric in which the gain is predicted: "mse", "brier" or "log_loss" (nats); "accuracy" only where the theorem bounds an error
        rate; :data:`RANK` for a figure that orders supervisors and is no gain.
    value : float
    n : int
        Rows it was taken over.
    assumptions : tuple of str
        What the theorem asks for, each a phrase.
    broken : tuple of str
        Those that this student is known to break.
    diagnostics : mapping of str to float
        Figures beside the forecast, such as its standard error or a theorem's terms; none decides anything.
    """

    name: str
    order: str
    unit: str
    value: float
    n: int
    assumptions: tuple[str, ...]
    broken: tuple[str, ...] = ()
    diagnostics: Mapping[str, float] = field(default_factory=dict)

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
            **({"diagnostics": dict(self.diagnostics)} if self.diagnostics else {}),
        }


class Predictor(Protocol):
    """What predicts a gain from a student, rows and their weak labels. It is handed no truth.

    One that needs select rows is handed those, another one the transfer rows (:func:`reads`). All views come along: the student's name
    stands in its ``on``, a supervisor's in ``weak.sources[j].view``. A class attribute ``on_request = True`` says that a study takes this
    forecast only when it names it, because it costs fits or says much.
    """

    units: tuple[str, ...]

    def needs(self) -> Needs:
        """What it must be given."""
        ...

    def predict(self, student: Any, rows: Rows, weak: WeakLabels) -> list[Forecast]:
        """Return its forecasts, none where it does not apply to this kind of task."""
        ...


def same_rows(who: str, rows: Rows, weak: WeakLabels) -> None:
    """Raise a LabelsError when labels are of other rows, or of the same rows in another order."""
    if not np.array_equal(rows.ids, weak.ids):
        raise LabelsError(
            f"{who} was given {len(rows)} rows and weak labels of {len(weak)} others or in another order; slice both alike"
        )


def enough(who: str, n: int, what: str = "rows") -> None:
    """Raise a NeedsError when there are fewer than 50 rows."""
    if n < FEWEST:
        raise NeedsError(f"{who} needs at least {FEWEST} {what}, and there are {n}; give it more transfer rows")


def view_of(who: str, student: Any, rows: Rows) -> str:
    """Return the name of the matrix that a student reads.

    Raises
    ------
    NeedsError
        It reads several, none, or raw inputs.
    """
    try:
        name = rows.name(getattr(getattr(student, "student_", student), "on", None))
    except InputError as error:
        raise NeedsError(f"{who} needs the view that the student reads: {error}") from error
    _matrix(who, rows, name)
    return name


def _matrix(who: str, rows: Rows, name: str) -> None:
    if not rows.views[name].matrix:
        raise NeedsError(f"{who} needs a matrix, and the view {name!r} holds raw inputs; encode them first")


def two_tables(student: Any, rows: Rows, weak: WeakLabels) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the student's and the combined supervisor's (k, c) predictions on the covered rows, classes matched by name.

    Raises
    ------
    LabelsError
        Labels of other rows, or of the same rows in another order.
    """
    same_rows("a forecast", rows, weak)
    there = weak.any_covered
    mine = rows[there]
    theirs = weak[there].one()[0] if there.any() else np.zeros((0, weak.probs.shape[2]))
    if not len(mine):
        return theirs, theirs
    ours = student.logits(mine) if weak.classes is None else in_classes(student, mine, weak.classes)
    return np.asarray(ours, dtype=np.float64), theirs


def reads(predictor: Predictor) -> str:
    """Return the role of the rows that a predictor is handed: "select" where it needs those, else "transfer"."""
    return "select" if predictor.needs().select else "transfer"


def two_views(who: str, student: Any, rows: Rows, weak: WeakLabels) -> tuple[str, list[str]]:
    """Return the names of the student's view and of the supervisors' views, both matrices.

    Raises
    ------
    LabelsError
        Labels of other rows, or of the same rows in another order.
    NeedsError
        A supervisor without a view of its own, a view that is no matrix, or fewer than 50 rows.
    """
    same_rows(who, rows, weak)
    enough(who, len(rows))
    Needs(supervisor_view=True).check(who, rows.views, weak.sources)
    theirs = [str(s.view) for s in weak.sources]
    mine = view_of(who, student, rows)
    for name in theirs:
        _matrix(who, rows, name)
    return mine, theirs

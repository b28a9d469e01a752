"""A probe whose labels on its own teach rows are made only when somebody asks for them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from outgrow.supervisors.probe import ProbeSupervisor
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.rows import Rows

__all__ = ["LaterFolds"]


class LaterFolds(ProbeSupervisor):
    """The probe of a study, equal bit for bit, which abstains on its teach rows until :meth:`on_all` is called."""

    def on_all(self, rows: Rows) -> WeakLabels:
        """Label all rows given, teach rows out of fold."""
        self.out_of_fold_, self.fold_covered_ = super()._cross_fit(*self.later_)
        return self.label(rows)

    def _cross_fit(self, learner: Any, rows: Rows, table: WeakLabels) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        self.later_ = learner, rows, table
        return np.zeros(table.probs[:, 0].shape), np.zeros(len(rows), dtype=bool)

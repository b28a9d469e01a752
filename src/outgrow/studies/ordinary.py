"""Small made-up tasks that are ordinary input to every method: what ``outgrow check-method`` hands one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outgrow.learners.linear import LinearHead
from outgrow.learners.ridge import RidgeHead
from outgrow.studies.evaluate import grant
from outgrow.tasks.labels import Source, WeakLabels
from outgrow.tasks.rows import Rows
from outgrow.tasks.split import Roles, split
from outgrow.tasks.task import Task

__all__ = ["STRONG", "World", "world"]

STRONG, WEAK = "strong", "weak"
N, D, SEEN = 300, 5, 3
FEW = 0.05


@dataclass(frozen=True, eq=False)
class World:
    """A task, its roles, two views of its rows, and weak labels on all of them."""

    task: Task
    truth: NDArray[Any]
    roles: Roles
    rows: Rows
    weak: WeakLabels

    @property
    def head(self) -> Any:
        """The learner that fits the task."""
        kind = RidgeHead if self.task.kind == "value" else LinearHead
        return kind(on=STRONG, penalty=1.0)

    @property
    def transfer(self) -> tuple[Rows, WeakLabels]:
        """What ``fit`` is given."""
        return self.rows.at(self.roles.transfer), self.weak.at(self.roles.transfer)

    def fit(self, method: Any, **given: Any) -> Any:
        """Fit a method as a study does, with the truth that it asks for."""
        return method.fit(*self.transfer, **grant(method, self.task, self.rows, self.weak, self.roles), **given)

    def permuted(self) -> World:
        """Return the same world with other truth on all rows but those of teach, which a study grants."""
        random = np.random.default_rng(1)
        outside = np.setdiff1d(self.task.ids, self.roles.teach)
        truth = self.truth.copy()
        truth[outside] = truth[random.permutation(outside)]
        return replace(self, task=self.task.with_truth(truth), truth=truth)


def world(case: str = "", supervisors: int = 1, classes: int = 2, seed: int = 0) -> World:
    """Make a world.

    Parameters
    ----------
    case : {"", "abstaining", "few", "few beside", "never", "value"}
        Every supervisor speaks on 60 % of the rows; on 5 %; the last one on 5 %; no supervisor names the last class; a value task.
    supervisors, classes : int
        How many.
    """
    random = np.random.default_rng(seed)
    x = random.normal(size=(N, D))
    width = 1 if case == "value" else classes
    slopes = 2 * random.normal(size=(D, width))
    right = x @ slopes + 0.5 * random.normal(size=(N, width))
    truth = right[:, 0] if case == "value" else right.argmax(axis=1)
    names = None if case == "value" else np.array([f"class {k}" for k in range(classes)])
    tables = []
    for j in range(supervisors):
        said = x[:, :SEEN] @ slopes[:SEEN] + random.normal(size=(N, width))
        if case == "never":
            said[:, -1] = -np.inf
        if case != "value":
            said = np.exp(said - said.max(axis=1, keepdims=True))
            said /= said.sum(axis=1, keepdims=True)
        covered = np.ones(N, dtype=bool)
        if case == "abstaining":
            covered = random.random(N) < 0.6
        elif case == "few" or (case == "few beside" and j == supervisors - 1):
            # Spread over the rows by their label, so that no class is missing by chance.
            covered = np.zeros(N, dtype=bool)
            covered[np.argsort(said[:, 0], kind="stable")[:: int(1 / FEW)]] = True
        source = Source(f"supervisor {j + 1}", WEAK)
        tables.append(WeakLabels.from_probs(said, names, covered=covered, source=source))
    task = Task.from_arrays(x, truth if names is None else names[truth], kind="value" if case == "value" else "classes")
    rows = Rows.from_arrays(**{STRONG: x, WEAK: x[:, :SEEN].copy()})
    return World(
        task, truth, split(task, seed, teach=60, transfer=150, select=30, test=60), rows, WeakLabels.stack(tables)
    )

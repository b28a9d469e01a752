"""What every learner offers: the strong model's trainable part, whatever it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

from numpy.typing import ArrayLike, NDArray

from outgrow.learners.objective import Objective
from outgrow.tasks.needs import Needs

__all__ = ["Learner"]


@runtime_checkable
class Learner(Protocol):
    """A scikit-learn estimator that maps a view of the rows to logits.

    ``on`` names the view it reads; None is the only matrix there is. After ``fit``, ``fingerprint_`` names the recipe and everything it
    was given, ``state_`` what the objective carried along.
    """

    on: str | None

    def needs(self) -> Needs:
        """Return what ``fit`` must be given beyond X and y."""
        ...

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        sample_weight: ArrayLike | None = None,
        objective: Objective | None = None,
        select: Any = None,
    ) -> Self:
        """Learn from rows and weak labels by an objective (default: the learner's own fixed one)."""
        ...

    def logits(self, X: Any) -> NDArray[Any]:
        """Return (n, c) logits; (n, 1) values in a value task."""
        ...

    def predict(self, X: Any) -> NDArray[Any]:
        """Return (n,) class names or values."""
        ...

    def fit_many(
        self, X: Any, targets: ArrayLike, sample_weight: ArrayLike | None = None, penalty: ArrayLike | None = None
    ) -> list[Self]:
        """Fit k learners on the same rows: targets (k, n, c), sample_weight (k, n), penalty (k,). Fixed objectives only."""
        ...

    def save(self, folder: Path) -> None:
        """Write the fitted learner as safetensors and JSON."""
        ...

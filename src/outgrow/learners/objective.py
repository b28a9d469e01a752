"""What a learner minimises: targets, which may move with the logits, and a row loss. Torch only.

Shapes: weak (..., n, m, c) with NaN where a supervisor abstains, logits and targets (..., n, c), weight (..., n), progress in [0, 1].
A rate inside an objective is per unit of progress, and every batch statistic is weighted by ``weight``: learners differ in their number
of steps and may carry rows of weight zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

__all__ = ["CrossEntropy", "Objective", "Squared", "State", "combine"]

State = dict[str, Tensor]


class Objective(Protocol):
    """What a learner minimises.

    ``moves`` is False when targets depend on the weak labels alone: the learner then solves one minimisation. It is True when they
    follow the logits: the learner then asks for targets again as progress goes from 0 to 1.
    """

    @property
    def moves(self) -> bool:
        """Whether targets follow the logits."""
        ...

    def start(self, weak: Tensor, weight: Tensor) -> State:
        """Return the tensors an objective carries along (supervisor weights, rolling thresholds)."""
        ...

    def targets(
        self, logits: Tensor, weak: Tensor, weight: Tensor, progress: float, state: State
    ) -> tuple[Tensor, Tensor, State]:
        """Return detached targets, row weights and the next state."""
        ...

    def rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return (..., n) row losses, smooth in the logits."""
        ...


def combine(weak: Tensor) -> Tensor:
    """Return the mean (..., n, c) over the supervisors that cover a row; NaN where none does."""
    return weak[..., 0, :] if weak.shape[-2] == 1 else torch.nanmean(weak, dim=-2)


@dataclass(frozen=True)
class Fixed:
    """Targets that are the combined weak label and never move."""

    moves: ClassVar[bool] = False

    def start(self, weak: Tensor, weight: Tensor) -> State:
        """Return an empty state."""
        return {}

    def targets(
        self, logits: Tensor, weak: Tensor, weight: Tensor, progress: float, state: State
    ) -> tuple[Tensor, Tensor, State]:
        """Return the combined weak label."""
        return combine(weak), weight, state


@dataclass(frozen=True)
class CrossEntropy(Fixed):
    """Cross-entropy against the combined weak label, soft as it is."""

    def rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return -sum_k targets_k log softmax(logits)_k."""
        return -(targets * torch.log_softmax(logits, dim=-1)).sum(-1)


@dataclass(frozen=True)
class Squared(Fixed):
    """Half the squared error against the combined weak value."""

    def rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return half the squared distance."""
        return 0.5 * ((logits - targets) ** 2).sum(-1)


def weak_tensor(weak: Any) -> Tensor:
    """Return a label table's (n, m, c) probabilities in float64, NaN where a supervisor abstains."""
    probs = torch.from_numpy(weak.probs.copy())
    probs[~torch.from_numpy(weak.covered)] = torch.nan
    return probs

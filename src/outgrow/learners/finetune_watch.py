"""Early stopping on weak labels: rows held out, looked at a stated number of times, and the best weights kept.

The public code of EleutherAI's w2s keeps the checkpoint that agrees best with weak labels on rows it did not learn from. Here what is
watched is the loss against these labels (cross-entropy, or squared error), which needs no truth either. The fit runs to its end, so that
the learning rate takes its course, and then goes back to the best moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from outgrow.encoders.batching import token_batches
from outgrow.errors import InputError
from outgrow.learners.finetune_loop import Course, Progress, forward, mark
from outgrow.learners.finetune_model import trained
from outgrow.learners.objective import Objective

__all__ = ["Watch", "held_rows"]

HELD = 41
"""Keeps the draw of held-out rows apart from other draws of the same seed."""


def held_rows(n: int, share: float, seed: int) -> NDArray[np.bool_]:
    """Return (n,) which rows are held out: a share of them, drawn by the seed, at least one.

    Raises
    ------
    InputError
        When no row would be left to learn from.
    """
    count = max(1, round(share * n))
    if count >= n:
        raise InputError(f"held_out is {share:g} and {n} rows have labels, so none is left to learn from; lower it")
    held = np.zeros(n, dtype=bool)
    held[np.random.default_rng([HELD, seed]).permutation(n)[:count]] = True
    return held


@dataclass(frozen=True)
class Watch:
    """What is looked at while a model trains.

    Parameters
    ----------
    tokens : list of n arrays
        Token ids of the held-out rows.
    given : Tensor of shape (n, c)
        Their combined weak labels, float64.
    weight : Tensor of shape (n,)
    objective : Objective
        Whose row loss is watched, against ``given``.
    looks : int
        How often, evenly over the training; the last look is at its end.
    """

    tokens: list[NDArray[np.int64]]
    given: Tensor
    weight: Tensor
    objective: Objective
    looks: int

    def due(self, step: int, total: int) -> bool:
        """Say whether a look is due after a step."""
        return step in {mark(k / self.looks, total) for k in range(1, self.looks + 1)}

    def look(self, model: Any, course: Course, total: int, at: Progress) -> None:
        """Measure loss and agreement, and keep what is trained where the loss is the lowest so far."""
        out = torch.zeros(self.given.shape, dtype=torch.float64)
        lengths = np.array([len(t) for t in self.tokens], dtype=np.int64)
        with torch.no_grad():
            for part in token_batches(lengths, course.batch_tokens):
                out[part] = forward(model, [self.tokens[i] for i in part], course.dtype)
        lost = float((self.objective.rows(out, self.given) * self.weight).sum() / self.weight.sum())
        found = {"step": float(at.step), "share": at.step / total, "weak_loss": lost}
        if self.given.shape[1] > 1:
            same = (out.argmax(1) == self.given.argmax(1)).double()
            found["weak_agreement"] = float((same * self.weight).sum() / self.weight.sum())
        before = best_step(at.looks)
        at.looks.append(found)
        if best_step(at.looks) == at.step:
            at.kept[at.step] = {name: t.cpu().clone() for name, t in trained(model).items()}
            if before is not None and before not in {mark(share, total) for share in course.keep}:
                at.kept.pop(before, None)


def best_step(looks: list[dict[str, float]]) -> int | None:
    """Return the step of the lowest loss, the first of equal ones; None before the first look."""
    return int(min(looks, key=lambda found: found["weak_loss"])["step"]) if looks else None

"""Weighted mean row losses of many heads at once, with their gradient in the logits.

A head has q logit columns: one for two classes (the log-odds z, whose two logits are -z/2 and z/2), else one a class. Shapes here put rows
first, z (n, k, q) for k heads, because that is what the product of features and coefficients gives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from outgrow.learners.objective import CrossEntropy, Objective

__all__ = ["ClosedCrossEntropy", "MeanLoss", "RowLoss", "class_logits", "columns", "loss_of"]


def columns(classes: int) -> int:
    """Return how many logit columns a head of so many classes has."""
    return 1 if classes <= 2 else classes


def class_logits(z: Tensor, classes: int) -> Tensor:
    """Turn (n, k, q) columns into (k, n, c) logits."""
    z = z.transpose(0, 1)
    return torch.cat([-0.5 * z, 0.5 * z], dim=-1) if classes == 2 else z


class MeanLoss(Protocol):
    """What the solver minimises, penalty aside."""

    def evaluate(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return the (k,) weighted mean losses and their (n, k, q) gradient."""
        ...

    def curvature(self, z: Tensor) -> Tensor:
        """Return the (k, q) weighted mean second derivative, a scale for the preconditioner."""
        ...

    def take(self, heads: Tensor) -> MeanLoss:
        """Keep some heads, by index."""
        ...


class ClosedCrossEntropy:
    """Cross-entropy against soft targets, with its closed gradient.

    Parameters
    ----------
    mass : Tensor of shape (n, k or 1)
        Row weight times the row's sum of targets; each head's row weights sum to one.
    pull : Tensor of shape (n, k, q)
        Row weight times target: of the second class for q = 1.
    """

    def __init__(self, mass: Tensor, pull: Tensor):
        self.mass = mass
        self.pull = pull

    @classmethod
    def of(cls, targets: Tensor, weight: Tensor) -> ClosedCrossEntropy:
        """Make it from (k, n, c) targets and (k or 1, n) weights."""
        rows = weight.T
        mass = rows * targets.sum(-1).T
        weighted = rows[:, :, None] * targets.transpose(0, 1)
        return cls(mass, weighted[..., 1:] if targets.shape[-1] == 2 else weighted)

    def evaluate(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return the (k,) losses and their (n, k, q) gradient."""
        if z.shape[-1] == 1:
            flat, pull = z[..., 0], self.pull[..., 0]
            small = torch.exp(-flat.abs())
            value = (self.mass * (flat.clamp_min(0) + torch.log1p(small)) - pull * flat).sum(0)
            return value, (self.mass * torch.sigmoid(flat) - pull)[..., None]
        top = z.amax(-1, keepdim=True)
        shares = torch.exp(z - top)
        total = shares.sum(-1, keepdim=True)
        value = (self.mass * (top + total.log())[..., 0] - (self.pull * z).sum(-1)).sum(0)
        return value, shares.mul_((self.mass / total[..., 0])[..., None]).sub_(self.pull)

    def curvature(self, z: Tensor) -> Tensor:
        """Return the mean of p (1 - p)."""
        p = torch.sigmoid(z) if z.shape[-1] == 1 else torch.softmax(z, dim=-1)
        return (self.mass[..., None] * p * (1 - p)).sum(0)

    def take(self, heads: Tensor) -> ClosedCrossEntropy:
        """Keep some heads."""
        mass = self.mass if self.mass.shape[1] == 1 else self.mass[:, heads]
        return ClosedCrossEntropy(mass, self.pull[:, heads])


class RowLoss:
    """Any smooth row loss, differentiated automatically.

    Parameters
    ----------
    rows : callable
        ``(logits (k, n, c), targets (k, n, c)) -> (k, n)``.
    targets : Tensor of shape (k, n, c)
    weight : Tensor of shape (k or 1, n)
        Each head's weights sum to one.
    """

    def __init__(self, rows: Callable[[Tensor, Tensor], Tensor], targets: Tensor, weight: Tensor):
        self.rows = rows
        self.targets = targets
        self.weight = weight

    def _value(self, z: Tensor) -> Tensor:
        return (self.weight * self.rows(class_logits(z, self.targets.shape[-1]), self.targets)).sum(-1)

    def evaluate(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return the (k,) losses and their (n, k, q) gradient."""
        z = z.detach().requires_grad_(True)
        with torch.enable_grad():
            value = self._value(z)
            (gradient,) = torch.autograd.grad(value.sum(), z)
        return value.detach(), gradient

    def curvature(self, z: Tensor) -> Tensor:
        """Return the mean second derivative of each column, by absolute value, and at least that of cross-entropy.

        A loss that bends both ways may be flat in the mean, where a step scaled by its curvature would leave the valley.
        """
        z = z.detach().requires_grad_(True)
        found = []
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(self._value(z).sum(), z, create_graph=True)
            for column in range(z.shape[-1]):
                if not gradient.requires_grad:
                    return torch.ones(z.shape[1:], dtype=z.dtype)
                (second,) = torch.autograd.grad(gradient[..., column].sum(), z, retain_graph=True, allow_unused=True)
                found.append(torch.ones_like(z[0, :, 0]) if second is None else second[..., column].sum(0).abs())
        p = torch.sigmoid(z) if z.shape[-1] == 1 else torch.softmax(z, dim=-1)
        least = (self.weight.T[..., None] * p * (1 - p)).sum(0)
        return torch.maximum(torch.stack(found, dim=-1), least).detach()

    def take(self, heads: Tensor) -> RowLoss:
        """Keep some heads."""
        weight = self.weight if self.weight.shape[0] == 1 else self.weight[heads]
        return RowLoss(self.rows, self.targets[heads], weight)


def loss_of(objective: Objective | None, targets: Tensor, weight: Tensor) -> MeanLoss:
    """Return the closed form where the row loss is :meth:`CrossEntropy.rows` (inherited or assigned), else the general one."""
    if objective is None or getattr(type(objective), "rows", None) is CrossEntropy.rows:
        return ClosedCrossEntropy.of(targets, weight)
    return RowLoss(objective.rows, targets, weight)

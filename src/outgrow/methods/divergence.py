"""Other losses against the weak label: reverse and symmetric divergences, entropy, product, window.

    minimise  mean_i  (1 - w) CE(y_i, p_i) + w D(p_i, y_i),        p_i = softmax(z_i), CE(y, p) = -sum_k y_k log p_k

    kind         D                                                          source
    reverse_kl   KL(p || y) = sum_k p_k log p_k - sum_k p_k log y_k         Yao et al. 2025, arXiv 2502.11107, read second-hand
    reverse_ce   -sum_k p_k log y_k                                         the same
    forward_kl   KL(y || p); the entropy of y is constant, so this is CE    Burns et al. 2023, arXiv 2312.09390
    symmetric    (KL(p || y) + KL(y || p)) / 2                              textbook; the half, which keeps the scale, is ours
    entropy      H(p), not detached                                         the option of that name in EleutherAI/w2s, as meant
    product      CE(T, p), T proportional to p^beta y^alpha, detached       public code of Burns et al. (``product``)
    window       CE(y, p) on rows whose largest p is below 1/2 + radius     EleutherAI/w2s (``window``)

Algebra that the tests hold this file to. CE against a detached target T has the logit gradient p - T. So a soft self-target,
(1 - c) y + c p detached, is CE at a smaller step and no entropy; EleutherAI's code has that target under the name ``entropy``. The
product stands still at p proportional to y^(alpha / (1 - beta)); at beta = 1, the public default, nothing stops it unless y is uniform.

Ours. beta stays below 1 (the guard), .5 by default. Every y is mixed with the uniform distribution at weight ``floor``, the forecast
``kl_misfit``'s 1e-6, where its logarithm is taken; hard labels therefore pay 13.8 nats. A row outside the window gets its own answer p
as a detached target: the gradient is zero, as if the row had no loss and the mean were still over the full batch, and an exact learner,
which holds targets while it solves, holds such a row in place instead of forgetting it. "midweak" is the median of abs(y - 1/2), as in the
public code; with more classes, of max y - 1/2. Reverse losses and entropy are not convex in the logits; heads start at the log shares of
the weak labels. A value task is refused: with Gaussians of one variance both orders are squared loss, which is ``Naive``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from numpy.typing import ArrayLike
from sklearn.base import is_regressor
from torch import Tensor

from outgrow.errors import InputError, LabelsError, nearest
from outgrow.learners.objective import CrossEntropy, Fixed, Objective, State, combine
from outgrow.methods.method import OfLearner, is_number
from outgrow.tasks.prepare import prepare

__all__ = ["Divergence", "Entropy", "Product", "Reverse", "Window"]


def _labels(weak: Tensor, weight: Tensor) -> Tensor:
    # A row that counts for nothing may have a NaN label.
    return torch.where(weight[..., None] > 0, combine(weak), 0.0)


@dataclass(frozen=True)
class Reverse(Fixed):
    """(1 - weight) CE(y, p) - weight (sum_k p_k log y_k + entropy H(p)); ``entropy`` 1 is KL(p || y), 0 reverse cross-entropy."""

    weight: float = 1.0
    entropy: float = 1.0
    floor: float = 1e-6

    @property
    def reverse_kl(self) -> bool:
        """Whether this is KL(student || weak) and nothing else, as the theorem behind ``kl_misfit`` asks."""
        return self.weight == 1 and self.entropy == 1

    def rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return (..., n) losses."""
        log_p = torch.log_softmax(logits, dim=-1)
        log_y = ((1 - self.floor) * targets + self.floor / targets.shape[-1]).log()
        each = self.weight * log_p.exp() * (self.entropy * log_p - log_y) - (1 - self.weight) * targets * log_p
        return each.sum(-1)


@dataclass(frozen=True)
class Entropy(Fixed):
    """(1 - weight) CE(y, p) + weight H(p), the entropy differentiated through."""

    weight: float = 0.5

    def rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return (..., n) losses."""
        log_p = torch.log_softmax(logits, dim=-1)
        return -(((1 - self.weight) * targets + self.weight * log_p.exp()) * log_p).sum(-1)


@dataclass(frozen=True)
class Product:
    """Cross-entropy against (1 - weight) y + weight T, T proportional to p^beta y^alpha."""

    weight: float = 1.0
    alpha: float = 1.0
    beta: float = 0.5
    moves: ClassVar[bool] = True
    rows = CrossEntropy.rows

    def start(self, weak: Tensor, weight: Tensor) -> State:
        """Return an empty state."""
        return {}

    def targets(
        self, logits: Tensor, weak: Tensor, weight: Tensor, progress: float, state: State
    ) -> tuple[Tensor, Tensor, State]:
        """Return the mixed targets; a class of weak probability 0 keeps 0."""
        y = _labels(weak, weight)
        blank = (y <= 0).all(-1, keepdim=True)
        score = self.beta * torch.log_softmax(logits.detach(), -1) + self.alpha * y.clamp_min(0).log()
        made = torch.softmax(torch.where(blank, 0.0, score), -1)
        return (1 - self.weight) * y + self.weight * made, weight, state


@dataclass(frozen=True)
class Window:
    """Cross-entropy against y where the student is unsure, no loss where it is sure."""

    weight: float = 1.0
    radius: float | str = 0.15
    moves: ClassVar[bool] = True
    rows = CrossEntropy.rows

    def start(self, weak: Tensor, weight: Tensor) -> State:
        """Return an empty state."""
        return {}

    def targets(
        self, logits: Tensor, weak: Tensor, weight: Tensor, progress: float, state: State
    ) -> tuple[Tensor, Tensor, State]:
        """Return y inside the window and (1 - weight) y + weight p outside."""
        y = _labels(weak, weight)
        p = torch.softmax(logits.detach(), -1)
        edge = _median(y.amax(-1), weight) if self.radius == "midweak" else 0.5 + float(self.radius)
        sure = p.amax(-1, keepdim=True) >= edge
        return torch.where(sure, (1 - self.weight) * y + self.weight * p, y), weight, state


def _median(values: Tensor, weight: Tensor) -> Tensor:
    values, order = values.sort(-1)
    mass = weight.gather(-1, order)
    share = mass.cumsum(-1) / mass.sum(-1, keepdim=True).clamp_min(torch.finfo(mass.dtype).tiny)
    low = (share >= 0.5 - 1e-12).to(torch.int8).argmax(-1, keepdim=True)
    high = ((share > 0.5 + 1e-12) & (mass > 0)).to(torch.int8).argmax(-1, keepdim=True)
    return ((values.gather(-1, low) + values.gather(-1, high)) / 2)[..., None]


MAKE: dict[str, Callable[[Any, float], Objective]] = {
    "reverse_kl": lambda self, w: Reverse(w, 1.0, self.floor),
    "reverse_ce": lambda self, w: Reverse(w, 0.0, self.floor),
    "forward_kl": lambda self, w: CrossEntropy(),
    "symmetric": lambda self, w: Reverse(w / 2, 1.0, self.floor),
    "entropy": lambda self, w: Entropy(w),
    "product": lambda self, w: Product(w, self.alpha, self.beta),
    "window": lambda self, w: Window(w, self.radius),
}


class Divergence(OfLearner):
    """Train the learner by another divergence between its answers and the weak labels.

    Parameters
    ----------
    learner : learner, optional
        Default :class:`~outgrow.learners.linear.LinearHead`.
    kind : {"reverse_kl", "reverse_ce", "forward_kl", "symmetric", "entropy", "product", "window"}, default "reverse_kl"
        ``forward_kl`` has the minimum of :class:`~outgrow.methods.naive.Naive` and is fitted as it.
    weight : float, optional
        Share of the divergence beside cross-entropy, in [0, 1]; below 1 for ``entropy``, which alone ignores the labels. Default 1, and
        .5 for ``entropy``. 0 is ``Naive``, bit for bit.
    floor : float, default 1e-6
        Share of the uniform distribution in a label before its logarithm is taken, in (0, 1]: reverse and symmetric kinds.
    alpha, beta : float, default 1 and .5
        Powers of the weak label (above 0) and of the student's answer (in [0, 1)): ``product``.
    radius : float or "midweak", default .15
        Half the width of the window, in (0, .5]: ``window``.

    References
    ----------
    Reverse kinds: Yao et al. 2025, arXiv 2502.11107 (ACL Findings). Product: Burns et al. 2023, arXiv 2312.09390, public code.
    """

    paper = "yao2025"
    truth = "none"
    off: ClassVar[dict[str, Any]] = {"weight": 0}

    def __init__(
        self,
        learner: Any = None,
        kind: str = "reverse_kl",
        weight: float | None = None,
        floor: float = 1e-6,
        alpha: float = 1.0,
        beta: float = 0.5,
        radius: float | str = 0.15,
    ):
        self.learner = learner
        self.kind = kind
        self.weight = weight
        self.floor = floor
        self.alpha = alpha
        self.beta = beta
        self.radius = radius

    def _share(self) -> float:
        return (0.5 if self.kind == "entropy" else 1.0) if self.weight is None else float(self.weight)

    def check(self) -> None:
        """Raise when a parameter is out of range, or the learner predicts values."""
        if self.kind not in MAKE:
            raise InputError(f"there is no Divergence kind {self.kind!r}{nearest(str(self.kind), MAKE)}")
        top = "below 1" if self.kind == "entropy" else "at most 1"
        if self.weight is not None and not (
            is_number(self.weight) and 0 <= self.weight <= 1 and (self.weight < 1 or self.kind != "entropy")
        ):
            raise InputError(
                f"Divergence weight of {self.kind!r} must be a number of at least 0 and {top}, not {self.weight!r}"
            )
        if not is_number(self.floor) or not 0 < self.floor <= 1:
            raise InputError(f"Divergence floor must be a number above 0 and at most 1, not {self.floor!r}")
        if not is_number(self.alpha) or not 0 < self.alpha < float("inf"):
            raise InputError(f"Divergence alpha must be a finite number above 0, not {self.alpha!r}")
        if not is_number(self.beta) or not 0 <= self.beta < 1:
            raise InputError(
                f"Divergence beta must be at least 0 and below 1, not {self.beta!r}; at 1 the student's logits grow without end"
            )
        if self.radius != "midweak" and (not is_number(self.radius) or not 0 < float(self.radius) <= 0.5):
            raise InputError(f"Divergence radius must be 'midweak' or above 0 and at most .5, not {self.radius!r}")
        if is_regressor(self):
            raise LabelsError(
                "Divergence compares class probabilities, and this learner predicts values, where both orders are squared loss; use Naive"
            )

    def fit(self, X: Any, y: Any, *, sample_weight: ArrayLike | None = None) -> Self:
        """Train the student.

        Parameters
        ----------
        X : Rows, or array of shape (n, d)
        y : WeakLabels, or class names (n,), probabilities (n, c)
        sample_weight : array of shape (n,), optional

        Raises
        ------
        InputError
            A parameter out of range.
        LabelsError
            A value task, or labels of other rows, of one class, or covering no row.
        """
        self.check()
        rows, weak, weight = prepare(self, X, y, sample_weight)
        share = self._share()
        return self._train(rows, weak, weight, MAKE[self.kind](self, share) if share > 0 else CrossEntropy())

"""The auxiliary confidence loss (Burns et al. 2023, arXiv 2312.09390, section 4.3 and appendix A.4).

    minimise  mean_i  CE(softmax(z_i), (1 - a) y_i + a h_i),      a = weight * min(progress / ramp, 1)

where h_i is the student's own answer made hard by a threshold that keeps class shares: those of the weak labels (``threshold="weak"``,
as the public code), or half of the rows each way (``threshold="half"``, as the paper). The targets are not differentiated through.

Ours, where the paper leaves it open. More than two classes: h maximises the total log-probability among all assignments with the wanted
class shares, found by dual ascent on one offset a class (for two classes this is the paper's threshold). Uniform shares stand for "half".
The ramp is linear in progress; the public code's jump at its end is a known fault there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from numpy.typing import ArrayLike
from sklearn.base import is_regressor
from torch import Tensor

from outgrow.errors import InputError, LabelsError
from outgrow.learners.objective import CrossEntropy, State, combine
from outgrow.methods.method import OfLearner
from outgrow.tasks.prepare import prepare

__all__ = ["Confidence", "ConfidenceObjective"]

DUAL_STEPS = 200


@dataclass(frozen=True)
class ConfidenceObjective:
    """Cross-entropy against a mix of the weak label and the student's own hardened answer."""

    weight: float
    ramp: float
    threshold: str
    moves: ClassVar[bool] = True

    def start(self, weak: Tensor, weight: Tensor) -> State:
        """Return an empty state: the threshold is found anew each time."""
        return {}

    def targets(
        self, logits: Tensor, weak: Tensor, weight: Tensor, progress: float, state: State
    ) -> tuple[Tensor, Tensor, State]:
        """Return (1 - a) weak + a hardened student."""
        combined = combine(weak)
        share = (combined * weight[..., None]).sum(-2) / weight.sum(-1, keepdim=True)
        if self.threshold == "half":
            share = torch.full_like(share, 1 / share.shape[-1])
        a = self.weight * (min(progress / self.ramp, 1.0) if self.ramp > 0 else 1.0)
        return (1 - a) * combined + a * harden(logits.detach(), share, weight), weight, state

    def rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the cross-entropy of each row."""
        return CrossEntropy().rows(logits, targets)


def harden(logits: Tensor, share: Tensor, weight: Tensor) -> Tensor:
    """Return one-hot answers whose weighted class shares are as wanted.

    Parameters
    ----------
    logits : Tensor of shape (..., n, c)
    share : Tensor of shape (..., c)
        Wanted shares, summing to one.
    weight : Tensor of shape (..., n)

    Returns
    -------
    Tensor of shape (..., n, c)
    """
    score = torch.log_softmax(logits, dim=-1)
    total = weight.sum(-1, keepdim=True)
    if logits.shape[-1] == 2:
        margin = score[..., 1] - score[..., 0]
        order = torch.argsort(margin, dim=-1, descending=True, stable=True)
        passed = torch.gather(weight, -1, order).cumsum(-1)
        want = share[..., 1:] * total
        # A row is positive when less than half of its own weight lies past the wanted share.
        first = passed - 0.5 * torch.gather(weight, -1, order) <= want
        positive = torch.zeros_like(first).scatter(-1, order, first)
        return torch.stack([~positive, positive], dim=-1).to(logits.dtype)
    offset = torch.zeros_like(share)
    spread = (score.amax(-1) - score.amin(-1)).amax(-1, keepdim=True).clamp(min=1e-6)
    best, least = offset, torch.full_like(share[..., :1], torch.inf)
    for step in range(DUAL_STEPS):
        answer = torch.nn.functional.one_hot((score + offset[..., None, :]).argmax(-1), share.shape[-1]).to(
            logits.dtype
        )
        got = (answer * weight[..., None]).sum(-2) / total
        miss = (share - got).abs().sum(-1, keepdim=True)
        best, least = torch.where(miss < least, offset, best), torch.minimum(miss, least)
        offset = offset + spread * (share - got) / (1 + step) ** 0.5
    return torch.nn.functional.one_hot((score + best[..., None, :]).argmax(-1), share.shape[-1]).to(logits.dtype)


class Confidence(OfLearner):
    """Train the learner on weak labels mixed with its own confident answers.

    Parameters
    ----------
    learner : learner, optional
        Default :class:`~outgrow.learners.linear.LinearHead`.
    weight : float, default 0.75
        Share of the student's own answers once the ramp is over, in [0, 1). 0 is :class:`~outgrow.methods.naive.Naive`, bit for bit.
    ramp : float, default 0.2
        Share of training over which the weight grows from 0, in [0, 1].
    threshold : {"weak", "half"}, default "weak"
        Class shares that the hardened answers keep.

    References
    ----------
    Burns et al. 2023, "Weak-to-Strong Generalization", arXiv 2312.09390, section 4.3, appendix A.4.
    """

    paper = "burns2023"
    truth = "none"

    def __init__(self, learner: Any = None, weight: float = 0.75, ramp: float = 0.2, threshold: str = "weak"):
        self.learner = learner
        self.weight = weight
        self.ramp = ramp
        self.threshold = threshold

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
            A weight outside [0, 1), a ramp outside [0, 1], an unknown threshold.
        LabelsError
            A value task, or labels of other rows, of one class, or covering no row.
        """
        if not 0 <= self.weight < 1:
            raise InputError(f"Confidence weight must be at least 0 and below 1, not {self.weight}")
        if not 0 <= self.ramp <= 1:
            raise InputError(f"Confidence ramp must be between 0 and 1, not {self.ramp}")
        if self.threshold not in ("weak", "half"):
            raise InputError(f"Confidence threshold must be 'weak' or 'half', not {self.threshold!r}")
        if is_regressor(self):
            raise LabelsError(
                "Confidence hardens class answers, and this learner predicts values; use Naive for a value task"
            )
        rows, weak, weight = prepare(self, X, y, sample_weight)
        moving = ConfidenceObjective(self.weight, self.ramp, self.threshold)
        return self._train(rows, weak, weight, moving if self.weight > 0 else CrossEntropy())

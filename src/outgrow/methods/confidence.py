"""The auxiliary confidence loss (Burns et al. 2023, arXiv 2312.09390, section 4.3 and appendix A.4).

    minimise  mean_i  CE(softmax(z_i), (1 - a) y_i + a h_i),      a = weight * min(progress / ramp, 1)

where h_i is the student's own answer made hard by a threshold that keeps class shares: those of the weak labels (``threshold="weak"``,
as the public code), or half of the rows each way (``threshold="half"``, as the paper). The targets are not differentiated through.

Ours, where the paper leaves it open. More than two classes: h maximises the total log-probability among all assignments with the wanted
class shares, by one offset a class (for two classes this is the paper's threshold). Uniform shares stand for "half". A row on the
threshold, and rows tied with it, are shared out between the classes, so that shares are exact, the order of rows does not matter and a row
of weight two is the same row twice; before anything is learned all rows are tied, and each has the class shares. The ramp is linear in
progress. In the public code a = weight * progress before the ramp's end and jumps to weight there, a known fault: ``legacy_jump=True``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from numpy.typing import ArrayLike
from sklearn.base import is_regressor
from torch import Tensor

from outgrow.errors import InputError, LabelsError, nearest
from outgrow.learners.objective import CrossEntropy, State, combine
from outgrow.methods.method import OfLearner, is_number
from outgrow.tasks.prepare import prepare

__all__ = ["Confidence", "ConfidenceObjective"]

SHARPEST = 1e-4
NEWTON_STEPS = 60
MET = 1e-9
BLANK = 1e-9
TIE = 2.0**40


@dataclass(frozen=True)
class ConfidenceObjective:
    """Cross-entropy against a mix of the weak label and the student's own hardened answer."""

    weight: float
    ramp: float
    threshold: str
    jump: bool = False
    moves: ClassVar[bool] = True
    rows = CrossEntropy.rows

    def start(self, weak: Tensor, weight: Tensor) -> State:
        """Return an empty state: the threshold is found anew each time."""
        return {}

    def targets(
        self, logits: Tensor, weak: Tensor, weight: Tensor, progress: float, state: State
    ) -> tuple[Tensor, Tensor, State]:
        """Return (1 - a) weak + a hardened student."""
        # A row that no supervisor covers has weight 0 and a NaN label, which would spoil every sum.
        combined = torch.where(weight[..., None] > 0, combine(weak), 0.0)
        total = weight.sum(-1, keepdim=True)
        share = (combined * weight[..., None]).sum(-2) / torch.where(total > 0, total, 1.0)
        if self.threshold == "half":
            share = torch.full_like(share, 1 / share.shape[-1])
        a = self.weight * self._rise(progress)
        if a == 0:
            return combined, weight, state
        return (1 - a) * combined + a * harden(logits.detach(), share, weight), weight, state

    def _rise(self, progress: float) -> float:
        if self.jump:
            return 1.0 if progress > self.ramp else progress
        return min(progress / self.ramp, 1.0) if self.ramp > 0 else 1.0


def harden(logits: Tensor, share: Tensor, weight: Tensor) -> Tensor:
    """Return one-hot answers whose weighted class shares are as wanted; rows on a threshold are shared out.

    Parameters
    ----------
    logits : Tensor of shape (..., n, c)
    share : Tensor of shape (..., c)
        Wanted shares, summing to one.
    weight : Tensor of shape (..., n)
        A row of weight zero is answered like the others and counts for nothing.

    Returns
    -------
    Tensor of shape (..., n, c)
        Each row sums to one. With two classes at most the tied rows of one logit difference are not one-hot; with more, rows whose two
        best answers are closer than about 1e-3 of the spread of the logits.
    """
    n, c = logits.shape[-2:]
    lead = logits.shape[:-2]
    scores = torch.log_softmax(logits.to(torch.float64), dim=-1).reshape(-1, n, c)
    shares = share.to(torch.float64).expand(*lead, c).reshape(-1, c)
    weights = weight.to(torch.float64).expand(*lead, n).reshape(-1, n)
    one = _cut if c == 2 else _assign
    answers = [one(*given) for given in zip(scores, shares, weights, strict=True)]
    return torch.stack(answers).reshape(logits.shape).to(logits.dtype)


def _cut(score: Tensor, share: Tensor, weight: Tensor) -> Tensor:
    """Answer two classes: positive above the threshold; the group of rows tied on it has the fraction that is left."""
    margin = score[:, 1] - score[:, 0]
    # Equal rows may differ in the last bits of a matrix product, by where they stand in it.
    unit = float(margin[weight > 0].abs().amax()) / TIE if (weight > 0).any() else 0.0
    levels, group = torch.unique(torch.round(margin / unit) if unit > 0 else margin, return_inverse=True)
    mass = torch.zeros_like(levels).index_add_(0, group, weight)
    above = mass.sum() - mass.cumsum(0)
    left = share[1] * mass.sum() - above
    positive = torch.where(mass > 0, left / torch.where(mass > 0, mass, 1.0), (left > 0).to(mass.dtype)).clamp(0, 1)[
        group
    ]
    return torch.stack([1 - positive, positive], dim=-1)


def _assign(score: Tensor, share: Tensor, weight: Tensor) -> Tensor:
    """Answer c classes: softmax((score + offset) / t) for small t, the offsets such that shares are met.

    The offsets minimise the smooth convex dual sum_i w_i t logsumexp((score_i + offset) / t) - share . offset by damped Newton steps, t
    falling by a factor of four from the spread of the scores to 1e-4 of it. A class of share zero is never answered.
    """
    wanted = share > 0
    if not weight.sum() > 0:
        return share.expand_as(score).clone()
    # Rows of weight zero are left out of every sum, where they could change a last bit.
    alive = weight > 0
    s, mass, goal = score[alive][:, wanted], weight[alive] / weight[alive].sum(), share[wanted] / share.sum()
    spread = float((s.amax(-1) - s.amin(-1)).amax())
    offset = torch.zeros_like(goal)
    tied = spread < BLANK
    t = 1.0 if tied else spread
    while True:
        offset = _newton(s, mass, goal, offset, t)
        if tied or t <= SHARPEST * spread:
            break
        t = max(t / 4, SHARPEST * spread)
    out = torch.zeros_like(score)
    out[:, wanted] = torch.softmax((score[:, wanted] + offset) / t, dim=-1)
    return out


def _newton(s: Tensor, mass: Tensor, goal: Tensor, offset: Tensor, t: float) -> Tensor:
    def dual(at: Tensor) -> Tensor:
        return t * (mass * torch.logsumexp((s + at) / t, dim=-1)).sum() - goal @ at

    damp, now = 1e-9, dual(offset)
    eye = torch.eye(len(goal), dtype=s.dtype)
    for _ in range(NEWTON_STEPS):
        p = torch.softmax((s + offset) / t, dim=-1)
        held = mass @ p
        miss = goal - held
        if miss.abs().sum() < MET:
            break
        curve = (torch.diag(held) - p.T @ (mass[:, None] * p)) / t
        for _ in range(NEWTON_STEPS):
            # Adding one number to all offsets changes nothing; the mean is held at zero.
            step = torch.linalg.solve(curve + (damp / t) * eye + 1 / (t * len(goal)), miss)
            step = step - step.mean()
            then = dual(offset + step)
            if then <= now - 1e-4 * (miss @ step):
                offset, now, damp = offset + step, then, max(damp / 10, 1e-9)
                break
            damp = damp * 10
        else:
            break
    return offset


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
    legacy_jump : bool, default False
        The ramp of the public code, to repeat its results.

    References
    ----------
    Burns et al. 2023, "Weak-to-Strong Generalization", arXiv 2312.09390, section 4.3, appendix A.4.
    """

    paper = "burns2023"
    truth = "none"
    off: ClassVar[dict[str, Any]] = {"weight": 0}

    def __init__(
        self,
        learner: Any = None,
        weight: float = 0.75,
        ramp: float = 0.2,
        threshold: str = "weak",
        legacy_jump: bool = False,
    ):
        self.learner = learner
        self.weight = weight
        self.ramp = ramp
        self.threshold = threshold
        self.legacy_jump = legacy_jump

    def check(self) -> None:
        """Raise when a parameter is out of range, or the learner predicts values."""
        if not is_number(self.weight) or not 0 <= self.weight < 1:
            raise InputError(f"Confidence weight must be a number of at least 0 and below 1, not {self.weight!r}")
        if not is_number(self.ramp) or not 0 <= self.ramp <= 1:
            raise InputError(f"Confidence ramp must be a number between 0 and 1, not {self.ramp!r}")
        if self.threshold not in ("weak", "half"):
            raise InputError(
                f"Confidence threshold must be 'weak' or 'half', not {self.threshold!r}{nearest(str(self.threshold), ('weak', 'half'))}"
            )
        if not isinstance(self.legacy_jump, bool):
            raise InputError(f"Confidence legacy_jump must be true or false, not {self.legacy_jump!r}")
        if is_regressor(self):
            raise LabelsError(
                "Confidence hardens class answers, and this learner predicts values; use Naive for a value task"
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
        moving = ConfidenceObjective(self.weight, self.ramp, self.threshold, self.legacy_jump)
        return self._train(rows, weak, weight, moving if self.weight > 0 else CrossEntropy())

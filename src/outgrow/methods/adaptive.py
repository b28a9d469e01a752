"""Adaptive confidence (Guo et al. 2024, AdaptConf, arXiv 2402.03749), from its public code.

    minimise  mean_i  CE((1 - a_i) y_i + a_i h_i, p_i),    a_i = weight * rise * beta_i,    rise = min(progress / ramp, 1)
    beta = exp(e_s / T) / (exp(e_s / T) + exp(e_t / T)),   e_s = -log p[h],   e_t = -log p[argmax y]

h is the student's own best class, one-hot. beta is 1/2 where student and weak label name one class, and falls to 0 as the student becomes
sure of another: as coded, ``follow="weak"``, a confident disagreement is decided for the weak label. The paper's words may be read the
other way round; ``follow="student"`` puts 1 - beta in beta's place. Targets are not differentiated through.

The public code learns from true labels beside (all but its few-shot runs); here there are none. Its distillation temperature tau is 1. T is
.5, 4 or 8 there by task; 1 is RAVEN's choice for weak labels. The ramp over the first quarter is that of its few-shot and noisy-label
variants, and the default here (ours), because an exact learner has no answer of its own before its first solve.
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

__all__ = ["AdaptiveConfidence", "AdaptiveObjective"]

FOLLOW = ("weak", "student")


@dataclass(frozen=True)
class AdaptiveObjective:
    """Cross-entropy against a mix of weak label and own answer, the share set row by row."""

    weight: float = 1.0
    ramp: float = 0.25
    temperature: float = 1.0
    follow: str = "weak"
    moves: ClassVar[bool] = True
    rows = CrossEntropy.rows

    def start(self, weak: Tensor, weight: Tensor) -> State:
        """Return an empty state."""
        return {}

    def targets(
        self, logits: Tensor, weak: Tensor, weight: Tensor, progress: float, state: State
    ) -> tuple[Tensor, Tensor, State]:
        """Return (1 - a) weak + a own answer."""
        # A row that counts for nothing may have a NaN label.
        y = torch.where(weight[..., None] > 0, combine(weak), 0.0)
        rise = min(progress / self.ramp, 1.0) if self.ramp > 0 else 1.0
        if rise == 0:
            return y, weight, state
        log_p = torch.log_softmax(logits.detach(), dim=-1)
        sure, own = log_p.max(-1, keepdim=True)
        apart = sure - log_p.gather(-1, y.argmax(-1, keepdim=True))
        beta = torch.sigmoid(-apart / self.temperature)
        a = self.weight * rise * (beta if self.follow == "weak" else 1 - beta)
        return (1 - a) * y + a * torch.zeros_like(y).scatter(-1, own, 1.0), weight, state


class AdaptiveConfidence(OfLearner):
    """Train the learner on weak labels mixed with its own answers, by how the two compare on each row.

    Parameters
    ----------
    learner : learner, optional
        Default :class:`~outgrow.learners.linear.LinearHead`.
    weight : float, default 1
        Multiplies the share of the student's own answers, in [0, 1]. 0 is :class:`~outgrow.methods.naive.Naive`, bit for bit.
    ramp : float, default .25
        Share of training over which that share grows from 0, in [0, 1].
    temperature : float, default 1
        Above 0; the higher, the less the row's own confidence matters.
    follow : {"weak", "student"}, default "weak"
        Who is followed where the student is sure of another class: "weak" as in the public code, "student" the other reading.

    References
    ----------
    Guo et al. 2024, "Vision Superalignment: Weak-to-Strong Generalization for Vision Foundation Models", arXiv 2402.03749.
    """

    paper = "guo2024"
    truth = "none"
    off: ClassVar[dict[str, Any]] = {"weight": 0}

    def __init__(
        self,
        learner: Any = None,
        weight: float = 1.0,
        ramp: float = 0.25,
        temperature: float = 1.0,
        follow: str = "weak",
    ):
        self.learner = learner
        self.weight = weight
        self.ramp = ramp
        self.temperature = temperature
        self.follow = follow

    def check(self) -> None:
        """Raise when a parameter is out of range, or the learner predicts values."""
        for name in ("weight", "ramp"):
            value = getattr(self, name)
            if not is_number(value) or not 0 <= value <= 1:
                raise InputError(f"AdaptiveConfidence {name} must be a number between 0 and 1, not {value!r}")
        if not is_number(self.temperature) or not 0 < self.temperature < float("inf"):
            raise InputError(
                f"AdaptiveConfidence temperature must be a finite number above 0, not {self.temperature!r}"
            )
        if self.follow not in FOLLOW:
            raise InputError(
                f"AdaptiveConfidence follow must be 'weak' or 'student', not {self.follow!r}{nearest(str(self.follow), FOLLOW)}"
            )
        if is_regressor(self):
            raise LabelsError(
                "AdaptiveConfidence compares class answers, and this learner predicts values; use Naive for a value task"
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
        moving = AdaptiveObjective(self.weight, self.ramp, self.temperature, self.follow)
        return self._train(rows, weak, weight, moving if self.weight > 0 else CrossEntropy())

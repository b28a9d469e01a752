"""Several supervisors made one before (or while) the student learns from them.

    minimise  mean_i  CE(softmax(z_i), T_i),      T_i: what the rule makes of the supervisors' labels of row i

Rules that look at labels alone (:mod:`outgrow.supervisors.votes` has their equations): ``mean``, ``majority``, ``one_coin`` and
``dawid_skene`` (Dawid and Skene 1979), ``triplet`` (Fu et al. 2020, FlyingSquid; recalled). They read hard votes, as these models do; a
supervisor torn between classes casts parts of a vote (ours).

Rules that look at the student as well:

``evidential``, Bayesian WeakS-to-Strong (arXiv 2406.03199; the form below is that of RAVEN's released baseline):

    alpha = relu(z) + 1,      loss = (1 - g) sum_m EDL(alpha, y_m) + g EDL(alpha, hard(student)),      g = 1/2

where EDL is the evidential loss of Sensoy et al. 2018 (recalled) with its KL term growing with progress. Ours: softplus for relu, because
an exact solver needs a smooth loss; of its three forms the logarithmic one, y . (log sum(alpha) - log alpha); the mean over the supervisors
that cover a row for the sum; g grows with progress too, since a student that has seen nothing has no answer. The KL term is left out: with
one minimisation a stage it has nothing to anneal, and the penalty bounds the evidence. The loss is scaled so that near zero logits a
penalty chosen for cross-entropy weighs the same; without that the head stays at the commonest class and the student confirms it.

``co_supervised``, co-supervised learning (arXiv 2402.15505; from a secondary source, so the formula is ours): stages of training take turns
with assignment. Each row is given the one supervisor whose label fits the student's answer best (least cross-entropy), and a row whose
assigned label and student name different classes is left out of that stage. All supervisors count in the first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import is_regressor
from torch import Tensor

from outgrow.errors import InputError, LabelsError, nearest
from outgrow.learners.objective import CrossEntropy, Objective, Squared, State, combine
from outgrow.methods.method import OfLearner
from outgrow.supervisors.votes import LabelModel, confusions, majority, one_coin, triplet, votes_of
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.prepare import prepare

__all__ = ["CoSupervisedObjective", "Ensemble", "EvidentialObjective", "relabelled"]

MODELS: Mapping[str, Callable[..., LabelModel]] = {
    "one_coin": one_coin,
    "dawid_skene": confusions,
    "triplet": triplet,
}
SELF = 0.5
AT_ZERO = 0.5 / (1 + math.log(2))
"""Slope of log(softplus(z) + 1) at z = 0."""


def _combined(weak: Tensor, weight: Tensor) -> Tensor:
    # A row that no supervisor covers has weight 0 and a NaN label, which would spoil every sum.
    return torch.where(weight[..., None] > 0, combine(weak), 0.0)


def _answer(logits: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(logits.argmax(dim=-1), logits.shape[-1]).to(logits.dtype)


@dataclass(frozen=True)
class EvidentialObjective:
    """Evidential loss against the supervisors and the student's own answer."""

    moves: ClassVar[bool] = True

    def start(self, weak: Tensor, weight: Tensor) -> State:
        """Return an empty state."""
        return {}

    def targets(
        self, logits: Tensor, weak: Tensor, weight: Tensor, progress: float, state: State
    ) -> tuple[Tensor, Tensor, State]:
        """Return (1 - g) mean label + g hard answer, g growing to one half."""
        own = SELF * progress
        given = _combined(weak, weight)
        return (given if own == 0 else (1 - own) * given + own * _answer(logits.detach())), weight, state

    def rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return sum_k targets_k (log sum_j alpha_j - log alpha_k), in units in which a penalty weighs as in cross-entropy near zero."""
        alpha = torch.nn.functional.softplus(logits) + 1
        return (targets * (alpha.sum(-1, keepdim=True).log() - alpha.log())).sum(-1) / AT_ZERO**2


@dataclass(frozen=True)
class CoSupervisedObjective(CrossEntropy):
    """Cross-entropy against the one supervisor of each row that fits the student best, where the two name the same class."""

    moves: ClassVar[bool] = True

    def targets(
        self, logits: Tensor, weak: Tensor, weight: Tensor, progress: float, state: State
    ) -> tuple[Tensor, Tensor, State]:
        """Return assigned labels, and weight zero where the student names another class."""
        given = _combined(weak, weight)
        if progress == 0:
            return given, weight, state
        log = torch.log_softmax(logits.detach(), dim=-1)
        there = ~torch.isnan(weak).any(dim=-1)
        label = torch.where(there[..., None], weak, 0.0)
        cost = torch.where(there, -(label * log[..., None, :]).sum(-1), torch.inf)
        best = cost.argmin(dim=-1)
        chosen = label.gather(-2, best[..., None, None].expand(*best.shape, 1, label.shape[-1]))[..., 0, :]
        # A label that ties classes agrees with a student that names one of them.
        same = chosen.gather(-1, log.argmax(dim=-1, keepdim=True))[..., 0] >= chosen.amax(-1) - 1e-12
        kept = torch.where(same, weight, 0.0)
        return (chosen, kept, state) if float(kept.sum()) > 0 else (given, weight, state)


class Ensemble(OfLearner):
    """Combine the supervisors by a rule, and train the learner on what comes out.

    With one supervisor there is nothing to combine: all rules but ``evidential`` and ``co_supervised`` are then
    :class:`~outgrow.methods.naive.Naive`, bit for bit, as ``mean`` always is.

    Parameters
    ----------
    learner : learner, optional
        Default :class:`~outgrow.learners.linear.LinearHead`.
    rule : {"one_coin", "dawid_skene", "triplet", "majority", "mean", "evidential", "co_supervised"}, default "one_coin"
        A value task has the mean only.

    Attributes
    ----------
    model_ : LabelModel or None
        What the rule believes of the supervisors, where it has a model of them.
    supervisors_ : tuple of str
        Their names.

    References
    ----------
    Dawid and Skene 1979, "Maximum likelihood estimation of observer error-rates using the EM algorithm".
    """

    paper = "dawid1979"
    truth = "none"
    off: ClassVar[dict[str, Any]] = {"rule": "mean"}
    unreduced = True

    RULES: ClassVar[tuple[str, ...]] = ("mean", "majority", *MODELS, "evidential", "co_supervised")

    def __init__(self, learner: Any = None, rule: str = "one_coin"):
        self.learner = learner
        self.rule = rule

    def check(self) -> None:
        """Raise when the rule is unknown, or the learner predicts values and the rule votes on classes."""
        if self.rule not in self.RULES:
            raise InputError(
                f"Ensemble rule must be one of {list(self.RULES)}, not {self.rule!r}{nearest(str(self.rule), self.RULES)}"
            )
        if is_regressor(self) and self.rule != "mean":
            raise LabelsError(
                f"Ensemble rule {self.rule!r} combines class votes, and this learner predicts values; use rule='mean'"
            )

    def fit(self, X: Any, y: Any, *, sample_weight: ArrayLike | None = None) -> Self:
        """Combine, then train the student.

        Parameters
        ----------
        X : Rows, or array of shape (n, d)
        y : WeakLabels, or class names (n,), probabilities (n, c), values (n,) for ``rule="mean"``
        sample_weight : array of shape (n,), optional

        Raises
        ------
        InputError
            An unknown rule.
        LabelsError
            A value task with a rule for classes, or labels of other rows, of one class, or covering no row.
        """
        self.check()
        rows, weak, weight = prepare(self, X, y, sample_weight)
        self.model_: LabelModel | None = None
        self.supervisors_ = tuple(s.name for s in weak.sources)
        objective: Objective = Squared() if is_regressor(self) else CrossEntropy()
        if self.rule == "evidential":
            objective = EvidentialObjective()
        elif self.rule == "co_supervised":
            objective = CoSupervisedObjective()
        elif self.rule != "mean" and weak.supervisors > 1:
            weak = self._vote(weak, weight)
        return self._train(rows, weak, weight, objective)

    def said(self) -> dict[str, float]:
        """Return how often each supervisor is thought right, where the rule has a model of them."""
        if self.model_ is None:
            return {}
        found = zip(self.supervisors_, self.model_.accuracy, strict=True)
        return {f"believed accuracy of {name}": float(a) for name, a in found}

    def _vote(self, weak: WeakLabels, weight: NDArray[np.float64]) -> WeakLabels:
        # Dead rows are left out before anything is computed, so that they change no bit.
        alive = weight > 0
        votes = votes_of(weak.probs[alive], weak.covered[alive])
        if self.rule == "majority":
            made = majority(votes)
        else:
            self.model_ = MODELS[self.rule](votes, weight[alive])
            made = self.model_.posterior(votes)
        return relabelled(weak, alive, made, self.rule)


def relabelled(weak: WeakLabels, alive: NDArray[np.bool_], made: NDArray[np.float64], name: str) -> WeakLabels:
    """Return a table of one source that has the labels made of the living rows."""
    probs = np.full((len(weak), made.shape[1]), 1 / made.shape[1])
    probs[alive] = made
    return weak.relabel(probs, weak.any_covered, name)

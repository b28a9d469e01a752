"""RAVEN: weights of several supervisors, learned with the student (Jeon, Sobotka, Choi, Brbic 2025, arXiv 2510.21332).

    minimise over student and w  mean_i  CE(q_i, p_i),      q_i = sum_k w_k Q_ik / sum_k w_k,      w on the simplex
    w <- normalised max(w - rate * d(progress) * g, 1e-6),  g_k = mean_i (CE(Q_ik, p_i) - CE(q_i, p_i))

in two phases: while progress is below ``easy`` the student learns only from rows on which all supervisors name one class, and w stays
uniform; then from all rows, and w moves. The paper's text was not to be had; this follows the authors' released code (clip and renormalise,
no regulariser on w). What the paper's tables were run with is not known.

Known faults, of the rule itself. The cross-entropy of a supervisor against the student is their divergence plus the supervisor's own
entropy, so with ``labels="soft"`` (as released) a weight is a reward for confidence too, and an over-confident supervisor wins over a
right one; ``"hard"`` and ``"matched"`` take that reward away. And where the student was solved exactly on the easy rows, it is sure of
much that is wrong, and the cross-entropy counts little else: on shifted digits it ranked supervisors the wrong way round, where their
bounded counterpart, ``by="agreement"``, g_k = mean_i (q_i - Q_ik) . p_i, ranked them rightly. These, and their being the defaults, are
ours; ``labels="soft", by="loss"`` is the paper's code.

Ours, too. The rate is per unit of progress, and a long step is taken in short ones, so that learners of few and of many steps agree.
A supervisor's gradient is the mean over the rows where it and another speak: coverage does not set its speed. Where all cover all rows
that is the released gradient. A row is easy only if two supervisors at least cover it. The student's loss is the mean over the rows that
count; the released code divides by the batch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import is_regressor
from torch import Tensor

from outgrow.errors import InputError, LabelsError, nearest
from outgrow.learners.objective import CrossEntropy, State, weak_tensor
from outgrow.methods.method import OfLearner, is_number
from outgrow.tasks.needs import Needs
from outgrow.tasks.prepare import prepare

__all__ = ["Raven", "RavenObjective"]

LABELS = ("matched", "soft", "hard")
SCORES = ("agreement", "loss")
LEAST = 1e-6
STEP = 0.05
COLDEST, HOTTEST, HALVINGS = 1 / 64, 64.0, 60


@dataclass(frozen=True)
class RavenObjective:
    """Cross-entropy against the weighted mean of the supervisors; their weights are the state."""

    rate: float
    easy: float
    labels: str
    by: str = "loss"
    moves: ClassVar[bool] = True

    def start(self, weak: Tensor, weight: Tensor) -> State:
        """Return uniform weights (..., m), the progress so far, and the temperatures (..., m) that match entropies."""
        m = weak.shape[-2]
        uniform = torch.full((*weak.shape[:-3], m), 1 / m, dtype=weak.dtype)
        heat = matching(weak, weight) if self.labels == "matched" else torch.ones_like(uniform)
        return {"weights": uniform, "progress": torch.zeros(1, dtype=weak.dtype), "temperature": heat}

    def targets(
        self, logits: Tensor, weak: Tensor, weight: Tensor, progress: float, state: State
    ) -> tuple[Tensor, Tensor, State]:
        """Move the weights by what progress has been made since the last call, and mix the labels by them."""
        cover = ~weak[..., 0].isnan()
        labels = self._labels(weak, state["temperature"])
        w = state["weights"]
        moved = progress - max(float(state["progress"]), self.easy)
        if moved > 0 and self.rate > 0:
            loss = self._losses(labels, logits.detach())
            steps = math.ceil(moved * self.rate / STEP)
            for _ in range(steps):
                w = w - moved * self.rate / steps * slope(w, loss, cover, weight)
                w = w.clamp_min(LEAST)
                w = w / w.sum(-1, keepdim=True)
        mixed = (_shares(w, cover)[..., None] * labels).sum(-2)
        counted = weight * unanimous(weak) if progress < self.easy else weight
        return mixed, counted, {**state, "weights": w, "progress": torch.full_like(state["progress"], progress)}

    def _losses(self, labels: Tensor, logits: Tensor) -> Tensor:
        """Return (..., n, m) how far each supervisor's label is from the student's answer."""
        if self.by == "agreement":
            return 1 - (labels * torch.softmax(logits, dim=-1)[..., None, :]).sum(-1)
        return -(labels * torch.log_softmax(logits, dim=-1)[..., None, :]).sum(-1)

    def _labels(self, weak: Tensor, temperature: Tensor) -> Tensor:
        """Return the labels as they are, hardened or tempered; zeros where a supervisor abstains."""
        there = torch.nan_to_num(weak, nan=0.0)
        if self.labels == "hard":
            top = (there == there.amax(-1, keepdim=True)) & (there > 0)
            return top / top.sum(-1, keepdim=True).clamp_min(1)
        return tempered(weak, temperature) if self.labels == "matched" else there

    def rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the cross-entropy of each row."""
        return CrossEntropy().rows(logits, targets)


def _shares(w: Tensor, cover: Tensor) -> Tensor:
    """Return (..., n, m) each supervisor's part in a row's label; zeros on a row without any."""
    part = w[..., None, :] * cover
    total = part.sum(-1, keepdim=True)
    return part / torch.where(total > 0, total, 1.0)


def slope(w: Tensor, loss: Tensor, cover: Tensor, weight: Tensor) -> Tensor:
    """Return (..., m) the mean by which a supervisor's loss exceeds the mix's, over the rows where it and another speak."""
    excess = loss - (_shares(w, cover) * loss).sum(-1, keepdim=True)
    counts = weight[..., None] * (cover & (cover.sum(-1, keepdim=True) > 1))
    total = counts.sum(-2)
    return (torch.where(counts > 0, excess, 0.0) * counts).sum(-2) / torch.where(total > 0, total, 1.0)


def unanimous(weak: Tensor) -> Tensor:
    """Return (..., n) where two supervisors at least cover a row, and all that do name the same class."""
    cover = ~weak[..., 0].isnan()
    named = torch.nan_to_num(weak, nan=0.0).argmax(-1)
    votes = torch.nn.functional.one_hot(named, weak.shape[-1]) * cover[..., None]
    count = cover.sum(-1)
    return (count > 1) & (votes.sum(-2).amax(-1) == count)


def tempered(weak: Tensor, temperature: Tensor) -> Tensor:
    """Return probabilities to the power 1 / temperature, one a supervisor, normalised; zeros where a supervisor abstains.

    A zero counts as 1e-6, or certain rows could not be softened; in a class that a supervisor never names it stays a zero.
    """
    there = torch.nan_to_num(weak, nan=0.0)
    named = there.sum(-3, keepdim=True) > 0
    logs = torch.where(named, there.clamp_min(LEAST).log(), -torch.inf) / temperature[..., None, :, None]
    logs = torch.where(named.any(-1, keepdim=True), logs, 0.0)
    return torch.where(weak.isnan(), 0.0, torch.softmax(logs, dim=-1))


def matching(weak: Tensor, weight: Tensor) -> Tensor:
    """Return (..., m) temperatures under which all supervisors have one mean entropy: the mean of their own, by bisection."""
    counts = weight[..., None] * ~weak[..., 0].isnan()
    total = counts.sum(-2)
    shares = counts / torch.where(total > 0, total, 1.0)[..., None, :]

    def entropy(labels: Tensor) -> Tensor:
        return -(shares * torch.special.xlogy(labels, labels).sum(-1)).sum(-2)

    speaks = total > 0
    own = entropy(torch.nan_to_num(weak, nan=0.0))
    goal = (own * speaks).sum(-1, keepdim=True) / speaks.sum(-1, keepdim=True).clamp_min(1)
    low, high = torch.full_like(own, math.log(COLDEST)), torch.full_like(own, math.log(HOTTEST))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        hot = entropy(tempered(weak, middle.exp())) > goal
        low, high = torch.where(hot, low, middle), torch.where(hot, middle, high)
    return ((low + high) / 2).exp()


class Raven(OfLearner):
    """Train the learner on several supervisors, and weigh them meanwhile by how well the student can follow each.

    Parameters
    ----------
    learner : learner, optional
        Default :class:`~outgrow.learners.linear.LinearHead`.
    rate : float, default 4.0
        Speed of the weights per unit of progress, at least 0. 0: they stay uniform.
    easy : float, default 0.4
        Share of training that sees only rows on which the supervisors agree, in [0, 1).
    labels : {"hard", "matched", "soft"}, default "hard"
        The named class alone; probabilities at one common mean entropy; or as they are (as released). With ``rate=0, easy=0,
        labels="soft"`` this is :class:`~outgrow.methods.naive.Naive`, bit for bit.
    by : {"agreement", "loss"}, default "agreement"
        What moves the weights: the student's probability of a supervisor's label, or its cross-entropy against it (as released).

    Attributes
    ----------
    weights_ : ndarray of shape (m,)
        On the simplex.
    supervisors_ : tuple of str
        Their names.

    References
    ----------
    Jeon, Sobotka, Choi, Brbic 2025, "Weak-to-Strong Generalization under Distribution Shifts", arXiv 2510.21332.
    """

    paper = "jeon2025"
    truth = "none"
    off: ClassVar[dict[str, Any]] = {"rate": 0, "easy": 0, "labels": "soft"}

    def __init__(
        self,
        learner: Any = None,
        rate: float = 4.0,
        easy: float = 0.4,
        labels: str = "hard",
        by: str = "agreement",
    ):
        self.learner = learner
        self.rate = rate
        self.easy = easy
        self.labels = labels
        self.by = by

    def needs(self) -> Needs:
        """Return what ``fit`` must be given beyond rows and labels: the learner's views, and two supervisors."""
        return super().needs() | Needs(supervisors=2)

    def check(self) -> None:
        """Raise when a parameter is out of range, or the learner predicts values."""
        if not is_number(self.rate) or not 0 <= self.rate < np.inf:
            raise InputError(f"Raven rate must be a number of at least 0, not {self.rate!r}")
        if not is_number(self.easy) or not 0 <= self.easy < 1:
            raise InputError(f"Raven easy must be a number of at least 0 and below 1, not {self.easy!r}")
        if self.labels not in LABELS:
            raise InputError(f"Raven labels is {self.labels!r}{nearest(str(self.labels), LABELS)}")
        if self.by not in SCORES:
            raise InputError(f"Raven by is {self.by!r}{nearest(str(self.by), SCORES)}")
        if is_regressor(self):
            raise LabelsError("Raven asks which rows get one class, and this learner predicts values; use Naive")

    def fit(self, X: Any, y: Any, *, sample_weight: ArrayLike | None = None) -> Self:
        """Train the student and the weights.

        Parameters
        ----------
        X : Rows, or array of shape (n, d)
        y : WeakLabels of two supervisors or more
        sample_weight : array of shape (n,), optional

        Raises
        ------
        InputError
            A parameter out of range, or fewer than two supervisors.
        LabelsError
            A value task; a supervisor that covers no row; no easy rows, or easy rows of one class.
        """
        self.check()
        rows, weak, weight = prepare(self, X, y, sample_weight)
        self.needs().check(type(self).__name__, rows.views, weak.sources)
        counts = weak[weight > 0]
        silent = np.flatnonzero(~counts.covered.any(axis=0))
        if len(silent):
            raise LabelsError(
                f"supervisor {weak.sources[silent[0]].name!r} covers none of the {len(counts)} rows that count; leave it out"
            )
        self._check_easy(counts)
        off = self.rate == 0 and self.easy == 0 and self.labels == "soft"
        self._train(
            rows, weak, weight, CrossEntropy() if off else RavenObjective(self.rate, self.easy, self.labels, self.by)
        )
        m = weak.supervisors
        self.weights_ = np.asarray(self.student_.state_.get("weights", np.full(m, 1 / m)))
        self.supervisors_ = tuple(s.name for s in weak.sources)
        return self

    def said(self) -> dict[str, float]:
        """Return the supervisors' weights."""
        return {f"weight of {name}": float(w) for name, w in zip(self.supervisors_, self.weights_, strict=True)}

    def _check_easy(self, weak: Any) -> None:
        if self.easy == 0:
            return
        easy = unanimous(weak_tensor(weak)).numpy()
        named = (
            np.unique(weak[easy].one(np.zeros(len(weak.classes)))[0].argmax(axis=1)) if easy.any() else np.empty(0, int)
        )
        if len(named) < 2:
            left = f"on class {str(weak.classes[named[0]])!r} only" if len(named) else "on no row"
            raise LabelsError(f"the supervisors {weak.label!r} agree {left}, and Raven starts there; set easy=0")

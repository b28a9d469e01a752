"""Fine-tuned students: any transformers model with a new head, trained whole, in part, or by LoRA (Hu et al. 2022, arXiv 2106.09685).

Burns et al. 2023 (arXiv 2312.09390) name the field with such students. Their public code sets what is free here: dropout off, a head that
starts at zero on the last token, batches of 32 rows, a rate that falls to zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin, RegressorMixin

from outgrow.errors import InputError
from outgrow.learners.finetune_base import FineTuned
from outgrow.learners.objective import CrossEntropy, Objective, Squared
from outgrow.tasks.labels import WeakLabels

__all__ = ["FineTune", "FineTuneValue"]

NEVER = -30.0


class FineTune(ClassifierMixin, FineTuned):
    """A fine-tuned classifier of texts.

    Parameters
    ----------
    model : str
        ``"smollm2"``, ``"gemma3"``, ``"minilm"``, a Hub id ``org/name``, or a folder with a transformers model.
    on : str
        The view to read: texts, or token ids (:class:`~outgrow.encoders.tokens.TokenEncoder`).
    lora : int, optional
        Rank of adapters on all linear maps of the chosen layers, their factor 2. None trains the weights themselves.
    layers : str
        ``"all"``, ``"last n"`` (the last n blocks and the norm after them), or ``"head"``.
    epochs : int
    lr : float, optional
        Default by size, see :func:`~outgrow.learners.finetune_check.rate_for`.
    batch : int
        Rows of a logical batch, one step of AdamW each.
    max_tokens : int
        Longer texts are truncated, never dropped.
    pooling : {"last", "mean"}, optional
        What the head reads. Default: the last token of a model that reads from left to right, the mean over tokens of others.
    schedule : {"linear", "cosine", "constant"}
        The rate after its warm-up.
    warmup : float
        Share of the steps over which the rate rises.
    weight_decay : float
    dtype : {"auto", "float32", "bfloat16"}
        Of the arithmetic; what is trained is float32. ``auto`` is bfloat16 where the processor has it in hardware.
    gradient_checkpointing : bool
        Less memory, about a third more work.
    batch_tokens : int
        Padded tokens read at once: a logical batch is cut into such parts, and its targets are asked for once.
    revision : str, optional
        Branch, tag or commit of a Hub id.
    keep : sequence of float
        Shares of training after which the weights are kept, for :meth:`earlier`.
    until : float
        Share of the steps after which training ends, at the rate of a whole training: the student that a whole one was at that moment.
    held_out : float
        Share of the labelled rows, drawn by ``random_state``, that is not learned from: the weak loss on them is watched, and the weights
        of its lowest moment are the student. 0 trains on all rows and takes the last moment.
    looks : int
        How often the held-out rows are looked at, evenly over the training.
    text_epochs : int
        Passes over all texts as a language model, before any label is read; see :mod:`outgrow.learners.finetune_text`.
    checkpoint : float, optional
        Seconds between checkpoints in the cache, 0 after every step; a killed fit that is begun again goes on from the last one, to
        the same result. None keeps none. No part of the fingerprint.
    random_state : int
        Of the order of rows and of the adapters.

    Attributes
    ----------
    classes_ : ndarray of shape (c,)
        The task's classes, always all of them. One that no label supports starts 30 below the others.
    model_ : torch.nn.Module
    loss_ : ndarray of shape (steps,)
        Mean row loss of every logical batch, under the objective's own targets.
    lr_, penalty_, n_iter_ : float, float, int
        The rate used, the weight decay, and the number of steps.
    state_ : dict of str to ndarray
        What the objective carried along.
    looks_ : list of dict
        Of each look at held-out rows: step, share of the training, weak_loss and, for classes, weak_agreement.
    stopped_ : float
        Share of the training after which the weights were taken.
    text_loss_ : ndarray
        Mean loss of a token, by step of the passes over texts.
    fingerprint_ : str

    References
    ----------
    Burns et al. 2023, "Weak-to-Strong Generalization", arXiv 2312.09390. Hu et al. 2022, "LoRA", arXiv 2106.09685.
    """

    classes_: NDArray[Any]

    def _objective(self) -> Objective:
        return CrossEntropy()

    def _ground(self, given: torch.Tensor, weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mass = (given * weight[:, None]).sum(0)
        return torch.where(mass > 0, 0.0, NEVER), torch.ones(len(mass))

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return (n, c) class probabilities, in the order of ``classes_``."""
        from scipy.special import softmax

        return softmax(self.logits(X), axis=1)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return (n,) class names."""
        best = self.logits(X).argmax(axis=1)
        return self.classes_[best]

    def score(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> float:
        """Return the accuracy; against WeakLabels, the agreement with the class their combined label names, on covered rows."""
        if not isinstance(y, WeakLabels):
            return float(super().score(X, y, sample_weight))
        if y.classes is None or not np.array_equal(y.classes, self.classes_):
            raise InputError(
                "the weak labels have other classes than this student was fitted on; score with labels of the same task"
            )
        same = self.logits(X).argmax(axis=1) == y.one()[0].argmax(axis=1)
        there = y.any_covered.astype(np.float64)
        return float(np.average(same, weights=there if sample_weight is None else np.asarray(sample_weight) * there))


class FineTuneValue(RegressorMixin, FineTuned):
    """A fine-tuned model of texts that predicts one value a text; parameters and attributes as in :class:`FineTune`.

    Values are learned in units of their own weighted standard deviation, around their weighted mean.
    """

    def _objective(self) -> Objective:
        return Squared()

    def _ground(self, given: torch.Tensor, weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        share = (weight / weight.sum())[:, None]
        mean = (given * share).sum(0)
        spread = (((given - mean) ** 2) * share).sum(0).sqrt()
        return mean, torch.where(spread > 0, spread, 1.0)

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Return (n,) values."""
        return self.logits(X)[:, 0]

    def score(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> float:
        """Return R²; against WeakLabels, with their combined value on covered rows."""
        if not isinstance(y, WeakLabels):
            return float(super().score(X, y, sample_weight))
        from sklearn.metrics import r2_score

        there = y.any_covered
        weight = None if sample_weight is None else np.asarray(sample_weight)[there]
        return float(r2_score(y.one()[0][there, 0], self.predict(X)[there], sample_weight=weight))

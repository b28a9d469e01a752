"""What fine-tuned students of classes and of values share: learning, reading, files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone, is_regressor
from sklearn.utils.validation import check_is_fitted

from outgrow.encoders.batching import token_batches
from outgrow.encoders.hardware import resolve_dtype
from outgrow.encoders.source import ModelSource
from outgrow.encoders.tokens import TUNABLE, TokenEncoder
from outgrow.errors import InputError, NeedsError
from outgrow.fingerprints import fingerprint
from outgrow.learners.finetune_check import check_parameters, rate_for
from outgrow.learners.finetune_checkpoint import checkpoints, crew, device
from outgrow.learners.finetune_files import load, save
from outgrow.learners.finetune_loop import Course, forward, mark, train
from outgrow.learners.finetune_model import Pooled, build, put_back
from outgrow.learners.objective import Objective, combine, weak_tensor
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.needs import Needs
from outgrow.tasks.prepare import prepare
from outgrow.tasks.rows import INPUTS, Rows, TokenIds

__all__ = ["FineTuned"]

_READING = 4


class FineTuned(BaseEstimator):
    """What students of classes and of values share."""

    model: str
    on: str
    model_: Pooled
    # Methods that look at a learner's features ask for this.
    reads_inputs = True

    def __init__(
        self,
        model: str = "smollm2",
        *,
        on: str = INPUTS,
        lora: int | None = None,
        layers: str = "all",
        epochs: int = 1,
        lr: float | None = None,
        batch: int = 32,
        max_tokens: int = 256,
        pooling: str | None = None,
        schedule: str = "linear",
        warmup: float = 0.1,
        weight_decay: float = 0.0,
        dtype: str = "auto",
        gradient_checkpointing: bool = False,
        batch_tokens: int = 4096,
        revision: str | None = None,
        keep: Sequence[float] = (),
        checkpoint: float | None = 60.0,
        random_state: int = 0,
    ):
        self.model = model
        self.on = on
        self.lora = lora
        self.layers = layers
        self.epochs = epochs
        self.lr = lr
        self.batch = batch
        self.max_tokens = max_tokens
        self.pooling = pooling
        self.schedule = schedule
        self.warmup = warmup
        self.weight_decay = weight_decay
        self.dtype = dtype
        self.gradient_checkpointing = gradient_checkpointing
        self.batch_tokens = batch_tokens
        self.revision = revision
        self.keep = keep
        self.checkpoint = checkpoint
        self.random_state = random_state

    # --- what it is --------------------------------------------------------------------------------------------------------------

    def needs(self) -> Needs:
        """Return the view it reads; it needs nothing else."""
        return Needs(views=frozenset({self.on}))

    def check(self) -> None:
        """Raise when a parameter is out of range.

        Raises
        ------
        InputError
        """
        check_parameters(self)
        self._reader()

    def _reader(self) -> TokenEncoder:
        return TokenEncoder(self.model, self.max_tokens, self.revision)

    def _source(self) -> ModelSource:
        return ModelSource(self.model, self.revision, packaged=self.model in TUNABLE, what="model to fine-tune")

    def _dtype(self) -> str:
        if self.dtype == "auto" and torch.cuda.is_available():
            return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
        return resolve_dtype(self.dtype)

    def fingerprint(self) -> str:
        """Name the unfitted learner: code, parameters, the model's bytes, and the versions of what trains it."""
        import importlib.metadata

        params = {k: v for k, v in self.get_params(deep=False).items() if k != "checkpoint"}
        with_peft = ("transformers", "peft") if self.lora is not None else ("transformers",)
        versions = [importlib.metadata.version(n) for n in with_peft]
        return fingerprint(type(self), params, self._dtype(), self._source().digest(), versions)

    # --- learning ----------------------------------------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        *,
        objective: Objective | None = None,
        select: Any = None,
    ) -> Self:
        """Learn from rows and weak labels.

        Parameters
        ----------
        X : Rows, or sequence of n str
        y : WeakLabels, class names (n,), probabilities (n, c), or values (n,)
        sample_weight : array of shape (n,), optional
            Only ratios matter. Rows of weight zero, and rows no supervisor covers, are removed first.
        objective : Objective, optional
            Default: cross-entropy, or squared error for values, against the combined weak label. Targets are asked for once a logical
            batch; progress is the step divided by all steps.
        select : object, optional
            Not read: there is no early stopping.

        Raises
        ------
        InputError
            A parameter out of range; labels, rows or weights that do not fit together; a batch that does not fit in memory.
        FetchError, MissingExtra
            When the model, transformers or peft cannot be had.
        """
        del select
        self.check()
        rows, weak, weight = prepare(self, texts_of(X), y, sample_weight)
        objective = self._objective() if objective is None else objective
        self.fingerprint_ = fingerprint("learner", self, rows.key(self.on), weak, weight, objective)
        used = weight > 0
        tokens = self._tokens(rows[used])
        labels, importance = weak_tensor(weak[used]), torch.from_numpy(weight[used])
        outputs = labels.shape[-1]
        together = crew()
        model = self._build(outputs)
        shift, scale = self._ground(combine(labels), importance)
        model.shift.copy_(shift)
        model.scale.copy_(scale)
        model.to(device())
        size = sum(p.numel() for p in model.trunk.parameters())
        self.lr_ = float(self.lr) if self.lr is not None else rate_for(size, self.lora, self.layers)
        with checkpoints(self.fingerprint_, self.checkpoint, together) as keeper:
            done = train(model, tokens, labels, importance, objective, self._course(), keeper=keeper, crew=together)
        self.model_ = model.eval()
        self.penalty_ = float(self.weight_decay)
        self.n_iter_ = done.step
        self.loss_ = np.array(done.losses)
        self.kept_ = done.kept
        self.state_ = {name: value.detach().numpy() for name, value in done.state.items()}
        if weak.classes is not None:
            self.classes_ = np.asarray(weak.classes)
        return self

    def _course(self) -> Course:
        return Course(
            epochs=self.epochs,
            batch=self.batch,
            batch_tokens=self.batch_tokens,
            lr=self.lr_,
            weight_decay=self.weight_decay,
            schedule=self.schedule,
            warmup=self.warmup,
            dtype=self._dtype(),
            seed=self.random_state,
            keep=tuple(self.keep),
        )

    def _build(self, outputs: int) -> Pooled:
        return build(
            self._source(),
            outputs,
            pooling=self.pooling,
            lora=self.lora,
            layers=self.layers,
            dtype=self._dtype(),
            checkpointing=self.gradient_checkpointing,
            seed=self.random_state,
        )

    def _objective(self) -> Objective:
        raise NotImplementedError

    def _ground(self, given: torch.Tensor, weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return shift and scale (c,) of the outputs."""
        raise NotImplementedError

    def _tokens(self, rows: Rows) -> list[NDArray[np.int64]]:
        """Return the token ids of each row, from texts or from a view of token ids."""
        name = rows.name(self.on)
        values = rows.view(name)
        if isinstance(rows.views[name].values, TokenIds):
            return list(values)
        if rows.views[name].matrix:
            raise NeedsError(
                f"{type(self).__name__} reads texts, and view {name!r} holds features; name the texts with on="
            )
        return TokenIds(self._reader().encode(values)[None])[:] if len(values) else []

    def fit_many(
        self,
        X: Any,
        targets: ArrayLike,
        sample_weight: ArrayLike | None = None,
        penalty: ArrayLike | None = None,
        classes: ArrayLike | None = None,
    ) -> list[Self]:
        """Fit k students on the same rows, one after another, by the learner's own fixed objective.

        Parameters
        ----------
        X : Rows, or sequence of n str
        targets : array of shape (k, n, c)
        sample_weight : array of shape (k, n), optional
        penalty : array of shape (k,), optional
            Weight decay of each.
        classes : array of shape (c,), optional
            Default 0, 1, ...

        Returns
        -------
        list of k fitted learners
        """
        rows = texts_of(X)
        if not isinstance(rows, Rows):
            raise NeedsError(f"{type(self).__name__} reads the view {self.on!r}; give Rows that have it")
        t = np.asarray(targets, dtype=np.float64)
        if t.ndim != 3 or t.shape[1] != len(rows):
            raise InputError(f"fit_many needs targets of shape (k, {len(rows)}, c) for these rows; given {t.shape}")
        names = None if is_regressor(self) else np.arange(t.shape[2]) if classes is None else np.asarray(classes)
        weights = None if sample_weight is None else np.broadcast_to(np.asarray(sample_weight), t.shape[:2])
        decays = [None] * len(t) if penalty is None else np.asarray(penalty, dtype=np.float64).tolist()
        made = []
        for j, target in enumerate(t):
            one = clone(self) if decays[j] is None else clone(self).set_params(weight_decay=decays[j])
            there = None if weights is None else weights[j] > 0
            table = WeakLabels.from_probs(
                np.where(np.isfinite(target), target, 1 / t.shape[2]), names, ids=rows.ids, covered=there
            )
            made.append(one.fit(rows, table, None if weights is None else weights[j]))
        return made

    # --- reading -----------------------------------------------------------------------------------------------------------------

    def logits(self, X: Any) -> NDArray[np.float64]:
        """Return (n, c) logits in the order of ``classes_``, or (n, 1) values."""
        check_is_fitted(self, "model_")
        rows = texts_of(X)
        if not isinstance(rows, Rows):
            raise NeedsError(
                f"{type(self).__name__} reads the view {self.on!r}, and X is a bare array; give Rows that have it"
            )
        tokens = self._tokens(rows)
        out = np.zeros((len(tokens), int(self.model_.head.out_features)))
        lengths = np.array([len(t) for t in tokens], dtype=np.int64)
        with torch.inference_mode():
            for part in token_batches(lengths, _READING * self.batch_tokens):
                out[part] = forward(self.model_, [tokens[i] for i in part], self._dtype()).numpy()
        return out

    def earlier(self, share: float) -> Self:
        """Return the student as it was after a share of its training; it can be a supervisor like any fitted model.

        Raises
        ------
        InputError
            When the share is not among ``keep``.
        """
        check_is_fitted(self, "model_")
        step = mark(share, self.n_iter_)
        if share not in tuple(self.keep) or step not in self.kept_:
            raise InputError(
                f"nothing was kept after {share!r} of the training; name it in keep, which is {tuple(self.keep)}"
            )
        made = clone(self)
        model = self._build(int(self.model_.head.out_features))
        put_back(model, self.kept_[step])
        made.model_ = model.to(device()).eval()
        made.n_iter_, made.loss_, made.kept_ = step, self.loss_[:step], {}
        made.lr_, made.penalty_, made.state_ = self.lr_, self.penalty_, {}
        made.fingerprint_ = fingerprint("earlier", self.fingerprint_, step)
        if hasattr(self, "classes_"):
            made.classes_ = self.classes_
        return made

    # --- files -------------------------------------------------------------------------------------------------------------------

    def save(self, folder: Path) -> None:
        """Write what training changed (safetensors), the tokenizer, and JSON that names the model below it; no text."""
        save(self, Path(folder))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote; the model below it is found by its name.

        Raises
        ------
        StoreError
            When the folder holds no student of this kind, or a damaged one.
        InputError
            When the model found under its name has other bytes than the one that was trained.
        """
        return cast("Self", load(cls, Path(folder)))


def texts_of(X: Any) -> Any:
    """Return rows of a plain list of texts; leave everything else."""
    listed = isinstance(X, list | tuple) or (isinstance(X, np.ndarray) and X.ndim == 1 and X.dtype.kind in "OU")
    if listed and len(X) and all(isinstance(t, str) for t in X):
        return Rows.from_arrays(**{INPUTS: list(X)})
    return X

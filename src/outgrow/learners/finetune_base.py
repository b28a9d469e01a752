"""What fine-tuned students of classes and of values share: learning, reading, files."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone
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
from outgrow.learners.finetune_loop import Course, Crew, Progress, forward, mark, pooled, train
from outgrow.learners.finetune_many import fit_each, texts_of
from outgrow.learners.finetune_model import Pooled, build, put_back, trained
from outgrow.learners.finetune_shard import in_pieces, shard
from outgrow.learners.finetune_text import output_matrix, read_texts
from outgrow.learners.finetune_watch import Watch, best_step, held_rows
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
        until: float = 1.0,
        held_out: float = 0.0,
        looks: int = 10,
        text_epochs: int = 0,
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
        self.until = until
        self.held_out = held_out
        self.looks = looks
        self.text_epochs = text_epochs
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
            Not read: early stopping holds out rows of its own (``held_out``).

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
        used = np.flatnonzero(weight > 0)
        held = held_rows(len(used), self.held_out, self.random_state) if self.held_out else np.zeros(len(used), bool)
        used, aside = used[~held], used[held]
        tokens = self._tokens(rows[used])
        labels, importance = weak_tensor(weak[used]), torch.from_numpy(weight[used])
        watch = self._watch(rows[aside], weak[aside], weight[aside]) if len(aside) else None
        outputs = labels.shape[-1]
        together = crew()
        model = self._build(outputs)
        shift, scale = self._ground(combine(labels), importance)
        model.shift.copy_(shift)
        model.scale.copy_(scale)
        model.to(device())
        size = sum(p.numel() for p in model.trunk.parameters())
        model = shard(model, together.size)
        self.lr_ = float(self.lr) if self.lr is not None else rate_for(size, self.lora, self.layers)
        course = self._course()
        pause = None if in_pieces(model) else self.checkpoint
        with checkpoints(self.fingerprint_, pause, together) as keeper, contextlib.ExitStack() as kept:
            self.text_loss_ = np.array(self._read_first(model, rows, together, kept))
            done = train(
                model, tokens, labels, importance, objective, course, keeper=keeper, crew=together, watch=watch
            )
        if in_pieces(model):
            gathered = trained(model)
            model = self._build(outputs).to(device())
            put_back(model, gathered)
        self._settle(model, done)
        self.model_ = model.eval()
        self.penalty_ = float(self.weight_decay)
        self.n_iter_ = done.step
        self.loss_ = np.array(done.losses)
        self.kept_ = done.kept
        self.state_ = {name: value.detach().numpy() for name, value in done.state.items()}
        if weak.classes is not None:
            self.classes_ = np.asarray(weak.classes)
        return self

    def _watch(self, rows: Rows, weak: WeakLabels, weight: NDArray[np.float64]) -> Watch:
        return Watch(
            self._tokens(rows), combine(weak_tensor(weak)), torch.from_numpy(weight), self._objective(), self.looks
        )

    def _read_first(self, model: Pooled, rows: Rows, together: Crew, kept: contextlib.ExitStack) -> list[float]:
        """Read all texts as a language model; its checkpoint stays until the whole fit is done."""
        if not self.text_epochs:
            return []
        if in_pieces(model):
            raise InputError(
                f"{type(self).__name__}: text_epochs is {self.text_epochs}, which a model in pieces cannot do; leave it out"
            )
        output = output_matrix(self._source(), model)
        keeper = kept.enter_context(checkpoints(f"{self.fingerprint_}-text", self.checkpoint, together))
        return read_texts(
            model, output, self._tokens(rows), self._course(), self.text_epochs, keeper=keeper, crew=together
        )

    def _settle(self, model: Pooled, done: Progress) -> None:
        """Go back to the best look, where there were any."""
        best = best_step(done.looks)
        self.total_, self.looks_ = done.total, done.looks
        self.stopped_ = (done.step if best is None else best) / done.total
        if best is not None:
            put_back(model, done.kept[best])
            if best not in {mark(share, done.total) for share in self.keep}:
                del done.kept[best]

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
            until=self.until,
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
        return fit_each(self, texts_of(X), targets, sample_weight, penalty, classes)

    # --- reading -----------------------------------------------------------------------------------------------------------------

    def logits(self, X: Any) -> NDArray[np.float64]:
        """Return (n, c) logits in the order of ``classes_``, or (n, 1) values."""
        check_is_fitted(self, "model_")
        return self._over(X, lambda tokens: forward(self.model_, tokens, self._dtype()), self.model_.head.out_features)

    def _over(self, X: Any, read: Callable[[list[NDArray[np.int64]]], torch.Tensor], width: int) -> NDArray[np.float64]:
        check_is_fitted(self, "model_")
        rows = texts_of(X)
        if not isinstance(rows, Rows):
            raise NeedsError(
                f"{type(self).__name__} reads the view {self.on!r}, and X is a bare array; give Rows that have it"
            )
        tokens = self._tokens(rows)
        out = np.zeros((len(tokens), width))
        lengths = np.array([len(t) for t in tokens], dtype=np.int64)
        with torch.inference_mode():
            for part in token_batches(lengths, _READING * self.batch_tokens):
                out[part] = read([tokens[i] for i in part]).numpy()
        return out

    def encode(self, X: Any) -> NDArray[np.float64]:
        """Return (n, width), what the head reads of each row: the pooled last layer of the fine-tuned model."""
        return self._over(X, lambda tokens: pooled(self.model_, tokens, self._dtype()), self.model_.head.in_features)

    def with_view(self, rows: Rows, name: str = "tuned") -> Rows:
        """Return the same rows with one more view, of all rows of the task: what :meth:`encode` gives.

        A head on it is a linear probe after fine-tuning (Burns et al. 2023, section 5.2.3): trained on truth, it tells what weak labels
        have made easy to read.
        """
        view = rows.name(self.on)
        key = fingerprint("tuned view", self.fingerprint_, rows.views[view])
        every = Rows(np.arange(len(rows.views[view].values)), rows.views)
        return rows.with_view(name, self.encode(every), key)

    def earlier(self, share: float) -> Self:
        """Return the student as it was after a share of its training; it can be a supervisor like any fitted model.

        Raises
        ------
        InputError
            When the share is not among ``keep``.
        """
        check_is_fitted(self, "model_")
        step = mark(share, self.total_)
        if share not in tuple(self.keep) or step not in self.kept_:
            raise InputError(
                f"nothing was kept after {share!r} of the training; name it in keep, which is {tuple(self.keep)}"
            )
        made = clone(self)
        model = self._build(int(self.model_.head.out_features))
        put_back(model, self.kept_[step])
        made.model_ = model.to(device()).eval()
        made.n_iter_, made.loss_, made.kept_ = step, self.loss_[:step], {}
        made.total_, made.stopped_, made.text_loss_ = self.total_, step / self.total_, self.text_loss_
        made.lr_, made.penalty_, made.state_, made.looks_ = self.lr_, self.penalty_, {}, []
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

"""The training loop of fine-tuned students: logical batches of rows, cut into what memory holds, one optimiser step each.

Ours rather than transformers' Trainer or accelerate's, because an objective's targets may follow the logits of the whole logical batch:
they are asked for once a logical batch, before any gradient, and its parts are then read one by one. A logical batch is drawn at random;
inside an epoch, runs of 50 batches are sorted by length before they are cut, so that rows of one batch need little padding.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from outgrow.encoders.batching import token_batches
from outgrow.errors import InputError
from outgrow.learners.finetune_model import trained
from outgrow.learners.finetune_shard import add_up, clip, groups, in_pieces
from outgrow.learners.objective import Objective, State

__all__ = ["Course", "Progress", "forward", "order", "train"]

_RUN = 50
_FITS = ("not enough memory", "can't allocate memory", "out of memory", "Cannot allocate memory", "bad_alloc")


@dataclass(frozen=True)
class Course:
    """How a model is trained.

    Parameters
    ----------
    epochs : int
    batch : int
        Rows of a logical batch: one step of the optimiser.
    batch_tokens : int
        Padded tokens read at once.
    lr : float
    weight_decay : float
    schedule : {"linear", "cosine", "constant"}
    warmup : float
        Share of all steps over which the rate rises from 0.
    clip : float
        Largest norm of a gradient.
    dtype : str
    seed : int
        Of the order of rows.
    keep : tuple of float
        Shares of training after which what is trained is kept.
    until : float
        Share of the steps after which training ends; the rate takes the course of the whole.
    """

    epochs: int
    batch: int
    batch_tokens: int
    lr: float
    weight_decay: float
    schedule: str
    warmup: float
    dtype: str
    seed: int
    keep: tuple[float, ...] = ()
    until: float = 1.0
    clip: float = 1.0

    def rate(self, step: int, total: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        rise = self.warmup * total
        if step < rise:
            return self.lr * (step + 1) / (math.floor(rise) + 1)
        left = (total - step) / max(total - rise, 1)
        return (
            self.lr * {"constant": 1.0, "linear": left, "cosine": 0.5 - 0.5 * math.cos(math.pi * left)}[self.schedule]
        )


@dataclass
class Progress:
    """Where a fit stands: what a checkpoint holds beside weights and optimiser."""

    step: int = 0
    state: State = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)
    kept: dict[int, dict[str, Tensor]] = field(default_factory=dict)
    looks: list[dict[str, float]] = field(default_factory=list)
    total: int = 0


class Keeper(Protocol):
    """Who keeps checkpoints."""

    def resume(self, model: Any, optimiser: Any) -> Progress | None:
        """Put a kept fit back into model and optimiser, and return where it stood."""
        ...

    def keep(self, model: Any, optimiser: Any, progress: Progress, *, now: bool = False) -> None:
        """Keep the fit, where it is time to, or now."""
        ...


class Watcher(Protocol):
    """Who looks at the model while it trains."""

    def due(self, step: int, total: int) -> bool:
        """Say whether a look is due after a step."""
        ...

    def look(self, model: Any, course: Course, total: int, at: Progress) -> None:
        """Look, and write what was seen into the progress."""
        ...


class Crew(Protocol):
    """The processes that train together."""

    @property
    def rank(self) -> int:
        """Number of this one."""
        ...

    @property
    def size(self) -> int:
        """How many there are."""
        ...

    def add(self, tensors: list[Tensor]) -> None:
        """Replace each tensor by its sum over processes."""
        ...


@dataclass(frozen=True)
class Alone:
    """One process."""

    rank: int = 0
    size: int = 1

    def add(self, tensors: list[Tensor]) -> None:
        """Leave them."""


def order(lengths: NDArray[np.int64], course: Course) -> list[NDArray[np.int64]]:
    """Return the rows of every step, in order; it depends on lengths, batch, epochs and seed alone."""
    rng = np.random.default_rng(course.seed)
    steps: list[NDArray[np.int64]] = []
    for _ in range(course.epochs):
        rows = rng.permutation(len(lengths))
        cut: list[NDArray[np.int64]] = []
        for at in range(0, len(rows), _RUN * course.batch):
            run = rows[at : at + _RUN * course.batch]
            run = run[np.argsort(lengths[run], kind="stable")]
            cut += [run[i : i + course.batch] for i in range(0, len(run), course.batch)]
        steps += [cut[i] for i in rng.permutation(len(cut))]
    return steps


def mark(share: float, total: int) -> int:
    """Return the number of steps that a share of training has; at least one."""
    return max(1, round(share * total))


def padded(tokens: list[NDArray[np.int64]], device: Any) -> tuple[Tensor, Tensor]:
    """Return right-padded ids and their mask, (b, t) each. What fills up is masked, so any token serves."""
    longest = max(len(t) for t in tokens)
    ids, mask = np.zeros((len(tokens), longest), dtype=np.int64), np.zeros((len(tokens), longest), dtype=np.int64)
    for i, row in enumerate(tokens):
        ids[i, : len(row)] = row
        mask[i, : len(row)] = 1
    return torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device)


def forward(model: Any, tokens: list[NDArray[np.int64]], dtype: str) -> Tensor:
    """Return (b, outputs) float64 logits on the CPU, where objectives are computed."""
    device = model.head.weight.device
    ids, mask = padded(tokens, device)
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=dtype == "bfloat16"):
        return model(ids, mask).double().cpu()


def pooled(model: Any, tokens: list[NDArray[np.int64]], dtype: str) -> Tensor:
    """Return (b, width) float64 on the CPU: what the head reads."""
    device = model.head.weight.device
    ids, mask = padded(tokens, device)
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=dtype == "bfloat16"):
        return model.pooled(ids, mask).double().cpu()


def optimiser_of(model: Any, course: Course) -> Any:
    """Return AdamW over what is trained."""
    own = [{"params": g} for g in groups([p for p in model.parameters() if p.requires_grad])]
    return torch.optim.AdamW(own, lr=course.lr, weight_decay=course.weight_decay, fused=True)


def train(
    model: Any,
    tokens: list[NDArray[np.int64]],
    weak: Tensor,
    weight: Tensor,
    objective: Objective,
    course: Course,
    *,
    keeper: Keeper | None = None,
    crew: Crew | None = None,
    watch: Watcher | None = None,
    tick: Callable[[int], None] = lambda step: None,
) -> Progress:
    """Train a model in place.

    Parameters
    ----------
    model : Pooled
    tokens : list of n arrays
        Token ids of each row.
    weak : Tensor of shape (n, m, c)
        NaN where a supervisor abstains; float64.
    weight : Tensor of shape (n,)
        Positive.
    objective : Objective
    course : Course
    keeper, crew, watch : optional
    tick : callable
        Told the number of each step before it is taken.

    Returns
    -------
    Progress
        The last step, the objective's state, and the loss of every step: the mean row loss under the objective's own targets.

    Raises
    ------
    InputError
        A batch that does not fit in memory; a loss that is not finite.
    """
    crew = crew or Alone()
    lengths = np.array([len(t) for t in tokens], dtype=np.int64)
    steps = order(lengths, course)
    optimiser = optimiser_of(model, course)
    kept = keeper.resume(model, optimiser) if keeper is not None else None
    at = kept or Progress(0, objective.start(weak, weight))
    mean = float(weight.mean())
    own = [p for p in model.parameters() if p.requires_grad]
    marks = {mark(share, len(steps)) for share in course.keep}
    last, at.total = mark(course.until, len(steps)), len(steps)
    while at.step < last:
        tick(at.step)
        rows = steps[at.step]
        for group in optimiser.param_groups:
            group["lr"] = course.rate(at.step, len(steps))
        try:
            step = _Step(model, [tokens[i] for i in rows], weak[rows], weight[rows], objective, course, crew)
            loss, at.state = step.backward(at.step / len(steps), at.state, mean)
        except (RuntimeError, MemoryError) as error:
            raise _memory(error, lengths[rows], course) from error
        if not math.isfinite(loss):
            raise InputError(
                f"the loss is {loss} at step {at.step} of {len(steps)}; lower lr (it is {course.lr:g}), or use dtype float32"
            )
        add_up(own, crew)
        clip(own, course.clip, crew)
        optimiser.step()
        optimiser.zero_grad()
        at.step += 1
        at.losses.append(loss)
        if at.step in marks:
            at.kept[at.step] = {name: t.cpu().clone() for name, t in trained(model).items()}
        if watch is not None and watch.due(at.step, last):
            watch.look(model, course, len(steps), at)
        if keeper is not None and at.step < last:
            keeper.keep(model, optimiser, at)
    return at


@dataclass
class _Step:
    """One logical batch."""

    model: Any
    tokens: list[NDArray[np.int64]]
    weak: Tensor
    weight: Tensor
    objective: Objective
    course: Course
    crew: Crew

    def parts(self) -> list[NDArray[np.int64]]:
        """Return positions read at once; at least one for each process, where there are as many rows."""
        lengths = np.array([len(t) for t in self.tokens], dtype=np.int64)
        found = token_batches(lengths, self.course.batch_tokens)
        if len(found) < self.crew.size:
            found = [p for p in np.array_split(np.argsort(lengths, kind="stable"), self.crew.size) if len(p)]
        return found

    def read(self, part: NDArray[np.int64]) -> Tensor:
        """Return the logits of some rows."""
        return forward(self.model, [self.tokens[i] for i in part], self.course.dtype)

    def backward(self, progress: float, state: State, mean: float) -> tuple[float, State]:
        """Add the gradient of this process's rows; return the loss of all rows and the objective's next state."""
        parts = self.parts()
        mine = parts[self.crew.rank :: self.crew.size]
        whole = len(parts) == 1 and self.crew.size == 1
        # Processes that hold shares of one model must read equally often.
        idle = -(-len(parts) // self.crew.size) - len(mine) if in_pieces(self.model) else 0
        logits = torch.zeros(len(self.tokens), int(self.model.head.out_features), dtype=torch.float64)
        ready: Tensor | None = None
        if whole:
            # The one pass serves targets and gradient.
            ready = self.read(parts[0])
            logits[parts[0]] = ready.detach()
        elif self.objective.moves:
            with torch.no_grad():
                for part in mine:
                    logits[part] = self.read(part)
                for _ in range(idle):
                    self.read(parts[0][:1])
            self.crew.add([logits])
        targets, counted, state = self.objective.targets(logits, self.weak, self.weight, progress, state)
        total = counted.sum()
        loss = torch.zeros(1, dtype=torch.float64)
        if total > 0:
            # Rows that weigh more make a longer step; an objective's own choice of rows does not.
            share = self.weight.sum() / (len(self.weight) * mean)
            for part in mine:
                out = ready if ready is not None else self.read(part)
                lost = (counted[part] * self.objective.rows(out, targets[part])).sum() / total
                (lost * share / self.model.scale.max().item() ** 2).backward()
                loss += lost.detach()
            for _ in range(idle):
                (self.read(parts[0][:1]).sum() * 0).backward()
        for p in self.model.parameters():
            if p.requires_grad and p.grad is None:
                p.grad = torch.zeros_like(p)
        self.crew.add([loss])
        return float(loss), state


def _memory(error: Exception, lengths: NDArray[np.int64], course: Course) -> Exception:
    """Return the sentence for a batch that does not fit; any other error as it is."""
    short = isinstance(error, MemoryError | torch.OutOfMemoryError) or any(w in str(error) for w in _FITS)
    if not short:
        return error
    return InputError(
        f"a batch of {len(lengths)} rows of up to {int(lengths.max())} tokens does not fit in memory; lower batch_tokens "
        f"(it is {course.batch_tokens}) or max_tokens, or set gradient_checkpointing, or train with lora"
    )

"""Checkpoints of a fit, and the processes that train together.

A checkpoint holds what is trained, the optimiser's moments, the objective's state and the losses so far, as safetensors and JSON. It lies
in the cache under the fit's own fingerprint, so only the very same fit finds it, and is removed when the fit is done.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from outgrow.errors import StoreError
from outgrow.learners.finetune_loop import Alone, Crew, Progress
from outgrow.learners.finetune_model import put_back, trained
from outgrow.learners.objective import State

__all__ = ["Checkpoints", "checkpoints", "crew"]

_LOG = logging.getLogger("outgrow")
_TENSORS = "state.safetensors"
_ABOUT = "about.json"
# A save may take at most a twentieth of the time.
_PATIENCE = 20
# The others wait while the first process of a study encodes; one that died is noticed by the launcher.
_WAIT = timedelta(days=7)


@dataclass
class Checkpoints:
    """Keeps one fit's checkpoint in a folder.

    Parameters
    ----------
    folder : Path
    every : float
        Seconds between saves; longer where a save takes long. 0 saves after every step.
    writes : bool
        False for all but one of several processes that train together.
    """

    folder: Path
    every: float
    writes: bool = True
    _last: float = field(default_factory=time.monotonic)
    _took: float = 0.0

    def resume(self, model: Any, optimiser: Any) -> Progress | None:
        """Put the newest sound checkpoint back; a damaged one is dropped, and said."""
        for kept in sorted((p for p in self.folder.glob("step-*") if p.is_dir()), reverse=True):
            try:
                return _read(kept, model, optimiser)
            except Exception as error:  # a file cut short meets each library's own error
                _LOG.warning(
                    "a checkpoint is damaged (%s) and is dropped; the fit goes on from the one before, or from its beginning",
                    type(error).__name__,
                )
                if self.writes:
                    shutil.rmtree(kept, ignore_errors=True)
        return None

    def keep(self, model: Any, optimiser: Any, progress: Progress, *, now: bool = False) -> None:
        """Save, when it is time, or now."""
        start = time.monotonic()
        pause = max(self.every, _PATIENCE * self._took) if self.every > 0 else 0.0
        if not self.writes or (start - self._last < pause and not now):
            return
        from outgrow.store import atomic_write

        goal = self.folder / f"step-{progress.step:09d}"
        if not goal.exists():
            with atomic_write(goal) as part:
                part.mkdir(mode=0o700)
                _write(part, model, optimiser, progress)
        for old in self.folder.glob("step-*"):
            if old != goal:
                shutil.rmtree(old, ignore_errors=True)
        self._last = time.monotonic()
        self._took = self._last - start


def _write(folder: Path, model: Any, optimiser: Any, progress: Progress) -> None:
    from safetensors.torch import save_file

    from outgrow.store import file_digest, write_json

    tensors: dict[str, Tensor] = {f"model.{n}": t for n, t in trained(model).items()}
    for i, moments in optimiser.state_dict()["state"].items():
        tensors |= {f"adam.{i}.{n}": torch.as_tensor(t) for n, t in moments.items()}
    tensors |= {f"objective.{n}": t for n, t in progress.state.items()}
    for step, kept in progress.kept.items():
        tensors |= {f"kept.{step}.{n}": t for n, t in kept.items()}
    save_file({n: t.detach().cpu().contiguous().clone() for n, t in tensors.items()}, folder / _TENSORS)
    about = {"step": progress.step, "losses": progress.losses, "looks": progress.looks}
    about["sha256"] = file_digest(folder / _TENSORS)
    write_json(folder / _ABOUT, about)


def _read(folder: Path, model: Any, optimiser: Any) -> Progress:
    from safetensors.torch import load_file

    from outgrow.store import file_digest, read_json

    about = read_json(folder / _ABOUT)
    if file_digest(folder / _TENSORS) != about["sha256"]:
        raise StoreError("the checksum differs")
    tensors = load_file(folder / _TENSORS)
    groups: dict[str, dict[int, dict[str, Tensor]]] = {"adam": {}, "kept": {}}
    state: State = {}
    own: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        kind, _, rest = name.partition(".")
        if kind in groups:
            i, _, what = rest.partition(".")
            groups[kind].setdefault(int(i), {})[what] = tensor
        else:
            (own if kind == "model" else state)[rest] = tensor
    put_back(model, own)
    optimiser.load_state_dict({"state": groups["adam"], "param_groups": optimiser.state_dict()["param_groups"]})
    return Progress(int(about["step"]), state, list(about["losses"]), groups["kept"], list(about["looks"]))


@contextlib.contextmanager
def checkpoints(key: str, every: float | None, crew: Crew) -> Iterator[Checkpoints | None]:
    """Yield who keeps the checkpoints of a fit; they are removed when the block ends well.

    None is yielded where none are wanted, and where another process trains the very same fit just now.
    """
    from outgrow.store import home, lock

    if every is None:
        yield None
        return
    folder = home() / "partial" / f"finetune-{key}"
    with contextlib.ExitStack() as held:
        if crew.rank == 0:
            try:
                held.enter_context(lock(home() / "locks" / f"finetune-{key}", timeout=0))
            except StoreError:
                yield None
                return
        yield Checkpoints(folder, every, crew.rank == 0)
        if crew.rank == 0:
            shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Several:
    """Processes of one ``accelerate launch``, or whoever set up torch.distributed."""

    rank: int
    size: int

    def add(self, tensors: list[Tensor]) -> None:
        """Replace each tensor by its sum over processes."""
        import torch.distributed as dist

        for tensor in tensors:
            dist.all_reduce(tensor)


def crew() -> Crew:
    """Return the processes that train together: those of ``accelerate launch``, else this one alone."""
    import torch.distributed as dist

    if int(os.environ.get("WORLD_SIZE", "1")) < 2 and not (dist.is_available() and dist.is_initialized()):
        return Alone()
    if not dist.is_initialized():
        # Logits and losses are summed on the CPU, gradients where they lie; accelerate's own start brings one of the two.
        if torch.cuda.is_available():
            torch.cuda.set_device(device())
            dist.init_process_group("cpu:gloo,cuda:nccl", timeout=_WAIT)
        else:
            dist.init_process_group("gloo", timeout=_WAIT)
    return Several(dist.get_rank(), dist.get_world_size())


def device() -> torch.device:
    """Return the graphics processor of this process where there is one, else the CPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))

"""A study inside ``accelerate launch``: the first process runs it, and the others train beside it where a model is fine-tuned.

The first process alone plans, writes and reports. Before a job that trains a transformer it hands the job's JSON to the others. They find
its inputs in the cache, as worker processes do, do the very same job, share its batches, and throw their own copy of the result away.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outgrow.errors import OutgrowError, StoreError, StudyError
from outgrow.store import Store
from outgrow.studies.work import WORK, Context, do

__all__ = ["Led", "follow", "follows", "leading", "several"]


def several() -> bool:
    """Say whether this is one of several processes of a launch."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def follows() -> bool:
    """Say whether another process of the launch runs the study."""
    return several() and int(os.environ.get("RANK", "0")) > 0


@contextlib.contextmanager
def leading() -> Iterator[None]:
    """Run a study in the block, and let the other processes of the launch go at its end; alone, do nothing.

    Where the block is left by an interrupt the others may stand in the middle of a fit, and it is the launcher that ends them.
    """
    if not several():
        yield
        return
    try:
        yield
    except Exception:
        _share({"end": "failed"})
        raise
    _share({"end": "done"})


def follow(store: Store) -> None:
    """Train beside the first process until its study is done.

    Raises
    ------
    StudyError
        When the first process could not run its study.
    """
    context = Context(store)
    while "spec" in (message := _share(None)):
        spec = message["spec"]
        with tempfile.TemporaryDirectory(prefix="outgrow-") as scratch:
            try:
                WORK[spec["kind"]](spec, context, Path(scratch))
            except Exception as error:
                if _only_here(error):
                    raise
    if message["end"] != "done":
        raise StudyError("the first of the processes could not run the study; it says why")


@dataclass(frozen=True)
class Led:
    """Does jobs, together with the other processes of the launch where a job trains a transformer.

    Parameters
    ----------
    context : Context
    tuned : collection of str
        Keys of jobs that do.
    """

    context: Context
    tuned: Collection[str]

    def __call__(self, spec: Mapping[str, Any]) -> float:
        """Do one job; return its seconds.

        Raises
        ------
        SystemExit
            After a failure that the other processes need not share: they would wait for this one for ever.
        """
        if not several() or spec["key"] not in self.tuned:
            return do(spec, self.context)
        try:
            return do(spec, self.context, first=lambda: _share({"spec": dict(spec)}))
        except Exception as error:
            if _only_here(error):
                raise SystemExit(f"one of several processes stopped: {error}") from error
            raise


def _only_here(error: Exception) -> bool:
    """Say whether an error may have struck this process alone; what is wrong with a job itself strikes all, before they train."""
    ours = isinstance(error, OutgrowError) and not isinstance(error, StoreError)
    return not ours or (error.__cause__ is not None and not isinstance(error.__cause__, OutgrowError))


def _share(message: Any) -> Any:
    """Return the first process's message in all of them."""
    import torch.distributed as dist

    from outgrow.learners.finetune_checkpoint import crew

    crew()
    held = [message]
    dist.broadcast_object_list(held, src=0)
    return held[0]

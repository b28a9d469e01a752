"""The task that a study names, read from where it lies: packaged sets, arrays, files, the Hub."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from outgrow.errors import StudyError
from outgrow.studies.study import TaskSpec
from outgrow.tasks.split import sample
from outgrow.tasks.task import Task

__all__ = ["load_task"]

Say = Callable[[str], None]


def load_task(spec: TaskSpec, name: str, folder: Path, say: Say) -> tuple[Task, dict[str, Any]]:
    """Read the task that a study names, and the further views that come with arrays."""
    extra: dict[str, Any] = {}
    if spec.packaged is not None:
        from outgrow.tasks.packaged import packaged, packaged_views

        task = packaged(spec.packaged, say=say)
    elif spec.arrays is not None:
        loaded = {k: _array(folder / path, k) for k, path in spec.arrays.items()}
        extra = {k: loaded.pop(k) for k in list(loaded) if k not in ("inputs", "truth", "groups", "domains")}
        options = _given(spec, "classes", "kind", "on_conflict")
        task = Task.from_arrays(
            loaded["inputs"],
            loaded.get("truth"),
            groups=loaded.get("groups"),
            domains=loaded.get("domains"),
            name=spec.name or name,
            **options,
        )
    else:
        options = _given(spec, "id", "group", "name", "kind", "classes", "on_conflict")
        if spec.hub is not None:
            task = Task.from_hub(
                spec.hub, spec.input or "", spec.truth, **options, **_given(spec, "config", "split", "revision")
            )
        else:
            path = Path(spec.file or "").expanduser()
            path = path if path.is_absolute() else folder / path
            task = Task.from_file(path, spec.input or "", spec.truth, **options, **_given(spec, "encoding"))
    if spec.sample is not None and spec.sample < len(task):
        if extra:
            raise StudyError("task.sample cannot be used with further views; cut the arrays before")
        task = sample(task, spec.sample)
    if spec.packaged is not None:
        extra = packaged_views(spec.packaged, task)
    if spec.truth_rows is not None:
        known = task.ids[task.has_truth]
        if spec.truth_rows > len(known):
            raise StudyError(
                f"task.truth_rows asks for {spec.truth_rows} rows and {len(known)} have truth; ask for fewer"
            )
        task = task.hide(np.sort(np.random.default_rng(0).permutation(known)[: spec.truth_rows]))
    return task, extra


def _array(path: Path, what: str) -> Any:
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise StudyError(
            f"task.arrays.{what}: {path} is no .npy file of numbers or text ({type(error).__name__})"
        ) from error


def _given(spec: TaskSpec, *keys: str) -> dict[str, Any]:
    return {k: getattr(spec, k) for k in keys if getattr(spec, k) is not None}

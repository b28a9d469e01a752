"""What a table of labels may hold: probabilities that sum to one, and names that are classes of the task."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outgrow.errors import LabelsError, nearest
from outgrow.tasks.inputs import is_missing, quoted

__all__ = ["check_classes", "check_names", "check_probs", "class_codes"]

SUM_TOLERANCE = 1e-3


def check_classes(classes: NDArray[Any]) -> None:
    """Refuse two classes of one name."""
    names = [str(c) for c in classes.tolist()]
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise LabelsError(f"class {quoted(twice)} is there twice; each class needs its own name")


def check_probs(probs: NDArray, covered: NDArray, ids: NDArray, classes: Any, sources: Sequence[Any]) -> None:
    """Refuse covered entries that are not finite, or whose probabilities do not sum to one."""
    bad = covered & ~np.isfinite(probs).all(axis=2)
    if bad.any():
        i, j = np.argwhere(bad)[0]
        raise LabelsError(
            f"supervisor {sources[j].name!r} gives a label that is not finite on row {ids[i]}; abstain there instead"
        )
    if classes is None:
        return
    total = probs.sum(axis=2)
    wrong = covered & ((np.abs(total - 1) > SUM_TOLERANCE) | (probs < -1e-9).any(axis=2))
    if wrong.any():
        i, j = np.argwhere(wrong)[0]
        rows = wrong.any(axis=1).sum()
        if 99 <= total[i, j] <= 101 and (probs >= 0).all():
            raise LabelsError(
                f"labels of supervisor {sources[j].name!r} look like percentages (row {ids[i]} sums to {total[i, j]:g}); divide them by 100"
            )
        raise LabelsError(
            f"probabilities of supervisor {sources[j].name!r} on row {ids[i]} sum to {total[i, j]:.4g}, lowest {probs[i, j].min():.4g} "
            f"({rows} such rows); each row must be non-negative and sum to one"
        )


def class_codes(names: Sequence[Any], classes: NDArray[Any]) -> NDArray[np.int64]:
    """Translate class names to their index, -1 for an abstention (None, empty text, NaN).

    Raises
    ------
    LabelsError
        For a name that is no class, and for a list in one cell.
    """
    lookup = {c: i for i, c in enumerate(classes.tolist())}
    text = {str(c): i for i, c in enumerate(classes.tolist())}
    codes = np.full(len(names), -1, dtype=np.int64)
    for row, name in enumerate(names):
        if isinstance(name, list | tuple | set | np.ndarray):
            raise LabelsError(
                f"the label of row {row} is a list; one task has one label a row, so run one task per label"
            )
        if is_missing(name):
            continue
        code = lookup.get(name, text.get(str(name), -1))
        if code < 0:
            check_names([name], classes, f"row {row}")
        codes[row] = code
    return codes


def check_names(names: Iterable[Any], classes: Iterable[Any], where: str) -> None:
    """Raise when a name is not a class, saying which is meant when they differ by case or spaces only."""
    known = [str(c) for c in classes]
    folded = {k.strip().casefold(): k for k in known}
    for name in names:
        if str(name) in known:
            continue
        twin = folded.get(str(name).strip().casefold())
        if twin is not None:
            raise LabelsError(
                f"label {quoted(str(name))} at {where} differs from class {twin!r} by case or spaces only; write it the same way"
            )
        raise LabelsError(
            f"label {quoted(str(name))} at {where} is not a class of this task{nearest(str(name), known)}"
        )

"""Rows: some rows of one task, and what may be seen of them. Never truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from outgrow.errors import InputError, TaskError, nearest
from outgrow.fingerprints import fingerprint

__all__ = ["INPUTS", "Rows", "TokenIds", "View", "as_view"]

INPUTS = "inputs"
TOKENS = "tokens["
"""How the name of a view of token ids begins."""


@dataclass(frozen=True, eq=False)
class View:
    """One named way to see all N rows of a task.

    Parameters
    ----------
    values : ndarray of shape (N, d), or sequence of N raw inputs
        A matrix may be memory-mapped; it is never copied here.
    key : str, optional
        Fingerprint of what it was made from. Without one, the values themselves are hashed when it is asked for.
    """

    values: Any
    key: str | None = None

    @property
    def matrix(self) -> bool:
        """Whether this is a numeric matrix rather than raw inputs."""
        values = self.values
        return isinstance(values, np.ndarray) and values.ndim == 2 and values.dtype.kind in "fiub"

    def fingerprint(self) -> str:
        """Return ``key``, or the hash of the values."""
        if self.key is None:
            values = self.values if isinstance(self.values, np.ndarray) else list(self.values)
            object.__setattr__(self, "key", fingerprint("view", values))
        assert self.key is not None
        return self.key


@dataclass(frozen=True, eq=False)
class TokenIds:
    """A task's texts as token ids: raw inputs, no features, though they lie in a matrix.

    Parameters
    ----------
    values : ndarray of shape (N, t)
        Whole numbers; -1 after a text's end.
    """

    values: NDArray[Any]

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: Any) -> Any:
        """Return the ids of one text, or a list of them for a slice."""
        if isinstance(rows, slice):
            return [self[i] for i in range(*rows.indices(len(self)))]
        row = np.asarray(self.values[rows])
        return row[: int((row >= 0).sum())].astype(np.int64)

    @property
    def filename(self) -> str | None:
        """The file that is mapped, where one is."""
        return getattr(self.values, "filename", None)


def as_view(name: str, values: Any, key: str | None = None) -> View:
    """Return a view by what its name says it holds."""
    return View(TokenIds(values) if name.startswith(TOKENS) else values, key)


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of one task and their views.

    Parameters
    ----------
    ids : ndarray of shape (n,)
        Row numbers in the task. A person's own ids are text and live in ``Task.names``.
    views : mapping of str to View
        Each view covers all N rows of the task; slicing copies nothing.
    """

    ids: NDArray[np.int64]
    views: Mapping[str, View] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ids = np.asarray(self.ids)
        if ids.ndim != 1 or (ids.size and ids.dtype.kind not in "iu"):
            raise TaskError(
                f"row ids must be a list of whole numbers, not an array of shape {ids.shape} and type {ids.dtype}"
            )
        if ids.size:
            low, high = int(ids.min()), int(ids.max())
            if low < 0:
                raise TaskError(f"row {low} cannot be: row numbers of a task start at 0")
            for name, view in self.views.items():
                if high >= len(view.values):
                    raise TaskError(
                        f"view {name!r} has {len(view.values)} rows and row {high} is asked for; a view covers the whole task"
                    )
        object.__setattr__(self, "ids", ids.astype(np.int64, copy=False))

    @classmethod
    def from_arrays(cls, **views: ArrayLike | Sequence[Any]) -> Rows:
        """Make rows 0..n-1 from named matrices or lists of inputs of equal length."""
        made = {name: View(np.asarray(v) if not _raw(v) else v) for name, v in views.items()}
        lengths = {name: len(v.values) for name, v in made.items()}
        if len(set(lengths.values())) > 1:
            raise TaskError(f"views must have one row each per input; the lengths are {lengths}")
        return cls(np.arange(next(iter(lengths.values()), 0)), made)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def shape(self) -> tuple[int]:
        """``(n,)``, for scikit-learn's splitters."""
        return (len(self.ids),)

    def __getitem__(self, rows: Any) -> Rows:
        """Take rows by position: an integer array, a mask or a slice."""
        return Rows(self.ids[_index(rows, len(self))], self.views)

    def at(self, ids: ArrayLike) -> Rows:
        """Take rows by id, in the order given."""
        return self[positions(self.ids, ids)]

    @property
    def matrices(self) -> list[str]:
        """Names of the views that are matrices."""
        return [name for name, view in self.views.items() if view.matrix]

    def name(self, name: str | None = None) -> str:
        """Resolve a view's name; None means the only matrix.

        Raises
        ------
        InputError
            When there is no such view, or several matrices and no name.
        """
        if name is not None:
            if name not in self.views:
                raise InputError(f"there is no view {name!r} of these rows{nearest(name, self.views)}")
            return name
        matrices = self.matrices
        if len(matrices) != 1:
            what = f"several views {matrices}" if matrices else "no matrix view"
            raise InputError(f"these rows have {what}; name the one to read with on=")
        return matrices[0]

    def view(self, name: str | None = None) -> Any:
        """Return an (n, d) array, or a list of n raw inputs, of one view (None: the only matrix)."""
        values = self.views[self.name(name)].values
        if isinstance(values, np.ndarray):
            whole = len(values) == len(self.ids) and np.array_equal(self.ids, np.arange(len(values)))
            return np.asarray(values) if whole else np.asarray(values[self.ids])
        return [values[i] for i in self.ids]

    def key(self, name: str | None = None) -> str:
        """Fingerprint of one view at these rows."""
        return fingerprint("rows", self.views[self.name(name)], self.ids)

    def fingerprint(self) -> str:
        """Fingerprint of all views at these rows."""
        return fingerprint("rows", dict(self.views), self.ids)

    def with_view(self, name: str, values: Any, key: str | None = None) -> Rows:
        """Return the same rows with one more view, given for all N rows of the task."""
        return Rows(self.ids, {**self.views, name: View(values, key)})


def _raw(values: Any) -> bool:
    if isinstance(values, np.ndarray):
        return values.dtype.kind in "OUS"
    return (
        not hasattr(values, "__array__")
        and len(values) > 0
        and not isinstance(values[0], int | float | list | tuple | np.ndarray)
    )


def _index(rows: Any, n: int) -> Any:
    if isinstance(rows, tuple) and len(rows) == 2 and rows[1] is Ellipsis:
        rows = rows[0]  # scikit-learn's splitters take x[index, ...] of whatever has a shape
    if isinstance(rows, slice):
        return rows
    index = np.asarray(rows)
    if index.ndim != 1:
        raise InputError("take rows with a slice, a mask or a list of positions")
    if index.dtype.kind == "b":
        if len(index) != n:
            raise InputError(f"a mask of {len(index)} rows cannot choose among {n} rows")
        return index
    if not index.size:
        return index.astype(np.int64)
    if index.dtype.kind not in "iu":
        raise InputError(
            f"take rows with a slice, a mask or a list of positions, not with values of type {index.dtype}"
        )
    if index.min() < -n or index.max() >= n:
        raise InputError(f"position {int(index.max() if index.max() >= n else index.min())} is not among {n} rows")
    return index


def positions(have: NDArray[np.int64], want: ArrayLike) -> NDArray[np.int64]:
    """Return where each wanted id stands in ``have``.

    Raises
    ------
    TaskError
        Names the first id that is not there.
    """
    wanted = np.asarray(want, dtype=np.int64)
    if len(have) and np.array_equal(have, np.arange(len(have))):
        missing = wanted[(wanted < 0) | (wanted >= len(have))]
        place = wanted
    else:
        order = np.argsort(have, kind="stable")
        place = (
            order[np.searchsorted(have, wanted, sorter=order).clip(max=max(len(have) - 1, 0))] if len(have) else wanted
        )
        missing = wanted[have[place] != wanted] if len(have) else wanted
    if len(missing):
        raise TaskError(
            f"row {int(missing[0])} is not among the {len(have)} rows here ({len(missing)} rows in all are not)"
        )
    return place

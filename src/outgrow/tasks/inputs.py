"""Checks of inputs, own ids and groups; rows that are equal."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outgrow.errors import TaskError

__all__ = [
    "LONG",
    "check_domains",
    "check_inputs",
    "check_names",
    "count_rows",
    "group_codes",
    "is_missing",
    "quoted",
    "twin_codes",
]

_SURROGATE = re.compile("[\ud800-\udfff]")
LONG = 60  # a longer id or class name is likely to be input text, which no message quotes


def quoted(name: str) -> str:
    """Quote an id or a class name, unless it is so long that it may be an input."""
    return repr(name) if len(name) <= LONG else f"(one of {len(name)} characters)"


def is_missing(value: Any) -> bool:
    """Say whether a cell holds nothing: None, nan, NaT, pandas' NA or the empty text."""
    if value is None or (isinstance(value, str) and not value):
        return True
    if isinstance(value, float | np.floating):
        return bool(value != value)
    return type(value).__name__ in ("NAType", "NaTType")


def check_names(names: Sequence[Any] | None, n: int) -> NDArray[Any]:
    """Return own ids as an object array of N different texts, exactly as written.

    Parameters
    ----------
    names : sequence of N, or None
        None gives the row numbers.
    n : int
        How many rows there are.
    """
    if n == 0:
        raise TaskError("a task needs rows, and there is none: check the file or the filter before it")
    if names is None:
        texts: list[str] = [str(i) for i in range(n)]
    else:
        values = names.tolist() if hasattr(names, "tolist") else list(names)
        if len(values) != n:
            raise TaskError(f"there are {n} inputs and {len(values)} ids: give one id per input")
        for i, value in enumerate(values):
            if is_missing(value):
                raise TaskError(f"row {i} has no id: fill the id column, or leave id out to use row numbers")
        texts = [value if type(value) is str else str(value) for value in values]
        if len(set(texts)) < n:
            seen: set[str] = set()
            again = [t for t in texts if t in seen or seen.add(t)]  # type: ignore[func-returns-value]
            raise TaskError(
                f"ids must be different: {quoted(again[0])} stands in {texts.count(again[0])} rows ({len(again)} rows repeat an "
                "id): drop the repeats, or leave id out to use row numbers"
            )
    array = np.empty(n, dtype=object)
    array[:] = texts
    array.flags.writeable = False
    return array


def count_rows(inputs: Any) -> int:
    """Return the number of rows; refuse what has none to count."""
    if hasattr(inputs, "toarray"):
        raise TaskError("inputs are a sparse matrix: give a dense array of shape (rows, features), inputs.toarray()")
    if isinstance(inputs, str | bytes):
        raise TaskError("inputs are one text: give a list with a text per row")
    if not hasattr(inputs, "__len__"):
        raise TaskError(
            f"inputs are of type {type(inputs).__name__}: give a list of texts, or a matrix (rows, features)"
        )
    if isinstance(inputs, np.ndarray) and inputs.ndim == 0:
        raise TaskError("inputs are a single value: give a list of texts, or a matrix (rows, features)")
    return len(inputs)


def check_inputs(inputs: Any, names: NDArray[Any]) -> tuple[str, ...] | NDArray[Any]:
    """Return texts as a tuple, numbers as a finite float matrix; name the row of what is neither."""
    if hasattr(inputs, "to_numpy"):
        inputs = inputs.to_numpy()
    if isinstance(inputs, np.ndarray) and inputs.dtype.kind in "biuf":
        return _check_matrix(inputs, names)
    values = inputs.tolist() if isinstance(inputs, np.ndarray) else list(inputs)
    if set(map(type, values)) == {str}:
        for i, text in enumerate(values):
            if not text.isascii() and _SURROGATE.search(text):
                raise TaskError(
                    f"the input of row {quoted(names[i])} holds half a character (a lone surrogate): mend it"
                )
        return tuple(values)
    if all(isinstance(v, list | tuple | np.ndarray) for v in values):
        lengths = [len(v) for v in values]
        odd = next((i for i, k in enumerate(lengths) if k != lengths[0]), None)
        if odd is not None:
            raise TaskError(
                f"row {quoted(names[odd])} has {lengths[odd]} features and row {quoted(names[0])} has {lengths[0]}: one length"
            )
        try:
            return _check_matrix(np.asarray(values, dtype=np.float64), names)
        except (TypeError, ValueError) as error:
            if isinstance(error, TaskError):
                raise
            raise TaskError("inputs are lists that hold more than numbers: give texts, or a numeric matrix") from error
    for i, value in enumerate(values):
        if value is None or (not isinstance(value, str) and is_missing(value)):
            raise TaskError(f"row {quoted(names[i])} has no input: fill it or drop the row (an empty text is allowed)")
        if not isinstance(value, str):
            kind = type(value).__name__
            raise TaskError(
                f"the input of row {quoted(names[i])} is of type {kind}, not text: give str; numbers are a "
                "matrix (rows, features), or a list of columns"
            )
    return check_inputs([str(value) for value in values], names)


def _check_matrix(matrix: NDArray[Any], names: NDArray[Any]) -> NDArray[Any]:
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        hint = (
            ": reshape(-1, 1) for one feature" if matrix.ndim == 1 else ": reshape(len(inputs), -1)" * (matrix.ndim > 2)
        )
        raise TaskError(f"numeric inputs must have the shape (rows, features), not {matrix.shape}{hint}")
    dtype = matrix.dtype if matrix.dtype in (np.float32, np.float64) else np.dtype(np.float64)
    # What is already ours, or a read-only map of a file, is not copied again.
    matrix = np.array(matrix, dtype=dtype, copy=True if matrix.flags.writeable or matrix.dtype != dtype else None)
    # A finite sum proves finite cells without a mask of the matrix's size.
    with np.errstate(over="ignore", invalid="ignore"):
        suspect = not np.isfinite(matrix.sum(dtype=np.float64))
    if suspect and not (finite := np.isfinite(matrix)).all():
        row, column = (int(i) for i in np.argwhere(~finite)[0])
        what = "nan" if np.isnan(matrix[row, column]) else "infinite"
        raise TaskError(
            f"the features must be finite: row {quoted(names[row])} is {what} in column {column} ({int((~finite).sum())} cells in "
            "all): fill them or drop the rows"
        )
    matrix.flags.writeable = False
    return matrix


def group_codes(groups: Sequence[Any] | NDArray[Any] | None, n: int) -> NDArray[np.int64] | None:
    """Return (N,) group numbers in order of appearance; a row without a group gets one of its own."""
    if groups is None:
        return None
    values = groups.tolist() if hasattr(groups, "tolist") else list(groups)
    if len(values) != n:
        raise TaskError(f"there are {n} inputs and {len(values)} groups: give one group per input")
    known: dict[Any, int] = {}
    codes = np.array([known.setdefault(("alone", i) if is_missing(v) else v, len(known)) for i, v in enumerate(values)])
    codes.flags.writeable = False
    return codes


def check_domains(domains: Sequence[Any] | NDArray[Any] | None, n: int) -> NDArray[Any] | None:
    """Return (N,) names of domains."""
    if domains is None:
        return None
    values = domains.tolist() if hasattr(domains, "tolist") else list(domains)
    if len(values) != n:
        raise TaskError(f"there are {n} inputs and {len(values)} domains: give one domain per input")
    names = np.array([str(v) for v in values])
    names.flags.writeable = False
    return names


def twin_codes(inputs: tuple[str, ...] | NDArray[Any]) -> NDArray[np.int64]:
    """Return (N,) the number of the first row with exactly the same input."""
    first: dict[Any, int] = {}
    if isinstance(inputs, tuple):
        codes = np.array([first.setdefault(text, i) for i, text in enumerate(inputs)], dtype=np.int64)
    else:
        # Adding zero makes -0.0 and 0.0 one number.
        rows = (hashlib.blake2b((row + 0.0).tobytes(), digest_size=16).digest() for row in inputs)
        codes = np.array([first.setdefault(row, i) for i, row in enumerate(rows)], dtype=np.int64)
    codes.flags.writeable = False
    return codes

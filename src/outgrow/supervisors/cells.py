"""Cells of a file as labels: class names, probabilities, values. What is no label is said with its place."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outgrow.errors import LabelsError, TaskError, nearest
from outgrow.supervisors.protocol import name_codes
from outgrow.tasks.classes import SUM_TOLERANCE, check_names

__all__ = ["Reading", "column_of", "empty", "read_costs", "read_labels", "read_probs", "read_values"]


@dataclass(frozen=True, eq=False)
class Reading:
    """Labels per line: probs (lines, c), covered (lines,), classes (c,) or None."""

    probs: NDArray[np.float64]
    covered: NDArray[np.bool_]
    classes: NDArray[Any] | None


def empty(value: Any) -> bool:
    """Whether a cell holds nothing: None, NaN, pandas' NA or the empty text."""
    if value is None or (isinstance(value, str) and not value):
        return True
    if isinstance(value, float | np.floating):
        return bool(value != value)
    return type(value).__name__ in ("NAType", "NaTType")


def column_of(columns: Mapping[str, Any], name: str, where: str) -> list[Any]:
    """Return one column.

    Raises
    ------
    TaskError
        When it is not there; the nearest is named.
    """
    if name not in columns:
        raise TaskError(f"{where} has no column {str(name)!r}{nearest(str(name), columns)}")
    return list(columns[name])


def read_labels(
    columns: Mapping[str, Any],
    column: str,
    classes: NDArray[Any] | None,
    cells: Sequence[str],
    who: str,
    secret: frozenset[str],
) -> Reading:
    """Read a column of class names; an empty cell abstains.

    Raises
    ------
    LabelsError
        A cell that is a list, a number where classes are names, a percentage, or no class of the task.
    """
    values = [None if empty(v) else v for v in column_of(columns, column, _table(who))]
    given = [v for v in values if v is not None]
    if not given:
        raise LabelsError(f"column {column!r} of supervisor {who!r} is empty on all {len(values)} lines")
    if secret and sum(isinstance(v, str) and v in secret for v in given) * 2 > len(given) and classes is None:
        raise LabelsError(
            f"column {column!r} of supervisor {who!r} holds the task's inputs; name the column of class names"
        )
    scalar = [v for v in given if not isinstance(v, list | tuple | set | dict | np.ndarray)]
    if classes is None:
        classes = np.array(sorted({str(v) for v in scalar})) if scalar else np.array([], dtype=str)
        if len(classes) < 2 and len(scalar) == len(given):
            raise LabelsError(
                f"column {column!r} of supervisor {who!r} names one class only ({str(classes[0])!r}); give classes= if there are more"
            )
        _one_spelling(classes, column)
    known = {str(c) for c in classes}
    numbers = [_number(v) for v in scalar]
    if scalar and not any(str(v) in known for v in scalar) and all(x is not None for x in numbers):
        percent = (
            any(isinstance(v, str) and v.strip().endswith("%") for v in scalar)
            or max(x for x in numbers if x is not None) > 1
        )
        what = "percentages" if percent else "numbers"
        raise LabelsError(
            f"column {column!r} of supervisor {who!r} holds {what} and the classes are {_listed(classes)}; give class names, or "
            f"probabilities from 0 to 1 with probs="
        )
    codes = name_codes(values, classes, cells, secret=secret)
    probs = np.zeros((len(codes), len(classes)))
    covered = codes >= 0
    probs[covered, codes[covered]] = 1.0
    return Reading(probs, covered, classes)


def read_probs(
    columns: Mapping[str, Any],
    given: Sequence[str] | Mapping[str, str] | str,
    classes: NDArray[Any] | None,
    cells: Sequence[str],
    who: str,
) -> Reading:
    """Read columns of probabilities; a line that is empty in all of them abstains.

    Raises
    ------
    LabelsError
        Columns that no class is named after; cells that are no numbers or empty beside filled ones; percentages; a line whose
        probabilities are negative or do not sum to one.
    """
    pairs = _pairs(columns, given, classes, who)
    if classes is None:
        classes = np.array([c for c, _ in pairs])
        if len(classes) < 2:
            raise LabelsError(
                f"supervisor {who!r} has probabilities of one class only ({pairs[0][0]!r}); give classes="
            )
    place = {str(c): i for i, c in enumerate(classes)}
    read = np.column_stack(
        [_floats(column_of(columns, column, _table(who)), column, cells, who) for _, column in pairs]
    )
    gone: NDArray[np.bool_] = np.isnan(read)
    none: NDArray[np.bool_] = np.asarray(gone.all(axis=1))
    if (gone.any(axis=1) & ~none).any():
        at, j = np.argwhere(gone & ~none[:, None])[0]
        raise LabelsError(
            f"{cells[at]} has no number in column {pairs[j][1]!r} and some in others; fill it, or empty them all"
        )
    covered = np.asarray(~gone.any(axis=1))
    total, low = read[covered].sum(axis=1), read[covered].min(initial=0.0)
    alone = len(classes) == 2 and len(pairs) == 1
    if covered.any() and low >= 0 and (_percent(read[covered]) if alone else np.all(np.abs(total - 100) <= 1)):
        raise LabelsError(
            f"probabilities of supervisor {who!r} look like percentages (up to {read[covered].max():g}); divide them by 100"
        )
    wrong = covered & ((read < 0) | (read > 1 + SUM_TOLERANCE)).any(axis=1)
    if not alone:
        wrong |= covered & (np.abs(read.sum(axis=1) - 1) > SUM_TOLERANCE)
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        numbers = ", ".join(f"{x:g}" for x in read[at][:6])
        rule = "lie between 0 and 1" if alone else "be non-negative and sum to one"
        raise LabelsError(
            f"{cells[at]} has the probabilities {numbers} (sum {read[at].sum():.4g}), one of {int(wrong.sum())} such lines; "
            f"each must {rule}"
        )
    probs = np.zeros((len(read), len(classes)))
    for j, (name, _) in enumerate(pairs):
        probs[covered, place[name]] = read[covered, j]
    if alone:
        probs[covered, 1 - place[pairs[0][0]]] = 1.0 - read[covered, 0]
    return Reading(probs, covered, classes)


def read_values(columns: Mapping[str, Any], column: str, cells: Sequence[str], who: str) -> Reading:
    """Read a column of numbers; an empty cell abstains.

    Raises
    ------
    LabelsError
        A cell that is no number, or infinite.
    """
    values = _floats(column_of(columns, column, _table(who)), column, cells, who)
    return Reading(values[:, None], ~np.isnan(values), None)


def read_costs(columns: Mapping[str, Any], column: str, cells: Sequence[str], who: str) -> NDArray[np.float64]:
    """Read a column of money paid by line; every line needs a number from 0, also one whose label is empty.

    Raises
    ------
    LabelsError
        A cell that is empty, no number, negative or infinite.
    """
    out = np.empty(len(cells))
    for at, value in enumerate(column_of(columns, column, _table(who))):
        if empty(value):
            raise LabelsError(f"{cells[at]} has no cost in column {column!r}; write 0 where nothing was paid")
        number = None if isinstance(value, str) and value.strip().endswith("%") else _number(value)
        if number is None or not np.isfinite(number) or number < 0:
            what = "no number" if number is None else f"{number:g}"
            raise LabelsError(f"the cost in column {column!r} at {cells[at]} is {what}; give money as a number from 0")
        out[at] = number
    return out


def _pairs(
    columns: Mapping[str, Any], given: Sequence[str] | Mapping[str, str] | str, classes: NDArray[Any] | None, who: str
) -> list[tuple[str, str]]:
    if isinstance(given, Mapping):
        pairs = [(str(c), str(column)) for c, column in given.items()]
    else:
        wanted = [given] if isinstance(given, str) else [str(c) for c in given]
        known = None if classes is None else {str(c) for c in classes}
        pairs = []
        for column in wanted:
            inner = re.fullmatch(r"p\((.*)\)", column)
            name = inner[1] if inner is not None and (known is None or column not in known) else column
            pairs.append((name, column))
            if known is not None and name not in known:
                column_of(columns, column, _table(who))
                raise LabelsError(
                    f"column {column!r} of supervisor {who!r} is not named after a class{nearest(name, sorted(known))}; columns are "
                    "matched by name, so say which is which: probs={class: column}"
                )
    if not pairs:
        raise LabelsError(f"supervisor {who!r} is given probs= without a column; name at least one")
    for name in {c for c, _ in pairs}:
        if sum(c == name for c, _ in pairs) > 1:
            raise LabelsError(f"supervisor {who!r} has two columns of probabilities for class {name!r}; keep one")
    if classes is not None:
        check_names([c for c, _ in pairs], classes, f"probs of supervisor {who!r}")
    return pairs


def _floats(values: list[Any], column: str, cells: Sequence[str], who: str) -> NDArray[np.float64]:
    out = np.full(len(values), np.nan)
    for at, value in enumerate(values):
        if empty(value):
            continue
        if isinstance(value, list | tuple | set | dict | np.ndarray):
            raise LabelsError(
                f"the label in column {column!r} at {cells[at]} is a list; one task has one label a row, so run one task per label"
            )
        if isinstance(value, str) and value.strip().endswith("%"):
            raise LabelsError(
                f"column {column!r} of supervisor {who!r} holds percentages (at {cells[at]}); write them as numbers from 0 to 1"
            )
        number = _number(value)
        if number is None or not np.isfinite(number):
            what = "no number" if number is None else "not finite"
            raise LabelsError(
                f"the cell in column {column!r} at {cells[at]} is {what}; give a number, or leave it empty to abstain"
            )
        out[at] = number
    return out


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        value = value.strip().removesuffix("%")
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _percent(values: NDArray[np.float64]) -> bool:
    return bool(1 + SUM_TOLERANCE < values.max() <= 100)


def _one_spelling(classes: NDArray[Any], column: str) -> None:
    first: dict[str, str] = {}
    for name in classes.tolist():
        twin = first.setdefault(name.strip().casefold(), name)
        if twin != name:
            raise LabelsError(
                f"classes {twin!r} and {name!r} in column {column!r} differ by case or spaces only; write them the same way"
            )


def _listed(classes: NDArray[Any]) -> str:
    return ", ".join(repr(str(c)) for c in classes[:8])


def _table(who: str) -> str:
    return f"the table of supervisor {who!r}"

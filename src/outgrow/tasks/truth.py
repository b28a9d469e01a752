"""Reading truth: class names or numbers, and what is wrong with them."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from outgrow.errors import TaskError, nearest
from outgrow.tasks.inputs import is_missing, quoted

__all__ = ["Truth", "check_class_names", "check_conflicts", "read_truth"]

MANY = 20  # a fractional truth with more different values than this is a number to predict


@dataclass(frozen=True)
class Truth:
    """Truth as a task holds it: class index (-1 unknown) or float (nan unknown)."""

    kind: Literal["classes", "value"]
    encoded: NDArray[Any]
    classes: NDArray[Any] | None
    notes: tuple[str, ...] = ()


def read_truth(
    truth: Any, names: NDArray[Any], kind: Literal["classes", "value"] | None, classes: Sequence[Any] | None
) -> Truth:
    """Translate truth, and decide the kind of the task where it is not given.

    Parameters
    ----------
    truth : sequence of N or None
        Class names, numbers, or nothing (None, nan, "").
    names : (N,) own ids, for messages.
    kind : {"classes", "value"} or None
        None decides: fractional numbers with more than 20 different values are a value.
    classes : sequence or None
        All classes in order.
    """
    n = len(names)
    if kind not in (None, "classes", "value"):
        raise TaskError(f"a task's kind is 'classes' or 'value', not {kind!r}")
    if kind == "value" and classes is not None:
        raise TaskError("a value task has no classes: leave classes out, or give kind='classes'")
    given = None if classes is None else [_class_name(c) for c in classes]
    if given is not None:
        repeats = [c for c, k in Counter(given).items() if k > 1]
        if repeats:
            raise TaskError(f"classes must be different: {quoted(repeats[0])} is given twice")
        check_class_names(given)
    if truth is None:
        values: list[Any] = [None] * n
    else:
        values = truth.tolist() if hasattr(truth, "tolist") else list(truth)
    if len(values) != n:
        raise TaskError(
            f"there are {n} inputs and {len(values)} truths: give one truth per input, None where it is unknown"
        )
    known = [i for i, value in enumerate(values) if not is_missing(value)]
    _no_lists(values, known, names)
    if kind is None:
        kind = "classes" if given is not None or not _fractional([values[i] for i in known]) else "value"
        if not known and given is None:
            raise TaskError(
                "no row has truth, so the classes are not known: give classes=[...], or kind='value' for a number per row"
            )
    if kind == "value":
        return Truth("value", _numbers(values, known, names), None)
    return _names(values, known, names, given)


def _names(values: list[Any], known: list[int], names: NDArray[Any], given: list[str] | None) -> Truth:
    spelt: dict[Any, str] = {}
    texts = {}
    for i in known:
        value = values[i]
        # True == 1 == 1.0 as a dictionary's key, but not as a class name.
        key = (type(value), value)
        text = spelt.get(key)
        if text is None:
            text = spelt[key] = _class_name(value)
            if not text.strip():
                raise TaskError(
                    f"the truth of row {quoted(names[i])} is made of spaces: leave it empty where it is unknown"
                )
        texts[i] = text
    counts = Counter(texts.values())
    row_of = {text: i for i, text in reversed(texts.items())}
    if given is not None:
        strange = sorted(set(counts) - set(given), key=row_of.__getitem__)
        if strange:
            raise TaskError(
                f"the truth of row {quoted(names[row_of[strange[0]]])} is the class {quoted(strange[0])}, which classes= does not "
                f"name{nearest(strange[0], given)}"
            )
    check_class_names(counts)
    _no_joined(counts, row_of, names)
    classes = given if given is not None else _in_order(counts)
    if len(classes) < 2:
        raise TaskError(
            f"all {len(known)} rows with truth are of one class, {quoted(classes[0])}: there is nothing to learn; give "
            "classes=[...] if there are others"
            if classes
            else "no row has truth, so the classes are not known: give classes=[...]"
        )
    lonely = sorted(c for c, k in counts.items() if k == 1)
    if lonely:
        hint = "; if the truth is a number to predict, give kind='value'" if all(map(_is_number, counts)) else ""
        raise TaskError(
            f"class {quoted(lonely[0])} has one row with truth, {quoted(names[row_of[lonely[0]]])} ({len(lonely)} of {len(counts)} "
            f"classes have one row): a class needs two; join it with another, or empty that truth{hint}"
        )
    index = {c: i for i, c in enumerate(classes)}
    encoded = np.full(len(values), -1, dtype=np.int64)
    encoded[known] = [index[texts[i]] for i in known]
    without = [c for c in classes if c not in counts] if known else []
    notes = (f"No row with truth is of class {', '.join(map(quoted, without))}.",) if without else ()
    return Truth("classes", encoded, np.asarray(classes, dtype=str), notes)


def _class_name(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        return str(int(value))  # a column of integers with one empty cell is a column of floats
    return str(value)


def _in_order(names: Iterable[str]) -> list[str]:
    names = list(names)
    if all(_is_number(name) for name in names):
        return sorted(names, key=lambda name: (float(name), name))
    return sorted(names)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", text.strip()) is not None


def _fractional(values: list[Any]) -> bool:
    distinct = set(values)
    if len(distinct) <= MANY:
        return False
    if all(isinstance(value, float) for value in distinct):
        return any(value != int(value) for value in distinct if math.isfinite(value))
    if all(isinstance(value, str) and _is_number(value) for value in distinct):
        return any(not re.fullmatch(r"[-+]?\d+", value.strip()) for value in distinct)
    return all(isinstance(value, float | int) and not isinstance(value, bool) for value in distinct) and any(
        isinstance(value, float) for value in distinct
    )


def _numbers(values: list[Any], known: list[int], names: NDArray[Any]) -> NDArray[np.float64]:
    encoded = np.full(len(values), np.nan)
    for i in known:
        value = values[i]
        try:
            if isinstance(value, str) and not _is_number(value):
                raise ValueError
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            raise TaskError(
                f"the truth of row {quoted(names[i])} is no number (of {len(known)} rows with truth it is the first): write it "
                "with a decimal point, leave it empty where it is unknown, or give kind='classes'"
            ) from None
        if not math.isfinite(number):
            raise TaskError(f"the truth of row {quoted(names[i])} is infinite: leave it empty where it is unknown")
        encoded[i] = number
    if known and np.ptp(encoded[known]) == 0 and len(known) > 1:
        raise TaskError(f"all {len(known)} rows with truth have the same value: there is nothing to learn")
    return encoded


def check_class_names(names: Iterable[str]) -> None:
    """Refuse names that differ by case or spaces only.

    Raises
    ------
    TaskError
        Names both.
    """
    folded: dict[str, str] = {}
    for name in sorted(names):
        fold = " ".join(name.split()).casefold()
        if fold in folded:
            raise TaskError(
                f"the classes {quoted(folded[fold])} and {quoted(name)} differ by case or spaces only: write them alike"
            )
        folded[fold] = name


def _no_lists(values: list[Any], known: list[int], names: NDArray[Any]) -> None:
    for i in known:
        value = values[i]
        if isinstance(value, list | tuple | set | frozenset | dict | np.ndarray) or (
            isinstance(value, str) and re.fullmatch(r"\s*\[.*\]\s*", value, re.DOTALL)
        ):
            raise TaskError(_one_task_per_label(names[i]))


def _one_task_per_label(name: str) -> str:
    return (
        f"the truth of row {quoted(name)} is a list of labels: run one task per label, each with a truth column that says "
        "'yes' or 'no'"
    )


def _no_joined(counts: Counter[str], row_of: dict[str, int], names: NDArray[Any]) -> None:
    """Refuse 'a;b' beside 'a' and 'b': a list of labels in one cell."""
    alone = {name.strip() for name in counts}
    for name in sorted(counts):
        pieces = [piece.strip() for piece in re.split(r"[;|,]", name)]
        if len(pieces) > 1 and len(set(pieces)) > 1 and all(piece in alone for piece in pieces):
            raise TaskError(_one_task_per_label(names[row_of[name]]))


def check_conflicts(
    encoded: NDArray[Any], twins: NDArray[np.int64], names: NDArray[Any], on_conflict: str
) -> NDArray[np.int64]:
    """Find rows with equal inputs and different known truth.

    Returns
    -------
    array of row numbers
        Rows whose truth contradicts that of an equal input; empty when there is none.

    Raises
    ------
    TaskError
        When there is one and ``on_conflict`` is "error".
    """
    known = np.flatnonzero(encoded >= 0 if encoded.dtype.kind == "i" else ~np.isnan(encoded))
    low = np.full(len(encoded), np.inf)
    high = np.full(len(encoded), -np.inf)
    np.minimum.at(low, twins[known], encoded[known])
    np.maximum.at(high, twins[known], encoded[known])
    rows = known[low[twins[known]] < high[twins[known]]]
    if len(rows) and on_conflict == "error":
        first = rows[twins[rows] == twins[rows[0]]]
        listed = ", ".join(quoted(names[i]) for i in first[:5]) + (", ..." if len(first) > 5 else "")
        raise TaskError(
            f"rows {listed} have the same input and different truth ({len(rows)} rows in all are like that): correct them, "
            "or give on_conflict='unknown' to count their truth as unknown"
        )
    return rows

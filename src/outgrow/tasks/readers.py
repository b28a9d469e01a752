"""Readers: frames, CSV, Parquet, JSON lines and Hub datasets become tasks.

Ids and class names are text exactly as written: "007" stays "007", and "NA", "None" and "null" are names like any other. Only the
truly empty cell is unknown. Every reader takes the same columns and passes its other options to `Task.from_arrays`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from outgrow.errors import FetchError, MissingExtra, TaskError
from outgrow.tasks.columns import (
    Columns,
    PathText,
    Reader,
    check_columns,
    existing,
    read_columns,
    read_csv,
    read_jsonl,
    read_parquet,
    reader_of,
)
from outgrow.tasks.inputs import is_missing, quoted
from outgrow.tasks.task import Task

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["from_csv", "from_file", "from_frame", "from_hub", "from_jsonl", "from_parquet", "read_columns"]


def from_frame(
    frame: pd.DataFrame,
    input: str | Sequence[str],
    truth: str | None = None,
    *,
    id: str | None = None,
    group: str | None = None,
    name: str = "frame",
    **options: Any,
) -> Task:
    """Make a task of a pandas frame.

    Parameters
    ----------
    frame : pandas.DataFrame
    input : str or list of str
        The column of texts (or of equally long lists of numbers), or several numeric columns.
    truth, id, group : str, optional
        Columns of truth, of the person's own ids, and of groups whose rows share a role.
    **options
        As `Task.from_arrays`: classes, kind, on_conflict, source.

    Raises
    ------
    TaskError
        A missing column (the nearest is named), or what `Task.from_arrays` raises.
    """
    if not frame.columns.is_unique:
        doubled = frame.columns[frame.columns.duplicated()][0]
        raise TaskError(f"the frame has two columns {str(doubled)!r}: rename one")
    wanted = _wanted(input, truth, id, group)
    check_columns(wanted, [str(c) for c in frame.columns], "the frame")
    columns = {str(c): frame[c].tolist() for c in frame.columns if str(c) in wanted}
    return _task(columns, input, truth, id, group, name=name, source={"frame": f"{len(frame)} rows"}, options=options)


def from_csv(
    path: PathText,
    input: str | Sequence[str],
    truth: str | None = None,
    *,
    id: str | None = None,
    group: str | None = None,
    name: str | None = None,
    sep: str = ",",
    encoding: str | None = None,
    **options: Any,
) -> Task:
    """Make a task of a CSV file with a header.

    Parameters
    ----------
    path : path
    input, truth, id, group, name, **options
        As `from_frame`; the name is by default the file's.
    sep : str
        What stands between cells.
    encoding : str, optional
        By default what the byte order mark says, else UTF-8.
    """
    return _from_path(read_csv(sep), path, input, truth, id, group, name, encoding, options)


def from_parquet(
    path: PathText,
    input: str | Sequence[str],
    truth: str | None = None,
    *,
    id: str | None = None,
    group: str | None = None,
    name: str | None = None,
    **options: Any,
) -> Task:
    """Make a task of a Parquet file; parameters as `from_csv`."""
    return _from_path(read_parquet, path, input, truth, id, group, name, None, options)


def from_jsonl(
    path: PathText,
    input: str | Sequence[str],
    truth: str | None = None,
    *,
    id: str | None = None,
    group: str | None = None,
    name: str | None = None,
    encoding: str | None = None,
    **options: Any,
) -> Task:
    """Make a task of a file with a JSON object per line; parameters as `from_csv`.

    A key that a line lacks is an empty cell; blank lines are passed over.
    """
    return _from_path(read_jsonl, path, input, truth, id, group, name, encoding, options)


def from_file(path: PathText, input: str | Sequence[str], truth: str | None = None, **options: Any) -> Task:
    """Make a task of a file: .csv, .tsv, .parquet, .pq, .jsonl or .ndjson."""
    reader = reader_of(path)
    named: dict[str, Any] = {k: options.pop(k, None) for k in ("id", "group", "name", "encoding")}
    return _from_path(reader, path, input, truth, **named, options=options)


def from_hub(
    dataset: str,
    input: str | Sequence[str],
    truth: str | None = None,
    *,
    id: str | None = None,
    group: str | None = None,
    name: str | None = None,
    config: str | None = None,
    split: str = "train",
    revision: str | None = None,
    **options: Any,
) -> Task:
    """Make a task of a Hub dataset, by the extra ``hf``.

    Parameters
    ----------
    dataset : str
        Hub id, or a folder that `datasets.load_dataset` reads.
    config, split, revision : str, optional
        As `datasets.load_dataset`; roles are drawn here, so one split is read.

    Raises
    ------
    MissingExtra
        ``datasets`` is not installed.
    FetchError
        The dataset could not be obtained.
    """
    try:
        import datasets
    except ImportError as error:
        raise MissingExtra("Task.from_hub", "hf") from error
    try:
        table = datasets.load_dataset(dataset, config, split=split, revision=revision)
    except Exception as error:  # the Hub client raises kinds of many libraries
        raise FetchError(
            f"the Hub dataset {dataset!r} (config {config}, split {split!r}) could not be obtained "
            f"({type(error).__name__}): check the id, the split and the network"
        ) from error
    wanted = _wanted(input, truth, id, group)
    check_columns(wanted, list(table.column_names), f"the dataset {dataset!r}")
    columns = {c: list(table[c]) for c in wanted}
    labels = getattr(table.features.get(truth), "names", None) if truth is not None else None
    if truth is not None and labels:
        # The Hub writes -1 where the truth is withheld.
        columns[truth] = [labels[i] if i is not None and i >= 0 else None for i in columns[truth]]
        options.setdefault("classes", labels)
    source = {"hub": dataset, "config": config, "split": split, "revision": revision}
    return _task(
        columns, input, truth, id, group, name=name or dataset.rpartition("/")[2], source=source, options=options
    )


# ---- columns to a task ----


def _wanted(input: str | Sequence[str], *others: str | None) -> list[str]:
    inputs = [input] if isinstance(input, str) else list(input)
    if not inputs:
        raise TaskError("no input column is given: name it with input=")
    return list(dict.fromkeys([*inputs, *(c for c in others if c is not None)]))


def _task(
    columns: Columns,
    input: str | Sequence[str],
    truth: str | None,
    id: str | None,
    group: str | None,
    *,
    name: str,
    source: Mapping[str, Any],
    options: Mapping[str, Any],
) -> Task:
    if isinstance(input, str):
        inputs: Any = columns[input]
        if truth == input:
            raise TaskError(f"input and truth are the same column {input!r}: a task needs two")
    else:
        if truth in input:
            raise TaskError(f"the truth column {truth!r} is among the input columns: take it out")
        inputs = _matrix(columns, list(input), columns[id] if id else None)
    return Task.from_arrays(
        inputs,
        columns[truth] if truth else None,
        names=columns[id] if id else None,
        groups=columns[group] if group else None,
        name=name,
        source={**source, **options.get("source", {})},
        **{k: v for k, v in options.items() if k != "source"},
    )


def _matrix(columns: Columns, names: list[str], ids: Sequence[Any] | None) -> np.ndarray:
    matrix = np.empty((len(columns[names[0]]), len(names)))
    for j, column in enumerate(names):
        values = columns[column]
        try:
            matrix[:, j] = np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError):
            i = next(i for i, value in enumerate(values) if not _is_float(value))
            row = quoted(str(ids[i] if ids is not None else i))
            what = "is empty" if is_missing(values[i]) else "is no number"
            raise TaskError(
                f"row {row} {what} in the numeric input column {column!r}: fill it, or name one column of text"
            ) from None
    return matrix


def _is_float(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _from_path(
    reader: Reader,
    path: PathText,
    input: str | Sequence[str],
    truth: str | None,
    id: str | None,
    group: str | None,
    name: str | None,
    encoding: str | None,
    options: Mapping[str, Any],
) -> Task:
    file = existing(path)
    columns = reader(file, encoding, _wanted(input, truth, id, group))
    return _task(columns, input, truth, id, group, name=name or file.stem, source={"file": file.name}, options=options)

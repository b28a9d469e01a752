"""Readers: frames, CSV, Parquet, JSON lines and Hub datasets become tasks.

Ids and class names are text exactly as written: "007" stays "007", and "NA", "None" and "null" are names like any other. Only the
truly empty cell is unknown. Every reader takes the same columns and passes its other options to `Task.from_arrays`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from outgrow.errors import FetchError, MissingExtra, TaskError, nearest
from outgrow.tasks.inputs import LONG, is_missing, quoted
from outgrow.tasks.task import Task

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["from_csv", "from_file", "from_frame", "from_hub", "from_jsonl", "from_parquet", "read_columns"]

Columns = dict[str, list[Any]]
PathText = str | PathLike[str]
_BOMS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),  # before UTF-16, whose mark it begins with
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


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
    _check_columns(wanted, [str(c) for c in frame.columns], "the frame")
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
    return _from_path(_csv(sep), path, input, truth, id, group, name, encoding, options)


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
    return _from_path(_parquet, path, input, truth, id, group, name, None, options)


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
    return _from_path(_jsonl, path, input, truth, id, group, name, encoding, options)


def from_file(path: PathText, input: str | Sequence[str], truth: str | None = None, **options: Any) -> Task:
    """Make a task of a file: .csv, .tsv, .parquet, .pq, .jsonl or .ndjson."""
    reader = _by_suffix(path)
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
    _check_columns(wanted, list(table.column_names), f"the dataset {dataset!r}")
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


def read_columns(path: PathText, *, encoding: str | None = None, sep: str | None = None) -> dict[str, list[Any]]:
    """Read every column of a file as this package reads tasks: text as written, None or "" where a cell is empty.

    For files beside a task's own, such as a supervisor's labels.

    Parameters
    ----------
    path : path
        .csv, .tsv, .parquet, .pq, .jsonl or .ndjson.
    encoding, sep : str, optional
        As `from_csv`.
    """
    reader = _by_suffix(path)
    if sep is not None:
        reader = _csv(sep)
    return reader(_existing(path), encoding, None)


# ---- columns to a task ----


def _wanted(input: str | Sequence[str], *others: str | None) -> list[str]:
    inputs = [input] if isinstance(input, str) else list(input)
    if not inputs:
        raise TaskError("no input column is given: name it with input=")
    return list(dict.fromkeys([*inputs, *(c for c in others if c is not None)]))


def _check_columns(wanted: Sequence[str], known: Sequence[str], where: str) -> None:
    for column in wanted:
        if column not in known:
            # A file without a header has texts where names should be, and they are not repeated.
            short = [c for c in known if len(c) <= LONG]
            hint = "" if len(short) == len(known) else "; is its first line a header?"
            raise TaskError(f"{where} has no column {column!r}{nearest(column, short)}{hint}")


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


# ---- files to columns ----

Reader = Callable[[Path, str | None, Sequence[str] | None], Columns]


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
    file = _existing(path)
    columns = reader(file, encoding, _wanted(input, truth, id, group))
    return _task(columns, input, truth, id, group, name=name or file.stem, source={"file": file.name}, options=options)


def _existing(path: PathText) -> Path:
    file = Path(path).expanduser()
    if not file.is_file():
        raise TaskError(f"there is {'a folder, not a file' if file.is_dir() else 'no file'} at {str(path)!r}")
    return file


def _by_suffix(path: PathText) -> Reader:
    readers: dict[str, Reader] = {".csv": _csv(","), ".tsv": _csv("\t"), ".parquet": _parquet, ".pq": _parquet}
    readers |= {".jsonl": _jsonl, ".ndjson": _jsonl}
    suffix = Path(path).suffix.lower()
    if suffix not in readers:
        raise TaskError(f"a file {Path(path).name!r} is of no known kind{nearest(suffix, readers)}")
    return readers[suffix]


def _decode(path: Path, encoding: str | None) -> str:
    raw = path.read_bytes()
    if not raw:
        raise TaskError(f"the file {path.name!r} is empty")
    said = next((codec for bom, codec in _BOMS if raw.startswith(bom)), None)
    codec = encoding or said or "utf-8"
    try:
        text = raw.decode(codec)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        hint = (
            "if Windows software wrote the file, give encoding='cp1252'"
            if encoding is None
            else "give another encoding"
        )
        raise TaskError(
            f"the file {path.name!r} is not {codec}: byte 0x{raw[error.start]:02x} at offset {error.start} (line {line}); {hint}"
        ) from None
    except LookupError:
        raise TaskError(f"there is no encoding {codec!r}: name one of Python's, such as 'utf-8' or 'cp1252'") from None
    if encoding is None and "\x00" in text[:4096]:
        raise TaskError(
            f"the file {path.name!r} holds zero bytes: give encoding='utf-16-le' if it is UTF-16 without a byte order mark"
        )
    return text.removeprefix("\ufeff")


def _csv(sep: str) -> Reader:
    def read(path: Path, encoding: str | None, wanted: Sequence[str] | None) -> Columns:
        where = f"the file {path.name!r}"
        text = _decode(path, encoding)
        # The module's limit of 131,072 characters is the interpreter's, so it is raised and never lowered.
        csv.field_size_limit(max(csv.field_size_limit(), len(text)))
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=sep, strict=True)
        rows: list[list[str]] = []
        start = 1
        try:
            header = next((row for row in reader if row), [])
            if not header:
                raise TaskError(f"{where} is empty")
            _check_columns(wanted or [], header, where)
            for row in reader:
                if row and len(row) != len(header):
                    raise TaskError(
                        f"{where} has {len(row)} cells in line {reader.line_num} where the header has {len(header)}: put texts "
                        f"that hold {sep!r} in quotation marks, or give sep="
                    )
                if row:
                    rows.append(row)
                start = reader.line_num + 1
        except csv.Error:
            raise TaskError(
                f"{where} cannot be read as CSV: a quotation mark in the row that begins in line {start} is not closed at the end "
                "of its cell; one inside a text is written twice"
            ) from None
        doubled = [c for c in header if header.count(c) > 1 and (wanted is None or c in wanted)]
        if doubled:
            raise TaskError(f"{where} has two columns {doubled[0]!r}: rename one")
        if not rows:
            raise TaskError(f"{where} has a header and no rows")
        return {c: [row[j] for row in rows] for j, c in enumerate(header) if wanted is None or c in wanted}

    return read


def _parquet(path: Path, encoding: str | None, wanted: Sequence[str] | None) -> Columns:
    import pyarrow
    import pyarrow.parquet

    if encoding is not None:
        raise TaskError("a Parquet file has no encoding to choose: leave encoding out")
    try:
        file = pyarrow.parquet.ParquetFile(path)
        names = list(file.schema_arrow.names)
        _check_columns(wanted or [], names, f"the file {path.name!r}")
        table = file.read(columns=None if wanted is None else list(wanted))
    except (pyarrow.ArrowException, OSError) as error:
        if isinstance(error, TaskError):
            raise
        raise TaskError(
            f"the file {path.name!r} is no Parquet file, or is cut short ({type(error).__name__})"
        ) from None
    if table.num_rows == 0:
        raise TaskError(f"the file {path.name!r} has columns and no rows")
    return {name: table.column(name).to_pylist() for name in table.column_names}


def _jsonl(path: Path, encoding: str | None, wanted: Sequence[str] | None) -> Columns:
    rows: list[dict[str, Any]] = []
    lines: list[int] = []
    # Not splitlines(): JSON allows U+2028 and U+0085 inside a text.
    for number, line in enumerate(_decode(path, encoding).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise TaskError(
                f"line {number} of {path.name!r} is no whole JSON value ({error.msg.lower()} at character {error.colno}): mend "
                "or remove the line"
            ) from None
        if not isinstance(row, dict):
            raise TaskError(f'line {number} of {path.name!r} is no JSON object: write {{"column": value, ...}}')
        rows.append(row)
        lines.append(number)
    if not rows:
        raise TaskError(f"the file {path.name!r} is empty")
    known = list(dict.fromkeys(key for row in rows for key in row))
    _check_columns(wanted or [], known, f"the file {path.name!r}")
    return {key: [row.get(key) for row in rows] for key in (wanted or known)}

"""Files to columns: text exactly as written, None or "" where a cell is empty; every broken file has its sentence."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from outgrow.errors import TaskError, nearest
from outgrow.tasks.inputs import LONG

__all__ = [
    "Columns",
    "PathText",
    "Reader",
    "check_columns",
    "existing",
    "read_columns",
    "read_csv",
    "read_jsonl",
    "read_parquet",
    "reader_of",
]

Columns = dict[str, list[Any]]
PathText = str | PathLike[str]
Reader = Callable[[Path, str | None, Sequence[str] | None], Columns]
_BOMS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),  # before UTF-16, whose mark it begins with
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
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
    reader = reader_of(path)
    if sep is not None:
        reader = read_csv(sep)
    return reader(existing(path), encoding, None)


def check_columns(wanted: Sequence[str], known: Sequence[str], where: str) -> None:
    """Refuse a column that is not there; name the nearest."""
    for column in wanted:
        if column not in known:
            # A file without a header has texts where names should be, and they are not repeated.
            short = [c for c in known if len(c) <= LONG]
            hint = "" if len(short) == len(known) else "; is its first line a header?"
            raise TaskError(f"{where} has no column {column!r}{nearest(column, short)}{hint}")


def existing(path: PathText) -> Path:
    """Return the path of a file that is there."""
    file = Path(path).expanduser()
    if not file.is_file():
        raise TaskError(f"there is {'a folder, not a file' if file.is_dir() else 'no file'} at {str(path)!r}")
    return file


def reader_of(path: PathText) -> Reader:
    """Return what reads a file of this suffix."""
    readers: dict[str, Reader] = {
        ".csv": read_csv(","),
        ".tsv": read_csv("\t"),
        ".parquet": read_parquet,
        ".pq": read_parquet,
    }
    readers |= {".jsonl": read_jsonl, ".ndjson": read_jsonl}
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


def read_csv(sep: str) -> Reader:
    """Return what reads a CSV file with a header; cells stand between ``sep``."""

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
            check_columns(wanted or [], header, where)
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


def read_parquet(path: Path, encoding: str | None, wanted: Sequence[str] | None) -> Columns:
    """Read a Parquet file; whole numbers stay whole beside empty cells."""
    import pyarrow
    import pyarrow.parquet

    if encoding is not None:
        raise TaskError("a Parquet file has no encoding to choose: leave encoding out")
    try:
        file = pyarrow.parquet.ParquetFile(path)
        names = list(file.schema_arrow.names)
        check_columns(wanted or [], names, f"the file {path.name!r}")
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


def read_jsonl(path: Path, encoding: str | None, wanted: Sequence[str] | None) -> Columns:
    """Read a file with a JSON object per line; a key that a line lacks is None."""
    rows: list[dict[str, Any]] = []
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
    if not rows:
        raise TaskError(f"the file {path.name!r} is empty")
    known = list(dict.fromkeys(key for row in rows for key in row))
    check_columns(wanted or [], known, f"the file {path.name!r}")
    return {key: [row.get(key) for row in rows] for key in (wanted or known)}

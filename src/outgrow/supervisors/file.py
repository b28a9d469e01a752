"""Labels that lie in a file: a crowd's, an older model's, a vendor's. Joined to the task by id."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from outgrow.errors import LabelsError, TaskError, nearest
from outgrow.fingerprints import fingerprint
from outgrow.supervisors.cells import Reading, column_of, empty, read_costs, read_labels, read_probs, read_values
from outgrow.supervisors.protocol import inputs_seen
from outgrow.tasks.labels import Source, WeakLabels
from outgrow.tasks.rows import Rows

__all__ = ["FileSupervisor"]


class FileSupervisor(BaseEstimator):
    """Take labels from a file or frame.

    Lines are joined to rows by id, and ids are compared as text exactly as written: "007" is not "7". A row without a line, and a line
    without a label, are abstentions. ``report_`` says how many found each other. A join in which under half of the lines (or under the
    share ``least`` of the rows) find their partner is taken for a mistake and stops.

    Parameters
    ----------
    table : path, DataFrame or mapping of str to sequence
        .csv, .tsv, .parquet, .jsonl; or columns.
    id : str
        Column of ids. Not read when ``by="order"``.
    labels : str, optional
        Column of class names (``label`` in a study file; here that is the method).
    probs : list of str, mapping of class to column, or str, optional
        Columns of probabilities, named after their class (``yes`` or ``p(yes)``) or mapped to it. In a task of two classes one column
        is enough. A class without a column has probability zero.
    value : str, optional
        Column of numbers, in a value task. Exactly one of ``labels``, ``probs`` and ``value`` is given.
    source : str, optional
        Column that says who gave the label, in a long table with several lines a row: each annotator becomes one source.
    classes : sequence of str, optional
        The task's, all of them. Default: those in the file, sorted.
    names : sequence of N str, optional
        The task's own ids (``Task.names``). Default: row numbers.
    by : {"id", "order"}
        "order" takes the k-th line for row k and needs as many lines as the task has rows.
    least : float
        The least share of rows that must find a line; lower it for labels that cover few rows.
    cost : float or str, optional
        Money for one label, or the column that says what was paid for each line (also one without a label). Kept with the labels as
        ``WeakLabels.costs``; part of no fingerprint.
    encoding : str, optional
        Of a text file that is neither UTF-8 nor marked, e.g. "cp1252".
    name : str
        Shown in tables; an annotator's name is added to it.

    Attributes
    ----------
    report_ : str
        One sentence: who found whom.
    """

    needs_truth = False
    on = None

    def __init__(
        self,
        table: Any,
        *,
        id: str = "id",
        labels: str | None = None,
        probs: Sequence[str] | Mapping[str, str] | str | None = None,
        value: str | None = None,
        source: str | None = None,
        classes: ArrayLike | None = None,
        names: Sequence[str] | None = None,
        by: Literal["id", "order"] = "id",
        least: float = 0.5,
        cost: float | str | None = None,
        encoding: str | None = None,
        name: str = "file",
    ):
        self.table = table
        self.id = id
        self.labels = labels
        self.probs = probs
        self.value = value
        self.source = source
        self.classes = classes
        self.names = names
        self.by = by
        self.least = least
        self.cost = cost
        self.encoding = encoding
        self.name = name

    def label(self, rows: Rows, say: Callable[[str], None] | None = None) -> WeakLabels:
        """Read the file and label all rows given.

        Parameters
        ----------
        rows : Rows
        say : callable, optional
            Given ``report_``, once.

        Returns
        -------
        WeakLabels
            One source, or one per annotator; none has a view or saw truth.

        Raises
        ------
        TaskError
            The file cannot be read, or lacks a column (the nearest is named).
        LabelsError
            Ids that stand twice, a join that mostly fails, cells that are no labels, and costs that are no money.
        """
        columns, where = self._columns()
        names = self._names(rows)
        n = len(next(iter(columns.values())))
        place, lines = self._order(n, names, where) if self.by == "order" else self._join(columns, names, where)
        cells = self._lines(columns, n, where)
        read = self._read(columns, rows, cells)
        money = read_costs(columns, self.cost, cells, self.name) if isinstance(self.cost, str) else None
        who = [""] * n if self.source is None else [_text(v) for v in column_of(columns, self.source, where)]
        annotators = self._annotators(who, where)
        self._once(place, who, cells, names, where)
        self.report_ = self._report(place, lines, n, len(names), where)
        if say is not None:
            say(self.report_)
        content = fingerprint("file", read.probs, read.covered, read.classes, place, who, len(names))
        tables = [
            self._table(rows, read, place, np.array([w == a for w in who]), a, content, len(names), money)
            for a in annotators
        ]
        return WeakLabels.stack(tables)

    def fingerprint(self) -> str:
        """Name the recipe by the content of the file, the task's ids and the parameters."""
        from outgrow.store import file_digest

        given = self.get_params(deep=False)
        if isinstance(given["table"], str | Path):
            path = Path(given.pop("table")).expanduser()
            if not path.is_file():
                raise TaskError(f"there is no file at {str(path)!r}")
            content: Any = file_digest(path)
        else:
            given.pop("table")
            content = {c: [_text(v) for v in values] for c, values in self._columns()[0].items()}
        names = given.pop("names")
        given.pop("cost")
        return fingerprint("file", type(self), content, given, None if names is None else [str(x) for x in names])

    # ---- reading ----

    def _columns(self) -> tuple[dict[str, Any], str]:
        if isinstance(self.table, str | Path):
            from outgrow.tasks.readers import read_columns

            columns: dict[str, Any] = read_columns(self.table, encoding=self.encoding)
            return columns, f"the file {Path(self.table).name!r}"
        if hasattr(self.table, "columns"):
            columns = {str(c): self.table[c].tolist() for c in self.table.columns}
        elif isinstance(self.table, Mapping):
            columns = {str(c): list(v) for c, v in self.table.items()}
        else:
            raise LabelsError(
                f"supervisor {self.name!r} reads a path, a frame or a mapping of columns, not a {type(self.table).__name__}"
            )
        lengths = {c: len(v) for c, v in columns.items()}
        if len(set(lengths.values())) != 1 or not next(iter(lengths.values())):
            raise LabelsError(f"supervisor {self.name!r} needs columns of one length above zero, not {lengths}")
        return columns, f"the table of supervisor {self.name!r}"

    def _read(self, columns: dict[str, Any], rows: Rows, cells: list[str]) -> Reading:
        given = {"labels": self.labels, "probs": self.probs, "value": self.value}
        named = [k for k, v in given.items() if v is not None]
        if len(named) != 1:
            what = f"both {named[0]}= and {named[1]}=" if named else "none of them"
            raise LabelsError(
                f"supervisor {self.name!r} needs one of labels=, probs= and value=, and {what} is given; there are the columns "
                + ", ".join(repr(c) for c in list(columns)[:12])
            )
        classes = None if self.classes is None else np.asarray([str(c) for c in np.asarray(self.classes).tolist()])
        if self.value is not None:
            if classes is not None:
                raise LabelsError(
                    f"supervisor {self.name!r} gives values, and the task has classes; give labels= or probs="
                )
            return read_values(columns, self.value, cells, self.name)
        if self.probs is not None:
            return read_probs(columns, self.probs, classes, cells, self.name)
        assert self.labels is not None
        return read_labels(columns, self.labels, classes, cells, self.name, inputs_seen(rows))

    def _lines(self, columns: dict[str, Any], n: int, where: str) -> list[str]:
        if self.by == "order":
            return [f"line {k} of {where}" for k in range(n)]
        return [f"id {_text(v)!r} of {where}" for v in column_of(columns, self.id, where)]

    def _names(self, rows: Rows) -> list[str]:
        if self.names is not None:
            return [str(x) for x in self.names]
        longest = max((len(v.values) for v in rows.views.values()), default=int(rows.ids.max(initial=-1)) + 1)
        return [str(i) for i in range(longest)]

    # ---- joining ----

    def _order(self, n: int, names: list[str], where: str) -> tuple[NDArray[np.int64], int]:
        if self.source is not None:
            raise LabelsError(
                f"supervisor {self.name!r} has one line per annotator, which cannot be joined by order; give id="
            )
        if n != len(names):
            raise LabelsError(
                f"{where} has {n} lines and the task {len(names)} rows; joining by order needs equally many, so join by id instead"
            )
        return np.arange(n), n

    def _join(self, columns: dict[str, Any], names: list[str], where: str) -> tuple[NDArray[np.int64], int]:
        if self.by != "id":
            raise LabelsError(f"labels are joined by='id' or by='order', not by={self.by!r}")
        if self.id not in columns:
            raise TaskError(
                f"{where} has no column {self.id!r}{nearest(self.id, columns)}; name the column of ids with id=, or ask for by='order'"
            )
        ids = []
        for line, value in enumerate(columns[self.id]):
            if empty(value):
                raise LabelsError(f"line {line} of {where} has no id in column {self.id!r}; fill it or remove the line")
            if isinstance(value, float | np.floating):
                raise LabelsError(
                    f"ids in column {self.id!r} of {where} are fractions ({value!r}), which cannot be what was written; read them as text"
                )
            ids.append(_text(value))
        known = {name: at for at, name in enumerate(names)}
        place = np.array([known.get(i, -1) for i in ids], dtype=np.int64)
        lines, found = len({i for i, p in zip(ids, place) if p >= 0}), int((place >= 0).sum())
        if found * 2 < len(ids):
            raise LabelsError(
                f"only {found} of the {len(ids)} lines of {where} name a row of the task; ids are compared as text exactly as "
                f"written{_hint(ids, known)}"
            )
        if lines < self.least * len(names):
            raise LabelsError(
                f"only {lines} of the task's {len(names)} rows find a line in {where}, under the share {self.least:g} that is asked "
                f"for; give the file of this task, or least= if labels are meant to be few"
            )
        return place, lines

    def _once(self, place: NDArray[np.int64], who: list[str], cells: list[str], names: list[str], where: str) -> None:
        seen: set[tuple[int, str]] = set()
        again = []
        for at, pair in enumerate(zip(place.tolist(), who)):
            if pair[0] >= 0:
                if pair in seen:
                    again.append(at)
                seen.add(pair)
        if again:
            by = f" by {who[again[0]]!r}" if self.source is not None else ""
            way = (
                "keep one line each"
                if self.source is not None
                else "keep one line each, or name the annotators' column with source="
            )
            raise LabelsError(
                f"id {names[place[again[0]]]!r} stands in {where} more than once{by} ({len(again)} lines repeat an id); {way}"
            )

    def _annotators(self, who: list[str], where: str) -> list[str]:
        found = sorted(set(who))
        if self.source is not None and "" in found:
            raise LabelsError(
                f"line {who.index('')} of {where} names nobody in column {self.source!r}; fill it or remove the line"
            )
        return found

    def _report(self, place: NDArray[np.int64], lines: int, n: int, rows: int, where: str) -> str:
        lost = int((place < 0).sum())
        tail = f"; {lost} of its {n} lines name no row of the task and are left out" if lost else ""
        return f"{where[0].upper()}{where[1:]} has labels for {lines:,} of {rows:,} rows, joined by {self.by}{tail}."

    def _table(
        self,
        rows: Rows,
        read: Reading,
        place: NDArray[np.int64],
        mine: NDArray[np.bool_],
        annotator: str,
        content: str,
        size: int,
        money: NDArray[np.float64] | None,
    ) -> WeakLabels:
        use = mine & (place >= 0)
        probs = np.zeros((size, read.probs.shape[1]))
        covered = np.zeros(size, dtype=bool)
        probs[place[use]] = read.probs[use]
        covered[place[use]] = read.covered[use]
        name = f"{self.name}:{annotator}" if self.source is not None else self.name
        outside = rows.ids[rows.ids >= size]
        if len(outside):
            raise LabelsError(f"row {outside[0]} has no own id: names= has {size} entries; give Task.names")
        source = Source(name, None, (), fingerprint(content, annotator))
        table = WeakLabels.from_probs(
            probs[rows.ids], read.classes, ids=rows.ids, covered=covered[rows.ids], source=source
        )
        if money is not None:
            costs = np.zeros(size)
            costs[place[use]] = money[use]
            return table.priced(costs[rows.ids])
        return table if self.cost is None else table.priced(float(self.cost))


def _text(value: Any) -> str:
    return "" if empty(value) else value if isinstance(value, str) else str(value)


def _hint(ids: list[str], known: Mapping[str, int]) -> str:
    """Say which small difference in writing would explain a failed join."""
    for what, alike in (
        ("spaces around them", str.strip),
        ("upper and lower case", str.casefold),
        ("leading zeros", lambda s: s.lstrip("0")),
        ("a decimal point (7.0 for 7)", lambda s: s.removesuffix(".0")),
    ):
        folded = {alike(k) for k in known}
        if sum(alike(i) in folded for i in ids) * 2 >= len(ids):
            return f", and most would match but for {what}"
    return ""

"""The task: inputs, and their ground truth under lock."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from outgrow.errors import TaskError
from outgrow.fingerprints import fingerprint
from outgrow.tasks.inputs import check_domains, check_inputs, check_names, count_rows, group_codes, quoted, twin_codes
from outgrow.tasks.labels import Source, WeakLabels
from outgrow.tasks.truth import check_conflicts, read_truth

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Kind", "Task"]

Kind = Literal["classes", "value"]


@dataclass(frozen=True, eq=False, repr=False)
class Task:
    """Inputs of N rows, and what is known of their truth.

    Most people call a constructor that checks and translates: `from_arrays`, `from_frame`, `from_csv`, `from_parquet`,
    `from_jsonl`, `from_file`, `from_hub`, or `outgrow.packaged`. Rows are known by their number, 0..N-1, everywhere;
    a person's own ids are text and live in ``names``. The truth is locked: it is no attribute, is never printed, and
    only `truth_at` hands it out.

    Parameters
    ----------
    name : str
        For titles and paths.
    kind : {"classes", "value"}
        Classification into any number of classes, or a real number per row.
    inputs : sequence of N str, or array of shape (N, d)
        Texts, or finite numbers.
    truth : array of shape (N,) or None
        Class index (-1 unknown), or float (nan unknown). Class NAMES go through `from_arrays`.
    classes : sequence of str or None
        Names of the classes in order; None for a value task.
    names : sequence of N str or None
        The person's own ids, unique; None takes the row numbers.
    groups : sequence of N labels or None
        Rows of one group share a role; a missing label leaves its row alone.
    domains : sequence of N str or None
        Where each row is from, so that supervisors can be taught in one domain and students used in others.
    source : mapping or None
        Where the data comes from and its licence, for reports.
    notes : tuple of str
        What was noticed while reading, one sentence each.

    Raises
    ------
    TaskError
        Says what is wrong, in which row, and what to do.
    """

    name: str
    kind: Kind
    inputs: Any
    truth: InitVar[ArrayLike | None]
    classes: Any
    names: Any = None
    groups: Any = None
    source: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()
    domains: Any = None
    _truth: NDArray[Any] = field(init=False)

    def __post_init__(self, truth: ArrayLike | None) -> None:
        if self.kind not in ("classes", "value"):
            raise TaskError(f"a task's kind is 'classes' or 'value', not {self.kind!r}")
        put = functools.partial(object.__setattr__, self)
        n = count_rows(self.inputs)
        put("names", check_names(self.names, n))
        put("inputs", check_inputs(self.inputs, self.names))
        put("groups", group_codes(self.groups, n))
        put("domains", check_domains(self.domains, n))
        put("source", dict(self.source or {}))
        put("notes", tuple(self.notes))
        if self.kind == "classes":
            classes = np.asarray(self.classes if self.classes is not None else [], dtype=str)
            if classes.ndim != 1 or len(classes) < 2 or len(set(classes.tolist())) < len(classes):
                raise TaskError(
                    "a task of classes needs the names of two or more different classes, not "
                    f"{len(set(classes.ravel().tolist()))}: give classes=[...], or kind='value' where the truth is a number"
                )
            classes.flags.writeable = False
            put("classes", classes)
        elif self.classes is not None:
            raise TaskError("a value task has no classes: leave classes out, or give kind='classes'")
        put("_truth", self._encoded(truth, n))

    def _encoded(self, truth: ArrayLike | None, n: int) -> NDArray[Any]:
        if self.kind == "value":
            encoded = np.full(n, np.nan) if truth is None else np.array(truth, dtype=np.float64)
            wrong = np.isinf(encoded)
            what = "is infinite"
        else:
            given = np.full(n, -1) if truth is None else np.asarray(truth)
            if given.dtype.kind not in "iu":
                raise TaskError(
                    "truth of a Task is a class index per row, -1 unknown; Task.from_arrays takes class names"
                )
            encoded = given.astype(np.int64)
            wrong = (encoded < -1) | (encoded >= len(self.classes))
            what = f"is no index of the {len(self.classes)} classes"
        if encoded.shape != (n,):
            raise TaskError(f"truth must have one entry per row: {n} rows, and truth of shape {encoded.shape}")
        if wrong.any():
            raise TaskError(f"the truth of row {quoted(self.names[int(np.argmax(wrong))])} {what}")
        encoded.flags.writeable = False
        return encoded

    # ---- what may be seen ----

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        what = "values" if self.kind == "value" else f"{len(self.classes)} classes"
        return f"<Task {self.name!r}: {len(self)} rows, {what}, truth on {int(self.has_truth.sum())}>"

    def __getattr__(self, name: str) -> Any:
        if name == "truth":
            raise AttributeError("the truth of a task is locked; evaluation reads it with truth_at(ids)")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def ids(self) -> NDArray[np.int64]:
        """(N,) row numbers."""
        return np.arange(len(self))

    @property
    def is_text(self) -> bool:
        """Whether inputs are texts and not numbers."""
        return isinstance(self.inputs, tuple)

    @functools.cached_property
    def has_truth(self) -> NDArray[np.bool_]:
        """(N,) whether the truth of a row is known."""
        known = self._truth >= 0 if self.kind == "classes" else ~np.isnan(self._truth)
        known.flags.writeable = False
        return known

    @functools.cached_property
    def twins(self) -> NDArray[np.int64]:
        """(N,) number of the first row that has exactly the same input."""
        return twin_codes(self.inputs)

    @functools.cached_property
    def key(self) -> str:
        """Fingerprint of the inputs and of nothing else."""
        return fingerprint("task", list(self.inputs) if self.is_text else self.inputs)

    def fingerprint(self) -> str:
        """Return ``key``."""
        return self.key

    @functools.cached_property
    def truth_key(self) -> str:
        """Fingerprint of truth and classes, for the jobs that are handed truth."""
        return fingerprint("truth", self.kind, None if self.classes is None else self.classes.tolist(), self._truth)

    def frame(self) -> pd.DataFrame:
        """Return one line per row: row number, own id, group, whether truth is known; no input and no truth."""
        import pandas as pd

        columns: dict[str, Any] = {"row": self.ids, "id": self.names, "has_truth": self.has_truth}
        if self.groups is not None:
            columns["group"] = self.groups
        if self.domains is not None:
            columns["domain"] = self.domains
        return pd.DataFrame(columns)

    # ---- truth ----

    def truth_at(self, ids: ArrayLike) -> NDArray[Any]:
        """Hand out the truth of some rows.

        For `split`, supervisors (teach rows) and evaluation; a method never calls it.

        Parameters
        ----------
        ids : array of shape (n,)
            Row numbers.

        Returns
        -------
        array of shape (n,)
            Class index (-1 unknown), or float (nan unknown).
        """
        return self._truth[self._rows(ids)]

    def truth_table(self, ids: ArrayLike) -> WeakLabels:
        """Hand out the truth of some rows as a label table, for supervisors (teach rows) and references.

        Returns
        -------
        WeakLabels
            One source, "truth"; rows of unknown truth are not covered.
        """
        rows = self._rows(ids)
        truth = self._truth[rows]
        source = Source("truth", None, tuple(rows.tolist()), "truth")
        if self.kind == "value":
            return WeakLabels.from_probs(truth, None, ids=rows, source=source)
        probs = np.eye(len(self.classes))[truth]
        return WeakLabels.from_probs(probs, self.classes, ids=rows, covered=truth >= 0, source=source)

    def without_truth(self) -> Task:
        """Return the same task with every truth unknown."""
        return self.with_truth(None)

    def with_truth(self, truth: ArrayLike | None) -> Task:
        """Return the same task with another truth: class indices or floats, one per row."""
        return self._copy(truth)

    def hide(self, keep: ArrayLike) -> Task:
        """Return the same task with truth on the rows ``keep`` only."""
        hidden = np.ones(len(self), dtype=bool)
        hidden[self._rows(keep)] = False
        truth = self._truth.copy()
        truth[hidden] = -1 if self.kind == "classes" else np.nan
        return self._copy(truth)

    def take(self, ids: ArrayLike) -> Task:
        """Return a task of some rows, renumbered in the order given; own ids, groups, domains and source stay."""
        rows = self._rows(ids)
        inputs = tuple(self.inputs[i] for i in rows) if self.is_text else self.inputs[rows]
        groups = None if self.groups is None else self.groups[rows]
        domains = None if self.domains is None else self.domains[rows]
        return self._copy(self._truth[rows], inputs=inputs, names=self.names[rows], groups=groups, domains=domains)

    def _copy(self, truth: ArrayLike | None, **changes: Any) -> Task:
        kept = {
            k: getattr(self, k)
            for k in ("name", "kind", "inputs", "classes", "names", "groups", "source", "notes", "domains")
        }
        return Task(truth=truth, **{**kept, **changes})

    def _rows(self, ids: ArrayLike) -> NDArray[np.int64]:
        rows = np.atleast_1d(np.asarray(ids))
        if rows.dtype == bool and rows.shape == (len(self),):
            return np.flatnonzero(rows)
        if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
            raise TaskError("rows of a task are taken by row numbers; own ids are looked up in task.names")
        outside = rows[(rows < 0) | (rows >= len(self))]
        if outside.size:
            raise TaskError(f"there is no row {int(outside[0])}: the task has rows 0 to {len(self) - 1}")
        return rows.astype(np.int64)

    # ---- constructors ----

    @classmethod
    def from_arrays(
        cls,
        inputs: Any,
        truth: Sequence[Any] | ArrayLike | None = None,
        *,
        classes: Sequence[Any] | None = None,
        kind: Kind | None = None,
        names: Sequence[Any] | None = None,
        groups: Sequence[Any] | None = None,
        domains: Sequence[str] | None = None,
        name: str = "task",
        on_conflict: Literal["error", "unknown"] = "error",
        source: Mapping[str, Any] | None = None,
    ) -> Task:
        """Make a task of texts or of a matrix, with class names or numbers as truth.

        Parameters
        ----------
        inputs : sequence of N str, or array of shape (N, d)
            Empty texts are allowed and counted in ``notes``.
        truth : sequence of N, optional
            Class names (text, integers, booleans) or numbers. None, nan and "" are unknown.
        classes : sequence, optional
            All classes, in order; by default those the truth names, sorted.
        kind : {"classes", "value"}, optional
            By default "value" for fractional truth with more than 20 different values, else "classes".
        names, groups, domains : sequence of N, optional
            Own ids, groups, and the domain of each row.
        on_conflict : {"error", "unknown"}
            What to do with equal inputs of different truth; "unknown" hides these truths.
        """
        n = count_rows(inputs)
        own = check_names(names, n)
        checked = check_inputs(inputs, own)
        read = read_truth(truth, own, kind, classes)
        encoded, notes = read.encoded, list(read.notes)
        if on_conflict not in ("error", "unknown"):
            raise TaskError(f"on_conflict is 'error' or 'unknown', not {on_conflict!r}")
        if isinstance(checked, tuple) and (empty := sum(not text.strip() for text in checked)):
            notes.append(f"{empty} of {n} inputs are empty.")
        twins = twin_codes(checked)
        conflicts = check_conflicts(encoded, twins, own, on_conflict)
        if len(conflicts):
            encoded = encoded.copy()
            encoded[conflicts] = -1 if read.kind == "classes" else np.nan
            notes.append(f"{len(conflicts)} rows of equal inputs with different truth count as unknown.")
        task = cls(name, read.kind, checked, encoded, read.classes, own, groups, source, tuple(notes), domains)
        vars(task)["twins"] = twins  # known already; where the cached property keeps it
        return task

    @classmethod
    def from_frame(
        cls, frame: pd.DataFrame, input: str | Sequence[str], truth: str | None = None, **options: Any
    ) -> Task:
        """Make a task of a pandas frame; see `outgrow.tasks.readers.from_frame`."""
        from outgrow.tasks import readers

        return readers.from_frame(frame, input, truth, **options)

    @classmethod
    def from_csv(
        cls, path: str | PathLike[str], input: str | Sequence[str], truth: str | None = None, **options: Any
    ) -> Task:
        """Make a task of a CSV file; see `outgrow.tasks.readers.from_csv`."""
        from outgrow.tasks import readers

        return readers.from_csv(path, input, truth, **options)

    @classmethod
    def from_parquet(
        cls, path: str | PathLike[str], input: str | Sequence[str], truth: str | None = None, **options: Any
    ) -> Task:
        """Make a task of a Parquet file; see `outgrow.tasks.readers.from_parquet`."""
        from outgrow.tasks import readers

        return readers.from_parquet(path, input, truth, **options)

    @classmethod
    def from_jsonl(
        cls, path: str | PathLike[str], input: str | Sequence[str], truth: str | None = None, **options: Any
    ) -> Task:
        """Make a task of a file of JSON lines; see `outgrow.tasks.readers.from_jsonl`."""
        from outgrow.tasks import readers

        return readers.from_jsonl(path, input, truth, **options)

    @classmethod
    def from_file(
        cls, path: str | PathLike[str], input: str | Sequence[str], truth: str | None = None, **options: Any
    ) -> Task:
        """Make a task of a file, read as its suffix says; see `outgrow.tasks.readers.from_file`."""
        from outgrow.tasks import readers

        return readers.from_file(path, input, truth, **options)

    @classmethod
    def from_hub(cls, dataset: str, input: str | Sequence[str], truth: str | None = None, **options: Any) -> Task:
        """Make a task of a Hub dataset (extra ``hf``); see `outgrow.tasks.readers.from_hub`."""
        from outgrow.tasks import readers

        return readers.from_hub(dataset, input, truth, **options)

    @classmethod
    def packaged(cls, name: str) -> Task:
        """Make a task of a packaged set; see `outgrow.packaged`."""
        from outgrow.tasks.packaged import packaged

        return packaged(name)

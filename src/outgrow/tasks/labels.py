"""The weak-label table: one for a whole task, with ids, and with the supervisor axis always there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from outgrow.errors import LabelsError
from outgrow.fingerprints import fingerprint
from outgrow.tasks.classes import check_classes, check_names, check_probs, class_codes
from outgrow.tasks.costs import check_costs, paid, side_by_side, spread
from outgrow.tasks.rows import _index, positions

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Source", "WeakLabels", "check_names"]


@dataclass(frozen=True)
class Source:
    """Where one column of a label table comes from.

    Parameters
    ----------
    name : str
        Shown in tables.
    view : str, optional
        Name of the supervisor's features; rules and files have none.
    taught : tuple of int
        Ids whose truth it saw. On these rows its labels are out of fold.
    key : str
        Fingerprint of the fitted supervisor.
    """

    name: str
    view: str | None = None
    taught: tuple[int, ...] = field(default=(), repr=False)
    key: str = ""


@dataclass(frozen=True, eq=False)
class WeakLabels:
    """Weak labels of n rows by m supervisors.

    Parameters
    ----------
    ids : ndarray of shape (n,)
        Row numbers in the task.
    probs : ndarray of shape (n, m, c)
        Class probabilities, each row summing to one where covered. For a value task c is 1 and the entries are the values.
    covered : ndarray of shape (n, m), bool
        Whether a supervisor says anything on a row. Where it does not, ``probs`` means nothing.
    classes : ndarray of shape (c,), optional
        The task's classes, always all of them, in the task's order. None for a value task.
    sources : tuple of Source
        One per supervisor.
    costs : ndarray of shape (n, m), optional
        Money paid for each label; a column of NaN where a supervisor's price is not known. Part of no fingerprint: what is learned from
        labels does not depend on their price.

    Raises
    ------
    LabelsError
        When shapes disagree, a covered entry is not finite or its probabilities do not sum to one, or a cost is no money.
    """

    ids: NDArray[np.int64]
    probs: NDArray[np.float64]
    covered: NDArray[np.bool_]
    classes: NDArray[Any] | None
    sources: tuple[Source, ...]
    costs: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        probs = np.asarray(self.probs, dtype=np.float64)
        covered = np.asarray(self.covered, dtype=bool)
        ids = np.asarray(self.ids, dtype=np.int64)
        if probs.ndim != 3 or covered.shape != probs.shape[:2] or len(ids) != len(probs):
            raise LabelsError(
                "a label table needs probs (rows, supervisors, classes), covered (rows, supervisors) and ids (rows,); "
                f"given {probs.shape}, {covered.shape}, {ids.shape}"
            )
        if len(self.sources) != probs.shape[1]:
            raise LabelsError(f"a label table of {probs.shape[1]} supervisors names {len(self.sources)} sources")
        if len(np.unique(ids)) != len(ids):
            twice = ids[np.sort(np.unique(ids, return_index=True)[1])]
            raise LabelsError(
                f"the label table has {len(ids) - len(twice)} row ids more than once; each row needs one line"
            )
        if self.classes is not None and len(self.classes) != probs.shape[2]:
            raise LabelsError(
                f"the label table has {probs.shape[2]} columns of probabilities for {len(self.classes)} classes"
            )
        if self.classes is not None:
            check_classes(np.asarray(self.classes))
            object.__setattr__(self, "classes", np.asarray(self.classes))
        if self.classes is None and probs.shape[2] != 1:
            raise LabelsError(f"labels of a value task have one number a row, not {probs.shape[2]}")
        probs = np.where(covered[:, :, None], probs, 1.0 / probs.shape[2] if self.classes is not None else 0.0)
        check_probs(probs, covered, ids, self.classes, self.sources)
        for name, value in (("probs", probs), ("covered", covered), ("ids", ids)):
            object.__setattr__(self, name, value)
        if self.costs is not None:
            object.__setattr__(self, "costs", check_costs(self.costs, covered.shape, ids, self.sources))

    # --- making ------------------------------------------------------------------------------------------------------------------

    @classmethod
    def from_names(
        cls, names: Sequence[Any], classes: ArrayLike, *, ids: ArrayLike | None = None, source: Source | str = "labels"
    ) -> WeakLabels:
        """Make a table of one supervisor from class names; ``None``, an empty text and NaN are abstentions.

        Raises
        ------
        LabelsError
            When a name is not one of the classes, or differs from one by case or spaces only, or is a list.
        """
        known = np.asarray(classes)
        codes = class_codes(names, known)
        probs = np.zeros((len(codes), 1, len(known)))
        covered = codes >= 0
        probs[covered, 0, codes[covered]] = 1.0
        return cls(_ids(ids, len(codes)), probs, covered[:, None], known, (_source(source),))

    @classmethod
    def from_probs(
        cls,
        probs: ArrayLike,
        classes: ArrayLike | None,
        *,
        ids: ArrayLike | None = None,
        covered: ArrayLike | None = None,
        source: Source | str = "labels",
    ) -> WeakLabels:
        """Make a table of one supervisor from (n, c) probabilities, or from (n,) values when ``classes`` is None."""
        array = np.asarray(probs, dtype=np.float64)
        array = array[:, None] if array.ndim == 1 else array
        there = np.isfinite(array).all(axis=1) if covered is None and classes is None else covered
        there = np.ones(len(array), bool) if there is None else np.asarray(there, bool)
        known = None if classes is None else np.asarray(classes)
        return cls(_ids(ids, len(array)), array[:, None, :], there[:, None], known, (_source(source),))

    @classmethod
    def stack(cls, tables: Iterable[WeakLabels]) -> WeakLabels:
        """Put tables of the same rows and classes side by side.

        Raises
        ------
        LabelsError
            When ids, their order, or class sets differ.
        """
        tables = list(tables)
        if not tables:
            raise LabelsError("there are no label tables to stack; give at least one supervisor's")
        first = tables[0]
        for other in tables[1:]:
            if not np.array_equal(first.ids, other.ids):
                raise LabelsError(
                    f"labels of {first.label!r} and {other.label!r} are of different rows, or the same rows in another order; "
                    "align them with .at(ids)"
                )
            mine, theirs = first.classes, other.classes
            if (mine is None) != (theirs is None) or (
                mine is not None and theirs is not None and not np.array_equal(mine, theirs)
            ):
                raise LabelsError(
                    f"labels of {first.label!r} and {other.label!r} have different classes: "
                    f"{_listed(first.classes)} and {_listed(other.classes)}"
                )
        return cls(
            first.ids,
            np.concatenate([t.probs for t in tables], axis=1),
            np.concatenate([t.covered for t in tables], axis=1),
            first.classes,
            tuple(s for t in tables for s in t.sources),
            side_by_side(tables),
        )

    def priced(self, cost: ArrayLike) -> WeakLabels:
        """Return the same labels with what they cost.

        Parameters
        ----------
        cost : float, array of shape (n,) or (n, m)
            A number is the price of one label, paid on the rows that a supervisor covers; an array says the money of every row, also where
            somebody was paid and abstained.

        Raises
        ------
        LabelsError
            A negative or infinite cost, text, or another number of rows.
        """
        return replace(self, costs=spread(cost, self.covered))

    def relabel(self, probs: ArrayLike, covered: ArrayLike | None = None, name: str = "relabelled") -> WeakLabels:
        """Return the same rows with one new source."""
        taught = tuple(sorted({i for s in self.sources for i in s.taught}))
        source = Source(name, None, taught, fingerprint("relabel", name, [s.key for s in self.sources]))
        return WeakLabels.from_probs(probs, self.classes, ids=self.ids, covered=covered, source=source)

    # --- taking ------------------------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def shape(self) -> tuple[int]:
        """``(n,)``, for scikit-learn's splitters."""
        return (len(self.ids),)

    @property
    def supervisors(self) -> int:
        """How many supervisors there are (m)."""
        return self.probs.shape[1]

    @property
    def label(self) -> str:
        """The sources' names joined with ``+``."""
        return "+".join(s.name for s in self.sources)

    def __getitem__(self, rows: Any) -> WeakLabels:
        """Take rows by position: an integer array, a mask or a slice."""
        index = _index(rows, len(self))
        costs = None if self.costs is None else self.costs[index]
        return self._unchecked(self.ids[index], self.probs[index], self.covered[index], self.sources, costs)

    def at(self, ids: ArrayLike) -> WeakLabels:
        """Take rows by id, in the order given.

        Raises
        ------
        TaskError
            When an id has no line in the table.
        """
        return self[positions(self.ids, ids)]

    def source(self, *which: int) -> WeakLabels:
        """Return the columns of some supervisors."""
        columns = list(which)
        costs = None if self.costs is None else self.costs[:, columns]
        sources = tuple(self.sources[j] for j in columns)
        return self._unchecked(self.ids, self.probs[:, columns], self.covered[:, columns], sources, costs)

    def _unchecked(self, ids: Any, probs: Any, covered: Any, sources: tuple[Source, ...], costs: Any) -> WeakLabels:
        made = object.__new__(WeakLabels)
        values = {"ids": ids, "probs": probs, "covered": covered, "classes": self.classes, "sources": sources}
        values["costs"] = costs
        for name, value in values.items():
            object.__setattr__(made, name, value)
        return made

    # --- reading -----------------------------------------------------------------------------------------------------------------

    @property
    def any_covered(self) -> NDArray[np.bool_]:
        """(n,) whether any supervisor covers a row."""
        return np.asarray(self.covered.any(axis=1))

    @property
    def paid(self) -> float | None:
        """Money that these labels cost together; None where no supervisor's price is known."""
        return paid(self.costs)

    def one(self, prior: ArrayLike | None = None) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Combine the supervisors into one label a row: the mean over those that cover it, the prior where none does.

        Parameters
        ----------
        prior : array of shape (c,), optional
            Fixed by the study (:meth:`prior` of the covered transfer rows). Default: this table's own.

        Returns
        -------
        probs : ndarray of shape (n, c)
        covered : ndarray of shape (n,)
        """
        count = self.covered.sum(axis=1)
        total = np.where(self.covered[:, :, None], self.probs, 0.0).sum(axis=1)
        mean = total / np.maximum(count, 1)[:, None]
        there = count > 0
        if not there.all():
            fill = self.prior() if prior is None else np.asarray(prior, dtype=np.float64)
            mean[~there] = fill
        return mean, there

    def prior(self) -> NDArray[np.float64]:
        """(c,) mean combined label over the covered rows (class shares; the mean value in a value task).

        Raises
        ------
        LabelsError
            When no row is covered.
        """
        there = self.any_covered
        if not there.any():
            raise LabelsError(
                f"supervisor {self.label!r} covers none of these {len(self)} rows; there is nothing to learn from"
            )
        return self[there].one(np.zeros(self.probs.shape[2]))[0].mean(axis=0)

    def hard(self) -> NDArray[np.int64]:
        """(n, m) class index each supervisor names, -1 where it abstains. Not for value tasks."""
        if self.classes is None:
            raise LabelsError("a value task has no classes to name")
        return np.where(self.covered, self.probs.argmax(axis=2), -1)

    def fingerprint(self) -> str:
        """Name the table by its content."""
        classes = None if self.classes is None else self.classes
        return fingerprint(
            "labels",
            self.ids,
            self.probs,
            self.covered,
            classes,
            [[s.name, s.view, s.taught, s.key] for s in self.sources],
        )

    def frame(self, names: Sequence[str] | None = None) -> pd.DataFrame:
        """Return a tidy frame: one line per row and supervisor, with the class named and its probability (or the value)."""
        import pandas as pd

        n, m = self.covered.shape
        shown = self.ids if names is None else np.asarray(names, dtype=object)[self.ids]
        data: dict[str, Any] = {
            "id": np.repeat(shown, m),
            "source": [s.name for s in self.sources] * n,
            "covered": self.covered.ravel(),
        }
        if self.classes is None:
            data["value"] = np.where(self.covered, self.probs[:, :, 0], np.nan).ravel()
        else:
            best = self.probs.argmax(axis=2).ravel()
            named = np.asarray(self.classes, dtype=object)[best]
            data["label"] = np.where(self.covered.ravel(), named, None)
            data["probability"] = np.where(self.covered, self.probs.max(axis=2), np.nan).ravel()
            for j, name in enumerate(self.classes):
                data[f"p({name})"] = np.where(self.covered, self.probs[:, :, j], np.nan).ravel()
        if self.costs is not None:
            data["cost"] = self.costs.ravel()
        return pd.DataFrame(data)

    def save(self, folder: Path) -> None:
        """Write npy and JSON files into a folder."""
        from outgrow.store import private_folder, write_json

        folder = private_folder(Path(folder))
        np.save(folder / "ids.npy", self.ids)
        np.save(folder / "probs.npy", self.probs)
        np.save(folder / "covered.npy", self.covered)
        if self.costs is not None:
            np.save(folder / "costs.npy", self.costs)
        write_json(
            folder / "labels.json",
            {
                "classes": None if self.classes is None else self.classes.tolist(),
                "dtype": None if self.classes is None else self.classes.dtype.str,
                "sources": [
                    {"name": s.name, "view": s.view, "taught": list(s.taught), "key": s.key} for s in self.sources
                ],
            },
        )

    @classmethod
    def load(cls, folder: Path) -> WeakLabels:
        """Read what :meth:`save` wrote."""
        from outgrow.store import read_json

        folder = Path(folder)
        about = read_json(folder / "labels.json")
        ids, probs, covered = (np.load(folder / f"{n}.npy", allow_pickle=False) for n in ("ids", "probs", "covered"))
        sources = tuple(Source(s["name"], s["view"], tuple(s["taught"]), s["key"]) for s in about["sources"])
        names = about["classes"]
        classes = None if names is None else np.array(names, dtype=np.dtype(about["dtype"]))
        money = folder / "costs.npy"
        costs = np.load(money, allow_pickle=False) if money.is_file() else None
        return cls(ids, probs, covered, classes, sources, costs)


def _ids(ids: ArrayLike | None, n: int) -> NDArray[np.int64]:
    return np.arange(n) if ids is None else np.asarray(ids, dtype=np.int64)


def _source(source: Source | str) -> Source:
    return source if isinstance(source, Source) else Source(source)


def _listed(classes: Any) -> str:
    return "values" if classes is None else str([str(c) for c in classes][:6])

"""Roles: which rows teach the supervisor, which it labels, which select, and which test.

One test set per study: it depends on ``test_seed`` alone; ``seed`` redraws the other three. Draws are stratified over the rows with truth
(classes, or ten quantile bins of a value), keep a group together, and give equal inputs one role. Where supervisors are to meet other data
than they learned from, teach rows come from one domain and all others from the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from outgrow.errors import TaskError, nearest
from outgrow.fingerprints import fingerprint
from outgrow.tasks.inputs import quoted
from outgrow.tasks.task import Task

__all__ = ["ROLES", "Roles", "sample", "split"]

ROLES = ("teach", "transfer", "select", "test")
BINS = 10  # quantile bins that stratify a value task
LEFT_IN_TEST = 200  # a teach set is drawn by default only when the test set has at least this many rows


@dataclass(frozen=True, eq=False)
class Roles:
    """Sorted row numbers of each role, disjoint.

    Parameters
    ----------
    teach, transfer, select, test : array of int64
        Rows whose truth supervisors may read; rows that weak labels cover and students learn from; rows for forecasts and
        stopping; rows that are scored.
    notes : tuple of str
        What cannot be computed with these rows, and why.
    seed : int or None
        None when the ids were given.
    """

    teach: NDArray[np.int64]
    transfer: NDArray[np.int64]
    select: NDArray[np.int64]
    test: NDArray[np.int64]
    notes: tuple[str, ...] = field(default=(), kw_only=True)
    seed: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        for role in ROLES:
            given = np.asarray(getattr(self, role))
            if given.size and (given.ndim != 1 or given.dtype.kind not in "iu"):
                raise TaskError(f"the role {role} takes row numbers, a list of integers")
            ids = np.sort(given.astype(np.int64).ravel())
            if len(ids) and (np.diff(ids) == 0).any():
                raise TaskError(f"the role {role} has row {int(ids[:-1][np.diff(ids) == 0][0])} twice")
            ids.flags.writeable = False
            object.__setattr__(self, role, ids)
        for i, a in enumerate(ROLES):
            for b in ROLES[i + 1 :]:
                both = np.intersect1d(getattr(self, a), getattr(self, b))
                if len(both):
                    raise TaskError(
                        f"row {int(both[0])} is in both {a} and {b} ({len(both)} rows are): a row has one role"
                    )

    def __repr__(self) -> str:
        return f"Roles({', '.join(f'{role}={len(self[role])}' for role in ROLES)}, seed={self.seed})"

    def __getitem__(self, role: str) -> NDArray[np.int64]:
        if role not in ROLES:
            raise TaskError(f"there is no role {role!r}; there is {', '.join(ROLES)}")
        ids: NDArray[np.int64] = getattr(self, role)
        return ids

    def fingerprint(self) -> str:
        """Name the roles by their rows; how they came about does not count."""
        return fingerprint("roles", *(self[role] for role in ROLES))

    def frame(self) -> Any:
        """Return a pandas frame with a line per row: row number and role."""
        import pandas as pd

        ids = np.concatenate([self[role] for role in ROLES])
        roles = np.repeat(ROLES, [len(self[role]) for role in ROLES])
        return pd.DataFrame({"row": ids, "role": roles}).sort_values("row", ignore_index=True)

    @classmethod
    def from_ids(
        cls,
        task: Task,
        *,
        teach: ArrayLike = (),
        transfer: ArrayLike = (),
        select: ArrayLike = (),
        test: ArrayLike = (),
    ) -> Roles:
        """Take roles as given, by row number; rows in none of them are not used.

        Raises
        ------
        TaskError
            A row that does not exist or has two roles; a group or equal inputs in two roles; teach or test rows without
            truth; no transfer row.
        """
        given = {"teach": teach, "transfer": transfer, "select": select, "test": test}
        roles = cls(*(np.asarray(given[role], dtype=np.int64 if not np.size(given[role]) else None) for role in ROLES))
        role_of = np.full(len(task), -1)
        for k, role in enumerate(ROLES):
            outside = roles[role][(roles[role] < 0) | (roles[role] >= len(task))]
            if len(outside):
                raise TaskError(f"the role {role} has row {int(outside[0])}: the task has rows 0 to {len(task) - 1}")
            role_of[roles[role]] = k
        for what, codes in (("equal inputs", task.twins), ("one group", task.groups)):
            if codes is not None:
                _check_together(what, codes, role_of, task)
        for role in ("teach", "test"):
            dark = roles[role][~task.has_truth[roles[role]]]
            if len(dark):
                raise TaskError(
                    f"row {quoted(task.names[dark[0]])} of the role {role} has no truth ({len(dark)} rows have none)"
                )
        if not len(roles.transfer):
            raise TaskError("the role transfer is empty: students learn from its rows, give some")
        return cls(*(roles[role] for role in ROLES), notes=_notes(task, roles))


def _check_together(what: str, codes: NDArray[np.int64], role_of: NDArray[np.int64], task: Task) -> None:
    used = np.flatnonzero(role_of >= 0)
    order = used[np.argsort(codes[used], kind="stable")]
    torn = np.flatnonzero((np.diff(codes[order]) == 0) & (np.diff(role_of[order]) != 0))
    if len(torn):
        a, b = (int(i) for i in order[torn[0] : torn[0] + 2])
        raise TaskError(
            f"rows {quoted(task.names[a])} and {quoted(task.names[b])} are of {what} and in the roles {ROLES[role_of[a]]} and "
            f"{ROLES[role_of[b]]}: give them one role"
        )


def split(
    task: Task,
    seed: int = 0,
    *,
    teach: int | None = None,
    transfer: int | None = None,
    select: int | None = None,
    test: int | None = None,
    test_seed: int = 0,
    teach_domain: str | None = None,
) -> Roles:
    """Draw the roles of a task's rows.

    Of the rows with truth, min(1500, 40 %) test and min(500, 20 %) teach (teach only when at least 200 stay in test); all
    other rows are transfer, a tenth of them select. Sizes that are given win; when transfer is given, rows beyond it have no
    role. Groups and equal inputs are never torn: with them a role may come out smaller than asked, and rows without truth
    that belong with teach or test rows have no role.

    Parameters
    ----------
    task : Task
    seed : int
        Redraws teach, transfer and select.
    teach, transfer, select, test : int, optional
        Numbers of rows.
    test_seed : int
        Draws the test rows; one per study.
    teach_domain : str, optional
        The one of the task's domains that teach rows come from; rows of other roles come from the others. A group that lies in several
        domains still has one role, with those of its rows that fit.

    Returns
    -------
    Roles
        Sorted ids; ``notes`` says what these rows cannot tell.

    Raises
    ------
    TaskError
        Sizes beyond the rows there are, a role that came out empty, or a domain that the task does not have.
    """
    sizes = {"teach": teach, "transfer": transfer, "select": select, "test": test}
    for role, size in sizes.items():
        if size is not None and (isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 0):
            raise TaskError(f"the size of {role} is a number of rows, 0 or more, not {size!r}")
    known = task.has_truth
    inside, others = _domain(task, teach_domain)
    want = _sizes(sizes, int((known & others).sum()), int(others.sum()), int((known & inside).sum()), teach_domain)
    units = _Units(task)
    free = np.ones(units.n, dtype=bool)
    drawn: dict[str, NDArray[np.int64]] = {}

    def draw(role: str, size: int, drawn_by: int, fit: NDArray[np.bool_]) -> None:
        taken = units.draw(size, free, _generator(role, drawn_by), units.count(fit))
        free[taken] = False
        rows = units.rows(taken)
        drawn[role] = rows[fit[rows]]

    # The test rows come first and from their own seed, so nothing else moves them.
    draw("test", want["test"], test_seed, known & others)
    draw("teach", want["teach"], seed, known & inside)
    left = int(units.count(others)[free].sum())
    if want["transfer"] is None:
        want["select"] = min(left // 10 if select is None else int(select), left)
    draw("select", want["select"], seed, others)
    if want["transfer"] is None:
        rows = units.rows(np.flatnonzero(free))
        drawn["transfer"] = rows[others[rows]]
    else:
        draw("transfer", want["transfer"], seed, others)
    for role in ROLES:
        # A tenth that no group is small enough for is not what a person asked for: a note says it.
        if want[role] and not len(drawn[role]) and (role != "select" or select is not None):
            raise TaskError(
                f"the role {role} is empty: no group that is left is as small as the {want[role]} rows asked for; ask for more, "
                "or use finer groups"
            )
    notes = []
    short = [role for role in ROLES if want[role] and len(drawn[role]) < 0.95 * want[role]]
    if short:
        said = ", ".join(f"{role} has {len(drawn[role])} of {want[role]} rows" for role in short)
        notes.append(f"Groups stay together, so {said}.")
    roles = Roles(*(drawn[role] for role in ROLES), seed=int(seed))
    if not len(roles.transfer):
        raise TaskError(_no_transfer({role: len(drawn[role]) for role in ROLES}, len(task)))
    unused = len(task) - sum(len(drawn[role]) for role in ROLES)
    if teach_domain is not None:
        notes.append(f"Teach rows are of the domain {quoted(teach_domain)}, all others of the other domains.")
    elif unused and want["transfer"] is None:
        notes.append(f"{unused} rows without truth share a group or an input with teach or test rows and have no role.")
    return Roles(*(roles[role] for role in ROLES), notes=(*_notes(task, roles), *notes), seed=int(seed))


def _no_transfer(sizes: Mapping[str, int], n: int) -> str:
    return (
        f"the role transfer is empty: {sizes['test']} test, {sizes['teach']} teach and {sizes['select']} select rows of {n} leave "
        "none to learn from; ask for fewer, or give more rows"
    )


def _domain(task: Task, teach_domain: str | None) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return (N,) which rows may teach, and which may have the other roles."""
    every = np.ones(len(task), dtype=bool)
    if teach_domain is None:
        return every, every
    if task.domains is None:
        raise TaskError(
            f"teach_domain is {quoted(teach_domain)} and the task has no domains: give it domains, or leave it out"
        )
    there = dict.fromkeys(task.domains.tolist())
    if teach_domain not in there:
        raise TaskError(f"the task has no domain {quoted(teach_domain)}{nearest(teach_domain, there)}")
    if len(there) < 2:
        raise TaskError(f"the task has no domain but {quoted(teach_domain)}, so nothing is left for the other roles")
    inside: NDArray[np.bool_] = task.domains == teach_domain
    return inside, ~inside


def _sizes(
    sizes: Mapping[str, int | None], known: int, n: int, known_inside: int, teach_domain: str | None
) -> dict[str, Any]:
    """Fill in the sizes that are not given; transfer and select stay None where they are all the rest and its tenth."""
    test = sizes["test"] if sizes["test"] is not None else min(1500, int(0.4 * known))
    teach = sizes["teach"]
    if teach_domain is not None:
        teach = min(500, known_inside) if teach is None and test >= LEFT_IN_TEST else teach or 0
        if test > known or teach > known_inside:
            raise TaskError(
                f"{test} test and {teach} teach rows are asked for, {known_inside} rows with truth are of the domain "
                f"{quoted(teach_domain)} and {known} of the others: ask for fewer"
            )
        # They come from rows of their own.
        return _rest(sizes, test, teach, n - test, n)
    if teach is None:
        teach = min(500, int(0.2 * known), max(known - test, 0)) if test >= LEFT_IN_TEST else 0
    if test + teach > known:
        raise TaskError(
            f"{test} test and {teach} teach rows are asked for and {known} of {n} rows have truth: ask for fewer, or give more "
            "truth"
        )
    return _rest(sizes, test, teach, n - test - teach, n)


def _rest(sizes: Mapping[str, int | None], test: int, teach: int, left: int, n: int) -> dict[str, Any]:
    transfer, select = sizes["transfer"], sizes["select"]
    if transfer is not None and select is None:
        select = min(transfer // 10, max(left - transfer, 0))
    if (transfer or 0) + (select or 0) > left:
        raise TaskError(
            f"{transfer or 0} transfer and {select or 0} select rows are asked for and {left} of {n} rows are left by {test} "
            f"test and {teach} teach rows: ask for fewer"
        )
    if transfer == 0 or (transfer is None and left == (select or 0)):
        raise TaskError(_no_transfer({"test": test, "teach": teach, "select": select or 0}, n))
    return {"test": test, "teach": teach, "transfer": transfer, "select": select or 0}


def _generator(role: str, seed: int) -> np.random.Generator:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise TaskError(f"a seed is an integer, 0 or more, not {seed!r}")
    # Each role has a stream of its own: a size asked for one role does not redraw another.
    return np.random.default_rng([ROLES.index(role), int(seed)])


class _Units:
    """What is drawn as one: rows joined by an equal input or a group."""

    def __init__(self, task: Task) -> None:
        unit = _join(task.twins, task.groups)
        self.n = int(unit.max()) + 1
        self.size = np.bincount(unit, minlength=self.n)
        self._unit = unit
        self._order = np.argsort(unit, kind="stable")
        self._start = np.concatenate([[0], np.cumsum(self.size)])
        # The first known row speaks for its unit; -1 is the stratum of units without truth.
        self._stratum = np.full(self.n, -1)
        rows = np.flatnonzero(task.has_truth)[::-1]
        self._stratum[unit[rows]] = _strata(task)[rows]

    def count(self, fit: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return how many rows of each unit are among those that fit."""
        return np.bincount(self._unit[fit], minlength=self.n)

    def rows(self, units: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of some units."""
        if not len(units):
            return np.empty(0, dtype=np.int64)
        return np.concatenate([self._order[self._start[u] : self._start[u + 1]] for u in units.tolist()])

    def draw(
        self, want: int, free: NDArray[np.bool_], generator: np.random.Generator, count: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Draw units whose ``count`` sums to at most ``want``, and to ``want`` where units are single rows.

        Each stratum gives its share; what large units leave open is filled from any stratum.
        """
        order = generator.permutation(np.flatnonzero(free & (count > 0)))
        if want <= 0 or not len(order):
            return np.empty(0, dtype=np.int64)
        _, which = np.unique(self._stratum[order], return_inverse=True)
        total = np.bincount(which, weights=count[order]).astype(np.int64)
        taken: list[int] = []
        spare: list[int] = []
        for k, room in enumerate(_shares(total, want).tolist()):
            for u, c in zip(order[which == k].tolist(), count[order[which == k]].tolist()):
                if c <= room:
                    taken.append(u)
                    room -= c
                else:
                    spare.append(u)
        room = want - int(count[taken].sum())
        for u, c in zip(spare, count[spare].tolist()):
            if c <= room:
                taken.append(u)
                room -= c
        return np.sort(np.asarray(taken, dtype=np.int64))


def _shares(total: NDArray[np.int64], want: int) -> NDArray[np.int64]:
    """Share ``want`` among strata in proportion, by largest remainders; the larger stratum wins a tie."""
    want = min(want, int(total.sum()))
    quota = want * total // total.sum()
    remainder = want * total % total.sum()
    rest = want - int(quota.sum())
    quota[np.lexsort((-total, -remainder))[:rest]] += 1
    return quota


def _strata(task: Task) -> NDArray[np.int64]:
    truth = task.truth_at(task.ids)
    if task.kind == "classes":
        return truth.astype(np.int64)
    strata = np.full(len(task), -1)
    known = task.has_truth
    if known.any():
        edges = np.unique(np.quantile(truth[known], np.linspace(0, 1, BINS + 1)[1:-1]))
        strata[known] = np.searchsorted(edges, truth[known], side="right")
    return strata


def _join(twins: NDArray[np.int64], groups: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Number the connected sets of rows: equal inputs tie groups together."""
    n = len(twins)
    if groups is None:
        return np.unique(twins, return_inverse=True)[1]
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    first = np.full(int(groups.max()) + 1, n)
    np.minimum.at(first, groups, np.arange(n))
    ends = np.concatenate([twins, first[groups]])
    graph = coo_array((np.ones(2 * n, dtype=np.int8), (np.tile(np.arange(n), 2), ends)), shape=(n, n))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def _notes(task: Task, roles: Roles) -> tuple[str, ...]:
    notes = []
    if not task.has_truth.any():
        notes.append(
            "No row has truth: no scores, only label quality, agreement and forecasts, and how many rows to label for a test."
        )
    else:
        if not len(roles.test):
            notes.append("No test rows with truth: no scores.")
        if not task.has_truth[roles.transfer].any():
            notes.append("No truth on transfer rows: no ceiling and no PGR.")
        if not len(roles.teach):
            notes.append("No teach rows: no direct, and supervisors that learn from truth are left out.")
    if not len(roles.select):
        notes.append("No select rows: no forecasts and no stopping on them.")
    return tuple(notes)


def sample(task: Task, n: int, seed: int = 0) -> Task:
    """Draw a stratified part of a task; own ids stay, rows are renumbered in the old order.

    Parameters
    ----------
    task : Task
    n : int
        Rows to keep; groups and equal inputs stay together, so it is met up to one group.
    seed : int
    """
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or not 0 < n <= len(task):
        raise TaskError(f"a sample has 1 to {len(task)} rows, not {n!r}")
    units = _Units(task)
    drawn = units.draw(int(n), np.ones(units.n, dtype=bool), np.random.default_rng([len(ROLES), int(seed)]), units.size)
    return task.take(np.sort(units.rows(drawn)))

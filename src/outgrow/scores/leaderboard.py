"""Methods compared with naive over the cells of several studies: pooled differences, wins and losses, and which differences are sure.

A cell is one (study, supervisor, student); a method is compared with naive on the cells, seeds and test rows that both have. With
d[s, i] = score of the method - score of naive, for seed s and test row i of a cell::

    gain minus naive's  = mean over cells of mean d                          every cell weighs the same
    PGR minus naive's   = sum over cells of mean d / sum over cells of gap   only cells whose gap has its interval above 0

so both are paired: what makes a test row hard, or a seed unlucky, for both methods cancels. Cells of one task share test rows and seeds, so
their d are added row by row before the variance of the crossed layout is taken (:mod:`outgrow.scores.crossed`); tasks are independent
and their variances add up. The interval is for new test rows and new seeds of *these* tasks: it says nothing about tasks that are not
among them. ``tests/scores/test_leaderboard.py`` measures its coverage on made-up tables.

A method wins a cell where the cell's own interval of d lies above 0, loses it where it lies below 0, and ties otherwise; at 95 %, one cell
in forty of equal methods is a win by chance. The p-value of the pooled gain minus naive's is the level at which its interval touches 0;
over the methods of a block it is corrected as Holm (1979) does. Methods are ranked only within a block: those that spent no truth, those
that read the truth of teach rows, and those with a budget of it; scores of different units are never pooled, so each unit has blocks of
its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from outgrow.errors import InputError
from outgrow.scores.evaluation import Cell
from outgrow.scores.intervals import Interval, Undefined, paired_interval, pooled_mean, pooled_p, pooled_ratio

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["BASE", "BLOCKS", "Leaderboard", "holm", "leaderboard"]

BASE = "naive"
BLOCKS = ("none", "teach", "budget", "rivals")
"""No truth, the truth of teach rows, a budget of truth; and what needs no weak labels: direct, and self where it exists."""

UNITS = {"balanced_accuracy": "accuracy"}
"""Metrics that are shares of right answers are one unit."""

RIVALS = ("direct", "self")

_Floats = NDArray[np.float64]
_Place = tuple[str, str, str]


@dataclass(frozen=True, eq=False)
class Leaderboard:
    """Three tidy tables.

    Parameters
    ----------
    methods : DataFrame
        One row a block, unit and method: cells, tasks, ``gain``, ``minus_naive``, ``pgr``, ``pgr_minus_naive``, ``minus_direct`` (each
        with _low and _high where it has an interval), ``pgr_cells``, ``p``, ``p_holm``, ``wins``, ``ties``, ``losses``, ``cost``.
    tasks : DataFrame
        One row a block, unit, method and study: ``minus_naive`` with _low and _high, and the number of cells.
    cells : DataFrame
        One row a cell and method: ``gain``, ``gap``, ``minus_naive`` with _low and _high, ``outcome``, ``seconds``.
    """

    methods: pd.DataFrame
    tasks: pd.DataFrame
    cells: pd.DataFrame

    def plot(self, truth: str = "none", unit: str = "accuracy", ax: Axes | None = None) -> Axes:
        """Draw each method's score less naive's with its 95 % interval; return matplotlib's axes.

        Parameters
        ----------
        truth : {"none", "teach", "budget", "rivals"}
            Which block: methods that read as much truth.
        unit : str
            Of the metric.
        ax : matplotlib Axes, optional
            Default: axes of a new figure.

        Raises
        ------
        InputError
            A block without a method.
        """
        from outgrow.scores.plots import plot_intervals

        table = self.methods
        here = table[(table["truth"] == truth) & (table["unit"] == unit)] if len(table) else table
        if not len(here):
            raise InputError(f"no method stands in block {truth!r} with unit {unit!r}; blocks are {', '.join(BLOCKS)}")
        here = here.sort_values("minus_naive", ascending=False)
        ends = [
            None if low is None or low != low else (float(low), float(high))
            for low, high in zip(here["minus_naive_low"], here["minus_naive_high"], strict=True)
        ]
        label = f"{unit} less naive's, mean over cells"
        return plot_intervals([str(m) for m in here["method"]], here["minus_naive"].tolist(), ends, label=label, ax=ax)


@dataclass(frozen=True, eq=False)
class _Entry:
    """One method in one cell: its scores, and those of its rivals on the same seeds and rows."""

    place: _Place
    block: Any
    method: str
    seeds: tuple[int, ...]
    score: Mapping[str, _Floats]
    gap_defined: bool
    seconds: float | None

    def at(self, seeds: Sequence[int], role: str) -> _Floats:
        return self.score[role][[self.seeds.index(s) for s in seeds]]


def leaderboard(
    studies: Mapping[str, Sequence[Cell]],
    truth: Mapping[str, str],
    seconds: Mapping[tuple[str, str, str, str], float] | None = None,
) -> Leaderboard:
    """Compare the methods of several studies with naive.

    Parameters
    ----------
    studies : mapping of str to sequence of Cell
        Name of a study -> its cells, of every method. Cells whose ``cell["task"]`` and test rows are equal share these rows.
    truth : mapping of str to str
        Method -> "none", "teach" or "budget". A method that spent nothing in a cell counts as "none" there.
    seconds : mapping, optional
        (study, supervisor, student, method) -> CPU seconds a fit.

    Returns
    -------
    Leaderboard
        Empty tables where no study has naive, or no truth.

    Raises
    ------
    InputError
        A method that ``truth`` does not know.
    """
    entries: dict[tuple[str, str, str], dict[_Place, _Entry]] = {}
    base: dict[tuple[str, _Place], _Entry] = {}
    for study, cells in studies.items():
        for cell in cells:
            if not {"floor", "student"} <= set(cell.roles):
                continue
            first = cell.evaluations[0]
            unit = UNITS.get(first.metric, first.metric)
            entry = _entry(study, cell, dict(seconds or {}))
            if entry.method == BASE:
                base[unit, entry.place] = entry
                for rival in (r for r in RIVALS if r in cell.roles):
                    entries.setdefault((unit, "rivals", rival), {})[entry.place] = _as_student(entry, rival)
            if entry.method not in truth:
                raise InputError(f"it is not said how much truth the method {entry.method!r} reads; give it in truth")
            block = truth[entry.method] if first.spent else "none"
            entries.setdefault((unit, block, entry.method), {})[entry.place] = entry
    methods, tasks, lines = [], [], []
    for (unit, block, method), found in entries.items():
        pairs = _pairs(found, {p: e for (u, p), e in base.items() if u == unit})
        if not pairs:
            continue
        where = {"truth": block, "unit": unit, "method": method}
        told = [{**where, **_cell_line(mine, naive, seeds)} for mine, naive, seeds in pairs]
        lines += told
        methods.append({**where, **_method_line(pairs, told)})
        for study in dict.fromkeys(mine.place[0] for mine, _, _ in pairs):
            part = [pair for pair in pairs if pair[0].place[0] == study]
            tasks.append({**where, "study": study, "cells": len(part), **_three("minus_naive", _pooled(part))})
    return _tables(methods, tasks, lines)


def holm(p: Sequence[float]) -> list[float]:
    """Correct p-values for their number, stepping down (Holm 1979): the k-th smallest of m times m - k + 1, never below an earlier one."""
    order = np.argsort(p, kind="stable")
    out = np.zeros(len(p))
    worst = 0.0
    for k, i in enumerate(order):
        worst = max(worst, min(1.0, (len(p) - k) * float(p[i])))
        out[i] = worst
    return out.tolist()


def _entry(study: str, cell: Cell, seconds: Mapping[tuple[str, str, str, str], float]) -> _Entry:
    first = cell.evaluations[0]
    by = {k: str(v) for k, v in first.cell.items()}
    place = (study, by.get("supervisor", ""), by.get("student", ""))
    method = by.get("method", "")
    gap = cell.gap()
    block = (by.get("task", study), first.ids.tobytes())
    score = {role: cell.rows(role) for role in cell.roles}
    seeds = tuple(e.seed for e in cell.evaluations)
    return _Entry(place, block, method, seeds, score, gap.above(), seconds.get((*place, method)))


def _as_student(entry: _Entry, rival: str) -> _Entry:
    score = {**entry.score, "student": entry.score[rival]}
    return _Entry(entry.place, entry.block, rival, entry.seeds, score, entry.gap_defined, None)


_Pair = tuple[_Entry, _Entry, tuple[int, ...]]


def _pairs(found: Mapping[_Place, _Entry], base: Mapping[_Place, _Entry]) -> list[_Pair]:
    """Pair each cell with naive's, on the seeds that all cells of its task have, so that cells can be added row by row."""
    shared = {place: set(mine.seeds) & set(base[place].seeds) for place, mine in found.items() if place in base}
    blocks: dict[Any, set[int]] = {}
    for place, seeds in shared.items():
        key = found[place].block
        blocks[key] = blocks[key] & seeds if key in blocks else seeds
    common = {key: tuple(sorted(seeds)) for key, seeds in blocks.items()}
    return [(found[p], base[p], common[found[p].block]) for p in shared if common[found[p].block]]


def _less(pair: _Pair, role: str) -> _Floats:
    """Return (seeds, rows) the method's score less another's: ``naive`` or a role of the method's own cell."""
    mine, naive, seeds = pair
    return mine.at(seeds, "student") - (naive.at(seeds, "student") if role == BASE else mine.at(seeds, role))


def _pooled(pairs: Sequence[_Pair], role: str = BASE) -> Interval | Undefined:
    return pooled_mean([_less(p, role) for p in pairs], [p[0].block for p in pairs])


def _pooled_pgr(pairs: Sequence[_Pair], role: str) -> Interval | Undefined:
    """Return the sum of differences over the sum of gaps; naive's gap, which every method of the cell shares."""
    gaps = [naive.at(seeds, "ceiling") - naive.at(seeds, "floor") for _, naive, seeds in pairs]
    return pooled_ratio([_less(p, role) for p in pairs], gaps, [p[0].block for p in pairs])


def _method_line(pairs: Sequence[_Pair], told: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    itself = pairs[0][0].method == BASE
    line: dict[str, Any] = {"cells": len(pairs), "tasks": len({p[0].place[0] for p in pairs})}
    line |= _three("gain", _pooled(pairs, "floor"))
    with_gap = [p for p in pairs if p[1].gap_defined]
    line["pgr_cells"] = len(with_gap)
    if with_gap:
        line |= _three("pgr", _pooled_pgr(with_gap, "floor"))
    with_direct = [p for p in pairs if "direct" in p[0].score]
    if with_direct and pairs[0][0].method != "direct":
        line |= _three("minus_direct", _pooled(with_direct, "direct"))
    if itself:
        return {**line, "cost": 1.0}
    line |= _three("minus_naive", _pooled(pairs))
    if with_gap:
        line |= _three("pgr_minus_naive", _pooled_pgr(with_gap, BASE))
    line["p"] = pooled_p([_less(p, BASE) for p in pairs], [p[0].block for p in pairs])
    line |= {f"{what}{_PLURAL[what]}": sum(t["outcome"] == what for t in told) for what in ("win", "tie", "loss")}
    timed = [(m.seconds, n.seconds) for m, n, _ in pairs if m.seconds is not None and n.seconds]
    line["cost"] = sum(m for m, _ in timed) / sum(n for _, n in timed) if timed else None
    return line


_PLURAL = {"win": "s", "tie": "s", "loss": "es"}


def _cell_line(mine: _Entry, naive: _Entry, seeds: tuple[int, ...]) -> dict[str, Any]:
    pair = (mine, naive, seeds)
    found = paired_interval(mine.at(seeds, "student"), naive.at(seeds, "student"))
    line: dict[str, Any] = dict(zip(("study", "supervisor", "student"), mine.place, strict=True))
    line |= {"seeds": len(seeds), "rows": mine.score["student"].shape[1]}
    line["gain"] = float(_less(pair, "floor").mean())
    if "ceiling" in naive.score:
        line["gap"] = float((naive.at(seeds, "ceiling") - naive.at(seeds, "floor")).mean())
    line |= _three("minus_naive", found)
    line["outcome"] = "win" if found.above() else "loss" if found.below() else "tie"
    line["seconds"] = mine.seconds
    return line


def _three(name: str, found: Interval | Undefined) -> dict[str, float | None]:
    ends = (found.low, found.high) if isinstance(found, Interval) else (None, None)
    return dict(zip((name, f"{name}_low", f"{name}_high"), (found.value, *ends), strict=True))


def _tables(methods: list[dict[str, Any]], tasks: list[dict[str, Any]], lines: list[dict[str, Any]]) -> Leaderboard:
    import pandas as pd

    for unit, block in {(m["unit"], m["truth"]) for m in methods}:
        rows = [m for m in methods if (m["unit"], m["truth"]) == (unit, block) and m.get("p") is not None]
        for row, p in zip(rows, holm([m["p"] for m in rows]), strict=True):
            row["p_holm"] = p

    def place(m: Mapping[str, Any]) -> tuple[Any, ...]:
        value = m.get("minus_naive")
        return m["unit"], BLOCKS.index(m["truth"]), -(value if value is not None else 0.0), m["method"]

    methods = sorted(methods, key=place)
    order = {(m["unit"], m["truth"], m["method"]): k for k, m in enumerate(methods)}
    ranked = [sorted(t, key=lambda m: order[m["unit"], m["truth"], m["method"]]) for t in (tasks, lines)]
    return Leaderboard(*(_frame(pd, t) for t in (methods, *ranked)))


_INTEGERS = ("cells", "tasks", "pgr_cells", "wins", "ties", "losses", "seeds", "rows")


def _frame(pd: Any, rows: Sequence[Mapping[str, Any]]) -> Any:
    table = pd.DataFrame(list(rows))
    whole = {c: "Int64" for c in _INTEGERS if c in table}
    return table.astype(whole)

"""The learning curve of ``direct``, and what each student is worth on it in hand labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outgrow.scores.evaluation import Cell
from outgrow.scores.metrics import row_score
from outgrow.scores.worth import Worth, worth
from outgrow.store import Store, read_json
from outgrow.tasks.task import Task

__all__ = ["WORTH_COLUMNS", "curve_rows", "load_curve", "score_curve", "worth_table"]

WORTH_COLUMNS = ("supervisor", "student", "method", "labels", "low", "high", "smallest", "largest", "text")
CURVE = 31
"""Keeps the draw of a curve's rows apart from other draws of the same seed."""


def curve_rows(teach: NDArray[np.int64], sizes: Sequence[int], seed: int) -> list[NDArray[np.int64]]:
    """Return sorted teach rows for each number of labels, drawn by the seed: a larger set holds the smaller ones."""
    order = np.random.default_rng([CURVE, seed]).permutation(len(teach))
    return [teach[np.sort(order[:n])] for n in sizes]


def score_curve(
    learner: Any, task: Task, rows: Any, sets: Sequence[NDArray[np.int64]], test: NDArray[np.int64], metric: str
) -> NDArray[np.float64]:
    """Return (k, n) test row scores of a clone of the learner trained on the truth of each set of rows.

    Where a set holds one class only, that class is the answer to every row.
    """
    from sklearn.base import clone

    from outgrow.studies.evaluate import predictions

    truth = task.truth_at(test)
    c = 1 if task.kind == "value" else len(task.classes)
    out = []
    for ids in sets:
        known = np.unique(task.truth_at(ids))
        if task.kind == "classes" and len(known) < 2:
            answer = np.tile(np.eye(c)[known[0]], (len(test), 1))
        else:
            answer = predictions(clone(learner).fit(rows.at(ids), task.truth_table(ids)), rows.at(test), task)
        out.append(row_score(metric, answer, truth, c))
    return np.stack(out)


def load_curve(folder: Path) -> dict[int, NDArray[np.float64]]:
    """Read what a job of kind ``curve`` wrote: number of labels -> test row scores."""
    scores = np.load(folder / "scores.npy", allow_pickle=False)
    return dict(zip(read_json(folder / "curve.json")["sizes"], scores, strict=True))


def worth_table(cells: Sequence[Cell], curves: Mapping[tuple[str, int], str], store: Store) -> Any:
    """Say of each scored cell how many hand labels it is worth; None where no study has a learning curve."""
    import pandas as pd

    held: dict[tuple[str, int], dict[int, NDArray[np.float64]]] = {}
    lines = []
    for cell in cells:
        names = cell.evaluations[0].cell
        if "student" not in cell.roles:
            continue
        for e in cell.evaluations:
            key = (str(names["student"]), e.seed)
            if key not in held and key in curves and store.get(curves[key]) is not None:
                held[key] = load_curve(store.path(curves[key]))
        there = [k for k, e in enumerate(cell.evaluations) if (str(names["student"]), e.seed) in held]
        if not there:
            continue
        each = [held[str(names["student"]), cell.evaluations[k].seed] for k in there]
        found: Worth = worth(cell.rows("student")[there], {n: np.stack([c[n] for c in each]) for n in each[0]})
        lines.append({**{k: str(names[k]) for k in WORTH_COLUMNS[:3]}, **found.as_dict()})
    return pd.DataFrame(lines, columns=list(WORTH_COLUMNS)) if lines else None

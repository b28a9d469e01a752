"""What becomes of the supervisor's errors in the student (Burns et al. 2023, section 5.1, split by whether the supervisor is right)."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from outgrow.audits.finding import Finding, names
from outgrow.scores.metrics import choices

if TYPE_CHECKING:
    from outgrow.scores.evaluation import Cell, Evaluation

__all__ = ["Imitation"]

BINS = 4


class Imitation:
    """Count the supervisor's errors that the student copies and fixes, and its right answers that the student breaks.

    Counted over all seeds' test rows that a supervisor covers, overall and by the supervisor's confidence: quarters of these rows, rows of
    equal confidence together, so a supervisor of hard labels has no quarters. With more than two classes an error may also be replaced by
    another one. Where k classes share the highest probability a row names each by 1/k, so a count may be a fraction.
    In a value task the figure is the correlation of the two errors, averaged over seeds.
    """

    question = "Does the student copy its supervisor's errors?"

    def examine(self, cell: Cell) -> list[Finding]:
        """Return one finding; none without truth."""
        import pandas as pd

        ready = [
            e
            for e in cell.evaluations
            if e.truth is not None and e.outputs and {"floor", "student"} <= set(e.outputs) and e.covered.any()
        ]
        if not ready:
            return []
        if ready[0].classes is None:
            return [self._values(cell, ready)]
        kinds = np.concatenate([_kinds(e) for e in ready])
        sure = np.concatenate([_out(e, "floor").max(axis=1) for e in ready])
        edges = np.unique(np.quantile(sure, np.linspace(0, 1, BINS + 1)))
        place = np.searchsorted(edges[1:-1], sure, side="right")
        lines = [{"supervisor_confidence": "all", **_shares(kinds.sum(axis=0))}]
        if len(edges) > 2:
            for k, (low, high) in enumerate(pairwise(edges)):
                label = f"{low:.2f} to {high:.2f}"
                lines.append({"supervisor_confidence": label, **_shares(kinds[place == k].sum(axis=0))})
        top = lines[0]
        if top["copied"] is None:
            sentence = "The supervisor makes no error on the test rows it covers, so there is nothing to copy."
        else:
            sentence = (
                f"The student copies {_percent(top['copied'])} of its supervisor's errors and fixes {_percent(top['fixed'])}; "
                f"it breaks {_percent(top['broken'])} of the right answers."
            )
        numbers = {k: float(v) for k in ("copied", "fixed", "broken") if isinstance(v := top[k], float)}
        return [Finding("imitation", names(cell), sentence, pd.DataFrame(lines), numbers)]

    def _values(self, cell: Cell, ready: list[Evaluation]) -> Finding:
        import pandas as pd

        found = []
        for e in ready:
            truth = np.asarray(e.truth, dtype=np.float64)[e.covered]
            floor, student = (_out(e, role)[:, 0] - truth for role in ("floor", "student"))
            flat = floor.std() == 0 or student.std() == 0
            found.append(None if flat else float(np.corrcoef(floor, student)[0, 1]))
        table = pd.DataFrame({"seed": [e.seed for e in ready], "error_correlation": found})
        known = [f for f in found if f is not None]
        if not known:
            sentence = "The errors do not vary, so copying cannot be measured."
            return Finding("imitation", names(cell), sentence, table)
        r = float(np.mean(known))
        sentence = (
            f"The student's errors correlate with its supervisor's at {r:.2f} (1: it copies them, 0: they are its own)."
        )
        return Finding("imitation", names(cell), sentence, table, {"error_correlation": r})


def _out(e: Evaluation, role: str) -> NDArray[np.float64]:
    """Return the outputs on covered rows."""
    assert e.outputs is not None
    return e.outputs[role][e.covered]


def _kinds(e: Evaluation) -> NDArray[np.float64]:
    """Return (n, 6), by row: wrong, of that copied, fixed and replaced; right, of that broken."""
    truth = np.asarray(e.truth)[e.covered]
    at = np.arange(len(truth))
    floor, student = choices(_out(e, "floor")), choices(_out(e, "student"))
    wrong = 1 - floor[at, truth]
    copied = (floor * student).sum(axis=1) - floor[at, truth] * student[at, truth]
    fixed = wrong * student[at, truth]
    right = 1 - wrong
    return np.stack([wrong, copied, fixed, wrong - copied - fixed, right, right * (1 - student[at, truth])], axis=1)


def _shares(counts: NDArray[np.float64]) -> dict[str, float | str | None]:
    wrong, copied, fixed, replaced, right, broken = (float(v) for v in counts)
    return {
        "errors": wrong,
        "copied": copied / wrong if wrong else None,
        "fixed": fixed / wrong if wrong else None,
        "replaced": replaced / wrong if wrong else None,
        "right": right,
        "broken": broken / right if right else None,
    }


def _percent(value: float | str | None) -> str:
    return "none" if not isinstance(value, float) else f"{100 * value:.0f} %"

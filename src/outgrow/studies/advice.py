"""What a decision adds to its verdict: what truth and weak labels reach together."""

from __future__ import annotations

from collections.abc import Sequence

from outgrow.scores.evaluation import Cell
from outgrow.scores.intervals import Interval

__all__ = ["together"]

ANCHORED = "anchored"


def together(cells: Sequence[Cell], judged: Cell) -> str:
    """Say, where truth used directly beats a student, what the method ``anchored`` makes of truth and weak labels together.

    Parameters
    ----------
    cells : sequence of Cell
        All cells of the study.
    judged : Cell
        The one that the decision speaks of; its supervisor and student are looked at first.
    """
    ours = judged.evaluations[0].cell
    found = []
    for cell in cells:
        first = cell.evaluations[0]
        if str(first.cell.get("method", "")).partition("(")[0] != ANCHORED or not first.spent:
            continue
        gain = cell.difference("student", "direct")
        if gain.value is not None:
            same = sum(first.cell.get(k) == ours.get(k) for k in ("supervisor", "student"))
            found.append((same, gain.value, gain, first.spent))
    if not found:
        return f"The method {ANCHORED} learns from this truth and the weak labels together: add it to the study."
    _, _, gain, spent = max(found, key=lambda f: f[:2])
    how = "more than" if gain.above() else "less than" if gain.below() else "not told apart from"
    doubt = "" if isinstance(gain, Interval) else " without an interval"
    return f"Truth and weak labels together ({ANCHORED}, {spent:,} rows of truth) reach {how} truth alone: {gain.text(sign=True)}{doubt}."

"""What methods learned beside their students: weights of supervisors, how well trust ranks, what a filter left."""

from __future__ import annotations

from typing import Any

from outgrow.reports.figures import Table
from outgrow.reports.page import Section, rows_of
from outgrow.studies.results import Results
from outgrow.studies.words import number, plural

__all__ = ["learned_sections"]

OPEN = 24


def learned_sections(results: Results) -> list[Section]:
    """Return the section, or none where no method says anything. A long table is folded."""
    rows = rows_of(results.learned)
    if not rows:
        return []
    columns = ("method", "student", "supervisor", "what", "mean", "least", "greatest", "seeds")
    table = Table(columns, tuple(_line(r) for r in rows), numeric=frozenset(columns[4:]))
    title = "What the methods learned"
    words = ("Of each fit beside its student, over the seeds. An AUROC of .5 ranks nothing.",)
    if len(rows) <= OPEN:
        return [Section("learned", title, words, tables=(table,))]
    folded = (Section("", f"All {plural(len(rows), 'line')}", tables=(table,)),)
    return [Section("learned", title, words, folded=folded)]


def _line(row: dict[str, Any]) -> tuple[str, ...]:
    told = ["cannot be told" if row["mean"] is None else number(row["mean"])]
    told += ["–" if row[end] is None else number(row[end]) for end in ("low", "high")]
    return (*(str(row[k]) for k in ("method", "student", "supervisor", "what")), *told, str(row["seeds"]))

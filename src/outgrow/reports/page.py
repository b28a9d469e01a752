"""The values a report is made of, before it is set as HTML, Markdown or text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from outgrow.reports.figures import Figure, Table

__all__ = ["GLOSSARY", "MainRow", "Page", "Section", "rows_of"]

GLOSSARY = (
    ("floor", "score of the weak labels themselves, all supervisors of a row combined"),
    ("student", "score of the strong model trained on those weak labels"),
    ("direct", "the same model trained on the few rows of truth there are; the rival to beat"),
    ("ceiling", "the same model trained on the truth of all transfer rows"),
    ("gain, gap", "student less floor; ceiling less floor"),
    ("PGR", "gain divided by gap; undefined where the gap cannot be told from zero"),
    (
        "[low, high]",
        "95 % interval for new test rows and new seeds; two roles share rows, so compare them by their difference",
    ),
    ("misfit", "how far the student departs from its labels; a forecast of the gain, in a unit of its own"),
    ("spent", "rows of truth that a method was given; such rows stand in a block of their own"),
)


@dataclass(frozen=True)
class MainRow:
    """One line of the main table: names, and what stands in each column as (value, beneath)."""

    names: tuple[str, str, str]
    cells: Mapping[str, tuple[str, str]]
    verdict: str
    code: str
    flags: tuple[tuple[str, str], ...]
    sentence: str
    spent: int


@dataclass(frozen=True)
class Section:
    """A part of the report."""

    name: str
    title: str
    paragraphs: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    lists: tuple[str, ...] = ()
    folded: tuple[Section, ...] = ()


@dataclass(frozen=True)
class Page:
    """The whole report; ``kind`` says what ``name`` names."""

    name: str
    code: str
    lead: str
    reason: str
    facts: tuple[str, ...]
    notes: tuple[str, ...]
    figure: Figure | None
    columns: tuple[str, ...]
    blocks: tuple[tuple[str, tuple[MainRow, ...]], ...]
    footnotes: tuple[str, ...]
    sections: tuple[Section, ...] = field(default_factory=tuple)
    glossary: tuple[tuple[str, str], ...] = GLOSSARY
    kind: str = "study"


def rows_of(table: Any) -> list[dict[str, Any]]:
    """Return a frame's rows with every empty cell as None."""
    if table is None or not len(table):
        return []
    return [
        {k: (None if v is None or (isinstance(v, float) and v != v) else v) for k, v in row.items()}
        for row in table.astype(object).to_dict("records")
    ]

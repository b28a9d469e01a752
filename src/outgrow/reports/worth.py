"""The part of a report that says what weak labels are worth in hand labels."""

from __future__ import annotations

from outgrow.reports.figures import Table
from outgrow.reports.page import Section, rows_of
from outgrow.studies.results import Results, names, spent
from outgrow.studies.words import clean, count

__all__ = ["worth_sections"]


def worth_sections(results: Results) -> list[Section]:
    """Return a section with each student's worth, best first; none where there is no learning curve."""
    rows = rows_of(results.worth)
    if not rows:
        return []
    told = {(r["supervisor"], r["student"], r["method"]): r for r in rows}
    lines = []
    for cell in results.ranked():
        by = names(cell)
        row = told.get((by["supervisor"], by["student"], by["method"]))
        if row is not None:
            paid = count(spent(cell)) if spent(cell) else "–"
            lines.append((by["method"], by["student"], by["supervisor"], paid, *_ends(str(row["text"]))))
    chosen = results.decide().cell
    by = names(chosen) if chosen is not None else {}
    first = told.get((by.get("supervisor"), by.get("student"), by.get("method"))) or rows[0]
    words = (
        f"The best student is as good as the same model trained on {clean(first['text'])}."
        if first["text"].startswith(("about", "fewer"))
        else f"The best student is as good as the same model trained on more than the {first['largest']:,} hand labels at hand."
    )
    how = (
        "Read from the learning curve of direct: its score after so many rows of truth, on the same test rows and seeds. A supervisor that "
        "was itself taught by truth has used those rows too."
    )
    columns = ("method", "student", "supervisor", "spent", "hand labels", "95 % interval")
    kept = [j for j, c in enumerate(columns) if c != "spent" or any(line[j] != "–" for line in lines)]
    table = Table(
        tuple(columns[j] for j in kept),
        tuple(tuple(line[j] for j in kept) for line in lines),
        "How many hand labels each student is as good as.",
        frozenset(columns[3:]),
    )
    return [Section("worth", "What the weak labels are worth", (words, how), (), (table,))]


def _ends(text: str) -> tuple[str, str]:
    """Part ``about 120 hand labels [80, 210]`` into the estimate and its interval."""
    estimate, _, ends = text.partition(" [")
    return estimate.removesuffix(" hand labels").removesuffix(" you have").replace("more than the", "over"), f"[{ends}"

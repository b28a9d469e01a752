"""What came of a paper's claims, set as HTML and as Markdown: one table of claims, and the pictures that the paper's file names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from outgrow.errors import InputError
from outgrow.reports.figures import Figure, Table
from outgrow.reports.html import set_page
from outgrow.reports.markdown import page_markdown
from outgrow.reports.page import Page, Section
from outgrow.reports.pictures import picture_figure
from outgrow.reports.svg import WIDE
from outgrow.studies.words import plural

if TYPE_CHECKING:
    from outgrow.papers.reproduce import Reproduction

__all__ = ["render_reproduction", "reproduction_content", "reproduction_markdown"]

HERO = 460
_WORDS = {"holds": "the claim holds", "fails": "the claim fails", "undecided": "undecided"}
MOST_ROWS = 60
GLOSSARY = (
    ("holds", "the whole 95 % interval lies on the claimed side of the bound"),
    ("fails", "the whole interval lies on the other side"),
    ("undecided", "the bound is inside the interval"),
    ("decided by the figure", "an identity, or a count that the claim itself names; nothing is undecided"),
    ("[low, high]", "95 % interval; the column beside says what it runs over"),
    ("looked", "seeds on which thresholds and defaults were set; never those of a verdict"),
)


def render_reproduction(found: Reproduction) -> str:
    """Return a paper's claims as one self-contained HTML file."""
    return set_page(reproduction_content(found))


def reproduction_markdown(found: Reproduction) -> str:
    """Return a paper's claims as Markdown."""
    return page_markdown(reproduction_content(found))


def reproduction_content(found: Reproduction) -> Page:
    """Put a paper's claims into words, tables and figures."""
    paper = found.paper
    figures, hero, undrawn = _figures(found)
    cited = ", ".join(filter(None, (paper.title, paper.citation)))
    notes = [
        *(
            ["Quick forms on few seeds: they show that the measurements run, and are no evidence."]
            if found.quick
            else []
        ),
        *([f"At the laptop's scale: {paper.scaled}"] if paper.scaled and found.scale == "laptop" else []),
        *([f"No form at the paper's scale: {', '.join(found.left_out)}."] if found.left_out else []),
        *(f"Not measured: {error}" for error in found.errors),
        *(f"Not drawn: {error.rstrip('.?')}." for error in undrawn),
    ]
    facts = [f"arXiv {paper.arxiv}"] if paper.arxiv else []
    cpu = sum(float(r["cpu_seconds"]) for r in found.records)
    facts += [f"{found.scale} scale", plural(len(found.records), "claim"), f"{max(cpu, 0.1):.3g} CPU seconds"]
    sections = [Section("claims", "The claims", (), (), (_claims(found.records),))]
    if figures:
        sections.append(Section("pictures", "What was measured", (), tuple(figures)))
    told = [_told(r) for r in found.records if r["measurement"]["note"] or r["decider"]]
    if told:
        sections.append(Section("notes", "Notes on the verdicts", (), (), (), tuple(told)))
    tables = [_seeds(r) for r in found.records if r["measurement"]["table"]]
    if tables:
        sections.append(Section("seeds", "Every figure behind them", (), (), (), (), tuple(tables)))
    return Page(
        paper.id,
        "nothing",
        _lead(found),
        f"{cited}." if cited else f"The claims of {paper.id}, as measured here.",
        tuple(facts),
        tuple(notes),
        hero,
        (),
        (),
        (),
        tuple(sections),
        GLOSSARY,
        kind="paper",
    )


def _lead(found: Reproduction) -> str:
    counts = found.counts()
    total = len(found.records)
    if not total:
        return "No claim was measured"
    if counts["holds"] == total:
        return "The claim holds" if total == 1 else f"All {total} claims hold"
    verbs = {"holds": ("holds", "hold"), "fails": ("fails", "fail"), "undecided": ("is undecided", "are undecided")}
    said = [f"{n} {verbs[v][n != 1]}" for v, n in counts.items() if n]
    return f"Of {plural(total, 'claim')}, {' and '.join([', '.join(said[:-1]), said[-1]] if len(said) > 1 else said)}"


def _figures(found: Reproduction) -> tuple[list[Figure], Figure | None, list[str]]:
    """Draw the paper's pictures: the first one also in the width of the page's head."""
    measured = {r["name"]: r for r in found.records}
    figures: list[Figure] = []
    hero = None
    undrawn = []
    for k, picture in enumerate(found.paper.pictures):
        if picture.claim not in measured:
            undrawn.append(f"the picture of claim {picture.claim!r}, which was not measured")
            continue
        table = measured[picture.claim]["measurement"]["table"]
        try:
            figure = picture_figure(picture, table, f"picture-{k}", HERO if hero is None else WIDE)
        except InputError as error:
            undrawn.append(str(error))
            continue
        # A title says what the paper says; whether that is so stands beside it.
        figure = replace(figure, title=f"{figure.title} ({_WORDS[measured[picture.claim]['verdict']]})")
        if hero is None:
            hero = figure
        else:
            figures.append(figure)
    return figures, hero, undrawn


def _claims(records: Sequence[Mapping[str, Any]]) -> Table:
    rows = []
    for r in records:
        m = r["measurement"]
        bound = f"{r['bound']}{' (decided by the figure)' if m['decided_by'] == 'figure' else ''}"
        rows.append((r["statement"], r["verdict"], r["figures"], bound, m["spread"]))
    columns = ("claim", "verdict", "figures", "holds when", "over")
    return Table(columns, tuple(rows), "", frozenset({"figures"}))


def _told(r: Mapping[str, Any]) -> str:
    parts = [f"{r['name']} ({r['verdict']}):", r["measurement"]["note"]]
    return " ".join(filter(None, [*parts, f"To decide it: {r['decider']}." if r["decider"] else ""]))


def _seeds(r: Mapping[str, Any]) -> Section:
    rows = r["measurement"]["table"]
    columns = tuple(dict.fromkeys(c for row in rows for c in row))
    lines = tuple(tuple(_cell(row.get(c)) for c in columns) for row in rows[:MOST_ROWS])
    numeric = frozenset(c for c in columns if all(isinstance(row.get(c), int | float | None) for row in rows))
    caption = f"The first {MOST_ROWS} of {len(rows):,} rows; all stand in claims.json." if len(rows) > MOST_ROWS else ""
    title = f"{r['name']}: {r['measurement']['quantity']}, {r['figures']}"
    return Section(r["name"], title, (), (), (Table(columns, lines, caption, numeric),))


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)

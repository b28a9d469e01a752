"""What a comparison of several studies says, set as HTML and as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from outgrow.reports.figures import Figure, Table
from outgrow.reports.heat import Bar, forest, heat
from outgrow.reports.html import set_page
from outgrow.reports.markdown import page_markdown
from outgrow.reports.page import Page, Section, rows_of
from outgrow.scores.leaderboard import BASE, BLOCKS
from outgrow.scores.metrics import METRICS, metric_name
from outgrow.studies.compare import Comparison
from outgrow.studies.words import clean, count, interval, number, plural, signed

__all__ = ["BLOCK_WORDS", "board_table", "comparison_content", "comparison_markdown", "render_comparison"]

BLOCK_WORDS = {
    "none": "Methods that spend no truth",
    "teach": "Methods that read the truth of teach rows",
    "budget": "Methods with a budget of truth",
    "rivals": "Rivals that need no weak labels",
}
_ADVICE = {
    "none": "",
    "teach": "Judge these against direct, which has the same rows of truth, not against the block above.",
    "budget": "Judge these against direct, which has at least as many rows of truth, not against the first block.",
    "rivals": "",
}
GLOSSARY = (
    ("naive", "the learner trained on the weak labels as they are; what every method is compared with"),
    ("gain, gap", "student less floor (the weak labels' own score); ceiling (the same learner on truth) less floor"),
    ("- naive", "the method's gain less naive's, on the same cells, seeds and test rows; every cell weighs the same"),
    ("PGR - naive", "the sum of these differences over the sum of gaps, over cells whose gap is surely above zero"),
    ("- direct", "the student's score less that of the same learner trained on the teach rows' truth"),
    ("[low, high]", "95 % interval for new test rows and new seeds of these tasks; not for other tasks"),
    ("won, tied, lost", "cells whose own interval of the difference lies above 0, holds 0, lies below 0"),
    ("p", "how likely a pooled difference this far from 0 is without any, corrected for the number of methods (Holm)"),
    ("cost", "CPU time of a fit, naive being 1"),
)


def render_comparison(comparison: Comparison) -> str:
    """Return a comparison as one self-contained HTML file."""
    return set_page(comparison_content(comparison))


def comparison_markdown(comparison: Comparison) -> str:
    """Return a comparison as Markdown."""
    return page_markdown(comparison_content(comparison))


def comparison_content(comparison: Comparison) -> Page:
    """Put a comparison into words, figures and tables."""
    rows = rows_of(comparison.board.methods)
    units = list(dict.fromkeys(str(r["unit"]) for r in rows))
    sections: list[Section] = []
    first: Figure | None = None
    for unit in units:
        for block in BLOCKS:
            mine = [r for r in rows if r["unit"] == unit and r["truth"] == block]
            if not [r for r in mine if r["method"] != BASE]:
                continue
            figure = _forest(unit, block, mine)
            if first is None and figure is not None:
                first = figure
                sections.append(_section(unit, block, mine, len(units) > 1, None))
            else:
                sections.append(_section(unit, block, mine, len(units) > 1, figure))
        field = _field(comparison, unit)
        if field is not None:
            sections.append(Section(f"tasks-{unit}", "Where each method wins and loses", (_FIELD_WORDS,), (field,)))
    sections += _studies(comparison)
    return Page(
        comparison.name,
        "nothing" if not rows else "cannot_tell",
        "Methods compared with naive",
        comparison.headline(),
        _facts(comparison),
        comparison.notes,
        first,
        (),
        (),
        (),
        tuple(sections),
        GLOSSARY,
    )


_FIELD_WORDS = "Each number is the mean over the cells of one study; bold where its 95 % interval leaves out 0. Nothing here is corrected."


def _facts(comparison: Comparison) -> tuple[str, ...]:
    studies = rows_of(comparison.studies)
    if not studies:
        return ()
    seeds = sorted({int(s["seeds"]) for s in studies})
    cells = {(c["study"], c["supervisor"], c["student"]) for c in rows_of(comparison.board.cells)}
    said = plural(seeds[0], "seed") if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} seeds"
    return (f"{len(studies)} studies", plural(len(cells), "pair") + " of supervisor and student", said)


def _three(row: Mapping[str, Any], name: str) -> str:
    if row.get(name) is None:
        return "–"
    return f"{signed(row[name])} {interval(row.get(f'{name}_low'), row.get(f'{name}_high'), plus=True)}".strip()


def board_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return the lines of one block as text, best first."""
    # What a method is ranked by comes first, because a narrow page shows the beginning; the report's CSV has every interval.
    columns: dict[str, Callable[[Mapping[str, Any]], str]] = {
        "method": lambda r: str(r["method"]),
        "- naive": lambda r: _three(r, "minus_naive"),
        "PGR - naive": lambda r: _three(r, "pgr_minus_naive"),
        "won, tied, lost": _record,
        "p": lambda r: _p(r.get("p_holm")),
        "- direct": lambda r: _three(r, "minus_direct"),
        "cost": lambda r: "–" if r.get("cost") is None else f"{r['cost']:.1f}",
        "gain": lambda r: signed(r["gain"]),
        "PGR": lambda r: "–" if r.get("pgr") is None else number(r["pgr"]),
        "cells": lambda r: count(r["cells"]),
    }
    cells = [[write(r) for write in columns.values()] for r in rows]
    kept = [j for j, _ in enumerate(columns) if any(line[j] != "–" for line in cells)]
    names = tuple(list(columns)[j] for j in kept)
    return Table(names, tuple(tuple(line[j] for j in kept) for line in cells), "", frozenset(names[1:]))


def _record(row: Mapping[str, Any]) -> str:
    return "–" if row.get("wins") is None else f"{int(row['wins'])}, {int(row['ties'])}, {int(row['losses'])}"


def _p(value: float | None) -> str:
    if value is None:
        return "–"
    return "<.001" if value < 0.001 else number(value)


def _unit_words(unit: str) -> str:
    return metric_name(unit) if unit in METRICS else clean(unit)


def _section(unit: str, block: str, rows: Sequence[Mapping[str, Any]], several: bool, figure: Figure | None) -> Section:
    title = BLOCK_WORDS[block] + (f", {_unit_words(unit)}" if several else "")
    words = [_ADVICE[block]] if _ADVICE[block] else []
    most = max(int(r["cells"]) for r in rows)
    some = [str(r["method"]) for r in rows if int(r["cells"]) < most]
    if some:
        words.append(f"On fewer cells, and compared with naive on those: {', '.join(map(clean, some))}.")
    return Section(f"{block}-{unit}", title, tuple(words), (figure,) if figure else (), (board_table(rows),))


def _forest(unit: str, block: str, rows: Sequence[Mapping[str, Any]]) -> Figure | None:
    shown = [r for r in rows if r["method"] != BASE and r.get("minus_naive") is not None]
    if not shown:
        return None
    bars = [
        Bar(str(r["method"]), r["minus_naive"], r.get("minus_naive_low"), r.get("minus_naive_high"), _record(r))
        for r in shown
    ]
    sure = [r for r in shown if r.get("p_holm") is not None and r["p_holm"] < 0.05]
    up, down = sum(r["minus_naive"] > 0 for r in sure), sum(r["minus_naive"] < 0 for r in sure)
    title = f"{up or 'None'} of {plural(len(shown), 'method')} surely better than naive, {down or 'none'} surely worse"
    axis = f"{_unit_words(unit)} gained, less naive's (right is better)"
    return forest(f"forest-{block}-{unit}", title, bars, axis)


def _field(comparison: Comparison, unit: str) -> Figure | None:
    rows = [r for r in rows_of(comparison.board.tasks) if r["unit"] == unit and r["method"] != BASE]
    rows = [r for r in rows if r.get("minus_naive") is not None]
    if not rows:
        return None
    methods = list(dict.fromkeys(str(r["method"]) for r in rows))
    studies = list(dict.fromkeys(str(r["study"]) for r in rows))
    values = {}
    for r in rows:
        low, high = r.get("minus_naive_low"), r.get("minus_naive_high")
        sure = low is not None and high is not None and (low > 0 or high < 0)
        values[str(r["method"]), str(r["study"])] = (float(r["minus_naive"]), sure)
    free = {str(r["method"]) for r in rows if r["truth"] == "none"}
    best = {}
    for study in studies:
        known = [(values[m, study][0], m) for m in methods if (m, study) in values and m in free]
        if known:
            best[study] = max(known)[1]
    same = len(set(best.values())) == 1 and len(best) > 1
    title = (
        f"{clean(next(iter(best.values())))} has the best mean of the methods without truth in every study"
        if same
        else f"The best method without truth is another from study to study: {', '.join(dict.fromkeys(best.values()))}"
        if len(set(best.values())) > 1
        else "How each method differs from naive, by study"
    )
    return heat(f"field-{unit}", title, methods, studies, values, f"{_unit_words(unit)} gained, less naive's")


def _studies(comparison: Comparison) -> list[Section]:
    rows = rows_of(comparison.studies)
    made = []
    if rows:
        lines = tuple(
            (str(r["study"]), str(r["task"]), count(r["test_rows"]), count(r["seeds"]), str(r["headline"]))
            for r in rows
        )
        columns = ("study", "task", "test rows", "seeds", "decision")
        table = Table(
            columns, lines, "Each has a report of its own in the folder of its name.", frozenset(columns[2:4])
        )
        made.append(Section("studies", "The studies", (), (), (table,)))
    failed = rows_of(comparison.failures)
    if failed:
        told = tuple((str(r["study"]), str(r["job"]), str(r["error"])) for r in failed)
        made.append(
            Section(
                "failures",
                f"{plural(len(failed), 'job')} failed",
                ("Cells are compared on the seeds that are left.",),
                (),
                (Table(("study", "job", "error"), told),),
            )
        )
    return made

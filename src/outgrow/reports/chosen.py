"""A choice as a page: the ranked lines, the rivals, and, where a run of the same study has scores, forecast beside outcome."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from outgrow.forecasts.statistics import STATISTICS
from outgrow.reports.figures import Figure, Point, Table, scatter
from outgrow.reports.html import set_page
from outgrow.reports.page import Page, Section
from outgrow.studies.words import interval, plural, signed

if TYPE_CHECKING:
    from outgrow.studies.choose import Choice
    from outgrow.studies.results import Results

__all__ = ["choice_page", "outcomes", "render_choice"]

GLOSSARY = (
    ("expected gain", "accuracy of the student less that of its supervisor, forecast without truth"),
    ("[low, high]", "90 % interval over tasks like those that the forecast was learned from"),
    ("PGR", "the gain as a share of what the student could gain at most"),
    ("direct", "the same student trained on the truth of the teach rows"),
    ("self", "the strong model's own answers, without any label"),
    (
        "cannot tell",
        "a statistic lies outside what was seen, or the interval is no narrower than that of knowing nothing",
    ),
)
MARKS = {"student": "better", "direct": "use_truth", "self": "use_truth", "cannot tell": "nothing"}

Names = tuple[str, str, str]


def outcomes(results: Results) -> dict[Names, tuple[float, float | None, float | None]]:
    """Return the measured gain and its 95 % interval of each supervisor, student and method of a run; accuracy only."""
    if results.metric != "accuracy":
        return {}
    found = {}
    for cell in results.cells:
        names = cell.evaluations[0].cell
        gain = cell.gain()
        if gain.value is not None:
            key = (names["supervisor"], names["student"], names["method"])
            found[key] = (gain.value, getattr(gain, "low", None), getattr(gain, "high", None))
    return found


def render_choice(choice: Choice, results: Results | None = None) -> str:
    """Return a choice as one self-contained HTML file."""
    return set_page(choice_page(choice, results))


def choice_page(choice: Choice, results: Results | None = None) -> Page:
    """Put a choice into words, tables and, beside the results of a run, a figure.

    Parameters
    ----------
    choice : Choice
    results : Results, optional
        Of the same study, run later.
    """
    lines = choice.table.to_dict("records")
    sections = [Section("ranking", "Ranked without truth", (), (), (_ranking(lines),))]
    if choice.money:
        sections.append(Section("money", "Gain for money", (), (), (_money(choice),)))
    if choice.rivals:
        sections.append(Section("rivals", "Without weak labels", (), (), (_rivals(choice),)))
    notes = [*choice.notes, *(f"Failed: {error}" for error in choice.errors)]
    if results is not None:
        known = outcomes(results)
        section, missing = _against(lines, known)
        sections += section
        notes += [missing] if missing else []
    sections.append(
        Section("statistics", "What the statistics mean", (), (), (), tuple(f"{k}: {v}" for k, v in STATISTICS.items()))
    )
    told = sum(bool(line["told"]) for line in lines)
    return Page(
        choice.name,
        MARKS[choice.advice],
        choice.headline.rstrip("."),
        "No truth of transfer, select or test rows was read.",
        (plural(len(lines), "line"), f"{told} told, {len(lines) - told} cannot tell"),
        tuple(notes),
        None,
        (),
        (),
        (),
        tuple(sections),
        GLOSSARY,
        kind="choice",
    )


def _label(line: Mapping[str, Any]) -> str:
    return f"{line['method']} on {line['student']}, taught by {line['supervisor']}"


def _span(line: Mapping[str, Any], what: str, told: bool = True) -> str:
    if not told or not math.isfinite(line[what]):
        return "cannot tell"
    return f"{signed(line[what])} {interval(line[f'{what}_low'], line[f'{what}_high'], plus=True)}"


def _ranking(lines: list[dict[Any, Any]]) -> Table:
    priced = any(math.isfinite(line["cost"]) for line in lines)
    columns = ("rank", "row", "expected gain", "expected PGR", *(("cost",) if priced else ()), "why")
    rows = []
    for line in lines:
        money = (f"{line['cost']:,.4g}" if math.isfinite(line["cost"]) else "",) if priced else ()
        spans = _span(line, "gain", bool(line["told"])), _span(line, "pgr")
        rows.append((str(line["rank"]), _label(line), *spans, *money, str(line["reason"])))
    return Table(
        columns, tuple(rows), "Gains in accuracy.", frozenset({"rank", "expected gain", "expected PGR", "cost"})
    )


def _money(choice: Choice) -> Table:
    rows = []
    for place, way in enumerate(choice.money, 1):
        points = [f"{100 * v:+.3g}" for v in (way.per_money, way.low, way.high)]
        rows.append((str(place), way.way, f"{way.cost:,.4g}", f"{points[0]} [{points[1]}, {points[2]}]"))
    words = "Points of accuracy over the line's own supervisor for a unit of money, with the forecast's 90 % interval."
    columns = ("place", "what is bought", "cost", "points for a unit of money")
    return Table(columns, tuple(rows), words, frozenset({"place", *columns[2:]}))


def _rivals(choice: Choice) -> Table:
    rows = []
    for r in choice.rivals:
        span = interval(r.low, r.high, plus=True)
        wins = "yes" if r.wins else "no"
        rows.append(
            (f"{r.name}, {r.student}", f"{r.accuracy:.3f}", f"{r.student_accuracy:.3f}", span, str(r.rows), wins)
        )
    columns = ("rival", "accuracy on teach rows", "of the first line", "difference, 90 %", "rows", "expected to win")
    return Table(columns, tuple(rows), "", frozenset(columns[1:5]))


def _against(
    lines: list[dict[Any, Any]], known: Mapping[Names, tuple[float, float | None, float | None]]
) -> tuple[list[Section], str]:
    points, inside = [], 0
    for line in lines:
        measured = known.get((line["supervisor"], line["student"], line["method"]))
        if measured is None:
            continue
        broken = "" if line["told"] else "cannot tell"
        value, low, high = measured
        inside += bool(line["gain_low"] <= value <= line["gain_high"])
        points.append(Point(_label(line), line["gain"], value, line["gain_low"], line["gain_high"], low, high, broken))
    if not points:
        return [], "The run has no gain in accuracy of these lines to set beside the forecast."
    title = f"Forecast intervals hold {inside} of {plural(len(points), 'measured gain')}"
    words = "gain forecast without truth, in accuracy", "gain measured later, in accuracy"
    figure: Figure = scatter("choice-outcome", title, points, *words, diagonal=True, unit="accuracy")
    return [Section("outcome", "Forecast against outcome", (), (figure,))], ""

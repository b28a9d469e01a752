"""Findings and forecasts as figures whose titles are computed from their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from outgrow.forecasts.forecast import RANK
from outgrow.reports.audited import Bins, Fate, reliability, transfer
from outgrow.reports.figures import Figure, Point, Table, scatter
from outgrow.reports.page import Section, rows_of
from outgrow.scores.metrics import METRICS, metric_name
from outgrow.studies.words import clean, number, plural, share, signed

if TYPE_CHECKING:
    from outgrow.audits.finding import Finding
    from outgrow.studies.results import Results

__all__ = ["audit_figure", "forecast_sections"]


def audit_figure(finding: Finding, name: str) -> Figure | None:
    """Draw a finding whose table is known; None for any other."""
    rows = rows_of(finding.table)
    have = set(rows[0]) if rows else set()
    if {"role", "confidence", "accuracy", "share"} <= have:
        return _reliability(rows, name)
    if {"supervisor_confidence", "errors", "copied", "fixed", "right", "broken"} <= have:
        return _transfer(rows, name, finding.sentence)
    return None


def _reliability(rows: list[dict[str, Any]], name: str) -> Figure:
    curves = []
    for role in ("student", "floor"):
        mine = [r for r in rows if r["role"] == role]
        if mine:
            columns = (tuple(float(r[c]) for r in mine) for c in ("confidence", "accuracy", "share"))
            curves.append(Bins(role, *columns))
    parts = []
    for curve in curves:
        way = "too sure" if curve.over > 0 else "not sure enough"
        by = f"{way} by {number(abs(curve.over))}" if abs(curve.over) >= 0.005 else "as sure as it is right"
        parts.append(f"the {'supervisor' if curve.role == 'floor' else curve.role} is {by} on average")
    title = ", ".join(parts)
    return reliability(name, title[:1].upper() + title[1:], curves)


def _transfer(rows: list[dict[str, Any]], name: str, sentence: str) -> Figure:
    def one(row: dict[str, Any]) -> Fate:
        label = clean(row["supervisor_confidence"])
        return Fate(
            "all answers" if label == "all" else label,
            int(row["errors"]),
            row["fixed"],
            row["copied"],
            row.get("replaced") or 0.0,
            int(row["right"]),
            row["broken"],
        )

    fates = [one(r) for r in rows]
    title = sentence.rstrip(".")
    if len(fates) > 2 and fates[1].fixed is not None and fates[-1].fixed is not None:
        title += f"; where the supervisor is least sure it fixes {share(fates[1].fixed)}, where most sure {share(fates[-1].fixed)}"
    return transfer(name, title, fates)


def forecast_sections(results: Results) -> list[Section]:
    """Return one section with a figure for each forecast and unit, and a sentence for those without a measured gain."""
    every = [r for r in rows_of(results.forecasts) if r.get("value") is not None]
    rows = [r for r in every if r["unit"] != RANK]
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((str(row["forecast"]), str(row.get("order") or ""), str(row["unit"])), []).append(row)
    figures: list[Figure] = []
    tables: list[Table] = []
    for (forecast, order, unit), lines in groups.items():
        words = clean(forecast.replace("_", " ") + (f" ({order})" if order else ""))
        seen = [r for r in lines if r.get("measured") is not None]
        if seen:
            points = [_point(r) for r in seen]
            title = _forecast_title(words, points, unit)
            figures.append(
                scatter(
                    f"forecast-{len(figures)}",
                    title,
                    points,
                    f"{words}, in {unit_words(unit)}",
                    f"measured gain, in {unit_words(unit)}",
                    diagonal=True,
                    unit=unit_words(unit),
                )
            )
        unseen = [r for r in lines if r.get("measured") is None]
        if unseen:
            body = tuple(
                (_label(r), number(r["value"]), _ends(r), str(r.get("broken") or "none broken")) for r in unseen
            )
            tables.append(
                Table(
                    ("row", f"{words} ({unit_words(unit)})", "95 % interval", "assumption"),
                    body,
                    "Forecasts without a measured gain beside them: there is no truth to measure it on.",
                    frozenset({f"{words} ({unit_words(unit)})", "95 % interval"}),
                )
            )
    tables += _rank_tables([r for r in every if r["unit"] == RANK])
    if not figures and not tables:
        return []
    note = "A forecast uses no truth. It stands beside the gain measured in its own unit, and counts only where its assumptions hold."
    return [Section("forecasts", "Forecast against gain", (note,), tuple(figures), tuple(tables))]


def unit_words(unit: str) -> str:
    """Name a forecast's unit."""
    return metric_name(unit) if unit in METRICS else clean(unit)


def _label(row: dict[str, Any]) -> str:
    return " · ".join(str(row.get(k, "")) for k in ("method", "student", "supervisor"))


def _ends(row: dict[str, Any]) -> str:
    from outgrow.studies.words import interval

    return interval(row.get("low"), row.get("high")) or "no interval"


def _point(row: dict[str, Any]) -> Point:
    return Point(
        _label(row),
        float(row["value"]),
        float(row["measured"]),
        row.get("low"),
        row.get("high"),
        row.get("measured_low"),
        row.get("measured_high"),
        str(row.get("broken") or ""),
    )


def _forecast_title(words: str, points: list[Point], unit: str) -> str:
    """State how well a forecast did where its assumptions hold, else that they hold nowhere."""
    good = [p for p in points if not p.broken]
    name = words[:1].upper() + words[1:]
    if not good:
        return f"{name}: every student here breaks an assumption, so its forecast binds none of {plural(len(points), 'row')}"
    within = [p for p in good if p.low is not None and p.high is not None and p.low <= p.forecast <= p.high]
    off = sorted(p.forecast - p.measured for p in good)
    middle = off[len(off) // 2] if len(off) % 2 else (off[len(off) // 2 - 1] + off[len(off) // 2]) / 2
    broken = (
        f"; {plural(len(points) - len(good), 'more row')} break{'s' if len(points) - len(good) == 1 else ''} an assumption"
        if len(good) < len(points)
        else ""
    )
    return (
        f"{name} lies inside the gain's interval on {len(within)} of {plural(len(good), 'row')}, "
        f"and {'above' if middle > 0 else 'below'} the gain by {signed(abs(middle)).lstrip('+')} {unit_words(unit)} at the median{broken}"
    )


def _rank_tables(rows: Sequence[dict[str, Any]]) -> list[Table]:
    """Return a table for each forecast that orders supervisors and predicts no gain."""
    tables = []
    for forecast in dict.fromkeys(str(r["forecast"]) for r in rows):
        mine = [r for r in rows if r["forecast"] == forecast]
        words = clean(forecast.replace("_", " "))
        body = tuple(
            (
                _label(r),
                clean(str(r.get("order") or "")),
                number(r["value"]),
                _ends(r),
                str(r.get("broken") or "none broken"),
            )
            for r in mine
        )
        head = ("row", "", words, "95 % interval", "assumption")
        caption = f"{words.capitalize()} orders supervisors and students; it is no gain."
        tables.append(Table(head, body, caption, frozenset({words, "95 % interval"})))
    return tables

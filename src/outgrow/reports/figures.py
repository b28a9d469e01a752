"""Figures as inline SVG: small functions from plain values to a :class:`Figure`.

Every figure is drawn wide and narrow, carries a title that states what its numbers show, a description for people who cannot see it,
and its numbers as a table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from outgrow.reports.svg import NARROW, WIDE, Board, Scale, fit
from outgrow.studies.words import clean, clip, interval, number, plural, share, signed, width_of

__all__ = [
    "ROLE_WORDS",
    "Figure",
    "Line",
    "Mark",
    "Point",
    "Table",
    "dots",
    "scatter",
    "shares",
    "summary",
]

ROLE_WORDS = {
    "floor": "floor",
    "direct": "direct",
    "student": "student",
    "ceiling": "ceiling",
    "self": "self",
}


@dataclass(frozen=True)
class Table:
    """Text in rows and columns; ``numeric`` names the columns that are set to the right."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    numeric: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Figure:
    """A drawing in two widths with its words and its numbers."""

    name: str
    title: str
    description: str
    wide: str
    narrow: str
    table: Table

    @classmethod
    def drawn(
        cls,
        name: str,
        title: str,
        description: str,
        draw: Callable[[float], Board],
        table: Table,
        widths: tuple[float, float] = (WIDE, NARROW),
    ) -> Self:
        """Draw it twice: ``draw`` takes a width and returns the board."""
        wide, narrow = (
            draw(width).svg(f"{name}-{form[0]}", title, description, form)
            for width, form in zip(widths, ("wide", "narrow"), strict=True)
        )
        return cls(name, title, description, wide, narrow, table)

    def _repr_svg_(self) -> str:
        return self.wide


@dataclass(frozen=True)
class Mark:
    """One role's score with its interval."""

    role: str
    mean: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Line:
    """One line of a dot plot: its words and its marks."""

    label: str
    marks: tuple[Mark, ...]
    note: str = ""


@dataclass(frozen=True)
class Point:
    """A forecast beside what was measured, in one unit; ``broken`` names an assumption that the student breaks."""

    label: str
    forecast: float
    measured: float
    forecast_low: float | None = None
    forecast_high: float | None = None
    low: float | None = None
    high: float | None = None
    broken: str = ""


def _ends(marks: Sequence[Mark]) -> list[float]:
    return [v for m in marks for v in (m.mean, m.low, m.high) if v is not None]


# --- floor, direct, student, ceiling ------------------------------------------------------------------------------------------------


def summary(name: str, title: str, marks: Sequence[Mark], axis: str, width: float = 460) -> Figure:
    """Draw one row's roles under each other with their numbers beside: the figure of the first screen."""

    def draw(width: float) -> Board:
        board = Board(width, 30.0 * len(marks) + 54)
        left, right = (56.0, width - 122) if width < 400 else (74.0, width - 128)
        scale = Scale.over(_ends(marks), left + 6, right - 6, pad=0.12)
        top, bottom = 6.0, 30.0 * len(marks) + 10
        by_role = {m.role: m for m in marks}
        if "floor" in by_role and "student" in by_role:
            a, b = sorted((scale(by_role["floor"].mean), scale(by_role["student"].mean)))
            board.box(a, top, b - a, bottom - top, "gainband")
        board.x_axis(scale, top, bottom, axis, 4 if width < 400 else 5)
        for k, mark in enumerate(marks):
            y = 26.0 + 30 * k
            board.text(0, y + 4, ROLE_WORDS.get(mark.role, mark.role), "t strong" if mark.role == "student" else "t")
            if mark.low is not None and mark.high is not None:
                board.whisker(mark.role, scale(mark.low), scale(mark.high), y)
            board.mark(mark.role, scale(mark.mean), y, 5)
            board.text(right + 8, y + 4, number(mark.mean), "t num strong" if mark.role == "student" else "t num")
            board.text(width, y + 4, interval(mark.low, mark.high), "t num soft", "end")
        return board

    described = "; ".join(
        f"{ROLE_WORDS.get(m.role, m.role)} {number(m.mean)} {interval(m.low, m.high)}".strip() for m in marks
    )
    table = _marks_table([Line("", tuple(marks))], axis, labelled=False)
    description = f"Dots with 95 % intervals. {axis}: {described}."
    return Figure.drawn(name, title, description, draw, table, (width, NARROW))


def dots(name: str, title: str, lines: Sequence[Line], axis: str) -> Figure:
    """Draw the roles of several rows as dots with intervals; each role has its own lane, so nothing overlaps."""
    roles = [r for r in ROLE_WORDS if any(m.role == r for line in lines for m in line.marks)]

    def draw(width: float) -> Board:
        lane, head = 12.0, 22.0
        heights = [head + lane * len(line.marks) + 8 for line in lines]
        board = Board(width, 0)
        y = board.legend([(r, ROLE_WORDS[r]) for r in roles], 0, 14)
        top = y
        bottom = y + sum(heights)
        scale = Scale.over([v for line in lines for v in _ends(line.marks)], 8, width - 8)
        board.height = bottom + 40
        board.x_axis(scale, top, bottom, axis, 5 if width < 400 else 8)
        for line, height in zip(lines, heights):
            board.line(0, y, width, y, "rule")
            note = fit(line.note, width * 0.45) if line.note else ""
            board.text(0, y + 15, fit(line.label, width - (width_of(note) + 14 if note else 0)), "t halo")
            if note:
                board.text(width, y + 15, note, "t soft halo", "end")
            for k, mark in enumerate(line.marks):
                at = y + head + lane * (k + 0.5)
                if mark.low is not None and mark.high is not None:
                    board.whisker(mark.role, scale(mark.low), scale(mark.high), at)
                board.mark(mark.role, scale(mark.mean), at, 4.2)
            y += height
        return board

    described = ". ".join(
        f"{clip(clean(line.label), 60)}: "
        + ", ".join(f"{ROLE_WORDS.get(m.role, m.role)} {number(m.mean)}" for m in line.marks)
        for line in lines[:12]
    )
    more = f" and {len(lines) - 12} more rows, in the table" if len(lines) > 12 else ""
    description = f"Dots with 95 % intervals, one band a row. {axis}. {described}{more}."
    return Figure.drawn(name, title, description, draw, _marks_table(lines, axis))


def _marks_table(lines: Sequence[Line], caption: str, labelled: bool = True) -> Table:
    rows = [
        ((line.label,) if labelled else ())
        + (ROLE_WORDS.get(m.role, m.role), number(m.mean), interval(m.low, m.high) or "no interval")
        for line in lines
        for m in line.marks
    ]
    columns = (("row",) if labelled else ()) + ("role", "score", "95 % interval")
    return Table(columns, tuple(rows), caption, frozenset({"score", "95 % interval"}))


# --- forecast against gain ----------------------------------------------------------------------------------------------------------


def scatter(
    name: str, title: str, points: Sequence[Point], x_words: str, y_words: str, *, diagonal: bool, unit: str
) -> Figure:
    """Draw forecasts against measured gains.

    Parameters
    ----------
    diagonal : bool
        Only for equal units: then a point on the line is a forecast that came true, and both axes share one range.
    """

    def draw(width: float) -> Board:
        board = Board(width, 0)
        left, top, bottom = 52.0, 56.0, 56.0 + (260 if width > 400 else 210)
        xs = [v for p in points for v in (p.forecast, p.forecast_low, p.forecast_high) if v is not None]
        ys = [v for p in points for v in (p.measured, p.low, p.high) if v is not None]
        legend = [("student", "assumptions hold")]
        if any(p.broken for p in points):
            legend.append(("broken", "an assumption is broken"))
        board.legend(legend, 0, 14)
        if diagonal:
            xs = ys = [*xs, *ys, 0.0]
        across = Scale.over(xs, left, width - 10, pad=0.08)
        up = Scale.over(ys, bottom, top, pad=0.08)
        board.height = bottom + 40
        board.y_axis(up, left, width - 10, y_words, 5)
        board.x_axis(across, top, bottom, x_words, 4 if width < 400 else 6)
        if diagonal:
            ends = max(across.low, up.low), min(across.high, up.high)
            board.path([(across(v), up(v)) for v in ends], "diagonal")
            board.text(across(ends[1]) - 6, up(ends[1]) + 22, "gain = forecast", "t soft halo", "end")
        for p in points:
            x, y = across(p.forecast), up(p.measured)
            if p.low is not None and p.high is not None:
                board.whisker("student", up(p.low), up(p.high), x, upright=True)
            if p.forecast_low is not None and p.forecast_high is not None:
                board.whisker("student", across(p.forecast_low), across(p.forecast_high), y)
            board.mark("broken" if p.broken else "student", x, y, 5)
        for k, p in enumerate(points, 1):
            board.text(across(p.forecast) + 8, up(p.measured) - 7, str(k), "t num halo")
        return board

    rows = tuple(
        (
            str(k),
            p.label,
            f"{signed(p.forecast)} {interval(p.forecast_low, p.forecast_high, plus=True)}".strip(),
            f"{signed(p.measured)} {interval(p.low, p.high, plus=True)}".strip(),
            p.broken or "none broken",
        )
        for k, p in enumerate(points, 1)
    )
    table = Table(
        ("point", "row", f"forecast ({unit})", f"measured ({unit})", "assumption"),
        rows,
        f"Both in {unit}." if diagonal else "",
        frozenset({"point", f"forecast ({unit})", f"measured ({unit})"}),
    )
    described = "; ".join(
        f"{clip(clean(p.label), 60)}: forecast {signed(p.forecast)}, measured {signed(p.measured)}"
        + (f", breaks: {clip(clean(p.broken), 60)}" if p.broken else "")
        for p in points[:12]
    )
    description = f"Scatter of {x_words} against {y_words}, {plural(len(points), 'row')}. {described}."
    return Figure.drawn(name, title, description, draw, table)


# --- labels -------------------------------------------------------------------------------------------------------------------------


def shares(name: str, title: str, sources: Mapping[str, Mapping[str, float]], coverage: Mapping[str, float]) -> Figure:
    """Draw which classes each source names, and on how many rows it speaks.

    Parameters
    ----------
    sources : mapping of source to mapping of class to share
        Shares of the rows that the source covers.
    coverage : mapping of source to share of all rows
    """
    classes = list(dict.fromkeys(c for s in sources.values() for c in s))

    def draw(width: float) -> Board:
        board = Board(width, 0)
        y = board.legend([(f"c{k % 6}", fit(c, width * 0.4)) for k, c in enumerate(classes)], 0, 14)
        across = Scale(0.0, 1.0, 0, width)
        for source, parts in sources.items():
            spoken = f"speaks on {share(coverage[source])} of rows" if source in coverage else ""
            board.text(0, y + 14, fit(source, width * 0.5), "t")
            board.text(width, y + 14, fit(spoken, width * 0.48), "t soft", "end")
            at = 0.0
            for k, c in enumerate(classes):
                part = parts.get(c, 0.0)
                board.box(across(at), y + 20, across(at + part) - across(at), 18, f"bar c{k % 6}")
                if (across(at + part) - across(at)) > 44:
                    board.text((across(at) + across(at + part)) / 2, y + 33, share(part), f"t num on{k % 6}", "middle")
                at += part
            y += 48
        board.height = y + 36
        board.x_axis(across, y - 4, y, "share of the rows that the source covers", 5)
        return board

    rows = tuple((s, *(share(p.get(c, 0.0)) for c in classes), share(coverage.get(s))) for s, p in sources.items())
    names = ("source", *classes, "coverage")
    table = Table(names, rows, "Shares of covered rows that each source gives to each class.", frozenset(names[1:]))
    described = "; ".join(
        f"{clip(clean(s), 60)}: " + ", ".join(f"{clip(clean(c), 40)} {share(v)}" for c, v in p.items())
        for s, p in list(sources.items())[:12]
    )
    return Figure.drawn(name, title, f"Stacked bars, one a source. {described}.", draw, table)

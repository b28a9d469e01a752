"""The table of a claim's measurement as a picture: points, lines with their doubt, or a shaded field; drawn from stored figures alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from outgrow.errors import InputError, nearest
from outgrow.reports.figures import Figure, Table
from outgrow.reports.svg import NARROW, WIDE, Board, Scale, fit, ticks
from outgrow.studies.words import clean, clip, plural, width_of

if TYPE_CHECKING:
    from outgrow.papers.paper import Picture

__all__ = ["picture_figure"]

SERIES = ("student", "direct", "ceiling", "floor", "self")
"""Marks and colours, in the order in which series take them."""

SHADES = 3
MOST_ROWS = 200
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Dot:
    """One point: where, and the ends of its intervals."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    x_low: float | None = None
    x_high: float | None = None


@dataclass(frozen=True)
class Axis:
    """One axis: what it measures, and whether its scale is logarithmic."""

    words: str
    log: bool

    def place(self, value: float) -> float:
        """Return where a value stands on a scale that is even in drawing units."""
        return math.log10(value) if self.log else value

    def fits(self, value: float | None) -> bool:
        """Whether a value can stand on it."""
        return value is not None and math.isfinite(value) and (value > 0 or not self.log)

    def marks(self, scale: Scale, most: int) -> list[tuple[float, str]]:
        """Return where the scale's ticks stand, and their words."""
        if not self.log:
            values = ticks(scale.low, scale.high, most)
            return [(v, _tick(v, values)) for v in values]
        first, last = math.ceil(scale.low - 1e-9), math.floor(scale.high + 1e-9)
        steps = (1,) if last - first >= 2 else (1, 2, 5)
        found = [s * 10.0**k for k in range(first - 1, last + 1) for s in steps]
        found = [v for v in found if scale.low <= math.log10(v) <= scale.high]
        return [(math.log10(v), _tick(v, [v])) for v in found[:: max(1, math.ceil(len(found) / most))]]


def _tick(value: float, others: Sequence[float]) -> str:
    largest = max(map(abs, others))
    if value and (largest < 1e-3 or largest >= 1e6):
        return f"{value:.1e}".replace(".0e", "e").replace("e-0", "e-").replace("e+0", "e")
    return _bare(f"{value:.6g}")


def _bare(text: str) -> str:
    """Write a share as the rest of the report does: ``.27``."""
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def picture_figure(picture: Picture, table: Sequence[Row], name: str, width: float = WIDE) -> Figure:
    """Draw one picture.

    Parameters
    ----------
    picture : outgrow.papers.Picture
    table : sequence of mappings
        Of the claim's measurement.
    name : str
        Unique on the page.
    width : float
        Of the wide form, in drawing units.

    Raises
    ------
    InputError
        When a column is missing, nothing can be drawn, or there are more than five series.
    """
    rows = [r for r in table if all(r.get(k) == v for k, v in picture.where.items())]
    _check(picture, rows)
    x = Axis(picture.x_words or picture.x, "x" in picture.log)
    y = Axis(picture.y_words or (picture.y if isinstance(picture.y, str) else "value"), "y" in picture.log)
    title = picture.title or f"{_sentence(y.words)} by {x.words}"
    if picture.kind == "map":
        return _map(picture, rows, name, (x, y), width)
    series = {words: _dots(picture, found, column, x, y) for words, found, column in _series(picture, rows)}
    series = {words: dots for words, dots in series.items() if dots}
    if not series:
        raise InputError(f"the picture of claim {picture.claim!r} has no row with numbers in {picture.x!r} and its y")
    kind = _scatter if picture.kind == "scatter" else _lines
    if picture.kind == "lines":
        series = {words: _means(dots) for words, dots in series.items()}
    told = Table(*_told(series, picture, x, y))
    points = sum(map(len, series.values()))
    drawn = {"scatter": "Scatter", "lines": "Lines"}[picture.kind]
    parts = "; ".join(f"{clip(clean(s), 40)}: {plural(len(d), 'point')}" for s, d in series.items() if s)
    described = f"{drawn} of {y.words} against {x.words}, {plural(points, 'point')}" + (f". {parts}" if parts else "")
    return Figure.drawn(name, title, described + ".", lambda w: kind(series, picture, (x, y), w), told, (width, NARROW))


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _check(picture: Picture, rows: Sequence[Row]) -> None:
    if not rows:
        raise InputError(f"the picture of claim {picture.claim!r} has no rows to draw")
    columns = dict.fromkeys(c for r in rows for c in r)
    ys = [picture.y] if isinstance(picture.y, str) else list(picture.y)
    named = [picture.x, *ys, picture.z, picture.by, picture.low, picture.high, picture.x_low, picture.x_high]
    for column in filter(None, named):
        if column not in columns:
            raise InputError(
                f"the picture of claim {picture.claim!r} names the column {column!r}, which its table lacks"
                f"{nearest(column, columns)}"
            )


def _series(picture: Picture, rows: Sequence[Row]) -> Iterable[tuple[str, list[Row], str]]:
    if not isinstance(picture.y, str):
        found = [(column, list(rows), column) for column in picture.y]
    elif picture.by:
        values = list(dict.fromkeys(r.get(picture.by) for r in rows))
        found = [(_text(v), [r for r in rows if r.get(picture.by) == v], picture.y) for v in values]
    else:
        found = [("", list(rows), picture.y)]
    if len(found) > len(SERIES):
        raise InputError(
            f"the picture of claim {picture.claim!r} has {len(found)} series and at most {len(SERIES)} can be told apart; "
            "choose rows with where="
        )
    return found


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _text(value: Any) -> str:
    number = _number(value)
    return str(value) if number is None or isinstance(value, bool) else f"{number:.4g}"


def _dots(picture: Picture, rows: Sequence[Row], column: str, x: Axis, y: Axis) -> list[Dot]:
    dots = []
    for row in rows:
        at, up = _number(row.get(picture.x)), _number(row.get(column))
        if at is None or up is None or not (x.fits(at) and y.fits(up)):
            continue
        ends = [_number(row.get(c)) if c else None for c in (picture.low, picture.high, picture.x_low, picture.x_high)]
        fit_ends = [v if axis.fits(v) else None for v, axis in zip(ends, (y, y, x, x), strict=True)]
        dots.append(Dot(at, up, *fit_ends))
    return dots


def _means(dots: Sequence[Dot]) -> list[Dot]:
    """Return the mean at each x with Student's interval over the rows that share it."""
    import numpy as np
    from scipy.special import stdtrit

    found = []
    for at in sorted({d.x for d in dots}):
        ys = np.array([d.y for d in dots if d.x == at])
        if len(ys) < 2:
            found.append(Dot(at, float(ys[0])))
            continue
        half = float(stdtrit(len(ys) - 1, 0.975) * ys.std(ddof=1) / math.sqrt(len(ys)))
        found.append(Dot(at, float(ys.mean()), float(ys.mean()) - half, float(ys.mean()) + half))
    return found


def _told(
    series: Mapping[str, Sequence[Dot]], picture: Picture, x: Axis, y: Axis
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...], str, frozenset[str]]:
    """Return columns, rows, caption and numeric columns of the table beside a drawing."""
    apart = len(series) > 1 or next(iter(series)) != ""
    sure = any(d.low is not None for dots in series.values() for d in dots)
    columns = ((picture.by or "series",) if apart else ()) + (x.words, y.words) + (("interval",) if sure else ())
    lines = []
    for words, dots in series.items():
        for d in dots:
            ends = f"[{_short(d.low)}, {_short(d.high)}]" if d.low is not None and d.high is not None else ""
            lines.append(((words,) if apart else ()) + (_short(d.x), _short(d.y)) + ((ends,) if sure else ()))
    caption = f"The first {MOST_ROWS} of {len(lines):,}; all stand in claims.json." if len(lines) > MOST_ROWS else ""
    return columns, tuple(lines[:MOST_ROWS]), caption, frozenset(columns[1:] if apart else columns)


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _roles(series: Mapping[str, Any]) -> dict[str, str]:
    """Give each series a mark and a colour: a role's own where it is named as one, else the next that is free."""
    named = {words: words for words in series if words in SERIES}
    free = iter(role for role in SERIES if role not in named)
    return {words: named.get(words) or next(free) for words in series}


# --- drawing ------------------------------------------------------------------------------------------------------------------------


def _frame(
    series: Mapping[str, Sequence[Dot]], axes: tuple[Axis, Axis], width: float, same: bool
) -> tuple[Board, Scale, Scale]:
    """Return a board with legend and axes, and its two scales."""
    x, y = axes
    board = Board(width, 0)
    told = [(role, fit(words, width * 0.6)) for words, role in _roles(series).items() if words]
    below = board.legend(told, 0, 14) if told else 0.0
    dots = [d for found in series.values() for d in found]
    xs = [x.place(v) for d in dots for v in (d.x, d.x_low, d.x_high) if v is not None]
    ys = [y.place(v) for d in dots for v in (d.y, d.low, d.high) if v is not None]
    if same:
        xs = ys = [*xs, *ys]
    top = below + 24.0
    bottom = top + (260 if width > 400 else 210)
    marks = y.marks(Scale.over(ys, bottom, top), 6)
    left = max(34.0, max((width_of(text) for _, text in marks), default=0.0) + 10)
    across = Scale.over(xs, left, width - 12)
    up = Scale.over(ys, bottom, top)
    board.height = bottom + 40
    board.y_axis(up, left, width - 12, y.words, marks=marks)
    board.x_axis(across, top, bottom, x.words, marks=x.marks(across, 4 if width < 400 else 7))
    return board, across, up


def _scatter(series: Mapping[str, Sequence[Dot]], picture: Picture, axes: tuple[Axis, Axis], width: float) -> Board:
    board, across, up = _frame(series, axes, width, picture.diagonal)
    x, y = axes
    if picture.diagonal:
        ends = max(across.low, up.low), min(across.high, up.high)
        board.path([(across(v), up(v)) for v in ends], "diagonal")
    small = sum(map(len, series.values())) > 60
    for role, dots in zip(_roles(series).values(), series.values(), strict=True):
        for d in dots:
            at, high = across(x.place(d.x)), up(y.place(d.y))
            if d.low is not None and d.high is not None:
                board.whisker(role, up(y.place(d.low)), up(y.place(d.high)), at, upright=True)
            if d.x_low is not None and d.x_high is not None:
                board.whisker(role, across(x.place(d.x_low)), across(x.place(d.x_high)), high)
            board.mark(role, at, high, 3.0 if small else 4.2)
    return board


def _lines(series: Mapping[str, Sequence[Dot]], picture: Picture, axes: tuple[Axis, Axis], width: float) -> Board:
    board, across, up = _frame(series, axes, width, False)
    x, y = axes
    for role, dots in zip(_roles(series).values(), series.values(), strict=True):
        sure = [d for d in dots if d.low is not None and d.high is not None and y.fits(d.low)]
        if len(sure) > 1:
            upper = [(across(x.place(d.x)), up(y.place(d.high or 0.0))) for d in sure]
            lower = [(across(x.place(d.x)), up(y.place(d.low or 0.0))) for d in reversed(sure)]
            board.area([*upper, *lower], f"area {role}")
        board.path([(across(x.place(d.x)), up(y.place(d.y))) for d in dots], f"curve {role}")
        for d in dots if len(dots) <= 25 else ():
            board.mark(role, across(x.place(d.x)), up(y.place(d.y)), 3.4)
    return board


def _map(picture: Picture, rows: Sequence[Row], name: str, axes: tuple[Axis, Axis], width: float) -> Figure:
    assert isinstance(picture.y, str)
    cells: dict[tuple[Any, Any], list[float]] = {}
    for row in rows:
        value = _number(row.get(picture.z))
        if value is not None and row.get(picture.x) is not None and row.get(picture.y) is not None:
            cells.setdefault((row[picture.x], row[picture.y]), []).append(value)
    if not cells:
        raise InputError(f"the picture of claim {picture.claim!r} has no row with a number in {picture.z!r}")
    means = {where: sum(found) / len(found) for where, found in cells.items()}
    xs, ys = (_ordered(where[k] for where in means) for k in (0, 1))
    x, y = axes
    z = picture.z_words or picture.z
    sides = _sides(means)
    words = x.words, y.words
    columns = (f"{y.words} \\ {x.words}", *map(_text, xs))
    lines = tuple((_text(b), *(_short(means.get((a, b))) for a in xs)) for b in reversed(ys))
    table = Table(columns, lines, f"{_sentence(z)}, mean over seeds; {sides}.", frozenset(columns[1:]))
    low, high = min(means.values()), max(means.values())
    described = f"A field of {y.words} by {x.words}, {len(ys)} by {len(xs)}, shaded by {z}: {_short(low)} to {_short(high)}; {sides}."
    title = picture.title or f"{_sentence(z)} by {x.words} and {y.words}"
    return Figure.drawn(name, title, described, lambda w: _field(means, xs, ys, words, w), table, (width, NARROW))


def _sides(means: Mapping[Any, float]) -> str:
    if min(means.values()) < 0 < max(means.values()):
        return "green above 0, orange below"
    return "darker is farther from 0"


def _ordered(values: Iterable[Any]) -> list[Any]:
    found = dict.fromkeys(values)
    return sorted(found) if all(_number(v) is not None for v in found) else list(found)


def _field(
    means: Mapping[tuple[Any, Any], float], xs: Sequence[Any], ys: Sequence[Any], words: tuple[str, str], width: float
) -> Board:
    largest = max(map(abs, means.values())) or 1.0
    left = max(width_of(_text(b)) for b in ys) + 12
    column = (width - left) / len(xs)
    row = min(30.0, max(12.0, 260.0 / len(ys)))
    top = 26.0
    board = Board(width, top + row * len(ys) + 42)
    board.text(0, 12, fit(words[1], width), "t soft")
    every = max(1, math.ceil(len(xs) * (max(width_of(_text(a)) for a in xs) + 8) / (width - left)))
    for k, b in enumerate(reversed(ys)):
        at = top + row * k
        board.text(left - 6, at + row / 2 + 4, _text(b), "t num soft", "end")
        for j, a in enumerate(xs):
            if (a, b) not in means:
                continue
            value = means[a, b]
            # Square-root steps: one outlier must not bleach all others.
            step = min(SHADES, int((abs(value) / largest) ** 0.5 * SHADES + 0.5))
            shade = "h0" if step == 0 else f"{'up' if value > 0 else 'down'}{step}"
            board.box(left + column * j + 0.5, at + 0.5, column - 1, row - 1, f"heat {shade}")
            said = _bare(_short(float(f"{value:.2g}")))
            if width_of(said) < column - 4 and row >= 16:
                board.text(left + column * (j + 0.5), at + row / 2 + 4, said, "t num", "middle")
    bottom = top + row * len(ys)
    for j, a in enumerate(xs):
        if j % every == 0:
            board.text(left + column * (j + 0.5), bottom + 15, _text(a), "t num soft", "middle")
    board.text((left + width) / 2, bottom + 33, fit(words[0], width - left), "t soft", "middle")
    return board

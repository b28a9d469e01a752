"""Figures of audits: how often sure answers are right, and what became of a supervisor's answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from outgrow.reports.figures import ROLE_WORDS, Figure, Table
from outgrow.reports.svg import Board, Scale, fit
from outgrow.studies.words import number, plural, share, signed

__all__ = ["Bins", "Fate", "reliability", "transfer"]


@dataclass(frozen=True)
class Bins:
    """One role's rows by stated confidence: how sure on average, how often right, and the share of rows in the bin."""

    role: str
    confidence: tuple[float, ...]
    right: tuple[float, ...]
    share: tuple[float, ...]

    @property
    def over(self) -> float:
        """Mean confidence less the share that is right."""
        return sum(n * (c - r) for n, c, r in zip(self.share, self.confidence, self.right)) / sum(self.share)


def reliability(name: str, title: str, curves: Sequence[Bins], axis: str = "share that is right") -> Figure:
    """Draw how often answers are right against how sure they are."""

    def draw(width: float) -> Board:
        board = Board(width, 0)
        left, top, bottom = 46.0, 56.0, 56.0 + (260 if width > 400 else 220)
        board.legend([(c.role, ROLE_WORDS.get(c.role, c.role)) for c in curves], 0, 14)
        low = min(min((*c.confidence, *c.right)) for c in curves)
        low = max(0.0, low - 0.05)
        across, up = Scale(low, 1.0, left, width - 12), Scale(low, 1.0, bottom, top)
        board.height = bottom + 40
        board.y_axis(up, left, width - 12, axis, 5)
        board.x_axis(across, top, bottom, "mean stated confidence", 5)
        board.path([(across(low), up(low)), (across(1.0), up(1.0))], "diagonal")
        largest = max(max(c.share) for c in curves)
        for curve in curves:
            board.path([(across(c), up(r)) for c, r in zip(curve.confidence, curve.right)], f"curve {curve.role}")
            for c, r, n in zip(curve.confidence, curve.right, curve.share):
                board.mark(curve.role, across(c), up(r), 3 + 4 * (n / largest) ** 0.5)
        return board

    rows = tuple(
        (ROLE_WORDS.get(c.role, c.role), number(conf), number(right), share(part))
        for c in curves
        for conf, right, part in zip(c.confidence, c.right, c.share)
    )
    table = Table(
        ("role", "confidence", "right", "share of rows"),
        rows,
        "Bins of confidence, over all seeds.",
        frozenset({"confidence", "right", "share of rows"}),
    )
    description = (
        "Curves of the share that is right against mean stated confidence; on the diagonal the two are equal. "
        + "; ".join(f"{ROLE_WORDS.get(c.role, c.role)}: confidence less share right {signed(c.over)}" for c in curves)
    )
    return Figure.drawn(name, title, description + ".", draw, table)


@dataclass(frozen=True)
class Fate:
    """What became of a supervisor's answers in one bin of its confidence; shares are None where there is nothing to share."""

    label: str
    errors: int
    fixed: float | None
    copied: float | None
    replaced: float | None
    right: int
    broken: float | None


def transfer(name: str, title: str, fates: Sequence[Fate]) -> Figure:
    """Draw what became of the supervisor's wrong and right answers, by its confidence."""

    def draw(width: float) -> Board:
        board = Board(width, 0)
        legend = [("fixed", "error fixed"), ("copied", "error copied")]
        if any(f.replaced for f in fates):
            legend.append(("replaced", "replaced by another error"))
        y = board.legend([*legend, ("brokenbar", "right answer broken")], 0, 14)
        narrow = width < 400
        left, right = (0.0 if narrow else 130.0), width - 118
        across = Scale(0.0, 1.0, left, right)
        head, height = (20.0 if narrow else 0.0), (56.0 if narrow else 44.0)
        top = y + 6
        bottom = top + height * len(fates)
        board.height = bottom + 40
        board.x_axis(across, top, bottom, "share of its wrong (upper) and right (lower) answers", 5)
        for k, f in enumerate(fates):
            at = top + height * k + 6 + head
            if narrow:
                board.text(0, at - 6, fit(f.label, width), "t halo")
            else:
                board.text(0, at + 20, fit(f.label, left - 8), "t")
            start = left
            for css, part in (("fixed", f.fixed), ("replaced", f.replaced), ("copied", f.copied)):
                stop = start + (part or 0.0) * (right - left)
                board.box(start, at, stop - start, 13, f"bar {css}")
                start = stop
            board.text(right + 8, at + 11, plural(f.errors, "error"), "t num soft")
            if f.broken is not None:
                board.box(left, at + 16, right - left, 13, "bar kept")
                board.box(left, at + 16, f.broken * (right - left), 13, "bar brokenbar")
            board.text(right + 8, at + 27, f"{f.right:,} right", "t num soft")
        return board

    rows = tuple(
        (f.label, f"{f.errors:,}", share(f.fixed), share(f.replaced), share(f.copied), f"{f.right:,}", share(f.broken))
        for f in fates
    )
    names = ("supervisor's confidence", "its errors", "fixed", "replaced", "copied", "its right answers", "broken")
    table = Table(names, rows, "Rows are counted over all seeds.", frozenset(names[1:]))
    described = "; ".join(
        f"{f.label}: fixed {share(f.fixed)} of {plural(f.errors, 'error')}, broken {share(f.broken)} of {f.right:,} right answers"
        for f in fates
    )
    return Figure.drawn(name, title, f"Bars by the supervisor's confidence. {described}.", draw, table)

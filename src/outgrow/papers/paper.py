"""What is known of a paper besides its claims: its citation, its own models and data, its claims at its own scale, and its pictures.

A file of this folder may name a ``PAPER``; another package does so through an entry point of the group ``outgrow.papers``. What it leaves
empty is filled from :mod:`outgrow.papers.library`. The text of this file is part of the fingerprint of every claim whose file names a
paper, so only what such a file needs stands here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Self

from outgrow.errors import InputError
from outgrow.papers.claim import Measure

__all__ = ["Paper", "Picture"]


@dataclass(frozen=True)
class Picture:
    """How the table of one claim's measurement is drawn.

    Parameters
    ----------
    claim : str
        Name of the claim whose ``Measurement.table`` is drawn.
    kind : {"scatter", "lines", "map"}
        Points; the mean of y at each x, joined, with 95 % intervals over the rows (seeds) that share an x; a field of x by y, shaded by
        the mean of z.
    x : str
        A column of the table.
    y : str or tuple of str
        A column, or several of one unit that are drawn apart; with several, ``by`` stays empty.
    z : str
        Of a map: the column that shades it.
    by : str
        A column whose values are drawn apart.
    low, high, x_low, x_high : str
        Columns with the ends of an interval of y, or of x; points only.
    diagonal : bool
        Draw the line where x equals y; only for points, and only where both have one unit.
    log : {"", "x", "y", "xy"}
        Axes with logarithmic scales.
    where : mapping
        Column -> value: only rows that have it.
    title, x_words, y_words, z_words : str
        What the picture shows, and the axes with their units; by default made from the columns' names.
    """

    claim: str
    kind: Literal["scatter", "lines", "map"]
    x: str
    y: str | tuple[str, ...]
    z: str = ""
    by: str = ""
    low: str = ""
    high: str = ""
    x_low: str = ""
    x_high: str = ""
    diagonal: bool = False
    log: str = ""
    where: Mapping[str, Any] = field(default_factory=dict)
    title: str = ""
    x_words: str = ""
    y_words: str = ""
    z_words: str = ""

    def __post_init__(self) -> None:
        said = f"the picture of claim {self.claim!r}"
        if self.kind not in ("scatter", "lines", "map"):
            raise InputError(f"{said} is of the kind {self.kind!r}; there is 'scatter', 'lines' and 'map'")
        if bool(self.z) != (self.kind == "map"):
            raise InputError(f"{said} has z={self.z!r}; a map, and nothing else, needs the column that shades it")
        if self.diagonal and self.kind != "scatter":
            raise InputError(f"{said} is no scatter, so a diagonal means nothing there; leave it out")
        if self.log not in ("", "x", "y", "xy"):
            raise InputError(f"{said} has log={self.log!r}; it is '', 'x', 'y' or 'xy'")
        if not isinstance(self.y, str) and (self.by or self.kind == "map"):
            raise InputError(f"{said} has several columns y, which are drawn apart; name one, or leave out by and z")
        if any(bool(a) != bool(b) for a, b in ((self.low, self.high), (self.x_low, self.x_high))):
            raise InputError(f"{said} names one end of an interval; name both, or none")


@dataclass(frozen=True)
class Paper:
    """A paper whose claims are measured.

    Parameters
    ----------
    id : str
        First author and year, and a word more where one author has several: "lang2025-debate".
    title, citation, arxiv : str
        The latter as a number: "2405.15116".
    also : tuple of str
        Other names that lead to it; claims may carry one of them.
    models, data : tuple of str
        Hub ids of the paper's own models and data sets (or public ones of their kind), as its claims at scale "paper" read them.
    at_scale : mapping of str to callable
        Claim's name -> what measures it at the paper's own sizes, models and data: usually ``functools.partial`` of the function that the
        claim measures with. A claim without sizes (an identity) names its own function.
    scaled : str
        A sentence that says what the laptop scale made smaller.
    no_scale : str
        A sentence that says why claims have no form at the paper's own scale, or what is unknown of it and stands in its place.
    pictures : tuple of Picture
        In the order of the report.
    """

    id: str
    title: str = ""
    citation: str = ""
    arxiv: str = ""
    also: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    at_scale: Mapping[str, Measure] = field(default_factory=dict)
    scaled: str = ""
    no_scale: str = ""
    pictures: tuple[Picture, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """All names that lead to it."""
        return frozenset((self.id, *self.also))

    def over(self, other: Self) -> Self:
        """Return the same with what is empty here taken from another description."""
        return type(self)(**{f.name: getattr(self, f.name) or getattr(other, f.name) for f in fields(self)})

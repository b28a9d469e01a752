"""A claim of a paper as a value: one sentence, what would show it, and the function that measures it.

A file of this folder names its claims in a tuple ``CLAIMS``; another package does so through an entry point of the group
``outgrow.claims`` that names such a tuple. A claim of several parts is several claims.

The verdict follows from figures alone::

    holds       the whole 95 % interval lies on the claimed side of the threshold
    fails       the whole interval lies on the other side
    undecided   the threshold is inside; said with what would decide it

A statement without sampling error (an identity, a count of seeds that the claim itself names) is judged by its figure: ``decided_by``
is "figure", the interval is there for information, and nothing is undecided.

Seeds are of two kinds: those that were ``looked`` at while method, defaults and threshold were chosen, and the fresh ``seeds`` of the
verdict. They share none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike

from outgrow.errors import InputError
from outgrow.scores.quantities import Interval, Undefined, number

__all__ = ["Claim", "Measure", "Measurement", "Verdict", "seed_interval"]

Verdict = Literal["holds", "fails", "undecided"]
LEVEL = 0.95
QUICK_SEEDS = 3
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, eq=False)
class Measurement:
    """A figure, its 95 % interval, and the side of a threshold it should be on.

    Parameters
    ----------
    quantity : str
        What the figure is, for a table: "accuracy, three hops minus one".
    estimate, low, high : float
        In the unit of the quantity. NaN where nothing could be measured; the note then says why.
    threshold : float
    direction : {"above", "below"}
        Where the claim puts the quantity; a figure that equals the threshold counts as on the claimed side when ``decided_by`` is "figure".
    decided_by : {"interval", "figure"}
        "figure" for identities and for counts that the claim itself names.
    table : sequence of mappings
        Tidy figures, one row a seed or a (seed, cell): plain numbers and text.
    note : str
        A sentence or two that a reader of the verdict needs.
    spread : str
        What the interval runs over: "10 seeds", "1,200 test rows and 10 seeds".
    """

    quantity: str
    estimate: float
    low: float
    high: float
    threshold: float = 0.0
    direction: Literal["above", "below"] = "above"
    decided_by: Literal["interval", "figure"] = "interval"
    table: Sequence[Mapping[str, Any]] = ()
    note: str = ""
    spread: str = ""

    def __post_init__(self) -> None:
        if self.direction not in ("above", "below") or self.decided_by not in ("interval", "figure"):
            raise InputError(
                f"a measurement lies 'above' or 'below' and is decided by 'interval' or 'figure', "
                f"not {self.direction!r}, {self.decided_by!r}"
            )
        known = [v for v in (self.low, self.estimate, self.high) if not math.isnan(v)]
        if len(known) not in (0, 3) or known != sorted(known):
            raise InputError(f"{self.quantity}: {self.estimate} is not inside [{self.low}, {self.high}]")

    @classmethod
    def of(cls, interval: Interval | Undefined, quantity: str, **more: Any) -> Measurement:
        """Take an interval of :mod:`outgrow.scores.intervals` (paired rows by seeds, pooled cells, ratios).

        An undefined one gives NaN limits, hence "undecided", with its reason as the note.
        """
        if isinstance(interval, Undefined):
            note = " ".join(filter(None, [more.pop("note", ""), interval.reason]))
            return cls(quantity, math.nan, math.nan, math.nan, note=note, **more)
        more.setdefault("spread", f"{interval.n_rows:,} test rows and {interval.n_seeds} seeds")
        return cls(quantity, interval.mean, interval.low, interval.high, **more)

    @classmethod
    def over_seeds(cls, values: ArrayLike, quantity: str, **more: Any) -> Measurement:
        """Take one figure a seed (usually a paired difference) where each seed redraws everything, test rows included.

        The interval is Student's t over seeds (:func:`seed_interval`).
        """
        values = np.asarray(values, dtype=np.float64)
        more.setdefault("spread", f"{len(values)} seeds")
        estimate, low, high = seed_interval(values)
        return cls(quantity, estimate, low, high, **more)

    @classmethod
    def count(cls, hits: int, tries: int, at_least: int, quantity: str, **more: Any) -> Measurement:
        """Take a count that the claim itself names ("19 of 20 seeds"): the share decides.

        Limits are Clopper and Pearson's (1934), for information.
        """
        from scipy.stats import beta

        if not 0 <= hits <= tries or not 0 < at_least <= tries:
            raise InputError(f"{quantity}: {hits} of {tries} with {at_least} wanted is no count")
        tail = (1 - LEVEL) / 2
        low = float(beta.ppf(tail, hits, tries - hits + 1)) if hits else 0.0
        high = float(beta.ppf(1 - tail, hits + 1, tries - hits)) if hits < tries else 1.0
        more.setdefault("spread", f"{tries} tries")
        return cls(quantity, hits / tries, low, high, at_least / tries, decided_by="figure", **more)

    @classmethod
    def exact(cls, worst: float, quantity: str, tolerance: float = 0.0, **more: Any) -> Measurement:
        """Take the largest deviation from an identity: at most ``tolerance``, or the claim fails."""
        worst = float(worst)
        return cls(quantity, worst, worst, worst, tolerance, "below", "figure", **more)

    def verdict(self) -> Verdict:
        """Return "holds", "fails" or "undecided"."""
        side = 1.0 if self.direction == "above" else -1.0
        low, high = sorted(side * (v - self.threshold) for v in (self.low, self.high))
        if self.decided_by == "figure":
            return "holds" if side * (self.estimate - self.threshold) >= 0 else "fails"
        return "holds" if low > 0 else "fails" if high < 0 else "undecided"

    def decider(self) -> str:
        """Say what would decide it: how much more data an interval needs to leave the threshold, should the estimate stay."""
        if self.verdict() != "undecided":
            return ""
        if math.isnan(self.estimate):
            return "nothing was measured"
        away = abs(self.estimate - self.threshold)
        half = (self.high - self.low) / 2
        if away <= half / 10:
            return f"the estimate lies within {number(max(away, 0.0005))} of the threshold: over 100 times the data"
        return f"about {math.ceil((half / away) ** 2 + 0.5)} times the data, should the estimate stay"

    def text(self) -> str:
        """Write the figures: ``+.012 [+.003, +.021]``, or the figure alone."""
        if math.isnan(self.estimate):
            return "undefined"
        if self.low == self.high:
            return f"{self.estimate:.3g}"
        sign = self.threshold <= 0 or self.low < 0
        return f"{number(self.estimate, sign)} [{number(self.low, sign)}, {number(self.high, sign)}]"

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; NaN becomes null."""
        figures = {k: _finite(getattr(self, k)) for k in ("estimate", "low", "high", "threshold")}
        texts = {k: getattr(self, k) for k in ("quantity", "direction", "decided_by", "note", "spread")}
        return {**texts, **figures, "table": [{k: _plain(v) for k, v in row.items()} for row in self.table]}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Measurement:
        """Rebuild from :meth:`as_dict`."""
        known: dict[str, Any] = {
            k: math.nan if fields[k] is None else fields[k] for k in cls.__dataclass_fields__ if k in fields
        }
        return cls(**known)


class Measure(Protocol):
    """What measures a claim: a function at the top of a module."""

    def __call__(self, seeds: Sequence[int], quick: bool = False) -> Measurement:
        """Measure on the given seeds; ``quick`` asks for a small form of at most ten seconds, whose verdict is no evidence."""
        ...


@dataclass(frozen=True)
class Claim:
    """One statement of a paper (or of ours) that is measured.

    Parameters
    ----------
    name : str
        Unique, in snake case.
    paper : str
        Author and year, as methods name it: "burns2023".
    subject : str
        The method, forecast or other part it is about, by its name in a study.
    statement : str
        One sentence that a stranger understands.
    bound : str
        What "holds" means, in words and numbers.
    measure : callable
        ``measure(seeds, quick=False)`` returns a :class:`Measurement`. A named function: its code is part of the verdict's key.
    seeds : sequence of int
        Fresh seeds of the verdict.
    looked : sequence of int
        Seeds on which thresholds and defaults were set.
    cost : float
        CPU seconds of a full run, roughly, once views are encoded.
    archives : sequence of str
        Packaged sets and models that ``measure`` reads.

    Raises
    ------
    InputError
        A name that is not in snake case, no fresh seeds, or a fresh seed that was looked at.
    """

    name: str
    paper: str
    subject: str
    statement: str
    bound: str
    measure: Measure = field(repr=False)
    seeds: Sequence[int]
    looked: Sequence[int] = ()
    cost: float = 10.0
    archives: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name in ("seeds", "looked", "archives"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not _NAME.fullmatch(self.name):
            raise InputError(f"a claim is named in snake case, not {self.name!r}")
        if not self.seeds:
            raise InputError(f"claim {self.name!r} names no seeds; give the fresh ones its verdict is for")
        used = sorted(set(self.seeds) & set(self.looked))
        if used:
            raise InputError(f"claim {self.name!r} was developed on seed {used[0]}; its verdict needs fresh ones")

    def measured(self, quick: bool = False) -> Measurement:
        """Measure on all fresh seeds, or the quick form on the first three."""
        return self.measure(self.seeds_of(quick), quick=quick)

    def seeds_of(self, quick: bool = False) -> Sequence[int]:
        """Return the seeds of the full or the quick form."""
        return self.seeds[:QUICK_SEEDS] if quick else self.seeds

    def key(self, quick: bool = False) -> str:
        """Name what a verdict depends on: the code that can be reached from ``measure``, the seeds, and the form."""
        from outgrow.fingerprints import fingerprint
        from outgrow.papers.reach import code_key

        return fingerprint(code_key(self.measure), list(self.seeds_of(quick)), quick)


def seed_interval(values: ArrayLike) -> tuple[float, float, float]:
    """Return mean and 95 % limits by Student's t over independent seeds; without spread the limits are the mean.

    Raises
    ------
    InputError
        Fewer than two seeds, or a value that is not finite.
    """
    from scipy.special import stdtrit

    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all():
        raise InputError(f"an interval over seeds needs at least two finite figures, one a seed, not {values.shape}")
    mean = float(values.mean())
    half = float(stdtrit(len(values) - 1, 0.5 + LEVEL / 2) * values.std(ddof=1) / math.sqrt(len(values)))
    return mean, mean - half, mean + half


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    return _finite(value) if isinstance(value, float) else value

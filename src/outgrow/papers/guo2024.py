"""Guo et al. 2024, AdaptConf, arXiv 2402.03749: a confidence loss whose share is set row by row.

Its tables (vision, with true labels beside) show gains of .2 to .5 points over a fixed share. Which way the share goes where student and
supervisor disagree is read one way in the public code and may be read the other way in the words: both are measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from outgrow.papers.burns2023 import WON, won_and_lost
from outgrow.papers.cells import ARCHIVES, Draw
from outgrow.papers.claim import Claim, Measurement

__all__ = ["CLAIMS", "against_naive", "as_coded", "other_reading"]

LOOKED = range(5)
SEEDS = range(100, 110)


def _as_coded(d: Draw) -> Any:
    from outgrow.methods.adaptive import AdaptiveConfidence

    return AdaptiveConfidence(d.head())


def _other_reading(d: Draw) -> Any:
    from outgrow.methods.adaptive import AdaptiveConfidence

    return AdaptiveConfidence(d.head(), follow="student")


def as_coded(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Against the supervisor, following the weak label where the student is sure of another class."""
    return won_and_lost(_as_coded, seeds, quick, "supervisor")


def other_reading(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Against the supervisor, following the student there."""
    return won_and_lost(_other_reading, seeds, quick, "supervisor")


def against_naive(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """As coded, against naive."""
    return won_and_lost(_as_coded, seeds, quick, "naive")


_COMMON: dict[str, Any] = {
    "paper": "guo2024",
    "subject": "adaptive_confidence",
    "seeds": SEEDS,
    "looked": LOOKED,
    "cost": 120,
    "archives": ARCHIVES,
}
CLAIMS = (
    Claim(
        name="adaptive_wins",
        statement="Adaptive confidence wins more rows that the supervisor gets wrong than it loses rows that it gets right.",
        bound=WON,
        measure=as_coded,
        **_COMMON,
    ),
    Claim(
        name="adaptive_other_reading_wins",
        statement="The same with the switch turned: where the student is sure of another class, it follows itself.",
        bound=WON,
        measure=other_reading,
        **_COMMON,
    ),
    Claim(
        name="adaptive_beats_naive",
        statement="Adaptive confidence is right on more rows than the naive student.",
        bound="accuracy minus naive's: interval above 0",
        measure=against_naive,
        **_COMMON,
    ),
)

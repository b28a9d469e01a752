"""Medvedev et al. 2025, *Weak-to-Strong Generalization Even in Random Feature Networks, Provably* (arXiv 2503.02877).

Read second-hand: L_ST = O(L_TE^1.49) for ReLU units and O(L_TE^2) for linear ones, up to logarithms, and never better than order L_TE^2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from outgrow.papers.claim import Claim, Measurement
from outgrow.papers.paper import Paper, Picture
from outgrow.worlds.medvedev import Teacher, best_stop, linear_teacher, relu_harmonics, relu_teacher

__all__ = ["CLAIMS", "PAPER", "linear_slope", "relu_slope", "without_end"]

LINEAR = (8, 16, 32, 64, 128, 256)
RELU = (64, 128, 256, 512, 1024)
DIMENSION = 32


def _teachers(kind: str, seed: int, quick: bool) -> dict[int, Teacher]:
    if kind == "linear":
        return {m: linear_teacher(m, seed) for m in (LINEAR[:4] if quick else LINEAR)}
    harmonics = relu_harmonics(DIMENSION)
    return {m: relu_teacher(m, seed, harmonics) for m in (RELU[:3] if quick else RELU)}


def _slopes(kind: str, seeds: Sequence[int], quick: bool) -> tuple[list[float], list[dict[str, Any]]]:
    values: list[float] = []
    table: list[dict[str, Any]] = []
    for seed in seeds:
        lines = [
            {"seed": seed, "units": m, "teacher": t.error, "student": best_stop(t)[0]}
            for m, t in _teachers(kind, seed, quick).items()
        ]
        logs = np.log([[row["teacher"], row["student"]] for row in lines])
        values.append(float(np.polyfit(logs[:, 0], logs[:, 1], 1)[0]))
        table += lines
    return values, table


def _within(kind: str, low: float, high: float, seeds: Sequence[int], quick: bool) -> Measurement:
    slopes, table = _slopes(kind, seeds, quick)
    middle = (low + high) / 2
    return Measurement.over_seeds(
        [abs(s - middle) for s in slopes],
        f"distance of the slope from {middle:g}",
        threshold=(high - low) / 2,
        direction="below",
        table=table,
        note=f"The slope of log L_ST over log L_TE is {np.mean(slopes):.3f} on average, from {min(slopes):.3f} to {max(slopes):.3f}.",
    )


def relu_slope(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Fit the slope of the student's over the teacher's log error, ReLU units."""
    return _within("relu", 1.2, 2.1, seeds, quick)


def linear_slope(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Fit it for linear units."""
    return _within("linear", 1.9, 2.1, seeds, quick)


def without_end(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Compare the error of a student that never stops with its teacher's."""
    worst = 0.0
    table: list[dict[str, Any]] = []
    for seed in seeds:
        for kind in ("linear", "relu"):
            for m, teacher in _teachers(kind, seed, quick).items():
                late = float(teacher.student(np.array([1e3 / teacher.eigenvalues.min()]))[0])
                worst = max(worst, abs(late / teacher.error - 1))
                table.append({"units of": kind, "seed": seed, "units": m, "ratio": late / teacher.error})
    return Measurement.exact(worst, "largest relative difference of student and teacher", 1e-6, table=table)


_COMMON: dict[str, Any] = {"paper": "medvedev2025", "subject": "medvedev", "looked": range(2), "seeds": range(100, 110)}
CLAIMS = (
    Claim(
        name="features_relu_slope",
        statement="A student of random ReLU units that stops in time has a power of its teacher's error, well above the first.",
        bound="distance of the slope of log errors from 1.65: interval below .45",
        measure=relu_slope,
        cost=10.0,
        **_COMMON,
    ),
    Claim(
        name="features_linear_slope",
        statement="A student of random linear units that stops in time has the square of its teacher's error.",
        bound="distance of the slope of log errors from 2: interval below .1",
        measure=linear_slope,
        cost=5.0,
        **_COMMON,
    ),
    Claim(
        name="features_without_stopping",
        statement="A student of random units that never stops has its teacher's error.",
        bound="largest relative difference at most 1e-06",
        measure=without_end,
        cost=10.0,
        **_COMMON,
    ),
)
PAPER = Paper(
    "medvedev2025",
    scaled="Nothing is sampled but the teacher's units, at most 1,024; the student has its limit's kernel.",
    at_scale={claim.name: claim.measure for claim in CLAIMS},
    pictures=tuple(
        Picture(
            f"features_{kind}_slope",
            "scatter",
            x="teacher",
            y="student",
            log="xy",
            title=f"Student against teacher, {name} units",
            x_words="teacher's error",
            y_words="student's error, stopped in time",
        )
        for kind, name in (("relu", "ReLU"), ("linear", "linear"))
    ),
)

"""Oh, Song, Yun 2025, "From Linear to Nonlinear: Provable Weak-to-Strong Generalization through Feature Learning", arXiv 2510.24812.

Read second-hand: a student on 75 rows fits all labels and stays at its supervisor's .85, on 2,000 it fits them all and passes it, on 20,000
it reaches nearly 1 at an early time and falls back when trained on; test error at least .12 p_h in the first case; the border between the
first two lies where ``n p_b^2 |nu|^4 / d`` is constant. Dimensions, lengths and steps could not be read: those of
:mod:`outgrow.worlds.oh` were found by trying.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import numpy as np

from outgrow.papers.claim import Claim, Measurement
from outgrow.papers.paper import Paper, Picture
from outgrow.worlds.oh import REGIMES, Regime, oh_boundary, oh_run

__all__ = [
    "CLAIMS",
    "PAPER",
    "abundant_falls",
    "abundant_rises",
    "benign",
    "boundary_not_flat",
    "boundary_not_steep",
    "harmful",
    "harmful_error",
    "overtrained",
    "supervisor",
    "supervisor_hard",
]

LOOKED = range(3)
SEEDS = range(100, 106)
LOOKS = (1, 2, 5, 10, 20, 50, 100)
SMALL = {
    "harmful": Regime(1000, 5.0, 6.0, 1000, 40, 2.0, 20, test=500),
    "benign": Regime(1000, 5.0, 7.0, 1000, 400, 2.0, 20, test=500),
    "abundant": Regime(100, 3.0, 4.0, 1500, 2000, 0.5, 40, test=500),
    "overtrained": Regime(100, 5.0, 3.0, 500, 2000, 4.0, 40, test=500),
}
THEIR_ROWS = {"benign": 2000, "abundant": 20_000}
DIMENSIONS = 30_000
SIZES, LENGTHS = (8, 16, 32, 64, 128, 256, 512), (9.0, 11.0, 13.5, 16.5)
DRAWS = 5
HALF_WAY = 0.75


@lru_cache(maxsize=8)
def _runs(name: str, seeds: tuple[int, ...], quick: bool, rows: int | None = None) -> list[dict[str, Any]]:
    regime = (SMALL if quick else REGIMES)[name]
    if rows is not None and not quick:
        regime = replace(regime, rows=rows)
    return [{"seed": seed, **row} for seed in seeds for row in oh_run(seed, regime, LOOKS)]


def _last(table: list[dict[str, Any]], seeds: Sequence[int]) -> list[dict[str, Any]]:
    return [max((r for r in table if r["seed"] == s), key=lambda r: r["step"]) for s in seeds]


def _means(rows: list[dict[str, Any]], *names: str) -> str:
    return ", ".join(f"{n} {np.mean([r[n] for r in rows]):.3f}" for n in names)


def _of(
    seeds: Sequence[int],
    quick: bool,
    name: str,
    figure: Any,
    quantity: str,
    note: str = "",
    rows: int | None = None,
    **more: Any,
) -> Measurement:
    """Take a figure of the last look of every seed."""
    table = _runs(name, tuple(seeds), quick, rows)
    last = _last(table, seeds)
    told = f"At the end: {_means(last, 'fitted', 'test', 'test hard', 'weak', 'weak hard')}."
    return Measurement.over_seeds(
        [figure(r) for r in last], quantity, table=table, note=" ".join(filter(None, [told, note])), **more
    )


def supervisor(seeds: Sequence[int], quick: bool = False, *, rows: int | None = None) -> Measurement:
    """Distance of the supervisor's accuracy from 1 - p_h / 2."""
    return _of(
        seeds,
        quick,
        "abundant",
        lambda r: abs(r["weak"] - 0.85),
        "distance of the supervisor's accuracy from 1 - p_h / 2",
        threshold=0.03,
        direction="below",
        rows=rows,
    )


def supervisor_hard(seeds: Sequence[int], quick: bool = False, *, rows: int | None = None) -> Measurement:
    """Distance of the supervisor's accuracy on hard rows from one half."""
    return _of(
        seeds,
        quick,
        "abundant",
        lambda r: abs(r["weak hard"] - 0.5),
        "distance of the supervisor's accuracy on hard rows from 1/2",
        threshold=0.05,
        direction="below",
        rows=rows,
    )


def harmful(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Few rows: the student minus its supervisor on test rows, while it fits every label."""
    note = "A seed on which the student fits less than .99 of its labels would count as above."
    return _of(
        seeds,
        quick,
        "harmful",
        lambda r: r["test"] - r["weak"] if r["fitted"] >= 0.99 else 1.0,
        "test accuracy, student minus supervisor, few rows",
        note,
        threshold=0.01,
        direction="below",
    )


def harmful_error(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Few rows: the student's test error against .12 p_h."""
    return _of(seeds, quick, "harmful", lambda r: 1 - r["test"], "test error, few rows", threshold=0.12 * 0.3)


def benign(seeds: Sequence[int], quick: bool = False, *, rows: int | None = None) -> Measurement:
    """More rows: the student minus its supervisor on test rows, while it still fits every label."""
    note = "A seed on which the student fits less than .99 of its labels would count as below."
    return _of(
        seeds,
        quick,
        "benign",
        lambda r: r["test"] - r["weak"] if r["fitted"] >= 0.99 else -1.0,
        "test accuracy, student minus supervisor, more rows",
        note,
        threshold=0.05,
        rows=rows,
    )


def _peaks(table: list[dict[str, Any]], seeds: Sequence[int]) -> list[dict[str, Any]]:
    return [max((r for r in table if r["seed"] == s), key=lambda r: r["test"]) for s in seeds]


def abundant_rises(seeds: Sequence[int], quick: bool = False, *, rows: int | None = None) -> Measurement:
    """Many rows: the student at its best time, while it fits no more labels than are right."""
    table = _runs("abundant", tuple(seeds), quick, rows)
    best = _peaks(table, seeds)
    values = [r["test"] if r["fitted"] <= r["weak"] + 0.03 else 0.0 for r in best]
    steps = ", ".join(str(k) for k in sorted({r["step"] for r in best}))
    note = (
        f"At the best step ({steps}): {_means(best, 'fitted', 'true', 'turned', 'weak')}. "
        "A seed that fits over .03 more of its labels than its supervisor is right would count as 0."
    )
    return Measurement.over_seeds(
        values, "best test accuracy over the steps, many rows", threshold=0.98, table=table, note=note
    )


def abundant_falls(seeds: Sequence[int], quick: bool = False, *, rows: int | None = None) -> Measurement:
    """Many rows: what is lost between the best time and the end."""
    table = _runs("abundant", tuple(seeds), quick, rows)
    pairs = zip(_peaks(table, seeds), _last(table, seeds), strict=True)
    return Measurement.over_seeds(
        [best["test"] - end["test"] for best, end in pairs],
        "test accuracy, best step minus last, many rows",
        threshold=0.03,
        table=table,
        note=f"At the end: {_means(_last(table, seeds), 'fitted', 'test', 'test hard', 'weak')}.",
    )


def overtrained(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Many rows and long training: distance of the student from its supervisor."""
    return _of(
        seeds,
        quick,
        "overtrained",
        lambda r: abs(r["test"] - r["weak"]) if r["fitted"] >= 0.99 else 1.0,
        "distance in test accuracy of student and supervisor after long training",
        threshold=0.02,
        direction="below",
    )


# --- the phase map ---------------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=2)
def _map(seeds: tuple[int, ...], quick: bool) -> list[dict[str, Any]]:
    lengths, draws = (LENGTHS[::3], 1) if quick else (LENGTHS, DRAWS)
    found = []
    for seed in seeds:
        # A border of one student a cell is ragged: each cell is the mean of several worlds.
        worlds = [oh_boundary(1000 * seed + k, DIMENSIONS, SIZES, lengths) for k in range(draws)]
        found += [
            {"seed": seed, **{k: float(np.mean([r[k] for r in same])) for k in same[0]}}
            for same in zip(*worlds, strict=True)
        ]
    return [{**r, "log2 n": float(np.log2(r["n"])), "over half way": r["test hard"] - HALF_WAY} for r in found]


def _crossing(rows: list[dict[str, Any]]) -> float:
    """Return log n where accuracy on hard rows passes half way, by a line fitted to log n among the looks near it; NaN if it never does."""
    rows = sorted(rows, key=lambda r: r["n"])
    x, y = np.log([r["n"] for r in rows]), np.array([r["over half way"] for r in rows])
    near = np.abs(y) < 0.2
    if y.max() < 0 or y.min() > 0 or near.sum() < 2:
        return float("nan")
    slope, start = np.polyfit(x[near], y[near], 1)
    return float(-start / slope) if slope > 0 else float("nan")


def _slopes(table: list[dict[str, Any]], seeds: Sequence[int]) -> tuple[list[float], dict[float, float]]:
    slopes: list[float] = []
    found: dict[float, list[float]] = {}
    for seed in seeds:
        points = []
        for nu in sorted({r["nu"] for r in table}):
            at = _crossing([r for r in table if r["seed"] == seed and r["nu"] == nu])
            if np.isfinite(at):
                points.append((np.log(nu), at))
                found.setdefault(nu, []).append(at)
        line = np.array(points, dtype=np.float64)
        slopes.append(float(np.polyfit(line[:, 0], line[:, 1], 1)[0]) if len(points) > 1 else 0.0)
    return slopes, {nu: float(np.exp(np.mean(v))) for nu, v in found.items()}


def _boundary(seeds: Sequence[int], quick: bool, **more: Any) -> Measurement:
    table = _map(tuple(seeds), quick)
    slopes, border = _slopes(table, seeds)
    note = "Half way on hard rows at n = " + ", ".join(f"{n:.0f} (length {nu:g})" for nu, n in border.items()) + "."
    quantity = "slope of log n against log of the hard signal's length, where hard rows are half way"
    return Measurement.over_seeds(slopes, quantity, table=table, note=note, **more)


def boundary_not_flat(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Fit the border between harmful and benign, and ask whether its slope lies below -3."""
    return _boundary(seeds, quick, threshold=-3.0, direction="below")


def boundary_not_steep(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Fit the border between harmful and benign, and ask whether its slope lies above -5."""
    return _boundary(seeds, quick, threshold=-5.0)


def _claim(name: str, statement: str, bound: str, measure: Any, cost: float) -> Claim:
    return Claim(f"patches_{name}", "oh2025", "oh", statement, bound, measure, seeds=SEEDS, looked=LOOKED, cost=cost)


CLAIMS = (
    _claim(
        "supervisor",
        "A linear supervisor errs on half of the hard rows and on little else.",
        "accuracy within .03 of 1 - p_h / 2",
        supervisor,
        20.0,
    ),
    _claim(
        "supervisor_guesses",
        "A linear supervisor guesses on hard rows.",
        "accuracy on hard rows within .05 of 1/2",
        supervisor_hard,
        20.0,
    ),
    _claim(
        "harmful",
        "On few rows a student fits every label and is no better than its supervisor.",
        "at least .99 of labels fitted, and student minus supervisor below .01",
        harmful,
        25.0,
    ),
    _claim(
        "harmful_error",
        "On few rows a student's error stays above .12 p_h.",
        "test error above .036",
        harmful_error,
        25.0,
    ),
    _claim(
        "benign",
        "On more rows a student still fits every label, wrong ones included, and is better than its supervisor.",
        "at least .99 of labels fitted, and student minus supervisor above .05",
        benign,
        40.0,
    ),
    _claim(
        "abundant_peak",
        "On many rows a student stopped in time is right nearly everywhere, also where its labels are wrong.",
        "best test accuracy above .98, with no more labels fitted than the supervisor is right, plus .03",
        abundant_rises,
        20.0,
    ),
    _claim(
        "abundant_falls",
        "On many rows a student that trains on forgets what it had found.",
        "test accuracy at the best step minus at the last: above .03",
        abundant_falls,
        20.0,
    ),
    _claim(
        "overtrained",
        "On many rows a student that trains for long ends where its supervisor is.",
        "at least .99 of labels fitted, and within .02 of the supervisor's accuracy",
        overtrained,
        25.0,
    ),
    _claim(
        "border_not_flat",
        "The rows that a student needs fall with the hard signal's length at least as steeply as its third power.",
        "slope of log n against log length: interval below -3",
        boundary_not_flat,
        35.0,
    ),
    _claim(
        "border_not_steep",
        "The rows that a student needs fall with the hard signal's length no more steeply than its fifth power.",
        "slope of log n against log length: interval above -5",
        boundary_not_steep,
        35.0,
    ),
)
PAPER = Paper(
    "oh2025",
    scaled="Rows, steps and dimensions found by trying, at most 8,000 rows in place of 20,000; supervisors after 100 steps.",
    at_scale={
        "patches_harmful": harmful,
        "patches_harmful_error": harmful_error,
        "patches_benign": partial(benign, rows=THEIR_ROWS["benign"]),
        **{
            f"patches_{name}": partial(measure, rows=THEIR_ROWS["abundant"])
            for name, measure in (
                ("supervisor", supervisor),
                ("supervisor_guesses", supervisor_hard),
                ("abundant_peak", abundant_rises),
                ("abundant_falls", abundant_falls),
            )
        },
    },
    no_scale=(
        "The paper's 75, 2,000 and 20,000 rows; its dimensions, signal lengths and steps are unknown to us, so those found by trying stay. "
        "Its images (digits, as one reader says) are unknown too."
    ),
    pictures=(
        Picture(
            "patches_abundant_peak",
            "lines",
            x="step",
            y=("test", "true", "fitted", "weak"),
            log="x",
            title="Many rows: better than its labels, then back",
            y_words="share of rows",
        ),
        Picture(
            "patches_harmful",
            "lines",
            x="step",
            y=("test", "fitted", "weak"),
            log="x",
            title="Few rows: every label fitted, nothing gained",
            y_words="share of rows",
        ),
        Picture(
            "patches_benign",
            "lines",
            x="step",
            y=("test", "fitted", "weak"),
            log="x",
            title="More rows: every label fitted, and still a gain",
            y_words="share of rows",
        ),
        Picture(
            "patches_border_not_flat",
            "map",
            x="nu",
            y="log2 n",
            z="over half way",
            title="Where a student learns the hard signal",
            x_words="length of the hard signal",
            y_words="log2 of the number of rows",
            z_words="accuracy on hard rows, minus .75",
        ),
    ),
)

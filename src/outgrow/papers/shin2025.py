"""Shin, Cooper, Sala 2025, "Weak-to-Strong Generalization Through the Data-Centric Lens", arXiv 2412.03881.

From the paper and its repository (SprocketLab/datacentric_w2s): the student's accuracy grows as rows with both patterns replace others at
a fixed number of rows (shares 0 to 1 by tenths); and, of two sources with 10 % and 90 % of the overlap, drawing by upper confidence
bounds on the detected density (50 rounds) finds the better one and trains a better student than drawing at random. Measured on the world
of :mod:`outgrow.worlds.shin`, not on their language models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outgrow.forecasts.overlap import overlap_density
from outgrow.forecasts.sources import choose_sources
from outgrow.papers.claim import Claim, Measurement
from outgrow.papers.paper import Paper, Picture
from outgrow.worlds.shin import Patterns, ShinWorld

__all__ = ["CLAIMS", "PAPER", "accuracy_grows", "density_found", "gain_of_choice", "hard_rows", "share_of_best"]

LOOKED = range(3)
SEEDS = range(100, 115)
SHARES = tuple(round(0.1 * k, 1) for k in range(11))
ROWS, TAUGHT, TESTS = 1000, 500, 2000
ROUNDS, BATCH = 50, 100
SOURCES = (0.1, 0.9)
PENALTY = 0.01


@dataclass(frozen=True)
class Size:
    """Rows of a student, of its supervisor, and of the test."""

    rows: int = ROWS
    taught: int = TAUGHT
    tests: int = TESTS


LAPTOP, THEIRS = Size(), Size(5000, 5000, 5000)


def _head(x: NDArray[Any], y: NDArray[Any]) -> Any:
    from outgrow.learners.linear import LinearHead

    return LinearHead(penalty=PENALTY).fit(x, y)


def _right(head: Any, test: Patterns, kind: int | None = None) -> float:
    hit = head.predict_proba(test.x).argmax(axis=1) == test.truth
    return float(hit.mean() if kind is None else hit[test.kind == kind].mean())


def _supervisor(world: ShinWorld, overlap: float = 0.3, taught: int = TAUGHT) -> Any:
    teach = world.draw(taught, overlap, stream=1)
    return _head(teach.weak, np.eye(2)[teach.truth])


@lru_cache(maxsize=2)
def _sweep(seeds: tuple[int, ...], quick: bool, size: Size) -> list[dict[str, Any]]:
    table = []
    for seed in seeds:
        world = ShinWorld(seed)
        supervisor, test = _supervisor(world, taught=size.taught), world.draw(size.tests, 0.3, stream=2)
        floor = float((supervisor.predict_proba(test.weak).argmax(axis=1) == test.truth).mean())
        for share in SHARES[:: 5 if quick else 1]:
            rows = world.draw(400 if quick else size.rows, share, stream=3)
            told = supervisor.predict_proba(rows.weak)
            student = _head(rows.x, told)
            table.append(
                {
                    "seed": seed,
                    "overlap": share,
                    "detected": overlap_density(told, rows.x).density,
                    "student": _right(student, test),
                    "student, hard rows": _right(student, test, 1),
                    "supervisor": floor,
                }
            )
    return table


def _slope(seeds: Sequence[int], quick: bool, column: str, quantity: str, size: Size) -> Measurement:
    """Fit a line through a column over shares, each seed; the slope is the change from no overlap to overlap alone."""
    table = _sweep(tuple(seeds), quick, size)
    slopes = []
    for seed in seeds:
        mine = [r for r in table if r["seed"] == seed]
        slopes.append(float(np.polyfit([r["overlap"] for r in mine], [r[column] for r in mine], 1)[0]))
    means = {s: float(np.mean([r[column] for r in table if r["overlap"] == s])) for s in (0.0, 0.5, 1.0)}
    note = "Means at share " + ", ".join(f"{s:g}: {v:.3f}" for s, v in means.items()) + "."
    return Measurement.over_seeds(slopes, quantity, table=table, note=note)


def accuracy_grows(seeds: Sequence[int], quick: bool = False, *, size: Size = LAPTOP) -> Measurement:
    """Slope of the student's accuracy over the share of overlap."""
    return _slope(seeds, quick, "student", "slope of the student's accuracy over the share of overlap", size)


def hard_rows(seeds: Sequence[int], quick: bool = False, *, size: Size = LAPTOP) -> Measurement:
    """Slope of the student's accuracy on hard rows over the share of overlap."""
    quantity = "slope of the student's accuracy on hard rows over the share of overlap"
    return _slope(seeds, quick, "student, hard rows", quantity, size)


def density_found(seeds: Sequence[int], quick: bool = False, *, size: Size = LAPTOP) -> Measurement:
    """Spearman correlation of the detected density with the true share, over shares."""
    from scipy.stats import spearmanr

    table = _sweep(tuple(seeds), quick, size)
    found = []
    for seed in seeds:
        mine = [r for r in table if r["seed"] == seed]
        found.append(float(spearmanr([r["overlap"] for r in mine], [r["detected"] for r in mine]).statistic))
    means = {s: float(np.mean([r["detected"] for r in table if r["overlap"] == s])) for s in (0.0, 0.5, 1.0)}
    note = "Detected at share " + ", ".join(f"{s:g}: {v:.2f}" for s, v in means.items()) + ": an order, no estimate."
    return Measurement.over_seeds(
        found, "Spearman correlation of detected and true share", threshold=0.5, table=table, note=note
    )


@lru_cache(maxsize=2)
def _choices(seeds: tuple[int, ...], quick: bool) -> list[dict[str, Any]]:
    table = []
    rounds = 12 if quick else ROUNDS
    for seed in seeds:
        world = ShinWorld(seed)
        supervisor, test = _supervisor(world), world.draw(TESTS, 0.3, stream=2)
        # The better source is not always the second one.
        sources = SOURCES if seed % 2 else SOURCES[::-1]
        better = int(np.argmax(sources))
        random = np.random.default_rng([seed, 22])
        pick = [_Drawn(world, supervisor, sources) for _ in range(2)]
        chosen = choose_sources(pick[0].density, 2, rounds).chosen
        for at, source in enumerate(random.integers(0, 2, rounds)):
            pick[1].take(int(source), at)
        table.append(
            {
                "seed": seed,
                "share of the better source": float((chosen == better).mean()),
                "student, chosen": pick[0].student(test),
                "student, at random": pick[1].student(test),
            }
        )
    return table


class _Drawn:
    """Batches drawn so far, with their weak labels; a batch of a (source, round) is the same whoever draws it."""

    def __init__(self, world: ShinWorld, supervisor: Any, sources: Sequence[float]):
        self.world, self.supervisor, self.sources = world, supervisor, sources
        self.rows: list[NDArray[Any]] = []
        self.told: list[NDArray[Any]] = []

    def take(self, source: int, at: int) -> tuple[NDArray[Any], NDArray[Any]]:
        batch = self.world.draw(BATCH, self.sources[source], stream=100 + 2 * at + source)
        self.rows.append(batch.x)
        self.told.append(self.supervisor.predict_proba(batch.weak))
        return self.rows[-1], self.told[-1]

    def density(self, source: int, at: int) -> float:
        rows, told = self.take(source, at)
        return overlap_density(told, rows).density

    def student(self, test: Patterns) -> float:
        # The last thousand rows: what is drawn once the bounds have settled, at a number of rows where more still help.
        return _right(_head(np.vstack(self.rows)[-ROWS:], np.vstack(self.told)[-ROWS:]), test)


def share_of_best(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Share of the rounds in which the better source is drawn."""
    table = _choices(tuple(seeds), quick)
    values = [r["share of the better source"] for r in table]
    return Measurement.over_seeds(values, "share of rounds that draw the better source", threshold=0.5, table=table)


def gain_of_choice(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Compare students on the last thousand rows that were chosen and that were drawn at random."""
    table = _choices(tuple(seeds), quick)
    apart = [r["student, chosen"] - r["student, at random"] for r in table]
    note = ", ".join(f"{k} {np.mean([r[k] for r in table]):.3f}" for k in table[0] if k != "seed") + "."
    return Measurement.over_seeds(
        apart, "test accuracy, source chosen by UCB minus source at random", table=table, note=f"Means: {note}"
    )


def _claim(name: str, statement: str, bound: str, measure: Any, cost: float) -> Claim:
    return Claim(
        f"overlap_{name}", "shin2025", "overlap", statement, bound, measure, seeds=SEEDS, looked=LOOKED, cost=cost
    )


CLAIMS = (
    _claim(
        "accuracy",
        "At a fixed number of rows a student's accuracy grows with the share that holds both patterns.",
        "slope over the share: interval above 0",
        accuracy_grows,
        5.0,
    ),
    _claim(
        "hard_rows",
        "What grows is the accuracy on rows that its supervisor can only guess.",
        "slope over the share, hard rows: interval above 0",
        hard_rows,
        5.0,
    ),
    _claim(
        "detected",
        "The detector, which reads no truth, orders data by their overlap.",
        "Spearman correlation over eleven shares: interval above .5",
        density_found,
        5.0,
    ),
    _claim(
        "source",
        "Upper confidence bounds on the detected density draw the better of two sources more often than not.",
        "share of 50 rounds: interval above .5",
        share_of_best,
        15.0,
    ),
    _claim(
        "source_pays",
        "A student on rows from the source so chosen is better than one on as many rows from sources drawn at random.",
        "test accuracy, chosen minus random: interval above 0",
        gain_of_choice,
        15.0,
    ),
)
PAPER = Paper(
    "shin2025",
    scaled="A world of two patterns in place of language models' activations; 1,000 rows in place of 10,000.",
    at_scale={
        f"overlap_{name}": partial(measure, size=THEIRS)
        for name, measure in (("accuracy", accuracy_grows), ("hard_rows", hard_rows), ("detected", density_found))
    },
    no_scale=(
        "The paper's numbers of rows, in the same world: which sets of texts its overlap was measured on, and how much a batch of a source "
        "holds, is unknown to us. Its models are Qwen1.5-0.5B and Llama-3.1-8B."
    ),
    pictures=(
        Picture(
            "overlap_accuracy",
            "lines",
            x="overlap",
            y=("student", "student, hard rows", "supervisor"),
            title="More overlap, better students",
            x_words="share of rows with both patterns",
            y_words="accuracy",
        ),
        Picture(
            "overlap_detected",
            "lines",
            x="overlap",
            y="detected",
            title="What the detector finds",
            x_words="share of rows with both patterns",
            y_words="detected share",
        ),
    ),
)

"""Dong et al. 2025, *Discrepancies are Virtue: Weak-to-Strong Generalization through Lens of Intrinsic Dimension* (arXiv 2502.05075).

Ridgeless regression in subspaces: the student inherits its supervisor's variance where the two correlate, and sheds the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from outgrow.forecasts.dimension import intrinsic_dimensions
from outgrow.papers.claim import Claim, Measurement
from outgrow.papers.paper import Paper, Picture
from outgrow.worlds.dong import dong_world, simulated_variances

__all__ = ["CLAIMS", "PAPER", "closed_form", "foretold"]

OVERLAPS = (2, 5, 8, 14, 20)
TEACH, TRANSFER = 300, 200
NARROW, WIDE = 20, 60


def _closed(overlap: int) -> dict[str, float]:
    rest = TEACH - WIDE - 1
    student = (overlap + NARROW / (TRANSFER - NARROW - 1) * (WIDE - overlap)) / rest
    return {"weak": WIDE / rest, "student": student}


def closed_form(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Compare simulated with predicted variances of supervisor and student; seeds are averaged."""
    table: list[dict[str, Any]] = []
    for seed in seeds:
        found = simulated_variances(dong_world(seed), seed, teach=TEACH, transfer=TRANSFER, draws=20 if quick else 200)
        for who, value in zip(("weak", "student"), found, strict=True):
            table.append({"who": who, "seed": seed, "simulated": value, "predicted": _closed(8)[who]})
    worst = max(
        abs(float(np.mean([r["simulated"] / r["predicted"] for r in table if r["who"] == who])) - 1)
        for who in ("weak", "student")
    )
    note = "With the finite-sample denominators n - d_w - 1 and N - d_s - 1, where the paper has n and N."
    quantity = "largest relative difference of simulated and predicted variance"
    return Measurement.exact(worst, quantity, 0.05, table=table, note=note)


def foretold(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Correlate the ratio that two views foretell without a label with the simulated one, over overlaps of 2 to 20 directions."""
    values: list[float] = []
    table: list[dict[str, Any]] = []
    for seed in seeds:
        lines: list[dict[str, Any]] = []
        for overlap in OVERLAPS:
            world = dong_world(seed, overlap=overlap)
            z = np.random.default_rng([seed, 2, overlap]).normal(size=(TRANSFER, len(world.truth)))
            told = intrinsic_dimensions(z @ world.weak, z @ world.strong, share=1.0)
            weak, student = simulated_variances(world, seed, teach=TEACH, transfer=TRANSFER, draws=10 if quick else 50)
            line = {"seed": seed, "overlap": overlap, "d_sw": told.shared}
            lines.append({**line, "foretold": told.ratio(TRANSFER), "simulated": student / weak})
        pairs = np.array([[row["foretold"], row["simulated"]] for row in lines])
        values.append(float(np.corrcoef(pairs.T)[0, 1]))
        table += lines
    off = float(np.mean([row["foretold"] / row["simulated"] - 1 for row in table]))
    note = f"The dimensions are read from {TRANSFER} rows of both views; the foretold ratio is off by {off:+.1%} on average."
    quantity = "Pearson correlation of foretold and simulated variance ratio"
    return Measurement.over_seeds(values, quantity, threshold=0.95, table=table, note=note)


_COMMON: dict[str, Any] = {"paper": "dong2025", "subject": "dimension", "looked": range(3), "seeds": range(100, 110)}
CLAIMS = (
    Claim(
        name="dimension_closed_form",
        statement="In subspaces the variances of supervisor and student are those of the closed form.",
        bound="largest relative difference at most 5 %",
        measure=closed_form,
        cost=10.0,
        **_COMMON,
    ),
    Claim(
        name="dimension_foretells_ratio",
        statement="What share of its supervisor's variance a student inherits is foretold by two views without a label.",
        bound="Pearson correlation over five overlaps: interval above .95",
        measure=foretold,
        cost=15.0,
        **_COMMON,
    ),
)
PAPER = Paper(
    "dong2025",
    scaled="Gaussian subspaces of 20 and 60 directions; the paper's image and text models are left out.",
    at_scale={claim.name: claim.measure for claim in CLAIMS},
    pictures=(
        Picture(
            "dimension_foretells_ratio",
            "scatter",
            x="foretold",
            y="simulated",
            diagonal=True,
            title="Inherited variance, foretold and simulated",
            x_words="foretold Var(student) / Var(weak)",
            y_words="simulated",
        ),
    ),
)

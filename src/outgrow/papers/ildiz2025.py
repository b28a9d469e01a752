"""Ildiz et al. 2025, *High-dimensional Analysis of Knowledge Distillation* (arXiv 2410.18837).

Minimum-norm regression on surrogate labels, at the setting of the paper's figure (p 500, n 200, l_i = i^-2, l_i beta_i^2 = i^-1.5, no
noise): :mod:`outgrow.worlds.ildiz` simulates, :mod:`outgrow.forecasts.surrogate` holds the closed forms.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from outgrow.forecasts.surrogate import equivalent, mask, optimal_surrogate, surrogate_risk
from outgrow.papers.claim import Claim, Measurement
from outgrow.papers.paper import Paper, Picture
from outgrow.worlds.ildiz import ildiz_world, simulated_risk

__all__ = ["CLAIMS", "PAPER", "closed_form", "exponent", "weak_over_truth"]

ROWS = (50, 100, 200, 400, 800)


def _surrogates(world: Any) -> dict[str, Any]:
    at = equivalent(world.spectrum, world.n)
    return {
        "truth": world.beta,
        "optimal": optimal_surrogate(at, world.beta),
        "mask": np.where(mask(at), world.beta, 0.0),
    }


def closed_form(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Compare simulated with predicted risks of three surrogates; seeds are averaged."""
    world = ildiz_world()
    at = equivalent(world.spectrum, world.n)
    table: list[dict[str, Any]] = []
    for name, surrogate in _surrogates(world).items():
        told = surrogate_risk(at, world.beta, surrogate)
        for seed in seeds:
            found = simulated_risk(world, surrogate, seed, draws=3 if quick else 20)
            table.append({"surrogate": name, "seed": seed, "simulated": found, "predicted": told})
    worst = max(
        abs(float(np.mean([r["simulated"] / r["predicted"] for r in table if r["surrogate"] == name])) - 1)
        for name in ("truth", "optimal", "mask")
    )
    return Measurement.exact(worst, "largest relative difference of simulated and predicted risk", 0.05, table=table)


def weak_over_truth(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Take the simulated risk under the optimal surrogate over that under the truth, on the same rows."""
    world = ildiz_world()
    found = _surrogates(world)
    table: list[dict[str, Any]] = []
    for seed in seeds:
        risks = {k: simulated_risk(world, v, seed, draws=3 if quick else 20) for k, v in found.items()}
        table.append({"seed": seed, **risks, "ratio": risks["optimal"] / risks["truth"]})
    at = equivalent(world.spectrum, world.n)
    note = f"It amplifies {int((found['optimal'] > world.beta).sum())} of 500 directions; the best mask keeps {int(mask(at).sum())}."
    return Measurement.over_seeds(
        [float(row["ratio"]) for row in table],
        "risk under the best surrogate labels / under true labels",
        threshold=1.0,
        direction="below",
        table=table,
        note=note,
    )


def exponent(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Compare the slopes of log risk over log n under true and under optimal labels, from the closed forms."""
    table: list[dict[str, Any]] = []
    for n in ROWS[:3] if quick else ROWS:
        world = ildiz_world(20 * ROWS[-1], n)
        at = equivalent(world.spectrum, n)
        best = optimal_surrogate(at, world.beta)
        table.append(
            {
                "n": n,
                "truth": surrogate_risk(at, world.beta, world.beta),
                "optimal": surrogate_risk(at, world.beta, best),
            }
        )
    logs = np.log([row["n"] for row in table])
    slopes = {k: float(np.polyfit(logs, np.log([row[k] for row in table]), 1)[0]) for k in ("truth", "optimal")}
    note = f"Slopes: {slopes['truth']:.3f} under true labels, {slopes['optimal']:.3f} under the best surrogate."
    off = abs(slopes["truth"] - slopes["optimal"])
    return Measurement.exact(off, "difference of the two exponents", 0.02, table=table, note=note)


_COMMON: dict[str, Any] = {"paper": "ildiz2025", "subject": "surrogate", "looked": range(3), "seeds": range(100, 110)}
CLAIMS = (
    Claim(
        name="surrogate_closed_form",
        statement="The closed form of the risk of learning from surrogate labels is the simulated risk.",
        bound="largest relative difference over three surrogates at most 5 %",
        measure=closed_form,
        cost=10.0,
        **_COMMON,
    ),
    Claim(
        name="surrogate_beats_truth",
        statement="At equal rows a minimum-norm student learns better from the best surrogate labels than from true ones.",
        bound="risk over that under true labels: interval below 1",
        measure=weak_over_truth,
        cost=10.0,
        **_COMMON,
    ),
    Claim(
        name="surrogate_keeps_exponent",
        statement="The best surrogate labels do not change the exponent with which the risk falls in the number of rows.",
        bound="difference of the exponents from 50 to 800 rows at most .02",
        measure=exponent,
        cost=5.0,
        **_COMMON,
    ),
)
PAPER = Paper(
    "ildiz2025",
    scaled="Nothing: the setting of the paper's figure.",
    at_scale={claim.name: claim.measure for claim in CLAIMS},
    pictures=(
        Picture(
            "surrogate_closed_form",
            "scatter",
            x="predicted",
            y="simulated",
            by="surrogate",
            diagonal=True,
            title="Simulated against predicted risk",
            x_words="predicted risk",
            y_words="simulated risk",
        ),
        Picture(
            "surrogate_keeps_exponent",
            "lines",
            x="n",
            y=("truth", "optimal"),
            log="xy",
            title="Risk over rows",
            x_words="rows",
            y_words="predicted risk",
        ),
    ),
)

"""Saerens, Latinne, Decaestecker 2002, and Patrini et al. 2017 (arXiv 1609.03683): labels repaired without truth before a method learns.

The papers re-estimate class shares, and label noise from anchor points; the method built on them is ours. The supervisor is the VADER
lexicon on movie snippets, which calls most of them positive and is silent on one in seven.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outgrow.papers.cells import POOL, QUICK_POOL, _encoded
from outgrow.papers.claim import Claim, Measurement

__all__ = ["CLAIMS", "gain_minilm", "gain_smollm2", "not_a_copy"]

VIEWS = ("minilm/3", "smollm2/18")
Floats = NDArray[np.float64]


@lru_cache(maxsize=64)
def _corrected(view: str, seed: int, quick: bool) -> dict[str, Floats]:
    """Return (test rows,) whether floor, naive and corrected student are right, and where student and lexicon differ."""
    from outgrow.learners.linear import LinearHead
    from outgrow.methods.correction import Correction
    from outgrow.methods.naive import Naive
    from outgrow.scores.metrics import row_score
    from outgrow.supervisors.lexicon import packaged_rules
    from outgrow.tasks.split import split

    task, rows = _encoded("movies", (view,), QUICK_POOL if quick else POOL)
    transfer, test = (250, 200) if quick else (2000, 1500)
    roles = split(task, seed, teach=0, transfer=transfer, select=0, test=test)
    weak = packaged_rules("vader", [str(c) for c in task.classes]).label(rows)
    here, there = weak.at(roles.transfer), weak.at(roles.test)
    truth = np.asarray(task.truth_at(roles.test)).astype(np.int64)
    # A row on which the lexicon is silent is predicted by its label shares, as in every study.
    floor = there.one(here.prior())[0]
    out: dict[str, Floats] = {
        "floor": row_score("accuracy", floor, truth, 2),
        "silent": (~there.any_covered).astype(np.float64),
    }
    for name, method in (("naive", Naive), ("corrected", Correction)):
        student = method(LinearHead(on=view)).fit(rows.at(roles.transfer), here)
        probs = student.predict_proba(rows.at(roles.test))
        out[name] = row_score("accuracy", probs, truth, 2)
        out[f"{name} differs"] = (probs.argmax(axis=1) != floor.argmax(axis=1)).astype(np.float64)
    return out


def _gain(view: str, seeds: Sequence[int], quick: bool) -> Measurement:
    from outgrow.scores.intervals import paired_interval

    found = [_corrected(view, seed, quick) for seed in seeds]
    table = [
        {"seed": s, "view": view, **{k: v.mean() for k, v in f.items()}} for s, f in zip(seeds, found, strict=True)
    ]
    interval = paired_interval(np.stack([f["corrected"] for f in found]), np.stack([f["floor"] for f in found]))
    naive = float(np.mean([f["naive"].mean() - f["floor"].mean() for f in found]))
    note = f"The naive student's difference is {naive:+.3f} on the same rows."
    return Measurement.of(interval, "accuracy, corrected student minus the lexicon", table=table, note=note)


def gain_minilm(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Compare the corrected student on MiniLM with the lexicon, on all test rows."""
    return _gain(VIEWS[0], seeds, quick)


def gain_smollm2(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Compare the corrected student on SmolLM2 with the lexicon, on all test rows."""
    return _gain(VIEWS[1], seeds, quick)


def not_a_copy(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Count rows on which the student names another class than the lexicon, for the student with the fewer."""
    cells: list[list[float]] = []
    table = []
    for view in VIEWS[: 1 if quick else None]:
        spoken = []
        for seed in seeds:
            found = _corrected(view, seed, quick)
            there = found["silent"] == 0
            spoken.append(float(found["corrected differs"][there].mean()))
            table.append({"seed": seed, "view": view, "all": found["corrected differs"].mean(), "spoken": spoken[-1]})
        cells.append([float(row["all"]) for row in table if row["view"] == view])
    values = min(cells, key=lambda v: float(np.mean(v)))
    least = min(float(row["spoken"]) for row in table)
    note = f"Among rows on which the lexicon speaks it is at least {least:.0%} at every seed."
    return Measurement.over_seeds(
        values, "share of test rows that differ from the lexicon", threshold=0.1, table=table, note=note
    )


_COMMON: dict[str, Any] = {
    "paper": "saerens2002",
    "subject": "correction",
    "seeds": range(100, 110),
    "looked": range(10),
    "cost": 30,
}
CLAIMS = (
    Claim(
        name="correction_gains_minilm",
        statement="A student on MiniLM features outgrows the VADER lexicon on movie snippets once its labels are corrected.",
        bound="accuracy minus the lexicon's on all rows: interval above 0",
        measure=gain_minilm,
        archives=("movies", "vader", "minilm"),
        **_COMMON,
    ),
    Claim(
        name="correction_gains_smollm2",
        statement="A student on SmolLM2 features outgrows the VADER lexicon on movie snippets once its labels are corrected.",
        bound="accuracy minus the lexicon's on all rows: interval above 0",
        measure=gain_smollm2,
        archives=("movies", "vader", "smollm2"),
        **_COMMON,
    ),
    Claim(
        name="correction_is_no_copy",
        statement="The corrected student names another class than the lexicon on at least one row in ten.",
        bound="share of rows, for the student with the fewer: interval above .10",
        measure=not_a_copy,
        archives=("movies", "vader", "minilm", "smollm2"),
        **_COMMON,
    ),
)

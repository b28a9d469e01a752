"""Shi et al. 2025, "How to Mitigate Overfitting in Weak-to-strong Generalization?", arXiv 2503.04249: two stages.

Their figures, read second-hand (GSM8K, Llama 3 8B to 70B, accuracy): first stage 80.3, second stage with filter 81.2, without 80.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from outgrow.papers.cells import ARCHIVES, PAIRS, Draw, paired_cells
from outgrow.papers.claim import Claim, Measurement
from outgrow.scores.intervals import pooled_mean

__all__ = ["CLAIMS", "filter_pays", "second_stage"]

LOOKED = range(5)
SEEDS = range(100, 110)
NO_LOSS = -0.005
CELLS = (PAIRS[0], PAIRS[1], PAIRS[3])


@lru_cache(maxsize=2)
def _stages(seeds: tuple[int, ...], quick: bool) -> tuple[Any, list[str], list[Any]]:
    from outgrow.methods.two_stage import TwoStage

    def measure(d: Draw) -> dict[str, Any]:
        # The second stage's students hold the first stage's, which is the same in both.
        filtered, everything = d.fit(TwoStage(d.head())), d.fit(TwoStage(d.head(), again=0.0))
        return {
            "naive": d.naive(),
            "first": d.right(filtered.stages_[0]),
            "second": d.right(filtered),
            "unfiltered": d.right(everything),
        }

    return paired_cells(CELLS, seeds, measure, quick)


def _apart(seeds: Sequence[int], quick: bool, one: str, other: str, quantity: str) -> Measurement:
    scores, blocks, table = _stages(tuple(seeds), quick)
    apart = [a - b for a, b in zip(scores[one], scores[other], strict=True)]
    names = list(dict.fromkeys(row["cell"] for row in table))
    means = "; ".join(
        f"{n}: " + ", ".join(f"{k} {v[i].mean():.3f}" for k, v in scores.items()) for i, n in enumerate(names)
    )
    return Measurement.of(
        pooled_mean(apart, blocks), quantity, threshold=NO_LOSS, table=table, note=f"Accuracy by cell: {means}."
    )


def second_stage(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Second stage minus first stage."""
    return _apart(seeds, quick, "second", "first", "accuracy, filtered second stage minus first stage")


def filter_pays(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Filtered second stage minus unfiltered one."""
    return _apart(seeds, quick, "second", "unfiltered", "accuracy, filtered second stage minus unfiltered one")


_COMMON: dict[str, Any] = {
    "paper": "shi2025",
    "subject": "two_stage",
    "seeds": SEEDS,
    "looked": LOOKED,
    "cost": 150,
    "archives": ARCHIVES,
}
CLAIMS = (
    Claim(
        name="second_stage_no_loss",
        statement="Taking back rows that the first student is sure of does not hurt against training on consistent rows alone.",
        bound="accuracy of the filtered second stage minus the first stage: interval above -.005",
        measure=second_stage,
        **_COMMON,
    ),
    Claim(
        name="second_stage_filter",
        statement="Taking back all rows, unfiltered, is not better than taking back those the student is sure of.",
        bound="accuracy of the filtered second stage minus the unfiltered one: interval above -.005",
        measure=filter_pays,
        **_COMMON,
    ),
)

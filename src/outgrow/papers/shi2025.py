"""Shi et al. 2025, "How to Mitigate Overfitting in Weak-to-strong Generalization?", arXiv 2503.04249: two stages.

Their figures, read second-hand (GSM8K, Llama 3 8B to 70B, accuracy): first stage 80.3, second stage with filter 81.2, without 80.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any

from outgrow.papers.cells import ARCHIVES, PAIRS, Draw, HubData, Pair, paired_cells
from outgrow.papers.claim import Claim, Measurement
from outgrow.papers.paper import Paper, Picture
from outgrow.scores.intervals import pooled_mean

__all__ = ["CLAIMS", "PAPER", "filter_pays", "second_stage"]

LOOKED = range(5)
SEEDS = range(100, 110)
NO_LOSS = -0.005
CELLS = (PAIRS[0], PAIRS[1], PAIRS[3])


@lru_cache(maxsize=2)
def _stages(seeds: tuple[int, ...], quick: bool, pairs: tuple[Pair, ...]) -> tuple[Any, list[str], list[Any]]:
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

    return paired_cells(pairs, seeds, measure, quick)


def _apart(
    seeds: Sequence[int], quick: bool, pairs: Sequence[Pair], one: str, other: str, quantity: str
) -> Measurement:
    scores, blocks, table = _stages(tuple(seeds), quick, tuple(pairs))
    apart = [a - b for a, b in zip(scores[one], scores[other], strict=True)]
    names = list(dict.fromkeys(row["cell"] for row in table))
    means = "; ".join(
        f"{n}: " + ", ".join(f"{k} {v[i].mean():.3f}" for k, v in scores.items()) for i, n in enumerate(names)
    )
    return Measurement.of(
        pooled_mean(apart, blocks), quantity, threshold=NO_LOSS, table=table, note=f"Accuracy by cell: {means}."
    )


def second_stage(seeds: Sequence[int], quick: bool = False, *, pairs: Sequence[Pair] = CELLS) -> Measurement:
    """Second stage minus first stage."""
    return _apart(seeds, quick, pairs, "second", "first", "accuracy, filtered second stage minus first stage")


def filter_pays(seeds: Sequence[int], quick: bool = False, *, pairs: Sequence[Pair] = CELLS) -> Measurement:
    """Filtered second stage minus unfiltered one."""
    return _apart(seeds, quick, pairs, "second", "unfiltered", "accuracy, filtered second stage minus unfiltered one")


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

# The paper's task is mathematics that is written out, which heads cannot do: its own models, on a task of classes.
_DATA = HubData("nyu-mll/glue", "sentence", "label", config="cola")
_HUB = (Pair(_DATA, "meta-llama/Meta-Llama-3-8B/16", "meta-llama/Meta-Llama-3-70B/48", sizes=(3000, 3000, 1500)),)
PAPER = Paper(
    "shi2025",
    models=("meta-llama/Meta-Llama-3-8B", "meta-llama/Meta-Llama-3-70B"),
    data=(_DATA.id,),
    scaled="heads on the features of small models that name classes, in place of Llama 3 that writes solutions.",
    at_scale={
        "second_stage_no_loss": partial(second_stage, pairs=_HUB),
        "second_stage_filter": partial(filter_pays, pairs=_HUB),
    },
    pictures=(
        Picture(
            "second_stage_no_loss",
            "scatter",
            "first",
            "second",
            by="cell",
            diagonal=True,
            title="The second stage beside the first, seed by seed",
            x_words="accuracy of the first stage",
            y_words="accuracy of the second stage",
        ),
    ),
)

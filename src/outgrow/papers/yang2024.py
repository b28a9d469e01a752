"""Yang et al. 2025, "Super(ficial)-alignment: Strong Models May Deceive Weak Models in Weak-to-Strong Generalization", arXiv 2406.11431.

Read second-hand: on harmlessness against helpfulness, students of GPT-2 to Mistral deceive in every setting, more the larger the gap to
their supervisor; training on confident pairs alone helps little; a chain of models helps in part. No figure could be read, nor the rule for
"known"; see :mod:`outgrow.worlds.yang` for ours. The paper has no null: deception is also compared here with the share of all test pairs
that lies where the strong model knows and the weak one does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np

from outgrow.papers.claim import Claim, Measurement
from outgrow.papers.paper import Paper, Picture
from outgrow.worlds.yang import CONFLICTS, deception, yang_world

__all__ = ["CLAIMS", "PAPER", "excess", "filtering", "grows", "there"]

LOOKED = range(3)
SEEDS = range(100, 110)
STRENGTHS = (15, 25, 40, 60)
PAIRS, THEIR_PAIRS = 1000, 4000


@lru_cache(maxsize=8)
def _table(seeds: tuple[int, ...], quick: bool, conflict: str, pairs: int, sure: bool = False) -> list[dict[str, Any]]:
    out = []
    for seed in seeds:
        world = yang_world(seed, n=500 if quick else pairs)
        for strong in STRENGTHS[-1:] if sure else STRENGTHS:
            out.append({"seed": seed, "strong features": strong, **deception(world, strong, conflict, sure=sure)})
    return out


def _at(table: list[dict[str, Any]], strong: int, column: str) -> list[float]:
    return [r[column] for r in table if r["strong features"] == strong]


def _note(table: list[dict[str, Any]]) -> str:
    parts = []
    for strong in sorted({r["strong features"] for r in table}):
        told = ", ".join(f"{c} {np.nanmean(_at(table, strong, c)):.3f}" for c in ("deception", "share", "tax"))
        parts.append(f"{strong} features: {told}")
    return "; ".join(parts) + "."


def _measured(values: list[float], quantity: str, table: list[dict[str, Any]], **more: Any) -> Measurement:
    kept = [v for v in values if np.isfinite(v)]
    note = _note(table)
    if len(kept) < len(values):
        note += f" {len(values) - len(kept)} seeds with under 20 pairs that the conflict turned are left out."
    if len(kept) < 2:
        return Measurement(quantity, np.nan, np.nan, np.nan, table=table, note=note, spread="no seeds", **more)
    return Measurement.over_seeds(kept, quantity, table=table, note=note, **more)


def there(seeds: Sequence[int], quick: bool = False, *, conflict: str, pairs: int = PAIRS) -> Measurement:
    """Take the deception score of the weakest strong model."""
    table = _table(tuple(seeds), quick, conflict, pairs)
    return _measured(_at(table, STRENGTHS[0], "deception"), f"deception, {conflict} conflict, 15 features", table)


def grows(seeds: Sequence[int], quick: bool = False, *, conflict: str, pairs: int = PAIRS) -> Measurement:
    """Take the least step of the deception score from one strong model to the next stronger."""
    table = _table(tuple(seeds), quick, conflict, pairs)
    scores = [_at(table, s, "deception") for s in STRENGTHS]
    values = [b - a for a, b in zip(scores[0], scores[-1], strict=True)]
    return _measured(values, f"deception, {conflict} conflict, 60 features minus 15", table)


def excess(seeds: Sequence[int], quick: bool = False, *, conflict: str, pairs: int = PAIRS) -> Measurement:
    """Compare the deception score of the strongest model with the share of all test pairs in that region."""
    table = _table(tuple(seeds), quick, conflict, pairs)
    values = [r["deception"] - r["share"] for r in table if r["strong features"] == STRENGTHS[-1]]
    return _measured(values, f"deception minus share of test pairs, {conflict} conflict, 60 features", table)


def filtering(seeds: Sequence[int], quick: bool = False, *, conflict: str, pairs: int = PAIRS) -> Measurement:
    """Compare deception with and without the pairs on which the weak model is unsure."""
    plain, sure = (_table(tuple(seeds), quick, conflict, pairs, s) for s in (False, True))
    both = zip(_at(plain, STRENGTHS[-1], "deception"), _at(sure, STRENGTHS[-1], "deception"), strict=True)
    quantity = f"deception, all pairs minus confident pairs, {conflict} conflict, 60 features"
    return _measured([a - b for a, b in both], quantity, sure, threshold=0.05, direction="below")


def _claims(name: str, statement: str, bound: str, measure: Any) -> tuple[Claim, ...]:
    return tuple(
        Claim(
            f"deception_{name}_{conflict}",
            "yang2024",
            "yang",
            statement.format(f"under an {conflict} conflict"),
            bound,
            partial(measure, conflict=conflict),
            seeds=SEEDS,
            looked=LOOKED,
            cost=6.0,
        )
        for conflict in CONFLICTS
    )


CLAIMS = (
    *_claims(
        "there",
        "Some of what a student unlearns {} lies where it could know and its supervisor cannot, however small the gap.",
        "deception score of the weakest strong model: interval above 0",
        there,
    ),
    *_claims(
        "grows",
        "The share of it that lies there grows with the gap between the models {}.",
        "deception score, strongest minus weakest strong model: interval above 0",
        grows,
    ),
    *_claims(
        "over_chance",
        "More of it lies there than of all pairs {}.",
        "deception score minus the share of test pairs there, strongest model: interval above 0",
        excess,
    ),
    *_claims(
        "filtering_brings_little",
        "Training on pairs of which the supervisor is sure takes little of it away {}.",
        "deception score, all pairs minus confident ones: interval below .05",
        filtering,
    ),
)
_SIZED: dict[str, Any] = {claim.name: claim.measure for claim in CLAIMS}
PAPER = Paper(
    "yang2024",
    scaled="A linear world of preferences in place of language models; 1,000 pairs a role in place of 4,000.",
    at_scale={name: partial(measure, pairs=THEIR_PAIRS) for name, measure in _SIZED.items()},
    no_scale=(
        "The paper's numbers of pairs, in the same world: reward models of GPT-2, OPT and Mistral on pairs of two kinds are another "
        "experiment, and of its sets only Anthropic/hh-rlhf is known to us by its Hub id."
    ),
    pictures=tuple(
        Picture(
            f"deception_grows_{conflict}",
            "lines",
            x="strong features",
            y=("deception", "share"),
            title=f"Deception grows with the gap, {conflict} conflict",
            x_words="features that the strong model sees",
            y_words="share",
        )
        for conflict in CONFLICTS
    ),
)

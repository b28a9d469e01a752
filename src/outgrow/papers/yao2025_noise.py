"""Reverse against forward KL under injected noise (Yao et al. 2025, arXiv 2502.11107), on real cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from outgrow.papers.cells import ARCHIVES, PAIRS, Draw, paired_cells
from outgrow.papers.claim import Claim, Measurement
from outgrow.scores.intervals import pooled_mean

__all__ = ["CLAIMS", "hard_labels", "soft_labels"]

SHARE = 0.30
STREAM = 30
CELLS = (PAIRS[0], PAIRS[1], PAIRS[3])


def _noisy(d: Draw, hard: bool) -> Any:
    """Return the transfer rows' weak labels, the share of them given another class at random (soft: the classes turned round)."""
    _, weak = d.taught()
    probs = weak.one()[0].copy()
    n, c = probs.shape
    random = np.random.default_rng([d.seed, STREAM])
    turned = np.flatnonzero(random.random(n) < SHARE)
    by = random.integers(1, c, len(turned))
    probs[turned] = probs[turned[:, None], (np.arange(c) + by[:, None]) % c]
    if hard:
        probs = np.eye(c)[probs.argmax(axis=1)]
    return weak.relabel(probs, name="noisy")


def _measure(seeds: Sequence[int], quick: bool, hard: bool) -> Measurement:
    from outgrow.methods.divergence import Divergence

    def measure(d: Draw) -> dict[str, Any]:
        rows, _ = d.taught()
        weak = _noisy(d, hard)
        kinds = {"forward": "forward_kl", "reverse": "reverse_kl"}
        return {k: d.right(Divergence(d.head(), kind=kind).fit(rows, weak)) for k, kind in kinds.items()}

    scores, blocks, table = paired_cells(CELLS, seeds, measure, quick)
    apart = [r - f for r, f in zip(scores["reverse"], scores["forward"], strict=True)]
    names = list(dict.fromkeys(row["cell"] for row in table))
    said = "; ".join(
        f"{n}: {f.mean():.3f} and {r.mean():.3f}"
        for n, f, r in zip(names, scores["forward"], scores["reverse"], strict=True)
    )
    found = pooled_mean(apart, blocks)
    note = f"Accuracy under forward and reverse KL by cell: {said}."
    return Measurement.of(found, "accuracy, reverse KL minus forward KL", table=table, note=note)


def soft_labels(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """The supervisor's soft labels, 30 % of them turned."""
    return _measure(seeds, quick, False)


def hard_labels(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """The supervisor's class names, 30 % of them another."""
    return _measure(seeds, quick, True)


_COMMON: dict[str, Any] = {
    "paper": "yao2025",
    "subject": "divergence",
    "bound": "accuracy of reverse KL minus forward KL: interval above 0",
    "seeds": range(100, 110),
    "looked": range(5),
    "cost": 120,
    "archives": ARCHIVES,
}
CLAIMS = (
    Claim(
        name="reverse_kl_noise",
        statement="With 30 % of the soft weak labels turned to another class, reverse KL is right on more rows than forward KL.",
        measure=soft_labels,
        **_COMMON,
    ),
    Claim(
        name="reverse_kl_noise_hard",
        statement="With 30 % of the weak class names replaced by another, reverse KL is right on more rows than forward KL.",
        measure=hard_labels,
        **_COMMON,
    ),
)

"""Burns, Ye, Klein, Steinhardt 2022, arXiv 2212.03827: a contrast-consistent direction whose sign weak labels choose.

The sign is right when the direction's answers, turned as the weak labels say, agree with the truth on more than half of the rows. On the
planted worlds truth is the direction that separates best, which is the method's assumption; on movies it need not be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outgrow.papers.cells import ARCHIVES, PAIRS, draw
from outgrow.papers.claim import Claim, Measurement

__all__ = ["CLAIMS", "leaning", "movies", "scattered"]

ACCURACY = 0.60
TRIES = 20
WANTED = 19
STREAM = 22


def planted_world(seed: int, n: int = 400, d: int = 20) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Draw rows whose two classes lie three standard deviations apart along one direction; another direction tells nothing of the class.

    Returns
    -------
    x : ndarray of shape (n, d)
    truth : ndarray of shape (n,)
    aside : ndarray of shape (n,)
        The rows' place along the second direction.
    """
    random = np.random.default_rng([seed, STREAM])
    truth = random.integers(0, 2, n)
    basis = np.linalg.qr(random.normal(size=(d, d)))[0]
    x = random.normal(size=(n, d))
    x += np.outer(3.0 * truth - 1.5, basis[0])
    return x, truth, x @ basis[1]


def scattered(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Labels wrong at random on 40 % of the rows."""

    def labels(truth: NDArray[Any], aside: NDArray[Any], random: Any) -> NDArray[Any]:
        order = random.permutation(len(truth))
        wrong = np.zeros(len(truth), dtype=bool)
        wrong[order[: round((1 - ACCURACY) * len(truth))]] = True
        return np.where(wrong, 1 - truth, truth)

    return _planted(seeds, labels)


def leaning(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Labels wrong on the 40 % of the rows that lie furthest out along a direction of no meaning: errors a student can learn."""

    def labels(truth: NDArray[Any], aside: NDArray[Any], random: Any) -> NDArray[Any]:
        return np.where(aside > np.quantile(aside, ACCURACY), 1 - truth, truth)

    return _planted(seeds, labels)


def _planted(seeds: Sequence[int], labels: Any) -> Measurement:
    from outgrow.methods.contrast import Contrast

    table = []
    for seed in seeds:
        x, truth, aside = planted_world(seed)
        weak = labels(truth, aside, np.random.default_rng([seed, STREAM, 1]))
        found = Contrast().fit(x, weak)
        table.append(_row(seed, found, truth, float((weak == truth).mean())))
    return _count(table, seeds)


def movies(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """A probe's own labels on movies, flipped at random until it is right on 60 %."""
    from outgrow.methods.contrast import Contrast

    table = []
    for seed in seeds:
        d = draw(PAIRS[0] if quick else PAIRS[1], seed, quick)
        rows, weak = d.taught()
        truth = d.truth(rows.ids)
        named = weak.one()[0].argmax(axis=1)
        random = np.random.default_rng([seed, STREAM])
        right = np.flatnonzero(named == truth)
        spare = max(len(right) - round(ACCURACY * len(truth)), 0)
        flip = random.choice(right, spare, replace=False)
        named[flip] = 1 - named[flip]
        found = Contrast(d.head(), restarts=3).fit(rows, weak.relabel(np.eye(2)[named], name="flipped"))
        table.append(_row(seed, found, truth, float((named == truth).mean())))
    return _count(table, seeds)


def _row(seed: int, found: Any, truth: NDArray[Any], floor: float) -> dict[str, Any]:
    answers = (found.answers_ > 0.5).astype(int)
    return {
        "seed": seed,
        "supervisor": floor,
        "direction": float((answers == truth).mean()),
        "correlation": float(found.correlation_),
    }


def _count(table: list[dict[str, Any]], seeds: Sequence[int]) -> Measurement:
    hits = sum(row["direction"] > 0.5 for row in table)
    mean = float(np.mean([row["direction"] for row in table]))
    floor = float(np.mean([row["supervisor"] for row in table]))
    note = f"The direction's answers are right on {mean:.3f} of the rows, the weak labels on {floor:.3f}, averaged over seeds."
    wanted = max(1, -(-len(seeds) * WANTED // TRIES))
    return Measurement.count(
        hits,
        len(seeds),
        wanted,
        "share of seeds with the right sign",
        table=table,
        note=note,
        spread=f"{len(seeds)} seeds",
    )


_COMMON: dict[str, Any] = {
    "paper": "burns2022",
    "subject": "contrast",
    "bound": f"right in at least {WANTED} of {TRIES} seeds",
    "seeds": range(100, 100 + TRIES),
    "looked": range(5),
}
CLAIMS = (
    Claim(
        name="contrast_sign_scattered",
        statement="Weak labels that are right on 60 % of rows, wrong at random, choose the right sign (planted world).",
        measure=scattered,
        cost=20,
        **_COMMON,
    ),
    Claim(
        name="contrast_sign_leaning",
        statement="Weak labels that are right on 60 % of rows, wrong in one region, choose the right sign (planted world).",
        measure=leaning,
        cost=20,
        **_COMMON,
    ),
    Claim(
        name="contrast_sign_movies",
        statement="On movie snippets weak labels that are right on 60 % of rows choose the right sign of the direction in SmolLM2.",
        measure=movies,
        cost=120,
        archives=ARCHIVES,
        **_COMMON,
    ),
)

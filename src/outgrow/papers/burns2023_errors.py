"""Burns et al. 2023, "Weak-to-Strong Generalization", arXiv 2312.09390, section 5.1: are the supervisor's errors imitated.

What is measured for the claims of :mod:`outgrow.papers.burns2023`: students of errors at random beside students of the real ones, and how
often student and supervisor agree where the supervisor is right and where it is wrong. The paper's own figures, as recalled: errors at
random are largely averaged out and easily told ones are copied; naive students agree least where the supervisor is wrong, and the
confidence loss lowers agreement mainly there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outgrow.papers.cells import PAIRS, Draw, Pair, paired_cells
from outgrow.papers.claim import Measurement
from outgrow.scores.intervals import pooled_mean

__all__ = ["agreement_by_truth", "confidence_departs", "random_by_class", "random_outgrown"]

CELLS = (PAIRS[0], PAIRS[2])
Floats = NDArray[np.float64]


def random_outgrown(seeds: Sequence[int], quick: bool = False, *, pairs: Sequence[Pair] = CELLS) -> Measurement:
    """A student of random errors, as many as the supervisor's, minus a student of the supervisor's own."""
    return _simulated(seeds, quick, pairs, by_class=False)


def random_by_class(seeds: Sequence[int], quick: bool = False, *, pairs: Sequence[Pair] = CELLS) -> Measurement:
    """The same with as many errors in every class."""
    return _simulated(seeds, quick, pairs, by_class=True)


def _simulated(seeds: Sequence[int], quick: bool, pairs: Sequence[Pair], by_class: bool) -> Measurement:
    from outgrow.audits.simulation import random_errors
    from outgrow.methods.naive import Naive

    def measure(d: Draw) -> dict[str, Floats]:
        rows, weak = d.taught()
        table = random_errors(weak, d.task.truth_table(d.roles.transfer), by_class=by_class, seed=d.seed)
        student = Naive(d.head()).fit(rows, table)
        return {
            "supervisor": d.floor(),
            "real errors": d.naive(),
            "random errors": d.right(student),
            "ceiling": d.ceiling(),
        }

    scores, blocks, table = paired_cells(pairs, seeds, measure, quick)
    apart = [r - n for r, n in zip(scores["random errors"], scores["real errors"], strict=True)]
    gap = np.mean([(c - f).mean() for c, f in zip(scores["ceiling"], scores["supervisor"], strict=True)])
    means = {name: float(np.mean([s.mean() for s in found])) for name, found in scores.items()}
    shares = [f"{name} {means[name]:.3f}" for name in ("supervisor", "real errors", "random errors", "ceiling")]
    won = [
        (means[name] - means["supervisor"]) / gap if gap > 0 else np.nan for name in ("real errors", "random errors")
    ]
    note = f"Accuracy: {', '.join(shares)}; of the gap the student of real errors makes up {won[0]:.2f}, that of random ones {won[1]:.2f}."
    return Measurement.of(pooled_mean(apart, blocks), "accuracy, random errors minus real ones", table=table, note=note)


def agreement_by_truth(seeds: Sequence[int], quick: bool = False, *, pairs: Sequence[Pair] = CELLS) -> Measurement:
    """Agreement of naive student and supervisor where the supervisor is right, minus where it is wrong."""
    scores, blocks, table = _agreements(seeds, quick, pairs)
    found = pooled_mean(_right_minus_wrong(scores, scores["naive agrees"]), blocks)
    return Measurement.of(found, "agreement, right minus wrong", table=table, note=_note(scores))


def confidence_departs(seeds: Sequence[int], quick: bool = False, *, pairs: Sequence[Pair] = CELLS) -> Measurement:
    """How much agreement the confidence loss gives up where the supervisor is wrong, minus where it is right."""
    scores, blocks, table = _agreements(seeds, quick, pairs)
    lost = [c - n for c, n in zip(scores["confidence agrees"], scores["naive agrees"], strict=True)]
    found = pooled_mean(_right_minus_wrong(scores, lost), blocks)
    return Measurement.of(found, "agreement given up, wrong minus right", table=table, note=_note(scores))


def _agreements(
    seeds: Sequence[int], quick: bool, pairs: Sequence[Pair]
) -> tuple[dict[str, list[Floats]], list[str], list[dict[str, Any]]]:
    from outgrow.methods.confidence import Confidence
    from outgrow.methods.method import in_classes
    from outgrow.methods.naive import Naive
    from outgrow.scores.metrics import choices

    def measure(d: Draw) -> dict[str, Floats]:
        test = d.rows.at(d.roles.test)
        floor = choices(d.weak.at(d.roles.test).one()[0])

        def agrees(method: Any) -> Floats:
            named = choices(in_classes(d.fit(method), test, d.task.classes))
            return np.asarray((named * floor).sum(axis=1))

        return {
            "supervisor": d.floor(),
            "naive agrees": agrees(Naive(d.head())),
            "confidence agrees": agrees(Confidence(d.head())),
        }

    return paired_cells(pairs, seeds, measure, quick)


def _right_minus_wrong(scores: dict[str, list[Floats]], values: Sequence[Floats]) -> list[Floats]:
    """Return (seeds, rows) tables whose mean is the values' mean where the supervisor is right, minus that where it is wrong.

    The share of right rows is taken as known: it varies far less than what is averaged.
    """
    made = []
    for right, value in zip(scores["supervisor"], values, strict=True):
        share = right.mean(axis=1, keepdims=True)
        made.append(value * (right / share - (1 - right) / (1 - share)))
    return made


def _note(scores: dict[str, list[Floats]]) -> str:
    right = np.concatenate([s.ravel() for s in scores["supervisor"]])
    said = []
    for name in ("naive", "confidence"):
        agree = np.concatenate([s.ravel() for s in scores[f"{name} agrees"]])
        on = [(agree * w).sum() / w.sum() for w in (right, 1 - right)]
        said.append(
            f"{name} agrees on {agree.mean():.3f} of rows, {on[0]:.3f} where the supervisor is right, {on[1]:.3f} where it is wrong"
        )
    return f"{'; '.join(said)}."

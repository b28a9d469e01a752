"""Dawid and Skene 1979, and the other rules that make several supervisors one: never much below the majority.

Planted worlds: 1 to 20 voters, right in .55 to .9 of the rows alike in both classes or with a share for each class, speaking on 5 to 100 %
of the rows, class shares 50/50 to 95/5. Rules that read votes alone, and the boosted one, are judged by their labels on rows where
somebody speaks; rules that read the student are judged by it, against a student of the majority.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outgrow.papers.claim import Claim, Measurement

__all__ = ["CLAIMS", "boost", "co_supervised", "dawid_skene", "evidential", "mean", "one_coin", "planted", "triplet"]

SLACK = -0.01
WORLDS = tuple(product((1, 2, 3, 5, 10, 20), (0.05, 0.3, 1.0), (0.5, 0.8, 0.95), (False, True)))
FEW_WORLDS = tuple(product((2, 3, 20), (0.05, 1.0), (0.5, 0.95), (False,)))
STUDENTS = tuple(product((1, 3, 10), (0.3, 1.0), (0.5, 0.95), (False,)))
FEW_STUDENTS = tuple(product((3,), (1.0,), (0.5, 0.95), (False,)))
Floats = NDArray[np.float64]
World = tuple[int, float, float, bool]


def planted(world: World, seed: int, n: int | None = None) -> tuple[Floats, NDArray[np.int64]]:
    """Return (n, m, 2) votes and (n,) truth of a world: voters, coverage, share of the first class, whether voters lean."""
    m, cover, share, leaning = world
    # Sparse votes speak on few rows, so there are more of them.
    n = (1000 if cover == 1 else 3000) if n is None else n
    random = np.random.default_rng([seed, m, int(100 * cover), int(100 * share), leaning])
    truth = (random.random(n) >= share).astype(np.int64)
    right = (
        random.uniform(0.55, 0.9, size=(m, 2)) if leaning else np.repeat(random.uniform(0.55, 0.9, size=(m, 1)), 2, 1)
    )
    named = np.where(random.random((n, m)) < right[:, truth].T, truth[:, None], 1 - truth[:, None])
    votes = np.eye(2)[named]
    votes[random.random((n, m)) >= cover] = 0
    return votes, truth


def _right(labels: Floats, truth: NDArray[np.int64]) -> Floats:
    from outgrow.scores.metrics import row_score

    return row_score("accuracy", labels, truth, 2)


def _judged(
    gain: Callable[[World, int], float], worlds: Sequence[World], seeds: Sequence[int], what: str
) -> Measurement:
    """Take the world with the least mean gain over seeds."""
    table, values = [], []
    for world in worlds:
        values.append([gain(world, seed) for seed in seeds])
        m, cover, share, leaning = world
        words = {"voters": m, "coverage": cover, "share": share, "leaning": leaning}
        table.append({**words, "mean gain": np.mean(values[-1]), "least gain": np.min(values[-1])})
    at = int(np.argmin([np.mean(v) for v in values]))
    m, cover, share, leaning = worlds[at]
    average = float(np.mean(values))
    note = (
        f"The worst of {len(worlds)} worlds has {m} voters, coverage {cover:g}, shares {share:g} and voters "
        f"{'that lean to a class' if leaning else 'alike in both classes'}; being picked as the worst lowers its figure. "
        f"Over all worlds the mean is {average:+.3f}."
    )
    return Measurement.over_seeds(values[at], what, threshold=SLACK, table=table, note=note)


def _labels(rule: Callable[[Floats, NDArray[np.int64]], Floats], seeds: Sequence[int], quick: bool) -> Measurement:
    from outgrow.supervisors.votes import majority

    def gain(world: World, seed: int) -> float:
        votes, truth = planted(world, seed)
        there = votes.sum(axis=(1, 2)) > 0
        if not there.any():
            return 0.0
        ours, theirs = _right(rule(votes, truth), truth), _right(majority(votes), truth)
        return float((ours - theirs)[there].mean())

    worlds = FEW_WORLDS if quick else WORLDS
    return _judged(gain, worlds, seeds, "label accuracy minus the majority's, worst world")


def mean(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Judge the mean of the labels that speak; of hard votes it ties and leads where the majority does."""
    return _labels(
        lambda votes, truth: votes.sum(axis=1) / np.maximum(votes.sum(axis=(1, 2)), 1)[:, None], seeds, quick
    )


def one_coin(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Judge one accuracy a voter."""
    from outgrow.supervisors import votes as rules

    return _labels(lambda votes, truth: rules.one_coin(votes).posterior(votes), seeds, quick)


def dawid_skene(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Judge a confusion matrix a voter, with its guards."""
    from outgrow.supervisors import votes as rules

    return _labels(lambda votes, truth: rules.confusions(votes).posterior(votes), seeds, quick)


def triplet(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Judge accuracies solved from how often pairs agree."""
    from outgrow.supervisors import votes as rules

    return _labels(lambda votes, truth: rules.triplet(votes).posterior(votes), seeds, quick)


def boost(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Judge weights learned on 200 rows with truth, on the others."""
    from outgrow.supervisors import votes as rules

    def rule(votes: Floats, truth: NDArray[np.int64]) -> Floats:
        weight = rules.boosted(votes[:200], truth[:200])
        cast = np.einsum("ijk,j->ik", votes, weight)
        silent = cast.sum(axis=1, keepdims=True) <= 0
        made = np.where(silent, rules.majority(votes), cast)
        # On rows whose truth was read the majority stands on both sides.
        made[:200] = rules.majority(votes[:200])
        return made

    return _labels(rule, seeds, quick)


def _students(rule: str, seeds: Sequence[int], quick: bool) -> Measurement:
    from outgrow.learners.linear import LinearHead
    from outgrow.methods.ensemble import Ensemble
    from outgrow.tasks.labels import WeakLabels
    from outgrow.tasks.rows import Rows

    def gain(world: World, seed: int) -> float:
        votes, truth = planted(world, seed, 1000)
        random = np.random.default_rng([seed, 3])
        x = random.normal(size=(len(truth), 6))
        x[:, 0] += 2.4 * (truth - 0.5)
        tables = [
            WeakLabels.from_probs(
                np.where(cast.any(axis=1)[:, None], cast, 0.5), ["no", "yes"], covered=cast.any(axis=1)
            )
            for cast in votes.transpose(1, 0, 2)
        ]
        rows, weak, head = Rows.from_arrays(X=x), WeakLabels.stack(tables), LinearHead(penalty=0.03)
        scores = []
        for chosen in (rule, "majority"):
            student = Ensemble(head, rule=chosen).fit(rows[:500], weak[:500])
            scores.append(float(_right(student.predict_proba(rows[500:]), truth[500:]).mean()))
        return scores[0] - scores[1]

    return _judged(
        gain,
        FEW_STUDENTS if quick else STUDENTS,
        seeds,
        "accuracy minus that of a student of the majority, worst world",
    )


def evidential(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Judge the evidential student."""
    return _students("evidential", seeds, quick)


def co_supervised(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Judge the student of assigned supervisors."""
    return _students("co_supervised", seeds, quick)


def _claim(
    name: str, words: str, measure: Any, cost: float, paper: str = "dawid1979", subject: str = "ensemble"
) -> Claim:
    return Claim(
        name=f"{name}_beside_majority",
        paper=paper,
        subject=subject,
        statement=f"{words} never falls below the majority vote by more than one point.",
        bound="accuracy minus the majority's in the worst planted world: interval above -.01",
        measure=measure,
        seeds=range(200, 210),
        looked=(*range(10), *range(100, 110)),
        cost=cost,
    )


CLAIMS = (
    _claim("mean", "The mean of several supervisors' labels", mean, 5),
    _claim("one_coin", "Dawid-Skene with one accuracy a voter", one_coin, 60),
    _claim("dawid_skene", "Dawid-Skene with a confusion matrix a voter", dawid_skene, 60),
    _claim("triplet", "The triplet rule", triplet, 20),
    _claim("boosted", "A vote boosted on 200 rows of truth", boost, 10, "ensemw2s2024", "boosted"),
    _claim("evidential", "An evidential student", evidential, 60),
    _claim("co_supervised", "A co-supervised student", co_supervised, 60),
)

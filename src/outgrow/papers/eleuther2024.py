"""Filtering by doubt (EleutherAI's w2s code, 2024; Guo and Yang 2024): what stays is labelled better, and narrower.

EleutherAI's own notebook: dropping 10 % by knn, logistic or topo mostly lowered PGR. So the gain of labels and that of students are two
claims. Label claims are measured on rows that no other seed of the claim has: packaged movies, dealt into ten parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outgrow.papers.cells import ARCHIVES, PAIRS, Draw, paired_cells
from outgrow.papers.claim import Claim, Measurement
from outgrow.scores.intervals import pooled_mean

__all__ = ["CLAIMS", "by_component", "by_confidence", "by_entropy", "by_knn", "by_logistic", "student"]

DROPS = (0.0, 0.15, 0.3, 0.5, 0.7)
PARTS = 10
TEACH = 300
WEAK, STRONG = "wordllama", "minilm/3"
VOTERS = (WEAK, "tfidf", STRONG)
SHOWN = 0.5
CELLS = (PAIRS[0], PAIRS[1], PAIRS[3])


@lru_cache(maxsize=2)
def _all_movies(pool: int | None) -> tuple[Any, Any]:
    from outgrow.encoders.encode import encode
    from outgrow.tasks.packaged import packaged
    from outgrow.tasks.split import sample

    task = packaged("movies")
    task = task if pool is None else sample(task, pool)
    return task, encode(task, list(VOTERS), progress=False, show=lambda sentence: None)


def _part(seed: int, quick: bool, voters: Sequence[str]) -> tuple[Any, Any, NDArray[Any]]:
    """Return rows, weak labels and truth of a seed's own part, a piece of which taught its supervisors."""
    from outgrow.learners.linear import LinearHead
    from outgrow.supervisors.probe import ProbeSupervisor
    from outgrow.tasks.labels import WeakLabels

    task, rows = _all_movies(600 if quick else None)
    # Rows of one text stay together, so that no part holds another's twin.
    units = np.unique(task.twins, return_inverse=True)[1]
    order = np.random.default_rng(seed // PARTS).permutation(units.max() + 1)[units]
    mine = np.flatnonzero((order % PARTS == seed % PARTS) if not quick else np.arange(len(task)) >= 0)
    mine = mine[task.has_truth[mine]]
    mine = mine[np.argsort(order[mine], kind="stable")]
    taught, rest = mine[: TEACH // 2 if quick else TEACH], np.sort(mine[TEACH // 2 if quick else TEACH :])
    taught = np.sort(taught)
    tables = []
    for view in voters:
        probe = ProbeSupervisor(on=view, learner=LinearHead(on=view), folds=2, title=view)
        tables.append(probe.fit(rows.at(taught), task.truth_table(taught)).label(rows.at(rest)))
    weak = tables[0] if len(tables) == 1 else WeakLabels.stack(tables)
    return rows.at(rest), weak, np.asarray(task.truth_at(rest)).astype(np.int64)


def _labels(seeds: Sequence[int], quick: bool, by: str, voters: Sequence[str] = (WEAK,)) -> Measurement:
    """Slope of label accuracy over the share that is dropped, less that of a random drop."""
    from outgrow.learners.linear import LinearHead
    from outgrow.methods.filtering import Filtering
    from outgrow.methods.retention import topic_narrowing

    table, slopes, topics = [], [], []
    for seed in seeds:
        rows, weak, truth = _part(seed, quick, voters)
        right = weak.one()[0].argmax(axis=1) == truth
        kept: dict[str, list[float]] = {by: [], "random": []}
        for drop in DROPS:
            for how, reached in kept.items():
                # The student is not asked here; a fixed penalty spares its search.
                head = LinearHead(on=STRONG, penalty=1.0)
                found = Filtering(head, by=how, drop=drop, random_state=seed).fit(rows, weak)
                reached.append(float(np.average(right, weights=found.kept_)))
                table.append({"seed": seed, "by": how, "drop": drop, "label accuracy": reached[-1]})
                if how == by and drop == SHOWN:
                    topics.append(topic_narrowing(found, rows).effective)
        slopes.append([float(np.polyfit(DROPS, kept[how], 1)[0]) for how in (by, "random")])
    rise, chance = np.array(slopes).T
    steps = [np.mean([r["label accuracy"] for r in table if r["by"] == by and r["drop"] == drop]) for drop in DROPS]
    before, after = np.mean(topics, axis=0)
    note = (
        f"Label accuracy at drops of {', '.join(f'{d:g}' for d in DROPS)}: {', '.join(f'{s:.3f}' for s in steps)}; slope of a "
        f"random drop {chance.mean():+.3f}. Effective topics (of ten) at a drop of {SHOWN:g}: {before:.2f} before, {after:.2f} after."
    )
    return Measurement.over_seeds(
        rise - chance, "slope of label accuracy over the share dropped, less a random drop's", table=table, note=note
    )


def by_confidence(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """By the supervisor's own confidence."""
    return _labels(seeds, quick, "confidence")


def by_entropy(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """By the entropy of three supervisors' votes."""
    return _labels(seeds, quick, "entropy", VOTERS)


def by_knn(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """By disagreement with neighbours in the strong view."""
    return _labels(seeds, quick, "knn")


def by_logistic(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """By disagreement with a linear probe of the strong view."""
    return _labels(seeds, quick, "logistic")


def by_component(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """By the largest component of each class in the strong view."""
    return _labels(seeds, quick, "component")


def student(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """The student of filtered rows minus that of a random drop at the same retention."""
    from outgrow.methods.filtering import Filtering

    def measure(d: Draw) -> dict[str, Any]:
        return {
            "naive": d.naive(),
            "filtered": d.right(d.fit(Filtering(d.head(), drop=0.3))),
            "random drop": d.right(d.fit(Filtering(d.head(), by="random", drop=0.3, random_state=d.seed))),
        }

    scores, blocks, table = paired_cells(CELLS, seeds, measure, quick)
    apart = [a - b for a, b in zip(scores["filtered"], scores["random drop"], strict=True)]
    names = list(dict.fromkeys(row["cell"] for row in table))
    said = "; ".join(
        f"{n}: " + ", ".join(f"{k} {v[i].mean():.3f}" for k, v in scores.items()) for i, n in enumerate(names)
    )
    found = pooled_mean(apart, blocks)
    return Measurement.of(
        found, "accuracy, filtered minus random drop of 30 %", table=table, note=f"Accuracy by cell: {said}."
    )


_COMMON: dict[str, Any] = {
    "paper": "eleuther2024",
    "subject": "filtering",
    "bound": "slope over shares dropped of 0 to .7, less that of a random drop: interval above 0",
    "seeds": range(100, 110),
    "looked": range(5),
    "cost": 40,
    "archives": ("movies", "wordllama", "minilm"),
}
_SAID = "The more rows are dropped by {}, the more of the labels that stay are right."
CLAIMS = (
    *(
        Claim(name=f"filtering_{name}", statement=_SAID.format(words), measure=measure, **_COMMON)
        for name, words, measure in (
            ("confidence", "the supervisor's own confidence", by_confidence),
            ("entropy", "the entropy of three supervisors' votes", by_entropy),
            ("knn", "disagreement with neighbours in the student's features", by_knn),
            ("logistic", "disagreement with a linear probe of the student's features", by_logistic),
            ("component", "lying outside the largest component of their class", by_component),
        )
    ),
    Claim(
        **{
            **_COMMON,
            "name": "filtering_student",
            "statement": "A student of the 70 % of rows with the surest labels beats one of a random 70 %.",
            "bound": "accuracy, filtered minus random drop at the same retention: interval above 0",
            "measure": student,
            "cost": 120,
            "archives": ARCHIVES,
        }
    ),
)

"""Lang, Huang, Li 2025, selective weak-to-strong generalization, arXiv 2511.14166.

Only the abstract's skeleton is known: P(IK) says where the strong model's own answer is right, and weak labels are smoothed over a graph
elsewhere. These are our card's "must hold", measured on movie snippets, on newsgroups for the other task, and on made-up labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outgrow.papers.burns2023 import HUB
from outgrow.papers.cells import ARCHIVES, Draw, Pair, draw
from outgrow.papers.claim import Claim, Measurement
from outgrow.papers.paper import Paper
from outgrow.papers.trust2026 import granted

__all__ = ["CLAIMS", "PAPER", "clustered", "ik_ranks", "ik_transfers", "knows_better", "scattered"]

CELLS = (Pair("movies", "wordllama", "minilm/3"), Pair("movies", "wordllama", "smollm2/18"))
THRESHOLD = 0.5
ELSEWHERE = 0.1


@lru_cache(maxsize=64)
def _asked(pair: Pair, seed: int, quick: bool) -> dict[str, float]:
    """Ask P(IK) on the transfer rows of a cell."""
    from outgrow.methods.granted import auroc
    from outgrow.methods.selective import Selective

    d = draw(pair, seed, quick)
    rows, weak = d.taught()
    own, ik = Selective(d.head())._own(rows, weak, granted(d))
    truth = d.truth(d.roles.transfer)
    right, theirs, knows = own.argmax(axis=1) == truth, weak.hard()[:, 0] == truth, ik > THRESHOLD
    return {
        "AUROC": auroc(ik, right),
        "share known": float(knows.mean()),
        "own answers right there": float(right[knows].mean()),
        "weak labels right there": float(theirs[knows].mean()),
    }


def _cells(seeds: Sequence[int], quick: bool, pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    return [
        {"seed": seed, "cell": pair.name, **_asked(pair, seed, quick)}
        for pair in pairs[: 1 if quick else None]
        for seed in seeds
    ]


def _lower(table: list[dict[str, Any]], values: Sequence[float]) -> list[float]:
    """Return a figure a seed: that of the cell whose mean is the lower."""
    cells: dict[str, list[float]] = {}
    for row, value in zip(table, values, strict=True):
        cells.setdefault(row["cell"], []).append(value)
    return min(cells.values(), key=lambda v: float(np.mean(v)))


def ik_ranks(seeds: Sequence[int], quick: bool = False, *, pairs: Sequence[Pair] = CELLS) -> Measurement:
    """Take the AUROC of P(IK) for own answers on rows without truth."""
    table = _cells(seeds, quick, pairs)
    values = _lower(table, [row["AUROC"] for row in table])
    return Measurement.over_seeds(
        values, f"AUROC of P(IK), the lowest of {len(pairs)} students", threshold=0.6, table=table
    )


def knows_better(seeds: Sequence[int], quick: bool = False, *, pairs: Sequence[Pair] = CELLS) -> Measurement:
    """Compare own and weak answers where P(IK) is above one half."""
    table = _cells(seeds, quick, pairs)
    values = _lower(table, [row["own answers right there"] - row["weak labels right there"] for row in table])
    share = np.mean([row["share known"] for row in table])
    note = f"P(IK) is above one half on {share:.0%} of the rows, so this is nearly the own answers everywhere."
    return Measurement.over_seeds(
        values, f"accuracy, own answers minus weak labels, the lowest of {len(pairs)} students", table=table, note=note
    )


def _taught(d: Draw) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return features, sureness out of fold, and whether own answers are right, on teach rows."""
    from outgrow.methods.granted import cross_fit, deal, sureness, with_penalty_of

    ids = d.roles.teach
    rows, truth = d.rows.at(ids), d.task.truth_table(ids)
    features = np.asarray(rows.view(d.pair.strong), dtype=np.float64)
    model = d.head().fit(rows, truth)
    out = cross_fit(with_penalty_of(d.head(), model), rows, truth, deal(features, truth, 0))
    return features, sureness(out), out.argmax(axis=1) == d.truth(ids)


def _other_task(seed: int, quick: bool) -> dict[str, float]:
    """Fit P(IK) on movies, and rank a twenty-class head's answers on newsgroups by it."""
    from outgrow.learners.linear import LinearHead
    from outgrow.methods.granted import auroc, sureness, tell_right
    from outgrow.papers.cells import POOL, QUICK_POOL, _encoded
    from outgrow.tasks.split import split

    d = draw(CELLS[0], seed, quick)
    view = d.pair.strong
    features, sure, right = _taught(d)
    task, rows = _encoded("newsgroups", (view,), QUICK_POOL if quick else POOL)
    roles = split(task, seed, teach=200 if quick else 500, transfer=150 if quick else 1500, select=0, test=100)
    head = LinearHead(on=view, penalty=ELSEWHERE).fit(rows.at(roles.teach), task.truth_table(roles.teach))
    there = rows.at(roles.transfer)
    own = head.predict_proba(there)
    asked = np.asarray(there.view(view), dtype=np.float64), sureness(own)
    odds, inside = tell_right((features, sure), asked, right, 0)
    correct = own.argmax(axis=1) == np.asarray(task.truth_at(roles.transfer))
    return {"AUROC on newsgroups": auroc(odds, correct), "AUROC on movies": inside, "own accuracy": correct.mean()}


def ik_transfers(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Take P(IK) of one task to another."""
    table = [{"seed": seed, **_other_task(seed, quick)} for seed in seeds]
    note = "P(IK) reads the log-odds of the own answer, which mean the same in both tasks."
    return Measurement.over_seeds(
        [row["AUROC on newsgroups"] for row in table],
        "AUROC on newsgroups of P(IK) fitted on movies",
        threshold=0.5,
        table=table,
        note=note,
    )


def _smoothed(seed: int, quick: bool, together: bool) -> dict[str, float]:
    """Smooth made-up labels of which a quarter is wrong, scattered or in clusters of the feature space."""
    from outgrow.methods.selective import Selective
    from outgrow.tasks.rows import Rows

    random = np.random.default_rng([seed, 11])
    n, groups = 1000, 40
    which = random.integers(0, groups, n)
    x = 3 * random.normal(size=(groups, 8))[which] + random.normal(size=(n, 8))
    truth = (random.permutation(groups) % 2)[which]
    wrong = np.isin(which, random.permutation(groups)[: groups // 4]) if together else random.random(n) < 0.25
    labels = np.eye(2)[np.where(wrong, 1 - truth, truth)]
    smooth = Selective()._smooth(Rows.from_arrays(X=x), labels, np.ones(n))
    before, after = float((~wrong).mean()), float((smooth.argmax(axis=1) == truth).mean())
    return {"before": before, "after": after, "gain": after - before}


def scattered(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Smooth scattered errors."""
    table = [{"seed": seed, **_smoothed(seed, quick, False)} for seed in seeds]
    return Measurement.over_seeds([row["gain"] for row in table], "label accuracy, smoothed minus given", table=table)


def clustered(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Smooth clustered errors."""
    table = [{"seed": seed, **_smoothed(seed, quick, True)} for seed in seeds]
    return Measurement.over_seeds(
        [row["gain"] for row in table],
        "label accuracy, smoothed minus given",
        threshold=0.01,
        direction="below",
        table=table,
    )


_COMMON: dict[str, Any] = {
    "paper": "lang2025selective",
    "subject": "selective",
    "seeds": range(100, 110),
    "looked": range(10),
}
CLAIMS = (
    Claim(
        name="ik_ranks",
        statement="P(IK) ranks a strong model's right answers above its wrong ones on rows without truth.",
        bound="AUROC, for the worse of two students: interval above .6",
        measure=ik_ranks,
        cost=40,
        archives=ARCHIVES,
        **_COMMON,
    ),
    Claim(
        name="ik_knows_better",
        statement="Where P(IK) says that the strong model knows, its own answers are more accurate than the weak labels.",
        bound="accuracy minus that of weak labels, for the worse of two students: interval above 0",
        measure=knows_better,
        cost=40,
        archives=ARCHIVES,
        **_COMMON,
    ),
    Claim(
        name="ik_transfers",
        statement="P(IK) fitted on movie snippets ranks right above wrong answers on newsgroups.",
        bound="AUROC on the other task: interval above .5",
        measure=ik_transfers,
        cost=40,
        archives=ARCHIVES,
        **_COMMON,
    ),
    Claim(
        name="smoothing_mends_scattered",
        statement="Smoothing labels over neighbours mends errors that are scattered in the strong features.",
        bound="label accuracy gained: interval above 0",
        measure=scattered,
        cost=5,
        **_COMMON,
    ),
    Claim(
        name="smoothing_keeps_clustered",
        statement="Smoothing labels over neighbours gains nothing where errors come in clusters.",
        bound="label accuracy gained: interval below .01",
        measure=clustered,
        cost=5,
        **_COMMON,
    ),
)
PAPER = Paper(
    "lang2025-selective",
    models=("openai-community/gpt2", "openai-community/gpt2-large", "openai-community/gpt2-xl"),
    data=tuple(dict.fromkeys(str(pair.task) for pair in HUB)),
    at_scale={"ik_ranks": partial(ik_ranks, pairs=HUB), "ik_knows_better": partial(knows_better, pairs=HUB)},
    no_scale=(
        "The paper's three benchmarks and its models are unknown to us; the models and sets of burns2023 stand in their place. Smoothing "
        "is measured on made-up labels at either scale, and the other task has no set of the paper's."
    ),
)

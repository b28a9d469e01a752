"""Trust functions, "Learning to Trust", arXiv 2606.01000 (ICML 2026): a head on the supervisor's state says where its label is right.

Figures from a digest: AUROC .83 to .92 on multiple-choice questions, supervisors of .6 to 1 billion parameters. Here the supervisor is a
probe on static word vectors, 500 rows of truth are granted, and the texts are movie snippets.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outgrow.papers.cells import Draw, Pair, draw
from outgrow.papers.claim import Claim, Measurement

__all__ = ["CLAIMS", "from_state", "student_gain", "trust_ranks"]

CELL = Pair("movies", "wordllama", "minilm/3")
LEAST = 0.6


def granted(d: Draw) -> Any:
    """Return the truth of all teach rows of a cell, with the supervisor's labels there."""
    from outgrow.tasks.needs import Known

    ids = d.roles.teach
    return Known(d.rows.at(ids), d.weak.at(ids), d.truth(ids))


def labels_right(d: Draw, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return whether the supervisor's label is right on some rows; on teach rows out of fold."""
    return np.asarray(d.weak.at(ids).hard()[:, 0] == d.truth(ids))


def _state(seed: int, quick: bool) -> float:
    """AUROC on transfer rows of a head that reads the supervisor's features and nothing else."""
    from outgrow.learners.linear import LinearHead
    from outgrow.methods.granted import auroc
    from outgrow.tasks.labels import WeakLabels

    d = draw(CELL, seed, quick)
    ids = d.roles.teach
    named = np.where(labels_right(d, ids), "right", "wrong").tolist()
    table = WeakLabels.from_names(named, ["wrong", "right"], ids=ids)
    head = LinearHead(on=CELL.weak).fit(d.rows.at(ids), table)
    there = d.roles.transfer
    return auroc(head.predict_proba(d.rows.at(there))[:, 1], labels_right(d, there))


@lru_cache(maxsize=64)
def _trust(seed: int, quick: bool) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """AUROC of trust on transfer rows, and (test rows,) whether the trusting and the naive student are right."""
    from outgrow.methods.granted import auroc
    from outgrow.methods.naive import Naive
    from outgrow.methods.trust import Trust

    d = draw(CELL, seed, quick)
    rows, weak = d.taught()
    found = Trust(d.head()).fit(rows, weak, known=granted(d))
    area = auroc(found.trust_[:, 0], labels_right(d, d.roles.transfer))
    return area, d.right(found), d.right(d.fit(Naive(d.head())))


def from_state(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Rank the transfer labels by a head on the supervisor's features alone."""
    table = [{"seed": seed, "AUROC": _state(seed, quick)} for seed in seeds]
    note = "The paper's heads have thousands of rows and the states of language models; this one has 500 rows and word vectors."
    return Measurement.over_seeds(
        [row["AUROC"] for row in table], "AUROC of right over wrong labels", threshold=LEAST, table=table, note=note
    )


def trust_ranks(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Rank them by our trust, which may read how sure the label is."""
    table = [{"seed": seed, "AUROC": _trust(seed, quick)[0]} for seed in seeds]
    return Measurement.over_seeds(
        [row["AUROC"] for row in table], "AUROC of right over wrong labels", threshold=LEAST, table=table
    )


def student_gain(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Compare students of the trusted half with naive ones."""
    from outgrow.scores.intervals import paired_interval

    found = [_trust(seed, quick) for seed in seeds]
    table = [{"seed": s, "trusting": t.mean(), "naive": n.mean()} for s, (_, t, n) in zip(seeds, found, strict=True)]
    interval = paired_interval(np.stack([t for _, t, _ in found]), np.stack([n for _, _, n in found]))
    return Measurement.of(interval, "accuracy, trusting minus naive", table=table)


_COMMON: dict[str, Any] = {
    "paper": "trust2026",
    "subject": "trust",
    "seeds": range(100, 110),
    "looked": range(10),
    "cost": 30,
    "archives": ("movies", "wordllama", "minilm"),
}
CLAIMS = (
    Claim(
        name="trust_from_state",
        statement="A head on the supervisor's own features alone tells its right labels from its wrong ones.",
        bound="AUROC on transfer rows: interval above .6",
        measure=from_state,
        **_COMMON,
    ),
    Claim(
        name="trust_ranks",
        statement="Trust, which reads how sure a label is and the features where they help, tells right labels from wrong ones.",
        bound="AUROC on transfer rows: interval above .6",
        measure=trust_ranks,
        **_COMMON,
    ),
    Claim(
        name="trust_gains",
        statement="A student of the half of the labels that is trusted most is right on more rows than one of all labels.",
        bound="accuracy minus naive's: interval above 0",
        measure=student_gain,
        **_COMMON,
    ),
)

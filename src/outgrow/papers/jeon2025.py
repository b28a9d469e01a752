"""Jeon, Sobotka, Choi, Brbic 2025, RAVEN, arXiv 2510.21332: supervisors of a shifted task, weighed while the student learns.

The task is our card's: digits under backgrounds. Every supervisor saw another background, the first the farthest from the one that student
and test rows have; the student reads the hidden layer of a small network that was trained under six further ones. The paper's gains (over
30 % out of distribution) are on photographs of camera traps and of tissue, which were not to be had.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outgrow.papers.claim import Claim, Measurement

__all__ = ["CLAIMS", "above_naive", "beside_uniform", "ranks", "released", "shifted"]

SUPERVISORS = 5
PENALTY = 0.1
NEAR, FAR = 0.95, -0.3
SIZE, NOISE = 2.4, 0.2
Floats = NDArray[np.float64]


def _backgrounds(random: np.random.Generator, k: int) -> Floats:
    drawn = random.normal(size=(k, 64))
    return np.asarray(SIZE * drawn / np.linalg.norm(drawn, axis=1, keepdims=True))


def shifted(seed: int) -> tuple[Any, Any, NDArray[np.int64], int]:
    """Make the task of a seed.

    Returns
    -------
    rows : Rows
        Transfer rows first, then test rows.
    weak : WeakLabels
        Of five supervisors.
    truth : ndarray of shape (n,)
    transfer : int
        How many rows are transfer rows.
    """
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier

    from outgrow.tasks.labels import WeakLabels
    from outgrow.tasks.rows import Rows

    random = np.random.default_rng([7, seed])
    data = load_digits()
    x, y = data.data / 16, data.target
    ids = random.permutation(len(x))
    pretrain, teach, transfer, test = np.split(ids, [400, 800, 1500])

    def under(rows: Any, background: Floats) -> Floats:
        return np.asarray(x[rows] + background + NOISE * random.normal(size=(len(rows), 64)))

    many = _backgrounds(random, 6)
    with warnings.catch_warnings():
        # A dozen passes are enough for features, and the network says that it could learn more.
        warnings.simplefilter("ignore")
        net = MLPClassifier((64,), max_iter=12, batch_size=64, random_state=0)
        net.fit(np.concatenate([under(pretrain, b) for b in many]), np.tile(y[pretrain], len(many)))
    here = _backgrounds(random, 1)[0]
    seen = np.concatenate([under(transfer, here), under(test, here)])
    tables = []
    for k, near in enumerate(np.linspace(FAR, NEAR, SUPERVISORS)):
        other = _backgrounds(random, 1)[0]
        other -= other @ here / (here @ here) * here
        background = near * here + np.sqrt(1 - near**2) * SIZE * other / np.linalg.norm(other)
        taught = random.choice(teach, 100, replace=False)
        model = LogisticRegression(C=0.3, max_iter=500).fit(under(taught, background), y[taught])
        probs = np.zeros((len(seen), 10))
        probs[:, model.classes_] = model.predict_proba(seen)
        tables.append(WeakLabels.from_probs(probs, [str(c) for c in range(10)], source=f"background {k}"))
    hidden = np.maximum(seen @ net.coefs_[0] + net.intercepts_[0], 0)
    truth = np.concatenate([y[transfer], y[test]]).astype(np.int64)
    return Rows.from_arrays(X=hidden), WeakLabels.stack(tables), truth, len(transfer)


@lru_cache(maxsize=64)
def _figures(seed: int) -> dict[str, float]:
    """Fit RAVEN, the uniform ensemble of the same labels, and a naive student of every supervisor."""
    from scipy.stats import spearmanr

    from outgrow.learners.linear import LinearHead
    from outgrow.methods.naive import Naive
    from outgrow.methods.raven import Raven

    rows, weak, truth, n = shifted(seed)
    x, w, test = rows[:n], weak[:n], rows[n:]
    head = LinearHead(penalty=PENALTY)

    def score(model: Any) -> float:
        return float((model.predict_proba(test).argmax(axis=1) == truth[n:]).mean())

    accuracy = (w.hard() == truth[:n, None]).mean(axis=0)
    student = Raven(head).fit(x, w)
    out = {
        "Spearman": float(spearmanr(student.weights_, accuracy)[0]),
        "raven": score(student),
        "uniform, hard": score(Raven(head, rate=0, easy=0).fit(x, w)),
        "uniform, soft": score(Naive(head).fit(x, w)),
        "mean naive": float(np.mean([score(Naive(head).fit(x, w.source(k))) for k in range(SUPERVISORS)])),
        "ceiling": score(head.fit(x, [str(c) for c in truth[:n]])),
    }
    return out | {f"accuracy {k}": float(a) for k, a in enumerate(accuracy)}


@lru_cache(maxsize=64)
def _as_released(seed: int) -> dict[str, float]:
    from scipy.stats import spearmanr

    from outgrow.learners.linear import LinearHead
    from outgrow.methods.raven import Raven

    rows, weak, truth, n = shifted(seed)
    student = Raven(LinearHead(penalty=PENALTY), labels="soft", by="loss").fit(rows[:n], weak[:n])
    accuracy = (weak[:n].hard() == truth[:n, None]).mean(axis=0)
    right = student.predict_proba(rows[n:]).argmax(axis=1) == truth[n:]
    ranked = float(spearmanr(student.weights_, accuracy)[0])
    return {"Spearman": ranked, "raven, as released": float(right.mean()), "largest weight": student.weights_.max()}


def _all(seeds: Sequence[int]) -> list[dict[str, Any]]:
    return [{"seed": seed, **_figures(seed)} for seed in seeds]


def ranks(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Take the rank correlation of weights and accuracies."""
    table = _all(seeds)
    values = [row["Spearman"] for row in table]
    return Measurement.over_seeds(values, "Spearman of weight and accuracy", threshold=0.6, table=table)


def beside_uniform(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Compare with the better of the two uniform ensembles, of hard and of soft labels."""
    table = _all(seeds)
    rival = max(("uniform, hard", "uniform, soft"), key=lambda k: float(np.mean([row[k] for row in table])))
    values = [row["raven"] - row[rival] for row in table]
    return Measurement.over_seeds(
        values, f"accuracy, RAVEN minus the ensemble ({rival})", threshold=-0.005, table=table
    )


def above_naive(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Compare with the mean of naive students of one supervisor each."""
    table = _all(seeds)
    values = [row["raven"] - row["mean naive"] for row in table]
    return Measurement.over_seeds(values, "accuracy, RAVEN minus mean naive", threshold=0.08, table=table)


def released(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Take the rank correlation under soft labels and the cross-entropy, as in the authors' code."""
    table = [{"seed": seed, **_as_released(seed)} for seed in seeds]
    mean = float(np.mean([row["raven, as released"] for row in table]))
    note = (
        f"The student is then right on {mean:.3f}. Cross-entropy rewards a confident supervisor, and under shift the farthest one "
        "is often the surest; solved exactly on the easy rows, the student is sure of its errors too. The rate is our default."
    )
    return Measurement.over_seeds(
        [row["Spearman"] for row in table], "Spearman of weight and accuracy", threshold=0.6, table=table, note=note
    )


_COMMON: dict[str, Any] = {
    "paper": "jeon2025",
    "subject": "raven",
    "seeds": range(100, 116),
    "looked": range(10),
    "cost": 60,
}
CLAIMS = (
    Claim(
        name="raven_ranks",
        statement="RAVEN's weights rank supervisors of a shifted task by their accuracy.",
        bound="Spearman of weight and accuracy: interval above .6",
        measure=ranks,
        **_COMMON,
    ),
    Claim(
        name="raven_beside_uniform",
        statement="A RAVEN student is not below a student of the uniform ensemble under shift.",
        bound="accuracy minus that of the better uniform ensemble: interval above -.005",
        measure=beside_uniform,
        **_COMMON,
    ),
    Claim(
        name="raven_above_naive",
        statement="A RAVEN student is right on at least 8 rows in a hundred more than naive students of one supervisor are on average.",
        bound="accuracy minus the mean naive one's: interval above .08",
        measure=above_naive,
        **_COMMON,
    ),
    Claim(
        name="raven_as_released",
        statement="With soft labels and the cross-entropy, as released, weights rank supervisors by their accuracy too.",
        bound="Spearman of weight and accuracy: interval above .6",
        measure=released,
        **_COMMON,
    ),
)

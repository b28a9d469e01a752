"""Label statistics: what weak labels, a student and other supervisors show of each other, without truth.

Every function takes tables of the same rows and returns named numbers; :data:`STATISTICS` says what each is. They are shares of rows or
mean probabilities, so they compare between tasks, and NaN where they do not exist. They are the baseline that every forecast must beat, and
what :mod:`outgrow.forecasts.combined` is made of. Two deserve their algebra.

*blind gain.* Suppose that weak labels are right with a chance r that the strong features know nothing of, that a head recovers the truth
with a chance q, and that errors fall evenly on the other classes. Then, with agreements corrected for chance, two heads of disjoint
rows agree by q'^2 and a head agrees with the labels by q' r. Hence r = agreement / sqrt(stability), q = agreement of the better head / r,
and the student gains (q - r)(1 - chance). What a real supervisor and student share of errors makes it too high.

*witness gain.* Another supervisor whose errors are independent of both agrees with the student more often than with this supervisor by the
gain times (its accuracy less its chance of being right by error); so the sign is the gain's, and the size is a share of it. Where
supervisors share errors it is too high.

*consensus.* Supervisors vote on each row, and so do their labels as the recipe repairs them in the strong features, which are the best that
can be had of each without truth. A voter of accuracy a, estimated from the votes themselves, weighs log a (c - 1) / (1 - a). Half of that
sum is taken, because a label and its repair are not two independent voters. A student gains what the vote gives its answers over what it
gives its labels, on the rows it learned from.

References: Dawid and Skene 1979 for what agreement says of accuracy (the consensus is their model with one number a voter); Guillory et
al. 2021 (difference of confidences) and Jiang et al. 2022 (disagreement of two trained models), recalled, for confidence and stability
as forecasts. The formulas above are ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from outgrow.errors import InputError, LabelsError
from outgrow.forecasts.crossfit import CrossFit
from outgrow.forecasts.forecast import FEWEST
from outgrow.tasks.labels import WeakLabels

__all__ = ["STATISTICS", "Witness", "statistics"]

Floats = NDArray[np.float64]

STATISTICS: Mapping[str, str] = {
    "coverage": "share of transfer rows that the supervisor covers",
    "confidence": "mean highest probability of a weak label",
    "entropy": "mean entropy of a weak label, as a share of the highest",
    "classes": "log of the number of classes",
    "largest": "share of the class that weak labels name most",
    "imbalance": "distance of the classes' shares in weak labels from those in the student's answers (total variation)",
    "disagreement": "share of rows where a student that did not see the row answers otherwise than its supervisor",
    "growth": "agreement of heads on two thirds of the rows less that of heads on one third",
    "stability": "agreement of two heads on disjoint thirds",
    "blind gain": "gain if the supervisor's errors were unknown to the strong features",
    "misfit": "squared distance of student and weak label, cross-fitted",
    "own opinion": "gain by the student's own probabilities",
    "weak opinion": "loss by the supervisor's probabilities",
    "confidence gap": "mean confidence of the student less that of the supervisor",
    "sure disagreement": "disagreement on the half of the rows where the supervisor is surer",
    "unsure disagreement": "disagreement on the other half",
    "separation": "how far apart the classes lie in the strong features, as the recipe reads it",
    "repaired gain": "gain if the recipe's reading of the labels were the truth",
    "repaired accuracy": "the supervisor's accuracy if the recipe's reading were the truth",
    "witnesses": "how many other supervisors there are",
    "witness gain": "mean over other supervisors of the student's agreement with them less the supervisor's",
    "witness best": "the highest of these differences",
    "witness agreement": "the supervisor's mean agreement with the others",
    "supervisors gain": "the method's gain by the vote of the other supervisors, weighed by how they agree",
    "others gain": "its gain by the vote of the other supervisors and of their repaired labels",
    "consensus gain": "its gain by the vote of all supervisors and all repaired labels, its own among them",
    "consensus accuracy": "the supervisor's accuracy by that consensus",
    "consensus score": "the accuracy of the method's student by that consensus",
    "departure": "share of rows where the method's student answers otherwise than its label, on the rows it learned from",
    "changed": "share of rows where it answers otherwise than the naive student",
    "changed repaired": "what that change gains if the recipe's reading were the truth",
    "changed weak": "what it gains in agreement with its own supervisor",
}


class Witness:
    """Another supervisor of the same task.

    Parameters
    ----------
    weak : WeakLabels
        Of the transfer rows.
    crossed : CrossFit, optional
        Of its student in the same view.
    """

    def __init__(self, weak: WeakLabels, crossed: CrossFit | None = None):
        self.weak = weak
        self.crossed = crossed


def statistics(
    crossed: CrossFit,
    weak: WeakLabels,
    *,
    answers: Floats | None = None,
    naive: Floats | None = None,
    others: Sequence[Witness] = (),
) -> dict[str, float]:
    """Return all statistics of one supervisor and student.

    Parameters
    ----------
    crossed : CrossFit
        Of the naive student, on the covered transfer rows.
    weak : WeakLabels
        The supervisor's labels of the transfer rows.
    answers, naive : ndarray of shape (n, c), optional
        Answers of a method's student, and of the naive one, on the rows of ``crossed``. Default: the cross-fitted ones, and the same.
    others : sequence of Witness
        Other supervisors, whose labels are of the same transfer rows.

    Returns
    -------
    dict
        One number for each of :data:`STATISTICS`; NaN where it does not exist.

    Raises
    ------
    InputError
        Fewer than 50 covered rows; labels that name one class only.
    LabelsError
        Tables of different rows.
    """
    if weak.classes is None:
        raise LabelsError("label statistics are for classes, and these weak labels are values; leave them out")
    known = weak.any_covered
    if not np.array_equal(weak.ids[known], crossed.ids):
        raise LabelsError(
            "the cross-fitted answers are of other rows than the weak labels cover; make both of the same transfer rows"
        )
    n = int(known.sum())
    if n < FEWEST:
        raise InputError(f"label statistics need {FEWEST} covered transfer rows, and there are {n}; give more rows")
    p = weak[known].one()[0]
    top = p.argmax(axis=1)
    if len(np.unique(top)) < 2:
        raise InputError(
            f"supervisor {weak.label!r} names one class on all {n} rows it covers; a student can only copy it, nothing can be forecast"
        )
    found = dict.fromkeys(STATISTICS, float("nan"))
    found |= _alone(p, top, known)
    found |= _student(crossed, p, top)
    found |= _witnesses(crossed, top, weak, known, others)
    said = crossed.oof if answers is None else answers
    found |= _change(said, said if naive is None else naive, crossed, top)
    found |= _gains(said.argmax(axis=1), crossed, top, weak, known, others)
    return {k: float(v) for k, v in found.items()}


def _alone(p: Floats, top: NDArray[np.int64], known: NDArray[np.bool_]) -> dict[str, float]:
    c = p.shape[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.where(p > 0, p * np.log(p), 0.0).sum(axis=1).mean() / np.log(c)
    return {
        "coverage": known.mean(),
        "confidence": p.max(axis=1).mean(),
        "entropy": entropy,
        "classes": np.log(c),
        "largest": np.bincount(top, minlength=c).max() / len(top),
    }


def _student(crossed: CrossFit, p: Floats, top: NDArray[np.int64]) -> dict[str, float]:
    rows = np.arange(len(p))
    oof, (first, second) = crossed.oof, crossed.apart
    said, one, two = oof.argmax(axis=1), first.argmax(axis=1), second.argmax(axis=1)
    agree = said == top
    third = ((one == top).mean() + (two == top).mean()) / 2
    sure = p.max(axis=1)
    # Ties in confidence (hard labels) are cut at random but always the same way.
    order = np.lexsort((np.random.default_rng(0).random(len(p)), sure))
    low, high = order[: len(p) // 2], order[len(p) // 2 :]
    read = crossed.repaired.argmax(axis=1)
    return {
        "imbalance": 0.5 * np.abs(p.mean(axis=0) - np.bincount(said, minlength=p.shape[1]) / len(p)).sum(),
        "disagreement": 1 - agree.mean(),
        "growth": agree.mean() - third,
        "stability": (one == two).mean(),
        "blind gain": _blind(top, said, one, two, p.shape[1]),
        "misfit": ((oof - p) ** 2).sum(axis=1).mean(),
        "own opinion": (oof.max(axis=1) - oof[rows, top]).mean(),
        "weak opinion": (p.max(axis=1) - p[rows, said]).mean(),
        "confidence gap": oof.max(axis=1).mean() - p.max(axis=1).mean(),
        "sure disagreement": 1 - agree[high].mean(),
        "unsure disagreement": 1 - agree[low].mean(),
        "separation": crossed.separation,
        "repaired gain": (said == read).mean() - (top == read).mean(),
        "repaired accuracy": (top == read).mean(),
    }


def _kappa(a: NDArray[np.int64], b: NDArray[np.int64], c: int) -> tuple[float, float]:
    """Return the agreement corrected for chance, and the chance."""
    chance = float((np.bincount(a, minlength=c) / len(a)) @ (np.bincount(b, minlength=c) / len(b)))
    return ((a == b).mean() - chance) / max(1 - chance, 1e-9), chance


def _blind(top: NDArray, said: NDArray, one: NDArray, two: NDArray, c: int) -> float:
    stable, _ = _kappa(one, two, c)
    thirds = (_kappa(one, top, c)[0] + _kappa(two, top, c)[0]) / 2
    whole, chance = _kappa(said, top, c)
    if stable <= 0 or thirds <= 0:
        return 0.0
    right = min(1.0, thirds / np.sqrt(stable))
    student = min(1.0, max(whole, 0.0) / right)
    return float((student - right) * (1 - chance))


def _votes(others: Sequence[Witness], known: NDArray[np.bool_], weak: WeakLabels) -> list[tuple[NDArray, NDArray]]:
    """Return each other supervisor's answers on the rows in question, and which of these it covers."""
    found = []
    for other in others:
        if not np.array_equal(other.weak.ids, weak.ids):
            raise LabelsError(
                f"supervisors {weak.label!r} and {other.weak.label!r} were given for different rows, or in another order; slice both alike"
            )
        table = other.weak[known]
        found.append((table.one(np.zeros(table.probs.shape[2]))[0].argmax(axis=1), table.any_covered))
    return found


ROUNDS = 20
START = 0.75
HALF = 0.5


def _consensus(votes: Sequence[NDArray[np.int64]], c: int) -> tuple[Floats, list[float]]:
    """Return (n, c) class probabilities by votes (-1 abstains), and each voter's accuracy by them."""
    n = len(votes[0])
    weights = [float(np.log(START * (c - 1) / (1 - START)))] * len(votes)
    rows = np.arange(n)
    accuracy = [0.5] * len(votes)
    q = np.full((n, c), 1 / c)
    # Two voters cannot say which of them is better.
    for _ in range(ROUNDS if len(votes) > 2 else 1):
        total = np.zeros((n, c))
        for vote, weight in zip(votes, weights, strict=True):
            there = vote >= 0
            total[rows[there], vote[there]] += weight
        q = softmax(HALF * total, axis=1)
        accuracy = [float(q[rows[v >= 0], v[v >= 0]].mean()) if (v >= 0).any() else 1 / c for v in votes]
        clipped = np.clip(accuracy, 1 / c + 0.01, 0.99)
        weights = np.log(clipped * (c - 1) / (1 - clipped)).tolist()
    return q, accuracy


def _voters(
    crossed: CrossFit, top: NDArray, weak: WeakLabels, known: NDArray, others: Sequence[Witness]
) -> tuple[list[NDArray], list[NDArray]]:
    """Return the votes of the other supervisors, and those of all repaired labels but this supervisor's."""
    labels, repaired = [], []
    for (vote, there), other in zip(_votes(others, known, weak), others, strict=True):
        labels.append(np.where(there, vote, -1))
        if other.crossed is not None:
            said = np.full(len(top), -1)
            _, mine, theirs = np.intersect1d(crossed.ids, other.crossed.ids, return_indices=True)
            said[mine] = other.crossed.repaired[theirs].argmax(axis=1)
            repaired.append(said)
    return labels, repaired


def _witnesses(
    crossed: CrossFit, top: NDArray, weak: WeakLabels, known: NDArray[np.bool_], others: Sequence[Witness]
) -> dict[str, float]:
    said = crossed.oof.argmax(axis=1)
    gains, with_weak = [], []
    for vote, there in _votes(others, known, weak):
        if there.sum() >= FEWEST // 2:
            gains.append((said == vote)[there].mean() - (top == vote)[there].mean())
            with_weak.append((top == vote)[there].mean())
    found: dict[str, float] = {"witnesses": len(gains)}
    if gains:
        found |= {
            "witness gain": np.mean(gains),
            "witness best": np.max(gains),
            "witness agreement": np.mean(with_weak),
        }
    return found


def _gains(
    new: NDArray, crossed: CrossFit, top: NDArray, weak: WeakLabels, known: NDArray[np.bool_], others: Sequence[Witness]
) -> dict[str, float]:
    labels, repaired = _voters(crossed, top, weak, known, others)
    if not labels:
        return {}
    own = [top, crossed.repaired.argmax(axis=1)]
    rows, c = np.arange(len(top)), crossed.oof.shape[1]
    sets = {"supervisors gain": labels, "others gain": labels + repaired, "consensus gain": own + labels + repaired}
    found = {}
    for name, votes in sets.items():
        q = _consensus(votes, c)[0]
        found[name] = float((q[rows, new] - q[rows, top]).mean())
        if votes is sets["consensus gain"]:
            found |= {"consensus accuracy": float(q[rows, top].mean()), "consensus score": float(q[rows, new].mean())}
    return found


def _change(answers: Floats, naive: Floats, crossed: CrossFit, top: NDArray) -> dict[str, float]:
    if answers.shape != crossed.oof.shape or naive.shape != crossed.oof.shape:
        raise InputError(
            f"a student's answers have shape {answers.shape}; they must be of the {crossed.oof.shape} covered rows and classes"
        )
    new, old, read = answers.argmax(axis=1), naive.argmax(axis=1), crossed.repaired.argmax(axis=1)
    return {
        "departure": (new != top).mean(),
        "changed": (new != old).mean(),
        "changed repaired": (new == read).mean() - (old == read).mean(),
        "changed weak": (new == top).mean() - (old == top).mean(),
    }

"""What methods that leave rows out share: the cut, the two classes that must stay, and how far what stays has narrowed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from outgrow.errors import InputError, LabelsError
from outgrow.tasks.prepare import matrix

__all__ = ["Narrowing", "certainty", "share_kept", "topic_narrowing", "two_classes"]

TIE = 2.0**40
NOTHING = 1e-12


def share_kept(doubt: ArrayLike, weight: ArrayLike, drop: float) -> NDArray[np.float64]:
    """Return the share of each row's weight that is kept when the most doubtful rows go.

    Exactly ``drop`` of the total weight goes. Rows that are tied at the cut share it out, so the order of rows does not matter, a row of
    weight two is the same row twice, and where all rows are tied each keeps the same share: there is nothing to choose by.

    Parameters
    ----------
    doubt : array of shape (n,)
        The highest go first; scores in [0, 1] or thereabouts, equal up to 1e-12 counts as equal.
    weight : array of shape (n,)
        Positive.
    drop : float
        In [0, 1).

    Returns
    -------
    ndarray of shape (n,)
        In [0, 1]; strictly between only at the cut.
    """
    weight = np.asarray(weight, dtype=np.float64)
    _, group = np.unique(np.round(np.asarray(doubt, dtype=np.float64) * TIE), return_inverse=True)
    group = group.ravel()
    mass = np.bincount(group, weights=weight)
    above = mass.sum() - mass.cumsum()
    kept = 1 - np.clip((drop * mass.sum() - above) / mass, 0, 1)
    kept = np.where(kept < NOTHING, 0.0, np.where(kept > 1 - NOTHING, 1.0, kept))
    return np.asarray(kept[group])


def certainty(combined: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (n,) the probability of the likeliest class."""
    return np.asarray(combined.max(axis=1))


def two_classes(what: str, combined: NDArray[np.float64], kept: NDArray[np.float64], classes: Any) -> None:
    """Raise when the rows that stay name fewer than two classes.

    Raises
    ------
    LabelsError
    """
    named = np.unique(combined[kept > 0].argmax(axis=1))
    if len(named) < 2:
        left = f"rows of one class only ({str(np.asarray(classes)[named[0]])!r})" if len(named) else "no row"
        raise LabelsError(f"{what} keeps {left}; a student needs two classes, so lower drop")


@dataclass(frozen=True, eq=False)
class Narrowing:
    """How the groups of rows (classes, topics) shrink when rows are left out.

    Parameters
    ----------
    names : tuple of str
    before, after : ndarray of shape (k,)
        Each group's share of the weight.
    kept : float
        Share of the weight that stays.
    """

    names: tuple[str, ...]
    before: NDArray[np.float64]
    after: NDArray[np.float64]
    kept: float

    @classmethod
    def of(cls, group: NDArray[Any], weight: NDArray[Any], kept: NDArray[Any], names: Any) -> Narrowing:
        """Count (n,) group indices under weights, and under what stays of them."""
        size = len(names)
        before = np.bincount(group, weights=weight, minlength=size)
        after = np.bincount(group, weights=weight * kept, minlength=size)
        share = float(after.sum() / before.sum())
        return cls(tuple(str(n) for n in names), before / before.sum(), after / after.sum(), share)

    @property
    def effective(self) -> tuple[float, float]:
        """Effective number of groups (exp of the entropy of their shares), before and after."""
        return _effective(self.before), _effective(self.after)

    @property
    def divergence(self) -> float:
        """KL(after || before), in nats: 0 when the groups keep their shares."""
        there = self.after > 0
        return float((self.after[there] * np.log(self.after[there] / self.before[there])).sum())

    def said(self) -> dict[str, float]:
        """Return the numbers that methods report: what stays, and how the groups shrink."""
        one, two = self.effective
        return {
            "share kept": self.kept,
            "classes before": one,
            "classes after": two,
            "narrowing, nats": self.divergence,
        }

    def as_dict(self) -> dict[str, Any]:
        """Return plain numbers for a report."""
        one, two = self.effective
        return {
            "kept": self.kept,
            "groups before": one,
            "groups after": two,
            "divergence": self.divergence,
            "shares": {n: [float(b), float(a)] for n, b, a in zip(self.names, self.before, self.after, strict=True)},
        }


def _effective(share: NDArray[np.float64]) -> float:
    some = share[share > 0]
    return float(np.exp(-(some * np.log(some)).sum()))


def topic_narrowing(method: Any, X: Any, topics: int = 10, random_state: int = 0) -> Narrowing:
    """Say how topics narrow under a fitted method that leaves rows out (:class:`Filtering`, :class:`TwoStage`).

    Topics are k-means clusters of the student's features, standardised; a stand-in of ours for a person's topics.

    Parameters
    ----------
    method : fitted method
    X : Rows, or array of shape (n, d)
        The rows it was fitted on.
    topics : int

    Raises
    ------
    InputError
        Other rows, or fewer rows than topics.
    """
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.utils.validation import check_is_fitted

    check_is_fitted(method, "kept_")
    used = method.weight_ > 0
    x = matrix(method.student_, X)
    if len(x) != len(used):
        raise InputError(f"topics are told of the {len(used)} rows the method was fitted on; given {len(x)}")
    x = x[used]
    if not 2 <= topics <= len(x):
        raise InputError(f"topics is {topics!r}; give a whole number from 2 to the {len(x)} rows that count")
    scale = x.std(axis=0)
    found = MiniBatchKMeans(topics, random_state=random_state, n_init=3, batch_size=4096)
    group = found.fit_predict(
        (x - x.mean(axis=0)) / np.where(scale > 0, scale, 1.0), sample_weight=method.weight_[used]
    )
    return Narrowing.of(group, method.weight_[used], method.kept_[used], range(topics))

"""What methods that are granted truth share: truth as a label table, cross-fitted answers, and which answers are right."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from outgrow.errors import NeedsError
from outgrow.learners.linear import LinearHead
from outgrow.supervisors.probe import fold_of
from outgrow.tasks.labels import Source, WeakLabels
from outgrow.tasks.needs import Known
from outgrow.tasks.rows import Rows, View

__all__ = [
    "FOLDS",
    "auroc",
    "cross_fit",
    "deal",
    "ids_or_fail",
    "number",
    "sureness",
    "tell_right",
    "told_apart",
    "truth_table",
    "with_penalty_of",
]

FOLDS = 5
LEAST = 1e-12
DOUBT = 1.0


def ids_or_fail(who: str, X: Any) -> None:
    """Raise when rows are a bare array: a grant names rows by id, and those of an array mean nothing outside it.

    Raises
    ------
    NeedsError
    """
    if not isinstance(X, Rows):
        raise NeedsError(f"{who} is granted truth by row id, and X is a bare array; give Rows of the same task")


def truth_table(who: str, known: Known, weak: WeakLabels) -> WeakLabels:
    """Return a grant's truth as a label table of one source, in the classes of the weak labels.

    Raises
    ------
    NeedsError
        When a truth is no class index of the weak labels, or not a finite value.
    """
    ids, source = known.rows.ids, Source("truth", None, tuple(known.rows.ids.tolist()), "truth")
    truth = np.asarray(known.truth)
    if weak.classes is None:
        if truth.dtype.kind not in "fiub" or not np.isfinite(truth).all():
            raise NeedsError(
                f"{who} is granted truth that is not a finite value on some row; grant rows whose truth is"
            )
        return WeakLabels.from_probs(truth.astype(np.float64), None, ids=ids, source=source)
    c = len(weak.classes)
    if truth.dtype.kind not in "iu" or (len(truth) and not (truth.min() >= 0 and truth.max() < c)):
        raise NeedsError(f"{who} is granted truth that is no class index from 0 to {c - 1}; grant Task.truth_at(ids)")
    return WeakLabels.from_probs(np.eye(c)[truth], weak.classes, ids=ids, source=source)


def deal(values: Any, table: WeakLabels, seed: int) -> NDArray[np.int64]:
    """Deal rows of known truth to folds: stratified by class, equal rows together."""
    strata = np.zeros(len(table), dtype=np.int64) if table.classes is None else table.hard()[:, 0]
    return fold_of(values, strata, FOLDS, seed)


def with_penalty_of(learner: Any, fitted: Any) -> Any:
    """Return an unfitted learner with the penalty that a fitted one chose, so that folds need not choose anew."""
    made = clone(learner)
    if getattr(learner, "penalty", None) == "cv" and hasattr(fitted, "penalty_"):
        made.set_params(penalty=float(fitted.penalty_))
    return made


def cross_fit(learner: Any, rows: Rows, table: WeakLabels, fold: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (n, c) class probabilities, each row's from a learner fitted on the other folds; NaN where those hold one class."""
    out = np.full((len(rows), table.probs.shape[2]), np.nan)
    named = table.hard()[:, 0]
    for one in range(int(fold.max()) + 1):
        held = fold == one
        if not held.all() and len(np.unique(named[~held])) > 1:
            out[held] = clone(learner).fit(rows[~held], table[~held]).predict_proba(rows[held])
    return out


def auroc(score: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Return the chance that a right row scores above a wrong one; NaN when all are right or all wrong."""
    from scipy.stats import rankdata

    there = np.isfinite(score)
    score, right = score[there], right[there]
    good, bad = int(right.sum()), int((~right).sum())
    if not good or not bad:
        return float("nan")
    return float((rankdata(score)[right].sum() - good * (good + 1) / 2) / (good * bad))


def sureness(probs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (n,) log-odds of the best answer over the second, from (n, c) probabilities."""
    best = np.sort(np.maximum(probs, LEAST), axis=1)
    return np.log(best[:, -1]) - np.log(best[:, -2])


def tell_right(
    taught: tuple[NDArray[np.float64], NDArray[np.float64]],
    asked: tuple[NDArray[np.float64], NDArray[np.float64]],
    right: NDArray[np.bool_],
    seed: int,
    balanced: bool = False,
) -> tuple[NDArray[np.float64], float]:
    """Learn where answers are right, from how sure they are alone or with features beside it.

    Of the two logistic heads, penalties cross-validated, that on sureness alone is taken unless the other's held-out loss is smaller by
    more than one standard error: some hundred rows rarely teach a head on hundreds of features more than the one number does.

    Parameters
    ----------
    taught, asked : (features of shape (n, d), sureness of shape (n,))
        Of the rows with truth, answers out of fold; and of the rows to tell of.
    right : ndarray of shape (n,)
        Whether the answer is right on the taught rows; some are and some are not.
    seed : int
        Deals the taught rows to folds.
    balanced : bool
        Weigh right and wrong rows equally while fitting; prior odds are given back.

    Returns
    -------
    log_odds : ndarray
        Of being right, on the asked rows.
    area : float
        AUROC on the taught rows, out of fold.
    """
    heads, out, rich = _heads(taught, right, seed, balanced)
    good, bad = int(right.sum()), int((~right).sum())
    head, read = heads[rich]
    there = np.asarray(read(*asked), dtype=np.float64)
    odds = np.diff(head.logits(Rows(np.arange(len(there)), {"right": View(there)})), axis=1)[:, 0]
    return odds + (np.log(good / bad) if balanced else 0.0), auroc(out[rich], right)


def told_apart(
    taught: tuple[NDArray[np.float64], NDArray[np.float64]], right: NDArray[np.bool_], seed: int
) -> NDArray[np.float64]:
    """Return (n,) the probability of being right on the taught rows themselves, each from the other folds; as :func:`tell_right`."""
    _, out, rich = _heads(taught, right, seed, balanced=False)
    return out[rich]


def _heads(
    taught: tuple[NDArray[np.float64], NDArray[np.float64]], right: NDArray[np.bool_], seed: int, balanced: bool
) -> tuple[list[tuple[Any, Any]], list[NDArray[np.float64]], int]:
    """Fit both heads; return them, their held-out probabilities, and which is taken."""
    table = WeakLabels.from_names(np.where(right, "right", "wrong").tolist(), ["wrong", "right"])
    fold = deal(np.asarray(taught[0]), table, seed)
    good, bad = int(right.sum()), int((~right).sum())
    weight = np.where(right, 0.5 / good, 0.5 / bad) * len(right) if balanced else None
    heads, out, loss = [], [], []
    for read in (lambda f, s: s[:, None], lambda f, s: np.column_stack([f, s])):
        rows = Rows(np.arange(len(right)), {"right": View(np.asarray(read(*taught), dtype=np.float64))})
        head = LinearHead(on="right").fit(rows, table, sample_weight=weight)
        held = cross_fit(with_penalty_of(LinearHead(on="right"), head), rows, table, fold)[:, 1]
        heads.append((head, read))
        out.append(held)
        loss.append(-np.log(np.maximum(np.where(right, held, 1 - held), LEAST)))
    saved = (loss[0] - loss[1])[np.isfinite(loss[0] - loss[1])]
    rich = len(saved) > 1 and saved.mean() > DOUBT * saved.std(ddof=1) / np.sqrt(len(saved))
    return heads, out, int(rich)


def number(value: Any) -> bool:
    """Whether a parameter is a number; True and False are none."""
    return isinstance(value, Real) and not isinstance(value, bool)

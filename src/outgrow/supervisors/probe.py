"""A probe: a small learner on one view, taught the truth of the teach rows."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone

from outgrow.errors import LabelsError, NeedsError
from outgrow.fingerprints import fingerprint
from outgrow.supervisors.protocol import as_truth, by_name
from outgrow.tasks.labels import Source, WeakLabels
from outgrow.tasks.rows import Rows

__all__ = ["ProbeSupervisor"]


class ProbeSupervisor(BaseEstimator):
    """Fit a learner on the truth of the teach rows and let it label everything.

    On its own teach rows the labels are out of fold: each comes from a learner that was fitted on the other folds, with the penalty
    that was chosen on all teach rows (choosing it anew in every fold costs five times as much and changes one number). A row whose
    other folds hold one class only cannot be labelled so, and is left uncovered. Equal rows share a
    fold, folds are stratified by class, and there are as many folds as rows where rows are fewer than ``folds``.

    Parameters
    ----------
    on : str, optional
        The view it reads. Default: the learner's, or the only matrix.
    learner : learner, optional
        Cloned, then set to read ``on``. Default: ``LinearHead``, ``RidgeHead`` when truth is a table of values.
    folds : int
        For the labels of the teach rows. 0 fits once and leaves these rows uncovered: for a learner whose every fit is dear.
    random_state : int
        Draws the folds.
    title : str, optional
        Shown in tables instead of ``probe(VIEW)``.

    Attributes
    ----------
    learner_ : learner
        Fitted on all teach rows that have truth.
    classes_ : ndarray of shape (c,) or None
        The task's.
    taught_ : ndarray of shape (k,)
        Ids of the rows whose truth it saw.
    out_of_fold_ : ndarray of shape (k, c)
        Their labels.
    fold_covered_ : ndarray of shape (k,), bool
    fingerprint_ : str
    """

    needs_truth = True

    def __init__(
        self,
        on: str | None = None,
        learner: Any = None,
        folds: int = 5,
        random_state: int = 0,
        title: str | None = None,
    ):
        self.on = on
        self.learner = learner
        self.folds = folds
        self.random_state = random_state
        self.title = title

    @property
    def name(self) -> str:
        """``title``, or ``probe(VIEW)``."""
        view = self.on if self.on is not None else getattr(self.learner, "on", None)
        return self.title if self.title is not None else f"probe({view})" if view is not None else "probe"

    def fit(self, rows: Rows, truth: Any) -> Self:
        """Learn the truth of some rows.

        Parameters
        ----------
        rows : Rows
            The teach rows.
        truth : WeakLabels, or array of shape (n,)
            One-hot truth aligned by id, or class names or values in the order of the rows. Rows of unknown truth are passed over.

        Raises
        ------
        LabelsError
            No row with truth; one class only; less than two folds.
        NeedsError
            The learner reads another view than ``on``.
        """
        table = as_truth(rows, truth, self.name)
        there = table.any_covered
        if not there.any():
            raise LabelsError(
                f"supervisor {self.name!r} learns from truth, and none of its {len(rows)} teach rows has any"
            )
        if not isinstance(self.folds, int | np.integer) or self.folds == 1 or self.folds < 0:
            raise LabelsError(
                f"supervisor {self.name!r} needs folds=2 or more for its own teach rows, or 0 to leave them out, not {self.folds!r}"
            )
        rows, table = rows[there], table[there]
        classes = table.classes
        if classes is not None and len(present := np.unique(table.hard())) < 2:
            raise LabelsError(
                f"the {len(rows)} teach rows of supervisor {self.name!r} hold one class only ({str(classes[present[0]])!r}); "
                "teach it rows of at least two classes"
            )
        learner = self._learner(classes is None)
        self.view_ = rows.name(learner.on)
        self.classes_ = classes
        self.taught_ = rows.ids.copy()
        self.learner_ = clone(learner).fit(rows, table)
        if getattr(learner, "penalty", None) == "cv" and hasattr(self.learner_, "penalty_"):
            self.out_of_fold_, self.fold_covered_ = self._cross_fit(
                clone(learner).set_params(penalty=float(self.learner_.penalty_)), rows, table
            )
        else:
            self.out_of_fold_, self.fold_covered_ = self._cross_fit(learner, rows, table)
        # An unnamed default view is a recipe of its own; what was resolved is hashed, not what was written.
        self.fingerprint_ = fingerprint(
            "probe", type(self), learner, self.folds, self.random_state, rows.key(self.view_), table.probs, classes
        )
        return self

    def label(self, rows: Rows) -> WeakLabels:
        """Label all rows given; on taught rows out of fold.

        Parameters
        ----------
        rows : Rows
            Any rows of the task.

        Returns
        -------
        WeakLabels
            One source, whose ``view`` is the one it reads and whose ``taught`` are the ids whose truth it saw.
        """
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self)
        probs = self._outputs(self.learner_, rows)
        covered = np.ones(len(rows), dtype=bool)
        place = {int(i): at for at, i in enumerate(self.taught_)}
        taught = np.array([place.get(int(i), -1) for i in rows.ids], dtype=np.int64)
        mine = taught >= 0
        probs[mine] = self.out_of_fold_[taught[mine]]
        covered[mine] = self.fold_covered_[taught[mine]]
        view = self.view_ if rows.views[self.view_].matrix else None
        source = Source(self.name, view, tuple(int(i) for i in self.taught_), self.fingerprint_)
        return WeakLabels.from_probs(probs, self.classes_, ids=rows.ids, covered=covered, source=source)

    def _learner(self, values: bool) -> Any:
        if self.learner is None:
            if values:
                from outgrow.learners.ridge import RidgeHead

                return RidgeHead(on=self.on)
            from outgrow.learners.linear import LinearHead

            return LinearHead(on=self.on)
        learner = clone(self.learner)
        if self.on is not None and learner.on not in (None, self.on):
            raise NeedsError(
                f"supervisor {self.name!r} reads the view {self.on!r} and its learner {learner.on!r}; name one of them"
            )
        return learner if self.on is None else learner.set_params(on=self.on)

    def _outputs(self, learner: Any, rows: Rows) -> NDArray[np.float64]:
        if self.classes_ is None:
            return np.asarray(learner.logits(rows), dtype=np.float64).reshape(len(rows), 1)
        return by_name(np.asarray(learner.predict_proba(rows)), learner.classes_, self.classes_, self.name)

    def _cross_fit(self, learner: Any, rows: Rows, table: WeakLabels) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        strata = np.zeros(len(rows), dtype=np.int64) if table.classes is None else table.hard()[:, 0]
        out = np.zeros((len(rows), table.probs.shape[2]))
        covered = np.zeros(len(rows), dtype=bool)
        if not self.folds:
            return out, covered
        fold = fold_of(rows.view(self.view_), strata, self.folds, self.random_state)
        for k in range(int(fold.max()) + 1):
            held = fold == k
            if held.all() or (table.classes is not None and len(np.unique(strata[~held])) < 2):
                continue
            out[held] = self._outputs(clone(learner).fit(rows[~held], table[~held]), rows[held])
            covered[held] = True
        return out, covered


def fold_of(values: Any, strata: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """Deal rows to folds: stratified, equal rows together, sizes as even as that allows.

    Parameters
    ----------
    values : ndarray of shape (n, d), or sequence of n
        Equal ones share a fold, or a twin in another fold would give a row's truth away.
    strata : ndarray of shape (n,)
        Class index.
    folds : int
        At most as many as there are different rows are used.
    seed : int

    Returns
    -------
    ndarray of shape (n,)
        Fold of each row, from 0.
    """
    first: dict[Any, int] = {}
    twin = np.array(
        [first.setdefault(v.tobytes() if isinstance(v, np.ndarray) else v, at) for at, v in enumerate(values)],
        dtype=np.int64,
    )
    heads = np.flatnonzero(twin == np.arange(len(twin)))
    shuffled = np.random.default_rng(seed).permutation(heads)
    dealt = shuffled[np.argsort(strata[shuffled], kind="stable")]
    fold = np.zeros(len(twin), dtype=np.int64)
    fold[dealt] = np.arange(len(dealt)) % min(folds, max(len(dealt), 1))
    return fold[twin]

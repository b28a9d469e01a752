"""What every method is: a scikit-learn meta-estimator around a learner, that hands prediction on to its student."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Real
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone, is_regressor
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from outgrow.errors import InputError, LabelsError, NeedsError
from outgrow.learners.linear import LinearHead
from outgrow.learners.objective import Objective
from outgrow.methods.neighbours import Cost
from outgrow.tasks.needs import Known, Needs
from outgrow.tasks.prepare import as_rows

__all__ = ["Method", "OfLearner", "in_classes"]


class Method(Protocol):
    """How a learner uses weak labels.

    ``fit`` declares, beyond ``X`` and ``y``, only the keywords it uses: ``known`` (a grant of truth) and ``select``. The class declares
    ``truth``, what it spends ("none", "teach" or "budget"), and ``off``, the parameters under which it is naive, bit for bit.
    """

    truth: ClassVar[str]
    off: ClassVar[Mapping[str, Any]]
    learner: Any
    student_: Any

    def needs(self) -> Needs:
        """What ``fit`` must be given beyond rows and labels."""
        ...

    def check(self) -> None:
        """Raise when a parameter is out of range; a study calls it before any work."""
        ...

    def refuses(self, kind: str, classes: int, sources: Sequence[Any]) -> str | None:
        """Say why the method cannot run on such a task with such supervisors; a study asks it before any work."""
        ...

    def fit(self, X: Any, y: Any, *, sample_weight: ArrayLike | None = None) -> Self:
        """Train the student."""
        ...

    def said(self) -> dict[str, float]:
        """Return what a fitted method learned beside its student, for reports."""
        ...

    def reference(self) -> Any:
        """Return the unfitted learner that direct and ceiling train."""
        ...


def _classifies(self: Any) -> bool:
    return not is_regressor(self._learner())


class OfLearner(BaseEstimator):
    """The part of a method that follows from having one learner: needs, reference, and prediction by ``student_``.

    A method with ``learner=None`` uses :class:`~outgrow.learners.linear.LinearHead`.
    """

    truth: ClassVar[str]
    off: ClassVar[Mapping[str, Any]]
    learner: Any
    student_: Any
    objective_: Objective
    spent_: int
    fingerprint_: str

    def _learner(self) -> Any:
        return LinearHead() if self.learner is None else self.learner

    def needs(self) -> Needs:
        """Return what ``fit`` must be given beyond rows and labels: here, the learner's views."""
        return self._learner().needs()

    def reference(self) -> Any:
        """Return the unfitted learner that direct and ceiling train."""
        return clone(self._learner())

    def check(self) -> None:
        """Raise when a parameter is out of range; a study calls it before any work."""

    def refuses(self, kind: str, classes: int, sources: Sequence[Any]) -> str | None:
        """Say why this method cannot run on such a task with such supervisors; a study asks it before any work.

        Parameters
        ----------
        kind : {"classes", "value"}
            Of the task.
        classes : int
            How many; not looked at in a value task.
        sources : sequence
            The supervisors, each with ``name`` and ``view``.

        Returns
        -------
        str or None
            One sentence without a full stop; None where it can run.

        Raises
        ------
        InputError
            A parameter out of range, whatever the task.
        """
        name = type(self).__name__
        if is_regressor(self) != (kind == "value"):
            predicts, has = ("values", "classes") if is_regressor(self) else ("classes", "values")
            return f"{name} has a learner that predicts {predicts}, and the task has {has}; choose another learner"
        try:
            self.check()
            replace(self.needs(), views=frozenset()).check(
                name, [s.view for s in sources], sources, known=True, select=True
            )
        except (LabelsError, NeedsError) as error:
            return str(error)
        tags = self.__sklearn_tags__().classifier_tags
        if kind == "classes" and classes > 2 and tags is not None and not tags.multi_class:
            return f"{name} takes two classes, and the task has {classes}; choose another method"
        return None

    def said(self) -> dict[str, float]:
        """Return what a fitted method learned beside its student, by name, for reports: here nothing; NaN where it could not be told."""
        return {}

    def control(self) -> dict[str, Any] | None:
        """Return the parameters of the control that stands beside this method in every study: here none."""
        return None

    def cost(self, n: int, d: int) -> Cost:
        """Say what fitting on n rows of d features takes beside the learner's fits: here nothing."""
        return Cost()

    def recipe(self) -> list[Any]:
        """Return what names this method for fingerprints, a missing learner filled in."""
        params = {**self.get_params(deep=False), "learner": self._learner()}
        return [type(self), params]

    def fingerprint(self) -> str:
        """Name the unfitted method: its class, its code and its parameters."""
        from outgrow.fingerprints import fingerprint

        return fingerprint(self.recipe())

    def _train(self, rows: Any, weak: Any, weight: Any, objective: Objective, known: Known | None = None) -> Self:
        from outgrow.fingerprints import fingerprint

        self.objective_ = objective
        self.spent_ = 0 if known is None else known.spent
        self.student_ = clone(self._learner()).fit(rows, weak, sample_weight=weight, objective=objective)
        self.fingerprint_ = fingerprint("method", self, self.student_.fingerprint_, known)
        return self

    @property
    def classes_(self) -> NDArray[Any]:
        """The task's classes."""
        return self.student_.classes_

    def logits(self, X: Any) -> NDArray[np.float64]:
        """Return the student's (n, c) logits, or (n, 1) values."""
        check_is_fitted(self, "student_")
        return self.student_.logits(as_rows(self, X))

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the student's (n,) class names, or values."""
        check_is_fitted(self, "student_")
        return self.student_.predict(as_rows(self, X))

    @available_if(_classifies)
    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the student's (n, c) class probabilities."""
        check_is_fitted(self, "student_")
        return self.student_.predict_proba(as_rows(self, X))

    def score(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> float:
        """Agreement with given labels (accuracy, or R² for values); with weak labels it measures imitation, not truth."""
        check_is_fitted(self, "student_")
        return self.student_.score(as_rows(self, X), y, sample_weight)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inner = self._learner().__sklearn_tags__()
        tags.estimator_type = inner.estimator_type
        tags.classifier_tags = inner.classifier_tags
        tags.regressor_tags = inner.regressor_tags
        tags.target_tags = inner.target_tags
        return tags


def is_number(value: Any) -> bool:
    """Whether a parameter is a real number; true and false are none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def in_classes(model: Any, rows: Any, classes: ArrayLike) -> NDArray[np.float64]:
    """Return a fitted model's (n, c) probabilities in a given order of classes, matched by name.

    A class that the model never saw has probability 0.

    Raises
    ------
    InputError
        When the model names a class that is not among them.
    """
    probs = np.asarray(model.predict_proba(rows), dtype=np.float64)
    have, want = [str(c) for c in model.classes_], [str(c) for c in np.asarray(classes)]
    if have == want:
        return probs
    foreign = [c for c in have if c not in want]
    if foreign:
        raise InputError(
            f"the student names class {foreign[0]!r}, which the task does not have ({want[:6]}); fit it on this task's labels"
        )
    out = np.zeros((len(probs), len(want)))
    out[:, [want.index(c) for c in have]] = probs
    return out

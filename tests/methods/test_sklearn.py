"""Methods are scikit-learn estimators: its own checks, searches, cloning, metadata routing."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.utils.estimator_checks import parametrize_with_checks

from outgrow.catalogue import catalogue
from outgrow.learners.linear import LinearHead
from outgrow.learners.ridge import RidgeHead
from outgrow.methods import Confidence, Naive
from outgrow.methods.method import OfLearner
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.needs import Known, Needs
from outgrow.tasks.prepare import prepare
from outgrow.tasks.rows import Rows

from .test_naive import data, table

EXPECTED: dict[str, str] = {}
"""Checks that fail by design, with the reason: at most three over all methods."""


def plain() -> list:
    """Every registered method that needs nothing but rows and labels; and the value road of those that take one."""
    made = [cls() for cls in catalogue("methods").values()]
    return [m for m in made if m.needs().plain] + [Naive(RidgeHead())]


def test_the_list_is_not_empty_and_the_exceptions_are_few():
    assert {type(m).__name__ for m in plain()} >= {"Naive", "Confidence"}
    assert len(EXPECTED) <= 3


@parametrize_with_checks(plain(), expected_failed_checks=lambda estimator: EXPECTED, xfail_strict=True)
def test_estimator(estimator, check):
    check(estimator)


@pytest.mark.parametrize("method", [Naive(LinearHead(penalty=0.1)), Confidence(LinearHead(penalty=0.1))])
@pytest.mark.parametrize("several", [False, True])
def test_searches_take_rows_and_labels(method, several):
    x, probs = data(90)
    weak = table(probs)
    if several:
        weak = WeakLabels.stack([weak, table(data(90, seed=1)[1], np.arange(90) % 3 > 0)])
    search = GridSearchCV(method, {"learner__penalty": [0.03, 0.3, 3.0]}, cv=KFold(3, shuffle=True, random_state=0))
    search.fit(Rows.from_arrays(X=x), weak)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_score_ > 0.6
    assert search.predict(Rows.from_arrays(X=x)).shape == (90,)


def test_a_search_over_confidence_parameters():
    x, probs = data(60)
    search = GridSearchCV(
        Confidence(LinearHead(penalty=0.1)),
        {"weight": [0.0, 0.5], "ramp": [0.0, 1.0]},
        cv=KFold(2),
        error_score="raise",
    )
    search.fit(Rows.from_arrays(X=x), table(probs))
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_clones_are_unfitted_copies():
    method = Confidence(LinearHead(penalty=0.1), weight=0.5)
    fitted = method.fit(*data())
    copy = clone(fitted)
    assert not hasattr(copy, "student_")
    assert copy.get_params()["learner__penalty"] == 0.1
    assert copy.fingerprint() == method.fingerprint()
    assert not hasattr(fitted.learner, "coef_")


class Granted(OfLearner):
    """Asks for a grant, and notes what it was handed."""

    truth = "known"

    def __init__(self, learner=None):
        self.learner = learner

    def needs(self):
        return super().needs() | Needs(known=True)

    def fit(self, X, y, *, sample_weight=None, known=None):
        rows, weak, weight = prepare(self, X, y, sample_weight)
        self.seen_ = known
        return self._train(rows, weak, weight, None, known)


@pytest.mark.parametrize("routing", [False, True])
def test_a_grant_of_as_many_rows_as_x_has_arrives_whole(routing):
    x, probs = data(60)
    rows, weak = Rows.from_arrays(X=x), table(probs)
    known = Known(rows, weak, np.zeros(60, int))
    assert not hasattr(known, "__len__")
    assert not hasattr(known, "shape")
    with sklearn.config_context(enable_metadata_routing=routing):
        method = Granted(LinearHead(penalty=0.1))
        if routing:
            method.set_fit_request(known=True)
        search = GridSearchCV(method, {"learner__penalty": [0.1, 1.0]}, cv=KFold(3), error_score="raise")
        search.fit(rows, weak, known=known)
    assert search.best_estimator_.seen_ is known
    assert search.best_estimator_.spent_ == 60
    assert not Granted().needs().plain

from __future__ import annotations

import json

import numpy as np
import pytest

from outgrow.errors import LabelsError
from outgrow.forecasts import KLMisfit, Misfit
from outgrow.forecasts.forecast import Forecast
from outgrow.forecasts.kl_misfit import kl
from outgrow.forecasts.misfit import squared_misfit
from outgrow.learners.linear import LinearHead
from outgrow.learners.ridge import RidgeHead
from outgrow.methods import Confidence, Naive
from outgrow.scores.metrics import ROW_METRICS, brier, log_loss, mse
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.needs import Needs
from outgrow.tasks.rows import Rows


def world(n: int = 40, c: int = 3, seed: int = 0):
    random = np.random.default_rng(seed)
    rows = Rows.from_arrays(X=random.normal(size=(n, 3)))
    return rows, random.dirichlet(np.ones(c), size=n), [f"k{j}" for j in range(c)]


def test_units_are_those_of_the_metrics():
    random = np.random.default_rng(0)
    probs, truth = random.dirichlet(np.ones(3), size=20), random.integers(0, 3, 20)
    onehot = np.eye(3)[truth]
    assert squared_misfit(probs, onehot) == pytest.approx(brier(probs, truth))
    assert kl(onehot, probs) == pytest.approx(log_loss(probs, truth), abs=1e-3)
    values = random.normal(size=(20, 1))
    assert squared_misfit(values, np.zeros((20, 1))) == pytest.approx(mse(values, np.zeros(20)))
    for predictor in (Misfit, KLMisfit):
        assert set(predictor.units) <= set(ROW_METRICS)


def test_kl_by_hand():
    p, q = [[0.5, 0.5], [1.0, 0.0]], [[0.25, 0.75], [0.5, 0.5]]
    by_hand = (0.5 * np.log(2) + 0.5 * np.log(2 / 3) + np.log(2)) / 2
    assert kl(p, q) == pytest.approx(by_hand, abs=2e-5)
    assert kl(p, p) == 0
    # A hard label where the other side says one half costs ln(.5 / 5e-7) / 2 - ln(2) / 2, and stays finite.
    assert kl([[0.5, 0.5]], [[1.0, 0.0]]) == pytest.approx(0.5 * np.log(0.5 / 5e-7) - 0.5 * np.log(2), abs=1e-4)


@pytest.mark.parametrize(("name", "units"), [("misfit", ["brier"]), ("kl", ["log_loss", "log_loss"])])
def test_the_misfit_is_taken_on_covered_rows(name, units):
    rows, probs, classes = world()
    covered = np.arange(40) % 3 > 0
    weak = WeakLabels.from_probs(probs, classes, covered=covered)
    student = Naive(LinearHead(penalty=0.1)).fit(rows, weak)
    predictor = Misfit() if name == "misfit" else KLMisfit()
    found = predictor.predict(student, rows, weak)
    ours, theirs = student.predict_proba(rows)[covered], probs[covered]
    expected = [squared_misfit(ours, theirs)] if name == "misfit" else [kl(ours, theirs), kl(theirs, ours)]
    assert [f.value for f in found] == pytest.approx(expected)
    assert [f.unit for f in found] == units
    assert {f.n for f in found} == {int(covered.sum())}
    assert predictor.needs() == Needs(select=True)
    assert predictor.predict(student, rows[~covered], weak[~covered]) == []
    assert predictor.predict(student, rows[:0], weak[:0]) == []


def test_both_orders_of_kl_differ_and_say_which_they_are():
    rows, probs, classes = world()
    weak = WeakLabels.from_probs(probs, classes)
    first, second = KLMisfit().predict(Naive(LinearHead(penalty=0.1)).fit(rows, weak), rows, weak)
    assert (first.order, second.order) == ("student || weak", "weak || student")
    assert abs(first.value - second.value) > 1e-3


def test_broken_assumptions_follow_the_training():
    rows, probs, classes = world()
    weak = WeakLabels.from_probs(probs, classes)
    naive = Naive(LinearHead(penalty=0.1)).fit(rows, weak)
    confident = Confidence(LinearHead(penalty=0.1)).fit(rows, weak)
    assert Misfit().predict(naive, rows, weak)[0].broken == ("not trained by squared loss",)
    reverse, forward = KLMisfit().predict(naive, rows, weak)
    assert reverse.broken == ("not trained by KL(student || weak)",)
    assert "not trained by cross-entropy on the weak labels" not in forward.broken
    assert "not trained by cross-entropy on the weak labels" in KLMisfit().predict(confident, rows, weak)[1].broken
    values = WeakLabels.from_probs(probs[:, 0], None)
    ridge = Naive(RidgeHead(penalty=0.1)).fit(rows, values)
    found = Misfit().predict(ridge, rows, values)
    assert (found[0].unit, found[0].broken) == ("mse", ())
    assert found[0].value == pytest.approx(np.mean((ridge.predict(rows) - probs[:, 0]) ** 2))
    assert KLMisfit().predict(ridge, rows, values) == []
    trained = Naive(LinearHead(penalty=0.1)).fit(rows, weak)
    trained.objective_ = type("Reverse", (), {"reverse_kl": True})()
    assert KLMisfit().predict(trained, rows, weak)[0].broken == ()
    assert Misfit().predict(naive.student_, rows, weak)[0].broken == ("not trained by squared loss",)


def test_classes_are_matched_by_name():
    rows, probs, _ = world(c=2)
    student = Naive(LinearHead(penalty=0.1)).fit(rows, WeakLabels.from_probs(probs, ["a", "c"]))
    wide = WeakLabels.from_probs(np.stack([probs[:, 1], 0 * probs[:, 0], probs[:, 0]], 1), ["c", "b", "a"])
    ours = student.predict_proba(rows)
    assert Misfit().predict(student, rows, wide)[0].value == pytest.approx(squared_misfit(ours, probs))


def test_labels_of_other_rows_are_refused():
    rows, probs, classes = world()
    weak = WeakLabels.from_probs(probs, classes)
    student = Naive(LinearHead(penalty=0.1)).fit(rows, weak)
    for predictor in (Misfit(), KLMisfit()):
        for other in (weak[::-1], weak[:39]):
            with pytest.raises(LabelsError, match="40 rows and weak labels of"):
                predictor.predict(student, rows, other)


def test_a_forecast_is_a_json_value():
    made = Forecast("misfit", "", "brier", 0.5, 3, ("a",), ("b",))
    assert json.loads(json.dumps(made.as_dict())) == {
        "forecast": "misfit",
        "order": "",
        "unit": "brier",
        "value": 0.5,
        "n": 3,
        "assumptions": ["a"],
        "broken": ["b"],
    }


def test_hard_labels_are_said_to_rule_the_kl_forecast():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 3))
    rows = Rows.from_arrays(x=x)
    names = np.where(x[:, 0] > 0, "yes", "no")
    hard = WeakLabels.from_names(names.tolist(), ["no", "yes"])
    soft = WeakLabels.from_probs(0.8 * hard.probs[:, 0] + 0.1, hard.classes)
    for weak, said in ((hard, True), (soft, False)):
        student = Naive(LinearHead(penalty=0.1)).fit(rows, weak)
        broken = [f.broken for f in KLMisfit().predict(student, rows, weak)]
        assert all(any("hard weak labels" in b for b in each) == said for each in broken)

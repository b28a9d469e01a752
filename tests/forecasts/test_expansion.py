from __future__ import annotations

import numpy as np
import pytest

from outgrow.errors import InputError, NeedsError
from outgrow.forecasts import Expansion
from outgrow.forecasts.expansion import (
    correction_bound,
    coverage_bound,
    expansion,
    good_only_bound,
    main_bound,
    nearest_rows,
    trivial_bound,
    wei_bound,
)
from outgrow.learners.linear import LinearHead
from outgrow.methods import Naive
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.needs import Needs
from outgrow.tasks.rows import Rows
from outgrow.worlds.lang import lang_world


def test_independent_views_give_blum_and_mitchells_bound() -> None:
    for err, alpha in ((0.3, 0.2), (0.15, 0.1), (0.2, 0.2)):
        assert correction_bound(err, alpha, 1.0) == pytest.approx((err - alpha) / (1 - 2 * alpha))
        assert coverage_bound(err, alpha, 1.0, 1.0) == pytest.approx((err - alpha) / (1 - 2 * alpha))


def test_bounds_say_nothing_where_nothing_can_be_said() -> None:
    assert main_bound(0.1, 0.5, 1.0) == 1.0
    assert coverage_bound(0.1, 0.4, 0.1, 1.0) == 1.0
    assert coverage_bound(0.1, 0.3, 0.5, 1.0, not_robust=0.1) == 1.0
    assert good_only_bound(0.1, 0.2, 0.0) == 1.0
    assert wei_bound(0.34, 9.0) == 1.0
    assert wei_bound(0.1, 3.0) == 1.0
    # Without expansion the correction bound is the trivial one.
    assert correction_bound(0.1, 0.2, 0.0) == pytest.approx(trivial_bound(0.1, 0.2))
    for wrong in ({"err": 1.5}, {"alpha": -0.1}, {"c": -1.0}, {"c": float("nan")}):
        with pytest.raises(InputError):
            correction_bound(**{"err": 0.1, "alpha": 0.1, "c": 1.0, **wrong})


def test_other_forms() -> None:
    assert wei_bound(0.1, 5.0, 0.02) == pytest.approx(2 / 4 * 0.1 + 10 / 4 * 0.02)
    assert good_only_bound(0.12, 0.11, 0.5, 0.01) == pytest.approx(0.01 + 0.12 / (0.5 * 0.89))
    assert main_bound(0.12, 0.11, 0.848, 0.05) == pytest.approx(0.22 / 0.78 * 0.05 + 0.12 + 0.11 * (1 - 1.272))
    assert coverage_bound(0.1, 0.1, 0.8, 0.6, 0.05, 0.3) == pytest.approx((1 + 0.1 / (0.75 - 0.2)) * 0.05 + 0.3)


def test_expansion_by_hand() -> None:
    # Rows 0..2 are B, 3..5 are A with the neighbours 0, 0 and 1.
    b, a = np.arange(6) < 3, np.arange(6) >= 3
    neighbour = np.array([0, 0, 0, 0, 0, 1])
    sets = np.array([[1, 0, 0, 0, 0, 0], [0, 1, 1, 0, 0, 0]], bool)
    found = expansion(sets, a, b, neighbour)
    assert found.each == pytest.approx(((2 / 3) / (1 / 3), (1 / 3) / (2 / 3)))
    assert found.c == pytest.approx(0.5)
    assert found.rows == 3
    # Only pairs that are answered alike count: row 5 and its neighbour 1 are, rows 3, 4 and their neighbour 0 are not.
    answers = np.array([[0, 1, 1, 1, 1, 1]] * 2)
    assert expansion(sets, a, b, neighbour, answers=answers).each == pytest.approx((0.0, 0.5))
    assert expansion(sets, a, b, neighbour, least=0.5).each == pytest.approx((0.5,))
    assert np.isnan(expansion(sets, np.zeros(6), b, neighbour).c)
    with pytest.raises(InputError, match="of the same rows"):
        expansion(sets, a[:5], b, neighbour)


def test_nearest_rows() -> None:
    x = np.array([[0.0, 1.0], [0.0, 1.1], [5.0, 0.0], [0.1, 9.0], [6.0, 0.1]])
    among = np.array([1, 1, 0, 1, 0], bool)
    assert nearest_rows(x, among).tolist() == [1, 0, 0, 1, 0]
    assert nearest_rows(x, among, metric="cosine")[3] in (0, 1)
    with pytest.raises(InputError, match="at least two rows"):
        nearest_rows(x, np.array([1, 0, 0, 0, 0], bool))


def test_in_the_co_training_world_the_bound_meets_the_error() -> None:
    world = lang_world(1, n=24_000)
    spoken, test = world.named >= 0, np.arange(24_000) >= 12_000
    head = LinearHead(penalty=0.01).fit(world.view[spoken & ~test], np.eye(2)[world.named[spoken & ~test]])
    answers = head.predict_proba(world.view).argmax(axis=1)
    for i in (0, 1):
        mine = spoken & test & (world.truth == i)
        alpha, err = (world.named[mine] != i).mean(), (answers[mine] != world.named[mine]).mean()
        assert correction_bound(err, alpha, 1.0) == pytest.approx((answers[mine] != i).mean(), abs=0.04)


def soft(n: int = 400, seed: int = 0) -> tuple[Rows, WeakLabels]:
    random = np.random.default_rng(seed)
    y = random.integers(0, 2, n)
    x = random.normal(size=(n, 5))
    x[:, 0] += 3 * (2 * y - 1)
    other = 2 * (2 * y - 1) + 2.0 * random.normal(size=n)
    p = 1 / (1 + np.exp(-other))
    rows = Rows.from_arrays(strong=x, more=random.normal(size=(n, 2)))
    return rows, WeakLabels.from_probs(np.column_stack([1 - p, p]), ["a", "b"])


def test_the_forecast_is_a_gain_where_views_are_independent() -> None:
    rows, weak = soft()
    student = Naive(LinearHead(on="strong", penalty=0.01)).fit(rows, weak)
    (found,) = Expansion().predict(student, rows, weak)
    assert found.unit == "accuracy"
    assert 0.02 < found.value < 0.25
    assert found == Expansion().predict(student, rows, weak)[0]
    assert Expansion(neighbours="more").needs() == Needs(views=frozenset({"more"}))
    # Neighbours that mean nothing leave less of it.
    assert Expansion(neighbours="more").predict(student, rows, weak)[0].value < found.value


def test_where_the_forecast_is_silent_or_refuses() -> None:
    rows, weak = soft()
    student = Naive(LinearHead(on="strong", penalty=0.1)).fit(rows, weak)
    hard = WeakLabels.from_probs((weak.probs[:, 0] > 0.5).astype(float), ["a", "b"])
    assert Expansion().predict(student, rows, hard) == []
    values = WeakLabels.from_probs(np.zeros(400), None)
    assert Expansion().predict(student, rows, values) == []
    with pytest.raises(NeedsError, match="at least 50 covered rows"):
        Expansion().predict(student, rows[:40], weak[:40])
    one = WeakLabels.from_probs(np.tile([0.6, 0.4], (400, 1)), ["a", "b"])
    with pytest.raises(NeedsError, match="names only 'a'"):
        Expansion().predict(student, rows, one)

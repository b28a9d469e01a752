"""Worth in hand labels: the isotonic fit, the inversion and its ends, and the coverage of its interval."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import isotonic_regression

from outgrow.errors import InputError
from outgrow.scores.worth import Worth, monotone, rounded, sizes_for, worth

SIZES = (20, 50, 100, 200, 500)


def share(n: float) -> float:
    """A made-up learning curve."""
    return 0.9 - 0.9 / math.sqrt(n)


def world(
    random: np.random.Generator, n: float, seeds: int = 8, rows: int = 600
) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Right or wrong answers of a student worth n labels, and of direct at each size, that share test rows and seeds."""
    hard = random.normal(size=rows)

    def answers(size: float) -> np.ndarray:
        luck = 0.4 / math.sqrt(size) * random.normal(size=(seeds, 1))
        noise = random.normal(size=(seeds, rows))
        chance = math.sqrt(2) * _normal(share(size))
        return (hard + noise < chance + luck).astype(float)

    return answers(n), {size: answers(size) for size in SIZES}


def _normal(p: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(p)


@given(st.lists(st.floats(-3, 3, allow_nan=False), min_size=1, max_size=8))
def test_the_isotonic_fit_is_scikit_learns(scores: list[float]) -> None:
    assert monotone(scores) == pytest.approx(isotonic_regression(scores), abs=1e-9)


def test_many_fits_at_once() -> None:
    table = np.random.default_rng(0).normal(size=(5, 7))
    assert np.array_equal(monotone(table), np.stack([monotone(row) for row in table]))


def test_a_student_on_a_point_of_the_curve_is_worth_that_point() -> None:
    random = np.random.default_rng(1)
    _, curve = world(random, 100)
    for n in (50, 100, 200):
        found = worth(curve[n], curve)
        assert found.labels == pytest.approx(n, rel=0.02)
        assert found.low < n < found.high


def test_between_two_points_it_is_a_line_over_log_n() -> None:
    curve = {20: np.full((2, 10), 0.5), 100: np.full((2, 10), 0.7)}
    found = worth(np.full((2, 10), 0.6), curve)
    assert found.labels == pytest.approx(math.sqrt(20 * 100))


def test_a_level_curve_is_read_in_its_middle() -> None:
    curve = {20: np.full((1, 5), 0.5), 50: np.full((1, 5), 0.7), 200: np.full((1, 5), 0.7), 500: np.full((1, 5), 0.9)}
    assert worth(np.full((1, 5), 0.7), curve).labels == pytest.approx(100)


def test_the_ends_are_said() -> None:
    curve = {20: np.full((2, 9), 0.5), 500: np.full((2, 9), 0.8)}
    more, fewer = worth(np.full((2, 9), 0.85), curve), worth(np.full((2, 9), 0.4), curve)
    assert (more.labels, fewer.labels) == (math.inf, -math.inf)
    assert more.text() == "more than the 500 you have [over 500, over 500]"
    assert fewer.text() == "fewer than 20 hand labels [under 20, under 20]"
    assert more.as_dict()["labels"] is None
    assert Worth(123.4, 61.0, math.inf, 20, 500).text() == "about 120 hand labels [61, over 500]"
    assert not more.holds(499)
    assert Worth(123.4, 61.0, math.inf, 20, 500).holds(2000)


def test_the_interval_covers() -> None:
    """Worlds of planted worth, most of them between two points of the curve: at least 90 % covered."""
    hits = []
    for k in range(150):
        random = np.random.default_rng(1000 + k)
        n = float(np.exp(random.uniform(math.log(30), math.log(300))))
        hits.append(worth(*world(random, n, seeds=5, rows=300), draws=300).holds(n))
    assert 0.90 <= np.mean(hits) <= 1.0


def test_more_test_rows_make_it_narrower() -> None:
    def width(rows: int) -> float:
        found = worth(*world(np.random.default_rng(3), 100, rows=rows))
        return math.log(found.high) - math.log(found.low)

    assert width(4000) < 0.75 * width(250)


def test_sizes_and_rounding() -> None:
    assert sizes_for(99) == ()
    assert sizes_for(100) == (20, 50, 100)
    assert sizes_for(500) == (20, 50, 100, 200, 500)
    assert sizes_for(550) == (20, 50, 100, 200, 550)
    assert [rounded(v) for v in (4.4, 44.4, 444.4, 4444.4)] == [4, 44, 440, 4400]


def test_a_curve_of_one_point_is_refused() -> None:
    with pytest.raises(InputError, match="at least two numbers of labels, and this one has 1"):
        worth(np.ones((2, 3)), {20: np.ones((2, 3))})

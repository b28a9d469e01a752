"""Intervals: by hand, against known special cases, invariants, and what cannot be computed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from outgrow.errors import InputError
from outgrow.scores.crossed import Moments
from outgrow.scores.intervals import (
    Interval,
    Undefined,
    detectable,
    mean_interval,
    paired_interval,
    pooled_mean,
    pooled_ratio,
    ratio_interval,
    rows_needed,
    rows_to_label,
)


def crossed(seed: int, s: int = 4, n: int = 40, mean: float = 0.5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return mean + 0.1 * rng.normal(size=(s, 1)) + rng.normal(size=(1, n)) + 0.5 * rng.normal(size=(s, n))


def same(a: Interval | Undefined, b: Interval | Undefined, rel: float = 1e-9) -> bool:
    assert isinstance(a, Interval)
    assert isinstance(b, Interval)
    return [a.mean, a.low, a.high] == pytest.approx([b.mean, b.low, b.high], rel=rel, abs=1e-12)


def test_mean_squares_by_hand():
    m = Moments.of(np.array([[[1.0, 2.0], [3.0, 6.0]]]))
    assert (m.mean[0], m.seeds[0, 0], m.rows[0, 0], m.rest[0, 0]) == pytest.approx((3, 9, 4, 1))
    found = mean_interval([[1.0, 2.0], [3.0, 6.0]])
    t = stats.t.ppf(0.975, 1)
    assert isinstance(found, Interval)
    assert found.high - found.mean == pytest.approx(t * math.sqrt((9 - 0.5 + 4 - 0.5) / 4))
    assert (found.n_rows, found.n_seeds, found.level) == (2, 2, 0.95)


def test_mean_squares_against_sums_written_out():
    x = crossed(3, 5, 17)
    s, n = x.shape
    a = n * sum((x[i].mean() - x.mean()) ** 2 for i in range(s)) / (s - 1)
    b = s * sum((x[:, j].mean() - x.mean()) ** 2 for j in range(n)) / (n - 1)
    e = sum((x[i, j] - x[i].mean() - x[:, j].mean() + x.mean()) ** 2 for i in range(s) for j in range(n))
    m = Moments.of(x[None])
    assert [m.seeds[0, 0], m.rows[0, 0], m.rest[0, 0]] == pytest.approx([a, b, e / ((s - 1) * (n - 1))])


def test_the_variance_is_unbiased_where_nothing_is_cut():
    rng = np.random.default_rng(0)
    reps, s, n = 4000, 6, 30
    x = 0.5 * rng.normal(size=(reps, 1, s, 1)) + rng.normal(size=(reps, 1, 1, n)) + rng.normal(size=(reps, 1, s, n))
    m = Moments.of(x)
    a, b, e = m.squares(np.ones(1))
    truth = 0.25 / s + 1 / n + 1 / (s * n)
    assert np.mean((a + b - e) / (s * n)) == pytest.approx(truth, rel=0.04)
    assert m.mean[:, 0].var() == pytest.approx(truth, rel=0.06)


def test_one_seed_is_the_t_interval_over_rows():
    x = crossed(1, 1, 30)[0]
    found = mean_interval(x)
    low, high = stats.t.interval(0.95, 29, x.mean(), stats.sem(x))
    assert isinstance(found, Interval)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert (found.n_seeds, found.df) == (1, pytest.approx(29))
    assert same(mean_interval(x[None]), found)


def test_seeds_that_only_shift_all_rows_give_the_t_interval_over_seeds():
    shift = np.array([0.1, 0.5, 0.3, 0.9])
    found = mean_interval(np.tile(shift[:, None], (1, 50)))
    low, high = stats.t.interval(0.95, 3, shift.mean(), stats.sem(shift))
    assert isinstance(found, Interval)
    assert (found.low, found.high) == pytest.approx((low, high))


def test_seeds_that_agree_give_the_t_interval_over_rows():
    row = crossed(2, 1, 25)[0]
    assert same(mean_interval(np.tile(row, (6, 1))), mean_interval(row))


def test_more_seeds_and_more_rows_narrow_it():
    def width(s, n):
        found = [mean_interval(crossed(k, s, n)) for k in range(20)]
        return np.mean([f.high - f.low for f in found])

    assert width(3, 40) > width(10, 40)
    assert width(5, 20) > width(5, 200)


def test_paired_is_the_interval_of_the_differences():
    a, b = crossed(1), crossed(2)
    assert same(paired_interval(a, b), mean_interval(a - b))
    assert same(paired_interval(a, b), paired_interval(b, a).flipped())


def test_level():
    x = crossed(5)
    wide, narrow = mean_interval(x, level=0.99), mean_interval(x, level=0.8)
    assert isinstance(wide, Interval)
    assert wide.low < narrow.low < narrow.high < wide.high
    assert wide.level == 0.99


@pytest.mark.parametrize("x", [np.ones((3, 20)), np.full(7, 0.7), np.zeros((1, 5)), np.full((4, 9), 1e6 + 0.1)])
def test_alike_rows_have_no_interval(x):
    found = mean_interval(x)
    assert found == Undefined(
        "Every test row has the same score, so the spread over new rows cannot be seen.", found.value
    )
    assert found.value == pytest.approx(x.mean())
    assert detectable(x) is None
    assert rows_needed(x, 0.1) is None


def test_one_row_has_no_interval():
    found = mean_interval([[0.1], [0.4]])
    assert isinstance(found, Undefined)
    assert "One test row" in found.reason
    assert found.value == pytest.approx(0.25)
    assert detectable([[0.1], [0.4]]) is None
    assert isinstance(ratio_interval([[0.1]], [[0.2]]), Undefined)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mean_interval(np.zeros((2, 3, 4))), "shape"),
        (lambda: mean_interval(np.zeros((0,))), "at least one row"),
        (lambda: mean_interval([0.0, np.nan]), "not finite"),
        (lambda: mean_interval([0.0, 1.0], level=95), "level is 95"),
        (lambda: paired_interval([0.0, 1.0], [0.0]), "same rows and seeds"),
        (lambda: pooled_ratio([], []), "0 numerators"),
        (lambda: pooled_ratio([[0, 1]], []), "0 denominators"),
        (lambda: pooled_mean([]), "no cells"),
        (lambda: pooled_mean([[0, 1.0]], blocks=["a", "b"]), "2 block names"),
        (lambda: pooled_mean([[0, 1.0], [0, 1.0, 2.0]], blocks=["a", "a"]), "block 'a'"),
        (lambda: rows_to_label(0.0, 0.1), "gain is 0.0"),
        (lambda: rows_to_label(0.05, 1.2), "disagreement 1.2"),
    ],
)
def test_bad_input_is_said_in_a_sentence(call, message):
    with pytest.raises(InputError, match=message):
        call()


@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(2, 12))
@settings(max_examples=40)
def test_order_of_rows_and_seeds_changes_nothing(seed, s, n):
    x = crossed(seed, s, n)
    rng = np.random.default_rng(seed)
    y = x[rng.permutation(s)][:, rng.permutation(n)]
    assert same(mean_interval(x), mean_interval(y))


@given(st.integers(0, 10**6), st.floats(-50, 50).filter(lambda v: abs(v) > 0.01), st.floats(-100, 100))
@settings(max_examples=40)
def test_shift_and_scale_carry_over(seed, scale, shift):
    x = crossed(seed, 3, 10)
    before, after = mean_interval(x), mean_interval(scale * x + shift)
    assert isinstance(before, Interval)
    assert isinstance(after, Interval)
    ends = sorted([scale * before.low + shift, scale * before.high + shift])
    assert [after.low, after.high] == pytest.approx(ends, rel=1e-7, abs=1e-9)


# --- ratios -------------------------------------------------------------------------------------------------------------------------


def test_one_seed_is_the_textbook_fieller_interval():
    rng = np.random.default_rng(0)
    den = 1.0 + rng.normal(size=60)
    num = 0.4 * den + 0.3 * rng.normal(size=60)
    cov = np.cov(num, den) / 60
    t2 = stats.t.ppf(0.975, 59) ** 2
    a = den.mean() ** 2 - t2 * cov[1, 1]
    b = -2 * (num.mean() * den.mean() - t2 * cov[0, 1])
    c = num.mean() ** 2 - t2 * cov[0, 0]
    root = math.sqrt(b * b - 4 * a * c)
    found = ratio_interval(num, den)
    assert isinstance(found, Interval)
    assert (found.low, found.high) == pytest.approx(((-b - root) / (2 * a), (-b + root) / (2 * a)))
    assert found.mean == pytest.approx(num.mean() / den.mean())


@pytest.mark.parametrize("seed", range(6))
def test_its_ends_are_where_the_interval_of_the_difference_leaves_zero(seed):
    den = crossed(seed, 4, 60, mean=2.0)
    num = 0.5 * den + crossed(100 + seed, 4, 60, mean=0.0)
    found = ratio_interval(num, den)
    assert isinstance(found, Interval)
    step = 1e-6 * (found.high - found.low)
    for end, outside in ((found.low, -step), (found.high, step)):
        out, inside = mean_interval(num - (end + outside) * den), mean_interval(num - (end - outside) * den)
        assert out.low > 0 or out.high < 0
        assert inside.low <= 0 <= inside.high


@given(st.integers(0, 10**6), st.floats(0.1, 10), st.floats(0.1, 10))
@settings(max_examples=25)
def test_ratio_scales(seed, top, bottom):
    den, num = crossed(seed, 3, 30, mean=3.0), crossed(seed + 1, 3, 30)
    before, after = ratio_interval(num, den), ratio_interval(top * num, bottom * den)
    assert isinstance(before, Interval)
    assert isinstance(after, Interval)
    factor = top / bottom
    assert [after.mean, after.low, after.high] == pytest.approx(
        [factor * v for v in (before.mean, before.low, before.high)], rel=1e-6
    )


def test_a_negative_ratio_is_not_clipped_and_a_large_one_neither():
    den = crossed(0, 5, 200, mean=1.0)
    assert ratio_interval(-0.5 * den + 0.01 * crossed(1, 5, 200), den).high < 0
    assert ratio_interval(3 * den + 0.01 * crossed(1, 5, 200), den).low > 1


def test_a_denominator_that_may_be_zero_leaves_it_undefined():
    den = crossed(0, 5, 50, mean=0.0)
    found = ratio_interval(crossed(1, 5, 50), den)
    assert isinstance(found, Undefined)
    assert "touches 0" in found.reason
    assert found.value is None
    alike = ratio_interval(crossed(1, 5, 50), np.ones((5, 50)))
    assert isinstance(alike, Undefined)
    assert "no interval" in alike.reason


def test_the_numerator_may_be_the_denominator():
    den = crossed(0, 5, 50, mean=2.0)
    found = ratio_interval(den, den)
    assert isinstance(found, Interval)
    assert (found.mean, found.low, found.high) == pytest.approx((1, 1, 1), abs=1e-6)


# --- pools --------------------------------------------------------------------------------------------------------------------------


def test_pooled_ratio_is_sum_over_sum():
    nums = [crossed(1, 3, 30, 0.2), crossed(2, 5, 80, 0.4)]
    dens = [crossed(3, 3, 30, 3.0), crossed(4, 5, 80, 2.0)]
    found = pooled_ratio(nums, dens)
    assert isinstance(found, Interval)
    assert found.mean == pytest.approx((nums[0].mean() + nums[1].mean()) / (dens[0].mean() + dens[1].mean()))
    assert (found.n_rows, found.n_seeds) == (110, 3)


def test_cells_of_one_block_are_added_row_by_row():
    a, b, c, d = (crossed(k, 3, 30, 2.0) for k in range(4))
    assert same(pooled_ratio([a, b], [c, d], blocks=["t", "t"]), ratio_interval(a + b, c + d))
    assert same(pooled_ratio([a, b], [c, d]), ratio_interval(a + b, c + d))
    assert same(pooled_mean([a, b]), mean_interval((a + b) / 2))


def test_the_same_cell_twice_is_no_more_certain():
    a, c = crossed(0, 3, 30), crossed(1, 3, 30, 3.0)
    assert same(pooled_ratio([a, a], [c, c]), ratio_interval(a, c))


def test_independent_blocks_narrow_it():
    cells = [crossed(k, 5, 60 + k) for k in range(4)]
    one, four = mean_interval(cells[0]), pooled_mean(cells)
    assert isinstance(one, Interval)
    assert isinstance(four, Interval)
    assert (four.high - four.low) < 0.75 * (one.high - one.low)


# --- how large a test must be -------------------------------------------------------------------------------------------------------


def test_detectable_is_seen_four_times_in_five():
    rng = np.random.default_rng(0)
    s, n, reps = 5, 80, 600

    def draw():
        return 0.1 * rng.normal(size=(s, 1)) + rng.normal(size=(1, n)) + 0.5 * rng.normal(size=(s, n))

    size = np.mean([detectable(draw()) for _ in range(50)])
    seen = np.mean([mean_interval(draw() + size).low > 0 for _ in range(reps)])
    assert seen == pytest.approx(0.8, abs=0.06)


def test_rows_needed_make_the_gain_detectable():
    x = crossed(0, 1, 200)
    needed = rows_needed(x, 0.1)
    expected = (1.959964 + 0.841621) ** 2 * x.var(ddof=1) / 0.01
    assert needed == pytest.approx(expected, rel=0.01)
    assert rows_needed(x, -0.1) == needed
    assert rows_needed(x, 0.05) > 3.9 * needed
    here = detectable(x)
    assert rows_needed(x, here) == pytest.approx(200, abs=1)


def test_rows_alone_may_never_do():
    x = crossed(0, 3, 60) + np.array([[-1.0], [0.0], [1.0]])
    assert rows_needed(x, 0.05) == math.inf
    assert rows_needed(x, 0.0) == math.inf
    assert rows_needed(x, 50.0) < 60


def test_rows_to_label_by_hand():
    factor = (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) ** 2
    assert rows_to_label(0.05, 0.3) == math.ceil(factor * (0.3 - 0.0025) / 0.0025)
    assert rows_to_label(0.05, 0.04) is None
    assert rows_to_label(0.05, 0.05) < rows_to_label(0.05, 0.2)


def test_a_large_table_is_quick():
    import time

    x = np.random.default_rng(0).random((5, 200_000))
    started = time.process_time()
    mean_interval(x)
    ratio_interval(x, x + 1 + 0.1 * x**2)
    assert time.process_time() - started < 2

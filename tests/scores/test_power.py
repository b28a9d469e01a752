"""How many rows show a gain: the exact chance against draws, and the advice against the interval that judges."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outgrow.errors import InputError
from outgrow.scores.intervals import Interval, mean_interval, rows_to_label
from outgrow.scores.power import chance_to_see, rows_to_see, share_apart


def seen(rows: int, gain: float, apart: float, draws: int, seed: int = 0) -> float:
    """Share of simulated tests whose interval lies above 0."""
    rng = np.random.default_rng(seed)
    chances = [(apart + gain) / 2, (apart - gain) / 2, 1 - apart]
    hits = 0
    for _ in range(draws):
        found = mean_interval(rng.choice([1.0, -1.0, 0.0], p=chances, size=rows))
        hits += isinstance(found, Interval) and found.low > 0
    return hits / draws


@pytest.mark.parametrize("apart", [0.1, 0.2, 0.3])
@pytest.mark.parametrize("gain", [0.03, 0.05])
def test_the_advice_has_the_power_it_promises(apart: float, gain: float) -> None:
    """Simulated power at the advised number is .75 to .85; 600 tests know it to .03."""
    rows = rows_to_see(gain, apart)
    assert rows is not None
    assert 0.75 < seen(rows, gain, apart, 600) < 0.85


@pytest.mark.parametrize(("differ", "one_right"), [(0.1, 1.0), (0.2, 0.8), (0.3, 0.6)])
def test_so_has_the_advice_after_a_pilot(differ: float, one_right: float) -> None:
    """Of several classes both may be wrong where they differ: a pilot of 100 rows lowers the number, and the power holds."""
    gain, draws, hits, numbers = 0.05, 400, 0, []
    advice = cache(rows_to_see)
    rng = np.random.default_rng(1)
    apart = differ * one_right
    chances = [(apart + gain) / 2, (apart - gain) / 2, differ - apart, 1 - differ]
    for _ in range(draws):
        first = rng.choice(4, p=chances, size=100)
        rows = advice(gain, share_apart(differ, int((first < 3).sum()), int((first < 2).sum())))
        assert rows is not None
        numbers.append(rows)
        every = np.concatenate([first, rng.choice(4, p=chances, size=max(0, rows - 100))])
        found = mean_interval(np.array([1.0, -1.0, 0.0, 0.0])[every])
        hits += isinstance(found, Interval) and found.low > 0
    assert 0.75 < hits / draws < 0.85
    before = rows_to_see(gain, differ)
    assert before is not None
    assert np.mean(numbers) < before if one_right < 1 else set(numbers) == {before}


@pytest.mark.parametrize(("rows", "gain", "apart"), [(40, 0.1, 0.3), (12, 0.4, 0.5), (300, 0.0, 0.2), (8, 0.9, 1.0)])
def test_the_chance_is_exact(rows: int, gain: float, apart: float) -> None:
    """Also for few rows, where a normal approximation is not."""
    expected = chance_to_see(rows, gain, apart)
    draws = 2000
    error = (expected * (1 - expected) / draws) ** 0.5
    assert abs(seen(rows, gain, apart, draws) - expected) < 4 * error + 1e-3


@settings(max_examples=40)
@given(st.floats(0.01, 0.2), st.floats(0.05, 0.9))
def test_the_number_is_the_fewest_and_near_the_approximation(gain: float, apart: float) -> None:
    rows = rows_to_see(gain, apart)
    if apart < gain:
        assert rows is None
        return
    assert rows is not None
    assert chance_to_see(rows, gain, apart) >= 0.8
    assert rows <= 4 or chance_to_see(rows - 1, gain, apart) < 0.8
    near = rows_to_label(gain, apart)
    assert near is not None
    assert abs(rows - near) <= 20 + 0.15 * near


def test_a_pilot_moves_the_share_from_its_bound_to_what_was_seen() -> None:
    assert share_apart(0.2) == 0.2
    assert share_apart(0.2, 30, 30) == 0.2
    assert share_apart(0.2, 99, 49) == pytest.approx(0.1)


@pytest.mark.parametrize(("rows", "gain", "apart"), [(1, 0.1, 0.2), (10, 0.3, 0.2), (10, 0.0, 0.0), (10, 0.1, 1.1)])
def test_what_cannot_be_is_refused(rows: int, gain: float, apart: float) -> None:
    with pytest.raises(InputError, match="cannot be"):
        chance_to_see(rows, gain, apart)

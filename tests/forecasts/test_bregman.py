from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgrow.errors import InputError
from outgrow.forecasts.bregman import GENERATORS, bregman, bregman_slack
from outgrow.forecasts.kl_misfit import kl
from outgrow.forecasts.misfit import squared_misfit
from outgrow.worlds.mulgund import hull_student, hull_world


@given(st.integers(0, 1000), st.sampled_from(sorted(GENERATORS)))
def test_divergences_are_not_negative_and_nothing_at_home(seed: int, name: str) -> None:
    random = np.random.default_rng(seed)
    p, q = random.dirichlet(np.ones(4), size=(2, 5)).clip(1e-6)
    assert (bregman(p, q, name) >= -1e-9).all()
    np.testing.assert_allclose(bregman(p, p, name), 0, atol=1e-9)
    step = 1e-6 * random.normal(size=q.shape) * q
    slope = (GENERATORS[name].value(q + step) - GENERATORS[name].value(q - step)) / 2
    np.testing.assert_allclose(slope, (GENERATORS[name].gradient(q) * step).sum(1), rtol=1e-3, atol=1e-11)


def test_both_misfits_are_cases() -> None:
    random = np.random.default_rng(0)
    p, q = random.dirichlet(np.ones(3), size=(2, 50))
    assert bregman(p, q, "squared").mean() == pytest.approx(squared_misfit(p, q))
    assert bregman(p, q).mean() == pytest.approx(kl(p, q), abs=1e-4)


def test_slack_over_a_hull() -> None:
    world = hull_world(3)
    assert bregman_slack(world.truth, world.weak, hull_student(world)) > -1e-6
    assert bregman_slack(world.truth, world.weak, hull_student(world, "forward")) < -1e-4


def test_bad_tables() -> None:
    with pytest.raises(InputError, match="one shape"):
        bregman([[1.0, 0.0]], [[1.0]])
    with pytest.raises(InputError, match="no divergence 'kll'"):
        bregman([[0.5, 0.5]], [[0.5, 0.5]], "kll")
    with pytest.raises(InputError, match="floor"):
        bregman([[0.5, 0.5]], [[1.0, 0.0]])

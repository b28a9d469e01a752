from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from outgrow.errors import InputError
from outgrow.worlds.debate import DebateWorld, arguments, consultations, debate_world, figures

SMALL: dict[str, Any] = {"teach": 300, "transfer": 800, "test": 500}


@pytest.fixture(scope="module")
def world() -> DebateWorld:
    return debate_world(7, **SMALL)


def test_a_world(world: DebateWorld) -> None:
    assert world.weak.shape == (1600, 8)
    assert world.strong.shape == (1600, 24)
    assert 0.4 < world.truth.mean() < 0.6
    assert sorted(np.r_[world.teach, world.transfer, world.test].tolist()) == list(range(1600))
    again = debate_world(7, **SMALL)
    assert np.array_equal(world.strong, again.strong)
    assert not np.array_equal(world.strong, debate_world(8, **SMALL).strong)
    with pytest.raises(InputError, match="share in"):
        debate_world(0, share=1.5)


def test_truth_cannot_reach_an_argument(world: DebateWorld) -> None:
    turned = replace(world, truth=1 - world.truth)
    assert np.array_equal(arguments(world.strong, 2, 1.0, 3), arguments(turned.strong, 2, 1.0, 3))


def test_arguments_without_a_margin_are_noise(world: DebateWorld) -> None:
    nothing = arguments(world.strong, 2, 0.0, 3)
    assert nothing.shape == (2, 1600, 2, 4)
    assert np.array_equal(nothing, arguments(np.random.default_rng(0).normal(size=(1600, 24)), 2, 0.0, 3))
    assert abs(nothing.mean()) < 0.02
    assert nothing.std() == pytest.approx(1.0, abs=0.02)


def test_each_side_shows_what_speaks_for_it(world: DebateWorld) -> None:
    said = arguments(world.strong, 1, 2.0, 3, noise=0.0)[0]
    assert (said >= 0).all()
    assert (said.min(axis=1) == 0).all()
    spread = (said[:, 1] - said[:, 0]).std(axis=0)
    np.testing.assert_allclose(spread, 2.0, rtol=1e-3)


def test_the_truthful_side_has_more_to_show(world: DebateWorld) -> None:
    from outgrow.worlds.debate import judged

    bare = arguments(world.strong, 1, 1.0, 3, noise=0.0)[0].reshape(1600, -1)
    named = judged(world, bare)[world.transfer] > 0.5
    assert (named == world.truth[world.transfer]).mean() > 0.7


def test_a_consultant_speaks_for_one_side(world: DebateWorld) -> None:
    heard = arguments(world.strong, 3, 1.0, 3)
    kept = consultations(heard, 5)
    side = kept[..., -1].astype(int)
    assert 0.4 < side.mean() < 0.6
    assert not np.array_equal(side[0], side[1])
    for one in (0, 1):
        own = kept[side == one][:, :-1].reshape(-1, 2, 4)
        assert np.array_equal(own[:, one], heard[side == one][:, one])
        assert not own[:, 1 - one].any()
    twice = consultations(heard, 5, again=-heard)
    assert not twice[..., :-1].any()


def test_informative_debates_help_and_empty_ones_do_not(world: DebateWorld) -> None:
    full = figures(world, 1.5, 1, taken=(1, 4))
    empty = figures(world, 0.0, 1, taken=(1, 4), students=False)
    assert full["alone"] == empty["alone"]
    assert full["debate 4"] > full["alone"] + 0.03
    assert full["debate 4"] > full["debate 1"]
    assert full["student of debate"] > full["student of alone"]
    assert abs(empty["debate 4"] - empty["alone"]) < 0.03
    assert "ceiling" not in empty
    assert figures(world, 0.0, 1, taken=(1, 4), students=False) == empty


def test_judges_learn_from_teach_rows_only(world: DebateWorld) -> None:
    from outgrow.worlds.debate import judged

    truth = world.truth.copy()
    others = np.r_[world.transfer, world.test]
    truth[others] = np.random.default_rng(0).permutation(truth[others])
    assert np.array_equal(judged(world, world.weak), judged(replace(world, truth=truth), world.weak))

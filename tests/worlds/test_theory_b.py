"""Worlds of Xue, Lang, Shin and Yang: shapes, seeds and the known answers."""

from __future__ import annotations

import numpy as np
import pytest

from outgrow.errors import InputError
from outgrow.worlds.lang import lang_world, two_words, without
from outgrow.worlds.shin import ShinWorld
from outgrow.worlds.xue import ridge_values, xue_world
from outgrow.worlds.yang import deception, preferences, yang_world


def test_xue_latents_follow_a_power_law() -> None:
    world = xue_world(0, supervisors=5, n=2000)
    assert world.strong.shape == (3, 2000, 60)
    spread = world.strong[1].var(axis=0)
    np.testing.assert_allclose(spread, np.arange(1, 61) ** -0.8 + 0.05**2, rtol=0.15)
    assert all(5 <= v.shape[2] <= 50 for v in world.weak)
    again = xue_world(0, supervisors=5, n=2000)
    assert np.array_equal(world.truth, again.truth)
    assert not np.array_equal(world.truth, xue_world(1, supervisors=5, n=2000).truth)
    with pytest.raises(InputError, match="beta above 0"):
        xue_world(0, beta=0.0)


def test_xue_errors_obey_the_triangle() -> None:
    world = xue_world(3, supervisors=8, n=200)
    for j in range(8):
        o = world.outcome(j)
        assert np.sqrt(o["student"]) <= np.sqrt(o["gap"]) + np.sqrt(o["ceiling"]) + 1e-12
        assert o["ceiling"] < o["supervisor"]


def test_ridge_values_solve_the_normal_equations() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(50, 4)), random.normal(size=50)
    fit = ridge_values(x, y, np.eye(4), 0.3)
    np.testing.assert_allclose(x.T @ (x @ fit - y) / 50 + 0.3 * fit, 0, atol=1e-12)


def test_lang_views_share_the_class_alone() -> None:
    world = lang_world(0, n=30_000, alpha=(0.1, 0.3))
    spoken = world.named >= 0
    assert spoken.mean() == pytest.approx(0.2, abs=0.01)
    for i, alpha in enumerate((0.1, 0.3)):
        mine = spoken & (world.truth == i)
        wrong = world.named[mine] != i
        assert wrong.mean() == pytest.approx(alpha, abs=0.02)
        # Given the class, rows named rightly and wrongly look alike.
        assert np.abs(world.view[mine][wrong].mean(axis=0) - world.view[mine][~wrong].mean(axis=0)).max() < 0.15
    with pytest.raises(InputError, match="errors below 1/2"):
        lang_world(0, alpha=(0.2, 0.5))


def test_two_words() -> None:
    rule = two_words("bad", "fun")
    assert [rule(t) for t in ("Bad, bad, fun.", "FUN!", "bad fun", "funny badly", "")] == [0, 1, -1, -1, -1]
    assert without("Too bad, not FUN at all", "bad", "fun").split() == ["Too", ",", "not", "at", "all"]


def test_shin_rows_hold_what_the_dial_says() -> None:
    world = ShinWorld(4)
    rows = world.draw(4000, 0.4, easy=0.25, stream=2)
    assert np.bincount(rows.kind).tolist() == [600, 1800, 1600]
    side = 2 * rows.truth - 1
    for columns, kinds in ((rows.weak, (0, 2)), (rows.x[:, :10], (0, 2)), (rows.x[:, 10:], (1, 2))):
        held = np.isin(rows.kind, kinds)
        along = (columns[held] * side[held, None]).mean(axis=0)
        assert np.linalg.norm(along) == pytest.approx(2.5, abs=0.15)
        assert np.linalg.norm((columns[~held] * side[~held, None]).mean(axis=0)) < 0.2
    assert np.array_equal(rows.x, world.draw(4000, 0.4, easy=0.25, stream=2).x)
    assert not np.array_equal(rows.x, world.draw(4000, 0.4, easy=0.25, stream=3).x)
    with pytest.raises(InputError, match="shares from 0 to 1"):
        world.draw(10, 1.2)


def test_yang_pairs_are_in_order() -> None:
    world = yang_world(0, n=800, tests=500)
    assert world.teach.shape == (800, 60)
    assert world.test.shape == (500, 60)
    found = deception(world, 60, "explicit")
    assert found["ceiling"] > 0.9
    assert 0.65 < found["weak"] < 0.85
    # A student of soft labels that sees all its supervisor sees copies it.
    assert found["clean"] == pytest.approx(found["weak"], abs=0.01)
    assert found["conflicted"] < found["clean"]
    with pytest.raises(InputError, match="implicit or explicit"):
        deception(world, 60, "both")


def test_yang_without_conflict_takes_no_tax() -> None:
    world = yang_world(1, n=400)
    belief = np.full(400, 0.8)
    assert np.array_equal(preferences(world.transfer, belief), preferences(world.transfer, belief, against=0.0))
    few = yang_world(1, n=400, tests=30)
    assert np.isnan(deception(few, 60, "explicit")["deception"])

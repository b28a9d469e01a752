from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outgrow.errors import InputError, NeedsError
from outgrow.forecasts import Overlap
from outgrow.forecasts.forecast import RANK
from outgrow.forecasts.overlap import change_point, overlap_density
from outgrow.forecasts.sources import choose_sources
from outgrow.learners.linear import LinearHead
from outgrow.methods import Naive
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.rows import Rows
from outgrow.worlds.shin import ShinWorld


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.lists(st.floats(-100, 100), min_size=2, max_size=30).filter(lambda v: max(v) - min(v) > 1e-3))
def test_the_change_point_is_the_best_split(values: list[float]) -> None:
    v = np.sort(values)
    errors = [((v[:k] - v[:k].mean()) ** 2).sum() + ((v[k:] - v[k:].mean()) ** 2).sum() for k in range(1, len(v))]
    cut, found = change_point(values)
    assert found
    split = int((v <= cut).sum())
    assert errors[max(split, 1) - 1] == pytest.approx(min(errors), rel=1e-6, abs=1e-6)


def test_no_change_gives_the_median() -> None:
    assert change_point([2.0, 2.0, 2.0]) == (2.0, False)
    with pytest.raises(InputError, match="finite"):
        change_point([1.0, np.nan])


def test_the_detector_finds_rows_that_share_a_pattern() -> None:
    world = ShinWorld(0)
    rows = world.draw(800, 0.4, stream=5)
    # A supervisor that knows: sure where it sees the easy pattern.
    p = np.where(rows.kind == 1, 0.5, np.where(rows.truth == 1, 0.95, 0.05)) + 0.01 * np.random.default_rng(0).random(
        800
    )
    found = overlap_density(p, rows.x)
    assert np.array_equal(found.hard, rows.kind == 1)
    assert (found.hard.astype(int) + found.overlap + found.easy == 1).all()
    # Most of what it calls overlap is, and less of what it calls easy.
    assert (rows.kind[found.overlap] == 2).mean() > (rows.kind[found.easy] == 2).mean() + 0.2
    assert not found.guessed


def test_more_overlap_is_more_density() -> None:
    world = ShinWorld(1)
    teach = world.draw(500, 0.3, stream=1)
    head = LinearHead(penalty=0.01).fit(teach.weak, np.eye(2)[teach.truth])
    found = []
    for share in (0.1, 0.9):
        rows = world.draw(800, share, stream=2)
        found.append(overlap_density(head.predict_proba(rows.weak), rows.x).density)
    assert found[1] > found[0] + 0.05


def test_bad_input() -> None:
    x = np.random.default_rng(0).normal(size=(60, 3))
    with pytest.raises(InputError, match="60 rows and the view 59"):
        overlap_density(np.full(60, 0.5), x[1:])
    with pytest.raises(InputError, match="at least 50"):
        overlap_density(np.linspace(0, 1, 40), x[:40])
    with pytest.raises(InputError, match="equally sure"):
        overlap_density(np.full(60, 0.7), x)
    with pytest.raises(InputError, match="without direction"):
        overlap_density(np.linspace(0, 1, 60), np.zeros((60, 3)))


def test_the_forecast() -> None:
    world = ShinWorld(2)
    draw = world.draw(300, 0.4)
    p = np.clip(0.5 + 0.15 * draw.weak[:, 0], 0.05, 0.95)
    rows = Rows.from_arrays(strong=draw.x)
    weak = WeakLabels.from_probs(np.column_stack([1 - p, p]), ["a", "b"])
    student = Naive(LinearHead(on="strong", penalty=0.1)).fit(rows, weak)
    (found,) = Overlap().predict(student, rows, weak)
    assert (found.unit, found.n) == (RANK, 300)
    assert found.value == overlap_density(np.column_stack([1 - p, p]), draw.x).density
    hard = WeakLabels.from_probs((weak.probs[:, 0] > 0.5).astype(float), ["a", "b"])
    assert Overlap().predict(student, rows, hard) == []
    with pytest.raises(NeedsError, match="at least 50"):
        Overlap().predict(student, rows[:30], weak[:30])
    flat = WeakLabels.from_probs(np.tile([0.3, 0.7], (300, 1)), ["a", "b"])
    with pytest.raises(NeedsError, match="equally sure"):
        Overlap().predict(student, rows, flat)


def test_upper_bounds_find_the_better_source() -> None:
    random = np.random.default_rng(0)
    means = (0.3, 0.7, 0.5)
    choice = choose_sources(lambda s, at: float(np.clip(means[s] + 0.1 * random.normal(), 0, 1)), 3, 400)
    assert choice.best == 1
    count = np.bincount(choice.chosen, minlength=3)
    assert count.min() >= 1
    assert count[1] > 0.6 * 400
    assert choice.chosen[:3].tolist() == [0, 1, 2]
    # With the bonus divided by the count it stops exploring sooner.
    fixed = choose_sources(lambda s, at: means[s], 3, 400, paper=True)
    assert (fixed.chosen == 1).mean() > 0.9
    with pytest.raises(InputError, match="a round for each"):
        choose_sources(lambda s, at: 0.5, 3, 2)
    with pytest.raises(InputError, match="a share from 0 to 1"):
        choose_sources(lambda s, at: 2.0, 2, 4)

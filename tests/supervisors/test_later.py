"""A probe that labels its own teach rows when asked for them is the probe of a study."""

from __future__ import annotations

import numpy as np
import pytest

from outgrow.learners.linear import LinearHead
from outgrow.supervisors.later import LaterFolds
from outgrow.supervisors.probe import ProbeSupervisor
from outgrow.tasks.rows import Rows


@pytest.mark.parametrize("penalty", ["cv", 0.1])
def test_labels_are_those_of_a_probe(penalty: float | str) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 200)
    rows = Rows.from_arrays(f=rng.normal(size=(200, 4)) + y[:, None])
    teach, told = rows[:80], np.array(["a", "b", "c"])[y[:80]]
    made = {k: k(on="f", learner=LinearHead(on="f", penalty=penalty), folds=2) for k in (ProbeSupervisor, LaterFolds)}
    usual, later = (made[k].fit(teach, told) for k in made)
    first, all_of_them = later.label(rows), usual.label(rows)
    assert not first.covered[:80].any()
    assert first.covered[80:].all()
    assert np.array_equal(first.probs[80:], all_of_them.probs[80:])
    asked = later.on_all(rows)
    assert np.array_equal(asked.probs, all_of_them.probs)
    assert np.array_equal(asked.covered, all_of_them.covered)

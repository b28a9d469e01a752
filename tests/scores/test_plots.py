"""Pictures for notebooks: what is drawn is what was measured."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib
import numpy as np
import pytest

from outgrow.errors import InputError
from outgrow.scores.intervals import Interval
from outgrow.scores.leaderboard import leaderboard
from outgrow.scores.plots import plot_intervals, plot_roles

from .test_leaderboard import TRUTH, board, cell, scores


@pytest.fixture(autouse=True)
def _no_window() -> Iterator[None]:
    import matplotlib.pyplot as plt

    matplotlib.use("Agg")
    yield
    plt.close("all")


def test_roles_are_drawn_where_their_means_are():
    cells = [cell("t", "w", "good", scores(0.8)), cell("t", "w", "bad", scores(0.7), ceiling=None)]
    ax = plot_roles(cells, ["good", "b" * 100])
    drawn = {c.get_label(): c for c in ax.containers}
    assert set(drawn) == {"floor", "student", "ceiling"}
    assert drawn["student"][0].get_xdata() == pytest.approx([c.value("student") for c in cells])
    assert len(drawn["ceiling"][0].get_xdata()) == 1
    found = cells[0].shown("student")
    assert isinstance(found, Interval)
    bar = drawn["student"][2][0].get_segments()[0]
    assert [bar[0][0], bar[1][0]] == pytest.approx([found.low, found.high])
    names = [t.get_text() for t in ax.get_yticklabels()]
    assert names[0] == "good"
    assert len(names[1]) == 60
    assert names[1].endswith("…")
    assert ax.get_xlabel() == "accuracy"
    low, high = ax.get_ylim()
    assert low > high, "the first line stands at the top"


def test_a_cell_without_an_interval_is_a_point():
    one = cell("t", "w", "good", scores(0.8, shape=(1, 1)))
    drawn = {c.get_label(): c for c in plot_roles([one], ["good"]).containers}
    bar = drawn["student"][2][0].get_segments()[0]
    assert bar[0][0] == bar[1][0] == pytest.approx(one.value("student"))


def test_intervals_and_hollow_points():
    ax = plot_intervals(["a", "b"], [0.1, -0.2], [(0.0, 0.3), None], label="gain", hollow=[False, True])
    first, second = ax.containers
    assert np.asarray(first[2][0].get_segments()[0])[:, 0] == pytest.approx([0.0, 0.3])
    assert not second[2]
    assert second[0].get_markerfacecolor() == "none"
    assert first[0].get_markerfacecolor() != "none"


def test_axes_that_are_given_are_drawn_on():
    import matplotlib.pyplot as plt

    _, mine = plt.subplots()
    assert plot_intervals(["a"], [0.1], [None], label="gain", ax=mine) is mine


def test_a_leaderboard_draws_one_block_best_first():
    found = board(
        cell("t", "w", "naive", scores(0.7)),
        cell("t", "w", "bad", scores(0.6, 1)),
        cell("t", "w", "good", scores(0.8, 2)),
        cell("t", "w", "paid", scores(0.85, 3), spent=10),
    )
    ax = found.plot()
    names = [t.get_text() for t in ax.get_yticklabels()]
    assert names.index("good") < names.index("bad")
    assert "paid" not in names
    line = found.methods.set_index("method").loc["good"]
    drawn = ax.containers[names.index("good")]
    assert drawn[0].get_xdata() == pytest.approx([line["minus_naive"]])
    assert [t.get_text() for t in found.plot("budget").get_yticklabels()] == ["paid"]
    with pytest.raises(InputError, match="block 'teach'"):
        found.plot("teach")
    with pytest.raises(InputError, match="no method"):
        leaderboard({}, TRUTH).plot()

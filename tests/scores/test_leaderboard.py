"""The leaderboard: what is paired with what, wins and losses, Holm, costs, and the coverage of the pooled differences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from outgrow.errors import InputError
from outgrow.scores.evaluation import Cell, Evaluation
from outgrow.scores.intervals import Interval, paired_interval, pooled_mean, pooled_p, pooled_ratio
from outgrow.scores.leaderboard import Leaderboard, holm, leaderboard

TRUTH = {"naive": "none", "good": "none", "bad": "none", "same": "none", "paid": "budget"}


def cell(
    task: str,
    supervisor: str,
    method: str,
    student: np.ndarray,
    *,
    floor: float = 0.6,
    ceiling: float | None = 0.9,
    direct: float | None = None,
    seeds: Sequence[int] | None = None,
    spent: int = 0,
    metric: str = "accuracy",
) -> Cell:
    """A cell with scores (seeds, rows) of the student, and level scores with a little noise of the others."""
    roles = {"floor": floor, "ceiling": ceiling, "direct": direct}
    noise = {role: np.random.default_rng(k).normal(0, 0.02, size=student.shape) for k, role in enumerate(roles)}
    made = []
    for k, seed in enumerate(range(len(student)) if seeds is None else seeds):
        score = {role: value + noise[role][k] for role, value in roles.items() if value is not None}
        names = {"task": task, "supervisor": supervisor, "student": "s", "method": method}
        made.append(
            Evaluation(
                np.arange(student.shape[1]),
                {**score, "student": student[k]},
                seed=seed,
                cell=names,
                spent=spent,
                metric=metric,
            )
        )
    return Cell(made)


def scores(mean: float, seed: int = 0, shape: tuple[int, int] = (4, 50)) -> np.ndarray:
    return mean + np.random.default_rng(seed).normal(0, 0.05, size=shape)


def board(*cells: Cell, **options: object) -> Leaderboard:
    studies: dict[str, list[Cell]] = {}
    for one in cells:
        studies.setdefault(one.evaluations[0].cell["task"], []).append(one)
    return leaderboard(studies, TRUTH, **options)  # type: ignore[arg-type]


def test_differences_are_pooled_over_cells_and_paired() -> None:
    n1, n2, g1, g2 = scores(0.7, 1), scores(0.72, 2), scores(0.75, 3), scores(0.74, 4)
    found = board(
        cell("a", "p", "naive", n1), cell("a", "q", "naive", n2), cell("a", "p", "good", g1), cell("a", "q", "good", g2)
    )
    line = found.methods.set_index("method").loc["good"]
    expected = pooled_mean([g1 - n1, g2 - n2], ["a", "a"])
    assert isinstance(expected, Interval)
    assert line["minus_naive"] == pytest.approx(expected.mean)
    assert (line["minus_naive_low"], line["minus_naive_high"]) == pytest.approx((expected.low, expected.high))
    gaps = [c.rows("ceiling") - c.rows("floor") for c in (cell("a", "p", "naive", n1), cell("a", "q", "naive", n2))]
    ratio = pooled_ratio([g1 - n1, g2 - n2], gaps, ["a", "a"])
    assert isinstance(ratio, Interval)
    assert (line["pgr_minus_naive"], line["pgr_minus_naive_low"]) == pytest.approx((ratio.mean, ratio.low))
    assert line["gain"] == pytest.approx(found.methods.set_index("method").loc["naive", "gain"] + expected.mean)
    assert (line["cells"], line["tasks"], line["pgr_cells"]) == (2, 1, 2)


def test_naive_is_taken_on_the_cells_and_seeds_that_both_have() -> None:
    n1, g1 = scores(0.7, 1), scores(0.75, 3, (2, 50))
    found = board(
        cell("a", "p", "naive", n1), cell("b", "p", "naive", scores(0.1, 2)), cell("a", "p", "good", g1, seeds=[3, 1])
    )
    line = found.methods.set_index("method").loc["good"]
    # Cells hold their seeds in order.
    expected = paired_interval(g1[[1, 0]], n1[[1, 3]])
    assert line["minus_naive"] == pytest.approx(expected.value)
    assert (line["cells"], line["tasks"]) == (1, 1)
    assert found.cells.set_index("method").loc["good", "seeds"] == 2


def test_cells_without_a_defined_gap_count_for_the_gain_only() -> None:
    found = board(
        cell("a", "p", "naive", scores(0.7, 1)),
        cell("a", "p", "good", scores(0.8, 2)),
        cell("b", "p", "naive", scores(0.7, 3), ceiling=0.5),
        cell("b", "p", "good", scores(0.7, 4), ceiling=0.5),
        cell("c", "p", "naive", scores(0.7, 5), ceiling=None),
        cell("c", "p", "good", scores(0.7, 6), ceiling=None),
    )
    line = found.methods.set_index("method").loc["good"]
    assert (line["cells"], line["pgr_cells"]) == (3, 1)
    assert line["pgr_minus_naive"] == pytest.approx((scores(0.8, 2) - scores(0.7, 1)).mean() / 0.3, rel=0.05)


def test_blocks_wins_and_rivals() -> None:
    base = scores(0.7, 1)
    found = board(
        cell("a", "p", "naive", base, direct=0.8),
        cell("a", "p", "good", base + 0.05 + scores(0, 2) / 10, direct=0.8),
        cell("a", "p", "bad", base - 0.05 + scores(0, 3) / 10, direct=0.8),
        cell("a", "p", "same", base, direct=0.8),
        cell("a", "p", "paid", base + 0.08 + scores(0, 4) / 10, direct=0.8, spent=20),
        cell("b", "p", "naive", base),
        cell("b", "p", "paid", base + scores(0, 5), spent=0),
    )
    table = found.methods.set_index(["truth", "method"])
    record = {key: tuple(table.loc[key, ["wins", "ties", "losses"]]) for key in table.index if key[1] != "naive"}
    assert record["none", "good"] == (1, 0, 0)
    assert record["none", "bad"] == (0, 0, 1)
    assert record["none", "same"] == (0, 1, 0)
    # What spent nothing in a cell is judged with those that never do.
    assert record["budget", "paid"] == (1, 0, 0)
    assert ("none", "paid") in table.index
    assert record["rivals", "direct"] == (1, 0, 0)
    assert table.loc[("rivals", "direct"), "minus_naive"] == pytest.approx(0.8 - 0.7, abs=0.02)
    assert table.loc[("none", "good"), "minus_direct"] == pytest.approx(0.75 - 0.8, abs=0.02)
    assert np.isnan(table.loc[("none", "same"), "p"])
    assert list(dict.fromkeys(found.methods["truth"])) == ["none", "budget", "rivals"]
    assert (
        found.methods["minus_naive"]
        .dropna()
        .groupby(found.methods["truth"])
        .apply(lambda v: v.is_monotonic_decreasing)
        .all()
    )


def test_holm_steps_down() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


def test_the_p_value_is_the_level_that_touches_zero() -> None:
    table = scores(0.02, 7)
    p = pooled_p([table])
    assert p is not None
    touching = pooled_mean([table], level=1 - p)
    assert isinstance(touching, Interval)
    assert touching.low == pytest.approx(0, abs=1e-6)
    assert pooled_p([np.zeros((3, 4))]) is None
    assert pooled_p([table + 5]) == pytest.approx(1e-9, rel=0.01)


def test_units_are_not_mixed_and_shares_of_right_answers_are_one() -> None:
    cells = [
        cell(task, "p", method, scores(mean, k), metric=metric)
        for k, (task, metric) in enumerate((("a", "accuracy"), ("b", "balanced_accuracy"), ("c", "mse")))
        for method, mean in (("naive", 0.7), ("good", 0.8))
    ]
    table = board(*cells).methods.set_index(["unit", "method"])
    assert table.loc[("accuracy", "good"), "cells"] == 2
    assert table.loc[("mse", "good"), "cells"] == 1


def test_costs_are_beside_naives() -> None:
    a, b = scores(0.7, 1), scores(0.75, 2)
    cells = [cell(t, "p", m, x) for t in ("a", "b") for m, x in (("naive", a), ("good", b))]
    seconds = {("a", "p", "s", "naive"): 1.0, ("a", "p", "s", "good"): 3.0, ("b", "p", "s", "naive"): 2.0}
    seconds["b", "p", "s", "good"] = 3.0
    assert board(*cells, seconds=seconds).methods.set_index("method")["cost"].to_dict() == {"good": 2.0, "naive": 1.0}
    assert board(*cells).methods.set_index("method")["cost"].isna()["good"]


def test_nothing_to_compare() -> None:
    found = board(cell("a", "p", "good", scores(0.7)))
    assert not len(found.methods)
    assert not len(found.cells)
    with pytest.raises(InputError, match="how much truth the method 'odd' reads"):
        board(cell("a", "p", "odd", scores(0.7)))


def test_the_pooled_intervals_cover() -> None:
    """Two tasks, three cells each that share test rows and seeds: coverage of the pooled difference and of the pooled PGR difference."""
    held, held_pgr = [], []
    for k in range(120):
        random = np.random.default_rng(k)
        differences, gaps, blocks = [], [], []
        for task, n in (("a", 120), ("b", 80)):
            row, seed = random.normal(0, 0.3, (1, n)), random.normal(0, 0.03, (5, 1))
            for _ in range(3):
                own = random.normal(0, 0.3, (5, n)) + random.normal(0, 0.02, (5, 1)) + random.normal(0, 0.2, (1, n))
                differences.append(0.03 + row + seed + own)
                gaps.append(0.2 + 0.5 * row + random.normal(0, 0.3, (5, n)))
                blocks.append(task)
        mean, ratio = pooled_mean(differences, blocks), pooled_ratio(differences, gaps, blocks)
        assert isinstance(mean, Interval)
        held.append(mean.low <= 0.03 <= mean.high)
        if isinstance(ratio, Interval):
            held_pgr.append(ratio.low <= 0.03 / 0.2 <= ratio.high)
    assert 0.90 <= np.mean(held) <= 0.99
    assert len(held_pgr) >= 110
    assert 0.90 <= np.mean(held_pgr) <= 0.99

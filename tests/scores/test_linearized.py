"""Rows that stand for AUROC, average precision, macro-F1 and ECE."""

from __future__ import annotations

import numpy as np
import pytest

from outgrow.scores import metrics
from outgrow.scores.linearized import linearized


def example(seed: int, n: int, c: int = 2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.choice(c, n, p=np.array([0.5, 0.3, 0.2])[:c] / np.array([0.5, 0.3, 0.2])[:c].sum())
    logits = rng.normal(size=(n, c)) + 1.2 * np.eye(c)[truth]
    outputs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return np.round(outputs / outputs.sum(1, keepdims=True), 2 if seed % 2 else 12), truth


@pytest.mark.parametrize("metric", metrics.metrics_for("classes"))
@pytest.mark.parametrize("c", [2, 3])
@pytest.mark.parametrize("seed", [0, 1])
def test_their_mean_is_the_metric(metric, c, seed):
    outputs, truth = example(seed, 200, c)
    rows = linearized(metric, outputs, truth)
    assert rows.shape == (200,)
    assert metrics.shown(metric, rows.mean()) == pytest.approx(metrics.measure(metric, outputs, truth))


@pytest.mark.parametrize("c", [2, 3])
@pytest.mark.parametrize("metric", ["auroc", "average_precision", "macro_f1"])
def test_their_spread_is_the_standard_error(metric, c):
    values, errors = [], []
    for seed in range(200):
        outputs, truth = example(2 * seed, 250, c)
        rows = linearized(metric, outputs, truth)
        values.append(rows.mean())
        errors.append(rows.std(ddof=1) / np.sqrt(250))
    # A standard deviation out of 200 draws is known to 5 %; three of those.
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.15)


@pytest.mark.parametrize("metric", ["auroc", "average_precision", "macro_f1"])
def test_each_row_is_the_first_order_influence(metric):
    outputs, truth = example(0, 80)
    rows, value = linearized(metric, outputs, truth), metrics.measure(metric, outputs, truth)
    many = 60
    for i in (0, 7, 31):
        repeated = np.repeat(np.arange(80), np.where(np.arange(80) == i, many + 1, many))
        moved = metrics.measure(metric, outputs[repeated], truth[repeated]) - value
        assert moved * (80 * many + 1) == pytest.approx(rows[i] - value, rel=0.03, abs=0.02)


def test_auroc_spread_is_that_of_delong():
    outputs, truth = example(0, 150)
    score, yes = outputs[:, 1], truth == 1
    wins = (score[yes][:, None] > score[~yes]) + 0.5 * (score[yes][:, None] == score[~yes])
    own = wins.mean(1).var() / yes.sum() + wins.mean(0).var() / (~yes).sum()
    assert linearized("auroc", outputs, truth).var() / 150 == pytest.approx(own)


def test_no_class_to_rank():
    with pytest.raises(ValueError, match="no class has rows"):
        linearized("auroc", np.full((3, 2), 0.5), np.zeros(3, dtype=int))

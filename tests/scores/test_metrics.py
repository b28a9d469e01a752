"""Metrics against scikit-learn, by hand, and their row scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from outgrow.errors import InputError
from outgrow.scores import metrics


def example(seed: int, n: int = 120, c: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    outputs = rng.dirichlet(np.ones(c), n)
    truth = rng.integers(0, c, n)
    truth[:c] = np.arange(c)
    return outputs, truth


@pytest.mark.parametrize("c", [2, 3, 7])
@pytest.mark.parametrize("seed", range(3))
def test_equal_to_scikit_learn(c, seed):
    outputs, truth = example(seed, c=c)
    named = outputs.argmax(1)
    hot = np.eye(c)[truth]
    assert metrics.accuracy(outputs, truth) == pytest.approx(sk.accuracy_score(truth, named))
    assert metrics.balanced_accuracy(outputs, truth) == pytest.approx(sk.balanced_accuracy_score(truth, named))
    assert metrics.macro_f1(outputs, truth) == pytest.approx(sk.f1_score(truth, named, average="macro"))
    assert metrics.log_loss(outputs, truth) == pytest.approx(sk.log_loss(truth, outputs))
    score = outputs[:, 1] if c == 2 else outputs
    assert metrics.auroc(outputs, truth) == pytest.approx(sk.roc_auc_score(truth, score, multi_class="ovr"))
    expected = sk.average_precision_score(truth, score) if c == 2 else sk.average_precision_score(hot, outputs)
    assert metrics.average_precision(outputs, truth) == pytest.approx(expected)
    halves = 2 if c == 2 else 1
    assert metrics.brier(outputs, truth) == pytest.approx(halves * sk.brier_score_loss(truth, score))


def test_values_equal_to_scikit_learn():
    rng = np.random.default_rng(0)
    truth, outputs = rng.normal(size=50), rng.normal(size=(50, 1))
    assert metrics.mse(outputs, truth) == pytest.approx(sk.mean_squared_error(truth, outputs))
    assert metrics.r2(outputs, truth) == pytest.approx(sk.r2_score(truth, outputs))


def test_per_class_equal_to_scikit_learn():
    outputs, truth = example(4)
    table = metrics.per_class(outputs, truth, ["a", "b", "c"])
    p, r, f, s = sk.precision_recall_fscore_support(truth, outputs.argmax(1))
    assert [row["class"] for row in table] == ["a", "b", "c"]
    for name, expected in (("precision", p), ("recall", r), ("f1", f), ("support", s)):
        np.testing.assert_allclose([row[name] for row in table], expected)


def test_per_class_says_nothing_over_no_rows():
    table = metrics.per_class([[0.9, 0.1, 0.0], [0.8, 0.2, 0.0]], np.array([0, 1]))
    assert table[0] == {
        "class": 0,
        "precision": 0.5,
        "recall": 1.0,
        "f1": pytest.approx(2 / 3),
        "support": 1,
        "named": 2.0,
    }
    assert table[1]["precision"] is None
    assert table[1]["recall"] == 0.0
    assert table[2] == {"class": 2, "precision": None, "recall": None, "f1": None, "support": 0, "named": 0.0}
    with pytest.raises(InputError, match="2 class names are given for outputs of 3"):
        metrics.per_class([[0.9, 0.1, 0.0]], np.array([0]), ["a", "b"])


def test_a_tie_is_shared_and_not_given_to_the_first_class():
    outputs = np.array([[0.5, 0.5], [0.5, 0.5], [0.9, 0.1], [1 / 3, 2 / 3]])
    np.testing.assert_array_equal(metrics.choices(outputs), [[0.5, 0.5], [0.5, 0.5], [1, 0], [0, 1]])
    assert metrics.accuracy(outputs, np.array([0, 1, 0, 1])) == pytest.approx(0.75)
    assert metrics.accuracy(np.full((5, 2), 0.5), np.zeros(5, dtype=int)) == 0.5


def test_balanced_accuracy_by_hand():
    outputs = np.eye(3)[[0, 0, 0, 1, 0, 0]]
    truth = np.array([0, 0, 0, 1, 1, 0])
    rows = metrics.row_score("balanced_accuracy", outputs, truth, 3)
    np.testing.assert_allclose(rows, [6 / 8] * 3 + [6 / 4, 0, 6 / 8])
    assert rows.mean() == pytest.approx((4 / 4 + 1 / 2) / 2)


def test_log_loss_is_clipped_at_the_stated_eps():
    assert metrics.log_loss([[1.0, 0.0], [1.0, 0.0]], np.array([1, 0])) == pytest.approx(-np.log(metrics.EPS) / 2)


def test_ece_by_hand():
    outputs = np.array([[0.95, 0.05], [0.95, 0.05], [0.6, 0.4], [0.6, 0.4]])
    truth = np.array([0, 1, 0, 0])
    assert metrics.ece(outputs, truth) == pytest.approx(0.5 * 0.45 + 0.5 * 0.4)
    assert metrics.ece([[1.0, 0.0]] * 3, np.array([0, 0, 0])) == 0.0


def test_ranking_without_a_class_is_undefined_or_leaves_it_out():
    outputs, truth = example(1, c=4)
    truth[truth == 2] = 0
    assert metrics.unranked(truth, 4) == [2]
    kept = [sk.roc_auc_score(truth == k, outputs[:, k]) for k in (0, 1, 3)]
    assert metrics.auroc(outputs, truth) == pytest.approx(np.mean(kept))
    assert (
        metrics.measure("auroc", outputs[:, :2] / outputs[:, :2].sum(1, keepdims=True), np.zeros(120, dtype=int))
        is None
    )
    assert metrics.average_precision(np.full((3, 2), 0.5), np.zeros(3, dtype=int)) is None
    assert metrics.measure("r2", np.zeros((3, 1)), np.ones(3)) is None


@pytest.mark.parametrize("metric", metrics.ROW_METRICS)
def test_the_mean_of_row_scores_is_the_metric(metric):
    if metrics.METRICS[metric][0] == "value":
        rng = np.random.default_rng(1)
        outputs, truth = rng.normal(size=(40, 1)), rng.normal(size=40)
    else:
        outputs, truth = example(2)
    rows = metrics.row_score(metric, outputs, truth)
    assert rows.shape == truth.shape
    assert metrics.shown(metric, rows.mean()) == pytest.approx(metrics.measure(metric, outputs, truth))


@pytest.mark.parametrize("metric", metrics.ROW_METRICS)
def test_row_scores_are_higher_for_the_truth(metric):
    if metrics.METRICS[metric][0] == "value":
        truth = np.arange(6.0)
        best, worst = truth[:, None], truth[::-1, None]
    else:
        truth = np.array([0, 1, 2, 0, 1, 2])
        best, worst = np.eye(3)[truth], np.eye(3)[(truth + 1) % 3]
    assert metrics.row_score(metric, best, truth).mean() > metrics.row_score(metric, worst, truth).mean()


@given(st.integers(0, 10**6), st.integers(2, 5))
@settings(max_examples=10)
def test_row_order_changes_nothing(seed, c):
    outputs, truth = example(seed, 30, c)
    order = np.random.default_rng(seed).permutation(30)
    for metric in metrics.metrics_for("classes"):
        before, after = metrics.measure(metric, outputs, truth), metrics.measure(metric, outputs[order], truth[order])
        assert before == pytest.approx(after, abs=1e-12)


@given(st.integers(0, 10**6))
@settings(max_examples=10)
def test_class_order_changes_nothing(seed):
    outputs, truth = example(seed, 30, 4)
    order = np.random.default_rng(seed).permutation(4)
    place = np.argsort(order)
    for metric in metrics.metrics_for("classes"):
        assert metrics.measure(metric, outputs, truth) == pytest.approx(
            metrics.measure(metric, outputs[:, order], place[truth]), abs=1e-12
        )


def test_chance_is_what_labels_without_knowledge_score():
    rng = np.random.default_rng(0)
    truth = rng.choice(3, 400, p=[0.7, 0.2, 0.1])
    outputs = np.eye(3)[rng.choice(3, 400, p=[0.5, 0.3, 0.2])]
    luck = [metrics.accuracy(outputs[rng.permutation(400)], truth) for _ in range(3000)]
    assert metrics.chance("accuracy", outputs, truth) == pytest.approx(np.mean(luck), abs=0.002)
    assert metrics.chance("balanced_accuracy", outputs, truth) == pytest.approx(1 / 3)
    share = np.tile(np.bincount(truth) / 400, (400, 1))
    for metric in ("log_loss", "brier"):
        assert metrics.chance(metric, outputs, truth) == pytest.approx(metrics.row_score(metric, share, truth).mean())
    values = rng.normal(size=60)
    mean = np.full((60, 1), values.mean())
    for metric in ("mse", "r2"):
        assert metrics.chance(metric, values[:, None], values) == pytest.approx(
            metrics.row_score(metric, mean, values).mean(), abs=1e-12
        )


def test_default_metric():
    assert metrics.default_metric("value", [0.1, 0.2]) == "mse"
    assert metrics.default_metric("classes", np.repeat([0, 1], [90, 10]), 2) == "accuracy"
    assert metrics.default_metric("classes", np.repeat([0, 1], [91, 9]), 2) == "balanced_accuracy"
    assert metrics.default_metric("classes", np.repeat([0, 1, 2], [70, 28, 2]), 3) == "balanced_accuracy"
    assert metrics.default_metric("classes", np.repeat([0, 1, -1], [50, 50, 900]), 2) == "accuracy"
    assert metrics.default_metric("classes", np.repeat([0, 1], [50, 50]), 3) == "balanced_accuracy"
    assert metrics.default_metric("classes", np.full(4, -1), 2) == "accuracy"
    assert metrics.default_metric("classes", None, 2) == "accuracy"
    with pytest.raises(InputError, match="kind is 'class'; did you mean 'classes'"):
        metrics.default_metric("class", [0], 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.row_score("acuracy", [[0.5, 0.5]], [0]), "did you mean 'accuracy'"),
        (lambda: metrics.row_score("auroc", [[0.5, 0.5]], [0]), "no mean over rows"),
        (lambda: metrics.row_score("accuracy", [[0.5, 0.5]], [2]), "class index 2, but outputs have 2"),
        (lambda: metrics.row_score("accuracy", [[0.5, 0.5]], [-1]), "class index -1"),
        (lambda: metrics.row_score("accuracy", [[0.5, 0.5]], [0.0]), "class indices are needed"),
        (lambda: metrics.row_score("accuracy", [[0.5, 0.5]], [0], 3), "2 columns, but the task has 3 classes"),
        (lambda: metrics.row_score("accuracy", [[0.5], [0.5]], [0, 0]), "at least two classes"),
        (lambda: metrics.row_score("accuracy", [[np.nan, 0.5]], [0]), "not finite"),
        (lambda: metrics.row_score("mse", [[np.inf]], [0.0]), "not finite"),
        (lambda: metrics.row_score("mse", [[1.0]], [0.0, 1.0]), "are needed"),
        (lambda: metrics.row_score("r2", [[1.0], [2.0]], [3.0, 3.0]), "use the metric mse"),
        (lambda: metrics.better("f1"), "unknown"),
    ],
)
def test_bad_input_is_said_in_a_sentence(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_signs_and_names():
    assert [metrics.better(m) for m in ("accuracy", "log_loss", "mse", "r2")] == [1, -1, -1, 1]
    assert metrics.shown("mse", -2.5) == 2.5
    assert metrics.shown("accuracy", 0.5) == 0.5
    assert str(metrics.shown("mse", 0.0)) == "0.0"
    assert metrics.metric_name("log_loss") == "log loss"
    assert metrics.metric_name("mean_reward") == "mean reward"
    assert metrics.metrics_for("value") == ("mse", "r2")

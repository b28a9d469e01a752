"""Neighbour graphs: exact ones are scikit-learn's, approximate ones tell their recall."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from outgrow.errors import InputError
from outgrow.learners.linear import LinearHead
from outgrow.methods import Filtering, Selective, neighbours
from outgrow.methods.neighbours import EXACT, Cost, Metric, cost, nearest_rows, standardised
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.rows import Rows


def clusters(n: int, d: int = 24, topics: int = 40, seed: int = 0) -> NDArray[np.float32]:
    random = np.random.default_rng(seed)
    centres = 1.5 * random.normal(size=(topics, d))
    return (centres[random.integers(0, topics, n)] + random.normal(size=(n, d))).astype(np.float32)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("k", [1, 7, 400])
def test_exact_is_scikit_learns(metric: Metric, k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "BLOCK", 64)
    monkeypatch.setattr(neighbours, "WIDE", 150)
    x = np.random.default_rng(0).normal(size=(401, 6))
    found = nearest_rows(x, k, metric=metric)
    far, near = NearestNeighbors(n_neighbors=k, metric=metric, algorithm="brute").fit(x).kneighbors()
    assert np.array_equal(found.near, near)
    assert np.allclose(found.far, far, atol=1e-7)
    assert (found.recall, found.asked, found.said()) == (1.0, 0, {})
    assert found.sentence == "exact neighbours of 401 rows"


def test_equal_rows_and_rows_of_zeros() -> None:
    x = np.repeat([[1.0, 2.0], [0.0, 0.0], [5.0, 5.0]], [4, 3, 1], axis=0)
    found = nearest_rows(x, 3)
    assert found.near[:4].tolist() == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]
    assert (found.far[:4] == 0).all()
    assert all(i not in row for i, row in enumerate(found.near.tolist()))
    angle = nearest_rows(x, 7, metric="cosine")
    assert np.isfinite(angle.far).all()
    assert nearest_rows(x, 100).near.shape == (8, 7)
    with pytest.raises(InputError, match="neighbours need at least two rows that count"):
        nearest_rows(x[:1], 3)


def test_above_the_limit_recall_is_told_and_true() -> None:
    x = clusters(6000)
    found = nearest_rows(x, 10, exact=1000)
    exact = nearest_rows(x, 10)
    true = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found.near, exact.near, strict=True)])
    assert found.asked == 500
    assert found.recall >= neighbours.GOAL - 0.02
    assert found.recall == pytest.approx(true, abs=0.02)
    assert found.sentence == f"approximate neighbours of 6,000 rows, recall {found.recall:.3f} on 500"
    assert found.said() == {"recall of neighbours": found.recall}
    assert all(i not in row for i, row in enumerate(found.near.tolist()))
    assert (np.diff(found.far, axis=1) >= 0).all()
    again = nearest_rows(x, 10, exact=1000)
    assert np.array_equal(found.near, again.near)
    assert np.array_equal(found.far, again.far)
    assert not np.array_equal(found.far, nearest_rows(x, 10, exact=1000, random_state=1).far)


def test_a_search_that_looks_in_too_few_clusters_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "GOAL", 0.0)
    monkeypatch.setattr(neighbours, "_first", lambda clusters: 1)
    x = np.random.default_rng(1).normal(size=(3000, 12))
    found = nearest_rows(x, 10, exact=1000)
    exact = nearest_rows(x, 10)
    true = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found.near, exact.near, strict=True)])
    assert found.recall < 0.7
    assert found.recall == pytest.approx(true, abs=0.05)


def test_more_neighbours_than_a_cluster_has_rows() -> None:
    x = np.random.default_rng(2).normal(size=(1500, 3))
    found = nearest_rows(x, 300, exact=1000)
    assert found.near.shape == (1500, 300)
    assert np.isfinite(found.far).all()
    assert found.recall > 0.9


def test_features_are_standardised_under_weights() -> None:
    random = np.random.default_rng(3)
    x, weight = random.normal(size=(300, 3)) * [1, 100, 0] + [0, 5, 7], random.uniform(0, 2, 300)
    made = standardised(x, weight)
    assert np.average(made, axis=0, weights=weight) == pytest.approx([0, 0, 0], abs=1e-12)
    assert np.average(made**2, axis=0, weights=weight) == pytest.approx([1, 1, 0])
    twice = standardised(np.repeat(x, 2, axis=0), np.ones(600))
    assert np.allclose(twice[::2], standardised(x, np.ones(300)))


def test_methods_tell_their_cost_and_use_the_one_search(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Filtering().cost(10_000, 64) == Selective(smoothing=0).cost(10_000, 64) == Cost()
    small, large = cost(10_000, 64), Filtering(by="knn").cost(EXACT, 64)
    assert 0 < small.seconds < large.seconds
    assert Selective().cost(200_000, 576).bytes > Selective().cost(60_000, 576).bytes > 0
    monkeypatch.setattr(nearest_rows, "__kwdefaults__", {**nearest_rows.__kwdefaults__, "exact": 200})
    x = clusters(900).astype(np.float64)
    p = 1 / (1 + np.exp(-x[:, 0]))
    weak = WeakLabels.from_probs(np.stack([1 - p, p], 1), ["no", "yes"])
    for method in (
        Filtering(LinearHead(penalty=0.1), by="knn", neighbours=9),
        Selective(LinearHead(penalty=0.1), threshold=1),
    ):
        told = method.fit(Rows.from_arrays(X=x), weak).said()
        assert 0.9 < told["recall of neighbours"] <= 1

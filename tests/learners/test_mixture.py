"""The mixture of softmax heads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.utils.estimator_checks import parametrize_with_checks

from outgrow.errors import InputError
from outgrow.learners.linear import LinearHead
from outgrow.learners.mixture import MixtureHead
from outgrow.methods import Confidence, Naive
from outgrow.methods.divergence import Divergence
from outgrow.tasks.labels import WeakLabels


def world(n: int = 300, c: int = 3, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A truth that is a mixture of two softmax heads, which one head cannot be."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 4)) * [1.0, 5.0, 0.2, 1.0] + 3
    parts = []
    for _ in range(2):
        z = (x - 3) / [1.0, 5.0, 0.2, 1.0] @ random.normal(size=(4, c)) * 4
        e = np.exp(z - z.max(1, keepdims=True))
        parts.append(e / e.sum(1, keepdims=True))
    return x, 0.5 * parts[0] + 0.5 * parts[1]


def loss(head: Any, x: NDArray[np.float64], probs: NDArray[np.float64]) -> float:
    return float(-(probs * np.log(head.predict_proba(x))).sum(1).mean())


@parametrize_with_checks([MixtureHead(heads=2, penalty=0.1)])
def test_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.parametrize("c", [2, 3])
def test_one_head_is_the_linear_head(c: int) -> None:
    x, probs = world(c=c)
    one, linear = MixtureHead(heads=1).fit(x, probs), LinearHead().fit(x, probs)
    assert np.array_equal(one.coef_[0], linear.coef_)
    assert one.penalty_ == linear.penalty_
    np.testing.assert_allclose(one.predict_proba(x), linear.predict_proba(x), atol=1e-12)


@pytest.mark.parametrize("c", [2, 3])
def test_a_mixture_fits_what_one_head_cannot(c: int) -> None:
    x, probs = world(c=c)
    least = float(-(probs * np.log(probs)).sum(1).mean())
    one = loss(MixtureHead(heads=1, penalty=1e-4).fit(x, probs), x, probs) - least
    more = loss(MixtureHead(heads=5, penalty=1e-4).fit(x, probs), x, probs) - least
    assert one > 0.02
    assert more < one / 3


def test_it_stands_at_a_stationary_point() -> None:
    import torch

    x, probs = world()
    head = MixtureHead(heads=3, penalty=0.01, tol=1e-6, max_iter=3000).fit(x, probs)
    assert head.converged_
    scale = x.std(0)
    w = torch.tensor(head.coef_ * scale, requires_grad=True)
    b = torch.tensor(head.intercept_ + head.coef_ @ x.mean(0), requires_grad=True)
    mix = torch.tensor(np.log(head.weights_), requires_grad=True)
    z = torch.einsum("nd,kqd->knq", torch.from_numpy((x - x.mean(0)) / scale), w) + b[:, None]
    p = torch.logsumexp(torch.log_softmax(z, -1) + torch.log_softmax(mix, 0)[:, None, None], 0)
    value = -(torch.from_numpy(probs) * p).sum(-1).mean() + 0.01 / 2 * (w**2).sum() / 3
    for slope in torch.autograd.grad(value, [w, b, mix]):
        assert float(slope.abs().max()) < 1e-5


def test_weights_are_repetitions_and_dead_rows_do_nothing() -> None:
    x, probs = world(60)
    weight = np.arange(60) % 3
    one = MixtureHead(heads=3, penalty=0.1).fit(x, probs, sample_weight=weight)
    again = MixtureHead(heads=3, penalty=0.1).fit(np.repeat(x, weight, axis=0), np.repeat(probs, weight, axis=0))
    np.testing.assert_allclose(one.predict_proba(x), again.predict_proba(x), atol=1e-4)


def test_methods_train_it() -> None:
    x, probs = world(150)
    weak = WeakLabels.from_probs(probs, ["a", "b", "c"])
    for method in (Naive, Divergence, Confidence):
        fitted = method(MixtureHead(heads=3, penalty=0.05, tol=1e-3, stages=3)).fit(x, weak)
        table = fitted.predict_proba(x)
        np.testing.assert_allclose(table.sum(1), 1)
        assert fitted.student_.score(x, weak) > 0.6


def test_files_and_fit_many(tmp_path: Path) -> None:
    from outgrow.studies.student import load_head

    x, probs = world(80, c=2)
    head = MixtureHead(heads=3, penalty=0.1).fit(x, probs)
    head.save(tmp_path)
    again = load_head(tmp_path)
    assert np.array_equal(again.predict_proba(x), head.predict_proba(x))
    assert again.fingerprint_ == head.fingerprint_
    both = MixtureHead(heads=3, penalty=0.1).fit_many(x, np.stack([probs, probs[:, ::-1]]))
    np.testing.assert_allclose(both[0].predict_proba(x), head.predict_proba(x), atol=1e-9)
    assert both[1].predict_proba(x)[0, 0] == pytest.approx(head.predict_proba(x)[0, 1], abs=1e-2)


@pytest.mark.parametrize("bad", [{"heads": 0}, {"heads": True}, {"tol": 0.0}, {"penalty": -1.0}, {"max_iter": 0}])
def test_parameters_out_of_range(bad: dict[str, Any]) -> None:
    x, probs = world(20)
    with pytest.raises(InputError, match=next(iter(bad))):
        MixtureHead(**bad).fit(x, probs)

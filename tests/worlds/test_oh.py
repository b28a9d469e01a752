from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from outgrow.errors import InputError
from outgrow.worlds.oh import (
    OhData,
    Regime,
    Student,
    first_rows,
    oh_boundary,
    oh_data,
    oh_run,
    supervise,
    train_student,
    train_supervisor,
)

SMALL = Regime(60, 3.0, 4.0, 400, 300, 0.5, 20, test=400)


@pytest.fixture(scope="module")
def data() -> OhData:
    return oh_data(np.random.default_rng(0), 300, SMALL)


def test_rows_are_three_patches(data: OhData) -> None:
    x = data.patches()
    assert x.shape == (300, 3, 60)
    length = np.linalg.norm(x[:, :, :4], axis=2)
    assert set(np.round(length.ravel(), 4)) == {0.0, 3.0, 4.0}
    kinds = [tuple(sorted(row[row > 0])) for row in length]
    assert kinds == [((3.0,), (4.0,), (3.0, 4.0))[k] for k in data.kind]
    # No patch is both a signal and noise, and each row has three.
    assert not ((length > 0) & (np.abs(x[:, :, 4:]).sum(axis=2) > 0)).any()
    assert ((np.abs(x).sum(axis=2)) > 0).all()
    shares = np.bincount(oh_data(np.random.default_rng(1), 5000, SMALL).kind) / 5000
    np.testing.assert_allclose(shares, SMALL.shares, atol=0.03)


def test_hard_signals_have_no_mean(data: OhData) -> None:
    many = oh_data(np.random.default_rng(2), 8000, SMALL)
    assert abs(many.hard[many.kind > 0].mean()) < 0.04
    assert (many.easy[many.kind == 1] == 0).all()


def test_scores_are_those_of_the_patches(data: OhData) -> None:
    x, student = data.patches(), Student.start(np.random.default_rng(3), 60)
    student = Student(100 * student.along, 100 * student.across)
    filters = np.vstack([student.along, student.across])
    by_hand = np.maximum(x @ filters, 0).sum(axis=1) @ student.sides
    np.testing.assert_allclose(student.score(data), by_hand, rtol=1e-4, atol=1e-4)
    w, v = train_supervisor(data)
    linear = (x @ np.r_[w, v]).sum(axis=1)
    clear = np.abs(linear) > 1e-3
    assert np.array_equal(supervise((w, v), data)[clear], np.where(linear >= 0, 1, -1)[clear])


def test_a_step_follows_the_gradient(data: OhData) -> None:
    import torch

    student = Student.start(np.random.default_rng(4), 60)
    student = Student(30 * student.along, 30 * student.across)
    labels = np.where(np.random.default_rng(5).random(300) < 0.2, -data.truth, data.truth)
    w = torch.tensor(np.vstack([student.along, student.across]).astype(np.float64), requires_grad=True)
    x = torch.tensor(data.patches().astype(np.float64))
    score = torch.relu(x @ w).sum(dim=1) @ torch.tensor(student.sides.astype(np.float64))
    torch.nn.functional.softplus(-torch.tensor(labels.astype(np.float64)) * score).mean().backward()
    before = np.vstack([student.along, student.across])
    train_student(student, data, labels, 1.0, 1)
    assert w.grad is not None
    np.testing.assert_allclose(
        before - np.vstack([student.along, student.across]), w.grad.numpy(), rtol=2e-3, atol=2e-6
    )


def test_a_run_looks_where_it_is_told() -> None:
    out = oh_run(0, SMALL, (1, 5))
    assert [r["step"] for r in out] == [1, 5, 20]
    assert out == oh_run(0, SMALL, (1, 5))
    assert out[0]["weak"] == out[-1]["weak"]
    # A supervisor guesses on hard rows and is right on the others.
    assert abs(out[0]["weak hard"] - 0.5) < 0.15
    assert out[0]["weak"] > 0.75
    assert max(r["test"] for r in out) > out[0]["weak"]


def test_the_turned_axes_have_the_same_inner_products() -> None:
    """Noise in axes of its own: norms and inner products as those of normal vectors in all dimensions."""
    from outgrow.worlds.oh import _triangle

    low = np.stack([_triangle(np.random.default_rng(s), 30, 500) for s in range(200)])
    gram = low @ low.transpose(0, 2, 1)
    assert np.diagonal(gram, axis1=1, axis2=2).mean() == pytest.approx(500, rel=0.01)
    off = gram[:, np.triu_indices(30, 1)[0], np.triu_indices(30, 1)[1]]
    assert off.std() == pytest.approx(np.sqrt(500), rel=0.03)
    assert (np.triu(low[0], 1) == 0).all()


def test_more_rows_learn_the_hard_signal() -> None:
    found = [oh_boundary(s, 8000, (16, 256), (12.0,)) for s in range(4)]
    few, many = (np.mean([f[k]["test hard"] for f in found]) for k in (0, 1))
    assert many > few + 0.1
    assert all(r["fitted"] == 1.0 for f in found for r in f)
    with pytest.raises(InputError, match="noise patches need more"):
        oh_boundary(0, 100, (256,), (12.0,))


def test_first_rows_keep_their_noise(data: OhData) -> None:
    part = first_rows(data, 40)
    assert np.array_equal(part.patches(), data.patches()[:40])


def test_bad_sizes() -> None:
    for wrong in (replace(SMALL, shares=(0.5, 0.5, 0.5)), replace(SMALL, d=4)):
        with pytest.raises(InputError, match="sum to one"):
            oh_data(np.random.default_rng(0), 10, wrong)

"""The worlds of Charikar, Mulgund, Ildiz, Medvedev and Dong: what they say they are, and their known answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from outgrow.errors import InputError
from outgrow.worlds.charikar import (
    SIZES,
    CharikarWorld,
    Network,
    Training,
    charikar_world,
    gains,
    growing,
    least_squares,
    pretrain,
    read,
    subspace_gain,
)
from outgrow.worlds.dong import dong_world, simulated_variances
from outgrow.worlds.ildiz import ildiz_world, simulated_risk
from outgrow.worlds.medvedev import best_stop, linear_teacher, relu_harmonics, relu_teacher
from outgrow.worlds.mulgund import heads_world, hull_student, hull_world

# --- Charikar ----------------------------------------------------------------------------------------------------------------------


def test_on_a_subspace_that_holds_the_truth_gain_is_misfit() -> None:
    gain, misfit = subspace_gain(1)
    assert misfit > 0.1
    assert gain == pytest.approx(misfit, rel=0.03)


def test_projection_is_exact_on_the_rows_it_was_made_on() -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(200, 5)) * [1, 100, 0, 1e-3, 1]
    truth, weak = read(features, random.normal(size=(6, 3))), random.normal(size=(200, 3))
    student = read(features, least_squares(features, weak))
    gain = ((weak - truth) ** 2).mean(0) - ((student - truth) ** 2).mean(0)
    np.testing.assert_allclose(gain, ((student - weak) ** 2).mean(0), rtol=1e-9)


def test_the_kinds_of_world() -> None:
    real = charikar_world("realizable", 3, Training(points=300, steps=60))
    assert real.strong is real.truth
    assert len(real.weak.weights) == 2
    found = gains(real, tasks=20, points=500)
    assert {k: v.shape for k, v in found.items()} == dict.fromkeys(
        ("weak", "student", "ceiling", "misfit", "gain"), (20,)
    )
    assert found["ceiling"].max() < 1e-12 * found["weak"].max()
    assert np.corrcoef(found["gain"], found["misfit"])[0, 1] > 0.8
    shaken = charikar_world("perturbed", 3)
    assert gains(shaken, tasks=20, points=500)["gain"].mean() > 0
    away = [np.abs(a - b).mean() for a, b in zip(shaken.weak.weights, shaken.truth.weights)]
    near = [np.abs(a - b).mean() for a, b in zip(shaken.strong.weights, shaken.truth.weights)]
    assert np.mean(away) / np.mean(near) == pytest.approx(5, rel=0.2)
    with pytest.raises(InputError, match="kind"):
        charikar_world("other", 0)  # type: ignore[arg-type]


def test_exchanging_roles_and_reusing_rows() -> None:
    world = charikar_world("perturbed", 4)
    back = world.exchanged()
    assert (back.weak, back.strong) == (world.strong, world.weak)
    assert gains(back, tasks=10, points=400)["gain"].mean() < 0
    fresh, same = (gains(world, tasks=5, points=400, fresh=f)["student"] for f in (True, False))
    assert not np.array_equal(fresh, same)


@pytest.mark.parametrize("turns", [0, 2])
def test_pretraining_lowers_the_error_and_is_reproducible(turns: int) -> None:
    truth = Network.draw(5, np.random.default_rng([0, 0]))
    training = Training(tasks=3, points=200, steps=150, rate=1e-3, turns=turns)
    before = pretrain(truth, 2, Training(tasks=3, points=200, steps=0), 0)
    after = pretrain(truth, 2, training, 0)
    assert all(np.array_equal(a, b) for a, b in zip(after.weights, pretrain(truth, 2, training, 0).weights))

    def error(net: Network) -> float:
        return float(gains(CharikarWorld(0, truth, net, truth), tasks=20, points=500)["weak"].mean())

    assert error(after) != error(before)
    assert all(np.isfinite(w).all() for w in after.weights)


def test_supervisors_of_growing_size() -> None:
    found = growing(0, tasks=4, points=400, splits=2)
    assert found["weak"].shape == (len(SIZES), 4)
    assert found["student"][-1].mean() < found["student"][0].mean()


# --- Mulgund -----------------------------------------------------------------------------------------------------------------------


def cross_entropy(truth: Any, guess: Any) -> float:
    return float(-(truth * np.log(guess)).sum(1).mean())


def divergence(p: Any, q: Any) -> float:
    return float((p * np.log(np.maximum(p, 1e-300) / q)).sum(1).mean())


def test_a_hull() -> None:
    world = hull_world(2)
    for table in (world.truth, world.weak):
        np.testing.assert_allclose(table.sum(1), 1)
    student = hull_student(world)
    slack = (
        cross_entropy(world.truth, world.weak) - cross_entropy(world.truth, student) - divergence(student, world.weak)
    )
    assert slack > -1e-6
    mixed = np.einsum("k,knc->nc", np.full(12, 1 / 12), world.parts)
    assert divergence(student, world.weak) < divergence(mixed, world.weak)
    other = hull_student(world, "forward")
    assert cross_entropy(world.weak, other) < cross_entropy(world.weak, student)
    with pytest.raises(InputError, match="reverse"):
        hull_student(world, "other")  # type: ignore[arg-type]


def test_a_world_of_heads() -> None:
    world = heads_world(0, teach=300, transfer=200, test=300)
    assert world.strong.shape == world.weak_view.shape == (500, 50)
    np.testing.assert_allclose(world.truth.sum(1), 1)
    assert cross_entropy(world.truth, world.truth) < cross_entropy(world.truth, world.weak) - 0.02
    again = heads_world(0, teach=300, transfer=200, test=300)
    assert np.array_equal(world.weak, again.weak)


# --- Ildiz, Medvedev, Dong ---------------------------------------------------------------------------------------------------------


def test_least_norm_learns_what_it_can() -> None:
    world = ildiz_world(100, 40)
    assert simulated_risk(world, world.beta, 0) < float(world.spectrum @ world.beta**2) / 2
    assert simulated_risk(world, 0 * world.beta, 0) == pytest.approx(float(world.spectrum @ world.beta**2))
    with pytest.raises(InputError, match="fewer rows"):
        ildiz_world(50, 50)


def test_the_sphere_adds_up() -> None:
    found = relu_harmonics(16)
    assert found.weight.sum() == pytest.approx(1 / 32, rel=5e-3)
    assert found.weight[1] == pytest.approx(1 / 64, rel=1e-9)
    assert (np.diff(found.eigenvalues) < 0).all()
    with pytest.raises(InputError, match="at least 3"):
        relu_harmonics(2)


def test_a_relu_teacher_is_the_best_fit() -> None:
    """Against least squares on sampled rows of the sphere."""
    harmonics, units, d = relu_harmonics(8), 40, 8
    teacher = relu_teacher(units, 0, harmonics)
    random = np.random.default_rng([0, 1, units])
    u = random.normal(size=(units, d))
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    x = np.random.default_rng(5).normal(size=(60_000, d))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    h, y = np.maximum(x @ u.T, 0), np.sqrt(d) * x[:, 0]
    sampled = ((y - h @ np.linalg.lstsq(h, y, rcond=None)[0]) ** 2).mean()
    assert teacher.error == pytest.approx(sampled, rel=0.1)
    assert teacher.power.sum() == pytest.approx(1 - teacher.error, rel=1e-6)


def test_students_that_stop_early_outgrow_teachers() -> None:
    for teacher in (linear_teacher(32, 0), relu_teacher(128, 0, relu_harmonics(32))):
        least, at = best_stop(teacher)
        assert least < teacher.error / 2
        assert least == pytest.approx(teacher.student(np.array([at]))[0])
        assert teacher.student(np.array([0.0]))[0] == pytest.approx(1)
        assert teacher.student(np.array([1e40]))[0] == pytest.approx(teacher.error, rel=1e-6)
    with pytest.raises(InputError, match="units"):
        linear_teacher(3000, 0)


def test_subspaces_overlap_as_asked() -> None:
    world = dong_world(1, narrow=10, wide=30, overlap=4, dimension=50)
    assert ((world.strong.T @ world.weak) ** 2).sum() == pytest.approx(4)
    for basis in (world.weak, world.strong):
        np.testing.assert_allclose(basis.T @ basis, np.eye(basis.shape[1]), atol=1e-12)
        np.testing.assert_allclose(basis @ (basis.T @ world.truth), world.truth, atol=1e-12)
    first, second = simulated_variances(world, 0, teach=150, transfer=100, draws=20)
    assert second < first
    with pytest.raises(InputError, match="do not fit"):
        dong_world(0, dimension=50)

"""Forecasts of Dong and Ildiz, and the finite-sample terms of the misfits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgrow.errors import InputError, LabelsError, NeedsError
from outgrow.forecasts import Dimension, KLMisfit, Misfit, Surrogate
from outgrow.forecasts.dimension import intrinsic_dimensions, variance_ratio
from outgrow.forecasts.forecast import RANK
from outgrow.forecasts.misfit import finite_sample_terms
from outgrow.forecasts.surrogate import equivalent, mask, optimal_surrogate, surrogate_risk
from outgrow.learners.linear import LinearHead
from outgrow.learners.mixture import MixtureHead
from outgrow.learners.ridge import RidgeHead
from outgrow.methods import Naive
from outgrow.tasks.labels import Source, WeakLabels
from outgrow.tasks.needs import Needs
from outgrow.tasks.rows import Rows
from outgrow.worlds.dong import dong_world
from outgrow.worlds.ildiz import ildiz_world, simulated_risk


def setting(n: int = 200, seed: int = 0, source: Source | None = None) -> tuple[Any, Rows, WeakLabels]:
    random = np.random.default_rng(seed)
    strong, weak = random.normal(size=(n, 6)), random.normal(size=(n, 9))
    weak[:, :3] = strong[:, :3]
    rows = Rows.from_arrays(strong=strong, weak=weak)
    said = WeakLabels.from_probs(
        weak[:, 0] + 0.1 * weak[:, 5], None, source=source or Source("probe", "weak", np.arange(0), "k")
    )
    return Naive(RidgeHead(on="strong", penalty=0.1)).fit(rows, said), rows, said


# --- dimensions --------------------------------------------------------------------------------------------------------------------


def test_dimensions_of_the_world_are_found() -> None:
    world = dong_world(0)
    z = np.random.default_rng(0).normal(size=(4000, 100))
    found = intrinsic_dimensions(z @ world.weak, z @ world.strong, share=1.0)
    assert (found.weak, found.strong, found.cut) == (60, 20, False)
    assert found.shared == pytest.approx(8, abs=0.3)
    assert found.ratio(200) == pytest.approx(variance_ratio(60, 20, 8, 200), rel=0.04)
    few = intrinsic_dimensions(z[:300] @ world.weak, z[:300] @ world.strong, share=1.0)
    assert few.shared == pytest.approx(8, abs=1.5)


def test_dimensions_do_not_depend_on_the_basis() -> None:
    random = np.random.default_rng(1)
    weak, strong = random.normal(size=(120, 7)), random.normal(size=(120, 5))
    strong[:, 0] = weak[:, 0]
    one = intrinsic_dimensions(weak, strong, share=1.0)
    other = intrinsic_dimensions(weak @ random.normal(size=(7, 7)) + 3, strong @ random.normal(size=(5, 5)), share=1.0)
    assert one.shared == pytest.approx(other.shared, abs=1e-8)
    assert intrinsic_dimensions(weak, weak, share=1.0).shared == pytest.approx(7)


@given(st.integers(1, 50), st.integers(1, 50), st.floats(0, 1), st.integers(1, 500))
def test_the_ratio_lies_between_its_ends(weak: int, strong: int, part: float, n: int) -> None:
    shared = part * min(weak, strong)
    ratio = variance_ratio(weak, strong, shared, n)
    assert ratio >= shared / weak - 1e-12
    assert ratio <= shared / weak + strong / n + 1e-12


def test_a_rank_deficient_view_has_the_dimension_it_has() -> None:
    random = np.random.default_rng(2)
    view = random.normal(size=(100, 3)) @ random.normal(size=(3, 10))
    assert intrinsic_dimensions(view, random.normal(size=(100, 4)), share=1.0).weak == 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"weak": np.ones((20, 3)), "strong": np.ones((20, 3))}, "at least 50"),
        ({"weak": np.ones((60, 3)), "strong": np.eye(60)}, "supervisor's view is the same"),
        ({"weak": np.eye(60), "strong": np.eye(61)}, "same rows"),
        ({"weak": np.eye(60), "strong": np.eye(60), "share": 0.0}, "share"),
    ],
)
def test_bad_views(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        intrinsic_dimensions(change["weak"], change["strong"], change.get("share", 0.9))
    with pytest.raises(InputError, match="d_sw"):
        variance_ratio(3, 4, 5, 10)


def test_dimension_as_a_predictor() -> None:
    student, rows, said = setting()
    assert Dimension().needs() == Needs(supervisor_view=True)
    (found,) = Dimension(share=1.0).predict(student, rows, said)
    assert (found.unit, found.n, found.diagnostics["d_w"], found.diagnostics["d_s"]) == (RANK, 200, 9.0, 6.0)
    assert found.diagnostics["d_sw"] == pytest.approx(3, abs=0.6)
    assert found.value == pytest.approx(variance_ratio(9, 6, found.diagnostics["d_sw"], 200))
    assert found.as_dict()["diagnostics"] == dict(found.diagnostics)


@pytest.mark.parametrize("predictor", [Dimension(), Surrogate()])
def test_predictors_say_what_is_wrong(predictor: Any) -> None:
    student, rows, said = setting()
    with pytest.raises(LabelsError, match="another order"):
        predictor.predict(student, rows[::-1], said)
    with pytest.raises(NeedsError, match="at least 50"):
        predictor.predict(student, rows[:30], said[:30])
    flat = WeakLabels.from_probs(np.ones(200), None, source=said.sources[0])
    with pytest.raises(NeedsError, match="says the same"):
        predictor.predict(student, rows, flat)
    still = Rows.from_arrays(strong=np.ones((200, 6)), weak=rows.view("weak"))
    with pytest.raises(NeedsError, match="the same on all"):
        predictor.predict(student, still, said)
    if isinstance(predictor, Dimension):
        blind = WeakLabels.from_probs(rows.view("weak")[:, 0], None, source=Source("rule", None, np.arange(0), "k"))
        with pytest.raises(NeedsError, match="supervisor's features"):
            predictor.predict(student, rows, blind)


# --- surrogates --------------------------------------------------------------------------------------------------------------------


def test_the_closed_form_is_the_simulated_risk() -> None:
    world = ildiz_world(noise=0.01)
    at = equivalent(world.spectrum, world.n)
    masked = np.where(mask(at), world.beta, 0.0)
    for surrogate in (world.beta, optimal_surrogate(at, world.beta), masked):
        told = surrogate_risk(at, world.beta, surrogate, world.noise)
        assert told == pytest.approx(simulated_risk(world, surrogate, 0, draws=12), rel=0.05)


def test_the_figures_of_the_paper() -> None:
    world = ildiz_world()
    at = equivalent(world.spectrum, world.n)
    best = optimal_surrogate(at, world.beta)
    assert surrogate_risk(at, world.beta, world.beta) == pytest.approx(0.1194, abs=1e-4)
    assert surrogate_risk(at, world.beta, best) == pytest.approx(0.0833, abs=1e-4)
    assert surrogate_risk(at, world.beta, np.where(mask(at), world.beta, 0)) == pytest.approx(0.0897, abs=1e-4)
    assert (int((best > world.beta).sum()), int(mask(at).sum())) == (126, 203)
    assert np.array_equal(best > world.beta, at.z < 1 - at.omega)


def test_the_optimum_is_one() -> None:
    at = equivalent(np.arange(1, 31) ** -1.5, 10, 0.02)
    random = np.random.default_rng(0)
    beta = random.normal(size=30)
    best = optimal_surrogate(at, beta)
    least = surrogate_risk(at, beta, best)
    for _ in range(20):
        assert surrogate_risk(at, beta, best + 0.1 * random.normal(size=30)) > least


def test_ridge_students_follow_the_closed_form_too() -> None:
    random, n, penalty = np.random.default_rng(3), 150, 0.05
    spectrum, beta = np.arange(1, 101) ** -1.0, random.normal(size=100)
    risks = []
    for _ in range(40):
        x = random.normal(size=(n, 100)) * np.sqrt(spectrum)
        y = x @ beta + 0.5 * random.normal(size=n)
        found = np.linalg.solve(x.T @ x / n + penalty * np.eye(100), x.T @ y / n)
        risks.append(spectrum @ (found - beta) ** 2)
    told = surrogate_risk(equivalent(spectrum, n, penalty), beta, beta, 0.25)
    assert told == pytest.approx(np.mean(risks), rel=0.05)


@pytest.mark.parametrize(
    ("spectrum", "n", "penalty", "words"),
    [
        ([0.0, 0.0], 1, 0.0, "spectrum"),
        ([1.0, 1.0], 2, 0.0, "learns each direction whole"),
        ([1.0], 0, 1.0, "give rows"),
    ],
)
def test_bad_spectra(spectrum: list[float], n: int, penalty: float, words: str) -> None:
    with pytest.raises(InputError, match=words):
        equivalent(spectrum, n, penalty)
    with pytest.raises(InputError, match="one coefficient"):
        surrogate_risk(equivalent([1.0, 0.5], 1), [1.0], [1.0])


def test_surrogate_as_a_predictor() -> None:
    student, rows, said = setting()
    (found,) = Surrogate().predict(student, rows, said)
    assert found.unit == RANK
    assert 0 <= found.value <= 1
    assert found.value > 0.99  # 200 rows learn 6 directions
    tail = np.random.default_rng(0).normal(size=(200, 400)) * np.linspace(3, 0.1, 400)
    wide = Rows.from_arrays(strong=np.round(tail, 3), weak=rows.view("weak"))
    student = Naive(RidgeHead(on="strong", penalty=0.001)).fit(wide, said)
    (found,) = Surrogate().predict(student, wide, said)
    assert found.broken == ("the student's view has rank 199 of 400 columns",)


# --- terms of the misfits ----------------------------------------------------------------------------------------------------------


def test_terms_vanish_with_rows() -> None:
    few, many = finite_sample_terms(100, 10), finite_sample_terms(1600, 10)
    assert all(many[k] == pytest.approx(few[k] / 2) for k in few)
    for bad in ((0, 1.0, 0.1), (5, 0.0, 0.1), (5, 1.0, 1.0)):
        with pytest.raises(InputError, match="finite-sample"):
            finite_sample_terms(*bad)


def test_misfits_carry_their_standard_error_and_heads() -> None:
    student, rows, said = setting()
    (found,) = Misfit().predict(student, rows, said)
    each = (student.predict(rows) - said.one()[0][:, 0]) ** 2
    assert found.diagnostics["standard_error"] == pytest.approx(each.std(ddof=1) / np.sqrt(200))
    probs = np.random.default_rng(0).dirichlet(np.ones(4), 200)
    classes = WeakLabels.from_probs(probs, list("abcd"))
    for head, heads in ((LinearHead(on="strong", penalty=1.0), 1), (MixtureHead("strong", 4, 1.0, tol=1e-2), 4)):
        reverse, forward = KLMisfit().predict(Naive(head).fit(rows, classes), rows, classes)
        assert reverse.diagnostics["heads"] == heads
        assert reverse.diagnostics["hull_term"] == pytest.approx(np.sqrt(4 / heads))
        assert reverse.diagnostics["standard_error"] > 0
        assert "heads" not in forward.diagnostics

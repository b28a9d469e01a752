from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outgrow.errors import InputError, LabelsError, NeedsError
from outgrow.forecasts import Projection
from outgrow.forecasts.forecast import RANK, reads
from outgrow.forecasts.projection import ALPHAS, BETAS, Spectrum, labelled_projection, projection_grid
from outgrow.learners.linear import LinearHead
from outgrow.methods import Naive
from outgrow.tasks.labels import Source, WeakLabels
from outgrow.tasks.rows import Rows

Floats = np.ndarray[Any, np.dtype[np.float64]]


def smoother(view: Floats, alpha: float, beta: float) -> Floats:
    n = len(view)
    h = view - view.mean(axis=0)
    values, vectors = np.linalg.eigh(h @ h.T / n)
    kept = values >= max(alpha, 1e-12) * values[-1]
    ridge = (beta * values.sum() + values[~kept].sum()) / n
    return np.asarray((vectors[:, kept] * (values[kept] / (values[kept] + ridge))) @ vectors[:, kept].T)


@settings(derandomize=True, deadline=None, max_examples=15)
@given(st.integers(0, 10_000), st.integers(1, 90), st.integers(1, 90))
def test_the_small_form_is_the_large_one(seed: int, wide: int, narrow: int) -> None:
    random = np.random.default_rng(seed)
    n = 60
    strong = random.normal(size=(n, wide)) * np.arange(1, wide + 1) ** -0.6
    weak = random.normal(size=(n, narrow)) + 3
    y = random.normal(size=n)
    for cell in projection_grid(weak, strong, truth=y):
        p = smoother(strong, cell.alpha, cell.beta) @ (np.eye(n) - smoother(weak, cell.alpha, cell.beta))
        assert cell.operator == pytest.approx(np.linalg.norm(p, 2), abs=1e-8)
        assert cell.frobenius == pytest.approx((p**2).sum() / n, abs=1e-10)
        assert cell.labelled == pytest.approx(((p @ (y - y.mean())) ** 2).sum() / n, abs=1e-10)


def test_known_ridges() -> None:
    random = np.random.default_rng(0)
    h, w, y = random.normal(size=(80, 6)), random.normal(size=(80, 3)), random.normal(size=80)
    h, w, y = h - h.mean(axis=0), w - w.mean(axis=0), y - y.mean()
    ps, pw = (v @ np.linalg.solve(v.T @ v / 80 + b * np.eye(v.shape[1]), v.T) / 80 for v, b in ((h, 0.2), (w, 0.5)))
    assert labelled_projection(w, h, y, 0.5, 0.2) == pytest.approx(((ps @ (y - pw @ y)) ** 2).sum() / 80)


def test_equal_views_leave_a_quarter_at_most() -> None:
    h = np.random.default_rng(1).normal(size=(100, 7))
    for cell in projection_grid(h, h):
        assert cell.operator <= 0.25 + 1e-12


def test_bad_views() -> None:
    random = np.random.default_rng(2)
    h = random.normal(size=(60, 4))
    with pytest.raises(InputError, match="has 60 rows and the student's 59"):
        projection_grid(h, h[1:])
    with pytest.raises(InputError, match="at least 50"):
        projection_grid(h[:49], h[:49])
    with pytest.raises(InputError, match="the same on all 60 rows"):
        projection_grid(np.ones((60, 3)), h)
    with pytest.raises(InputError, match="finite numbers"):
        Spectrum.of(np.full((60, 2), np.nan))
    with pytest.raises(InputError, match="the truth 3"):
        projection_grid(h, h, truth=[1, 2, 3])


def study(n: int = 80, *, view: str | None = "weak") -> tuple[Any, Rows, WeakLabels]:
    random = np.random.default_rng(3)
    x = random.normal(size=(n, 6))
    p = 1 / (1 + np.exp(-x[:, 0]))
    rows = Rows.from_arrays(weak=x[:, :2], strong=x)
    weak = WeakLabels.from_probs(np.column_stack([1 - p, p]), ["a", "b"], source=Source("probe", view))
    return Naive(LinearHead(on="strong", penalty=0.1)).fit(rows, weak), rows, weak


def test_the_forecast_tells_the_whole_grid() -> None:
    student, rows, weak = study()
    assert reads(Projection()) == "transfer"
    found = Projection().predict(student, rows, weak)
    assert len(found) == 2 * len(ALPHAS) * len(BETAS)
    assert {f.unit for f in found} == {RANK}
    assert len({f.order for f in found}) == len(found)
    cell = projection_grid(rows.view("weak"), rows.view("strong"))[4]
    mine = next(f for f in found if f.order == f"Frobenius, cut-off {cell.alpha:g}, ridge {cell.beta:g}")
    assert mine.value == cell.frobenius
    assert found[0].broken == ("not trained by squared loss",)


def test_bad_input_is_one_sentence() -> None:
    student, rows, weak = study()
    with pytest.raises(LabelsError, match="in another order"):
        Projection().predict(student, rows, weak[::-1])
    with pytest.raises(NeedsError, match="at least 50 rows"):
        Projection().predict(student, rows[:49], weak[:49])
    blind = study(view=None)[2]
    with pytest.raises(NeedsError, match="needs the supervisor's features"):
        Projection().predict(student, rows, blind)
    flat = WeakLabels.from_probs(np.full((80, 2), 0.5), ["a", "b"], source=Source("flat", "weak"))
    with pytest.raises(NeedsError, match="says the same of all 80 rows"):
        Projection().predict(student, rows, flat)
    constant = Rows.from_arrays(weak=np.ones((80, 2)), strong=rows.view("strong"))
    with pytest.raises(NeedsError, match="the same on all 80 rows"):
        Projection().predict(student, constant, weak)


def test_a_view_without_full_rank_is_told() -> None:
    student, rows, weak = study()
    strong = rows.view("strong")
    twice = Rows.from_arrays(weak=np.hstack([strong[:, :2], strong[:, :2]]), strong=strong)
    found = Projection().predict(student, twice, weak)
    assert any("supervisor's view has rank 2 of 4" in b for b in found[0].broken)
    # Each column counts, so columns said twice weigh twice; the span is what it was.
    alone = Projection().predict(student, rows, weak)
    assert found[0].value == pytest.approx(alone[0].value, rel=0.05)

"""A small version of the coverage simulation; the full grid is `python benchmarks/coverage.py`."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "coverage.py"
REPS = 500


@pytest.fixture(scope="module")
def coverage():
    spec = importlib.util.spec_from_file_location("coverage_simulation", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("seed_sd", [0.0, 0.04, 0.12])
def test_intervals_cover(coverage, seeds, seed_sd):
    at = coverage.Setting(200, seeds, 0.10, seed_sd, "rows differ")
    got = coverage.tally(at, REPS)
    low, high = coverage.wanted(seeds)
    # Two Monte Carlo errors of so few repetitions: the band itself is that of the full grid.
    slack = 2 * np.sqrt(0.05 * 0.95 / REPS)
    assert low - slack <= got.gain <= high + slack
    assert low - slack <= got.rival <= high + slack
    assert got.pgr >= 0.93 - 2 * np.sqrt(0.05 * 0.95 / (REPS * got.defined))


def test_the_simulated_accuracies_are_the_stated_ones(coverage):
    at = coverage.Setting(500, 5, 0.10, 0.12, "answers waver")
    x = coverage.draw(np.random.default_rng(0), 400, at)
    np.testing.assert_allclose(x.mean((0, 2, 3)), list(at.truth().values()), atol=0.006)


def test_an_interval_over_seeds_alone_would_be_found_out(coverage):
    got = coverage.tally(coverage.Setting(200, 5, 0.10, 0.04, "rows differ"), 400)
    assert got.others["t over seed means"] < 0.9


def test_a_number_outside_its_band_is_marked(coverage):
    at = coverage.Setting(200, 5, 0.10, 0.04, "rows differ")
    others = {"another": 0.5}
    bad = coverage.Tally(2000, 0.90, 0.95, 0.89, 0.3, others)
    assert coverage.misses(at, bad) == ["gain"]
    assert coverage.misses(at, coverage.Tally(2000, 0.95, 0.98, 0.92, 0.6, others)) == ["rival", "pgr"]
    assert coverage.misses(at, coverage.Tally(2000, 0.95, 0.95, 0.80, 0.3, others)) == ["pgr"]
    page = coverage.document([(at, bad)], 2000, 1.0)
    assert "90.0*" in page
    assert "**0 of 1 cells" in page


def test_the_command_writes_the_page(coverage, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(coverage, "grid", lambda quick: [coverage.Setting(60, 3, 0.1, 0.04, "rows differ")])
    out = tmp_path / "page.md"
    assert coverage.main(["--reps", "60", "--out", str(out)]) in (0, 1)
    assert "| 1.4 | 3 | 60 | 0.10 |" in out.read_text(encoding="utf-8")
    assert "seeds=3" in capsys.readouterr().err

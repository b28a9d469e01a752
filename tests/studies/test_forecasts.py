"""Forecasts that a study must name: taken on transfer rows, shown as ranks, and silent in one sentence where they do not apply."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

import outgrow
from outgrow.forecasts.projection import ALPHAS, BETAS


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OUTGROW_HOME", str(tmp_path_factory.mktemp("home")))
        folder = Path(tmp_path_factory.mktemp("study"))
        x, y = load_digits(return_X_y=True)
        keep = y < 2
        x, y = x[keep][:340], y[keep][:340]
        noisy = np.where(np.random.default_rng(0).random(340) < 0.2, 1 - y, y)
        lines = [f"{i},{label}" for i, label in enumerate(noisy)]
        (folder / "weak.csv").write_text("\n".join(["id,guess", *lines]) + "\n", "utf-8")
        study = {
            "name": "two",
            "task": {"arrays": {"inputs": "x.npy"}},
            "split": {"teach": 60, "transfer": 140, "select": 40, "test": 100},
            "supervisors": [
                {"probe": "top", "penalty": 1.0, "folds": 2},
                {"file": str(folder / "weak.csv"), "id": "id", "label": "guess", "name": "crowd"},
            ],
            "students": [{"encoder": "inputs", "penalty": 0.1}],
            "forecasts": ["misfit", "projection", "overlap", "expansion"],
            "seeds": 1,
        }
        task = outgrow.Task.from_arrays(x, y, name="two")
        yield outgrow.run(study, task=task, views={"top": x[:, 8:16].copy()}, out=folder / "out", processes=1)


def test_a_study_takes_what_it_names(results: Any) -> None:
    table = results.forecasts
    mine = table[table["supervisor"] == "probe(top)"]
    found = mine["forecast"].value_counts().to_dict()
    assert found == {"projection": 2 * len(ALPHAS) * len(BETAS), "misfit": 1, "overlap": 1, "expansion": 1}
    ranks = mine[mine["unit"] == "rank"]
    assert set(ranks["forecast"]) == {"projection", "overlap"}
    # A rank stands beside no measured gain; a gain in accuracy does.
    assert ranks["measured"].isna().all()
    assert mine[mine["unit"] == "accuracy"]["measured"].notna().all()
    assert results.failures.empty


def test_what_does_not_apply_is_one_sentence(results: Any) -> None:
    table = results.forecasts
    assert "projection" not in set(table[table["supervisor"] == "crowd"]["forecast"])
    notes = [n for n in results.notes if n.startswith("No forecast by projection")]
    assert len(notes) == 1
    assert "taught by crowd" in notes[0]
    assert "needs the supervisor's features" in notes[0]


def test_the_report_shows_ranks_apart(results: Any) -> None:
    from outgrow.reports.readings import forecast_sections

    (section,) = forecast_sections(results)
    captions = [t.caption for t in section.tables]
    assert sum("orders supervisors and students; it is no gain." in c for c in captions) == 2

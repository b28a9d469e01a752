"""The page and the terminal table of a choice, without and with a later run beside it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

import outgrow
from outgrow.reports.choice import print_choice
from outgrow.reports.chosen import choice_page, outcomes, render_choice
from outgrow.store import Store
from outgrow.studies.choose import Choice, choose
from outgrow.studies.results import Results

STUDY = {
    "name": "two",
    "task": {"arrays": {"inputs": "unused.npy"}},
    "split": {"teach": 60, "transfer": 150, "select": 20, "test": 100},
    "supervisors": [{"probe": "left", "penalty": 0.1}, {"probe": "right", "penalty": 0.1}],
    "students": [{"encoder": "inputs", "penalty": 0.1, "name": "strong"}],
    "seeds": [3],
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Choice, Results]:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 330)
    x = rng.normal(size=(330, 6)) + y[:, None] * [1.0, 0.5, 1.0, 0.0, 1.0, 1.0]
    task, views = outgrow.Task.from_arrays(x, y), {"left": x[:, :2] + 0, "right": x[:, 2:4] + 0}
    store = Store(tmp_path_factory.mktemp("store"))
    choice = choose(STUDY, task=task, views=views, store=store, processes=1, costs={"probe(left)": 0.1})
    out = tmp_path_factory.mktemp("run") / "out"
    results = outgrow.run(
        STUDY, task=task, views=views, store=store, out=out, processes=1, progress=False, say=lambda words: None
    )
    return choice, results


def test_forecast_stands_beside_the_outcome(made: tuple[Choice, Results]) -> None:
    choice, results = made
    known = outcomes(results)
    assert set(known) == {(f"probe({v})", "strong", "naive") for v in ("left", "right")}
    page = choice_page(choice, results)
    (figure,) = next(s for s in page.sections if s.name == "outcome").figures
    assert len(figure.table.rows) == 2
    for row in choice.table.to_dict("records"):
        value = known[row["supervisor"], row["student"], row["method"]][0]
        shown = next(r for r in figure.table.rows if row["supervisor"] in r[1])
        assert float(shown[3].split()[0].replace("−", "-")) == pytest.approx(value, abs=0.006)
    inside = sum(
        row["gain_low"] <= known[row["supervisor"], row["student"], row["method"]][0] <= row["gain_high"]
        for row in choice.table.to_dict("records")
    )
    assert figure.title == f"Forecast intervals hold {inside} of 2 measured gains"


def test_the_page_is_whole(made: tuple[Choice, Results], tmp_path: Path) -> None:
    choice, results = made
    html = render_choice(choice, results)
    assert html.startswith("<!")
    assert "Ranked without truth" in html
    assert "trained on the truth of the teach rows" in html
    assert "Forecast against outcome" not in render_choice(choice)
    assert "nan" not in html.lower().replace("finance", "")
    assert "points for a unit of money" in html
    assert "Gain for money" in html


def test_the_terminal_table(made: tuple[Choice, Results]) -> None:
    from rich.console import Console

    choice, _ = made
    to = io.StringIO()
    print_choice(choice, Console(file=to, width=100, highlight=False, markup=False))
    shown = to.getvalue()
    assert max(map(len, shown.splitlines())) <= 100
    assert " ".join(choice.headline.split())[:40] in " ".join(shown.split())
    assert shown.count("naive on strong") >= 2
    assert "strong trained on your truth: right on" in shown

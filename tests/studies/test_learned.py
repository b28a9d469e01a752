"""What methods learned reaches people; a random drop stands beside each filter; neighbour graphs are foretold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import outgrow
from outgrow.methods import neighbours
from outgrow.reports.html import render
from outgrow.reports.markdown import to_markdown
from outgrow.studies.learned import learned, with_controls
from outgrow.studies.ready import make_ready
from outgrow.studies.results import Results
from outgrow.studies.run import dry_run
from outgrow.studies.study import Study

STUDY: dict[str, Any] = {
    "name": "learned",
    "task": {"arrays": {"inputs": "unused.npy"}},
    "split": {"teach": 60, "transfer": 120, "select": 20, "test": 80},
    "supervisors": [[{"probe": "two", "penalty": 1.0, "folds": 2}, {"probe": "four", "penalty": 1.0, "folds": 2}]],
    "students": [{"encoder": "inputs", "penalty": 0.1}],
    "seeds": 2,
}


def given() -> dict[str, Any]:
    random = np.random.default_rng(0)
    y = np.sort(random.integers(0, 2, 280))
    x = random.normal(size=(280, 4)) + y[:, None] * [1.0, 0.5, 1.0, 0.0]
    return {"task": outgrow.Task.from_arrays(x, y), "views": {"two": x[:, :2], "four": x[:, 2:]}}


def quiet() -> dict[str, Any]:
    return {"processes": 1, "progress": False, "say": lambda sentence: None}


def study(*methods: Any) -> Study:
    return Study.read({**STUDY, "methods": list(methods)})


def test_what_methods_learned_is_a_table_of_the_results_and_of_both_reports(tmp_path: Path) -> None:
    methods = ["naive", "raven", {"filtering": {"by": "knn", "neighbours": 9}}, "trust", {"anchored": {"budget": 40}}]
    made = outgrow.run({**STUDY, "methods": methods}, out=tmp_path / "out", **given(), **quiet())
    results = Results.load(tmp_path / "out")
    for found in (made.learned, results.learned):
        assert found is not None
        by = {(r["method"], r["what"]): r for r in found.to_dict("records")}
        weights = [r["mean"] for (method, _), r in by.items() if method == "raven"]
        assert len(weights) == 2
        assert sum(weights) == pytest.approx(1)
        assert by["filtering(by=random, drop=0.1)", "share kept"]["mean"] == pytest.approx(0.9)
        assert by["anchored(budget=40)", "worth of weak labels"]["seeds"] == 2
        assert {"AUROC of trust in probe(two)", "share of labels of probe(four) kept"} <= {
            w for m, w in by if m == "trust"
        }
        assert all(r["low"] <= r["mean"] + 1e-12 and r["mean"] <= r["high"] + 1e-12 for r in by.values() if r["seeds"])
        assert "naive" not in {method for method, _ in by}
    for text in (render(results), to_markdown(results)):
        assert "What the methods learned" in text
        assert "AUROC of trust in probe(two)" in text.replace("\\", "")


def test_seeds_are_pooled_and_what_cannot_be_told_is_empty() -> None:
    cell = ("rules", "big", "trust")
    table, notes = learned({cell: [{"a": 0.2, "b": None}, {"a": 0.6, "b": None, "recall of neighbours": 0.97}]})
    lines = table.astype(object).where(table.notna(), None).to_dict("records")
    assert [(r["what"], r["mean"], r["low"], r["high"], r["seeds"]) for r in lines] == [
        ("a", pytest.approx(0.4), 0.2, 0.6, 2),
        ("b", None, None, None, 0),
        ("recall of neighbours", 0.97, 0.97, 0.97, 1),
    ]
    assert notes == ["Neighbours of trust on big are approximate: recall 0.970 on 500 rows."]


@pytest.mark.parametrize(
    ("methods", "added"),
    [
        (["naive", "confidence"], []),
        (["filtering"], [{"filtering": {"by": "random", "drop": 0.1}}]),
        (
            [{"filtering": {"by": "knn", "drop": 0.3}}, {"filtering": {"drop": 0.3}}],
            [{"filtering": {"by": "random", "drop": 0.3}}],
        ),
        (["filtering", {"filtering": {"by": "random"}}], []),
        ([{"filtering": {"drop": 0}}], []),
    ],
)
def test_a_random_drop_at_the_same_retention_stands_beside_a_filter(methods: list[Any], added: list[Any]) -> None:
    whole = with_controls(study(*methods))
    assert whole.methods == [*methods, *added]
    assert with_controls(whole) is whole


def test_a_dry_run_says_what_neighbours_will_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "cost", lambda n, d: neighbours.Cost(n / 10, d * 1_000_000))
    monkeypatch.setattr("outgrow.methods.filtering.cost", neighbours.cost)
    monkeypatch.setattr("outgrow.methods.selective.cost", neighbours.cost)
    plain = dry_run(make_ready(study("naive"), **given()))
    assert plain["memory"] == 0
    found = dry_run(make_ready(study({"filtering": {"by": "knn", "on": "two"}}, "selective"), **given()))
    assert found["memory"] == 4_000_000
    assert found["notes"][-2:] == [
        "filtering(by=knn, on=two) looks for neighbours among 120 rows of two: about 12 s and 2 MB of memory a fit, 2 fits.",
        "selective looks for neighbours among 120 rows of inputs: about 12 s and 4 MB of memory a fit, 2 fits.",
    ]
    assert found["seconds"] > plain["seconds"] + 4 * 12 / 64
    json.dumps(found)

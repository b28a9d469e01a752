"""Results: the decision, the tidy tables, saving and loading."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from outgrow.errors import InputError, StoreError
from outgrow.scores.evaluation import Cell, Evaluation
from outgrow.studies.results import KEYS, Results, decide, names, spent
from outgrow.studies.words import clean, isolate, line, number, share, signed

_PATH = Path(__file__).parent.parent / "reports" / "conftest.py"
_SPEC = importlib.util.spec_from_file_location("made_up_results", _PATH)
made_up = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(made_up)
binary, three, partial, untold, values, hostile = (
    getattr(made_up, name) for name in ("binary", "three", "partial", "untold", "values", "hostile")
)


def cell(floor, student, direct=None, spent=0, n=400, method="m", seeds=3):
    """Make a cell in which a role is right on the first so many rows; the last row differs by seed."""
    truth = np.arange(n) % 2
    runs = []
    for seed in range(seeds):
        outputs = {}
        for role, right in {"floor": floor, "student": student, "direct": direct}.items():
            if right is not None:
                good = np.roll(np.arange(n) < right * n, seed)
                outputs[role] = np.eye(2)[np.where(good, truth, 1 - truth)] * 0.8 + 0.1
        by = {"task": "t", "supervisor": "s", "student": "v", "method": method}
        about = {"classes": np.array(["a", "b"]), "seed": seed, "spent": spent, "cell": by, "direct_rows": 90}
        runs.append(Evaluation.of(np.arange(n), outputs, truth, **about))
    return Cell(runs)


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        ([cell(0.6, 0.8, 0.7)], "ship", "Ship m on v taught by s."),
        ([cell(0.6, 0.7, 0.9)], "use_truth", "Use the truth directly. 90 rows of truth"),
        ([cell(0.8, 0.6, 0.5)], "keep_supervisor", "Keep the supervisor."),
        ([cell(0.99, 0.995, 0.5)], "keep_supervisor", "nearly equals the truth"),
        ([cell(0.2, 0.3, 0.25)], "mend_supervisor", "below chance"),
        ([cell(0.6, 0.6, 0.5)], "cannot_tell", "Cannot tell"),
        ([], "nothing", "No student was trained."),
    ],
)
def test_decision(given, code, words):
    found = decide(given)
    assert found.code == code
    assert words in found.sentence
    if given:
        assert "400 test rows" in found.sentence or code in ("keep_supervisor", "mend_supervisor")
        assert "m on v taught by s" in found.sentence


def test_what_spent_truth_is_never_shipped_over_what_did_not():
    cheap, dear = cell(0.6, 0.7, method="cheap"), cell(0.6, 0.9, spent=50, method="dear")
    results = Results("r", "classes", "accuracy", {}, (dear, cheap), pd.DataFrame(), pd.DataFrame())
    assert [names(c)["method"] for c in results.ranked()] == ["cheap", "dear"]
    assert names(results.decide().cell)["method"] == "cheap"
    assert list(results.table()["spent"]) == [0, 50]


def test_the_saved_student_is_the_one_judged():
    good, other = cell(0.6, 0.8, method="good"), cell(0.6, 0.7, method="other")
    chosen = decide([good, other], {"supervisor": "s", "student": "v", "method": "other"})
    assert names(chosen.cell)["method"] == "other"


def test_lower_is_better_ranks_the_other_way(values):
    shown = [c.value("student") for c in values.ranked()]
    assert shown == sorted(shown)


def test_without_truth_the_decision_says_how_many_rows_to_label(untold):
    found = untold.decide()
    assert found.code == "no_truth"
    most = max(c.numbers().rows_to_label for c in untold.cells)
    told = int(found.reason.split()[2].replace(",", ""))
    assert most <= told < 1.1 * most


def test_frame_has_one_row_a_seed_and_no_nan(binary, untold, partial, values):
    frames = {}
    small = replace(binary, cells=binary.cells[:4])
    for results in (small, untold, partial, values):
        table = frames[results.name] = results.frame()
        assert len(table) == sum(c.n_seeds for c in results.cells)
        assert not table.duplicated([*KEYS, "seed"]).any()
        for name in table:
            assert not any(isinstance(v, float) and v != v for v in table[name]), name
    assert "pgr" not in frames["partial"]
    assert not [c for c in frames["untold"] if c.startswith(("floor", "student_", "gain"))]
    assert (frames["untold"]["missing"] != "").all()
    table = frames["movies"]
    assert (table["penalty"] == 0.3).all()
    first = binary.cells[0].evaluations[0]
    row = table[(table[list(KEYS[1:])] == [first.cell[k] for k in KEYS[1:]]).all(axis=1) & (table["seed"] == 0)].iloc[0]
    assert row["student_accuracy"] == pytest.approx(first.value("student"))
    assert row["gain"] == pytest.approx(row["student_accuracy"] - row["floor_accuracy"])


@pytest.mark.parametrize("name", ["partial", "untold", "values", "three"])
def test_round_trip_renders_the_same(request, name, tmp_path):
    from outgrow.reports.html import render

    given = request.getfixturevalue(name)
    given.save(tmp_path / "run")
    again = Results.load(tmp_path / "run")
    assert render(again) == render(given)
    pd.testing.assert_frame_equal(again.frame(), given.frame())
    assert again.notes == given.notes
    assert again.headline() == given.headline()
    assert pd.read_parquet(tmp_path / "run" / "results.parquet").shape == given.frame().shape
    assert len(pd.read_csv(tmp_path / "run" / "table.csv")) == len(given.cells)
    assert not [p for p in (tmp_path / "run").rglob("*") if p.suffix in (".pkl", ".pickle")]


def test_saving_again_leaves_nothing_of_before(three, partial, tmp_path):
    more = replace(
        partial, cells=(*partial.cells, *three.cells), details=pd.DataFrame({"seed": [0], "method": ["naive"]})
    )
    more.save(tmp_path / "run")
    partial.save(tmp_path / "run")
    assert len(list((tmp_path / "run" / "cells").iterdir())) == len(partial.cells)
    assert Results.load(tmp_path / "run").details is None


def test_load_says_what_is_wrong(partial, tmp_path):
    with pytest.raises(StoreError, match=r"results\.json"):
        Results.load(tmp_path)
    partial.save(tmp_path / "run")
    (tmp_path / "run" / "quality.parquet").write_bytes(b"not parquet")
    with pytest.raises(StoreError, match="damaged"):
        Results.load(tmp_path / "run")


def test_numbers_that_are_not_finite_do_not_break_saving(partial, tmp_path):
    odd = replace(partial, environment={"seconds": float("nan"), "cores": np.int64(2)})
    odd.save(tmp_path / "run")
    assert Results.load(tmp_path / "run").environment == {"seconds": None, "cores": 2}


def test_words():
    assert number(0.7364) == ".736"
    assert number(-0.02) == "-.020"
    assert number(None) == number(float("nan")) == "–"
    assert signed(0.5) == "+.500"
    assert share(0.004) == "0.4 %"
    assert clean("a\u202eb\nc\x00") == "a\ufffdb c\ufffd"
    assert isolate("a\u2069b") == "a\ufffdb"
    assert line(isolate("\u0645")) == "\u2068\u0645\u2069"
    assert len(isolate("x" * 500, 40)) == 40


def test_spent_reads_the_grant():
    assert spent(cell(0.6, 0.7, spent=7)) == 7


def test_plot_draws_the_rows_that_have_scores(binary, untold):
    import matplotlib
    import matplotlib.pyplot as plt

    matplotlib.use("Agg")
    ax = binary.plot()
    drawn = [c for c in binary.ranked() if {"student", "floor"} <= set(c.roles)]
    points = next(c for c in ax.containers if c.get_label() == "student")
    assert points[0].get_xdata() == pytest.approx([c.value("student") for c in drawn])
    assert binary.name in ax.get_title("left")
    plt.close("all")
    with pytest.raises(InputError, match="no test row has truth"):
        untold.plot()

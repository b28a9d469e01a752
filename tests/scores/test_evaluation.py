"""Evaluation and Cell: what they hold, refuse, say, save."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outgrow.errors import InputError, StoreError
from outgrow.scores import metrics
from outgrow.scores.evaluation import Cell, Evaluation
from outgrow.scores.intervals import Interval, Undefined, mean_interval, paired_interval, ratio_interval

CLASSES = np.array(["negative", "positive"])
NAMES = {"task": "movies", "supervisor": "vader", "student": "smollm2/18", "method": "naive"}
RATES = {"floor": 0.66, "student": 0.76, "direct": 0.73, "ceiling": 0.85}


def predictions(truth: np.ndarray, rate: float, rng: np.random.Generator, c: int = 2) -> np.ndarray:
    right = rng.random(len(truth)) < rate
    named = np.where(right, truth, (truth + rng.integers(1, c, len(truth))) % c)
    sure = rng.uniform(0.55, 1.0, len(truth))
    outputs = np.repeat((1 - sure)[:, None] / (c - 1), c, axis=1)
    outputs[np.arange(len(truth)), named] = sure
    return outputs


def example(seed: int = 0, n: int = 400, roles=tuple(RATES), **fields_) -> Evaluation:
    truth = np.random.default_rng(99).integers(0, 2, n)
    rng = np.random.default_rng(seed)
    outputs = {r: predictions(truth, RATES[r], rng) for r in roles}
    given_ = {"classes": CLASSES, "seed": seed, "cell": NAMES, "floors": {"vader": 0.66}, **fields_}
    return Evaluation.of(np.arange(n) * 3, outputs, truth, **given_)


def values(seed: int = 0, n: int = 200) -> Evaluation:
    truth = np.random.default_rng(5).normal(size=n)
    rng = np.random.default_rng(seed)
    outputs = {
        r: (truth + s * rng.normal(size=n))[:, None] for r, s in (("floor", 0.9), ("student", 0.5), ("ceiling", 0.3))
    }
    return Evaluation.of(
        np.arange(n), outputs, truth, metric="mse", seed=seed, cell=NAMES, missing={"direct": "no teach rows"}
    )


def cell(seeds: int = 4, **fields_) -> Cell:
    return Cell([example(s, **fields_) for s in range(seeds)])


# --- figures ------------------------------------------------------------------------------------------------------------------------


def test_scores_are_row_scores_of_the_outputs():
    e = example()
    for role in RATES:
        np.testing.assert_array_equal(e.score[role], e.outputs[role].argmax(1) == e.truth)
        assert e.value(role) == pytest.approx(e.score[role].mean())
    assert e.roles == ("floor", "student", "direct", "ceiling")


def test_differences_are_paired_intervals_of_the_stacked_scores():
    c = cell()
    table = {r: np.stack([e.score[r] for e in c.evaluations]) for r in RATES}
    assert c.gain() == paired_interval(table["student"], table["floor"])
    assert c.gap() == paired_interval(table["ceiling"], table["floor"])
    assert c.direct_minus_student() == paired_interval(table["direct"], table["student"])
    assert c.interval("floor") == mean_interval(table["floor"])
    assert c.pgr() == ratio_interval(table["student"] - table["floor"], table["ceiling"] - table["floor"])
    assert (c.n_rows, c.n_seeds, len(c)) == (400, 4, 4)


def test_one_evaluation_is_a_cell_of_one():
    e = example()
    for name in ("gain", "gap", "pgr", "direct_minus_student", "verdict", "row"):
        assert getattr(e, name)() == getattr(Cell([e]), name)()
    assert e.gain().n_seeds == 1
    assert "one seed" in e.verdict().sentence


def test_gain_in_another_unit():
    c = cell()
    for metric in ("brier", "log_loss"):
        rows = {
            r: np.stack([metrics.row_score(metric, e.outputs[r], e.truth) for e in c.evaluations])
            for r in ("student", "floor")
        }
        assert c.in_unit(metric) == paired_interval(rows["student"], rows["floor"])
    found = c.in_unit("mse")
    assert isinstance(found, Undefined)
    assert "no metric of this kind of task" in found.reason
    bare = replace(example(), outputs=None)
    assert "keeps no outputs" in bare.in_unit("brier").reason


def test_losses_are_shown_positive_and_gains_up():
    c = Cell([values(s) for s in range(3)])
    assert c.kind == "value"
    assert c.interval("floor").mean < 0 < c.shown("floor").low < c.shown("floor").mean < c.shown("floor").high
    assert c.value("floor") == pytest.approx(c.shown("floor").mean)
    assert c.gain().mean == pytest.approx(c.value("floor") - c.value("student"))
    assert c.verdict().code == "better"
    assert "mean squared error" in c.verdict().sentence
    row = c.row()
    assert row["floor_low"] < row["floor_score"] < row["floor_high"]
    assert row["gain"] > 0
    assert row["direct_score"] is None
    assert c.value("floor", "r2") == pytest.approx(
        np.mean([metrics.r2(e.outputs["floor"], e.truth) for e in c.evaluations])
    )


def test_every_metric_of_every_role_is_in_the_frame():
    c = cell()
    frame = c.frame()
    for role in RATES:
        for metric in metrics.metrics_for("classes"):
            line = frame[(frame.role == role) & (frame.metric == metric)].iloc[0]
            expected = np.mean([metrics.measure(metric, e.outputs[role], e.truth) for e in c.evaluations])
            assert line.value == pytest.approx(expected)
            assert line.low < line.value < line.high
            assert line.n == 400
    alone = frame[frame.role == "floor[vader]"].iloc[0]
    assert (alone.value, alone.low, alone.high) == (0.66, None, None)
    assert set(frame.columns) >= {*NAMES, "seed", "role", "metric", "value", "low", "high", "n"}
    assert frame.value.dtype == float


def test_row_is_flat_and_json():
    row = cell().row()
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    assert row["student"] == "smollm2/18"
    assert row["student_low"] < row["student_score"] < row["student_high"]
    assert (row["seeds"], row["n"], row["spent"], row["covered"], row["verdict"]) == (4, 400, 0, 1.0, "better")
    assert row["sentence"] == cell().verdict().sentence


def test_pgr_is_undefined_without_a_gap_above_zero():
    e = example()
    floor, rng = e.outputs["floor"], np.random.default_rng(1)
    alike = np.where((np.arange(400) < 40)[:, None], predictions(e.truth, 0.66, rng), floor)
    for ceiling, reason in ((alike, "touches 0"), (predictions(e.truth, 0.3, rng), "ceiling is below the floor")):
        outputs = {**e.outputs, "ceiling": ceiling}
        c = Evaluation.of(e.ids, outputs, e.truth, classes=CLASSES)
        found = c.pgr()
        assert isinstance(found, Undefined)
        assert reason in found.reason
        assert found.value is None
        assert c.row()["pgr"] is None
        assert c.row()["pgr_reason"] == found.reason
        assert "pgr_undefined" in (c.verdict().code, *(f.code for f in c.verdict().flags))


def test_a_missing_ceiling_has_its_reason_and_no_pgr():
    c = cell(roles=("floor", "student", "direct"), missing={"ceiling": "no truth on transfer rows"})
    assert c.why("ceiling") == "no truth on transfer rows"
    assert c.why("floor") == ""
    assert c.pgr() == Undefined("No truth on transfer rows.")
    assert c.gap() == Undefined("No truth on transfer rows.")
    assert isinstance(c.gain(), Interval)
    assert c.row()["gap"] is None
    assert "pgr_undefined" not in c.row()["flags"]
    assert "ceiling" not in set(c.frame().role)
    with pytest.raises(InputError, match="ceiling has no scores: no truth on transfer rows"):
        c.rows("ceiling")


def test_a_role_that_one_seed_lacks_is_missing():
    c = Cell([example(0), example(1, roles=("floor", "student"), missing={"direct": "too few rows"})])
    assert c.roles == ("floor", "student")
    assert c.why("direct") == "too few rows"
    assert c.why("ceiling") == "ceiling was not computed"


def test_without_truth_there_are_outputs_and_reasons_only():
    e = example()
    blind = Evaluation.of(e.ids, e.outputs, None, classes=CLASSES, expected={"negative": 0.5, "positive": 0.5})
    assert blind.score == {}
    assert blind.roles == ()
    assert set(blind.outputs) == set(RATES)
    assert blind.verdict().code == "no_truth"
    assert "labelled test rows would show a gain" in blind.verdict().sentence
    assert len(blind.frame()) == 0
    assert all(
        v is None
        for k, v in blind.row().items()
        if k.startswith(("floor", "student", "gain", "gap", "pgr")) and k != "pgr_reason"
    )
    assert blind.why("student") == "no truth on test rows"
    assert blind.value("student") is None
    assert blind.per_class() == []
    assert blind.row()["verdict"] == "no_truth"


def test_no_truth_flags_a_leaning_supervisor():
    truth = np.zeros(300, dtype=int)
    rng = np.random.default_rng(0)
    outputs = {"floor": predictions(truth, 0.75, rng), "student": predictions(truth, 0.7, rng)}
    e = Evaluation.of(
        np.arange(300),
        outputs,
        None,
        classes=CLASSES,
        expected={"negative": 0.5, "positive": 0.5},
        expected_from="others",
    )
    assert [f.code for f in e.verdict().flags] == ["biased"]
    assert "the other supervisors name it on 50 %" in e.verdict().flags[0].sentence


def test_a_class_that_nobody_names_gets_a_verdict_that_names_it():
    rng = np.random.default_rng(0)
    truth = rng.choice(3, 600, p=[0.7, 0.28, 0.02])
    seen = np.where(truth == 2, 0, truth)
    outputs = {r: np.pad(predictions(seen, p, rng), ((0, 0), (0, 1))) for r, p in (("floor", 0.7), ("student", 0.8))}
    names = np.array(["common", "usual", "rare"])
    e = Evaluation.of(np.arange(600), outputs, truth, metric="balanced_accuracy", classes=names, floors={"rules": 0.5})
    assert "Class 'rare' cannot be learned" in " ".join(f.sentence for f in e.verdict().flags)
    stacked = replace(e, floors={"rules": 0.5, "probe": 0.6})
    assert "unlearnable" not in stacked.row()["flags"]
    assert "unlearnable" in replace(stacked, unnamed=("rare",)).row()["flags"]
    assert "unlearnable" not in replace(e, unnamed=()).row()["flags"]


def test_uncovered_rows_do_not_count_as_named():
    truth = np.random.default_rng(0).integers(0, 2, 200)
    covered = np.arange(200) < 60
    floor = np.where(covered[:, None], np.eye(2)[truth], [0.6, 0.4])
    e = Evaluation.of(np.arange(200), {"floor": floor, "student": floor}, truth, classes=CLASSES, covered=covered)
    assert e.numbers().named["positive"] == pytest.approx(truth[:60].mean())
    assert e.covered_only("floor").value == 1.0
    assert e.value("floor") < 0.8
    assert e.row()["covered"] == pytest.approx(0.3)
    none = replace(e, covered=np.zeros(200, dtype=bool))
    assert "no test row is covered" in none.covered_only("floor").reason.lower()


def test_covered_only_takes_weights_afresh():
    e = example(metric="balanced_accuracy", covered=np.arange(400) < 150)
    expected = metrics.balanced_accuracy(e.outputs["student"][:150], e.truth[:150])
    assert e.covered_only("student").mean == pytest.approx(expected)
    other = example(1, metric="balanced_accuracy", covered=np.arange(400) >= 100)
    both = Cell([e, other])
    np.testing.assert_array_equal(both.covered, (np.arange(400) >= 100) & (np.arange(400) < 150))


def test_chance_and_agreement_reach_the_verdict():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 500)
    flipped, good = predictions(truth, 0.3, rng), predictions(truth, 0.99, rng)
    low = Evaluation.of(np.arange(500), {"floor": flipped, "student": flipped[::1].copy()}, truth, classes=CLASSES)
    assert low.verdict().code == "below_chance"
    high = Evaluation.of(np.arange(500), {"floor": good, "student": good.copy()}, truth, classes=CLASSES)
    assert high.verdict().code == "near_truth"


def test_scores_of_something_else_need_no_classes():
    rng = np.random.default_rng(0)
    score = {"floor": rng.normal(size=90), "student": rng.normal(size=90) + 1}
    e = Evaluation(
        np.array([f"game {i}" for i in range(90)], dtype=object), score, metric="mean_return", cell={"task": "maze"}
    )
    assert e.kind == "other"
    assert e.verdict().code == "better"
    assert "mean return" in e.verdict().sentence
    assert list(e.frame().metric.unique()) == ["mean_return"]
    assert e.value("student") == pytest.approx(score["student"].mean())


def test_per_class_is_over_all_seeds():
    c = cell()
    table = c.per_class("floor")
    assert [row["class"] for row in table] == ["negative", "positive"]
    assert sum(row["support"] for row in table) == 4 * 400


# --- invariants ---------------------------------------------------------------------------------------------------------------------


@given(st.integers(0, 10**6))
@settings(max_examples=5)
def test_order_of_rows_and_seeds_changes_no_figure(seed):
    order = np.random.default_rng(seed).permutation(400)
    moved = []
    for e in cell(3).evaluations[::-1]:
        score = {r: v[order] for r, v in e.score.items()}
        outputs = {r: v[order] for r, v in e.outputs.items()}
        moved.append(
            replace(e, ids=e.ids[order], score=score, outputs=outputs, truth=e.truth[order], covered=e.covered[order])
        )
    before, after = cell(3).row(), Cell(moved).row()
    numbers = [k for k, v in before.items() if isinstance(v, float)]
    assert [before[k] for k in numbers] == pytest.approx([after[k] for k in numbers], rel=1e-9)
    assert before["sentence"] == after["sentence"]


# --- bad input ----------------------------------------------------------------------------------------------------------------------


def bad(**changes):
    return lambda: replace(example(), **changes)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (bad(ids=np.zeros(400)), "ids of test rows repeat"),
        (bad(ids=np.zeros((400, 1))), "one id a test row"),
        (bad(score={"floor": np.zeros(3)}), "scores of floor have shape"),
        (bad(score={"flor": np.zeros(400)}), "role 'flor' is unknown; did you mean 'floor'"),
        (bad(score={"floor": np.full(400, np.nan)}), "not finite"),
        (bad(outputs={"floor": np.zeros((400, 3))}), r"\(400, 2\) is needed"),
        (bad(outputs={"floor": np.full((400, 2), np.inf)}), "outputs of floor hold values that are not finite"),
        (bad(truth=np.zeros(3, dtype=int)), "truth has shape"),
        (bad(truth=np.full(400, -1)), "class indices 0 to 1"),
        (bad(truth=np.zeros(400)), "class indices 0 to 1"),
        (bad(covered=np.ones(400)), "400 booleans are needed"),
        (bad(floors={"vader": np.nan}), "not finite"),
        (bad(expected_from="other"), "did you mean 'others'"),
        (lambda: Evaluation.of([0, 1], {}, None, metric="auroc"), "no mean over rows"),
        (lambda: Evaluation.of([0, 1], {}, None, metric="acuracy"), "did you mean 'accuracy'"),
        (lambda: Evaluation.of([0, 1], {"floor": [[1.0], [2.0]]}, [0.0, np.nan], metric="mse"), "not finite"),
        (lambda: example().why("stduent"), "did you mean 'student'"),
        (lambda: Cell([]), "at least one evaluation"),
        (lambda: Cell([example(0), example(0)]), "a seed is given twice"),
        (lambda: Cell([example(0), replace(example(1), ids=np.arange(400))]), "other test rows"),
        (lambda: Cell([example(0), replace(example(1), ids=example(1).ids[::-1])]), "in another order"),
        (lambda: Cell([example(0), example(1, metric="brier")]), "differ in metric"),
        (lambda: Cell([example(0), example(1, spent=50)]), "differ in spent"),
        (lambda: Cell([example(0), example(1, cell={**NAMES, "method": "confidence"})]), "differ in cell"),
        (lambda: Cell([example(0), replace(example(1), truth=1 - example(1).truth)]), "differ in truth"),
        (lambda: Cell([example(0), replace(example(1), classes=CLASSES[::-1])]), "differ in classes"),
    ],
)
def test_bad_input_is_said_in_a_sentence(call, message):
    with pytest.raises(InputError, match=message):
        call()


# --- files --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "e",
    [
        example(
            3,
            spent=7,
            missing={"self": "no prompt"},
            unnamed=("positive",),
            covered=np.arange(400) % 2 == 0,
            direct_rows=500,
        ),
        values(),
        Evaluation.of(np.arange(4), {"floor": np.full((4, 2), 0.5)}, None, classes=CLASSES, expected={"negative": 0.2}),
        Evaluation(np.array(["a", "b"], dtype=object), {"student": np.array([0.1, 0.2])}, metric="return"),
    ],
)
def test_save_and_load(e, tmp_path):
    back = Evaluation.load(e.save(tmp_path / "deep" / "one"))
    for f in fields(Evaluation):
        ours, theirs = getattr(e, f.name), getattr(back, f.name)
        if isinstance(ours, np.ndarray):
            np.testing.assert_array_equal(ours, theirs)
            assert ours.dtype == theirs.dtype
        elif f.name in ("score", "outputs") and ours is not None:
            assert list(ours) == list(theirs)
            for role in ours:
                np.testing.assert_array_equal(ours[role], theirs[role])
        else:
            assert ours == theirs
    assert back.row() == e.row()
    assert not [p for p in tmp_path.rglob("*") if p.suffix not in ("", ".npy", ".json")]


def test_a_damaged_folder_is_said(tmp_path):
    e = example()
    with pytest.raises(StoreError, match="FileNotFoundError"):
        Evaluation.load(tmp_path)
    place = e.save(tmp_path / "one")
    (place / "score.floor.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00{'descr'")
    with pytest.raises(StoreError, match="cannot be read"):
        Evaluation.load(place)
    e.save(place)
    (place / "truth.npy").unlink()
    with pytest.raises(StoreError, match="FileNotFoundError"):
        Evaluation.load(place)
    e.save(place)
    about = json.loads((place / "evaluation.json").read_text())
    (place / "evaluation.json").write_text(json.dumps({**about, "format": 99}))
    with pytest.raises(StoreError, match="format 99"):
        Evaluation.load(place)


def test_nothing_pickled_is_loaded(tmp_path):
    place = example().save(tmp_path)
    np.save(place / "ids.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(StoreError, match="ValueError"):
        Evaluation.load(place)


def test_text_shows_names_only():
    assert repr(cell(2)).startswith("Cell(task='movies', supervisor='vader'")

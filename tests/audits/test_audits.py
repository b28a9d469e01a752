from __future__ import annotations

import inspect
from dataclasses import replace

import numpy as np
import pytest

from outgrow.audits import Calibration, Imitation
from outgrow.audits.finding import Finding
from outgrow.catalogue import catalogue
from outgrow.scores.evaluation import Cell, Evaluation
from outgrow.scores.metrics import ece

NAMES = {"task": "t", "supervisor": "s", "student": "x", "method": "naive"}


def soft(named, sure, c: int):
    """Probabilities that name the given classes with the given confidence."""
    named, sure = np.asarray(named), np.broadcast_to(sure, len(named))
    out = np.repeat(((1 - sure) / (c - 1))[:, None], c, axis=1)
    out[np.arange(len(named)), named] = sure
    return out


def made(truth, floor, student, c: int = 3, sure=0.8, seed: int = 0, **others) -> Evaluation:
    outputs = {"floor": soft(floor, sure, c), "student": soft(student, 0.7, c)}
    return Evaluation.of(
        np.arange(len(truth)),
        outputs,
        np.asarray(truth),
        classes=np.array(list("abcdef")[:c]),
        cell=NAMES,
        seed=seed,
        **others,
    )


@pytest.mark.parametrize("name", ["imitation", "calibration"])
def test_an_audit_is_handed_a_cell_and_nothing_else(name):
    parameters = list(inspect.signature(catalogue("audits")[name]().examine).parameters)
    assert parameters == ["cell"]


def test_every_registered_audit_takes_a_cell_alone():
    for audit in catalogue("audits").values():
        assert list(inspect.signature(audit().examine).parameters) == ["cell"]
        assert not [p for p in inspect.signature(audit).parameters.values() if p.default is p.empty]


def test_without_truth_nothing_is_found():
    whole = made([0, 1, 2, 0], [0, 1, 1, 1], [0, 1, 2, 1])
    whole = replace(whole, moments={"0.5": whole.outputs["floor"], "1": whole.outputs["student"]})
    assert all(audit().examine(Cell([whole])) for audit in catalogue("audits").values())
    blind = replace(whole, truth=None, score={})
    for audit in catalogue("audits").values():
        assert audit().examine(Cell([blind])) == []


def test_imitation_by_hand():
    truth = [0, 0, 0, 0, 1, 1, 2, 2]
    floor = [0, 0, 1, 1, 1, 2, 2, 0]  # wrong on rows 2, 3, 5, 7
    student = [0, 1, 1, 0, 1, 2, 2, 1]  # copies 2 and 5, fixes 3, replaces 7, breaks 1 of four
    (finding,) = Imitation().examine(Cell([made(truth, floor, student)]))
    top = finding.table.iloc[0]
    assert top["supervisor_confidence"] == "all"
    assert (top["errors"], top["copied"], top["fixed"], top["replaced"]) == (4, 0.5, 0.25, 0.25)
    assert (top["right"], top["broken"]) == (4, 0.25)
    assert finding.numbers == {"copied": 0.5, "fixed": 0.25, "broken": 0.25}
    assert "copies 50 % of its supervisor's errors and fixes 25 %; it breaks 25 %" in finding.sentence
    assert len(finding.table) == 1  # one confidence: no quarters
    assert finding.frame().columns[:5].tolist() == ["audit", "task", "supervisor", "student", "method"]


def test_quarters_follow_the_confidence_of_the_supervisor():
    truth, floor = np.zeros(8, int), np.array([1, 0, 1, 0, 0, 0, 0, 0])
    sure = np.array([0.4, 0.41, 0.5, 0.51, 0.6, 0.61, 0.9, 0.91])
    (finding,) = Imitation().examine(Cell([made(truth, floor, truth, sure=sure)]))
    assert finding.table["errors"].tolist() == [2, 1, 1, 0, 0]
    assert finding.table["right"].tolist() == [6, 1, 1, 2, 2]
    assert finding.table["supervisor_confidence"].tolist()[1] == "0.40 to 0.48"
    assert finding.table["errors"].iloc[1:].sum() == finding.table["errors"].iloc[0]


def test_rows_of_equal_confidence_stay_together():
    truth, floor = np.zeros(9, int), np.array([1, 1, 1, 0, 0, 0, 0, 0, 0])
    sure = np.where(np.arange(9) < 5, 0.5, 0.9)
    one = Imitation().examine(Cell([made(truth, floor, truth, sure=sure)]))[0]
    order = np.random.default_rng(0).permutation(9)
    two = Imitation().examine(Cell([made(truth[order], floor[order], truth[order], sure=sure[order])]))[0]
    assert one.table.equals(two.table)


def test_a_tie_counts_half_for_each_class():
    truth = np.array([0, 1])
    outputs = {"floor": np.full((2, 2), 0.5), "student": soft([0, 0], 0.9, 2)}
    e = Evaluation.of([0, 1], outputs, truth, classes=np.array(["a", "b"]), cell=NAMES)
    top = Imitation().examine(Cell([e]))[0].table.iloc[0]
    # Row 0: half right (kept), half wrong (fixed). Row 1: half right (broken), half wrong (copied).
    assert (top["errors"], top["copied"], top["fixed"], top["right"], top["broken"]) == (1, 0.5, 0.5, 1, 0.5)


def test_rows_that_nobody_covers_are_no_errors_of_the_supervisor():
    covered = np.array([True, True, True, False, False])
    e = made([0, 0, 1, 1, 1], [0, 1, 1, 0, 0], [0, 1, 1, 0, 0], covered=covered)
    top = Imitation().examine(Cell([e]))[0].table.iloc[0]
    assert (top["errors"], top["right"], top["copied"]) == (1, 2, 1.0)
    assert Imitation().examine(Cell([replace(e, covered=np.zeros(5, bool))])) == []


def test_seeds_are_pooled():
    cell = Cell([made([0, 0], [1, 0], [1, 0], seed=0), made([0, 0], [1, 1], [0, 0], seed=1)])
    top = Imitation().examine(cell)[0].table.iloc[0]
    assert (top["errors"], top["copied"], top["fixed"]) == (3, pytest.approx(1 / 3), pytest.approx(2 / 3))


def test_a_supervisor_without_errors():
    (finding,) = Imitation().examine(Cell([made([0, 1], [0, 1], [0, 2])]))
    assert finding.sentence == "The supervisor makes no error on the test rows it covers, so there is nothing to copy."
    assert finding.numbers == {"broken": 0.5}
    assert np.isfinite(list(finding.numbers.values())).all()


def test_values_are_judged_by_the_correlation_of_errors():
    random = np.random.default_rng(0)
    truth, noise, own = random.normal(size=(3, 200))

    def cell(student):
        outputs = {"floor": (truth + noise)[:, None], "student": (truth + student)[:, None]}
        return Cell([Evaluation.of(np.arange(200), outputs, truth, metric="mse", cell=NAMES)])

    assert Imitation().examine(cell(noise / 2))[0].numbers["error_correlation"] == pytest.approx(1)
    found = Imitation().examine(cell(noise + own))[0]
    assert found.numbers["error_correlation"] == pytest.approx(np.corrcoef(noise, noise + own)[0, 1])
    assert "correlate with its supervisor's at 0.7" in found.sentence
    flat = Imitation().examine(cell(0 * own))[0]
    assert flat.sentence == "The errors do not vary, so copying cannot be measured."
    assert flat.numbers == {}
    assert Calibration().examine(cell(own)) == []


def test_calibration_is_the_metric_of_all_seeds_rows():
    random = np.random.default_rng(1)
    truth = random.integers(0, 3, 100)
    cells = []
    for seed in (0, 1):
        outputs = {r: random.dirichlet(np.ones(3), size=100) for r in ("floor", "student", "ceiling")}
        cells.append(
            Evaluation.of(np.arange(100), outputs, truth, classes=np.array(list("abc")), cell=NAMES, seed=seed)
        )
    (finding,) = Calibration().examine(Cell(cells))
    for role in ("student", "floor", "ceiling"):
        both = np.concatenate([e.outputs[role] for e in cells])
        assert finding.numbers[f"ece_{role}"] == pytest.approx(ece(both, np.tile(truth, 2)))
    mine = finding.table[finding.table["role"] == "student"]
    assert mine["share"].sum() == pytest.approx(1)
    assert "recalibrate it before use" in finding.sentence
    assert "(too sure)" in finding.sentence


def test_a_student_that_is_as_sure_as_it_is_right():
    truth = np.array([0] * 8 + [1] * 2)
    e = Evaluation.of(
        np.arange(10), {"student": soft([0] * 10, 0.8, 2)}, truth, classes=np.array(["a", "b"]), cell=NAMES
    )
    (finding,) = Calibration().examine(Cell([e]))
    assert finding.numbers == {"ece_student": pytest.approx(0, abs=1e-12)}
    assert "it can be read as a probability" in finding.sentence
    shy = Evaluation.of(
        [0, 1], {"student": soft([0, 0], 0.6, 2)}, np.array([0, 0]), classes=np.array(["a", "b"]), cell=NAMES
    )
    assert "(not sure enough)" in Calibration().examine(Cell([shy]))[0].sentence


def test_a_finding_holds_a_table():
    (finding,) = Imitation().examine(Cell([made([0, 1], [1, 1], [0, 1])]))
    assert isinstance(finding, Finding)
    assert finding.frame()["audit"].unique().tolist() == ["imitation"]
    assert "audit" not in finding.table.columns

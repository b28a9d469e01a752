from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from outgrow.catalogue import catalogue
from outgrow.cli import main
from outgrow.errors import InputError
from outgrow.studies.check import CHECKS, Line, check_method, method_at
from outgrow.studies.ordinary import world

from . import planted

ESTIMATOR = "scikit-learn"
"""Is run on all methods by tests/methods/test_sklearn.py."""


def failed(cls: type) -> dict[str, str]:
    return {x.check: x.sentence for x in check_method(cls, skip=(ESTIMATOR,)) if x.status == "failed"}


@pytest.mark.parametrize("name", sorted(catalogue("methods")))
def test_our_own_methods_pass(name: str) -> None:
    lines = list(check_method(catalogue("methods")[name], skip=(ESTIMATOR,)))
    assert [x for x in lines if x.status == "failed"] == []
    assert [x.check for x in lines] == [c for c in CHECKS if c != ESTIMATOR]
    assert {x.check for x in lines if x.status == "skipped"} <= {"a supervisor covers 5 %"}


def test_nothing_is_wrong_with_the_pattern_of_the_planted_ones() -> None:
    assert failed(planted.Soft) == {}


@pytest.mark.parametrize(
    ("cls", "check", "said"),
    [
        (planted.NoOff, "interface", 'declare the parameters under which it is naive: off = {"weight": 0}, say'),
        (planted.Undeclared, "interface", "it declares truth = 'none', and needs() asks for a grant of truth"),
        (planted.Rounds, "constructor stores", "the constructor does not store 'share' as it is given"),
        (planted.Nearly, "off value is naive", "with share=0 the logits differ from naive's by up to"),
        (planted.Cheat, "truth is locked", "logits changes with truth that was not granted"),
        (planted.Drifts, "same data, same bits", "two fits on the same data differ"),
        (planted.Counts, "rows of weight zero", "rows of weight zero change the student"),
        (planted.Impatient, "abstaining rows", "does not say so: Impatient wants a label on every row"),
        (planted.Binary, "three classes", "predict_proba() must give one probability a class"),
        (planted.Writes, "several supervisors", "fit() writes into the features or labels it was given"),
        (planted.Talks, "what it learned", "said() must return a dict of names to numbers"),
        (planted.Crashes, "value task", "KeyError: 'class' in planted.py, line"),
    ],
)
def test_a_fault_is_found_in_its_line(cls: type, check: str, said: str) -> None:
    only = tuple(c for c in CHECKS if c not in (check, "interface"))
    found = {x.check: x for x in check_method(cls, skip=only)}
    assert found[check].status == "failed"
    assert said in found[check].sentence


def test_without_the_interface_nothing_else_is_tried() -> None:
    lines = list(check_method(object))
    assert lines[0].status == "failed"
    assert "truth = one of 'none', 'teach', 'budget'" in lines[0].sentence
    assert {x.status for x in lines[1:]} == {"skipped"}
    assert len(lines) == len(CHECKS)


def test_what_needs_a_grant_is_no_estimator_for_scikit_learn() -> None:
    (line,) = check_method(catalogue("methods")["trust"], skip=tuple(c for c in CHECKS if c != ESTIMATOR))
    assert line == Line(
        ESTIMATOR, "skipped", "it needs known= and the supervisor's features, which scikit-learn does not give"
    )


def test_scikit_learns_checks_are_run() -> None:
    class Rude(planted.Soft):
        def fit(self, X: object, y: object, *, sample_weight: object = None) -> Rude:
            return self

    skip = tuple(c for c in CHECKS if c != ESTIMATOR)
    (line,) = check_method(Rude, skip=skip)
    assert line.status == "failed"
    assert "check_" in line.sentence


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("naive", "name a method as module:Class"),
        ("outgrow.nothing:Naive", "'outgrow.nothing' cannot be imported (ModuleNotFoundError"),
        ("outgrow.methods.naive:Nave", "has no class 'Nave'; did you mean 'Naive'?"),
        ("outgrow.methods.raven:slope", "has no class 'slope'"),
    ],
)
def test_a_place_that_is_none(place: str, message: str) -> None:
    with pytest.raises(InputError) as raised:
        method_at(place)
    assert message in str(raised.value)


def test_the_permuted_world_differs_in_truth_outside_the_grant_only() -> None:
    one = world(supervisors=2, classes=3)
    two = one.permuted()
    changed = one.truth != two.truth
    assert not changed[one.roles.teach].any()
    assert changed.mean() > 0.3
    assert one.weak is two.weak


def test_the_program_says_a_line_a_check_and_ends_with_one_on_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text(
        "from outgrow.methods.naive import Naive\n"
        "class Mine(Naive):\n    '''Like naive.'''\n"
        "    def said(self):\n        return {'x': 'y'}\n"
        "    def needs(self):\n        from outgrow.tasks.needs import Needs\n"
        "        return super().needs() | Needs(supervisors=2)\n"
    )
    # The program looks in the folder it is called from.
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p not in ("", str(tmp_path))])
    monkeypatch.delitem(sys.modules, "mine", raising=False)

    def program(place: str, *more: str) -> tuple[int | str | None, str, str]:
        monkeypatch.setattr(sys, "argv", ["outgrow", "check-method", place, *more])
        with pytest.raises(SystemExit) as stopped:
            main()
        return stopped.value.code, *capsys.readouterr()

    code, out, err = program("mine:Mine", "--json")
    assert code == 1, err
    found = json.loads(out)
    assert (found["method"], found["failed"]) == ("mine:Mine", 1)
    assert {x["check"]: x["status"] for x in found["checks"]} == {
        c: "failed"
        if c == "what it learned"
        else "skipped"
        if c in (ESTIMATOR, "a supervisor covers 5 %")
        else "passed"
        for c in CHECKS
    }
    wrong = program("mine:Mind")
    assert wrong == (2, "", "outgrow: the module 'mine' has no class 'Mind'; did you mean 'Mine'?\n")
    monkeypatch.delitem(sys.modules, "mine")

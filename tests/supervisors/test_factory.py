from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from outgrow.errors import StudyError
from outgrow.supervisors import FileSupervisor, ProbeSupervisor, RuleSupervisor, kinds, supervisor
from outgrow.supervisors.lexicon import LexiconRule
from outgrow.tasks.rows import Rows

CLASSES = ["negative", "positive"]


def make(spec: Any, **context: Any) -> Any:
    return supervisor(spec, **{"classes": CLASSES, "kind": "classes", **context})


def test_the_entries_of_the_demo():
    probe = make({"probe": "wordllama"})
    assert isinstance(probe, ProbeSupervisor)
    assert (probe.on, probe.name, probe.needs_truth) == ("wordllama", "probe(wordllama)", True)
    rules = make({"rules": "vader"})
    assert isinstance(rules, RuleSupervisor)
    assert (rules.rules, rules.name, rules.needs_truth) == (LexiconRule(), "vader", False)
    assert make({"rules": "vader", "classes": ["n", "p"]}, classes=["p", "n"]).rules == LexiconRule("vader", "n", "p")


def test_probe_options():
    probe = make({"probe": "tfidf", "penalty": 0.5, "folds": 3, "name": "mine"})
    assert (probe.learner.penalty, probe.learner.on, probe.folds, probe.name) == (0.5, "tfidf", 3, "mine")
    with pytest.raises(StudyError, match="the penalty of probe 'tfidf'"):
        make({"probe": "tfidf", "penalty": "much"})
    with pytest.raises(StudyError, match="names the view"):
        make({"probe": None})


def test_a_file_beside_the_study(tmp_path: Path):
    (tmp_path / "weak.csv").write_text("ticket,guess\nx1,positive\nx2,negative\n", encoding="utf-8")
    made = make({"file": "weak.csv", "id": "ticket", "label": "guess"}, names=["x1", "x2"], folder=tmp_path)
    assert isinstance(made, FileSupervisor)
    assert made.name == "weak"
    assert made.label(Rows.from_arrays(inputs=["a", "b"])).hard()[:, 0].tolist() == [1, 0]


def test_functions_of_a_module_beside_the_study(tmp_path: Path):
    module = "rules_of_test_factory"
    source = "def happy(text):\n    return 'positive' if 'ha' in text else None\n\nnumber = 3\n"
    (tmp_path / f"{module}.py").write_text(source, encoding="utf-8")
    before = list(sys.path)
    try:
        made = make({"rules": [f"{module}:happy", "vader"]}, folder=tmp_path)
        assert made.name == "happy+vader"
        labels = make({"rules": f"{module}:happy"}, folder=tmp_path).label(Rows.from_arrays(inputs=["haha", "no"]))
        assert labels.covered[:, 0].tolist() == [True, False]
        with pytest.raises(StudyError, match="no function 'hapy'; did you mean 'happy'"):
            make({"rules": f"{module}:hapy"}, folder=tmp_path)
        with pytest.raises(StudyError, match="is of type int"):
            make({"rules": f"{module}:number"}, folder=tmp_path)
    finally:
        sys.modules.pop(module, None)
    assert sys.path == before
    with pytest.raises(StudyError, match="need the module 'no_such_module'"):
        make({"rules": "no_such_module:f"}, folder=tmp_path)


@pytest.mark.parametrize(
    ("spec", "match"),
    [
        ({"prob": "x"}, "cannot be of the kind 'prob'; did you mean 'probe'"),
        ({}, "cannot be of the kind ''"),
        ({"probe": "x", "file": "y"}, "is of one kind"),
        ({"probe": "x", "fold": 3}, "no option 'fold'; did you mean 'folds'"),
        ({"file": "x", "labels": "y"}, "no option 'labels'; did you mean 'label'"),
        ({"rules": "vadr"}, "did you mean 'vader'"),
        ({"rules": []}, "packaged name"),
        ({"rules": "math:sqrt", "classes": ["a", "b"]}, "functions name their own"),
        ({"file": 3}, "names a path"),
        ("vader", "not as a str"),
    ],
)
def test_wrong_entries(spec: Any, match: str):
    with pytest.raises(StudyError, match=match):
        make(spec)


def test_lexicons_have_no_values():
    with pytest.raises(StudyError, match="this task has values"):
        make({"rules": "vader"}, classes=None, kind="value")


class Constant:
    needs_truth, on, name = False, None, "constant"

    def __init__(self, value: Any, **context: Any):
        self.value, self.context = value, context


def test_third_parties_add_kinds(monkeypatch: pytest.MonkeyPatch):
    point = importlib.metadata.EntryPoint("constant", f"{__name__}:Constant", "outgrow.supervisors")
    monkeypatch.setitem(sys.modules, __name__, sys.modules[Constant.__module__])
    found = importlib.metadata.EntryPoints([point])
    monkeypatch.setattr("outgrow.supervisors.factory.entry_points", lambda group: found.select(group=group))
    assert "constant" in kinds()
    made = make({"constant": 5, "loud": True}, names=["a"])
    assert made.value == 5
    assert made.context == {"classes": CLASSES, "kind": "classes", "names": ["a"], "loud": True}


def test_folder_names_are_functions_and_classes():
    import outgrow.supervisors as folder

    for name in folder.__all__:
        assert callable(getattr(folder, name)), name
    assert np.all([hasattr(folder, name) for name in dir(folder)])

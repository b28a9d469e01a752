"""The rows whose truth the ceiling learns: transfer rows, or teach rows as sweeps of public code have it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import outgrow
from outgrow.errors import StudyError
from outgrow.learners.linear import LinearHead
from outgrow.reports.content import content
from outgrow.store import Journal
from outgrow.studies.evaluate import references
from outgrow.studies.ready import make_ready
from outgrow.studies.results import Results
from outgrow.studies.run import dry_run
from outgrow.studies.study import Study
from outgrow.tasks.split import Roles

from .small import STUDY


def test_one_fit_is_direct_and_ceiling(given: dict[str, Any]) -> None:
    task = given["task"]
    rows = outgrow.Rows.from_arrays(X=task.inputs)
    roles = Roles(np.arange(30), np.arange(30, 120), np.arange(120, 130), np.arange(130, 240))
    fits: list[int] = []

    class Counted(LinearHead):
        def fit(self, X: Any, y: Any, **others: Any) -> Any:
            fits.append(len(X))
            return super().fit(X, y, **others)

    usual = references(Counted(penalty=0.1), task, rows, roles)
    assert fits == [30, 90]
    made = references(Counted(penalty=0.1), task, rows, roles, "teach")
    assert fits == [30, 90, 30]
    np.testing.assert_array_equal(made.outputs["ceiling"], usual.outputs["direct"])
    np.testing.assert_array_equal(made.outputs["direct"], usual.outputs["direct"])
    assert made.penalties == {"direct": 0.1, "ceiling": 0.1}
    blind = task.hide(np.concatenate([roles.transfer, roles.test]))
    assert (
        references(LinearHead(), blind, rows, roles, "teach").missing["ceiling"] == "no ceiling: no truth on teach rows"
    )
    # With truth on teach rows alone there is a ceiling still.
    taught = task.hide(np.concatenate([roles.teach, roles.test]))
    assert set(references(LinearHead(penalty=0.1), taught, rows, roles, "teach").outputs) == {"direct", "ceiling"}
    assert set(references(LinearHead(penalty=0.1), taught, rows, roles).outputs) == {"direct"}


def test_a_study_says_which_it_is(given: dict[str, Any], tmp_path: Path) -> None:
    usual = outgrow.run(STUDY, out=tmp_path / "usual", **given)
    assert usual.task["ceiling"] == "transfer"
    assert not any("ceiling on teach rows" in note for note in usual.notes)
    teach = {**STUDY, "ceiling": "teach"}
    told = dry_run(make_ready(Study.read(teach), task=given["task"], views=given["views"]))
    assert [j["label"] for j in told["jobs"] if j["kind"] == "reference"] == [
        f"direct, the ceiling too, of inputs penalty 0.1, seed {seed}" for seed in (0, 1)
    ]
    assert any("ceiling on teach rows" in note for note in told["notes"])
    results = outgrow.run(teach, out=tmp_path / "teach", **given)
    done = [e["kind"] for e in Journal(tmp_path / "teach" / "journal.jsonl").read() if e["event"] == "done"]
    # Labels and students are those of the other study; references, curves on them and scores are not.
    assert "student" not in done
    assert done.count("reference") == 2
    frame, before = results.frame(), usual.frame()
    np.testing.assert_array_equal(frame["ceiling_accuracy"], frame["direct_accuracy"])
    np.testing.assert_array_equal(frame["direct_accuracy"], before["direct_accuracy"])
    np.testing.assert_array_equal(frame["student_accuracy"], before["student_accuracy"])
    assert (frame["ceiling_accuracy"] != before["ceiling_accuracy"]).any()
    loaded = Results.load(tmp_path / "teach")
    assert loaded.task["ceiling"] == "teach"
    assert any("ceiling on teach rows: it is direct" in note for note in loaded.notes)
    assert "all teach rows, as direct is" in dict(content(loaded).glossary)["ceiling"]
    assert "all transfer rows" in dict(content(usual).glossary)["ceiling"]
    written = Study.read(tmp_path / "teach" / "study.yaml")
    assert written.ceiling == "teach"


def test_other_words_are_refused() -> None:
    with pytest.raises(StudyError, match=r"'ceiling' must be 'transfer' or 'teach', not 'train1'"):
        Study.read({**STUDY, "ceiling": "train1"})
    with pytest.raises(StudyError, match="unknown key 'ceilling'; did you mean 'ceiling'"):
        Study.read({**STUDY, "ceilling": "teach"})

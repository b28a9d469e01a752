"""Carrying out a study: what is stored is not done again, folders are ours, damaged objects are made anew, nothing is half said."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import outgrow
from outgrow.errors import LabelsError, StudyError
from outgrow.store import Journal, Store
from outgrow.studies.ready import make_ready
from outgrow.studies.run import dry_run
from outgrow.studies.study import Study

from .small import STUDY


def events(folder, event):
    return [line for line in Journal(folder / "journal.jsonl").read() if line["event"] == event]


def test_nothing_twice(given, tmp_path):
    first = outgrow.run(STUDY, out=tmp_path / "a", **given)
    assert len(events(tmp_path / "a", "done")) == 8
    assert [line["what"] for line in events(tmp_path / "a", "wrote")] == [
        "student",
        "rows",
        "results",
        "report.md",
        "report.html",
    ]
    assert events(tmp_path / "a", "held") == []
    again = outgrow.run(STUDY, out=tmp_path / "b", **given)
    assert events(tmp_path / "b", "done") == []
    assert [line["jobs"] for line in events(tmp_path / "b", "held")] == [8]
    pd.testing.assert_frame_equal(first.frame(), again.frame())
    # One more method: its fits and scores, and nothing else.
    outgrow.run({**STUDY, "methods": ["naive", "confidence"]}, out=tmp_path / "c", **given)
    assert sorted(line["kind"] for line in events(tmp_path / "c", "done")) == ["evaluation"] * 2 + ["student"] * 2
    # One more seed: all four kinds, once; the test rows stay.
    more = outgrow.run({**STUDY, "seeds": 3}, out=tmp_path / "d", **given)
    assert sorted(line["kind"] for line in events(tmp_path / "d", "done")) == [
        "evaluation",
        "labels",
        "reference",
        "student",
    ]
    kept = more.frame()[lambda f: f["seed"] < 2].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept[first.frame().columns], first.frame())


def test_what_a_study_computes_on_is_in_the_keys(given, tmp_path):
    """Other inputs, other truth, another penalty: what depends on them is done anew."""
    outgrow.run(STUDY, out=tmp_path / "a", **given)
    task = given["task"]
    other = task.with_truth(np.r_[1 - task.truth_at([0]), task.truth_at(np.arange(1, 240))])
    outgrow.run(STUDY, out=tmp_path / "b", **{**given, "task": other})
    assert len(events(tmp_path / "b", "done")) >= 4
    outgrow.run({**STUDY, "students": [{"encoder": "inputs", "penalty": 0.2}]}, out=tmp_path / "c", **given)
    kinds = [line["kind"] for line in events(tmp_path / "c", "done")]
    assert sorted(kinds) == ["evaluation"] * 2 + ["reference"] * 2 + ["student"] * 2
    outgrow.run(STUDY, out=tmp_path / "d", **{**given, "views": {"two": given["views"]["two"] * 1.5 + 1}})
    assert {"labels", "student", "evaluation"} <= {line["kind"] for line in events(tmp_path / "d", "done")}
    assert "reference" not in {line["kind"] for line in events(tmp_path / "d", "done")}


def test_stale_results_go(given, tmp_path):
    """A folder used again holds this run's results and nothing of the last one's."""
    out = tmp_path / "out"
    outgrow.run({**STUDY, "methods": ["naive", "confidence"]}, out=out, **given)
    (out / "student" / "old").write_text("x")
    outgrow.run(STUDY, out=out, **given)
    assert not (out / "student" / "old").exists()
    assert len(list((out / "cells").iterdir())) == 1


def test_other_peoples_folders(given, tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(StudyError, match="holds other files"):
        outgrow.run(STUDY, out=tmp_path, **given)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_damaged_objects_are_said_and_made_again(given, tmp_path):
    outgrow.run(STUDY, out=tmp_path / "a", **given)
    store = Store()
    said = []
    spoilt = [next((store.root / "objects").rglob(name)) for name in ("outputs.npy", "direct.npy")]
    for file in spoilt:
        file.write_bytes(file.read_bytes()[:-1] + b"!")
    outgrow.run(STUDY, out=tmp_path / "b", **{**given, "say": said.append})
    assert sum("checksum" in sentence for sentence in said) == 2
    assert len(events(tmp_path / "b", "done")) == 2
    assert (tmp_path / "a" / "results.csv").read_bytes() == (tmp_path / "b" / "results.csv").read_bytes()


def test_dry_run(given, fresh_home):
    ready = make_ready(Study.read(STUDY), task=given["task"], views=given["views"])
    found = dry_run(ready)
    assert found["stored"] == 2  # the two matrices that were given
    assert found["seconds"] > 0
    assert not (fresh_home / "objects").exists()


def test_wrong_labels_come_before_encoding(tmp_path, given):
    """A file that cannot be read as labels stops a study before anything is encoded or fitted."""
    texts = [f"text {i}" for i in range(240)]
    task = outgrow.Task.from_arrays(texts, given["task"].truth_at(np.arange(240)))
    pd.DataFrame({"id": range(240), "guess": ["often"] * 240}).to_csv(tmp_path / "weak.csv", index=False)
    study = {
        **STUDY,
        "supervisors": [{"file": str(tmp_path / "weak.csv"), "id": "id", "label": "guess"}],
        "students": ["tfidf"],
    }
    with pytest.raises(LabelsError, match="'often'"):
        outgrow.run(study, task=task, out=tmp_path / "out", processes=1, say=lambda sentence: None)
    assert not [
        line for line in Journal(tmp_path / "out" / "journal.jsonl").read() if line["event"] in ("shard", "done")
    ]

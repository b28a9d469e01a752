"""Several studies in one file: reading, leaving out, running, resuming, comparing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import outgrow
from outgrow.errors import NeedsError, StoreError, StudyError
from outgrow.store import Journal, Store
from outgrow.studies.compare import Comparison, dry_run_several
from outgrow.studies.ready import make_ready
from outgrow.studies.several import Several, read_study
from outgrow.studies.study import Study
from outgrow.tasks.task import Task

SPLIT = {"teach": 40, "transfer": 60, "select": 0, "test": 60}


def write_task(folder: Path, name: str, classes: int, seed: int) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    x = random.normal(size=(200, 4))
    value = x[:, 0] + x[:, 1] + 0.5 * random.normal(size=200)
    truth = np.digitize(value, np.quantile(value, np.linspace(0, 1, classes + 1)[1:-1]))
    arrays = {"inputs": x, "truth": truth, "weak": x[:, :1] + 0.3 * random.normal(size=(200, 1)), "other": x[:, 1:2]}
    for key, value in arrays.items():
        np.save(folder / f"{name}-{key}.npy", value)
    return {"arrays": {key: f"{name}-{key}.npy" for key in arrays}, "kind": "classes"}


def shelf(folder: Path, **changed: Any) -> Path:
    """A file of two studies: one of two classes with a stacked line, one of three classes."""
    given = {
        "split": SPLIT,
        "seeds": 2,
        "methods": ["naive", "confidence", "raven", "contrast"],
        "students": [{"encoder": "inputs", "penalty": 0.1}],
        "forecasts": [],
        "audits": [],
        "studies": [
            {
                "name": "two",
                "task": write_task(folder, "two", 2, 0),
                "supervisors": [
                    {"probe": "weak", "penalty": 1},
                    [{"probe": "weak", "penalty": 1}, {"probe": "other", "penalty": 1}],
                ],
            },
            {
                "name": "three",
                "task": write_task(folder, "three", 3, 1),
                "supervisors": [{"probe": "weak", "penalty": 1}],
            },
        ],
    }
    path = folder / "shelf.yaml"
    path.write_text(yaml.safe_dump({**given, **changed}), "utf-8")
    return path


def test_a_file_of_several_is_read(tmp_path: Path) -> None:
    made = read_study(shelf(tmp_path))
    assert isinstance(made, Several)
    assert made.name == "shelf"
    assert [s.name for s in made.studies] == ["two", "three"]
    assert all(s.seeds == [0, 1] and s.folder == tmp_path for s in made.studies)
    one = {"task": {"packaged": "movies"}, "supervisors": ["tfidf"], "students": ["minilm/3"]}
    several = read_study({"studies": [one, {**one, "task": {"hub": "a/b c", "input": "text"}}], "name": "n"})
    assert isinstance(several, Several)
    assert [s.name for s in several.studies] == ["movies", "a-b-c"]
    assert isinstance(read_study(one), Study)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"studies": []}, "'studies' must be a list with at least one study, not an empty one"),
        ({"studies": {"task": 1}}, "not a mapping"),
        ({"studies": ["movies"]}, "study 1 must be a mapping with keys such as task and supervisors"),
        ({"name": "a/b"}, "'name' must be letters, digits"),
        ({"sedes": 3}, "study 1: unknown key 'sedes'; did you mean 'seeds'?"),
        ({"methods": ["niave"]}, "did you mean 'naive'?"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(StudyError, match=message.replace("?", r"\?")):
        read_study(shelf(tmp_path, **changed))


def test_names_must_differ_and_a_single_study_is_asked_for(tmp_path: Path) -> None:
    path = shelf(tmp_path)
    given = yaml.safe_load(path.read_text("utf-8"))
    given["studies"][1]["name"] = "two"
    path.write_text(yaml.safe_dump(given), "utf-8")
    with pytest.raises(StudyError, match="two studies are called 'two'"):
        read_study(path)
    with pytest.raises(StudyError, match="it holds several studies, which only 'outgrow run' takes"):
        Study.read(path)


def test_methods_are_left_out_where_they_cannot_run(tmp_path: Path) -> None:
    several = read_study(shelf(tmp_path))
    assert isinstance(several, Several)
    two, three = (make_ready(s, store=Store(tmp_path / "store"), alone=False) for s in several.studies)
    assert two.left_out == {"raven": {"probe(weak)": "Raven needs 2 supervisors, the study gives 1"}}
    assert "raven is left out of probe(weak): Raven needs 2 supervisors, the study gives 1." in two.notes
    assert set(three.left_out) == {"raven", "contrast"}
    assert "contrast is left out: Contrast takes two classes, and the task has 3; choose another method." in three.notes
    cells = {(c.cell["supervisor"], c.cell["method"]) for c in three.plan().cells}
    assert cells == {("probe(weak)", "naive"), ("probe(weak)", "confidence")}
    # Alone, a study whose method can run nowhere is an error, and one whose method can run somewhere is not.
    with pytest.raises(NeedsError, match="Raven needs 2 supervisors, the study gives 1"):
        make_ready(several.studies[1], store=Store(tmp_path / "store"))
    assert make_ready(several.studies[0], store=Store(tmp_path / "store")).left_out == two.left_out


def test_a_method_that_can_run_nowhere_is_an_error_in_several_too(tmp_path: Path) -> None:
    several = read_study(shelf(tmp_path, methods=["contrast"]))
    with pytest.raises(NeedsError, match="study 'three': Contrast takes two classes, and the task has 3"):
        outgrow.run(several, out=tmp_path / "out", progress=False, say=lambda s: None)
    assert not (tmp_path / "out").exists()


def test_several_are_run_compared_and_gone_on_with(tmp_path: Path) -> None:
    said: list[str] = []
    path, out = shelf(tmp_path), tmp_path / "out"
    planned = dry_run_several(read_study(path), say=said.append)  # type: ignore[arg-type]
    assert not [job for job in planned["jobs"] if job["stored"] and job["kind"] != "view"]
    assert set(planned["studies"]) == {"two", "three"}
    found = outgrow.run(path, out=out, processes=1, progress=False, say=said.append)
    assert isinstance(found, Comparison)
    assert "study 1 of 2: two" in said
    assert not len(found.failures)
    table = found.board.methods.set_index(["truth", "method"])
    assert table.loc[("none", "naive"), "cells"] == 3
    assert table.loc[("none", "confidence"), "cells"] == 3
    assert table.loc[("none", "raven"), "cells"] == 1
    assert table.loc[("none", "contrast"), "tasks"] == 1
    assert table.loc[("rivals", "direct"), "cells"] == 3
    assert table.loc[("none", "confidence"), "cost"] > 0
    # The pooled difference is that of the studies' own results.
    results = found.results(out)
    assert list(results) == ["two", "three"]
    student = {
        (n, *(c.evaluations[0].cell[k] for k in ("supervisor", "method"))): c.rows("student").mean()
        for n, r in results.items()
        for c in r.cells
    }
    apart = [student[n, s, "confidence"] - student[n, s, "naive"] for n, s, m in student if m == "naive"]
    assert table.loc[("none", "confidence"), "minus_naive"] == pytest.approx(np.mean(apart))
    for name in ("leaderboard.csv", "leaderboard.json", "leaderboard.html", "leaderboard.md", "two/report.html"):
        assert (out / name).stat().st_size > 0
    again = Comparison.load(out)
    assert again.headline() == found.headline()
    for name in ("methods", "tasks", "cells"):
        ours, theirs = getattr(found.board, name), getattr(again.board, name)
        assert list(ours.columns) == list(theirs.columns)
        plain = [t.astype(object).where(t.notna(), None).values.tolist() for t in (ours, theirs)]
        assert plain[0] == plain[1]
    # Nothing is done twice.
    outgrow.run(path, out=out, processes=1, progress=False, say=said.append)
    for name in ("two", "three"):
        lines = Journal(out / name / "journal.jsonl").read()
        start = [i for i, line in enumerate(lines) if line["event"] == "start"][1]
        assert not [line for line in lines[start:] if line["event"] == "done"]
    assert (out / "leaderboard.csv").read_text("utf-8").splitlines()[0].startswith("truth,unit,method")


def test_a_study_that_fails_is_kept_apart(tmp_path: Path) -> None:
    path, out = shelf(tmp_path, methods=["naive", "confidence"]), tmp_path / "out"
    (out / "two").mkdir(parents=True)
    (out / "journal.jsonl").write_text("", "utf-8")
    (out / "two" / "mine.txt").write_text("not yours", "utf-8")
    found = outgrow.run(path, out=out, processes=1, progress=False, say=lambda s: None)
    assert found.failures["study"].tolist() == ["two"]
    assert "holds other files" in found.failures["error"].iloc[0]
    assert found.board.methods["cells"].tolist() == [1, 1, 1]


def test_what_does_not_belong_to_several(tmp_path: Path) -> None:
    several = read_study(shelf(tmp_path))
    with pytest.raises(StudyError, match="task and views are of one study, and these are several"):
        outgrow.run(several, task=Task.from_arrays(np.arange(4.0)[:, None], ["a", "b"] * 2))  # type: ignore[call-overload]
    with pytest.raises(StoreError, match="holds no comparison"):
        Comparison.load(tmp_path)


def test_a_set_that_is_not_here_leaves_its_study_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_DIRS", str(tmp_path / "nothing"))
    path = shelf(tmp_path, methods=["naive", "confidence"])
    given = yaml.safe_load(path.read_text("utf-8"))
    given["studies"].append({"task": {"packaged": "fashion"}, "supervisors": ["coarse"], "students": ["fourier"]})
    several = read_study(given)
    assert isinstance(several, Several)
    planned = dry_run_several(Several(several.name, tuple(read_study(path).studies + several.studies[2:])), print)  # type: ignore[union-attr]
    assert planned["notes"][0].startswith("The study 'fashion' is left out: the packaged set 'fashion' is not on this")
    assert set(planned["studies"]) == {"two", "three"}
    with pytest.raises(StudyError, match="no study is left"):
        dry_run_several(Several("n", several.studies[2:]), print)

"""``self``: the strong model's own answer stands beside the students that read it, is asked once, and costs no truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import outgrow
from outgrow.errors import InputError, StudyError
from outgrow.scores.metrics import row_score
from outgrow.store import Journal, Store
from outgrow.studies.own import beside, own_seconds
from outgrow.studies.ready import make_ready
from outgrow.studies.results import Results
from outgrow.studies.run import dry_run
from outgrow.studies.study import Study
from outgrow.supervisors.prompt import PromptSupervisor
from outgrow.tasks.rows import Rows, View
from tiny_llama import WORDS, save_llama

NAMES = {"negative": "dull", "positive": "sharp"}


def votes(text: str) -> str:
    return "positive" if len(text) % 2 else "negative"


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def task() -> outgrow.Task:
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, rng.integers(2, 12))) + f" {i}" for i in range(240)]
    return outgrow.Task.from_arrays(texts, np.array(["negative", "positive"])[rng.integers(0, 2, 240)])


def study(llama: Path, **more: Any) -> dict[str, Any]:
    return {
        "name": "small",
        "task": {"arrays": {"inputs": "unused.npy"}},
        "split": {"teach": 40, "transfer": 100, "select": 20, "test": 80},
        "supervisors": [{"probe": "two", "penalty": 1.0, "folds": 2}],
        "students": [{"encoder": str(llama), "layer": 1, "penalty": 0.1, "name": "strong"}, {"encoder": "tfidf"}],
        "seeds": 2,
        "audits": [],
        **more,
    }


def given(task: outgrow.Task) -> dict[str, Any]:
    two = np.random.default_rng(1).normal(size=(240, 2)) + task.truth_at(task.ids)[:, None]
    return {"task": task, "views": {"two": two}, "processes": 1, "progress": False, "say": lambda sentence: None}


def done(folder: Path, kind: str) -> list[dict[str, Any]]:
    lines = Journal(folder / "journal.jsonl").read()
    return [line for line in lines if line["event"] == "done" and line["kind"] == kind]


def test_self_stands_beside_the_student_that_reads_the_model(llama: Path, task: outgrow.Task, tmp_path: Path) -> None:
    results = outgrow.run(study(llama, self={"words": NAMES, "least": 0}), out=tmp_path / "a", **given(task))
    assert len(done(tmp_path / "a", "self")) == 1, "once for all seeds"
    by_student = {cell.evaluations[0].cell["student"]: cell for cell in results.cells}
    strong = by_student.pop("strong")
    assert "self" in strong.roles
    assert all("self" not in cell.roles for cell in by_student.values())
    test = strong.evaluations[0].ids
    question = PromptSupervisor(str(llama), task.classes, words=NAMES, least=0)
    asked = question.label(Rows(test, {"inputs": View(task.inputs, task.key)}))
    expected = row_score("accuracy", asked.probs[:, 0], task.truth_at(test))
    np.testing.assert_allclose(strong.evaluations[1].score["self"], expected)
    assert strong.evaluations[0].spent == 0
    frame = results.frame().set_index("student")
    assert frame.loc["strong", "self_accuracy"].tolist() == [expected.mean()] * 2
    assert frame.loc[frame.index != "strong", "self_accuracy"].isna().all()
    table = pd.read_csv(tmp_path / "a" / "table.csv").set_index("student")
    assert table.loc["strong", "self_score"] == pytest.approx(expected.mean())
    for page in ("report.md", "report.html"):
        assert "self" in (tmp_path / "a" / page).read_text("utf-8")
    # Without it the same jobs are held, and only the column goes.
    less = outgrow.run(study(llama, self=False), out=tmp_path / "b", **given(task))
    assert [e for e in Journal(tmp_path / "b" / "journal.jsonl").read() if e["event"] == "done"] == []
    assert not any("self" in cell.roles for cell in less.cells)
    loaded = Results.load(tmp_path / "a")
    assert any("self" in cell.roles for cell in loaded.cells)


def test_it_is_asked_where_nothing_is_said_and_shows_before(llama: Path, task: outgrow.Task) -> None:
    ready = make_ready(Study.read(study(llama)), **{k: v for k, v in given(task).items() if k in ("task", "views")})
    said = dry_run(ready)
    (line,) = [job for job in said["jobs"] if job["kind"] == "self"]
    assert "80 rows" in line["label"]
    assert not line["stored"]
    off = make_ready(Study.read(study(llama, self=False)), task=task, views=given(task)["views"])
    assert own_seconds(ready, list(ready.plan().jobs)) > own_seconds(off, list(off.plan().jobs)) == 0
    assert not any(job["kind"] == "self" for job in dry_run(off)["jobs"])


def test_options_of_the_encoder_are_none_of_the_model(llama: Path, task: outgrow.Task) -> None:
    spec = {"encoder": f"{llama}[batch_tokens=512]", "layer": 1, "penalty": 0.1, "name": "strong"}
    ready = make_ready(Study.read(study(llama, students=[spec])), task=task, views=given(task)["views"])
    assert list(ready.asked) == [str(llama)]
    plan = ready.plan()
    (own,) = [job for job in plan.jobs if job.kind == "self"]
    assert plan.own == {"strong": own.key}


def test_where_it_cannot_be_it_is_left_out_or_said(llama: Path, task: outgrow.Task) -> None:
    def ready(which: outgrow.Task, **more: Any) -> Any:
        views = {"two": np.zeros((len(which), 2))}
        return make_ready(Study.read(study(llama, **more)), task=which, views=views)

    numbered = outgrow.Task.from_arrays(list(task.inputs), task.truth_at(task.ids).astype(str))
    assert any("No self: the class name '0'" in note for note in ready(numbered).notes)
    with pytest.raises(StudyError, match="class name '0' is no word"):
        ready(numbered, self=True)
    assert ready(numbered, self={"words": {"0": "dull", "1": "sharp"}}).asked
    without = {"students": [{"encoder": "tfidf"}]}
    assert ready(task, **without).asked == {}
    with pytest.raises(StudyError, match="no student reads one"):
        ready(task, self=True, **without)
    with pytest.raises(StudyError, match="self asks 'smollm2', which no student reads"):
        ready(task, self={"prompt": "smollm2"})
    with pytest.raises(InputError, match="0 times"):
        ready(task, self={"template": "Sentiment:"})
    with pytest.raises(StudyError, match="no option 'templat'; did you mean 'template'"):
        ready(task, self={"templat": "{input}"})
    with pytest.raises(StudyError, match="'self' must be"):
        ready(task, self=3)
    with pytest.raises(StudyError, match="unknown key 'selff'; did you mean 'self'"):
        ready(task, selff=True)
    values = outgrow.Task.from_arrays(list(task.inputs), np.arange(240) / 7, kind="value")
    assert ready(values, students=[{"encoder": str(llama)}]).asked == {}


def test_without_an_answer_the_students_stay(llama: Path, task: outgrow.Task, tmp_path: Path) -> None:
    asked = {"words": NAMES, "max_tokens": 3}
    results = outgrow.run(study(llama, self=asked, seeds=1), out=tmp_path / "out", **given(task))
    assert len(results.cells) == 2
    strong = next(c for c in results.cells if c.evaluations[0].cell["student"] == "strong")
    assert strong.why("self") == "no self: the model abstains on every test row"
    assert any("abstains on 80 of 80 rows: 80 for cut at the token limit" in note for note in results.notes)
    whole = strong.evaluations[0]
    assert beside(whole, Store(), "0" * 32) is whole, "a failed job leaves the evaluation as it is"


def test_a_prompt_is_a_supervisor_like_others(llama: Path, task: outgrow.Task, tmp_path: Path) -> None:
    lines = [{"prompt": str(llama), "words": NAMES, "name": "asked", "least": 0}]
    results = outgrow.run(study(llama, supervisors=lines, self=False, seeds=1), out=tmp_path / "a", **given(task))
    assert {cell.evaluations[0].cell["supervisor"] for cell in results.cells} == {"asked"}
    assert results.quality.loc[0, "source"] == "asked"

"""A person's own data: a file of texts, a file of labels, a student taken home; and the same in ten lines of Python."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import outgrow

from .conftest import make_texts, write_csv, write_study


def test_student_goes_home(own_data, program, tmp_path):
    """The saved student answers for the run's own texts as the run did, and for new ones with names and probabilities."""
    out = tmp_path / "out"
    assert program("run", own_data / "study.yaml", "--out", out, "--processes", 1).code == 0
    rows = pd.read_parquet(out / "rows.parquet")
    assert list(rows["id"]) == [f"k{i:03d}" for i in range(240)]
    assert set(rows["role"]) == {"teach", "transfer", "select", "test"}
    assert (rows["label crowd"].isin(["neg", "pos"])).all()
    args = ["--input", "body", "--id", "key", "--json"]
    told = program("predict", out / "student", own_data / "texts.csv", *args)
    assert told.code == 0, told.err
    found = pd.DataFrame(told.json)
    assert list(found["id"]) == list(rows["id"])
    assert list(found["label"]) == list(rows["label student"])
    np.testing.assert_allclose(found["probability"], rows["probability student"], atol=1e-5)
    np.testing.assert_allclose(found["p(neg)"] + found["p(pos)"], 1, atol=1e-9)
    texts, truth = make_texts(60, seed=5)
    for suffix in (".csv", ".parquet", ".jsonl"):
        new = tmp_path / f"new{suffix}"
        frame = pd.DataFrame({"body": texts})
        if suffix == ".csv":
            frame.to_csv(new, index=False)
        elif suffix == ".parquet":
            frame.to_parquet(new)
        else:
            frame.to_json(new, orient="records", lines=True)
        target = tmp_path / f"told{suffix}"
        assert program("predict", out / "student", new, "--out", target).code == 0
        read = {".csv": pd.read_csv, ".parquet": pd.read_parquet, ".jsonl": lambda p: pd.read_json(p, lines=True)}[
            suffix
        ]
        answers = read(target)
        assert list(answers.columns) == ["id", "label", "probability", "p(neg)", "p(pos)"]
        assert (answers["label"] == truth).mean() > 0.6
        np.testing.assert_allclose(answers["probability"], answers[["p(neg)", "p(pos)"]].max(axis=1), atol=1e-6)
    student = outgrow.load(out / "student")
    probs = student.predict_proba(texts)
    np.testing.assert_allclose(probs[:, 0], answers["p(neg)"], atol=1e-6)
    assert list(student.predict(texts)) == list(answers["label"])
    assert list(student.classes) == ["neg", "pos"]


def test_labels_join_by_id(own_data, program, tmp_path):
    """Lines in another order are the same labels; a changed file is read again and only what hangs on it is done."""
    out = tmp_path / "out"
    first = program("run", own_data / "study.yaml", "--out", out, "--processes", 1, "--json").json
    weak = pd.read_csv(own_data / "weak.csv")
    weak.sample(frac=1, random_state=0).to_csv(own_data / "weak.csv", index=False)
    second = program("run", own_data / "study.yaml", "--out", out, "--processes", 1, "--json").json
    assert first["table"] == second["table"]
    weak["guess"] = "pos"
    weak.loc[::3, "guess"] = "neg"
    weak.to_csv(own_data / "weak.csv", index=False)
    third = program("run", own_data / "study.yaml", "--out", out, "--processes", 1, "--json").json
    assert third["table"] != first["table"]
    assert third["table"][0]["direct_score"] == first["table"][0]["direct_score"]


def test_label_and_forecast(own_data, program, tmp_path):
    told = program("label", own_data / "study.yaml", "--out", tmp_path / "labels.csv", "--json")
    assert told.code == 0, told.err
    labels = pd.read_csv(tmp_path / "labels.csv")
    weak = pd.read_csv(own_data / "weak.csv")
    assert list(labels["id"]) == list(weak["key"])
    assert list(labels["label"]) == list(weak["guess"])
    told = program("forecast", own_data / "study.yaml", "--processes", 1, "--json")
    assert told.code == 0, told.err
    lines = told.json["forecasts"]
    assert {line["forecast"] for line in lines} == {"misfit", "kl_misfit"}
    assert all(np.isfinite(line["value"]) and line["unit"] for line in lines)
    assert program("forecast", own_data / "study.yaml", "--processes", 1).code == 0


def test_forecast_scores_nothing(own_data, program):
    """No reference is trained and nothing is scored for a forecast."""
    assert program("forecast", own_data / "study.yaml", "--processes", 1).code == 0
    done = program("run", own_data / "study.yaml", "--dry-run", "--json").json["jobs"]
    assert {j["kind"] for j in done if j["stored"]} == {"view", "labels", "student"}


def test_ten_lines_of_python(own_data):
    """The example of the README, seeds included, on own texts: probe, method, evaluation, cell."""
    from outgrow.methods import Confidence
    from outgrow.supervisors import ProbeSupervisor

    task = outgrow.Task.from_csv(own_data / "texts.csv", input="body", truth="label", id="key")
    rows = outgrow.encode(task, ["tfidf", "tfidf[analyzer=char]"], progress=False, show=lambda sentence: None)
    results = []
    for seed in range(3):
        roles = outgrow.split(task, seed=seed, teach=40, transfer=100, select=20, test=80)
        teacher = ProbeSupervisor(on="tfidf").fit(rows[roles.teach], task.truth_table(roles.teach))
        weak = teacher.label(rows)
        learner = outgrow.LinearHead(on="tfidf[analyzer=char]", penalty=0.1)
        student = Confidence(learner).fit(rows[roles.transfer], weak[roles.transfer])
        assert set(student.predict(rows[roles.test])) <= {"neg", "pos"}
        results.append(outgrow.evaluate(student, task, rows, weak, roles))
    cell = outgrow.Cell(results)
    assert cell.verdict().sentence
    assert set(cell.roles) == {"floor", "student", "direct", "ceiling"}
    assert cell.value("floor") == pytest.approx(np.mean([e.value("floor") for e in results]))
    frame = cell.evaluations[0].frame()
    assert {"role", "metric", "value"} <= set(frame.columns)
    with pytest.raises(outgrow.OutgrowError, match="order"):
        Confidence(learner).fit(rows[roles.transfer[::-1]], weak[roles.transfer])


def test_run_from_python_says_the_same(own_data, program, tmp_path):
    """``outgrow.run`` and the program are one road."""
    said = []
    results = outgrow.run(own_data / "study.yaml", out=tmp_path / "a", processes=1, say=said.append)
    assert program("run", own_data / "study.yaml", "--out", tmp_path / "b", "--processes", 1).code == 0
    assert (tmp_path / "a" / "results.csv").read_text() == (tmp_path / "b" / "results.csv").read_text()
    assert results.headline()
    assert (tmp_path / "a" / "report.html").stat().st_size > 5000
    from outgrow.studies.results import Results

    again = Results.load(tmp_path / "a")
    pd.testing.assert_frame_equal(again.frame(), results.frame())
    assert again.headline() == results.headline()


def test_study_written_is_the_study_read(own_data, tmp_path, program):
    """The copy in the results' folder, put beside the data, plans the same jobs."""
    out = tmp_path / "out"
    assert program("run", own_data / "study.yaml", "--out", out, "--processes", 1).code == 0
    (own_data / "copy.yaml").write_bytes((out / "study.yaml").read_bytes())
    dry = program("run", own_data / "copy.yaml", "--dry-run", "--json").json
    assert dry["stored"] == len(dry["jobs"]) > 5


def test_name_of_a_file_is_no_command(own_data, tmp_path, program):
    """Columns and files with spaces, quotes and other scripts."""
    texts, truth = make_texts(240)
    keys = [f"k{i:03d}" for i in range(240)]
    write_csv(own_data / "my tëxts (1).csv", **{"key 1": keys, "der Text": texts, "Клас": [f"{t} <b>&" for t in truth]})
    write_csv(own_data / "w.csv", key=keys, guess=[f"{t} <b>&" for t in truth])
    study = write_study(
        own_data / "s.yaml",
        task={"file": "my tëxts (1).csv", "input": "der Text", "truth": "Клас", "id": "key 1"},
        supervisors=[{"file": "w.csv", "id": "key", "label": "guess"}],
        seeds=1,
    )
    out = tmp_path / "o u t"
    answer = program("run", study, "--out", out, "--processes", 1, "--json")
    assert answer.code == 0, answer.err
    assert "<b>&" not in (out / "report.html").read_text("utf-8")

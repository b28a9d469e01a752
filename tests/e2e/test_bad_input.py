"""Wrong input through the program: exit code 2, one sentence that says what to change, no traceback, no input text."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from .conftest import make_texts, write_csv, write_study

SECRET = "zebrafinch"
KEYS = [f"k{i:03d}" for i in range(240)]


@pytest.fixture
def secret(own_data):
    """The small study, with one word in every text that no message may quote."""
    texts, truth = make_texts(240, extra=SECRET)
    write_csv(own_data / "texts.csv", key=KEYS, body=texts, label=truth)
    return own_data


def table(folder):
    texts, truth = make_texts(240, extra=SECRET)
    return {"key": list(KEYS), "body": texts, "label": truth}


def change(folder, **keys):
    study = yaml.safe_load((folder / "study.yaml").read_text("utf-8"))
    for key, value in keys.items():
        study[key] = {**study[key], **value} if isinstance(value, dict) and isinstance(study.get(key), dict) else value
    (folder / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False), "utf-8")


def one_sentence(answer, code, *words):
    assert answer.code == code, answer
    assert "Traceback" not in answer.err + answer.out
    assert SECRET not in answer.err + answer.out
    last = answer.err.strip().splitlines()[-1]
    assert last.startswith("outgrow: "), answer.err
    for word in words:
        assert word in last, (word, last)


# --- the study file and what it names ---------------------------------------------------------------------------------------------------

STUDIES = {
    "unknown key": ({"methodes": ["naive"]}, ["methodes", "did you mean 'methods'"]),
    "unknown inner key": ({"split": {"tech": 40}}, ["split.tech", "did you mean 'teach'"]),
    "unknown method": ({"methods": ["naiv"]}, ["naiv", "did you mean 'naive'"]),
    "unknown parameter": ({"methods": [{"confidence": {"wieght": 1}}]}, ["wieght", "did you mean 'weight'"]),
    "bad parameter": ({"methods": [{"confidence": {"weight": 7}}]}, ["weight", "7"]),
    "unknown encoder": ({"students": [{"encoder": "minilmm"}]}, ["minilmm", "did you mean 'minilm'"]),
    "no such layer": ({"students": [{"encoder": "minilm", "layer": 99}]}, ["99"]),
    "unknown supervisor": ({"supervisors": [{"prob": "tfidf"}]}, ["prob", "did you mean 'probe'"]),
    "unknown option": ({"supervisors": [{"probe": "tfidf", "penality": 1}]}, ["penality", "did you mean 'penalty'"]),
    "unknown rules": ({"supervisors": [{"rules": "vadr"}]}, ["vadr", "did you mean 'vader'"]),
    "no such module": ({"supervisors": [{"rules": "nowhere_at_all:f"}]}, ["nowhere_at_all"]),
    "unknown metric": ({"metric": "accurracy"}, ["metric", "accurracy"]),
    "metric of values": ({"metric": "r2"}, ["r2", "accuracy"]),
    "unknown forecast": ({"forecasts": ["misfitt"]}, ["misfitt", "did you mean 'misfit'"]),
    "seeds none": ({"seeds": 0}, ["seeds"]),
    "seed twice": ({"seeds": [1, 1]}, ["seeds", "more than once"]),
    "no supervisor": ({"supervisors": []}, ["supervisors"]),
    "missing column": ({"task": {"input": "bodi"}}, ["bodi", "did you mean 'body'"]),
    "missing truth column": ({"task": {"truth": "labels"}}, ["labels", "did you mean 'label'"]),
    "missing id column": ({"task": {"id": "keys"}}, ["keys", "did you mean 'key'"]),
    "no such file": ({"task": {"file": "textz.csv"}}, ["textz.csv"]),
    "unknown packaged": (
        {"task": {"packaged": "movie", "file": None, "input": None, "truth": None, "id": None}},
        ["movies"],
    ),
    "two origins": ({"task": {"packaged": "movies"}}, ["packaged", "file"]),
    "too many rows": ({"split": {"transfer": 5000}}, ["5000", "transfer"]),
    "empty transfer": ({"split": {"transfer": 0}}, ["transfer"]),
    "negative role": ({"split": {"test": -1}}, ["test"]),
    "too much truth": ({"task": {"truth_rows": 5000}}, ["truth_rows", "240"]),
    "two named alike": (
        {"supervisors": [{"probe": "tfidf", "name": "a"}, {"probe": "tfidf", "penalty": 1.0, "name": "a"}]},
        ["'a'"],
    ),
    "twice the same": ({"supervisors": [{"probe": "tfidf"}, {"probe": "tfidf"}]}, ["tfidf", "twice"]),
}


@pytest.mark.parametrize("name", STUDIES)
def test_study(secret, program, name, tmp_path):
    keys, words = STUDIES[name]
    change(secret, **keys)
    answer = program("run", secret / "study.yaml", "--out", tmp_path / "out")
    one_sentence(answer, 2, *words)
    assert not (tmp_path / "out" / "report.html").exists()


def test_study_file(tmp_path, program):
    one_sentence(program("run", tmp_path / "none.yaml"), 2, "none.yaml")
    for text, word in (("a: [1", "line"), ("- 1", "list"), ("a: 1\na: 2\n", "twice"), ("students: [tfidf]", "missing")):
        (tmp_path / "s.yaml").write_text(text, "utf-8")
        one_sentence(program("run", tmp_path / "s.yaml"), 2, word)
    (tmp_path / "s.yaml").write_bytes("task: {file: \xe9}".encode("latin-1"))
    one_sentence(program("run", tmp_path / "s.yaml"), 2, "UTF-8")


# --- files ------------------------------------------------------------------------------------------------------------------------------


def test_encodings(secret, program, tmp_path):
    file = secret / "texts.csv"
    text = file.read_text("utf-8").replace("film", "café")
    file.write_bytes(text.encode("cp1252"))
    one_sentence(program("run", secret / "study.yaml", "--dry-run"), 2, "texts.csv", "encoding", "cp1252")
    change(secret, task={"encoding": "cp1252"})
    told = program("run", secret / "study.yaml", "--dry-run", "--json")
    assert told.code == 0, told.err
    change(secret, task={"encoding": None})
    keys = set()
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        file.write_bytes(text.encode(encoding))
        answer = program("run", secret / "study.yaml", "--dry-run", "--json")
        assert answer.code == 0, (encoding, answer.err)
        keys.add(len(answer.json["jobs"]))
    assert len(keys) == 1


def test_broken_jsonl(secret, program):
    lines = [
        json.dumps(dict(zip(table(secret), row, strict=True))) for row in zip(*table(secret).values(), strict=True)
    ]
    lines[6] = lines[6][:-9]
    (secret / "texts.jsonl").write_text("\n".join(lines), "utf-8")
    change(secret, task={"file": "texts.jsonl"})
    one_sentence(program("run", secret / "study.yaml"), 2, "texts.jsonl", "line 7")


def _duplicate_ids(columns):
    columns["key"][5] = columns["key"][9]
    return ["k009"]


def _different_truth(columns):
    columns["body"][4], columns["label"][4], columns["label"][6] = columns["body"][6], "neg", "pos"
    return ["on_conflict"]


def _one_class(columns):
    columns["label"] = ["pos"] * 240
    return ["class"]


def _case_of_names(columns):
    columns["label"][7] = "Neg"
    return ["'Neg'", "'neg'"]


def _space_in_names(columns):
    columns["label"][7] = "neg "
    return ["'neg '"]


@pytest.mark.parametrize(
    "spoil",
    [_duplicate_ids, _different_truth, _one_class, _case_of_names, _space_in_names],
    ids=lambda f: f.__name__[1:],
)
def test_rows(secret, program, spoil):
    columns = table(secret)
    words = spoil(columns)
    write_csv(secret / "texts.csv", **columns)
    one_sentence(program("run", secret / "study.yaml"), 2, *words)


def test_list_in_a_cell(secret, program):
    columns = table(secret)
    rows = [{"key": k, "body": b, "label": [t]} for k, b, t in zip(*columns.values(), strict=True)]
    (secret / "texts.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    change(secret, task={"file": "texts.jsonl"})
    one_sentence(program("run", secret / "study.yaml"), 2, "list", "one task per label")


def test_class_of_one_row(secret, program, tmp_path):
    columns = table(secret)
    columns["label"][3] = "mixed"
    write_csv(secret / "texts.csv", **columns)
    one_sentence(program("run", secret / "study.yaml", "--out", tmp_path / "out"), 2, "'mixed'", "one row")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features(tmp_path, program, value):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(240, 4))
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", (x[:, 0] > 0).astype(int))
    view = x.copy()
    view[17, 2] = value
    np.save(tmp_path / "view.npy", view)
    study = write_study(
        tmp_path / "study.yaml",
        task={"arrays": {"inputs": "view.npy", "truth": "y.npy"}},
        supervisors=[{"probe": "inputs"}],
        students=["inputs"],
    )
    one_sentence(program("run", study), 2, "17")
    change(tmp_path, task={"arrays": {"inputs": "x.npy", "truth": "y.npy", "other": "view.npy"}}, students=["other"])
    one_sentence(program("run", study), 2, "other", "row 17")
    np.save(tmp_path / "view.npy", x[:200])
    one_sentence(program("run", study), 2, "other", "(200, 4)", "240")
    (tmp_path / "view.npy").write_bytes(b"\x93NUMPY")
    one_sentence(program("run", study), 2, "other", "view.npy")


# --- labels from a file -----------------------------------------------------------------------------------------------------------------


def _percent(guess):
    return {
        "key": KEYS,
        "pos": [90 if g == "pos" else 10 for g in guess],
        "neg": [10 if g == "pos" else 90 for g in guess],
    }


WEAK = {
    "percentages": (_percent, {"label": None, "probs": ["pos", "neg"]}, ["percent"]),
    "not one": (
        lambda g: {"key": KEYS, "pos": [0.9] * 240, "neg": [0.3] * 240},
        {"label": None, "probs": ["pos", "neg"]},
        ["sum"],
    ),
    "unknown class": (lambda g: {"key": KEYS, "guess": ["great", *g[1:]]}, {}, ["'great'"]),
    "other case": (lambda g: {"key": KEYS, "guess": [x.title() for x in g]}, {}, ["'Pos'", "'pos'"]),
    "other rows": (lambda g: {"key": [f"x{i}" for i in range(240)], "guess": g}, {}, ["0 of the 240"]),
    "id twice": (lambda g: {"key": ["k001", "k001", *KEYS[2:]], "guess": g}, {}, ["k001"]),
    "missing column": (lambda g: {"key": KEYS, "gues": g}, {}, ["guess", "gues"]),
    "by order": (lambda g: {"key": KEYS[:-1], "guess": g[:-1]}, {"by": "order", "id": None}, ["239", "240"]),
}


@pytest.mark.parametrize("name", WEAK)
@pytest.mark.parametrize("verb", ["run", "label"])
def test_weak_file(secret, program, name, verb, tmp_path):
    make, options, words = WEAK[name]
    _, truth = make_texts(240)
    write_csv(secret / "weak.csv", **make(truth))
    entry = {"file": "weak.csv", "id": "key", "label": "guess", **options}
    change(secret, supervisors=[{k: v for k, v in entry.items() if v is not None}])
    answer = program(verb, secret / "study.yaml", *(["--out", tmp_path / "out"] if verb == "run" else []))
    one_sentence(answer, 2, *words)


# --- cache, extras, other verbs -----------------------------------------------------------------------------------------------------------


def test_corrupted_object(secret, program, tmp_path, fresh_home):
    first = program("run", secret / "study.yaml", "--out", tmp_path / "a", "--processes", 1)
    assert first.code == 0, first.err
    spoilt = [p for p in (fresh_home / "objects").rglob("*.npy") if p.name in ("view.npy", "outputs.npy", "probs.npy")]
    assert {p.name for p in spoilt} >= {"view.npy", "outputs.npy"}
    for file in spoilt:
        data = bytearray(file.read_bytes())
        data[-3] ^= 1
        file.write_bytes(data)
    second = program("run", secret / "study.yaml", "--out", tmp_path / "b", "--processes", 1)
    assert second.code == 0, second.err
    assert second.err.count("does not match its checksum") >= 3, second.err
    assert (tmp_path / "a" / "results.csv").read_bytes() == (tmp_path / "b" / "results.csv").read_bytes()


def test_missing_extra(secret, program, monkeypatch, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text('{"model_type": "bert", "hidden_size": 16, "num_hidden_layers": 1}')
    monkeypatch.setitem(sys.modules, "transformers", None)
    change(secret, students=[{"encoder": str(tmp_path / "model")}])
    one_sentence(program("run", secret / "study.yaml", "--out", tmp_path / "out"), 2, "pip install 'outgrow[hf]'")


def test_unwritable_cache(secret, program, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("OUTGROW_HOME", str(tmp_path / "file" / "cache"))
    one_sentence(
        program("run", secret / "study.yaml", "--out", tmp_path / "out"), 1, "OUTGROW_HOME", str(tmp_path / "file")
    )


def test_folder_of_other_things(secret, program):
    """Else `clean --task` would remove them with the results."""
    one_sentence(program("run", secret / "study.yaml", "--out", secret), 2, str(secret))


def test_unwritable_out(secret, program, tmp_path):
    (tmp_path / "file").write_text("")
    one_sentence(program("run", secret / "study.yaml", "--out", tmp_path / "file" / "out"), 1, str(tmp_path / "file"))


def test_long_and_empty_texts(secret, program, tmp_path):
    """A text of 100,000 words, one of none, and one of spaces are rows like others."""
    columns = table(secret)
    columns["body"][0], columns["body"][1], columns["body"][2] = "film " * 100_000, "", "   "
    columns["label"][1] = columns["label"][2]
    write_csv(secret / "texts.csv", **columns)
    answer = program("run", secret / "study.yaml", "--out", tmp_path / "out", "--processes", 1, "--json")
    assert answer.code == 0, answer.err
    assert any("2 of 240 inputs are empty" in note for note in answer.json["notes"])


VERBS = {
    "predict nowhere": (["predict", "nowhere", "--text", "x"], 1, ["nowhere", "student"]),
    "report nowhere": (["report", "nowhere"], 1, ["nowhere", "results"]),
    "ls what": (["ls", "method"], 2, ["method", "did you mean 'methods'"]),
    "fetch what": (["fetch", "movis"], 2, ["movis", "did you mean 'movies'"]),
    "clean nothing": (["clean"], 2, ["--task"]),
    "clean both": (["clean", "--task", "x", "--all"], 2, ["--task"]),
    "clean unknown": (["clean", "--task", "moviez"], 1, ["moviez"]),
}


@pytest.mark.parametrize("name", VERBS)
def test_verbs(program, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    args, code, words = VERBS[name]
    one_sentence(program(*args), code, *words)
    shown = program(*args, "--json")
    assert shown.code == code
    assert set(shown.json) == {"error", "kind"}


def test_predict(secret, program, tmp_path):
    assert program("run", secret / "study.yaml", "--out", tmp_path / "out", "--processes", 1).code == 0
    student = tmp_path / "out" / "student"
    one_sentence(program("predict", student), 2, "--text")
    one_sentence(program("predict", student, tmp_path / "none.csv"), 2, "none.csv")
    one_sentence(program("predict", student, secret / "texts.csv"), 2, "--input", "body")
    one_sentence(program("predict", student, secret / "texts.csv", "--input", "bodi"), 2, "did you mean 'body'")
    one_sentence(
        program("predict", student, secret / "texts.csv", "--input", "body", "--id", "kye"), 2, "did you mean 'key'"
    )
    one_sentence(program("predict", student, "--text", SECRET, "--out", tmp_path / "a.xls"), 2, "a.xls", ".csv")
    np.save(tmp_path / "x.npy", np.zeros((3, 2)))
    one_sentence(program("predict", student, tmp_path / "x.npy"), 2, "text")
    (tmp_path / "text.npy").write_bytes(b"no array " + SECRET.encode())
    one_sentence(program("predict", student, tmp_path / "text.npy"), 2, "text.npy")
    for file in (student / "head").iterdir():
        if file.suffix == ".safetensors":
            file.write_bytes(file.read_bytes()[:-7])
    one_sentence(program("predict", student, "--text", SECRET), 1, Path(student).name)

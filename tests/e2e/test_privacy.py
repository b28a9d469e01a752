"""A canary in the inputs is in nothing that is printed, written or stored; ``clean --task`` leaves nothing behind."""

from __future__ import annotations

import stat
from pathlib import Path

import pandas as pd
import pytest

from .conftest import make_texts, write_csv, write_study

CANARY = "zebrafinch"
RULES = f'''
def tone(text):
    """Votes on the words, and fails on one text with a message that quotes it."""
    if text.startswith("BREAK"):
        raise ValueError("cannot read " + text)
    return "pos" if any(w in text for w in ("good", "great", "funny")) else "neg"


def says(text):
    """Fails on every text."""
    raise RuntimeError(text + " {CANARY}")
'''


def files(folder: Path) -> list[Path]:
    return [p for p in folder.rglob("*") if p.is_file()]


def holding(folder: Path, word: str = CANARY) -> list[str]:
    """Files that hold the word: in their bytes (UTF-8 and UTF-16), or in a cell or name of a table."""
    found = []
    for file in files(folder):
        data = file.read_bytes().lower()
        if word.encode() in data or word.encode("utf-16-le") in data or word in file.name.lower():
            found.append(str(file))
        elif file.suffix == ".parquet":
            table = pd.read_parquet(file)
            if word in table.to_csv().lower() or word in str(table.to_dict("list")).lower():
                found.append(str(file))
    return found


@pytest.fixture
def canary(own_data):
    """The study of own_data with the canary in every text, in a column of the labels' file, and a supervisor that fails on it."""
    texts, truth = make_texts(240, extra=CANARY)
    keys = [f"k{i:03d}" for i in range(240)]
    texts[7] = "BREAK " + texts[7]
    write_csv(own_data / "texts.csv", key=keys, body=texts, label=truth, note=[CANARY] * 240)
    write_csv(own_data / "weak.csv", key=keys, guess=truth, why=texts)
    (own_data / "canary_rules.py").write_text(RULES, "utf-8")
    crowd = {"file": "weak.csv", "id": "key", "label": "guess", "name": "crowd"}
    return write_study(
        own_data / "study.yaml",
        supervisors=[
            crowd,
            {"probe": "tfidf", "penalty": 1.0},
            {"rules": "canary_rules:tone"},
            {"rules": "canary_rules:says"},
        ],
    )


def test_canary(canary, program, tmp_path, fresh_home):
    out, data = tmp_path / "out", canary.parent
    assert holding(data)
    answers = [
        program("run", canary, "--out", out, "--processes", 1),
        program("run", canary, "--out", out, "--processes", 1, "--json"),
        program("label", canary, "--out", tmp_path / "labels.csv"),
        program("forecast", canary, "--out", tmp_path / "forecast.jsonl", "--json"),
        program("report", out),
        program(
            "predict",
            out / "student",
            data / "texts.csv",
            "--input",
            "body",
            "--id",
            "key",
            "--out",
            tmp_path / "p.parquet",
        ),
        program("predict", out / "student", "--text", f"a good {CANARY}", "--json"),
        program("ls", "runs", "--json"),
    ]
    assert [a.code for a in answers] == [1, 1, 1, 1, 0, 0, 0, 0], [a.err for a in answers]
    for answer in answers:
        assert CANARY not in (answer.out + answer.err).lower()
        assert "Traceback" not in answer.err
    assert len(files(out)) > 20
    assert len(files(fresh_home)) > 20
    assert holding(out) == []
    assert holding(fresh_home) == []
    data.rename(tmp_path.parent / "data-aside")
    assert holding(tmp_path) == []

    for folder in [
        fresh_home,
        *(p for p in fresh_home.rglob("*") if p.is_dir()),
        out,
        *(p for p in out.rglob("*") if p.is_dir()),
    ]:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder


def test_worker_keeps_quiet(own_data, program, tmp_path, monkeypatch):
    """A foreign error whose message quotes an input, met in the process of the program itself."""
    import outgrow.studies.verbs

    def quote(*args, **more):
        raise KeyError(CANARY)

    monkeypatch.setattr(outgrow.studies.verbs, "predict", quote)
    answer = program("predict", tmp_path, "--text", CANARY, "--json")
    assert answer.code == 1
    assert "KeyError" in answer.json["error"]
    assert CANARY not in answer.out + answer.err


def test_show_text(canary, program, tmp_path):
    """The switch does what it says, and only where it says."""
    out = tmp_path / "out"
    assert program("run", canary, "--out", out, "--processes", 1, "--show-text").code == 1
    shown = holding(out)
    assert any(name.endswith("rows.parquet") for name in shown)
    assert not any("/student/" in name or "journal" in name for name in shown)
    answer = program("predict", out / "student", "--text", f"a good {CANARY}", "--show-text", "--json")
    assert CANARY in answer.out


def test_clean(canary, program, tmp_path, fresh_home):
    """All that came from a task goes: objects, half-built work, results, logs; another task's things stay."""
    other = tmp_path / "other"
    other.mkdir()
    texts, truth = make_texts(240, seed=9)
    keys = [f"k{i:03d}" for i in range(240)]
    write_csv(other / "texts.csv", key=keys, body=texts, label=truth)
    write_csv(other / "weak.csv", key=keys, guess=truth)
    study = write_study(other / "other.yaml")
    assert program("run", study, "--out", tmp_path / "kept", "--processes", 1).code == 0
    kept = {p: p.read_bytes() for p in [*files(fresh_home), *files(tmp_path / "kept")] if not p.name.endswith(".lock")}
    out = tmp_path / "out"
    assert program("run", canary, "--out", out, "--processes", 1).code == 1
    assert program("label", canary).code == 1
    listed = program("ls", "runs", "--json").json
    (mine,) = [line for line in listed if "study" in line["studies"]]
    assert str(out) in mine["folders"]
    (fresh_home / "partial" / (listed[0]["task"] + ".half")).mkdir(parents=True, exist_ok=True)

    gone = program("clean", "--task", "study", "--json").json
    assert gone["tasks"] == gone["runs"] == 1
    assert gone["objects"] > 10
    assert not out.exists()
    left = {p: p.read_bytes() for p in [*files(fresh_home), *files(tmp_path / "kept")] if not p.name.endswith(".lock")}
    assert left == kept
    assert mine["task"] not in " ".join(str(p) for p in files(fresh_home))
    # Nothing is stored any more: the same study starts anew.
    dry = program("run", canary, "--dry-run", "--json").json
    assert dry["stored"] == 0

    assert program("clean", "--all").code == 0
    assert [p for p in files(fresh_home) if not p.name.endswith(".lock")] == []


def test_clean_after_a_kill(canary, program, fresh_home):
    """What a killed encode left half built is noted under its task before it is begun."""
    from outgrow.store import Store

    store = Store()
    part = store.start_partial("taskkey", "objectkey")
    (part / "view.npy").write_bytes(b"x")
    store.remember_run("taskkey", "halfway", fresh_home / "nowhere")
    assert program("clean", "--task", "halfway").code == 0
    assert not part.exists()

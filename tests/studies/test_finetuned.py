"""Fine-tuned students in studies: what is trained how often, what is stored, and what is taken home."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import outgrow
from outgrow.errors import InputError, StudyError
from outgrow.store import Journal, Store, read_json
from outgrow.studies.ready import make_ready
from outgrow.studies.run import dry_run
from outgrow.studies.study import Study
from tiny_llama import WORDS, save_llama

LOSSES = ["naive", "confidence", {"divergence": {"kind": "reverse_kl"}}]


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def task() -> outgrow.Task:
    rng = random.Random(2)
    texts, truth = [], []
    for i in range(200):
        words = [f"n{i}", *rng.choices([w for w in WORDS if w not in ("good", "bad")], k=rng.randint(1, 8))]
        words.insert(rng.randrange(len(words)), ("bad", "good")[i % 2])
        texts.append(" ".join(words))
        truth.append(("no", "yes")[i % 2])
    return outgrow.Task.from_arrays(texts, truth, name="reviews")


def study(llama: Path, **changes: Any) -> dict[str, Any]:
    student = {"finetune": str(llama), "lr": 3e-3, "batch": 16, "max_tokens": 32, "name": "tiny"}
    return {
        "name": "tuned",
        "task": {"arrays": {"inputs": "unused.npy"}},
        "split": {"teach": 40, "transfer": 60, "select": 20, "test": 60},
        "supervisors": [{"probe": "tfidf", "penalty": 1.0, "folds": 2}],
        "students": [student],
        "methods": LOSSES,
        "seeds": 3,
        "self": False,
        **changes,
    }


def lines(folder: Path, event: str) -> list[dict[str, Any]]:
    return [line for line in Journal(folder / "journal.jsonl").read() if line["event"] == event]


def test_three_losses_and_three_seeds(llama: Path, task: outgrow.Task, tmp_path: Path) -> None:
    given: dict[str, Any] = {"task": task, "processes": 1, "say": lambda sentence: None}
    results = outgrow.run(study(llama), out=tmp_path / "a", **given)
    done = Counter(line["kind"] for line in lines(tmp_path / "a", "done"))
    assert done == {"student": 9, "reference": 3, "labels": 3, "evaluation": 9}
    tokenised = [line for line in lines(tmp_path / "a", "shard") if "tokens" in json.dumps(line)]
    views = {line["key"] for line in lines(tmp_path / "a", "shard")}
    assert len(views) == 2, (tokenised, "the view of tf-idf and one tokenisation")
    store, trained = Store(), Counter()
    for line in lines(tmp_path / "a", "done"):
        if line["kind"] == "reference":
            trained.update(read_json(store.path(line["key"]) / "reference.json")["outputs"])
    assert trained == {"direct": 3, "ceiling": 3}
    assert any("No learning curve of tiny" in note for note in results.notes)
    table = results.frame()
    assert len(table) == 9
    outgrow.run(study(llama, methods=[*LOSSES, "correction"]), out=tmp_path / "b", **given)
    assert Counter(line["kind"] for line in lines(tmp_path / "b", "done")) == {"student": 3, "evaluation": 3}
    assert not lines(tmp_path / "b", "shard")

    taken = outgrow.load(tmp_path / "a" / "student")
    texts = [task.inputs[i] for i in range(200)]
    probs = taken.predict_proba(texts)
    stored = np.load(store.path(taken.about["student_key"]) / "outputs.npy")
    np.testing.assert_allclose(probs, stored, atol=1e-5)
    assert np.ptp(stored[:, 0]) > 1e-3
    again = taken.save(tmp_path / "again")
    np.testing.assert_allclose(outgrow.load(again).predict_proba(texts), probs, atol=1e-5)
    assert (again / "head" / "tokenizer" / "tokenizer.json").is_file()
    for file in (p for folder in (tmp_path / "a", again) for p in folder.rglob("*") if p.is_file()):
        raw = file.read_bytes()
        assert not any(text.encode() in raw for text in texts), f"{file.name} holds text"


def test_workers_train_the_same(llama: Path, task: outgrow.Task, tmp_path: Path) -> None:
    """In other processes, which are handed token ids and no text."""
    one = study(llama, methods=["naive", "confidence"], seeds=2)
    given: dict[str, Any] = {"task": task, "say": lambda sentence: None}
    frames = []
    for processes in (1, 2):
        store = Store(tmp_path / f"store{processes}")
        frames.append(
            outgrow.run(one, out=tmp_path / f"{processes}", processes=processes, store=store, **given).frame()
        )
    assert frames[0].equals(frames[1])


def test_values(llama: Path, task: outgrow.Task, tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=200) + np.arange(200) % 2
    of_values = outgrow.Task.from_arrays(task.inputs, values, name="values", kind="value")
    one = study(llama, methods=["naive"], seeds=1)
    results = outgrow.run(one, out=tmp_path / "a", task=of_values, processes=1, say=lambda sentence: None)
    assert len(results.frame()) == 1
    assert outgrow.load(tmp_path / "a" / "student").predict(["the film is good"]).shape == (1,)


def test_a_method_that_reads_features_is_left_out(llama: Path, task: outgrow.Task) -> None:
    with pytest.raises(InputError, match="this one reads raw inputs"):
        make_ready(Study.read(study(llama, methods=["contrast"])), task=task)


def test_dry_run_says_what_would_be_done(llama: Path, task: outgrow.Task) -> None:
    told = dry_run(make_ready(Study.read(study(llama)), task=task))
    kinds = Counter(job["kind"] for job in told["jobs"])
    assert kinds == {"view": 2, "labels": 3, "reference": 3, "student": 9, "evaluation": 9}
    assert not any(job["stored"] for job in told["jobs"])


@pytest.mark.parametrize(
    ("student", "sentence"),
    [
        ({"finetune": "smollm2", "lorra": 8}, r"unknown key 'students.0.lorra'; did you mean 'lora'"),
        ({"finetune": "smollm2", "lora": 0}, r"students.0.finetune.lora.*greater than 0"),
        ({"finetune": "smollm2", "layer": 3}, "a fine-tuned student has no layer"),
        ({"finetune": "smollm2", "encoder": "minilm"}, "one of encoder and finetune"),
        ({"finetune": "smollm2", "layers": "some"}, "layers is 'some'"),
        ({"finetune": "smolm2"}, "did you mean 'smollm2'"),
        ({"finetune": "glove"}, "'glove' is no transformers model"),
    ],
)
def test_what_is_wrong_is_said_before_any_work(
    llama: Path, task: outgrow.Task, student: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence) as met:
        make_ready(Study.read(study(llama, students=[student])), task=task)
    assert isinstance(met.value, StudyError | InputError)
    assert "\n" not in str(met.value)


def test_what_is_written_is_read(llama: Path, tmp_path: Path) -> None:
    one = Study.read(study(llama))
    one.write(tmp_path / "study.yaml")
    again = Study.read(tmp_path / "study.yaml")
    assert again.students == one.students
    assert again.students[0].finetune is not None
    assert again.students[0].finetune.given() == {"lr": 3e-3, "batch": 16}

"""Fine-tuned students in studies: what is trained how often, what is stored, and what is taken home."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import outgrow
from outgrow.errors import InputError, StudyError
from outgrow.learners import FineTune, finetune_base
from outgrow.learners.finetune_estimate import fit_cost, passes_of
from outgrow.store import Journal, Store, read_json
from outgrow.studies.ready import make_ready
from outgrow.studies.run import dry_run
from outgrow.studies.study import Study
from outgrow.tasks.labels import WeakLabels
from tiny_llama import reviews, save_llama

from . import sweep_victim

LOSSES = ["naive", "confidence", {"divergence": {"kind": "reverse_kl"}}]


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def task() -> outgrow.Task:
    texts, truth = reviews(200)
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


# --- fine-tuned supervisors and mixed chains ------------------------------------------------------------------------------------------


def test_a_supervisor_of_a_study_is_fine_tuned(llama: Path, task: outgrow.Task, tmp_path: Path) -> None:
    """Once a split; the earlier one is the same run, ended; both read the tokens that the student reads."""
    options = {"lr": 3e-3, "batch": 8, "max_tokens": 32}
    supervisors = [
        {"finetune": str(llama), **options, "name": "whole"},
        {"finetune": str(llama), **options, "earlier": 0.25, "name": "quarter"},
    ]
    one = study(llama, supervisors=supervisors, methods=["naive"], seeds=2)
    results = outgrow.run(one, out=tmp_path / "a", task=task, processes=1, say=lambda sentence: None)
    done = Counter(line["kind"] for line in lines(tmp_path / "a", "done"))
    assert done == {"labels": 4, "reference": 2, "student": 4, "evaluation": 4}
    assert len({line["key"] for line in lines(tmp_path / "a", "shard")}) == 1, "one tokenisation"
    assert set(results.frame()["supervisor"]) == {"whole", "quarter"}
    ready = make_ready(Study.read(one), task=task)
    roles, store = ready.roles[1], Store()
    ready = ready.encode_views(progress=False, say=lambda sentence: None, journal=None)
    tables = {label: WeakLabels.load(store.path(ready.plan().labels[label, 1][0])) for label in ("whole", "quarter")}
    (view,) = ready.rows.views.keys() - {"inputs"}
    by_hand = FineTune(
        str(llama), on=view, lr=3e-3, batch=8, max_tokens=32, keep=(0.25,), random_state=1, checkpoint=None
    )
    by_hand.fit(ready.rows.at(roles.teach), task.truth_table(roles.teach))
    np.testing.assert_allclose(tables["whole"].probs[roles.test, 0], by_hand.predict_proba(ready.rows.at(roles.test)))
    quarter = by_hand.earlier(0.25).predict_proba(ready.rows.at(roles.test))
    np.testing.assert_allclose(tables["quarter"].probs[roles.test, 0], quarter)
    source = tables["whole"].sources[0]
    assert source.view is None, "token ids are no features"
    assert set(source.taught) == set(roles.teach.tolist())
    assert not tables["whole"].at(roles.teach).any_covered.any(), "its own rows are left out"
    with pytest.raises(InputError, match="Trust"):
        make_ready(Study.read({**one, "methods": ["trust"]}), task=task)


def test_chains_mix_heads_and_fine_tuned_links(llama: Path, task: outgrow.Task, tmp_path: Path) -> None:
    chain = ["tfidf", {"finetune": str(llama), "lora": 2, "lr": 3e-3, "max_tokens": 32}]
    methods = ["naive", {"bootstrap": {"chain": chain}}]
    head = {"encoder": "tfidf", "penalty": 1.0, "name": "head"}
    one = study(llama, methods=methods, seeds=1)
    one["students"] = [*one["students"], head]
    results = outgrow.run(one, out=tmp_path / "a", task=task, processes=1, say=lambda sentence: None)
    names = set(results.frame()["method"])
    assert names == {"naive", f"bootstrap(chain=[tfidf, {llama} fine-tuned (lora=2, lr=0.003, max_tokens=32)])"}
    assert len(results.frame()) == 4
    assert results.failures is not None
    assert not len(results.failures)
    from outgrow.studies.plan import learner_spec, view_name
    from outgrow.studies.work import build_method

    for student in Study.read(one).students:
        spec = learner_spec(student, view_name(student), "classes", 3)
        method = build_method({"name": "bootstrap", "params": {"chain": chain}}, spec)
        kinds = [type(link).__name__ for link in method.links()]
        last = "FineTune" if student.finetune else "LinearHead"
        assert kinds == ["LinearHead", "FineTune", last]
        assert method.links()[1].random_state == 3
        assert method.needs().views == {"tfidf", view_name(Study.read(one).students[0]), view_name(student)}


def test_moments_and_what_stopping_is_worth(llama: Path, task: outgrow.Task, tmp_path: Path) -> None:
    one = study(llama, methods=["naive"], seeds=2)
    one["students"][0] |= {"keep": [0.25, 0.5, 1.0], "held_out": 0.2, "looks": 4, "epochs": 2}
    results = outgrow.run(one, out=tmp_path / "a", task=task, processes=1, say=lambda sentence: None)
    (finding,) = [f for f in results.findings if f.audit == "moments"]
    assert finding.table["share"].tolist() == [0.25, 0.5, 1.0]
    assert set(finding.numbers) == {"stopped_gain", "oracle_gain"}
    (cell,) = results.cells
    assert {e.stopped for e in cell.evaluations} <= {2 / 6, 3 / 6, 4 / 6, 1.0}, "six steps, four looks"
    for e in cell.evaluations:
        ends_there = np.array_equal(e.moments["1"], e.outputs["student"])
        assert ends_there == (e.stopped == 1.0)
    page = (tmp_path / "a" / "report.html").read_text("utf-8")
    assert "While the student trains" in page
    assert "Stopping by weak labels is worth" in page


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"supervisors": [{"finetune": "smollm2", "lorra": 4}]}, "has no option 'lorra'; did you mean 'lora'"),
        ({"supervisors": [{"finetune": "smolm2"}]}, "did you mean 'smollm2'"),
        ({"supervisors": [{"finetune": "smollm2", "earlier": 2}]}, "earlier is 2; give a number above 0 and at most 1"),
        ({"supervisors": [{"finetune": "smollm2", "lora": 0}]}, "lora is 0"),
        ({"supervisors": [{"finetune": "smollm2", "folds": 1}]}, "at least 2, or 0, not 1"),
        ({"supervisors": [{"finetune": 3}]}, "finetune names the model that is trained"),
        (
            {"methods": [{"bootstrap": {"chain": [{"finetun": "smollm2"}]}}]},
            "a link of a chain is the name of a view, or",
        ),
        (
            {"methods": [{"bootstrap": {"chain": [{"finetune": "smollm2", "lorra": 2}]}}]},
            "no option 'lorra'; did you mean 'lora'",
        ),
        (
            {"methods": [{"bootstrap": {"chain": [{"finetune": "smollm2", "lora": -1}]}}]},
            "the option 'lora' of a fine-tuned link",
        ),
    ],
)
def test_what_is_wrong_with_supervisors_and_chains(
    llama: Path, task: outgrow.Task, changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence) as met:
        make_ready(Study.read(study(llama, **changes)), task=task)
    assert "\n" not in str(met.value)


# --- killed in the middle ---------------------------------------------------------------------------------------------------------------


def test_a_sweep_that_is_killed_goes_on(
    llama: Path, task: outgrow.Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL in the middle of the fourth of five fits: the same metrics, no step twice, no job twice."""
    for name in ("train", "checkpoints"):
        monkeypatch.setattr(finetune_base, name, getattr(finetune_base, name))
    monkeypatch.setenv("OUTGROW_HOME", str(tmp_path / "whole"))
    one = study(llama, seeds=1, students=[{"finetune": str(llama), "lr": 3e-3, "batch": 16, "max_tokens": 32}])
    about = {"texts": list(task.inputs), "truth": np.where(np.arange(200) % 2, "yes", "no").tolist(), "study": one}
    (tmp_path / "given.json").write_text(json.dumps(about), "utf-8")
    whole = sweep_victim.sweep(tmp_path, tmp_path / "whole")
    expected = (tmp_path / "whole-steps.txt").read_text("utf-8").splitlines()
    # Direct has 40 rows of truth, ceiling and three students have 60; 16 rows a step.
    assert len(expected) == len(set(expected)) == 3 + 4 + 3 * 4
    victim = subprocess.run(
        [sys.executable, sweep_victim.__file__, str(tmp_path), str(tmp_path / "cut"), "13"], timeout=900
    )
    assert victim.returncode == -signal.SIGKILL
    before = lines(tmp_path / "cut-out", "done")
    assert Counter(line["kind"] for line in before)["student"] < 3
    assert len(list((tmp_path / "cut" / "partial").glob("finetune-*/step-*"))) == 1
    again = sweep_victim.sweep(tmp_path, tmp_path / "cut")
    after = lines(tmp_path / "cut-out", "done")
    assert Counter(line["kind"] for line in after) == {"labels": 1, "reference": 1, "student": 3, "evaluation": 3}
    assert len({line["key"] for line in after}) == len(after), "no job is done twice"
    steps = (tmp_path / "cut-steps.txt").read_text("utf-8").splitlines()
    assert len(steps) == len(expected)
    assert sorted(steps) == sorted(expected), "no step is taken twice, and none is left out"
    assert again.frame().equals(whole.frame())
    assert not list((tmp_path / "cut" / "partial").glob("finetune-*"))


# --- what it will cost ------------------------------------------------------------------------------------------------------------------


def test_the_dry_run_names_seconds_and_memory(llama: Path, task: outgrow.Task) -> None:
    supervisors = [
        {"finetune": str(llama), "max_tokens": 32, "folds": 2},
        {"probe": "tfidf", "penalty": 1.0, "folds": 2},
    ]
    chain = {"bootstrap": {"chain": [{"finetune": str(llama), "lora": 2, "max_tokens": 32}]}}
    one = study(llama, supervisors=supervisors, methods=["naive", chain], seeds=2)
    told = dry_run(make_ready(Study.read(one), task=task))
    notes = [note for note in told["notes"] if "of memory a fit" in note]
    said = {note.split(": about")[0]: note.rsplit(" ", 2)[-2] for note in notes}
    name = f"{llama} fine-tuned"
    assert said == {
        f"{name}, labels on 40 rows": "2",
        f"{name}, labels on 20 rows": "4",
        f"{name}, reference on 40 rows": "2",
        f"{name}, reference on 60 rows": "2",
        f"{name}, student on 60 rows": "8",
        f"{name} (lora=2), student on 60 rows": "4",
    }
    assert told["seconds"] > 0
    assert told["memory"] > 10**5
    heads = dry_run(make_ready(Study.read(study(llama, students=["tfidf"])), task=task))
    assert not any("of memory a fit" in note for note in heads["notes"])
    assert heads["memory"] == 0


def test_what_a_pass_is_worth(llama: Path) -> None:
    def worth(**options: Any) -> float:
        return passes_of(FineTune(str(llama), **options), 2)

    assert worth() == 3.0
    assert worth(lora=4) == 2.0
    assert worth(layers="last 1") == 2.0
    assert worth(layers="head") == 1.0
    assert worth(gradient_checkpointing=True) == 4.0
    small, large = (fit_cost(FineTune(str(llama), batch=b), 1000, 50.0) for b in (4, 32))
    assert small is not None
    assert large is not None
    assert large.bytes > small.bytes
    lora = fit_cost(FineTune(str(llama), batch=32, lora=2), 1000, 50.0)
    assert lora is not None
    assert lora.bytes < large.bytes, "moments of adapters alone"
    once, often = (fit_cost(FineTune(str(llama), epochs=e), 10**5, 50.0) for e in (1, 10))
    assert once is not None
    assert often is not None
    assert often.seconds > 3 * once.seconds

"""The same tiny study in one process and in two of ``accelerate launch`` (gloo, on the CPU)."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml

import outgrow
from launched import SEVERAL, environment, launch
from outgrow.errors import FetchError, InputError, StoreError, StudyError
from outgrow.store import Journal
from outgrow.studies import together
from outgrow.studies.results import Results
from outgrow.studies.verbs import label
from tiny_llama import reviews, save_llama


def lay_out(folder: Path) -> Path:
    """Write texts, a model and a study: fine-tuned supervisor, students fine-tuned and frozen, one of which cannot be trained."""
    with (folder / "reviews.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *zip(*reviews(180), strict=True)])
    llama = str(save_llama(folder / "llama"))
    tuned = {"finetune": llama, "lr": 3e-3, "batch": 16, "max_tokens": 32, "batch_tokens": 60}
    one = {
        "name": "tuned",
        "task": {"file": str(folder / "reviews.csv"), "input": "text", "truth": "label"},
        "split": {"teach": 40, "transfer": 60, "select": 20, "test": 60},
        "supervisors": [{**tuned, "name": "small"}],
        "students": [{**tuned, "name": "tiny"}, {**tuned, "lr": 1e39, "name": "wild"}, {"encoder": "tfidf"}],
        "methods": ["naive", "confidence"],
        "forecasts": [],
        "seeds": [3],
        "self": False,
    }
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(one), "utf-8")
    return path


@pytest.mark.slow
def test_two_processes_agree_with_one(tmp_path: Path) -> None:
    """Same jobs, same failures, same predictions; one process alone plans, writes and prints."""
    path = lay_out(tmp_path)
    one = outgrow.run(path, out=tmp_path / "one", processes=1, progress=False, say=lambda sentence: None)
    done = subprocess.run(
        [
            sys.executable,
            *launch(),
            *SEVERAL,
            "-m",
            "outgrow",
            "run",
            str(path),
            "--out",
            str(tmp_path / "two"),
            "--json",
        ],
        capture_output=True,
        text=True,
        timeout=600,
        env={**environment(), "OUTGROW_HOME": str(tmp_path / "home")},
    )
    assert (tmp_path / "two" / "report.html").exists(), done.stderr[-6000:]
    told = json.loads(done.stdout)
    two = Results.load(tmp_path / "two")
    assert told["headline"] == two.headline()
    kinds = [
        Counter(x["kind"] for x in Journal(tmp_path / n / "journal.jsonl").read() if x["event"] == "done")
        for n in ("one", "two")
    ]
    assert kinds[0] == kinds[1] == {"labels": 1, "reference": 2, "student": 4, "evaluation": 4}
    assert one.failures is not None
    assert two.failures is not None
    assert one.failures["error"].tolist() == two.failures["error"].tolist()
    assert one.failures["error"].str.contains("the loss is nan").any()
    assert done.returncode == 1, "as in one process, where jobs failed"
    assert len(one.cells) == len(two.cells) == 4
    for first, second in zip(one.ranked(), two.ranked(), strict=True):
        (a,), (b,) = first.evaluations, second.evaluations
        assert a.cell == b.cell
        assert a.outputs is not None
        assert b.outputs is not None
        for role, output in a.outputs.items():
            np.testing.assert_allclose(b.outputs[role], output, atol=1e-4, err_msg=f"{role} of {a.cell}")


def test_who_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not together.several()
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    assert together.several()
    assert not together.follows()
    monkeypatch.setenv("RANK", "1")
    assert together.follows()


def test_only_a_run_uses_several_processes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from outgrow.studies.ready import make_ready
    from outgrow.studies.study import Study

    ready = make_ready(Study.read(lay_out(tmp_path)))
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(StudyError, match="start this command by itself"):
        label(ready, progress=False)


def test_what_one_process_meets_alone() -> None:
    """A wrong job strikes all processes before they train; whatever else happens may be one's own."""

    def raised(error: Exception, cause: Exception | None = None) -> Exception:
        error.__cause__ = cause
        return error

    assert not together._only_here(InputError("labels of one class"))
    assert not together._only_here(raised(FetchError("no model"), InputError("named so")))
    assert together._only_here(StoreError("damaged"))
    assert together._only_here(raised(InputError("does not fit in memory"), RuntimeError("out of memory")))
    assert together._only_here(KeyError("x"))

"""Killed with SIGKILL and resumed: the short form of ``benchmarks/kill.py``."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from .conftest import make_texts, write_csv, write_study

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "kill.py"
# The program with small shards, so that a small task has many.
SMALL_SHARDS = "import sys, outgrow.encoders.text as t; t._SHARD_WORK = 1; import outgrow.cli as c; sys.argv[0] = 'outgrow'; c.main()"


@pytest.fixture(scope="module")
def kill():
    spec = importlib.util.spec_from_file_location("outgrow_kill", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A BERT with random weights: two blocks of 16 columns."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    from .conftest import BAD, GOOD, PLAIN

    folder = tmp_path_factory.mktemp("model")
    words = [*PLAIN, *GOOD, *BAD, "n", *"0123456789", *(f"##{d}" for d in "0123456789")]
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]), "utf-8")
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=5 + len(words), hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=64,
    )  # fmt: skip
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


@pytest.fixture
def study(tmp_path, model):
    texts, truth = make_texts(240)
    write_csv(tmp_path / "texts.csv", key=[f"k{i}" for i in range(240)], body=texts, label=truth)
    return write_study(
        tmp_path / "study.yaml",
        supervisors=[{"probe": "tfidf", "penalty": 1.0, "folds": 2}],
        students=[{"encoder": f"{model}[batch_tokens=512]", "layer": 1, "penalty": 0.1}],
        methods=["naive", "confidence"],
    )


@pytest.mark.slow
def test_killed_and_resumed(kill, study, tmp_path, program, monkeypatch):
    """One kill each after a shard, a student and a result file; resumed in this process."""
    import outgrow.encoders.text

    monkeypatch.setattr(outgrow.encoders.text, "_SHARD_WORK", 1)

    def go(home, out):
        monkeypatch.setenv("OUTGROW_HOME", str(home))
        return program("run", study, "--processes", 1, "--out", out).code

    whole = tmp_path / "whole"
    assert go(kill.fresh_home(tmp_path / "home", None), whole) == 0
    lines = kill.read(whole / "journal.jsonl")
    assert kill.missing_stages(lines) == []
    assert kill.twice(lines) == []
    assert sum(line["event"] == "shard" for line in lines) >= 5
    stages = {kill.stage(lines[k - 1]): k for k in kill.choose(lines, 6)}
    assert set(stages) == set(kill.STAGES)
    command = [sys.executable, "-c", SMALL_SHARDS, "run", str(study), "--processes", "1"]
    for stage in ("shard", "student", "wrote"):
        killed = kill.kill_and_resume(command, go, whole, lines, stages[stage], tmp_path, None)
        assert killed.faults == (), (killed, (tmp_path / f"log-{stages[stage]}").read_text("utf-8"))
        # Dead soon after the line: what follows was done by the resumed run.
        assert stages[stage] <= killed.lines < len(lines)


def test_stages_must_be_there(kill):
    """The check above cannot pass on a journal that leaves a stage out, or names something twice."""
    whole = [
        {"event": "start"},
        *({"event": "shard", "key": "v", "shard": i, "of": 3} for i in range(3)),
        *({"event": "done", "kind": kind, "key": kind} for kind in kill.JOBS),
        *({"event": "wrote", "what": what} for what in kill.WROTE),
        {"event": "end", "failed": 0},
    ]
    assert kill.missing_stages(whole) == []
    assert kill.twice(whole) == []
    for drop in range(1, len(whole)):
        left = [line for i, line in enumerate(whole) if i != drop]
        assert kill.missing_stages(left) or whole[drop]["event"] == "shard"
    assert kill.missing_stages([line for line in whole if line["event"] != "shard"]) == ["shard"]
    assert len(kill.twice([*whole, whole[1], whole[5]])) == 2
    assert len(set(kill.choose(whole, 10))) == 10


def test_differences_are_seen(kill, tmp_path):
    import json

    import pandas as pd

    for name, value in (("a", 0.1), ("b", 0.1), ("c", 0.1000001)):
        (tmp_path / name).mkdir()
        pd.DataFrame({"x": [value, None]}).to_parquet(tmp_path / name / "t.parquet")
        (tmp_path / name / "results.json").write_text(json.dumps({"environment": {"seconds": name}, "notes": []}))
    assert kill.differences(tmp_path / "a", tmp_path / "b") == []
    assert kill.differences(tmp_path / "a", tmp_path / "c") == ["t.parquet differs in column x"]
    (tmp_path / "b" / "more").write_text("x")
    assert kill.differences(tmp_path / "a", tmp_path / "b") == ["more is in one of them only"]

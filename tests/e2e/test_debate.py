"""Debates through the program: their cost beforehand, nothing of them in a report, nothing left after ``clean --task``."""

from __future__ import annotations

from pathlib import Path

import pytest

from outgrow.supervisors.transcripts import _FILE
from tiny_llama import save_llama

from .conftest import Program, make_texts, write_csv, write_study

CANARY = "zebrafinch"
SMALL = {"turns": 1, "judges": 2, "tokens": 4, "name": "debate"}


@pytest.fixture
def debated(own_data: Path) -> Path:
    """The study of own_data on 48 texts, with a debate of a tiny model and the same judge alone."""
    texts, truth = make_texts(48, extra=CANARY)
    write_csv(own_data / "texts.csv", key=[f"k{i:03d}" for i in range(48)], body=texts, label=truth)
    save_llama(own_data / "llama")
    return write_study(
        own_data / "study.yaml",
        supervisors=[{"debate": str(own_data / "llama"), "judge": "tfidf", **SMALL}, {"probe": "tfidf"}],
        split={"teach": 16, "transfer": 16, "test": 16},
        forecasts=[],
    )


def transcripts(home: Path) -> list[Path]:
    return list(home.rglob(_FILE))


def test_a_debate_runs_keeps_to_itself_and_goes(
    debated: Path, program: Program, tmp_path: Path, fresh_home: Path
) -> None:
    out = tmp_path / "out"
    dry = program("run", debated, "--dry-run", "--json").json
    (note,) = [n for n in dry["notes"] if n.startswith("debate: ")]
    assert note.startswith("debate: 192 speeches of up to 4 tokens to write (48 rows, 2 debates, 1 turns)")
    assert transcripts(fresh_home) == []
    answer = program("run", debated, "--out", out, "--processes", 1)
    assert answer.code == 0
    assert len(transcripts(fresh_home)) == 48
    # The made-up model says little, so the canary is looked for where its speeches are kept and nowhere else.
    said = [file.read_text("utf-8") for file in transcripts(fresh_home)]
    assert any(len(text) > 120 for text in said)
    for file in (p for p in out.rglob("*") if p.is_file()):
        data = file.read_bytes()
        assert CANARY.encode() not in data
        assert b"Debater" not in data
    assert CANARY not in answer.out + answer.err
    assert not [n for n in program("run", debated, "--dry-run", "--json").json["notes"] if n.startswith("debate: ")]
    again = program("run", debated, "--out", out, "--processes", 1)
    assert again.code == 0
    assert "jobs are stored from before" in again.err
    assert program("clean", "--task", "study").code == 0
    assert transcripts(fresh_home) == []

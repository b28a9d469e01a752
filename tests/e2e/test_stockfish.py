"""A ladder of engine depths through the program: labelled once, found in the cache after, refused in a sentence without an engine."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from outgrow.errors import NeedsError
from outgrow.studies.study import Study
from outgrow.supervisors.stockfish import find_engine
from outgrow.tasks.chess import START, Position
from outgrow.tasks.puzzles import item_text

from .conftest import Program, write_csv, write_study

SPLIT = {"teach": 0, "transfer": 40, "select": 0, "test": 20}


def items(n: int) -> tuple[list[str], list[str]]:
    """Positions of random games, each with a random move; a capture is called right."""
    rng = random.Random(0)
    texts, truth = [], []
    while len(texts) < n:
        position = Position.from_fen(START)
        for _ in range(rng.randint(8, 30)):
            moves = list(position.legal())
            if not moves:
                break
            position = position.after(rng.choice(moves))
        moves = list(position.legal())
        if moves:
            move = rng.choice([m for m in moves if position.takes(m)] or moves)
            texts.append(item_text(position, move))
            truth.append("right" if position.takes(move) else "wrong")
    return texts, truth


def test_the_example_can_be_read() -> None:
    study = Study.read(Path(__file__).parents[2] / "examples" / "chess.yaml")
    assert study.supervisors == [{"stockfish": 1}, {"stockfish": 4}, {"stockfish": 8}]
    assert study.task.packaged == "chess"


def test_a_ladder_is_labelled_once(own_data: Path, program: Program, tmp_path: Path) -> None:
    try:
        find_engine()
    except NeedsError as error:
        if os.environ.get("OUTGROW_REQUIRE_STOCKFISH") == "1":
            pytest.fail(str(error), pytrace=False)
        pytest.skip("no chess engine; apt-get install stockfish")
    texts, truth = items(60)
    write_csv(own_data / "texts.csv", key=[f"k{i:03d}" for i in range(60)], body=texts, label=truth)
    study = write_study(
        own_data / "study.yaml",
        supervisors=[{"stockfish": 1}, {"stockfish": 2, "name": "deeper"}],
        split=SPLIT,
        forecasts=[],
    )
    answer = program("run", study, "--out", tmp_path / "out", "--processes", 1)
    assert answer.code == 0, answer.err
    assert "at depth 1 labelled 60 of 60 rows." in answer.out
    again = program("run", study, "--out", tmp_path / "out", "--processes", 1)
    assert again.code == 0
    assert "jobs are stored from before" in again.err


def test_without_an_engine(own_data: Path, program: Program) -> None:
    texts, truth = items(60)
    write_csv(own_data / "texts.csv", key=[f"k{i:03d}" for i in range(60)], body=texts, label=truth)
    study = write_study(
        own_data / "study.yaml", supervisors=[{"stockfish": 1, "engine": "nowhere"}], split=SPLIT, forecasts=[]
    )
    answer = program("run", study)
    assert answer.code == 2
    assert "there is no program 'nowhere' to be run as a chess engine" in answer.err

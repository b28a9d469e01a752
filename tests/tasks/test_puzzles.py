"""Chess puzzles as a task: what an item says, how the wrong move is chosen, and that nothing beside the position tells which is right."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from outgrow import split
from outgrow.errors import FetchError, LabelsError
from outgrow.tasks.chess import Move, Position
from outgrow.tasks.packaged import packaged
from outgrow.tasks.puzzles import THEMES, item_text, puzzles, read_item, tempting
from outgrow.tasks.split import ROLES

FORK = Position.from_fen("3r4/6kp/6p1/1pNPpp2/2n5/2P3P1/5P1P/3R2K1 w - f6 0 34")


def test_an_item_says_position_and_move() -> None:
    fork = Move.from_uci("c5e6")
    text = item_text(FORK, fork)
    assert text.split("\n") == [FORK.fen(), "knight c5 to e6, check: c5e6"]
    assert read_item(text) == (FORK, fork)
    pawn = Position.from_fen("3r3k/4P3/8/8/8/8/8/K7 w - - 0 1")
    assert item_text(pawn, Move.from_uci("e7d8n")).endswith("pawn e7 to d8 takes rook becomes knight: e7d8n")


def test_the_wrong_move_looks_like_the_right_one() -> None:
    pawn = Move.from_uci("d5d6")
    other = tempting(FORK, pawn, "0E0md")
    assert other is not None
    assert other != pawn
    assert not FORK.gives_check(other)
    assert not FORK.takes(other)
    assert FORK.board[other.start] == "P"
    assert tempting(FORK, pawn, "0E0md") == other
    drawn = {tempting(FORK, pawn, str(seed)) for seed in range(40)}
    assert drawn == {Move.from_uci(m) for m in ("f2f3", "f2f4", "g3g4", "h2h3", "h2h4")}
    lonely = Position.from_fen("7k/8/8/8/8/8/8/KR6 w - - 0 1")
    assert tempting(lonely, Move.from_uci("b1h1"), "x") == Move.from_uci("b1b8")
    # The fork is the only check; and a second mate is as right as the first.
    assert tempting(FORK, Move.from_uci("c5e6"), "x") is None
    assert tempting(Position.from_fen("6k1/5ppp/8/8/3Q4/8/5PPP/R5K1 w - - 0 1"), Move.from_uci("a1a8"), "x") is None
    assert tempting(Position.from_fen("7k/6pp/8/8/8/8/8/KR6 w - - 0 1"), Move.from_uci("b1b8"), "x") is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("secret words", "no position in FEN"),
        (FORK.fen(), "no position in FEN with a move under it"),
        (FORK.fen() + "\nd5d1d", "a chess move is written"),
        (FORK.fen() + "\na1a2", "not legal"),
    ],
)
def test_what_is_no_item(text: str, why: str) -> None:
    with pytest.raises(LabelsError, match=why) as error:
        read_item(text)
    assert "secret" not in str(error.value)


def test_a_puzzle_of_another_archive(tmp_path: Path) -> None:
    for theme in THEMES:
        (tmp_path / f"{theme}.json").write_text(json.dumps({"puzzles": []}))
    puzzle = {"id": "p", "fen": FORK.fen(), "moves": ["a1a2", "c5e6"], "rating": 1}
    (tmp_path / "fork.json").write_text(json.dumps({"puzzles": [puzzle]}))
    with pytest.raises(FetchError, match=r"'p' cannot be read \(its first move is not legal"):
        puzzles(tmp_path)


@pytest.mark.packaged("torre")
def test_the_task() -> None:
    task = packaged("chess")
    assert task.classes.tolist() == ["wrong", "right"]
    truth = task.truth_at(task.ids)
    assert np.bincount(truth).tolist() == [4197, 4197]
    assert task.source["licence"] == "CC0"
    # Order and id do not tell which item of a puzzle is right.
    first = truth[0::2]
    np.testing.assert_array_equal(first + truth[1::2], 1)
    assert abs(first.mean() - 0.5) < 0.02
    assert {str(n)[-1] for n in task.names} == {"a", "b"}
    # Nor does whether the move gives check or captures.
    looks = [(", check" in t, " takes " in t) for t in task.inputs]
    assert all(looks[i] == looks[i + 1] for i in range(0, len(looks), 2))
    roles = split(task, 1)
    role_of = np.full(len(task), -1)
    for k, role in enumerate(ROLES):
        role_of[roles[role]] = k
    np.testing.assert_array_equal(role_of[0::2], role_of[1::2])
    # The rule's digest is part of the task: another Python draws the same moves.
    assert task.inputs[0] == "r6k/pp2r2p/4Rp1Q/3p4/8/1N1P2b1/PqP3PP/7K w - - 0 25\nrook e6 to e7 takes rook: e6e7"
    assert task.inputs[1].endswith("e6f6")

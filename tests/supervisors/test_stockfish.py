"""A chess engine as a supervisor: its formula, its failures, and the ladder of depths on real puzzles."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from outgrow.errors import InputError, LabelsError, NeedsError, StudyError
from outgrow.fingerprints import fingerprint
from outgrow.supervisors.factory import supervisor
from outgrow.supervisors.stockfish import Engine, StockfishSupervisor, find_engine, score_of
from outgrow.tasks.chess import Position
from outgrow.tasks.packaged import packaged
from outgrow.tasks.rows import Rows

CLASSES = ["wrong", "right"]
MATE = "6k1/5ppp/8/8/8/8/8/KR6 w - - 0 1"
ITEMS = [f"{MATE}\nrook: b1b8", f"{MATE}\nrook: b1b2", "k7/8/1K6/8/8/8/8/7R b - - 0 1\nking: a8b8"]


@pytest.fixture
def stockfish() -> str:
    """Path of the engine."""
    try:
        return find_engine()
    except NeedsError as error:
        if os.environ.get("OUTGROW_REQUIRE_STOCKFISH") == "1":
            pytest.fail(str(error), pytrace=False)
        pytest.skip("no chess engine; apt-get install stockfish")


def program(folder: Path, lines: str) -> str:
    """Write a program that speaks the protocol badly."""
    path = folder / "engine"
    path.write_text("#!/bin/sh\n" + lines)
    path.chmod(0o700)
    return str(path)


@pytest.mark.parametrize(
    ("line", "score"),
    [
        ("info depth 4 seldepth 6 multipv 1 score cp -35 nodes 100", -35),
        ("info depth 4 score cp 9000 nodes 100", 1500),
        ("info depth 4 score mate 3 nodes 100", 1970),
        ("info depth 4 score mate -1", -1990),
        ("info depth 4 score cp 12 lowerbound nodes 100", None),
        ("info string NNUE evaluation", None),
        ("bestmove e2e4", None),
    ],
)
def test_scores(line: str, score: int | None) -> None:
    assert score_of(line) == score


def test_a_mate_is_right_and_the_only_move_too(stockfish: str) -> None:
    made = StockfishSupervisor(2, CLASSES)
    weak = made.label(Rows.from_arrays(inputs=ITEMS))
    right = weak.probs[:, 0, 1]
    assert right[0] > 0.8
    assert right[1] < 0.01
    assert right[2] == 1.0
    np.testing.assert_allclose(weak.probs.sum(axis=2), 1)
    assert made.report_.startswith("Stockfish")
    assert made.report_.endswith(" at depth 2 labelled 3 of 3 rows.")
    # By hand: the scores of both sides of the formula, from an engine of its own.
    others = [m.uci() for m in Position.from_fen(MATE).legal() if m.uci() != "b1b8"]
    with Engine(stockfish) as engine:
        assert engine.score(MATE, ["b1b8"], 2) == 1990
        best = engine.score(MATE, others, 2)
    assert best is not None
    assert right[0] == pytest.approx(1 / (1 + 10 ** (-(1990 - best) / 400)))
    again = StockfishSupervisor(2, ["right", "wrong"]).label(Rows.from_arrays(inputs=ITEMS))
    np.testing.assert_array_equal(again.probs[:, 0, 0], right)


def test_the_key_is_the_engine_and_the_depth(stockfish: str, tmp_path: Path) -> None:
    link = tmp_path / "another-name"
    link.symlink_to(stockfish)
    one = fingerprint(StockfishSupervisor(1, CLASSES))
    assert one == fingerprint(StockfishSupervisor(1, CLASSES, engine=str(link)))
    assert one != fingerprint(StockfishSupervisor(2, CLASSES))


def test_an_engine_that_fails_abstains(tmp_path: Path) -> None:
    # It answers the first search of its life and dies in the second.
    dying = program(
        tmp_path,
        """n=0
while read -r word rest; do
  case "$word" in
    uci) echo "id name Frail 1"; echo uciok;;
    isready) echo readyok;;
    go) n=$((n+1)); [ $n -gt 2 ] && exit 1; echo "info depth 1 score cp $((100*n)) nodes 1"; echo "bestmove a1a1";;
  esac
done
""",
    )
    made = StockfishSupervisor(1, CLASSES, engine=dying)
    weak = made.label(Rows.from_arrays(inputs=[ITEMS[0]] * 3))
    assert weak.covered[:, 0].tolist() == [True, False, True]
    assert weak.probs[0, 0, 1] == pytest.approx(1 / (1 + 10 ** (100 / 400)))
    assert made.report_ == "Frail 1 at depth 1 labelled 2 of 3 rows; on 1 it failed, and they are not covered."


def test_an_engine_that_says_nothing_is_ended(tmp_path: Path) -> None:
    mute = program(
        tmp_path,
        """while read -r word rest; do
  case "$word" in uci) echo uciok;; isready) echo readyok;; esac
done
""",
    )
    with Engine(mute, patience=0.3) as engine:
        assert engine.score(MATE, ["b1b8"], 1) is None
    deaf = program(tmp_path, "exec sleep 30\n")
    with pytest.raises(NeedsError, match="'engine' does not answer as a UCI chess engine"), Engine(deaf, patience=0.3):
        pass


@pytest.mark.parametrize("depth", [0, 41, 1.5, True, "deep"])
def test_depths_out_of_range(depth: Any) -> None:
    with pytest.raises(InputError, match="give a whole number from 1 to 40"):
        StockfishSupervisor(depth, CLASSES).check()


def test_without_an_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(NeedsError, match="there is no program 'nowhere' to be run as a chess engine"):
        StockfishSupervisor(1, CLASSES, engine="nowhere").check()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("outgrow.supervisors.stockfish.PLACES", ())
    with pytest.raises(
        NeedsError, match=r"needs the chess engine Stockfish, which is not on PATH: install it \(apt-get"
    ):
        supervisor({"stockfish": 4}, classes=CLASSES, kind="classes")


def test_entries_of_a_study(stockfish: str) -> None:
    made = supervisor({"stockfish": 4}, classes=CLASSES, kind="classes")
    assert (made.name, made.on, made.needs_truth) == ("stockfish-4", "inputs", False)
    assert supervisor({"stockfish": 1, "name": "shallow"}, classes=CLASSES, kind="classes").name == "shallow"
    with pytest.raises(StudyError, match="no option 'dept'"):
        supervisor({"stockfish": 4, "dept": 1}, classes=CLASSES, kind="classes")
    with pytest.raises(StudyError, match="this task has values"):
        supervisor({"stockfish": 4}, classes=None, kind="value")
    with pytest.raises(InputError, match="the task has other classes"):
        supervisor({"stockfish": 4}, classes=["negative", "positive"], kind="classes")


def test_rows_that_hold_no_position(stockfish: str) -> None:
    with pytest.raises(LabelsError, match=r"^row 1 is no position in FEN") as error:
        StockfishSupervisor(1).label(Rows.from_arrays(inputs=[ITEMS[0], "a secret canary"]))
    assert "canary" not in str(error.value)


@pytest.mark.packaged("torre")
def test_depth_pays_on_real_puzzles(stockfish: str) -> None:
    task = packaged("chess")
    some = np.arange(0, len(task), 84)
    rows = Rows.from_arrays(inputs=[task.inputs[i] for i in some])
    truth = task.truth_at(some)
    right = {d: StockfishSupervisor(d, CLASSES).label(rows).probs[:, 0, 1] for d in (1, 8)}
    again = StockfishSupervisor(1, CLASSES).label(rows[::-1]).probs[::-1, 0, 1]
    np.testing.assert_array_equal(again, right[1])
    accuracy = {d: float(((p > 0.5) == (truth == 1)).mean()) for d, p in right.items()}
    assert 0.7 < accuracy[1] < accuracy[8]
    assert accuracy[8] > 0.9

"""The rules of chess: counts of move paths known from the literature of chess programming, and notation."""

from __future__ import annotations

import pytest

from outgrow.errors import TaskError
from outgrow.tasks.chess import START, Move, Position

KIWIPETE = "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1"


def paths(position: Position, depth: int) -> int:
    """Count the ways to play so many half-moves."""
    if depth == 1:
        return sum(1 for _ in position.legal())
    return sum(paths(position.after(m), depth - 1) for m in position.legal())


@pytest.mark.parametrize(
    ("fen", "counts"),
    [
        (START, (20, 400, 8902)),
        (KIWIPETE, (48, 2039, 97862)),
        ("8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - - 0 1", (14, 191, 2812)),  # taking in passing that would expose the king
        ("r3k2r/Pppp1ppp/1b3nbN/nP6/BBP1P3/q4N2/Pp1P2PP/R2Q1RK1 w kq - 0 1", (6, 264, 9467)),
        ("rnbq1k1r/pp1Pbppp/2p5/8/2B5/8/PPP1NnPP/RNBQK2R w KQ - 1 8", (44, 1486)),  # promotion by capture
    ],
)
def test_the_number_of_paths(fen: str, counts: tuple[int, ...]) -> None:
    position = Position.from_fen(fen)
    assert position.fen() == fen
    assert [paths(position, depth) for depth in range(1, len(counts) + 1)] == list(counts)


def test_a_short_game() -> None:
    position = Position.from_fen(START)
    for name in ("f2f3", "e7e5", "g2g4"):
        position = position.after(Move.from_uci(name))
    assert position.fen() == "rnbqkbnr/pppp1ppp/8/4p3/6P1/5P2/PPPPP2P/RNBQKBNR b KQkq g3 0 2"
    queen = Move.from_uci("d8h4")
    assert position.gives_check(queen)
    assert not position.is_mate()
    assert position.after(queen).is_mate()
    assert not position.gives_check(Move.from_uci("d8e7"))


def test_castling_and_passing() -> None:
    position = Position.from_fen(KIWIPETE)
    castled = position.after(Move.from_uci("e1g1"))
    assert castled.fen() == "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R4RK1 b kq - 1 1"
    taken = castled.after(Move.from_uci("h3g2"))
    assert taken.takes(Move.from_uci("g1g2")) == "p"
    passing = Position.from_fen("4k3/8/8/3pP3/8/8/8/4K3 w - d6 0 2")
    move = Move.from_uci("e5d6")
    assert move in passing.legal()
    assert passing.takes(move) == "p"
    assert passing.after(move).fen() == "4k3/8/3P4/8/8/8/8/4K3 b - - 0 2"


@pytest.mark.parametrize(
    ("fen", "why"),
    [
        ("", "its fields are not six"),
        ("8/8/8/8/8/8/8/8 w - - 0 1", "each side needs one king"),
        ("k7/8/8/8/8/8/8/K8 w - - 0 1", "not eight ranks"),
        ("k7/8/8/8/8/8/8/K7 x - - 0 1", "its side"),
        ("k7/8/8/8/8/8/8/K7 w - e5 0 1", "square of passing"),
        ("k7/8/8/8/8/8/8/K7 w - - a 1", "counts"),
    ],
)
def test_what_is_no_position(fen: str, why: str) -> None:
    with pytest.raises(TaskError, match=f"a chess position in FEN cannot be read: .*{why}"):
        Position.from_fen(fen)


@pytest.mark.parametrize("text", ["", "e2", "e2e9", "i2e4", "e7e8k", "e2-e4"])
def test_what_is_no_move(text: str) -> None:
    with pytest.raises(TaskError, match="a chess move is written"):
        Move.from_uci(text)
    assert Move.from_uci("e7e8q").uci() == "e7e8q"

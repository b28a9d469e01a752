"""Chess puzzles as a task: a position, a candidate move, and whether the move is the puzzle's solution.

The puzzles are those of Lichess (CC0). As its database has them, the position stands before the opponent's last move, which is the first of
``moves``; the solution is the second. An item is right (the solution) or wrong (another legal move, chosen without any engine), one of each
from every puzzle; both are one group, so a split gives them one role.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from outgrow.errors import FetchError, LabelsError, TaskError
from outgrow.tasks.chess import Move, Position, square_name

__all__ = ["CLASSES", "THEMES", "item_text", "puzzles", "read_item", "tempting"]

CLASSES = ["wrong", "right"]
PIECES = {"P": "pawn", "N": "knight", "B": "bishop", "R": "rook", "Q": "queen", "K": "king"}
THEMES = (
    *("anastasia-mate", "arabian-mate", "attraction", "back-rank-mate", "bishop-endgame", "boden-mate"),
    *("capturing-defender", "clearance", "defensive-move", "deflection", "discovered-attack", "double-check"),
    *("exposed-king", "fork", "hanging-piece", "hook-mate", "interference", "kingside-attack", "knight-endgame"),
    *("mate-in-1", "mate-in-2", "mate-in-3", "mate-in-4", "pawn-endgame", "pin", "promotion", "queen-endgame"),
    *("quiet-move", "rook-endgame", "sacrifice", "skewer", "smothered-mate", "trapped-piece", "underpromotion"),
    *("x-ray", "zwischenzug"),
)
BANDS = ((1200, "rated under 1200"), (2000, "rated 1200 to 1999"), (10**6, "rated 2000 and more"))


def puzzles(folder: Path | None) -> dict[str, Any]:
    """Return the arguments of `Task.from_arrays` for the puzzles in a folder of ``THEME.json`` files.

    The two items of a puzzle stand in the order of their moves' names, so that neither order nor id tells which is right. The domain
    is a band of the puzzle's rating.

    Raises
    ------
    FetchError
        A puzzle whose moves are not legal: the archive is another.
    """
    assert folder is not None
    found: dict[str, dict[str, Any]] = {}
    for theme in THEMES:
        for puzzle in json.loads((folder / f"{theme}.json").read_text(encoding="utf-8"))["puzzles"]:
            found.setdefault(puzzle["id"], puzzle)
    inputs, truth, names, groups, domains = [], [], [], [], []
    for number, (own, puzzle) in enumerate(sorted(found.items())):
        try:
            position, solution = _solution(puzzle)
            other = tempting(position, solution, own)
        except TaskError as error:
            raise FetchError(f"the chess puzzle {own!r} cannot be read ({error}): its archive is another") from None
        if other is None:
            continue
        for k, (move, right) in enumerate(sorted([(solution, True), (other, False)], key=lambda m: m[0].uci())):
            inputs.append(item_text(position, move))
            truth.append(CLASSES[right])
            names.append(f"{own}-{'ab'[k]}")
            groups.append(number)
            domains.append(next(name for below, name in BANDS if puzzle["rating"] < below))
    return {
        "inputs": inputs,
        "truth": truth,
        "names": names,
        "groups": groups,
        "domains": domains,
        "classes": CLASSES,
    }


def _solution(puzzle: dict[str, Any]) -> tuple[Position, Move]:
    before = Position.from_fen(puzzle["fen"])
    last, solution = (Move.from_uci(m) for m in puzzle["moves"][:2])
    if last not in before.legal():
        raise TaskError("its first move is not legal")
    position = before.after(last)
    if solution not in position.legal():
        raise TaskError("its solution is not legal")
    return position, solution


def tempting(position: Position, solution: Move, seed: str) -> Move | None:
    """Choose a wrong move that looks like the solution, where there is one.

    Candidates are the legal moves between other squares that agree with the solution in whether they give check and whether they capture,
    and do not mate; a move of the same kind of piece where there is one. Of these the one whose name, digested with ``seed`` by
    SHA-256, comes first. No engine is asked: the puzzles have one solution each by the database's own rule.

    Parameters
    ----------
    position : Position
    solution : Move
    seed : str
        The puzzle's id.

    Returns
    -------
    Move or None
        None where every other move looks different.
    """
    check, takes = position.gives_check(solution), bool(position.takes(solution))
    kind = position.board[solution.start]
    alike = []
    for move in position.legal():
        if move[:2] != solution[:2] and bool(position.takes(move)) == takes and position.gives_check(move) == check:
            other = position.board[move.start] != kind
            alike.append((other, hashlib.sha256(f"{seed} {move.uci()}".encode()).hexdigest(), move))
    return next((m for _, _, m in sorted(alike) if not (check and position.after(m).is_mate())), None)


def item_text(position: Position, move: Move) -> str:
    """Write an item: the position in FEN, and below it the move in words and as engines write it."""
    piece, taken = position.board[move.start], position.takes(move)
    words = f"{PIECES[piece.upper()]} {square_name(move.start)} to {square_name(move.goal)}"
    if taken:
        words += f" takes {PIECES[taken.upper()]}"
    if move.becomes:
        words += f" becomes {PIECES[move.becomes.upper()]}"
    if position.gives_check(move):
        words += ", check"
    return f"{position.fen()}\n{words}: {move.uci()}"


def read_item(text: Any) -> tuple[Position, Move]:
    """Read position and move out of an item's text: FEN on its first line, the move's name as its last word.

    Raises
    ------
    LabelsError
        It is no such text, or the move is not legal. The text itself is not quoted.
    """
    try:
        first, *rest = str(text).strip().split("\n")
        position, move = Position.from_fen(first), Move.from_uci((" ".join(rest).split() or [""])[-1])
    except TaskError as error:
        raise LabelsError(f"is no position in FEN with a move under it ({error})") from None
    if move not in position.legal():
        raise LabelsError("names a move that is not legal in its position")
    return position, move

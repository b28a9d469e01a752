"""The rules of chess: positions in Forsyth-Edwards notation, legal moves, check and mate.

Written here because the usual Python library is under the GPL, which a library of ours cannot import; engines are spoken to as processes of
their own. Squares are numbered 0 (a8) to 63 (h1), as notation reads them. White's pieces are capitals.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from outgrow.errors import TaskError

__all__ = ["START", "Move", "Position", "square_name"]

START = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"
EMPTY = "."
_STRAIGHT, _DIAGONAL = ((-1, 0), (1, 0), (0, 1), (0, -1)), ((-1, -1), (-1, 1), (1, -1), (1, 1))
_JUMPS = ((-2, -1), (-2, 1), (-1, -2), (-1, 2), (1, -2), (1, 2), (2, -1), (2, 1))


def _reach(steps: tuple[tuple[int, int], ...], far: bool) -> tuple[tuple[tuple[int, ...], ...], ...]:
    """Return for each square, and each step, the squares met on the way."""
    out = []
    for row, column in (divmod(s, 8) for s in range(64)):
        rays = []
        for down, right in steps:
            ray = []
            for k in range(1, 8 if far else 2):
                r, c = row + k * down, column + k * right
                if 0 <= r < 8 and 0 <= c < 8:
                    ray.append(8 * r + c)
            if ray:
                rays.append(tuple(ray))
        out.append(tuple(rays))
    return tuple(out)


_ROOK, _BISHOP = _reach(_STRAIGHT, True), _reach(_DIAGONAL, True)
_QUEEN = tuple(a + b for a, b in zip(_ROOK, _BISHOP))
_RAYS = {"R": _ROOK, "B": _BISHOP, "Q": _QUEEN}
_LINES = tuple(frozenset(s for ray in rays for s in ray) for rays in _QUEEN)
_KNIGHT = tuple(tuple(r[0] for r in rays) for rays in _reach(_JUMPS, False))
_KING = tuple(tuple(r[0] for r in rays) for rays in _reach(_STRAIGHT + _DIAGONAL, False))
# Where a pawn of this side takes, from each square.
_TAKES = {
    True: tuple(tuple(r[0] for r in rays) for rays in _reach(((-1, -1), (-1, 1)), False)),
    False: tuple(tuple(r[0] for r in rays) for rays in _reach(((1, -1), (1, 1)), False)),
}
# Right -> king's way, the rook's way, squares that must be empty.
_CASTLES = {
    "K": (60, 62, 63, 61, (61, 62)),
    "Q": (60, 58, 56, 59, (59, 58, 57)),
    "k": (4, 6, 7, 5, (5, 6)),
    "q": (4, 2, 0, 3, (3, 2, 1)),
}
_LOST = {60: "KQ", 63: "K", 56: "Q", 4: "kq", 7: "k", 0: "q"}


def square_name(square: int) -> str:
    """Return ``"e4"`` for a square's number."""
    return "abcdefgh"[square % 8] + str(8 - square // 8)


def _square(name: str) -> int:
    return 8 * (8 - int(name[1])) + "abcdefgh".index(name[0])


class Move(NamedTuple):
    """From, to, and the piece a pawn becomes (``""`` or one of ``qrbn``)."""

    start: int
    goal: int
    becomes: str = ""

    def uci(self) -> str:
        """Return the move as engines write it, such as ``e7e8q``; castling is the king's move."""
        return square_name(self.start) + square_name(self.goal) + self.becomes

    @classmethod
    def from_uci(cls, text: str) -> Move:
        """Read ``e7e8q``.

        Raises
        ------
        TaskError
        """
        good = len(text) in (4, 5) and all(text[i] in "abcdefgh" and text[i + 1] in "12345678" for i in (0, 2))
        if not good or text[4:] not in ("", "q", "r", "b", "n"):
            raise TaskError("a chess move is written as from and to, such as e2e4 or e7e8q")
        return cls(_square(text[:2]), _square(text[2:4]), text[4:])


@dataclass(frozen=True)
class Position:
    """A position.

    Parameters
    ----------
    board : str
        64 characters, a8 first; ``"."`` is an empty square.
    white : bool
        Whether White is to move.
    castling : str
        Rights that are left, of ``KQkq``.
    passing : int
        Square behind a pawn that has just made two steps, else -1.
    quiet, number : int
        Half-moves since a capture or a pawn's move; number of the move.
    """

    board: str
    white: bool
    castling: str
    passing: int
    quiet: int
    number: int

    @classmethod
    def from_fen(cls, fen: str) -> Position:
        """Read Forsyth-Edwards notation.

        Raises
        ------
        TaskError
            It is none, or a side has no king.
        """
        parts = fen.split()
        fault = "its fields are not six"
        if len(parts) == 6:
            board = "".join(EMPTY * int(c) if c.isdecimal() else c for c in parts[0].replace("/", ""))
            if len(board) != 64 or parts[0].count("/") != 7 or set(board) - set("pnbrqkPNBRQK."):
                fault = "its board is not eight ranks of eight"
            elif board.count("K") != 1 or board.count("k") != 1:
                fault = "each side needs one king"
            elif parts[1] not in ("w", "b") or set(parts[2]) - set("KQkq-"):
                fault = "its side or castling rights cannot be read"
            elif parts[3] != "-" and (len(parts[3]) != 2 or parts[3][0] not in "abcdefgh" or parts[3][1] not in "36"):
                fault = "its square of passing cannot be read"
            elif not (parts[4].isdecimal() and parts[5].isdecimal()):
                fault = "its counts are no numbers"
            else:
                passing = -1 if parts[3] == "-" else _square(parts[3])
                rights = "".join(r for r in "KQkq" if r in parts[2])
                return cls(board, parts[1] == "w", rights, passing, int(parts[4]), int(parts[5]))
        raise TaskError(f"a chess position in FEN cannot be read: {fault}")

    def fen(self) -> str:
        """Return Forsyth-Edwards notation."""
        ranks = []
        for r in range(8):
            rank, gap = "", 0
            for c in self.board[8 * r : 8 * r + 8]:
                if c == EMPTY:
                    gap += 1
                    continue
                rank += (str(gap) if gap else "") + c
                gap = 0
            ranks.append(rank + (str(gap) if gap else ""))
        passing = "-" if self.passing < 0 else square_name(self.passing)
        side = "w" if self.white else "b"
        return f"{'/'.join(ranks)} {side} {self.castling or '-'} {passing} {self.quiet} {self.number}"

    def in_check(self) -> bool:
        """Say whether the side to move is in check."""
        return _attacked(self.board, self.board.index("K" if self.white else "k"), not self.white)

    def gives_check(self, move: Move) -> bool:
        """Say whether a legal move gives check."""
        board = self._moved(move)
        return _attacked(board, board.index("k" if self.white else "K"), self.white)

    def is_mate(self) -> bool:
        """Say whether the side to move is checkmated."""
        return self.in_check() and next(self.legal(), None) is None

    def takes(self, move: Move) -> str:
        """Return the piece a move captures, as it stands on the board; ``""`` for none."""
        if self.board[move.start] in "Pp" and move.goal == self.passing and move.start % 8 != move.goal % 8:
            return "p" if self.white else "P"
        return self.board[move.goal].replace(EMPTY, "")

    def legal(self) -> Iterator[Move]:
        """Yield every legal move."""
        king = self.board.index("K" if self.white else "k")
        checked = _attacked(self.board, king, not self.white)
        # Without a check, only the king, a piece in line with it, or a pawn that takes in passing can expose it.
        exposed = _LINES[king] | {king}
        for move in self._moves():
            passing = move.goal == self.passing and self.board[move.start] in "Pp"
            if checked or passing or move.start in exposed:
                at = move.goal if move.start == king else king
                if _attacked(self._moved(move), at, not self.white):
                    continue
            yield move

    def after(self, move: Move) -> Position:
        """Return the position after a legal move."""
        piece = self.board[move.start]
        lost = _LOST.get(move.start, "") + _LOST.get(move.goal, "")
        rights = "".join(r for r in self.castling if r not in lost)
        two = piece in "Pp" and abs(move.goal - move.start) == 16
        still = piece not in "Pp" and self.board[move.goal] == EMPTY
        return Position(
            "".join(self._moved(move)),
            not self.white,
            rights,
            (move.start + move.goal) // 2 if two else -1,
            self.quiet + 1 if still else 0,
            self.number + (not self.white),
        )

    def _moved(self, move: Move) -> list[str]:
        board = list(self.board)
        piece = board[move.start]
        board[move.start] = EMPTY
        if piece in "Pp":
            if move.goal == self.passing and move.start % 8 != move.goal % 8:
                board[move.goal + (8 if self.white else -8)] = EMPTY
            if move.becomes:
                piece = move.becomes.upper() if self.white else move.becomes
        elif piece in "Kk" and abs(move.goal - move.start) == 2:
            rook, to = (
                (63, 61) if move.goal == 62 else (56, 59) if move.goal == 58 else (7, 5) if move.goal == 6 else (0, 3)
            )
            board[rook], board[to] = EMPTY, board[rook]
        board[move.goal] = piece
        return board

    def _moves(self) -> Iterator[Move]:
        """Yield moves as the pieces go, whether or not they leave the king in check."""
        board, white = self.board, self.white
        own = str.isupper if white else str.islower
        for start, piece in enumerate(board):
            if piece == EMPTY or not own(piece):
                continue
            kind = piece.upper()
            if kind == "P":
                yield from self._pawn(start)
            elif kind in _RAYS:
                for ray in _RAYS[kind][start]:
                    for goal in ray:
                        if board[goal] == EMPTY:
                            yield Move(start, goal)
                            continue
                        if not own(board[goal]):
                            yield Move(start, goal)
                        break
            else:
                for goal in (_KNIGHT if kind == "N" else _KING)[start]:
                    if not own(board[goal]):
                        yield Move(start, goal)
        for right in self.castling:
            king, goal, rook, through, empty = _CASTLES[right]
            if right.isupper() != white or board[king].upper() != "K" or board[rook].upper() != "R":
                continue
            free = all(board[s] == EMPTY for s in empty)
            if (
                free
                and own(board[king])
                and own(board[rook])
                and not any(_attacked(board, s, not white) for s in (king, through))
            ):
                yield Move(king, goal)

    def _pawn(self, start: int) -> Iterator[Move]:
        board, white = self.board, self.white
        step = -8 if white else 8
        goals = []
        if 0 <= start + step < 64 and board[start + step] == EMPTY:
            goals.append(start + step)
            if start // 8 == (6 if white else 1) and board[start + 2 * step] == EMPTY:
                goals.append(start + 2 * step)
        for goal in _TAKES[white][start]:
            there = board[goal]
            if goal == self.passing or (there != EMPTY and there.isupper() != white):
                goals.append(goal)
        for goal in goals:
            if goal < 8 or goal > 55:
                yield from (Move(start, goal, becomes) for becomes in "qrbn")
            else:
                yield Move(start, goal)


def _attacked(board: str | list[str], square: int, white: bool) -> bool:
    """Say whether a side attacks a square."""
    knight, king, pawn, rook, bishop, queen = "NKPRBQ" if white else "nkprbq"
    for s in _KNIGHT[square]:
        if board[s] == knight:
            return True
    for ray in _ROOK[square]:
        for s in ray:
            if (piece := board[s]) != EMPTY:
                if piece in (rook, queen):
                    return True
                break
    for ray in _BISHOP[square]:
        for s in ray:
            if (piece := board[s]) != EMPTY:
                if piece in (bishop, queen):
                    return True
                break
    # A pawn attacks from where one of the other side would take.
    return any(board[s] == pawn for s in _TAKES[not white][square]) or any(board[s] == king for s in _KING[square])

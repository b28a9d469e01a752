"""A chess engine as a supervisor: the deeper it looks, the better its labels, so several depths are a ladder of real weak supervisors.

The engine is a process of its own that is spoken to in UCI, the engines' text protocol; nothing of it is imported or linked.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from outgrow.errors import InputError, LabelsError, NeedsError
from outgrow.fingerprints import fingerprint
from outgrow.tasks.labels import Source, WeakLabels
from outgrow.tasks.puzzles import CLASSES, read_item
from outgrow.tasks.rows import INPUTS, Rows

__all__ = ["Engine", "StockfishSupervisor", "find_engine", "score_of"]

PLACES = ("/usr/games/stockfish", "/usr/local/bin/stockfish", "/opt/homebrew/bin/stockfish")
MATE, MOST = 2000, 1500
PATIENCE = 60.0
# So many failures in a row are no accident of a position.
TIRED = 20


def find_engine(engine: str | None = None) -> str:
    """Return the path of the engine: the one named, else ``stockfish`` on PATH or where Debian puts games.

    Raises
    ------
    NeedsError
        There is none.
    """
    if engine is not None:
        found = shutil.which(str(Path(engine).expanduser()))
        if found is None:
            raise NeedsError(
                f"there is no program {engine!r} to be run as a chess engine; give the path of a UCI engine"
            )
        return found
    for name in ("stockfish", *PLACES):
        if (found := shutil.which(name)) is not None:
            return found
    raise NeedsError(
        "a supervisor of the kind 'stockfish' needs the chess engine Stockfish, which is not on PATH: install it "
        "(apt-get install stockfish, brew install stockfish), or name another UCI engine with engine="
    )


def score_of(line: str) -> int | None:
    """Return the score of one ``info`` line in centipawns for the side to move; None where it has no exact one.

    Scores are cut at 1500 either way; a mate in k moves counts as 2000 - 10 k (k at most 40), being mated as the negative.
    """
    words = line.split()
    if words[:1] != ["info"] or "score" not in words or {"lowerbound", "upperbound"} & set(words):
        return None
    at = words.index("score")
    kind, value = words[at + 1], int(words[at + 2])
    if kind == "cp":
        return max(-MOST, min(MOST, value))
    # "mate 0" is said of a side that is mated already.
    worth = MATE - 10 * min(abs(value), 40)
    return worth if value > 0 else -worth


class Engine:
    """One running engine. Use it as a context: it ends with the block.

    Parameters
    ----------
    path : str
    patience : float
        Seconds to wait for an answer; an engine that takes longer is ended.
    """

    def __init__(self, path: str, patience: float = PATIENCE):
        self.path = path
        self.patience = patience
        self.name = Path(path).name
        self.net = ""
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _start(self) -> None:
        try:
            self._process = subprocess.Popen(
                [self.path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                errors="replace",
                bufsize=1,
                # An interrupt at the keyboard ends the study; the study then ends the engine.
                start_new_session=os.name == "posix",
            )
            for line in self._ask(["uci"], "uciok"):
                if line.startswith("id name "):
                    self.name = line.removeprefix("id name ").strip()
                if line.startswith("option name EvalFile "):
                    self.net = line.rpartition(" default ")[2].strip()
            # One thread and a table emptied before each search: the same answer every time, whatever was asked before.
            self._ask(["setoption name Threads value 1", "setoption name Hash value 1", "isready"], "readyok")
        except (OSError, EOFError):
            self._end()
            raise NeedsError(
                f"{Path(self.path).name!r} does not answer as a UCI chess engine; give the path of one"
            ) from None

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _ask(self, lines: Iterable[str], last: str) -> list[str]:
        """Send lines and return what comes back, up to one that begins with ``last``."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        timer = threading.Timer(self.patience, self._process.kill)
        timer.daemon = True
        timer.start()
        try:
            self._process.stdin.write("\n".join(lines) + "\n")
            self._process.stdin.flush()
            heard = []
            for line in self._process.stdout:
                heard.append(line.rstrip("\n"))
                if line.startswith(last):
                    return heard
            raise EOFError
        finally:
            timer.cancel()

    def score(self, fen: str, moves: Sequence[str], depth: int) -> int | None:
        """Return what the best of some moves is worth in centipawns, searched to a depth; None where the engine fails.

        An engine that died is started again for the next question.
        """
        try:
            if self._process is None:
                self._start()
            self._ask(["ucinewgame", "isready"], "readyok")
            said = self._ask([f"position fen {fen}", f"go depth {depth} searchmoves {' '.join(moves)}"], "bestmove")
            scores = [s for line in said if (s := score_of(line)) is not None]
        except (OSError, EOFError, ValueError, IndexError, NeedsError):
            self._end()
            return None
        return scores[-1] if scores else None


class StockfishSupervisor(BaseEstimator):
    r"""Ask an engine whether a candidate move is the one to play.

    With :math:`s_m` the engine's score of the candidate and :math:`s_o` that of its best other move, both for the side to move, in
    centipawns and searched to the same depth, the candidate is right with probability

    .. math:: p = \frac{1}{1 + 10^{-(s_m - s_o)/400}},

    the logistic curve of Elo ratings on the margin. It was not fitted to truth. Scores are cut as :func:`score_of` says. A row on
    which the engine fails is not covered. The only legal move is right.

    Parameters
    ----------
    depth : int
        Half-moves the engine looks ahead, at least 1; captures and checks at the end are followed further.
    classes : sequence of str
        The task's; the two classes ``wrong`` and ``right``.
    engine : str, optional
        Name or path of a UCI engine. Default: Stockfish on PATH or where Debian puts it.
    title : str, optional
        Shown in tables. Default: ``stockfish-DEPTH``.
    on : str
        The view with the items, as :func:`~outgrow.tasks.puzzles.read_item` reads them: FEN on the first line, the move in UCI as the
        last word.
    say : callable, optional
        Told a sentence now and then.

    Attributes
    ----------
    report_ : str
        Engine, depth, and on how many rows it failed.
    """

    needs_truth = False

    def __init__(
        self,
        depth: int = 1,
        classes: ArrayLike | None = None,
        engine: str | None = None,
        title: str | None = None,
        on: str = INPUTS,
        say: Callable[[str], None] | None = None,
    ):
        self.depth = depth
        self.classes = classes
        self.engine = engine
        self.title = title
        self.on = on
        self.say = say

    @property
    def name(self) -> str:
        """Shown in tables."""
        return self.title or f"stockfish-{self.depth}"

    def check(self) -> None:
        """Raise when a parameter is out of range or there is no engine.

        Raises
        ------
        InputError, NeedsError
        """
        if isinstance(self.depth, bool) or not isinstance(self.depth, int | np.integer) or not 1 <= self.depth <= 40:
            raise InputError(
                f"the depth of supervisor {self.name!r} is {self.depth!r}; give a whole number from 1 to 40"
            )
        known = [str(c) for c in np.asarray(CLASSES if self.classes is None else self.classes).tolist()]
        if sorted(known) != sorted(CLASSES):
            raise InputError(
                f"supervisor {self.name!r} says whether a move is {CLASSES[1]!r} or {CLASSES[0]!r}, and the task has other "
                "classes; its task is {packaged: chess}, or one written like it"
            )
        find_engine(self.engine)

    def fingerprint(self) -> str:
        """Name the supervisor: code, depth, and the engine's name, version and net, whatever it is called on this machine."""
        self.check()
        with Engine(find_engine(self.engine)) as engine:
            return fingerprint(type(self), int(self.depth), self.name, self.on, engine.name, engine.net)

    def label(self, rows: Rows) -> WeakLabels:
        """Ask about every row given.

        Raises
        ------
        LabelsError
            A row that holds no position and legal move (the row is named, its text is not quoted); the engine failed twenty times
            in a row.
        NeedsError
            There is no engine.
        """
        self.check()
        classes = np.asarray([str(c) for c in np.asarray(CLASSES if self.classes is None else self.classes).tolist()])
        items = [_read(text, int(row)) for text, row in zip(rows.view(self.on), rows.ids)]
        right = np.full(len(items), np.nan)
        with Engine(find_engine(self.engine)) as engine:
            for i, (fen, move, others) in enumerate(items):
                right[i] = self._ask(engine, fen, move, others)
                if i + 1 >= TIRED and not np.isfinite(right[i + 1 - TIRED : i + 1]).any():
                    raise LabelsError(
                        f"the engine of supervisor {self.name!r} failed on {TIRED} rows one after another, the last of them "
                        f"row {rows.ids[i]}; try it by hand, or name another with engine="
                    )
                if self.say is not None and (i + 1) % 1000 == 0:
                    self.say(f"{self.name}: {i + 1} of {len(items)} positions")
            key = fingerprint("stockfish", int(self.depth), engine.name, engine.net, rows.view(self.on), rows.ids)
            told = f"{engine.name} at depth {self.depth}"
        covered = np.isfinite(right)
        lost = int((~covered).sum())
        self.report_ = f"{told} labelled {len(items) - lost:,} of {len(items):,} rows" + (
            f"; on {lost} it failed, and they are not covered." if lost else "."
        )
        p = np.where(covered, right, 0.5)
        probs = np.stack([p if c == CLASSES[1] else 1 - p for c in classes], axis=1)
        return WeakLabels.from_probs(
            probs, classes, ids=rows.ids, covered=covered, source=Source(self.name, None, (), key)
        )

    def _ask(self, engine: Engine, fen: str, move: str, others: list[str]) -> float:
        if not others:
            return 1.0
        own = engine.score(fen, [move], int(self.depth))
        best = None if own is None else engine.score(fen, others, int(self.depth))
        if own is None or best is None:
            return np.nan
        return float(1 / (1 + 10 ** (-(own - best) / 400)))


def _read(text: Any, row: int) -> tuple[str, str, list[str]]:
    fault = ""
    try:
        position, move = read_item(text)
    except LabelsError as error:
        fault = str(error)
    if fault:
        # Outside the handler, so that no earlier error that might hold the text is printed as the cause.
        raise LabelsError(f"row {row} {fault}")
    return position.fen(), move.uci(), [m.uci() for m in position.legal() if m != move]

"""Easy and hard patterns, and rows that hold both: the overlap dial (Shin, Cooper, Sala 2025, arXiv 2412.03881).

y is 0 or 1 with even odds. A row holds an easy pattern, a hard one, or both; a pattern it does not hold is noise. The supervisor sees the
easy pattern only, the student both, each with noise of its own:

    x_w = s_e (2y - 1) c + N(0, I)  (n, d_e)                  a, b, c random unit vectors
    x_s = [s_e (2y - 1) a + N(0, I),  s_h (2y - 1) b + N(0, I)]  (n, d_e + d_h),       s = 2.5 where a pattern is held, else 0

``overlap`` is the share of rows with both patterns; the rest holds one, easy with share ``easy`` of the rest.

**Known answer.** On hard rows the supervisor guesses and its labels say nothing; only rows with both patterns teach the student the hard
one under labels that are mostly right. So the student's accuracy on hard rows grows with the share of overlap, at a fixed number of rows,
and a source of data with more overlap is the better one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outgrow.errors import InputError

__all__ = ["Patterns", "ShinWorld"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Patterns:
    """Some rows.

    Parameters
    ----------
    weak : ndarray of shape (n, d_e)
        The supervisor's view.
    x : ndarray of shape (n, d_e + d_h)
        The student's view.
    truth : ndarray of shape (n,)
        0 or 1.
    kind : ndarray of shape (n,)
        0 easy, 1 hard, 2 both.
    """

    weak: Floats
    x: Floats
    truth: NDArray[np.int64]
    kind: NDArray[np.int64]


@dataclass(frozen=True)
class ShinWorld:
    """The patterns of one seed; draws as many rows as wished.

    Parameters
    ----------
    seed : int
    easy, hard : int
        d_e and d_h.
    strength : float
        Length s of a pattern that is held.
    """

    seed: int
    easy: int = 10
    hard: int = 10
    strength: float = 2.5

    def draw(self, n: int, overlap: float, *, easy: float = 0.5, stream: int = 0) -> Patterns:
        """Draw n rows.

        Parameters
        ----------
        n : int
        overlap : float
            Share of rows that hold both patterns.
        easy : float
            Share of easy rows among the others.
        stream : int
            Names an independent draw.
        """
        if not (0 <= overlap <= 1 and 0 <= easy <= 1) or n < 1:
            raise InputError(f"a draw needs shares from 0 to 1 and a row, not {overlap}, {easy} and {n}")
        axes = np.random.default_rng([self.seed, 14])
        a, b, c = (v / np.linalg.norm(v) for v in (axes.normal(size=d) for d in (self.easy, self.hard, self.easy)))
        random = np.random.default_rng([self.seed, 15, stream])
        truth = random.integers(0, 2, n)
        # Exact shares, so that the dial and not its noise is turned.
        both = round(overlap * n)
        first = round(easy * (n - both))
        kind = random.permutation(np.repeat([2, 0, 1], [both, first, n - both - first]))
        side = self.strength * (2.0 * truth - 1)[:, None]
        one, two = side * (kind != 1)[:, None], side * (kind != 0)[:, None]
        weak = one * c + random.normal(size=(n, self.easy))
        strong = np.hstack([one * a, two * b]) + random.normal(size=(n, self.easy + self.hard))
        return Patterns(weak, strong, truth, kind)

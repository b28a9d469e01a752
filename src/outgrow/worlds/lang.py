"""Two views that share nothing but the class, and a supervisor that abstains (Lang, Sontag, Vijayaraghavan 2024, arXiv 2405.16043).

Co-training (their special case, Blum and Mitchell 1998): y is 0 or 1 with even odds; the supervisor reads the first view, the student the
second, independent of it given y. All that matters of the first view is that the supervisor speaks on a fifth of the rows, drawn at random,
and is wrong there with probability alpha_i for class i:

    x2 ~ N((2y - 1) e_1, I_20)  (n, 20),     covered ~ Bernoulli(.2),     named = y, turned with probability alpha_y = .2

**Known answer.** Rows that share their second view are neighbours, so good and bad rows of a class look alike to the student: the expansion
is 1, every row is robust, and for covered and uncovered rows of class i alike

    err(student, truth) <= (err(student, supervisor) - alpha_i) / (1 - 2 alpha_i),

with equality here. No student does better than Phi(-1) = .159.

A rule of two words is the paper's supervisor on text: the class whose word stands in it more often, no answer where they tie.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outgrow.errors import InputError

__all__ = ["LangWorld", "lang_world", "two_words", "without"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LangWorld:
    """Rows of a co-training world.

    Parameters
    ----------
    view : ndarray of shape (n, d)
        The student's.
    truth : ndarray of shape (n,)
        0 or 1.
    named : ndarray of shape (n,)
        What the supervisor says, -1 where it abstains.
    """

    view: Floats
    truth: NDArray[np.int64]
    named: NDArray[np.int64]


def lang_world(
    seed: int, *, n: int = 20_000, d: int = 20, coverage: float = 0.2, alpha: tuple[float, float] = (0.2, 0.2)
) -> LangWorld:
    """Draw a co-training world.

    Parameters
    ----------
    seed : int
    n, d : int
        Rows, and columns of the student's view.
    coverage : float
        Share of rows on which the supervisor speaks.
    alpha : pair of float
        How often it is wrong on rows of class 0 and of class 1.
    """
    if not 0 < coverage <= 1 or not all(0 <= a < 0.5 for a in alpha):
        raise InputError(
            f"a co-training world needs coverage in (0, 1] and errors below 1/2, not {coverage} and {alpha}"
        )
    random = np.random.default_rng([seed, 12])
    truth = random.integers(0, 2, n)
    view = random.normal(size=(n, d))
    view[:, 0] += 2 * truth - 1
    wrong = random.random(n) < np.asarray(alpha)[truth]
    named = np.where(random.random(n) < coverage, np.where(wrong, 1 - truth, truth), -1)
    return LangWorld(view, truth, named)


def two_words(first: str, second: str) -> Callable[[str], int]:
    """Return a rule: 0 where the first word stands more often in a text, 1 where the second does, -1 where they tie.

    Words count whole, whatever their case.
    """
    one, two = (re.compile(rf"\b{re.escape(w)}\b", re.IGNORECASE) for w in (first, second))

    def rule(text: str) -> int:
        lead = len(two.findall(text)) - len(one.findall(text))
        return -1 if lead == 0 else int(lead > 0)

    return rule


def without(text: str, *words: str) -> str:
    """Return a text from which some whole words are taken, whatever their case."""
    return re.sub(rf"\b(?:{'|'.join(map(re.escape, words))})\b", " ", text, flags=re.IGNORECASE)

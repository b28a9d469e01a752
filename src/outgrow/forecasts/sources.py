"""Which source of data to draw from, learned while drawing (Shin, Cooper, Sala 2025, arXiv 2412.03881).

Sources differ in how many of their rows hold both patterns. A round draws a batch from one source, estimates its overlap density
(:mod:`outgrow.forecasts.overlap`) and goes on with the source of the largest upper bound,

    mean density so far + sqrt(2 log T / times drawn),        T rounds in all,

each source once to begin with (UCB1, Auer, Cesa-Bianchi, Fischer 2002). The paper's text, read second-hand, divides the root by the count
instead of the count under it; ``paper=True`` takes that. Nothing here reads truth: the density comes from weak labels and a view.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outgrow.errors import InputError

__all__ = ["Choice", "choose_sources"]


@dataclass(frozen=True, eq=False)
class Choice:
    """What was drawn.

    Parameters
    ----------
    chosen : ndarray of shape (rounds,)
        The source of each round.
    density : ndarray of shape (rounds,)
        The estimate of each round.
    means : ndarray of shape (sources,)
        The last mean of each source.
    """

    chosen: NDArray[np.int64]
    density: NDArray[np.float64]
    means: NDArray[np.float64]

    @property
    def best(self) -> int:
        """The source with the largest mean."""
        return int(self.means.argmax())


def choose_sources(draw: Callable[[int, int], float], sources: int, rounds: int, *, paper: bool = False) -> Choice:
    """Draw from sources by upper confidence bounds.

    Parameters
    ----------
    draw : callable
        ``draw(source, round)`` takes a batch of a source and returns its estimated overlap density, from 0 to 1.
    sources, rounds : int
        At least one round a source.
    paper : bool
        The bonus as read second-hand: ``sqrt(2 log T) / times drawn``.

    Raises
    ------
    InputError
        Fewer rounds than sources, or an estimate that is no share.

    Examples
    --------
    >>> choose_sources(lambda source, round: (0.1, 0.9)[source], 2, 20).best
    1
    """
    if sources < 1 or rounds < sources:
        raise InputError(
            f"choosing among {sources} sources needs at least one source and a round for each, not {rounds} rounds"
        )
    count, total = np.zeros(sources), np.zeros(sources)
    chosen, found = np.zeros(rounds, np.int64), np.zeros(rounds)
    top = 2 * np.log(rounds)
    for at in range(rounds):
        if at < sources:
            arm = at
        else:
            bonus = np.sqrt(top) / count if paper else np.sqrt(top / count)
            arm = int((total / count + bonus).argmax())
        value = float(draw(arm, at))
        if not 0 <= value <= 1:
            raise InputError(
                f"source {arm} was found to overlap by {value} in round {at}; a density is a share from 0 to 1"
            )
        chosen[at], found[at] = arm, value
        count[arm] += 1
        total[arm] += value
    return Choice(chosen, found, total / count)

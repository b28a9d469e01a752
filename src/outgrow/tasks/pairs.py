"""Preference pairs as a task: an input is two texts, and its class says which of them is preferred.

A pair is one text with a divider between its sides, so tasks, splits, supervisors and files hold it like any other input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from outgrow.errors import TaskError
from outgrow.tasks.task import Task

__all__ = ["CLASSES", "DIVIDER", "from_pairs", "pair_text", "read_pair"]

CLASSES = ["first", "second"]
DIVIDER = "\n\n=====\n\n"


def pair_text(first: str, second: str) -> str:
    """Write two texts as one input.

    Raises
    ------
    TaskError
        One of them holds the divider.
    """
    if DIVIDER in first or DIVIDER in second:
        raise TaskError("a text of a pair holds the divider of pairs, a line of five equal signs between empty ones")
    return first + DIVIDER + second


def read_pair(text: Any) -> tuple[str, str] | None:
    """Return the two texts of an input, None where it is no pair."""
    sides = text.split(DIVIDER) if isinstance(text, str) else []
    return (sides[0], sides[1]) if len(sides) == 2 else None


def from_pairs(
    chosen: Sequence[str],
    rejected: Sequence[str],
    *,
    prompts: Sequence[str] | None = None,
    seed: int = 0,
    **options: Any,
) -> Task:
    """Make a task of texts that were preferred and texts that were not.

    The preferred text stands first or second by the toss of a coin, so that its place tells nothing.

    Parameters
    ----------
    chosen, rejected : sequence of n str
    prompts : sequence of n str, optional
        What was answered; each stands before both texts of its pair, in a paragraph of its own.
    seed : int
        Of the coin.
    **options
        As :meth:`outgrow.Task.from_arrays` takes them: ``names``, ``groups``, ``name``, ...

    Returns
    -------
    Task
        Of the classes ``first`` and ``second``.

    Raises
    ------
    TaskError
        Lengths that differ; something that is no text; a text that holds the divider.
    """
    given = {"chosen": chosen, "rejected": rejected, **({} if prompts is None else {"prompts": prompts})}
    for name, texts in given.items():
        if isinstance(texts, str) or len(texts) != len(chosen):
            raise TaskError(f"pairs need equally many texts, and {name} is not a list of {len(chosen)}")
        for i, text in enumerate(texts):
            if not isinstance(text, str):
                raise TaskError(f"pair {i} has a {type(text).__name__} in {name}, which is no text")
    first = np.random.default_rng(seed).random(len(chosen)) < 0.5
    inputs, truth = [], []
    for i, (good, bad) in enumerate(zip(chosen, rejected)):
        if prompts is not None:
            good, bad = (f"{prompts[i]}\n\n{side}" for side in (good, bad))
        inputs.append(pair_text(good, bad) if first[i] else pair_text(bad, good))
        truth.append(CLASSES[0] if first[i] else CLASSES[1])
    return Task.from_arrays(inputs, truth, classes=CLASSES, **options)

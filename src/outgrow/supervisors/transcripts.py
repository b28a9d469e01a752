"""Debates held by a language model, kept one row at a time, so that a killed run goes on where it was.

No truth is passed to anything here. A row's debates depend on the model, the motion and the row's input, and their draws on nothing else;
the key of what is stored is a hash of these. Transcripts quote inputs: they lie in the store, which only its owner can read, under the task
they came from, and go with ``outgrow clean --task``.

Rows are debated in blocks, cut from the whole task by length. A block whose rows are not all stored is held whole, so a run that was
stopped gives the same speeches as one that was not, to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outgrow.errors import InputError
from outgrow.fingerprints import code_version, fingerprint
from outgrow.store import Store, read_json, write_json

__all__ = ["Motion", "Transcript", "hold", "motion_of"]

BLOCK = 32
_FILE = "transcript.json"


@dataclass(frozen=True)
class Motion:
    """What is debated, and how.

    Parameters
    ----------
    words : tuple of c str
        What each class is called, in the order of the classes.
    question : str
        Put after the input.
    turns : int
        How often each side speaks.
    debates : int
        Transcripts of a row; they differ by their draws and by who begins.
    tokens : int
        Most tokens of a speech.
    temperature : float
    top : int
        Tokens are drawn among so many likeliest.
    """

    words: tuple[str, ...]
    question: str
    turns: int = 3
    debates: int = 4
    tokens: int = 24
    temperature: float = 0.8
    top: int = 40

    def speeches(self) -> int:
        """Speeches of one row."""
        return 2 * self.turns * self.debates


@dataclass(frozen=True)
class Transcript:
    """The debates of one row.

    Parameters
    ----------
    sides : tuple of two int
        Classes that were argued for.
    debates : tuple of debates, each of (class, speech)
        In the order of speaking.
    """

    sides: tuple[int, int]
    debates: tuple[tuple[tuple[int, str], ...], ...]

    def case(self, debate: int, side: int) -> str:
        """Everything that was said for one class in one debate; empty where nobody spoke for it."""
        return " ".join(text for who, text in self.debates[debate] if who == side)


def motion_of(words: Sequence[str], question: str | None, **settings: Any) -> Motion:
    """Make a motion, with the default question where none is given.

    Raises
    ------
    InputError
        A number out of range, or two classes with one word.
    """
    names = [str(w).strip() for w in words]
    if len({n.casefold() for n in names}) < len(names) or not all(names) or len(names) < 2:
        raise InputError(f"a debate needs a different word for each of at least two classes, not {names}")
    for key in ("turns", "debates", "tokens", "top"):
        value = settings.get(key, 1)
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise InputError(f"a debate needs {key} to be a whole number from 1, not {value!r}")
    if not settings.get("temperature", 1.0) > 0:
        raise InputError(f"a debate needs a temperature above 0, not {settings['temperature']!r}")
    listed = names[0] + " or " + names[1] if len(names) == 2 else ", ".join(names[:-1]) + " or " + names[-1]
    return Motion(tuple(names), question or f"Is this {listed}?", **settings)


def hold(
    model: Any,
    inputs: Sequence[str],
    ids: Iterable[int],
    motion: Motion,
    store: Store,
    task: str,
    *,
    tick: Callable[[int], None] = lambda rows: None,
) -> dict[int, Transcript]:
    """Return the debates of some rows; those that are not stored are held.

    Parameters
    ----------
    model : LanguageModel
    inputs : sequence of N str
        Of the whole task.
    ids : iterable of int
        Rows that are asked for.
    motion : Motion
    store : Store
    task : str
        Key of the task, under which transcripts are noted.
    tick : callable
        Told how many rows are done, block by block.

    Returns
    -------
    dict of int to Transcript
    """
    asked = list(dict.fromkeys(int(i) for i in ids))
    recipe = recipe_of(model, motion)
    keys = {i: row_key(recipe, inputs[i]) for i in asked}
    missing = {i for i in asked if store.get(keys[i]) is None}
    for block in blocks(inputs):
        if missing & set(block):
            with store.lock(fingerprint("debates", recipe, [inputs[i] for i in block])):
                _hold_block(model, [inputs[i] for i in block], motion, recipe, store, task)
        if mine := set(block) & keys.keys():
            tick(len(mine))
    return {i: _read(store.path(keys[i]) / _FILE) for i in asked}


def held(model: Any, inputs: Sequence[str], motion: Motion, store: Store) -> int:
    """Return how many rows have their debates in the store."""
    recipe = recipe_of(model, motion)
    return sum(store.path(row_key(recipe, text)).is_dir() for text in inputs)


def recipe_of(model: Any, motion: Motion) -> str:
    """Name everything but the input that a transcript depends on."""
    return fingerprint("debate", model.key, asdict(motion), code_version("outgrow.generation.turns"), _PROMPTS)


def row_key(recipe: str, text: str) -> str:
    """Name a row's transcript."""
    return fingerprint(recipe, text)


def blocks(inputs: Sequence[str]) -> list[list[int]]:
    """Cut a task's rows, shortest first, into blocks."""
    order = np.argsort([len(t) for t in inputs], kind="stable").tolist()
    return [order[at : at + BLOCK] for at in range(0, len(order), BLOCK)]


def _hold_block(model: Any, texts: Sequence[str], motion: Motion, recipe: str, store: Store, task: str) -> None:
    from outgrow.generation.turns import take_turns

    keys = [row_key(recipe, text) for text in texts]
    if all(store.get(key) is not None for key in keys):
        return
    openings = [opening(model, text, motion) for text in texts]
    sides = choose_sides(model, openings, motion)
    # Not from the keys: these hold the version of the code, and an edit anywhere below would draw other debates.
    seeds = [[int(fingerprint(asdict(motion), text, m)[:15], 16) for m in range(motion.debates)] for text in texts]
    order = [[_order(pair, motion, seed) for seed in several] for pair, several in zip(sides, seeds)]
    cues = [[[cue(motion.words[side]) for side in script] for script in several] for several in order]
    said = take_turns(model, openings, cues, motion.tokens, seeds=seeds, temperature=motion.temperature, top=motion.top)
    for key, pair, who, texts_said in zip(keys, sides, order, said):
        if store.get(key) is not None:
            continue
        debates = [[list(one) for one in zip(script, spoken)] for script, spoken in zip(who, texts_said)]
        value = {"sides": list(pair), "debates": debates}
        store.put(key, "transcript", lambda folder, value=value: write_json(folder / _FILE, value), task=task)  # type: ignore[misc]


def _order(pair: tuple[int, int], motion: Motion, seed: int) -> list[int]:
    first = pair if np.random.default_rng([seed, 1]).random() < 0.5 else pair[::-1]
    return list(first) * motion.turns


def choose_sides(model: Any, openings: Sequence[str], motion: Motion) -> list[tuple[int, int]]:
    """Choose the two classes that are argued for, without truth: of several, the two that the debater itself finds likeliest.

    A class's log-probability is taken less what it is for an empty input, or a word that is likely anywhere would be in every debate.
    """
    if len(motion.words) == 2:
        return [(0, 1)] * len(openings)
    words = [f" {w}" for w in motion.words]
    logs = model.scores([o + _ANSWER for o in openings], words) - model.scores(
        [opening(model, "", motion) + _ANSWER], words
    )
    best = np.sort(np.argsort(-logs, axis=1, kind="stable")[:, :2], axis=1)
    return [(int(a), int(b)) for a, b in best]


_SYSTEM = "You write short debates. Each side says one short sentence at a time and quotes the text."
_ANSWER = "\nAnswer:"
_CUE = "\nDebater ({word}):"
_PROMPTS = (_SYSTEM, _ANSWER, _CUE, "{input}\n\n{question}")


def opening(model: Any, text: str, motion: Motion) -> str:
    """Return what stands before the first speech, in the model's own chat form where it has one."""
    asked = f"{text}\n\n{motion.question}"
    try:
        return str(model.chat(("system", _SYSTEM), ("user", asked)))
    except InputError:
        return f"{asked}\n{_SYSTEM}\n"


def cue(word: str) -> str:
    """Return what stands before a speech for a class; both sides are told the same."""
    return _CUE.format(word=word)


def _read(path: Path) -> Transcript:
    found: Mapping[str, Any] = read_json(path)
    debates = tuple(tuple((int(side), str(text)) for side, text in debate) for debate in found["debates"])
    return Transcript((int(found["sides"][0]), int(found["sides"][1])), debates)


def cases(transcripts: Mapping[int, Transcript], ids: NDArray[np.int64], debate: int, classes: int) -> list[list[str]]:
    """Return, for each class, what was said for it in one debate of each row: classes lists of len(ids) texts."""
    return [[transcripts[int(i)].case(debate, c) for i in ids] for c in range(classes)]

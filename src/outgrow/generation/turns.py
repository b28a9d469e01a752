"""Several speakers write one text in turns: each speech reads on from the kept keys and values, so nothing is read twice.

A script is an opening and a list of cues. After each cue the model writes a speech, which stands in the text from then on. Scripts of one
call run side by side: a speech that has ended waits, masked, for the longest of its turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from outgrow.errors import InputError

if TYPE_CHECKING:
    import torch

    from outgrow.generation.model import LanguageModel

__all__ = ["take_turns"]


def take_turns(
    model: LanguageModel,
    openings: Sequence[str],
    cues: Sequence[Sequence[Sequence[str]]],
    tokens: int,
    *,
    seeds: Sequence[Sequence[int]] | None = None,
    temperature: float = 0.8,
    top: int = 40,
    stop: str = "\n",
) -> list[list[list[str]]]:
    """Let a model write scripts, in one batch.

    Parameters
    ----------
    model : LanguageModel
    openings : sequence of n str
        Each is read once for all scripts that begin with it. A long one loses its beginning.
    cues : sequence of n, each of k scripts, each of t str
        What stands before each speech, with its line break. All openings have equally many scripts, all scripts equally many speeches.
    tokens : int
        Most tokens of a speech.
    seeds : sequence of n, each of k int, optional
        One a script; its draws depend on nothing else. None takes the likeliest token each time.
    temperature : float
        Above 0; of the draws.
    top : int
        Draws are among this many likeliest tokens.
    stop : str
        A speech ends before it, or where the model ends its text.

    Returns
    -------
    list of n, each of k, each of t str
        Speeches without surrounding spaces; one may be empty.

    Raises
    ------
    InputError
        Shapes that differ, or a number out of range.
    """
    if not len(openings):
        return []
    copies, speeches = len(cues[0]), len(cues[0][0]) if cues[0] else 0
    if len(cues) != len(openings) or any(len(c) != copies or any(len(s) != speeches for s in c) for c in cues):
        raise InputError("every opening needs equally many scripts, and every script equally many cues")
    if tokens < 1 or not temperature > 0 or top < 1 or not stop:
        raise InputError("take_turns needs tokens and top from 1, a temperature above 0, and a stop that is not empty")
    if not copies or not speeches:
        return [[[] for _ in range(copies)] for _ in openings]
    flat = [script for several in cues for script in several]
    draws = None if seeds is None else [np.random.default_rng(s) for several in seeds for s in several]
    if draws is not None and len(draws) != len(flat):
        raise InputError(f"there are {len(draws)} seeds for {len(flat)} scripts; give one each")
    longest = max(len(t) for t in model._encode([c for s in flat for c in s], special=False))
    desk = _Desk(model, model._prompts(openings, speeches * (longest + tokens)), copies)
    said = []
    for turn in range(speeches):
        desk.read(model._encode([script[turn] for script in flat], special=False))
        said.append(desk.write(tokens, stop, draws, temperature, top))
    scripts = [[said[t][i] for t in range(speeches)] for i in range(len(flat))]
    return [scripts[i : i + copies] for i in range(0, len(scripts), copies)]


class _Desk:
    """The keys and values of all scripts, what of each row counts, and tokens that are written and not yet read."""

    def __init__(self, model: LanguageModel, ids: list[list[int]], copies: int):
        import torch

        self.model = model
        block, mask, places = model._left_padded(ids)
        with torch.inference_mode():
            read = model._read(input_ids=block, attention_mask=mask, position_ids=places, use_cache=True, last=True)
        self.cache = read.past_key_values
        self.cache.batch_repeat_interleave(copies)
        self.mask = mask.repeat_interleave(copies, dim=0)
        self.next = self.mask.sum(dim=1)
        self.waiting: list[list[int]] = [[] for _ in range(len(self.mask))]
        self.logits: torch.Tensor | None = None

    def read(self, ids: list[list[int]]) -> None:
        """Read what waits, then these tokens."""
        self._advance([a + b for a, b in zip(self.waiting, ids, strict=True)])
        self.waiting = [[] for _ in ids]

    def _advance(self, ids: list[list[int]]) -> None:
        import torch

        block, mask, places = self.model._left_padded(ids)
        self.mask = torch.cat([self.mask, mask], dim=1)
        with torch.inference_mode():
            read: Any = self.model._read(
                input_ids=block,
                attention_mask=self.mask,
                position_ids=places + self.next[:, None],
                past_key_values=self.cache,
                use_cache=True,
                last=True,
            )
        self.cache = read.past_key_values
        self.next = self.next + mask.sum(dim=1)
        self.logits = read.logits[:, -1]

    def write(
        self, most: int, stop: str, draws: Sequence[np.random.Generator] | None, temperature: float, top: int
    ) -> list[str]:
        """Write one speech of every script."""
        tokenizer, ends = self.model._tokenizer(), self.model._ends()
        n = len(self.mask)
        written: list[list[int]] = [[] for _ in range(n)]
        texts, live = [""] * n, set(range(n))
        for step in range(most):
            chosen = self._choose(live, draws, temperature, top)
            for i in sorted(live):
                token = chosen[i]
                if token in ends:
                    live.discard(i)
                    continue
                before = texts[i]
                written[i].append(token)
                texts[i] = tokenizer.decode(written[i], skip_special_tokens=True)
                place = texts[i].find(stop)
                if place >= 0:
                    # What the last token holds before the stop belongs to the speech, and was not read yet.
                    texts[i] = texts[i][:place]
                    rest = texts[i].removeprefix(before)
                    self.waiting[i] = self.model._encode([rest], special=False)[0] if rest else []
                    live.discard(i)
                elif step == most - 1:
                    self.waiting[i] = [token]
            if not live or step == most - 1:
                break
            self._advance([[chosen[i]] if i in live else [] for i in range(n)])
        return [" ".join(t.split()) for t in texts]

    def _choose(
        self, live: set[int], draws: Sequence[np.random.Generator] | None, temperature: float, top: int
    ) -> dict[int, int]:
        assert self.logits is not None
        rows = sorted(live)
        logits = self.logits[rows].double()
        if draws is None:
            return dict(zip(rows, logits.argmax(dim=-1).tolist(), strict=True))
        best, which = logits.topk(min(top, logits.shape[1]), dim=-1)
        shares = ((best / temperature).softmax(dim=-1)).numpy().cumsum(axis=1)
        at = [int(np.searchsorted(s, draws[i].random() * s[-1], side="right")) for i, s in zip(rows, shares)]
        return {i: int(which[j, min(a, shares.shape[1] - 1)]) for j, (i, a) in enumerate(zip(rows, at))}

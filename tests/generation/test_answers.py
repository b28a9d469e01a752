"""Answers are kept row by row: a killed run goes on, a changed prompt is asked anew, and no input can be read in the cache."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from outgrow.generation import LanguageModel, kept_scores
from outgrow.store import Store

WORDS = [" good", " very dull"]
CANARY = "xylophone-canary-7431"
PROMPTS = [f"the {CANARY} movie {'was very dull and ' * k}was" for k in range(12)] + ["It is", "It is"]


class Counting(LanguageModel):
    """Counts the rows that are read, and can fail after some batches."""

    def __init__(self, name: str, fail_after: int | None = None):
        super().__init__(name, batch_tokens=160)
        self.read = 0
        self.batches = 0
        self.fail_after = fail_after

    def _score(self, ids: list[list[int]], words: list[list[int]]) -> NDArray[np.float64]:
        if self.batches == self.fail_after:
            raise KeyboardInterrupt
        self.batches += 1
        self.read += len(ids)
        return super()._score(ids, words)


def test_each_prompt_is_asked_once(llama: Path) -> None:
    first, again = Counting(str(llama)), Counting(str(llama))
    asked = kept_scores(first, PROMPTS, WORDS, task="t")
    assert first.read == len(set(PROMPTS))
    np.testing.assert_array_equal(kept_scores(again, PROMPTS, WORDS, task="t"), asked)
    assert again.read == 0
    np.testing.assert_allclose(asked, LanguageModel(str(llama)).scores(PROMPTS, WORDS), atol=2e-5)
    more = Counting(str(llama))
    some = kept_scores(more, [*PROMPTS[3:], "the plot is"], WORDS, task="t")
    assert more.read == 1
    np.testing.assert_array_equal(some[:-1], asked[3:])


def test_a_killed_run_goes_on_with_the_same_bits(llama: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    whole = kept_scores(Counting(str(llama)), PROMPTS, WORDS, task="t")
    monkeypatch.setenv("OUTGROW_HOME", str(tmp_path / "other"))
    killed = Counting(str(llama), fail_after=2)
    with pytest.raises(KeyboardInterrupt):
        kept_scores(killed, PROMPTS, WORDS, task="t")
    (file,) = (tmp_path / "other").rglob("answers.jsonl")
    with file.open("a") as torn:
        torn.write('{"event": "answers", "rows": ["ab')
    rest, ticks = Counting(str(llama)), list[int]()
    np.testing.assert_array_equal(kept_scores(rest, PROMPTS, WORDS, task="t", tick=ticks.append), whole)
    assert killed.read + rest.read == len(set(PROMPTS))
    assert ticks[0] == killed.read
    assert sum(ticks) == len(set(PROMPTS))


def test_other_words_models_and_tasks_are_asked_anew(llama: Path) -> None:
    kept_scores(Counting(str(llama)), PROMPTS, WORDS, task="t")
    for words, task, prompts in (
        ([" good", " bad"], "t", PROMPTS),
        (WORDS, "other", PROMPTS),
        (WORDS, "t", [p + " really" for p in PROMPTS]),
    ):
        model = Counting(str(llama))
        kept_scores(model, prompts, words, task=task)
        assert model.read == len(set(prompts))


def test_no_input_can_be_read_in_the_cache_and_it_goes_with_its_task(llama: Path, fresh_home: Path) -> None:
    kept_scores(Counting(str(llama)), PROMPTS, WORDS, task="t")
    files = [p for p in fresh_home.rglob("*") if p.is_file()]
    assert any(p.name == "answers.jsonl" for p in files)
    assert not any(CANARY.encode() in p.read_bytes() for p in files)
    for place in [fresh_home, *fresh_home.rglob("*")]:
        others = stat.S_IMODE(os.stat(place).st_mode) & 0o077
        assert not others, place
    Store().forget("t")
    assert not list(fresh_home.rglob("answers.jsonl"))

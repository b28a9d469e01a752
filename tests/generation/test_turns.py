"""Scripts written in turns with kept keys and values equal scripts written token by token from the whole text."""

from __future__ import annotations

from pathlib import Path

import pytest

from outgrow.errors import InputError
from outgrow.generation import LanguageModel
from outgrow.generation.turns import take_turns

OPENINGS = ["the film was good", "a very dull and slow story but funny", "plot"]
CUES = ["\nFor bad:", "\nFor great it is:", "\nFor bad:"]


@pytest.fixture(scope="module")
def model(llama: Path) -> LanguageModel:
    return LanguageModel.load(str(llama), dtype="float32")


def by_hand(model: LanguageModel, opening: str, cues: list[str], tokens: int, stop: str) -> list[str]:
    """Read everything again for each token, one script at a time, without padding."""
    import torch

    ids, said = list(model._prompts([opening], 0)[0]), []
    tokenizer, ends = model._tokenizer(), model._ends()
    for cue in cues:
        ids += model._encode([cue], special=False)[0]
        text, written = "", list[int]()
        for _ in range(tokens):
            with torch.inference_mode():
                token = int(model._weights()(torch.tensor([ids + written])).logits[0, -1].argmax())
            if token in ends:
                break
            before, text = text, tokenizer.decode([*written, token], skip_special_tokens=True)
            if stop in text:
                text = text[: text.index(stop)]
                rest = text.removeprefix(before)
                written += model._encode([rest], special=False)[0] if rest else []
                break
            written.append(token)
        ids += written
        said.append(" ".join(text.split()))
    return said


@pytest.mark.parametrize("stop", ["\n", "o", "i"])
def test_speeches_equal_those_written_by_hand(model: LanguageModel, stop: str) -> None:
    orders = [CUES, CUES[::-1]]
    scripts = take_turns(model, OPENINGS, [orders] * 3, 7, stop=stop)
    wanted = [[by_hand(model, opening, order, 7, stop) for order in orders] for opening in OPENINGS]
    assert scripts == wanted
    lengths = {len(model._encode([s])[0]) for several in scripts for script in several for s in script}
    assert len(lengths) > 1 or stop == "\n"


def test_draws_depend_on_the_script_alone(model: LanguageModel) -> None:
    cues, seeds = [[CUES, CUES]] * 3, [[1, 2], [3, 4], [1, 1]]
    together = take_turns(model, OPENINGS, cues, 6, seeds=seeds)
    assert together == take_turns(model, OPENINGS, cues, 6, seeds=seeds)
    alone = [take_turns(model, [o], [c], 6, seeds=[s])[0] for o, c, s in zip(OPENINGS, cues, seeds)]
    assert together == alone
    assert together[0][0] != together[0][1]
    assert together[2][0] == together[2][1]


def test_one_likeliest_token_is_no_draw(model: LanguageModel) -> None:
    drawn = take_turns(model, OPENINGS[:2], [[CUES]] * 2, 5, seeds=[[5], [6]], top=1)
    assert drawn == take_turns(model, OPENINGS[:2], [[CUES]] * 2, 5)


def test_a_long_opening_loses_its_beginning(llama: Path) -> None:
    short = LanguageModel.load(str(llama), dtype="float32", max_tokens=60)
    scripts = take_turns(short, ["good " * 300 + "film"], [[CUES]], 4)
    assert [len(script) for script in scripts[0]] == [3]


def test_what_is_refused(model: LanguageModel) -> None:
    assert take_turns(model, [], [], 4) == []
    with pytest.raises(InputError, match="equally many"):
        take_turns(model, OPENINGS[:2], [[CUES], [CUES[:2]]], 4)
    with pytest.raises(InputError, match="tokens and top"):
        take_turns(model, OPENINGS[:1], [[CUES]], 0)
    with pytest.raises(InputError, match="1 seeds for 2 scripts"):
        take_turns(model, OPENINGS[:1], [[CUES, CUES]], 4, seeds=[[1]])

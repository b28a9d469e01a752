"""A language model's scores against one forward pass a row; its completions against one row at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from outgrow.encoders.encoder import encoder
from outgrow.errors import FetchError, InputError
from outgrow.generation import LanguageModel
from outgrow.generation.model import promptable
from tiny_llama import save_llama

PROMPTS = [
    "the film is good.\nIt is",
    "bad",
    "a very dull and slow story but not a bad plot, and it was sharp. It is",
    "",
    "It is",
    "the movie the movie the movie the movie the movie the movie the movie the movie was",
]
WORDS = [" good", " bad", " very very dull", " gloomy"]


def brute(lm: LanguageModel, prompts: list[str], words: list[str]) -> NDArray[np.float64]:
    """Every pair read alone, in one pass, with the head on all positions."""
    import torch

    tokenizer, model = lm._tokenizer(), lm._weights()
    out = np.zeros((len(prompts), len(words)))
    for i, prompt in enumerate(prompts):
        first = tokenizer(prompt)["input_ids"] or [tokenizer.eos_token_id]
        for j, word in enumerate(words):
            rest = tokenizer(word, add_special_tokens=False)["input_ids"]
            with torch.inference_mode():
                logits = model(torch.tensor([first + rest])).logits[0].double()
            logs = torch.log_softmax(logits, dim=-1)
            out[i, j] = sum(float(logs[len(first) - 1 + t, token]) for t, token in enumerate(rest))
    return out


@pytest.mark.parametrize("start", [False, True])
@pytest.mark.parametrize("budget", [16, 4096])
def test_scores_are_those_of_one_forward_pass_a_row(tmp_path: Path, start: bool, budget: int) -> None:
    lm = LanguageModel.load(str(save_llama(tmp_path, start=start)), batch_tokens=budget)
    words = len({len(w) for w in lm._continued(PROMPTS, WORDS)})
    assert words > 1, "some continuations have one token, some several"
    got = lm.scores(PROMPTS, WORDS)
    np.testing.assert_allclose(got, brute(lm, PROMPTS, WORDS), atol=2e-5)
    assert np.ptp(got[:, 0]) > 0.1, "answers depend on the prompt"


def test_the_head_reads_one_position_a_row(llama: Path) -> None:
    lm = LanguageModel.load(str(llama))
    seen: list[tuple[int, ...]] = []
    handle = lm._weights().lm_head.register_forward_hook(lambda _, __, out: seen.append(tuple(out.shape)))
    lm.scores(PROMPTS, [" good", " bad"])
    handle.remove()
    assert sum(shape[0] for shape in seen) == len(PROMPTS)
    assert {shape[1] for shape in seen} == {1}


def test_what_is_scored_after_an_interruption_has_the_same_bits(llama: Path) -> None:
    lm = LanguageModel.load(str(llama), batch_tokens=24)
    whole = list(lm.score_batches(PROMPTS, WORDS))
    assert len(whole) > 2
    done = np.zeros(len(PROMPTS), dtype=bool)
    done[whole[0][0]] = True
    rest = list(lm.score_batches(PROMPTS, WORDS, skip=done))
    assert len(rest) == len(whole) - 1
    for (rows, block), (same, again) in zip(whole[1:], rest, strict=True):
        np.testing.assert_array_equal(rows, same)
        np.testing.assert_array_equal(block, again)


def test_a_long_prompt_loses_its_beginning(llama: Path) -> None:
    lm = LanguageModel.load(str(llama), max_tokens=12)
    long = "a dull plot " * 30 + "the film is good. It is"
    (tokens,) = lm._prompts([long], 2)
    assert len(tokens) == 10
    assert lm._tokenizer().decode(tokens).endswith("good. It is")
    assert lm.lengths([long])[0] > 30


def test_completions_are_those_of_one_row_at_a_time(llama: Path) -> None:
    lm = LanguageModel.load(str(llama), batch_tokens=64)
    together = lm.complete(PROMPTS, 12)
    assert together == [lm.complete([p], 12)[0] for p in PROMPTS]
    assert together == lm.complete(PROMPTS, 12)
    assert len(set(together)) > 1
    assert lm.complete([], 3) == []


def test_a_completion_takes_the_likeliest_token_each_time(llama: Path) -> None:
    import torch

    lm = LanguageModel.load(str(llama))
    ids = lm._tokenizer()(PROMPTS[0])["input_ids"]
    written: list[int] = []
    for _ in range(8):
        with torch.inference_mode():
            token = int(lm._weights()(torch.tensor([ids + written])).logits[0, -1].argmax())
        if token == lm._tokenizer().eos_token_id:
            break
        written.append(token)
    assert lm.complete([PROMPTS[0]], 8) == [lm._tokenizer().decode(written, skip_special_tokens=True)]


def test_a_completion_ends_before_its_stop(llama: Path) -> None:
    lm = LanguageModel.load(str(llama))
    whole = lm.complete(PROMPTS, 12)
    at = next(i for i, text in enumerate(whole) if len(text.strip()) > 6)
    stop = whole[at][3:5]
    cut = lm.complete(PROMPTS, 12, stop)
    assert cut[at] == whole[at][: whole[at].find(stop)]
    assert all(stop not in text for text in cut)
    with pytest.raises(InputError, match="stops nothing"):
        lm.complete(PROMPTS, 3, stop=["", "x"])
    with pytest.raises(InputError, match="max_new_tokens"):
        lm.complete(PROMPTS, 0)


def test_chat_form(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    plain = LanguageModel(str(save_llama(tmp_path, start=True)))
    with pytest.raises(InputError, match="chat template"):
        plain.chat(("user", "hello"))
    tokenizer = AutoTokenizer.from_pretrained(str(tmp_path))
    tokenizer.chat_template = (
        "<s>{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
        "{% if add_generation_prompt %}assistant:{% endif %}"
    )
    tokenizer.save_pretrained(tmp_path)
    lm = LanguageModel(str(tmp_path))
    assert lm.chat(("system", "be short"), ("user", "hello")) == "system: be short\nuser: hello\nassistant:"


def test_names_that_cannot_be_asked(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no language model is called 'smolm2'; did you mean 'smollm2'"):
        LanguageModel("smolm2")
    with pytest.raises(InputError, match="without a language head"):
        LanguageModel("minilm")
    with pytest.raises(FetchError, match=r"config\.json"):
        LanguageModel.load(str(tmp_path))
    headless = save_llama(tmp_path / "headless", head=False)
    with pytest.raises(InputError, match="has no language head"):
        LanguageModel.load(str(headless))
    assert not promptable(str(headless))
    assert not promptable("minilm")
    assert not promptable("tfidf")
    assert promptable("smollm2")


def test_promptable_is_said_of_an_encoder_by_its_name(llama: Path) -> None:
    assert encoder(str(llama)).depth == 2
    assert promptable(str(llama))


def test_a_continuation_needs_a_token(llama: Path) -> None:
    with pytest.raises(InputError, match="has no token"):
        LanguageModel.load(str(llama)).scores(["a"], ["good", ""])

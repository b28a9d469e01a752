"""Reward models: the loss is Bradley and Terry's, the order of a pair cannot matter, and everything else is FineTune's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import expit

import outgrow
from outgrow.errors import InputError, NeedsError
from outgrow.learners import FineTuneReward
from outgrow.learners.finetune_loop import order
from outgrow.methods.confidence import Confidence
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.pairs import from_pairs, read_pair
from outgrow.tasks.rows import Rows
from outgrow.tasks.task import Task

Reviews = tuple[Rows, NDArray[np.str_]]


def tuned(llama: Path, **options: Any) -> FineTuneReward:
    return FineTuneReward(
        str(llama), **{"batch": 16, "epochs": 3, "lr": 3e-3, "checkpoint": None, "pooling": "mean", **options}
    )


@pytest.fixture(scope="module")
def pairs(reviews: Reviews) -> Task:
    """120 pairs; the preferred text has the good word."""
    texts, truth = np.array(reviews[0].view("inputs")), reviews[1]
    return from_pairs(texts[truth == "yes"].tolist(), texts[truth == "no"].tolist())


@pytest.fixture(scope="module")
def rows(pairs: Task) -> Rows:
    return Rows.from_arrays(inputs=list(pairs.inputs))


@pytest.fixture(scope="module")
def belief(pairs: Task) -> WeakLabels:
    """Soft labels, right on nine of ten."""
    truth = pairs.truth_at(pairs.ids)
    right = np.random.default_rng(0).random(len(truth)) < 0.9
    second = np.where((truth == 1) == right, 0.85, 0.1)
    return WeakLabels.from_probs(np.stack([1 - second, second], axis=1), ["first", "second"])


def test_it_is_the_plain_loop(llama: Path, rows: Rows, belief: WeakLabels) -> None:
    from transformers import AutoModel, AutoTokenizer

    learner = tuned(llama, epochs=1, batch_tokens=60).fit(rows, belief)
    tokenizer = AutoTokenizer.from_pretrained(str(llama))
    model = AutoModel.from_pretrained(str(llama), dtype=torch.float32).eval()
    head = torch.nn.Linear(32, 1, bias=False)
    torch.nn.init.zeros_(head.weight)
    optimiser = torch.optim.AdamW([*model.parameters(), *head.parameters()], weight_decay=0.0)
    texts = [read_pair(t) or ("", "") for t in rows.view("inputs")]
    ids = [[tokenizer(side)["input_ids"] for side in pair] for pair in texts]

    def margin(i: int) -> torch.Tensor:
        first, second = (head(model(torch.tensor([side])).last_hidden_state[0].mean(0)) for side in ids[i])
        return (first - second).squeeze()

    q = torch.from_numpy(belief.probs[:, 0, 0].astype(np.float32))
    course = learner._course()
    steps = order(np.array([len(a) + 1 + len(b) for a, b in ids]), course)
    for step, batch in enumerate(steps):
        margins = torch.stack([margin(int(i)) for i in batch])
        share = q[batch]
        log = torch.nn.functional.logsigmoid
        loss = -(share * log(margins) + (1 - share) * log(-margins)).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([*model.parameters(), *head.parameters()], 1.0)
        optimiser.param_groups[0]["lr"] = course.rate(step, len(steps))
        optimiser.step()
    with torch.no_grad():
        theirs = torch.stack([margin(i) for i in range(len(ids))]).numpy()
    ours = learner.logits(rows)
    np.testing.assert_allclose(ours[:, 0] - ours[:, 1], theirs, atol=3e-4)
    assert np.abs(theirs).max() > 0.05, "it has learned something"


def test_it_learns_rewards_that_no_order_can_change(llama: Path, pairs: Task, rows: Rows, belief: WeakLabels) -> None:
    learner = tuned(llama).fit(rows, belief)
    truth = pairs.truth_at(pairs.ids)
    assert (learner.predict(rows) == np.array(["first", "second"])[truth]).mean() > 0.75
    texts = [read_pair(t) or ("", "") for t in rows.view("inputs")]
    first, second = (learner.reward([pair[k] for pair in texts]) for k in (0, 1))
    np.testing.assert_allclose(learner.logits(rows), np.stack([first, second], axis=1), atol=1e-5)
    np.testing.assert_allclose(learner.predict_proba(rows)[:, 0], expit(first - second), atol=1e-6)
    turned = Rows.from_arrays(inputs=["\n\n=====\n\n".join(pair[::-1]) for pair in texts])
    np.testing.assert_allclose(learner.logits(turned), learner.logits(rows)[:, ::-1], atol=1e-5)
    # A reward is linear in what the head reads, up to its own offset.
    weight = learner.model_.head.weight.detach().numpy()[0]
    np.testing.assert_allclose(learner.encode(rows) @ weight, first - second, atol=1e-5)


def test_methods_files_and_a_split(llama: Path, pairs: Task, rows: Rows, belief: WeakLabels, tmp_path: Path) -> None:
    roles = outgrow.split(pairs, 0, teach=0, transfer=70, select=10, test=40)
    student = Confidence(tuned(llama, lora=2, keep=(0.5,))).fit(rows.at(roles.transfer), belief.at(roles.transfer))
    test = rows.at(roles.test)
    student.student_.save(tmp_path / "head")
    from outgrow.studies.student import load_head

    loaded = load_head(tmp_path / "head")
    assert type(loaded) is FineTuneReward
    np.testing.assert_allclose(loaded.logits(test), student.logits(test), atol=1e-6)
    assert loaded.reward(["good film"]).shape == (1,)
    assert not np.allclose(student.student_.earlier(0.5).logits(test), student.logits(test))


def test_bad_input(llama: Path, rows: Rows, belief: WeakLabels) -> None:
    with pytest.raises(InputError, match="these labels have 3 classes"):
        tuned(llama).fit(rows, WeakLabels.from_probs(np.full((120, 3), 1 / 3), ["a", "b", "c"]))
    with pytest.raises(InputError, match="row 1 is no pair of texts") as error:
        tuned(llama).fit(Rows.from_arrays(inputs=[rows.view("inputs")[0], "canary"]), belief[:2])
    assert "canary" not in str(error.value)
    with pytest.raises(InputError, match="reads no text first"):
        tuned(llama, text_epochs=1).fit(rows, belief)
    with pytest.raises(NeedsError, match="reads pairs of texts, and view 'glove' holds numbers"):
        tuned(llama, on="glove").fit(Rows.from_arrays(glove=np.zeros((120, 2))), belief)
    with pytest.raises(InputError, match="rewards are given to a list of texts"):
        tuned(llama, epochs=1).fit(rows, belief).reward("good film")

"""The protocol around a fit: ended early, stopped by weak labels, preceded by plain text, and probed afterwards."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from outgrow.errors import InputError
from outgrow.learners import FineTune, FineTuneValue, LinearHead, finetune_base
from outgrow.learners.finetune_text import output_matrix, read_texts, text_loss
from outgrow.learners.finetune_watch import held_rows
from outgrow.methods.confidence import Confidence
from outgrow.store import home
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.rows import Rows
from tiny_llama import save_llama

Reviews = tuple[Rows, NDArray[np.str_]]


class StopHere(Exception):
    pass


def tuned(llama: Path, **options: Any) -> FineTune:
    return FineTune(str(llama), **{"batch": 16, "lr": 3e-3, "checkpoint": None, **options})


def stopping(function: Any, at: int) -> Any:
    """Return a training function that stops itself before a step, as a kill would."""

    def tick(step: int) -> None:
        if step == at:
            raise StopHere

    return lambda *args, **options: function(*args, **options, tick=tick)


# --- ended early --------------------------------------------------------------------------------------------------------------------


def test_until_is_the_earlier_moment_of_a_whole_run(llama: Path, reviews: Reviews, weak: WeakLabels) -> None:
    rows = reviews[0]
    whole = tuned(llama, keep=(0.25, 1.0)).fit(rows, weak)
    part = tuned(llama, until=0.25).fit(rows, weak)
    assert part.n_iter_ == round(0.25 * whole.n_iter_) < whole.n_iter_
    assert (part.stopped_, whole.stopped_) == (pytest.approx(0.25, abs=0.05), 1.0)
    np.testing.assert_array_equal(part.logits(rows), whole.earlier(0.25).logits(rows))
    np.testing.assert_array_equal(whole.logits(rows), whole.earlier(1.0).logits(rows))
    assert not np.array_equal(part.logits(rows), whole.logits(rows))
    with pytest.raises(InputError, match="until is 0; give a number above 0 and at most 1"):
        tuned(llama, until=0).fit(rows, weak)


# --- stopped by weak labels ---------------------------------------------------------------------------------------------------------


def test_the_best_look_is_the_student(llama: Path, reviews: Reviews, weak: WeakLabels) -> None:
    rows = reviews[0]
    # A rate this high worsens the loss on rows it does not learn from before the end.
    options: dict[str, Any] = {"lr": 2e-2, "epochs": 2, "held_out": 0.2, "looks": 4, "schedule": "constant"}
    learner = tuned(llama, keep=(0.25, 0.5, 0.75, 1.0), **options).fit(rows, weak)
    losses = [look["weak_loss"] for look in learner.looks_]
    shares = [look["share"] for look in learner.looks_]
    assert shares == pytest.approx([6 / 22, 11 / 22, 16 / 22, 1.0])
    best = int(np.argmin(losses))
    assert best < 3, "the rate was to overshoot"
    assert learner.stopped_ == pytest.approx(shares[best])
    np.testing.assert_array_equal(learner.logits(rows), learner.earlier((0.25, 0.5, 0.75, 1.0)[best]).logits(rows))
    # By hand: the held-out rows' cross-entropy against their weak labels.
    used = np.flatnonzero(weak.any_covered)
    aside = used[held_rows(len(used), 0.2, 0)]
    logits = learner.logits(rows[aside])
    given = weak[aside].probs[:, 0]
    by_hand = -(given * torch.log_softmax(torch.from_numpy(logits), 1).numpy()).sum(1).mean()
    assert losses[best] == pytest.approx(by_hand, rel=1e-9)
    same = (logits.argmax(1) == given.argmax(1)).mean()
    assert learner.looks_[best]["weak_agreement"] == pytest.approx(same)
    # Nothing of them is learned: other labels there change what is seen and not the training.
    probs = weak.probs.copy()
    probs[aside, 0] = probs[aside, 0, ::-1]
    other = WeakLabels.from_probs(probs[:, 0], weak.classes, covered=weak.covered[:, 0])
    again = tuned(llama, **options).fit(rows, other)
    np.testing.assert_array_equal(again.loss_, learner.loss_)
    assert [look["weak_loss"] for look in again.looks_] != losses
    assert again.kept_ == {}, "no weights are held that nobody named"


def test_looks_survive_a_kill_and_a_save(
    llama: Path, reviews: Reviews, weak: WeakLabels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = reviews[0][:96]
    options: dict[str, Any] = {"held_out": 0.25, "looks": 4, "lora": 2, "lr": 1e-2, "epochs": 2}
    whole = Confidence(tuned(llama, **options)).fit(rows, weak[:96]).student_
    train = finetune_base.train
    monkeypatch.setattr(finetune_base, "train", stopping(train, 5))
    method = Confidence(tuned(llama, checkpoint=0.0, **options))
    with pytest.raises(StopHere):
        method.fit(rows, weak[:96])
    monkeypatch.setattr(finetune_base, "train", train)
    again = method.fit(rows, weak[:96]).student_
    assert again.looks_ == whole.looks_
    np.testing.assert_array_equal(again.logits(rows), whole.logits(rows))
    again.save(tmp_path / "student")
    loaded = FineTune.load(tmp_path / "student")
    assert (loaded.looks_, loaded.stopped_) == (again.looks_, again.stopped_)
    np.testing.assert_array_equal(loaded.logits(rows), whole.logits(rows))
    with pytest.raises(InputError, match=r"nothing was kept after 0\.5"):
        loaded.earlier(0.5)


def test_values_are_stopped_too(llama: Path, reviews: Reviews) -> None:
    rows = reviews[0][:64]
    values = WeakLabels.from_probs(20 + 3.0 * (np.arange(64) % 2), None)
    learner = FineTuneValue(str(llama), batch=16, lr=3e-3, checkpoint=None, held_out=0.25, looks=2).fit(rows, values)
    assert [sorted(look) for look in learner.looks_] == [["share", "step", "weak_loss"]] * 2
    with pytest.raises(InputError, match=r"held_out is 0\.9 and 1 rows have labels, so none is left"):
        FineTuneValue(str(llama), checkpoint=None, held_out=0.9).fit(rows[:1], values[:1])


# --- text first ---------------------------------------------------------------------------------------------------------------------


def test_held_out_text_is_told_better(llama: Path, reviews: Reviews) -> None:
    """The loop against transformers' own loss, and its use: text it never read costs less afterwards."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    learner = tuned(llama, lr=5e-3, epochs=1)
    learner.lr_ = 5e-3
    model = learner._build(2)
    output = output_matrix(learner._source(), model)
    tokens = learner._tokens(reviews[0])
    other = random.Random(9)
    words = ["the", "a", "film", "plot", "is", "was", "good", "bad", "great", "slow", "funny"]
    unseen = learner._tokens(Rows.from_arrays(inputs=[" ".join(other.choices(words, k=8)) for _ in range(40)]))
    before = text_loss(model, output, unseen, learner._course())
    theirs = AutoModelForCausalLM.from_pretrained(str(llama), dtype=torch.float32).eval()
    assert AutoTokenizer.from_pretrained(str(llama)).vocab_size == len(output)
    with torch.no_grad():
        lost = [float(theirs(t[None], labels=t[None]).loss) * (len(t) - 1) for t in map(torch.from_numpy, unseen)]
    assert before == pytest.approx(sum(lost) / sum(len(t) - 1 for t in unseen), rel=1e-5)
    losses = read_texts(model, output, tokens, learner._course(), 2)
    assert len(losses) == 2 * 15
    after = text_loss(model, output, unseen, learner._course())
    assert after < before - 1.0
    # A batch cut into parts is the same step.
    cut = learner._build(2)
    small = tuned(llama, lr=5e-3, batch_tokens=40)
    small.lr_ = 5e-3
    np.testing.assert_allclose(read_texts(cut, output, tokens, small._course(), 2), losses, rtol=2e-3)


@pytest.mark.parametrize("options", [{}, {"lora": 2}, {"layers": "last 1"}])
def test_text_comes_before_labels_and_is_kept_through_a_kill(
    llama: Path, reviews: Reviews, weak: WeakLabels, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    rows, labels = reviews[0][:64], weak[:64]
    whole = tuned(llama, text_epochs=2, **options).fit(rows, labels)
    plain = tuned(llama, **options).fit(rows, labels)
    assert len(whole.text_loss_) == 2 * 4
    assert whole.text_loss_[4:].mean() < whole.text_loss_[:4].mean(), "both passes read the same texts"
    assert whole.n_iter_ == plain.n_iter_
    assert not np.array_equal(whole.logits(rows), plain.logits(rows))
    # Texts without labels are read all the same: nothing of the labels decides what is read.
    blind = WeakLabels.from_probs(labels.probs[:, 0], labels.classes, covered=np.arange(64) < 32)
    np.testing.assert_array_equal(tuned(llama, text_epochs=2, **options).fit(rows, blind).text_loss_, whole.text_loss_)
    learner, texts, train = tuned(llama, text_epochs=2, checkpoint=0.0, **options), read_texts, finetune_base.train
    taken: list[int] = []

    def counted(*args: Any, **others: Any) -> Any:
        return texts(*args, **others, tick=taken.append)

    monkeypatch.setattr(finetune_base, "read_texts", stopping(texts, 3))
    with pytest.raises(StopHere):
        learner.fit(rows, labels)
    monkeypatch.setattr(finetune_base, "read_texts", counted)
    monkeypatch.setattr(finetune_base, "train", stopping(train, 0))
    with pytest.raises(StopHere):
        learner.fit(rows, labels)
    monkeypatch.setattr(finetune_base, "train", train)
    again = learner.fit(rows, labels)
    assert taken == list(range(3, 8)), "no text is read twice, in three beginnings of one fit"
    np.testing.assert_array_equal(again.text_loss_, whole.text_loss_)
    np.testing.assert_array_equal(again.logits(rows), whole.logits(rows))
    assert not list((home() / "partial").glob("finetune-*"))


def test_what_cannot_read_text_says_so(llama: Path, reviews: Reviews, weak: WeakLabels, tmp_path: Path) -> None:
    rows, labels = reviews[0][:40], weak[:40]
    with pytest.raises(InputError, match="text_epochs trains the layers, and layers is 'head'"):
        tuned(llama, text_epochs=1, layers="head").fit(rows, labels)
    bare = save_llama(tmp_path / "bare", head=False)
    with pytest.raises(InputError, match="was saved without its language model head"):
        tuned(bare, text_epochs=1).fit(rows, labels)
    single = Rows.from_arrays(inputs=["a", "the", "a", "the"])
    with pytest.raises(InputError, match="no text has two tokens"):
        tuned(llama, text_epochs=1).fit(single, ["no", "yes", "no", "yes"])


# --- probed afterwards --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_a_probe_reads_what_the_head_reads(llama: Path, reviews: Reviews, weak: WeakLabels, pooling: str) -> None:
    rows, truth = reviews
    learner = tuned(llama, lr=5e-3, pooling=pooling).fit(rows[:160], weak[:160])
    features = learner.encode(rows)
    assert features.shape == (240, 32)
    head = learner.model_.head
    by_hand = features @ head.weight.detach().double().numpy().T + head.bias.detach().double().numpy()
    np.testing.assert_allclose(by_hand + learner.model_.shift.numpy(), learner.logits(rows), atol=1e-5)
    # Given some rows, the view is of the whole task.
    probed = learner.with_view(rows[:10], "probe")
    assert len(probed) == 10
    np.testing.assert_allclose(Rows(rows.ids, probed.views).view("probe"), features, atol=1e-6)
    seen = learner.with_view(rows)
    probe = LinearHead(on="tuned", penalty=0.1).fit(seen[:160], truth[:160])
    assert probe.predict(seen[160:]).shape == (80,)
    frozen = tuned(llama, layers="head", pooling=pooling).fit(rows[:32], weak[:32]).with_view(rows)
    assert np.abs(frozen.view("tuned") - features).max() > 0.01, "the trunk itself was trained"
    assert seen.key("tuned") != frozen.key("tuned")

"""Fine-tuned students against a plain loop, one text at a time; with methods; their parameters and bad input."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from torch import Tensor

from outgrow.catalogue import catalogue, find
from outgrow.errors import LabelsError, NeedsError
from outgrow.fingerprints import fingerprint
from outgrow.learners import FineTune, FineTuneValue, LinearHead
from outgrow.learners.finetune_loop import order
from outgrow.learners.objective import CrossEntropy, State, combine
from outgrow.methods.bootstrap import Bootstrap
from outgrow.methods.confidence import Confidence, ConfidenceObjective
from outgrow.methods.naive import Naive
from outgrow.methods.raven import Raven
from outgrow.supervisors import ProbeSupervisor
from outgrow.tasks.labels import Source, WeakLabels
from outgrow.tasks.rows import Rows, View, as_view

Reviews = tuple[Rows, NDArray[np.str_]]


def tuned(llama: Path, **options: Any) -> FineTune:
    return FineTune(str(llama), **{"batch": 16, "lr": 3e-3, "checkpoint": None, "pooling": "mean", **options})


def plain_loop(
    llama: Path, texts: list[str], labels: WeakLabels, learner: FineTune, objective: Any
) -> NDArray[np.float64]:
    """Fine-tune with transformers alone: every text read by itself, its hidden states pooled by hand. Return all logits."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(llama))
    model = AutoModel.from_pretrained(str(llama), dtype=torch.float32).eval()
    head = torch.nn.Linear(32, 2)
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    optimiser = torch.optim.AdamW([*model.parameters(), *head.parameters()], weight_decay=0.0)
    ids = [tokenizer(t)["input_ids"] for t in texts]

    def logit(i: int) -> Tensor:
        hidden = model(torch.tensor([ids[i]])).last_hidden_state[0]
        return head(hidden[-1] if learner.pooling == "last" else hidden.mean(0)).double()

    given = torch.from_numpy(labels.probs.copy())
    learner.lr_ = float(learner.lr or 0)
    course = learner._course()
    steps = order(np.array([len(t) for t in ids]), course)
    for step, rows in enumerate(steps):
        logits = torch.stack([logit(int(i)) for i in rows])
        targets, weight, _ = objective.targets(
            logits.detach(), given[rows], torch.ones(len(rows), dtype=torch.float64), step / len(steps), {}
        )
        loss = (objective.rows(logits, targets) * weight).sum() / weight.sum()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([*model.parameters(), *head.parameters()], 1.0)
        optimiser.param_groups[0]["lr"] = course.rate(step, len(steps))
        optimiser.step()
    with torch.no_grad():
        return torch.stack([logit(i) for i in range(len(ids))]).numpy()


@pytest.mark.parametrize(
    ("objective", "pooling"), [(CrossEntropy(), "last"), (ConfidenceObjective(0.75, 0.2, "weak"), "mean")]
)
def test_it_is_the_plain_loop(llama: Path, reviews: Reviews, weak: WeakLabels, objective: Any, pooling: str) -> None:
    learner = tuned(llama, pooling=pooling)
    some = np.flatnonzero(weak.any_covered)[:56]
    rows, labels = reviews[0][some], weak[some]
    texts = rows.view("inputs")
    ours = learner.fit(rows, labels, objective=objective).logits(rows)
    theirs = plain_loop(llama, texts, labels, learner, objective)
    np.testing.assert_allclose(ours, theirs, atol=2e-4)
    assert np.abs(ours[:, 1] - ours[:, 0]).max() > 0.05, "it has learned something"


@dataclass(frozen=True)
class Watching:
    """Cross-entropy that writes down what it was asked."""

    moves: ClassVar[bool] = True
    rows = CrossEntropy.rows
    seen: ClassVar[list[tuple[int, float, float]]] = []

    def start(self, weak: Tensor, weight: Tensor) -> State:
        return {"count": torch.zeros(1)}

    def targets(
        self, logits: Tensor, weak: Tensor, weight: Tensor, progress: float, state: State
    ) -> tuple[Tensor, Tensor, State]:
        self.seen.append((len(logits), progress, float(logits.abs().max())))
        return combine(weak), weight, {"count": state["count"] + 1}


def test_targets_are_asked_for_once_a_logical_batch(llama: Path, reviews: Reviews, weak: WeakLabels) -> None:
    Watching.seen.clear()
    weak = weak[:100]
    learner = tuned(llama, epochs=2, batch_tokens=40).fit(reviews[0][:100], weak, objective=Watching())
    n = int(weak.any_covered.sum())
    steps = 2 * -(-n // 16)
    assert [s[0] for s in Watching.seen].count(16) == 2 * (n // 16)
    assert [s[1] for s in Watching.seen] == pytest.approx([i / steps for i in range(steps)])
    assert Watching.seen[0][2] == 0.0
    assert Watching.seen[-1][2] > 0.0, "the parts' own logits reach the objective"
    assert learner.state_["count"] == [steps]
    assert learner.n_iter_ == steps == len(learner.loss_)


@pytest.mark.parametrize("method", [Naive, Confidence])
def test_parts_of_a_batch_change_nothing(llama: Path, reviews: Reviews, weak: WeakLabels, method: Any) -> None:
    rows, weak = reviews[0][:80], weak[:80]
    whole = method(tuned(llama)).fit(rows, weak).logits(rows)
    parts = method(tuned(llama, batch_tokens=30)).fit(rows, weak).logits(rows)
    np.testing.assert_allclose(parts, whole, atol=1e-4)
    again = method(tuned(llama, batch_tokens=30)).fit(rows, weak).logits(rows)
    np.testing.assert_array_equal(again, parts)


def test_it_learns_what_a_word_means(llama: Path, reviews: Reviews) -> None:
    rows, truth = reviews
    learner = tuned(llama, epochs=6, lr=1e-2).fit(rows[:160], truth[:160])
    assert learner.loss_[0] == pytest.approx(np.log(2))
    assert learner.score(rows[:160], truth[:160]) > 0.95
    assert learner.score(rows[160:], truth[160:]) > 0.65
    np.testing.assert_allclose(learner.predict_proba(rows).sum(1), 1)


def test_gradient_checkpointing_changes_nothing(llama: Path, reviews: Reviews, weak: WeakLabels) -> None:
    rows, labels = reviews[0][:64], weak[:64]
    kept = tuned(llama).fit(rows, labels).logits(rows)
    np.testing.assert_allclose(
        tuned(llama, gradient_checkpointing=True).fit(rows, labels).logits(rows), kept, atol=1e-5
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"layers": "head"}, ("head.",)),
        ({"layers": "last 1"}, ("head.", "trunk.layers.1.", "trunk.norm.")),
        ({"lora": 2}, ("head.", "lora_")),
        ({"lora": 2, "layers": "last 1"}, ("head.", "lora_")),
    ],
)
def test_only_what_is_named_is_trained(
    llama: Path, reviews: Reviews, weak: WeakLabels, options: dict[str, Any], expected: tuple[str, ...]
) -> None:
    learner = tuned(llama, **options).fit(reviews[0][:40], weak[:40])
    names = {n for n, p in learner.model_.named_parameters() if p.requires_grad}
    assert all(any(e in n for e in expected) for n in names)
    assert all(any(e in n for n in names) for e in expected)
    if "lora" in options:
        adapted = {n.split(".lora_")[0] for n in names if "lora_" in n}
        assert len(adapted) == 7 * (1 if "layers" in options else 2), "every linear map of the chosen blocks"
        assert {p.shape[0] for n, p in learner.model_.named_parameters() if "lora_A" in n} == {2}
    from transformers import AutoModel

    before = AutoModel.from_pretrained(str(llama)).state_dict()
    own = learner.model_.trunk.state_dict()
    frozen = [n for n in before if f"trunk.{n}" not in names]
    assert len(frozen) >= 10
    for name in frozen:
        found = own.get(name, own.get(name.replace(".weight", ".base_layer.weight")))
        assert found is not None
        assert torch.equal(found, before[name])


def test_rows_without_weight_or_label_are_not_there(llama: Path, reviews: Reviews, weak: WeakLabels) -> None:
    rows, keep = reviews[0], np.random.default_rng(0).random(240) > 0.3
    one = tuned(llama).fit(rows, weak, sample_weight=keep.astype(float)).logits(rows)
    covered = keep & weak.any_covered
    np.testing.assert_array_equal(one, tuned(llama).fit(rows[covered], weak[covered]).logits(rows))
    assert not np.array_equal(one, tuned(llama).fit(rows, weak).logits(rows))


def test_a_class_that_nobody_names_is_not_predicted(llama: Path, reviews: Reviews) -> None:
    rows, truth = reviews
    probs = np.stack([truth == "no", np.zeros(240), truth == "yes"], axis=1).astype(float)
    learner = tuned(llama).fit(rows, WeakLabels.from_probs(probs, ["no", "perhaps", "yes"]))
    assert learner.predict_proba(rows)[:, 1].max() < 1e-9
    assert learner.classes_.tolist() == ["no", "perhaps", "yes"]


def test_values_do_not_depend_on_their_unit(llama: Path, reviews: Reviews) -> None:
    rows, truth = reviews
    values = (truth == "yes") + np.random.default_rng(0).normal(0, 0.1, 240)
    options: dict[str, Any] = {"batch": 16, "lr": 1e-2, "epochs": 4, "checkpoint": None, "pooling": "mean"}
    one = FineTuneValue(str(llama), **options).fit(rows[:160], WeakLabels.from_probs(values[:160], None))
    assert one.score(rows[:160], values[:160]) > 0.5
    far = FineTuneValue(str(llama), **options).fit(rows[:160], WeakLabels.from_probs(1000 + 50 * values[:160], None))
    np.testing.assert_allclose((far.predict(rows) - 1000) / 50, one.predict(rows), atol=1e-3)
    assert one.logits(rows).shape == (240, 1)
    with pytest.raises(LabelsError, match="cannot learn values"):
        tuned(llama).fit(rows, WeakLabels.from_probs(values, None))


def test_a_view_of_token_ids_is_the_texts(llama: Path, reviews: Reviews, weak: WeakLabels) -> None:
    from outgrow.encoders.tokens import TokenEncoder

    rows = reviews[0]
    ids = TokenEncoder(str(llama), 8).encode(rows.view("inputs"))[None]
    assert ids.shape == (240, 8)
    name = f"tokens[max_tokens=8,of={llama}]"
    both = Rows(rows.ids, {**rows.views, name: as_view(name, ids), "other": View(ids)})
    assert both.matrices == ["other"], "token ids are no features"
    texts = tuned(llama, max_tokens=8).fit(both, weak).logits(both)
    np.testing.assert_array_equal(tuned(llama, max_tokens=8, on=name).fit(both, weak).logits(both), texts)
    with pytest.raises(NeedsError, match="view 'other' holds features"):
        tuned(llama, on="other").fit(both, weak)


def test_a_text_without_a_token_has_an_answer(llama: Path, reviews: Reviews, weak: WeakLabels) -> None:
    learner = tuned(llama).fit(reviews[0], weak)
    assert np.isfinite(learner.logits(["", "good", "\ud800"])).all()
    assert learner.predict(["good"]).tolist()[0] in ("no", "yes")


SHELF = [m for m in catalogue("methods") if find("methods", m)(learner=FineTune()).needs() == FineTune().needs()]


@pytest.mark.parametrize("name", SHELF)
def test_a_method_that_needs_only_a_learner_runs(llama: Path, reviews: Reviews, weak: WeakLabels, name: str) -> None:
    rows = reviews[0]
    method = find("methods", name)(learner=tuned(llama, lr=1e-3))
    if method.refuses("classes", 2, weak.sources):
        pytest.skip("refused beforehand")
    method.fit(rows[:120], weak[:120])
    probs = method.predict_proba(rows)
    np.testing.assert_allclose(probs.sum(1), 1)
    assert np.ptp(probs[:, 0]) > 0


def test_the_shelf_is_not_empty() -> None:
    assert {"naive", "confidence", "divergence"} <= set(SHELF)


def test_chains_mix_heads_and_fine_tuned_links(llama: Path, reviews: Reviews, weak: WeakLabels) -> None:
    rows, labels = reviews[0][:100], weak[:100]
    counts = np.array([[t.count("good"), t.count("bad"), len(t)] for t in reviews[0].view("inputs")], dtype=float)
    rows = rows.with_view("counts", counts)
    head, last = LinearHead("counts", penalty=0.1), tuned(llama)
    method = Bootstrap(learner=last, chain=[head]).fit(rows, labels)
    by_hand = clone(head).fit(rows, labels).predict_proba(rows)
    second = clone(last).fit(rows, labels.relabel(by_hand))
    np.testing.assert_allclose(method.logits(rows), second.logits(rows), atol=1e-6)
    assert method.needs().views == {"counts", "inputs"}
    other = Bootstrap(learner=head, chain=[tuned(llama)]).fit(rows, labels)
    assert other.student_.coef_.shape == (1, 3)


def test_a_supervisor_is_fine_tuned_on_truth(llama: Path, reviews: Reviews) -> None:
    rows, truth = reviews
    teach = rows[:60]
    probe = ProbeSupervisor(learner=tuned(llama), folds=2).fit(teach, truth[:60])
    table = probe.label(rows)
    assert list(table.sources[0].taught) == list(range(60))
    assert table.covered.all()
    alone = tuned(llama).fit(teach, truth[:60]).predict_proba(rows)
    np.testing.assert_allclose(table.probs[60:, 0], alone[60:], atol=1e-6)
    assert not np.allclose(table.probs[:60, 0], alone[:60]), "on taught rows they are out of fold"


def test_raven_weighs_supervisors_of_a_fine_tuned_student(llama: Path, reviews: Reviews) -> None:
    rows, truth = reviews
    rng = np.random.default_rng(0)
    tables = []
    for name, right in (("good", 0.9), ("poor", 0.55)):
        yes = np.where((truth == "yes") == (rng.random(240) < right), 0.9, 0.1)
        source = Source(name, None, (), name)
        tables.append(WeakLabels.from_probs(np.stack([1 - yes, yes], axis=1), ["no", "yes"], source=source))
    method = Raven(learner=tuned(llama)).fit(rows[:120], WeakLabels.stack([t[:120] for t in tables]))
    weights = method.student_.state_["weights"]
    assert weights.shape == (2,)
    assert weights.sum() == pytest.approx(1)
    assert weights[0] != weights[1], "the objective's state moved from batch to batch"


def test_many_at_once_are_each_alone(llama: Path, reviews: Reviews, weak: WeakLabels) -> None:
    rows, targets = reviews[0], np.stack([weak.one()[0], 1 - weak.one()[0]])
    weights = np.stack([weak.any_covered, weak.any_covered & (np.arange(240) < 100)]).astype(float)
    one, two = tuned(llama).fit_many(rows, targets, weights, classes=["no", "yes"])
    table = weak.relabel(targets[1], covered=weights[1] > 0)
    np.testing.assert_array_equal(two.logits(rows), tuned(llama).fit(rows, table).logits(rows))
    assert not np.allclose(one.logits(rows), two.logits(rows))


def test_the_name_of_a_fit(llama: Path, reviews: Reviews, weak: WeakLabels) -> None:
    learner = tuned(llama)
    assert fingerprint(learner) == fingerprint(clone(learner).set_params(checkpoint=5.0))
    assert fingerprint(learner) != fingerprint(tuned(llama, epochs=2))
    assert fingerprint(Naive(learner)) != fingerprint(Naive(LinearHead()))
    fitted = clone(learner).fit(reviews[0][:40], weak[:40])
    assert fitted.fingerprint_ != clone(learner).fit(reviews[0][:39], weak[:39]).fingerprint_
    assert fitted.get_params() == learner.get_params()

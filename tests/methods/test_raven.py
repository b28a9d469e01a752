from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from outgrow.errors import InputError, LabelsError, NeedsError
from outgrow.learners.linear import LinearHead
from outgrow.learners.objective import CrossEntropy, weak_tensor
from outgrow.learners.ridge import RidgeHead
from outgrow.methods import Naive, Raven
from outgrow.methods.raven import RavenObjective, matching, slope, tempered, unanimous
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.rows import Rows

from .shelf import KINDS, dead_rows_change_no_bit, named, ordinary, same_head, shares

HEAD = LinearHead(penalty=0.1)


# --- off is naive -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "penalty"), [*((k, 0.1) for k in KINDS), ("sparse", "cv")])
def test_off_equals_naive_bit_for_bit(kind, penalty):
    rows, weak = ordinary(kind)
    head = LinearHead(penalty=penalty)
    off = Raven(head, rate=0, easy=0, labels="soft").fit(rows, weak)
    assert same_head(off, Naive(head).fit(rows, weak))
    assert isinstance(off.objective_, CrossEntropy)
    assert off.weights_.tolist() == [1 / 3] * 3
    if kind != "names":
        assert not same_head(off, Raven(head).fit(rows, weak))


def test_uniform_weights_are_the_mean_of_those_that_cover():
    rows, weak = ordinary("abstaining")
    objective = RavenObjective(0.0, 0.0, "soft")
    labels, weight = weak_tensor(weak), torch.from_numpy(weak.any_covered.astype(float))
    made, counted, _ = objective.targets(
        torch.zeros(len(rows), 3).double(), labels, weight, 1.0, objective.start(labels, weight)
    )
    there = weak.any_covered
    assert 0 < there.sum() < len(rows)
    assert np.allclose(made.numpy()[there], weak.one()[0][there], atol=1e-15)
    assert torch.isfinite(made).all()
    assert torch.equal(counted, weight)


# --- ordinary input -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("labels", ["matched", "soft", "hard"])
def test_any_table_gives_weights_on_the_simplex_and_a_student(kind, labels):
    rows, weak = ordinary(kind)
    student = Raven(HEAD, labels=labels, rate=4.0).fit(rows, weak)
    assert student.weights_.shape == (3,)
    assert student.weights_.min() >= 1e-7
    assert student.weights_.sum() == pytest.approx(1)
    assert student.supervisors_ == ("s0", "s1", "s2")
    p = student.predict_proba(rows)
    assert np.isfinite(p).all()
    assert (student.predict(rows) == weak.source(0).classes[weak.probs[:, 0].argmax(1)]).mean() > 0.6
    assert set(student.predict(rows)) == {"a", "b", "c"}


@pytest.mark.parametrize("kind", ["several", "sparse"])
@pytest.mark.parametrize("labels", ["matched", "hard"])
def test_rows_of_weight_zero_change_no_bit(kind, labels):
    rows, weak = ordinary(kind)
    assert dead_rows_change_no_bit(Raven(HEAD, labels=labels), weak, rows)


def test_dead_rows_are_harmless_for_learners_that_keep_them():
    rows, weak = ordinary("abstaining")
    labels, alive = weak_tensor(weak), torch.from_numpy(weak.any_covered & (np.arange(len(rows)) % 4 > 0))
    logits = torch.from_numpy(np.random.default_rng(1).normal(size=(len(rows), 3)))
    objective, found = RavenObjective(3.0, 0.0, "matched"), []
    for said, z, w in (
        (labels, logits, alive.double()),
        (labels[alive], logits[alive], torch.ones(int(alive.sum())).double()),
    ):
        made, _, state = objective.targets(z, said, w, 1.0, objective.start(said, w))
        assert torch.isfinite(made).all()
        found.append((made[alive] if len(made) == len(alive) else made, state["weights"]))
    assert torch.allclose(found[0][0], found[1][0], atol=1e-12)
    assert torch.allclose(found[0][1], found[1][1], atol=1e-12)


def test_the_order_of_supervisors_moves_with_the_weights():
    rows, weak = ordinary("abstaining")
    one = Raven(HEAD, rate=4.0).fit(rows, weak)
    other = Raven(HEAD, rate=4.0).fit(rows, weak.source(2, 0, 1))
    assert np.allclose(one.weights_[[2, 0, 1]], other.weights_, atol=1e-4)
    assert other.supervisors_ == ("s2", "s0", "s1")


# --- the rule -----------------------------------------------------------------------------------------------------------------------


def test_the_slope_is_the_gradient_of_the_loss_in_the_weights():
    random = np.random.default_rng(0)
    labels = torch.from_numpy(random.dirichlet(np.ones(3), size=(40, 4)))
    logs = torch.log_softmax(torch.from_numpy(random.normal(size=(40, 3))), -1)
    weight = torch.from_numpy(random.uniform(0.2, 2, 40))
    w = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64, requires_grad=True)
    mixed = (w[None, :, None] * labels).sum(1) / w.sum()
    (weight @ -(mixed * logs).sum(-1) / weight.sum()).backward()
    loss = -(labels * logs[:, None]).sum(-1)
    ours = slope(w.detach(), loss, torch.ones(40, 4, dtype=torch.bool), weight)
    assert torch.allclose(ours, w.grad, atol=1e-12)
    assert float(ours @ w.detach()) == pytest.approx(0, abs=1e-12)


def test_coverage_does_not_set_the_speed():
    loss = torch.tensor([[0.2, 1.0]] * 20, dtype=torch.float64)
    w, weight = torch.tensor([0.5, 0.5], dtype=torch.float64), torch.ones(20, dtype=torch.float64)
    full = torch.ones(20, 2, dtype=torch.bool)
    few = full.clone()
    few[1:, 1] = False
    assert torch.allclose(slope(w, loss, few, weight), slope(w, loss, full, weight))
    apart = full.clone()
    apart[:10, 0], apart[10:, 1] = False, False
    assert slope(w, loss, apart, weight).tolist() == [0, 0]


@pytest.mark.parametrize("steps", [6, 30, 600])
def test_the_rate_is_per_unit_of_progress(steps):
    random = np.random.default_rng(2)
    labels = torch.from_numpy(random.dirichlet(np.ones(3), size=(50, 3)))
    logits, weight = torch.from_numpy(random.normal(size=(50, 3))), torch.ones(50, dtype=torch.float64)
    objective = RavenObjective(3.0, 0.35, "soft")
    state = objective.start(labels, weight)
    for step in range(steps + 1):
        _, _, state = objective.targets(logits, labels, weight, step / steps, state)
    once = objective.targets(logits, labels, weight, 1.0, objective.start(labels, weight))[2]
    assert torch.allclose(state["weights"], once["weights"], atol=0.01)
    assert float((once["weights"] - 1 / 3).abs().max()) > 0.05


def test_easy_rows_come_first_and_weights_wait():
    rows, weak = ordinary("several")
    labels, weight = weak_tensor(weak), torch.ones(len(rows), dtype=torch.float64)
    objective = RavenObjective(4.0, 0.5, "soft")
    state = objective.start(labels, weight)
    logits = torch.zeros(len(rows), 3, dtype=torch.float64)
    _, counted, state = objective.targets(logits, labels, weight, 0.4, state)
    agree = (weak.hard() == weak.hard()[:, :1]).all(axis=1)
    assert 0 < agree.sum() < len(rows)
    assert np.array_equal(counted.numpy() > 0, agree)
    assert state["weights"].tolist() == [1 / 3] * 3
    _, counted, state = objective.targets(logits, labels, weight, 0.6, state)
    assert (counted > 0).all()


def test_one_voter_is_not_unanimous():
    weak = WeakLabels.stack(
        [named(np.eye(3)[[0, 0, 0, 0]], [1, 1, 1, 0], "one"), named(np.eye(3)[[0, 1, 0, 0]], [1, 1, 0, 0], "two")]
    )
    assert unanimous(weak_tensor(weak)).tolist() == [True, False, False, False]


def test_temperatures_give_all_supervisors_one_mean_entropy():
    random = np.random.default_rng(3)
    z = random.normal(size=(200, 4))
    soft = np.stack([shares(k * z) for k in (0.3, 2.0, 9.0)] + [np.eye(4)[z.argmax(1)]], axis=1)
    soft[::5, 1] = np.nan
    weak, weight = torch.from_numpy(soft), torch.from_numpy(random.uniform(0.1, 1, 200))
    heat = matching(weak, weight)
    made = tempered(weak, heat)

    def entropy(labels):
        counts = weight[:, None] * ~weak[..., 0].isnan()
        return (-(torch.xlogy(labels, labels).sum(-1)) * counts).sum(0) / counts.sum(0)

    own = entropy(torch.nan_to_num(weak))
    assert float(own.max() - own.min()) > 1
    assert torch.allclose(entropy(made), own.mean().expand(4), atol=1e-6)
    assert heat[0] < 1 < heat[2]
    there = ~weak[..., 0].isnan()
    assert torch.equal(made.argmax(-1)[there], weak.argmax(-1)[there])
    wide = torch.cat([weak, torch.zeros(200, 4, 1).double().masked_fill(weak[..., :1].isnan(), torch.nan)], -1)
    assert float(tempered(wide, heat)[..., 4].max()) == 0


# --- claims on a planted world ------------------------------------------------------------------------------------------------------


def shifted(seed: int, confidence=(8.0, 1.0, 1.0, 1.0), n: int = 500):
    """Four linear supervisors, each off the truth in a direction of its own by a growing angle; the first and worst is the surest."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 12))
    base = np.linalg.qr(random.normal(size=(12, 5)))[0].T
    truth = x @ base[0] > 0
    tables = []
    for k, angle in enumerate(np.radians([72, 60, 45, 25])):
        z = confidence[k] * (np.cos(angle) * x @ base[0] + np.sin(angle) * x @ base[k + 1])
        tables.append(WeakLabels.from_probs(shares(np.stack([-z, z], 1)), ["no", "yes"], source=f"s{k}"))
    return Rows.from_arrays(X=x), WeakLabels.stack(tables), np.where(truth, "yes", "no")


def measured(labels: str, rate: float, by: str, seeds=range(3)):
    out = []
    for seed in seeds:
        rows, weak, truth = shifted(seed)
        learn, test = slice(0, 300), slice(300, None)
        made = {
            "raven": Raven(HEAD, rate=rate, labels=labels, by=by),
            "uniform": Raven(HEAD, rate=0, easy=0, labels=labels),
        }
        found = {
            k: (m.fit(rows[learn], weak[learn]).predict(rows[test]) == truth[test]).mean() for k, m in made.items()
        }
        alone = [
            (Naive(HEAD).fit(rows[learn], weak.source(k)[learn]).predict(rows[test]) == truth[test]).mean()
            for k in range(4)
        ]
        accuracy = (weak.classes[weak.hard()] == truth[:, None]).mean(axis=0)
        ranks = spearmanr(made["raven"].weights_, accuracy)[0]
        easy = unanimous(weak_tensor(weak)).numpy()
        right = weak.classes[weak.hard()[:, 3]] == truth
        out.append(
            (
                found["raven"] - found["uniform"],
                found["raven"] - np.mean(alone),
                ranks,
                right[easy].mean() - accuracy.mean(),
            )
        )
    return np.mean(out, axis=0)


@pytest.mark.parametrize(
    ("labels", "rate", "by"),
    [("matched", 1.0, "loss"), ("hard", 4.0, "loss"), ("matched", 4.0, "agreement"), ("hard", 4.0, "agreement")],
)
def test_weights_rank_supervisors_and_the_student_gains(labels, rate, by):
    over_uniform, over_naive, ranks, easy = measured(labels, rate, by)
    assert ranks >= 0.6
    assert over_uniform >= 0
    assert over_naive >= 0.08
    assert easy > 0.15


def test_soft_labels_reward_confidence():
    """The released rule fails where the worst supervisor is the surest: its weight is the largest."""
    rows, weak, _ = shifted(0)
    soft = Raven(HEAD, rate=4.0, labels="soft", by="loss").fit(rows, weak).weights_
    matched = Raven(HEAD, rate=4.0, labels="matched", by="loss").fit(rows, weak).weights_
    assert soft.argmax() == 0
    assert matched.argmin() == 0


# --- bad input ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"rate": -1}, "rate must be a number of at least 0, not -1"),
        ({"rate": np.inf}, "not inf"),
        ({"rate": "fast"}, "not 'fast'"),
        ({"easy": 1}, "easy must be a number of at least 0 and below 1, not 1"),
        ({"easy": True}, "not True"),
        ({"labels": "mached"}, "labels is 'mached'; did you mean 'matched'?"),
        ({"by": "los"}, "by is 'los'; did you mean 'loss'?"),
    ],
)
def test_parameters_out_of_range(params, message):
    rows, weak = ordinary("several")
    for call in (lambda: Raven(**params).check(), lambda: Raven(**params).fit(rows, weak)):
        with pytest.raises(InputError) as raised:
            call()
        assert message in str(raised.value)


def test_what_it_needs():
    rows, weak = ordinary("several")
    assert Raven().needs().supervisors == 2
    with pytest.raises(NeedsError, match="Raven needs 2 supervisors, the study gives 1"):
        Raven(HEAD).fit(rows, weak.source(0))
    with pytest.raises(LabelsError, match="this learner predicts values; use Naive"):
        Raven(RidgeHead()).check()


def test_supervisors_that_never_speak_or_never_agree():
    rows, weak = ordinary("several")
    n = len(rows)
    silent = WeakLabels.stack([weak.source(0), named(weak.probs[:, 1], np.zeros(n, bool), "mute")])
    with pytest.raises(LabelsError, match=f"supervisor 'mute' covers none of the {n} rows that count; leave it out"):
        Raven(HEAD).fit(rows, silent)
    turned = named(np.roll(weak.probs[:, 0], 1, axis=1), None, "turned")
    with pytest.raises(LabelsError, match=r"'s0\+turned' agree on no row, and Raven starts there; set easy=0"):
        Raven(HEAD).fit(rows, WeakLabels.stack([weak.source(0), turned]))
    Raven(HEAD, easy=0).fit(rows, WeakLabels.stack([weak.source(0), turned]))
    only = np.where((weak.probs[:, 0].argmax(1) == 0)[:, None], weak.probs[:, 0], turned.probs[:, 0])
    with pytest.raises(LabelsError, match="agree on class 'a' only"):
        Raven(HEAD).fit(rows, WeakLabels.stack([weak.source(0), named(only, None, "half")]))

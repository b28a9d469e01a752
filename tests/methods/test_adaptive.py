from __future__ import annotations

import numpy as np
import pytest
import torch

from outgrow.errors import InputError, LabelsError
from outgrow.learners.linear import LinearHead
from outgrow.learners.ridge import RidgeHead
from outgrow.methods import AdaptiveConfidence, Naive
from outgrow.methods.adaptive import AdaptiveObjective
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.rows import Rows

from .test_confidence import many
from .test_naive import data, table

HEAD = LinearHead(penalty=0.1)


def made(objective, z, y, weight=None, progress=1.0):
    weight = torch.ones(len(z), dtype=torch.float64) if weight is None else weight
    return objective.targets(z, y[:, None, :], weight, progress, {})[0]


def pair(n: int = 12, c: int = 3, seed: int = 0):
    random = np.random.default_rng(seed)
    z, y = (torch.from_numpy(2 * random.normal(size=(n, c))) for _ in range(2))
    return z, torch.softmax(y, -1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("follow", ["weak", "student"])
def test_the_share_is_that_of_the_formula(temperature, follow):
    z, y = pair()
    found = made(AdaptiveObjective(0.8, 0.25, temperature, follow), z, y).numpy()
    p, labels = torch.softmax(z, -1).numpy(), y.numpy()
    for i in range(len(p)):
        own = p[i].argmax()
        e_s, e_t = -np.log(p[i, own]), -np.log(p[i, labels[i].argmax()])
        beta = np.exp(e_s / temperature) / (np.exp(e_s / temperature) + np.exp(e_t / temperature))
        a = 0.8 * (beta if follow == "weak" else 1 - beta)
        assert np.allclose(found[i], (1 - a) * labels[i] + a * np.eye(3)[own], atol=1e-12)


def test_agreement_is_a_half_and_sure_disagreement_is_decided_by_the_switch():
    y = torch.tensor([[0.3, 0.7]], dtype=torch.float64)
    agree, against = (torch.tensor([[-s, s]], dtype=torch.float64) for s in (3.0, -30.0))
    for follow in ("weak", "student"):
        assert made(AdaptiveObjective(follow=follow), agree, y)[0].tolist() == pytest.approx([0.15, 0.85])
    assert made(AdaptiveObjective(follow="weak"), against, y)[0].tolist() == pytest.approx([0.3, 0.7])
    assert made(AdaptiveObjective(follow="student"), against, y)[0].tolist() == pytest.approx([1, 0])


@pytest.mark.parametrize(("progress", "ramp", "rise"), [(0, 0.25, 0), (0.125, 0.25, 0.5), (0.9, 0.25, 1), (0, 0, 1)])
def test_the_ramp_is_linear(progress, ramp, rise):
    z, y = pair()
    full = made(AdaptiveObjective(ramp=0), z, y)
    assert torch.allclose(made(AdaptiveObjective(ramp=ramp), z, y, progress=progress), y + rise * (full - y))
    free = z.clone().requires_grad_()
    assert not made(AdaptiveObjective(), free, y).requires_grad


@pytest.mark.parametrize("case", ["plain", "several", "abstaining", "many classes", "weighted"])
def test_weight_zero_equals_naive_bit_for_bit(case):
    x, probs = many(80, 4) if case == "many classes" else data(80)
    weak = table(probs, classes=list("abcd")[: probs.shape[1]])
    weight = None
    if case in ("several", "abstaining"):
        mask = np.random.default_rng(4).random((80, 2)) < (0.5 if case == "abstaining" else 1.1)
        weak = WeakLabels.stack([table(probs, mask[:, 0]), table(data(80, seed=1)[1], mask[:, 1])])
    if case == "weighted":
        weight = np.random.default_rng(5).uniform(0, 1, 80)
    rows = Rows.from_arrays(X=x)
    off = AdaptiveConfidence(HEAD, weight=0).fit(rows, weak, sample_weight=weight).student_
    naive = Naive(HEAD).fit(rows, weak, sample_weight=weight).student_
    assert np.array_equal(off.coef_, naive.coef_)
    assert np.array_equal(off.intercept_, naive.intercept_)
    on = AdaptiveConfidence(HEAD).fit(rows, weak, sample_weight=weight)
    assert not np.array_equal(on.student_.coef_, naive.coef_)


@pytest.mark.parametrize("follow", ["weak", "student"])
@pytest.mark.parametrize("c", [2, 4])
def test_rows_of_weight_zero_change_no_bit(follow, c):
    x, probs = many(80, c)
    keep = np.random.default_rng(3).random(80) < 0.6
    rows, weak = Rows.from_arrays(X=x), table(probs, classes=list("abcd")[:c])
    a = AdaptiveConfidence(HEAD, follow=follow).fit(rows, weak, sample_weight=keep.astype(float)).student_
    b = AdaptiveConfidence(HEAD, follow=follow).fit(rows[keep], weak[keep]).student_
    assert np.array_equal(a.coef_, b.coef_)
    z, y = pair()
    dead = torch.arange(12) % 3 == 0
    broken, weight = y.clone(), (~dead).double()
    broken[dead] = torch.nan
    assert torch.equal(made(AdaptiveObjective(), z, broken, weight)[~dead], made(AdaptiveObjective(), z, y)[~dead])


def test_a_supervisor_of_few_rows_and_a_class_nobody_names():
    x, probs = data(200, seed=2)
    wide = np.concatenate([probs, np.zeros((200, 1))], axis=1)
    few = table(wide, np.arange(200) % 20 == 0, list("abc"))
    weak = WeakLabels.stack([few, table(wide, np.arange(200) % 2 == 0, list("abc"))])
    for labels in (weak, few):
        student = AdaptiveConfidence(HEAD).fit(Rows.from_arrays(X=x), labels)
        assert student.predict_proba(x)[:, 2].max() < 1e-12
        assert (student.predict(x) == np.where(x[:, 0] > 0, "b", "a")).mean() > 0.7


def test_following_the_student_makes_it_surer():
    x, probs = many(300, 4, seed=4)
    sure = [
        m.fit(x, probs).predict_proba(x).max(1).mean()
        for m in (Naive(HEAD), AdaptiveConfidence(HEAD), AdaptiveConfidence(HEAD, follow="student"))
    ]
    assert sure[0] < sure[1] < sure[2]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"weight": 1.5}, "weight must be a number between 0 and 1, not 1.5"),
        ({"ramp": "long"}, "ramp must be a number between 0 and 1, not 'long'"),
        ({"temperature": 0}, "temperature must be a finite number above 0, not 0"),
        ({"follow": "studnet"}, "'weak' or 'student', not 'studnet'; did you mean 'student'?"),
    ],
)
def test_parameters_out_of_range(params, message):
    with pytest.raises(InputError) as raised:
        AdaptiveConfidence(**params).fit(*data())
    assert message in str(raised.value)


def test_a_value_task():
    with pytest.raises(LabelsError, match="compares class answers, and this learner predicts values"):
        AdaptiveConfidence(RidgeHead()).check()

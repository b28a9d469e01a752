from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from outgrow.errors import InputError, LabelsError
from outgrow.learners.linear import LinearHead
from outgrow.learners.objective import CrossEntropy
from outgrow.learners.ridge import RidgeHead
from outgrow.methods import Confidence, Naive
from outgrow.methods.confidence import ConfidenceObjective, harden
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.rows import Rows

from .test_naive import data, table


def many(n: int, c: int, seed: int = 0, scale: float = 2.0):
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 4))
    z = scale * (x @ random.normal(size=(4, c)) + random.normal(size=(n, c)))
    p = np.exp(z - z.max(1, keepdims=True))
    return x, p / p.sum(1, keepdims=True)


def tensors(n: int, c: int, seed: int = 0, weighted: bool = True):
    random = np.random.default_rng(seed)
    logits = torch.from_numpy(3 * random.normal(size=(n, c)))
    share = torch.from_numpy(random.dirichlet(np.ones(c)))
    weight = torch.from_numpy(random.uniform(0.2, 2, size=n) if weighted else np.ones(n))
    return logits, share, weight


# --- off is naive -------------------------------------------------------------------------------------------------------------------


def two_views(n: int):
    x, probs = data(n)
    return Rows.from_arrays(X=x), table(probs), data(n, seed=1)[1]


@pytest.mark.parametrize("given_as", ["array", "rows", "several", "abstaining", "many classes", "weighted"])
def test_weight_zero_equals_naive_bit_for_bit(given_as):
    rows, weak, other = two_views(90)
    weight = None
    X: object = rows
    if given_as == "array":
        X, weak = rows.view(), weak.probs[:, 0]
    elif given_as == "several":
        weak = WeakLabels.stack([weak, table(other)])
    elif given_as == "abstaining":
        mask = np.random.default_rng(4).random((90, 2)) < 0.5
        weak = WeakLabels.stack([table(weak.probs[:, 0], mask[:, 0]), table(other, mask[:, 1])])
    elif given_as == "many classes":
        x, probs = many(90, 5)
        X, weak = Rows.from_arrays(X=x), table(probs, classes=list("abcde"))
    else:
        weight = np.random.default_rng(5).uniform(0, 1, 90)
    off = Confidence(LinearHead(), weight=0).fit(X, weak, sample_weight=weight)
    naive = Naive(LinearHead()).fit(X, weak, sample_weight=weight)
    assert np.array_equal(off.student_.coef_, naive.student_.coef_)
    assert np.array_equal(off.student_.intercept_, naive.student_.intercept_)
    assert np.array_equal(off.predict_proba(X), naive.predict_proba(X))
    assert np.array_equal(off.predict(X), naive.predict(X))
    assert isinstance(off.objective_, CrossEntropy)
    on = Confidence(LinearHead()).fit(X, weak, sample_weight=weight)
    assert not np.array_equal(on.student_.coef_, naive.student_.coef_)


# --- the objective ------------------------------------------------------------------------------------------------------------------


def targets(objective, logits, weak, weight=None, progress=1.0):
    weight = torch.ones(len(logits), dtype=torch.float64) if weight is None else weight
    return objective.targets(logits, weak[:, None, :], weight, progress, {})[0]


@pytest.mark.parametrize(
    ("progress", "ramp", "share"),
    [
        (0.0, 0.2, 0.0),
        (0.05, 0.2, 0.25),
        (0.1, 0.2, 0.5),
        (0.2, 0.2, 1.0),
        (0.9, 0.2, 1.0),
        (0.0, 0.0, 1.0),
        (0.5, 1.0, 0.5),
        (1.0, 1.0, 1.0),
    ],
)
def test_the_ramp_is_linear(progress, ramp, share):
    logits = torch.tensor([[0.0, 2.0], [0.0, 1.0], [0.0, -1.0], [0.0, -2.0]], dtype=torch.float64)
    weak = torch.tensor([[0.2, 0.8], [0.6, 0.4], [0.5, 0.5], [0.7, 0.3]], dtype=torch.float64)  # mean of the second: .5
    hard = torch.tensor([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    a = 0.75 * share
    found = targets(ConfidenceObjective(0.75, ramp, "weak"), logits, weak, progress=progress)
    assert torch.allclose(found, (1 - a) * weak + a * hard, atol=1e-12)


@pytest.mark.parametrize(
    ("progress", "ramp", "share"), [(0.0, 0.1, 0.0), (0.05, 0.1, 0.05), (0.1, 0.1, 0.1), (0.11, 0.1, 1.0), (1, 1, 1)]
)
def test_the_legacy_ramp_jumps_at_its_end(progress, ramp, share):
    logits, _, _ = tensors(9, 2, weighted=False)
    weak = torch.full((9, 2), 0.5, dtype=torch.float64)
    hard = harden(logits, weak.mean(0), torch.ones(9, dtype=torch.float64))
    found = targets(ConfidenceObjective(0.5, ramp, "weak", jump=True), logits, weak, progress=progress)
    a = 0.5 * share
    assert torch.allclose(found, (1 - a) * weak + a * hard, atol=1e-12)


def test_the_legacy_jump_is_off_by_default_and_reaches_the_student():
    x, probs = data(90)
    fits = [Confidence(LinearHead(penalty=0.1), ramp=0.5, **k).fit(x, probs) for k in ({}, {"legacy_jump": True})]
    assert [f.objective_.jump for f in fits] == [False, True]
    assert not np.array_equal(fits[0].student_.coef_, fits[1].student_.coef_)
    assert fits[0].fingerprint_ != fits[1].fingerprint_
    with pytest.raises(InputError, match="legacy_jump must be true or false, not 1"):
        Confidence(legacy_jump=1).check()


def test_gradient_is_that_of_a_detached_hard_target():
    logits, _, weight = tensors(12, 2, weighted=False)
    weak = torch.softmax(torch.from_numpy(np.random.default_rng(1).normal(size=(12, 2))), -1)
    objective, c = ConfidenceObjective(0.6, 0.2, "weak"), 0.6
    made = targets(objective, logits, weak, weight)
    hard = harden(logits, weak.mean(0), weight)
    expected = torch.softmax(logits, -1) - ((1 - c) * weak + c * hard)
    step = 1e-6
    for i, k in ((0, 0), (3, 1), (11, 1)):
        up, down = logits.clone(), logits.clone()
        up[i, k] += step
        down[i, k] -= step
        slope = (objective.rows(up, made).sum() - objective.rows(down, made).sum()) / (2 * step)
        assert float(slope) == pytest.approx(float(expected[i, k]), abs=1e-8)
    free = logits.clone().requires_grad_(True)
    assert not targets(objective, free, weak, weight).requires_grad


def test_a_soft_detached_self_target_would_be_plain_cross_entropy():
    logits, _, _ = tensors(8, 3)
    weak = torch.softmax(torch.from_numpy(np.random.default_rng(2).normal(size=(8, 3))), -1)
    p = torch.softmax(logits, -1)
    z = logits.clone().requires_grad_(True)
    CrossEntropy().rows(z, 0.4 * weak + 0.6 * p).sum().backward()
    assert torch.allclose(z.grad, 0.4 * (p - weak), atol=1e-12)


# --- hard answers -------------------------------------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(n=st.integers(2, 60), c=st.integers(2, 6), seed=st.integers(0, 10**6), weighted=st.booleans())
def test_shares_are_exact(n, c, seed, weighted):
    logits, share, weight = tensors(n, c, seed, weighted)
    answer = harden(logits, share, weight)
    assert torch.allclose(answer.sum(-1), torch.ones(n, dtype=torch.float64), atol=1e-12)
    assert float((answer * weight[:, None]).sum(0).div(weight.sum()).sub(share).abs().max()) < 1e-8
    assert int((answer.amax(-1) < 0.999).sum()) <= (1 if c == 2 else 2 * c)


@pytest.mark.parametrize("c", [2, 3, 5])
def test_no_other_answer_of_these_shares_has_a_higher_likelihood(c):
    n = 40
    logits, share, weight = tensors(n, c, seed=c)
    score = torch.log_softmax(logits, -1)
    row = np.kron(np.eye(n), np.ones(c))
    column = np.kron(weight.numpy(), np.eye(c))
    goal = (share * weight.sum()).numpy()
    best = linprog(
        -(score * weight[:, None]).numpy().ravel(), A_eq=np.vstack([row, column[:-1]]), b_eq=[*np.ones(n), *goal[:-1]]
    )
    ours = float((score * weight[:, None] * harden(logits, share, weight)).sum())
    assert ours == pytest.approx(-best.fun, abs=2e-3 * abs(best.fun) if c > 2 else 1e-8)


def test_two_classes_are_cut_at_the_quantile():
    logits, _, weight = tensors(101, 2, weighted=False)
    margin = (logits[:, 1] - logits[:, 0]).numpy()
    answer = harden(logits, torch.tensor([0.7, 0.3], dtype=torch.float64), weight)[:, 1].numpy()
    order = np.argsort(-margin)
    assert answer[order[:30]].tolist() == [1.0] * 30
    assert answer[order[30]] == pytest.approx(0.3)
    assert answer[order[31:]].sum() == 0


def test_the_general_rule_equals_the_two_class_rule():
    logits, share, weight = tensors(80, 2, seed=9)
    third = torch.cat([logits, torch.full((80, 1), 0.0, dtype=torch.float64)], -1)
    two = harden(logits, share, weight)
    three = harden(third, torch.cat([share, torch.zeros(1, dtype=torch.float64)]), weight)
    assert float(three[:, 2].max()) == 0
    assert int((two.argmax(-1) != three[:, :2].argmax(-1)).sum()) <= 1
    assert float((two - three[:, :2]).abs().sum()) < 2


@pytest.mark.parametrize("c", [2, 4])
def test_ties_are_shared_out_and_order_does_not_matter(c):
    logits, share, _ = tensors(10, c, seed=3)
    tied = logits.repeat(4, 1)
    weight = torch.ones(40, dtype=torch.float64)
    answer = harden(tied, share, weight)
    assert torch.allclose(answer[:10], answer[30:], atol=1e-9)
    heavy = harden(logits, share, torch.full((10,), 4.0, dtype=torch.float64))
    assert torch.allclose(heavy, answer[:10], atol=1e-6)
    blank = harden(torch.zeros(6, c, dtype=torch.float64), share, torch.ones(6, dtype=torch.float64))
    assert torch.allclose(blank, share.expand(6, c), atol=1e-9)


def test_batches_are_answered_one_by_one():
    parts = [tensors(30, 3, seed=s) for s in (1, 2)]
    both = harden(*(torch.stack(p) for p in zip(*parts, strict=True)))
    for answer, one in zip(both, parts, strict=True):
        assert torch.equal(answer, harden(*one))
    single = harden(parts[0][0].float(), parts[0][1], parts[0][2])
    assert single.dtype == torch.float32


@pytest.mark.parametrize("c", [2, 5])
@pytest.mark.parametrize("threshold", ["weak", "half"])
def test_dead_rows_change_no_target(c, threshold):
    logits, _, weight = tensors(40, c)
    weak = torch.softmax(tensors(40, c, seed=5)[0], -1)
    dead = torch.zeros(40, dtype=torch.bool)
    dead[::3] = True
    weak[dead] = torch.nan
    logits[dead] *= 100
    weight[dead] = 0
    objective = ConfidenceObjective(0.5, 0.2, threshold)
    whole = targets(objective, logits, weak, weight)
    assert torch.isfinite(whole).all()
    # To rounding: a sum with zeros in it is added up in another order. Heads take dead rows out, and their bits are equal (below).
    assert torch.allclose(
        whole[~dead], targets(objective, logits[~dead], weak[~dead], weight[~dead]), rtol=0, atol=1e-9
    )
    if threshold == "half":
        mine = (whole[~dead] - 0.5 * weak[~dead]) / 0.5
        shares = (mine * weight[~dead, None]).sum(0) / weight.sum()
        assert torch.allclose(shares, torch.full((c,), 1 / c, dtype=torch.float64), atol=1e-8)


# --- with the exact head ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("penalty", [0.1, "cv"])
@pytest.mark.parametrize("c", [2, 5])
def test_rows_of_weight_zero_change_no_bit(c, penalty):
    x, probs = many(90, c)
    classes = [f"k{j}" for j in range(c)]
    keep = np.random.default_rng(3).random(90) < 0.6
    rows, weak = Rows.from_arrays(X=x), table(probs, classes=classes)
    a = Confidence(LinearHead(penalty=penalty)).fit(rows, weak, sample_weight=keep.astype(float))
    b = Confidence(LinearHead(penalty=penalty)).fit(rows[keep], weak[keep])
    assert np.array_equal(a.student_.coef_, b.student_.coef_)
    assert np.array_equal(a.student_.intercept_, b.student_.intercept_)


@pytest.mark.parametrize(("c", "ramp"), [(2, 0.2), (2, 0.0), (2, 1.0), (5, 0.2), (5, 0.0)])
def test_the_order_of_rows_does_not_matter(c, ramp):
    x, probs = many(120, c, seed=2)
    classes = [f"k{j}" for j in range(c)]
    order = np.random.default_rng(1).permutation(120)
    fits = []
    for rows in (np.arange(120), order):
        weak = table(probs[rows], classes=classes)
        fits.append(Confidence(LinearHead(penalty=0.1, tol=1e-10), ramp=ramp).fit(Rows.from_arrays(X=x[rows]), weak))
    assert np.allclose(fits[0].student_.coef_, fits[1].student_.coef_, atol=1e-6)


def test_a_row_of_weight_two_is_the_row_twice():
    x, probs = data(50)
    twice = np.concatenate([np.arange(50), np.arange(10)])
    weight = np.where(np.arange(50) < 10, 2.0, 1.0)
    head = LinearHead(penalty=0.1, tol=1e-10)
    a = Confidence(head).fit(x, probs, sample_weight=weight)
    b = Confidence(head).fit(x[twice], probs[twice])
    assert np.allclose(a.student_.coef_, b.student_.coef_, atol=1e-6)


def test_the_student_becomes_surer_than_naive():
    x, probs = many(300, 5, seed=4)
    naive = Naive(LinearHead(penalty=0.1)).fit(x, probs).predict_proba(x).max(1).mean()
    sure = Confidence(LinearHead(penalty=0.1)).fit(x, probs).predict_proba(x).max(1).mean()
    assert sure > naive + 0.01


def test_classes_keep_their_names_and_one_that_nobody_names_stays():
    x, probs = data(60)
    wide = np.concatenate([probs, np.zeros((60, 1))], axis=1)
    student = Confidence(LinearHead(penalty=0.1)).fit(Rows.from_arrays(X=x), table(wide, classes=["a", "b", "never"]))
    assert student.classes_.tolist() == ["a", "b", "never"]
    assert student.predict_proba(x)[:, 2].max() < 1e-12
    two = Confidence(LinearHead(penalty=0.1)).fit(x, probs)
    assert (student.predict(x) == np.where(two.predict(x) == 0, "a", "b")).mean() > 0.95


# --- bad input ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"weight": 1}, "weight must be a number of at least 0 and below 1, not 1"),
        ({"weight": -0.1}, "not -0.1"),
        ({"weight": float("nan")}, "not nan"),
        ({"weight": "high"}, "weight must be a number of at least 0 and below 1, not 'high'"),
        ({"weight": None}, "not None"),
        ({"ramp": 1.5}, "ramp must be a number between 0 and 1, not 1.5"),
        ({"ramp": True}, "not True"),
        ({"threshold": "weka"}, "'weak' or 'half', not 'weka'; did you mean 'weak'?"),
    ],
)
def test_parameters_out_of_range(params, message):
    x, probs = data()
    with pytest.raises(InputError) as raised:
        Confidence(**params).fit(x, probs)
    assert message in str(raised.value)
    with pytest.raises(InputError):
        Confidence(**params).check()


def test_a_value_task():
    with pytest.raises(LabelsError, match="this learner predicts values; use Naive for a value task"):
        Confidence(RidgeHead()).fit(data()[0], data()[0][:, 0])

from __future__ import annotations

import numpy as np
import pytest
import torch

from outgrow.errors import InputError, LabelsError
from outgrow.forecasts import KLMisfit
from outgrow.learners.linear import LinearHead
from outgrow.learners.objective import CrossEntropy
from outgrow.learners.ridge import RidgeHead
from outgrow.methods import Divergence, Naive
from outgrow.methods.divergence import MAKE, Entropy, Product, Reverse, Window, _median
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.rows import Rows

from .test_confidence import many
from .test_naive import data, table

KINDS = tuple(MAKE)
CHANGING = tuple(k for k in KINDS if k != "forward_kl")
HEAD = LinearHead(penalty=0.1)


def pair(n: int = 7, c: int = 3, seed: int = 0):
    random = np.random.default_rng(seed)
    z, y = (torch.from_numpy(random.normal(size=(n, c))) for _ in range(2))
    return 1.5 * z, torch.softmax(2 * y, -1)


def slope(value, z, step: float = 1e-5):
    """Central differences of a sum over rows."""
    out = torch.zeros_like(z)
    for i in range(z.shape[0]):
        for k in range(z.shape[1]):
            move = torch.zeros_like(z)
            move[i, k] = step
            out[i, k] = (value(z + move).sum() - value(z - move).sum()) / (2 * step)
    return out


def made(objective, z, y, weight=None, progress=1.0):
    weight = torch.ones(len(z), dtype=torch.float64) if weight is None else weight
    targets, counted, _ = objective.targets(z, y[:, None, :], weight, progress, objective.start(y[:, None, :], weight))
    assert not targets.requires_grad
    assert counted is weight
    return targets


# --- the algebra of each loss, by finite differences --------------------------------------------------------------------------------


@pytest.mark.parametrize("c", [2, 4])
def test_values_are_the_textbook_ones(c):
    z, y = pair(c=c)
    p = torch.softmax(z, -1)
    ce, h = -(y * p.log()).sum(-1), -(p * p.log()).sum(-1)
    reverse = (p * (p / y).log()).sum(-1)
    assert torch.allclose(Reverse(1, 1, 1e-12).rows(z, y), reverse, atol=1e-9)
    assert torch.allclose(Reverse(1, 0, 1e-12).rows(z, y), -(p * y.log()).sum(-1), atol=1e-9)
    half = 0.5 * ((y * (y / p).log()).sum(-1) + reverse)
    constant = -0.5 * (y * y.log()).sum(-1)
    assert torch.allclose(Reverse(0.5, 1, 1e-12).rows(z, y), half + constant, atol=1e-9)
    assert torch.allclose(Entropy(0.3).rows(z, y), 0.7 * ce + 0.3 * h, atol=1e-12)
    assert float(Reverse(1, 1, 0.2).rows(torch.zeros(1, c), torch.full((1, c), 1 / c))) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("c", [2, 4])
def test_gradients_by_finite_differences(c):
    z, y = pair(c=c)
    p = torch.softmax(z, -1)

    def centred(v):
        """The gradient of sum_k p_k v_k by the logits, v taken as constant."""
        return p * (v - (p * v).sum(-1, keepdim=True))

    kl = slope(lambda v: Reverse(1, 1, 1e-12).rows(v, y), z)
    assert torch.allclose(kl, centred((p / y).log()), atol=1e-8)
    rce = slope(lambda v: Reverse(1, 0, 1e-12).rows(v, y), z)
    assert torch.allclose(rce, centred(-y.log()), atol=1e-8)
    both = slope(lambda v: Reverse(0.5, 1, 1e-12).rows(v, y), z)
    assert torch.allclose(both, 0.5 * (p - y) + 0.5 * kl, atol=1e-8)
    entropy = slope(lambda v: Entropy(0.4).rows(v, y), z)
    assert torch.allclose(entropy, 0.6 * (p - y) + 0.4 * centred(-p.log()), atol=1e-8)


def test_a_detached_soft_self_target_is_cross_entropy_at_a_smaller_step_and_a_true_entropy_is_not():
    z, y = pair()
    p, c = torch.softmax(z, -1), 0.4
    detached = slope(lambda v: CrossEntropy().rows(v, (1 - c) * y + c * p), z)
    assert torch.allclose(detached, (1 - c) * (p - y), atol=1e-8)
    true = slope(lambda v: Entropy(c).rows(v, y), z)
    assert float((true - (1 - c) * (p - y)).abs().max()) > 0.05


def test_a_true_entropy_makes_a_student_surer_than_its_labels():
    y = torch.tensor([[0.4, 0.6]], dtype=torch.float64)
    z = torch.zeros(1, 2, dtype=torch.float64, requires_grad=True)
    step = torch.optim.LBFGS(
        [z], max_iter=200, line_search_fn="strong_wolfe", tolerance_grad=1e-12, tolerance_change=1e-16
    )

    def closure():
        step.zero_grad()
        loss = Entropy(0.4).rows(z, y).sum()
        loss.backward()
        return loss

    step.step(closure)
    p = torch.softmax(z.detach(), -1)[0, 1]
    assert float(0.6 * (p - 0.6)) == pytest.approx(float(0.4 * p * (1 - p) * (p / (1 - p)).log()), abs=1e-6)
    assert p > 0.7


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 0.0), (1.0, 0.5), (0.5, 0.75), (2.0, 0.3)])
def test_the_product_stands_still_at_a_power_of_the_label(alpha, beta):
    z, y = pair()
    objective = Product(1.0, alpha, beta)
    still = torch.softmax(alpha / (1 - beta) * y.log(), -1)
    assert torch.allclose(made(objective, still.log(), y), still, atol=1e-12)
    for _ in range(200):
        z = made(objective, z, y).log()
    assert torch.allclose(torch.softmax(z, -1), still, atol=1e-9)
    target = made(objective, z, y)
    grad = slope(lambda v: objective.rows(v, target), z)
    assert torch.allclose(grad, torch.softmax(z, -1) - target, atol=1e-8)


def test_at_beta_one_nothing_would_stop_the_product():
    z, y = pair()
    z, labels = z[:1], y[:1]
    for _ in range(300):
        z = made(Product(1.0, 1.0, 1.0), z, labels).clamp_min(1e-300).log()
    assert float(torch.softmax(z, -1).max()) == pytest.approx(1, abs=1e-9)
    uniform = torch.full((1, 3), 1 / 3, dtype=torch.float64)
    start = pair()[0][:1]
    assert torch.allclose(made(Product(1.0, 1.0, 1.0), start, uniform), torch.softmax(start, -1))
    with pytest.raises(InputError, match=r"below 1, not 1\.0; at 1 the student's logits grow without end"):
        Divergence(kind="product", beta=1.0).check()


def test_a_class_of_weak_probability_zero_keeps_it_under_the_product():
    z = torch.zeros(1, 3, dtype=torch.float64)
    y = torch.tensor([[0.0, 0.3, 0.7]], dtype=torch.float64)
    assert made(Product(), z, y)[0, 0] == 0
    assert made(Product(0.5), z, y).sum() == pytest.approx(1)


@pytest.mark.parametrize("radius", [0.15, 0.3])
def test_a_window_has_the_gradient_of_cross_entropy_inside_and_none_outside(radius):
    z, y = pair(n=40)
    p = torch.softmax(z, -1)
    inside = p.amax(-1) < 0.5 + radius
    assert 5 < int(inside.sum()) < 35
    target = made(Window(1.0, radius), z, y)
    grad = slope(lambda v: Window(1.0, radius).rows(v, target), z)
    assert torch.allclose(grad[inside], (p - y)[inside], atol=1e-8)
    assert float(grad[~inside].abs().max()) < 1e-8
    mixed = made(Window(0.25, radius), z, y)
    assert torch.allclose(mixed[~inside], 0.75 * y[~inside] + 0.25 * p[~inside])


def test_midweak_is_the_weighted_median_of_the_labels_distance_from_a_half():
    _, y = pair(n=9, c=2)
    ones = torch.ones(9, dtype=torch.float64)
    distance = (y[:, 1] - 0.5).abs()
    assert float(_median(y.amax(-1), ones)) == pytest.approx(0.5 + float(distance.median()))
    even = torch.tensor([0.6, 0.9, 0.7, 0.8], dtype=torch.float64)
    assert float(_median(even, torch.ones(4, dtype=torch.float64))) == pytest.approx(0.75)
    weight = torch.tensor([1.0, 0.0, 2.0, 1.0], dtype=torch.float64)
    repeated = np.median(np.repeat(even.numpy(), weight.int().numpy()))
    assert float(_median(even, weight)) == pytest.approx(repeated)


# --- off is naive -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["plain", "several", "abstaining", "many classes", "weighted"])
@pytest.mark.parametrize("kind", KINDS)
def test_weight_zero_equals_naive_bit_for_bit(kind, case):
    x, probs = many(80, 4) if case == "many classes" else data(80)
    weak = table(probs, classes=list("abcd")[: probs.shape[1]])
    weight = None
    if case in ("several", "abstaining"):
        mask = np.random.default_rng(4).random((80, 2)) < (0.5 if case == "abstaining" else 1.1)
        weak = WeakLabels.stack([table(probs, mask[:, 0]), table(data(80, seed=1)[1], mask[:, 1])])
    if case == "weighted":
        weight = np.random.default_rng(5).uniform(0, 1, 80)
    rows = Rows.from_arrays(X=x)
    off = Divergence(HEAD, kind=kind, weight=0).fit(rows, weak, sample_weight=weight)
    naive = Naive(HEAD).fit(rows, weak, sample_weight=weight)
    assert np.array_equal(off.student_.coef_, naive.student_.coef_)
    assert np.array_equal(off.student_.intercept_, naive.student_.intercept_)
    if case != "plain":
        return
    on = Divergence(HEAD, kind=kind).fit(rows, weak)
    assert np.array_equal(on.student_.coef_, naive.student_.coef_) == (kind == "forward_kl")


def test_symmetric_is_half_of_reverse_kl_and_half_of_cross_entropy():
    x, probs = data(80)
    a = Divergence(HEAD, kind="symmetric").fit(x, probs)
    b = Divergence(HEAD, kind="reverse_kl", weight=0.5).fit(x, probs)
    assert np.array_equal(a.student_.coef_, b.student_.coef_)


# --- ordinary input -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", CHANGING)
@pytest.mark.parametrize("c", [2, 4])
def test_rows_of_weight_zero_change_no_bit(kind, c):
    x, probs = many(80, c)
    keep = np.random.default_rng(3).random(80) < 0.6
    rows, weak = Rows.from_arrays(X=x), table(probs, classes=list("abcd")[:c])
    radius = "midweak" if kind == "window" else 0.15
    method = Divergence(HEAD, kind=kind, radius=radius)
    a = method.fit(rows, weak, sample_weight=keep.astype(float)).student_
    b = Divergence(HEAD, kind=kind, radius=radius).fit(rows[keep], weak[keep]).student_
    assert np.array_equal(a.coef_, b.coef_)
    assert np.array_equal(a.intercept_, b.intercept_)


@pytest.mark.parametrize("objective", [Reverse(), Entropy(), Product(), Window(), Window(1.0, "midweak")])
def test_dead_rows_change_no_target_of_a_learner_that_keeps_them(objective):
    z, y = pair(n=20)
    weight = torch.ones(20, dtype=torch.float64)
    dead = torch.arange(20) % 3 == 0
    weight[dead], broken = 0, y.clone()
    broken[dead] = torch.nan
    if isinstance(objective, Product | Window):
        whole = made(objective, z, broken, weight)
        assert torch.isfinite(whole).all()
        assert torch.allclose(whole[~dead], made(objective, z[~dead], y[~dead], weight[~dead]))
    else:
        targets, counted, _ = objective.targets(z, broken[:, None], weight, 1.0, {})
        assert torch.equal(targets[~dead], y[~dead])
        assert counted is weight


@pytest.mark.parametrize("kind", CHANGING)
def test_a_supervisor_of_few_rows_and_a_class_nobody_names(kind):
    x, probs = data(200, seed=2)
    wide = np.concatenate([probs, np.zeros((200, 1))], axis=1)
    few = np.arange(200) % 20 == 0
    weak = WeakLabels.stack([table(wide, few, classes=list("abc")), table(wide, np.arange(200) % 2 == 0, list("abc"))])
    student = Divergence(HEAD, kind=kind).fit(Rows.from_arrays(X=x), weak)
    p = student.predict_proba(x)
    assert student.classes_.tolist() == ["a", "b", "c"]
    assert p[:, 2].max() < 1e-12
    assert (student.predict(x) == np.where(x[:, 0] > 0, "b", "a")).mean() > 0.8
    alone = Divergence(HEAD, kind=kind).fit(Rows.from_arrays(X=x), weak.source(0))
    assert np.isfinite(alone.predict_proba(x)).all()


@pytest.mark.parametrize("kind", CHANGING)
@pytest.mark.parametrize("names", [["no", "yes"], ["a", "b", "c"]])
def test_hard_labels_are_learned(kind, names):
    x, probs = many(150, len(names), seed=3)
    hard = np.asarray(names)[probs.argmax(1)]
    student = Divergence(HEAD, kind=kind).fit(x, hard)
    assert student.student_.converged_
    assert student.score(x, hard) > 0.6


def test_the_window_finds_rest():
    """More stages change little: sure rows are held in place, they do not leave and come back."""
    x, probs = data(300, seed=5)
    fits = [
        Divergence(LinearHead(penalty=0.01, stages=s), kind="window", radius=0.2).fit(x, probs).student_
        for s in (40, 41)
    ]
    naive = Naive(LinearHead(penalty=0.01)).fit(x, probs).student_
    apart = np.abs(fits[0].coef_ - fits[1].coef_).max()
    assert apart < 0.05 * np.abs(fits[0].coef_ - naive.coef_).max()


# --- claims on made-up worlds -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["reverse_kl", "reverse_ce"])
def test_a_sure_student_lets_go_of_a_label_that_contradicts_it(kind):
    """Why reverse losses bear flipped labels: the pull of such a row fades, while cross-entropy's goes to one."""
    y = torch.tensor([[0.9, 0.1]], dtype=torch.float64)
    objective = MAKE[kind](Divergence(), 1.0)
    pulls = {}
    for sure in (2.0, 4.0, 8.0):
        z = torch.tensor([[-sure / 2, sure / 2]], dtype=torch.float64)
        pulls[sure] = [float(slope(lambda v, o=o: o.rows(v, y), z)[0, 1]) for o in (objective, CrossEntropy())]
    assert pulls[2.0][0] > pulls[4.0][0] > pulls[8.0][0] > 0
    assert pulls[8.0][0] < 0.01
    assert pulls[8.0][1] > pulls[2.0][1] > 0.5


@pytest.mark.parametrize(("kind", "c"), [("reverse_kl", 2), ("reverse_kl", 3), ("reverse_ce", 3), ("entropy", 3)])
def test_no_other_start_finds_a_lower_minimum(kind, c):
    """These losses are not convex; the head starts at class shares. Soft labels."""
    x, probs = many(200, c, seed=1)
    student = Divergence(LinearHead(penalty=0.3), kind=kind).fit(x, probs).student_
    standard, labels = (x - x.mean(0)) / x.std(0), torch.from_numpy(probs)
    objective = MAKE[kind](Divergence(), Divergence(kind=kind)._share())

    def value(w, b):
        z = torch.from_numpy(standard) @ w.T + b
        z = torch.cat([-z / 2, z / 2], -1) if c == 2 else z
        return objective.rows(z, labels).mean() + 0.15 * (w**2).sum()

    ours = float(
        value(
            torch.from_numpy(student.coef_ * x.std(0)), torch.from_numpy(student.intercept_ + student.coef_ @ x.mean(0))
        )
    )
    random = np.random.default_rng(0)
    for _ in range(3):
        w = torch.from_numpy(random.normal(size=student.coef_.shape)).requires_grad_()
        b = torch.from_numpy(random.normal(size=student.intercept_.shape)).requires_grad_()
        step = torch.optim.LBFGS([w, b], max_iter=300, line_search_fn="strong_wolfe", tolerance_grad=1e-8)

        def closure(step=step, w=w, b=b):
            step.zero_grad()
            loss = value(w, b)
            loss.backward()
            return loss

        step.step(closure)
        assert ours <= float(value(w, b).detach()) + 1e-6


def test_reverse_kl_is_the_assumption_that_the_forecast_reads():
    x, probs = data()
    rows, weak = Rows.from_arrays(X=x), table(probs)

    def broken(method):
        first = KLMisfit().predict(method.fit(rows, weak), rows, weak)[0]
        return first.broken

    assert broken(Divergence(HEAD)) == ()
    for other in (Divergence(HEAD, weight=0.5), Divergence(HEAD, kind="reverse_ce"), Divergence(HEAD, weight=0)):
        assert broken(other) == ("not trained by KL(student || weak)",)


# --- bad input ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"kind": "reverse_lk"}, "no Divergence kind 'reverse_lk'; did you mean 'reverse_kl'?"),
        ({"kind": None}, "no Divergence kind None"),
        ({"weight": 1.5}, "weight of 'reverse_kl' must be a number of at least 0 and at most 1, not 1.5"),
        ({"weight": "much"}, "not 'much'"),
        ({"kind": "entropy", "weight": 1}, "weight of 'entropy' must be a number of at least 0 and below 1, not 1"),
        ({"floor": 0}, "floor must be a number above 0 and at most 1, not 0"),
        ({"floor": float("nan")}, "not nan"),
        ({"alpha": 0}, "alpha must be a finite number above 0, not 0"),
        ({"beta": -0.1}, "beta must be at least 0 and below 1, not -0.1"),
        ({"radius": 0}, "radius must be 'midweak' or above 0 and at most .5, not 0"),
        ({"radius": "mid"}, "not 'mid'"),
        ({"radius": True}, "not True"),
    ],
)
def test_parameters_out_of_range(params, message):
    with pytest.raises(InputError) as raised:
        Divergence(**params).fit(*data())
    assert message in str(raised.value)


def test_a_value_task():
    with pytest.raises(LabelsError, match="where both orders are squared loss; use Naive"):
        Divergence(RidgeHead()).check()

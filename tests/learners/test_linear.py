from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.utils.estimator_checks import parametrize_with_checks

from outgrow.errors import InputError, LabelsError, NeedsError, TaskError
from outgrow.learners.linear import LinearHead
from outgrow.learners.losses import RowLoss
from outgrow.learners.objective import CrossEntropy, combine
from outgrow.tasks.labels import Source, WeakLabels
from outgrow.tasks.rows import Rows


def data(n=120, d=5, c=2, seed=0, noise=1.0):
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, d)) @ random.normal(size=(d, d)) * 3 + random.normal(size=d) * 10
    scores = (x - x.mean(0)) / x.std(0) @ random.normal(size=(d, c)) + noise * random.normal(size=(n, c))
    return x, scores.argmax(1)


def soft(codes, c, seed=0):
    random = np.random.default_rng(seed)
    return 0.7 * np.eye(c)[codes] + 0.3 * random.dirichlet(np.ones(c), size=len(codes))


@parametrize_with_checks([LinearHead()])
def test_scikit_learn(estimator, check):
    check(estimator)


# --- the minimum -----------------------------------------------------------------------------------------------------------------


def value(x, codes, probs, penalty):
    return -np.log(probs[np.arange(len(codes)), codes]).mean() + penalty


@pytest.mark.parametrize("c", [2, 4])
@pytest.mark.parametrize("penalty", [0.003, 0.1, 10.0])
def test_it_is_scikit_learns_minimum(c, penalty):
    x, codes = data(c=c)
    head = LinearHead(penalty=penalty, tol=1e-9).fit(x, codes)
    scale = x.std(0)
    standard = (x - x.mean(0)) / scale
    oracle = LogisticRegression(C=1 / (len(x) * penalty), tol=1e-10, max_iter=20000).fit(standard, codes)
    mine = value(x, codes, head.predict_proba(x), penalty / 2 * ((head.coef_ * scale) ** 2).sum())
    theirs = value(x, codes, oracle.predict_proba(standard), penalty / 2 * (oracle.coef_**2).sum())
    assert mine == pytest.approx(theirs, rel=1e-9)
    np.testing.assert_allclose(head.coef_ * scale, oracle.coef_, atol=1e-5)
    assert head.converged_


def test_general_row_losses_reach_the_closed_forms_minimum():
    class Plain:
        moves = False

        def fingerprint(self):
            return "plain"

        def start(self, weak, weight):
            return {}

        def targets(self, logits, weak, weight, progress, state):
            return combine(weak), weight, state

        def rows(self, logits, targets):
            return -(targets * torch.log_softmax(logits, -1)).sum(-1)

    for c in (2, 3):
        x, codes = data(c=c)
        y = soft(codes, c)
        closed = LinearHead(penalty=0.1, tol=1e-9).fit(x, y)
        general = LinearHead(penalty=0.1, tol=1e-9).fit(x, y, objective=Plain())
        np.testing.assert_allclose(general.coef_, closed.coef_, rtol=1e-6, atol=1e-9)


def test_soft_labels_are_weighted_hard_rows():
    x, codes = data(n=40)
    p = soft(codes, 2)
    head = LinearHead(penalty=0.1, tol=1e-10).fit(x, p)
    twice = LinearHead(penalty=0.1, tol=1e-10).fit(
        np.vstack([x, x]), np.repeat([0, 1], 40), sample_weight=np.concatenate([p[:, 0], p[:, 1]])
    )
    np.testing.assert_allclose(head.coef_, twice.coef_, atol=1e-9)
    np.testing.assert_allclose(head.intercept_, twice.intercept_, atol=1e-8)


def test_several_supervisors_are_combined_where_they_cover():
    x, codes = data(n=60)
    random = np.random.default_rng(0)
    covered = random.random((60, 2)) < 0.6
    table = WeakLabels(
        np.arange(60),
        np.stack([soft(codes, 2, 1), soft(codes, 2, 2)], 1),
        covered,
        np.array(["no", "yes"]),
        (Source("a"), Source("b")),
    )
    there = covered.any(1)
    assert 0 < there.sum() < 60
    head = LinearHead(penalty=0.1).fit(Rows.from_arrays(f=x), table)
    plain = LinearHead(penalty=0.1).fit(x[there], table.one()[0][there])
    np.testing.assert_array_equal(head.coef_, plain.coef_)
    assert head.classes_.tolist() == ["no", "yes"]


# --- rows and weights ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("penalty", [0.1, "cv"])
def test_rows_of_weight_zero_change_no_bit(penalty):
    x, codes = data(n=60, c=3)
    random = np.random.default_rng(1)
    weight = random.random(60) * (random.random(60) < 0.7)
    y, wild = soft(codes, 3), x.copy()
    wild[weight == 0] *= 1e6
    table = WeakLabels.from_probs(y, np.arange(3))
    rows = Rows.from_arrays(f=wild)
    present = LinearHead(penalty=penalty).fit(rows, table, sample_weight=weight)
    alive = weight > 0
    removed = LinearHead(penalty=penalty).fit(rows[alive], table[alive], sample_weight=weight[alive])
    np.testing.assert_array_equal(present.coef_, removed.coef_)
    np.testing.assert_array_equal(present.intercept_, removed.intercept_)
    assert present.penalty_ == removed.penalty_


@pytest.mark.parametrize("penalty", [0.03, "cv"])
@settings(max_examples=5)
@given(seed=st.integers(0, 10**6), c=st.integers(2, 4))
def test_order_and_repetition_of_rows(penalty, seed, c):
    x, codes = data(n=50, c=c, seed=seed)
    y = soft(codes, c)
    random = np.random.default_rng(seed)
    head = LinearHead(penalty=penalty, tol=1e-9)
    plain = clone(head).fit(x, y)
    order = random.permutation(50)
    turned = clone(head).fit(x[order], y[order])
    np.testing.assert_allclose(turned.logits(x), plain.logits(x), rtol=1e-8, atol=1e-8)
    times = random.integers(1, 4, 50)
    weighted = clone(head).fit(x, y, sample_weight=times)
    repeated = clone(head).fit(np.repeat(x, times, axis=0), np.repeat(y, times, axis=0))
    assert weighted.penalty_ == repeated.penalty_
    np.testing.assert_allclose(weighted.logits(x), repeated.logits(x), rtol=1e-7, atol=1e-7)
    scaled = clone(head).fit(x, y, sample_weight=np.full(50, 1e6))
    np.testing.assert_allclose(scaled.logits(x), plain.logits(x), rtol=1e-8, atol=1e-8)


def test_units_of_features_do_not_matter():
    x, codes = data(d=4)
    plain = LinearHead(penalty=0.01, tol=1e-9).fit(x, codes)
    units = np.array([1e-6, 1.0, 31680.0, 1e3])
    other = LinearHead(penalty=0.01, tol=1e-9).fit(x * units + 7 * units, codes)
    np.testing.assert_allclose(other.logits(x * units + 7 * units), plain.logits(x), atol=1e-6)


@pytest.mark.parametrize("shape", [(30, 200), (200, 30)])
def test_wide_constant_and_collinear_features(shape):
    x, codes = data(*shape)
    x[:, 3] = 12.5
    x[:, 4] = x[:, 5]
    head = LinearHead(penalty=0.01, tol=1e-8).fit(x, codes)
    assert head.converged_
    assert (head.coef_[:, 3] == 0).all()
    np.testing.assert_allclose(head.coef_[:, 4], head.coef_[:, 5], rtol=1e-4)


# --- classes ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [["a", "b", "c"], [3, 5, 9], [1.5, 2.5, 3.5]])
@pytest.mark.parametrize("penalty", [0.1, "cv"])
def test_a_class_nobody_names_keeps_its_column_and_is_never_predicted(names, penalty):
    x, codes = data(n=60)
    probs = np.zeros((60, 1, 3))
    probs[np.arange(60), 0, codes * 2] = 1
    table = WeakLabels(np.arange(60), probs, np.ones((60, 1), bool), np.array(names), (Source("s"),))
    head = LinearHead(penalty=penalty).fit(Rows.from_arrays(f=x), table)
    assert head.classes_.tolist() == names
    assert head.coef_.shape == (3, 5)
    assert head.converged_
    far = Rows.from_arrays(f=1e6 * np.random.default_rng(0).normal(size=(500, 5)))
    assert head.predict_proba(far)[:, 1].max() < 1e-13
    assert names[1] not in head.predict(far).tolist()
    two = LinearHead(penalty=head.penalty_ / 2, tol=1e-9).fit(x, codes)
    three = LinearHead(penalty=head.penalty_, tol=1e-9).fit(Rows.from_arrays(f=x), table)
    np.testing.assert_allclose(three.predict_proba(Rows.from_arrays(f=x))[:, [0, 2]], two.predict_proba(x), atol=1e-6)


@pytest.mark.parametrize("c", [2, 3])
def test_labels_that_all_name_one_class(c):
    x, _ = data(n=30)
    table = WeakLabels.from_probs(np.tile(np.eye(c)[1], (30, 1)), np.array(["a", "b", "c"][:c]))
    head = LinearHead().fit(Rows.from_arrays(f=x), table)
    assert set(head.predict(Rows.from_arrays(f=x * 100)).tolist()) == {"b"}
    assert np.isfinite(head.logits(Rows.from_arrays(f=x))).all()


def test_a_class_with_one_row_and_a_class_with_hardly_any_weight():
    x, codes = data(n=40, c=3)
    codes[codes == 2] = 1
    codes[0] = 2
    assert LinearHead().fit(x, codes).converged_
    p = np.eye(3)[np.where(codes == 2, 0, codes)]
    p = (1 - 1e-4) * p + 1e-4 * np.array([0.5, 0.5 - 1e-9, 1e-9])
    assert LinearHead().fit(x, p).converged_


def test_separable_labels_converge():
    x = np.linspace(-1, 1, 40)[:, None]
    head = LinearHead(penalty=1e-6, tol=1e-8).fit(x, x[:, 0] > 0)
    assert head.converged_
    assert head.score(x, x[:, 0] > 0) == 1


# --- moving objectives -----------------------------------------------------------------------------------------------------------


class Toy:
    """Targets mixed with the student's own soft answer, which is no gradient's limit but has a known self-consistent point."""

    moves = True

    def __init__(self, share, borrowed):
        self.share, self.seen, self.logits_seen = share, [], []
        if borrowed:
            self.__class__ = Borrowing

    def fingerprint(self):
        return f"toy {self.share}"

    def start(self, weak, weight):
        return {"calls": torch.zeros(())}

    def targets(self, logits, weak, weight, progress, state):
        self.seen.append(progress)
        self.logits_seen.append(tuple(logits.shape))
        mixed = (1 - self.share) * combine(weak) + self.share * torch.softmax(logits, -1)
        return mixed.detach(), weight, {"calls": state["calls"] + 1}

    def rows(self, logits, targets):
        return -(targets * torch.log_softmax(logits, -1)).sum(-1)


class Borrowing(Toy):
    rows = CrossEntropy.rows


@pytest.mark.parametrize("borrowed", [True, False])
@pytest.mark.parametrize("c", [2, 3])
def test_a_moving_objective_reaches_its_self_consistent_point(borrowed, c):
    x, codes = data(c=c)
    y = soft(codes, c)
    toy = Toy(0.4, borrowed)
    head = LinearHead(penalty=0.06, stages=20, tol=1e-9).fit(x, y, objective=toy)
    # (1 - a) (p - y) x + penalty w = 0: plain cross-entropy under a penalty larger by 1 / (1 - a).
    fixed = LinearHead(penalty=0.06 / 0.6, tol=1e-9).fit(x, y)
    np.testing.assert_allclose(head.coef_, fixed.coef_, rtol=1e-5, atol=1e-7)
    assert toy.seen == [i / 20 for i in range(21)]
    assert set(toy.logits_seen) == {(120, c)}
    assert head.state_["calls"] == 21


def test_the_penalty_of_a_moving_objective_is_that_of_the_fixed_one():
    x, codes = data(noise=3.0)
    assert LinearHead().fit(x, codes, objective=Toy(0.4, True)).penalty_ == LinearHead().fit(x, codes).penalty_


def test_an_objective_sees_only_rows_that_count():
    class Watch(CrossEntropy):
        seen: list = []  # noqa: RUF012

        def targets(self, logits, weak, weight, progress, state):
            self.seen.append((tuple(weak.shape), weight.min().item(), progress))
            return super().targets(logits, weak, weight, progress, state)

    x, codes = data(n=40)
    weight = np.arange(40) % 4 * 1.0
    LinearHead(penalty=1).fit(x, codes, sample_weight=weight, objective=Watch())
    assert Watch.seen == [((30, 1, 2), 1.0, 1.0)]


def test_row_weights_of_an_objective_count():
    class Half(CrossEntropy):
        def targets(self, logits, weak, weight, progress, state):
            t, w, state = super().targets(logits, weak, weight, progress, state)
            return t, w * (torch.arange(len(w)) < 20), state

    class Nothing(CrossEntropy):
        def targets(self, logits, weak, weight, progress, state):
            t, w, state = super().targets(logits, weak, weight, progress, state)
            return t, w * 0, state

    x = np.vstack([data(n=20)[0]] * 2)
    codes = np.concatenate([np.arange(20) % 2, 1 - np.arange(20) % 2])
    head = LinearHead(penalty=0.1, tol=1e-9).fit(x, codes, objective=Half())
    half = LinearHead(penalty=0.1, tol=1e-9).fit(x[:20], codes[:20])
    np.testing.assert_allclose(head.coef_, half.coef_, atol=1e-8)
    with pytest.raises(InputError, match="Nothing leaves no row with a weight"):
        LinearHead(penalty=0.1).fit(x, codes, objective=Nothing())


# --- fit_many --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("c", [2, 3])
@pytest.mark.parametrize(("shape", "penalty"), [((60, 5), None), ((60, 5), "given"), ((25, 40), "given")])
@pytest.mark.parametrize("weighted", [False, True])
def test_heads_fitted_together_equal_heads_fitted_alone(c, shape, weighted, penalty):
    x, codes = data(*shape, c=c)
    random = np.random.default_rng(0)
    targets = np.stack([soft(codes, c, s) for s in range(3)])
    weight = random.integers(0, 3, size=(3, len(x))).astype(float) if weighted else None
    given = None if penalty is None else [0.01, 0.1, 3.0]
    base = LinearHead(tol=1e-9)
    heads = base.fit_many(x, targets, weight, given)
    for j, head in enumerate(heads):
        alone = base if given is None else LinearHead(tol=1e-9, penalty=given[j])
        alone = clone(alone).fit(x, targets[j], sample_weight=None if weight is None else weight[j])
        assert head.penalty_ == alone.penalty_
        np.testing.assert_allclose(head.logits(x), alone.logits(x), rtol=1e-5, atol=1e-5)
        assert head.converged_
    assert len({h.fingerprint_ for h in heads}) == 3


def test_a_feature_that_is_constant_for_one_head_only():
    x, codes = data(n=40)
    x[:20, 2] = 1.0
    weight = np.ones((2, 40))
    weight[0, 20:] = 0
    targets = np.stack([soft(codes, 2)] * 2)
    heads = LinearHead(penalty=0.1, tol=1e-9).fit_many(x, targets, weight)
    alone = LinearHead(penalty=0.1, tol=1e-9).fit(x[:20], targets[0, :20])
    assert heads[0].coef_[0, 2] == 0
    assert heads[1].coef_[0, 2] != 0
    np.testing.assert_allclose(heads[0].coef_, alone.coef_, rtol=1e-6, atol=1e-8)


def test_fit_many_names_classes_and_reads_nothing_of_weightless_rows():
    x, codes = data(n=30)
    targets = np.stack([soft(codes, 2)] * 2)
    targets[0, 3] = np.nan
    weight = np.ones((2, 30))
    weight[:, 3] = 0
    heads = LinearHead(penalty=1.0).fit_many(Rows.from_arrays(f=x), targets, weight, classes=["no", "yes"])
    assert heads[1].predict(Rows.from_arrays(f=x[:1])).tolist()[0] in ("no", "yes")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"targets": np.ones((30, 2))}, r"targets of shape \(k, 30, c\)"),
        ({"targets": np.full((1, 30, 2), np.nan)}, "finite targets"),
        ({"targets": -np.ones((1, 30, 2))}, "negative"),
        ({"targets": np.ones((1, 30, 1))}, "at least two"),
        ({"sample_weight": np.ones(30)}, r"sample_weight of shape \(1, 30\)"),
        ({"sample_weight": np.zeros((1, 30))}, "positive entry"),
        ({"sample_weight": -np.ones((1, 30))}, "non-negative"),
        ({"penalty": [1.0, 2.0]}, "1 positive penalties"),
        ({"penalty": [0.0]}, "1 positive penalties"),
        ({"classes": ["a"]}, "names for 2 classes"),
    ],
)
def test_fit_many_says_what_is_wrong(change, message):
    x, codes = data(n=30)
    given = {"targets": soft(codes, 2)[None], **change}
    with pytest.raises(InputError, match=message):
        LinearHead(penalty=1.0).fit_many(x, **given)


# --- reading, scoring, keys ------------------------------------------------------------------------------------------------------


def test_logits_probabilities_and_names_agree():
    for c in (2, 4):
        x, codes = data(c=c)
        head = LinearHead(penalty=0.1).fit(x, np.array(list("abcd"))[codes])
        logits = head.logits(x)
        assert logits.shape == (120, c)
        np.testing.assert_allclose(
            torch.softmax(torch.from_numpy(logits), -1).numpy(), head.predict_proba(x), rtol=1e-12
        )
        np.testing.assert_array_equal(head.predict(x), head.classes_[logits.argmax(1)])


def test_score_against_weak_labels_is_agreement_on_covered_rows():
    x, codes = data(n=40)
    rows = Rows.from_arrays(f=x)
    table = WeakLabels.from_probs(np.eye(2)[codes], np.array(["a", "b"]), covered=np.arange(40) < 30)
    head = LinearHead(penalty=0.1).fit(rows, table)
    agree = head.predict(rows)[:30] == np.array(["a", "b"])[codes[:30]]
    assert head.score(rows, table) == pytest.approx(agree.mean())
    weight = np.linspace(0, 1, 40)
    assert head.score(rows, table, weight) == pytest.approx(np.average(agree, weights=weight[:30]))
    with pytest.raises(InputError, match="other classes"):
        head.score(rows, WeakLabels.from_probs(np.eye(2)[codes], np.array(["x", "y"])))
    with pytest.raises(InputError, match="covers none"):
        head.score(rows, WeakLabels.from_probs(np.eye(2)[codes], np.array(["a", "b"]), covered=np.zeros(40, bool)))


def test_a_grid_search_over_rows_and_weak_labels_has_scores():
    x, codes = data(n=90, noise=2.0)
    table = WeakLabels.from_probs(soft(codes, 2), np.array(["a", "b"]))
    search = GridSearchCV(LinearHead(), {"penalty": [0.01, 1.0, 1000.0]}, cv=KFold(3)).fit(Rows.from_arrays(f=x), table)
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    assert len(set(scores)) > 1
    assert search.best_params_["penalty"] == [0.01, 1.0, 1000.0][int(np.argmax(scores))]


def test_views_are_read_by_name():
    x, codes = data()
    rows = Rows.from_arrays(one=x, two=x[:, ::-1] * 2)
    table = WeakLabels.from_probs(np.eye(2)[codes], np.array([0, 1]))
    head = LinearHead(on="two", penalty=1.0).fit(rows, table)
    assert head.needs().views == {"two"}
    assert not LinearHead().needs().views
    np.testing.assert_allclose(
        head.coef_[:, ::-1] * 2, LinearHead(on="one", penalty=1.0).fit(rows, table).coef_, rtol=1e-6
    )
    with pytest.raises(InputError, match=r"no view 'tow'.*did you mean 'two'"):
        LinearHead(on="tow").fit(rows, table)
    with pytest.raises(InputError, match="several views"):
        LinearHead().fit(rows, table)
    with pytest.raises(NeedsError, match="bare array"):
        LinearHead(on="two").fit(x, codes)
    with pytest.raises(NeedsError, match="bare array"):
        LinearHead(on="two").fit_many(x, soft(codes, 2)[None])
    with pytest.raises(TaskError, match="has 3 features"):
        head.predict(Rows.from_arrays(two=x[:, :3]))


def test_bad_features_are_named_by_row():
    x, codes = data(n=20)
    x[7, 1] = np.nan
    table = WeakLabels.from_probs(np.eye(2)[codes], np.array([0, 1]))
    with pytest.raises(TaskError, match="row 7"):
        LinearHead().fit(Rows.from_arrays(f=x), table)


@pytest.mark.parametrize(
    "bad", [{"penalty": 0}, {"penalty": -1}, {"penalty": "auto"}, {"penalty": np.nan}, {"penalty": True}]
)
@pytest.mark.parametrize("call", ["fit", "fit_many"])
def test_bad_penalties(bad, call):
    x, codes = data(n=20)
    with pytest.raises(InputError, match="give 'cv' or a positive number"):
        getattr(LinearHead(**bad), call)(x, codes if call == "fit" else soft(codes, 2)[None])


@pytest.mark.parametrize("bad", [{"stages": 0}, {"stages": 2.5}, {"tol": 0}, {"tol": 2}])
def test_bad_parameters(bad):
    x, codes = data(n=20)
    with pytest.raises(InputError, match=next(iter(bad))):
        LinearHead(**bad).fit(x, codes)


def test_values_are_refused():
    x, _ = data(n=20)
    with pytest.raises(LabelsError, match="cannot learn values"):
        LinearHead().fit(Rows.from_arrays(f=x), WeakLabels.from_probs(x[:, 0], None))


def test_a_solve_that_does_not_arrive_warns():
    x, codes = data()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        head = LinearHead(penalty=0.1, tol=1e-300).fit(x, codes)
    assert not head.converged_
    assert [w.category for w in said] == [ConvergenceWarning]


def test_the_fingerprint_follows_everything_that_was_given():
    x, codes = data(n=30)
    y = soft(codes, 2)
    weight = np.ones(30)
    weight[0] = 2
    base = LinearHead(penalty=1).fit(x, y).fingerprint_
    assert LinearHead(penalty=1.0).fit(x, y).fingerprint_ == base
    assert LinearHead(penalty=np.float64(1)).fit(x.copy(), y.copy()).fingerprint_ == base
    other = x.copy()
    other[0, 0] += 1e-9
    variants = [
        LinearHead(penalty=1.1).fit(x, y),
        LinearHead(penalty=1, random_state=1).fit(x, y),
        LinearHead(penalty=1).fit(other, y),
        LinearHead(penalty=1).fit(x, soft(codes, 2, 5)),
        LinearHead(penalty=1).fit(x, y, sample_weight=weight),
    ]
    assert len({base, *(v.fingerprint_ for v in variants)}) == 6


def test_the_same_fit_gives_the_same_bits():
    x, codes = data(c=3)
    one, two = (LinearHead().fit(x, codes) for _ in range(2))
    np.testing.assert_array_equal(one.coef_, two.coef_)


def test_the_general_row_loss_is_used_where_it_must_be(monkeypatch):
    used = []
    monkeypatch.setattr(RowLoss, "evaluate", lambda self, z, old=RowLoss.evaluate: used.append(1) or old(self, z))
    x, codes = data(n=20)
    LinearHead(penalty=1.0).fit(x, codes, objective=Toy(0.2, True))
    assert not used
    LinearHead(penalty=1.0).fit(x, codes, objective=Toy(0.2, False))
    assert used

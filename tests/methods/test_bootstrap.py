from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from outgrow.errors import InputError, LabelsError, NeedsError
from outgrow.forecasts import KLMisfit
from outgrow.learners.linear import LinearHead
from outgrow.learners.objective import CrossEntropy, Squared
from outgrow.learners.ridge import RidgeHead
from outgrow.methods import Bootstrap, Naive
from outgrow.methods.bootstrap import HandedOn
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.needs import Needs
from outgrow.tasks.rows import Rows, View

from .test_confidence import many
from .test_naive import data, table

HEAD = LinearHead(penalty=0.1)


def views(n: int = 120, c: int = 2, seed: int = 0):
    """Rows with a blurred view, a better one and the features themselves; and soft labels."""
    x, probs = data(n, seed=seed) if c == 2 else many(n, c, seed=seed)
    random = np.random.default_rng(seed + 10)
    rows = Rows(
        np.arange(n),
        {
            "small": View(x[:, :1] + random.normal(size=(n, 1))),
            "middle": View(x[:, :2]),
            "large": View(x),
        },
    )
    return rows, table(probs, classes=list("abcde")[:c])


# --- a chain of one is naive --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chain", [None, []])
@pytest.mark.parametrize("case", ["plain", "several", "abstaining", "many classes", "weighted"])
def test_a_chain_of_one_equals_naive_bit_for_bit(case, chain):
    rows, weak = views(c=5 if case == "many classes" else 2)
    weight = None
    if case in ("several", "abstaining"):
        mask = np.random.default_rng(4).random((120, 2)) < (0.5 if case == "abstaining" else 1.1)
        other = data(120, seed=1)[1]
        probs = weak.probs[:, 0]
        weak = WeakLabels.stack([table(probs, mask[:, 0], list("ab")), table(other, mask[:, 1], list("ab"))])
    if case == "weighted":
        weight = np.random.default_rng(5).uniform(0, 1, 120)
    head = LinearHead(on="large")
    one = Bootstrap(head, chain=chain, rounds=0).fit(rows, weak, sample_weight=weight)
    naive = Naive(head).fit(rows, weak, sample_weight=weight)
    assert np.array_equal(one.student_.coef_, naive.student_.coef_)
    assert np.array_equal(one.student_.intercept_, naive.student_.intercept_)
    assert isinstance(one.objective_, CrossEntropy)
    assert one.links_ == [one.student_]


def test_a_chain_of_one_in_a_value_task():
    x, _ = data()
    one, naive = Bootstrap(RidgeHead(), rounds=0).fit(x, x[:, 0]), Naive(RidgeHead()).fit(x, x[:, 0])
    assert np.array_equal(one.student_.coef_, naive.student_.coef_)
    assert isinstance(one.objective_, Squared)


# --- what a chain does --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("c", [2, 5])
def test_links_are_naive_students_of_the_links_before(c):
    rows, weak = views(c=c)
    heads = [LinearHead(on=v, penalty=0.1) for v in ("small", "middle", "large")]
    chain = Bootstrap(heads[2], chain=heads[:2]).fit(rows, weak)
    labels, by_hand = weak, []
    for head in heads:
        by_hand.append(Naive(head).fit(rows, labels).student_)
        labels = table(by_hand[-1].predict_proba(rows), classes=weak.classes)
    assert [link.on for link in chain.links_] == ["small", "middle", "large"]
    for ours, theirs in zip(chain.links_, by_hand, strict=True):
        assert np.allclose(ours.coef_, theirs.coef_, atol=1e-12)
    assert chain.student_ is chain.links_[-1]
    assert not np.array_equal(chain.student_.coef_, Naive(heads[2]).fit(rows, weak).student_.coef_)


def test_a_view_name_is_the_learner_on_that_view():
    rows, weak = views()
    head = LinearHead(on="large", penalty=0.1)
    named = Bootstrap(head, chain=["small"]).fit(rows, weak)
    given = Bootstrap(head, chain=[LinearHead(on="small", penalty=0.1)]).fit(rows, weak)
    assert np.array_equal(named.student_.coef_, given.student_.coef_)
    assert named.learner.on == "large"


@pytest.mark.parametrize(
    ("chain", "rounds", "links"), [(None, None, 3), (["small"], None, 2), (["small"], 2, 4), (None, 1, 2)]
)
def test_how_many_links(chain, rounds, links):
    rows, weak = views()
    fitted = Bootstrap(LinearHead(on="large", penalty=0.1), chain=chain, rounds=rounds).fit(rows, weak)
    assert len(fitted.links_) == links
    assert all(link.on == "large" for link in fitted.links_[len(chain or ()) :])


def test_a_self_iteration_is_naive_on_its_own_labels():
    x, probs = data()
    first = Naive(HEAD).fit(x, probs)
    again = Naive(HEAD).fit(x, first.predict_proba(x))
    assert np.allclose(Bootstrap(HEAD, rounds=1).fit(x, probs).student_.coef_, again.student_.coef_, atol=1e-12)


def test_values_go_down_the_chain():
    rows, _ = views()
    values = WeakLabels.from_probs(rows.view("large") @ [1.0, -2.0, 0.5], None)
    heads = [RidgeHead(on=v, penalty=0.01) for v in ("middle", "large")]
    fitted = Bootstrap(heads[1], chain=heads[:1]).fit(rows, values)
    first = Naive(heads[0]).fit(rows, values).predict(rows)
    by_hand = Naive(heads[1]).fit(rows, WeakLabels.from_probs(first, None))
    assert np.allclose(fitted.predict(rows), by_hand.predict(rows), atol=1e-10)
    assert not hasattr(fitted, "predict_proba")


def test_a_forecast_knows_that_the_weak_labels_were_not_the_target():
    x, probs = data()
    rows, weak = Rows.from_arrays(X=x), table(probs)
    student = Bootstrap(HEAD, rounds=1).fit(rows, weak)
    assert isinstance(student.objective_, HandedOn)
    assert "not trained by cross-entropy on the weak labels" in KLMisfit().predict(student, rows, weak)[1].broken
    assert not isinstance(student.objective_, CrossEntropy | Squared)


def staircase(seed: int, n: int = 500):
    """Truth in ten features; views that hold three, six and all ten of them; a supervisor that reads two, with noise."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(n + 1000, 10))
    truth = x.sum(1) > 0
    score = 2 * x[:, :2].sum(1) + 2 * random.normal(size=len(x))
    p = 1 / (1 + np.exp(-score))
    rows = Rows(np.arange(len(x)), {f"v{k}": View(x[:, :k]) for k in (3, 6, 10)})
    return rows, table(np.stack([1 - p, p], axis=1)), truth, n


def test_where_links_see_only_parts_the_student_inherits_their_blindness():
    """A planted answer: what the first link cannot see never reaches the last, so three hops agree with the first link."""
    rows, weak, _, n = staircase(0)
    heads = [LinearHead(on=f"v{k}") for k in (3, 6, 10)]
    chain = Bootstrap(heads[2], chain=heads[:2]).fit(rows[:n], weak[:n])
    new = rows[n:]
    same = (chain.predict(new) == chain.links_[0].predict(new)).mean()
    direct = (Naive(heads[2]).fit(rows[:n], weak[:n]).predict(new) == chain.links_[0].predict(new)).mean()
    assert same > 0.98
    assert same > direct


# --- ordinary input -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("penalty", [0.1, "cv"])
@pytest.mark.parametrize("covered", ["all", "half"])
def test_rows_of_weight_zero_change_no_bit(penalty, covered):
    rows, weak = views()
    if covered == "half":
        weak = table(weak.probs[:, 0], np.arange(120) % 2 == 0, list("ab"))
    keep = np.random.default_rng(3).random(120) < 0.6
    method = Bootstrap(LinearHead(on="large", penalty=penalty), chain=["small"], rounds=1)
    a = clone(method).fit(rows, weak, sample_weight=keep.astype(float)).student_
    b = clone(method).fit(rows[keep], weak[keep]).student_
    assert np.array_equal(a.coef_, b.coef_)
    assert np.array_equal(a.intercept_, b.intercept_)


def test_rows_that_nobody_covers_teach_from_the_second_link_on():
    rows, weak = views()
    few = np.arange(120) % 20 == 0
    weak = WeakLabels.stack(
        [table(weak.probs[:, 0], few, list("ab")), table(weak.probs[:, 0], np.arange(120) < 3, list("ab"))]
    )
    there = weak.any_covered
    student = Bootstrap(LinearHead(on="large", penalty=0.1), chain=["middle"]).fit(rows, weak)
    first = Naive(LinearHead(on="middle", penalty=0.1)).fit(rows[there], weak[there])
    assert np.allclose(student.links_[0].coef_, first.student_.coef_, atol=1e-12)
    labels = table(first.predict_proba(rows), classes=["a", "b"])
    assert np.allclose(student.student_.coef_, Naive(student.learner).fit(rows, labels).student_.coef_, atol=1e-10)


def test_a_class_that_nobody_names_stays_at_nothing():
    rows, weak = views(c=5)
    probs = weak.probs[:, 0].copy()
    probs[:, 3] = 0
    probs /= probs.sum(1, keepdims=True)
    student = Bootstrap(LinearHead(on="large", penalty=0.1), chain=["small", "middle"], rounds=1).fit(
        rows, table(probs, classes=list("abcde"))
    )
    assert student.classes_.tolist() == list("abcde")
    assert student.predict_proba(rows)[:, 3].max() < 1e-12


# --- an estimator -------------------------------------------------------------------------------------------------------------------


def test_needs_reference_and_keys():
    method = Bootstrap(LinearHead(on="large"), chain=["small", LinearHead(on="middle")])
    assert method.needs() == Needs(views=frozenset({"small", "middle", "large"}))
    assert method.reference().get_params() == method.learner.get_params()
    assert Bootstrap().needs().plain
    keys = {
        m.fingerprint()
        for m in (method, Bootstrap(LinearHead(on="large")), Bootstrap(LinearHead(on="large"), chain=["small"]))
    }
    assert len(keys) == 3
    assert Bootstrap().fingerprint() == Bootstrap(LinearHead()).fingerprint()
    copy = clone(method)
    assert copy.chain[1] is not method.chain[1]
    assert copy.fingerprint() == method.fingerprint()


def test_fitting_leaves_the_given_links_alone():
    rows, weak = views()
    heads = [LinearHead(on="small", penalty=0.1), LinearHead(on="large", penalty=0.1)]
    fitted = Bootstrap(heads[1], chain=heads[:1]).fit(rows, weak)
    assert not any(hasattr(head, "coef_") for head in heads)
    again = Bootstrap(heads[1], chain=heads[:1]).fit(rows, weak)
    assert fitted.fingerprint_ == again.fingerprint_
    assert np.array_equal(fitted.predict_proba(rows), fitted.student_.predict_proba(rows))


# --- bad input ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"chain": "small"}, InputError, "chain must be a list of learners or view names, not str"),
        ({"chain": [3]}, InputError, "link 1 must be a learner or the name of a view, not int"),
        ({"chain": ["a", LinearHead]}, InputError, "link 2 must be a learner or the name of a view, not LinearHead"),
        ({"chain": [RidgeHead()]}, LabelsError, r"link 1 \(RidgeHead\) and the student \(LinearHead\) learn different"),
        ({"rounds": -1}, InputError, "rounds must be a whole number from 0, not -1"),
        ({"rounds": 1.5}, InputError, r"not 1\.5"),
        ({"rounds": True}, InputError, "not True"),
    ],
)
def test_parameters_out_of_range(params, error, message):
    with pytest.raises(error, match=message):
        Bootstrap(**params).check()


def test_views_that_are_missing():
    rows, weak = views()
    head = LinearHead(on="large")
    with pytest.raises(InputError, match="did you mean 'small'"):
        Bootstrap(head, chain=["smal"]).fit(rows, weak)
    with pytest.raises(NeedsError, match=r"reads the views \['small'\], and X is a bare array"):
        Bootstrap(HEAD, chain=["small"]).fit(*data())
    with pytest.raises(NeedsError, match="Bootstrap needs the view 'smal'; did you mean 'small'"):
        Bootstrap(head, chain=["smal"]).needs().check("Bootstrap", rows.views, weak.sources)

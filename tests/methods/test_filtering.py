from __future__ import annotations

import numpy as np
import pytest

from outgrow.errors import InputError, LabelsError, NeedsError
from outgrow.learners.linear import LinearHead
from outgrow.learners.ridge import RidgeHead
from outgrow.methods import Filtering, Naive
from outgrow.methods.filtering import SCORES, vote_entropy
from outgrow.methods.retention import share_kept, topic_narrowing
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.needs import Needs
from outgrow.tasks.rows import Rows, View

from .shelf import KINDS, dead_rows_change_no_bit, named, ordinary, same_head

HEAD = LinearHead(penalty=0.1)


# --- the cut ------------------------------------------------------------------------------------------------------------------------


def test_the_most_doubtful_go_and_ties_share():
    kept = share_kept([0.1, 0.9, 0.5, 0.5, 0.5, 0.2], [1, 2, 1, 1, 2, 3], 0.4)
    assert kept.tolist() == [1, 0, 0.5, 0.5, 0.5, 1]
    assert share_kept([0.3] * 4, [1, 2, 3, 4], 0.25).tolist() == [0.75] * 4
    assert share_kept([0.3, 0.3 + 1e-15, 0.1], [1, 1, 2], 0.25).tolist() == [0.5, 0.5, 1]
    assert share_kept([3, 2, 1, 0], np.ones(4), 0.5).tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("drop", [0.01, 0.3, 0.99])
def test_exactly_the_share_goes(drop):
    random = np.random.default_rng(0)
    doubt, weight = random.integers(0, 9, 80) / 9, random.uniform(0.1, 3, 80)
    kept = share_kept(doubt, weight, drop)
    assert (kept * weight).sum() == pytest.approx((1 - drop) * weight.sum(), rel=1e-12)
    order = random.permutation(80)
    assert np.allclose(share_kept(doubt[order], weight[order], drop), kept[order], atol=1e-9)


# --- off is naive; ordinary input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "penalty"), [*((k, 0.1) for k in KINDS), ("sparse", "cv")])
def test_off_equals_naive_bit_for_bit(kind, penalty):
    rows, weak = ordinary(kind)
    head = LinearHead(penalty=penalty)
    naive = Naive(head).fit(rows, weak)
    assert same_head(Filtering(head, drop=0).fit(rows, weak), naive)
    assert same_head(Filtering(head, by="component", drop=0).fit(rows, weak), naive)
    assert not same_head(Filtering(head, by="knn", drop=0.2, neighbours=9).fit(rows, weak), naive)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("by", SCORES)
def test_every_score_drops_the_same_share_of_any_table(kind, by):
    rows, weak = ordinary(kind)
    student = Filtering(HEAD, by=by, drop=0.25, neighbours=9).fit(rows, weak)
    assert student.kept_.sum() == pytest.approx(0.75 * weak.any_covered.sum())
    assert (student.kept_[~weak.any_covered] == 0).all()
    assert np.isfinite(student.doubt_).tolist() == weak.any_covered.tolist()
    assert student.narrowing_.kept == pytest.approx(0.75)
    assert student.narrowing_.names == ("a", "b", "c")
    assert set(student.predict(rows)) == {"a", "b", "c"}
    control = Filtering(HEAD, by="random", drop=0.25).fit(rows, weak)
    assert control.kept_.sum() == pytest.approx(student.kept_.sum())


@pytest.mark.parametrize("by", SCORES)
def test_rows_of_weight_zero_change_no_bit(by):
    rows, weak = ordinary("abstaining")
    assert dead_rows_change_no_bit(Filtering(HEAD, by=by, drop=0.2, neighbours=9), weak, rows)


@pytest.mark.parametrize("by", ["confidence", "entropy", "random", "logistic"])
def test_the_order_of_rows_does_not_matter(by):
    rows, weak = ordinary("several")
    order = np.random.default_rng(1).permutation(len(rows))
    one, two = (Filtering(HEAD, by=by, drop=0.2).fit(rows[o], weak[o]) for o in (np.arange(len(rows)), order))
    assert np.allclose(one.kept_[order], two.kept_, atol=1e-9)


def test_bare_names_leave_confidence_nothing_to_choose_by():
    rows, weak = ordinary("names")
    one = weak.source(0)
    student = Filtering(LinearHead(penalty=0.1, tol=1e-10), drop=0.4).fit(rows, one)
    assert np.allclose(student.kept_, 0.6)
    assert np.allclose(student.student_.coef_, Naive(LinearHead(penalty=0.1, tol=1e-10)).fit(rows, one).student_.coef_)


def test_values():
    random = np.random.default_rng(2)
    x = random.normal(size=(200, 3))
    clean = x @ [1.0, -2.0, 0.5]
    value = np.where(np.arange(200) % 10 == 0, clean + 15, clean)
    rows = Rows.from_arrays(X=x)
    weak = WeakLabels.from_probs(value, None)
    student = Filtering(RidgeHead(penalty=1e-3), by="knn", drop=0.1, neighbours=9).fit(rows, weak)
    assert student.kept_[::10].mean() < 0.2
    assert (
        np.abs(student.predict(x) - clean).mean()
        < 0.3 * np.abs(Naive(RidgeHead(penalty=1e-3)).fit(x, value).predict(x) - clean).mean()
    )
    assert student.narrowing_ is None
    assert same_head(Filtering(RidgeHead(), drop=0).fit(rows, weak), Naive(RidgeHead()).fit(rows, weak))
    Filtering(RidgeHead(), by="random").fit(rows, weak)
    with pytest.raises(
        LabelsError, match="by 'logistic' looks at classes; in a value task filter by 'knn' or 'random'"
    ):
        Filtering(RidgeHead(), by="logistic").fit(rows, weak)


# --- scores -------------------------------------------------------------------------------------------------------------------------


def voters(counts):
    """Rows with so many votes for each class, the other voters silent."""
    m = max(sum(c) for c in counts)
    tables = []
    for j in range(m):
        said = [next((k for k in range(len(c)) if j < sum(c[: k + 1])), None) for c in counts]
        probs = np.eye(len(counts[0]))[[0 if s is None else s for s in said]]
        tables.append(named(probs, [s is not None for s in said], f"v{j}"))
    return WeakLabels.stack(tables)


def test_vote_entropy():
    found = vote_entropy(voters([(5, 0, 0), (1, 0, 0), (3, 2, 0), (2, 2, 1), (2, 2, 2)]))
    assert found[0] < found[1]
    assert found[0] < found[2] < found[3] < found[4]
    share = np.array([3 + 1 / 3, 2 + 1 / 3, 1 / 3]) / 6
    assert found[2] == pytest.approx(-(share * np.log(share)).sum() / np.log(3))
    assert found[4] == pytest.approx(1)


def flipped(seed: int, n: int = 400, share: float = 0.2):
    """Two clusters of classes, a share of labels turned at random, all equally sure."""
    random = np.random.default_rng(seed)
    truth = np.arange(n) % 2
    x = random.normal(size=(n, 4)) + 2.5 * truth[:, None] * [1, 1, 0, 0]
    turned = random.random(n) < share
    said = np.where(turned, 1 - truth, truth)
    probs = np.where(np.eye(2)[said] > 0, 0.8, 0.2)
    return Rows.from_arrays(X=x), named(probs, classes=["no", "yes"]), turned


@pytest.mark.parametrize("by", ["knn", "logistic", "component"])
def test_probes_find_turned_labels_and_the_rest_gets_cleaner_with_drop(by):
    rows, weak, turned = flipped(0)
    right = []
    for drop in (0.0, 0.1, 0.2, 0.3):
        kept = Filtering(HEAD, by=by, drop=drop, neighbours=15).fit(rows, weak).kept_
        right.append(np.average(~turned, weights=kept))
    assert (np.diff(right) > 0.02).all()
    assert right[-1] > 0.97
    control = Filtering(HEAD, by="random", drop=0.3).fit(rows, weak).kept_
    assert abs(np.average(~turned, weights=control) - right[0]) < 0.03


@pytest.mark.parametrize("by", ["confidence", "entropy"])
def test_labels_of_what_is_kept_get_better_with_drop(by):
    random = np.random.default_rng(3)
    n = 2000
    x = random.normal(size=(n, 3))
    chance = random.uniform(0.5, 1, n)
    truth = x[:, 0] > 0
    if by == "confidence":
        said = np.where(random.random(n) < chance, truth, ~truth)
        p = np.where(said, chance, 1 - chance)
        weak = named(np.stack([1 - p, p], 1), classes=["no", "yes"])
    else:
        said = [np.where(random.random(n) < chance, truth, ~truth) for _ in range(7)]
        weak = WeakLabels.stack(
            [named(np.eye(2)[s.astype(int)], None, f"v{j}", ["no", "yes"]) for j, s in enumerate(said)]
        )
    right = (weak.one()[0][:, 1] > 0.5) == truth
    kept = [Filtering(HEAD, by=by, drop=d).fit(Rows.from_arrays(X=x), weak).kept_ for d in (0.0, 0.2, 0.5, 0.8)]
    assert (np.diff([np.average(right, weights=k) for k in kept]) > 0.01).all()


def test_what_is_outside_the_component_goes_first():
    random = np.random.default_rng(4)
    x = np.concatenate(
        [random.normal(size=(100, 2)), random.normal(size=(12, 2)) + 60, random.normal(size=(100, 2)) + 8]
    )
    said = np.array([0] * 112 + [1] * 100)
    probs = np.where(np.eye(2)[said] > 0, 0.9, 0.1)
    student = Filtering(HEAD, by="component", drop=0.25, neighbours=8)
    student.fit(Rows.from_arrays(X=x), named(probs, classes=["no", "yes"]))
    outside = student.doubt_ >= 2
    assert outside[100:112].all()
    # Rows at the rim that no other has for a neighbour are outside too.
    assert outside.sum() < 0.25 * 212
    assert student.kept_[outside].max() == 0
    near = Filtering(HEAD, by="knn", drop=0.25, neighbours=8).fit(
        Rows.from_arrays(X=x), named(probs, classes=["no", "yes"])
    )
    assert near.kept_[100:112].min() > 0.5


def test_a_probe_may_look_at_another_view():
    rows, weak, turned = flipped(1)
    blind = Rows(rows.ids, {"blind": View(np.random.default_rng(0).normal(size=(400, 3))), "sees": rows.views["X"]})
    method = Filtering(LinearHead(on="blind", penalty=0.1), by="knn", on="sees", drop=0.2, neighbours=15)
    assert method.needs() == Needs(views=frozenset({"blind", "sees"}))
    assert np.average(~turned, weights=method.fit(blind, weak).kept_) > 0.9
    assert Filtering(on="sees").needs() == Needs()
    with pytest.raises(NeedsError, match="Filtering needs the view 'sees'"):
        method.fit(Rows(rows.ids, {"blind": blind.views["blind"]}), weak)


# --- narrowing ----------------------------------------------------------------------------------------------------------------------


def test_topics_and_classes_that_narrow_are_told():
    random = np.random.default_rng(5)
    topic = np.arange(300) % 3
    x = random.normal(size=(300, 4)) * 0.3 + 6 * np.eye(4)[topic]
    sure = np.where(topic == 2, 0.6, 0.95)
    said = random.random(300) < 0.5
    p = np.where(said, sure, 1 - sure)
    rows, weak = Rows.from_arrays(X=x), named(np.stack([1 - p, p], 1), classes=["no", "yes"])
    student = Filtering(HEAD, drop=0.3).fit(rows, weak)
    topics = topic_narrowing(student, rows, topics=3)
    before, after = topics.effective
    assert before == pytest.approx(3, abs=0.01)
    assert after < 2.4
    assert topics.divergence > 0.2
    assert sorted(topics.after)[0] == pytest.approx(1 / 21, abs=0.01)
    control = topic_narrowing(Filtering(HEAD, by="random", drop=0.3).fit(rows, weak), rows, topics=3)
    assert control.divergence < 0.02
    told = student.narrowing_.as_dict()
    assert told["kept"] == pytest.approx(0.7)
    assert set(told["shares"]) == {"no", "yes"}
    with pytest.raises(InputError, match="topics are told of the 300 rows the method was fitted on; given 10"):
        topic_narrowing(student, rows[:10])
    with pytest.raises(InputError, match="topics is 1; give a whole number from 2 to the 300 rows"):
        topic_narrowing(student, rows, topics=1)


# --- bad input ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"by": "confidnce"}, "by is 'confidnce'; did you mean 'confidence'?"),
        ({"drop": 1}, "drop must be a number of at least 0 and below 1, not 1"),
        ({"drop": "half"}, "not 'half'"),
        ({"drop": float("nan")}, "not nan"),
        ({"neighbours": 0}, "neighbours must be a whole number of at least 1, not 0"),
        ({"neighbours": 2.5}, "not 2.5"),
        ({"random_state": True}, "random_state must be a whole number of at least 0, not True"),
    ],
)
def test_parameters_out_of_range(params, message):
    rows, weak = ordinary("several")
    for call in (lambda: Filtering(**params).check(), lambda: Filtering(**params).fit(rows, weak)):
        with pytest.raises(InputError) as raised:
            call()
        assert message in str(raised.value)


def test_one_voter_has_no_vote_entropy():
    rows, weak = ordinary("several")
    with pytest.raises(NeedsError, match="Filtering needs 2 supervisors, the study gives 1"):
        Filtering(HEAD, by="entropy").fit(rows, weak.source(0))


def test_one_class_left():
    x = np.random.default_rng(6).normal(size=(40, 2))
    probs = np.array([[0.05, 0.95]] * 35 + [[0.6, 0.4]] * 5)
    rows, weak = Rows.from_arrays(X=x), named(probs, classes=["no", "yes"])
    with pytest.raises(LabelsError) as raised:
        Filtering(HEAD, drop=0.2).fit(rows, weak)
    assert str(raised.value) == (
        "Filtering by 'confidence' keeps rows of one class only ('yes'); a student needs two classes, so lower drop"
    )
    assert Filtering(HEAD, drop=0.1).fit(rows, weak).classes_.tolist() == ["no", "yes"]
    random = Filtering(HEAD, by="knn", drop=0.5)
    with pytest.raises(InputError, match="need at least two rows that count"):
        random.fit(rows, weak, sample_weight=np.eye(40)[0])

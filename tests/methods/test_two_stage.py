from __future__ import annotations

import numpy as np
import pytest

from outgrow.errors import InputError, LabelsError
from outgrow.learners.linear import LinearHead
from outgrow.learners.ridge import RidgeHead
from outgrow.methods import Filtering, Naive, TwoStage
from outgrow.methods.retention import topic_narrowing
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.rows import Rows

from .shelf import KINDS, dead_rows_change_no_bit, named, ordinary, same_head

HEAD = LinearHead(penalty=0.1)


@pytest.mark.parametrize(("kind", "penalty"), [*((k, 0.1) for k in KINDS), ("sparse", "cv")])
def test_off_equals_naive_bit_for_bit(kind, penalty):
    rows, weak = ordinary(kind)
    head = LinearHead(penalty=penalty)
    naive = Naive(head).fit(rows, weak)
    assert same_head(TwoStage(head, drop=0).fit(rows, weak), naive)
    assert same_head(TwoStage(head, drop=0, again=0, rounds=3).fit(rows, weak), naive)
    assert not same_head(TwoStage(head).fit(rows, weak), naive)


@pytest.mark.parametrize("kind", KINDS)
def test_any_table_is_divided_as_asked(kind):
    rows, weak = ordinary(kind)
    student = TwoStage(HEAD, drop=0.4, again=0.25).fit(rows, weak)
    total = weak.any_covered.sum()
    assert student.kept_.sum() == pytest.approx(0.6 * total)
    assert student.back_.sum() == pytest.approx(0.75 * 0.4 * total)
    assert (student.kept_ + student.back_).max() <= 1 + 1e-12
    assert (student.kept_ + student.back_)[~weak.any_covered].sum() == 0
    assert len(student.stages_) == 2
    assert student.stages_[-1] is student.student_
    assert student.classes_.tolist() == ["a", "b", "c"]
    if kind != "never":
        assert set(student.predict(rows)) == {"a", "b", "c"}
    assert student.restored_.kept == pytest.approx(0.9)


@pytest.mark.parametrize("kind", ["several", "abstaining", "names"])
@pytest.mark.parametrize("rounds", [0, 1, 2])
def test_rows_of_weight_zero_change_no_bit(kind, rounds):
    rows, weak = ordinary(kind)
    assert dead_rows_change_no_bit(TwoStage(HEAD, rounds=rounds), weak, rows)


def test_a_row_of_weight_two_is_the_row_twice():
    rows, weak = ordinary("several", 60)
    x, probs = rows.view(), weak.one()[0]
    twice = np.concatenate([np.arange(60), np.arange(15)])
    head = LinearHead(penalty=0.1, tol=1e-10)
    a = TwoStage(head).fit(x, probs, sample_weight=np.where(np.arange(60) < 15, 2.0, 1.0))
    b = TwoStage(head).fit(x[twice], probs[twice])
    assert np.allclose(a.student_.coef_, b.student_.coef_, atol=1e-6)


def test_the_first_stage_alone_is_filtering_by_confidence():
    rows, weak = ordinary("several")
    first = Filtering(HEAD, drop=0.3).fit(rows, weak)
    assert same_head(TwoStage(HEAD, drop=0.3, rounds=0).fit(rows, weak), first)
    both = TwoStage(HEAD, drop=0.3).fit(rows, weak)
    assert np.array_equal(both.stages_[0].coef_, first.student_.coef_)
    assert np.array_equal(both.kept_, first.kept_)


def test_both_stages_by_hand():
    rows, weak = ordinary("several", 200)
    student = TwoStage(HEAD, drop=0.5, again=0.5).fit(rows, weak)
    labels = weak.one()[0]
    order = np.argsort(-labels.max(axis=1), kind="stable")
    inside, outside = order[:100], order[100:]
    first = Naive(HEAD).fit(rows[inside], WeakLabels.from_probs(labels[inside], weak.classes, ids=inside))
    answer = first.predict_proba(rows[outside])
    sure = np.argsort(-answer.max(axis=1), kind="stable")[:50]
    table = np.concatenate([labels[inside], np.eye(3)[answer[sure].argmax(axis=1)]])
    ids = np.concatenate([inside, outside[sure]])
    last = Naive(HEAD).fit(rows.at(ids), weak.at(ids).relabel(table))
    assert np.allclose(student.student_.coef_, last.student_.coef_, atol=1e-4)
    assert np.array_equal(np.flatnonzero(student.back_), np.sort(outside[sure]))
    # The initial learner is trained anew: the first student is another.
    assert np.abs(student.student_.coef_ - first.student_.coef_).max() > 0.01


def test_one_row_may_stand_in_both_sets():
    rows, weak = ordinary("names")
    one = weak.source(0)
    student = TwoStage(HEAD, drop=0.4, again=0).fit(rows, one)
    assert np.allclose(student.kept_, 0.6)
    assert np.allclose(student.back_, 0.4)
    first = student.stages_[0].predict_proba(rows).argmax(axis=1)
    by_hand = Naive(HEAD).fit(rows, one.relabel(0.6 * one.probs[:, 0] + 0.4 * np.eye(3)[first]))
    assert np.allclose(student.student_.coef_, by_hand.student_.coef_, atol=1e-5)


def test_a_further_round_takes_back_more():
    rows, weak = ordinary("several")
    one, two = (TwoStage(HEAD, drop=0.4, again=0.5, rounds=r).fit(rows, weak) for r in (1, 2))
    assert len(two.stages_) == 3
    assert one.back_.sum() == pytest.approx(0.2 * len(rows))
    assert two.back_.sum() == pytest.approx(0.3 * len(rows))
    assert (two.back_ >= one.back_).all()


def test_a_class_that_the_first_stage_loses_is_told():
    """A supervisor that never names c makes every row of c look inconsistent; what came back has none either."""
    rows, weak = ordinary("never")
    student = TwoStage(HEAD, drop=0.4).fit(rows, weak)
    assert student.narrowing_.before[2] > 0.2
    assert student.narrowing_.after[2] == 0
    assert student.restored_.as_dict()["shares"]["c"][1] == 0
    assert "c" not in student.predict(rows)


# --- claims on a planted world ------------------------------------------------------------------------------------------------------


def hard_topics(seed: int, n: int = 700):
    """Three topics; on the third the supervisor is unsure and mostly guesses, and the truth needs features it does not see."""
    random = np.random.default_rng(seed)
    topic = random.integers(0, 3, n)
    x = random.normal(size=(n, 8)) + 4 * np.eye(8)[topic + 5]
    score = 1.5 * x[:, 0] + 1.5 * x[:, 1]
    truth = score > 0
    seen = np.where(topic == 2, 0.25 * score + 1.0 * random.normal(size=n), 1.5 * score + random.normal(size=n))
    p = 1 / (1 + np.exp(-seen))
    weak = named(np.stack([1 - p, p], 1), classes=["no", "yes"])
    return Rows.from_arrays(X=x), weak, np.where(truth, "yes", "no"), topic


def test_the_second_stage_restores_topics_under_better_labels():
    """The mechanism alone. Whether S2 beats S1 is a claim with a verdict of its own: in this world it does not (docs/methods-two-stage)."""
    for seed in range(3):
        rows, weak, truth, topic = hard_topics(seed, 400)
        both = TwoStage(HEAD, drop=0.4).fit(rows, weak)
        back = both.back_ > 0.5
        weakly = weak.classes[weak.hard()[:, 0]] == truth
        first = both.stages_[0].predict(rows) == truth
        assert weakly[both.kept_ > 0.5].mean() > weakly.mean() + 0.05
        assert first[back].mean() > weakly[back].mean() + 0.1
        aside = (both.kept_ < 0.5) & ~back
        assert first[back].mean() > first[aside].mean()
        topics = topic_narrowing(both, rows, topics=3)
        assert topics.effective[1] < topics.effective[0] - 0.05
        restored = np.average(topic == 2, weights=both.kept_ + both.back_)
        assert restored > np.average(topic == 2, weights=both.kept_) + 0.03


def test_labels_get_better_as_more_is_put_aside():
    rows, weak, truth, _ = hard_topics(0)
    weakly = weak.classes[weak.hard()[:, 0]] == truth
    kept = [TwoStage(HEAD, drop=d, rounds=0).fit(rows, weak).kept_ for d in (0.0, 0.2, 0.4, 0.6)]
    assert (np.diff([np.average(weakly, weights=k) for k in kept]) > 0.01).all()


# --- bad input ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"drop": 1.0}, "drop must be a number of at least 0 and below 1, not 1.0"),
        ({"drop": None}, "drop must be a number of at least 0 and below 1, not None"),
        ({"again": -0.1}, "again must be a number of at least 0 and below 1, not -0.1"),
        ({"again": True}, "not True"),
        ({"rounds": 1.5}, "rounds must be a whole number of at least 0, not 1.5"),
        ({"rounds": -1}, "not -1"),
    ],
)
def test_parameters_out_of_range(params, message):
    rows, weak = ordinary("several")
    for call in (lambda: TwoStage(**params).check(), lambda: TwoStage(**params).fit(rows, weak)):
        with pytest.raises(InputError) as raised:
            call()
        assert message in str(raised.value)


def test_one_class_left_and_values():
    x = np.random.default_rng(6).normal(size=(40, 2))
    probs = np.array([[0.05, 0.95]] * 30 + [[0.6, 0.4]] * 10)
    rows, weak = Rows.from_arrays(X=x), named(probs, classes=["no", "yes"])
    with pytest.raises(LabelsError) as raised:
        TwoStage(HEAD).fit(rows, weak)
    assert str(raised.value) == (
        "the first stage of TwoStage keeps rows of one class only ('yes'); a student needs two classes, so lower drop"
    )
    with pytest.raises(LabelsError, match="this learner predicts values; use Naive"):
        TwoStage(RidgeHead()).check()

"""The recipe repairs leaning and noisy labels where classes lie apart, and stays near naive where they do not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax
from tests.methods.shelf import KINDS, dead_rows_change_no_bit, ordinary, same_head

from outgrow.errors import InputError, LabelsError
from outgrow.learners.discriminant import posterior, repaired
from outgrow.learners.linear import LinearHead
from outgrow.learners.ridge import RidgeHead
from outgrow.methods import Naive, Recipe
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.rows import Rows

HEAD = LinearHead(penalty=0.03)
NAMES = ["a", "b", "c", "d"]


def blobs(apart=6.0, lean=1.0, n=600, seed=0, d=12):
    """Four blobs, one half as frequent again; flat soft labels of a supervisor that leans to the first class."""
    random = np.random.default_rng(seed)
    y = random.choice(4, n, p=[0.4, 0.2, 0.2, 0.2])
    means = np.linalg.qr(random.normal(size=(d, d)))[0][:4] * apart
    x = means[y] + random.normal(size=(n, d))
    logits = 1.2 * np.eye(4)[y] + random.normal(size=(n, 4)) + lean * np.eye(4)[0]
    return Rows.from_arrays(X=x), WeakLabels.from_probs(softmax(logits, axis=1), NAMES), np.array(NAMES)[y]


def right(method, made, learn=400):
    rows, weak, y = made
    return (method.fit(rows[:learn], weak[:learn]).predict(rows[learn:]) == y[learn:]).mean()


def test_flat_leaning_labels_are_repaired_where_classes_lie_apart():
    for seed in range(3):
        made = blobs(seed=seed)
        recipe, naive = Recipe(HEAD), Naive(HEAD)
        assert right(recipe, made) > right(naive, made) + 0.1
        assert right(recipe, made) > 0.9
        assert recipe.separation_ > 0.7
        assert recipe.said()["share of labels changed"] == recipe.changed_ > 0.2


def test_where_classes_overlap_it_is_nearly_naive():
    made = blobs(apart=0.0, n=900)
    recipe = Recipe(HEAD).fit(made[0], made[1])
    naive = Naive(HEAD).fit(made[0], made[1])
    assert recipe.separation_ < 0.35
    assert np.mean(recipe.predict(made[0]) == naive.predict(made[0])) > 0.9


@pytest.mark.parametrize("kind", KINDS)
def test_off_is_naive_and_ordinary_tables_are_input(kind):
    rows, weak = ordinary(kind)
    assert same_head(Recipe(HEAD, steps=0).fit(rows, weak), Naive(HEAD).fit(rows, weak))
    student = Recipe(HEAD).fit(rows, weak)
    assert np.isfinite(student.predict_proba(rows)).all()
    assert 0 <= student.separation_ <= 1
    assert student.channel_.shape == (3, 3)
    assert np.allclose(student.channel_.sum(axis=1), 1)


def test_the_posterior_is_the_discriminant_of_scikit_learn():
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    rows, _, y = blobs(apart=1.5)
    x = np.asarray(rows.view())
    x = x - x.mean(axis=0)
    hard = np.eye(4)[np.searchsorted(NAMES, y)]
    n, d = x.shape
    shrink = min(0.5, 2 * d / (d + n))
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrink, priors=hard.mean(axis=0))
    # scikit-learn shrinks each class's standardised scatter; the same estimate needs one scatter of classes alike in scale.
    ours = posterior(x, hard, np.ones(n), hard, x)
    assert np.mean(theirs.fit(x, y).predict(x) == np.array(NAMES)[ours.argmax(axis=1)]) > 0.99
    assert np.abs(theirs.predict_proba(x) - ours).max() < 0.05


def test_a_step_is_the_equation():
    rows, weak, _ = blobs(n=60)
    x, p = np.asarray(rows.view()), weak.probs[:, 0]
    x = x - x.mean(axis=0)
    g = posterior(x, p, np.ones(60), p, x)
    channel = np.array([[g[:, k] @ p[:, m] / g[:, k].sum() for m in range(4)] for k in range(4)])
    expected = g * (p @ channel.T)
    found, said = repaired(x, p, np.ones(60), 1)
    assert np.allclose(said, channel)
    assert np.allclose(found, expected / expected.sum(axis=1, keepdims=True))


def test_uncovered_rows_are_repaired_and_learned():
    rows, weak, y = blobs(n=700)
    covered = np.arange(700) % 4 != 0
    some = WeakLabels.from_probs(weak.probs[:, 0], NAMES, covered=covered)
    recipe, naive = Recipe(HEAD).fit(rows, some), Naive(HEAD).fit(rows, some)
    assert np.mean(recipe.predict(rows)[~covered] == y[~covered]) > 0.8
    better = (recipe.predict(rows) == y)[~covered].mean() - (naive.predict(rows) == y)[~covered].mean()
    assert better > 0.04


def test_rows_of_weight_zero_change_no_bit():
    rows, weak, _ = blobs(n=200)
    assert dead_rows_change_no_bit(Recipe(HEAD), weak, rows)


def test_more_features_than_rows():
    rows, weak, y = blobs(n=260, d=400, apart=14.0)
    assert right(Recipe(HEAD), (rows, weak, y), learn=200) > right(Naive(HEAD), (rows, weak, y), learn=200) + 0.1


@pytest.mark.parametrize("what", ["few", "constant", "values"])
def test_where_there_is_nothing_to_repair_it_is_naive(what):
    rows, weak, _ = blobs(n=100)
    if what == "values":
        x = np.asarray(rows.view())
        recipe, naive = (m(RidgeHead(penalty=0.1)).fit(x, x[:, 0] ** 2) for m in (Recipe, Naive))
    else:
        if what == "few":
            rows, weak = rows[:30], weak[:30]
        else:
            rows = Rows.from_arrays(X=np.ones((100, 3)))
        recipe, naive = Recipe(HEAD).fit(rows, weak), Naive(HEAD).fit(rows, weak)
    assert same_head(recipe, naive)
    assert recipe.said() == {}


@pytest.mark.parametrize("steps", [-1, 1.5, True, "two"])
def test_steps_out_of_range(steps):
    with pytest.raises(InputError, match="Recipe steps must be a whole number"):
        Recipe(HEAD, steps=steps).check()


def test_another_view_may_repair():
    rows, weak, _ = blobs(n=200)
    both = Rows.from_arrays(plain=np.asarray(rows.view()), noise=np.random.default_rng(0).normal(size=(200, 3)))
    recipe = Recipe(LinearHead(on="plain", penalty=0.03), on="noise")
    assert recipe.needs().views == {"plain", "noise"}
    assert recipe.fit(both, weak).separation_ < Recipe(LinearHead(on="plain", penalty=0.03)).fit(both, weak).separation_


def answers(y, right, seed, names=NAMES, ids=None):
    """Answers of a model that is right on a share of the rows, evenly wrong elsewhere, and not sure of itself."""
    random = np.random.default_rng([seed, 5])
    truth = np.searchsorted(names, y)
    said = np.where(random.random(len(y)) < right, truth, random.integers(0, len(names), len(y)))
    return WeakLabels.from_probs(0.5 * np.eye(len(names))[said] + 0.5 / len(names), names, ids=ids)


def test_good_own_answers_help_and_answers_at_random_are_left_out():
    gains = []
    for seed in range(4):
        rows, weak, y = blobs(apart=2.5, lean=0.5, seed=seed)
        learn, test = slice(0, 400), slice(400, 600)
        found = {}
        for share in (0.8, 0.0):
            recipe = Recipe(HEAD).fit(rows[learn], weak[learn], own=answers(y, share, seed))
            found[share] = (recipe.predict(rows[test]) == y[test]).mean(), recipe.own_
            assert recipe.said()["weight of own answers"] == recipe.own_
        without = Recipe(HEAD).fit(rows[learn], weak[learn])
        assert "weight of own answers" not in without.said()
        assert found[0.0][1] < 0.35 < 0.6 < found[0.8][1] <= 1.0
        alone = (without.predict(rows[test]) == y[test]).mean()
        gains.append([found[0.8][0] - alone, found[0.0][0] - alone])
    good, random = np.mean(gains, axis=0)
    assert good > 0.03
    assert abs(random) < 0.02


def test_own_answers_that_abstain_everywhere_change_no_bit():
    rows, weak, y = blobs()
    own = answers(y, 0.8, 0)
    mute = WeakLabels(own.ids, own.probs, np.zeros_like(own.covered), own.classes, own.sources)
    assert same_head(Recipe(HEAD).fit(rows, weak, own=mute), Recipe(HEAD).fit(rows, weak))
    assert same_head(Recipe(HEAD, steps=0).fit(rows, weak, own=own), Naive(HEAD).fit(rows, weak))


def test_own_answers_reach_rows_that_no_supervisor_covers():
    rows, weak, y = blobs(n=500)
    silent = WeakLabels(weak.ids, weak.probs, np.arange(500)[:, None] < 250, weak.classes, weak.sources)
    some = Recipe(HEAD).fit(rows, silent, own=answers(y, 0.9, 1))
    assert some.own_ > 0.5
    assert (some.predict(rows) == y).mean() > (Recipe(HEAD).fit(rows, silent).predict(rows) == y).mean() - 0.01


def test_own_answers_of_other_classes():
    rows, weak, y = blobs()
    other = WeakLabels.from_probs(np.full((len(y), 2), 0.5), ["no", "yes"])
    with pytest.raises(LabelsError, match="own answers of other classes"):
        Recipe(HEAD).fit(rows, weak, own=other)

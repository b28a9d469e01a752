from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from outgrow.errors import InputError, LabelsError, TaskError
from outgrow.tasks.classes import check_names, class_codes
from outgrow.tasks.labels import Source, WeakLabels


def table(n=6, m=2, c=3, seed=0, share=0.7, classes=("a", "b", "c")):
    random = np.random.default_rng(seed)
    sources = tuple(Source(f"s{j}", f"v{j}", (j,), f"k{j}") for j in range(m))
    return WeakLabels(
        np.arange(n) * 2,
        random.dirichlet(np.ones(c), (n, m)),
        random.random((n, m)) < share,
        np.array(classes[:c]),
        sources,
    )


# --- making ----------------------------------------------------------------------------------------------------------------------


def test_class_names_and_abstentions():
    made = WeakLabels.from_names(["b", None, "", float("nan"), pd.NA, pd.NaT, "a", np.nan], ["a", "b"])
    assert made.hard()[:, 0].tolist() == [1, -1, -1, -1, -1, -1, 0, -1]
    assert made.probs[0, 0].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("classes", "names", "codes"),
    [
        ([0, 1], [1, 0.0, "1", np.int8(0)], [1, 0, 1, 0]),
        ([False, True], [True, "False"], [1, 0]),
        ([0.5, 1.0], [0.5, "1.0", 1], [0, 1, 1]),
        (["0", "1"], [0, 1], [0, 1]),
        (["01", "1"], ["01", "1"], [0, 1]),
    ],
)
def test_names_are_compared_as_values_or_as_texts(classes, names, codes):
    assert class_codes(names, np.array(classes)).tolist() == codes


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Yes", "'Yes' at row 1 differs from class 'yes' by case or spaces only"),
        (" yes", "differs from class 'yes'"),
        ("yess", "'yess' at row 1 is not a class of this task; did you mean 'yes'"),
        (["yes", "no"], "the label of row 1 is a list; .* run one task per label"),
        (("yes",), "is a list"),
    ],
)
def test_names_that_are_no_class(name, message):
    with pytest.raises(LabelsError, match=message):
        WeakLabels.from_names(["no", name], ["no", "yes"])


def test_a_long_name_may_be_an_input_and_is_not_quoted():
    canary = "canary " * 20
    for call in (lambda: WeakLabels.from_names([canary], ["no", "yes"]), lambda: check_names([canary], ["no"], "here")):
        with pytest.raises(LabelsError) as caught:
            call()
        assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("probs", "message"),
    [
        ([[0.5, 0.6]], "sum to 1.1"),
        ([[1.5, -0.5]], "lowest -0.5"),
        ([[40.0, 60.0]], "percentages"),
        ([[np.nan, 1.0]], "not finite on row 0"),
        ([[np.inf, 0.0]], "not finite on row 0"),
    ],
)
def test_probabilities_that_are_none(probs, message):
    with pytest.raises(LabelsError, match=message):
        WeakLabels.from_probs(probs, ["a", "b"])
    made = WeakLabels.from_probs(probs, ["a", "b"], covered=[False])
    assert made.probs[0, 0].tolist() == [0.5, 0.5], "what stands where nobody speaks means nothing"


def test_rounded_probabilities_pass():
    WeakLabels.from_probs([[0.333, 0.333, 0.333]], ["a", "b", "c"])
    with pytest.raises(LabelsError):
        WeakLabels.from_probs([[0.33, 0.33, 0.33]], ["a", "b", "c"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ids": np.arange(5)}, "needs probs"),
        ({"probs": np.ones((6, 3))}, "needs probs"),
        ({"covered": np.ones((6, 3), bool)}, "needs probs"),
        ({"ids": np.array([0, 1, 2, 3, 3, 3])}, "2 row ids more than once"),
        ({"sources": (Source("one"),)}, "2 supervisors names 1 sources"),
        ({"classes": np.array(["a", "b"])}, "3 columns of probabilities for 2 classes"),
        ({"classes": np.array(["a", "b", "a"])}, "class 'a' is there twice"),
        ({"classes": np.array([1, 2, "1"], dtype=object)}, "class '1' is there twice"),
        ({"classes": None}, "one number a row, not 3"),
    ],
)
def test_tables_that_do_not_fit_together(change, message):
    good = table()
    given = {n: getattr(good, n) for n in ("ids", "probs", "covered", "classes", "sources")}
    with pytest.raises(LabelsError, match=message):
        WeakLabels(**{**given, **change})


def test_values():
    made = WeakLabels.from_probs([1.5, np.nan, -2e9], None)
    assert made.covered[:, 0].tolist() == [True, False, True]
    assert made.probs[:, 0, 0].tolist() == [1.5, 0.0, -2e9]
    with pytest.raises(LabelsError, match="no classes"):
        made.hard()
    assert made.prior().tolist() == [(1.5 - 2e9) / 2]


# --- taking and stacking ---------------------------------------------------------------------------------------------------------


@given(st.permutations(range(6)), st.integers(0, 6))
def test_rows_are_taken_whole(order, count):
    full, want = table(), [i * 2 for i in order[:count]]
    part = full.at(want)
    assert part.ids.tolist() == want
    np.testing.assert_array_equal(part.probs, full.probs[list(order[:count])])
    np.testing.assert_array_equal(part.covered, full.covered[list(order[:count])])
    assert part.fingerprint() == full[list(order[:count])].fingerprint()
    assert part.sources == full.sources


def test_rows_that_are_not_there():
    with pytest.raises(TaskError, match="row 1 is not among the 6 rows"):
        table().at([0, 1])
    with pytest.raises(InputError, match="mask of 3 rows"):
        table()[[True, False, True]]


def test_stack_and_source_are_each_others_inverse():
    one, two = table(seed=1, m=1), table(seed=2, m=2)
    both = WeakLabels.stack([one, two])
    assert both.supervisors == 3
    np.testing.assert_array_equal(both.source(0).probs, one.probs)
    np.testing.assert_array_equal(both.source(1, 2).covered, two.covered)
    assert both.source(2).sources == (two.sources[1],)


def test_what_cannot_be_stacked():
    one = table()
    with pytest.raises(LabelsError, match="same rows in another order"):
        WeakLabels.stack([one, one[::-1]])
    with pytest.raises(LabelsError, match=r"different classes: \['a', 'b', 'c'\] and \['a', 'c', 'b'\]"):
        WeakLabels.stack([one, table(classes=("a", "c", "b"))])
    with pytest.raises(LabelsError, match="values"):
        WeakLabels.stack([one, WeakLabels.from_probs(np.ones(6), None, ids=one.ids)])
    with pytest.raises(LabelsError, match="at least one"):
        WeakLabels.stack([])


def test_relabel_keeps_rows_and_remembers_who_saw_truth():
    new = table().relabel(np.tile([1.0, 0, 0], (6, 1)), covered=np.arange(6) < 3, name="cleaned")
    assert new.ids.tolist() == table().ids.tolist()
    assert new.sources[0].taught == (0, 1)
    assert new.any_covered.sum() == 3


# --- reading ---------------------------------------------------------------------------------------------------------------------


@given(arrays(bool, (7, 3)), st.integers(0, 100))
def test_the_combined_label_is_the_mean_over_those_that_speak(covered, seed):
    random = np.random.default_rng(seed)
    probs = random.dirichlet(np.ones(4), (7, 3))
    full = WeakLabels(np.arange(7), probs, covered, np.arange(4), tuple(Source(c) for c in "abc"))
    prior = random.dirichlet(np.ones(4))
    combined, there = full.one(prior)
    for row in range(7):
        expected = probs[row, covered[row]].mean(axis=0) if covered[row].any() else prior
        np.testing.assert_allclose(combined[row], expected, rtol=1e-12)
    np.testing.assert_array_equal(there, covered.any(axis=1))
    np.testing.assert_allclose(combined.sum(axis=1), 1)
    if covered.any():
        np.testing.assert_allclose(full.prior(), combined[there].mean(axis=0))
        np.testing.assert_allclose(full.one()[0][~there], np.tile(full.prior(), ((~there).sum(), 1)))
    else:
        with pytest.raises(LabelsError, match="covers none of these 7 rows"):
            full.prior()


def test_what_an_abstaining_supervisor_wrote_is_not_read():
    garbage = np.array([[[0.9, 0.1], [7.0, np.nan]]])
    made = WeakLabels(
        np.arange(1), garbage, np.array([[True, False]]), np.array(["a", "b"]), (Source("x"), Source("y"))
    )
    assert made.one()[0].tolist() == [[0.9, 0.1]]
    assert made.hard().tolist() == [[0, -1]]


@pytest.mark.parametrize(
    "classes",
    [
        np.array(["a", "b"]),
        np.array(["a", "bcd"], object),
        np.array([3, 1], np.int32),
        np.array([0.5, 1]),
        np.array([False, True]),
    ],
)
def test_saved_tables_come_back_with_the_same_key(tmp_path, classes):
    made = table(c=2, classes=tuple(classes.tolist()))
    made = WeakLabels(made.ids, made.probs, made.covered, classes, made.sources)
    made.save(tmp_path)
    back = WeakLabels.load(tmp_path)
    assert back.fingerprint() == made.fingerprint()
    assert back.classes.tolist() == classes.tolist()
    assert back.classes.dtype == classes.dtype
    assert back.sources == made.sources


def test_saved_values_come_back(tmp_path):
    made = WeakLabels.from_probs([1.5, np.nan], None, source=Source("s", None, (1, 2), "k"))
    made.save(tmp_path)
    assert WeakLabels.load(tmp_path).fingerprint() == made.fingerprint()
    assert json.loads((tmp_path / "labels.json").read_text())["classes"] is None


def test_keys_see_every_part():
    base, other = table(share=1.0), table(share=1.0)
    other.probs[0, 0] = other.probs[0, 0][::-1]
    renamed = table(share=1.0, classes=("a", "b", "d"))
    parts = [base, other, base[::-1], base.source(0), base.source(1, 0), table(), renamed]
    assert len({p.fingerprint() for p in parts}) == len(parts)
    assert table(share=1.0).fingerprint() == base.fingerprint()


def test_the_frame_is_tidy():
    made = WeakLabels.from_probs([[0.2, 0.8], [0.5, 0.5]], ["no", "yes"], covered=[True, False], source="rule")
    frame = made.frame(names=["r1", "r2"])
    assert frame["id"].tolist() == ["r1", "r2"]
    assert frame["label"].tolist()[0] == "yes"
    assert pd.isna(frame["label"].tolist()[1])
    assert frame["probability"].tolist()[0] == 0.8
    assert np.isnan(frame["p(no)"].tolist()[1])

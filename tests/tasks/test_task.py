"""The task: what it locks, what it refuses, and in which sentence."""

from __future__ import annotations

import pickle
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_array

from outgrow.errors import TaskError
from outgrow.fingerprints import fingerprint
from outgrow.tasks.task import Task

CANARY = "canary-7Q9"
TEXTS = [f"{CANARY} number {i}" for i in range(6)]
TRUTH = ["no", "yes", "no", "yes", None, ""]


def make(**changes) -> Task:
    return Task.from_arrays(**{"inputs": TEXTS, "truth": TRUTH, "names": list("abcdef"), **changes})


def refuse(match: str, **changes) -> str:
    with pytest.raises(TaskError, match=match) as caught:
        make(**changes)
    assert CANARY not in str(caught.value)
    return str(caught.value)


# ---- the lock ----


def test_truth_is_no_attribute_and_in_no_print():
    task = make()
    with pytest.raises(AttributeError, match="truth_at"):
        _ = task.truth
    assert not hasattr(task, "truht")
    assert repr(task) == str(task) == "<Task 'task': 6 rows, 2 classes, truth on 4>"
    frame = task.frame()
    assert list(frame) == ["row", "id", "has_truth"]
    assert CANARY not in frame.to_csv()
    assert task != make()


def test_truth_is_handed_out_by_row_number():
    task = make()
    assert task.classes.tolist() == ["no", "yes"]
    assert task.truth_at([3, 0, 4]).tolist() == [1, 0, -1]
    assert task.truth_at(task.has_truth).tolist() == [0, 1, 0, 1]
    assert task.has_truth.tolist() == [True] * 4 + [False] * 2
    for wrong in ([6], [-1], ["a"], [0.5]):
        with pytest.raises(TaskError):
            task.truth_at(wrong)


def test_no_one_can_write_into_a_task():
    matrix = np.ones((4, 2)) * np.arange(4)[:, None]
    task = make(inputs=matrix, truth=[0, 1, 0, 1], names=None)
    matrix[0] = 9
    assert task.inputs[0].tolist() == [0.0, 0.0]
    for array in (task.inputs, task.names, task.classes, task.has_truth, task.twins):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[1]
    handed = task.truth_at([0, 1])
    handed[0] = 1
    assert task.truth_at([0]).tolist() == [0]


def test_other_truth_makes_another_task_with_the_same_key():
    task = make()
    dark, other = task.without_truth(), task.with_truth([1, 0, 1, 0, -1, 1])
    assert not dark.has_truth.any()
    assert dark.classes.tolist() == ["no", "yes"]
    assert other.truth_at([0, 5]).tolist() == [1, 1]
    assert task.hide([1]).truth_at(task.ids).tolist() == [-1, 1, -1, -1, -1, -1]
    assert len({t.key for t in (task, dark, other, make(names=list("uvwxyz")))}) == 1
    assert len({t.truth_key for t in (task, dark, other)}) == 3
    assert fingerprint(task) == fingerprint(dark)
    assert make(inputs=[*TEXTS[:5], "else"]).key != task.key


def test_take_renumbers_and_keeps_own_ids():
    task = make(groups=["x", "x", None, "y", "y", None])
    part = task.take([4, 1])
    assert part.names.tolist() == ["e", "b"]
    assert part.inputs == (TEXTS[4], TEXTS[1])
    assert part.truth_at([0, 1]).tolist() == [-1, 1]
    assert task.groups.tolist() == [0, 0, 1, 2, 2, 3]


def test_a_task_travels_to_another_process():
    task = make()
    back = pickle.loads(pickle.dumps(task))
    assert back.key == task.key
    assert back.truth_at(back.ids).tolist() == task.truth_at(task.ids).tolist()


# ---- what it means ----


@pytest.mark.parametrize(
    ("truth", "classes"),
    [
        ([10, 9, 10, 9], ["9", "10"]),
        ([True, False, True, False], ["False", "True"]),
        ([1.0, 0.0, 1.0, 0.0], ["0", "1"]),
        (np.array([1.0, 0.0, np.nan, 1.0, 0.0]), ["0", "1"]),
        (["NA", "None", "NA", "None"], ["NA", "None"]),
        (["007", "7", "007", "7"], ["007", "7"]),
        (pd.Series(["b", "a", pd.NA, "b", "a"], dtype="string"), ["a", "b"]),
        (pd.Categorical(["b", "a", None, "b", "a"]), ["a", "b"]),
    ],
)
def test_class_names_are_text(truth, classes):
    n = len(truth)
    task = make(inputs=TEXTS[:n], truth=truth, names=None)
    assert task.kind == "classes"
    assert task.classes.tolist() == classes
    names = [str(task.classes[i]) if i >= 0 else None for i in task.truth_at(task.ids)]
    assert [name for name in names if name is not None] == [
        str(int(t)) if isinstance(t, float | np.floating) else str(t) for t in pd.Series(truth).dropna()
    ]


def test_given_classes_keep_their_order_and_may_be_unseen():
    task = make(classes=["yes", "no", "maybe"])
    assert task.truth_at([0]).tolist() == [1]
    assert task.notes == ("No row with truth is of class 'maybe'.",)


def test_the_kind_is_inferred_and_can_be_given():
    many = np.arange(40) / 7
    texts = [str(i) for i in range(40)]
    assert Task.from_arrays(texts, many).kind == "value"
    assert Task.from_arrays(texts, [str(v) for v in many]).kind == "value"
    assert Task.from_arrays(texts, np.round(many) % 2).kind == "classes"
    assert Task.from_arrays(texts, (np.arange(40) % 4) / 2).classes.tolist() == ["0", "0.5", "1", "1.5"]
    task = Task.from_arrays(texts, np.arange(40), kind="value")
    assert task.classes is None
    assert task.truth_at([39]).tolist() == [39.0]
    assert repr(task) == "<Task 'task': 40 rows, values, truth on 40>"


def test_truth_on_no_row_needs_the_classes():
    assert not make(truth=None, classes=["a", "b"]).has_truth.any()
    assert not make(truth=None, kind="value").has_truth.any()
    assert not make(truth=[None] * 6, kind="value").has_truth.any()
    refuse("no row has truth", truth=None)
    refuse("no row has truth", truth=[None] * 6, kind="classes")


def test_empty_texts_are_allowed_and_counted():
    task = make(inputs=["", "x", "  ", "y", "z", "w"])
    assert task.notes == ("2 of 6 inputs are empty.",)


def test_a_text_of_a_hundred_thousand_tokens_is_ordinary():
    task = make(inputs=[*TEXTS[:5], "word " * 100_000])
    assert len(task.inputs[5]) == 500_000


# ---- what it refuses ----


def test_features_that_are_not_finite():
    matrix = np.zeros((6, 3)) + np.arange(6)[:, None]
    for bad, word in ((np.nan, "nan"), (np.inf, "infinite"), (-np.inf, "infinite")):
        matrix[4, 2] = bad
        refuse(rf"row 'e' is {word} in column 2", inputs=matrix)
    big = np.full((6, 2), 1e308) + np.arange(6)[:, None] * 1e300
    assert len(make(inputs=big)) == 6


def test_inputs_of_another_shape():
    refuse(r"reshape\(-1, 1\)", inputs=np.arange(6.0))
    refuse(r"reshape\(len", inputs=np.zeros((6, 2, 2)))
    refuse("row 'b' has 1 features", inputs=[[1, 2], [1], [1, 2], [3, 4], [5, 6], [7, 8]])
    refuse("more than numbers", inputs=[["a"], ["b"], ["c"], ["d"], ["e"], ["f"]])
    refuse("one text", inputs=CANARY)
    refuse("sparse", inputs=coo_array(np.eye(6)))
    refuse("of type int", inputs=5)
    refuse("single value", inputs=np.array(5))
    assert make(inputs=[[i, 1.5] for i in range(6)]).inputs.shape == (6, 2)
    assert make(inputs=np.arange(12).reshape(6, 2)).inputs.dtype == np.float64
    assert make(inputs=np.ones((6, 2), np.float32) * np.arange(6, dtype=np.float32)[:, None]).inputs.dtype == np.float32


def test_a_missing_or_strange_input_names_its_row():
    for missing in (None, float("nan"), pd.NA):
        refuse("row 'c' has no input", inputs=[*TEXTS[:2], missing, *TEXTS[3:]])
    refuse("row 'c' is of type int", inputs=[*TEXTS[:2], 3, *TEXTS[3:]])
    refuse("row 'c' is of type bytes", inputs=[*TEXTS[:2], b"x", *TEXTS[3:]])
    refuse("row 'c' holds half a character", inputs=[*TEXTS[:2], "x\ud800", *TEXTS[3:]])


def test_ids():
    refuse("'a' stands in 2 rows", names=list("abcdea"))
    refuse("6 inputs and 5 ids", names=list("abcde"))
    refuse("row 1 has no id", names=["a", "", "c", "d", "e", "f"])
    assert make(names=[1, "1.0", "007", " x", True, "f"]).names.tolist() == ["1", "1.0", "007", " x", "True", "f"]
    long = [CANARY * 20] * 2 + list("cdef")
    refuse("one of 200 characters", names=long)


def test_nothing_and_lengths():
    refuse("none", inputs=[], truth=[], names=None)
    refuse("6 inputs and 3 truths", truth=["a", "b", "a"])
    refuse("6 inputs and 2 groups", groups=["a", "b"])


def test_one_class_and_a_class_with_one_row():
    refuse("all 6 rows with truth are of one class, 'yes'", truth=["yes"] * 6)
    refuse("class 'rare' has one row with truth, 'd'", truth=["a", "a", "b", "rare", "b", None])
    hint = refuse("has one row", truth=["1.5", "2.5", "3.5", "1", "2", "3"])
    assert "kind='value'" in hint
    assert "kind=" not in refuse("has one row", truth=list("abcdef"))


def test_class_names_that_differ_by_case_or_spaces():
    said = refuse("differ by case or spaces", truth=["positive", "Positive ", "positive", "Positive ", "x", "x"])
    assert "'positive'" in said
    assert "'Positive '" in said
    refuse("differ by case or spaces", classes=["yes", "YES", "no"])
    refuse("differ by case or spaces", truth=["a  b", "a b", "a  b", "a b", "x", "x"])
    refuse("given twice", classes=["yes", "yes"])
    refuse("made of spaces", truth=["a", "b", "a", "b", "  ", ""])


def test_a_class_that_is_not_among_the_given():
    said = refuse("row 'b' is the class 'yes'", classes=["no", "yess"])
    assert "did you mean 'yess'" in said
    refuse("row 'b' is the class 'yes'", classes=["no", "YES"])
    long = CANARY * 20
    refuse("one of 200 characters", truth=[long, "a", "a", long, "a", "b"], classes=["a", "b"])


@pytest.mark.parametrize("cell", [["a", "b"], ("a", "b"), {"a", "b"}, "['a', 'b']", "a;b", "a, b", "b|a"])
def test_a_list_of_labels_in_one_cell(cell):
    said = refuse("row 'e' is a list of labels", truth=["a", "a", "b", "b", cell, "a"])
    assert "one task per label" in said


def test_a_separator_in_an_ordinary_class_name_is_no_list():
    task = make(truth=["rock, pop", "rock, pop", "jazz", "jazz", None, None])
    assert task.classes.tolist() == ["jazz", "rock, pop"]


def test_values_that_are_no_numbers():
    for bad in ("1,5", "five", "0x10", "1_000"):
        refuse("row 'c' is no number", truth=["1", "2.5", bad, "3", "x", ""], kind="value")
    refuse("row 'a' is infinite", truth=[np.inf, 1, 2, 3, 4, 5], kind="value")
    refuse("the same value", truth=[2.0] * 6, kind="value")
    refuse("no classes", truth=None, kind="value", classes=["a", "b"])
    refuse("'classes' or 'value'", kind="number")
    task = make(truth=["1", " -2.5 ", "1e3", "", None, ".5"], kind="value")
    assert task.truth_at([0, 1, 2, 5]).tolist() == [1.0, -2.5, 1000.0, 0.5]
    assert task.has_truth.tolist() == [True, True, True, False, False, True]


def test_equal_inputs_with_different_truth():
    doubled = ["same", "same", "x", "same", "y", "z"]
    truth = ["a", "b", "b", None, "a", "b"]
    said = refuse("rows 'a', 'b' have the same input and different truth", inputs=doubled, truth=truth)
    assert "on_conflict='unknown'" in said
    assert "same'" not in said.replace("the same input", "")
    task = make(inputs=doubled, truth=truth, on_conflict="unknown")
    assert task.has_truth.tolist() == [False, False, True, False, True, True]
    assert task.notes == ("2 rows of equal inputs with different truth count as unknown.",)
    assert task.twins.tolist() == [0, 0, 2, 0, 4, 5]
    refuse("on_conflict", on_conflict="first")
    agreeing = make(inputs=doubled, truth=["a", "a", "b", None, "b", "b"])
    assert agreeing.notes == ()
    matrix = np.array([[0.0, 1], [-0.0, 1], [2, 3], [4, 5], [6, 7], [8, 9]])
    refuse("rows 'a', 'b'", inputs=matrix, truth=truth)


def test_the_plain_constructor_checks_what_it_is_given():
    with pytest.raises(TaskError, match="class index"):
        Task("t", "classes", TEXTS, ["no"] * 6, ["no", "yes"])
    with pytest.raises(TaskError, match="row '5' is no index"):
        Task("t", "classes", TEXTS, [0, 1, 0, 1, -1, 2], ["no", "yes"])
    with pytest.raises(TaskError, match="one entry per row"):
        Task("t", "classes", TEXTS, [0, 1], ["no", "yes"])
    with pytest.raises(TaskError, match="two or more"):
        Task("t", "classes", TEXTS, None, ["no"])
    with pytest.raises(TaskError, match="infinite"):
        Task("t", "value", TEXTS, [0, 1, 2, 3, 4, np.inf], None)
    with pytest.raises(TaskError, match="no classes"):
        Task("t", "value", TEXTS, None, ["no", "yes"])


@given(st.data())
def test_truth_survives_the_way_in_and_out(data):
    names = data.draw(st.lists(st.text("abcxyz", min_size=1, max_size=3), min_size=2, max_size=5, unique=True))
    extra = data.draw(st.lists(st.sampled_from([*names, None, ""]), max_size=20))
    truth = names * 2 + extra
    task = Task.from_arrays([f"t{i}" for i in range(len(truth))], truth)
    back = [str(task.classes[i]) if i >= 0 else None for i in task.truth_at(task.ids)]
    assert back == [t or None for t in truth]
    assert task.classes.tolist() == sorted(names)


def test_two_hundred_thousand_rows_take_seconds():
    n = 200_000
    start = time.process_time()
    task = Task.from_arrays(
        [f"text number {i}" for i in range(n)], np.arange(n) % 7, names=[f"id{i}" for i in range(n)]
    )
    assert len(task.key) == 32
    assert time.process_time() - start < 8

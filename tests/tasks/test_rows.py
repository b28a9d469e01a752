from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import KFold, train_test_split

from outgrow.errors import InputError, TaskError
from outgrow.tasks.rows import INPUTS, Rows, View, positions

TEXTS = ["zero", "one", "two", "three", "four"]


def rows() -> Rows:
    return Rows.from_arrays(f=np.arange(10.0).reshape(5, 2), inputs=TEXTS)


@given(st.data(), st.integers(1, 12))
def test_slices_of_slices_keep_every_view_aligned(data, n):
    matrix, texts = np.arange(2.0 * n).reshape(n, 2), [f"text {i}" for i in range(n)]
    part = Rows.from_arrays(f=matrix, inputs=texts)
    expected = np.arange(n)
    for _ in range(3):
        kind = data.draw(st.sampled_from(["mask", "positions", "slice"]))
        size = len(expected)
        index = {
            "mask": st.lists(st.booleans(), min_size=size, max_size=size),
            "positions": st.lists(st.integers(-size, size - 1), max_size=2 * size) if size else st.just([]),
            "slice": st.slices(size),
        }[kind]
        chosen = data.draw(index)
        part = part[chosen]
        taken = np.asarray(chosen) if kind != "slice" else chosen
        expected = expected[taken if kind != "positions" else taken.astype(int)] if kind != "mask" or size else expected
        assert part.ids.tolist() == expected.tolist()
        np.testing.assert_array_equal(part.view("f"), matrix[expected])
        assert part.view(INPUTS) == [texts[i] for i in expected]
        assert part.shape == (len(expected),)


@given(st.permutations(range(9)), st.lists(st.integers(0, 8)))
def test_rows_by_id_come_in_the_order_asked_for(order, want):
    part = Rows.from_arrays(f=np.arange(9.0)[:, None])[list(order)]
    assert part.at(want).ids.tolist() == want
    assert positions(part.ids, want).tolist() == [list(order).index(w) for w in want]


@pytest.mark.parametrize("ids", [[0, 1, 2], [4, 2, 0], []])
@pytest.mark.parametrize("want", [[7], [-1], [0, 9]])
def test_ids_that_are_not_there_are_named(ids, want):
    with pytest.raises(TaskError, match=r"row -?\d+ is not among the \d rows here"):
        rows()[ids].at(want)


def test_names_of_views():
    both = rows().with_view("g", np.ones((5, 3)))
    assert rows().name() == "f"
    assert both.matrices == ["f", "g"]
    with pytest.raises(InputError, match=r"several views \['f', 'g'\]"):
        both.view()
    with pytest.raises(InputError, match="no matrix view"):
        Rows.from_arrays(inputs=TEXTS).view()
    with pytest.raises(InputError, match=r"no view 'inptus'.*did you mean 'inputs'"):
        both.view("inptus")


def test_texts_in_two_columns_are_no_matrix():
    table = Rows.from_arrays(pairs=np.array([["canary", "b"], ["c", "d"]], dtype=object))
    assert table.matrices == []
    assert table.view("pairs")[0].tolist() == ["canary", "b"]


@pytest.mark.parametrize("ids", [[-1], [0, 5], [[0]], [0.5], [True]])
def test_rows_that_cannot_be(ids):
    with pytest.raises(TaskError):
        Rows(np.array(ids), rows().views)


def test_views_of_unequal_length_are_refused():
    with pytest.raises(TaskError, match=r"lengths are \{'a': 2, 'b': 3\}"):
        Rows.from_arrays(a=np.ones((2, 1)), b=np.ones((3, 1)))
    with pytest.raises(TaskError, match="view 'g' has 3 rows and row 4 is asked for"):
        rows().with_view("g", np.ones((3, 1)))


@pytest.mark.parametrize("index", [3, [[0]], [0.0], ["0"], [5], [-6], [True, False]])
def test_what_does_not_choose_rows(index):
    with pytest.raises(InputError):
        rows()[index]


def test_a_view_in_file_is_not_copied(tmp_path):
    np.save(tmp_path / "f.npy", np.arange(10.0).reshape(5, 2))
    mapped = np.load(tmp_path / "f.npy", mmap_mode="r", allow_pickle=False)
    part = Rows.from_arrays(f=mapped)
    assert np.shares_memory(part.view(), mapped)
    assert part[::2].views["f"].values is part.views["f"].values


def test_keys_follow_content_and_rows_not_the_way_there():
    one, two = rows(), rows()
    assert one.key("f") == two.key("f")
    assert one[[1, 3]].key("f") == two[np.array([False, True, False, True, False])].key("f")
    assert len({one.key("f"), one[[1, 3]].key("f"), one[[3, 1]].key("f"), one.key(INPUTS)}) == 4
    other = Rows.from_arrays(f=np.arange(10.0).reshape(5, 2) + 1e-12)
    assert other.key("f") != one.key("f")
    assert one.fingerprint() != one.with_view("g", np.ones((5, 1))).fingerprint()
    assert (
        Rows(np.arange(5), {"f": View(np.ones((5, 1)), "given")}).key()
        == Rows(np.arange(5), {"f": View(np.zeros((5, 1)), "given")}).key()
    )


def test_scikit_learns_splitters_take_them():
    train, test = train_test_split(rows(), random_state=0)
    assert sorted([*train.ids, *test.ids]) == list(range(5))
    assert [len(rows()[a]) for a, _ in KFold(5).split(rows())] == [4] * 5

"""Preference pairs as a task."""

from __future__ import annotations

import pytest

from outgrow.errors import TaskError
from outgrow.tasks.pairs import CLASSES, DIVIDER, from_pairs, pair_text, read_pair


def test_pairs_go_there_and_back() -> None:
    assert read_pair(pair_text("one", "two\n\nthree")) == ("one", "two\n\nthree")
    assert read_pair("one") is None
    assert read_pair(DIVIDER.join("abc")) is None


def test_the_place_of_the_preferred_text_tells_nothing() -> None:
    n = 400
    task = from_pairs(
        [f"good {i}" for i in range(n)],
        [f"bad {i}" for i in range(n)],
        prompts=["why"] * n,
        groups=[i // 2 for i in range(n)],
    )
    assert task.classes.tolist() == CLASSES
    truth = task.truth_at(task.ids)
    assert 170 < truth.sum() < 230
    for i in range(n):
        pair = read_pair(task.inputs[i])
        assert pair is not None
        assert pair[truth[i]] == f"why\n\ngood {i}"
        assert pair[1 - truth[i]] == f"why\n\nbad {i}"
    assert task.groups is not None
    again = from_pairs([f"good {i}" for i in range(n)], [f"bad {i}" for i in range(n)], seed=1)
    assert (again.truth_at(again.ids) != truth).any()


def test_bad_pairs() -> None:
    with pytest.raises(TaskError, match="rejected is not a list of 2"):
        from_pairs(["a", "b"], ["c"])
    with pytest.raises(TaskError, match="pair 1 has a int in rejected"):
        from_pairs(["a", "b"], ["c", 3])  # type: ignore[list-item]
    with pytest.raises(TaskError, match="holds the divider") as error:
        from_pairs(["canary" + DIVIDER], ["c"])
    assert "canary" not in str(error.value)

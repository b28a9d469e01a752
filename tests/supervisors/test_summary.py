from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from outgrow.errors import LabelsError
from outgrow.supervisors import quality
from outgrow.tasks.labels import Source, WeakLabels

AB = np.array(["a", "b"])


def votes(*columns: str, classes: str = "ab") -> WeakLabels:
    """One text per supervisor, one character per row; a dot abstains."""
    known = np.array(list(classes))
    return WeakLabels.stack(
        WeakLabels.from_names([None if c == "." else c for c in column], known, source=Source(f"s{j}"))
        for j, column in enumerate(columns)
    )


def test_a_table_by_hand():
    made = quality(votes("aab.", "abb.", "...a"))
    frame = made.frame().set_index("source")
    assert frame.coverage.tolist() == [0.75, 0.75, 0.25]
    assert frame.overlaps.tolist() == [0.75, 0.75, 0.0]
    assert frame.conflicts.tolist() == [0.25, 0.25, 0.0]
    assert frame["share(a)"].tolist() == [pytest.approx(2 / 3), pytest.approx(1 / 3), 1.0]
    assert frame.named_classes.tolist() == [2, 2, 1]
    assert frame.most_named.tolist() == ["a", "b", "a"]
    assert frame.confidence.tolist() == [1.0] * 3
    assert frame.entropy.tolist() == [0.0] * 3
    assert frame.agreement.tolist() == [pytest.approx(2 / 3), pytest.approx(2 / 3), None]
    pairs = made.agreement_frame()
    assert pairs["rows"].tolist() == [3, 0, 0]
    assert pairs.agreement.tolist() == [pytest.approx(2 / 3), None, None]
    assert [f.code for f in made.flags] == ["one_class"]


def test_entropy_and_confidence_by_hand():
    probs = np.array([[0.5, 0.5], [0.9, 0.1]])
    line = quality(WeakLabels.from_probs(probs, AB)).rows[0]
    assert line["entropy"] == pytest.approx((np.log(2) - 0.9 * np.log(0.9) - 0.1 * np.log(0.1)) / 2)
    assert line["confidence"] == pytest.approx(0.7)
    # The tied row counts half for each class.
    assert line["share(a)"] == pytest.approx(0.75)


def test_ties_are_no_conflict():
    tie = WeakLabels.from_probs([[0.5, 0.5]], AB, source="tie")
    made = quality(WeakLabels.stack([tie, WeakLabels.from_names(["b"], AB, source="b")]))
    assert made.rows[0]["conflicts"] == 0.0
    assert made.agreement[0, 1] == 0.5


def test_one_class_and_classes_nobody_names():
    made = quality(votes("aaaa", "aabb", classes="abc"))
    assert {(f.source, f.code) for f in made.flags} == {("s0", "one_class"), ("", "unnamed")}
    assert made.unnamed == ("c",)
    assert "'c': it cannot be learned from these labels" in made.sentences[-1]


def test_leaning_needs_a_reference():
    even, lean = "ab" * 500, "aaaaaaabbb" * 100
    assert [(f.source, f.code) for f in quality(votes(even, lean)).flags] == [("s1", "leans")]
    assert "70% of the rows it covers; the other supervisors name it on 50%" in quality(votes(even, lean)).sentences[0]
    assert quality(votes(lean), prior=[0.7, 0.3]).flags == ()
    assert [f.source for f in quality(votes(even, lean), prior=[0.7, 0.3]).flags] == []
    alone = quality(votes(lean)).sentences
    assert len(alone) == 1
    assert "the task itself may be so" in alone[0]
    assert quality(votes("aaaaaaabbb")).flags == ()


@pytest.mark.parametrize(("share", "flagged"), [(59, False), (60, True)])
def test_the_threshold_is_as_stated(share: int, flagged: bool):
    table = votes(("a" * share + "b" * (100 - share)) * 20)
    assert bool(quality(table, prior=[0.5, 0.5]).flags) == flagged


def test_silence():
    made = quality(votes("abab", "...."))
    assert [(f.source, f.code) for f in made.flags] == [("s1", "silent")]
    line = made.frame().iloc[1]
    assert line["most_named"] is None
    assert line["entropy"] is None
    assert line["share(a)"] is None


def test_values():
    values = np.array([1.0, 2, 3, 4])
    tables = [
        WeakLabels.from_probs(v, None, source=Source(n))
        for n, v in (
            ("x", values),
            ("y", -values),
            ("flat", np.ones(4)),
            ("gap", np.array([1, np.nan, np.nan, np.nan])),
        )
    ]
    made = quality(WeakLabels.stack(tables))
    frame = made.frame().set_index("source")
    assert frame["mean"].tolist() == [2.5, -2.5, 1.0, 1.0]
    assert frame.loc["x", "sd"] == pytest.approx(np.std(values, ddof=1))
    assert frame.low.tolist() == [1, -4, 1, 1]
    assert made.agreement[0, 1] == pytest.approx(-1)
    assert frame.loc["flat", "agreement"] is None
    assert frame.loc["gap", "sd"] is None
    assert [(f.source, f.code) for f in made.flags] == [("flat", "constant"), ("gap", "constant")]


@given(data=st.data(), n=st.integers(1, 25), m=st.integers(1, 4), c=st.integers(2, 4))
def test_shares_are_shares_and_no_cell_is_nan(data: Any, n: int, m: int, c: int):
    raw = data.draw(hnp.arrays(np.float64, (n, m, c), elements=st.floats(0.01, 1)))
    covered = data.draw(hnp.arrays(bool, (n, m)))
    weak = WeakLabels(
        np.arange(n), raw / raw.sum(axis=2, keepdims=True), covered, np.array(list("abcd")[:c]),
        tuple(Source(f"s{j}") for j in range(m)),
    )  # fmt: skip
    made = quality(weak)
    for line in made.frame().to_dict("records"):
        assert all(v == v for v in line.values())
        assert line["conflicts"] <= line["overlaps"] <= line["coverage"]
        if line["covered"]:
            assert sum(line[f"share({k})"] for k in "abcd"[:c]) == pytest.approx(1)
            assert 1 / c - 1e-9 <= line["confidence"] <= 1
            assert -1e-9 <= line["entropy"] <= np.log(c) + 1e-9
    order = np.random.default_rng(0).permutation(n)
    np.testing.assert_allclose(quality(weak[order]).agreement, made.agreement)
    np.testing.assert_allclose(made.agreement, made.agreement.T)
    assert quality(weak[order]).sentences == made.sentences


def test_sentences():
    with pytest.raises(LabelsError, match="needs rows"):
        quality(votes("ab")[:0])
    with pytest.raises(LabelsError, match="one share per class"):
        quality(votes("ab"), prior=[1.0])


def test_json_values():
    import json

    assert (
        json.loads(json.dumps(quality(votes("ab.", "a..")).as_dict(), allow_nan=False))["sources"][0]["source"] == "s0"
    )

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgrow.errors import NeedsError
from outgrow.tasks.labels import Source, WeakLabels
from outgrow.tasks.needs import Known, Needs
from outgrow.tasks.rows import Rows

NEEDS = st.builds(
    Needs,
    st.frozensets(st.sampled_from(["a", "b", "c"])),
    st.booleans(),
    st.integers(1, 4),
    st.booleans(),
    st.booleans(),
)


@given(NEEDS, NEEDS, NEEDS)
def test_needs_add_up(one, two, three):
    assert one | two == two | one
    assert (one | two) | three == one | (two | three)
    assert one | Needs() == one
    assert one | one == one
    assert (one | two).plain == (one.plain and two.plain)


@pytest.mark.parametrize(
    ("needs", "given", "message"),
    [
        (Needs(frozenset({"gema"})), {}, "Trust needs the view 'gema'; did you mean 'gemma'"),
        (Needs(supervisors=3), {}, "needs 3 supervisors, the study gives 2"),
        (Needs(supervisor_view=True), {}, r"needs the supervisor's features; \['rule'\] has none"),
        (Needs(known=True), {}, "needs known="),
        (Needs(select=True), {}, "needs select="),
    ],
)
def test_what_is_missing_is_said_in_one_sentence(needs, given, message):
    sources = [Source("probe", "glove"), Source("rule")]
    with pytest.raises(NeedsError, match=message) as caught:
        needs.check("Trust", ["gemma", "glove"], sources, **given)
    assert "\n" not in str(caught.value)


def test_a_supervisor_whose_view_is_not_there_has_none():
    with pytest.raises(NeedsError, match=r"\['probe'\]"):
        Needs(supervisor_view=True).check("Trust", ["gemma"], [Source("probe", "glove")])


def test_what_is_there_passes():
    everything = Needs(frozenset({"glove"}), True, 1, True, True)
    everything.check("Trust", ["glove"], [Source("probe", "glove")], known=object(), select=object())
    assert Needs(frozenset({"glove"})).plain
    assert not everything.plain


def grant(n=3):
    rows = Rows.from_arrays(f=np.ones((n, 1)))
    return rows, WeakLabels.from_names(["a"] * n, ["a", "b"])


def test_a_grant_knows_its_price_and_cannot_be_sliced():
    rows, weak = grant()
    known = Known(rows, weak, np.array([0, 1, 0]))
    assert known.spent == 3
    assert not hasattr(known, "__len__")
    assert not hasattr(known, "shape")
    assert not hasattr(known, "__getitem__")
    assert known.fingerprint() != Known(rows, weak, np.array([0, 1, 1])).fingerprint()


def test_a_grant_is_of_one_set_of_rows():
    rows, weak = grant()
    with pytest.raises(NeedsError, match="same rows; given 3, 3, 2"):
        Known(rows, weak, np.array([0, 1]))
    with pytest.raises(NeedsError, match="same rows"):
        Known(rows[::-1], weak, np.array([0, 1, 0]))

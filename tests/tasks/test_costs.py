"""What labels cost, beside a table of labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from outgrow.errors import LabelsError
from outgrow.tasks.labels import WeakLabels


def table(name: str = "crowd", said: str = "ab.a") -> WeakLabels:
    return WeakLabels.from_names([None if c == "." else c for c in said], ["a", "b"], source=name)


def test_a_price_is_paid_for_labels_and_money_by_row() -> None:
    assert table().paid is None
    assert table().priced(0.5).paid == 1.5
    by_row = table().priced([1.0, 2.0, 3.0, 0.0])
    assert by_row.paid == 6.0, "somebody may be paid and abstain"
    assert by_row[[1, 2]].paid == 5.0
    assert by_row.at([3, 0]).paid == 1.0
    assert table().priced(0).paid == 0.0


def test_stacked_tables_keep_each_price() -> None:
    both = WeakLabels.stack([table(), table("vendor").priced(0.1), table("old").priced(2)])
    assert both.paid == pytest.approx(6.3)
    assert both.source(0).paid is None
    assert both.source(2, 0).paid == 6.0
    assert WeakLabels.stack([table(), table("vendor")]).costs is None
    frame = both.frame()
    assert frame["cost"].isna().sum() == 4
    assert frame["cost"].sum() == pytest.approx(6.3)


def test_costs_are_saved_and_change_no_fingerprint(tmp_path: Path) -> None:
    plain, priced = table(), table().priced([0.1, 0.2, 0.0, 0.3])
    assert plain.fingerprint() == priced.fingerprint()
    priced.save(tmp_path / "priced")
    again = WeakLabels.load(tmp_path / "priced")
    assert again.costs is not None
    assert np.array_equal(again.costs, [[0.1], [0.2], [0.0], [0.3]])
    plain.save(tmp_path / "plain")
    assert WeakLabels.load(tmp_path / "plain").costs is None


@pytest.mark.parametrize(
    ("cost", "said"),
    [
        (-1, "a cost of -1 is given"),
        (float("nan"), "a cost of nan"),
        ("much", "a cost is the money for one label"),
        ([1.0, 2.0, -3.0, 4.0], "cost of supervisor 'crowd' on row 2 is -3 "),
        ([1.0, float("inf"), 1.0, 1.0], "on row 1 is inf"),
        ([1.0, float("nan"), 1.0, 1.0], "on row 1 is nan"),
        ([1.0, 2.0], r"given costs of shape \(2, 1\)"),
    ],
)
def test_what_is_no_money(cost: object, said: str) -> None:
    with pytest.raises(LabelsError, match=said):
        table().priced(cost)  # type: ignore[arg-type]

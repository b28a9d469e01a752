"""Gain for money: costs in label tables, through the store, into a choice."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import outgrow
from outgrow.errors import LabelsError, StudyError
from outgrow.store import Store
from outgrow.studies.advise import Rival
from outgrow.studies.choose import Choice, choose
from outgrow.studies.money import bargains, per_money, prices
from outgrow.studies.ready import make_ready
from outgrow.studies.study import Study
from outgrow.studies.verbs import label
from outgrow.tasks.labels import WeakLabels

N = 500


def study(folder: Path, crowd: dict[str, Any], **probe: Any) -> dict[str, Any]:
    """One file of labels, one line in four of them empty, and two probes of one view each."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, N)
    x = 1.6 * rng.normal(size=(3, 8))[y] + rng.normal(size=(N, 8))
    said = np.where(rng.random(N) < 0.3, rng.integers(0, 3, N), y)
    lines = [f"{i},{'' if i % 4 == 3 else 'abc'[k]},{0.01 * (i % 5):.2f}" for i, k in enumerate(said)]
    (folder / "weak.csv").write_text("row,label,fee\n" + "\n".join(lines) + "\n", "utf-8")
    return {
        "task": outgrow.Task.from_arrays(x, np.array(["a", "b", "c"])[y]),
        "views": {"left": x[:, :2] + 0, "right": x[:, 2:4] + 0},
        "study": {
            "name": "paid",
            "task": {"arrays": {"inputs": "unused.npy"}},
            "split": {"teach": 60, "transfer": 250, "select": 0, "test": 100},
            "supervisors": [
                {
                    "file": str(folder / "weak.csv"),
                    "id": "row",
                    "label": "label",
                    "name": "crowd",
                    "least": 0.5,
                    **crowd,
                },
                {"probe": "left", "penalty": 0.1, **probe},
                {"probe": "right", "penalty": 0.1},
            ],
            "students": [{"encoder": "inputs", "penalty": 0.03}],
            "methods": ["naive"],
            "seeds": [3],
        },
    }


def run(made: dict[str, Any], store: Store, **more: Any) -> Choice:
    return choose(made["study"], task=made["task"], views=made["views"], processes=1, store=store, **more)


def quality_of(made: dict[str, Any], store: Store) -> Any:
    ready = make_ready(Study.read(made["study"]), task=made["task"], views=made["views"], store=store)
    _, quality, errors = label(ready, progress=False, processes=1)
    assert errors == []
    return quality.frame()


def costs(choice: Choice) -> dict[str, float]:
    return dict(zip(choice.table["supervisor"], choice.table["cost"], strict=True))


def test_costs_go_through_the_store_into_the_choice(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    plain = run(study(tmp_path, {}), store)
    assert all(math.isnan(v) for v in costs(plain).values())
    assert plain.money == ()
    students = {p.name for p in (store.root / "objects").rglob("student.json")}

    priced = run(study(tmp_path, {"cost": 0.02}, cost=0.001), store)
    found = costs(priced)
    covered = round(found["crowd"] / 0.02)
    assert 150 < covered < 250, "an empty line is not paid by the label"
    assert found["probe(left)"] == pytest.approx(0.25)
    assert math.isnan(found["probe(right)"])
    # The price changes nothing else, and what is said of gains in money is the forecast's.
    for column in ("gain", "gain_low", "gain_high", "score", "told"):
        assert priced.table[column].tolist() == plain.table[column].tolist()
    told = priced.table[priced.table["told"] & priced.table["cost"].notna()]
    assert len(priced.money) == len(told) > 0
    assert [w.per_money for w in priced.money] == sorted((told["gain"] / told["cost"]), reverse=True)
    assert all(w.low < w.per_money < w.high for w in priced.money)
    json.dumps(priced.as_dict(), allow_nan=False)

    # Another price, a column, none: nothing is labelled or trained anew.
    dearer = run(study(tmp_path, {"cost": 0.04}), store)
    assert costs(dearer)["crowd"] == pytest.approx(2 * found["crowd"])
    by_line = run(study(tmp_path, {"cost": "fee"}), store)
    assert costs(by_line)["crowd"] == pytest.approx(0.01 * 2 * 250, rel=0.1)
    assert {p.name for p in (store.root / "objects").rglob("student.json")} == students
    assert math.isnan(costs(run(study(tmp_path, {}), store))["crowd"])
    # What is said on the command line comes first.
    assert costs(run(study(tmp_path, {"cost": 0.04}), store, costs={"crowd": 0.1}))["crowd"] == pytest.approx(
        5 * found["crowd"]
    )


def test_label_quality_shows_the_price(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    frame = quality_of(study(tmp_path, {"cost": 0.02}), store).set_index("source")
    assert frame.loc["crowd", "cost_per_label"] == pytest.approx(0.02)
    assert frame.loc["crowd", "cost"] == pytest.approx(0.02 * frame.loc["crowd", "covered"])
    assert frame.loc["probe(left)", "cost"] is None
    assert "cost" not in quality_of(study(tmp_path, {}), store)


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("", "id '7' of the file 'weak.csv' has no cost in column 'fee'; write 0"),
        ("-0.5", "at id '7' of the file 'weak.csv' is -0.5; give money"),
        ("free of charge", "at id '7' of the file 'weak.csv' is no number"),
        ("inf", "is inf; give money"),
        ("5%", "is no number"),
    ],
)
def test_a_column_of_costs_is_strict(tmp_path: Path, cell: str, said: str) -> None:
    study(tmp_path, {})
    path = tmp_path / "weak.csv"
    lines = path.read_text("utf-8").splitlines()
    lines[8] = ",".join([*lines[8].split(",")[:2], cell])
    path.write_text("\n".join(lines) + "\n", "utf-8")
    with pytest.raises(LabelsError, match=said):
        outgrow.supervisors.FileSupervisor(path, id="row", labels="label", cost="fee").label(
            outgrow.Rows.from_arrays(inputs=np.zeros((N, 1)))
        )


def test_prices_that_are_none(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    for cost in (-1, "0,02 EUR", True, float("nan")):
        with pytest.raises(StudyError, match="the cost of a supervisor is money for one label"):
            run(study(tmp_path, {}, cost=cost), store)
    with pytest.raises(AssertionError, match="no column 'fees'; did you mean 'fee'"):
        quality_of(study(tmp_path, {"cost": "fees"}), store)
    with pytest.raises(StudyError, match="a cost is given for 'nobody'"):
        run(study(tmp_path, {}), store, costs={"nobody": 1.0})
    with pytest.raises(StudyError, match="truth=MONEY"):
        prices(["crowd"])


def test_truth_has_a_price_too() -> None:
    line = {"supervisor": "crowd", "student": "s", "method": "naive", "told": True}
    line |= {"gain": 0.10, "gain_low": 0.04, "gain_high": 0.16}
    ranked = [{**line, **per_money(line, 5.0)}]
    direct = Rival("direct", "s", 0.82, 0.80, -0.02, 0.06, 100, True)
    (alone,) = bargains(ranked, [direct], {"crowd": 0.02})
    assert (alone.cost, alone.per_money, alone.low, alone.high) == (5.0, 0.02, 0.008, 0.032)
    first, second = bargains(ranked, [direct], {"truth": 0.04})
    assert first.way == "direct on s, 100 rows"
    assert (first.cost, first.per_money) == (4.0, pytest.approx(0.12 / 4))
    assert first.low == pytest.approx((0.12 - math.hypot(0.06, 0.04)) / 4)
    assert second.way == "naive on s, taught by crowd"
    assert bargains([{**ranked[0], "told": False}], [direct], {"truth": 0.04}) == ()
    assert bargains([{**line, **per_money(line, 0.0)}], [], None) == ()


def test_a_table_from_python_carries_its_price(tmp_path: Path) -> None:
    said = {"id": ["0", "1", "1", "2"], "who": ["x", "x", "y", "y"], "label": ["a", "b", "b", "a"], "fee": [1, 2, 4, 8]}
    made = outgrow.supervisors.FileSupervisor(said, labels="label", source="who", cost="fee")
    table = made.label(outgrow.Rows.from_arrays(inputs=np.zeros((3, 1))))
    assert [table.source(j).paid for j in range(2)] == [3.0, 12.0]
    table.save(tmp_path / "t")
    assert WeakLabels.load(tmp_path / "t").at([1]).paid == 6.0

"""The verbs beside ``run``, as functions: label, forecast, predict, inventory, clean, write_table."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import outgrow
from outgrow.errors import InputError, StoreError
from outgrow.store import Journal, Store
from outgrow.studies.ready import make_ready
from outgrow.studies.study import Study
from outgrow.studies.verbs import KINDS, clean, forecast, inventory, label, predict, write_table

from .small import STUDY


def events(folder, event):
    return [line for line in Journal(folder / "journal.jsonl").read() if line["event"] == event]


def test_label_forecast_predict_clean(given, tmp_path):
    """The other verbs, as functions."""
    ready = make_ready(Study.read(STUDY), task=given["task"], views=given["views"])
    table, quality, errors = label(ready, processes=1)
    assert errors == []
    assert len(table) == 240
    assert quality.sentences is not None
    lines, errors = forecast(ready, processes=1)
    assert errors == []
    assert {"misfit", "kl_misfit"} == set(lines["forecast"])
    outgrow.run(STUDY, out=tmp_path / "out", **given)
    assert len(events(tmp_path / "out", "done")) == 4  # references and scores; labels and students were there
    np.save(tmp_path / "x.npy", given["task"].inputs[:4])
    told = predict(tmp_path / "out" / "student", tmp_path / "x.npy", input=None, id=None)
    rows = pd.read_parquet(tmp_path / "out" / "rows.parquet")
    assert list(told["label"]) == list(rows["label student"][:4])
    for suffix in (".csv", ".jsonl", ".parquet"):
        write_table(told, tmp_path / f"t{suffix}")
        assert (tmp_path / f"t{suffix}").stat().st_size > 20
    (line,) = inventory("runs")
    assert line["studies"] == ["small"]
    assert line["bytes"] > 1000
    gone = clean(Store(), task="small", everything=False)
    assert gone["tasks"] == gone["runs"] == 1
    assert gone["objects"] == line["objects"]
    assert inventory("runs") == []
    assert not (tmp_path / "out").exists()


def test_inventory():
    for kind in KINDS[:-1]:
        lines = inventory(kind)
        assert lines
        assert all(line["name"] and line.get("text", "x") for line in lines)
        json.dumps(lines, allow_nan=False)
    assert {line["name"] for line in inventory("methods")} >= {"naive", "confidence"}
    assert all(line["paper"] for line in inventory("methods"))
    with pytest.raises(InputError, match="did you mean 'methods'"):
        inventory("method")


def test_write_table(tmp_path):
    with pytest.raises(InputError, match=r"\.csv, \.parquet, \.jsonl"):
        write_table(pd.DataFrame({"a": [1]}), tmp_path / "a.xls")
    assert list(tmp_path.iterdir()) == []


def test_clean_names_what_there_is(given, tmp_path):
    outgrow.run({**STUDY, "seeds": 1}, out=tmp_path / "out", **given)
    with pytest.raises(StoreError, match="did you mean 'small'"):
        clean(Store(), task="smal", everything=False)
    # The beginning of the task's key names it too.
    gone = clean(Store(), task=given["task"].key[:12], everything=False)
    assert gone["runs"] == 1

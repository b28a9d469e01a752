"""Readers: what is written is what is read, and every broken file has its sentence."""

from __future__ import annotations

import builtins
import json
import sys
import types
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgrow.errors import FetchError, MissingExtra, TaskError
from outgrow.tasks.columns import read_columns
from outgrow.tasks.task import Task

CANARY = "canary-7Q9"
ROWS = [
    ("007", f"{CANARY} one", "NA", "g1"),
    ("7", "two, with a comma", "None", "g1"),
    ("7.0", 'three "quoted"', "NA", ""),
    (" x", "four\nlines", "None", "g2"),
    ("null", "", "", "g2"),
]


def csv_text(rows=ROWS, sep=",") -> str:
    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if any(c in text for c in f'{sep}"\n') else text

    return "\n".join(sep.join(map(cell, row)) for row in [("id", "body", "label", "who"), *rows]) + "\n"


def write(folder: Path, raw: str | bytes, name: str = "tickets.csv") -> Path:
    path = folder / name
    path.write_bytes(raw if isinstance(raw, bytes) else raw.encode())
    return path


def refuse(path: Path, match: str, input: str = "body", truth: str | None = "label", **options) -> str:
    with pytest.raises(TaskError, match=match) as caught:
        Task.from_file(path, input, truth, **options)
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None
    return str(caught.value)


def check(task: Task) -> None:
    assert task.names.tolist() == [row[0] for row in ROWS]
    assert task.inputs == tuple(row[1] for row in ROWS)
    assert task.classes.tolist() == ["NA", "None"]
    assert task.truth_at(task.ids).tolist() == [0, 1, 0, 1, -1]
    assert task.groups.tolist() == [0, 0, 1, 2, 2]
    assert task.notes == ("1 of 5 inputs are empty.",)


# ---- one set of rows, every road ----


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le with a mark", "utf-16-be with a mark", "utf-32"]
)
def test_csv_in_every_encoding_that_says_what_it_is(encoding, tmp_path):
    codec, _, mark = encoding.partition(" ")
    raw = (("\ufeff" if mark else "") + csv_text()).encode(codec)
    task = Task.from_csv(write(tmp_path, raw), "body", "label", id="id", group="who")
    check(task)
    assert task.name == "tickets"
    assert task.source == {"file": "tickets.csv"}


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_line_ends(newline, tmp_path):
    text = csv_text([row for row in ROWS if "\n" not in row[1]] + [("8", "x", "None", "")])
    task = Task.from_csv(write(tmp_path, text.replace("\n", newline)), "body", "label", id="id")
    assert task.names.tolist() == ["007", "7", "7.0", "null", "8"]
    assert task.truth_at([4]).tolist() == [1]


def test_other_separators(tmp_path):
    check(Task.from_file(write(tmp_path, csv_text(sep="\t"), "a.tsv"), "body", "label", id="id", group="who"))
    check(Task.from_csv(write(tmp_path, csv_text(sep=";")), "body", "label", id="id", group="who", sep=";"))


def test_jsonl(tmp_path):
    lines = [{"id": i, "body": b, "label": y or None, "who": g or None} for i, b, y, g in ROWS]
    del lines[4]["label"]
    text = (
        "\n".join(json.dumps(line) for line in lines[:3]) + "\n\n  \n" + "\r\n".join(json.dumps(x) for x in lines[3:])
    )
    check(Task.from_file(write(tmp_path, text, "a.jsonl"), "body", "label", id="id", group="who"))


def test_jsonl_keeps_the_line_separators_that_json_allows_in_a_text(tmp_path):
    lines = [json.dumps({"t": f"a\u2028b\u0085c {i}", "y": "ab"[i % 2]}, ensure_ascii=False) for i in range(4)]
    task = Task.from_jsonl(write(tmp_path, "\n".join(lines), "a.ndjson"), "t", "y")
    assert task.inputs[1] == "a\u2028b\u0085c 1"


def test_parquet_and_frame(tmp_path):
    frame = pd.DataFrame(ROWS, columns=["id", "body", "label", "who"])
    frame["label"] = frame["label"].where(frame["label"] != "", None)
    frame["who"] = frame["who"].where(frame["who"] != "", None)
    check(Task.from_frame(frame, "body", "label", id="id", group="who"))
    frame.to_parquet(tmp_path / "a.parquet")
    check(Task.from_file(tmp_path / "a.parquet", "body", "label", id="id", group="who"))


def test_whole_numbers_as_ids_and_classes_stay_whole(tmp_path):
    frame = pd.DataFrame({"id": [3, 4, 5, 6], "body": list("wxyz"), "label": pd.array([0, 1, 1, 0], dtype="Int64")})
    frame.loc[4] = [7, "v", pd.NA]
    frame.to_parquet(tmp_path / "a.parquet")
    for task in (
        Task.from_frame(frame, "body", "label", id="id"),
        Task.from_parquet(tmp_path / "a.parquet", "body", "label", id="id"),
    ):
        assert task.names.tolist() == ["3", "4", "5", "6", "7"]
        assert task.classes.tolist() == ["0", "1"]
        assert task.truth_at(task.ids).tolist() == [0, 1, 1, 0, -1]


def test_columns_of_numbers_make_a_matrix(tmp_path):
    path = write(tmp_path, "a,b,y\n1,2.5,yes\n3,4,no\n5,6,yes\n7,8,no\n")
    task = Task.from_csv(path, ["a", "b"], "y")
    assert task.inputs.tolist() == [[1, 2.5], [3, 4], [5, 6], [7, 8]]
    for cell, word in (("", "is empty"), ("x", "is no number")):
        broken = write(tmp_path, f"a,b,y\n1,2.5,yes\n3,{cell},no\n", "b.csv")
        with pytest.raises(TaskError, match=f"row '1' {word} in the numeric input column 'b'"):
            Task.from_csv(broken, ["a", "b"], "y")
    with pytest.raises(TaskError, match="take it out"):
        Task.from_csv(path, ["a", "y"], "y")
    with pytest.raises(TaskError, match="no input column"):
        Task.from_csv(path, [], "y")


def test_lists_of_numbers_in_one_column_make_a_matrix(tmp_path):
    lines = "\n".join(json.dumps({"v": [i, i / 2], "y": "ab"[i % 2]}) for i in range(4))
    task = Task.from_jsonl(write(tmp_path, lines, "a.jsonl"), "v", "y")
    assert task.inputs.shape == (4, 2)
    pd.DataFrame({"v": [[float(i), 1.0] for i in range(4)], "y": list("abab")}).to_parquet(tmp_path / "a.parquet")
    assert Task.from_parquet(tmp_path / "a.parquet", "v", "y").inputs.tolist()[3] == [3.0, 1.0]


def test_a_value_in_a_text_file(tmp_path):
    path = write(tmp_path, "t,y\na,1.5\nb,\nc,-2\nd,x\n")
    with pytest.raises(TaskError, match="row '3' is no number"):
        Task.from_csv(path, "t", "y", kind="value")
    good = Task.from_csv(write(tmp_path, "t,y\na,1.5\nb,\nc,-2\n"), "t", "y", kind="value")
    assert good.truth_at([0, 2]).tolist() == [1.5, -2.0]
    assert good.has_truth.tolist() == [True, False, True]


def test_read_columns_reads_all_as_written(tmp_path):
    columns = read_columns(write(tmp_path, csv_text()))
    assert list(columns) == ["id", "body", "label", "who"]
    assert columns["id"] == [row[0] for row in ROWS]
    assert read_columns(write(tmp_path, "a;b\n1;2\n", "s.csv"), sep=";") == {"a": ["1"], "b": ["2"]}


def test_a_text_of_a_hundred_thousand_tokens(tmp_path):
    long = "word " * 100_000
    path = write(tmp_path, f"t,y\n{long},a\nx,b\ny,a\nz,b\n")
    assert Task.from_csv(path, "t", "y").inputs[0] == long


@given(
    st.lists(
        st.tuples(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20), st.sampled_from("ab")),
        min_size=1,
        max_size=12,
    )
)
def test_csv_gives_back_any_text(tmp_path_factory, rows):
    rows = [(text.replace("\r", " "), label) for text, label in rows] + [("u", "a"), ("v", "b"), ("u", "a"), ("v", "b")]
    quoted = "\n".join('"' + text.replace('"', '""') + f'",{label}' for text, label in rows)
    path = write(tmp_path_factory.mktemp("csv"), f"t,y\n{quoted}\n")
    task = Task.from_csv(path, "t", "y", on_conflict="unknown")
    assert task.inputs == tuple(text for text, _ in rows)


# ---- broken files ----


def test_cp1252_is_named_with_its_place_and_can_be_given(tmp_path):
    raw = "body,label\ncaf\u00e9,a\nx,b\ny,a\nz,b\n".encode("cp1252")
    path = write(tmp_path, raw)
    said = refuse(path, "not utf-8: byte 0xe9 at offset 14")
    assert "line 2" in said
    assert "encoding='cp1252'" in said
    assert Task.from_csv(path, "body", "label", encoding="cp1252").inputs[0] == "caf\u00e9"
    undefined = write(tmp_path, b"body,label\n\x81,a\n", "b.csv")
    refuse(undefined, "not cp1252: byte 0x81 at offset 11", encoding="cp1252")
    refuse(path, "no encoding 'utf8000'", encoding="utf8000")


def test_utf16_without_a_mark(tmp_path):
    path = write(tmp_path, "body,label\nx,a\ny,b\n".encode("utf-16-le"))
    refuse(path, "utf-16-le")


def test_files_without_rows(tmp_path):
    refuse(write(tmp_path, b""), "is empty")
    refuse(write(tmp_path, "\n\n"), "is empty")
    refuse(write(tmp_path, "body,label\n"), "a header and no rows")
    refuse(write(tmp_path, b"", "a.jsonl"), "is empty")
    refuse(write(tmp_path, "\n\n", "a.jsonl"), "is empty")
    pd.DataFrame({"body": [], "label": []}).to_parquet(tmp_path / "a.parquet")
    refuse(tmp_path / "a.parquet", "columns and no rows")


def test_a_missing_column_names_the_nearest(tmp_path):
    frame = pd.DataFrame(ROWS, columns=["id", "body", "label", "who"])
    frame.to_parquet(tmp_path / "a.parquet")
    lines = "\n".join(json.dumps(dict(zip(frame.columns, row))) for row in ROWS)
    files = [write(tmp_path, csv_text()), tmp_path / "a.parquet", write(tmp_path, lines, "a.jsonl")]
    for path in files:
        refuse(path, "no column 'bodi'; did you mean 'body'", input="bodi")
        refuse(path, "no column 'Label'; did you mean 'label'", truth="Label")
        refuse(path, "no column 'zzz'; there is 'id', 'body', 'label', 'who'", id="zzz")
    with pytest.raises(TaskError, match="the frame has no column 'bodi'; did you mean 'body'"):
        Task.from_frame(frame, "bodi")


def test_a_file_without_a_header_is_not_repeated(tmp_path):
    text = f"{CANARY} a text that is long enough to be no name of a column,a\n" + "x,b\n" * 3
    said = refuse(write(tmp_path, text), "is its first line a header")
    assert "'a'" in said


def test_cells_that_do_not_fit_the_header(tmp_path):
    refuse(write(tmp_path, f"body,label\nx,a\n{CANARY}, loose,b\n"), "3 cells in line 3 where the header has 2")
    refuse(write(tmp_path, "body,label\nx,a\ny\n"), "1 cells in line 3 where the header has 2")
    refuse(write(tmp_path, f'body,label\nx,a\n"{CANARY},b\nz,a\n'), "row that begins in line 3 is not closed")
    refuse(write(tmp_path, f'body,label\nx,a\n"{CANARY}"y,b\n'), "row that begins in line 3")
    refuse(write(tmp_path, "body,label,label\nx,a,b\n"), "two columns 'label'")
    with pytest.raises(TaskError, match="two columns 'y'"):
        Task.from_frame(pd.DataFrame([["x", 1, 2]], columns=["t", "y", "y"]), "t", "y")


def test_a_broken_line_of_jsonl_is_numbered(tmp_path):
    good = json.dumps({"body": CANARY, "label": "a"})
    refuse(write(tmp_path, f"{good}\n\n{good[:-4]}\n{good}\n", "a.jsonl"), "line 3 of 'a.jsonl' is no whole JSON value")
    refuse(write(tmp_path, f"{good}\n[1, 2]\n", "a.jsonl"), "line 2 of 'a.jsonl' is no JSON object")
    refuse(write(tmp_path, json.dumps({"label": "a"}) + f"\n{good}\n", "a.jsonl"), "row '0' has no input")
    labels = "\n".join(json.dumps({"body": str(i), "label": ["a", "b"]}) for i in range(4))
    refuse(write(tmp_path, labels, "a.jsonl"), "row '0' is a list of labels")


def test_what_is_no_file_of_a_known_kind(tmp_path):
    refuse(tmp_path / "none.csv", "no file at")
    (tmp_path / "folder.csv").mkdir()
    refuse(tmp_path / "folder.csv", "a folder, not a file")
    refuse(write(tmp_path, "x", "a.xlsx"), "of no known kind")
    refuse(write(tmp_path, b"PAR1 and no more", "a.parquet"), "no Parquet file, or is cut short")
    refuse(write(tmp_path, csv_text()), "the same column 'body'", truth="body")
    with pytest.raises(TaskError, match="no encoding to choose"):
        Task.from_file(write(tmp_path, b"PAR1", "b.parquet"), "body", encoding="utf-8")


def test_an_option_that_does_not_exist_is_no_silence(tmp_path):
    with pytest.raises(TypeError, match="clases"):
        Task.from_csv(write(tmp_path, csv_text()), "body", "label", clases=["a"])


# ---- the Hub ----


class FakeHub:
    """Stands for a dataset of the Hub: columns, and features with the names of a class label."""

    def __init__(self):
        self.data = {"text": ["a", "b", "c", "d", "e"], "label": [0, 1, 1, 0, -1]}
        self.column_names = list(self.data)
        self.features = {"text": object(), "label": types.SimpleNamespace(names=["neg", "pos"])}

    def __getitem__(self, column):
        return self.data[column]


def test_hub_labels_come_by_name(monkeypatch):
    asked = []
    fake = types.ModuleType("datasets")
    fake.load_dataset = lambda *args, **kwargs: asked.append((args, kwargs)) or FakeHub()
    monkeypatch.setitem(sys.modules, "datasets", fake)
    task = Task.from_hub("someone/reviews", "text", "label", split="test", revision="abc")
    assert asked == [(("someone/reviews", None), {"split": "test", "revision": "abc"})]
    assert task.name == "reviews"
    assert task.classes.tolist() == ["neg", "pos"]
    assert task.truth_at(task.ids).tolist() == [0, 1, 1, 0, -1]
    assert task.source == {"hub": "someone/reviews", "config": None, "split": "test", "revision": "abc"}
    with pytest.raises(TaskError, match="did you mean 'text'"):
        Task.from_hub("someone/reviews", "texts")


def test_a_hub_that_fails_and_a_missing_extra(monkeypatch):
    fake = types.ModuleType("datasets")

    def load_dataset(*args, **kwargs):
        raise ConnectionError("host and port of someone's proxy")

    fake.load_dataset = load_dataset
    monkeypatch.setitem(sys.modules, "datasets", fake)
    with pytest.raises(FetchError, match=r"'someone/reviews'.*ConnectionError") as caught:
        Task.from_hub("someone/reviews", "text")
    assert "proxy" not in str(caught.value)
    monkeypatch.delitem(sys.modules, "datasets")
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "datasets":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"pip install 'outgrow\[hf\]'"):
        Task.from_hub("someone/reviews", "text")


def test_numeric_frames_of_any_type():
    frame = pd.DataFrame(
        {"a": np.arange(4, dtype=np.int8), "b": pd.array([1, 2, 3, 4], dtype="Float64"), "y": list("abab")}
    )
    assert Task.from_frame(frame, ["a", "b"], "y").inputs.tolist() == [[0, 1], [1, 2], [2, 3], [3, 4]]
    frame["b"] = pd.array([1, None, 3, 4], dtype="Float64")
    with pytest.raises(TaskError, match="row '1'"):
        Task.from_frame(frame, ["a", "b"], "y")
